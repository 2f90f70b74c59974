//! Looks at what the server sends before the client sees it: which messages, how long, how many.
//!
//! What must never happen here: the password goes to a server that was not verified in a form from
//! which it can be read or guessed; the client keeps more of what a server sends than a bounded amount.
//!
//! The client's own library answers whatever log-in is asked for, believes any announced length up to
//! 2 GiB, keeps every parameter and notification, and asks the server about each type that it does not
//! know. All of that is decided here, on plain bytes, however they are split over reads.

use std::collections::BTreeSet;

use postgres::types::Type;
use thiserror::Error;

/// Why the connection is given up.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum Improper {
    #[error("it asks for the password in clear text")]
    ClearPassword,
    #[error("it asks for the password as an md5 hash")]
    Md5Password,
    #[error("it asks for a login other than by password")]
    OtherLogIn,
    #[error("it asks for no password")]
    NoPassword,
    #[error("a message of an impossible length")]
    Length,
    #[error("a message longer than any valid reply")]
    LongMessage,
    #[error("more messages than any valid reply has")]
    ManyMessages,
    #[error("a value of an unexpected type")]
    UnknownType,
}

impl Improper {
    /// Whether the server wants to be logged in to in a way that is not answered.
    pub fn is_log_in(self) -> bool {
        matches!(
            self,
            Self::ClearPassword | Self::Md5Password | Self::OtherLogIn | Self::NoPassword
        )
    }
}

/// The longest message of any kind, and that of the kinds that are looked into or kept.
const LONGEST_MESSAGE: usize = 2 << 20;
const LONGEST_ERROR: usize = 256 << 10;
const LONGEST_DESCRIPTION: usize = 16 << 10;
const LONGEST_KEPT: usize = 8 << 10;
/// Messages of one exchange. The largest answer has a row for each of a few hundred sessions.
const MOST_MESSAGES: u32 = 10_000;
/// Of one connection, because the client keeps them as long.
const MOST_PARAMETERS: usize = 100;
const MOST_NOTIFICATIONS: u32 = 200;

/// How far the log-in is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// The server has not proved yet that it knows the password.
    LogIn {
        has_proved: bool,
    },
    /// Parameters of the session.
    StartUp,
    Answers,
}

/// What is known of the message that is under way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Body {
    tag: u8,
    left: usize,
    /// How much of its beginning is looked into.
    wanted: usize,
}

/// Follows one connection's messages.
#[derive(Debug)]
pub struct Inspector {
    only_scram: bool,
    phase: Phase,
    /// The beginning of a message: tag and length.
    head: Vec<u8>,
    body: Option<Body>,
    /// The beginning of its body.
    seen: Vec<u8>,
    messages: u32,
    notifications: u32,
    parameters: BTreeSet<Vec<u8>>,
}

const HEAD: usize = 5;
/// The length counts itself.
const LENGTH: usize = 4;

impl Inspector {
    /// `only_scram`: a server that asks for anything but SCRAM, or for nothing, gets no answer.
    pub fn new(only_scram: bool) -> Self {
        Self {
            only_scram,
            phase: Phase::LogIn { has_proved: false },
            head: Vec::with_capacity(HEAD),
            body: None,
            seen: Vec::new(),
            messages: 0,
            notifications: 0,
            parameters: BTreeSet::new(),
        }
    }

    /// Another exchange begins: its messages are counted from zero.
    pub fn begin_exchange(&mut self) {
        self.messages = 0;
    }

    /// The next bytes from the server. After an error none of them may reach the client.
    pub fn see(&mut self, mut bytes: &[u8]) -> Result<(), Improper> {
        while !bytes.is_empty() {
            bytes = match self.body {
                None => self.see_head(bytes)?,
                Some(body) => self.see_body(body, bytes)?,
            };
        }
        Ok(())
    }

