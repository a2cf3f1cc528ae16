//! What the demo starts: a slapd of its own, and dirherald itself.

use std::{
    env,
    ffi::OsString,
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write},
    net::TcpListener,
    os::unix::{
        fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

use super::{
    DemoError, failed, patience,
    story::{BASE, COPY_TO, PASSWORD},
};

const SLAPD_CONF: &str = include_str!("../../../fixtures/openldap/slapd.conf.template");
const SCHEMA: &str = include_str!("../../../fixtures/openldap/dirherald-test.schema");
const COMPANY: &str = include_str!("../../../fixtures/openldap/company.ldif");

/// Where distributions put slapd; few have it in the path of an ordinary user.
const SLAPD: [&str; 4] =
    ["/usr/sbin/slapd", "/usr/local/sbin/slapd", "/usr/libexec/slapd", "/usr/local/libexec/slapd"];

/// Another program may take the port that was free a moment ago.
const PORTS_TRIED: u32 = 5;

/// Of a log, so much is shown where something failed.
const LOG_LINES_SHOWN: usize = 8;

/// A process that ends with this value, unless it is left alone.
#[derive(Debug)]
pub(super) struct Server {
    child: Option<Child>,
}

impl Server {
    /// In a process group of its own: Ctrl-C on the terminal is for the demo, which then ends its servers.
    fn start(mut command: Command, log: &Path) -> io::Result<Self> {
        let child = command
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(log)?)
            .spawn()?;
        Ok(Self { child: Some(child) })
    }

    pub(super) fn has_ended(&mut self) -> bool {
        self.child.as_mut().is_none_or(|child| !matches!(child.try_wait(), Ok(None)))
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.as_ref().map_or(0, Child::id)
    }

    /// It runs on after the demo.
    pub(super) fn leave(mut self) {
        self.child = None;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        // It may have ended by itself. SIGKILL: what it wrote is removed next.
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// The demo's own directory.
#[derive(Debug)]
pub(super) struct Place {
    dir: TempDir,
}

impl Place {
    pub(super) fn new() -> Result<Self, DemoError> {
        let dir = tempfile::Builder::new()
            .prefix("dirherald-demo-")
            .tempdir()
            .map_err(failed("make a temporary directory"))?;
        let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+,".contains(c);
        // slapd.conf has no way to write every name.
        if !dir.path().to_str().is_some_and(|path| path.chars().all(plain)) {
            return Err(DemoError::AwkwardPath { path: dir.path().to_owned() });
        }
        let place = Self { dir };
        DirBuilder::new()
            .mode(0o700)
            .create(place.mails())
            .map_err(failed("make a directory for the mails"))?;
        Ok(place)
    }

    pub(super) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(super) fn config(&self) -> PathBuf {
        self.dir.path().join("dirherald.toml")
    }

    pub(super) fn state(&self) -> PathBuf {
        self.dir.path().join("state.db")
    }

    pub(super) fn log(&self) -> PathBuf {
        self.dir.path().join("dirherald.log")
    }

    pub(super) fn mails(&self) -> PathBuf {
        self.dir.path().join("mails")
    }

    fn slapd(&self) -> PathBuf {
        self.dir.path().join("slapd")
    }

    /// Leaves everything where it is.
    pub(super) fn keep(self) {
        let _ = self.dir.keep();
    }

    /// Removes everything but the mails; answers where they are now.
    pub(super) fn keep_mails(self) -> Result<PathBuf, DemoError> {
        let mut to = self.dir.path().as_os_str().to_owned();
        to.push("-mails");
        let to = PathBuf::from(to);
        fs::rename(self.mails(), &to).map_err(failed("put the mails aside"))?;
        self.dir.close().map_err(failed("remove the demo's directory"))?;
        Ok(to)
    }
}

/// A throw-away OpenLDAP on loopback, with the sample company in it.
#[derive(Debug)]
pub(super) struct Slapd {
    pub server: Server,
    pub port: u16,
}

impl Slapd {
    /// Starts it; it answers when this is done.
    pub(super) async fn start(place: &Place) -> Result<Self, DemoError> {
        let dir = place.slapd();
        write_configuration(&dir).map_err(failed("write slapd's configuration"))?;
        let program = program(&dir)?;
        load(&program, &dir)?;
        let mut said = String::new();
        for _ in 0..PORTS_TRIED {
            let port = free_port().map_err(failed("find a free port"))?;
            match Self::try_port(&program, &dir, port).await? {
                Ok(slapd) => return Ok(slapd),
                Err(log) => said = log,
            }
            if !said.contains("bind(") {
                break;
            }
        }
        Err(DemoError::Slapd { said })
    }

    pub(super) fn url(&self) -> String {
        format!("ldap://127.0.0.1:{}", self.port)
    }

    /// What it said where it ended again.
    async fn try_port(program: &Path, dir: &Path, port: u16) -> Result<Result<Self, String>, DemoError> {
        let mut command = Command::new(program);
        command
            .args(["-d", "0", "-h", &format!("ldap://127.0.0.1:{port}"), "-f"])
            .arg(dir.join("slapd.conf"));
        let log = dir.join("log");
        let mut server = Server::start(command, &log).map_err(failed("start slapd"))?;
        // slapd writes the file when it listens.
        let listens = || fs::read_to_string(dir.join("pid")).is_ok_and(|pid| pid.ends_with('\n'));
        let up = patience("slapd to start", &log, || {
            if server.has_ended() {
                return Ok(Some(false));
            }
            Ok(listens().then_some(true))
        })
        .await?;
        Ok(if up { Ok(Self { server, port }) } else { Err(end_of(&log)) })
    }
}

/// Starts this very program as the daemon, as an administrator would.
pub(super) fn start_dirherald(place: &Place, slapd: &Slapd) -> Result<Server, DemoError> {
    // It holds a password, and `check` looks who may read those.
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(place.config())
        .and_then(|mut file| file.write_all(configuration(place, slapd).as_bytes()))
        .map_err(failed("write dirherald's configuration"))?;
    let command = own_program("run", place)?;
    Server::start(command, &place.log()).map_err(failed("start dirherald"))
}

/// A command of this very program, with the demo's configuration.
pub(super) fn own_program(subcommand: &str, place: &Place) -> Result<Command, DemoError> {
    let program = env::current_exe().map_err(failed("find this program's own file"))?;
    let mut command = Command::new(program);
    command.arg(subcommand).arg("--config").arg(place.config());
    for name in own_variables() {
        command.env_remove(name);
    }
    Ok(command)
}

/// Settings for another dirherald, which would go before the demo's file.
fn own_variables() -> Vec<OsString> {
    let ours = |name: &OsString| name.as_encoded_bytes().starts_with(b"DIRHERALD_");
    env::vars_os().map(|(name, _)| name).filter(ours).collect()
}

/// The last lines of a log.
pub(super) fn end_of(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines.get(lines.len().saturating_sub(LOG_LINES_SHOWN)..).unwrap_or_default().join("\n")
}

fn configuration(place: &Place, slapd: &Slapd) -> String {
    format!(
        "# Written by `dirherald demo`.\n\
         [state]\n\
         path = \"{state}\"\n\n\
         [identity_store.harbour-vale]\n\
         urls = [\"{url}\"]\n\
         base_dn = \"{BASE}\"\n\n\
         [identity_store.harbour-vale.bind]\n\
         dn = \"cn=dirherald,ou=services,{BASE}\"\n\
         password = \"{PASSWORD}\"\n\n\
         [identity_store.harbour-vale.tls]\n\
         allow_plaintext = true   # the server is on this machine, and thrown away\n\n\
         [identity_store.harbour-vale.schema]\n\
         dummy_members = [\"cn=nobody,{BASE}\"]\n\
         public_group_filter = \"(cn=vpn-users)\"\n\n\
         [identity_store.harbour-vale.smtp]\n\
         from = \"Directory <directory@harbour-vale.example>\"\n\
         transport = \"file\"\n\
         directory = \"{mails}\"\n\n\
         [identity_store.harbour-vale.recipients]\n\
         to = [\"{COPY_TO}\"]\n\
         copy = \"all-changes\"\n\n\
         [identity_store.harbour-vale.notify]\n\
         logged_in_users = true\n\
         owner = true\n\
         manager = true\n\
         public_group_owner = true\n\
         added_members = true\n\
         removed_members = true\n\
         digest_window = \"0s\"\n",
        state = place.state().display(),
        url = slapd.url(),
        mails = place.mails().display(),
    )
}

fn write_configuration(dir: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(dir)?;
    fs::create_dir(dir.join("db"))?;
    fs::write(dir.join("dirherald-test.schema"), SCHEMA)?;
    let owner = fs::metadata(dir)?;
    let path = dir.to_string_lossy();
    // Loopback only, so there are no certificates.
    let without_tls =
        SLAPD_CONF.lines().filter(|line| !line.starts_with("TLS")).collect::<Vec<_>>().join("\n");
    let text = without_tls
        .replace(
            "@OVERLAYS@",
            "overlay refint\n\
             refint_attributes member uniqueMember owner manager managedBy msExchCoManagedByLink\n\
             refint_nothing cn=nobody,@SUFFIX@",
        )
        .replace(
            "@LIMITS@",
            "limits dn.exact=\"cn=dirherald,ou=services,@SUFFIX@\" size=unlimited time=unlimited",
        )
        .replace("@ACCESS@", "")
        .replace("@DIR@", &path)
        .replace("@UID@", &owner.uid().to_string())
        .replace("@GID@", &owner.gid().to_string())
        .replace("@SUFFIX@", BASE)
        .replace("@ADMIN@", PASSWORD)
        .replace("@MAX_SIZE@", &(64 << 20).to_string());
    fs::write(dir.join("slapd.conf"), text + "\n")
}

/// Where slapd is. An AppArmor profile for its path, which Ubuntu brings, would keep it from our directory; it
/// does not hold for a copy.
fn program(dir: &Path) -> Result<PathBuf, DemoError> {
    let installed = SLAPD.map(PathBuf::from).into_iter().find(|path| path.exists());
    let installed = installed.ok_or(DemoError::NotInstalled { program: "slapd" })?;
    if !Path::new("/etc/apparmor.d/usr.sbin.slapd").exists() {
        return Ok(installed);
    }
    let copy = dir.join("slapd");
    fs::copy(installed, &copy).map_err(failed("copy slapd"))?;
    Ok(copy)
}

/// Runs slapadd, which is slapd under another name.
fn load(program: &Path, dir: &Path) -> Result<(), DemoError> {
    let loading = || {
        let mut child = Command::new(program)
            .args(["-T", "add", "-q", "-b", BASE, "-f"])
            .arg(dir.join("slapd.conf"))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut stdin = child.stdin.take().expect("stdin is piped");
        // Where it ended early, what it said tells more than the broken pipe.
        let _ = stdin.write_all(COMPANY.as_bytes());
        drop(stdin);
        child.wait_with_output()
    };
    let output = loading().map_err(failed("run slapadd"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(DemoError::Slapd { said: String::from_utf8_lossy(&output.stderr).trim().to_owned() })
}

fn free_port() -> io::Result<u16> {
    TcpListener::bind(("127.0.0.1", 0))?.local_addr().map(|address| address.port())
}

/// In the sample company.
pub(super) fn people() -> usize {
    COMPANY.matches("objectClass: inetOrgPerson\n").count()
}

/// In the sample company.
pub(super) fn groups() -> usize {
    COMPANY.matches("objectClass: groupOf").count() + COMPANY.matches("objectClass: posixGroup").count()
}
