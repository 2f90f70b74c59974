//! `cu-agent weekly-report` and who gets what it writes: the real binary by clocks of Mondays and Sundays, a
//! receiver that is away, broken or rude, and what a power cut leaves.

use std::{fs, path::PathBuf, thread, time::Duration};

use crate::support::{
    agent::Agent,
    clock::{Wrong, WrongClock},
    folder::Folder,
    http,
    process::{Output, Running},
    spreadsheet::Spreadsheet,
    wait,
    webhook::{Manner, Request, Webhook},
};

struct Plant {
    folder: Folder,
    agent: Agent,
    clock: WrongClock,
}

impl Plant {
    /// At this moment, with a LOG of each of these days.
    fn at(moment: &str, days: &[&str]) -> Self {
        let folder = Folder::of_three_machines();
        let mut agent = Agent::on_directory(folder.path());
        agent.set_environment("TZ", "UTC");
        agent.set("report.keep", 60);
        let clock = WrongClock::given_to(&mut agent, Wrong::At(moment.parse().unwrap()));
        let plant = Self { folder, agent, clock };
        days.iter().for_each(|day| plant.log(day, 3));
        plant.agent.once().succeeded();
        plant
    }

    /// A LOG of so many pieces, in the LOG's own spelling of the day: `20261124`.
    fn log(&self, day: &str, pieces: u32) {
        let lines: String = (0..pieces)
            .map(|piece| format!("{day} 08:{piece:02}:00|@StukUitgevoerd: {piece} A\n"))
            .collect();
        self.folder.put(&format!("DEM12 (PVC)/{day}.LOG"), lines.as_bytes());
    }

    fn now_is(&self, moment: &str) {
        self.clock.set(Wrong::At(moment.parse().unwrap()));
    }

    fn write(&self) -> Output {
        self.agent.command(&["weekly-report"])
    }

    fn reports(&self) -> PathBuf {
        self.agent.state_dir().join("reports")
    }

    /// What a person sees in the folder.
    fn names(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.reports()) else { return Vec::new() };
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|name| !name.starts_with('.')).collect();
        names.sort_unstable();
        names
    }

    fn waiting(&self) -> Vec<String> {
        let status = self.agent.status_json();
        let waiting = status["reports"]["waiting"].as_array().unwrap();
        waiting.iter().map(|name| name.as_str().unwrap().to_owned()).collect()
    }
}

/// Both files of each week.
fn both(weeks: &[&str]) -> Vec<String> {
    weeks.iter().flat_map(|week| [format!("{week}.html"), format!("{week}.xlsx")]).collect()
}

fn cycles(running: &Running, more: usize) {
    let seen = running.log().matches("cycle:").count();
    running.wait_for_nth_line("cycle:", seen + more);
}

#[test]
fn last_week_is_over_on_monday_by_production_days_and_missed_weeks_are_made_up() {
    // W47, W48; then W51 and W53.
    let mut plant = Plant::at("2026-11-29T23:30:00", &["20261117", "20261124"]);
    plant.write().succeeded().says("2026-W47.html written");
    assert_eq!(plant.names(), both(&["2026-W47"]), "on Sunday the week goes on");
    plant.agent.set("analysis.day_start", "06:00");
    plant.now_is("2026-11-30T05:30:00");
    plant.write().succeeded().says("every week up to 2026-W47 is written");
    plant.now_is("2026-11-30T06:10:00");
    plant.write().succeeded();
    assert_eq!(plant.names(), both(&["2026-W47", "2026-W48"]));

    // The gateway was off for five weeks.
    plant.now_is("2027-01-04T06:30:00");
    plant.log("20261215", 4);
    plant.log("20261229", 5);
    plant.agent.once().succeeded();
    let status = plant.agent.command(&["status"]).succeeded();
    assert!(status.stdout.contains("reports    newest 2026-W48"), "{status}");
    plant.write().succeeded();
    assert_eq!(plant.names(), both(&["2026-W47", "2026-W48", "2026-W51", "2026-W53"]));
    let book = Spreadsheet::open(&plant.reports().join("2026-W53.xlsx"));
    let rows = book.rows("Sessions");
    assert_eq!((rows.len(), rows[0].number("Pièces")), (1, Some(5.0)));
    let page = fs::read_to_string(plant.reports().join("2026-W53.html")).unwrap();
    assert!(page.contains("28/12/2026") && page.contains("03/01/2027"), "Monday to Sunday");

    plant.agent.set("report.keep", 2);
    plant.write().succeeded().says("every week up to 2026-W53 is written");
    assert_eq!(plant.names(), both(&["2026-W51", "2026-W53"]), "the newest are kept");
    plant.agent.set("report.formats", toml::Value::Array(vec!["xlsx".into()]));
    plant.agent.set("report.language", "en");
    plant.agent.command(&["weekly-report", "--week", "2026-W48"]).succeeded();
    plant.agent.command(&["weekly-report", "--week", "last"]).succeeded();
    let book = Spreadsheet::open(&plant.reports().join("2026-W53.xlsx"));
    assert_eq!(book.sheets()[0], "Summary");
    let refused = plant.agent.command(&["weekly-report", "--week", "2027-W01"]).exited(2);
    assert!(refused.stderr.contains("not over yet"), "{refused}");
    plant.agent.command(&["weekly-report", "--week", "2026-48"]).exited(2).says("2026-W48");
}

