//! The words in which rows of the table are written. Nothing here knows which server carries them out.

/// One row: what there is, what is done, and who hears of it.
#[derive(Debug, Clone)]
pub struct Row {
    /// What the row is about.
    pub name: &'static str,
    /// There before dirherald looks for the first time.
    pub before: Vec<Entry>,
    /// Each step is told before the next is made.
    pub change: Vec<Step>,
    /// With all options on: each mail by role as `name: reasons`, in any order.
    pub expect: Vec<&'static str>,
    /// How many change sets fire an option; To and Cc get one copy of each.
    pub fired: usize,
    /// How many change sets there are, those that tell nobody by role among them.
    pub change_sets: usize,
}

/// An entry by its name within the row.
#[derive(Debug, Clone)]
pub struct Entry {
    pub name: &'static str,
    pub class: Class,
    /// The place it lies in; empty: directly below the row's own.
    pub place: &'static str,
    pub fields: Vec<(Field, &'static str)>,
    pub account: Account,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    Person,
    /// Members are DNs, at least one.
    Group,
    /// Members are DNs, or none.
    GroupOrEmpty,
    /// Members are DNs in `uniqueMember`.
    UniqueGroup,
    /// Members are account names.
    PosixGroup,
    /// Holds other entries.
    Place,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Account {
    Enabled,
    Disabled,
}

/// What an entry says of itself or of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    // Values are names of the row, parted by spaces.
    Member,
    UniqueMember,
    MemberUid,
    Owner,
    ManagedBy,
    CoOwner,
    Manager,
    // One value, as it is. The empty text: none.
    Mail,
    DisplayName,
    Title,
    Description,
}

/// One operation.
#[derive(Debug, Clone)]
pub enum Step {
    Create(Entry),
    Delete(&'static str),
    /// The entry is known by the new name from then on.
    Rename(&'static str, &'static str),
    /// To a place of the row.
    Move(&'static str, &'static str),
    Modify(&'static str, Vec<Edit>),
}

/// A part of one [`Step::Modify`].
#[derive(Debug, Clone, Copy)]
pub enum Edit {
    Add(Field, &'static str),
    Remove(Field, &'static str),
    Replace(Field, &'static str),
}

/// The dummy member.
pub const NOBODY: &str = "nobody";

/// The address under To, as a name of every row.
pub const ARCHIVE: &str = "archive@lists.example";

/// The address under Cc.
pub const AUDITOR: &str = "auditor@lists.example";

/// As many people may be told in a group's place.
pub const EXPANSION_LIMIT: usize = 5;

/// A row of one change set that fires.
pub fn row(name: &'static str, before: Vec<Entry>, change: Vec<Step>, expect: &[&'static str]) -> Row {
    Row { name, before, change, expect: expect.to_vec(), fired: 1, change_sets: 1 }
}

impl Row {
    /// Other numbers of change sets: those that fire an option, and all.
    pub fn sets(mut self, fired: usize, all: usize) -> Self {
        self.fired = fired;
        self.change_sets = all;
        self
    }
}

/// People with an address `NAME@…`.
pub fn people(names: &'static str) -> Vec<Entry> {
    names.split(' ').map(person).collect()
}

pub fn person(name: &'static str) -> Entry {
    entry(name, Class::Person)
}

pub fn group(name: &'static str) -> Entry {
    entry(name, Class::Group)
}

pub fn place(name: &'static str) -> Entry {
    entry(name, Class::Place)
}

pub fn entry(name: &'static str, class: Class) -> Entry {
    Entry { name, class, place: "", fields: Vec::new(), account: Account::Enabled }
}

impl Entry {
    pub fn with(mut self, field: Field, values: &'static str) -> Self {
        self.fields.push((field, values));
        self
    }

    pub fn members(self, names: &'static str) -> Self {
        self.with(Field::Member, names)
    }

    pub fn owners(self, names: &'static str) -> Self {
        self.with(Field::Owner, names)
    }

    pub fn in_place(mut self, place: &'static str) -> Self {
        self.place = place;
        self
    }

    pub fn disabled(mut self) -> Self {
        self.account = Account::Disabled;
        self
    }
}

/// `people` and more.
pub fn and(mut people: Vec<Entry>, more: impl IntoIterator<Item = Entry>) -> Vec<Entry> {
    people.extend(more);
    people
}

/// One modification of one entry.
pub fn modify(name: &'static str, edits: &[Edit]) -> Step {
    Step::Modify(name, edits.to_vec())
}

impl Edit {
    pub fn field(&self) -> Field {
        match *self {
            Self::Add(field, _) | Self::Remove(field, _) | Self::Replace(field, _) => field,
        }
    }

    pub fn text(&self) -> &'static str {
        match *self {
            Self::Add(_, text) | Self::Remove(_, text) | Self::Replace(_, text) => text,
        }
    }
}
