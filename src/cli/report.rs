//! `cu-agent report`: some days as one HTML file to be read and printed, as a spreadsheet, or as CSV or JSON
//! for programs.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, IsTerminal, Write},
    path::{Path, PathBuf},
};

use anyhow::Context;
use chrono::{Days, NaiveTime};
use clap::builder::{PossibleValuesParser, TypedValueParser};

mod chosen;
mod html;
mod json;
mod planned;
mod spreadsheet;

use self::chosen::Chosen;
use super::{
    Exit, LogTo, Output, UsageError, configured,
    machine_name::{expect_machine, expect_name},
    print,
};
use crate::{
    analyse::{self, Patterns},
    buffer::{Buffer, HeaderFilter, SessionFilter, SessionHeader, StoredSession},
    config::Config,
    model::{Advice, Day, DayTimes, Language, ReportFormat, Stamp, Week},
    report::{self, Line, Month, Period, Which},
    status::{Dialect, csv_table},
};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// First production day [default: the last day only].
    #[arg(long, value_name = "YYYY-MM-DD", conflicts_with_all = ["week", "month"])]
    from: Option<Day>,
    /// Last production day [default: the newest with a session].
    #[arg(long, value_name = "YYYY-MM-DD", conflicts_with_all = ["week", "month"])]
    to: Option<Day>,
    /// A week of the ISO calendar such as 2026-W48, `last` (the one before the current one) or `current`.
    #[arg(long, value_name = "WEEK", conflicts_with = "month")]
    week: Option<Which<Week>>,
    /// A month such as 2026-11, `last` (the one before the current one) or `current`.
    #[arg(long, value_name = "MONTH")]
    month: Option<Which<Month>>,
    /// Only this machine (its `nom`).
    #[arg(long, value_name = "NOM")]
    machine: Option<String>,
    /// Only this shift's required time, with its pieces.
    #[arg(long, value_name = "NAME")]
    shift: Option<String>,
    /// Language of the texts [default: the configured one].
    #[arg(long, value_name = "LANGUAGE", value_parser = language_parser())]
    lang: Option<Language>,
    /// A page for each machine however many there are, and behind it tables by shift, hour and profile.
    #[arg(long)]
    details: bool,
    /// Output format: html (one printable file), xlsx (a spreadsheet, one sheet a table), csv (one table, see
    /// --table) or json (everything).
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

fn language_parser() -> impl TypedValueParser<Value = Language> {
    let language = |code: String| if code == "fr" { Language::French } else { Language::English };
    PossibleValuesParser::new(["fr", "en"]).map(language)
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
enum Format {
    Html,
    Xlsx,
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
    if arguments.format == Format::Xlsx && arguments.output.is_none() && io::stdout().is_terminal()
    {
        return Err(
            UsageError("a spreadsheet is no text: name its file with --output".into()).into()
        );
    }
    expect_machine(&config, Some(&buffer), arguments.machine.as_deref())?;
    let chosen = chosen::days(&buffer, &config, arguments)?;
    let Period { from, to, .. } = chosen.period;
    let machine = arguments.machine.as_deref();
    let headers =
        buffer.sessions().session_headers(&HeaderFilter { from, to, machine, most: usize::MAX })?;
    let contents = Contents {
        buffer: &buffer,
        config: &config,
        chosen,
        from,
        to,
        language: arguments.lang.unwrap_or(config.agent.language),
        machine,
        shift: arguments.shift.as_deref(),
        has_details: arguments.details,
        headers: &headers,
    };
    contents.expect_shift(arguments)?;
    if headers.is_empty() {
        log::warn!("{}", chosen.without_sessions());
    }
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

/// A week for another command: `headers` are its sessions.
pub(super) fn write_week(
    buffer: &Buffer,
    config: &Config,
    week: Week,
    language: Language,
    headers: &[SessionHeader],
    format: ReportFormat,
    out: Output,
) -> anyhow::Result<()> {
    let contents = Contents {
        buffer,
        config,
        chosen: chosen::week(buffer, config, week)?,
        from: week.monday(),
        to: week.sunday(),
        language,
        machine: None,
        shift: None,
        has_details: false,
        headers,
    };
    match format {
        ReportFormat::Html => contents.write_html(out),
        ReportFormat::Xlsx => spreadsheet::write(&contents, out),
    }
}

/// What a report is made of, read session by session: the sessions of a period are never in memory
/// together.
struct Contents<'b> {
    buffer: &'b Buffer,
    config: &'b Config,
    chosen: Chosen,
    from: Day,
    to: Day,
    language: Language,
    machine: Option<&'b str>,
    /// Required time is that of the shift of this name alone.
    shift: Option<&'b str>,
    has_details: bool,
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
    cents_per_hour: Option<u32>,
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
            (Format::Xlsx, _) => spreadsheet::write(self, out),
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

    /// The first day that any day of the period is compared with.
    fn earliest(&self) -> Day {
        let before = self.chosen.period.before().map_or(self.from, |before| before.from);
        self.from.checked_sub_days(HISTORY).unwrap_or(self.from).min(before)
    }

    /// Refuses a shift that no machine has, and what does not go together with one.
    fn expect_shift(&self, arguments: &Arguments) -> anyhow::Result<()> {
        let Some(shift) = self.shift else { return Ok(()) };
        if arguments.format == Format::Csv
            && matches!(arguments.table, Table::Sessions | Table::Material)
        {
            return Err(UsageError(
                "with --shift, --format csv needs --table shifts, days or weeks: sessions and material are of whole days".into(),
            )
            .into());
        }
        let earliest = self.earliest();
        let times = self.buffer.sessions().times_by_machine(self.machine, earliest, self.to)?;
        let parts = times.into_values().flatten().flat_map(|day| day.parts);
        let mut names: Vec<String> = parts.map(|part| part.shift).collect();
        let mapped = self.config.sources.iter().flat_map(|source| source.folders.values());
        let meant = mapped.filter(|one| self.machine.is_none_or(|nom| nom == one.nom));
        let calendars = meant.filter_map(|machine| self.config.calendars.of(&machine.nom));
        names.extend(calendars.flat_map(|one| one.shifts.iter().map(|shift| shift.name.clone())));
        Ok(expect_name("shift", shift, names)?)
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
        let earliest = self.earliest();
        let mut machines = Vec::new();
        for nom in noms {
            let days = days_of.remove(nom.as_str()).unwrap_or_default();
            let times = self.buffer.sessions().day_times(&nom, earliest, self.to)?;
            let day_start = self.config.analysis.day_start;
            let cost = costs.get(nom.as_str()).copied();
            let mut lines = report::lines(&self.told_days(&nom, &times)?, &days, day_start, cost);
            if self.shift.is_some() {
                // These are the day's.
                lines.iter_mut().for_each(|line| line.pieces_outside = None);
            }
            if !days.is_empty() || !lines.is_empty() {
                machines.push(OfMachine { nom, days, times, lines, cents_per_hour: cost });
            }
        }
        Ok(machines)
    }

    /// The days of the period with their times, those too on which nothing is planned but an event is known.
    fn told_days(&self, nom: &str, times: &[DayTimes]) -> anyhow::Result<Vec<DayTimes>> {
        let first = times.partition_point(|day| day.day < self.from);
        let mut told: BTreeMap<Day, DayTimes> =
            times[first..].iter().map(|day| (day.day, day.clone())).collect();
        if let Some(shift) = self.shift {
            told.values_mut().for_each(|day| day.parts.retain(|part| part.shift == shift));
            told.retain(|_, day| !day.parts.is_empty());
            return Ok(told.into_values().collect());
        }
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
}
