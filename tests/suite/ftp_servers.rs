//! FTP against real vsftpd, ProFTPD and Pure-FTPd, by the library's own door.

use std::{
    ffi::OsStr,
    fs,
    os::unix::ffi::OsStrExt,
    path::Path,
    time::{Duration, Instant},
};

use cu_agent::{
    config::{FtpConfig, FtpMode, NameEncoding, Secret},
    source::{
        Source, SourceError,
        ftp::{FtpSource, Listing},
    },
};

use crate::support::{
    ftp::{
        Daemon, Options, ProFtpd, PureFtpd, Vsftpd,
        reading::{chain, names, read},
    },
    source_contract,
};

const FOLDER: &str = "DEM12 (PVC)";
const LOG: &str = "20250603.LOG";

/// Starts each real server in turn and hands it over by name.
fn for_each_server(act: impl Fn(&str, &mut Daemon)) {
    act("vsftpd", &mut Vsftpd::start(Options::default()));
    act("ProFTPD", &mut ProFtpd::start(Options::default()));
    act("Pure-FTPd", &mut PureFtpd::start(Options::default()));
}

#[test]
fn ftp_each_real_server_is_listed_read_resumed_sized_and_deleted_from() {
    for_each_server(|server, daemon| {
        let big: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
        daemon.put(format!("{FOLDER}/{LOG}"), &big);
        daemon.put(format!("{FOLDER}/empty.LOG"), b"");
        daemon.make_folder(format!("{FOLDER}/inner"));
        daemon.make_folder("SU12 (HYBRIDE)");
        std::os::unix::fs::symlink(LOG, daemon.root().join(FOLDER).join("link.LOG")).unwrap();
        let mut source = FtpSource::new(daemon.config());
        let mut folders = source.folders().unwrap();
        folders.sort();
        assert_eq!(folders, [FOLDER, "SU12 (HYBRIDE)"], "{server}");
        let entries = source.list(FOLDER).unwrap().entries;
        let log = entries.iter().find(|entry| entry.name == LOG).unwrap();
        assert_eq!(log.size, Some(big.len() as u64), "{server}");
        let names_found = names(entries);
        assert!(names_found.contains(&"empty.LOG".to_owned()), "{server}");
        assert!(!names_found.contains(&"inner".to_owned()), "{server}");
        assert_eq!(read(&mut source, FOLDER, LOG, 0).unwrap(), big, "{server}");
        let tail = read(&mut source, FOLDER, LOG, 1_199_990).unwrap();
        assert_eq!(tail, big[1_199_990..], "{server}");
        assert_eq!(read(&mut source, FOLDER, "empty.LOG", 0).unwrap(), b"", "{server}");
        assert!(source.list("SU12 (HYBRIDE)").unwrap().entries.is_empty(), "{server}");
        assert_eq!(source.size(FOLDER, LOG).unwrap(), Some(big.len() as u64), "{server}");
        source.delete(FOLDER, LOG).unwrap();
        assert!(!names(source.list(FOLDER).unwrap().entries).contains(&LOG.to_owned()), "{server}");
        assert!(!daemon.root().join(FOLDER).join(LOG).exists(), "{server}");
        source.close();
    });
}

