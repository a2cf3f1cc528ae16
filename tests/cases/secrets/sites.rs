//! A site with secrets everywhere: its own, in each way in which they can be given, and those in the directory.

use std::{fs, path::PathBuf};

use tempfile::TempDir;

use crate::{
    cases::scene::Scene,
    support::{
        daemon::{STORE, toml_text},
        ldap::Ldap,
        slapd::Setup,
        smtp::SmtpServer,
    },
};

/// Of whatever an encoding may change: quotes, a backslash, spaces, letters beyond ASCII, marks of URLs and HTML.
pub const LDAP_PASSWORD: &str = "bind\\4711 \"öl\" & <marker> 100%?";
pub const SMTP_PASSWORD: &str = "mail\\0815 \"äther\" & <marker>/+=";
/// The environment has it as a number.
pub const NUMBER: &str = "9081726354453627";

/// In the directory, and readable to our account.
const USER_PASSWORD: [&str; 4] =
    ["marker-of-mei-before", "marker-of-mei-after", "marker-of-who-is-new", "marker-of-oscar"];
const OTHERS: [(&str, &str); 6] = [
    ("sambaNTPassword", "4D41524B45524F4653414D42414E5401"),
    ("sambaLMPassword", "4D41524B45524F4653414D42414C4D02"),
    ("krbPrincipalKey", "marker-of-kerberos"),
    ("unicodePwd", "marker-of-active-directory"),
    ("authPassword", "marker-of-rfc-3112"),
    ("oathSecret", "marker-of-a-second-factor"),
];
const HISTORY: &str = "marker-of-the-history";
const TAGGED: &str = "marker-with-an-option";
/// All of them.
pub const MARKERS: [&str; 15] = [
    LDAP_PASSWORD,
    SMTP_PASSWORD,
    NUMBER,
    USER_PASSWORD[0],
    USER_PASSWORD[1],
    USER_PASSWORD[2],
    USER_PASSWORD[3],
    OTHERS[0].1,
    OTHERS[1].1,
    OTHERS[2].1,
    OTHERS[3].1,
    OTHERS[4].1,
    OTHERS[5].1,
    HISTORY,
    TAGGED,
];

const SCHEMA: &str = include_str!("../../../fixtures/openldap/secrets.schema");

/// Where our own secrets stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Given {
    /// `password`.
    Inline,
    /// `password_file`.
    Files,
    /// Variables, over something else in the file; one of them is a number.
    Environment,
}

/// A scene whose servers both want a password, with everything logged.
pub struct Sealed {
    pub scene: Scene,
    place: TempDir,
}

impl Sealed {
    pub async fn start(given: Given, format: &str) -> Self {
        let mut scene = Scene::of(readable_secrets()).await;
        let smtp_password = if given == Given::Environment { NUMBER } else { SMTP_PASSWORD };
        scene.ldap.replace("cn=dirherald,ou=services", "userPassword", &[LDAP_PASSWORD]).await;
        scene.ldap.replace("uid=mei,ou=people", "userPassword", &[USER_PASSWORD[0]]).await;
        scene.smtp = SmtpServer::options().login("herald", smtp_password).start().await;
        let port = scene.smtp.port().to_string();
        let place = tempfile::Builder::new().prefix("dirherald-sealed-").tempdir().expect("a directory");
        let sealed = Self { scene, place };
        for directory in [sealed.scratch(), sealed.temporary()] {
            fs::create_dir(directory).expect("a directory");
        }
        sealed
            .with("smtp.port", &port)
            .with("smtp.use_authentication", "true")
            .with("smtp.allow_plaintext", "true")
            .with("smtp.username", "\"herald\"")
            .with("notify.object_modified", "true")
            .with("notify.manager", "true")
            .with("recipients.to", "[\"archive@harbour-vale.example\"]")
            .with("recipients.copy", "\"all-changes\"")
            .logging(format)
            .given("bind", LDAP_PASSWORD, given)
            .given("smtp", smtp_password, given)
    }

    fn with(mut self, key: &str, value: &str) -> Self {
        self.scene = self.scene.with(key, value);
        self
    }