    fn see_head<'b>(&mut self, bytes: &'b [u8]) -> Result<&'b [u8], Improper> {
        let (more, rest) = bytes.split_at(bytes.len().min(HEAD - self.head.len()));
        self.head.extend_from_slice(more);
        let [tag, length @ ..] = self.head.as_slice() else { return Ok(rest) };
        let (tag, Ok(length)) = (*tag, <[u8; LENGTH]>::try_from(length)) else { return Ok(rest) };
        self.head.clear();
        let left =
            (u32::from_be_bytes(length) as usize).checked_sub(LENGTH).ok_or(Improper::Length)?;
        if left > longest(tag) {
            return Err(Improper::LongMessage);
        }
        self.count(tag)?;
        let wanted = match tag {
            b'R' => left.min(LENGTH),
            b'S' | b'T' | b't' => left,
            _ => 0,
        };
        self.begin_body(Body { tag, left, wanted })?;
        Ok(rest)
    }

    fn begin_body(&mut self, body: Body) -> Result<(), Improper> {
        self.body = Some(body);
        self.seen.clear();
        if body.left == 0 { self.end_body(body.tag) } else { Ok(()) }
    }

    fn see_body<'b>(&mut self, body: Body, bytes: &'b [u8]) -> Result<&'b [u8], Improper> {
        let (more, rest) = bytes.split_at(bytes.len().min(body.left));
        let wanted = body.wanted - self.seen.len();
        self.seen.extend(more.iter().take(wanted));
        let left = body.left - more.len();
        self.body = Some(Body { left, ..body });
        // As soon as its kind is known: the client need not have the rest.
        if body.tag == b'R' && wanted > 0 && self.seen.len() == LENGTH {
            self.log_in()?;
        }
        if left == 0 {
            self.end_body(body.tag)?;
        }
        Ok(rest)
    }

    fn end_body(&mut self, tag: u8) -> Result<(), Improper> {
        self.body = None;
        match tag {
            b'S' => {
                let name = self.seen.split(|byte| *byte == 0).next().unwrap_or_default().to_vec();
                self.parameters.insert(name);
                if self.parameters.len() > MOST_PARAMETERS {
                    return Err(Improper::ManyMessages);
                }
            }
            b'T' if !has_known_columns(&self.seen) => return Err(Improper::UnknownType),
            b't' if !has_known_parameters(&self.seen) => return Err(Improper::UnknownType),
            // Nobody is ready before the log-in is done, whatever is said.
            b'Z' if !matches!(self.phase, Phase::LogIn { .. }) => self.phase = Phase::Answers,
            _ => {}
        }
        Ok(())
    }

    fn count(&mut self, tag: u8) -> Result<(), Improper> {
        match tag {
            b'A' => {
                self.notifications += 1;
                if self.notifications > MOST_NOTIFICATIONS {
                    return Err(Improper::ManyMessages);
                }
            }
            // Told and forgotten, but for those of the log-in: a trigger may say something of each row.
            b'N' if self.phase == Phase::Answers => return Ok(()),
            _ => {}
        }
        self.messages += 1;
        if self.messages > MOST_MESSAGES { Err(Improper::ManyMessages) } else { Ok(()) }
    }

    /// The server wants something of the log-in, or says that it is done.
    fn log_in(&mut self) -> Result<(), Improper> {
        let Ok(code) = <[u8; LENGTH]>::try_from(self.seen.as_slice()) else { return Ok(()) };
        let Phase::LogIn { has_proved } = self.phase else {
            // The client refuses it as unexpected; it need not be asked.
            return if self.only_scram { Err(Improper::OtherLogIn) } else { Ok(()) };
        };
        match u32::from_be_bytes(code) {
            0 if self.only_scram && !has_proved => Err(Improper::NoPassword),
            0 => {
                self.phase = Phase::StartUp;
                Ok(())
            }
            // The mechanisms, the challenge, and the proof, which the client verifies.
            10 | 11 => Ok(()),
            12 => {
                self.phase = Phase::LogIn { has_proved: true };
                Ok(())
            }
            _ if !self.only_scram => Ok(()),
            3 => Err(Improper::ClearPassword),
            5 => Err(Improper::Md5Password),
            _ => Err(Improper::OtherLogIn),
        }
    }
}

