//! SFTP against real OpenSSH, ProFTPD and dropbear: by the library's own door, and the whole chain.

use std::{
    ffi::OsStr,
    fs,
    os::unix::{ffi::OsStrExt, fs::PermissionsExt},
    path::Path,
};

use cu_agent::{
    config::{NameEncoding, SftpConfig},
    source::{Source, SourceError, sftp::SftpSource},
};

use crate::support::{
    agent::Agent,
    ftp::reading::{names, read},
    golden,
    plant::Plant,
    postgres::Database,
    rows::{assert_same, buffer_sessions, central_sessions, truth},
    sftp::{Dropbear, OpenSsh, ProFtpdSftp, SftpServer},
    source_contract,
};

const FOLDER: &str = "DEM12 (PVC)";
const LOG: &str = "20250603.LOG";

/// Starts each real server in turn and hands it over by name.
fn for_each_server(act: impl Fn(&str, &mut SftpServer)) {
    act("OpenSSH", &mut OpenSsh::start(&[]));
    act("ProFTPD", &mut ProFtpdSftp::start(&[]));
    act("dropbear", &mut Dropbear::start());
}

#[test]
fn sftp_each_real_server_is_listed_read_resumed_sized_and_deleted_from() {
    for_each_server(|server, daemon| {
        let big: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
        daemon.put(format!("{FOLDER}/{LOG}"), &big);
        daemon.put(format!("{FOLDER}/empty.LOG"), b"");
        daemon.make_folder(format!("{FOLDER}/inner"));
        daemon.make_folder("SU12 (HYBRIDE)");
        let mut source = SftpSource::new(daemon.config());
        let mut folders = source.folders().unwrap();
        folders.sort();
        assert_eq!(folders, [FOLDER, "SU12 (HYBRIDE)"], "{server}");
        let entries = source.list(FOLDER).unwrap().entries;
        let log = entries.iter().find(|entry| entry.name == LOG).unwrap();
        assert_eq!(log.size, Some(big.len() as u64), "{server}");
        assert_eq!(names(entries), [LOG, "empty.LOG"], "{server}");
        assert_eq!(read(&mut source, FOLDER, LOG, 0).unwrap(), big, "{server}");
        let tail = read(&mut source, FOLDER, LOG, 1_199_990).unwrap();
        assert_eq!(tail, big[1_199_990..], "{server}");
        assert_eq!(read(&mut source, FOLDER, "empty.LOG", 0).unwrap(), b"", "{server}");
        assert!(source.list("SU12 (HYBRIDE)").unwrap().entries.is_empty(), "{server}");
        assert_eq!(source.size(FOLDER, LOG).unwrap(), Some(big.len() as u64), "{server}");
        source.delete(FOLDER, LOG).unwrap();
        assert_eq!(names(source.list(FOLDER).unwrap().entries), ["empty.LOG"], "{server}");
        assert!(!daemon.has(format!("{FOLDER}/{LOG}")), "{server}");
        source.close();
    });
}

#[test]
fn sftp_a_listed_time_is_the_server_s_in_utc() {
    for_each_server(|server, daemon| {
        daemon.put(format!("{FOLDER}/{LOG}"), b"line\n");
        let path = daemon.root().join(FOLDER).join(LOG);
        let at = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_748_988_000);
        fs::File::options().write(true).open(path).unwrap().set_modified(at).unwrap();
        let mut source = SftpSource::new(daemon.config());
        let expected = "2025-06-03 22:00:00";
        let listed = source.list(FOLDER).unwrap().entries[0].modified.unwrap();
        assert_eq!(listed.to_string(), expected, "{server}");
        let asked = source.modified(FOLDER, LOG).unwrap().unwrap();
        assert_eq!(asked.to_string(), expected, "{server}");
    });
}

