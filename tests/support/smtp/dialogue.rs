//! The server's side of one SMTP connection.

use std::{io, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use dirherald::clock;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader},
    net::TcpStream,
};

use super::{
    Mail, Protection, Shared,
    script::{At, Mishap},
};

/// Serves one connection until the client goes or a fault ends it.
pub(super) async fn converse(tcp: TcpStream, shared: &Shared) -> io::Result<()> {
    match shared.options.protection {
        Protection::None => {
            Dialogue::new(tcp, shared).greet_and_run().await?;
        }
        Protection::Tls => {
            let tls = shared.acceptor.accept(tcp).await?;
            Dialogue { is_protected: true, ..Dialogue::new(tls, shared) }.greet_and_run().await?;
        }
        Protection::StartTls | Protection::StartTlsInjected => {
            let mut plain = Dialogue::new(tcp, shared);
            if plain.greet_and_run().await? == Reaction::StartTls {
                let tls = shared.acceptor.accept(plain.stream.into_inner()).await?;
                Dialogue { is_protected: true, ..Dialogue::new(tls, shared) }.run().await?;
            }
        }
    }
    Ok(())
}

/// How a command was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reaction {
    Good,
    Refused,
    Closed,
    StartTls,
}

struct Dialogue<'a, S> {
    stream: BufReader<S>,
    shared: &'a Shared,
    is_protected: bool,
    is_logged_in: bool,
    from: Option<String>,
    to: Vec<String>,
}

impl<'a, S: AsyncRead + AsyncWrite + Unpin> Dialogue<'a, S> {
    fn new(stream: S, shared: &'a Shared) -> Self {
        Self {
            stream: BufReader::new(stream),
            shared,
            is_protected: false,
            is_logged_in: false,
            from: None,
            to: Vec::new(),
        }
    }

    async fn greet_and_run(&mut self) -> io::Result<Reaction> {
        match self.reply(At::Connect, "220 mail.test ESMTP ready").await? {
            Reaction::Closed => Ok(Reaction::Closed),
            Reaction::Good | Reaction::Refused | Reaction::StartTls => self.run().await,
        }
    }

    async fn run(&mut self) -> io::Result<Reaction> {
        loop {
            let Some(line) = self.read_line().await? else { return Ok(Reaction::Closed) };
            self.shared.record.send_modify(|record| record.commands.push(line.clone()));
            let reaction = self.obey(&line).await?;
            if matches!(reaction, Reaction::Closed | Reaction::StartTls) {
                return Ok(reaction);
            }
        }
    }

    async fn obey(&mut self, line: &str) -> io::Result<Reaction> {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        match verb.to_ascii_uppercase().as_str() {
            "EHLO" => self.reply(At::Ehlo, &self.capabilities()).await,
            "STARTTLS" => self.start_tls().await,
            "AUTH" => self.auth(rest).await,
            "MAIL" => self.mail(rest).await,
            "RCPT" => self.rcpt(rest).await,
            "DATA" => self.data().await,
            "RSET" => {
                self.reset();
                self.say("250 2.0.0 reset").await
            }
            "NOOP" => self.say("250 2.0.0 nothing done").await,
            "QUIT" => {
                self.reply(At::Quit, "221 2.0.0 bye").await?;
                Ok(Reaction::Closed)
            }
            _ => self.say("500 5.5.2 unknown command").await,
        }
    }

    fn reset(&mut self) {
        self.from = None;
        self.to.clear();
    }

    fn must_protect(&self) -> bool {
        !self.is_protected
            && matches!(self.shared.options.protection, Protection::StartTls | Protection::StartTlsInjected)
    }

    fn must_log_in(&self) -> bool {
        self.shared.options.login.is_some() && !self.is_logged_in
    }

