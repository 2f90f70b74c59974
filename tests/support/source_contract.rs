//! What holds for a source whatever it speaks to its server: FTP and SFTP are tried by the same bodies.

use std::time::{Duration, Instant};

use cu_agent::source::{Source, SourceError};

use super::ftp::{
    Daemon,
    reading::{names, read},
};

const FOLDER: &str = "DEM12 (PVC)";
const LOG: &str = "20250603.LOG";

/// A file that grows by rounds, each `step` bytes longer than the last, is read on from where the last
/// reading ended.
pub fn reads_on(server: &str, daemon: &Daemon, source: &mut dyn Source, step: usize) {
    let path = format!("{FOLDER}/{LOG}");
    let (mut written, mut taken) = (Vec::new(), Vec::new());
    for round in 0..5_u8 {
        written.extend(vec![b'a' + round; 1000 + usize::from(round) * step]);
        daemon.put(&path, &written);
        let offset = taken.len() as u64;
        taken.extend(read(source, FOLDER, LOG, offset).unwrap());
        assert_eq!(taken, written, "{server}");
    }
    assert!(read(source, FOLDER, LOG, taken.len() as u64).unwrap().is_empty(), "{server}");
}

/// The folders of a root are those in it, and a root that is not there is named. `below` is a source there.
pub fn has_its_root(server: &str, daemon: &Daemon, below: &dyn Fn(&str) -> Box<dyn Source>) {
    daemon.put(format!("ligne 1/{FOLDER}/{LOG}"), b"line\n");
    let mut source = below("ligne 1");
    assert_eq!(source.folders().unwrap(), [FOLDER], "{server}");
    assert_eq!(read(&mut *source, FOLDER, LOG, 0).unwrap(), b"line\n", "{server}");
    let error = below("ligne 9").folders().unwrap_err();
    assert!(error.to_string().contains("ligne 9"), "{server}: {error}");
}

/// A server that was restarted between two calls is not noticed, one that is stopped is.
pub fn outlives_restarts(server: &str, daemon: &mut Daemon, source: &mut dyn Source) {
    daemon.put(format!("{FOLDER}/{LOG}"), b"line\n");
    source.list(FOLDER).unwrap();
    daemon.restart();
    assert_eq!(read(source, FOLDER, LOG, 0).unwrap(), b"line\n", "{server}");
    daemon.restart();
    source.delete(FOLDER, LOG).unwrap();
    daemon.stop();
    let error = source.list(FOLDER).unwrap_err();
    assert!(matches!(error, SourceError::Connect { .. }), "{server}: {error}");
    daemon.restart();
    assert!(source.list(FOLDER).unwrap().entries.is_empty(), "{server}");
}

/// A transfer that is dropped, or finished before its end, is aborted, and the next call works.
pub fn aborts_transfers(server: &str, daemon: &Daemon, source: &mut dyn Source) {
    daemon.put(format!("{FOLDER}/{LOG}"), &vec![b'x'; 8 << 20]);
    let mut chunk = vec![0; 64 * 1024];
    for is_finished in [false, true] {
        let mut transfer = source.open(FOLDER, LOG, 0).unwrap();
        assert!(transfer.read(&mut chunk).unwrap() > 0, "{server}");
        if is_finished {
            let error = transfer.finish().unwrap_err();
            assert!(matches!(error, SourceError::Transfer { .. }), "{server}: {error}");
        } else {
            drop(transfer);
        }
        assert_eq!(source.size(FOLDER, LOG).unwrap(), Some(8 << 20), "{server}");
    }
}

/// Each kind of call ends within `most`, well or not: how many did not end well.
pub fn failures_within(most: Duration, at: &str, source: &mut dyn Source) -> u32 {
    let calls: [fn(&mut dyn Source) -> bool; 4] = [
        |source| source.folders().is_ok(),
        |source| source.list(FOLDER).is_ok(),
        |source| read(source, FOLDER, LOG, 0).is_ok(),
        |source| source.size(FOLDER, LOG).is_ok(),
    ];
    let mut failures = 0;
    for call in calls {
        let began = Instant::now();
        failures += u32::from(!call(source));
        assert!(began.elapsed() < most, "{at}: {:?}", began.elapsed());
    }
    failures
}
