//! `cu-agent status` for people.

use std::collections::BTreeMap;

use super::{ImplausibleDate, Shown, central, folder_state, host};
use crate::{
    buffer::{AsideReport, BufferError, ChangedTexts, FileReport, LinkState},
    cli::{
        sessions::{decimal, without_trs},
        table::table,
    },
    config::Config,
    model::{CentralTold, DayTimes, Language, Trouble, WallTime, printable},
};

/// Files with implausible dates that are shown.
const MOST_IMPLAUSIBLE: usize = 20;

pub(super) fn text(config: &Config, shown: &Shown) -> String {
    [
        overview(config, shown),
        machines(config, shown),
        not_read(config, shown),
        in_central(&shown.told),
        set_aside(&shown.set_aside),
        implausible(&shown.implausible),
        files(&shown.files),
    ]
    .concat()
}

fn overview(config: &Config, shown: &Shown) -> String {
    let Shown { totals, links, .. } = shown;
    let mut text = format!(
        "agent {} (cu-agent {})\n\nsessions   {} in the buffer, {} waiting for central",
        config.agent.id,
        env!("CARGO_PKG_VERSION"),
        totals.sessions,
        totals.pending_sessions
    );
    if let Some(day) = totals.oldest_pending_day {
        text += &format!(", the oldest from {day}");
    }
    if totals.set_aside_sessions > 0 {
        text += &format!(", {} of them quarantined (see below)", totals.set_aside_sessions);
    }
    if totals.pending_planned_days > 0 {
        let days = totals.pending_planned_days;
        text += &format!("; {days} planned days without a LOG wait for central");
    }
    let (state, link) = central(config, links);
    text += &format!("\ncentral    {state}{}", since(link));
    if let Some(host) = host(link) {
        text += &format!(" ({})", printable(host, MOST_REASON_CHARS));
    }
    if let Some(ChangedTexts { encoding, texts }) = &shown.changed_texts {
        text += &format!(
            "\ntexts      {texts} written in similar characters: central's database is in {}, which does not have every character",
            printable(encoding, MOST_REASON_CHARS)
        );
    }
    if let Some(told) = shown.calendar.told() {
        text += &format!("\ncalendar   {told}");
    }
    for source in &config.sources {
        let link = links.iter().find(|link| link.name.is_source(&source.name));
        let state = link.map_or("unknown", |link| if link.up { "up" } else { "down" });
        text += &format!("\nsource     {} {state}{}", source.name, since(link));
    }
    text += &format!(
        "\nbuffer     {} of at most {} on disk; {} files, {} refused\n",
        bytes(shown.buffer_bytes),
        bytes(config.agent.max_buffer_bytes),
        totals.files,
        totals.refused_files
    );
    if shown.is_read_only {
        let error = BufferError::ReadOnly { path: config.agent.state_dir.clone() };
        text += &format!("disk       {error}\n");
    }
    text
}

fn machines(config: &Config, shown: &Shown) -> String {
    let machines = &shown.machines;
    if machines.is_empty() {
        return String::new();
    }
    let rows: Vec<Vec<String>> = machines
        .iter()
        .map(|machine| {
            vec![
                machine.nom.clone(),
                machine.sessions.to_string(),
                machine.pending_sessions.to_string(),
                machine.last_day.map_or("-".into(), |day| day.to_string()),
                trs(config, shown, &machine.nom),
                machine.last_read_at.map_or("-".into(), |at| at.to_string()),
            ]
        })
        .collect();
    let heads = ["machine", ">sessions", ">waiting", "last day", "TRS %", "last reading"];
    let mut lacking = BTreeMap::new();
    for machine in machines {
        lacking.extend(shown.no_trs(&machine.nom).map(|why| (machine.nom.clone(), why)));
    }
    format!("\n{}{}", table(&heads, &rows), without_trs(&lacking))
}

/// The TRS of the machine's last day, up to when if that is not over, or what lacks.
fn trs(config: &Config, shown: &Shown, nom: &str) -> String {
    if let Some(why) = shown.no_trs(nom) {
        return why.text(Language::English).to_owned();
    }
    let times = shown.newest_of(nom);
    let Some((times, trs)) =
        times.and_then(|times| Some((times, times.rates(config.analysis.day_start).trs_e2?)))
    else {
        return "-".to_owned();
    };
    let until = if times.is_over { String::new() } else { format!(" until {}", clock(times)) };
    format!("{}{until}", decimal(trs, 2))
}

fn clock(times: &DayTimes) -> String {
    times.known_until.to_naive().format("%H:%M").to_string()
}

