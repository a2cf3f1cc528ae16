//! One connection to a mail server: opening it, and one mail transaction after the other.

use std::{fmt::Display, net::SocketAddr, time::Duration};

use lettre::{
    Address,
    transport::smtp::{
        authentication::{Credentials as SmtpCredentials, Mechanism},
        client::AsyncSmtpConnection,
        commands::{Data, Ehlo, Mail, Quit, Rcpt, Rset},
        extension::{ClientId, Extension, MailBodyParameter, MailParameter},
        response::{Response, Severity},
    },
};
use secrecy::ExposeSecret;
use tokio::{
    net::{TcpStream, lookup_host},
    time::{Instant, timeout},
};

use super::{
    error::{Fault, SendError, Step, Unreachable, Unsendable},
    replies::Reply,
    stream::{SmtpStream, Wire},
    tls::{self, Tls, TlsFacts},
};
use crate::outbox::{settings::Credentials, state::Answer};

/// Tried in this order (RFC 4616; LOGIN has no RFC, and some servers know nothing else).
const MECHANISMS: [Mechanism; 2] = [Mechanism::Plain, Mechanism::Login];

/// Saying goodbye is a courtesy: nobody waits long for the answer.
const QUIT_LIMIT: Duration = Duration::from_secs(1);

/// How to reach a server.
pub(super) struct Server {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) protection: Protection,
    pub(super) credentials: Option<Credentials>,
    /// For each command.
    pub(super) timeout: Duration,
}

/// How the connection is protected.
pub(super) enum Protection {
    /// Not at all.
    None,
    /// RFC 3207, required.
    StartTls(Tls),
    /// RFC 8314, section 3.
    Tls(Tls),
}

/// What was learned while connecting, as far as it came.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) greeting: Option<Answer>,
    pub(super) tls: Option<TlsFacts>,
}

/// An open connection after EHLO.
pub(super) struct Connection {
    smtp: AsyncSmtpConnection,
    hello: ClientId,
    server: String,
    timeout: Duration,
    last_used: Instant,
}

/// One message on its way.
pub(super) struct Parcel<'a> {
    /// `None`: the null sender (RFC 5321, section 4.5.5).
    pub(super) from: Option<Address>,
    pub(super) to: Address,
    pub(super) bytes: &'a [u8],
}

/// How a transaction ended.
pub(super) struct Ended {
    pub(super) result: Result<Answer, SendError>,
    /// The connection, where it can carry another message.
    pub(super) connection: Option<Connection>,
}

