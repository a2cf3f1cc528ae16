//! An LDAP server that plays an exchange, right or wrong, byte by byte: for what no real server here does.
//!
//! A script is written step by step, each step for one message:
//!
//! ```ignore
//! let server = ScriptedLdap::start([
//!     [exchange::bind(), exchange::search("dc=x", [ber::entry("dc=x", &[("dc", &["x"])])])].concat(),
//!     vec![Step::expect(Operation::Bind), Step::answer(ber::bind_response(49, "no")), Step::Hold],
//! ])
//! .await;
//! ```
//!
//! [`exchange`] has the common pieces (bind, who am I, search, paged results, controls), [`ber`] writes every
//! message and control, also wrong ones; a message written elsewhere goes into [`Step::Send`].
//!
//! Or it is recorded: `make record` follows real servers through a proxy and keeps what passed in
//! `fixtures/recorded`, one connection in a file, in the form that [`recording`](super::recording) describes. A
//! recording of another server is made the same way, with [`Proxy::recorded`](super::proxy::Proxy::recorded), or
//! typed in. [`exchange::recorded`] makes a script of it. The client's requests must come in the recorded order,
//! by operation; what they say is not compared. Answers carry the message ids that this client chose.
//!
//! [`faults`] damages a script of either kind: cuts after so many bytes, delays, corrupts, repeats and reorders
//! messages.

pub mod exchange;
pub mod faults;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

use super::{ber, wait};

/// What one connection goes through, step by step; after the last it is closed.
pub type Script = Vec<Step>;

/// One step of a connection.
#[derive(Debug, Clone)]
pub enum Step {
    /// Waits for the client's next message, which must be this operation. Its message id is that of the
    /// answers that follow.
    Expect(Operation),
    /// As above, and the encoded operation must contain these bytes: a DN, a filter's value, a control's OID.
    ExpectWith(Operation, Vec<u8>),
    /// As [`Step::Expect`], and from now on [`Step::AnswerTo`] this number is for that message.
    ExpectAs(Operation, i64),
    /// An encoded operation (see [`ber`]), sent in an LDAPMessage under the id of the last request.
    Answer(Vec<u8>),
    /// The same with controls, each made by [`ber::control`].
    AnswerWithControls(Vec<u8>, Vec<Vec<u8>>),
    /// An operation with its controls, encoded, under the id of the request that was expected as this number;
    /// of a request that never came, under the number itself.
    AnswerTo(i64, Vec<u8>),
    /// These bytes as they are.
    Send(Vec<u8>),
    /// These bytes one by one, with a pause after each, until the client closes.
    Trickle(Vec<u8>, Duration),
    /// These bytes again and again, so many times, as fast as the client takes them or until it closes.
    Flood(Vec<u8>, usize),
    /// Sends nothing for so long.
    Delay(Duration),
    /// Closes the connection when so many more bytes were sent, in the middle of a message if need be.
    CutAfter(usize),
    /// Waits until the test calls [`ScriptedLdap::go_on`], once for each such step.
    Wait,
    /// Reads on and answers nothing, until the client closes.
    Hold,
    /// The same, but answers extended operations, heartbeats above all, with success.
    HoldAlive,
    /// Closes the connection, both ways.
    Close,
}

impl Step {
    /// [`Step::Expect`].
    pub fn expect(operation: Operation) -> Self {
        Self::Expect(operation)
    }

    /// [`Step::ExpectWith`].
    pub fn expect_with(operation: Operation, bytes: impl AsRef<[u8]>) -> Self {
        Self::ExpectWith(operation, bytes.as_ref().to_vec())
    }

    /// [`Step::Answer`].
    pub fn answer(operation: Vec<u8>) -> Self {
        Self::Answer(operation)
    }
}

/// What a client asks, by its tag (RFC 4511, section 4.2 and following).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Operation {
    /// Section 4.2.
    Bind = 0x60,
    /// Section 4.3.
    Unbind = 0x42,
    /// Section 4.5.
    Search = 0x63,
    /// Section 4.11.
    Abandon = 0x50,
    /// Section 4.12: StartTLS, WhoAmI, Cancel.
    Extended = 0x77,
}

impl Operation {
    /// `None`: no operation that this server knows.
    pub fn of(tag: u8) -> Option<Self> {
        [Self::Bind, Self::Unbind, Self::Search, Self::Abandon, Self::Extended]
            .into_iter()
            .find(|operation| *operation as u8 == tag)
    }
}

/// One message as the client sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Which connection, counted from zero.
    pub connection: usize,
    /// The message id.
    pub id: i64,
    /// The tag of the operation.
    pub tag: u8,
    /// What is behind the message id: the operation and its controls, encoded.
    pub bytes: Vec<u8>,
}

