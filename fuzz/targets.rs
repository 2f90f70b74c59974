//! What holds for any bytes whatever. The fuzz targets call these functions, and an ordinary test
//! feeds them the corpus.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, NaiveDateTime, TimeDelta};
use cu_agent::{
    agent::{Agent, Progress, Shutdown, settings},
    analyse::{Options, WaitStamp, sessions},
    buffer::{Buffer, FILE_NAME, HeaderFilter, SessionFilter},
    collect::{self, SourceMemory, Watch, collect as collect_all},
    config,
    model::{Day, Session, hours_e4, is_harmless, rate_e2},
    parse::{Text, Words, parse as parse_text},
    settings::parse_document as parse_settings,
    source::{
        Entry, FolderListing, Source, SourceError, Transfer,
        ftp::{
            listing::{self, Kind},
            reply::read_reply,
        },
    },
    status::{Metrics, WallClock, health},
    sync::postgres::{Improper, Inspector},
    update::{UpdateStore, parse_key_set, parse_manifest, parse_state},
    web::{Hosts, Question, Reading, Site},
};

mod sftp;

pub use sftp::sftp_packets;

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

/// What a hostile server says is read as bounded answers, each with a code, and then as a listing.
pub fn dialogue(bytes: &[u8]) {
    let mut reader = bytes;
    while let Ok(reply) = read_reply(&mut reader) {
        assert!((100..700).contains(&reply.code), "{reply:?}");
        assert!(!reply.body.is_empty() && reply.body.len() <= 64 * 1024);
        assert!(reply.body.ends_with(b"\n"), "a torn answer is no answer: {reply:?}");
    }
    listing(bytes);
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

/// A folder of this process, for targets that need files. The caller removes it.
pub fn workplace() -> PathBuf {
    std::env::temp_dir().join(format!("cu-agent-fuzz-{}", std::process::id()))
}

/// A configuration, and the bytes of the buffer that it collected.
fn collected() -> &'static (config::Config, Vec<u8>) {
    static COLLECTED: OnceLock<(config::Config, Vec<u8>)> = OnceLock::new();
    COLLECTED.get_or_init(|| {
        let place = workplace();
        let folder = place.join("logs/DEM12");
        fs::create_dir_all(&folder).expect("the folder for temporary files can be written");
        let log = "20250603 05:00:00|@StukUitgevoerd: 1 A\n20250603 05:01:00|@MachineStop\n\
                   20250603 05:04:00|@MachineStart\n20250603 05:06:00|@StukUitgevoerd: 2 B\nodd\n";
        fs::write(folder.join("20250603.LOG"), log).expect("a file can be written there");
        let text = "[agent]\nid = \"a\"\nstate_dir = \"state\"\n[[source]]\nname = \"cu\"\n\
                    kind = \"directory\"\npath = \"logs\"\n[source.folders]\n\
                    \"DEM12\" = { nom = \"DEM12\", type_cu = \"DEM12\" }\n";
        let config = config::parse(&place.join("config.toml"), text, &|_| None)
            .expect("the configuration is usable")
            .config;
        let mut agent =
            Agent::open(config.clone(), cu_agent::buffer::Task::Once, Shutdown::default())
                .expect("it opens");
        agent.once(&(Arc::new(|_: &str, _, _| {}) as Progress)).expect("it collects");
        drop(agent);
        let buffer = fs::read(config.agent.state_dir.join(FILE_NAME)).expect("it is there");
        (config, buffer)
    })
}

/// A request is answered or refused; what it asks for by another name is never answered, and no answer
/// holds a sign that a terminal or a browser obeys. Lines: method, target, host, languages.
pub fn request(bytes: &[u8]) {
    let (config, _) = collected();
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.split('\n');
    let method = lines.next().unwrap_or_default();
    let target = lines.next().unwrap_or_default();
    let (host, accept_language, accept) = (lines.next(), lines.next(), lines.next());
    let at = NaiveDateTime::default() + TimeDelta::days(20_243);
    let site = Site {
        config: Arc::new(config.clone()),
        hosts: Hosts::new("gateway", &[]),
        counts: Box::new(move || Reading {
            counts: Metrics::default().snapshot(),
            central_is_up: None,
            uptime: Duration::ZERO,
            utc: at,
            update_failed: None,
            settings: None,
        }),
        health: Box::new(|| {
            let counts = Metrics::default().snapshot();
            let inputs = health::HealthInputs {
                counts: &counts,
                loops: &["collect"],
                overdue: None,
                poll: Duration::from_secs(300),
                has_central: false,
            };
            health::verdict(&inputs, Duration::ZERO)
        }),
        now: Box::new(move || WallClock { wall: at, fault: None }),
    };
    let question = Question { method, host, target, accept_language, accept };
    let answer = match site.refusal(&question) {
        Some(refusal) => {
            assert!([405, 414, 421].contains(&refusal.status), "{}", refusal.status);
            refusal
        }
        None => {
            assert!(["GET", "HEAD"].contains(&method));
            site.answer(&question)
        }
    };
    let body = answer.body.trim_start_matches('\u{feff}').replace("\r\n", "\n");
    assert!(body.chars().all(|c| c == '\n' || is_harmless(c)), "{target:?}");
    if let Some(name) = &answer.file_name {
        assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte)));
    }
}

