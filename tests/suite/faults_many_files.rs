//! A server folder with twenty thousand files: read once, and a look at it afterwards costs little.

use std::time::{Duration, Instant};

use chrono::{Days, NaiveDate};

use crate::support::{
    agent::Agent,
    ftp::{Options, Vsftpd},
    measure::{Memory, memory},
    postgres::Database,
    rows::{assert_same, central_sessions},
    truth, wait,
};

const DAYS: u64 = 400;
const FILES_A_DAY: u32 = 50;

/// Most memory beside the program's own pages, in KiB: those of a gateway's binary are 8 MiB at most, so
/// that all of it stays below 32 MiB there.
const MOST_KIB: u64 = 24 << 10;

#[test]
fn twenty_thousand_files_in_one_folder_are_read_once_and_looked_at_in_a_moment() {
    let server = Vsftpd::start(Options::default());
    for folder in ["DEM12 (PVC)", "DEMALU (ALU)", "SU12 (HYBRIDE)"] {
        server.make_folder(folder);
    }
    let first = NaiveDate::from_ymd_opt(2024, 1, 1).unwrap();
    let mut files = Vec::new();
    for day in 0..DAYS {
        let day = first + Days::new(day);
        let day = day.format("%Y%m%d");
        for number in 0..FILES_A_DAY {
            let (hour, minute) = (5 + number / 60, number % 60);
            let line = format!("{day} {hour:02}:{minute:02}:00|@StukUitgevoerd: {number}\n");
            server.put(format!("DEM12 (PVC)/{day}_{number:03}.LOG"), line.as_bytes());
            files.push(line.into_bytes());
        }
    }
    let database = Database::fresh();
    let agent = Agent::on_ftp(&server).central(&database).with("schedule.file_quiet", "0s");
    let began = Instant::now();
    let running = agent.run();
    wait::until("all files are read", Duration::from_secs(400), || {
        running.log().contains("cycle:")
    });
    let first_took = began.elapsed();
    // From here on a look at all of them is what a poll costs.
    let cycle = running.wait_for_nth_line("cycle:", 3);
    let Memory { peak, of_files, .. } = memory(running.id()).unwrap();
    let own = peak - of_files;
    wait::until("all is in central", Duration::from_secs(200), || {
        agent.status_number("pending_sessions") == 0
    });
    running.terminate().0.succeeded();
    println!("first {first_took:?}; then {cycle}; peak {peak} KiB, {own} without the program");
    assert!(cycle.contains("cycle: 0 of 20000 files read"), "{cycle}");
    let ms: u64 = cycle.rsplit(", ").next().unwrap().trim_end_matches(" ms").parse().unwrap();
    assert!(ms < 5_000, "{cycle}");
    assert!(own < MOST_KIB, "{own} KiB");
    let truth = truth::of_machine("DEM12", &files);
    assert_same("20,000 files", &central_sessions(&database), &truth);
}