/// A server on a port of its own.
#[derive(Debug)]
pub struct ScriptedLdap {
    address: SocketAddr,
    state: Arc<State>,
    go: watch::Sender<usize>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct State {
    received: Mutex<Vec<Received>>,
    /// Where a client left its script, in words.
    broken: Mutex<Vec<String>>,
    finished: Mutex<usize>,
    connections: Mutex<usize>,
}

impl ScriptedLdap {
    /// One script per connection, in the order in which clients connect; further ones are closed at once.
    pub async fn start(scripts: impl IntoIterator<Item = Script>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port on loopback");
        let address = listener.local_addr().expect("a bound socket has an address");
        let scripts: Vec<Script> = scripts.into_iter().collect();
        let state = Arc::new(State::default());
        let (go, gone) = watch::channel(0);
        let task = tokio::spawn(serve(listener, scripts, Arc::clone(&state), gone));
        Self { address, state, go, task }
    }

    /// `ldap://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("ldap://{}", self.address)
    }

    /// Lets one more [`Step::Wait`] pass, over all connections.
    pub fn go_on(&self) {
        self.go.send_modify(|passes| *passes += 1);
    }

    /// How many clients connected so far.
    pub fn connections(&self) -> usize {
        *self.state.connections.lock().expect("no thread panics with it")
    }

    /// What clients sent so far.
    pub fn received(&self) -> Vec<Received> {
        self.state.received.lock().expect("no thread panics with it").clone()
    }

    /// Waits until this many connections went through their scripts, and fails the test where a client sent
    /// something else than written.
    pub async fn finished(&self, connections: usize) {
        wait::until_async("the client goes through the script", async || {
            self.complain();
            (*self.state.finished.lock().expect("no thread panics with it") >= connections).then_some(())
        })
        .await;
        self.complain();
    }

    fn complain(&self) {
        let broken = self.state.broken.lock().expect("no thread panics with it").clone();
        assert!(broken.is_empty(), "the client left the script: {broken:#?}");
    }
}

impl Drop for ScriptedLdap {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, scripts: Vec<Script>, state: Arc<State>, go: watch::Receiver<usize>) {
    let mut connections = tokio::task::JoinSet::new();
    let passes = Arc::new(Mutex::new(0));
    for (number, script) in scripts.into_iter().enumerate() {
        let Ok((stream, _)) = listener.accept().await else { return };
        *state.connections.lock().expect("no thread panics with it") += 1;
        // Each step is a packet: otherwise the second would wait for the client's acknowledgement of the first.
        stream.set_nodelay(true).expect("an open socket");
        let player = Player {
            stream,
            buffer: Vec::new(),
            number,
            last_id: 0,
            ids: BTreeMap::new(),
            left: usize::MAX,
            state: Arc::clone(&state),
            go: go.clone(),
            passes: Arc::clone(&passes),
        };
        connections.spawn(player.play(script));
    }
    while listener.accept().await.is_ok() {
        *state.connections.lock().expect("no thread panics with it") += 1;
    }
}

struct Player {
    stream: TcpStream,
    buffer: Vec<u8>,
    number: usize,
    last_id: i64,
    /// Of expected requests, by the numbers in the script.
    ids: BTreeMap<i64, i64>,
    /// Bytes that may still be sent.
    left: usize,
    state: Arc<State>,
    go: watch::Receiver<usize>,
    passes: Arc<Mutex<usize>>,
}

/// Whether there is more to play.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    On,
    /// The script closes the connection here, or the client was allowed to.
    Over,
}

impl Player {
    async fn play(mut self, script: Script) {
        for (place, step) in script.into_iter().enumerate() {
            match self.step(step).await {
                Ok(Flow::On) => (),
                Ok(Flow::Over) => break,
                Err(complaint) => {
                    let complaint = format!("connection {}, step {place}: {complaint}", self.number);
                    self.state.broken.lock().expect("no thread panics with it").push(complaint);
                    return;
                }
            }
        }
        // Nothing more is to come; a client that is gone already does not mind.
        let _ = self.stream.shutdown().await;
        *self.state.finished.lock().expect("no thread panics with it") += 1;
    }

