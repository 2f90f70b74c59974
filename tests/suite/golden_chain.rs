//! Every golden case through the real chain: files on a real vsftpd or OpenSSH, the binary, a real
//! PostgreSQL read back by SQL; and through a directory source; and in pieces, under changing
//! names, with restarts between.

use fastrand::Rng;

use crate::support::{
    agent::Agent,
    file_server::FileServer,
    folder::Folder,
    golden::{self, Case, File},
    postgres::Database,
    rows::{assert_same, buffer_sessions, central_rows, central_sessions, truth},
};

#[test]
fn every_golden_case_travels_from_vsftpd_to_postgresql_to_the_last_digit() {
    every_golden_case_travels_from(&FileServer::ftp());
}

#[test]
fn every_golden_case_travels_from_openssh_to_postgresql_to_the_last_digit() {
    every_golden_case_travels_from(&FileServer::sftp());
}

fn every_golden_case_travels_from(server: &FileServer) {
    for case in golden::cases() {
        server.empty();
        Folder::served_by(server).put_case(&case);
        let database = Database::fresh();
        let agent = server.agent().central(&database);
        agent.once().read_all();
        let truth = truth(&case);
        assert_same(&format!("{} in central", case.name), &central_sessions(&database), &truth);
        assert_same(&format!("{} in the buffer", case.name), &buffer_sessions(&agent), &truth);
        assert_eq!(agent.status_number("pending_sessions"), 0, "{}", case.name);
    }
}

#[test]
fn every_golden_case_travels_from_a_directory_to_postgresql_to_the_last_digit() {
    for case in golden::cases() {
        let folder = Folder::of_case(&case);
        let database = Database::fresh();
        let agent = Agent::on_directory(folder.path()).central(&database);
        agent.once().read_all();
        let truth = truth(&case);
        assert_same(&format!("{} in central", case.name), &central_sessions(&database), &truth);
        assert_same(&format!("{} in the buffer", case.name), &buffer_sessions(&agent), &truth);
    }
}

#[test]
fn without_central_the_buffer_holds_every_golden_case_to_the_last_digit() {
    for case in golden::cases() {
        let folder = Folder::of_case(&case);
        let agent = Agent::on_directory(folder.path());
        agent.once().read_all();
        assert_same(&case.name, &buffer_sessions(&agent), &truth(&case));
    }
}

#[test]
fn a_case_whose_list_is_empty_leaves_no_session_and_no_error() {
    let empty: Vec<Case> =
        golden::cases().into_iter().filter(|case| case.expected.is_empty()).collect();
    assert!(!empty.is_empty(), "no golden case expects nothing");
    for case in empty {
        let folder = Folder::of_case(&case);
        let database = Database::fresh();
        let agent = Agent::on_directory(folder.path()).central(&database);
        agent.once().read_all().does_not_say("ERROR");
        assert_eq!(agent.status_number("sessions"), 0, "{}", case.name);
        assert_eq!(database.psql("SELECT count(*) FROM session_production").trim(), "0");
    }
}

#[test]
fn central_names_the_machine_its_type_and_the_files_a_session_comes_from() {
    let case = golden::case("edge/two-files-one-day");
    let folder = Folder::of_case(&case);
    let database = Database::fresh();
    Agent::on_directory(folder.path()).central(&database).once().succeeded();
    let rows = central_rows(&database);
    let [row] = rows.as_slice() else { panic!("one session, not {}", rows.len()) };
    assert_eq!(row.type_cu, "DEM12");
    assert_eq!(
        row.fichier_log_source.as_deref(),
        Some("DEM12 (PVC)/20250603.LOG; DEM12 (PVC)/20250603_B.LOG")
    );
}

/// Appended in pieces cut anywhere, renamed, copied, rewritten, in any order, with a process of
/// its own for every reading: central ends the same.
#[test]
fn golden_cases_fed_in_random_pieces_under_changing_names_give_the_same_sessions() {
    for case in golden::cases() {
        let rounds = if case.files.len() > 2 { 1 } else { 3 };
        for round in 0..rounds {
            let seed = seed(&case.name, round);
            let mut rng = Rng::with_seed(seed);
            let what = format!("{} with seed {seed}", case.name);
            let folder = Folder::of_three_machines();
            let database = Database::fresh();
            let mut agent = Agent::on_directory(folder.path()).central(&database);
            // Nothing counts as complete while it is still being written.
            agent.set("schedule.file_quiet", "1h");
            feed(&case.files, &folder, &mut rng, &mut || {
                agent.once().read_all();
            });
            agent.set("schedule.file_quiet", "0s");
            agent.once().read_all();
            let truth = truth(&case);
            assert_same(&what, &central_sessions(&database), &truth);
            assert_same(&what, &buffer_sessions(&agent), &truth);
        }
    }
}