fn longest(tag: u8) -> usize {
    match tag {
        b'R' | b'S' | b'K' | b'A' | b'C' | b'Z' => LONGEST_KEPT,
        b'T' | b't' => LONGEST_DESCRIPTION,
        b'E' | b'N' => LONGEST_ERROR,
        _ => LONGEST_MESSAGE,
    }
}

fn is_known(oid: &[u8]) -> bool {
    <[u8; 4]>::try_from(oid).is_ok_and(|oid| Type::from_oid(u32::from_be_bytes(oid)).is_some())
}

/// What stands in a column's description behind its name: table, number, type, length, modifier, format.
const COLUMN_BYTES: usize = 4 + 2 + 4 + 2 + 4 + 2;

/// Whether the client knows the type of every column: of others it would ask the server, and of those
/// in that answer again.
fn has_known_columns(description: &[u8]) -> bool {
    let Some((count, mut rest)) = description.split_first_chunk::<2>() else { return false };
    for _ in 0..u16::from_be_bytes(*count) {
        let Some(end) = rest.iter().position(|byte| *byte == 0) else { return false };
        let Some((column, next)) = rest[end + 1..].split_first_chunk::<COLUMN_BYTES>() else {
            return false;
        };
        if !is_known(&column[6..10]) {
            return false;
        }
        rest = next;
    }
    rest.is_empty()
}

