//! Every golden case through parse and analyse, compared to the last digit.

use std::collections::BTreeMap;

use cu_agent::{
    analyse::{self, Options},
    model::{Day, Session, Stamp, hours_e4, rate_e2},
    parse::{Text, Words, parse},
};

use crate::support::golden::{self, Expected};

#[test]
fn every_golden_case_is_found_with_its_files() {
    let cases = golden::cases();
    assert!(cases.len() >= 12);
    assert!(cases.iter().all(|case| !case.files.is_empty()));
    assert_eq!(golden::case("clean").folders().len(), 3);
}

#[test]
fn every_golden_case_equals_what_central_must_hold() {
    for case in golden::cases() {
        let mut found = Vec::new();
        for folder in case.folders() {
            let files = case.files.iter().filter(|file| file.folder == folder);
            let sessions = sessions_of(files.map(|file| file.bytes.as_slice()));
            found.extend(sessions.iter().map(|(day, session)| as_expected(folder, *day, session)));
        }
        let key = |session: &Expected| (session.dossier.clone(), session.date_production.clone());
        found.sort_by_key(key);
        let mut expected = case.expected.clone();
        expected.sort_by_key(key);
        assert_eq!(found, expected, "case {}", case.name);
    }
}

#[test]
fn every_line_of_the_golden_cases_is_blank_an_event_or_a_reject() {
    for case in golden::cases() {
        for file in &case.files {
            let text = Text::new(&file.bytes);
            let tally = parse(&text, &Words::default()).tally;
            assert_eq!(tally.lines, tally.blank + tally.events + tally.malformed());
            let ends = file.bytes.split_inclusive(|&byte| byte == b'\n').count() as u64;
            assert_eq!(tally.lines, ends, "case {}", case.name);
        }
    }
}

fn sessions_of<'a>(files: impl Iterator<Item = &'a [u8]>) -> BTreeMap<Day, Session> {
    let words = Words::default();
    let texts: Vec<Text<'_>> = files.map(Text::new).collect();
    let parsed: Vec<_> = texts.iter().map(|text| parse(text, &words)).collect();
    let events: Vec<_> = parsed.iter().map(|parsed| parsed.events.as_slice()).collect();
    analyse::sessions(&events, &Options::default())
}

fn as_expected(folder: &str, day: Day, session: &Session) -> Expected {
    let figures = &session.figures;
    let hours = |ms| decimal(hours_e4(ms), 4);
    let rate = |ms| decimal(rate_e2(ms, figures.window_ms), 2);
    Expected {
        dossier: folder.into(),
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

fn moment(at: Stamp) -> String {
    at.to_naive().format("%Y-%m-%d %H:%M:%S%.3f").to_string()
}

fn decimal(scaled: i64, places: u32) -> String {
    let unit = 10_i64.pow(places);
    format!("{}.{:0places$}", scaled / unit, scaled % unit, places = places as usize)
}
