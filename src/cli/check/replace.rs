//! `cu-agent check --replace`: what central holds before the agent takes over from the service that wrote
//! there, what the migrations will do to it, and who writes there besides. Reads only.

use super::{Lines, counted};
use crate::{
    cli::central::{old_rows, renamed},
    config::{CentralConfig, Config},
    logging,
    sync::postgres::{CONTRACT_TABLES, Central, CentralError, Origin, Survey},
};

const WHAT: &str = "replace";

pub(super) fn check(lines: &mut Lines, config: &Config) {
    let Some(central) = &config.central else {
        return lines.bad(WHAT, "there is no central to look at; set [central]");
    };
    match survey(central, config) {
        Ok((survey, old_names)) => {
            kind(lines, &survey);
            rows(lines, &survey);
            for text in old_names {
                lines.note(WHAT, &text);
            }
            writers(lines, &survey);
        }
        Err(error) => lines.bad(WHAT, &logging::chain(&error)),
    }
}

/// What is there, and a line on each machine that had other names.
fn survey(central: &CentralConfig, config: &Config) -> Result<(Survey, Vec<String>), CentralError> {
    let mut central = Central::connect(central, "cu-agent check")?;
    let survey = central.survey()?;
    let mut lines = Vec::new();
    for one in renamed(config) {
        let found = central.old_rows(&one, &config.agent.id)?;
        lines.push(old_rows(&one, &found, "would be merged by cu-agent central migrate"));
    }
    Ok((survey, lines))
}

fn kind(lines: &mut Lines, survey: &Survey) {
    let text = match &survey.origin {
        Origin::Empty => "central is empty: the tables will be created".to_owned(),
        Origin::Service => {
            "central was made by the Python service: its tables are taken over, no row is lost"
                .to_owned()
        }
        Origin::Orm => {
            "central was made by the REST API's ORM: its tables are taken over, no row is lost"
                .to_owned()
        }
        Origin::Agent { pending } if pending.is_empty() => {
            "central has an agent's tables, up to date".to_owned()
        }
        Origin::Agent { pending } => {
            format!(
                "central has the tables of an earlier release; migrations {pending:?} are missing"
            )
        }
    };
    lines.good(WHAT, &text);
}

fn rows(lines: &mut Lines, survey: &Survey) {
    let tables = CONTRACT_TABLES.iter().zip(survey.rows);
    let counts: Vec<String> =
        tables.filter_map(|(table, rows)| rows.map(|rows| format!("{rows} in {table}"))).collect();
    if !counts.is_empty() {
        lines.good(WHAT, &format!("rows: {}", counts.join(", ")));
    }
    if survey.centres_of_files > 0 {
        lines.note(
            WHAT,
            &format!(
                "{} named after a file, to become their machine's",
                counted(survey.centres_of_files, "centre is", "centres are")
            ),
        );
    }
    if survey.sessions_twice > 0 {
        lines.note(
            WHAT,
            &format!(
                "{} machine and day with another one: they are merged, and kept as they were in cu_agent_fusion",
                counted(survey.sessions_twice, "session shares", "sessions share")
            ),
        );
    }
}

fn writers(lines: &mut Lines, survey: &Survey) {
    for writer in &survey.writers {
        let application = match writer.application.as_str() {
            "" => "without a name".to_owned(),
            name => format!("as {name:?}"),
        };
        lines.note(
            WHAT,
            &format!(
                "role {} is connected {application} ({})",
                writer.role,
                counted(writer.connections, "connection", "connections")
            ),
        );
    }
    if let Some(last) = &survey.unmarked_last {
        let text = format!(
            "{} of the last 7 days not written by an agent, the latest of all such at {last}",
            counted(survey.unmarked, "session", "sessions")
        );
        match survey.unmarked {
            0 => lines.good(WHAT, &text),
            _ => lines
                .note(WHAT, &(text + "; stop the other service before the agent delivers here")),
        }
    }
}
