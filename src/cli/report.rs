//! `cu-agent report`: some days as one HTML file to be read and printed, or as CSV or JSON for
//! programs.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;
use chrono::Days;
use serde_json::{Value, json};

use super::{Exit, LogTo, UsageError, configured, print, print_as_is, sessions};
use crate::{
    analyse::{self, Patterns},
    buffer::{Buffer, HeaderFilter, SessionFilter, SessionHeader, StoredSession},
    config::Config,
    model::{Day, Language, printable_json, printable_lines},
    report::{DayReport, MachineReport, Report, page},
    status::{Dialect, csv_table},
};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// First production day; without it the last one alone.
    #[arg(long, value_name = "YYYY-MM-DD")]
    from: Option<Day>,
    /// Last production day; without it the newest that has a session.
    #[arg(long, value_name = "YYYY-MM-DD")]
    to: Option<Day>,
    /// Only this machine (its `nom`).
    #[arg(long, value_name = "NOM")]
    machine: Option<String>,
    /// html (one file, to be printed), csv (a session a line) or json.
    #[arg(long, value_enum, default_value_t = Format::Html)]
    format: Format,
    /// Where to write it; without it to standard output.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
enum Format {
    Html,
    Csv,
    Json,
}

/// More days than a person prints, and all that one report holds.
const MOST_DAYS: i64 = 366;
/// What days are compared with lies within.
const HISTORY: Days = Days::new(200);

pub fn run(config: &Path, arguments: &Arguments) -> anyhow::Result<Exit> {
    let config = configured(config, LogTo::StderrWarnings)?;
    let Some(buffer) = Buffer::open_to_show(&config.agent.state_dir)? else {
        return Err(UsageError(format!(
            "there is no buffer in {} yet; run `cu-agent once` first",
            config.agent.state_dir.display()
        ))
        .into());
    };
    let (from, to) = period(&buffer, arguments)?;
    let machine = arguments.machine.as_deref();
    let headers =
        buffer.sessions().session_headers(&HeaderFilter { from, to, machine, most: usize::MAX })?;
    let text = match arguments.format {
        // Its cells are made harmless one by one.
        Format::Csv => csv_table(&headers, Dialect::Rfc4180),
        Format::Html => {
            let machines = machines(&buffer, &config, &headers)?;
            let machines = machines.into_iter().map(|(machine, _)| machine).collect();
            let page = page(&Report {
                agent: config.agent.id.clone(),
                from,
                to,
                language: config.agent.language,
                day_start: config.analysis.day_start,
                machines,
            });
            printable_lines(&page).into_owned()
        }
        Format::Json => {
            let machines = machines(&buffer, &config, &headers)?;
            let language = config.agent.language;
            let list: Vec<Value> =
                machines.iter().map(|(machine, days)| object(machine, days, language)).collect();
            let report =
                json!({ "from": from.to_string(), "to": to.to_string(), "machines": list });
            printable_json(&format!("{report:#}\n")).into_owned()
        }
    };
    match &arguments.output {
        None => print_as_is(&text)?,
        Some(path) => {
            fs::write(path, &text).with_context(|| format!("cannot write {}", path.display()))?;
            print(&format!("{} sessions reported in {}\n", headers.len(), path.display()))?;
        }
    }
    Ok(Exit::Done)
}

fn period(buffer: &Buffer, arguments: &Arguments) -> anyhow::Result<(Day, Day)> {
    let year = |year| Day::from_ymd_opt(year, 1, 1).unwrap_or_default();
    let newest = || -> anyhow::Result<Day> {
        let machine = arguments.machine.as_deref();
        let filter = HeaderFilter { from: year(1), to: year(9999), machine, most: 1 };
        let newest = buffer.sessions().session_headers(&filter)?;
        let header = newest.first().ok_or_else(|| UsageError("there is no session yet".into()))?;
        Ok(header.day)
    };
    let to = match arguments.to {
        Some(to) => to,
        None => newest()?,
    };
    let from = arguments.from.unwrap_or(to);
    if from > to {
        return Err(UsageError(format!("--from {from} is later than {to}")).into());
    }
    if (to - from).num_days() >= MOST_DAYS {
        return Err(UsageError(format!("give at most {MOST_DAYS} days at once")).into());
    }
    Ok((from, to))
}

