//! What came back from the server, sorted by what it means for the connection: an answer (the
//! connection is in step), a lost connection, or an error that is already the caller's.
//!
//! No text of a server enters an error before it is cut to one short printable line.

use std::io;

use suppaftp::{FtpError, types::Response};

use crate::source::SourceError;

/// Longest text of an answer that is shown.
const SHOWN_CHARS: usize = 200;

/// A reply of the server that was not the one hoped for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Answer {
    pub(super) code: u32,
    /// Code and text, one printable line.
    pub(super) text: String,
}

impl Answer {
    fn of(response: &Response) -> Self {
        let body = match std::str::from_utf8(&response.body) {
            Ok(text) => text.to_owned(),
            Err(_) => response.body.iter().map(|byte| char::from(*byte)).collect(),
        };
        // The last line carries the code that counts; suppaftp's status knows only some codes.
        let line = body.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
        let code = line.get(..3).and_then(|digits| digits.parse().ok());
        let text: String = line
            .trim()
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .take(SHOWN_CHARS)
            .collect();
        Self { code: code.unwrap_or(response.status.code()), text }
    }

    /// The command is unknown here, or known and not done here, whatever its argument.
    pub(super) fn is_unknown_command(&self) -> bool {
        matches!(self.code, 202 | 500 | 502 | 504)
    }

    /// The command was not taken as it was put: unknown, or its argument or moment not liked.
    pub(super) fn is_refused_command(&self) -> bool {
        self.is_unknown_command() || matches!(self.code, 501 | 503)
    }

    /// The answer with `secret` blotted out, for servers that repeat what they were told.
    pub(super) fn text_without(&self, secret: &str) -> String {
        if secret.is_empty() { self.text.clone() } else { self.text.replace(secret, "***") }
    }
}

/// Why a dialogue with the server ended early.
#[derive(Debug)]
pub(super) enum Fault {
    /// The server said no; the connection can be used further.
    Said(Answer),
    /// The connection is of no use any more.
    Gone(io::Error),
    /// The caller's error, complete.
    Final(SourceError),
}

impl From<FtpError> for Fault {
    fn from(error: FtpError) -> Self {
        match error {
            FtpError::UnexpectedResponse(response) => {
                let answer = Answer::of(&response);
                if answer.code == 421 {
                    let said = format!("the server answered {}", answer.text);
                    return Self::Gone(io::Error::new(io::ErrorKind::ConnectionAborted, said));
                }
                Self::Said(answer)
            }
            FtpError::ConnectionError(error) => Self::Gone(explained(error)),
            other => Self::Gone(io::Error::new(io::ErrorKind::InvalidData, other)),
        }
    }
}

/// A socket's time-out arrives as "resource temporarily unavailable", which tells nobody anything.
pub(super) fn explained(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            io::Error::new(io::ErrorKind::TimedOut, "no answer within the time allowed")
        }
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use suppaftp::Status;

    use super::*;

    fn fault(status: Status, body: &[u8]) -> Fault {
        FtpError::UnexpectedResponse(Response::new(status, body.to_vec())).into()
    }

    #[test]
    fn an_answer_is_one_short_printable_line_with_its_code() {
        let Fault::Said(answer) =
            fault(Status::Unknown, b"522-Protocol\r\n522 use (1) \x1b[31m\xE9\r\n")
        else {
            panic!("an answer")
        };
        assert_eq!((answer.code, answer.text.as_str()), (522, "522 use (1)  [31mé"));
        let Fault::Said(long) = fault(Status::FileUnavailable, &[b'x'; 5000]) else {
            panic!("an answer")
        };
        assert_eq!((long.code, long.text.len()), (550, SHOWN_CHARS));
    }

    #[test]
    fn a_421_is_a_lost_connection() {
        assert!(matches!(fault(Status::NotAvailable, b"421 Timeout.\r\n"), Fault::Gone(_)));
    }

    #[test]
    fn a_repeated_password_is_blotted_out() {
        let answer = Answer { code: 530, text: "530 wrong password s3cret".into() };
        assert_eq!(answer.text_without("s3cret"), "530 wrong password ***");
    }
}
