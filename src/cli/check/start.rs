//! The part of `cu-agent check` that tries what `run` needs at its start: files that the service's user can read,
//! a state directory that can be written, the address of the page, what updates come by.

use std::{
    io::{self, Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream},
    path::Path,
    time::Duration,
};

use rustix::fs::{Access, access};

use super::Lines;
use crate::{
    agent::health_path_fault,
    buffer::{Holder, expect_startable},
    config::{Config, SecretFile},
    logging,
    update::Updater,
};

/// Root has become the service's user by now.
pub(super) fn check_files(lines: &mut Lines, path: &Path, config: &Config) {
    let user = rustix::process::geteuid().as_raw();
    let is_readable = |path: &Path| access(path, Access::READ_OK);
    if let Err(error) = is_readable(path) {
        let text = format!(
            "user {user}, as which the service works, cannot read {} ({error}); let its group read it (chgrp and chmod 0640)",
            path.display()
        );
        lines.bad("configuration", &text);
    }
    for SecretFile { path, credential } in &config.secret_files {
        let Err(error) = is_readable(path) else { continue };
        let path = path.display();
        match credential {
            // Read by systemd, as root.
            Some(name) => lines.note(
                "configuration",
                &format!(
                    "user {user}, as which the service works, cannot read {path} ({error}): the service needs the systemd credential {name}, as its unit has it"
                ),
            ),
            None => lines.bad(
                "configuration",
                &format!(
                    "user {user}, as which the service works, cannot read {path} ({error}); let its group read it (chgrp and chmod 0640)"
                ),
            ),
        }
    }
}

/// Who works on the state directory, if somebody does; `Err`: no service can begin there.
pub(super) fn check_state_dir(lines: &mut Lines, state_dir: &Path) -> Result<Option<Holder>, ()> {
    let holder = match expect_startable(state_dir) {
        Ok(holder) => holder,
        Err(error) => {
            lines.bad("buffer", &logging::chain(&error));
            return Err(());
        }
    };
    if let Some(holder) = &holder {
        lines.good("agent", &format!("running: {holder}"));
    }
    if let Some((path, error)) = health_path_fault(state_dir) {
        let text = format!(
            "`cu-agent health` would get no answer at {} ({error}); remove what stands there, or set a shorter agent.state_dir",
            path.display()
        );
        lines.bad("agent", &text);
    }
    Ok(holder)
}

/// A port that the running agent has is not taken by another.
pub(super) fn check_page(lines: &mut Lines, config: &Config, holder: Option<&Holder>) {
    let Some(listen) = config.status.listen else { return };
    let is_running = holder.is_some_and(Holder::is_service);
    match TcpListener::bind(listen) {
        Ok(_) => lines.good("page", &format!("{listen} can be listened at")),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            if is_running && is_page_of(listen, &config.agent.id) {
                lines.good("page", &format!("{listen} is served by the running agent"));
            } else {
                lines.bad(
                    "page",
                    &format!(
                        "another program listens at {listen}; stop it, or set another port in status.listen"
                    ),
                );
            }
        }
        Err(error) => {
            let mend = match error.kind() {
                io::ErrorKind::AddrNotAvailable => {
                    "no network card of this computer has that address; set status.listen to one that it has, or to 0.0.0.0 for all"
                }
                io::ErrorKind::PermissionDenied => "set a port above 1023 in status.listen",
                _ => "correct status.listen",
            };
            lines.bad("page", &format!("cannot listen at {listen} ({error}); {mend}"));
        }
    }
}

const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// The name of the agent is among the first metrics.
const MOST_ANSWER_BYTES: u64 = 64 << 10;

/// Whether the agent of this name serves the page there.
fn is_page_of(listen: SocketAddr, agent_id: &str) -> bool {
    let loopback = match listen.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        own => own,
    };
    let at = SocketAddr::new(loopback, listen.port());
    let ask = || -> io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&at, ANSWER_WITHIN)?;
        stream.set_read_timeout(Some(ANSWER_WITHIN))?;
        stream.set_write_timeout(Some(ANSWER_WITHIN))?;
        write!(stream, "GET /metrics HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\r\n")?;
        let mut bytes = Vec::new();
        // One that drips is none of ours: the time-out is of each piece, and the bytes are few.
        stream.take(MOST_ANSWER_BYTES).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    ask().is_ok_and(|answer| {
        let names = |line: &str| {
            line.starts_with("cu_agent_build_info{")
                && line.contains(&format!("agent=\"{agent_id}\""))
        };
        answer.lines().any(names)
    })
}

/// What updates come by, as far as it can be tried without asking the publisher.
pub(super) fn check_update(lines: &mut Lines, config: &Config) {
    let Some(update) = &config.update else { return };
    let what = "update";
    let directory = &update.directory;
    let nearest = directory.ancestors().find(|path| path.exists());
    match Updater::client_fault(update) {
        Some(fault) => lines.bad(what, &fault),
        None if nearest.is_some_and(|path| !path.is_dir()) => lines.bad(
            what,
            &format!("{} is not a directory; correct update.directory", directory.display()),
        ),
        None => lines.good(
            what,
            &format!("packages from {}, replaced {}", update.manifest_url, update.window),
        ),
    }
}