fn has_known_parameters(description: &[u8]) -> bool {
    description.split_first_chunk::<2>().is_some_and(|(count, oids)| {
        oids.len() == usize::from(u16::from_be_bytes(*count)) * 4
            && oids.chunks_exact(4).all(is_known)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(tag: u8, body: &[u8]) -> Vec<u8> {
        let mut out = vec![tag];
        out.extend((body.len() as u32 + 4).to_be_bytes());
        out.extend(body);
        out
    }

    fn auth(code: u32, more: &[u8]) -> Vec<u8> {
        message(b'R', &[&code.to_be_bytes(), more].concat())
    }

    /// The same answer however the bytes are split.
    fn judged(only_scram: bool, bytes: &[u8]) -> Result<(), Improper> {
        let whole = Inspector::new(only_scram).see(bytes);
        for size in [1, 2, 3, 4, 5, 7, 11] {
            let mut inspector = Inspector::new(only_scram);
            let split = bytes.chunks(size).try_for_each(|part| inspector.see(part));
            assert_eq!(split, whole, "in parts of {size}");
        }
        whole
    }

    #[test]
    fn without_a_verified_server_only_scram_is_answered_and_its_proof_is_waited_for() {
        let proof = [auth(10, b"SCRAM-SHA-256\0\0"), auth(11, b"r=x"), auth(12, b"v=y")].concat();
        let notice = message(b'N', b"SWARNING\0\0");
        let ready = message(b'Z', b"I");
        let table: [(&str, Vec<u8>, Result<(), Improper>); 12] = [
            (
                "ready without a log-in, then in clear",
                [ready.clone(), auth(3, b"")].concat(),
                Err(Improper::ClearPassword),
            ),
            (
                "in clear once more when all is done",
                [proof.clone(), auth(0, b""), ready, auth(3, b"")].concat(),
                Err(Improper::OtherLogIn),
            ),
            ("in clear", auth(3, b""), Err(Improper::ClearPassword)),
            ("md5", auth(5, b"salt"), Err(Improper::Md5Password)),
            ("GSS", auth(7, b""), Err(Improper::OtherLogIn)),
            ("SSPI", auth(9, b""), Err(Improper::OtherLogIn)),
            ("nothing", auth(0, b""), Err(Improper::NoPassword)),
            (
                "SCRAM begun, then done",
                [auth(10, b"\0"), auth(0, b"")].concat(),
                Err(Improper::NoPassword),
            ),
            (
                "SCRAM begun, then in clear",
                [auth(10, b"\0"), auth(3, b"")].concat(),
                Err(Improper::ClearPassword),
            ),
            (
                "a notice, a version, then md5",
                [notice.clone(), message(b'v', &[0; 8]), auth(5, b"salt")].concat(),
                Err(Improper::Md5Password),
            ),
            ("SCRAM", [notice, proof.clone(), auth(0, b"")].concat(), Ok(())),
            (
                "the proof, and then in clear",
                [proof, auth(3, b"")].concat(),
                Err(Improper::ClearPassword),
            ),
        ];
        for (what, bytes, expected) in table {
            assert_eq!(judged(true, &bytes), expected, "{what}");
            assert_eq!(judged(false, &bytes), Ok(()), "{what}, with a verified server");
        }
    }

    #[test]
    fn what_no_answer_has_is_refused() {
        let many = |tag: u8, count: usize, body: &[u8]| message(tag, body).repeat(count);
        let names: Vec<u8> =
            (0..101).flat_map(|n| message(b'S', format!("p{n}\0x\0").as_bytes())).collect();
        let column = |oid: u32| {
            let mut body = vec![0, 1, b'x', 0];
            body.extend([0; 6]);
            body.extend(oid.to_be_bytes());
            body.extend([0; 8]);
            message(b'T', &body)
        };
        let parameter = |oid: u32| message(b't', &[&[0, 1], &oid.to_be_bytes()[..]].concat());
        let table: [(&str, Vec<u8>, Result<(), Improper>); 14] = [
            (
                "2 GiB announced",
                [b"D".as_slice(), &[0x7f, 255, 255, 255]].concat(),
                Err(Improper::LongMessage),
            ),
            ("4 GiB announced", [b"D".as_slice(), &[255; 4]].concat(), Err(Improper::LongMessage)),
            (
                "a length below its own",
                [b"D".as_slice(), &[0, 0, 0, 3]].concat(),
                Err(Improper::Length),
            ),
            ("a long challenge", auth(11, &[b'x'; 9000]), Err(Improper::LongMessage)),
            ("rows without end", many(b'D', 10_001, &[0, 0]), Err(Improper::ManyMessages)),
            ("as many rows as there may be", many(b'D', 10_000, &[0, 0]), Ok(())),
            (
                "notices of the log-in without end",
                many(b'N', 10_001, &[0]),
                Err(Improper::ManyMessages),
            ),
            (
                "notices of an answer",
                [auth(0, b""), message(b'Z', b"I"), many(b'N', 20_000, &[0])].concat(),
                Ok(()),
            ),
            ("notifications without end", many(b'A', 201, &[0; 6]), Err(Improper::ManyMessages)),
            ("ever new parameters", names, Err(Improper::ManyMessages)),
            ("the same parameter again", many(b'S', 500, b"TimeZone\0UTC\0"), Ok(())),
            ("a type of the server's own", column(99_999), Err(Improper::UnknownType)),
            ("a type that is known", [column(20), parameter(25)].concat(), Ok(())),
            ("a parameter of its own", parameter(99_999), Err(Improper::UnknownType)),
        ];
        for (what, bytes, expected) in table {
            assert_eq!(judged(false, &bytes), expected, "{what}");
        }
    }

    #[test]
    fn each_exchange_counts_its_own_messages() {
        let mut inspector = Inspector::new(false);
        let rows = message(b'D', &[0, 0]).repeat(9_000);
        inspector.see(&rows).unwrap();
        inspector.begin_exchange();
        inspector.see(&rows).unwrap();
        assert_eq!(inspector.see(&rows), Err(Improper::ManyMessages));
    }
}
