//! `cu-agent once`: collects and delivers everything once, then exits.

use std::{path::Path, sync::Arc};

use super::{Exit, complain, configured, log_of_one_shot, print, progress::Bar};
use crate::{
    agent::{Agent, OnceReport, Progress},
    buffer::{Task, Totals},
    logging,
    model::{Language, LinkName, RefusedCalendar},
    text,
    text::counted,
};

pub(super) fn run(config: &Path) -> anyhow::Result<Exit> {
    let config = configured(config, log_of_one_shot())?;
    let mut agent = Agent::open(config, Task::Once, super::run::shutdown_on_signals()?)?;
    let bar = Arc::new(Bar::for_files());
    let shown = Arc::clone(&bar);
    let progress: Progress = Arc::new(move |folder, done, of| shown.show(folder, done, of));
    let report = agent.once(&progress)?;
    bar.finish();
    let totals = agent.buffer.reports().totals()?;
    if let Some(Err(error)) = &report.sync {
        complain(&format!("not delivered, sessions stay in the buffer: {}", logging::chain(error)));
    }
    for link in agent.buffer.links().all()?.iter().filter(|link| !link.up) {
        if let (LinkName::Source(source), Some(error)) = (&link.name, &link.error) {
            complain(&format!("source {source:?} could not be collected: {error}"));
        }
    }
    for trouble in agent.buffer.links().troubles()? {
        complain(&format!("{:?}: {}", trouble.key.place(), trouble.text(Language::English)));
    }
    let refused = agent.buffer.plant().kept()?.refused;
    if let Some(RefusedCalendar { version, why }) = &refused {
        complain(&format!(
            "the plant's calendar in central, version {version}, cannot be used: {why}"
        ));
    }
    // Without their table, planned days wait for an administrator and not for a mend here.
    let wait_in_vain = report.sync.is_some()
        && totals.pending_planned_days > 0
        && !agent.buffer.links().central_told()?.lacks_times;
    print(&summary(&report, &totals))?;
    Ok(match exit(&report, &totals) {
        Exit::Done if refused.is_some() || wait_in_vain => Exit::InPart,
        exit => exit,
    })
}

fn summary(report: &OnceReport, totals: &Totals) -> String {
    let collect = &report.collect;
    let mut text = format!(
        "{} read, {} not readable, {} refused; {} changed\n",
        counted(collect.files_read, "file", "files"),
        collect.files_failed,
        collect.files_refused,
        counted(collect.sessions_changed, "session", "sessions")
    );
    if collect.files_without_lines > 0 {
        text += &format!("{} of them without any readable line\n", collect.files_without_lines);
    }
    text += &match &report.sync {
        None => "no [central] configured: sessions stay in the buffer\n".to_owned(),
        Some(_) => format!(
            "{} of {} in central{}\n",
            text::count(totals.sessions - totals.pending_sessions, Language::English),
            counted(totals.sessions, "session is", "sessions are"),
            match totals.pending_planned_days {
                0 => String::new(),
                days => format!(
                    "; {} without a LOG waiting for central",
                    counted(days, "planned day", "planned days")
                ),
            }
        ),
    };
    text
}

fn exit(report: &OnceReport, totals: &Totals) -> Exit {
    let collect = &report.collect;
    let all_failed = collect.sources > 0 && collect.failed_sources.len() == collect.sources;
    if all_failed || (collect.folders_mapped > 0 && collect.folders_read == 0) {
        return Exit::Failed;
    }
    let waits =
        report.sync.as_ref().is_some_and(|sync| sync.is_err() || totals.pending_sessions > 0);
    let in_part = waits
        || collect.at_cap
        || totals.refused_files > 0
        || collect.files_failed > 0
        || collect.files_without_lines > 0
        || collect.troubles > 0
        || !collect.failed_sources.is_empty();
    if in_part { Exit::InPart } else { Exit::Done }
}
