//! What is answered to the requests of one channel.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::Shared;
use crate::support::sftp::{
    packet::{Body, Fields, frame, kind, status},
    script::{Deed, File, Form, Op, Script},
};

/// What the sender of a channel does.
pub enum Out {
    Bytes(Vec<u8>),
    Late(Duration, Vec<u8>),
    Drip(Vec<u8>),
    Chatter,
    Hang,
    CloseChannel,
    EofChannel,
    Cut,
}

/// What a path names.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Place {
    Root,
    Folder(Vec<u8>),
    File(Vec<u8>, Vec<u8>),
    Nowhere,
}

#[derive(Debug)]
struct Open {
    place: Place,
    /// The file as it was when it was opened, for what was replaced since.
    file: Option<File>,
    /// How many names were given.
    given: usize,
}

/// A channel's open handles.
pub struct Files {
    shared: Arc<Shared>,
    open: BTreeMap<Vec<u8>, Open>,
    next: u32,
}

/// A request, taken apart.
struct Request {
    op: Op,
    id: u32,
    /// The path or handle that it is about.
    about: Vec<u8>,
    offset: u64,
    length: usize,
}

impl Request {
    fn read(kind: u8, body: &[u8]) -> Self {
        let mut fields = Fields(body);
        let id = fields.u32().unwrap_or_default();
        let op = match kind {
            kind::INIT => Op::Init,
            kind::OPEN => Op::Open,
            kind::CLOSE => Op::Close,
            kind::READ => Op::Read,
            kind::LSTAT => Op::Lstat,
            kind::FSTAT => Op::Fstat,
            kind::OPENDIR => Op::Opendir,
            kind::READDIR => Op::Readdir,
            kind::REMOVE => Op::Remove,
            kind::REALPATH => Op::Realpath,
            kind::STAT => Op::Stat,
            _ => Op::Other,
        };
        let about = fields.string().unwrap_or_default().to_vec();
        let (mut offset, mut length) = (0, 0);
        if op == Op::Read {
            offset = fields.u64().unwrap_or_default();
            length = fields.u32().unwrap_or_default() as usize;
        }
        Self { op, id, about, offset, length }
    }
}

fn say(id: u32, code: u32, message: &[u8]) -> Vec<u8> {
    frame(kind::STATUS, &Body::to(id).u32(code).string(message).string(b"en").0)
}

fn says(id: u32, code: u32) -> Vec<u8> {
    let message: &[u8] = match code {
        status::OK => b"Success",
        status::EOF => b"End of file",
        status::NO_SUCH_FILE => b"No such file",
        status::PERMISSION_DENIED => b"Permission denied",
        status::UNSUPPORTED => b"Operation unsupported",
        _ => b"Failure",
    };
    say(id, code, message)
}

impl Files {
    pub fn new(shared: Arc<Shared>) -> Self {
        Self { shared, open: BTreeMap::new(), next: 0 }
    }

    /// What is sent to one request.
    pub fn answer(&mut self, kind: u8, body: &[u8]) -> Vec<Out> {
        let request = Request::read(kind, body);
        let shared = Arc::clone(&self.shared);
        let place = self.place_of(&request, &shared.script());
        let name = match &place {
            Place::File(_, name) | Place::Folder(name) => name.clone(),
            _ => Vec::new(),
        };
        let noted = match &place {
            Place::File(folder, name) => [folder, &b"/"[..], name].concat(),
            _ => name.clone(),
        };
        shared.note(request.op, if request.op == Op::Init { b"" } else { &noted });
        let deed = shared.script().deed(request.op, &name);
        self.deviate(&request, &place, deed)
    }

