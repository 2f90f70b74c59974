//! A plant moves from FTP to SFTP in the middle of a day, its folders renamed, and back: the same machine by
//! its `nom`, every line once, nothing sent twice, nothing deleted too early.

use std::path::Path;

use crate::support::{
    agent::Agent,
    ftp::{Options, Vsftpd},
    postgres::Database,
    rows::{assert_same, central_rows, central_sessions},
    sftp::{OpenSsh, SftpServer},
    truth,
};

/// The machine's folder as vsftpd showed it, and below `logs` on the new server.
const OLD: &str = "DEM12 (PVC)";
const NEW: &str = "DEM12";

fn pieces(day: u32, numbers: std::ops::Range<u32>) -> Vec<u8> {
    let line = |n: u32| {
        format!("202506{day:02} {:02}:{:02}:00|@StukUitgevoerd: {n}\n", 6 + n / 60, n % 60)
    };
    numbers.map(line).collect::<String>().into_bytes()
}

fn old_file(day: u32) -> String {
    format!("{OLD}/202506{day:02}.LOG")
}

fn new_file(day: u32) -> String {
    format!("logs/{NEW}/202506{day:02}.LOG")
}

/// Both servers, each with the machine's empty folder.
fn servers() -> (Vsftpd, OpenSsh) {
    let ftp = Vsftpd::start(Options::default());
    ftp.make_folder(OLD);
    let sftp = OpenSsh::start(&[]);
    sftp.make_folder("logs");
    sftp.make_folder(Path::new("logs").join(NEW));
    (ftp, sftp)
}

fn add_sftp(agent: &mut Agent, name: &str, server: &SftpServer, number: usize) {
    let key = agent.add_sftp(name, server);
    agent.set(&format!("{key}.root"), "logs");
    agent.map_folders(number, &[(NEW, "DEM12")]);
}

fn add_ftp(agent: &mut Agent, name: &str, server: &Vsftpd, number: usize) {
    agent.add_ftp(name, &server.config());
    agent.map_folders(number, &[(OLD, "DEM12")]);
}

/// Which transactions wrote the rows of central's details.
fn written(database: &Database<'_>) -> String {
    database.psql("SELECT string_agg(xmin::text, ',' ORDER BY id) FROM piece_production")
}

#[test]
fn a_plant_that_moves_to_sftp_in_mid_day_and_back_has_every_line_once_and_sends_none_twice() {
    for name_after in ["cu", "cu-sftp"] {
        let (ftp, sftp) = servers();
        let database = Database::fresh();
        let mut agent = Agent::new().central(&database);
        agent.set("schedule.file_quiet", "1h");
        add_ftp(&mut agent, "cu", &ftp, 0);
        ftp.put(old_file(2), &pieces(2, 0..90));
        ftp.put(old_file(3), &pieces(3, 0..40));
        agent.once().succeeded();
        let before = written(&database);

        // The plant's files are copied, and the machine goes on there.
        sftp.put(new_file(2), &pieces(2, 0..90));
        sftp.put(new_file(3), &pieces(3, 0..40));
        agent.unset("source");
        add_sftp(&mut agent, name_after, &sftp, 0);
        agent.once().succeeded();
        assert_eq!(written(&database), before, "{name_after}: nothing new, so no row is written");
        sftp.append(new_file(3), &pieces(3, 40..70));
        agent.once().succeeded();
        let after = written(&database);
        assert!(after.starts_with(&before), "{name_after}: the first rows are as they were");

        // And back, with what was written meanwhile.
        ftp.put(old_file(3), &pieces(3, 0..70));
        agent.unset("source");
        add_ftp(&mut agent, "cu", &ftp, 0);
        agent.once().succeeded();
        assert_eq!(written(&database), after, "{name_after}: nothing new on the way back");
        ftp.put(old_file(3), &pieces(3, 0..95));
        agent.once().succeeded();

        let truth = truth::of_machine("DEM12", &[pieces(2, 0..90), pieces(3, 0..95)]);
        assert_same(name_after, &central_sessions(&database), &truth);
        assert_eq!(database.count("centre_usinage"), 1, "{name_after}: one machine");
        let revisions: Vec<_> = central_rows(&database).iter().map(|row| row.revision).collect();
        let settled = written(&database);
        agent.once().succeeded();
        assert_eq!(written(&database), settled, "{name_after}");
        let again: Vec<_> = central_rows(&database).iter().map(|row| row.revision).collect();
        assert_eq!(again, revisions, "{name_after}: no session is delivered again");
    }
}

#[test]
fn while_the_old_and_the_new_server_both_run_deletion_is_safe_on_both() {
    let (ftp, sftp) = servers();
    let database = Database::fresh();
    let mut agent = Agent::new().central(&database);
    agent.set("schedule.file_quiet", "0s");
    // The old server is read, or the new one: a machine has one folder.
    let old = |agent: &mut Agent| {
        agent.unset("source");
        add_ftp(agent, "old", &ftp, 0);
        agent.set("source.0.delete", "after-sync");
        agent.once().read_all();
    };
    let new = |agent: &mut Agent| {
        agent.unset("source");
        add_sftp(agent, "new", &sftp, 0);
        agent.set("source.0.delete", "after-sync");
        agent.once().read_all();
    };
    let old_has = |day| ftp.root().join(old_file(day)).exists();
    let new_has = |day| sftp.has(new_file(day));

    ftp.put(old_file(2), &pieces(2, 0..60));
    ftp.put(old_file(3), &pieces(3, 0..20));
    old(&mut agent);
    // In the middle of the 3rd the machine is turned to the new server; the old one keeps its part.
    sftp.put(new_file(3), &pieces(3, 20..40));
    new(&mut agent);
    new(&mut agent);
    assert!(new_has(3), "the day is not over");
    old(&mut agent);
    assert!(old_has(3), "nor is it for the old server, where no later file comes");
    sftp.append(new_file(3), &pieces(3, 40..60));
    for day in [4, 5] {
        sftp.put(new_file(day), &pieces(day, 0..30));
        new(&mut agent);
        old(&mut agent);
        sftp.append(new_file(day), &pieces(day, 30..50));
        new(&mut agent);
        new(&mut agent);
    }
    let written = [pieces(2, 0..60), pieces(3, 0..60), pieces(4, 0..50), pieces(5, 0..50)];
    let truth = truth::of_machine("DEM12", &written);
    assert_same("while both run", &central_sessions(&database), &truth);
    assert!(!new_has(3), "over, in central, and the machine went on in later files");
    assert!(new_has(5), "the last file stays");
    // What was deleted is in central alone: an agent that knows nothing takes nothing of it away.
    agent.lose_buffer();
    new(&mut agent);
    agent.unset("source");
    add_ftp(&mut agent, "old", &ftp, 0);
    agent.once().exited(3).says("central holds more: 60 events there, 20 in this buffer");
    assert_same("after the buffer was lost", &central_sessions(&database), &truth);
}
