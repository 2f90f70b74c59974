//! `cu-agent calendar`: what a production day is planned as, of each machine, and by which calendar.

use std::{fmt::Write, path::Path};

use chrono::{Datelike, TimeDelta};
use serde::Serialize;

use super::{
    Exit, LogTo, UsageError, complain, configured_without_passwords, machine_name, print,
    print_json,
    privileges::become_owner_of,
    table::{hours, table},
};
use crate::{
    agent::Clock,
    buffer::Buffer,
    calendar::{Calendar, Free, Period, ShiftPart, production_day},
    config::Config,
    logging,
    model::{Day, KeptCalendar},
};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The production day; today without it.
    #[arg(long, value_name = "YYYY-MM-DD")]
    date: Option<Day>,
    /// Only this machine (its `nom`).
    #[arg(long, value_name = "NOM")]
    machine: Option<String>,
    /// Output as JSON: one object per machine.
    #[arg(long)]
    json: bool,
}

/// A machine's day.
struct Planned<'c> {
    machine: &'c str,
    calendar: Option<&'c Calendar>,
    is_plant_s: bool,
    parts: Vec<ShiftPart>,
}

pub(super) fn run(config: &Path, arguments: &Arguments) -> anyhow::Result<Exit> {
    let config = configured_without_passwords(config, LogTo::StderrWarnings)?;
    become_owner_of(&config.agent.state_dir)?;
    let kept = kept(&config);
    let planning = config.planning(&kept);
    if let Some(why) = &planning.unusable {
        complain(&format!(
            "the plant's calendar that is kept here cannot be used by this release; only the configuration's is shown: {why}"
        ));
    }
    let day_start = config.analysis.day_start;
    let day = arguments.date.unwrap_or_else(|| (Clock::start().now().wall - day_start).date());
    let machines = machines(&config, arguments.machine.as_deref())?;
    let planned = machines.into_iter().map(|machine| {
        let calendar = planning.calendars.of(machine);
        let parts = calendar.map_or_else(Vec::new, |calendar| calendar.parts(day, day_start));
        let is_plant_s = planning.is_plant_s(machine);
        Planned { machine, calendar, is_plant_s, parts }
    });
    let planned: Vec<Planned<'_>> = planned.collect();
    if arguments.json {
        print_json(&as_json(&planned, day, &kept)?)?;
    } else {
        let mut text = as_text(&planned, day, day_start);
        if let Some(told) = kept.told() {
            writeln!(text, "\ncalendar of the plant in central: {told}")
                .expect("a String takes any text");
        }
        print(&text)?;
    }
    Ok(Exit::Done)
}

/// What central told of the plant's calendar. A buffer that cannot be read is no reason to show nothing.
fn kept(config: &Config) -> KeptCalendar {
    let kept = Buffer::open_to_show(&config.agent.state_dir)
        .and_then(|buffer| buffer.map(|buffer| buffer.plant().kept()).transpose());
    kept.unwrap_or_else(|error| {
        complain(&format!(
            "what central told of the plant's calendar cannot be read; only the configuration's is shown: {}",
            logging::chain(&error)
        ));
        None
    })
    .unwrap_or_default()
}

fn machines<'c>(config: &'c Config, only: Option<&str>) -> Result<Vec<&'c str>, UsageError> {
    let mut all: Vec<&str> = machine_name::configured(config).collect();
    all.sort_unstable();
    all.dedup();
    if let Some(only) = only {
        machine_name::expect_configured(config, only)?;
        all.retain(|machine| *machine == only);
    }
    Ok(all)
}

