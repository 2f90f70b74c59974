//! `cu-agent report`: some days as one HTML file to be read and printed, or as CSV or JSON for
//! programs.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    path::{Path, PathBuf},
};

use anyhow::Context;
use chrono::Days;
use serde_json::{Value, json};

use super::{Exit, JsonOutput, LogTo, Output, UsageError, configured, print, sessions};
use crate::{
    analyse::{self, OfProfile, Patterns},
    buffer::{Buffer, HeaderFilter, SessionFilter, SessionHeader, StoredSession},
    config::Config,
    model::{Advice, Day, printable_lines},
    report::{self, DayReport, MachineReport, Report},
    status::{Dialect, csv_table},
};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// First production day [default: the last day only].
    #[arg(long, value_name = "YYYY-MM-DD")]
    from: Option<Day>,
    /// Last production day [default: the newest with a session].
    #[arg(long, value_name = "YYYY-MM-DD")]
    to: Option<Day>,
    /// Only this machine (its `nom`).
    #[arg(long, value_name = "NOM")]
    machine: Option<String>,
    /// Output format: html (one printable file), csv (one line per session) or json.
    #[arg(long, value_enum, default_value_t = Format::Html)]
    format: Format,
    /// File to write [default: standard output].
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

pub(super) fn run(config: &Path, arguments: &Arguments) -> anyhow::Result<Exit> {
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
    let contents = Contents { buffer: &buffer, config: &config, from, to, headers: &headers };
    let Some(path) = &arguments.output else {
        contents.write(arguments.format, Output::stdout())?;
        return Ok(Exit::Done);
    };
    Output::file(path)
        .map_err(anyhow::Error::from)
        .and_then(|out| contents.write(arguments.format, out))
        .with_context(|| format!("cannot write {}", path.display()))?;
    print(&format!("{} sessions written to {}\n", headers.len(), path.display()))?;
    Ok(Exit::Done)
}

fn period(buffer: &Buffer, arguments: &Arguments) -> anyhow::Result<(Day, Day)> {
    let year = |year| Day::from_ymd_opt(year, 1, 1).unwrap_or_default();
    let newest = || -> anyhow::Result<Day> {
        let machine = arguments.machine.as_deref();
        let filter = HeaderFilter { from: year(1), to: year(9999), machine, most: 1 };
        let newest = buffer.sessions().session_headers(&filter)?;
        let header =
            newest.first().ok_or_else(|| UsageError("there are no sessions yet".into()))?;
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
        return Err(UsageError(format!("choose a period of at most {MOST_DAYS} days")).into());
    }
    Ok((from, to))
}

/// What a report is made of, read session by session: the sessions of a period are never in memory
/// together.
struct Contents<'b> {
    buffer: &'b Buffer,
    config: &'b Config,
    from: Day,
    to: Day,
    headers: &'b [SessionHeader],
}

