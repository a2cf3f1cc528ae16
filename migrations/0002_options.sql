-- Which options were on when a change set was dispatched: JSON, names of reasons. NULL: by an earlier version.
ALTER TABLE change_set ADD COLUMN options TEXT;
