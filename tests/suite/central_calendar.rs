//! One calendar for the plant, in central: written by people, fetched by gateways, kept through outages.

use std::fs;

use rusqlite::Connection;
use serde_json::Value;

use crate::support::{
    agent::Agent,
    central::{Feeder, session},
    folder::Folder,
    postgres::{Cluster, Database, Options},
    process::Output,
    wait,
};

const PLANT: &str = "# Le calendrier de l'usine\r\n[[calendar]]\nmachines = [\"DEM12\"]\nholidays = \"fr\"\n  \
    [[calendar.shift]]\n  name = \"après-midi\"\n  days = \"mon-fri\"\n  time = \"13:00-21:00\"\n";
const OTHER: &str = "[[calendar]]\n  [[calendar.shift]]\n  name = \"nuit\"\n  days = \"mon-thu\"\n  time = \"21:00-05:00\"\n";
const OWN: &str = "[[calendar]]\nmachines = [\"SU12\"]\n  [[calendar.shift]]\n  name = \"matin\"\n  \
    days = \"mon-fri\"\n  time = \"05:00-13:00\"\n";

fn agent(folder: &Folder, database: &Database<'_>, id: &str) -> Agent {
    let mut agent = Agent::on_directory(folder.path()).central(database);
    agent.set("agent.id", id);
    agent
}

/// Runs `central calendar …` with `text` as its file.
fn calendar(agent: &Agent, arguments: &[&str], text: &str) -> Output {
    let file = agent.dir().join("plant.toml");
    fs::write(&file, text).unwrap();
    let all = [&["central", "calendar"], arguments, &[file.to_str().unwrap()]].concat();
    agent.command(&all)
}

fn put(agent: &Agent, text: &str) -> Output {
    calendar(agent, &["put"], text)
}

fn show(agent: &Agent) -> Output {
    agent.command(&["central", "calendar", "show"])
}