impl Contents<'_> {
    fn write(&self, format: Format, out: Output) -> anyhow::Result<()> {
        match format {
            Format::Csv => self.write_csv(out),
            Format::Html => self.write_html(out),
            Format::Json => self.write_json(out),
        }
    }

    fn write_csv(&self, mut out: Output) -> anyhow::Result<()> {
        // Its cells are made harmless one by one.
        let times = self.buffer.sessions().times_by_machine(None, self.from, self.to)?;
        let day_start = self.config.analysis.day_start;
        let csv = csv_table(self.headers, &times, day_start, Dialect::Rfc4180);
        out.write_all(csv.as_bytes())?;
        Ok(out.flush()?)
    }

    fn days_of_machines(&self) -> BTreeMap<&str, Vec<Day>> {
        let mut days_of: BTreeMap<&str, Vec<Day>> = BTreeMap::new();
        for header in self.headers {
            days_of.entry(&header.nom).or_default().push(header.day);
        }
        days_of
    }

    /// Hands the days of a machine to `take`, each with its advice; their patterns together.
    fn each_day(
        &self,
        nom: &str,
        days: &[Day],
        mut take: impl FnMut(StoredSession, Vec<Advice>) -> io::Result<()>,
    ) -> anyhow::Result<Patterns> {
        let mut period = analyse::Days::default();
        let (Some(first), Some(last)) = (days.first(), days.last()) else {
            return Ok(period.patterns());
        };
        let earliest = first.checked_sub_days(HISTORY).unwrap_or(*first);
        let history = self.buffer.sessions().digests(nom, earliest, *last)?;
        for day in days {
            let filter = SessionFilter { machine: Some(nom.to_owned()), day: Some(*day) };
            self.buffer.sessions().each_session(&filter, |stored| {
                period.add(&stored.session);
                let today = analyse::patterns(&stored.session);
                let limits = &self.config.anomalies;
                take(stored, analyse::advice(*day, &today, &history, limits))
            })??;
        }
        Ok(period.patterns())
    }

    fn write_html(&self, mut out: Output) -> anyhow::Result<()> {
        let report = Report {
            agent: self.config.agent.id.clone(),
            from: self.from,
            to: self.to,
            language: self.config.agent.language,
            day_start: self.config.analysis.day_start,
        };
        let mut write = |text: &str| out.write_all(printable_lines(text).as_bytes());
        let (before, after) = report::frame(&report, self.headers.is_empty());
        write(&before)?;
        for (number, (nom, days)) in self.days_of_machines().into_iter().enumerate() {
            let mut reported = Vec::new();
            let patterns = self.each_day(nom, &days, |stored, advice| {
                let StoredSession { day, session, .. } = &stored;
                let id = format!("m{number}-{day}");
                reported.push(DayReport {
                    day: *day,
                    figures: session.figures.clone(),
                    stops: session.stops.len(),
                    time_line: report::time_line(&report, nom, &id, *day, session, days.len()),
                    trs: stored.trs(),
                    anomalies: stored.anomalies,
                    advice,
                });
                Ok(())
            })?;
            let machine = MachineReport { nom: nom.to_owned(), days: reported, patterns };
            write(&report::machine(&report, &machine).into_string())?;
        }
        write(&after)?;
        Ok(out.flush()?)
    }

    /// One session per line.
    fn write_json(&self, out: Output) -> anyhow::Result<()> {
        let mut out = JsonOutput(out);
        let language = self.config.agent.language;
        write!(out, "{{\"from\":\"{}\",\"to\":\"{}\",\"machines\":[", self.from, self.to)?;
        let mut before_machine = "\n";
        for (nom, days) in self.days_of_machines() {
            write!(out, "{before_machine}{{\"machine\":{},\"sessions\":[", json!(nom))?;
            before_machine = ",\n";
            let mut before_session = "\n";
            let found = self.each_day(nom, &days, |stored, advice| {
                out.write_all(before_session.as_bytes())?;
                before_session = ",\n";
                let day_start = self.config.analysis.day_start;
                sessions::write_object(&mut out, &stored, day_start, language, Some(&advice))
            })?;
            write!(out, "\n],\"patterns\":{}}}", patterns(&found))?;
        }
        out.write_all(b"\n]}\n")?;
        Ok(out.flush()?)
    }
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
    let of_profile = |of: &OfProfile| {
        json!({
            "pieces": of.pieces,
            "runs": of.runs,
            "waits": of.waits,
            "wait_s": seconds(of.wait_ms),
            "median_cycle_ms": of.median_cycle_ms,
        })
    };
    let profiles: Vec<Value> = patterns
        .profiles
        .iter()
        .map(|(profile, of)| {
            let mut object = of_profile(of);
            object["reference"] = json!(profile.as_ref().map(|profile| profile.reference.as_str()));
            object["couleur"] = json!(profile.as_ref().map(|profile| profile.colour.as_str()));
            object
        })
        .collect();
    json!({
        "days": patterns.days,
        "pieces": patterns.pieces,
        "hours": hours,
        "stops": stops,
        "profiles": profiles,
        "other_profiles": of_profile(&patterns.other_profiles),
        "changes": {
            "count": patterns.changes.count,
            "span_s": seconds(patterns.changes.span_ms),
            "cost_s": seconds(patterns.changes.cost_ms),
        },
        "start_loss_s": seconds(patterns.start_loss_ms),
        "end_loss_s": seconds(patterns.end_loss_ms),
    })
}
