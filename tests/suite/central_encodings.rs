//! Databases in other encodings than UTF-8: every session arrives, every row can be read by every client,
//! and what central holds counts as what was sent.

use cu_agent::sync::postgres::{ServerEncoding, for_encoding};
use fastrand::Rng;

use crate::support::{
    agent::Agent,
    central::SESSION_TABLES,
    folder::Folder,
    postgres::{Cluster, Database},
    seed::seed,
};

/// As `server_encoding` names them.
const ENCODINGS: [&str; 8] =
    ["UTF8", "SQL_ASCII", "LATIN1", "LATIN9", "WIN1252", "WIN1250", "KOI8R", "EUC_JP"];

/// Folder, `nom` and `type_cu` of a machine that no encoding but UTF-8 holds.
const ODD: (&str, &str, &str) = (
    "ODD (≥ 2)",
    "D\u{e9}coupe n\u{b0}\u{202f}3 \u{2013} \u{153}uvre \u{2116}\u{4e00}",
    "“≥ 2…” œ",
);
const PLAIN: (&str, &str, &str) = ("DEM12 (PVC)", "DEM12", "DEM12");

/// A day whose texts are drawn from what hurts: bytes beyond ASCII, control characters of both kinds, quotes
/// and backslashes, and references longer than their column.
fn hostile_day(day: &str, rng: &mut Rng) -> Vec<u8> {
    let mut text = |length: usize| -> Vec<u8> {
        let byte = |rng: &mut Rng| match rng.u8(..10) {
            0 => rng.choice([b'\'', b'"', b'\\', b',', b'{', b'%', b';']).unwrap(),
            1 => rng.u8(0x80..0xa0),
            2..=5 => rng.u8(0xa0..=0xff),
            _ => rng.u8(b'0'..=b'Z'),
        };
        (0..length).map(|_| byte(rng)).collect()
    };
    let mut bytes = Vec::new();
    for minute in 0..20 {
        let time = format!("{day} 06:{minute:02}");
        let mut line = |second: u8, event: &str, words: Vec<u8>| {
            bytes.extend(format!("{time}:{second:02}|@{event}").into_bytes());
            bytes.extend(words);
            bytes.push(b'\n');
        };
        line(0, "StukUitgevoerd: 1 N", text(20));
        line(20, "JobProfiel: R:", [text(60), b" L:5000 C:".to_vec(), text(60)].concat());
        line(40, "MachineWait: 5 sec", Vec::new());
        line(50, "Onbekend", text(5));
    }
    bytes
}

fn scene(database: &Database<'_>, seed: u64) -> (Folder, Agent) {
    let folder = Folder::of_three_machines();
    let mut rng = Rng::with_seed(seed);
    for (name, ..) in [ODD, PLAIN] {
        std::fs::create_dir_all(folder.path().join(name)).unwrap();
        for day in ["20250526", "20250528"] {
            folder.put(&format!("{name}/{day}.LOG"), &hostile_day(day, &mut rng));
        }
    }
    let mut agent = Agent::new();
    agent.add_directory("cu", folder.path());
    let mut machines = toml::Table::new();
    for (name, nom, type_cu) in [ODD, PLAIN] {
        let machine = toml::Table::from_iter([
            ("nom".into(), nom.into()),
            ("type_cu".into(), toml::Value::from(type_cu)),
        ]);
        machines.insert(name.into(), machine.into());
    }
    agent.set("source.0.folders", machines);
    agent.set("agent.id", "ligne \u{2013} é ☃");
    agent.set_central(&database.config());
    (folder, agent)
}

/// What a row is and by which transaction it was written.
fn versions(database: &Database<'_>) -> String {
    ["session_production", "piece_production", "job_profil", "anomalie", "periode_attente"]
        .map(|table| {
            let rows = format!("SELECT count(*), max(xmin::text::bigint) FROM {table}");
            format!("{table} {}", database.psql(&rows))
        })
        .join("\n")
}

