//! No input takes the process above 128 MiB with the default limits: each kind of content that costs
//! much, of exactly the largest size that is read, under a hard limit, while a neighbour's lines arrive.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::Path,
};

use chrono::{Days, NaiveDate};
use cu_agent::config::default_max_file_bytes;
use rusqlite::{Connection, OpenFlags};

use crate::support::{
    agent::Agent,
    folder::Folder,
    ftp::{Script, ScriptedFtp},
    measure::memory,
    postgres::Database,
    process::{self, Running},
    wait,
};

const MIB: u64 = 1 << 20;
const MOST: u64 = 128 * MIB;

const HOSTILE: &str = "DEM12 (PVC)";
const NEIGHBOUR: &str = "SU12 (HYBRIDE)/20250603.LOG";
const PIECE: &[u8] = b"20250603 05:00:00|@StukUitgevoerd: 1 A\n";

/// An agent that the kernel gives no more than 128 MiB of private memory: `RLIMIT_DATA`, which every
/// machine has, counts what the process may write (heap and stacks) and not, as `RLIMIT_AS` does, the
/// program and SQLite's maps of its files, which the kernel can take back.
fn limited(mut agent: Agent) -> Agent {
    let command = process::wrapped(&format!("prlimit --data={MOST}"));
    agent.set_environment(process::OTHER_BINARY, &command);
    agent
}

/// Ends the service and asserts what it used at most, and that nothing made it end.
#[allow(clippy::print_stdout, reason = "the measurement that --nocapture shows")]
fn stayed_below_the_limit(kind: &str, running: Running) {
    let peak_kib = memory(running.id()).expect("the service still runs").peak;
    println!("{kind}: {:.1} MiB", peak_kib as f64 / 1024.0);
    running.terminate().0.succeeded();
    assert!(peak_kib < MOST / 1024, "{kind}: {} MiB", peak_kib / 1024);
}

/// Asked of the buffer itself: a command that shows a huge day would be another process under the limit.
fn wait_for_pieces(agent: &Agent, nom: &str, pieces: u64) {
    let count = || -> rusqlite::Result<u64> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
        Connection::open_with_flags(agent.buffer(), flags)?.query_row(
            "SELECT count(*) FROM piece p JOIN session s ON s.id = p.session_id
             JOIN machine m ON m.id = s.machine_id WHERE m.nom = ?1",
            [nom],
            |row| row.get(0),
        )
    };
    wait::until("the pieces are there", wait::PATIENCE, || count().ok() == Some(pieces));
}

/// Writes lines as long as they fit into `bytes`.
fn write_lines(path: &Path, bytes: u64, line: &dyn Fn(u64) -> Vec<u8>) {
    let mut file = BufWriter::new(File::create(path).unwrap());
    let mut written = 0;
    for number in 0.. {
        let line = line(number);
        written += line.len() as u64;
        if written > bytes {
            break;
        }
        file.write_all(&line).unwrap();
    }
    file.flush().unwrap();
}