fn as_text(planned: &[Planned<'_>], day: Day, day_start: TimeDelta) -> String {
    let whole = production_day(day, day_start);
    let mut text = format!(
        "{}, {day}, from {} to {}\n\n",
        day.weekday(),
        moment(whole.from.to_naive()),
        moment(whole.to.to_naive())
    );
    let heads = ["machine", ">part", "shift", "from", "to", ">opening", ">required", "planned by"];
    let mut rows = Vec::new();
    for Planned { machine, calendar, parts, .. } in planned {
        for part in parts {
            rows.push(vec![
                (*machine).to_owned(),
                part.number.to_string(),
                part.shift.clone(),
                moment(part.opening.from.to_naive()),
                moment(part.opening.to.to_naive()),
                hours(part.opening.length_ms()),
                hours(part.required_ms()),
                calendar.map(|calendar| calendar.place.clone()).unwrap_or_default(),
            ]);
        }
    }
    if !rows.is_empty() {
        text += &table(&heads, &rows).to_string();
        text += "\n";
    }
    for Planned { machine, calendar, parts, .. } in planned {
        for part in parts {
            for pause in breaks(part) {
                let (from, to) = (moment(pause.from.to_naive()), moment(pause.to.to_naive()));
                writeln!(text, "{machine}: break in {} from {from} to {to}", part.shift)
                    .expect("a String takes any text");
            }
        }
        if parts.is_empty() {
            writeln!(text, "{machine}: {}", why_nothing(*calendar, day))
                .expect("a String takes any text");
        }
    }
    text
}

/// What of the opening time is not required.
fn breaks(part: &ShiftPart) -> Vec<Period> {
    let mut from = part.opening.from;
    let mut breaks = Vec::new();
    let end = Period { from: part.opening.to, to: part.opening.to };
    for required in part.required.iter().chain([&end]) {
        breaks.extend(Period { from, to: required.from }.common(part.opening));
        from = required.to;
    }
    breaks
}

fn why_nothing(calendar: Option<&Calendar>, day: Day) -> String {
    let Some(calendar) = calendar else {
        return "has no calendar; [[calendar]] in config.toml.example shows how to write one, and `cu-agent central calendar put` writes one for the whole plant"
            .into();
    };
    let why = match calendar.free_on(day) {
        Some(Free::Closed) => "closed".to_owned(),
        Some(Free::Holiday(holiday)) => format!("public holiday: {}", holiday.name()),
        Some(Free::NoShift) => format!("no shift on {}", day.weekday()),
        None => "no shift in this production day".to_owned(),
    };
    format!("nothing is planned: {why} ({})", calendar.place)
}

fn moment(at: chrono::NaiveDateTime) -> String {
    at.format("%Y-%m-%d %H:%M").to_string()
}

/// One machine of `calendar --json`.
#[derive(Serialize)]
struct MachineTold {
    machine: String,
    date: String,
    /// `null` without a calendar.
    planned_by: Option<String>,
    /// The version of the plant's calendar if it is from there, and `null` otherwise.
    plant_version: Option<i64>,
    parts: Vec<PartTold>,
}

#[derive(Serialize)]
struct PartTold {
    number: u32,
    shift: String,
    planned_from: String,
    planned_to: String,
    from: String,
    to: String,
    opening_ms: i64,
    required_ms: i64,
    required: Vec<[String; 2]>,
}

fn as_json(planned: &[Planned<'_>], day: Day, kept: &KeptCalendar) -> serde_json::Result<String> {
    let version = kept.good.as_ref().map(|good| good.version);
    let machine = |one: &Planned<'_>| MachineTold {
        plant_version: version.filter(|_| one.is_plant_s),
        machine: one.machine.to_owned(),
        date: day.to_string(),
        planned_by: one.calendar.map(|calendar| calendar.place.clone()),
        parts: one.parts.iter().map(PartTold::of).collect(),
    };
    let told: Vec<MachineTold> = planned.iter().map(machine).collect();
    Ok(serde_json::to_string_pretty(&told)? + "\n")
}

impl PartTold {
    fn of(part: &ShiftPart) -> Self {
        let text = |period: &Period| [period.from.to_string(), period.to.to_string()];
        let ([planned_from, planned_to], [from, to]) = (text(&part.planned), text(&part.opening));
        Self {
            number: part.number,
            shift: part.shift.clone(),
            planned_from,
            planned_to,
            from,
            to,
            opening_ms: part.opening.length_ms(),
            required_ms: part.required_ms(),
            required: part.required.iter().map(text).collect(),
        }
    }
}
