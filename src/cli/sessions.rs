//! `cu-agent sessions`: locally stored sessions, and planned days without one, as a table or as JSON with
//! the names and shapes of central's columns.

use std::{collections::BTreeMap, io::Write, path::Path};

use chrono::TimeDelta;
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    Exit, JsonOutput, LogTo, Output, UsageError, configured,
    machine_name::expect_machine,
    painted::{Painted, When},
    print,
    status::planned_machines,
    table::{COLUMNS, wrapped},
    times::DayRow,
};
use crate::{
    buffer::{Buffer, DayRange, StoredSession},
    config::Config,
    model::{
        Advice, Anomaly, Day, Job, Language, NoTrs, Piece, Stamp, Stop, Wait, hours_e4, printable,
        rate_e2,
    },
    text::Noun,
};
use rows::SessionRows;

mod rows;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Only this machine (its `nom`).
    #[arg(long, value_name = "NOM")]
    machine: Option<String>,
    /// Only this production day.
    #[arg(long, value_name = "YYYY-MM-DD", conflicts_with_all = ["from", "to"])]
    date: Option<Day>,
    /// From this production day on.
    #[arg(long, value_name = "YYYY-MM-DD")]
    from: Option<Day>,
    /// Up to this production day.
    #[arg(long, value_name = "YYYY-MM-DD")]
    to: Option<Day>,
    /// Only the newest N sessions; 20 in a table if no day is given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    last: Option<u32>,
    /// All columns, wider than 80 characters.
    #[arg(long, conflicts_with = "json")]
    wide: bool,
    /// Also print each anomaly as a sentence.
    #[arg(long, conflicts_with = "json")]
    anomalies: bool,
    /// Output as JSON: one object per session with all details, keyed by central's column names.
    #[arg(long)]
    json: bool,
}

/// Sessions of a table for which nobody gives a day or a number.
const MOST_ROWS: u32 = 20;

impl Arguments {
    fn range(&self) -> Result<DayRange<'_>, UsageError> {
        let (from, to) = (self.date.or(self.from), self.date.or(self.to));
        match (from, to) {
            (Some(from), Some(to)) if from > to => {
                Err(UsageError(format!("--from {from} is later than --to {to}")))
            }
            _ => Ok(DayRange { machine: self.machine.as_deref(), from, to }),
        }
    }

    /// How many sessions at most.
    fn most(&self) -> usize {
        let is_of_days = self.date.or(self.from).or(self.to).is_some();
        let most = match self.last {
            None if self.json || is_of_days => return usize::MAX,
            last => last.unwrap_or(MOST_ROWS),
        };
        usize::try_from(most).unwrap_or(usize::MAX)
    }
}

pub(super) fn run(config: &Path, arguments: &Arguments, colour: When) -> anyhow::Result<Exit> {
    let config = configured(config, LogTo::StderrWarnings)?;
    let range = arguments.range()?;
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
    expect_machine(&config, Some(&buffer), arguments.machine.as_deref())?;
    if arguments.json {
        as_json(&buffer, range, arguments.most(), &config)?;
    } else {
        as_table(&buffer, range, &config, arguments)?.print(colour)?;
    }
    Ok(Exit::Done)
}

fn as_table(
    buffer: &Buffer,
    range: DayRange<'_>,
    config: &Config,
    arguments: &Arguments,
) -> anyhow::Result<Painted> {
    let planned = planned_machines(config, buffer)?;
    let mut rows = SessionRows::new(config.analysis.day_start, arguments.wide);
    let mut told = String::new();
    let mut lacking: BTreeMap<String, NoTrs> = BTreeMap::new();
    let earlier = buffer.sessions().newest_days(range, arguments.most(), |stored| {
        let no_trs = NoTrs::of(stored.times.as_ref(), planned.contains(&stored.nom));
        rows.add(&stored, no_trs);
        match no_trs {
            Some(why) if why != NoTrs::NoRequiredTime => lacking.insert(stored.nom.clone(), why),
            // The newest day says what lacks.
            _ => lacking.remove(&stored.nom),
        };
        if arguments.anomalies {
            told += &sentences_of(&stored, config.agent.language);
        }
        Ok::<_, std::convert::Infallible>(())
    })??;
    let mut text = Painted::default();
    if rows.is_empty() {
        text.push("no sessions\n");
        return Ok(text);
    }
    text.append(rows.draw());
    if earlier > 0 {
        let all = arguments.most().saturating_add(earlier);
        text.push(&format!(
            "\n{} not shown; --last {all} shows all, --from and --to a period\n",
            EARLIER.counted(earlier as u64, Language::English)
        ));
    }
    text.push(&told);
    if rows.want_trs() {
        text.push(&without_trs(&lacking));
    }
    Ok(text)
}

const EARLIER: Noun = Noun::new("", "", "earlier session", "earlier sessions");

/// What the machines lack that have no TRS, and how to give it to them.
pub(super) fn without_trs(lacking: &BTreeMap<String, NoTrs>) -> String {
    let english = Language::English;
    let mut text = String::new();
    for why in [NoTrs::NoCalendar, NoTrs::NoNominalRate] {
        let of_why = lacking.iter().filter(|(_, other)| **other == why);
        let machines: Vec<&str> = of_why.map(|(nom, _)| nom.as_str()).collect();
        if let (false, Some(hint)) = (machines.is_empty(), why.hint(english)) {
            let machines = machines.join(", ");
            let sentence = format!("no TRS for {machines}: {}; {hint}", why.text(english));
            text += &format!("\n{}\n", wrapped(&sentence, 2));
        }
    }
    text
}

/// The anomalies of a session below its day and machine.
fn sentences_of(stored: &StoredSession, language: Language) -> String {
    if stored.anomalies.is_empty() {
        return String::new();
    }
    let mut text = format!("\n{} {}\n", stored.day, printable(&stored.nom, COLUMNS));
    for anomaly in &stored.anomalies {
        let sentence = format!(
            "  {:<6} {}: {}",
            anomaly.severity.as_str(),
            anomaly.code.as_str(),
            printable(&anomaly.text(language), MOST_SENTENCE_CHARS)
        );
        text += &wrapped(&sentence, 9);
        text += "\n";
    }
    text
}

const MOST_SENTENCE_CHARS: usize = 2000;

/// A number of `decimals` decimals from its digits.
pub(super) fn decimal(digits: i64, decimals: u32) -> String {
    let scale = 10_i64.pow(decimals);
    let sign = if digits < 0 { "-" } else { "" };
    let digits = digits.unsigned_abs();
    let scale = scale.unsigned_abs();
    format!("{sign}{}.{:0width$}", digits / scale, digits % scale, width = decimals as usize)
}

fn as_json(
    buffer: &Buffer,
    range: DayRange<'_>,
    most: usize,
    config: &Config,
) -> anyhow::Result<()> {
    // One session at a time and row by row: a year of them needs no more memory than a day, and the
    // largest day not much more than its rows.
    let mut out = JsonOutput(Output::stdout());
    out.write_all(b"[")?;
    let mut separator = "\n";
    buffer.sessions().newest_days(range, most, |stored| {
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
