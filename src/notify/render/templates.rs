//! The words of all mails: one folder per mail, three files each, compiled in.

use std::sync::LazyLock;

use minijinja::{AutoEscape, Environment, HtmlEscape, UndefinedBehavior, Value, syntax::SyntaxConfig};

/// What one mail of the list is made of: its variant, and its folder with three files under
/// `config/templates/en/`, which the compiler demands.
macro_rules! mails {
    ($($(#[$doc:meta])* $mail:ident = $folder:literal),* $(,)?) => {
        /// Which mail to write.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub(super) enum Mail {
            $($(#[$doc])* $mail),*
        }

        impl Mail {
            /// All of them.
            #[cfg(test)]
            pub const ALL: &[Self] = &[$(Self::$mail),*];

            /// Its folder under `config/templates/<language>/`.
            pub fn folder(self) -> &'static str {
                match self {
                    $(Self::$mail => $folder),*
                }
            }
        }

        const MAILS: &[(&str, &str)] = &[$(
            (concat!($folder, "/subject.txt"), include_str!(concat!("../../../config/templates/en/", $folder, "/subject.txt"))),
            (concat!($folder, "/body.txt"), include_str!(concat!("../../../config/templates/en/", $folder, "/body.txt"))),
            (concat!($folder, "/body.html"), include_str!(concat!("../../../config/templates/en/", $folder, "/body.html"))),
        )*];
    };
}

mails! {
    /// To who did it.
    Receipt = "receipt",
    /// To the member who came.
    YouWereAdded = "you-were-added",
    /// To the member who went.
    YouWereRemoved = "you-were-removed",
    /// To the last members of a deleted group.
    YourGroupIsGone = "your-group-is-gone",
    /// To the owner who came.
    YouBecameOwner = "you-became-owner",
    /// To the owner who went.
    YouAreNoLongerOwner = "you-are-no-longer-owner",
    /// To the manager who came.
    YouBecameManager = "you-became-manager",
    /// To the manager who went.
    YouAreNoLongerManager = "you-are-no-longer-manager",
    /// To the user or contact itself, from here on.
    YourEntryWasChanged = "your-entry-was-changed",
    YouWereRenamed = "you-were-renamed",
    YourManagerChanged = "your-manager-changed",
    /// To the members of a group, of other members: how many, never who.
    MembersAdded = "members-added",
    MembersRemoved = "members-removed",
    /// To whom the change concerns otherwise, from here on.
    MemberAdded = "member-added",
    MemberRemoved = "member-removed",
    OwnerAdded = "owner-added",
    OwnerRemoved = "owner-removed",
    ManagerChanged = "manager-changed",
    ObjectCreated = "object-created",
    ObjectDeleted = "object-deleted",
    ObjectRenamed = "object-renamed",
    AttributesChanged = "attributes-changed",
    ScopeEntered = "scope-entered",
    ScopeLeft = "scope-left",
    /// Several things to tell.
    Digest = "digest",
    /// To whoever looks after dirherald.
    Alert = "alert",
    /// The Test button.
    Test = "test",
}

impl Mail {
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

/// What all mails share.
const LAYOUT: &[(&str, &str)] = files![
    "layout/body.txt",
    "layout/body.html",
    "layout/parts.txt",
    "layout/parts.html",
    "layout/words.txt",
    "layout/why.txt",
    "layout/alert.txt",
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
    environment.add_filter("breakable", |text: String| Value::from_safe_string(breakable(&text)));
    for (name, source) in LAYOUT.iter().chain(MAILS) {
        environment.add_template(name, source).expect("the embedded templates are well-formed");
    }
    environment
});

/// A DN as HTML that goes on in the next line after a comma rather than in mid-word.
fn breakable(dn: &str) -> String {
    HtmlEscape(dn).to_string().replace(',', ",<wbr>")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn m17_a_dn_is_escaped_before_it_may_break() {
        assert_eq!(
            breakable("cn=<b>&amp;\"'</b>,dc=x"),
            "cn=&lt;b&gt;&amp;amp;&quot;&#x27;&lt;&#x2f;b&gt;,<wbr>dc=x"
        );
    }
}
