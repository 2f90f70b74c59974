//! FTP servers that send a byte now and then, or never end: each call is over within its bounds.

use std::time::{Duration, Instant};

use cu_agent::{
    config::FtpConfig,
    source::{Source, ftp::FtpSource},
};

use crate::support::{
    ftp::{
        Quirks, Script, ScriptedFtp,
        reading::{chain, read},
    },
    source_contract,
};

const FOLDER: &str = "DEM12 (PVC)";
const LOG: &str = "20250603.LOG";
const SILENCE: Duration = Duration::from_millis(200);

fn start(quirks: Quirks) -> (ScriptedFtp, FtpSource) {
    let server =
        ScriptedFtp::start(Script { quirks, ..Script::default().file(FOLDER, LOG, b"seven..") });
    let source = FtpSource::new(FtpConfig { read_timeout: SILENCE, ..server.config() });
    (server, source)
}

#[test]
fn ftp_a_byte_now_and_then_holds_no_call_longer_than_its_bounds() {
    for at in ["GREETING", "USER", "FEAT", "CWD", "EPSV", "MLSD", "RETR", "DATA", "LISTED", "SENT"]
    {
        let (server, mut source) = start(Quirks { drip: Some(at.into()), ..Quirks::default() });
        // A call begins at most once more on a new connection.
        let most = SILENCE * 2 * 3 + Duration::from_secs(2);
        let failures = source_contract::failures_within(most, at, &mut source);
        assert!(failures > 0, "{at}");
        server.script().quirks.drip = None;
        assert_eq!(read(&mut source, FOLDER, LOG, 0).unwrap(), b"seven..", "{at}");
    }
}

#[test]
fn ftp_a_listing_without_an_end_is_an_error_that_says_so() {
    let (_server, mut source) = start(Quirks { endless: true, ..Quirks::default() });
    let began = Instant::now();
    let error = chain(&source.list(FOLDER).unwrap_err());
    assert!(error.contains("names") || error.contains("does not end"), "{error}");
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

#[test]
fn ftp_nothing_is_waited_for_behind_the_end_of_a_turn() {
    for at in ["GREETING", "MLSD", "DATA"] {
        let (server, _) = start(Quirks { drip: Some(at.into()), ..Quirks::default() });
        let mut source = FtpSource::new(server.config());
        let began = Instant::now();
        source.allow_until(Some(began + Duration::from_millis(300)));
        let error = chain(&source.list(FOLDER).unwrap_err());
        // A greeting that comes again and again may be whole before that, and too many then.
        let is_named =
            error.contains("time limit of this cycle") || error.contains("unexpected reply");
        assert!(
            is_named && (at == "GREETING" || !error.contains("unexpected reply")),
            "{at}: {error}"
        );
        assert!(began.elapsed() < Duration::from_secs(3), "{at}: {:?}", began.elapsed());
        server.script().quirks.drip = None;
        source.allow_until(None);
        assert_eq!(source.list(FOLDER).unwrap().entries.len(), 1, "{at}");
    }
}
