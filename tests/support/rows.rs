//! What central and the buffer hold, read back in the typed shape of the golden cases, so that
//! truth, buffer and central can be compared to the last digit. Reads only.

use serde::Deserialize;
use serde_json::Value;

use super::{
    agent::Agent,
    golden::{Case, Expected, machine_of},
    postgres::Database,
};

/// What a case must leave behind, by machine and day; `dossier` holds the machine's name.
pub fn truth(case: &Case) -> Vec<Expected> {
    let mut sessions = case.expected.clone();
    for session in &mut sessions {
        session.dossier = machine_of(&session.dossier).to_owned();
    }
    sessions
        .sort_by(|a, b| (&a.dossier, &a.date_production).cmp(&(&b.dossier, &b.date_production)));
    sessions
}

/// A session of central with what the golden cases do not tell.
#[derive(Clone, Debug, Deserialize)]
pub struct CentralRow {
    pub type_cu: String,
    pub fichier_log_source: Option<String>,
    pub revision: Option<i64>,
    /// True where every table of details is numbered 1 to n without a gap.
    pub numbered: bool,
    pub session: Expected,
}

/// All sessions of a database with all their details, by machine and day; none before it has tables.
pub fn central_rows(database: &Database<'_>) -> Vec<CentralRow> {
    let text = loop {
        match database.try_psql(include_str!("central_sessions.sql")) {
            Ok(text) => break text,
            Err(error) if error.contains(r#"relation "session_production" does not exist"#) => {
                return Vec::new();
            }
            // It read while an agent migrated: who was refused asks again.
            Err(error) if error.contains("deadlock detected") => {}
            Err(error) => panic!("{error}"),
        }
    };
    let rows: Vec<CentralRow> = serde_json::from_str(text.trim())
        .unwrap_or_else(|e| panic!("central's rows are not in the golden shape: {e}\n{text}"));
    for row in &rows {
        assert!(
            row.numbered,
            "details of {} {} are not numbered 1..n",
            row.session.dossier, row.session.date_production
        );
    }
    rows
}

/// All sessions of a database in the golden shape.
pub fn central_sessions(database: &Database<'_>) -> Vec<Expected> {
    central_rows(database).into_iter().map(|row| row.session).collect()
}

/// What `sessions --json` says of required time.
const REQUIRED_TIME: [&str; 22] = [
    "cadence_nominale",
    "en_cours",
    "jusqua",
    "pieces_hors_requis",
    "pieces_rebut",
    "pieces_requis",
    "postes",
    "temps_attente_requis",
    "temps_ouverture",
    "temps_requis",
    "temps_fonctionnement",
    "temps_arret",
    "temps_demarrage",
    "temps_fin",
    "temps_net",
    "temps_utile",
    "taux_do",
    "taux_tp",
    "taux_tq",
    "trs",
    "trg",
    "tre",
];

/// All sessions of the buffer in the golden shape, as `sessions --json` prints them.
pub fn buffer_sessions(agent: &Agent) -> Vec<Expected> {
    sessions_of(agent.sessions_json())
}

/// What `sessions --json` printed, in the golden shape.
pub fn sessions_of(printed: Value) -> Vec<Expected> {
    let Value::Array(list) = printed else { panic!("sessions --json prints no list") };
    let mut sessions: Vec<Expected> = list
        .into_iter()
        .map(|session| {
            let Value::Object(mut session) = session else { panic!("{session} is no object") };
            let machine = session.remove("machine").expect("a session names its machine");
            session.insert("dossier".into(), machine);
            for number in ["revision", "synced_revision", "events"] {
                assert!(session.remove(number).is_some_and(|n| n.is_i64()), "no number {number:?}");
            }
            for beside in ["type_cu", "anomalies", "fichier_log_source", "refusal"] {
                session.remove(beside);
            }
            for of_required in REQUIRED_TIME {
                assert!(session.remove(of_required).is_some(), "no {of_required:?}");
            }
            serde_json::from_value(Value::Object(session))
                .expect("sessions --json has the golden shape")
        })
        .collect();
    sessions
        .sort_by(|a, b| (&a.dossier, &a.date_production).cmp(&(&b.dossier, &b.date_production)));
    sessions
}

/// Fails with the first field that differs, not with two pages of sessions.
#[track_caller]
pub fn assert_same(what: &str, got: &[Expected], wanted: &[Expected]) {
    let key = |s: &Expected| format!("{} {}", s.dossier, s.date_production);
    let keys = |list: &[Expected]| list.iter().map(key).collect::<Vec<_>>();
    assert_eq!(keys(got), keys(wanted), "{what}: which sessions there are");
    for (got, wanted) in got.iter().zip(wanted) {
        if got == wanted {
            continue;
        }
        let what = format!("{what}, {}", key(wanted));
        let headers = |s: &Expected| {
            let mut header = s.clone();
            header.pieces.clear();
            header.attentes.clear();
            header.arrets.clear();
            header.jobs.clear();
            header
        };
        assert_eq!(headers(got), headers(wanted), "{what}");
        first_difference(&format!("{what}: pieces"), &got.pieces, &wanted.pieces);
        first_difference(&format!("{what}: attentes"), &got.attentes, &wanted.attentes);
        first_difference(&format!("{what}: arrets"), &got.arrets, &wanted.arrets);
        first_difference(&format!("{what}: jobs"), &got.jobs, &wanted.jobs);
    }
}

#[track_caller]
fn first_difference<T: PartialEq + std::fmt::Debug>(what: &str, got: &[T], wanted: &[T]) {
    for (number, (got, wanted)) in got.iter().zip(wanted).enumerate() {
        assert_eq!(got, wanted, "{what}: number {}", number + 1);
    }
    assert_eq!(got.len(), wanted.len(), "{what}: how many");
}