/// Eight lines a second of one day.
fn at(number: u64) -> String {
    let second = number / 8 % 86_400;
    format!("20250603 {:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)
}

type Line = fn(u64) -> Vec<u8>;

/// What costs most for its size, kind by kind.
const KINDS: [(&str, Line); 10] = [
    ("one repeated line", |_| PIECE.to_vec()),
    ("pieces that all differ", |number| {
        format!("{}|@StukUitgevoerd: {number:x}\n", at(number)).into_bytes()
    }),
    ("unknown names that all differ", |number| {
        format!("{}|@{number:x}\n", at(number)).into_bytes()
    }),
    ("unknown names of accents", |number| {
        let letter = |shift: u64| 0xC0 + u8::try_from(number >> shift & 31).unwrap();
        [
            format!("{}|@", at(number)).as_bytes(),
            &[letter(0), letter(5), letter(10), letter(15)],
            b"\n",
        ]
        .concat()
    }),
    ("jobs", |number| format!("{}|@JobProfiel: R:{number:x} L:1\n", at(number)).into_bytes()),
    ("waits", |number| format!("{}|@MachineWait: 1 sec\n", at(number)).into_bytes()),
    ("a thousand days in turn", |number| {
        let day = NaiveDate::from_ymd_opt(2020, 1, 1).unwrap() + Days::new(number % 1000);
        format!("{} 05:00:00|@a\n", day.format("%Y%m%d")).into_bytes()
    }),
    ("every line another day", |number| {
        let day = NaiveDate::from_ymd_opt(1970, 1, 1).unwrap() + Days::new(number);
        format!("{} 05:00:00|@StukUitgevoerd\n", day.format("%Y%m%d")).into_bytes()
    }),
    ("a flood of NULs", |_| vec![0; 4096]),
    ("a line without an end", |_| vec![b'x'; 4096]),
];

#[test]
fn the_worst_content_of_the_largest_size_costs_at_most_128_mib_and_the_neighbour_arrives() {
    for (kind, line) in KINDS {
        let folder = Folder::of_three_machines();
        let hostile = folder.path().join(HOSTILE).join("20250603.LOG");
        write_lines(&hostile, default_max_file_bytes(), &line);
        folder.put(NEIGHBOUR, PIECE);
        let agent = limited(Agent::on_directory(folder.path()));
        let running = agent.run();
        wait_for_pieces(&agent, "SU12", 1);
        running.wait_for_nth_line("cycle:", 1);
        stayed_below_the_limit(kind, running);
    }
}

#[test]
fn the_largest_day_and_the_neighbours_lines_reach_central_below_128_mib() {
    let folder = Folder::of_three_machines();
    let hostile = folder.path().join(HOSTILE).join("20250603.LOG");
    let (kind, line) = KINDS[1];
    write_lines(&hostile, default_max_file_bytes(), &line);
    folder.put(NEIGHBOUR, PIECE);
    let database = Database::fresh();
    let agent = limited(Agent::on_directory(folder.path()).central(&database));
    let running = agent.run();
    wait::until("central has both machines", 2 * wait::PATIENCE, || {
        running.log().contains("cycle:") && agent.status_number("pending_sessions") == 0
    });
    let pieces = database.count("piece_production");
    assert!(pieces > 150_000, "{pieces} pieces");
    stayed_below_the_limit(&format!("{kind}, in central"), running);
}

#[test]
fn a_file_that_does_not_end_and_was_listed_as_100_bytes_is_refused_and_not_read_at_every_poll() {
    let listing = b"type=file;size=100;modify=20250603120000; 20250603.LOG\r\n";
    let endless =
        PIECE.repeat(3 * usize::try_from(default_max_file_bytes()).unwrap() / PIECE.len());
    let script = Script::default().file(HOSTILE, "20250603.LOG", &endless).listing("MLSD", listing);
    let server = ScriptedFtp::start(script);
    let folder = Folder::of_three_machines();
    folder.put(NEIGHBOUR, PIECE);
    let mut agent = Agent::new();
    agent.add_ftp("cu", &server.config());
    agent.map_folders(0, &[(HOSTILE, "DEM12")]);
    agent.add_directory("voisin", folder.path());
    agent.map_folders(1, &[("SU12 (HYBRIDE)", "SU12")]);
    agent.set("schedule.poll", "100ms");
    let agent = limited(agent);
    let running = agent.run();
    wait_for_pieces(&agent, "SU12", 1);
    running.wait_for_line("more than max_file_size");
    let seen = running.log().matches("cycle:").count();
    running.wait_for_nth_line("cycle:", seen + 4);
    assert_eq!(server.count("RETR"), 1);
    stayed_below_the_limit("a file without an end", running);
}

#[test]
fn files_of_one_day_that_are_too_large_together_are_refused_by_name_and_the_rest_goes_on() {
    let folder = Folder::of_three_machines();
    for file in 0..4 {
        let path = folder.path().join(HOSTILE).join(format!("20250603_{file}.LOG"));
        let piece = move |number: u64| {
            format!("{}|@StukUitgevoerd: {file} {number:x}\n", at(number)).into_bytes()
        };
        write_lines(&path, 3 * MIB, &piece);
    }
    folder.put(NEIGHBOUR, PIECE);
    let agent = limited(Agent::on_directory(folder.path()));
    let running = agent.run();
    running.wait_for_line("20250603_2.LOG refused: with it the LOG files of 2025-06-03");
    wait_for_pieces(&agent, "SU12", 1);
    running.wait_for_nth_line("cycle:", 2);
    stayed_below_the_limit("four large files of a day", running);
    assert_eq!(agent.status_number("refused_files"), 2);
}

#[test]
fn commands_that_import_show_and_compute_anew_the_largest_day_stay_below_128_mib() {
    let import = tempfile::tempdir().unwrap();
    let file = import.path().join("20250603.LOG");
    for (kind, line) in [KINDS[1], KINDS[4]] {
        write_lines(&file, default_max_file_bytes(), &line);
        let folder = Folder::of_three_machines();
        let agent = limited(Agent::on_directory(folder.path()));
        let path = file.to_str().unwrap();
        agent.command(&["import", "--machine", "DEM12", path]).succeeded();
        let sessions = agent.sessions_json();
        assert!(
            sessions[0]["events"].as_u64() > Some(100_000),
            "{kind}: {}",
            sessions[0]["events"]
        );
        agent.command(&["sessions", "--anomalies"]).succeeded().says("2025-06-03");
        agent.command(&["replay"]).succeeded();
        assert!(agent.sessions_json() == sessions, "{kind}: a replay changes nothing");
    }
}

/// Copies the day that the buffer holds to the `days` after it.
fn repeat_the_day(buffer: &Path, days: u32) {
    let tables = [("session", "id"), ("piece", "session_id"), ("job", "session_id")];
    let buffer = Connection::open(buffer).unwrap();
    for (table, key) in tables {
        buffer.execute_batch(&format!("CREATE TEMP TABLE one AS SELECT * FROM {table}")).unwrap();
        for day in 1..=days {
            let rest = if table == "session" {
                "day = date(day, '+1 day'), first_piece_ms = first_piece_ms + 86400000,
                     last_piece_ms = last_piece_ms + 86400000"
            } else {
                "at_ms = at_ms + 86400000"
            };
            buffer
                .execute_batch(&format!(
                    "UPDATE one SET {key} = {key} + 1, {rest}; INSERT INTO {table} SELECT * FROM one"
                ))
                .unwrap_or_else(|error| panic!("{table}, day {day}: {error}"));
        }
        buffer.execute_batch("DROP TABLE one").unwrap();
    }
}

#[test]
fn a_report_of_eight_of_the_largest_days_stays_below_128_mib_in_every_format() {
    let import = tempfile::tempdir().unwrap();
    let file = import.path().join("20250603.LOG");
    // Another profile for every other piece.
    write_lines(&file, default_max_file_bytes(), &|number| match number % 4 {
        0 => format!("{}|@JobProfiel: R:{number:x} L:1\n", at(number)).into_bytes(),
        _ => format!("{}|@StukUitgevoerd: {number:x}\n", at(number)).into_bytes(),
    });
    let folder = Folder::of_three_machines();
    let agent = limited(Agent::on_directory(folder.path()));
    agent.command(&["import", "--machine", "DEM12", file.to_str().unwrap()]).succeeded();
    repeat_the_day(&agent.buffer(), 7);
    let report = |format, last| {
        let range = ["--format", format, "--from", "2025-06-03", "--to", last, "--details"];
        agent.command(&[&["report"], &range[..]].concat()).succeeded().stdout
    };
    let page = report("html", "2025-06-10");
    assert_eq!(page.matches("<svg class=\"timeline\"").count(), 8);
    assert!(page.contains("(autres profils)"), "profiles beyond the most are one row");
    let json = report("json", "2025-06-06");
    assert_eq!(json.matches("\"taux_occupation\"").count(), 4);
    assert!(json.trim_end().ends_with("]}"), "it is whole");
    assert_eq!(report("csv", "2025-06-10").lines().count(), 9);
}