/// One encoding.
fn check(name: &str, seed: u64) {
    let what = format!("{name}, seed {seed}");
    let database = Cluster::shared().database_in(name);
    let (_folder, agent) = scene(&database, seed);
    let first = agent.once();
    assert_eq!(database.count("session_production"), 4, "{what}: {first}");
    assert!(database.count("anomalie") > 0, "{what}: no sentence of the agent's own");
    for table in [&SESSION_TABLES[..], &["v_production_jour"]].concat() {
        let query = format!("SELECT * FROM {table}");
        let utf8 = database.bytes_in("UTF8", &query);
        assert!(String::from_utf8(utf8).is_ok(), "{what}: {table}");
        let own = database.bytes_in(name, &query);
        // Programs take the name at its word.
        assert!(name != "SQL_ASCII" || own.is_ascii(), "{what}: {table}");
    }
    let encoding = ServerEncoding::named(name);
    let names = database.psql("SELECT nom, type_cu FROM centre_usinage ORDER BY nom = 'DEM12'");
    let expected = format!("{}|{}", ODD.1, ODD.2);
    assert_eq!(names, format!("{}\nDEM12|DEM12", for_encoding(&expected, encoding)), "{what}");
    // Central is compared with what it confirmed, and found equal.
    let before = versions(&database);
    agent.once();
    assert_eq!(versions(&database), before, "{what}: sent again");
    let status = agent.status_json();
    assert_eq!(status["pending_sessions"], 0, "{what}: {status:#}");
    let changed = &status["changed_texts"];
    if encoding == ServerEncoding::Utf8 {
        assert_eq!(*changed, serde_json::Value::Null, "{what}");
    } else {
        assert_eq!(changed["encoding"], name, "{what}");
        assert!(changed["texts"].as_u64().unwrap() > 0, "{what}: {changed}");
        first.says(&format!("its database is in {name}"));
    }
    if name == "LATIN9" {
        agent.command(&["check"]).says("its database is in LATIN9");
        agent.command(&["status"]).says("written in similar characters");
    }
}

#[test]
fn every_session_arrives_in_every_encoding_can_be_read_by_every_client_and_is_sent_once() {
    let seed = seed();
    std::thread::scope(|scope| {
        for names in ENCODINGS.chunks(4) {
            scope.spawn(move || names.iter().for_each(|name| check(name, seed)));
        }
    });
}

#[test]
fn a_text_or_a_value_that_central_cannot_compute_with_keeps_no_session_from_being_compared() {
    let db = Cluster::shared().database_in("SQL_ASCII");
    let (folder, agent) = scene(&db, 5);
    agent.once();
    let held = |db: &Database<'_>| {
        db.psql(
            "SET client_encoding = 'SQL_ASCII';
             SELECT s.machine, s.date_production, s.taux_attente, p.numero_piece, p.timestamp_production, p.details
             FROM session_production s JOIN piece_production p ON p.session_id = s.id ORDER BY 1, 2, 4",
        )
    };
    let before = held(&db);
    // A byte that is no text to anybody, and other values in other sessions.
    db.psql(
        "SET client_encoding = 'SQL_ASCII';
         UPDATE piece_production SET details = E'N\\xb0 1' WHERE numero_piece = 2
             AND session_id = (SELECT min(id) FROM session_production);
         UPDATE session_production SET taux_attente = 1 WHERE id = (SELECT max(id) FROM session_production);
         UPDATE piece_production SET timestamp_production = timestamp_production + interval '1 s'
         WHERE numero_piece = 3 AND session_id = (SELECT max(id) - 1 FROM session_production)",
    );
    agent.once().says("from what was delivered");
    assert!(held(&db) == before, "every value is as it was");
    agent.once().does_not_say("from what was delivered");
    // A column of another type, with what is no number: rows are still counted, and new days arrive.
    db.psql(
        "DROP VIEW v_matiere;
         ALTER TABLE job_profil ALTER longueur TYPE text USING longueur::text;
         UPDATE job_profil SET longueur = 'douze' WHERE numero = 1;
         DELETE FROM piece_production WHERE numero_piece = 2",
    );
    folder.put("DEM12 (PVC)/20250529.LOG", b"20250529 05:00:00|@StukUitgevoerd: 1 A\n");
    let output = agent.once();
    assert_eq!(db.count("session_production"), 5, "{output}");
    assert_eq!(agent.status_json()["central"]["state"], "up", "{output}");
    let pieces = db.psql("SELECT count(*) FROM piece_production WHERE numero_piece = 2");
    assert_eq!(pieces, "4", "{output}");
}

