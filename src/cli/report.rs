//! `cu-agent report`: some days as one HTML file to be read and printed, or as CSV or JSON for
//! programs.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Write},
    path::{Path, PathBuf},
};

use anyhow::Context;
use chrono::{Days, NaiveTime};
use serde_json::{Value, json};

mod planned;

use super::{Exit, JsonOutput, LogTo, Output, UsageError, configured, print, sessions};
use crate::{
    analyse::{self, OfProfile, Patterns},
    buffer::{Buffer, HeaderFilter, SessionFilter, SessionHeader, StoredSession},
    config::Config,
    model::{Advice, Day, DayTimes, Stamp, printable_lines},
    report::{self, DayReport, Line, MachineReport, Planning, Report},
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
    /// Output format: html (one printable file), csv (one table, see --table) or json (everything).
    #[arg(long, value_enum, default_value_t = Format::Html)]
    format: Format,
    /// What --format csv writes: one line per session, or per planned shift, day or week with its TRS and
    /// losses, or per day and material.
    #[arg(long, value_enum, default_value_t = Table::Sessions)]
    table: Table,
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

#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
enum Table {
    Sessions,
    Shifts,
    Days,
    Weeks,
    Material,
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
    if arguments.table != Table::Sessions && arguments.format != Format::Csv {
        return Err(UsageError("--table chooses a table of --format csv".into()).into());
    }
    let (from, to) = period(&buffer, arguments)?;
    let machine = arguments.machine.as_deref();
    let headers =
        buffer.sessions().session_headers(&HeaderFilter { from, to, machine, most: usize::MAX })?;
    let contents =
        Contents { buffer: &buffer, config: &config, from, to, machine, headers: &headers };
    let write = |out| contents.write(arguments.format, arguments.table, out);
    let Some(path) = &arguments.output else {
        write(Output::stdout())?;
        return Ok(Exit::Done);
    };
    Output::file(path)
        .map_err(anyhow::Error::from)
        .and_then(write)
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
    machine: Option<&'b str>,
    headers: &'b [SessionHeader],
}

/// What is known of a machine's period beside its sessions.
struct OfMachine {
    nom: String,
    /// With a session.
    days: Vec<Day>,
    /// Of the period and of all days that its days are compared with.
    times: Vec<DayTimes>,
    lines: Vec<Line>,
}

impl Contents<'_> {
    fn write(&self, format: Format, table: Table, out: Output) -> anyhow::Result<()> {
        use planned::Lines::{Days, Shifts, Weeks};
        match (format, table) {
            (Format::Csv, Table::Sessions) => self.write_csv(out),
            (Format::Csv, Table::Shifts) => self.write_planned(Shifts, out),
            (Format::Csv, Table::Days) => self.write_planned(Days, out),
            (Format::Csv, Table::Weeks) => self.write_planned(Weeks, out),
            (Format::Csv, Table::Material) => self.write_material(out),
            (Format::Html, _) => self.write_html(out),
            (Format::Json, _) => self.write_json(out),
        }
    }

    fn write_csv(&self, mut out: Output) -> anyhow::Result<()> {
        // Its cells are made harmless one by one.
        out.write_all(csv_table(self.headers, Dialect::Rfc4180).as_bytes())?;
        Ok(out.flush()?)
    }

    fn write_planned(&self, which: planned::Lines, mut out: Output) -> anyhow::Result<()> {
        let mut is_first = true;
        for machine in self.machines()? {
            for line in machine.lines.iter().filter(|line| which.hold(line)) {
                let fields = planned::fields(&machine.nom, line);
                if std::mem::take(&mut is_first) {
                    out.write_all(planned::csv_heads(&fields).as_bytes())?;
                }
                out.write_all(planned::csv_line(&fields).as_bytes())?;
            }
        }
        Ok(out.flush()?)
    }

    fn write_material(&self, mut out: Output) -> anyhow::Result<()> {
        let mut is_first = true;
        for machine in self.machines()? {
            self.each_day(&machine, |stored, today, _| {
                for fields in planned::material(&machine.nom, stored.day, today) {
                    if std::mem::take(&mut is_first) {
                        out.write_all(planned::csv_heads(&fields).as_bytes())?;
                    }
                    out.write_all(planned::csv_line(&fields).as_bytes())?;
                }
                Ok(())
            })?;
        }
        Ok(out.flush()?)
    }

    /// Those with a session or a planned day in the period, by name.
    fn machines(&self) -> anyhow::Result<Vec<OfMachine>> {
        let known = self.buffer.reports().machines()?.into_iter().map(|machine| machine.nom);
        let mut noms: BTreeSet<String> = known.collect();
        noms.retain(|nom| self.machine.is_none_or(|only| only == nom));
        let mut days_of: BTreeMap<&str, Vec<Day>> = BTreeMap::new();
        for header in self.headers {
            days_of.entry(&header.nom).or_default().push(header.day);
        }
        let costs: BTreeMap<&str, u32> = (self.config.sources.iter())
            .flat_map(|source| source.costs.iter().map(|(nom, cents)| (nom.as_str(), *cents)))
            .collect();
        let earliest = self.from.checked_sub_days(HISTORY).unwrap_or(self.from);
        let mut machines = Vec::new();
        for nom in noms {
            let days = days_of.remove(nom.as_str()).unwrap_or_default();
            let times = self.buffer.sessions().day_times(&nom, earliest, self.to)?;
            let day_start = self.config.analysis.day_start;
            let cost = costs.get(nom.as_str()).copied();
            let lines = report::lines(&self.told_days(&nom, &times)?, &days, day_start, cost);
            if !days.is_empty() || !lines.is_empty() {
                machines.push(OfMachine { nom, days, times, lines });
            }
        }
        Ok(machines)
    }

    /// The days of the period with their times, those too on which nothing is planned but an event is known.
    fn told_days(&self, nom: &str, times: &[DayTimes]) -> anyhow::Result<Vec<DayTimes>> {
        let first = times.partition_point(|day| day.day < self.from);
        let mut told: BTreeMap<Day, DayTimes> =
            times[first..].iter().map(|day| (day.day, day.clone())).collect();
        let nominal = self.config.sources.iter().find_map(|source| source.nominals.get(nom));
        let outside = self.buffer.sessions().pieces_outside(nom, self.from, self.to)?;
        for (day, pieces_outside) in outside {
            told.entry(day).or_insert_with(|| DayTimes {
                day,
                known_until: Stamp::from_naive(day.and_time(NaiveTime::MIN)),
                is_over: true,
                nominal_per_hour: nominal.map(|nominal| nominal.per_hour),
                parts: Vec::new(),
                pieces_outside,
            });
        }
        Ok(told.into_values().collect())
    }

    /// Hands the days of a machine to `take`, each with its patterns and its advice; the patterns of all
    /// together.
    fn each_day(
        &self,
        machine: &OfMachine,
        mut take: impl FnMut(StoredSession, &Patterns, Vec<Advice>) -> io::Result<()>,
    ) -> anyhow::Result<Patterns> {
        let OfMachine { nom, days, times, .. } = machine;
        let mut period = analyse::Days::default();
        let (Some(first), Some(last)) = (days.first(), days.last()) else {
            return Ok(period.patterns());
        };
        let earliest = first.checked_sub_days(HISTORY).unwrap_or(*first);
        let history = self.buffer.sessions().digests(nom, earliest, *last)?;
        for day in days {
            let filter = SessionFilter { machine: Some(nom.clone()), day: Some(*day) };
            self.buffer.sessions().each_session(&filter, |stored| {
                period.add(&stored.session);
                let today = analyse::patterns(&stored.session);
                let limits = &self.config.anomalies;
                let advice = analyse::advice(*day, &today, &history, times, limits);
                take(stored, &today, advice)
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
        let machines = self.machines()?;
        let (before, after) = report::frame(&report, machines.is_empty());
        write(&before)?;
        for (number, machine) in machines.into_iter().enumerate() {
            let mut reported = Vec::new();
            let nom = &machine.nom;
            let patterns = self.each_day(&machine, |stored, _, advice| {
                let StoredSession { day, session, .. } = &stored;
                let id = format!("m{number}-{day}");
                let days = machine.days.len();
                reported.push(DayReport {
                    day: *day,
                    figures: session.figures.clone(),
                    stops: session.stops.len(),
                    time_line: report::time_line(&report, nom, &id, *day, session, days),
                    anomalies: stored.anomalies,
                    advice,
                });
                Ok(())
            })?;
            let planning = match self.buffer.sessions().has_calendar(nom)? {
                true => Planning::Calendar,
                false => Planning::None,
            };
            let OfMachine { nom, lines, .. } = machine;
            let machine = MachineReport { nom, days: reported, patterns, lines, planning };
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
        for machine in self.machines()? {
            write!(out, "{before_machine}{{\"machine\":{},\"sessions\":[", json!(machine.nom))?;
            before_machine = ",\n";
            let mut before_session = "\n";
            let mut material: Vec<String> = Vec::new();
            let found = self.each_day(&machine, |stored, today, advice| {
                out.write_all(before_session.as_bytes())?;
                before_session = ",\n";
                let rows = planned::material(&machine.nom, stored.day, today);
                material.extend(rows.iter().map(planned::object));
                sessions::write_object(&mut out, &stored, language, Some(&advice))
            })?;
            write!(out, "\n],\"planned\":{{\"currency\":\"EUR\"")?;
            for (name, which) in [
                ("postes", planned::Lines::Shifts),
                ("jours", planned::Lines::Days),
                ("semaines", planned::Lines::Weeks),
                ("periode", planned::Lines::Period),
            ] {
                let lines = machine.lines.iter().filter(|line| which.hold(line));
                let rows: Vec<String> = lines
                    .map(|line| planned::object(&planned::fields(&machine.nom, line)))
                    .collect();
                write!(out, ",\n\"{name}\":[{}]", rows.join(",\n"))?;
            }
            write!(out, "}},\n\"material\":[{}]", material.join(",\n"))?;
            write!(out, ",\n\"patterns\":{}}}", patterns(&found))?;
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