/// Which shift each machine has on a Tuesday, and from where.
fn planned(agent: &Agent) -> Vec<(String, String, String)> {
    let output = agent.command(&["calendar", "--date", "2025-06-03", "--json"]).succeeded();
    let machines: Value = serde_json::from_str(&output.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let one = |machine: &Value| {
        let shift = text(&machine["parts"][0]["shift"]);
        (text(&machine["machine"]), shift, text(&machine["planned_by"]))
    };
    machines.as_array().unwrap().iter().map(one).collect()
}

fn shift_of(agent: &Agent, machine: &str) -> String {
    planned(agent).into_iter().find(|(nom, ..)| nom == machine).unwrap().1
}

fn set_own(agent: &mut Agent) {
    let table: toml::Table = toml::from_str(OWN).unwrap();
    agent.set("calendar", table["calendar"].clone());
}

#[test]
fn a_calendar_is_put_shown_as_written_edited_and_put_and_its_history_stays() {
    let database = Database::fresh();
    let folder = Folder::of_three_machines();
    let agent = agent(&folder, &database, "ligne-1");
    agent.once();
    show(&agent).exited(1).says("central has no calendar of the plant");
    put(&agent, PLANT)
        .succeeded()
        .says("version 1 is written")
        .says("get a calendar from here: DEM12");
    let shown = show(&agent).succeeded();
    assert_eq!(shown.stdout, PLANT, "to the byte");
    assert!(
        shown.stderr.contains("version 1 of ") && shown.stderr.contains("for DEM12"),
        "{shown}"
    );
    put(&agent, PLANT).succeeded().says("central holds this text already: version 1");
    let edited = PLANT.replace("21:00", "20:30");
    calendar(&agent, &["put", "--expect", "1", "--by", "Anna", "--comment", "été"], &edited)
        .succeeded()
        .says("version 2 is written, in place of version 1 of ")
        .says("get another calendar: DEM12")
        .says("have no calendar from here: DEMALU, SU12");
    show(&agent).succeeded().says("(Anna) (été)");
    // Somebody who has not seen version 2.
    calendar(&agent, &["put", "--expect", "1"], OTHER)
        .exited(1)
        .says("not written: central's newest is not version 1 but version 2");
    let json = agent.command(&["central", "calendar", "show", "--json"]).succeeded();
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!((&json["version"], &json["text"]), (&2.into(), &Value::from(edited)));
    assert_eq!(
        database.psql("SELECT version, machines FROM calendrier ORDER BY 1"),
        "1|DEM12\n2|DEM12"
    );
    put(&agent, "").succeeded().says("have no calendar from here any more: DEM12");
}

#[test]
fn of_people_who_write_at_once_each_replaces_what_the_one_before_wrote() {
    let database = Database::fresh();
    let folder = Folder::of_three_machines();
    let agent = agent(&folder, &database, "ligne-1");
    agent.once();
    let texts: Vec<String> = (0..6).map(|n| format!("{OTHER}# {n}\n")).collect();
    let running: Vec<_> = texts
        .iter()
        .enumerate()
        .map(|(n, text)| {
            let file = agent.dir().join(format!("{n}.toml"));
            fs::write(&file, text).unwrap();
            agent.start(&["central", "calendar", "put", "--expect", "0", file.to_str().unwrap()])
        })
        .collect();
    let ended: Vec<Output> = running.into_iter().map(|one| one.output(wait::PATIENCE)).collect();
    let codes: Vec<i32> = ended.iter().map(|one| one.code).collect();
    assert_eq!(codes.iter().filter(|code| **code == 0).count(), 1, "{codes:?}");
    assert_eq!(codes.iter().filter(|code| **code == 1).count(), 5, "{codes:?}");
    let written = codes.iter().position(|code| *code == 0).unwrap();
    assert_eq!(show(&agent).stdout, texts[written]);
}

#[test]
fn check_gives_every_mistake_with_line_and_key_and_the_machines_that_central_knows() {
    let database = Database::fresh();
    let folder = Folder::of_three_machines();
    let mut agent = agent(&folder, &database, "ligne-1");
    agent.once();
    let wrong = format!(
        "{PLANT}  breaks = [\"21:00-21:10\"]\n[[calendar]]\nmachines = [\"DEM99\"]\ncolour = 1\n{OTHER}{OTHER}"
    );
    for command in ["check", "put"] {
        calendar(&agent, &[command], &wrong)
            .exited(2)
            .says("plant.toml:9: calendar[1].shift[1].breaks: a break that is outside its shift")
            .says("plant.toml:11: calendar[2].machines: \"DEM99\" is no machine that central knows; it knows DEM12, DEMALU, SU12")
            .says("plant.toml:12: calendar[2].colour: unknown key")
            .says("calendar[4]: another [[calendar]] without machines is above");
    }
    calendar(&agent, &["check"], PLANT)
        .succeeded()
        .says("plant.toml can be used, for DEM12")
        .does_not_say("compared");
    assert_eq!(database.count("calendrier"), 0);
    // Beyond the limit, and in another encoding.
    calendar(&agent, &["put"], &"#".repeat(70_000))
        .exited(2)
        .says("70000 bytes, and at most 65536");
    let file = agent.dir().join("latin1.toml");
    fs::write(&file, b"# a\n# apr\xe8s-midi\n").unwrap();
    agent
        .command(&["central", "calendar", "put", file.to_str().unwrap()])
        .exited(2)
        .says("latin1.toml:2: not UTF-8");
    // Without central, and with one that does not answer.
    agent.set("central.port", 1);
    calendar(&agent, &["check"], PLANT)
        .succeeded()
        .says("machines were not compared with central's");
    put(&agent, PLANT).exited(1);
    agent.unset("central");
    calendar(&agent, &["check"], PLANT)
        .succeeded()
        .says("not compared")
        .says("no [central] section");
    calendar(&agent, &["check"], &wrong)
        .exited(2)
        .says("colour: unknown key")
        .does_not_say("DEM99");
    put(&agent, PLANT).exited(2).says("no [central] section");
}

#[test]
fn gateways_take_one_calendar_and_keep_it_through_outage_restart_and_a_text_that_cannot_be_used() {
    let database = Database::fresh();
    let folder = Folder::of_three_machines();
    let mut first = agent(&folder, &database, "ligne-1");
    let second = agent(&Folder::of_three_machines(), &database, "ligne-2");
    set_own(&mut first);
    first.once();
    put(&first, PLANT).succeeded();
    for gateway in [&first, &second] {
        gateway.once();
        let status = gateway.status_json();
        assert_eq!(status["calendar"]["version"], 1, "{status:#}");
        assert_eq!(shift_of(gateway, "DEM12"), "après-midi");
    }
    assert_eq!(
        planned(&first)[2],
        (
            "SU12".into(),
            "matin".into(),
            format!("{}:{}", first.config_file().display(), line_of_own(&first))
        ),
        "what only the configuration names keeps its own"
    );
    first
        .command(&["check"])
        .says("ok    calendar: DEM12 from central, version 1 of ")
        .says("note  calendar: DEMALU without one: no TRS without planned time");
    // Somebody's hand, without a new version.
    database.psql("UPDATE calendrier SET texte = '[[calendar]'");
    first
        .once()
        .exited(3)
        .says("central: calendar of the plant, version 1: cannot be used")
        .says("central version 1:1");
    assert_eq!(shift_of(&first, "DEM12"), "après-midi", "the last one that could be used");
    let told = first.status_json();
    assert_eq!(told["calendar"]["refused_version"], 1, "{told:#}");
    assert!(told["calendar"]["refusal"].as_str().unwrap().contains("not TOML"), "{told:#}");
    first.command(&["status"]).says("version 1 cannot be used: central version 1:1");
    first
        .command(&["check"])
        .exited(1)
        .says("FAIL  calendar: central's newest, version 1, cannot be used");
    first.once().exited(3).does_not_say("[ERROR]");
    show(&first).succeeded().says("because it cannot be used");
    // Told of once, and mended by the next version.
    put(&first, OTHER).succeeded();
    first.once();
    assert_eq!(shift_of(&first, "SU12"), "nuit", "one without machines is for all of them");
    // An outage, and another process.
    first.set("central.port", 1);
    first.once();
    assert_eq!(shift_of(&first, "DEM12"), "nuit");
    first.set("central.port", i64::from(database.cluster.port));
    // Central was restored to a moment before.
    database.psql("DELETE FROM calendrier WHERE version = 2");
    database.psql(&format!("UPDATE calendrier SET texte = '{}'", PLANT.replace('\'', "''")));
    first.once();
    assert_eq!(
        (shift_of(&first, "DEM12"), shift_of(&first, "SU12")),
        ("après-midi".into(), "matin".into())
    );
    // And version 2 is another text than it was.
    put(&first, &OTHER.replace("nuit", "jour")).succeeded().says("version 2 is written");
    first.once();
    assert_eq!(shift_of(&first, "DEM12"), "jour");
    // Central has none any more.
    database.psql("DELETE FROM calendrier");
    first.once().says("has no calendar of the plant any more");
    assert_eq!(first.status_json()["calendar"], Value::Null);
    assert_eq!(shift_of(&first, "DEM12"), "-");
}

/// The line of `[[calendar]]` in the configuration that the tests write.
fn line_of_own(agent: &Agent) -> usize {
    let text = fs::read_to_string(agent.config_file()).unwrap();
    text.lines().position(|line| line == "[[calendar]]").unwrap() + 1
}

#[test]
fn a_central_without_the_table_or_the_right_to_read_it_keeps_no_session_and_no_row_out() {
    let database = Database::fresh();
    let folder = Folder::of_three_machines();
    folder.put("DEM12 (PVC)/20250603.LOG", b"20250603 06:00:00|@StukUitgevoerd: 1 N\n");
    let admin = agent(&folder, &database, "ligne-1");
    admin.once();
    put(&admin, PLANT).succeeded();
    let role = database.role();
    database.psql(&format!(
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role};
         REVOKE ALL ON calendrier FROM {role}"
    ));
    let mut gateway = agent_of(&folder, &database, &role);
    set_own(&mut gateway);
    gateway.once().says("central: calendar of the plant: cannot be read");
    assert_eq!(database.psql("SELECT count(*) FROM agent_edge WHERE agent_id = 'ligne-2'"), "1");
    gateway.command(&["check"]).says("note  calendar: the plant's cannot be read");
    assert_eq!(shift_of(&gateway, "SU12"), "matin");
    show(&gateway).exited(1).says("no table calendrier that this role may read");
    // A service takes it as soon as it may, through the connection that it has.
    let running = gateway.run();
    running.wait_for_line("calendar of the plant: cannot be read");
    database.psql(&format!("GRANT SELECT ON calendrier TO {role}"));
    drop(running);
    gateway.once().says("calendar of the plant, version 1 of ");
    database.psql(&format!("REVOKE SELECT ON calendrier FROM {role}"));
    gateway.once().says("cannot be read");
    assert_eq!(shift_of(&gateway, "DEM12"), "après-midi", "what is kept counts");
    // Another table of that name.
    database.psql("DROP TABLE calendrier; CREATE TABLE calendrier (jour DATE, texte INTEGER)");
    database.psql(&format!("GRANT SELECT ON calendrier TO {role}"));
    gateway.once().says("cannot be read");
    gateway.command(&["check"]).says("note  calendar: the plant's cannot be read");
    let edge = "SELECT dernier_contact > now() - interval '1 minute' FROM agent_edge WHERE agent_id = 'ligne-2'";
    assert_eq!(database.psql(edge), "t");
}

