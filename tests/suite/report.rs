//! `cu-agent report`: the same figures as `sessions`, on one page that needs nothing else, as CSV and as
//! JSON.

use chrono::NaiveDate;
use serde_json::Value;

use crate::support::{
    agent::Agent,
    clock::{Wrong, WrongClock},
    folder::Folder,
    generate::{CENTRES, Dirt, Flaw, file_name, flawed_log_of_day, log_of_day, working_days},
};

const SEED: u64 = 5;

/// Two weeks of DEM12 and DEMALU; the last day of DEM12 has a long stop and an unknown word in a job.
fn scene() -> (Folder, Agent) {
    let folder = Folder::of_three_machines();
    let days = working_days(NaiveDate::from_ymd_opt(2025, 3, 3).unwrap(), 10);
    for centre in &CENTRES[..2] {
        for day in &days {
            let is_last = *day == days[9] && centre.nom == "DEM12";
            let mut log = if is_last {
                flawed_log_of_day(centre, *day, SEED, Flaw::LongStop)
            } else {
                log_of_day(centre, *day, SEED, Dirt::None)
            };
            if is_last {
                let stamp = day.format("%Y%m%d");
                log.extend(format!("{stamp} 23:00:00|@<script>alert(1)</script>\n").bytes());
            }
            folder.put(&format!("{}/{}", centre.folder, file_name(*day)), &log);
        }
    }
    let agent = Agent::on_directory(folder.path());
    agent.once().succeeded();
    (folder, agent)
}

#[test]
fn a_day_is_one_page_without_an_address_or_a_script_and_with_the_figures_of_the_buffer() {
    let (folder, mut agent) = scene();
    let file = agent.dir().join("day.html");
    let written = agent.command(&["report", "-o", file.to_str().unwrap()]).succeeded();
    assert!(written.stdout.contains("2 sessions written to"), "{written}");
    let page = std::fs::read_to_string(&file).unwrap();
    for banned in ["http://", "https://", "<script", "src=", "<link", "@import"] {
        assert!(!page.contains(banned), "{banned} in the page");
    }
    assert!(page.contains("&lt;script&gt;alert(1)"), "the unknown event is shown as text");
    assert!(page.contains("@page{size:A4"), "it is meant for paper");
    assert!(page.contains("Production du 14/03/2025"), "the newest day");
    assert_eq!(page.matches("<svg class=\"timeline\"").count(), 2, "a time line a machine");

    let sessions = agent.command(&["sessions", "--json", "--date", "2025-03-14"]).succeeded();
    let sessions: Value = serde_json::from_str(&sessions.stdout).unwrap();
    for session in sessions.as_array().unwrap() {
        let pieces = session["total_pieces"].to_string();
        assert!(page.contains(&format!("<td>{pieces}</td>")), "{pieces} pieces");
        let occupation = session["taux_occupation"].as_str().unwrap();
        let french = occupation.replace('.', ",");
        assert!(page.contains(&format!("<td>{french}</td>")), "{french} %");
        for anomaly in session["anomalies"].as_array().unwrap() {
            let text = anomaly["texte"].as_str().unwrap();
            let text = text.replace('<', "&lt;").replace('>', "&gt;");
            assert!(page.contains(&text), "{text}");
        }
    }
    assert!(page.contains("Pas de TRS"), "first to last piece is no planned time");
    // What the rest of the day could take back is told when the day is over.
    assert!(!page.contains("le plus long du mois"));
    folder.put("DEM12 (PVC)/20250315.LOG", b"20250315 05:00:00|@StukUitgevoerd: 1 A\n");
    agent.once().succeeded();
    let of_day = ["report", "--from", "2025-03-14", "--to", "2025-03-14"];
    let page = agent.command(&of_day).succeeded().stdout;
    assert!(page.contains("le plus long du mois"), "the long stop is told");

    agent.set("agent.language", "en");
    let page = agent.command(&["report", "--machine", "DEMALU"]).succeeded().stdout;
    assert!(page.contains("<html lang=\"en\"") && page.contains("Production on 2025-03-14"));
    assert!(!page.contains("DEM12") && !page.contains("OEE"), "one machine, without a calendar");
}

