-- Which options were on when a change set was dispatched (Ticked). NULL: by an earlier version, which did not record it.
ALTER TABLE change_set ADD COLUMN options TEXT;