fn agent_of(folder: &Folder, database: &Database<'_>, role: &str) -> Agent {
    let mut agent = Agent::on_directory(folder.path());
    agent.set("agent.id", "ligne-2");
    agent.set_central(&database.config_as(role, role));
    agent
}

#[test]
fn a_connection_that_stays_open_finds_the_table_when_it_comes_and_does_without_when_it_goes() {
    use cu_agent::sync::postgres::CalendarThere;

    let database = Database::fresh();
    let mut feeder = Feeder::new(&database);
    feeder.sync(&[session("DEM12", "2025-06-03", 1)]);
    database.psql("ALTER TABLE calendrier RENAME TO ailleurs");
    let mut feeder = Feeder::connect(&database.config());
    let mut ask = |mark: &str| {
        let mut row = crate::support::central::edge();
        row.calendar = mark.into();
        let claims = crate::support::central::claims("a", "b", "c");
        let wall = chrono::DateTime::UNIX_EPOCH.with_timezone(&chrono::Local);
        let before = feeder.central.round_trips();
        let seen = feeder.central.write_gateway_row(&claims, &row, wall).unwrap();
        (seen.calendar, feeder.central.round_trips() - before)
    };
    let unreadable = |seen: &CalendarThere| matches!(seen, CalendarThere::Unreadable { .. });
    assert!(unreadable(&ask("").0));
    database.psql("ALTER TABLE ailleurs RENAME TO calendrier");
    assert!(unreadable(&ask("").0), "it is seen, and asked with the next row");
    assert_eq!(ask("").0, CalendarThere::None);
    database.psql(&format!(
        "INSERT INTO calendrier (version, machines, texte) VALUES (7, '*', '{OTHER}')"
    ));
    let CalendarThere::Told(told) = ask("").0 else { panic!("not told") };
    assert_eq!((told.version, told.text.as_deref()), (7, Ok(OTHER)));
    let (seen, trips) = ask(&told.mark);
    assert_eq!((seen, trips), (CalendarThere::Known, 1), "no round trip of its own");
    database.psql("UPDATE calendrier SET texte = repeat('x', 100000)");
    let CalendarThere::Told(long) = ask(&told.mark).0 else { panic!("not told") };
    assert!(long.text.unwrap_err().contains("100000 bytes"));
    assert_eq!(ask(&long.mark).0, CalendarThere::Known, "said once");
    database.psql("DROP TABLE calendrier");
    assert!(unreadable(&ask("").0));
    let trips: Vec<u64> = (0..3).map(|_| ask("").1).collect();
    assert_eq!(trips, [2, 1, 1], "kept by the server from the second use on");
}

