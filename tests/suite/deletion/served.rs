//! The plant's folders over SFTP: a scripted server shows them, and breaks the rules now and then.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    time::SystemTime,
};

use chrono::NaiveDateTime;
use cu_agent::source::{FolderListing, Source, SourceError, Transfer, sftp::SftpSource};
use fastrand::Rng;

use crate::support::sftp::{
    Deed, File, Form, Listing, Op, Rule, Script, ScriptedSftp, When, status,
};

/// Every so many polls the server breaks rules.
const LYING_POLLS: u8 = 3;

pub struct Served {
    root: PathBuf,
    server: ScriptedSftp,
    source: SftpSource,
    random: Rng,
    /// What the server does otherwise when it breaks the rules.
    rules: Vec<Rule>,
    listing: Listing,
    is_over: bool,
}

impl Served {
    pub fn start(root: PathBuf, mut random: Rng) -> Self {
        let script = Script { random: random.fork(), ..Script::default() };
        let server = ScriptedSftp::start(script);
        let source = SftpSource::new(server.config());
        let rules = rules(&mut random);
        let listing = listing(&mut random);
        Self { root, server, source, random, rules, listing, is_over: false }
    }

    /// Whether rules are broken in the poll that begins.
    pub fn begin_poll(&mut self) -> bool {
        let breaks_rules = !self.is_over && self.random.u8(..LYING_POLLS) == 0;
        let mut script = self.server.script();
        (script.rules, script.listing) = if breaks_rules {
            (self.rules.clone(), self.listing.clone())
        } else {
            (Vec::new(), Listing::default())
        };
        breaks_rules
    }

    /// From now on the server keeps to the rules.
    pub fn stop(&mut self) {
        self.is_over = true;
    }

    /// The server shows what is in the folders now.
    fn show(&mut self) {
        let mut tree = BTreeMap::new();
        for folder in entries(&self.root) {
            let files = entries(&folder).into_iter().map(|file| (name(&file), shown(&file)));
            tree.insert(name(&folder), files.collect());
        }
        self.server.script().tree = tree;
    }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

fn name(path: &Path) -> Vec<u8> {
    path.file_name().unwrap().as_bytes().to_vec()
}

fn shown(path: &Path) -> File {
    let modified = fs::metadata(path).unwrap().modified().unwrap();
    let seconds = modified.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    File { modified: u32::try_from(seconds).unwrap(), ..File::new(&fs::read(path).unwrap()) }
}

/// Some deviations, each of which happens now and then; none that takes time.
fn rules(random: &mut Rng) -> Vec<Rule> {
    let failure = || Deed::Status(status::FAILURE, Some(b"no".to_vec()));
    let end = || Deed::Status(status::EOF, None);
    let data = || Deed::Packet(103, vec![0, 0, 0, 2, b'x', b'\n']);
    let short = Deed::Short(1 + random.usize(..200));
    let all = [
        (Op::Init, Deed::Cut),
        (Op::Opendir, failure()),
        (Op::Opendir, data()),
        (Op::Readdir, end()),
        (Op::Readdir, failure()),
        (Op::Readdir, Deed::Cut),
        (Op::Readdir, Deed::Overtaken),
        (Op::Open, failure()),
        (Op::Open, Deed::Foretold),
        (Op::Open, Deed::CloseChannel),
        (Op::Fstat, failure()),
        (Op::Read, short),
        (Op::Read, Deed::Long(3)),
        (Op::Read, end()),
        (Op::Read, failure()),
        (Op::Read, Deed::Overtaken),
        (Op::Read, Deed::Twice),
        (Op::Read, Deed::WrongId(1_000_000)),
        (Op::Read, Deed::EofChannel),
        (Op::Read, Deed::Cut),
        (Op::Read, Deed::Raw(vec![0xff; 40])),
        (Op::Stat, failure()),
        (Op::Stat, Deed::Foretold),
        (Op::Stat, Deed::Cut),
        (Op::Remove, failure()),
        (Op::Remove, Deed::NotDone),
        (Op::Remove, Deed::DoneBut(status::FAILURE)),
        (Op::Remove, Deed::WrongId(1)),
        (Op::Remove, Deed::Cut),
        (Op::Remove, Deed::CutBefore),
        (Op::Close, failure()),
        (Op::Close, Deed::Cut),
    ];
    let mut rules = Vec::new();
    for (op, deed) in all {
        if random.u8(..5) == 0 {
            let when = When::Chance(random.u16(20..500));
            rules.push(Rule { op, name: None, when, deed, seen: 0 });
        }
    }
    rules
}

fn listing(random: &mut Rng) -> Listing {
    let mut some = || random.u8(..4) == 0;
    let form = Form { size: !some(), times: !some(), permissions: !some(), ..Form::default() };
    Listing {
        per_answer: if some() { 1 } else { 100 },
        sizes_lie_by: if some() { 7 } else { 0 },
        twice: some(),
        form,
        ..Listing::default()
    }
}

impl Source for Served {
    fn folders(&mut self) -> Result<Vec<String>, SourceError> {
        self.show();
        self.source.folders()
    }

    fn list(&mut self, folder: &str) -> Result<FolderListing, SourceError> {
        self.show();
        self.source.list(folder)
    }

    fn open<'t>(
        &'t mut self,
        folder: &'t str,
        name: &'t str,
        offset: u64,
    ) -> Result<Box<dyn Transfer + 't>, SourceError> {
        self.show();
        self.source.open(folder, name, offset)
    }

    fn size(&mut self, folder: &str, name: &str) -> Result<Option<u64>, SourceError> {
        self.show();
        self.source.size(folder, name)
    }

    fn modified(&mut self, folder: &str, name: &str) -> Result<Option<NaiveDateTime>, SourceError> {
        self.show();
        self.source.modified(folder, name)
    }

    fn lists_true_sizes(&self) -> bool {
        self.source.lists_true_sizes()
    }

    fn delete(&mut self, folder: &str, name: &str) -> Result<(), SourceError> {
        self.show();
        let asked = self.server.count(Op::Remove);
        let outcome = self.source.delete(folder, name);
        assert!(self.server.count(Op::Remove) <= asked + 1, "a removal is asked for once");
        // What the server removed is gone, whatever it said.
        if !self.server.script().tree[folder.as_bytes()].contains_key(name.as_bytes()) {
            fs::remove_file(self.root.join(folder).join(name)).unwrap();
        }
        outcome
    }

    fn close(&mut self) {
        self.source.close();
    }
}
