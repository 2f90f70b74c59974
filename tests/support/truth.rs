//! What central must hold, computed from bytes by the slow reader of [`super::reference`].

use cu_agent::{
    analyse::Options,
    model::{Day, Session, Stamp, hours_e4, rate_e2},
};

use super::{golden::Expected, reference};

/// The sessions of one machine from everything that it ever wrote, in the golden shape.
pub fn of_machine(nom: &str, files: &[Vec<u8>]) -> Vec<Expected> {
    reference::sessions(files, &Options::default())
        .iter()
        .map(|(day, session)| as_expected(nom, *day, session))
        .collect()
}

/// A session in the golden shape; `dossier` is the folder, or the machine's name.
pub fn as_expected(dossier: &str, day: Day, session: &Session) -> Expected {
    let figures = &session.figures;
    let hours = |ms| decimal(hours_e4(ms), 4);
    let rate = |ms| decimal(rate_e2(ms, figures.window_ms), 2);
    Expected {
        dossier: dossier.into(),
        date_production: day.to_string(),
        total_pieces: figures.total_pieces,
        heure_premiere_piece: figures.first_piece.map(moment),
        heure_derniere_piece: figures.last_piece.map(moment),
        heure_premier_machine_start: figures.first_start.map(moment),
        heure_dernier_machine_stop: figures.last_stop.map(moment),
        duree_production_totale: hours(figures.window_ms),
        temps_attente: hours(figures.wait_ms),
        temps_arret_volontaire: hours(figures.stop_ms),
        temps_production_effectif: hours(figures.effective_ms),
        taux_occupation: rate(figures.effective_ms),
        taux_attente: rate(figures.wait_ms),
        taux_arret_volontaire: rate(figures.stop_ms),
        temps_attente_brut: hours(figures.raw_wait_ms),
        temps_arret_brut: hours(figures.raw_stop_ms),
        pieces: session.pieces.iter().map(|p| (moment(p.at), p.details.to_string())).collect(),
        attentes: session
            .waits
            .iter()
            .map(|wait| (moment(wait.start), (wait.end.0 - wait.start.0) / 1000))
            .collect(),
        arrets: session.stops.iter().map(|stop| (moment(stop.start), moment(stop.end))).collect(),
        jobs: session
            .jobs
            .iter()
            .map(|job| {
                let length = decimal(job.length_e2, 2);
                (moment(job.at), job.reference.to_string(), length, job.colour.to_string())
            })
            .collect(),
    }
}

/// Rows of all tables that the sessions are.
pub fn rows(sessions: &[Expected]) -> usize {
    let details = |s: &Expected| s.pieces.len() + s.attentes.len() + s.arrets.len() + s.jobs.len();
    sessions.iter().map(|session| 1 + details(session)).sum()
}

fn moment(at: Stamp) -> String {
    at.to_naive().format("%Y-%m-%d %H:%M:%S%.3f").to_string()
}

fn decimal(scaled: i64, places: u32) -> String {
    let unit = 10_i64.pow(places);
    format!("{}.{:0places$}", scaled / unit, scaled % unit, places = places as usize)
}