    fn capabilities(&self) -> String {
        let options = &self.shared.options;
        let mut lines = vec!["mail.test at your service".to_owned()];
        lines.extend(options.extensions.iter().map(|extension| (*extension).to_owned()));
        if self.must_protect() {
            lines.push("STARTTLS".to_owned());
        } else if options.login.is_some() && !options.mechanisms.is_empty() {
            lines.push(format!("AUTH {}", options.mechanisms));
        }
        let last = lines.len() - 1;
        let mark = |at: usize| if at == last { ' ' } else { '-' };
        let lines: Vec<String> =
            lines.iter().enumerate().map(|(at, line)| format!("250{}{line}", mark(at))).collect();
        lines.join("\r\n")
    }

    async fn start_tls(&mut self) -> io::Result<Reaction> {
        let answer = match self.shared.options.protection {
            Protection::None | Protection::Tls => return self.say("502 5.5.1 no STARTTLS here").await,
            Protection::StartTls => "220 2.0.0 go ahead",
            Protection::StartTlsInjected => "220 2.0.0 go ahead\r\n250 injected",
        };
        match self.reply(At::StartTls, answer).await? {
            Reaction::Good => Ok(Reaction::StartTls),
            other => Ok(other),
        }
    }

    async fn auth(&mut self, rest: &str) -> io::Result<Reaction> {
        let (mechanism, initial) = rest.split_once(' ').unwrap_or((rest, ""));
        let given = match mechanism.to_ascii_uppercase().as_str() {
            "PLAIN" => {
                let text = decoded(initial);
                let mut parts = text.split('\0').skip(1).map(str::to_owned);
                parts.next().zip(parts.next())
            }
            "LOGIN" => {
                let user = self.challenge("Username:").await?;
                user.zip(self.challenge("Password:").await?)
            }
            _ => return self.say("504 5.5.4 no such mechanism").await,
        };
        if given.is_none() || given != self.shared.options.login {
            return self.reply(At::Auth, "535 5.7.8 authentication credentials invalid").await;
        }
        let reaction = self.reply(At::Auth, "235 2.7.0 welcome").await?;
        self.is_logged_in = reaction == Reaction::Good;
        Ok(reaction)
    }

    async fn challenge(&mut self, words: &str) -> io::Result<Option<String>> {
        self.say(&format!("334 {}", BASE64_STANDARD.encode(words))).await?;
        Ok(self.read_line().await?.map(|line| decoded(&line)))
    }

    async fn mail(&mut self, rest: &str) -> io::Result<Reaction> {
        if self.must_protect() {
            return self.say("530 5.7.0 must issue STARTTLS first").await;
        }
        if self.must_log_in() {
            return self.say("530 5.7.0 authentication required").await;
        }
        if self.from.is_some() {
            return self.say("503 5.5.1 nested MAIL").await;
        }
        let reaction = self.reply(At::Mail, "250 2.1.0 sender ok").await?;
        if reaction == Reaction::Good {
            self.from = Some(address(rest));
        }
        Ok(reaction)
    }

    async fn rcpt(&mut self, rest: &str) -> io::Result<Reaction> {
        if self.from.is_none() {
            return self.say("503 5.5.1 need MAIL first").await;
        }
        self.to.push(address(rest));
        let reaction = self.reply(At::Rcpt, "250 2.1.5 recipient ok").await?;
        if reaction == Reaction::Refused {
            self.to.pop();
        }
        Ok(reaction)
    }

    async fn data(&mut self) -> io::Result<Reaction> {
        if self.to.is_empty() {
            return self.say("554 5.5.1 no valid recipients").await;
        }
        let reaction = self.reply(At::Data, "354 end with a dot on a line of its own").await?;
        if reaction != Reaction::Good {
            return Ok(reaction);
        }
        let Some(bytes) = self.read_message().await? else { return Ok(Reaction::Closed) };
        let bytes = self.shared.options.kept(bytes);
        let from = self.from.clone().unwrap_or_default();
        let mail = Mail { from, to: self.to.clone(), bytes, at: clock::now() };
        self.shared.record.send_modify(|record| record.offered.push(mail.clone()));
        let reaction = self.strike(At::Message).await?;
        if reaction != Reaction::Good {
            self.reset();
            return Ok(reaction);
        }
        self.shared.record.send_modify(|record| record.mails.push(mail));
        let reaction = self.reply(At::Taken, "250 2.0.0 queued").await?;
        self.reset();
        Ok(reaction)
    }

