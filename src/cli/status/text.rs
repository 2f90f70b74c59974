//! `cu-agent status` for people.

use std::collections::BTreeMap;

use super::{ImplausibleDate, Shown, WeeklyReports, central, folder_state, host};
use crate::{
    buffer::{AsideReport, BufferError, ChangedTexts, FileReport, LinkState},
    cli::{
        painted::{Painted, Tone},
        sessions::{decimal, without_trs},
        table::table,
    },
    config::Config,
    logging,
    model::{CentralTold, DayTimes, Language, Trouble, WallTime, printable},
    settings::told,
    text::{Noun, count},
};

/// Files with implausible dates that are shown.
const MOST_IMPLAUSIBLE: usize = 20;

pub(super) fn text(config: &Config, shown: &Shown) -> Painted {
    let mut text = Painted::default();
    for part in [
        overview(config, shown),
        machines(config, shown),
        not_read(config, shown),
        in_central(&shown.told),
        set_aside(&shown.set_aside),
        implausible(&shown.implausible),
        files(&shown.files),
    ] {
        text.append(part);
    }
    text
}

/// How a link is, as a word with its colour.
fn state_tone(state: &str) -> Option<Tone> {
    match state {
        "up" => Some(Tone::Good),
        "down" => Some(Tone::Bad),
        "unknown" => Some(Tone::Warn),
        _ => None,
    }
}

fn overview(config: &Config, shown: &Shown) -> Painted {
    let Shown { totals, links, .. } = shown;
    let mut text = Painted::default();
    text.push(&format!(
        "agent {} (cu-agent {})\n\nsessions   {} in the buffer, {} waiting for central",
        config.agent.id,
        env!("CARGO_PKG_VERSION"),
        counted(totals.sessions),
        counted(totals.pending_sessions)
    ));
    if let Some(day) = totals.oldest_pending_day {
        text.push(&format!(", the oldest from {day}"));
    }
    if totals.set_aside_sessions > 0 {
        let aside = counted(totals.set_aside_sessions);
        text.put(Some(Tone::Bad), &format!(", {aside} of them quarantined (see below)"));
    }
    if totals.pending_planned_days > 0 {
        let days = PLANNED_DAYS.counted(totals.pending_planned_days, Language::English);
        text.push(&format!("; {days} without a LOG waiting for central"));
    }
    let (state, link) = central(config, links);
    text.push("\ncentral    ");
    text.put(state_tone(state), state);
    text.push(&since(link));
    if let Some(host) = host(link) {
        text.push(&format!(" ({})", printable(host, MOST_REASON_CHARS)));
    }
    if let Some(ChangedTexts { encoding, texts }) = &shown.changed_texts {
        text.push(&format!(
            "\ntexts      {} written in similar characters: central's database is in {}, which does not have every character",
            counted(*texts),
            printable(encoding, MOST_REASON_CHARS)
        ));
    }
    if let Some(told) = shown.calendar.told() {
        text.push(&format!("\ncalendar   {told}"));
    }
    if let Some(settings) = told(config) {
        let is_refused = settings.as_ref().map_or(true, |told| told.refused.is_some());
        let settings =
            settings.map_or_else(|error| logging::chain(&error), |told| told.to_string());
        text.push("\nsettings   from central: ");
        text.put(is_refused.then_some(Tone::Bad), &printable(&settings, MOST_REASON_CHARS));
    }
    if let Some(reports) = &shown.reports {
        text.push("\nreports    ");
        text.append(weekly(reports));
    }
    for source in &config.sources {
        let link = links.iter().find(|link| link.name.is_source(&source.name));
        let state = link.map_or("unknown", |link| if link.up { "up" } else { "down" });
        text.push(&format!("\nsource     {} ", source.name));
        text.put(state_tone(state), state);
        text.push(&since(link));
    }
    text.push(&format!(
        "\nbuffer     {} of at most {} on disk; {}, {} refused\n",
        bytes(shown.buffer_bytes),
        bytes(config.agent.max_buffer_bytes),
        FILES.counted(totals.files, Language::English),
        counted(totals.refused_files)
    ));
    if shown.is_read_only {
        let error = BufferError::ReadOnly { path: config.agent.state_dir.clone() };
        text.put(Some(Tone::Bad), &format!("disk       {error}\n"));
    }
    text
}

const FILES: Noun = Noun::new("fichier", "fichiers", "file", "files");
const PLANNED_DAYS: Noun =
    Noun::new("jour planifié", "jours planifiés", "planned day", "planned days");
const SESSIONS: Noun = Noun::new("session", "sessions", "session", "sessions");
const LINES: Noun = Noun::new("ligne", "lignes", "line", "lines");
const EVENTS: Noun = Noun::new("événement", "événements", "event", "events");