    fn logging(mut self, format: &str) -> Self {
        let temporary = self.temporary().display().to_string();
        self.scene.site = self
            .scene
            .site
            .with_global("log.level", "\"trace\"")
            .with_global("log.format", &format!("\"{format}\""))
            .with_variable("TMPDIR", &temporary);
        self
    }

    fn given(mut self, table: &str, password: &str, given: Given) -> Self {
        let key = format!("{table}.password");
        match given {
            Given::Inline => self.with(&key, &toml_text(password)),
            Given::Files => {
                let path = self.place.path().join(table);
                fs::write(&path, format!("{password}\n")).expect("writing a password");
                self.scene.site = self.scene.site.without(&key);
                self.with(&format!("{key}_file"), &toml_text(path.to_str().expect("a path in UTF-8")))
            }
            Given::Environment => {
                let variable = format!(
                    "DIRHERALD_IDENTITY_STORE__{}__{}__PASSWORD",
                    STORE.to_uppercase(),
                    table.to_uppercase()
                );
                self.scene.site = self.scene.site.with_variable(&variable, password);
                self.with(&key, "\"replaced\"")
            }
        }
    }

    /// For what commands are told to write.
    pub fn scratch(&self) -> PathBuf {
        self.place.path().join("scratch")
    }

    /// The TMPDIR of the program.
    pub fn temporary(&self) -> PathBuf {
        self.place.path().join("temporary")
    }

    /// While the daemon looks on.
    pub async fn make_changes(&self) {
        let scene = &self.scene;
        let service =
            Ldap::bind(&scene.slapd.url(), scene.slapd.base(), &scene.slapd.service_dn(), LDAP_PASSWORD)
                .await;
        for (attribute, value) in OTHERS.into_iter().chain([("userPassword", USER_PASSWORD[0])]) {
            let readable = service.values("uid=mei,ou=people", attribute).await.expect("she is there");
            assert_eq!(readable, [value], "{attribute} is readable");
        }
        let history = service.values("uid=mei,ou=people", "pwdHistory").await.expect("she is there");
        assert!(history.iter().any(|value| value.contains(HISTORY)), "{history:?}");
        let (mei, new) = ("uid=mei,ou=people", "uid=new,ou=people");
        scene.ldap.replace(mei, "userPassword", &[USER_PASSWORD[1]]).await;
        scene.settle().await;
        assert_eq!(scene.events(), Vec::<String>::new(), "a new password is no event");
        scene.ldap.replace(mei, "title", &["Chief"]).await;
        scene.ldap.add_person(new, "New Person", "new@harbour-vale.example").await;
        scene.ldap.replace(new, "userPassword", &[USER_PASSWORD[2]]).await;
        scene.ldap.add_member("cn=warehouse,ou=groups", new).await;
        scene.ldap.add_member("cn=warehouse,ou=groups", "uid=wanjiru,ou=people").await;
        scene.ldap.replace(new, "title", &["Clerk"]).await;
        scene.ldap.rename(new, "uid=newer").await;
        scene.ldap.delete("uid=newer,ou=people").await;
        scene.settle().await;
    }

    /// While it is away.
    pub async fn make_more_changes(&self) {
        let oscar = "uid=oscar,ou=people";
        self.scene.ldap.replace(oscar, "userPassword", &[USER_PASSWORD[3]]).await;
        self.scene.ldap.replace(oscar, "userPassword;lang-de", &[TAGGED]).await;
        self.scene.ldap.replace(oscar, "title", &["Clerk"]).await;
        self.scene.ldap.delete("uid=mei,ou=people").await;
    }
}

/// The company, whose Mei has every password there is, and an account that may read what it should not.
fn readable_secrets() -> Setup {
    let passwords = OTHERS.map(|(name, value)| format!("{name}: {value}\n")).concat();
    let mei = format!(
        "{passwords}\
         pwdHistory: 20260101000000Z#1.3.6.1.4.1.1466.115.121.1.40#{}#{HISTORY}\n",
        HISTORY.len()
    );
    Setup::company()
        .schema(SCHEMA)
        .more_of("uid=mei,ou=people", "dirheraldSecrets", &mei)
        .access("to * by dn.exact=\"cn=dirherald,ou=services,dc=harbour-vale,dc=example\" read by * break")
}