#[test]
fn a_clock_that_was_not_set_writes_nothing_says_why_and_the_next_run_does() {
    let plant = Plant::at("2026-11-30T06:10:00", &["20261124"]);
    plant.clock.set(Wrong::NeverSet);
    plant.write().exited(1).says("the gateway's clock says 1970");
    assert_eq!(plant.names(), Vec::<String>::new());
    // Years ahead: the newest week with sessions is no week of that time.
    plant.now_is("2031-03-05T12:00:00");
    plant.write().succeeded();
    assert_eq!(plant.names(), Vec::<String>::new());
    plant.now_is("2026-11-30T12:00:00");
    let status = plant.agent.command(&["status"]).succeeded();
    assert!(status.stdout.contains("2026-W48 is not written"), "{status}");
    assert_eq!(plant.agent.status_json()["reports"]["missing_week"], "2026-W48");
    plant.write().succeeded();
    assert_eq!(plant.names(), both(&["2026-W48"]));
    assert!(plant.agent.status_json()["reports"]["missing_week"].is_null());
}

#[test]
fn a_week_that_was_cut_in_between_or_whose_log_came_late_is_written_again() {
    let plant = Plant::at("2026-11-30T06:10:00", &["20261124"]);
    plant.write().succeeded();
    let page = fs::read(plant.reports().join("2026-W48.html")).unwrap();
    // What a power cut leaves: half a file under no name of its own, and nothing that says the week is whole.
    fs::write(plant.reports().join(".cu-agent/new"), &page[..100]).unwrap();
    fs::remove_file(plant.reports().join(".cu-agent/figures/2026-W48")).unwrap();
    fs::remove_file(plant.reports().join("2026-W48.xlsx")).unwrap();
    plant.write().succeeded().says("2026-W48.xlsx written");
    assert_eq!(plant.names(), both(&["2026-W48"]));
    plant.write().succeeded().says("every week up to 2026-W48 is written");

    plant.log("20261127", 9);
    plant.agent.once().succeeded();
    plant.now_is("2026-12-01T06:10:00");
    plant.write().succeeded().says("2026-W48.html written");
    let book = Spreadsheet::open(&plant.reports().join("2026-W48.xlsx"));
    assert_eq!(book.rows("Sessions").len(), 2);
}

#[test]
fn a_calendar_that_comes_late_rewrites_the_weeks_whose_planned_time_it_changes() {
    let mut plant = Plant::at("2026-11-30T06:10:00", &["20261124"]);
    plant.write().succeeded();
    let shifts = |plant: &Plant| {
        Spreadsheet::open(&plant.reports().join("2026-W48.xlsx")).rows("Postes").len()
    };
    assert_eq!(shifts(&plant), 0);
    let shift: toml::Table = toml::from_str(
        "[[calendar]]\n[[calendar.shift]]\nname = \"matin\"\ndays = \"mon-fri\"\ntime = \"06:00-14:00\"\n",
    )
    .unwrap();
    plant.agent.set("calendar", shift["calendar"].clone());
    plant.agent.once().succeeded();
    plant.write().succeeded().says("2026-W48.html written");
    assert!(shifts(&plant) > 0, "{}", shifts(&plant));
    plant.write().succeeded().says("every week up to 2026-W48 is written");
}

#[test]
fn a_folder_that_cannot_be_written_is_told_by_exit_code_status_and_check_and_keeps_what_is_there() {
    let mut plant = Plant::at("2026-11-30T12:00:00", &["20261124"]);
    let file = plant.agent.dir().join("file");
    fs::write(&file, "x").unwrap();
    plant.agent.set("report.folder", file.join("reports").to_str().unwrap());
    let failed = plant.write().exited(1);
    assert!(failed.stderr.contains(file.to_str().unwrap()), "{failed}");
    let status = plant.agent.status_json();
    assert!(
        status["reports"]["failure"].as_str().unwrap().contains("folder of reports"),
        "{status}"
    );
    let check = plant.agent.command(&["check"]);
    assert!(check.stdout.contains("FAIL  report: "), "{check}");
    plant.agent.unset("report.folder");
    plant.write().succeeded();
    let check = plant.agent.command(&["check"]);
    assert!(check.stdout.contains("ok    report: each Monday in "), "{check}");
    plant.agent.unset("report");
    plant.write().succeeded().says("there is no [report] in the configuration");
    assert!(plant.agent.status_json()["reports"].is_null());
}

/// A plant with a report that somebody is to get.
fn sending(webhook: &Webhook) -> Plant {
    let mut plant = Plant::at("2026-11-30T06:10:00", &["20261124"]);
    plant.agent.set("report.url", webhook.url("/drop-that-nobody-knows?key=geheim"));
    let token = plant.agent.secret("report.token", "tk_nobody_sees_this");
    plant.agent.set("report.token_file", token.to_str().unwrap());
    plant.agent.set("agent.log_level", "debug");
    plant.agent.set("agent.id", "ligne é1");
    plant.agent.set("status.listen", "127.0.0.1:0");
    plant.write().succeeded();
    plant
}