#[test]
fn a_text_comes_back_as_it_was_written_from_any_encoding_or_is_refused_by_name() {
    for (encoding, holds_accents) in [
        ("UTF8", true),
        ("LATIN1", true),
        ("WIN1252", true),
        ("SQL_ASCII", false),
        ("WIN1251", false),
    ] {
        let database = Cluster::shared().database_in(encoding);
        let folder = Folder::of_three_machines();
        let agent = agent(&folder, &database, "ligne-1");
        agent.once();
        let backslashes = PLANT.replace("après-midi", r"apr\u00e8s\\midi 'x'");
        put(&agent, &backslashes).succeeded();
        assert_eq!(show(&agent).stdout, backslashes, "{encoding}");
        agent.once();
        assert_eq!(shift_of(&agent, "DEM12"), r"après\midi 'x'", "{encoding}");
        let written = put(&agent, PLANT);
        if holds_accents {
            written.succeeded();
            assert_eq!(show(&agent).stdout, PLANT, "{encoding}");
            agent.once();
            assert_eq!(shift_of(&agent, "DEM12"), "après-midi", "{encoding}");
        } else {
            let name =
                format!("plant.toml:6: central's database is in {encoding}, which has no 'è'");
            written.exited(2).says(&name).says(r"\u00E8");
        }
    }
    // Bytes of nobody's encoding, by another program.
    let database = Cluster::shared().database_in("SQL_ASCII");
    let folder = Folder::of_three_machines();
    let agent = agent(&folder, &database, "ligne-1");
    agent.once();
    database.psql(
        r"INSERT INTO calendrier (version, machines, texte) VALUES (3, '*', E'# a\n# \xe8\\ \n')",
    );
    agent.once().says("version 3: cannot be used").says("line 2 is not UTF-8");
    show(&agent).exited(1).says("line 2 is not UTF-8");
}

