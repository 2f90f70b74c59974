//! What the binary says of an SFTP source: `check`, `once`, `status`, the page, its metrics and health. And that
//! it says no secret.

use std::fs;

use regex::Regex;

use crate::support::{
    agent::Agent,
    http,
    process::Running,
    sftp::{KeyPair, OpenSsh},
    wait,
};

const WRONG: &str = "Wr0ng secret";
const PIECE: &[u8] = b"20250603 05:00:00|@StukUitgevoerd: 1\n";

fn served() -> OpenSsh {
    let server = OpenSsh::start(&[]);
    server.make_three_machines();
    server.put("DEM12 (PVC)/20250603.LOG", PIECE);
    server
}

/// The service with its page, which is in English.
fn with_page(agent: &mut Agent) -> Running {
    agent.set("status.listen", "127.0.0.1:0");
    agent.run()
}

/// Status, page, metrics and health tell the same trouble of the source.
fn all_tell(agent: &Agent, running: &Running, what: &str, page: &str) {
    let address = running.page();
    let said = |arguments: &[&str]| agent.command(arguments).stdout;
    wait::until("the status tells it", wait::PATIENCE, || said(&["status"]).contains(what));
    assert!(
        said(&["status", "--json"]).contains(&what.replace('"', "\\\"")),
        "{}",
        said(&["status", "--json"])
    );
    let shown = http::get(address, "/?lang=en").body;
    assert!(shown.contains(page), "the page does not say {page:?}: {shown}");
    let metrics = http::get(address, "/metrics").body;
    assert!(metrics.contains("cu_agent_source_up{source=\"cu\"} 0"), "{metrics}");
    // A server that cannot be reached is no illness of the agent.
    agent.command(&["health"]).exited(0).says("0 reachable, 1 unreachable");
}

#[test]
fn sftp_check_says_which_server_with_which_key_was_found_and_once_reads() {
    let server = served();
    let agent = Agent::on_sftp(&server);
    let key = &server.host_keys()[0].fingerprint;
    let check =
        agent.command(&["check"]).says("OpenSSH_").says("SFTP").says("all 3 mapped folders");
    check.says(key).does_not_say(server.password());
    agent.once().succeeded().does_not_say(server.password());
    assert_eq!(agent.status_number("sessions"), 1);
}

#[test]
fn sftp_once_never_connects_to_an_unpinned_host_and_the_line_that_check_prints_makes_it_work() {
    let server = served();
    let mut agent = Agent::on_sftp(&server);
    agent.unset("source.0.host_key");
    let before = server.connections();
    let once = agent.once();
    assert_ne!(once.code, 0, "{once}");
    once.says("no host key of").says("cu-agent check");
    assert_eq!(server.connections(), before);
    let check = agent.command(&["check"]);
    assert_ne!(check.code, 0, "{check}");
    for key in server.host_keys() {
        assert!(check.stdout.contains(&key.fingerprint), "{}: {check}", key.algorithm());
    }
    server.wait_for_logged("Connection from", before + 1);
    assert_eq!(server.named_users(), 0, "{check}");
    let pin = Regex::new("host_key = \"(SHA256:[^\"]+)\"").unwrap();
    let line = pin.captures(&check.stdout).expect("the line to add is printed");
    agent.set("source.0.host_key", &line[1]);
    agent.once().succeeded();
    agent.command(&["check"]).says("all 3 mapped folders");
}

#[test]
fn sftp_a_wrong_password_is_said_everywhere_and_shown_nowhere() {
    let server = served();
    let mut agent = Agent::on_sftp(&server);
    agent.set("agent.log_level", "debug");
    agent.secret("cu.password", WRONG);
    let refusal = "refused the login of user \"cu-ftp-test\"";
    agent.command(&["check"]).exited(1).says(refusal).says("password_file").does_not_say(WRONG);
    agent.once().exited(1).says(refusal).says("password_file").does_not_say(WRONG);
    let running = with_page(&mut agent);
    running.wait_for_line(refusal);
    all_tell(&agent, &running, refusal, "cu-ftp-test");
    assert!(!agent.status_json().to_string().contains(WRONG));
    running.terminate().0.does_not_say(WRONG);
}

#[test]
fn sftp_a_key_and_its_passphrase_are_used_and_shown_nowhere() {
    const PASSPHRASE: &str = "Phrase of tests";
    let server = served();
    let key = KeyPair::encrypted("encrypted", "ed25519", PASSPHRASE);
    server.authorise(&[&key]);
    let mut agent = Agent::on_sftp(&server);
    agent.set("agent.log_level", "debug");
    agent.unset("source.0.password_file");
    let text = fs::read_to_string(&key.private).unwrap();
    let file = agent.secret("key", &text);
    agent.set("source.0.key_file", file.to_str().unwrap());
    let middle = text.lines().nth(2).unwrap();
    agent.command(&["check"]).says("it is encrypted").says("key_passphrase_file");
    for (passphrase, works) in [(PASSPHRASE, true), (WRONG, false)] {
        let file = agent.secret("passphrase", passphrase);
        agent.set("source.0.key_passphrase_file", file.to_str().unwrap());
        for output in [agent.command(&["check"]), agent.once()] {
            let output = output.does_not_say(passphrase).does_not_say(middle);
            assert!(works || output.code == 1, "{output}");
            assert_eq!(
                output.stdout.contains("passphrase is wrong")
                    || output.stderr.contains("passphrase is wrong"),
                !works,
                "{output}"
            );
        }
    }
    assert_eq!(agent.status_number("sessions"), 1);
}

#[test]
fn sftp_a_changed_host_key_is_said_everywhere_until_it_is_put_right() {
    let mut server = served();
    let mut agent = Agent::on_sftp(&server);
    agent.once().succeeded();
    server.restart_with_keys(KeyPair::of_host("stranger"), &[]);
    let before = server.named_users();
    let change = "shows the host key";
    agent.once().exited(1).says(change).says("host_key");
    agent.command(&["check"]).exited(1).says(change);
    let running = with_page(&mut agent);
    running.wait_for_line(change);
    all_tell(&agent, &running, change, "which is not the configured one");
    assert_eq!(server.named_users(), before, "no user is named");
    server.restart_with_keys(KeyPair::of_host("host"), &[]);
    running.wait_for_line("link up");
    running.terminate().0.succeeded();
}

#[test]
fn sftp_a_link_named_like_a_log_is_named_never_read_and_never_deleted() {
    let server = served();
    let mut agent = Agent::on_sftp(&server);
    agent.set("schedule.file_quiet", "0s");
    agent.set("source.0.delete", "after-sync");
    let link = server.root().join("DEM12 (PVC)/20250101.LOG");
    std::os::unix::fs::symlink("20250603.LOG", &link).unwrap();
    let named = "20250101.LOG (a symbolic link)";
    agent.command(&["check"]).says(named);
    for _ in 0..2 {
        agent.once().says(named);
    }
    assert!(link.symlink_metadata().is_ok());
    assert_eq!(agent.status_number("sessions"), 1, "the file itself is read");
}

#[test]
fn sftp_a_file_that_may_not_be_read_stops_no_other() {
    let server = served();
    let agent = Agent::on_sftp(&server);
    let denied = server.root().join("DEM12 (PVC)/20250604.LOG");
    fs::write(&denied, PIECE).unwrap();
    fs::set_permissions(&denied, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let once = agent.once().exited(3).says("DEM12 (PVC)/20250604.LOG");
    once.says("permission denied");
    assert_eq!(agent.status_number("sessions"), 1);
}
