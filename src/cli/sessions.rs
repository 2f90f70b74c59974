//! `cu-agent sessions`: locally stored sessions as a table or as JSON with the names and
//! shapes of central's columns.

use std::{io::Write, path::Path};

use serde::Serialize;
use serde_json::{Value, json};

use super::{Exit, JsonOutput, LogTo, Output, UsageError, configured, print, table::table};
use crate::{
    buffer::{Buffer, SessionFilter, StoredSession},
    model::{Advice, Anomaly, Day, Job, Language, Piece, Stamp, Stop, Wait, hours_e4, rate_e2},
};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Only this machine (its `nom`).
    #[arg(long, value_name = "NOM")]
    machine: Option<String>,
    /// Only this production day.
    #[arg(long, value_name = "YYYY-MM-DD")]
    date: Option<Day>,
    /// Also print each anomaly as a sentence.
    #[arg(long, conflicts_with = "json")]
    anomalies: bool,
    /// Output as JSON: one object per session with all details, keyed by central's column names.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(config: &Path, arguments: &Arguments) -> anyhow::Result<Exit> {
    let config = configured(config, LogTo::StderrWarnings)?;
    let Some(buffer) = Buffer::open_to_show(&config.agent.state_dir)? else {
        return if arguments.json {
            print("[]\n")?;
            Ok(Exit::Done)
        } else {
            Err(UsageError(format!(
                "there is no buffer in {} yet; run `cu-agent once` first",
                config.agent.state_dir.display()
            ))
            .into())
        };
    };
    let filter = SessionFilter { machine: arguments.machine.clone(), day: arguments.date };
    if arguments.json {
        as_json(&buffer, &filter, config.agent.language)?
    } else {
        as_table(&buffer, &filter, arguments.anomalies.then_some(config.agent.language))?
    }
    Ok(Exit::Done)
}

fn as_table(
    buffer: &Buffer,
    filter: &SessionFilter,
    sentences: Option<Language>,
) -> anyhow::Result<()> {
    let (mut rows, mut told) = (Vec::new(), Vec::new());
    let mut has_trs = false;
    buffer.sessions().each_session(filter, |stored| {
        has_trs |= stored.nominal_per_hour.is_some();
        rows.push(row(&stored));
        told.extend(sentences.iter().flat_map(|language| sentences_of(&stored, *language)));
        Ok::<_, std::convert::Infallible>(())
    })??;
    if rows.is_empty() {
        print("no sessions\n")?;
        return Ok(());
    }
    let mut heads = vec![
        "day",
        "machine",
        ">pieces",
        "first",
        "last",
        ">window h",
        ">effective h",
        ">occupied %",
        ">waiting %",
        ">stopped %",
        ">stops",
        ">TRS %",
        ">anomalies",
        "central",
    ];
    if !has_trs {
        // If no machine has a nominal rate, the column would be empty.
        heads.remove(TRS_AT);
        rows.iter_mut().for_each(|row| {
            row.remove(TRS_AT);
        });
    }
    print(&table(&heads, &rows))?;
    if !told.is_empty() {
        print(&format!("\n{}", table(&["day", "machine", "severity", "code", "anomaly"], &told)))?;
    }
    Ok(())
}

const TRS_AT: usize = 11;

fn sentences_of(stored: &StoredSession, language: Language) -> Vec<Vec<String>> {
    let row = |anomaly: &Anomaly| {
        vec![
            stored.day.to_string(),
            stored.nom.clone(),
            anomaly.severity.as_str().to_owned(),
            anomaly.code.as_str().to_owned(),
            anomaly.text(language),
        ]
    };
    stored.anomalies.iter().map(row).collect()
}

fn row(stored: &StoredSession) -> Vec<String> {
    let figures = &stored.session.figures;
    let time = |at: Option<Stamp>| {
        at.map_or("-".to_owned(), |at| at.to_naive().format("%H:%M:%S").to_string())
    };
    let rate = |ms| decimal(rate_e2(ms, figures.window_ms), 2);
    vec![
        stored.day.to_string(),
        stored.nom.clone(),
        figures.total_pieces.to_string(),
        time(figures.first_piece),
        time(figures.last_piece),
        decimal(hours_e4(figures.window_ms), 4),
        decimal(hours_e4(figures.effective_ms), 4),
        rate(figures.effective_ms),
        rate(figures.wait_ms),
        rate(figures.stop_ms),
        stored.session.stops.len().to_string(),
        stored.trs().map_or("-".to_owned(), |trs| decimal(trs.trs_e4, 2)),
        stored.anomalies.len().to_string(),
        standing(stored).to_owned(),
    ]
}