#[test]
fn sftp_names_of_all_kinds_are_found_read_and_deleted_in_both_encodings() {
    let long = format!("{}.LOG", "x".repeat(251));
    let names_to_try = [
        "20250603 (copie).LOG",
        "  two  blanks.LOG",
        "-rf.LOG",
        "*?[a].LOG",
        "\"quoted\" 'twice'.LOG",
        "été à l'atelier.LOG",
        "a;b=c; d.LOG",
        &long,
    ];
    for_each_server(|server, daemon| {
        for encoding in [NameEncoding::Utf8, NameEncoding::Latin1] {
            let bytes_of = |name: &str| match encoding {
                NameEncoding::Utf8 => name.as_bytes().to_vec(),
                NameEncoding::Latin1 => {
                    name.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect()
                }
            };
            let folder = "-Découpe (été)";
            let folder_bytes = bytes_of(folder);
            for name in names_to_try {
                let name_bytes = bytes_of(name);
                let path = Path::new(OsStr::from_bytes(&folder_bytes))
                    .join(OsStr::from_bytes(&name_bytes));
                daemon.put(path, name.as_bytes());
            }
            let mut source = SftpSource::new(SftpConfig { encoding, ..daemon.config() });
            assert!(source.folders().unwrap().contains(&folder.to_owned()), "{server}");
            let found = names(source.list(folder).unwrap().entries);
            for name in names_to_try {
                let context = format!("{server}, {encoding:?}, {name:?}, found {found:?}");
                assert!(found.contains(&name.to_owned()), "{context}");
                assert_eq!(read(&mut source, folder, name, 0).expect(&context), name.as_bytes());
                assert_eq!(source.size(folder, name).expect(&context), Some(name.len() as u64));
                source.delete(folder, name).expect(&context);
            }
            assert!(source.list(folder).unwrap().entries.is_empty(), "{server} {encoding:?}");
        }
    });
}

#[test]
fn sftp_bytes_that_are_no_utf8_are_read_and_deleted_under_the_name_that_was_listed() {
    for_each_server(|server, daemon| {
        let name_bytes = b"caf\xE9 \xC3.LOG";
        daemon.put(Path::new(FOLDER).join(OsStr::from_bytes(name_bytes)), b"coffee");
        let mut source = SftpSource::new(daemon.config());
        let found = names(source.list(FOLDER).unwrap().entries);
        assert_eq!(found.len(), 1, "{server}");
        assert_eq!(read(&mut source, FOLDER, &found[0], 2).unwrap(), b"ffee", "{server}");
        source.delete(FOLDER, &found[0]).unwrap();
        assert!(source.list(FOLDER).unwrap().entries.is_empty(), "{server}");
    });
}

#[test]
fn sftp_what_is_missing_or_not_permitted_is_said_of_that_alone_and_stops_nothing() {
    for_each_server(|server, daemon| {
        daemon.put(format!("{FOLDER}/{LOG}"), b"line\n");
        daemon.put(format!("{FOLDER}/denied.LOG"), b"line\n");
        let denied = daemon.root().join(FOLDER).join("denied.LOG");
        fs::set_permissions(&denied, PermissionsExt::from_mode(0o000)).unwrap();
        daemon.make_folder("closed");
        fs::set_permissions(daemon.root().join("closed"), PermissionsExt::from_mode(0o000))
            .unwrap();
        let mut source = SftpSource::new(daemon.config());
        let error = source.list("DEMALU (ALU)").unwrap_err();
        assert!(matches!(error, SourceError::FolderMissing { .. }), "{server}: {error}");
        let error = source.list("closed").unwrap_err();
        assert!(matches!(error, SourceError::List { .. }), "{server}: {error}");
        assert!(error.to_string().contains("permission denied"), "{server}: {error}");
        let error = read(&mut source, FOLDER, "denied.LOG", 0).unwrap_err();
        assert!(matches!(error, SourceError::FileRefused { .. }), "{server}: {error}");
        assert!(error.to_string().contains("permission denied"), "{server}: {error}");
        for error in [
            read(&mut source, FOLDER, "gone.LOG", 0).unwrap_err(),
            source.size(FOLDER, "gone.LOG").unwrap_err(),
            source.delete(FOLDER, "gone.LOG").unwrap_err(),
        ] {
            assert!(matches!(error, SourceError::FileRefused { .. }), "{server}: {error}");
            assert!(error.to_string().contains("no such file"), "{server}: {error}");
        }
        assert_eq!(read(&mut source, FOLDER, LOG, 0).unwrap(), b"line\n", "{server}");
    });
}