/// The shifts of which times are stored, of all machines and days.
fn timed(agent: &Agent) -> Vec<String> {
    let connection = Connection::open(agent.buffer()).unwrap();
    let mut select = connection.prepare("SELECT DISTINCT shift FROM shift_times").unwrap();
    select.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

#[test]
fn a_service_keeps_the_calendar_while_central_is_away_and_takes_the_next_one_when_it_is_back() {
    let mut cluster = Cluster::start_new(&Options::default());
    let folder = Folder::of_three_machines();
    folder.put("DEM12 (PVC)/20250603.LOG", b"20250603 22:00:00|@StukUitgevoerd: 1 N\n");
    let gateway = agent(&folder, &cluster.database(), "ligne-1");
    let running = gateway.run();
    running.wait_for_line("central: ");
    wait::until("the machine is in central", wait::PATIENCE, || put(&gateway, PLANT).code == 0);
    drop(running);
    let running = gateway.run();
    wait::until("its days are computed again", wait::PATIENCE, || {
        timed(&gateway) == ["après-midi"]
    });
    cluster.stop();
    folder.append("DEM12 (PVC)/20250603.LOG", b"20250603 22:30:00|@StukUitgevoerd: 2 N\n");
    running.wait_for_line("central: link down");
    assert_eq!(
        (shift_of(&gateway, "DEM12"), timed(&gateway)),
        ("après-midi".into(), vec!["après-midi".into()])
    );
    cluster.start();
    put(&gateway, OTHER).succeeded();
    // A row that was lost with the connection waits five minutes; one of another process does not.
    drop(running);
    let running = gateway.run();
    running.wait_for_line("calendar of the plant, version 2 of ");
    wait::until("its days are computed again", wait::PATIENCE, || timed(&gateway) == ["nuit"]);
    assert_eq!(shift_of(&gateway, "SU12"), "nuit");
}