/// A manifest, a set of keys or a settings document is taken or refused with a reason; what is taken is what an
/// update relies on.
pub fn manifest(bytes: &[u8]) {
    if let Ok(set) = parse_key_set(bytes) {
        let written = serde_json::to_vec(&set).unwrap();
        assert_eq!(parse_key_set(&written).as_ref(), Ok(&set), "a set is written as it was read");
    }
    if let Err(error) = parse_settings(bytes) {
        assert!(!error.to_string().is_empty());
    }
    match parse_manifest(bytes) {
        Err(error) => assert!(!error.to_string().is_empty()),
        Ok(manifest) => {
            assert!(manifest.rollout_percent <= 100);
            assert!(manifest.signed_at < manifest.expires);
            assert!(!manifest.is_withdrawn(&manifest.newest.version));
            for release in std::iter::once(&manifest.newest).chain(&manifest.previous) {
                let version = release.version.as_str();
                assert!(version.len() <= 100 && !version.contains(['/', '\n', ' ']));
                for package in release.packages.values() {
                    assert!(package.size_bytes > 0 && package.sha256.len() == 64);
                    assert!(!package.url.contains(char::is_control));
                }
            }
        }
    }
}

/// The updater's state is understood or refused with a reason, written as it was understood, and time
/// never runs backwards in it.
pub fn state(bytes: &[u8]) {
    let state = match parse_state(bytes) {
        Ok(state) => state,
        Err(reason) => return assert!(!reason.is_empty()),
    };
    let directory = workplace().join("updates");
    fs::create_dir_all(&directory).expect("the folder for temporary files can be written");
    let store = UpdateStore::at(&directory);
    store.note(&state).expect("it can be written");
    let again = store.state().expect("what was written is read");
    assert_eq!(again, state);
    if let Some(deferral) = state.deferral {
        let later = deferral.at(DateTime::UNIX_EPOCH.fixed_offset());
        assert!(later.waited >= deferral.waited);
    }
}

/// The bytes say how a buffer is damaged, four for each damage: what, where (two), and with what.
/// Whatever is read of it afterwards is read or refused, and it can always be begun anew.
pub fn buffer(bytes: &[u8]) {
    let (_, sound) = collected();
    let mut damaged = sound.clone();
    for order in bytes.chunks_exact(4) {
        let at = usize::from(u16::from_le_bytes([order[1], order[2]])) % damaged.len().max(1);
        let end = damaged.len().min(at + 512);
        match order[0] % 5 {
            0 => damaged[at..end].fill(order[3]),
            1 => damaged.truncate(at),
            2 => damaged[at..end].reverse(),
            // The header and the schema's text.
            3 if damaged.len() > 8192 => damaged[at % 8192] = order[3],
            _ => damaged[at..end].iter_mut().take(1).for_each(|byte| *byte ^= order[3]),
        }
    }
    let state_dir = workplace().join("damaged");
    let _ = fs::remove_dir_all(&state_dir);
    fs::create_dir_all(&state_dir).expect("the folder for temporary files can be written");
    fs::write(state_dir.join(FILE_NAME), &damaged).expect("a file can be written there");
    if let Ok(Some(buffer)) = Buffer::open_to_show(&state_dir) {
        let _ = (
            buffer.reports().totals(),
            buffer.reports().machines(),
            buffer.links().all(),
            buffer.reports().growing(),
        );
        let _ = (buffer.reports().remarkable_files(20), buffer.reports().set_aside_sessions(20));
        let _ = buffer.sessions().each_session(&SessionFilter::default(), |_| Ok::<_, ()>(()));
        let (from, to) = (Day::MIN, Day::MAX);
        let all = HeaderFilter { from, to, machine: None, most: usize::MAX };
        let _ = buffer.sessions().session_headers(&all);
        let _ = buffer.sessions().digests("DEM12", from, to);
    }
    // A newer schema without a copy is refused; everything else is begun anew where it must be.
    if let Ok((buffer, _)) =
        Buffer::open_or_rebuild(&state_dir, "second", "2026-11-28 10:00:00".parse().unwrap())
    {
        let _ = buffer.reports().totals();
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
        .map(|row| Entry { name: row.name.into(), size: row.size, modified: row.modified })
        .collect();
    let mut source = Claimed { entries, content: content.get(2..).unwrap_or_default() };

    let password = |name: &str| (name == "FTP_PASS").then(|| "x".into());
    let text = "[agent]\nid = \"fuzz\"\n[schedule]\nfile_quiet = \"0s\"\n[[source]]\nname = \"s\"\n\
        kind = \"directory\"\npath = \"/nowhere\"\nmax_file_size = \"64KiB\"\n\
        [source.folders]\nA = { nom = \"A\" }\n";
    let config = config::parse(Path::new("config.toml"), text, &password).unwrap().config;
    let state = StateDir::new();
    let mut buffer =
        Buffer::open(&state.0, "fuzz", "2026-11-28 10:00:00".parse().unwrap()).unwrap();
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
    for progress in buffer.files().folder_progress("s", "A").unwrap().into_values() {
        assert!(progress.consumed_bytes <= 64 << 10, "{progress:?}");
    }
    assert!(buffer.check().is_ok());
}

/// A server that shows what it was told to, and hands over the same bytes for every name.
struct Claimed<'b> {
    entries: Vec<Entry>,
    content: &'b [u8],
}