fn standing(stored: &StoredSession) -> &'static str {
    match stored {
        StoredSession { refusal: Some(_), .. } => "quarantined",
        StoredSession { revision, synced_revision, .. } if revision == synced_revision => "yes",
        _ => "waiting",
    }
}

/// A number of `decimals` decimals from its digits.
pub(super) fn decimal(digits: i64, decimals: u32) -> String {
    let scale = 10_i64.pow(decimals);
    let sign = if digits < 0 { "-" } else { "" };
    let digits = digits.unsigned_abs();
    let scale = scale.unsigned_abs();
    format!("{sign}{}.{:0width$}", digits / scale, digits % scale, width = decimals as usize)
}

fn as_json(buffer: &Buffer, filter: &SessionFilter, language: Language) -> anyhow::Result<()> {
    // One session at a time and row by row: a year of them needs no more memory than a day, and the
    // largest day not much more than its rows.
    let mut out = JsonOutput(Output::stdout());
    out.write_all(b"[")?;
    let mut separator = "\n";
    buffer.sessions().each_session(filter, |stored| {
        out.write_all(separator.as_bytes())?;
        separator = ",\n";
        write_object(&mut out, &stored, language, None)
    })??;
    out.write_all(b"\n]\n")?;
    out.flush()?;
    Ok(())
}

/// One session as an object, row by row and never in memory as a whole; with advice where it is given.
pub(super) fn write_object(
    out: &mut JsonOutput,
    stored: &StoredSession,
    language: Language,
    advice: Option<&[Advice]>,
) -> std::io::Result<()> {
    let header = header(stored).to_string();
    out.write_all(header.strip_suffix('}').unwrap_or(&header).as_bytes())?;
    for (name, rows) in lists(stored, language) {
        write_list(out, name, rows)?;
    }
    if let Some(advice) = advice {
        let row = |one: &Advice| json!({ "minutes": one.won_e1 / 10, "texte": one.text(language) });
        write_list(out, "conseils", advice.iter().map(row))?;
    }
    out.write_all(b"}")
}

fn write_list(
    out: &mut JsonOutput,
    name: &str,
    rows: impl Iterator<Item = Value>,
) -> std::io::Result<()> {
    write!(out, ",\"{name}\":[")?;
    let mut separator = "";
    for row in rows {
        write!(out, "{separator}{row}")?;
        separator = ",";
    }
    out.write_all(b"]")
}

/// Keys come in alphabetical order, as they always did.
fn value(plain: impl Serialize) -> Value {
    serde_json::to_value(plain).expect("plain data has a form in JSON")
}

fn shown(at: Stamp) -> String {
    at.to_naive().format("%Y-%m-%d %H:%M:%S%.3f").to_string()
}

type Rows<'s> = Box<dyn Iterator<Item = Value> + 's>;

/// The lists of a session, each row by row.
fn lists(stored: &StoredSession, language: Language) -> [(&'static str, Rows<'_>); 5] {
    let session = &stored.session;
    let piece = |piece: &Piece| value((shown(piece.at), piece.details.as_str()));
    let wait = |wait: &Wait| value((shown(wait.start), (wait.end.0 - wait.start.0) / 1000));
    let stop = |stop: &Stop| value((shown(stop.start), shown(stop.end)));
    let job = |job: &Job| {
        let length = decimal(job.length_e2, 2);
        value((shown(job.at), job.reference.as_str(), length, job.colour.as_str()))
    };
    let anomaly = move |anomaly: &Anomaly| value(AnomalyRow::of(anomaly, language));
    [
        ("pieces", Box::new(session.pieces.iter().map(piece))),
        ("attentes", Box::new(session.waits.iter().map(wait))),
        ("arrets", Box::new(session.stops.iter().map(stop))),
        ("jobs", Box::new(session.jobs.iter().map(job))),
        ("anomalies", Box::new(stored.anomalies.iter().map(anomaly))),
    ]
}

