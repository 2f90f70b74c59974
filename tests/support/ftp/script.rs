//! What a [`ScriptedFtp`](super::ScriptedFtp) is and does.

use std::collections::BTreeMap;

use rustls::SupportedProtocolVersion;

use super::quirks::Quirks;

/// Folder → name → bytes, all names as they are on the wire.
pub type Tree = BTreeMap<Vec<u8>, BTreeMap<Vec<u8>, Vec<u8>>>;

/// What happens to a file between its listing and the answer to RETR, once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Strike {
    Delete,
    /// Other bytes: fewer, others, or none.
    Rewrite(Vec<u8>),
    RenameTo(Vec<u8>),
    /// It grows while it is sent: so many of the new bytes still go along.
    Grow(Vec<u8>, usize),
}

/// What STAT with a path is answered with.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Stat {
    #[default]
    Unknown,
    ListsThePath,
    /// The path is passed over.
    ListsWhereItStands,
    TellsOfTheServer,
    /// Only the names.
    ListsNames,
}

/// What the server is and does. It may be changed while the server runs.
#[derive(Clone, Debug)]
pub struct Script {
    pub greeting: String,
    /// Lines of FEAT; `None`: the server does not know FEAT.
    pub features: Option<Vec<String>>,
    pub tree: Tree,
    /// Whole answers instead of the usual ones, by the command line (`DELE a.LOG`) or by its verb.
    pub answers: BTreeMap<String, String>,
    /// Whole listings instead of the usual ones, by verb.
    pub listings: BTreeMap<String, Vec<u8>>,
    /// LIST as MS-DOS prints it.
    pub dos_style: bool,
    /// NLST prints whole paths.
    pub whole_paths: bool,
    /// The listing of an empty folder is refused with 550.
    pub empty_is_refused: bool,
    /// The address in answers to PASV.
    pub pasv_host: String,
    /// RETR ends after so many bytes, with this last answer; an empty one closes everything.
    pub cut: Option<(usize, String)>,
    /// The n-th command of a connection, from 1, is answered with 421 and the end.
    pub hang_up_at: Option<usize>,
    /// This verb is never answered.
    pub silent_at: Option<String>,
    /// SIZE is refused until TYPE I was sent.
    pub size_needs_type: bool,
    /// Added to every size in a listing.
    pub listed_sizes_lie_by: u64,
    /// A second connection at a time is refused.
    pub one_connection: bool,
    /// What happens to files, by name, right before they are sent.
    pub strikes: BTreeMap<Vec<u8>, Strike>,
    /// So many bytes are said on a control connection, then it is cut.
    pub control_bytes: Option<usize>,
    /// What is said to a listing of a folder instead of it.
    pub folder_answers: BTreeMap<Vec<u8>, String>,
    /// TLS from the first byte.
    pub implicit: bool,
    /// Data are in the clear, whatever was agreed on.
    pub plain_data: bool,
    /// The certificate is shown, and its key is another's: this TLS version is spoken.
    pub foreign_key: Option<&'static SupportedProtocolVersion>,
    pub stat: Stat,
    pub quirks: Quirks,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            greeting: "220 scripted server ready\r\n".into(),
            features: Some(
                ["MLST type*;size*;modify*;", "SIZE", "MDTM", "REST STREAM"]
                    .map(str::to_owned)
                    .into(),
            ),
            tree: Tree::new(),
            answers: BTreeMap::new(),
            listings: BTreeMap::new(),
            dos_style: false,
            whole_paths: false,
            empty_is_refused: false,
            pasv_host: "127,0,0,1".into(),
            cut: None,
            hang_up_at: None,
            silent_at: None,
            size_needs_type: false,
            listed_sizes_lie_by: 0,
            one_connection: false,
            strikes: BTreeMap::new(),
            control_bytes: None,
            folder_answers: BTreeMap::new(),
            implicit: false,
            plain_data: false,
            foreign_key: None,
            stat: Stat::Unknown,
            quirks: Quirks::default(),
        }
    }
}

impl Script {
    /// With one more file.
    pub fn file(mut self, folder: impl AsRef<[u8]>, name: impl AsRef<[u8]>, bytes: &[u8]) -> Self {
        let folder = self.tree.entry(folder.as_ref().to_vec()).or_default();
        folder.insert(name.as_ref().to_vec(), bytes.to_vec());
        self
    }

    pub fn folder(mut self, folder: impl AsRef<[u8]>) -> Self {
        self.tree.entry(folder.as_ref().to_vec()).or_default();
        self
    }

    pub fn answer(mut self, command: &str, answer: &str) -> Self {
        self.answers.insert(command.to_owned(), answer.to_owned());
        self
    }

    /// A folder that can be entered and not listed.
    pub fn unlisted(mut self, folder: &str, answer: &str) -> Self {
        self.folder_answers.insert(folder.as_bytes().to_vec(), answer.to_owned());
        self
    }

    pub fn listing(mut self, verb: &str, bytes: &[u8]) -> Self {
        self.listings.insert(verb.to_owned(), bytes.to_vec());
        self
    }

    /// Lets happen what is to happen to a file; returns the bytes that are sent.
    pub fn strike(&mut self, folder: &[u8], name: &[u8]) -> Option<Vec<u8>> {
        let strike = self.strikes.remove(name);
        let files = self.tree.get_mut(folder)?;
        match strike {
            None => {}
            Some(Strike::Delete) => {
                files.remove(name);
            }
            Some(Strike::Rewrite(bytes)) => {
                files.insert(name.to_vec(), bytes);
            }
            Some(Strike::RenameTo(other)) => {
                let bytes = files.remove(name)?;
                files.insert(other, bytes);
            }
            Some(Strike::Grow(bytes, sent)) => {
                let file = files.get_mut(name)?;
                let length = file.len() + sent;
                file.extend(bytes);
                return Some(file[..length].to_vec());
            }
        }
        files.get(name).cloned()
    }

    /// A server that knows neither FEAT nor MLSD.
    pub fn without_mlsd(mut self) -> Self {
        self.features = None;
        self.answer("MLSD", "500 what?")
    }

    /// A server that knows NLST only.
    pub fn nlst_only(self) -> Self {
        self.without_mlsd().answer("LIST", "502 not here")
    }
}
