//! `cu-agent weekly-report`: writes the reports of the weeks that are over and not written yet, or whose figures
//! changed since. cu-agent-report.timer runs it; the service sends what it writes.
//!
//! What must never happen here: a week that is not over by the plant's calendar; a report for a clock that
//! cannot be right.

use std::{fs::File, path::Path};

use anyhow::Context;
use chrono::TimeDelta;
use sha2::{Digest, Sha256};

use super::{
    Exit, LogTo, Output, UsageError, complain, configured_without_passwords, print,
    privileges::become_owner_of, report,
};
use crate::{
    agent::{wall, wall_clock_fault},
    buffer::{Buffer, HeaderFilter, SessionHeader, TimesByMachine},
    config::{Config, ReportConfig},
    model::{Day, ReportName, Week},
    weekly::{ReportFolder, candidates, is_due},
};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Only this week, also if it is written already: an ISO week such as 2026-W48, or `last`.
    #[arg(long, value_name = "YYYY-Www")]
    week: Option<String>,
}

pub(super) fn run(config: &Path, arguments: &Arguments) -> anyhow::Result<Exit> {
    let config = configured_without_passwords(config, LogTo::Stderr)?;
    become_owner_of(&config.agent.state_dir)?;
    let Some(report) = config.report.clone() else {
        print("no weekly reports: there is no [report] in the configuration\n")?;
        return Ok(Exit::Done);
    };
    if let Some(fault) = wall_clock_fault() {
        complain(&format!("no weekly report is written, the next run tries again: {fault}"));
        return Ok(Exit::Failed);
    }
    let last = last_week(config.analysis.day_start);
    let only = match arguments.week.as_deref() {
        None => None,
        Some("last") => Some(last),
        Some(text) => {
            let refused =
                |_| UsageError(format!("--week {text}: give an ISO week such as 2026-W48"));
            Some(text.parse().map_err(refused)?)
        }
    };
    if let Some(week) = only.filter(|week| *week > last) {
        return Err(
            UsageError(format!("--week {week} is not over yet; the last one is {last}")).into()
        );
    }
    let Some(buffer) = Buffer::open_to_show(&config.agent.state_dir)? else {
        print("no weekly reports: nothing was read yet\n")?;
        return Ok(Exit::Done);
    };
    Writer { config: &config, report: &report, buffer: &buffer }.write(only, last)
}

/// The last one that is over by production days.
pub(super) fn last_week(day_start: TimeDelta) -> Week {
    Week::of((wall().naive_local() - day_start).date()).before(1)
}

struct Writer<'b> {
    config: &'b Config,
    report: &'b ReportConfig,
    buffer: &'b Buffer,
}

impl Writer<'_> {
    fn write(&self, only: Option<Week>, last: Week) -> anyhow::Result<Exit> {
        let folder = ReportFolder::at(&self.report.folder);
        let kept = folder.weeks()?;
        let weeks: Vec<Week> = match only {
            Some(week) => vec![week],
            None => candidates(&kept, last, self.report.keep).collect(),
        };
        let mut written = 0;
        for week in weeks {
            let headers = self.headers(week.monday(), week.sunday())?;
            if headers.is_empty() {
                if only.is_some() || week == last {
                    print(&format!("{week}: no sessions, nothing to report\n"))?;
                }
                continue;
            }
            let times =
                self.buffer.sessions().times_by_machine(None, week.monday(), week.sunday())?;
            let digest = digest(&headers, &times);
            if only.is_none() && !is_due(kept.get(&week), &digest, &self.report.formats) {
                continue;
            }
            for format in &self.report.formats {
                let name = ReportName { week, format: *format };
                folder.keep(name, |file| {
                    self.write_one(name, &headers, file).map_err(|error| format!("{error:#}"))
                })?;
                print(&format!("{} written\n", folder.file(name).display()))?;
            }
            folder.note_figures(week, &digest)?;
            written += 1;
        }
        folder.prune(self.report.keep)?;
        if written == 0 && only.is_none() {
            print(&format!("every week up to {last} is written\n"))?;
        }
        Ok(Exit::Done)
    }

    fn headers(&self, from: Day, to: Day) -> anyhow::Result<Vec<SessionHeader>> {
        let filter = HeaderFilter { from, to, machine: None, most: usize::MAX };
        Ok(self.buffer.sessions().session_headers(&filter)?)
    }

    fn write_one(
        &self,
        name: ReportName,
        headers: &[SessionHeader],
        file: File,
    ) -> anyhow::Result<()> {
        report::write_week(
            self.buffer,
            self.config,
            name.week,
            self.report.language.unwrap_or(self.config.agent.language),
            headers,
            name.format,
            Output::to(file),
        )
        .with_context(|| format!("cannot write {name}"))
    }
}

/// Of the figures of the week's sessions and of their planned time, which a calendar can change long after: what
/// changes it is a report that has to be written again.
fn digest(headers: &[SessionHeader], times: &TimesByMachine) -> String {
    let mut hash = Sha256::new();
    for SessionHeader { nom, day, figures, .. } in headers {
        hash.update(format!("{nom:?} {day} {figures:?}\n"));
    }
    hash.update(format!("{times:?}"));
    hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}