    fn deviate(&mut self, request: &Request, place: &Place, deed: Option<Deed>) -> Vec<Out> {
        let id = request.id;
        let Some(deed) = deed else { return vec![Out::Bytes(self.perform(request, place))] };
        let bytes = match deed {
            Deed::Status(code, Some(message)) => say(id, code, &message),
            Deed::Status(code, None) => frame(kind::STATUS, &Body::to(id).u32(code).0),
            Deed::NotDone => says(id, status::OK),
            Deed::Raw(bytes) => bytes,
            Deed::Packet(kind, body) => frame(kind, &Body::to(id).bytes(&body).0),
            Deed::Hang => return vec![Out::Hang],
            Deed::Chatter => return vec![Out::Chatter],
            Deed::CloseChannel => return vec![Out::CloseChannel],
            Deed::EofChannel => return vec![Out::EofChannel],
            Deed::CutBefore => return vec![Out::Cut],
            Deed::Short(most) => self.data(request, place, most, 0),
            Deed::Long(more) => self.data(request, place, usize::MAX, more),
            Deed::Endless => {
                let line = b"20250603 05:08:54|@StukUitgevoerd: 1\n";
                let bytes: Vec<u8> = line.iter().cycle().take(request.length).copied().collect();
                frame(kind::DATA, &Body::to(id).string(&bytes).0)
            }
            Deed::Strike(strike) => {
                if let Place::File(folder, name) = place {
                    self.shared.script().strike(folder, name, strike);
                }
                self.perform(request, place)
            }
            deed => return self.done_otherwise(request, place, deed),
        };
        vec![Out::Bytes(bytes)]
    }

    /// What is done as usual and answered otherwise.
    fn done_otherwise(&mut self, request: &Request, place: &Place, deed: Deed) -> Vec<Out> {
        let id = request.id;
        let usual = self.perform(request, place);
        let bytes = match deed {
            Deed::DoneBut(code) => says(id, code),
            Deed::Twice => [&usual[..], &usual].concat(),
            Deed::Foretold => [says(id.wrapping_add(1), status::OK), usual].concat(),
            Deed::WrongId(off) => {
                let wrong = id.wrapping_add(off).to_be_bytes();
                [&usual[..5], &wrong, &usual[9..]].concat()
            }
            Deed::Overtaken => {
                let after = Duration::from_millis(self.shared.script().random.u64(..20));
                return vec![Out::Late(after, usual)];
            }
            Deed::Late(after) => return vec![Out::Late(after, usual)],
            Deed::Drip => return vec![Out::Drip(usual)],
            Deed::Cut => return vec![Out::Cut],
            _ => return Vec::new(),
        };
        vec![Out::Bytes(bytes)]
    }

    fn place_of(&self, request: &Request, script: &Script) -> Place {
        match request.op {
            Op::Init | Op::Other => Place::Nowhere,
            Op::Close | Op::Read | Op::Fstat | Op::Readdir => match self.open.get(&request.about) {
                Some(open) => open.place.clone(),
                None => Place::Nowhere,
            },
            _ => place_of(&request.about, script),
        }
    }

    /// The usual answer, with what the script says of listings, attributes and handles.
    fn perform(&mut self, request: &Request, place: &Place) -> Vec<u8> {
        let id = request.id;
        match request.op {
            Op::Init => frame(kind::VERSION, &Body::default().u32(3).0),
            Op::Realpath => {
                let path = match place {
                    Place::Root => b"/".to_vec(),
                    _ => request.about.clone(),
                };
                let body = Body::to(id).u32(1).string(&path).string(&path).u32(0);
                frame(kind::NAME, &body.0)
            }
            Op::Open | Op::Opendir => self.open(request, place),
            Op::Close => {
                let known = self.open.remove(&request.about).is_some();
                says(id, if known { status::OK } else { status::FAILURE })
            }
            Op::Readdir => self.names(request),
            Op::Read => self.data(request, place, usize::MAX, 0),
            Op::Stat | Op::Lstat | Op::Fstat => self.attributes(request, place),
            Op::Remove => self.remove(id, place),
            Op::Other => says(id, status::UNSUPPORTED),
        }
    }