fn not_read(config: &Config, shown: &Shown) -> String {
    let Shown { links, troubles, .. } = shown;
    let hidden = unknown_machines(config, links, troubles);
    let mut text = String::new();
    if !(hidden.is_empty() && troubles.is_empty()) {
        text += "\ncannot be read:\n";
    }
    for line in hidden {
        text += &format!("  {line}\n");
    }
    for one in troubles {
        text += &format!(
            "  {:?} since {}: {}\n",
            one.key.place(),
            noted(one.since),
            one.text(Language::English)
        );
    }
    text
}

/// What people and other programs did to the machines there.
fn in_central(told: &CentralTold) -> String {
    let CentralTold { renamed, stray_sessions, lacks_times, writers } = told;
    let mut lines: Vec<String> = renamed.iter().map(ToString::to_string).collect();
    if *stray_sessions > 0 {
        lines.push(format!(
            "{stray_sessions} sessions of this agent belong to no centre of its machines (see check)"
        ));
    }
    if *lacks_times {
        lines.push(
            "no table for the times of shifts: sessions are delivered without (see check)".into(),
        );
    }
    lines.extend(
        writers
            .iter()
            .map(|write| format!("another writer: {write}; what the agent delivered is restored")),
    );
    if lines.is_empty() {
        return String::new();
    }
    let shown = lines.iter().map(|line| format!("  {}\n", printable(line, MOST_REASON_CHARS)));
    format!("\nin central:\n{}", shown.collect::<String>())
}

fn set_aside(all: &[AsideReport]) -> String {
    let mut text = String::new();
    if !all.is_empty() {
        text += "\nquarantined, retried hourly:\n";
    }
    for AsideReport { nom, reason, sessions, first_day, last_day, .. } in all {
        let (nom, reason) = (shown_name(nom), printable(reason, MOST_REASON_CHARS));
        text += &format!("  {nom} {first_day} to {last_day}, {sessions} sessions: {reason}\n");
    }
    text
}

fn implausible(dates: &[ImplausibleDate]) -> String {
    if dates.is_empty() {
        return String::new();
    }
    let mut text = format!(
        "\nfiles with implausible dates: {}; nothing is deleted because of them:\n",
        dates.len()
    );
    for ImplausibleDate { file, reason, .. } in dates.iter().take(MOST_IMPLAUSIBLE) {
        text += &format!("  {file}: {reason}\n");
    }
    text
}

fn files(files: &[FileReport]) -> String {
    let mut text = String::new();
    if !files.is_empty() {
        text += "\nfiles that need attention:\n";
    }
    for file in files {
        text += &format!(
            "  {}/{}: {} lines, {} events\n",
            shown_name(&file.folder),
            shown_name(&file.name),
            file.lines,
            file.events
        );
        if let Some(refusal) = &file.refusal {
            text += &format!("    refused: {}\n", printable(refusal, MOST_REASON_CHARS));
        }
        for (reason, lines, first_line, sample) in &file.rejects {
            text += &format!("    {reason}: {lines} (first in line {first_line}: {sample:?})\n");
        }
        for (name, events) in &file.unknown {
            text += &format!("    unknown event {name:?}: {events}\n");
        }
    }
    text
}

/// Names and reasons are of files, servers and central: each stays on its line.
fn shown_name(name: &str) -> String {
    printable(name, 255)
}

const MOST_REASON_CHARS: usize = 2000;

/// Of machines behind a source that does not answer, or whose folder cannot be read, nobody knows
/// whether they work.
fn unknown_machines(config: &Config, links: &[LinkState], troubles: &[Trouble]) -> Vec<String> {
    let mut lines = Vec::new();
    for source in &config.sources {
        let Some(link) = links.iter().find(|link| link.name.is_source(&source.name)) else {
            continue;
        };
        for (folder, machine) in &source.folders {
            let (state, since, _) = folder_state(folder, Some(link), source, troubles);
            if state != "read" {
                let since = noted(since);
                let why = if link.up { "its folder" } else { "its source" };
                let nom = &machine.nom;
                lines.push(format!("machine {nom} unknown since {since}: {why} cannot be read"));
            }
        }
    }
    lines
}

fn noted(at: Option<WallTime>) -> String {
    at.map_or_else(|| "?".into(), |at| at.to_string())
}

fn since(link: Option<&LinkState>) -> String {
    link.map_or(String::new(), |link| {
        let error = link
            .error
            .as_ref()
            .map_or(String::new(), |error| format!(": {}", printable(error, MOST_REASON_CHARS)));
        format!(" since {}{error}", noted(link.since))
    })
}

fn bytes(bytes: u64) -> String {
    match bytes {
        0..1_048_576 => format!("{} KiB", bytes.div_ceil(1024)),
        _ => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
    }
}
