//! The dashboards: each question of theirs is asked of a central that a real agent filled, as the role that
//! `grafana/role.sql` makes, and answers what the LOGs say.

mod details;
mod files;
mod oracle;
mod plant;
mod sums;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDateTime, TimeDelta};
use rusqlite::Connection;
use serde_json::{Map, Value};

use self::{
    oracle::Look,
    plant::{DAYS, Plant, first_day},
    sums::Rows,
};
use crate::support::{
    agent::Agent,
    central::Feeder,
    grafana::{self, Choice, Chosen, Question},
    postgres::{Database, server_major},
    seed::seed,
    years::Years,
};

const EVERY_MACHINE: &str = "SELECT nom FROM centre_usinage";
const EVERY_GATEWAY: &str = "SELECT agent_id FROM v_parc";

/// Makes the role by the file that is shipped, in `schema`.
fn reader(database: &Database<'_>, schema: &str) -> String {
    let role = format!("tableaux_{}", database.name);
    let file = std::fs::read_to_string(grafana::folder().join("role.sql")).unwrap();
    let script = format!("\\set role {role}\n\\set schema {schema}\n{file}");
    database.psql(&script);
    // Again, as after an upgrade.
    database.psql(&script);
    role
}

/// What each question answers, in order: rows of columns.
fn answers(database: &Database<'_>, role: &str, choice: &Choice, all: &[Question]) -> Vec<Rows> {
    let asked = |question: &Question| {
        let sql = choice.expand(&question.sql);
        format!(
            "SELECT coalesce(json_agg(row_to_json(q)), '[]') FROM (\n{sql}\n) q;\n\\echo ----\n"
        )
    };
    let script: String = all.iter().map(asked).collect();
    let printed = database
        .cluster
        .try_psql_as(role, &database.name, &script)
        .unwrap_or_else(|error| panic!("{error}\nin {script}"));
    let parts: Vec<&str> = printed.split("----").collect();
    assert_eq!(parts.len(), all.len() + 1, "{printed}");
    let parsed = all.iter().zip(parts).map(|(question, text)| {
        serde_json::from_str(text)
            .unwrap_or_else(|error| panic!("{}: {error}: {text}", question.name))
    });
    parsed.collect()
}

fn is_same(found: &Value, expected: &Value) -> bool {
    match (found.as_f64(), expected.as_f64()) {
        (Some(found), Some(expected)) => (found - expected).abs() <= 1e-9 * expected.abs().max(1.0),
        _ => found == expected,
    }
}

fn compare(what: &str, found: &Rows, expected: &Rows) {
    assert_eq!(found.len(), expected.len(), "{what}\nfound {found:#?}\nexpected {expected:#?}");
    for (found, expected) in found.iter().zip(expected) {
        let keys = |row: &Map<String, Value>| row.keys().cloned().collect::<BTreeSet<String>>();
        assert_eq!(keys(found), keys(expected), "{what}");
        for (key, value) in expected {
            assert!(
                is_same(&found[key], value),
                "{what}: {key} is {} in {found:?}\nnot {value} in {expected:?}",
                found[key]
            );
        }
    }
}

/// What a panel must show; `None` for those of the gateways.
fn expected(look: &Look<'_>, name: &str) -> Option<Rows> {
    Some(match name {
        "usine/Journée" => look.running_day(),
        "usine/Machines" => look.machines(),
        "usine/TRS par poste de la dernière journée" => look.shifts_of_the_newest_day(),
        "usine/Pièces par heure" => look.pieces_by_hour(),
        "trs/TRS de la période" => look.trs(),
        "trs/TRS par jour" => look.trs_by_day(),
        "trs/Par machine et poste" => look.by_machine_and_shift(),
        "trs/Par semaine" => look.by_week(),
        "trs/Par mois" => look.by_month(),
        "trs/Par jour" => look.by_day(),
        "trs/Poste par poste" => look.shift_by_shift(),
        "pertes/Pertes classées" => look.losses_ranked(),
        "pertes/Pertes, part et pièces" => look.losses_shared(),
        "pertes/Temps requis par machine" => look.required_by_machine(),
        "pertes/Temps requis par poste" => look.required_by_shift(),
        "pertes/Temps requis par jour" => look.required_by_day(),
        "arrets/Arrêts de la période" => look.stops_in_all(),
        "arrets/Les plus longs arrêts" => look.longest_stops(),
        "arrets/Pareto par machine" => look.stops_by_machine(),
        "arrets/Arrêts par heure de la journée" => look.stops_by_hour(),
        "arrets/Heures d'arrêt par jour" => look.stops_by_day(),
        "arrets/Attentes par machine" => look.waits_by_machine(),
        "production/Pièces par jour" => look.pieces_by_day(),
        "production/Journées" => look.days_shown(),
        "production/Profils" => look.profiles(),
        "production/Matière" => look.material(),
        _ => return None,
    })
}

