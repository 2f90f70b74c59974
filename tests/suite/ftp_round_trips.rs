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

use cu_agent::{
    config::FtpConfig,
    source::{Entry, FolderListing, Source, SourceError, ftp::FtpSource},
};

use crate::support::{
    ftp::{
        Daemon, Hasty, Options, ProFtpd, PureFtpd, Script, ScriptedFtp, Stat, Vsftpd,
        reading::{chain, read},
    },
    seed::seed,
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
        let mut clock = SystemTime::now() - Duration::from_secs(40_000_000);
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
            // Asked in vain it is not asked for ever.
            // One of them tells the truth of the root, and names with blanks are asked for in two ways.
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

#[test]
fn ftp_a_command_that_comes_before_its_data_connection_costs_nothing_whatever_the_server_makes_of_it()
 {
    for hasty in [Hasty::Waits, Hasty::Refused, Hasty::BrokenOff, Hasty::SentNothing] {
        let script =
            Script { hasty: Some(hasty), ..Script::default().file(FOLDERS[0], LOG, BYTES) };
        let server = ScriptedFtp::start(script);
        let mut source = FtpSource::new(server.config());
        let mut failures = 0;
        let mut is_well = false;
        // Three failures are taken for the line's; behind them the connection is waited for.
        for _ in 0..4 {
            match source.list(FOLDERS[0]) {
                Ok(listing) => assert_eq!(listing.entries[0].size, Some(68), "{hasty:?}"),
                Err(error) => {
                    failures += 1;
                    println!("{hasty:?}: {}", chain(&error));
                }
            }
            match read(&mut source, FOLDERS[0], LOG, 10) {
                Ok(bytes) => {
                    assert_eq!(bytes, BYTES[10..], "{hasty:?}");
                    is_well = true;
                }
                Err(error) => {
                    failures += 1;
                    println!("{hasty:?}: {}", chain(&error));
                    is_well = false;
                }
            }
        }
        assert!(is_well, "{hasty:?}");
        let most = if matches!(hasty, Hasty::Waits | Hasty::Refused) { 0 } else { 3 };
        assert!(failures <= most, "{hasty:?}: {failures}");
    }
}
