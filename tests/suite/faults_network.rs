//! Networks that lose packets without a word, in one way or both, and slow ones. All waits end, and in
//! the end central holds what the files say.

use std::time::{Duration, Instant};

use crate::support::{
    agent::Agent,
    ftp::{Options, Vsftpd},
    golden::{self, Case},
    namespace::Namespace,
    net::Proxy,
    postgres::Database,
    process::Running,
    rows::{assert_same, central_sessions, truth},
    wait,
};

/// A plant behind a network of its own.
struct Plant {
    server: Vsftpd,
    network: Namespace,
    control: Proxy,
    data: Vec<Proxy>,
    central: Proxy,
    agent: Agent,
}

const DATA_PORTS: u16 = 6;

fn plant(database: &Database<'_>) -> Plant {
    let first = 18_000 + u16::try_from(std::process::id() % 150).unwrap() * 12;
    let first = first + next_block() * DATA_PORTS;
    let extra =
        vec![format!("pasv_min_port={first}"), format!("pasv_max_port={}", first + DATA_PORTS - 1)];
    let server = Vsftpd::start(Options { extra, ..Options::default() });
    for folder in ["DEM12 (PVC)", "DEMALU (ALU)", "SU12 (HYBRIDE)"] {
        server.make_folder(folder);
    }
    let network = Namespace::new();
    let control = network.reach(server.port());
    let data = (first..first + DATA_PORTS).map(|port| network.reach(port)).collect();
    let central = network.reach(database.cluster.port);
    let mut agent = Agent::on_ftp(&server).central(database);
    agent.set("source.0.connect_timeout", "1s");
    agent.set("source.0.read_timeout", "1s");
    agent.set_namespace(network.file());
    Plant { server, network, control, data, central, agent }
}

/// Tests of this file run beside one another.
fn next_block() -> u16 {
    use std::sync::atomic::{AtomicU16, Ordering};
    static NEXT: AtomicU16 = AtomicU16::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

impl Plant {
    fn put(&self, case: &Case, part: fn(&[u8]) -> &[u8]) {
        for file in &case.files {
            self.server.put(format!("{}/{}", file.folder, file.name), part(&file.bytes));
        }
    }

    fn until_equal(&self, what: &str, running: &Running, database: &Database<'_>, case: &Case) {
        let wanted = truth(case);
        // Before that there may be no tables yet.
        running.wait_for_line("central: link up");
        let deadline = Instant::now() + wait::PATIENCE;
        wait::until(what, wait::PATIENCE * 2, || {
            assert!(Instant::now() < deadline, "not equal {what}\n{}", running.log());
            central_sessions(database) == wanted
        });
        assert_same(what, &central_sessions(database), &wanted);
    }
}

fn half(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.len() / 2]
}

#[test]
fn packets_that_vanish_are_noticed_in_time_and_what_was_missed_is_read_afterwards() {
    let case = golden::case("clean");
    let database = Database::fresh();
    let plant = plant(&database);
    let port = plant.server.port();
    let central = database.cluster.port;
    // What vanishes: everything, what the server says, what the agent says, only data.
    let table = [
        ("a black hole", format!("tcp dport != {central} tcp sport != {central}")),
        ("answers", format!("tcp sport {port}")),
        ("commands", format!("tcp dport {port}")),
        (
            "data to the agent",
            format!("tcp sport {}-{}", plant.data[0].port, plant.data[0].port + DATA_PORTS - 1),
        ),
        (
            "acknowledgements of data",
            format!("tcp dport {}-{}", plant.data[0].port, plant.data[0].port + DATA_PORTS - 1),
        ),
    ];
    plant.put(&case, half);
    let running = plant.agent.run();
    running.wait_for_line("central: link up");
    for (number, (what, lost)) in table.iter().enumerate() {
        let told = |log: &str| {
            log.matches("link down").count() + log.matches("could not be read, retrying").count()
        };
        let before = told(&running.log());
        plant.network.lose(lost);
        let took = Instant::now();
        wait::until(&format!("{what} lost is noticed"), Duration::from_secs(20), || {
            // Something new to read, or a listing that does not come.
            plant.server.put(format!("DEM12 (PVC)/copie{number}.LOG"), half(&case.files[0].bytes));
            told(&running.log()) > before
        });
        assert!(took.elapsed() < Duration::from_secs(20));
        plant.network.heal();
        let cycles = running.log().matches("cycle:").count();
        running.wait_for_nth_line("cycle:", cycles + 2);
    }
    plant.put(&case, |bytes| bytes);
    plant.until_equal("after all losses", &running, &database, &case);
    running.terminate().0.succeeded();
}