/// Where the plant may be, and how far its clocks are ahead of UTC in that June.
const ZONES: [(&str, i64); 3] = [("Europe/Paris", 2), ("America/Montreal", -4), ("UTC", 0)];

fn choice(look: &Look<'_>, zone: &str, is_all: bool) -> Choice {
    let utc = |at: NaiveDateTime| (at - look.ahead).and_utc();
    let machines = if is_all {
        Chosen::All(EVERY_MACHINE.into())
    } else {
        Chosen::Several(look.machines.iter().map(|nom| (*nom).to_owned()).collect())
    };
    Choice {
        from: utc(look.from),
        to: utc(look.to),
        variables: BTreeMap::from([
            ("machine", machines),
            ("fuseau", Chosen::One(zone.into())),
            ("passerelle", Chosen::All(EVERY_GATEWAY.into())),
        ]),
    }
}

/// A period, and the moment at which somebody looks: some days, some hours, or a day that has just begun.
fn draw_period(rng: &mut fastrand::Rng) -> (NaiveDateTime, NaiveDateTime) {
    let midnight =
        |day: u64| first_day().and_hms_opt(0, 0, 0).unwrap() + TimeDelta::days(day as i64);
    let day = midnight(rng.u64(0..DAYS + 2));
    match rng.u32(0..4) {
        0 => (day, day + TimeDelta::seconds(rng.i64(1..1800))),
        1 => (day, day + TimeDelta::seconds(86_399)),
        2 => (day, day + TimeDelta::seconds(rng.i64(3600..70_000))),
        _ => (
            midnight(rng.u64(0..3)),
            midnight(rng.u64(3..DAYS + 1)) + TimeDelta::seconds(rng.i64(0..86_400)),
        ),
    }
}