#[test]
fn a_fortnight_sums_its_days_and_stays_small() {
    let (_folder, agent) = scene();
    let range = ["--from", "2025-03-03", "--to", "2025-03-14"];
    let page = agent.command(&[&["report"], &range[..]].concat()).succeeded().stdout;
    assert_eq!(page.matches("<svg class=\"timeline\"").count(), 20);
    assert!(page.len() < 400_000, "{} bytes", page.len());

    let json = agent.command(&[&["report", "--format", "json"], &range[..]].concat()).succeeded();
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    let machines = json["machines"].as_array().unwrap();
    assert_eq!(machines.len(), 2);
    for machine in machines {
        let sessions = machine["sessions"].as_array().unwrap();
        assert_eq!(sessions.len(), 10);
        let sum = |list: &Value| {
            list.as_array().unwrap().iter().map(|one| one["pieces"].as_i64().unwrap()).sum::<i64>()
        };
        let pieces: i64 = sessions.iter().map(|one| one["total_pieces"].as_i64().unwrap()).sum();
        let patterns = &machine["patterns"];
        assert_eq!(patterns["pieces"], pieces);
        assert_eq!((sum(&patterns["hours"]), sum(&patterns["profiles"])), (pieces, pieces));
        let advice = sessions.iter().flat_map(|one| one["conseils"].as_array().unwrap());
        assert!(advice.count() <= 3 * sessions.len());
        assert!(sessions.iter().all(|one| one["conseils"].as_array().unwrap().len() <= 3));
    }

    let csv = agent.command(&[&["report", "--format", "csv"], &range[..]].concat()).succeeded();
    let lines: Vec<&str> = csv.stdout.lines().collect();
    assert_eq!(lines.len(), 21, "a heading and a session a line");
    assert!(lines[0].starts_with("machine,date_production,total_pieces,"), "{}", lines[0]);
}

#[test]
fn a_period_that_cannot_be_is_refused_with_what_is_accepted() {
    let (_folder, agent) = scene();
    let refused = |arguments: &[&str]| {
        agent.command(&[&["report"], arguments].concat()).exited(2).stderr.clone()
    };
    assert!(refused(&["--from", "2025-03-15"]).contains("is later than 2025-03-14"));
    let far = refused(&["--from", "2020-01-01", "--to", "2025-01-01"]);
    assert!(far.contains("at most 366 days"), "{far}");
    let empty = agent.command(&["report", "--to", "2024-01-01"]).succeeded().stdout;
    assert!(empty.contains("Aucune session sur cette période."));
}

#[test]
fn weeks_and_months_are_asked_for_by_name_and_a_wrong_one_is_answered_with_what_there_is() {
    let (_folder, mut agent) = scene();
    let json = |agent: &Agent, arguments: &[&str]| -> Value {
        let all = [&["report", "--format", "json"], arguments].concat();
        serde_json::from_str(&agent.command(&all).succeeded().stdout).unwrap()
    };
    let ends = |json: &Value| [json["from"].clone(), json["to"].clone()];
    let week = json(&agent, &["--week", "2025-W11"]);
    assert_eq!(ends(&week), ["2025-03-10", "2025-03-16"]);
    assert_eq!(week["machines"][0]["sessions"].as_array().unwrap().len(), 5);
    assert_eq!(ends(&json(&agent, &["--month", "2025-03"])), ["2025-03-01", "2025-03-31"]);
    let refused = |arguments: &[&str]| {
        agent.command(&[&["report"], arguments].concat()).exited(2).stderr.clone()
    };
    assert!(refused(&["--week", "2025-W53"]).contains("such as 2026-W48"));
    for both in ["--from", "--to"] {
        let both = refused(&["--week", "last", both, "2025-03-03"]);
        assert!(both.contains("--week") && both.contains("cannot be used with"), "{both}");
    }
    assert!(refused(&["--week", "last", "--month", "last"]).contains("cannot be used with"));
    let machine = refused(&["--machine", "DEM13"]);
    assert!(machine.contains("the machines are DEM12, DEMALU, SU12. Did you mean DEM12?"));
    assert!(refused(&["--shift", "nuit"]).contains("there is no shift yet"));
    // A week without a session says which days there are.
    let empty = agent.command(&["report", "--week", "2024-W01", "-o", "/dev/null"]).succeeded();
    assert!(empty.stderr.contains("the known days go from 2025-03-03 to 2025-03-14"), "{empty}");
    let english = agent.command(&["report", "--lang", "en"]).succeeded().stdout;
    assert!(english.contains("<html lang=\"en\""));

    // `last` is counted from the gateway's date; from the newest day if that cannot be right.
    let clock = |agent: &mut Agent, at: &str| {
        let at: chrono::NaiveDateTime = at.parse().unwrap();
        #[allow(
            clippy::disallowed_methods,
            reason = "what the agent says is compared with the clock"
        )]
        let offset = at - chrono::Local::now().naive_local();
        WrongClock::given_to(agent, Wrong::By(offset.num_seconds()))
    };
    let _right = clock(&mut agent, "2027-01-04T08:00:00");
    assert_eq!(ends(&json(&agent, &["--week", "last"])), ["2026-12-28", "2027-01-03"]);
    assert_eq!(ends(&json(&agent, &["--month", "current"])), ["2027-01-01", "2027-01-31"]);
    let _wrong = clock(&mut agent, "2001-01-01T08:00:00");
    let last = agent.command(&["report", "--format", "json", "--week", "last"]).succeeded();
    let json: Value = serde_json::from_str(&last.stdout).unwrap();
    assert_eq!(ends(&json), ["2025-03-03", "2025-03-09"]);
    assert!(last.stderr.contains("counted from 2025-03-14"), "{last}");
}
