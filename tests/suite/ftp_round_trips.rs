//! What FTP costs over a distant line: round trips that are saved, and that nothing is missed for it.

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use chrono::NaiveDate;
use cu_agent::{
    config::FtpConfig,
    source::{Entry, FolderListing, ReadAhead, Source, SourceError, ftp::FtpSource},
};

use crate::support::{
    agent::Agent,
    ftp::{Daemon, Options, ProFtpd, PureFtpd, Script, ScriptedFtp, Stat, Vsftpd, reading::read},
    generate::{CENTRES, Dirt, file_name, log_of_day, working_days},
    rows::{assert_same, buffer_sessions},
    seed::seed,
    wait,
};

const FOLDERS: [&str; 3] = ["DEM12 (PVC)", "DEMALU (ALU)", "SU12 (HYBRIDE)"];
const LOG: &str = "20250603.LOG";
const BYTES: &[u8] = b"20250603 05:08:54|@StukUitgevoerd: 1\n20250603 05:09:54|@MachineStop\n";

fn for_each_server(act: impl Fn(&str, &Daemon)) {
    act("vsftpd", &Vsftpd::start(Options::default()));
    act("ProFTPD", &ProFtpd::start(Options::default()));
    act("Pure-FTPd", &PureFtpd::start(Options::default()));
}

/// A source that takes a folder for quiet at once, and counts the answers to its commands.
fn counted(config: FtpConfig) -> (FtpSource, Arc<AtomicUsize>) {
    let answers = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&answers);
    let source = FtpSource::new(config).settled_after(Duration::ZERO).on_answer(move || {
        counted.fetch_add(1, Ordering::SeqCst);
    });
    (source, answers)
}

/// One poll: what it saw, in order.
fn poll(source: &mut dyn Source) -> (Vec<String>, Vec<Vec<Entry>>) {
    let mut found = source.folders().unwrap();
    found.sort();
    let listings = FOLDERS.map(|folder| sorted(source.list(folder)));
    source.release();
    (found, listings.into())
}

fn sorted(listing: Result<FolderListing, SourceError>) -> Vec<Entry> {
    let mut entries = match listing {
        Ok(listing) => listing.entries,
        Err(SourceError::FolderMissing { .. }) => Vec::new(),
        Err(error) => panic!("{error}"),
    };
    entries.sort_by(|one, other| one.name.cmp(&other.name));
    entries
}

#[test]
fn ftp_a_quiet_poll_of_three_folders_takes_four_round_trips_on_a_kept_connection() {
    for_each_server(|server, daemon| {
        for folder in FOLDERS {
            daemon.put(format!("{folder}/{LOG}"), BYTES);
        }
        let config = FtpConfig { keep_connection: true, ..daemon.config() };
        let (mut source, answers) = counted(config);
        let first = poll(&mut source);
        poll(&mut source);
        poll(&mut source);
        for _ in 0..3 {
            let before = answers.load(Ordering::SeqCst);
            assert_eq!(poll(&mut source), first, "{server}");
            assert_eq!(answers.load(Ordering::SeqCst) - before, 4, "{server}");
        }
        daemon.put(format!("{}/{LOG}", FOLDERS[1]), &BYTES.repeat(2));
        let (_, listings) = poll(&mut source);
        assert_eq!(listings[1][0].size, Some(2 * BYTES.len() as u64), "{server}");
        source.close();
    });
}

#[test]
fn ftp_quiet_folders_are_seen_to_change_whatever_changes_in_them() {
    for_each_server(|server, daemon| {
        let mut random = fastrand::Rng::with_seed(seed());
        let (mut source, _) = counted(daemon.config());
        let mut clock = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        for folder in FOLDERS {
            daemon.put(format!("{folder}/{LOG}"), BYTES);
        }
        for step in 0..40 {
            // More than the minute that listings show, and sometimes half a year.
            clock += Duration::from_secs(61 + random.u64(0..2_000_000));
            for _ in 0..random.usize(0..3) {
                change(daemon, FOLDERS[random.usize(0..3)], clock, &mut random);
            }
            let (folders, listings) = poll(&mut source);
            let (mut fresh, _) = counted(daemon.config());
            assert_eq!((folders, listings), poll(&mut fresh), "{server}, step {step}");
        }
    });
}