#[derive(Serialize)]
struct AnomalyRow {
    code: &'static str,
    gravite: &'static str,
    timestamp_debut: Option<String>,
    timestamp_fin: Option<String>,
    valeur: String,
    attendu: Option<String>,
    texte: String,
}

impl AnomalyRow {
    fn of(anomaly: &Anomaly, language: Language) -> Self {
        Self {
            code: anomaly.code.as_str(),
            gravite: anomaly.severity.in_french(),
            timestamp_debut: anomaly.from.map(shown),
            timestamp_fin: anomaly.to.map(shown),
            valeur: decimal(anomaly.value_e2, 2),
            attendu: anomaly.expected_e2.map(|expected| decimal(expected, 2)),
            texte: anomaly.text(language),
        }
    }
}

/// A session without its lists, under the names of central's columns.
#[derive(Serialize)]
struct Header<'s> {
    machine: &'s str,
    date_production: String,
    total_pieces: u32,
    heure_premiere_piece: Option<String>,
    heure_derniere_piece: Option<String>,
    heure_premier_machine_start: Option<String>,
    heure_dernier_machine_stop: Option<String>,
    duree_production_totale: String,
    temps_attente: String,
    temps_arret_volontaire: String,
    temps_production_effectif: String,
    taux_occupation: String,
    taux_attente: String,
    taux_arret_volontaire: String,
    temps_attente_brut: String,
    temps_arret_brut: String,
    fichier_log_source: &'s str,
    trs: Option<TrsRow>,
    events: u64,
    revision: i64,
    synced_revision: i64,
    refusal: Option<&'s str>,
}

#[derive(Serialize)]
struct TrsRow {
    cadence_nominale: Option<u32>,
    rebuts: u32,
    taux_disponibilite: String,
    taux_performance: String,
    taux_qualite: String,
    taux_trs: String,
}

/// Never empty.
fn header(stored: &StoredSession) -> Value {
    let figures = &stored.session.figures;
    let hours = |ms| decimal(hours_e4(ms), 4);
    let rate = |ms| decimal(rate_e2(ms, figures.window_ms), 2);
    value(Header {
        machine: &stored.nom,
        date_production: stored.day.to_string(),
        total_pieces: figures.total_pieces,
        heure_premiere_piece: figures.first_piece.map(shown),
        heure_derniere_piece: figures.last_piece.map(shown),
        heure_premier_machine_start: figures.first_start.map(shown),
        heure_dernier_machine_stop: figures.last_stop.map(shown),
        duree_production_totale: hours(figures.window_ms),
        temps_attente: hours(figures.wait_ms),
        temps_arret_volontaire: hours(figures.stop_ms),
        temps_production_effectif: hours(figures.effective_ms),
        taux_occupation: rate(figures.effective_ms),
        taux_attente: rate(figures.wait_ms),
        taux_arret_volontaire: rate(figures.stop_ms),
        temps_attente_brut: hours(figures.raw_wait_ms),
        temps_arret_brut: hours(figures.raw_stop_ms),
        fichier_log_source: &stored.log_sources,
        trs: stored.trs().map(|trs| TrsRow {
            cadence_nominale: stored.nominal_per_hour,
            rebuts: stored.rejects,
            taux_disponibilite: decimal(trs.availability_e4, 2),
            taux_performance: decimal(trs.performance_e4, 2),
            taux_qualite: decimal(trs.quality_e4, 2),
            taux_trs: decimal(trs.trs_e4, 2),
        }),
        events: figures.events,
        revision: stored.revision,
        synced_revision: stored.synced_revision,
        refusal: stored.refusal.as_deref(),
    })
}

#[cfg(test)]
mod tests {
    use super::decimal;

    #[test]
    fn decimals_keep_their_zeros() {
        assert_eq!(decimal(167, 4), "0.0167");
        assert_eq!(decimal(600_000, 2), "6000.00");
        assert_eq!(decimal(0, 2), "0.00");
        assert_eq!(decimal(-5, 2), "-0.05");
    }
}