impl Server {
    /// `host:port`.
    pub(super) fn name(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// Connects and authenticates.
    pub(super) async fn open(&self) -> Result<Connection, Unreachable> {
        let mut connection = self.connect(&mut Findings::default()).await?;
        self.authenticate(&mut connection).await?;
        Ok(connection)
    }

    /// Up to the answer to EHLO, over TLS where that is asked for.
    pub(super) async fn connect(&self, findings: &mut Findings) -> Result<Connection, Unreachable> {
        let tcp = self.connect_tcp().await?;
        let hello = hello_name(tcp.local_addr().ok());
        let (stream, greeting) = match &self.protection {
            Protection::None => self.greeted(Wire::Plain(tcp), findings).await?,
            Protection::Tls(tls) => {
                let wire = self.handshake(tls, tcp, findings).await?;
                self.greeted(wire, findings).await?
            }
            Protection::StartTls(tls) => {
                let (stream, greeting) = self.greeted(Wire::Plain(tcp), findings).await?;
                let tcp = self.start_tls(stream, &hello).await?;
                (SmtpStream::new(self.handshake(tls, tcp, findings).await?), greeting)
            }
        };
        self.speak(stream, greeting, hello).await
    }

    /// RFC 4954, where credentials are configured. `None`: there are none, and nothing was sent.
    pub(super) async fn authenticate(
        &self,
        connection: &mut Connection,
    ) -> Result<Option<Answer>, Unreachable> {
        let Some(credentials) = &self.credentials else { return Ok(None) };
        if connection.smtp.server_info().get_auth_mechanism(&MECHANISMS).is_none() {
            return Err(self.unreachable(Step::Auth, Fault::NoMechanism));
        }
        let password = credentials.password.expose_secret();
        let login = SmtpCredentials::new(credentials.username.clone(), password.to_owned());
        let result =
            self.within(Step::Auth, connection.smtp.auth(&MECHANISMS, &login)).await.and_then(|reply| {
                completed(&reply, Severity::PositiveCompletion)
                    .map_err(|fault| self.unreachable(Step::Auth, fault))
            });
        result.map(Some)
    }

    /// Each address of the name in turn.
    async fn connect_tcp(&self) -> Result<TcpStream, Unreachable> {
        let addresses = self.within(Step::Connect, lookup_host((self.host.as_str(), self.port))).await?;
        let mut failure = None;
        for address in addresses {
            match self.within(Step::Connect, TcpStream::connect(address)).await {
                Ok(tcp) => {
                    // A message ends in a small packet of its own, which must not wait for the
                    // acknowledgement of the one before (RFC 896).
                    self.within(Step::Connect, async { tcp.set_nodelay(true) }).await?;
                    return Ok(tcp);
                }
                Err(error) => failure = Some(error),
            }
        }
        Err(failure.unwrap_or_else(|| {
            let nothing = std::io::Error::new(std::io::ErrorKind::NotFound, "the name has no address");
            self.unreachable(Step::Connect, Fault::Io(nothing))
        }))
    }

    async fn handshake(
        &self,
        tls: &Tls,
        tcp: TcpStream,
        findings: &mut Findings,
    ) -> Result<Wire, Unreachable> {
        let stream = self.within(Step::Tls, tls.connect(tcp)).await?;
        findings.tls = Some(tls::facts(&stream));
        Ok(Wire::Tls(Box::new(stream)))
    }

    async fn greeted(&self, wire: Wire, findings: &mut Findings) -> Result<(SmtpStream, Reply), Unreachable> {
        let mut stream = SmtpStream::new(wire);
        let greeting = self.within(Step::Greeting, stream.read_reply()).await?;
        self.expect_reply(Step::Greeting, &greeting, 220)?;
        findings.greeting = Some(greeting.answer());
        Ok((stream, greeting))
    }

    /// The dialogue in the clear ahead of TLS, by hand: the mail crate would keep bytes that an attacker
    /// sent along with the answer to STARTTLS and read them as if they had come over TLS.
    async fn start_tls(&self, mut stream: SmtpStream, hello: &ClientId) -> Result<TcpStream, Unreachable> {
        let capabilities = self.ask(Step::Ehlo, &mut stream, &format!("EHLO {hello}")).await?;
        self.expect_reply(Step::Ehlo, &capabilities, 250)?;
        let is_offered =
            capabilities.texts().skip(1).any(|line| line.trim().eq_ignore_ascii_case("STARTTLS"));
        if !is_offered {
            return Err(self.unreachable(Step::StartTls, Fault::NoStartTls));
        }
        let go_ahead = self.ask(Step::StartTls, &mut stream, "STARTTLS").await?;
        self.expect_reply(Step::StartTls, &go_ahead, 220)?;
        stream.into_unread_tcp().ok_or_else(|| self.unreachable(Step::StartTls, Fault::Injected))
    }

    async fn ask(&self, step: Step, stream: &mut SmtpStream, line: &str) -> Result<Reply, Unreachable> {
        self.within(step, async {
            stream.write_line(line).await?;
            stream.read_reply().await
        })
        .await
    }

    /// Hands the stream to the mail crate, which wants to read the greeting and says EHLO itself.
    async fn speak(
        &self,
        mut stream: SmtpStream,
        greeting: Reply,
        hello: ClientId,
    ) -> Result<Connection, Unreachable> {
        stream.put_back(greeting);
        let connect = AsyncSmtpConnection::connect_with_transport(Box::new(stream), &hello);
        let smtp = self.within(Step::Ehlo, connect).await?;
        let last_used = Instant::now();
        Ok(Connection { smtp, hello, server: self.name(), timeout: self.timeout, last_used })
    }

    fn expect_reply(&self, step: Step, reply: &Reply, code: u16) -> Result<(), Unreachable> {
        match reply.code() {
            got if got == code => Ok(()),
            400.. => Err(self.unreachable(step, Fault::Refused(reply.answer()))),
            ..400 => Err(self.unreachable(step, Fault::Unexpected(reply.answer()))),
        }
    }

    async fn within<T, E: Into<Fault>>(
        &self,
        step: Step,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Unreachable> {
        within(self.timeout, work).await.map_err(|fault| self.unreachable(step, fault))
    }

    fn unreachable(&self, step: Step, fault: Fault) -> Unreachable {
        Unreachable { server: self.name(), step, fault }
    }
}

impl Connection {
    /// How long nothing was sent.
    pub(super) fn idle_for(&self) -> Duration {
        self.last_used.elapsed()
    }

    /// What the server says it can do, one line each, asked anew.
    pub(super) async fn capabilities(&mut self) -> Result<Vec<String>, Unreachable> {
        let reply = self.command(Ehlo::new(self.hello.clone())).await;
        match reply {
            Ok(reply) => Ok(reply.message().skip(1).map(str::to_owned).collect()),
            Err(fault) => Err(Unreachable { server: self.server.clone(), step: Step::Ehlo, fault }),
        }
    }

    /// Says goodbye. What the server answers does not matter.
    pub(super) async fn quit(mut self) {
        self.timeout = self.timeout.min(QUIT_LIMIT);
        let _ = self.command(Quit).await;
    }

    /// One message to one recipient.
    pub(super) async fn deliver(mut self, parcel: &Parcel<'_>) -> Ended {
        let parameters = match self.mail_parameters(parcel) {
            Ok(parameters) => parameters,
            Err(error) => return Ended { result: Err(error.into()), connection: Some(self) },
        };
        let outcome = self.transaction(parcel, parameters).await;
        self.last_used = Instant::now();
        let (step, fault) = match outcome {
            Ok(answer) => return Ended { result: Ok(answer), connection: Some(self) },
            Err(failure) => failure,
        };
        let error = SendError::in_transaction(&self.server, step, fault);
        let connection = self.after_failure(&error).await;
        Ended { result: Err(error), connection }
    }

    async fn transaction(
        &mut self,
        parcel: &Parcel<'_>,
        parameters: Vec<MailParameter>,
    ) -> Result<Answer, (Step, Fault)> {
        let done = Severity::PositiveCompletion;
        self.step(Step::Mail, Mail::new(parcel.from.clone(), parameters), done).await?;
        self.step(Step::Rcpt, Rcpt::new(parcel.to.clone(), Vec::new()), done).await?;
        self.step(Step::Data, Data, Severity::PositiveIntermediate).await?;
        // The mail crate ends the last line itself.
        let bytes = parcel.bytes.strip_suffix(b"\r\n").unwrap_or(parcel.bytes);
        within(self.timeout, self.smtp.message(bytes))
            .await
            .and_then(|reply| completed(&reply, done))
            .map_err(|fault| (Step::Message, fault))
    }

    async fn step(
        &mut self,
        step: Step,
        command: impl Display,
        severity: Severity,
    ) -> Result<Answer, (Step, Fault)> {
        self.command(command)
            .await
            .and_then(|reply| completed(&reply, severity))
            .map_err(|fault| (step, fault))
    }

    async fn command(&mut self, command: impl Display) -> Result<Response, Fault> {
        within(self.timeout, self.smtp.command(command)).await
    }

    /// RFC 6531 and RFC 6152, where the message needs them.
    fn mail_parameters(&self, parcel: &Parcel<'_>) -> Result<Vec<MailParameter>, Unsendable> {
        let from: &str = parcel.from.as_ref().map_or("", AsRef::as_ref);
        let to: &str = parcel.to.as_ref();
        if from.is_ascii() && to.is_ascii() && parcel.bytes.is_ascii() {
            return Ok(Vec::new());
        }
        // RFC 6531, section 3.1, item 8: who offers SMTPUTF8 offers 8BITMIME.
        if !self.smtp.server_info().supports_feature(Extension::SmtpUtfEight) {
            return Err(Unsendable::NoSmtpUtf8);
        }
        Ok(vec![MailParameter::Body(MailBodyParameter::EightBitMime), MailParameter::SmtpUtfEight])
    }

    /// The connection, ready for another message, where the server refused this one and stays.
    async fn after_failure(mut self, error: &SendError) -> Option<Self> {
        match error {
            SendError::Transient { step, fault: Fault::Refused(_) }
            | SendError::Permanent { step, fault: Fault::Refused(_) } => {
                let is_open = matches!(step, Step::Rcpt | Step::Data);
                (!is_open || self.command(Rset).await.is_ok()).then_some(self)
            }
            SendError::Transient { .. }
            | SendError::Permanent { .. }
            | SendError::Unsendable(_)
            | SendError::Unreachable(_)
            | SendError::File { .. } => None,
        }
    }
}

impl Ended {
    /// Whether a connection that had lain idle turned out to be of no use any more (closed, logged out):
    /// nothing of the message was sent, and a new connection may have it.
    pub(super) fn was_stale(&self) -> bool {
        matches!(&self.result, Err(SendError::Unreachable(error)) if error.step == Step::Mail)
    }
}

async fn within<T, E: Into<Fault>>(
    limit: Duration,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, Fault> {
    match timeout(limit, work).await {
        Ok(result) => result.map_err(Into::into),
        Err(_) => Err(Fault::Timeout(limit)),
    }
}

fn completed(reply: &Response, severity: Severity) -> Result<Answer, Fault> {
    let text = reply.message().collect::<Vec<_>>().join(" ");
    let answer = Answer::reply(reply.code().into(), &text);
    if reply.code().severity == severity { Ok(answer) } else { Err(Fault::Unexpected(answer)) }
}

/// RFC 5321, section 4.1.4: a full host name, or else the address we speak from.
fn hello_name(local: Option<SocketAddr>) -> ClientId {
    let name = ClientId::default();
    let is_full = |name: &str| {
        name.contains('.') && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'))
    };
    match (&name, local) {
        (ClientId::Domain(domain), _) if is_full(domain) => name,
        (_, Some(SocketAddr::V4(address))) => ClientId::Ipv4(*address.ip()),
        (_, Some(SocketAddr::V6(address))) => ClientId::Ipv6(*address.ip()),
        (_, None) => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_without_a_full_name_says_its_address() {
        let hello = hello_name(Some("[::1]:9".parse().unwrap())).to_string();
        assert!(hello == "[IPv6:::1]" || hello.contains('.'), "{hello}");
    }
}