/// What may happen in a folder, at the time that its files then show.
fn change(daemon: &Daemon, folder: &str, at: SystemTime, random: &mut fastrand::Rng) {
    let path = daemon.root().join(folder);
    let mut names: Vec<_> = fs::read_dir(&path)
        .map(|files| files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect())
        .unwrap_or_default();
    names.sort();
    let name = match names.is_empty() {
        true => LOG.to_owned(),
        false => names[random.usize(0..names.len())].clone(),
    };
    let put = |name: &str, bytes: &[u8]| {
        daemon.put(Path::new(folder).join(name), bytes);
        fs::File::open(path.join(name)).unwrap().set_modified(at).unwrap();
    };
    let bytes = fs::read(path.join(&name)).unwrap_or_default();
    match random.u32(0..7) {
        0 => put(&format!("202506{:02}.LOG", random.u32(1..31)), BYTES),
        1 => put(&name, &[&bytes[..], BYTES].concat()),
        // As long as before.
        2 => put(&name, &bytes.iter().map(|byte| byte ^ 1).collect::<Vec<_>>()),
        3 => put(&name, &bytes[..bytes.len() / 2]),
        4 if !names.is_empty() => {
            fs::rename(path.join(&name), path.join(format!("2024{}", &name[4..]))).unwrap();
        }
        5 if !names.is_empty() => fs::remove_file(path.join(&name)).unwrap(),
        6 if path.exists() => fs::remove_dir_all(&path).unwrap(),
        _ => {}
    }
}

#[test]
fn ftp_a_status_that_is_no_listing_of_the_folder_is_not_believed() {
    let lies = [
        Stat::Unknown,
        Stat::TellsOfTheServer,
        Stat::ListsWhereItStands,
        Stat::ListsNames,
        Stat::ListsThePath,
    ];
    for stat in lies {
        for keep_connection in [false, true] {
            // All folders alike: what is shown of one could be shown of another.
            let script = FOLDERS
                .iter()
                .fold(Script::default(), |script, folder| script.file(*folder, LOG, BYTES));
            let server = ScriptedFtp::start(Script { stat, ..script });
            let (mut source, _) = counted(FtpConfig { keep_connection, ..server.config() });
            for round in 1..8 {
                for folder in FOLDERS {
                    let grown = BYTES.repeat(round);
                    let mut script = server.script();
                    script.tree.get_mut(folder.as_bytes()).unwrap().insert(LOG.into(), grown);
                    drop(script);
                    for _ in 0..3 {
                        let (_, listings) = poll(&mut source);
                        let at = FOLDERS.iter().position(|one| *one == folder).unwrap();
                        let size = Some((BYTES.len() * round) as u64);
                        assert_eq!(listings[at][0].size, size, "{stat:?}, {keep_connection}");
                    }
                }
            }
            let asked = server.count("STAT");
            assert!(asked > 0, "{stat:?}");
            // Asked in vain it is not asked for ever. One of them tells the truth of the root, and names with blanks are asked for in two ways.
            assert_eq!(asked <= 6, stat != Stat::ListsThePath, "{stat:?}: {asked}");
        }
    }
}

#[test]
fn ftp_a_server_that_hangs_up_or_falls_silent_at_a_status_is_polled_all_the_same() {
    for is_silent in [false, true] {
        let script = Script { stat: Stat::ListsThePath, ..Script::default() };
        let mut script =
            FOLDERS.iter().fold(script, |script, folder| script.file(*folder, LOG, BYTES));
        if is_silent {
            script.silent_at = Some("STAT".into());
        } else {
            script = script.answer("STAT", "421 what was that?");
        }
        let server = ScriptedFtp::start(script);
        let config = FtpConfig { read_timeout: Duration::from_secs(1), ..server.config() };
        let (mut source, _) = counted(config);
        let first = poll(&mut source);
        for _ in 0..5 {
            assert_eq!(poll(&mut source), first);
        }
        assert!((1..=6).contains(&server.count("STAT")), "{}", server.count("STAT"));
    }
}

/// A server that lets `most` clients in at a time.
fn of_few_places(most: usize) -> Vsftpd {
    Vsftpd::start(Options { extra: vec![format!("max_clients={most}")], ..Options::default() })
}

