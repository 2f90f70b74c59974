//! What comes back from the server: one answer at a time, bounded in bytes and lines, and sorted by
//! what it means for the connection: an answer (the connection is in sync), a lost connection, or an
//! error that is already the caller's.
//!
//! No text of a server enters an error before it is cut to one short printable line.

use std::io::{self, BufRead, Read};

use crate::{
    model::printable,
    source::{SourceError, reach::known_service},
};

/// Longest text of an answer that is shown.
const SHOWN_CHARS: usize = 200;
/// Largest answer: FEAT and long greetings are some kilobytes.
const MAX_REPLY_BYTES: usize = 64 * 1024;
const MAX_REPLY_LINES: usize = 1_000;
/// What some servers put before their first answer.
pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// One whole answer as it came.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reply {
    pub code: u32,
    /// All lines, each with its end.
    pub body: Vec<u8>,
}

impl Reply {
    /// The last line without its code.
    pub(super) fn text(&self) -> &[u8] {
        let lines = self.body.trim_ascii_end();
        let last = lines.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
        last.get(4..).unwrap_or_default().trim_ascii_end()
    }

    /// Something is about to follow, and then the answer that counts.
    pub(super) fn is_preliminary(&self) -> bool {
        (100..200).contains(&self.code)
    }
}

/// Reads one answer (RFC 959 §4.2): a line with a code, or lines up to the one that begins with the
/// first code and a blank, whatever the lines between begin with.
pub fn read_reply(reader: &mut impl BufRead) -> io::Result<Reply> {
    let mut body = Vec::new();
    let mut code = None;
    let mut has_ended = false;
    for _ in 0..MAX_REPLY_LINES {
        let start = body.len();
        let room = (MAX_REPLY_BYTES - start) as u64;
        reader.by_ref().take(room).read_until(b'\n', &mut body)?;
        if body.len() == start || body.last() != Some(&b'\n') {
            has_ended = body.len() < MAX_REPLY_BYTES;
            break;
        }
        if start == 0 && body.starts_with(BYTE_ORDER_MARK) {
            body.drain(..BYTE_ORDER_MARK.len());
        }
        let line = body[start..].trim_ascii_end();
        let (number, behind) = (code_of(line), line.get(3));
        let is_last = matches!(behind, None | Some(b' ' | b'\t'));
        match (code, number) {
            (None, _) if line.is_empty() => body.clear(),
            (None, Some(code)) | (Some(code), Some(_)) if is_last && number == Some(code) => {
                return Ok(Reply { code, body });
            }
            (None, Some(first)) if behind == Some(&b'-') => code = Some(first),
            (None, _) => return Err(no_answer(line)),
            (Some(_), _) => {}
        }
    }
    if !has_ended {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "an endless reply"));
    }
    if code.is_none() && !body.is_empty() && code_of(&body).is_none() {
        return Err(no_answer(&body));
    }
    Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed the connection"))
}

fn code_of(line: &[u8]) -> Option<u32> {
    let digits: &[u8; 3] = line.get(..3)?.try_into().ok()?;
    let is_code = matches!(digits[0], b'1'..=b'6') && digits.iter().all(u8::is_ascii_digit);
    is_code.then(|| digits.iter().fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0')))
}

/// The server said something that is no answer at all.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct NoAnswer(String);

fn no_answer(line: &[u8]) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, NoAnswer(who_answers(line)))
}

/// What `error` says of a server that does not speak FTP.
pub(super) fn other_server(error: &io::Error) -> Option<&str> {
    error.get_ref()?.downcast_ref::<NoAnswer>().map(|no_answer| no_answer.0.as_str())
}

/// Who speaks like this, in words a technician can act on.
pub(super) fn who_answers(first: &[u8]) -> String {
    match first {
        _ if first.starts_with(b"SSH-") => {
            "an SSH server answers there (SFTP is not FTP); check `port`".to_owned()
        }
        [0x15 | 0x16, 0x03, ..] => {
            "a TLS server answers there; set `tls` to \"implicit\"".to_owned()
        }
        _ => match known_service(first) {
            Some(who) => format!("{who} answers there; check `port`"),
            None => format!("what answers there is not an FTP server: {:?}", line_of(first)),
        },
    }
}

