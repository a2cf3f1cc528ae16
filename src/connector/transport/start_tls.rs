//! StartTLS (RFC 4511, section 4.14), before the LDAP crate sees the stream.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::connector::{
    error::{Answer, Problem, code},
    guard::{
        Ended, Scan,
        ber::{Malformed, Reader, tag, unsigned},
        frame, result,
    },
};

/// An LDAPMessage of id 1 with an ExtendedRequest of the name 1.3.6.1.4.1.1466.20037.
const REQUEST: &[u8] = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037";
const EXTENDED_RESPONSE: u8 = 0x78;
/// An answer is a code and a sentence.
const MAX_ANSWER: usize = 64 << 10;

/// Asks for TLS. Reads not a byte beyond the answer, so that nothing sent in the clear is ever taken for
/// something that came over TLS.
pub async fn request(stream: &mut TcpStream) -> Result<(), Problem> {
    stream.write_all(REQUEST).await.map_err(lost)?;
    let mut bytes = vec![0; 2];
    let mut filled = 0;
    let answer = loop {
        let missing = bytes.get_mut(filled..).unwrap_or_default();
        stream.read_exact(missing).await.map_err(lost)?;
        filled = bytes.len();
        match frame(&bytes, MAX_ANSWER).map_err(Problem::StartTlsAnswer)? {
            Scan::Incomplete(needed) => bytes.resize(needed, 0),
            Scan::Message { found, .. } => break read_answer(found).map_err(Problem::StartTlsAnswer)?,
        }
    };
    if answer.code == code::SUCCESS { Ok(()) } else { Err(Problem::StartTlsRefused(answer)) }
}

fn read_answer(message: &[u8]) -> Result<Answer, Malformed> {
    let mut reader = Reader::new(message);
    unsigned(reader.expect(tag::INTEGER, "no message id")?)?;
    let said = result(reader.expect(EXTENDED_RESPONSE, "no extended response")?)?;
    Ok(Answer { code: said.code, text: said.text.to_owned() })
}

fn lost(error: std::io::Error) -> Problem {
    Problem::Lost { during: "StartTLS request", cause: Ended::Io(error) }
}