#[test]
fn ftp_files_fetched_ahead_are_what_they_are_in_any_order_of_reading() {
    let mut random = fastrand::Rng::with_seed(seed());
    for _ in 0..6 {
        let connections = random.usize(2..6);
        // A place is free again only a moment after a transfer was given up.
        let is_roomy = random.bool();
        let server = of_few_places(if is_roomy { 40 } else { random.usize(1..=connections) });
        let names: Vec<String> =
            (0..random.usize(2..40)).map(|number| format!("{number:08}.LOG")).collect();
        let sizes = [0, 1, 70_000, 400_000];
        let mut files = Vec::new();
        for name in &names {
            let length = sizes[random.usize(0..4)];
            let bytes: Vec<u8> = (0..length).map(|_| random.u8(..)).collect();
            server.put(format!("{}/{name}", FOLDERS[0]), &bytes);
            files.push(bytes);
        }
        let config = server.config();
        let one = || Box::new(FtpSource::new(config.clone())) as _;
        let mut source = ReadAhead::over((0..connections).map(|_| one()).collect());
        assert_eq!(source.list(FOLDERS[0]).unwrap().entries.len(), names.len());
        source.expect(FOLDERS[0], names.iter().map(|name| name.as_str().into()).collect());
        for (name, bytes) in names.iter().zip(&files) {
            match random.u32(0..20) + if is_roomy { 0 } else { 20 } {
                // Passed over.
                0 => continue,
                // Given up after its beginning.
                1 => drop(source.open(FOLDERS[0], name, 0).unwrap()),
                // Something else is asked, and what is read then is not ahead.
                2 => assert_eq!(source.size(FOLDERS[0], name).unwrap(), Some(bytes.len() as u64)),
                3 if bytes.len() > 1 => {
                    assert!(
                        read(&mut source, FOLDERS[0], name, 1).unwrap() == bytes[1..],
                        "{name}"
                    );
                }
                _ => assert!(read(&mut source, FOLDERS[0], name, 0).unwrap() == *bytes, "{name}"),
            }
        }
        source.close();
    }
}

#[test]
fn ftp_a_server_that_goes_while_files_are_fetched_ahead_is_an_error_and_is_read_on_later() {
    let mut server = of_few_places(10);
    let names: Vec<String> = (0..30).map(|number| format!("{number:08}.LOG")).collect();
    let bytes = BYTES.repeat(5_000);
    for name in &names {
        server.put(format!("{}/{name}", FOLDERS[0]), &bytes);
    }
    let config = server.config();
    let one = || Box::new(FtpSource::new(config.clone())) as _;
    let mut source = ReadAhead::over((0..3).map(|_| one()).collect());
    source.expect(FOLDERS[0], names.iter().map(|name| name.as_str().into()).collect());
    assert!(read(&mut source, FOLDERS[0], &names[0], 0).unwrap() == bytes);
    server.stop();
    let failures = names[1..].iter().filter(|name| match read(&mut source, FOLDERS[0], name, 0) {
        // Whole, or not at all.
        Ok(read) => read != bytes,
        Err(_) => true,
    });
    assert!(failures.count() > 0);
    server.restart();
    source.expect(FOLDERS[0], names.iter().map(|name| name.as_str().into()).collect());
    for name in &names {
        assert!(read(&mut source, FOLDERS[0], name, 0).unwrap() == bytes, "{name}");
    }
}

#[test]
fn ftp_a_first_morning_over_several_connections_gives_the_same_sessions() {
    let server = of_few_places(3);
    let from = NaiveDate::from_ymd_opt(2025, 5, 5).unwrap();
    for centre in &CENTRES {
        for day in working_days(from, 6) {
            let log = log_of_day(centre, day, 1, Dirt::Some);
            server.put(format!("{}/{}", centre.folder, file_name(day)), &log);
        }
    }
    let one = Agent::on_ftp(&server);
    one.once().succeeded();
    // More than the server has places for: said, and no failure.
    let several = Agent::on_ftp(&server).with("source.0.connections", 8);
    let output = several.once().succeeded();
    assert!(output.stderr.contains("one connection fewer reads ahead"), "{}", output.stderr);
    let wanted = buffer_sessions(&one);
    assert_eq!(wanted.len(), 18);
    assert_same("several connections", &buffer_sessions(&several), &wanted);
}

#[test]
fn ftp_of_several_connections_one_place_is_kept_between_polls() {
    let server = of_few_places(3);
    let names: Vec<String> = (0..9).map(|number| format!("{number:08}.LOG")).collect();
    for name in &names {
        server.put(format!("{}/{name}", FOLDERS[0]), BYTES);
    }
    let config = FtpConfig { keep_connection: true, ..server.config() };
    let one = || Box::new(FtpSource::new(config.clone())) as _;
    let mut source = ReadAhead::over((0..3).map(|_| one()).collect());
    source.expect(FOLDERS[0], names.iter().map(|name| name.as_str().into()).collect());
    for name in &names {
        assert_eq!(read(&mut source, FOLDERS[0], name, 0).unwrap(), BYTES);
    }
    source.release();
    let mut others = [FtpSource::new(config.clone()), FtpSource::new(config.clone())];
    wait::until("two others have a place each", wait::PATIENCE, || {
        others.iter_mut().all(|other| other.folders().is_ok())
    });
    // The third place is still taken.
    assert!(FtpSource::new(config).folders().is_err());
}
