//! `cu-agent sessions`: results as the buffer holds them, as a table or as JSON with the names and
//! shapes of central's columns.

use std::path::Path;

use serde_json::{Value, json};

use super::{Exit, LogTo, UsageError, configured, print, table::table};
use crate::{
    buffer::{Buffer, SessionFilter, StoredSession},
    model::{Day, Stamp, hours_e4, rate_e2},
};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Only this machine (its `nom`).
    #[arg(long, value_name = "NOM")]
    machine: Option<String>,
    /// Only this production day.
    #[arg(long, value_name = "YYYY-MM-DD")]
    date: Option<Day>,
    /// One object a session, with all details, under the names of central's columns.
    #[arg(long)]
    json: bool,
}

pub fn run(config: &Path, arguments: &Arguments) -> anyhow::Result<Exit> {
    let config = configured(config, LogTo::StderrWarnings)?;
    let Some(buffer) = Buffer::open_to_look(&config.agent.state_dir)? else {
        return if arguments.json {
            print("[]\n")?;
            Ok(Exit::Done)
        } else {
            Err(UsageError(format!(
                "there is no buffer in {} yet; run `cu-agent once` first",
                config.agent.state_dir.display()
            ))
            .into())
        };
    };
    let filter = SessionFilter { machine: arguments.machine.clone(), day: arguments.date };
    if arguments.json {
        as_json(&buffer, &filter)?
    } else {
        as_table(&buffer, &filter)?
    }
    Ok(Exit::Done)
}

fn as_table(buffer: &Buffer, filter: &SessionFilter) -> anyhow::Result<()> {
    let mut rows = Vec::new();
    buffer.each_session(filter, |stored| {
        rows.push(row(&stored));
        Ok::<_, std::convert::Infallible>(())
    })??;
    if rows.is_empty() {
        print("no sessions\n")?;
        return Ok(());
    }
    let heads = [
        "day",
        "machine",
        ">pieces",
        "first",
        "last",
        ">window h",
        ">effective h",
        ">occupied %",
        ">waiting %",
        ">stopped %",
        ">stops",
        "central",
    ];
    print(&table(&heads, &rows))?;
    Ok(())
}

fn row(stored: &StoredSession) -> Vec<String> {
    let figures = &stored.session.figures;
    let time = |at: Option<Stamp>| {
        at.map_or("-".to_owned(), |at| at.to_naive().format("%H:%M:%S").to_string())
    };
    let rate = |ms| decimal(rate_e2(ms, figures.window_ms), 2);
    vec![
        stored.day.to_string(),
        stored.nom.clone(),
        figures.total_pieces.to_string(),
        time(figures.first_piece),
        time(figures.last_piece),
        decimal(hours_e4(figures.window_ms), 4),
        decimal(hours_e4(figures.effective_ms), 4),
        rate(figures.effective_ms),
        rate(figures.wait_ms),
        rate(figures.stop_ms),
        stored.session.stops.len().to_string(),
        standing(stored).to_owned(),
    ]
}

fn standing(stored: &StoredSession) -> &'static str {
    match stored {
        StoredSession { refusal: Some(_), .. } => "set aside",
        StoredSession { revision, synced_revision, .. } if revision == synced_revision => "yes",
        _ => "waiting",
    }
}

/// A number of `decimals` decimals from its digits.
pub fn decimal(digits: i64, decimals: u32) -> String {
    let scale = 10_i64.pow(decimals);
    let sign = if digits < 0 { "-" } else { "" };
    let digits = digits.unsigned_abs();
    let scale = scale.unsigned_abs();
    format!("{sign}{}.{:0width$}", digits / scale, digits % scale, width = decimals as usize)
}

fn as_json(buffer: &Buffer, filter: &SessionFilter) -> anyhow::Result<()> {
    // One session at a time, so that a year of them needs no more memory than a day.
    print("[")?;
    let mut first = true;
    buffer.each_session(filter, |stored| {
        let separator = if std::mem::take(&mut first) { "\n" } else { ",\n" };
        print(&format!("{separator}{}", object(&stored)))
    })??;
    print("\n]\n")?;
    Ok(())
}

fn object(stored: &StoredSession) -> Value {
    let session = &stored.session;
    let figures = &session.figures;
    let at = |at: Stamp| at.to_naive().format("%Y-%m-%d %H:%M:%S%.3f").to_string();
    let hours = |ms| decimal(hours_e4(ms), 4);
    let rate = |ms| decimal(rate_e2(ms, figures.window_ms), 2);
    json!({
        "machine": stored.nom,
        "date_production": stored.day.to_string(),
        "total_pieces": figures.total_pieces,
        "heure_premiere_piece": figures.first_piece.map(at),
        "heure_derniere_piece": figures.last_piece.map(at),
        "heure_premier_machine_start": figures.first_start.map(at),
        "heure_dernier_machine_stop": figures.last_stop.map(at),
        "duree_production_totale": hours(figures.window_ms),
        "temps_attente": hours(figures.wait_ms),
        "temps_arret_volontaire": hours(figures.stop_ms),
        "temps_production_effectif": hours(figures.effective_ms),
        "taux_occupation": rate(figures.effective_ms),
        "taux_attente": rate(figures.wait_ms),
        "taux_arret_volontaire": rate(figures.stop_ms),
        "temps_attente_brut": hours(figures.raw_wait_ms),
        "temps_arret_brut": hours(figures.raw_stop_ms),
        "fichier_log_source": stored.log_sources,
        "pieces": session.pieces.iter().map(|piece| json!([at(piece.at), piece.details.as_str()]))
            .collect::<Vec<_>>(),
        "attentes": session.waits.iter()
            .map(|wait| json!([at(wait.start), (wait.end.0 - wait.start.0) / 1000]))
            .collect::<Vec<_>>(),
        "arrets": session.stops.iter().map(|stop| json!([at(stop.start), at(stop.end)]))
            .collect::<Vec<_>>(),
        "jobs": session.jobs.iter()
            .map(|job| json!([at(job.at), job.reference.as_str(), decimal(job.length_e2, 2), job.colour.as_str()]))
            .collect::<Vec<_>>(),
        "anomalies": session.anomalies.iter()
            .map(|anomaly| json!({
                "code": anomaly.code.as_str(), "at": at(anomaly.at), "count": anomaly.count
            }))
            .collect::<Vec<_>>(),
        "events": figures.events,
        "revision": stored.revision,
        "synced_revision": stored.synced_revision,
        "refusal": stored.refusal,
    })
}

#[cfg(test)]
mod tests {
    use super::decimal;

    #[test]
    fn decimals_keep_their_zeros() {
        assert_eq!(decimal(167, 4), "0.0167");
        assert_eq!(decimal(600_000, 2), "6000.00");
        assert_eq!(decimal(0, 2), "0.00");
        assert_eq!(decimal(-5, 2), "-0.05");
    }
}
