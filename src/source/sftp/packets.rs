//! The packets of SFTP version 3 (draft-ietf-secsh-filexfer-02) that a reader and remover of files sends and
//! receives. Pure: bytes to values and back. Names are bytes here: what a server calls a file need not be UTF-8.
//!
//! What must never happen here: memory taken for what a packet claims and does not hold; an answer read
//! past its end.

/// The version that is spoken; servers of a later one go down to it.
pub const VERSION: u32 = 3;
/// Longest packet of a server, in bytes behind its length; what OpenSSH sends at most.
pub const MAX_PACKET_BYTES: usize = 256 * 1024;
/// Longest handle, by the specification.
const MAX_HANDLE_BYTES: usize = 256;
/// Most of a status message that is kept.
const MAX_MESSAGE_BYTES: usize = 1024;

const INIT: u8 = 1;
const OPEN: u8 = 3;
const CLOSE: u8 = 4;
const READ: u8 = 5;
const FSTAT: u8 = 8;
const OPENDIR: u8 = 11;
const READDIR: u8 = 12;
const REMOVE: u8 = 13;
const STAT: u8 = 17;

const ANSWER_VERSION: u8 = 2;
const ANSWER_STATUS: u8 = 101;
const ANSWER_HANDLE: u8 = 102;
const ANSWER_DATA: u8 = 103;
const ANSWER_NAME: u8 = 104;
const ANSWER_ATTRS: u8 = 105;

/// `SSH_FXF_READ`
const FOR_READING: u32 = 1;

/// What is asked of a server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Request<'r> {
    /// Opens a file for reading.
    Open(&'r [u8]),
    Close(&'r [u8]),
    Read {
        handle: &'r [u8],
        offset: u64,
        length: u32,
    },
    /// Attributes of an open file.
    Fstat(&'r [u8]),
    OpenDir(&'r [u8]),
    ReadDir(&'r [u8]),
    Remove(&'r [u8]),
    /// Attributes of what a path leads to, links followed.
    Stat(&'r [u8]),
}

/// The first packet, without an id.
pub fn put_init(packets: &mut Vec<u8>) {
    put_packet(packets, INIT, VERSION, &[]);
}

impl Request<'_> {
    /// Appends the packet.
    pub fn put(self, packets: &mut Vec<u8>, id: u32) {
        match self {
            Self::Open(path) => {
                // For reading, no attributes.
                let flags = FOR_READING.to_be_bytes();
                put_packet(packets, OPEN, id, &[&sized(path), &flags, &[0; 4]]);
            }
            Self::Close(handle) => put_packet(packets, CLOSE, id, &[&sized(handle)]),
            Self::Read { handle, offset, length } => {
                let (offset, length) = (offset.to_be_bytes(), length.to_be_bytes());
                put_packet(packets, READ, id, &[&sized(handle), &offset, &length]);
            }
            Self::Fstat(handle) => put_packet(packets, FSTAT, id, &[&sized(handle)]),
            Self::OpenDir(path) => put_packet(packets, OPENDIR, id, &[&sized(path)]),
            Self::ReadDir(handle) => put_packet(packets, READDIR, id, &[&sized(handle)]),
            Self::Remove(path) => put_packet(packets, REMOVE, id, &[&sized(path)]),
            Self::Stat(path) => put_packet(packets, STAT, id, &[&sized(path)]),
        }
    }
}

fn put_packet(packets: &mut Vec<u8>, kind: u8, first: u32, rest: &[&[u8]]) {
    let length = 5 + rest.iter().map(|part| part.len()).sum::<usize>();
    packets.extend_from_slice(&length_of(length));
    packets.push(kind);
    packets.extend_from_slice(&first.to_be_bytes());
    rest.iter().for_each(|part| packets.extend_from_slice(part));
}

/// A string as it travels: its length before it.
fn sized(bytes: &[u8]) -> Vec<u8> {
    [&length_of(bytes.len()), bytes].concat()
}

/// Paths and handles are short: they were checked before.
fn length_of(length: usize) -> [u8; 4] {
    u32::try_from(length).expect("a path or handle of less than 4 GiB").to_be_bytes()
}

/// What a server answers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    Status(Status),
    Handle(Vec<u8>),
    Data(Vec<u8>),
    Names(Vec<Name>),
    Attributes(Attributes),
}

/// How a request ended, where its answer is nothing else.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Status {
    pub code: u32,
    /// The server's own words, in whatever encoding; may be empty.
    pub message: Vec<u8>,
}

impl Status {
    pub const OK: u32 = 0;
    pub const EOF: u32 = 1;
    pub const NO_SUCH_FILE: u32 = 2;
    pub const PERMISSION_DENIED: u32 = 3;
    pub const FAILURE: u32 = 4;
    pub const BAD_MESSAGE: u32 = 5;
    pub const UNSUPPORTED: u32 = 8;
}

/// An entry of a directory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Name {
    pub name: Vec<u8>,
    /// The first character of the line that the server would print for it, as `ls -l` does.
    pub letter: Option<u8>,
    pub attributes: Attributes,
}

/// What a server says of a file; all of it may be left out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Attributes {
    pub size: Option<u64>,
    /// The mode, with the kind of the file in its upper bits (`S_IFMT`).
    pub mode: Option<u32>,
    /// Seconds since 1970, UTC.
    pub modified: Option<u32>,
}

/// Why bytes are no answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Malformed {
    #[error("a packet of the server is shorter than what it claims to hold")]
    Short,
    #[error("the server announced a packet of {0} bytes")]
    Length(u32),
    #[error("the server sent a packet of type {0}, which is no answer")]
    Kind(u8),
    #[error("the server sent a handle of {0} bytes")]
    Handle(usize),
    #[error("the server sent {0} bytes more than the names that it counted")]
    Uncounted(usize),
}