    async fn step(&mut self, step: Step) -> Result<Flow, String> {
        match step {
            Step::Expect(operation) => self.expect(operation, &[]).await?,
            Step::ExpectWith(operation, bytes) => self.expect(operation, &bytes).await?,
            Step::ExpectAs(operation, number) => {
                self.expect(operation, &[]).await?;
                self.ids.insert(number, self.last_id);
            }
            Step::Answer(operation) => return self.send(&ber::message(self.last_id, operation)).await,
            Step::AnswerWithControls(operation, controls) => {
                return self.send(&ber::message_with_controls(self.last_id, operation, &controls)).await;
            }
            Step::AnswerTo(number, operation) => {
                let id = self.ids.get(&number).copied().unwrap_or(number);
                return self.send(&ber::message(id, operation)).await;
            }
            Step::Send(bytes) => return self.send(&bytes).await,
            Step::Trickle(bytes, pause) => return Ok(self.trickle(&bytes, pause).await),
            Step::Flood(bytes, times) => return Ok(self.flood(&bytes, times).await),
            Step::Delay(pause) => tokio::time::sleep(pause).await,
            Step::CutAfter(bytes) => self.left = bytes,
            Step::Wait => self.wait().await?,
            Step::Hold => while self.receive().await?.is_some() {},
            Step::HoldAlive => self.hold_alive().await?,
            Step::Close => return Ok(Flow::Over),
        }
        Ok(Flow::On)
    }

    async fn expect(&mut self, operation: Operation, bytes: &[u8]) -> Result<(), String> {
        let Some(received) = self.receive().await? else {
            return Err(format!("the client closed instead of sending {operation:?}"));
        };
        self.last_id = received.id;
        if received.tag != operation as u8 {
            return Err(format!("{received:?} instead of {operation:?}"));
        }
        let contains = bytes.is_empty() || received.bytes.windows(bytes.len()).any(|part| part == bytes);
        contains
            .then_some(())
            .ok_or_else(|| format!("{received:?} without {}", String::from_utf8_lossy(bytes)))
    }

    async fn wait(&mut self) -> Result<(), String> {
        let mine = {
            let mut passes = self.passes.lock().expect("no thread panics with it");
            *passes += 1;
            *passes
        };
        self.go.wait_for(|gone| *gone >= mine).await.map_err(|error| error.to_string()).map(|_| ())
    }

    async fn hold_alive(&mut self) -> Result<(), String> {
        while let Some(received) = self.receive().await? {
            if received.tag == Operation::Extended as u8 {
                self.send(&ber::message(received.id, ber::extended_response(0, "", None, None))).await?;
            }
        }
        Ok(())
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<Flow, String> {
        let some = &bytes[..bytes.len().min(self.left)];
        self.left -= some.len();
        self.stream.write_all(some).await.map_err(|error| format!("sending: {error}"))?;
        Ok(if some.len() < bytes.len() { Flow::Over } else { Flow::On })
    }

    async fn trickle(&mut self, bytes: &[u8], pause: Duration) -> Flow {
        for byte in bytes {
            if self.stream.write_all(&[*byte]).await.is_err() {
                return Flow::Over;
            }
            tokio::time::sleep(pause).await;
        }
        Flow::On
    }

    /// Reads meanwhile, as a server does that answers each request: the client is not to be held up by that.
    async fn flood(&mut self, bytes: &[u8], times: usize) -> Flow {
        let some = 65_536_usize.div_ceil(bytes.len()).min(times.max(1));
        let chunk = bytes.repeat(some);
        let (mut from_client, mut to_client) = self.stream.split();
        let sending = async {
            for sent in (0..times).step_by(some) {
                let end = bytes.len() * some.min(times - sent);
                if to_client.write_all(&chunk[..end]).await.is_err() {
                    return Flow::Over;
                }
            }
            Flow::On
        };
        let reading = async {
            let mut heard = [0; 4096];
            while matches!(from_client.read(&mut heard).await, Ok(1..)) {}
            Flow::Over
        };
        tokio::select! {
            flow = sending => flow,
            flow = reading => flow,
        }
    }

    /// The next message, recorded. `None`: the client closed.
    async fn receive(&mut self) -> Result<Option<Received>, String> {
        loop {
            if let Some((tag, content, rest)) = ber::split(&self.buffer) {
                let received = parse(self.number, tag, content)?;
                self.buffer = rest.to_vec();
                self.state.received.lock().expect("no thread panics with it").push(received.clone());
                return Ok(Some(received));
            }
            match self.stream.read_buf(&mut self.buffer).await {
                Ok(0) => return Ok(None),
                Ok(_) => {}
                Err(error) => return Err(format!("receiving: {error}")),
            }
        }
    }
}

fn parse(connection: usize, tag: u8, content: &[u8]) -> Result<Received, String> {
    let message = (tag == 0x30).then(|| ber::split(content)).flatten();
    let Some((0x02, id, bytes)) = message else {
        return Err(format!("no LDAPMessage: tag {tag:#x}, {content:x?}"));
    };
    let id = id.iter().fold(0, |sum, &byte| sum << 8 | i64::from(byte));
    let &tag = bytes.first().ok_or("an LDAPMessage without an operation")?;
    Ok(Received { connection, id, tag, bytes: bytes.to_vec() })
}