#[test]
fn two_machines_that_would_have_one_name_in_central_s_encoding_are_told_and_never_mixed() {
    for encoding in ["KOI8R", "SQL_ASCII", "LATIN1"] {
        let db = Cluster::shared().database_in(encoding);
        let folder = Folder::of_three_machines();
        let mut agent = Agent::on_directory(folder.path()).central(&db);
        let accented = if encoding == "LATIN1" { "Pi\u{10d}ce" } else { "Pièce" };
        agent.set("source.0.folders.DEM12 (PVC).nom", accented);
        let plain = if encoding == "LATIN1" { "Picce" } else { "Piece" };
        agent.set("source.0.folders.SU12 (HYBRIDE).nom", plain);
        for (folder_name, pieces) in
            [("DEM12 (PVC)", 2), ("SU12 (HYBRIDE)", 5), ("DEMALU (ALU)", 1)]
        {
            let line = |n| format!("20250603 05:00:{n:02}|@StukUitgevoerd: {n} A\n");
            let log: String = (1..=pieces).map(line).collect();
            folder.put(&format!("{folder_name}/20250603.LOG"), log.as_bytes());
        }
        let output = agent.once().exited(3).says("nothing of two machines is mixed");
        let held = || {
            db.psql(
                "SELECT c.nom, s.total_pieces, count(p.*) FROM session_production s
                 JOIN centre_usinage c ON c.id = s.centre_usinage_id
                 JOIN piece_production p ON p.session_id = s.id GROUP BY 1, 2 ORDER BY 1",
            )
        };
        let names = held();
        let one = names.lines().find(|line| line.starts_with(plain)).unwrap_or_default();
        assert!(one.ends_with("|2|2") || one.ends_with("|5|5"), "{encoding}: {names} {output}");
        assert_eq!(names.lines().count(), 2, "{encoding}: {names}");
        let status = agent.status_json();
        assert_eq!(status["set_aside_sessions"], 1, "{status:#}");
        let reason = status["set_aside"][0]["reason"].as_str().unwrap();
        assert!(reason.contains(encoding) && reason.contains("`nom`"), "{reason}");
        agent.command(&["check"]).exited(1).says("nothing of two machines is mixed");
        // Again and again, and with news of the other.
        folder.append("SU12 (HYBRIDE)/20250603.LOG", b"20250603 06:00:00|@StukUitgevoerd: 6 A\n");
        folder.append("DEM12 (PVC)/20250603.LOG", b"20250603 06:00:00|@StukUitgevoerd: 3 A\n");
        agent.once().exited(3);
        let grown = held();
        let one = grown.lines().find(|line| line.starts_with(plain)).unwrap_or_default();
        assert!(one.ends_with("|3|3") || one.ends_with("|6|6"), "{encoding}: {grown}");
        // A name of its own, and the folder is read whole for it when it grows.
        agent.set("source.0.folders.DEM12 (PVC).nom", "DEM12");
        folder.append("DEM12 (PVC)/20250603.LOG", b"20250603 07:00:00|@StukUitgevoerd: 4 A\n");
        agent.once();
        assert!(held().contains("DEM12|4|4"), "{encoding}: {}", held());
        assert!(held().contains(&format!("{plain}|6|6")), "{encoding}: {}", held());
        agent.command(&["check"]).does_not_say("nothing of two machines is mixed");
    }
}