struct Handed<'b> {
    content: &'b [u8],
    given: usize,
}

impl Transfer for Handed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, SourceError> {
        let rest = &self.content[self.given..];
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        self.given += length;
        Ok(length)
    }

    fn finish(self: Box<Self>) -> Result<u64, SourceError> {
        Ok(self.given as u64)
    }
}

impl Source for Claimed<'_> {
    fn folders(&mut self) -> Result<Vec<String>, SourceError> {
        Ok(vec!["A".into()])
    }

    fn list(&mut self, _: &str) -> Result<FolderListing, SourceError> {
        Ok(FolderListing { entries: self.entries.clone(), ..FolderListing::default() })
    }

    fn open<'t>(
        &'t mut self,
        _: &'t str,
        _: &'t str,
        offset: u64,
    ) -> Result<Box<dyn Transfer + 't>, SourceError> {
        let from = usize::try_from(offset).unwrap().min(self.content.len());
        Ok(Box::new(Handed { content: &self.content[from..], given: 0 }))
    }

    fn size(&mut self, _: &str, name: &str) -> Result<Option<u64>, SourceError> {
        Ok(self.entries.iter().find(|entry| entry.name == name).and_then(|entry| entry.size))
    }

    fn modified(&mut self, _: &str, name: &str) -> Result<Option<NaiveDateTime>, SourceError> {
        Ok(self.entries.iter().find(|entry| entry.name == name).and_then(|entry| entry.modified))
    }

    fn lists_true_sizes(&self) -> bool {
        false
    }

    fn delete(&mut self, _: &str, _: &str) -> Result<(), SourceError> {
        panic!("without a central nothing is deleted")
    }

    fn close(&mut self) {}
}

struct FuzzWatch(Duration);

impl Watch for FuzzWatch {
    fn now(&self) -> collect::Timestamps {
        let wall = "2026-01-02T03:04:05".parse().unwrap();
        collect::Timestamps { boot: "boot".into(), uptime: self.0, wall }
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

/// What a PostgreSQL server sends; the first byte says whether only SCRAM is answered, and how the rest is
/// split. The verdict is the same however that is, and no log-in but SCRAM comes through.
pub fn postgres(bytes: &[u8]) {
    let [choice, bytes @ ..] = bytes else { return };
    let only_scram = choice & 1 == 1;
    let whole = Inspector::new(only_scram).see(bytes);
    let mut inspector = Inspector::new(only_scram);
    let parts = bytes.chunks(usize::from(choice >> 1) + 1);
    let split = parts.map(|part| inspector.see(part)).find(Result::is_err).unwrap_or(Ok(()));
    assert_eq!(split, whole);
    if !only_scram || whole.is_err() {
        assert!(only_scram || !whole.is_err_and(Improper::is_log_in));
        return;
    }
    let mut rest = bytes;
    while let [tag, a, b, c, d, behind @ ..] = rest {
        let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize - 4;
        let body = &behind[..length.min(behind.len())];
        if *tag == b'R' && body.len() >= 4 {
            match u32::from_be_bytes([body[0], body[1], body[2], body[3]]) {
                10..=12 => {}
                0 => return,
                other => panic!("the client would answer {other}"),
            }
        }
        rest = &behind[body.len()..];
    }
}