    /// The good answer, unless a fault strikes here.
    async fn reply(&mut self, at: At, good: &str) -> io::Result<Reaction> {
        match self.shared.mishap(at, &self.to) {
            Some(Mishap::Agree(bytes)) => {
                self.write_bare(&bytes).await?;
                Ok(Reaction::Good)
            }
            Some(Mishap::Trickle) => {
                for byte in format!("{good}\r\n").bytes() {
                    self.write_bare(&[byte]).await?;
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
                Ok(Reaction::Good)
            }
            mishap => match self.suffer(mishap).await? {
                Reaction::Good => self.say(good).await,
                other => Ok(other),
            },
        }
    }

    /// What the script has for this place, short of the good answer.
    async fn strike(&mut self, at: At) -> io::Result<Reaction> {
        let mishap = self.shared.mishap(at, &self.to);
        self.suffer(mishap).await
    }

    async fn suffer(&mut self, mishap: Option<Mishap>) -> io::Result<Reaction> {
        match mishap {
            None | Some(Mishap::Agree(_) | Mishap::Trickle) => Ok(Reaction::Good),
            Some(Mishap::Bare(bytes)) => {
                self.write_bare(&bytes).await?;
                let _ = self.shared.released.subscribe().changed().await;
                Ok(Reaction::Closed)
            }
            Some(Mishap::Drop) => Ok(Reaction::Closed),
            Some(Mishap::Hold) => {
                let _ = self.shared.released.subscribe().changed().await;
                Ok(Reaction::Good)
            }
            Some(Mishap::Slow(by)) => {
                tokio::time::sleep(by).await;
                Ok(Reaction::Good)
            }
            Some(Mishap::Answer(line)) => {
                self.write(line.clone()).await?;
                Ok(if line_closes(&line) { Reaction::Closed } else { Reaction::Refused })
            }
        }
    }

    async fn say(&mut self, line: &str) -> io::Result<Reaction> {
        self.write(line.to_owned()).await?;
        Ok(Reaction::Good)
    }

    async fn write(&mut self, line: impl Into<Vec<u8>>) -> io::Result<()> {
        let mut bytes = line.into();
        bytes.extend_from_slice(b"\r\n");
        self.write_bare(&bytes).await
    }

    async fn write_bare(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }

    async fn read_line(&mut self) -> io::Result<Option<String>> {
        let mut line = Vec::new();
        if self.stream.read_until(b'\n', &mut line).await? == 0 {
            return Ok(None);
        }
        Ok(Some(String::from_utf8_lossy(&line).trim_end().to_owned()))
    }

    /// Up to the lonely dot, strictly: only CRLF ends a line (RFC 5321, section 4.1.1.4).
    async fn read_message(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut message = Vec::new();
        let mut line_start = 0;
        loop {
            if self.stream.read_until(b'\n', &mut message).await? == 0 {
                return Ok(None);
            }
            if !message.ends_with(b"\r\n") {
                continue;
            }
            let line = message.get(line_start..).unwrap_or_default();
            if line == b".\r\n" {
                message.truncate(line_start);
                return Ok(Some(message));
            }
            if line.starts_with(b".") {
                message.remove(line_start);
            }
            line_start = message.len();
        }
    }
}

/// RFC 5321, section 3.8.
fn line_closes(line: &[u8]) -> bool {
    line.starts_with(b"421")
}

/// Between the angle brackets of `FROM:<…>` or `TO:<…>`.
fn address(rest: &str) -> String {
    let inner = rest.split_once('<').and_then(|(_, rest)| rest.rsplit_once('>'));
    inner.map(|(address, _)| address.to_owned()).unwrap_or_default()
}

fn decoded(base64: &str) -> String {
    let bytes = BASE64_STANDARD.decode(base64.trim()).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}
