//! A source on a scripted SFTP server, with a folder that holds one LOG.

use std::time::Duration;

use cu_agent::{config::SftpConfig, source::sftp::SftpSource};

use super::{Script, ScriptedSftp};

pub const FOLDER: &str = "DEM12 (PVC)";
pub const LOG: &str = "20250603.LOG";
pub const BYTES: &[u8] = b"20250603 05:08:54|@StukUitgevoerd: 1\n20250603 05:09:54|@MachineStop\n";
pub const SILENCE: Duration = Duration::from_millis(400);
/// A call begins at most once more on a new connection, and each exchange of one may take two silences.
pub const LONGEST_CALL: Duration = Duration::from_secs(8);

/// A folder with one LOG.
pub fn one_log() -> Script {
    Script::default().file(FOLDER, LOG, BYTES)
}

/// The server, and a source on it as it is configured by default.
pub fn start(script: Script) -> (ScriptedSftp, SftpSource) {
    let server = ScriptedSftp::start(script);
    let source = SftpSource::new(server.config());
    (server, source)
}

/// A source that waits for little.
pub fn hasty(script: Script) -> (ScriptedSftp, SftpSource) {
    let server = ScriptedSftp::start(script);
    let source = SftpSource::new(SftpConfig { read_timeout: SILENCE, ..server.config() });
    (server, source)
}
