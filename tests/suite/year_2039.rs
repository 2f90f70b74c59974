//! After January 2038, when seconds since 1970 need more than 32 bits: times of files, of the log, of the
//! buffer and of certificates. This build, and with `CU_AGENT_TEST_COMMAND` a 32-bit gateway's under qemu-arm
//! (not the static one: libfaketime must reach its clock).

use chrono::NaiveDate;

use crate::support::{
    agent::Agent,
    certificate::Certificate,
    clock::{Wrong, WrongClock},
    folder::Folder,
    ftp::{Options, Vsftpd},
    plant::Plant,
    postgres::{self, Cluster, Database},
    rows::{assert_same, buffer_sessions, central_sessions},
};
use cu_agent::config::FtpTls;

const MORNING: &str = "2039-03-04T06:10:00";

fn moment(text: &str) -> Wrong {
    Wrong::At(text.parse().unwrap())
}

fn first_day() -> NaiveDate {
    NaiveDate::from_ymd_opt(2039, 3, 1).unwrap()
}

/// What the server said of each file's time, and what the buffer notes of it.
fn times_of_files(agent: &Agent) -> Vec<String> {
    let buffer = rusqlite::Connection::open(agent.buffer()).unwrap();
    let mut query = buffer.prepare("SELECT modified FROM log_file ORDER BY modified").unwrap();
    query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

#[test]
fn in_2039_a_gateway_collects_and_delivers_over_tls_and_its_log_and_buffer_have_the_date() {
    let place = tempfile::tempdir().unwrap();
    let certificate = Certificate::until(place.path(), "IP:127.0.0.1", "20450101000000Z");
    certificate.install(place.path());
    let cluster = Cluster::start_new(&postgres::Options {
        certificate: Some(certificate.clone()),
        ..postgres::Options::default()
    });
    let database = cluster.database();
    let shown = |setting, name| format!("{setting}={}", place.path().join(name).display());
    let extra =
        vec![shown("rsa_cert_file", "server.crt"), shown("rsa_private_key_file", "server.key")];
    let server = Vsftpd::start(Options { tls: FtpTls::Explicit, extra, ..Options::default() });
    Folder::served_by(&server).make_three_machines();
    let mut plant = Plant::since(first_day(), server.root(), 39);
    for _ in 0..2 {
        (0..40).for_each(|_| plant.write());
        plant.next_day();
    }
    let ca_file = certificate.ca_file.to_str().unwrap();
    let mut agent = Agent::on_ftp(&server).central(&database);
    agent.set("source.0.tls", "explicit");
    agent.set("source.0.ca_file", ca_file);
    agent.set("central.tls", "verify-full");
    agent.set("central.ca_file", ca_file);
    agent.set_environment("TZ", "UTC");
    let _clock = WrongClock::given_to(&mut agent, moment(MORNING));

    // The service, its waits and its end.
    let running = agent.run();
    running.wait_for_line("central: link up");
    (0..20).for_each(|_| plant.write());
    plant.finish();
    let cycles = running.log().matches("cycle:").count();
    running.wait_for_nth_line("cycle:", cycles + 3);
    agent.command(&["health"]).succeeded();
    let (output, took) = running.terminate();
    assert!(took.as_secs() < 5, "{took:?} to end");
    let output = output.succeeded();
    for line in output.stderr.lines() {
        assert!(line.starts_with("2039-03-04 06:1"), "{line}");
    }
    agent.once().succeeded();
    assert_same("in central", &central_sessions(&database), &plant.truth());
    assert_same("in the buffer", &buffer_sessions(&agent), &plant.truth());
    let times = times_of_files(&agent);
    assert!(
        times.len() >= 6 && times.iter().all(|time| time.starts_with("2039-03-0")),
        "{times:?}"
    );
    let status = agent.status_json();
    assert!(status.to_string().contains("2039-03-04"), "{status:#}");
}

#[test]
fn in_2039_the_times_of_files_in_a_directory_are_read_to_the_last_bit() {
    let database = Database::fresh();
    let folder = Folder::of_three_machines();
    let mut plant = Plant::since(first_day(), folder.path(), 40);
    (0..40).for_each(|_| plant.write());
    plant.finish();
    let mut agent = Agent::on_directory(folder.path()).central(&database);
    let _clock = WrongClock::given_to(&mut agent, moment(MORNING));
    agent.once().succeeded();
    assert_same("in central", &central_sessions(&database), &plant.truth());
    let times = times_of_files(&agent);
    assert!(
        !times.is_empty() && times.iter().all(|time| time.starts_with("2039-03-0")),
        "{times:?}"
    );
}

#[test]
fn a_certificate_that_ends_in_2038_serves_until_then_and_is_refused_in_2039() {
    let place = tempfile::tempdir().unwrap();
    let certificate = Certificate::until(place.path(), "IP:127.0.0.1", "20380601000000Z");
    let cluster = Cluster::start_new(&postgres::Options {
        certificate: Some(certificate.clone()),
        ..postgres::Options::default()
    });
    let database = cluster.database();
    let folder = Folder::of_three_machines();
    let mut plant = Plant::since(first_day(), folder.path(), 41);
    (0..10).for_each(|_| plant.write());
    plant.finish();
    let mut agent = Agent::on_directory(folder.path()).central(&database);
    agent.set("central.tls", "verify-full");
    agent.set("central.ca_file", certificate.ca_file.to_str().unwrap());
    let clock = WrongClock::given_to(&mut agent, moment(MORNING));
    agent.once().exited(3).says("expired");
    assert_eq!(
        agent.status_number("pending_sessions"),
        i64::try_from(plant.truth().len()).unwrap()
    );
    // After the 32 bits, before its end.
    clock.set(moment("2038-05-01T06:10:00"));
    agent.once().succeeded();
    assert_same("in central", &central_sessions(&database), &plant.truth());
}