/// The bytes of the first whole packet in `bytes`, behind its length; `None` where it has not come yet.
pub fn whole(bytes: &[u8]) -> Result<Option<&[u8]>, Malformed> {
    let Some((length, behind)) = bytes.split_first_chunk::<4>() else { return Ok(None) };
    let announced = u32::from_be_bytes(*length);
    let length = usize::try_from(announced).unwrap_or(usize::MAX);
    if !(1..=MAX_PACKET_BYTES).contains(&length) {
        return Err(Malformed::Length(announced));
    }
    Ok(behind.get(..length))
}

/// The server's version, from the answer to the first packet.
pub fn version(packet: &[u8]) -> Result<u32, Malformed> {
    let mut rest = Rest(packet);
    match rest.byte()? {
        ANSWER_VERSION => rest.number(),
        kind => Err(Malformed::Kind(kind)),
    }
}

/// An answer, and the id of the request that it belongs to. What stands behind it in the packet is not read,
/// but of names nothing may.
pub fn answer(packet: &[u8]) -> Result<(u32, Answer), Malformed> {
    let mut rest = Rest(packet);
    let kind = rest.byte()?;
    if !matches!(kind, ANSWER_STATUS | ANSWER_HANDLE | ANSWER_DATA | ANSWER_NAME | ANSWER_ATTRS) {
        return Err(Malformed::Kind(kind));
    }
    let id = rest.number()?;
    let answer = match kind {
        ANSWER_STATUS => {
            let code = rest.number()?;
            // Old servers send no message.
            let message = rest.string().unwrap_or_default();
            let message = message[..message.len().min(MAX_MESSAGE_BYTES)].to_vec();
            Answer::Status(Status { code, message })
        }
        ANSWER_HANDLE => {
            let handle = rest.string()?;
            if handle.len() > MAX_HANDLE_BYTES {
                return Err(Malformed::Handle(handle.len()));
            }
            Answer::Handle(handle.to_vec())
        }
        ANSWER_DATA => Answer::Data(rest.string()?.to_vec()),
        ANSWER_NAME => {
            let count = rest.number()?;
            let mut names = Vec::new();
            for _ in 0..count {
                names.push(rest.name()?);
            }
            // Names behind the last that was counted would be files that nobody sees.
            if !rest.0.is_empty() {
                return Err(Malformed::Uncounted(rest.0.len()));
            }
            Answer::Names(names)
        }
        _ => Answer::Attributes(rest.attributes()?),
    };
    Ok((id, answer))
}

/// What of a packet is not read yet.
struct Rest<'p>(&'p [u8]);