fn counted(number: u64) -> String {
    count(number, Language::English)
}

/// The weekly reports in one line.
fn weekly(reports: &WeeklyReports) -> Painted {
    let mut text = Painted::default();
    text.push(&match reports.newest {
        Some(week) => format!("newest {week}"),
        None => "none written yet".to_owned(),
    });
    if let Some(week) = reports.missing {
        text.put(Some(Tone::Bad), &format!(
            "; {week} is not written: run cu-agent weekly-report, and see journalctl -u cu-agent-report"
        ));
    }
    if let Some(oldest) = reports.unsent.names.first() {
        let count = counted(reports.unsent.names.len() as u64);
        text.push(&format!("; {count} waiting to be sent, the oldest {oldest}"));
    }
    if let Some(why) = reports.failure() {
        text.put(Some(Tone::Bad), &format!(": {}", printable(why, MOST_REASON_CHARS)));
    }
    text
}

fn machines(config: &Config, shown: &Shown) -> Painted {
    let machines = &shown.machines;
    if machines.is_empty() {
        return Painted::default();
    }
    let rows: Vec<Vec<String>> = machines
        .iter()
        .map(|machine| {
            vec![
                machine.nom.clone(),
                counted(machine.sessions),
                counted(machine.pending_sessions),
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
    let mut text = Painted::from("\n".to_owned());
    text.append(table(&heads, &rows));
    text.push(&without_trs(&lacking));
    text
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

fn not_read(config: &Config, shown: &Shown) -> Painted {
    let Shown { links, troubles, .. } = shown;
    let hidden = unknown_machines(config, links, troubles);
    let mut text = String::new();
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
    section(Tone::Bad, "cannot be read", &text)
}

/// A heading and what is below it, or nothing.
fn section(tone: Tone, heading: &str, below: &str) -> Painted {
    let mut text = Painted::default();
    if !below.is_empty() {
        text.push("\n");
        text.put(Some(tone), &format!("{heading}:"));
        text.push(&format!("\n{below}"));
    }
    text
}

/// What people and other programs did to the machines there.
fn in_central(told: &CentralTold) -> Painted {
    // Updates are the updater's to show.
    let CentralTold { renamed, stray_sessions, lacks_times, writers, updates: _ } = told;
    let mut lines: Vec<String> = renamed.iter().map(ToString::to_string).collect();
    if *stray_sessions > 0 {
        lines.push(format!(
            "{} of this agent in no centre of its machines (see check)",
            SESSIONS.counted(*stray_sessions, Language::English)
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
    let shown = lines.iter().map(|line| format!("  {}\n", printable(line, MOST_REASON_CHARS)));
    section(Tone::Warn, "in central", &shown.collect::<String>())
}

fn set_aside(all: &[AsideReport]) -> Painted {
    let mut text = String::new();
    for AsideReport { nom, reason, sessions, first_day, last_day, .. } in all {
        let (nom, reason) = (shown_name(nom), printable(reason, MOST_REASON_CHARS));
        let sessions = SESSIONS.counted(*sessions, Language::English);
        text += &format!("  {nom} {first_day} to {last_day}, {sessions}: {reason}\n");
    }
    section(Tone::Bad, "quarantined, retried hourly", &text)
}

fn implausible(dates: &[ImplausibleDate]) -> Painted {
    let mut text = String::new();
    for ImplausibleDate { file, reason, .. } in dates.iter().take(MOST_IMPLAUSIBLE) {
        text += &format!("  {file}: {reason}\n");
    }
    let heading = format!(
        "files with implausible dates: {}; nothing is deleted because of them",
        counted(dates.len() as u64)
    );
    section(Tone::Warn, &heading, &text)
}

fn files(files: &[FileReport]) -> Painted {
    let mut text = String::new();
    for file in files {
        text += &format!(
            "  {}/{}: {}, {}\n",
            shown_name(&file.folder),
            shown_name(&file.name),
            LINES.counted(file.lines, Language::English),
            EVENTS.counted(file.events, Language::English)
        );
        if let Some(refusal) = &file.refusal {
            text += &format!("    refused: {}\n", printable(refusal, MOST_REASON_CHARS));
        }
        for (reason, lines, first_line, sample) in &file.rejects {
            let lines = counted(*lines);
            text += &format!("    {reason}: {lines} (first in line {first_line}: {sample:?})\n");
        }
        for (name, events) in &file.unknown {
            text += &format!("    unknown event {name:?}: {}\n", counted(*events));
        }
    }
    section(Tone::Warn, "files that need attention", &text)
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
