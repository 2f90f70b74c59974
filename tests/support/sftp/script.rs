//! What a [`ScriptedSftp`](super::ScriptedSftp) is and does.

use std::{collections::BTreeMap, time::Duration};

/// Folder → name → file, all names as they are on the wire.
pub type Tree = BTreeMap<Vec<u8>, BTreeMap<Vec<u8>, File>>;

/// 3 June 2025, 05:11:12 UTC.
pub const USUAL_TIME: u32 = 1_748_927_472;

#[derive(Clone, PartialEq, Eq)]
pub struct File {
    pub bytes: Vec<u8>,
    pub modified: u32,
    /// Type and permissions, as in `st_mode`.
    pub mode: u32,
    /// A file that was replaced has another.
    pub inode: u64,
}

impl std::fmt::Debug for File {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes of {}, {:o}", self.bytes.len(), self.modified, self.mode)
    }
}

impl File {
    pub fn new(bytes: &[u8]) -> Self {
        Self { bytes: bytes.to_vec(), modified: USUAL_TIME, mode: 0o100_644, inode: 0 }
    }
}

/// What is asked of the server.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Op {
    Init,
    Open,
    Close,
    Read,
    Lstat,
    Fstat,
    Opendir,
    Readdir,
    Remove,
    Realpath,
    Stat,
    Other,
}

/// What happens to the file of a request, right before it is answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Strike {
    Append(Vec<u8>),
    Truncate(usize),
    /// Other bytes in the same file.
    Rewrite(Vec<u8>),
    /// Another file under the same name.
    Replace(Vec<u8>),
    Delete,
    RenameTo(Vec<u8>),
}

/// What is done instead of the usual.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Deed {
    /// Nothing is done and this status is given; without a message it ends behind the code.
    Status(u32, Option<Vec<u8>>),
    /// It is done, and this status is given.
    DoneBut(u32),
    /// It is answered with OK and not done.
    NotDone,
    /// Bytes instead of the answer.
    Raw(Vec<u8>),
    /// A packet of this type, and what follows its id.
    Packet(u8, Vec<u8>),
    /// It is done and never answered; others are.
    Silence,
    /// It is not answered, nor is anything behind it.
    Hang,
    /// It is not answered, and messages that say nothing come for ever.
    Chatter,
    /// The answer comes a byte at a time, again and again.
    Drip,
    Twice,
    /// Later answers may come before it.
    Overtaken,
    /// The answer is that to another request.
    WrongId(u32),
    /// Before the answer comes OK for the next request.
    Foretold,
    /// It is done, and the answer comes after this time.
    Late(Duration),
    /// DATA with at most so many bytes.
    Short(usize),
    /// DATA with so many bytes too many.
    Long(usize),
    /// DATA without end: whatever the offset, there is more.
    Endless,
    CloseChannel,
    /// End of file on the channel.
    EofChannel,
    /// It is done, and the connection is cut.
    Cut,
    /// The connection is cut before anything is done.
    CutBefore,
    Strike(Strike),
}

/// Which requests of a kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum When {
    Always,
    /// The n-th since the rule was made, from 1.
    Nth(usize),
    From(usize),
    /// In thousandths.
    Chance(u16),
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rule {
    pub op: Op,
    /// Only about this file or folder.
    pub name: Option<Vec<u8>>,
    pub when: When,
    pub deed: Deed,
    pub seen: usize,
}

/// Which attributes are shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Form {
    pub size: bool,
    pub permissions: bool,
    pub times: bool,
    /// So many extended attributes.
    pub extended: u32,
    /// Bits that mean nothing, set beside the others.
    pub unknown_flags: u32,
}

impl Default for Form {
    fn default() -> Self {
        Self { size: true, permissions: true, times: true, extended: 0, unknown_flags: 0 }
    }
}

/// How folders are listed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listing {
    /// Names in one answer.
    pub per_answer: usize,
    /// What the count claims beyond the names that are there.
    pub count_off: i64,
    pub endless: bool,
    /// Added to every size.
    pub sizes_lie_by: u64,
    /// Instead of every time.
    pub time: Option<u32>,
    /// Names beside those of the tree, in every folder but the root.
    pub extra: Vec<Vec<u8>>,
    /// Every name twice.
    pub twice: bool,
    /// `.` and `..` too.
    pub dots: bool,
    pub form: Form,
}

impl Default for Listing {
    fn default() -> Self {
        Self {
            per_answer: 100,
            count_off: 0,
            endless: false,
            sizes_lie_by: 0,
            time: None,
            extra: Vec::new(),
            twice: false,
            dots: true,
            form: Form::default(),
        }
    }
}

