//! FTP against the real servers and against the scripted one, by the library's own door.

use std::{
    io,
    time::{Duration, Instant},
};

use cu_agent::{
    config::{FtpConfig, FtpMode, FtpTls, NameEncoding, Secret},
    source::{
        Entry, Source, SourceError,
        ftp::{FtpSource, Listing},
    },
};

use crate::support::ftp::{
    Daemon, Options, ProFtpd, PureFtpd, Script, ScriptedFtp, Vsftpd,
    certificates::{Certificate, authority},
};

const FOLDER: &str = "DEM12 (PVC)";
const LOG: &str = "20250603.LOG";

/// Starts each real server in turn and hands it over by name.
fn for_each_server(options: &Options, act: impl Fn(&str, &mut Daemon)) {
    act("vsftpd", &mut Vsftpd::start(options.clone()));
    act("ProFTPD", &mut ProFtpd::start(options.clone()));
    act("Pure-FTPd", &mut PureFtpd::start(options.clone()));
}

fn read(
    source: &mut FtpSource,
    folder: &str,
    name: &str,
    offset: u64,
) -> Result<Vec<u8>, SourceError> {
    let mut bytes = Vec::new();
    let handed = source.read(folder, name, offset, &mut |piece| {
        bytes.extend_from_slice(piece);
        Ok(())
    })?;
    assert_eq!(handed, bytes.len() as u64);
    Ok(bytes)
}

fn names(mut entries: Vec<Entry>) -> Vec<String> {
    entries.sort_by(|one, two| one.name.cmp(&two.name));
    entries.into_iter().map(|entry| entry.name).collect()
}

#[test]
fn ftp_each_real_server_is_listed_read_resumed_sized_and_deleted_from() {
    for_each_server(&Options::default(), |server, daemon| {
        let big: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
        daemon.put(format!("{FOLDER}/{LOG}"), &big);
        daemon.put(format!("{FOLDER}/empty.LOG"), b"");
        daemon.make_folder(format!("{FOLDER}/inner"));
        daemon.make_folder("SU12 (HYBRIDE)");
        let mut source = FtpSource::new(daemon.config());
        let mut folders = source.folders().unwrap();
        folders.sort();
        assert_eq!(folders, [FOLDER, "SU12 (HYBRIDE)"], "{server}");
        let entries = source.list(FOLDER).unwrap();
        let log = entries.iter().find(|entry| entry.name == LOG).unwrap();
        assert_eq!(log.size, Some(big.len() as u64), "{server}");
        assert_eq!(names(entries), [LOG, "empty.LOG"], "{server}");
        assert_eq!(read(&mut source, FOLDER, LOG, 0).unwrap(), big, "{server}");
        assert_eq!(
            read(&mut source, FOLDER, LOG, 1_199_990).unwrap(),
            big[1_199_990..],
            "{server}"
        );
        assert_eq!(read(&mut source, FOLDER, "empty.LOG", 0).unwrap(), b"", "{server}");
        assert!(source.list("SU12 (HYBRIDE)").unwrap().is_empty(), "{server}");
        assert_eq!(source.size(FOLDER, LOG).unwrap(), Some(big.len() as u64), "{server}");
        source.delete(FOLDER, LOG).unwrap();
        assert_eq!(names(source.list(FOLDER).unwrap()), ["empty.LOG"], "{server}");
        assert!(!daemon.root().join(FOLDER).join(LOG).exists(), "{server}");
        source.close();
    });
}
