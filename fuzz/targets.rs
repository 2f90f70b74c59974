//! What holds for any bytes whatever. The fuzz targets call these functions, and an ordinary test
//! feeds them the corpus.

use std::{
    io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use chrono::{NaiveDateTime, TimeDelta};
use cu_agent::{
    agent::settings,
    analyse::{Options, WaitStamp, sessions},
    buffer::Buffer,
    collect::{Moment, SourceMemory, Watch, collect as collect_all},
    config,
    model::{Session, hours_e4, rate_e2},
    parse::{Text, Words, parse as parse_text},
    source::{
        Entry, FolderListing, Source, SourceError,
        ftp::listing::{self, Kind},
    },
};

/// Each line is blank, an event or a reject, and cutting the bytes at a line end changes nothing.
pub fn parse(bytes: &[u8]) {
    let words = Words::default();
    let text = Text::new(bytes);
    let whole = parse_text(&text, &words);
    let tally = &whole.tally;
    assert_eq!(tally.lines, tally.blank + tally.events + tally.malformed());
    assert!(whole.events.len() as u64 <= tally.events);
    let middle = bytes.len() / 2;
    let Some(cut) = bytes[middle..].iter().position(|byte| *byte == b'\n') else { return };
    let (first, second) = bytes.split_at(middle + cut + 1);
    let (first, second) = (Text::new(first), Text::new(second));
    let (first, second) = (parse_text(&first, &words), parse_text(&second, &words));
    assert_eq!(first.events.len() + second.events.len(), whole.events.len());
    assert_eq!(first.tally.lines + second.tally.lines, tally.lines);
    assert_eq!(first.tally.events + second.tally.events, tally.events);
}

/// The first byte chooses the options, the second where the rest is cut into two files.
pub fn analyse(bytes: &[u8]) {
    let [hours, cut, bytes @ ..] = bytes else { return };
    let options = Options {
        day_start: TimeDelta::hours(i64::from(hours % 24)),
        wait_stamp: if hours & 0x80 == 0 { WaitStamp::Start } else { WaitStamp::End },
    };
    let words = Words::default();
    let whole = Text::new(bytes);
    let whole = parse_text(&whole, &words);
    let of_whole = sessions(&[&whole.events], &options);
    for session in of_whole.values() {
        holds(session);
    }
    let twice = sessions(&[&whole.events, &whole.events], &options);
    assert_eq!(twice, of_whole, "the same file twice is the same file");
    let (first, second) = bytes.split_at(bytes.len() * usize::from(*cut) / 256);
    let (first, second) = (Text::new(first), Text::new(second));
    let (first, second) = (parse_text(&first, &words), parse_text(&second, &words));
    for session in sessions(&[&first.events, &second.events], &options).values() {
        holds(session);
    }
}

/// What the spec says of every session.
fn holds(session: &Session) {
    let figures = &session.figures;
    assert_eq!(figures.total_pieces as usize, session.pieces.len());
    assert!(session.pieces.windows(2).all(|pair| pair[0].at <= pair[1].at));
    assert!(session.waits.iter().all(|wait| wait.start < wait.end));
    assert!(session.stops.iter().all(|stop| stop.start <= stop.end));
    let parts = [figures.wait_ms, figures.stop_ms, figures.effective_ms];
    assert!(parts.iter().all(|ms| *ms >= 0), "{figures:?}");
    assert_eq!(parts.iter().sum::<i64>(), figures.window_ms, "{figures:?}");
    assert!(figures.raw_wait_ms >= figures.wait_ms && figures.raw_stop_ms >= figures.stop_ms);
    for ms in parts {
        assert!((0..=10_000).contains(&rate_e2(ms, figures.window_ms)));
        assert!(hours_e4(ms) >= 0);
    }
}

/// No listing makes a row of nothing, and no name holds a line end.
pub fn listing(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for rows in [listing::mlsd(&text), listing::list(&text)] {
        assert!(rows.rows.len() <= text.lines().count());
        for row in &rows.rows {
            assert!(!row.name.is_empty() && !row.name.contains('\n'), "{row:?}");
        }
        let _ = rows.is_another_format();
    }
    assert!(listing::nlst(&text).iter().all(|name| !name.is_empty() && !name.contains('\n')));
    listing::timestamp(&text);
}

/// A configuration is taken or refused with a reason, and what is taken has a source with a folder.
pub fn config(bytes: &[u8]) {
    // So that no password file is looked for.
    let password =
        |name: &str| ["FTP_PASS", "POSTGRES_PASSWORD"].contains(&name).then(|| "x".into());
    let text = String::from_utf8_lossy(bytes);
    match config::parse(Path::new("config.toml"), &text, &password) {
        Ok(loaded) => {
            assert!(loaded.config.sources.iter().all(|source| !source.folders.is_empty()));
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// Whatever a listing claims and whatever a transfer brings, a cycle ends without an error of the buffer,
/// and what it noted can be read again. The first byte chooses the form of the listing; an empty line ends
/// it, and what follows is what every file holds.
pub fn collect(bytes: &[u8]) {
    let [form, bytes @ ..] = bytes else { return };
    let cut = bytes.windows(2).position(|pair| pair == b"\n\n").unwrap_or(bytes.len());
    let (listed, content) = bytes.split_at(cut);
    let text = String::from_utf8_lossy(listed);
    let rows = match form % 3 {
        0 => listing::mlsd(&text).rows,
        1 => listing::list(&text).rows,
        _ => {
            let bare = |name| listing::Row { kind: Kind::File, name, size: None, modified: None };
            listing::nlst(&text).into_iter().map(bare).collect()
        }
    };
    let files = rows.into_iter().filter(|row| row.kind == Kind::File && !row.name.contains('\0'));
    let entries = files
        .take(20)
        .map(|row| Entry { name: row.name, size: row.size, modified: row.modified })
        .collect();
    let mut source = Claimed { entries, content: content.get(2..).unwrap_or_default() };

    let password = |name: &str| (name == "FTP_PASS").then(|| "x".into());
    let text = "[agent]\nid = \"fuzz\"\n[schedule]\nfile_quiet = \"0s\"\n[[source]]\nname = \"s\"\n\
        kind = \"directory\"\npath = \"/nowhere\"\nmax_file_size = \"64KiB\"\n\
        [source.folders]\nA = { nom = \"A\" }\n";
    let config = config::parse(Path::new("config.toml"), text, &password).unwrap().config;
    let state = StateDir::new();
    let mut buffer = Buffer::open(&state.0, "fuzz", "now").unwrap();
    let mut memory = SourceMemory::default();
    let settings = settings(&config);
    for cycle in 0..3 {
        let watch = FuzzWatch(Duration::from_secs(cycle * 3600));
        let (to, source_config) = (&mut buffer, &config.sources[0]);
        collect_all(to, &mut source, source_config, &settings, &watch, &mut memory).unwrap();
        // The second look is at changed claims: every file is longer by what it was said to be.
        for entry in &mut source.entries {
            entry.size = entry.size.map(|size| size.wrapping_mul(2));
        }
    }
    for progress in buffer.folder_progress("s", "A").unwrap().into_values() {
        assert!(progress.consumed_bytes <= 64 << 10, "{progress:?}");
    }
    assert!(buffer.check().is_ok());
}

/// A server that shows what it was told to, and hands over the same bytes for every name.
struct Claimed<'b> {
    entries: Vec<Entry>,
    content: &'b [u8],
}

impl Source for Claimed<'_> {
    fn folders(&mut self) -> Result<Vec<String>, SourceError> {
        Ok(vec!["A".into()])
    }

    fn list(&mut self, _: &str) -> Result<FolderListing, SourceError> {
        Ok(FolderListing { entries: self.entries.clone(), ..FolderListing::default() })
    }

    fn read(
        &mut self,
        folder: &str,
        name: &str,
        offset: u64,
        sink: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<u64, SourceError> {
        let from = usize::try_from(offset).unwrap().min(self.content.len());
        let (folder, name) = (folder.to_owned(), name.to_owned());
        sink(&self.content[from..]).map_err(|source| SourceError::Sink { source, folder, name })?;
        Ok((self.content.len() - from) as u64)
    }

    fn size(&mut self, _: &str, name: &str) -> Result<Option<u64>, SourceError> {
        Ok(self.entries.iter().find(|entry| entry.name == name).and_then(|entry| entry.size))
    }

    fn modified(&mut self, _: &str, name: &str) -> Result<Option<NaiveDateTime>, SourceError> {
        Ok(self.entries.iter().find(|entry| entry.name == name).and_then(|entry| entry.modified))
    }

    fn delete(&mut self, _: &str, _: &str) -> Result<(), SourceError> {
        panic!("without a central nothing is deleted")
    }

    fn close(&mut self) {}
}

struct FuzzWatch(Duration);

impl Watch for FuzzWatch {
    fn now(&self) -> Moment {
        Moment { boot: "boot".into(), uptime: self.0, wall: "2026-01-02 03:04:05".into() }
    }

    fn must_stop(&self) -> bool {
        false
    }

    fn progress(&self, _: &str, _: usize, _: usize) {}

    fn kept(&self) {}
}

/// A state directory of this process alone, in memory where the machine has that; gone when dropped.
struct StateDir(PathBuf);

impl StateDir {
    fn new() -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let memory = Path::new("/dev/shm");
        let root = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        Self(root.join(format!("cu-agent-fuzz-{}-{number}", std::process::id())))
    }
}

impl Drop for StateDir {
    fn drop(&mut self) {
        // What stays is small, and no result.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
