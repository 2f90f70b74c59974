//! `cu-agent sessions`: locally stored sessions, and planned days without one, as a table or as JSON with
//! the names and shapes of central's columns.

use std::{collections::BTreeMap, io::Write, path::Path};

use chrono::TimeDelta;
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    Exit, JsonOutput, LogTo, Output, UsageError, configured, print, status::planned_machines,
    table::table, times::DayRow,
};
use crate::{
    buffer::{Buffer, SessionFilter, StoredSession},
    config::Config,
    model::{
        Advice, Anomaly, Day, Job, Language, NoTrs, Piece, Stamp, Stop, Wait, hours_e4, rate_e2,
    },
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
        as_json(&buffer, &filter, &config)?
    } else {
        as_table(&buffer, &filter, &config, arguments.anomalies)?
    }
    Ok(Exit::Done)
}

/// The columns up to those of required time, these, and those behind them.
const HEADS: [&str; 11] = [
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
];
const HEADS_OF_REQUIRED: [&str; 7] =
    [">required h", ">Do %", ">Tp %", ">Tq %", ">TRS %", ">TRG %", "until"];
const HEADS_BEHIND: [&str; 2] = [">anomalies", "central"];

fn as_table(
    buffer: &Buffer,
    filter: &SessionFilter,
    config: &Config,
    has_sentences: bool,
) -> anyhow::Result<()> {
    let planned = planned_machines(config, buffer)?;
    let (mut rows, mut told) = (Vec::new(), Vec::new());
    let mut has_times = false;
    // With neither a calendar nor a nominal rate, no TRS is asked for, and none is shown.
    let mut wants_trs = false;
    let mut lacking: BTreeMap<String, NoTrs> = BTreeMap::new();
    buffer.sessions().each_day(filter, |stored| {
        has_times |= stored.times.is_some();
        let no_trs = NoTrs::of(stored.times.as_ref(), planned.contains(&stored.nom));
        rows.push((row(&stored), of_required(&stored, no_trs, config), behind(&stored)));
        wants_trs |= stored.nominal_per_hour.is_some() || stored.times.is_some();
        match no_trs {
            Some(why) if why != NoTrs::NoRequiredTime => lacking.insert(stored.nom.clone(), why),
            // The newest day says what lacks.
            _ => lacking.remove(&stored.nom),
        };
        if has_sentences {
            told.extend(sentences_of(&stored, config.agent.language));
        }
        Ok::<_, std::convert::Infallible>(())
    })??;
    if rows.is_empty() {
        print("no sessions\n")?;
        return Ok(());
    }
    // If no machine has a calendar, the columns would be empty.
    let of_required = if has_times { &HEADS_OF_REQUIRED[..] } else { &[] };
    let heads = [&HEADS, of_required, &HEADS_BEHIND].concat();
    let joined = |(front, required, behind): (Vec<String>, Vec<String>, Vec<String>)| {
        let required = required.into_iter().take(of_required.len());
        front.into_iter().chain(required).chain(behind).collect()
    };
    let rows: Vec<Vec<String>> = rows.into_iter().map(joined).collect();
    print(&table(&heads, &rows))?;
    if !told.is_empty() {
        print(&format!("\n{}", table(&["day", "machine", "severity", "code", "anomaly"], &told)))?;
    }
    if wants_trs {
        print(&without_trs(&lacking))?;
    }
    Ok(())
}

/// What the machines lack that have no TRS, and how to give it to them.
pub(super) fn without_trs(lacking: &BTreeMap<String, NoTrs>) -> String {
    let english = Language::English;
    let mut text = String::new();
    for why in [NoTrs::NoCalendar, NoTrs::NoNominalRate] {
        let of_why = lacking.iter().filter(|(_, other)| **other == why);
        let machines: Vec<&str> = of_why.map(|(nom, _)| nom.as_str()).collect();
        if let (false, Some(hint)) = (machines.is_empty(), why.hint(english)) {
            let machines = machines.join(", ");
            text += &format!("\nno TRS for {machines}: {}; {hint}\n", why.text(english));
        }
    }
    text
}

/// The cells of required time; what lacks stands in the TRS's.
fn of_required(stored: &StoredSession, no_trs: Option<NoTrs>, config: &Config) -> Vec<String> {
    let none = || "-".to_owned();
    let why = || no_trs.map_or_else(none, |why| why.text(Language::English).to_owned());
    let Some(times) = &stored.times else {
        return vec![none(), none(), none(), none(), why(), none(), none()];
    };
    let rates = times.rates(config.analysis.day_start);
    let rate = |rate_e2: Option<i64>| rate_e2.map_or_else(none, |rate| decimal(rate, 2));
    vec![
        decimal(hours_e4(times.sum().required_ms), 4),
        rate(rates.availability_e2),
        rate(rates.performance_e2),
        rate(rates.quality_e2),
        rates.trs_e2.map_or_else(why, |trs| decimal(trs, 2)),
        rate(rates.trg_e2),
        if times.is_over { none() } else { time(Some(times.known_until)) },
    ]
}

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
    ]
}

fn behind(stored: &StoredSession) -> Vec<String> {
    vec![stored.anomalies.len().to_string(), standing(stored).to_owned()]
}

fn time(at: Option<Stamp>) -> String {
    at.map_or("-".to_owned(), |at| at.to_naive().format("%H:%M:%S").to_string())
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

fn as_json(buffer: &Buffer, filter: &SessionFilter, config: &Config) -> anyhow::Result<()> {
    // One session at a time and row by row: a year of them needs no more memory than a day, and the
    // largest day not much more than its rows.
    let mut out = JsonOutput(Output::stdout());
    out.write_all(b"[")?;
    let mut separator = "\n";
    buffer.sessions().each_day(filter, |stored| {
        out.write_all(separator.as_bytes())?;
        separator = ",\n";
        write_object(&mut out, &stored, config.analysis.day_start, config.agent.language, None)
    })??;
    out.write_all(b"\n]\n")?;
    out.flush()?;
    Ok(())
}

/// One session as an object, row by row and never in memory as a whole; with advice where it is given.
pub(super) fn write_object(
    out: &mut JsonOutput,
    stored: &StoredSession,
    day_start: TimeDelta,
    language: Language,
    advice: Option<&[Advice]>,
) -> std::io::Result<()> {
    let header = header(stored, day_start).to_string();
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
    pieces_hors_requis: Option<u32>,
    #[serde(flatten)]
    required: DayRow,
    events: u64,
    revision: i64,
    synced_revision: i64,
    refusal: Option<&'s str>,
}

/// Never empty.
fn header(stored: &StoredSession, day_start: TimeDelta) -> Value {
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
        pieces_hors_requis: stored.pieces_outside,
        required: DayRow::of(stored.times.as_ref(), day_start),
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