fn wait_for(webhook: &Webhook, count: usize) -> Vec<Request> {
    wait::until("the reports are taken", wait::PATIENCE, || webhook.taken().len() >= count);
    webhook.taken()
}

#[test]
fn a_report_waits_for_its_receiver_through_restarts_and_arrives_once_as_it_was_written() {
    let webhook = Webhook::start(Manner::Away);
    let plant = sending(&webhook);
    assert_eq!(plant.waiting(), both(&["2026-W48"]));
    let running = plant.agent.run();
    running.wait_for_line("weekly reports cannot be sent, retrying: the request to 127.0.0.1:");
    wait::until("status says why", wait::PATIENCE, || {
        plant.agent.status_json()["reports"]["failure"].is_string()
    });
    let status = plant.agent.command(&["status"]).succeeded();
    assert!(status.stdout.contains("2 waiting to be sent, the oldest 2026-W48.html: "), "{status}");
    let page = http::get(running.page(), "/?lang=fr").is(200).body;
    assert!(page.contains("2 rapports attendent d'être envoyés"), "{page}");
    let (output, took) = running.terminate();
    assert!(took < Duration::from_secs(3), "{took:?}");
    let mut told = output.succeeded().to_string();
    assert_eq!(told.matches("weekly reports cannot be sent").count(), 1, "{told}");

    let running = plant.agent.run();
    running.wait_for_line("weekly reports cannot be sent");
    webhook.set(Manner::Well);
    let taken = wait_for(&webhook, 2);
    running.wait_for_line("delivery of weekly reports restored");
    cycles(&running, 3);
    assert_eq!(plant.waiting(), Vec::<String>::new());
    let status = plant.agent.status_json();
    assert!(status["reports"]["failure"].is_null(), "{status}");
    told += &running.terminate().0.succeeded().to_string();
    let running = plant.agent.run();
    cycles(&running, 3);
    told += &running.terminate().0.succeeded().to_string();
    assert_eq!(webhook.taken().len(), 2, "what was taken is not sent again");

    for (request, name) in taken.iter().zip(both(&["2026-W48"])) {
        assert_eq!(request.method, "POST");
        assert_eq!(request.target, "/drop-that-nobody-knows?key=geheim");
        assert_eq!(request.bytes, fs::read(plant.reports().join(&name)).unwrap());
        assert_eq!(request.header("authorization"), Some("Bearer tk_nobody_sees_this"));
        assert_eq!(request.header("x-cu-agent"), Some("ligne%20%C3%A91"));
        assert_eq!(request.header("x-cu-agent-week"), Some("2026-W48"));
        let named = format!("attachment; filename=\"ligne__1-{name}\"");
        assert_eq!(request.header("content-disposition"), Some(named.as_str()));
        let key = request.header("idempotency-key").unwrap();
        assert!(key.starts_with(&format!("ligne%20%C3%A91/{name}/")), "{key}");
    }
    assert_eq!(taken[0].header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(
        taken[1].header("content-type"),
        Some("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")
    );
    told += &plant.agent.command(&["check"]).to_string();
    told += &plant.agent.command(&["status", "--json"]).to_string();
    for secret in ["tk_nobody", "drop-that", "geheim"] {
        assert!(!told.contains(secret), "{secret} in\n{told}");
    }
    assert!(told.contains("sent to 127.0.0.1:"), "{told}");
}

#[test]
fn whatever_the_receiver_does_each_report_arrives_and_a_lost_answer_keeps_its_key() {
    thread::scope(|scope| {
        for manner in [Manner::Broken, Manner::Rude] {
            scope.spawn(move || {
                let webhook = Webhook::start(manner);
                let plant = sending(&webhook);
                let running = plant.agent.run();
                running.wait_for_line("weekly reports cannot be sent");
                webhook.set(Manner::Well);
                let taken = wait_for(&webhook, 2);
                let key = |request: &Request| request.header("idempotency-key").unwrap().to_owned();
                let (refused, taken): (Vec<_>, Vec<_>) =
                    (webhook.refused().iter().map(key).collect(), taken.iter().map(key).collect());
                assert!(refused.iter().all(|key| taken.contains(key)), "{refused:?} {taken:?}");
                // The figures change: another key.
                plant.log("20261127", 9);
                running.wait_for_line("20261127.LOG: 9 events");
                plant.write().succeeded();
                let again: Vec<String> = wait_for(&webhook, 4).iter().map(key).collect();
                assert!(again[2..].iter().all(|key| !taken.contains(key)), "{again:?}");
                running.terminate().0.succeeded();
            });
        }
    });
}

#[test]
fn once_sends_what_waits_too() {
    let webhook = Webhook::start(Manner::Well);
    let plant = sending(&webhook);
    plant.agent.once().succeeded();
    assert_eq!(webhook.taken().len(), 2);
    plant.agent.once().succeeded();
    assert_eq!(webhook.taken().len(), 2);
}
