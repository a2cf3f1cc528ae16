//! Processes: finding slapd, starting it so that it cannot outlive the tests, signals, a port to listen on.

use std::{
    fs,
    io::{self, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{self, Child, Command},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use super::super::ber;

/// Where slapd is. An AppArmor profile for its path, which Ubuntu brings, would keep it from our directories;
/// it does not hold for a copy.
pub fn program(dir: &Path) -> PathBuf {
    let installed = ["/usr/sbin/slapd", "/usr/local/sbin/slapd", "/usr/libexec/slapd"]
        .map(PathBuf::from)
        .into_iter()
        .find(|path| path.exists())
        .expect("slapd is not installed: run `make test`, or install the packages slapd and ldap-utils");
    if !Path::new("/etc/apparmor.d/usr.sbin.slapd").exists() {
        return installed;
    }
    let copy = dir.join("slapd");
    fs::copy(installed, &copy).expect("copying slapd");
    copy
}

/// A pair of ports below those the system hands out by itself, so that no client's connection sits on them
/// while a server restarts. Processes begin at different places; within one, each pair is given once a round.
pub fn next_port() -> u16 {
    const FIRST: u32 = 10_000;
    const PAIRS: u32 = 10_000;
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    let place = process::id().wrapping_mul(211).wrapping_add(GIVEN.fetch_add(1, Ordering::Relaxed));
    u16::try_from(FIRST + 2 * (place % PAIRS)).expect("ports below 30,000")
}

/// Whether an anonymous bind (RFC 4511, section 4.2) succeeds.
pub fn answers(port: u16) -> Option<()> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    let bind = ber::tlv(0x60, &[ber::integer(3), ber::octets(""), ber::tlv(0x80, b"")].concat());
    stream.write_all(&ber::message(1, bind)).ok()?;
    let expected = ber::message(1, ber::bind_response(0, ""));
    let mut answer = vec![0; expected.len()];
    stream.read_exact(&mut answer).ok()?;
    (answer == expected).then_some(())
}

/// Starts a process from a thread that lives as long as the tests do: the kernel sends the signal asked for
/// with `--pdeathsig` when the *thread* that started the process ends.
pub fn spawn(command: Command) -> Child {
    type Order = (Command, mpsc::Sender<io::Result<Child>>);
    static STARTER: OnceLock<mpsc::Sender<Order>> = OnceLock::new();
    let starter = STARTER.get_or_init(|| {
        let (orders, inbox) = mpsc::channel::<Order>();
        thread::spawn(move || {
            for (mut command, answer) in inbox {
                // The one who asked waits for the answer.
                let _ = answer.send(command.spawn());
            }
        });
        orders
    });
    let (answer, child) = mpsc::channel();
    starter.send((command, answer)).expect("the thread that starts processes lives");
    child.recv().expect("the thread that starts processes answers").expect("starting a server")
}

/// Through the shell, whose `kill` is built in; the program of that name may be missing.
pub fn signal(name: &str, pid: u32) {
    let status = Command::new("sh").args(["-c", &format!("kill -{name} {pid}")]).status();
    assert!(status.expect("starting a shell").success(), "sending SIG{name} to {pid}");
}

/// The same to all processes of the group that this one leads.
pub fn signal_group(name: &str, leader: u32) {
    let status = Command::new("sh").args(["-c", &format!("kill -{name} -{leader}")]).status();
    assert!(status.expect("starting a shell").success(), "sending SIG{name} to the group of {leader}");
}

/// The letter of proc_pid_stat(5): `T` is stopped, `Z` dead and not yet waited for. `None`: no such process.
pub fn process_state(pid: u32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}