/// A file that grows with CR alone, CR LF or all of them at its line ends, cut anywhere: also between
/// a CR and its LF.
#[test]
fn files_with_any_line_ends_fed_in_random_pieces_give_the_same_sessions() {
    for (name, ends) in [
        ("edge/stops", &["\r"][..]),
        ("edge/number-forms", &["\r\n"]),
        ("edge/outside-and-overlap", &["\r", "\r\n", "\n", "\n\r"]),
    ] {
        let case = golden::case(name);
        let mut rng = Rng::with_seed(seed(name, 7));
        let files: Vec<File> = case
            .files
            .iter()
            .map(|file| File { bytes: with_line_ends(&file.bytes, ends, &mut rng), ..file.clone() })
            .collect();
        let folder = Folder::of_three_machines();
        let mut agent = Agent::on_directory(folder.path());
        agent.set("schedule.file_quiet", "1h");
        feed(&files, &folder, &mut rng, &mut || {
            agent.once().read_all();
        });
        agent.set("schedule.file_quiet", "0s");
        agent.once().read_all();
        assert_same(name, &buffer_sessions(&agent), &truth(&case));
    }
}

fn with_line_ends(bytes: &[u8], ends: &[&str], rng: &mut Rng) -> Vec<u8> {
    let mut all = Vec::new();
    for line in bytes.split(|&byte| byte == b'\n') {
        all.extend_from_slice(line);
        all.extend_from_slice(ends[rng.usize(0..ends.len())].as_bytes());
    }
    all
}

fn seed(name: &str, round: u64) -> u64 {
    if let Some(fixed) = std::env::var("CU_TEST_SEED").ok().and_then(|text| text.parse().ok()) {
        return fixed;
    }
    name.bytes().fold(round, |seed, byte| seed.wrapping_mul(31).wrapping_add(u64::from(byte)))
}

/// One file on its way into the folder.
struct Growing<'a> {
    file: &'a File,
    /// Its present name, `folder/file`.
    name: String,
    written: usize,
    renamed: u32,
}

impl Growing<'_> {
    /// How far whole lines reach in what is written so far.
    fn whole_lines(&self) -> usize {
        let written = &self.file.bytes[..self.written];
        written.iter().rposition(|&byte| matches!(byte, b'\n' | b'\r')).map_or(0, |at| at + 1)
    }
}

fn feed(files: &[File], folder: &Folder, rng: &mut Rng, read: &mut dyn FnMut()) {
    let mut growing: Vec<Growing<'_>> = files
        .iter()
        .map(|file| {
            let name = format!("{}/{}", file.folder, file.name);
            Growing { file, name, written: 0, renamed: 0 }
        })
        .collect();
    rng.shuffle(&mut growing);
    for file in &growing {
        folder.put(&file.name, b"");
    }
    let mut copies = 0;
    while growing.iter().any(|file| file.written < file.file.bytes.len()) {
        for file in &mut growing {
            let left = file.file.bytes.len() - file.written;
            match rng.u32(0..10) {
                0 => {
                    // A copy of what is there, cut at a line end as a whole file is.
                    copies += 1;
                    let name = format!("{}/copie_{copies}.log", file.file.folder);
                    folder.put(&name, &file.file.bytes[..file.whole_lines()]);
                }
                1 => {
                    // Renamed, and from now on written to under the new name.
                    file.renamed += 1;
                    let to = format!("{}/n{}_{}", file.file.folder, file.renamed, file.file.name);
                    folder.rename(&file.name, &to);
                    file.name = to;
                }
                2 => {
                    // Sent again from its beginning.
                    folder.put(&file.name, &file.file.bytes[..file.written]);
                }
                _ => {
                    let take = if left == 0 { 0 } else { rng.usize(1..=left) };
                    let take = if rng.bool() { take } else { take.div_ceil(4) };
                    folder.append(&file.name, &file.file.bytes[file.written..file.written + take]);
                    file.written += take;
                }
            }
        }
        if rng.u32(0..3) > 0 {
            read();
        }
    }
}