impl<'p> Rest<'p> {
    fn take(&mut self, length: usize) -> Result<&'p [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Malformed::Short)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(Malformed::Short)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn byte(&mut self) -> Result<u8, Malformed> {
        self.array().map(u8::from_be_bytes)
    }

    fn number(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_be_bytes)
    }

    fn long(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_be_bytes)
    }

    fn string(&mut self) -> Result<&'p [u8], Malformed> {
        let length = self.number()?;
        self.take(usize::try_from(length).map_err(|_| Malformed::Short)?)
    }

    fn name(&mut self) -> Result<Name, Malformed> {
        let name = self.string()?.to_vec();
        let letter = self.string()?.first().copied();
        Ok(Name { name, letter, attributes: self.attributes()? })
    }

    fn attributes(&mut self) -> Result<Attributes, Malformed> {
        const SIZE: u32 = 1;
        const OWNER: u32 = 2;
        const MODE: u32 = 4;
        const TIMES: u32 = 8;
        const EXTENDED: u32 = 0x8000_0000;
        let flags = self.number()?;
        let has = |flag| flags & flag != 0;
        let size = if has(SIZE) { Some(self.long()?) } else { None };
        if has(OWNER) {
            self.long()?;
        }
        let mode = if has(MODE) { Some(self.number()?) } else { None };
        let modified = if has(TIMES) {
            // Accessed, modified.
            self.number()?;
            Some(self.number()?)
        } else {
            None
        };
        if has(EXTENDED) {
            for _ in 0..self.number()? {
                self.string()?;
                self.string()?;
            }
        }
        Ok(Attributes { size, mode, modified })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::*;

    fn packet(kind: u8, parts: &[&[u8]]) -> Vec<u8> {
        let mut packet = vec![kind];
        parts.iter().for_each(|part| packet.extend_from_slice(part));
        packet
    }

    #[test]
    fn requests_stand_on_the_wire_as_the_draft_writes_them() {
        let mut packets = Vec::new();
        put_init(&mut packets);
        assert_eq!(packets, [0, 0, 0, 5, 1, 0, 0, 0, 3]);
        packets.clear();
        Request::Read { handle: b"h", offset: 0x0102, length: 0x8000 }.put(&mut packets, 7);
        let expected =
            [0, 0, 0, 22, 5, 0, 0, 0, 7, 0, 0, 0, 1, b'h', 0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0x80, 0];
        assert_eq!(packets, expected);
        packets.clear();
        Request::Open(b"\xE9.LOG").put(&mut packets, 1);
        let expected = [
            0, 0, 0, 22, 3, 0, 0, 0, 1, 0, 0, 0, 5, 0xE9, b'.', b'L', b'O', b'G', 0, 0, 0, 1, 0, 0,
            0, 0,
        ];
        assert_eq!(packets, expected);
    }

    #[test]
    fn attributes_are_read_whatever_of_them_is_left_out() {
        let id: &[u8] = &[0, 0, 0, 9];
        let none = packet(ANSWER_ATTRS, &[id, &[0; 4]]);
        assert_eq!(answer(&none), Ok((9, Answer::Attributes(Attributes::default()))));
        let all = packet(
            ANSWER_ATTRS,
            &[
                id,
                &0x8000_000F_u32.to_be_bytes(),
                &5_u64.to_be_bytes(),
                &[0; 8],
                &0o100_644_u32.to_be_bytes(),
                &1_u32.to_be_bytes(),
                &2_u32.to_be_bytes(),
                &1_u32.to_be_bytes(),
                &sized(b"a@b"),
                &sized(b"x"),
            ],
        );
        let expected = Attributes { size: Some(5), mode: Some(0o100_644), modified: Some(2) };
        assert_eq!(answer(&all), Ok((9, Answer::Attributes(expected))));
        for cut in 0..all.len() {
            assert!(answer(&all[..cut]).is_err(), "{cut}");
        }
    }

    #[test]
    fn a_count_that_no_packet_can_hold_takes_no_memory() {
        let names = packet(ANSWER_NAME, &[&[0; 4], &u32::MAX.to_be_bytes()]);
        assert_eq!(answer(&names), Err(Malformed::Short));
        let data = packet(ANSWER_DATA, &[&[0; 4], &u32::MAX.to_be_bytes()]);
        assert_eq!(answer(&data), Err(Malformed::Short));
    }

    #[test]
    fn a_length_that_no_answer_has_is_refused_at_once() {
        for announced in [0, 256 * 1024 + 1, u32::MAX] {
            assert_eq!(whole(&announced.to_be_bytes()), Err(Malformed::Length(announced)));
        }
        assert_eq!(whole(&[0, 0, 0]), Ok(None));
        assert_eq!(whole(&[0, 0, 0, 2, 1]), Ok(None));
        assert_eq!(whole(&[0, 0, 0, 2, 1, 2, 3]), Ok(Some(&[1, 2][..])));
    }

    #[test]
    fn a_status_without_words_is_one() {
        let status = packet(ANSWER_STATUS, &[&[0; 4], &4_u32.to_be_bytes()]);
        let expected = Status { code: Status::FAILURE, message: Vec::new() };
        assert_eq!(answer(&status), Ok((0, Answer::Status(expected))));
    }

    proptest! {
        #[test]
        fn any_bytes_give_an_answer_or_a_reason(bytes in any::<Vec<u8>>()) {
            let _ = (answer(&bytes), version(&bytes), whole(&bytes));
        }

        #[test]
        fn any_name_comes_as_it_was_sent(name in any::<Vec<u8>>(), letter in any::<Option<u8>>()) {
            let longname: Vec<u8> = letter.into_iter().collect();
            let one = 1_u32.to_be_bytes();
            let parts: [&[u8]; 5] = [&[0; 4], &one, &sized(&name), &sized(&longname), &[0; 4]];
            let named = Name { name, letter, attributes: Attributes::default() };
            prop_assert_eq!(answer(&packet(ANSWER_NAME, &parts)), Ok((0, Answer::Names(vec![named]))));
        }
    }
}