/// How a user is answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum LogIn {
    #[default]
    Usual,
    Refused,
    /// Each answer is right, and never enough.
    PartialForEver,
    /// It is never answered.
    Silent,
}

/// What the server is and does. It may be changed while the server runs.
#[derive(Clone, Debug)]
pub struct Script {
    pub tree: Tree,
    /// Said before the version of SSH.
    pub lines_before: Vec<u8>,
    /// So many bytes are sent on a connection, then it is cut.
    pub wire_bytes: Option<usize>,
    /// So many bytes are sent on a connection, then one now and then.
    pub wire_drips_after: Option<usize>,
    pub banner: Option<String>,
    pub log_in: LogIn,
    /// Channels are refused after so many on a connection.
    pub most_channels: usize,
    pub is_subsystem_refused: bool,
    /// The window that the client has for what it sends, and its longest packet.
    pub window: u32,
    pub packet: u32,
    /// Keys are exchanged again after so many bytes.
    pub rekey_after: Option<usize>,
    /// The server asks whether the client is there whenever something came from it.
    pub is_curious: bool,
    pub rules: Vec<Rule>,
    pub listing: Listing,
    /// What STAT, LSTAT and FSTAT show.
    pub stat_form: Form,
    pub stat_sizes_lie_by: u64,
    /// Bytes of a handle.
    pub handle_bytes: usize,
    /// An OPEN beyond so many open handles fails.
    pub most_handles: usize,
    /// Answers wait until nothing more was asked for this long: each time is one round trip.
    pub round: Option<Duration>,
    /// Where chances come from.
    pub random: fastrand::Rng,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            tree: Tree::new(),
            lines_before: Vec::new(),
            wire_bytes: None,
            wire_drips_after: None,
            banner: None,
            log_in: LogIn::Usual,
            most_channels: usize::MAX,
            is_subsystem_refused: false,
            window: 2 << 20,
            packet: 32_768,
            rekey_after: None,
            is_curious: false,
            rules: Vec::new(),
            listing: Listing::default(),
            stat_form: Form::default(),
            stat_sizes_lie_by: 0,
            handle_bytes: 4,
            most_handles: usize::MAX,
            round: None,
            random: fastrand::Rng::with_seed(1),
        }
    }
}

impl Script {
    /// With one more file.
    pub fn file(mut self, folder: impl AsRef<[u8]>, name: impl AsRef<[u8]>, bytes: &[u8]) -> Self {
        let folder = self.tree.entry(folder.as_ref().to_vec()).or_default();
        folder.insert(name.as_ref().to_vec(), File::new(bytes));
        self
    }

    pub fn folder(mut self, folder: impl AsRef<[u8]>) -> Self {
        self.tree.entry(folder.as_ref().to_vec()).or_default();
        self
    }

    /// With one more deviation; of those that match a request the first counts.
    pub fn rule(mut self, op: Op, when: When, deed: Deed) -> Self {
        self.rules.push(Rule { op, name: None, when, deed, seen: 0 });
        self
    }

    /// The same for one file or folder.
    pub fn rule_on(mut self, op: Op, name: &str, when: When, deed: Deed) -> Self {
        self.rules.push(Rule { op, name: Some(name.into()), when, deed, seen: 0 });
        self
    }

    /// The deviation that a request meets.
    pub fn deed(&mut self, op: Op, name: &[u8]) -> Option<Deed> {
        let random = &mut self.random;
        self.rules
            .iter_mut()
            .filter(|rule| rule.op == op && rule.name.as_ref().is_none_or(|only| only == name))
            .find_map(|rule| {
                rule.seen += 1;
                let is_now = match rule.when {
                    When::Always => true,
                    When::Nth(number) => rule.seen == number,
                    When::From(number) => rule.seen >= number,
                    When::Chance(thousandths) => random.u16(..1000) < thousandths,
                };
                is_now.then(|| rule.deed.clone())
            })
    }

    /// Lets happen what is to happen to a file.
    pub fn strike(&mut self, folder: &[u8], name: &[u8], strike: Strike) {
        let inode = 1 + self.random.u64(..u64::MAX / 2);
        let Some(files) = self.tree.get_mut(folder) else { return };
        let Some(file) = files.get_mut(name) else { return };
        match strike {
            Strike::Append(more) => file.bytes.extend(more),
            Strike::Truncate(length) => file.bytes.truncate(length),
            Strike::Rewrite(bytes) => file.bytes = bytes,
            Strike::Replace(bytes) => *file = File { inode, bytes, ..file.clone() },
            Strike::Delete => drop(files.remove(name)),
            Strike::RenameTo(other) => {
                let file = files.remove(name).unwrap();
                files.insert(other, file);
            }
        }
    }
}
