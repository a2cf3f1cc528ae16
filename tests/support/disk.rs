//! A small disk of its own, which can be full or read-only: a tmpfs that only those see who enter it.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

use super::wait;

/// Mounted in a mount namespace that a process of ours holds open; gone when that is dropped or killed.
#[derive(Debug)]
pub struct Disk {
    holder: Child,
    dir: TempDir,
    user: bool,
}

impl Disk {
    /// With room for so many KiB.
    pub fn of(kibibytes: u32) -> Self {
        let dir = tempfile::Builder::new().prefix("dirherald-disk-").tempdir().expect("a directory");
        // Only root may mount; others are root in a user namespace of their own.
        let user = fs::metadata("/proc/self").expect("our own process").uid() != 0;
        let script = format!(
            "mount -t tmpfs -o size={kibibytes}k,mode=700 tmpfs {0} && touch {0}/mounted && exec sleep infinity",
            dir.path().display()
        );
        let holder = Command::new("setpriv")
            .args([
                "--pdeathsig",
                "KILL",
                "--",
                "unshare",
                if user { "-rm" } else { "-m" },
                "sh",
                "-c",
                &script,
            ])
            .stdin(Stdio::null())
            .spawn()
            .expect("starting a process in a mount namespace of its own");
        let disk = Self { holder, dir, user };
        wait::until("a tmpfs is mounted (unshare and mount must be allowed)", || {
            disk.inside("test -e mounted").then_some(())
        });
        disk
    }

    /// Where it is, for those who [`enter`](Self::enter).
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Words before a command that see the disk.
    pub fn enter(&self) -> Vec<String> {
        let pid = self.holder.id().to_string();
        let user: &[&str] = if self.user { &["-U", "--preserve-credentials"] } else { &[] };
        ["nsenter", "-t", &pid, "-m"].iter().chain(user).chain(&["--"]).map(ToString::to_string).collect()
    }

    /// The same, and for the command behind them the disk may only be read, whoever else writes on it.
    pub fn enter_read_only(&self) -> Vec<String> {
        let remount = format!("mount -o remount,bind,ro {} && exec \"$@\"", self.path().display());
        let words = ["unshare", "-m", "sh", "-c", &remount, "sh"].map(str::to_owned);
        self.enter().into_iter().chain(words).collect()
    }

    /// Leaves so many KiB free, whatever is on it.
    pub fn fill_but(&self, kibibytes: u32) {
        self.must("cat /dev/zero > filler 2>/dev/null; test -e filler");
        self.must(&format!("truncate -s -{kibibytes}K filler"));
    }

    /// Takes away what [`fill_but`](Self::fill_but) put there.
    pub fn make_room(&self) {
        self.must("rm filler");
    }

    /// Nobody may have a file on it open for writing.
    pub fn set_read_only(&self) {
        self.must("mount -o remount,ro .");
    }

    /// As it was.
    pub fn set_writable(&self) {
        self.must("mount -o remount,rw .");
    }

    /// What lies on it.
    pub fn files(&self) -> Vec<String> {
        let output = self.shell("ls -A").output().expect("starting nsenter");
        String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
    }

    #[track_caller]
    fn must(&self, script: &str) {
        assert!(self.inside(script), "{script}");
    }

    fn inside(&self, script: &str) -> bool {
        self.shell(script).status().expect("starting nsenter").success()
    }

    fn shell(&self, script: &str) -> Command {
        let words = self.enter();
        let mut command = Command::new(&words[0]);
        let place: PathBuf = self.path().into();
        command.args(&words[1..]).args(["sh", "-c", &format!("cd {} && {script}", place.display())]);
        command.stderr(Stdio::null());
        command
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}
