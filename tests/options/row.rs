//! The words in which rows of the table are written. Nothing here knows which server carries them out.

/// One row: what there is, what is done, and who hears of it.
#[derive(Debug, Clone)]
pub struct Row {
    /// What the row is about.
    pub name: &'static str,
    /// There before dirherald looks for the first time. [`ADAM`] is there in any case.
    pub before: Vec<Entry>,
    /// Who makes the changes: somebody of the row, or [`ADMIN`].
    pub by: &'static str,
    /// Each step is told before the next is made.
    pub steps: Vec<Step>,
}

/// One operation, and what it leads to.
#[derive(Debug, Clone)]
pub struct Step {
    pub does: Operation,
    /// With all options on: each mail by role as `names: reasons`, in any order. A name is that of a person or
    /// group of the row and stands for its address; an address may stand there as well.
    pub told: Vec<&'static str>,
    /// Options that fire although nobody can be told of them; those in `told` fire as well.
    pub fires_in_vain: Vec<&'static str>,
    /// Whether there is a change set at all.
    pub notice: Notice,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    OneChangeSet,
    Nothing,
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
    /// A person without an account.
    Contact,
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
    Expired,
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
    CoManager,
    // What the filters of the configuration look at: values of [`mark`], parted by spaces.
    Mark,
    // One value, as it is. The empty text: none.
    Mail,
    DisplayName,
    Title,
    Description,
}

/// What the filters match.
pub mod mark {
    /// `public_group_filter`
    pub const PUBLIC: &str = "public";
    /// `ignore_filter`
    pub const IGNORED: &str = "ignored";
    /// `do_not_notify_filter`
    pub const UNTOLD: &str = "untold";
    /// `pilot_filter`, where it is set
    pub const PILOT: &str = "pilot";
}

/// What can be done at once.
#[derive(Debug, Clone)]
pub enum Operation {
    Create(Entry),
    Delete(&'static str),
    /// The entry is known by the new name from then on.
    Rename(&'static str, &'static str),
    /// To a place of the row.
    Move(&'static str, &'static str),
    Modify(&'static str, Vec<Edit>),
}

/// A part of one [`Operation::Modify`].
#[derive(Debug, Clone, Copy)]
pub enum Edit {
    Add(Field, &'static str),
    Remove(Field, &'static str),
    Replace(Field, &'static str),
}

/// Who makes the changes where a row does not say otherwise: a user with an address.
pub const ADAM: &str = "adam";

/// The server's administrator, who is no entry.
pub const ADMIN: &str = "admin";

/// The dummy member.
pub const NOBODY: &str = "nobody";

/// The address under To, as a name of every row.
pub const ARCHIVE: &str = "archive@lists.example";

/// The address under Cc.
pub const AUDITOR: &str = "auditor@lists.example";

/// As many people may be told in a group's place.
pub const EXPANSION_LIMIT: usize = 5;

/// A row in which nothing happens yet.
pub fn row(name: &'static str, before: Vec<Entry>) -> Row {
    Row { name, before, by: ADAM, steps: Vec::new() }
}

impl Row {
    /// The next change, which makes a change set and these mails.
    pub fn then(mut self, does: Operation, told: &[&'static str]) -> Self {
        let told = told.to_vec();
        self.steps.push(Step { does, told, fires_in_vain: Vec::new(), notice: Notice::OneChangeSet });
        self
    }

    /// The next change, of which dirherald has nothing to say.
    pub fn unnoticed(mut self, does: Operation) -> Self {
        self.steps.push(Step { does, told: Vec::new(), fires_in_vain: Vec::new(), notice: Notice::Nothing });
        self
    }

    /// What fires at the last change beside the reasons in its mails, and finds nobody.
    pub fn in_vain(mut self, options: &[&'static str]) -> Self {
        self.steps.last_mut().expect("a change").fires_in_vain = options.to_vec();
        self
    }

    /// Who makes the changes.
    pub fn by(mut self, name: &'static str) -> Self {
        self.by = name;
        self
    }

    /// Everything that is there before.
    pub fn entries(&self) -> Vec<Entry> {
        let mut entries = self.before.clone();
        if !entries.iter().any(|entry| entry.name == ADAM) {
            entries.push(person(ADAM));
        }
        entries
    }
}

/// People with an address `NAME@…`.
pub fn people(names: &'static str) -> Vec<Entry> {
    names.split(' ').map(person).collect()
}

pub fn person(name: &'static str) -> Entry {
    entry(name, Class::Person)
}

pub fn contact(name: &'static str) -> Entry {
    entry(name, Class::Contact)
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

    pub fn managers(self, names: &'static str) -> Self {
        self.with(Field::Manager, names)
    }

    pub fn marked(self, marks: &'static str) -> Self {
        self.with(Field::Mark, marks)
    }

    pub fn in_place(mut self, place: &'static str) -> Self {
        self.place = place;
        self
    }

    pub fn disabled(mut self) -> Self {
        self.account = Account::Disabled;
        self
    }

    pub fn expired(mut self) -> Self {
        self.account = Account::Expired;
        self
    }
}

/// `people` and more.
pub fn and(mut people: Vec<Entry>, more: impl IntoIterator<Item = Entry>) -> Vec<Entry> {
    people.extend(more);
    people
}

/// One modification of one entry.
pub fn modify(name: &'static str, edits: &[Edit]) -> Operation {
    Operation::Modify(name, edits.to_vec())
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