#[test]
fn ftp_names_of_all_kinds_are_found_read_and_deleted_in_both_encodings() {
    let long = format!("{}.LOG", "x".repeat(251));
    let names_to_try = [
        "20250603 (copie).LOG",
        "  two  blanks.LOG",
        "-rf.LOG",
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
            let config = FtpConfig { encoding, ..daemon.config() };
            let mut source = FtpSource::new(config);
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
fn ftp_bytes_that_are_no_utf8_are_read_and_deleted_under_the_name_that_was_listed() {
    for_each_server(|server, daemon| {
        let name_bytes = b"caf\xE9 \xC3.LOG";
        daemon.put(Path::new(FOLDER).join(OsStr::from_bytes(name_bytes)), b"coffee");
        let mut source = FtpSource::new(daemon.config());
        let found = names(source.list(FOLDER).unwrap().entries);
        assert_eq!(found.len(), 1, "{server}");
        assert_eq!(read(&mut source, FOLDER, &found[0], 2).unwrap(), b"ffee", "{server}");
        source.delete(FOLDER, &found[0]).unwrap();
        assert!(source.list(FOLDER).unwrap().entries.is_empty(), "{server}");
    });
}

#[test]
fn ftp_a_missing_folder_and_a_missing_file_are_told_apart_and_stop_nothing() {
    for_each_server(|server, daemon| {
        daemon.put(format!("{FOLDER}/{LOG}"), b"line\n");
        let mut source = FtpSource::new(daemon.config());
        let error = source.list("DEMALU (ALU)").unwrap_err();
        assert!(matches!(error, SourceError::FolderMissing { .. }), "{server}: {error}");
        let error = read(&mut source, FOLDER, "gone.LOG", 0).unwrap_err();
        assert!(matches!(error, SourceError::FileRefused { .. }), "{server}: {error}");
        let error = source.size(FOLDER, "gone.LOG").unwrap_err();
        assert!(matches!(error, SourceError::FileRefused { .. }), "{server}: {error}");
        let error = source.delete(FOLDER, "gone.LOG").unwrap_err();
        assert!(matches!(error, SourceError::FileRefused { .. }), "{server}: {error}");
        assert_eq!(read(&mut source, FOLDER, LOG, 0).unwrap(), b"line\n", "{server}");
    });
}

#[test]
fn ftp_a_growing_file_is_read_on_from_where_the_last_reading_ended() {
    for_each_server(|server, daemon| {
        let mut source = FtpSource::new(daemon.config());
        source_contract::reads_on(server, daemon, &mut source, 1);
    });
}

#[test]
fn ftp_active_mode_works_as_an_option() {
    for_each_server(|server, daemon| {
        daemon.put(format!("{FOLDER}/{LOG}"), b"line\n");
        let config = FtpConfig { mode: FtpMode::Active, ..daemon.config() };
        let mut source = FtpSource::new(config);
        assert_eq!(names(source.list(FOLDER).unwrap().entries), [LOG], "{server}");
        assert_eq!(read(&mut source, FOLDER, LOG, 2).unwrap(), b"ne\n", "{server}");
    });
}

#[test]
fn ftp_a_configured_root_holds_the_folders_and_a_missing_one_is_named() {
    for_each_server(|server, daemon| {
        source_contract::has_its_root(server, daemon, &|root| {
            let config = FtpConfig { root: Some(root.into()), ..daemon.config() };
            Box::new(FtpSource::new(config))
        });
    });
}

#[test]
fn ftp_a_server_that_restarted_between_two_calls_is_not_noticed() {
    for_each_server(|server, daemon| {
        let mut source = FtpSource::new(daemon.config());
        source_contract::outlives_restarts(server, daemon, &mut source);
    });
}

#[test]
fn ftp_a_wrong_password_names_the_key_and_never_the_password() {
    for_each_server(|server, daemon| {
        let config = FtpConfig { password: Secret::new("Wr0ng secret"), ..daemon.config() };
        let mut source = FtpSource::new(config);
        let error = source.folders().unwrap_err();
        assert!(matches!(error, SourceError::Login { .. }), "{server}: {error}");
        let said = format!("{} {error:?} {source:?}", chain(&error));
        assert!(said.contains("password_file") && !said.contains("Wr0ng"), "{server}: {said}");
    });
}

#[test]
fn ftp_a_transfer_that_is_dropped_or_finished_early_is_aborted_and_the_next_call_works() {
    for_each_server(|server, daemon| {
        let mut source = FtpSource::new(daemon.config());
        source_contract::aborts_transfers(server, daemon, &mut source);
    });
}

#[test]
fn ftp_a_folder_made_anew_under_the_same_name_is_seen() {
    for_each_server(|server, daemon| {
        daemon.put(format!("{FOLDER}/old.LOG"), b"");
        let mut source = FtpSource::new(daemon.config());
        assert_eq!(names(source.list(FOLDER).unwrap().entries), ["old.LOG"], "{server}");
        fs::remove_dir_all(daemon.root().join(FOLDER)).unwrap();
        daemon.put(format!("{FOLDER}/new.LOG"), b"");
        assert_eq!(names(source.list(FOLDER).unwrap().entries), ["new.LOG"], "{server}");
    });
}

#[test]
fn ftp_twenty_thousand_files_are_listed_in_seconds() {
    // Pure-FTPd cuts a listing at 10,000 unless it is told otherwise.
    let generous =
        Options { extra: ["-L", "30000:5"].map(str::to_owned).into(), ..Options::default() };
    let list = |server: &str, daemon: &mut Daemon| {
        daemon.make_folder(FOLDER);
        for number in 0..20_000 {
            fs::write(daemon.root().join(FOLDER).join(format!("{number:08}.LOG")), b"").unwrap();
        }
        let mut source = FtpSource::new(daemon.config());
        let began = Instant::now();
        assert_eq!(source.list(FOLDER).unwrap().entries.len(), 20_000, "{server}");
        let took = began.elapsed();
        assert!(took < Duration::from_secs(30), "{server} took {took:?}");
    };
    list("vsftpd", &mut Vsftpd::start(Options::default()));
    list("ProFTPD", &mut ProFtpd::start(Options::default()));
    list("Pure-FTPd", &mut PureFtpd::start(generous));
}

#[test]
fn ftp_describe_names_the_software_and_what_it_can_do() {
    for_each_server(|server, daemon| {
        daemon.put(format!("{FOLDER}/{LOG}"), b"line\n");
        let mut source = FtpSource::new(daemon.config());
        let abilities = source.describe().unwrap();
        let name = abilities.software.to_lowercase();
        assert!(name.contains(&server.to_lowercase()), "{server}: {name}");
        let expected = if server == "vsftpd" { Listing::List } else { Listing::Mlsd };
        assert_eq!(abilities.listing, expected, "{server}");
        let able = (abilities.resume, abilities.size, abilities.mdtm, abilities.epsv);
        assert_eq!(able, (true, true, true, true), "{server}");
        // Asking left nothing behind: the next transfer begins at the beginning.
        assert_eq!(read(&mut source, FOLDER, LOG, 0).unwrap(), b"line\n", "{server}");
    });
}

#[test]
fn ftp_an_offset_behind_the_end_of_a_shortened_file_gives_no_bytes_and_stops_nothing() {
    for_each_server(|server, daemon| {
        daemon.put(format!("{FOLDER}/{LOG}"), b"short\n");
        let mut source = FtpSource::new(daemon.config());
        match read(&mut source, FOLDER, LOG, 5_000) {
            Ok(bytes) => assert!(bytes.is_empty(), "{server}"),
            Err(error) => {
                assert!(error.concerns_one_file(), "{server}: {error}");
                assert!(!matches!(error, SourceError::ResumeRefused { .. }), "{server}: {error}");
            }
        }
        assert_eq!(read(&mut source, FOLDER, LOG, 2).unwrap(), b"ort\n", "{server}");
    });
}
