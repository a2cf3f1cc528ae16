//! An LDAP server that plays a written exchange, right or wrong, byte by byte.
//!
//! ```ignore
//! let server = ScriptedLdap::start([
//!     vec![Step::expect(Operation::Bind), Step::answer(ber::bind_response(0, "")), Step::Close],
//!     vec![Step::expect(Operation::Bind), Step::answer(ber::bind_response(49, "no")), Step::Hold],
//! ])
//! .await;
//! ```

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
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
    /// An encoded operation (see [`ber`]), sent in an LDAPMessage under the id of the last request.
    Answer(Vec<u8>),
    /// The same with controls, each made by [`ber::control`].
    AnswerWithControls(Vec<u8>, Vec<Vec<u8>>),
    /// These bytes as they are.
    Send(Vec<u8>),
    /// Waits until the test calls [`ScriptedLdap::go_on`], once for each such step.
    Wait,
    /// Reads on and answers nothing, until the client closes.
    Hold,
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
        let player = Player {
            stream,
            buffer: Vec::new(),
            number,
            last_id: 0,
            state: Arc::clone(&state),
            go: go.clone(),
            passes: Arc::clone(&passes),
        };
        connections.spawn(player.play(script));
    }
    while listener.accept().await.is_ok() {}
}

struct Player {
    stream: TcpStream,
    buffer: Vec<u8>,
    number: usize,
    last_id: i64,
    state: Arc<State>,
    go: watch::Receiver<usize>,
    passes: Arc<Mutex<usize>>,
}

impl Player {
    async fn play(mut self, script: Script) {
        for (place, step) in script.into_iter().enumerate() {
            if let Err(complaint) = self.step(step).await {
                let complaint = format!("connection {}, step {place}: {complaint}", self.number);
                self.state.broken.lock().expect("no thread panics with it").push(complaint);
                return;
            }
        }
        // Nothing more is to come; a client that is gone already does not mind.
        let _ = self.stream.shutdown().await;
        *self.state.finished.lock().expect("no thread panics with it") += 1;
    }

    async fn step(&mut self, step: Step) -> Result<(), String> {
        match step {
            Step::Expect(operation) => self.expect(operation, &[]).await,
            Step::ExpectWith(operation, bytes) => self.expect(operation, &bytes).await,
            Step::Answer(operation) => self.send(&ber::message(self.last_id, operation)).await,
            Step::AnswerWithControls(operation, controls) => {
                self.send(&ber::message_with_controls(self.last_id, operation, &controls)).await
            }
            Step::Send(bytes) => self.send(&bytes).await,
            Step::Wait => self.wait().await,
            Step::Hold => self.hold().await,
            Step::Close => self.stream.shutdown().await.map_err(|error| error.to_string()),
        }
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

    async fn hold(&mut self) -> Result<(), String> {
        while self.receive().await?.is_some() {}
        Ok(())
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.stream.write_all(bytes).await.map_err(|error| format!("sending: {error}"))
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