    fn open(&mut self, request: &Request, place: &Place) -> Vec<u8> {
        let id = request.id;
        let shared = Arc::clone(&self.shared);
        let script = shared.script();
        let file = match (request.op, place) {
            (Op::Open, Place::File(folder, name)) => script.tree[folder].get(name).cloned(),
            (Op::Opendir, Place::Root | Place::Folder(_)) => None,
            (Op::Open, Place::Root | Place::Folder(_)) => return says(id, status::FAILURE),
            _ => return says(id, status::NO_SUCH_FILE),
        };
        if self.open.len() >= script.most_handles {
            return says(id, status::FAILURE);
        }
        if file.as_ref().is_some_and(|file| file.mode & 0o444 == 0) {
            return says(id, status::PERMISSION_DENIED);
        }
        self.next += 1;
        let number = self.next.to_be_bytes();
        let handle = number.into_iter().cycle().take(script.handle_bytes).collect::<Vec<_>>();
        drop(script);
        self.open.insert(handle.clone(), Open { place: place.clone(), file, given: 0 });
        let mut counts = self.shared.counts();
        counts.most_handles = counts.most_handles.max(self.open.len());
        frame(kind::HANDLE, &Body::to(id).string(&handle).0)
    }

    /// The bytes of an open file: its own, or those of the file that it was.
    fn bytes_of(&self, handle: &[u8]) -> Option<Vec<u8>> {
        let open = self.open.get(handle)?;
        let Place::File(folder, name) = &open.place else { return None };
        let script = self.shared.script();
        let then = open.file.as_ref()?;
        let now = script.tree.get(folder).and_then(|files| files.get(name));
        let file = now.filter(|now| now.inode == then.inode).unwrap_or(then);
        Some(file.bytes.clone())
    }

    fn data(&self, request: &Request, place: &Place, most: usize, more: usize) -> Vec<u8> {
        let id = request.id;
        let Some(bytes) = self.bytes_of(&request.about) else {
            debug_assert!(!matches!(place, Place::Root));
            return says(id, status::FAILURE);
        };
        let from = usize::try_from(request.offset).unwrap_or(usize::MAX).min(bytes.len());
        if from == bytes.len() && request.length > 0 && more == 0 {
            return says(id, status::EOF);
        }
        let rest = &bytes[from..];
        let mut given = rest[..request.length.min(most).min(rest.len())].to_vec();
        if more > 0 {
            given.resize(request.length + more, b'x');
        }
        self.shared.counts().data_bytes += given.len();
        frame(kind::DATA, &Body::to(id).string(&given).0)
    }

    fn attributes(&self, request: &Request, place: &Place) -> Vec<u8> {
        let id = request.id;
        let script = self.shared.script();
        let attributes = match place {
            Place::Root | Place::Folder(_) => attributes(&folder(), script.stat_form, 4096),
            Place::File(folder, name) => match script.tree[folder].get(name) {
                Some(file) => {
                    let size = file.bytes.len() as u64;
                    let shown = size.wrapping_add(script.stat_sizes_lie_by);
                    attributes(file, script.stat_form, shown)
                }
                None => return says(id, status::NO_SUCH_FILE),
            },
            Place::Nowhere => return says(id, status::NO_SUCH_FILE),
        };
        frame(kind::ATTRS, &Body::to(id).bytes(&attributes).0)
    }

    fn remove(&self, id: u32, place: &Place) -> Vec<u8> {
        let Place::File(folder, name) = place else { return says(id, status::FAILURE) };
        let file = self.shared.script().tree.get_mut(folder).and_then(|files| files.remove(name));
        let Some(file) = file else { return says(id, status::NO_SUCH_FILE) };
        self.shared.counts().removed.push((folder.clone(), name.clone(), file.bytes));
        says(id, status::OK)
    }