fn line_of(bytes: &[u8]) -> String {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect(),
    };
    printable(text.trim(), SHOWN_CHARS)
}

/// A reply of the server that was not the one hoped for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Answer {
    pub(super) code: u32,
    /// Code and text of the last line, one printable line.
    pub(super) text: String,
    /// All lines in small letters.
    whole: String,
}

impl Answer {
    pub(super) fn new(code: u32, text: &str) -> Self {
        Self { code, text: text.to_owned(), whole: text.to_lowercase() }
    }

    pub(super) fn of(reply: &Reply) -> Self {
        let lines = reply.body.trim_ascii_end();
        let last = lines.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
        let whole = String::from_utf8_lossy(&reply.body).to_lowercase();
        Self { code: reply.code, text: line_of(last), whole }
    }

    /// The command is unknown here, or known and not done here, whatever its argument.
    pub(super) fn is_unknown_command(&self) -> bool {
        matches!(self.code, 202 | 500 | 502 | 504)
    }

    /// The command was not taken as it was put: unknown, or its argument or moment not liked.
    pub(super) fn is_refused_command(&self) -> bool {
        self.is_unknown_command() || matches!(self.code, 501 | 503)
    }

    /// Plainly that a folder holds no files. Anything else that is refused is a failure.
    pub(super) fn says_no_files(&self) -> bool {
        const NO_FILES: [&str; 22] = [
            "no files",
            "no file found",
            "no such files",
            "no entries",
            "no match",
            "empty",
            "not contain any",
            "0 files",
            "aucun fichier",
            "répertoire vide",
            "dossier vide",
            "keine dateien",
            "verzeichnis leer",
            "verzeichnis ist leer",
            "nessun file",
            "vuota",
            "ningún archivo",
            "no hay archivos",
            "no hay ficheros",
            "vacío",
            "geen bestanden",
            "brak plików",
        ];
        const FAILURE: [&str; 12] = [
            "permission",
            "denied",
            "access",
            "refus",
            "tls",
            "ssl",
            "session",
            "connection",
            "error",
            "fail",
            "cannot",
            "can't",
        ];
        let says = |words: &[&str]| words.iter().any(|word| self.whole.contains(word));
        matches!(self.code, 450 | 550) && says(&NO_FILES) && !says(&FAILURE)
    }

