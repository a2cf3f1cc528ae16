//! The byte stream under an SMTP dialogue: TCP or TLS, with the replies put in order on the way in.

use std::{
    fmt, io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll, ready},
};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::client::TlsStream;

use super::replies::{Reply, ReplyLines};

/// A connection to a mail server.
pub(super) struct SmtpStream {
    wire: Wire,
    replies: ReplyLines,
    /// Of a line that did not fit into the reader's buffer.
    rest: Vec<u8>,
    turn: Turn,
}

/// Whose turn it is in the dialogue above.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// Nothing is asked; a command is to come.
    Ours,
    /// A command, or a part of one, is sent, and its answer not read to its end.
    Theirs,
}

/// What carries the bytes.
pub(super) enum Wire {
    /// In the clear.
    Plain(TcpStream),
    /// After a handshake.
    Tls(Box<TlsStream<TcpStream>>),
}

impl SmtpStream {
    pub(super) fn new(wire: Wire) -> Self {
        // The greeting comes unasked.
        Self { wire, replies: ReplyLines::default(), rest: Vec::new(), turn: Turn::Theirs }
    }

    /// Reads one whole reply.
    pub(super) async fn read_reply(&mut self) -> io::Result<Reply> {
        loop {
            if let Some(reply) = self.replies.next_reply() {
                return Ok(reply);
            }
            let mut chunk = [0; 1024];
            let count = self.wire.read(&mut chunk).await?;
            if count == 0 {
                return Err(closed());
            }
            self.feed(chunk.get(..count).unwrap_or_default())?;
        }
    }

    /// Sends one line.
    pub(super) async fn write_line(&mut self, line: &str) -> io::Result<()> {
        self.wire.write_all(format!("{line}\r\n").as_bytes()).await?;
        self.wire.flush().await
    }

    /// Puts a reply back, so that the mail crate reads it first.
    pub(super) fn put_back(&mut self, reply: Reply) {
        self.replies.put_back(reply);
    }

    /// The bare connection. `None` where something was received and not yet read, or TLS is already on.
    pub(super) fn into_unread_tcp(self) -> Option<TcpStream> {
        match self.wire {
            Wire::Plain(tcp) if self.replies.is_empty() && self.rest.is_empty() => Some(tcp),
            Wire::Plain(_) | Wire::Tls(_) => None,
        }
    }

    fn feed(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.replies.feed(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }

    /// Hands over as much of the next line as fits. Nothing without one.
    fn serve(&mut self, buf: &mut ReadBuf<'_>) {
        if self.rest.is_empty()
            && let Some(line) = self.replies.next_line()
        {
            self.rest = line.to_wire();
            if line.ends_a_reply() {
                self.turn = Turn::Ours;
            }
        }
        let count = buf.remaining().min(self.rest.len());
        let now: Vec<u8> = self.rest.drain(..count).collect();
        buf.put_slice(&now);
    }

    /// Before a command: what has come already was said unasked. A refusal may (421 comes at any time, RFC 5321,
    /// section 3.8) and is read as the answer. An agreement may not: read as the answer to what was not sent yet,
    /// it would make a message delivered that the server never saw.
    fn check_unasked(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let mut chunk = [0; 1024];
        let mut chunk = ReadBuf::new(&mut chunk);
        if let Poll::Ready(Ok(())) = Pin::new(&mut self.wire).poll_read(cx, &mut chunk) {
            self.feed(chunk.filled())?;
        }
        if !self.rest.is_empty() || self.replies.has_agreement() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the server answered before it was asked",
            ));
        }
        Ok(())
    }
}

/// An end of the stream is never expected: whoever reads waits for a reply.
fn closed() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed the connection")
}

impl fmt::Debug for SmtpStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmtpStream").finish_non_exhaustive()
    }
}

impl AsyncTokioStream for SmtpStream {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        match &self.wire {
            Wire::Plain(tcp) => tcp.peer_addr(),
            Wire::Tls(tls) => tls.get_ref().0.peer_addr(),
        }
    }
}

impl AsyncRead for SmtpStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        loop {
            self.serve(buf);
            if buf.filled().len() > before || buf.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
            let mut chunk = [0; 1024];
            let mut chunk = ReadBuf::new(&mut chunk);
            ready!(Pin::new(&mut self.wire).poll_read(cx, &mut chunk))?;
            if chunk.filled().is_empty() {
                return Poll::Ready(Err(closed()));
            }
            self.feed(chunk.filled())?;
        }
    }
}

impl AsyncWrite for SmtpStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.turn == Turn::Ours {
            self.check_unasked(cx)?;
            self.turn = Turn::Theirs;
        }
        Pin::new(&mut self.wire).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_shutdown(cx)
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Self::Tls(tls) => Pin::new(tls).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_write(cx, buf),
            Self::Tls(tls) => Pin::new(tls).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Self::Tls(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Self::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}