fn critical(agent: &Agent) -> BTreeMap<(String, chrono::NaiveDate), u64> {
    let buffer = Connection::open(agent.buffer()).unwrap();
    let mut select = buffer
        .prepare(
            "SELECT m.nom, s.day, count(*) FROM machine m JOIN session s ON s.machine_id = m.id
             JOIN finding f ON f.session_id = s.id WHERE f.gravity = 'high' GROUP BY 1, 2",
        )
        .unwrap();
    let rows = select.query_map([], |row| Ok(((row.get(0)?, row.get(1)?), row.get(2)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

#[test]
fn every_panel_shows_what_the_logs_say_at_any_moment_for_any_machines() {
    let seed = seed();
    let mut rng = fastrand::Rng::with_seed(seed);
    let plant = Plant::draw(&mut rng);
    let database = Database::fresh();
    let (agent, _folder) = plant.deliver(&database);
    let role = reader(&database, "public");
    let critical = critical(&agent);
    let all = grafana::questions();
    let mut shown: BTreeMap<&str, usize> = BTreeMap::new();
    for draw in 0..9 {
        let (zone, hours) = ZONES[rng.usize(0..ZONES.len())];
        let (from, to) = draw_period(&mut rng);
        let mut machines = vec!["DEM12", "DEMALU", "SU12"];
        machines.retain(|_| rng.u32(0..3) > 0);
        let is_all = machines.is_empty() || machines.len() == 3;
        if is_all {
            machines = vec!["DEM12", "DEMALU", "SU12"];
        }
        let ahead = TimeDelta::hours(hours);
        let look = Look { plant: &plant, from, to, ahead, machines, critical: &critical };
        let found = answers(&database, &role, &choice(&look, zone, is_all), &all);
        for (question, found) in all.iter().zip(&found) {
            let Some(expected) = expected(&look, &question.name) else { continue };
            let name = &question.name;
            let what = format!(
                "seed {seed}, draw {draw}: {name} of {:?} from {from} to {to} in {zone}",
                look.machines
            );
            compare(&what, found, &expected);
            *shown.entry(name).or_default() += expected.len();
        }
    }
    // Each has shown something, and each is one that somebody recomputes here.
    for question in &all {
        let name = question.name.as_str();
        if !name.starts_with("parc/") && name != "usine/Passerelles" {
            assert!(
                shown.get(name).is_some_and(|rows| *rows > 0),
                "seed {seed}: {name}: {shown:?}"
            );
        }
    }
}

fn asked(name: &str) -> Question {
    let found = grafana::questions().into_iter().find(|question| question.name == name);
    found.unwrap_or_else(|| panic!("no panel {name}"))
}

#[test]
fn the_fleet_shows_each_gateway_with_what_is_wrong_with_it() {
    let database = Database::fresh();
    Feeder::new(&database);
    let row = |id: &str,
               version: &str,
               age: &str,
               skew: &str,
               links: &str,
               buffer: u32,
               waiting: u32,
               result: &str| {
        format!(
            "INSERT INTO agent_edge (agent_id, tampon_id, instance_id, hote, version, architecture,
                 dernier_contact, intervalle_s, ecart_horloge_s, sessions_en_attente, plus_ancien_jour, liens,
                 tampon_octets, tampon_max_octets, disque_libre_octets, mise_a_jour_version,
                 mise_a_jour_depuis, mise_a_jour_resultat, mise_a_jour_detail)
             VALUES ('{id}', 't', 'i', 'hote', '{version}', 'arm64', now() - interval '{age}', 300, {skew}, {waiting},
                 '2025-06-03', '{links}', {buffer}, 200, 8000000000, '1.1', '1.0', {result}, 'x');\n"
        )
    };
    let down = r#"[{"nom": "cu", "etat": "bas", "depuis": "2025-06-03 10:00:00", "erreur": "l''hôte ne répond pas"},
                   {"nom": "b", "etat": "haut", "depuis": null, "erreur": null}]"#;
    database.psql(
        &[
            row("ligne-1", "1.1", "1 minute", "0", "[]", 100, 0, "'installed'"),
            row("ligne-2", "1.1", "2 days", "0", "[]", 100, 3, "NULL"),
            row("ligne-3", "1.0", "1 minute", "500", down, 190, 40, "'rolled-back'"),
        ]
        .concat(),
    );
    let role = reader(&database, "public");
    let names = [
        "parc/Parc",
        "parc/Passerelles",
        "parc/Liens bas",
        "parc/Mises à jour",
        "usine/Passerelles",
    ];
    let all: Vec<Question> = names.into_iter().map(asked).collect();
    let moment = DateTime::from_timestamp(0, 0).unwrap();
    let choose = |gateways| Choice {
        from: moment,
        to: moment,
        variables: BTreeMap::from([("passerelle", gateways)]),
    };
    let of_all = answers(&database, &role, &choose(Chosen::All(EVERY_GATEWAY.into())), &all);
    let [sums, gateways, links, updates, short] = &of_all[..] else { panic!() };
    let values = |row: &Map<String, Value>, keys: &[&str]| {
        keys.iter().map(|key| row[*key].to_string()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(
        values(&sums[0], &["Passerelles", "Vont bien", "À voir", "Muettes", "Sessions en attente"]),
        "3 1 2 1 43"
    );
    let told =
        |rows: &Rows, keys: &[&str]| rows.iter().map(|row| values(row, keys)).collect::<Vec<_>>();
    assert_eq!(
        told(
            gateways,
            &["Passerelle", "État", "Tampon", "En attente", "Écart d'horloge", "Depuis le"]
        ),
        [
            r#""ligne-2" "muet" 50.0 3 0.0 "2025-06-03""#,
            r#""ligne-3" "périmé, horloge fausse, lien bas, disque plein, mise à jour échouée" 95.0 40 500.0 "2025-06-03""#,
            r#""ligne-1" "ok" 50.0 0 0.0 "2025-06-03""#,
        ]
    );
    let age = gateways[0]["Âge"].as_f64().unwrap();
    assert!((172_800.0..172_900.0).contains(&age), "{age}");
    assert_eq!(
        told(links, &["Passerelle", "Source", "Depuis", "Erreur"]),
        [r#""ligne-3" "cu" "2025-06-03 10:00:00" "l'hôte ne répond pas""#]
    );
    assert_eq!(
        told(updates, &["Passerelle", "Résultat"]),
        [r#""ligne-3" "rolled-back""#, r#""ligne-1" "installed""#]
    );
    assert_eq!(told(short, &["Passerelle"]), [r#""ligne-2""#, r#""ligne-3""#, r#""ligne-1""#]);
    let some = Chosen::Several(vec!["ligne-1".into(), "l'autre".into()]);
    let of_some = answers(&database, &role, &choose(some), &all[..4]);
    assert_eq!(told(&of_some[1], &["Passerelle"]), [r#""ligne-1""#]);
    assert_eq!(values(&of_some[0][0], &["Passerelles", "Sessions en attente"]), "1 0");
}

#[test]
fn a_new_central_is_empty_to_each_panel_and_no_name_of_a_machine_is_sql() {
    let database = Database::fresh();
    Feeder::new(&database);
    let role = reader(&database, "public");
    let all = grafana::questions();
    let now = DateTime::from_timestamp(1_748_901_600, 0).unwrap();
    let names = ["DEM'12", "x'); DROP TABLE centre_usinage; --", "\\", "à\u{202f}la"];
    let several =
        |names: &[&str]| Chosen::Several(names.iter().map(|name| (*name).to_owned()).collect());
    for machines in [Chosen::All(EVERY_MACHINE.into()), several(&names), several(&names[..1])] {
        let choice = Choice {
            from: now - TimeDelta::days(7),
            to: now,
            variables: BTreeMap::from([
                ("machine", machines.clone()),
                ("passerelle", machines),
                ("fuseau", Chosen::One("Europe/Paris".into())),
            ]),
        };
        for (question, rows) in all.iter().zip(answers(&database, &role, &choice, &all)) {
            let is_sum = matches!(
                question.name.as_str(),
                "parc/Parc" | "arrets/Arrêts par heure de la journée"
            );
            assert_eq!(rows.is_empty(), !is_sum, "{}: {rows:?}", question.name);
        }
    }
    assert_eq!(database.count("centre_usinage"), 0);
}

#[test]
fn the_role_of_the_dashboards_reads_and_changes_nothing_in_any_schema_and_below_row_level_security()
{
    let database = Database::fresh();
    database.psql(&format!(
        "CREATE SCHEMA usine; ALTER DATABASE {} SET search_path = usine",
        database.name
    ));
    Feeder::new(&database);
    database.psql(
        "INSERT INTO usine.centre_usinage (nom, type_cu) VALUES ('A', 'PVC');
         INSERT INTO usine.session_production (centre_usinage_id, date_production, total_pieces)
         SELECT id, '2025-06-03', 7 FROM usine.centre_usinage;
         ALTER TABLE usine.centre_usinage ENABLE ROW LEVEL SECURITY;
         ALTER TABLE usine.session_production ENABLE ROW LEVEL SECURITY",
    );
    let role = reader(&database, "usine");
    let run = |script: &str| database.cluster.try_psql_as(&role, &database.name, script);
    assert_eq!(
        run(
            "SELECT c.nom, s.total_pieces FROM centre_usinage c JOIN session_production s ON s.centre_usinage_id = c.id"
        ),
        Ok("A|7".into())
    );
    let pieces = answers(
        &database,
        &role,
        &Choice {
            from: DateTime::from_timestamp(1_748_901_600, 0).unwrap(),
            to: DateTime::from_timestamp(1_748_988_000, 0).unwrap(),
            variables: BTreeMap::from([
                ("machine", Chosen::All(EVERY_MACHINE.into())),
                ("fuseau", Chosen::One("UTC".into())),
            ]),
        },
        &[asked("usine/Journée")],
    );
    assert_eq!(pieces[0][0]["Pièces"], 7);
    for change in [
        "INSERT INTO centre_usinage (nom, type_cu) VALUES ('B', 'B')",
        "DELETE FROM session_production",
        "SET default_transaction_read_only = off; UPDATE centre_usinage SET nom = 'B'",
        "SET default_transaction_read_only = off; CREATE TABLE usine.x ()",
        "SELECT * FROM cu_agent_machine",
        "SELECT * FROM calendrier",
    ] {
        assert!(run(change).is_err(), "{change}");
    }
    assert_eq!(run("SHOW statement_timeout"), Ok("30s".into()));
}

#[test]
fn no_panel_reads_all_pieces_or_waits_for_a_week() {
    let database = Database::fresh();
    Feeder::new(&database);
    Years { machines: 6, days: 150, pieces: 80, is_scattered: false }.fill(&database);
    database.psql("ANALYZE");
    let to = DateTime::from_timestamp(1_742_553_000, 0).unwrap();
    let choice = Choice {
        from: to - TimeDelta::days(7),
        to,
        variables: BTreeMap::from([
            ("machine", Chosen::All(EVERY_MACHINE.into())),
            ("passerelle", Chosen::All(EVERY_GATEWAY.into())),
            ("fuseau", Chosen::One("Europe/Paris".into())),
        ]),
    };
    let all = grafana::questions();
    let explain =
        |question: &Question| format!("EXPLAIN {};\n\\echo ----\n", choice.expand(&question.sql));
    let printed = database.psql(&all.iter().map(explain).collect::<String>());
    for (question, plan) in all.iter().zip(printed.split("----")) {
        for table in ["piece_production", "periode_attente"] {
            let whole = format!("Seq Scan on {table} ");
            assert!(
                !plan.contains(&whole),
                "PostgreSQL {}: {}\n{plan}",
                server_major(),
                question.name
            );
        }
    }
}