    /// The server refused this user or this password, and not the moment or the command.
    pub(super) fn refuses_the_user(&self) -> bool {
        const FULL: [&str; 5] = ["too many", "maximum", "limit", "full", "try again"];
        matches!(self.code, 430 | 530 | 535) && !FULL.iter().any(|word| self.whole.contains(word))
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

impl Fault {
    /// An answer that is not the one hoped for to `verb`. A refusal leaves the connection in sync,
    /// anything else belongs to another command: nothing is read one answer late.
    pub(super) fn of(verb: &str, reply: &Reply) -> Self {
        let answer = Answer::of(reply);
        match answer.code {
            421 => Self::Gone(io::Error::new(io::ErrorKind::ConnectionAborted, said(&answer))),
            // "Superfluous": the command is known, and nothing is done.
            202 | 400..=599 => Self::Said(answer),
            _ => {
                let said = format!("{}, which is not a reply to {verb}", said(&answer));
                Self::Gone(io::Error::new(io::ErrorKind::InvalidData, said))
            }
        }
    }
}

pub(super) fn said(answer: &Answer) -> String {
    format!("the server answered {}", answer.text)
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Gone(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replies(text: &[u8]) -> Vec<u32> {
        let mut reader = text;
        std::iter::from_fn(|| read_reply(&mut reader).ok()).map(|reply| reply.code).collect()
    }

    #[test]
    fn answers_are_read_as_servers_really_write_them() {
        let table: [(&[u8], &[u32]); 12] = [
            (b"226 done\r\n", &[226]),
            (b"226\r\n", &[226]),
            (b"226 \n", &[226]),
            (b"\xEF\xBB\xBF220 mark\r\n", &[220]),
            (b"\r\n\r\n220 late\r\n", &[220]),
            (b"120 wait\r\n220 now\r\n", &[120, 220]),
            (b"220-hello\r\n150 users at most\r\n226 is a number\r\n220 ready\r\n", &[220]),
            (b"211-Features:\r\n211-SIZE\r\n MDTM\r\n211\r\n200 x\r\n", &[211, 200]),
            (b"220-one\r\n\r\n220-\r\n220 two\r\n", &[220]),
            // Torn, or no answer at all.
            (b"226 no end", &[]),
            (b"SSH-2.0-x\r\n", &[]),
            (b"220-never\r\n", &[]),
        ];
        for (text, codes) in table {
            assert_eq!(replies(text), codes, "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn an_answer_without_an_end_is_bounded_in_bytes_and_lines() {
        let long = [b"220 ".as_slice(), &vec![b'x'; 10_000_000]].concat();
        let many = [b"220-\r\n".as_slice(), &b" x\r\n".repeat(1_000_000)].concat();
        let blank = b"\r\n".repeat(1_000_000);
        for text in [long, many, blank] {
            let mut reader = text.as_slice();
            read_reply(&mut reader).unwrap_err();
            assert!(text.len() - reader.len() <= MAX_REPLY_BYTES);
        }
    }

    #[test]
    fn who_answers_instead_of_an_ftp_server_is_told() {
        let table: [(&[u8], &str); 5] = [
            (b"SSH-2.0-OpenSSH_9.2\r\n", "SSH server"),
            (b"HTTP/1.1 400 Bad Request\r\n", "web server"),
            (b"\x15\x03\x01\x00\x02\x02\x28", "implicit"),
            (b"* OK IMAP4\r\n", "mail server"),
            (b"hello\x1b[2J\r\n", "\"hello [2J\""),
        ];
        for (text, expected) in table {
            let error = read_reply(&mut &*text).unwrap_err();
            let said = other_server(&error).unwrap();
            assert!(said.contains(expected), "{said}");
        }
    }

    fn answer(body: &[u8]) -> Answer {
        Answer::of(&read_reply(&mut &*body).unwrap())
    }

    #[test]
    fn an_answer_is_one_short_printable_line_with_its_code() {
        let odd = answer(b"522-Protocol\r\n522 use (1) \x1b[31m\xE9\r\n");
        assert_eq!((odd.code, odd.text.as_str()), (522, "522 use (1)  [31mé"));
        let long = answer(&[b"550 ".as_slice(), &[b'x'; 5000], b"\r\n"].concat());
        assert_eq!((long.code, long.text.len()), (550, SHOWN_CHARS));
    }

    #[test]
    fn only_a_plain_word_of_no_files_is_an_empty_folder() {
        for text in [
            "550 No files found",
            "450 No files found.",
            "550 Directory is empty",
            "550-\r\n No files\r\n550 ok",
        ] {
            assert!(answer(format!("{text}\r\n").as_bytes()).says_no_files(), "{text}");
        }
        let failures = [
            "450 TLS session of data connection has not resumed",
            "550 Permission denied",
            "550 no",
            "550 No such file or directory",
            "450 No files: access denied",
            "451 No files found",
        ];
        for text in failures {
            assert!(!answer(format!("{text}\r\n").as_bytes()).says_no_files(), "{text}");
        }
    }

    #[test]
    fn an_answer_that_cannot_belong_to_its_command_ends_the_connection() {
        let fault = |body: &[u8]| Fault::of("SIZE", &read_reply(&mut &*body).unwrap());
        assert!(matches!(fault(b"550 no\r\n"), Fault::Said(_)));
        for text in ["421 Timeout", "226 late", "150 soon", "331 password?", "230 welcome"] {
            assert!(matches!(fault(format!("{text}\r\n").as_bytes()), Fault::Gone(_)), "{text}");
        }
    }

    #[test]
    fn a_repeated_password_is_blotted_out() {
        let answer = Answer::new(530, "530 wrong password s3cret");
        assert_eq!(answer.text_without("s3cret"), "530 wrong password ***");
    }
}