/// Each machine with its days, and as they are stored.
type Machines = Vec<(MachineReport, Vec<StoredSession>)>;

fn machines(
    buffer: &Buffer,
    config: &Config,
    headers: &[SessionHeader],
) -> anyhow::Result<Machines> {
    let mut days_of: BTreeMap<&str, Vec<Day>> = BTreeMap::new();
    for header in headers {
        days_of.entry(&header.nom).or_default().push(header.day);
    }
    let mut machines = Vec::new();
    for (nom, days) in days_of {
        let (Some(first), Some(last)) = (days.first(), days.last()) else { continue };
        let earliest = first.checked_sub_days(HISTORY).unwrap_or(*first);
        let history = buffer.sessions().digests(nom, earliest, *last)?;
        let mut stored = Vec::new();
        for day in days {
            let filter = SessionFilter { machine: Some(nom.to_owned()), day: Some(day) };
            buffer.sessions().each_session(&filter, |one| {
                stored.push(one);
                Ok::<_, std::convert::Infallible>(())
            })??;
        }
        let reported = stored
            .iter()
            .map(|one| {
                let today = analyse::patterns(&[(one.day, &one.session)]);
                DayReport {
                    day: one.day,
                    session: one.session.clone(),
                    findings: one.findings.clone(),
                    trs: one.trs(),
                    advice: analyse::advice(one.day, &today, &history, &config.anomalies),
                }
            })
            .collect();
        let all: Vec<_> = stored.iter().map(|one| (one.day, &one.session)).collect();
        let patterns = analyse::patterns(&all);
        machines.push((MachineReport { nom: nom.to_owned(), days: reported, patterns }, stored));
    }
    Ok(machines)
}

fn object(machine: &MachineReport, stored: &[StoredSession], language: Language) -> Value {
    let sessions: Vec<Value> = stored
        .iter()
        .zip(&machine.days)
        .map(|(one, day)| {
            let mut session = sessions::object(one, language);
            session["conseils"] = day
                .advice
                .iter()
                .map(|advice| {
                    json!({ "minutes": advice.won_ms / 60_000, "texte": advice.text(language) })
                })
                .collect();
            session
        })
        .collect();
    json!({
        "machine": machine.nom,
        "sessions": sessions,
        "patterns": patterns(&machine.patterns),
    })
}

fn patterns(patterns: &Patterns) -> Value {
    let seconds = |ms: i64| ms / 1000;
    let hours: Vec<Value> = patterns
        .hours
        .iter()
        .enumerate()
        .filter(|(_, hour)| hour.window_ms > 0)
        .map(|(at, hour)| {
            json!({
                "hour": at,
                "pieces": hour.pieces,
                "effective_s": seconds(hour.effective_ms),
                "wait_s": seconds(hour.wait_ms),
                "stops": hour.stops,
                "stop_s": seconds(hour.stop_ms),
            })
        })
        .collect();
    let stops: Vec<Value> = ["micro", "short", "long"]
        .iter()
        .zip(patterns.stops)
        .map(|(class, stops)| json!({ "class": class, "stops": stops.count, "stop_s": seconds(stops.ms) }))
        .collect();
    let profiles: Vec<Value> = patterns
        .profiles
        .iter()
        .map(|(profile, of)| {
            json!({
                "reference": profile.as_ref().map(|profile| profile.reference.as_str()),
                "couleur": profile.as_ref().map(|profile| profile.colour.as_str()),
                "pieces": of.pieces,
                "runs": of.runs,
                "waits": of.waits,
                "wait_s": seconds(of.wait_ms),
                "median_cycle_ms": of.median_cycle_ms,
            })
        })
        .collect();
    json!({
        "days": patterns.days,
        "pieces": patterns.pieces,
        "hours": hours,
        "stops": stops,
        "profiles": profiles,
        "changes": {
            "count": patterns.changes.count,
            "span_s": seconds(patterns.changes.span_ms),
            "cost_s": seconds(patterns.changes.cost_ms),
        },
        "start_loss_s": seconds(patterns.start_loss_ms),
        "end_loss_s": seconds(patterns.end_loss_ms),
    })
}