#[test]
fn sftp_a_symbolic_link_is_neither_a_file_nor_a_folder() {
    for_each_server(|server, daemon| {
        daemon.put(format!("{FOLDER}/{LOG}"), b"line\n");
        let folder = daemon.root().join(FOLDER);
        std::os::unix::fs::symlink(LOG, folder.join("link.LOG")).unwrap();
        std::os::unix::fs::symlink("nowhere", folder.join("dangling.LOG")).unwrap();
        let mut source = SftpSource::new(daemon.config());
        let listing = source.list(FOLDER).unwrap();
        assert_eq!(names(listing.entries), [LOG], "{server}");
        assert_eq!(listing.unread.count, 2, "{server}: they are named like a LOG");
        let sample = listing.unread.sample.unwrap();
        assert!(sample.ends_with(".LOG (a symbolic link)"), "{server}: {sample}");
        assert_eq!(read(&mut source, FOLDER, LOG, 0).unwrap(), b"line\n", "{server}");
    });
}

#[test]
fn sftp_a_growing_file_is_read_on_from_where_the_last_reading_ended() {
    for_each_server(|server, daemon| {
        let mut source = SftpSource::new(daemon.config());
        source_contract::reads_on(server, daemon, &mut source, 40_000);
    });
}

#[test]
fn sftp_a_configured_root_holds_the_folders_and_a_missing_one_is_named() {
    for_each_server(|server, daemon| {
        source_contract::has_its_root(server, daemon, &|root| {
            let config = SftpConfig { root: Some(root.into()), ..daemon.config() };
            Box::new(SftpSource::new(config))
        });
    });
}

#[test]
fn sftp_a_server_that_restarted_between_two_calls_is_not_noticed() {
    for_each_server(|server, daemon| {
        let mut source = SftpSource::new(daemon.config());
        source_contract::outlives_restarts(server, daemon, &mut source);
    });
}

#[test]
fn sftp_a_transfer_that_is_dropped_or_finished_early_is_aborted_and_the_next_call_works() {
    for_each_server(|server, daemon| {
        let mut source = SftpSource::new(daemon.config());
        source_contract::aborts_transfers(server, daemon, &mut source);
    });
}

#[test]
fn sftp_a_golden_case_travels_from_each_server_to_postgresql_to_the_last_digit() {
    let case = golden::case("clean");
    let truth = truth(&case);
    for_each_server(|server, daemon| {
        daemon.make_three_machines();
        let database = Database::fresh();
        let agent = Agent::on_sftp(daemon).central(&database);
        for part in [2, 1] {
            for file in &case.files {
                let length = file.bytes.len() / part;
                daemon.put(format!("{}/{}", file.folder, file.name), &file.bytes[..length]);
            }
            agent.once().read_all();
        }
        assert_same(server, &central_sessions(&database), &truth);
        assert_same(server, &buffer_sessions(&agent), &truth);
        assert_eq!(agent.status_number("pending_sessions"), 0, "{server}");
    });
}

#[test]
fn sftp_files_that_grow_are_rewritten_renamed_and_deleted_give_every_line_once() {
    for_each_server(|server, daemon| {
        daemon.make_three_machines();
        let database = Database::fresh();
        let mut agent = Agent::on_sftp(daemon).central(&database);
        agent.set("schedule.file_quiet", "0s");
        agent.set("source.0.delete", "after-sync");
        let folder = daemon.root().join(FOLDER);
        let mut plant = Plant::new(daemon.root(), 7);
        let happen: [fn(&mut Plant); 8] = [
            |_| {},
            Plant::rewrite,
            Plant::rename,
            Plant::next_day,
            |_| {},
            Plant::copy_back,
            Plant::next_day,
            |_| {},
        ];
        for (round, act) in happen.into_iter().enumerate() {
            for _ in 0..12 {
                plant.write();
            }
            act(&mut plant);
            let output = agent.once();
            assert_eq!(output.code, 0, "{server}, round {round}\n{output}");
        }
        plant.finish();
        for _ in 0..3 {
            agent.once().succeeded();
        }
        assert_same(server, &central_sessions(&database), &plant.truth());
        let left = fs::read_dir(&folder).unwrap().count();
        assert!(left <= 2, "{server}: two days are over, and {left} files are there");
    });
}