    fn names(&mut self, request: &Request) -> Vec<u8> {
        let id = request.id;
        let Some(open) = self.open.get_mut(&request.about) else {
            return says(id, status::FAILURE);
        };
        let script = self.shared.script();
        let listing = &script.listing;
        let all = rows(&script, &open.place);
        if listing.endless && matches!(open.place, Place::Folder(_)) {
            let row = |number: usize| {
                let name = format!("20250603_{number:09}.LOG");
                (name.into_bytes(), File::new(b""), 7)
            };
            let rows: Vec<_> = (open.given..open.given + listing.per_answer).map(row).collect();
            open.given += rows.len();
            return names(id, &rows, listing.form, 0);
        }
        let rest = &all[open.given.min(all.len())..];
        if rest.is_empty() {
            return says(id, status::EOF);
        }
        let rows = &rest[..listing.per_answer.min(rest.len())];
        open.given += rows.len();
        names(id, rows, listing.form, listing.count_off)
    }
}

fn place_of(path: &[u8], script: &Script) -> Place {
    let parts: Vec<&[u8]> =
        path.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".").collect();
    match parts[..] {
        [] => Place::Root,
        [folder] if script.tree.contains_key(folder) => Place::Folder(folder.to_vec()),
        [folder, name] if script.tree.contains_key(folder) => {
            Place::File(folder.to_vec(), name.to_vec())
        }
        _ => Place::Nowhere,
    }
}

fn folder() -> File {
    File { mode: 0o040_755, ..File::new(b"") }
}

/// A name, its file and the size that is claimed.
type Row = (Vec<u8>, File, u64);

/// What a folder shows.
fn rows(script: &Script, place: &Place) -> Vec<Row> {
    let listing = &script.listing;
    let row = |name: &[u8], file: File| {
        let size = (file.bytes.len() as u64).wrapping_add(listing.sizes_lie_by);
        let modified = listing.time.unwrap_or(file.modified);
        (name.to_vec(), File { modified, ..file }, size)
    };
    let mut rows: Vec<Row> = match place {
        Place::Folder(folder) => {
            let files = script.tree[folder].iter();
            let extra = listing.extra.iter().map(|name| row(name, File::new(b"x")));
            files.map(|(name, file)| row(name, file.clone())).chain(extra).collect()
        }
        _ => script.tree.keys().map(|name| row(name, folder())).collect(),
    };
    if listing.twice {
        rows.extend(rows.clone());
    }
    if listing.dots {
        rows.splice(0..0, [row(b".", folder()), row(b"..", folder())]);
    }
    rows
}

fn attributes(file: &File, form: Form, size: u64) -> Vec<u8> {
    let mut body = Body::default();
    let flags = u32::from(form.size)
        | u32::from(form.permissions) << 2
        | u32::from(form.times) << 3
        | u32::from(form.extended > 0) << 31;
    body = body.u32(flags | form.unknown_flags);
    if form.size {
        body = body.u64(size);
    }
    if form.permissions {
        body = body.u32(file.mode);
    }
    if form.times {
        body = body.u32(file.modified).u32(file.modified);
    }
    if form.extended > 0 {
        body = body.u32(form.extended);
        for number in 0..form.extended {
            body = body.string(format!("vendor-{number}@example.com").as_bytes()).string(b"\0\xff");
        }
    }
    body.0
}

fn names(id: u32, rows: &[Row], form: Form, count_off: i64) -> Vec<u8> {
    let count = rows.len() as i64 + count_off;
    let mut body = Body::to(id).u32(count as u32);
    for (name, file, size) in rows {
        let first = match file.mode & 0o170_000 {
            0o040_000 => 'd',
            0o120_000 => 'l',
            0o010_000 => 'p',
            _ => '-',
        };
        let long = format!("{first}rw-r--r--    1 cu       cu       {size:>8} Jun  3  2025 ");
        let long = [long.as_bytes(), name].concat();
        body = body.string(name).string(&long).bytes(&attributes(file, form, *size));
    }
    frame(kind::NAME, &body.0)
}
