//! The words of all mails: one folder per mail, three files each, compiled in.

use std::sync::LazyLock;

use minijinja::{AutoEscape, Environment, UndefinedBehavior, syntax::SyntaxConfig};

/// Which mail to write. Each names its folder under `config/templates/<language>/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mail {
    /// To the member who came.
    YouWereAdded,
    /// To the member who went.
    YouWereRemoved,
    /// To the last members of a deleted group.
    YourGroupIsGone,
    /// To the owner who came.
    YouBecameOwner,
    /// To the owner who went.
    YouAreNoLongerOwner,
    /// To whom the change concerns otherwise, from here on.
    MemberAdded,
    MemberRemoved,
    OwnerAdded,
    OwnerRemoved,
    ManagerChanged,
    ObjectCreated,
    ObjectDeleted,
    ObjectRenamed,
    AttributesChanged,
    ScopeEntered,
    ScopeLeft,
    /// Several events.
    Digest,
    /// The Test button.
    Test,
}

impl Mail {
    fn folder(self) -> &'static str {
        match self {
            Self::YouWereAdded => "you-were-added",
            Self::YouWereRemoved => "you-were-removed",
            Self::YourGroupIsGone => "your-group-is-gone",
            Self::YouBecameOwner => "you-became-owner",
            Self::YouAreNoLongerOwner => "you-are-no-longer-owner",
            Self::MemberAdded => "member-added",
            Self::MemberRemoved => "member-removed",
            Self::OwnerAdded => "owner-added",
            Self::OwnerRemoved => "owner-removed",
            Self::ManagerChanged => "manager-changed",
            Self::ObjectCreated => "object-created",
            Self::ObjectDeleted => "object-deleted",
            Self::ObjectRenamed => "object-renamed",
            Self::AttributesChanged => "attributes-changed",
            Self::ScopeEntered => "scope-entered",
            Self::ScopeLeft => "scope-left",
            Self::Digest => "digest",
            Self::Test => "test",
        }
    }

    /// One line. In a digest it stands for the event.
    pub fn subject(self) -> String {
        format!("{}/subject.txt", self.folder())
    }

    /// Plain text, not yet wrapped.
    pub fn text(self) -> String {
        format!("{}/body.txt", self.folder())
    }

    /// HTML.
    pub fn html(self) -> String {
        format!("{}/body.html", self.folder())
    }
}

macro_rules! files {
    ($($path:literal),* $(,)?) => {
        &[$(($path, include_str!(concat!("../../../config/templates/en/", $path)))),*]
    };
}

macro_rules! folders {
    ($($folder:literal),* $(,)?) => {
        &[$(
            (concat!($folder, "/subject.txt"), include_str!(concat!("../../../config/templates/en/", $folder, "/subject.txt"))),
            (concat!($folder, "/body.txt"), include_str!(concat!("../../../config/templates/en/", $folder, "/body.txt"))),
            (concat!($folder, "/body.html"), include_str!(concat!("../../../config/templates/en/", $folder, "/body.html"))),
        )*]
    };
}

/// What all mails share.
const LAYOUT: &[(&str, &str)] = files![
    "layout/body.txt",
    "layout/body.html",
    "layout/parts.txt",
    "layout/parts.html",
    "layout/words.txt",
    "layout/why.txt",
];

const MAILS: &[(&str, &str)] = folders![
    "you-were-added",
    "you-were-removed",
    "your-group-is-gone",
    "you-became-owner",
    "you-are-no-longer-owner",
    "member-added",
    "member-removed",
    "owner-added",
    "owner-removed",
    "manager-changed",
    "object-created",
    "object-deleted",
    "object-renamed",
    "attributes-changed",
    "scope-entered",
    "scope-left",
    "digest",
    "test",
];

/// All templates. What a template asks for and does not get is an error, so that no mail has a hole.
pub(super) static TEMPLATES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    let syntax = SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .build()
        .expect("the delimiters are the usual ones");
    environment.set_syntax(syntax);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|name| match name.rsplit_once('.') {
        Some((_, "txt")) => AutoEscape::None,
        Some(_) | None => AutoEscape::Html,
    });
    environment.add_filter("pad", |text: String, width: usize| format!("{text:width$}"));
    for (name, source) in LAYOUT.iter().chain(MAILS) {
        environment.add_template(name, source).expect("the embedded templates are well-formed");
    }
    environment
});