#[test]
fn a_central_whose_packets_vanish_is_said_not_to_be_reached_rather_than_to_be_silent() {
    let database = Database::fresh();
    let mut plant = plant(&database);
    plant.agent.set("central.connect_timeout", "1s");
    plant.network.lose(&format!("tcp dport {}", database.cluster.port));
    let running = plant.agent.run();
    let line = running.wait_for_line("link down");
    assert!(line.contains("cannot reach central at 127.0.0.1:"), "{line}");
    assert!(line.contains("check central.host, central.port, cable and firewall"), "{line}");
    running.terminate().0.succeeded();
}

#[test]
fn a_transfer_that_stops_half_way_without_a_word_is_given_up_and_made_up_for() {
    let case = golden::case("clean");
    let database = Database::fresh();
    let plant = plant(&database);
    for data in &plant.data {
        data.limit(20_000);
    }
    plant.put(&case, |bytes| bytes);
    let running = plant.agent.run();
    let moved = |plant: &Plant| plant.data.iter().map(Proxy::bytes_down).sum::<u64>();
    wait::until("a file is on its way", wait::PATIENCE, || moved(&plant) > 3000);
    plant.network.lose(&format!("tcp dport != {0} tcp sport != {0}", database.cluster.port));
    running.wait_for_line("link down");
    // SIGTERM is heard also while the network keeps silent.
    let (output, took) = running.terminate();
    output.succeeded();
    assert!(took < Duration::from_secs(5), "{took:?}");
    let running = plant.agent.run();
    running.wait_for_line("link down");
    // Slow enough to be met half-way, the line was also slower than the time-out.
    for data in &plant.data {
        data.limit(0);
    }
    plant.network.heal();
    plant.until_equal("after the silence", &running, &database, &case);
    running.terminate().0.succeeded();
}

#[test]
fn a_line_of_300_ms_and_20_kilobytes_a_second_brings_everything() {
    let case = golden::case("clean");
    let database = Database::fresh();
    let mut plant = plant(&database);
    plant.agent.set("source.0.read_timeout", "10s");
    let way = Duration::from_millis(150);
    for line in plant.data.iter().chain([&plant.control, &plant.central]) {
        line.delay(way, way);
    }
    plant.network.limit(20_000);
    plant.put(&case, |bytes| bytes);
    let running = plant.agent.run();
    plant.until_equal("over the slow line", &running, &database, &case);
    running.terminate().0.succeeded();
}

#[test]
fn a_network_that_comes_and_goes_costs_no_row() {
    let case = golden::case("dirty");
    let database = Database::fresh();
    let plant = plant(&database);
    let mut rng = fastrand::Rng::with_seed(3);
    plant.put(&case, half);
    let running = plant.agent.run();
    for _ in 0..12 {
        plant.network.lose("tcp sport 1-65535");
        wait::any_moment(Duration::from_millis(rng.u64(10..1500)));
        plant.network.heal();
        for line in plant.data.iter().chain([&plant.control, &plant.central]) {
            if rng.bool() {
                line.cut();
            }
        }
        wait::any_moment(Duration::from_millis(rng.u64(10..1000)));
    }
    plant.put(&case, |bytes| bytes);
    plant.until_equal("when it stays", &running, &database, &case);
    running.terminate().0.succeeded();
}
