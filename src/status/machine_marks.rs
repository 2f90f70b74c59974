//! What a time line's marks are, for the page's script: as short as they can be, and bounded. A kind of mark of
//! which there are too many is left out as a whole, and that is said: a script that knew a part of them would say
//! what is not so.

use std::fmt::Write;

use maud::{Markup, html};

use super::machine_page::MachinePage;
use crate::{
    model::Stamp,
    render::{Axis, changes, open_stop},
    text::phrase,
};

const MOST_PIECES: usize = 3_000;
const MOST_DETAILS_BYTES: usize = 14_000;
const MOST_WAITS: usize = 1_500;
const MOST_STOPS: usize = 600;
const MOST_CHANGES: usize = 400;

/// The part of the page that takes taps and keys; without a script it stays hidden.
pub(super) fn pick(page: &MachinePage<'_>) -> Markup {
    let axis = page.axis();
    let session = &page.machine.session;
    let seconds = |at: Stamp| (at.0 - axis.from.0).div_euclid(1000);
    let is_shown = |from: Stamp, to: Stamp| from <= axis.to && axis.from <= to;
    let pair = |(from, to): (Stamp, Stamp)| [seconds(from), (to.0 - from.0) / 1000];
    let all = session.stops.iter().map(|stop| (stop.start, stop.end));
    let stops: Vec<[i64; 2]> = with_neighbours(all, axis).into_iter().map(pair).collect();
    let all = session.waits.iter().map(|wait| (wait.start, wait.end));
    let waits: Vec<[i64; 2]> = with_neighbours(all, axis).into_iter().map(pair).collect();
    let pieces: Vec<_> =
        session.pieces.iter().filter(|piece| is_shown(piece.at, piece.at)).collect();
    let details: usize = pieces.iter().map(|piece| piece.details.len() + 1).sum();
    let details = (details <= MOST_DETAILS_BYTES)
        .then(|| pieces.iter().map(|piece| piece.details.as_str()).collect::<Vec<_>>().join("\n"));
    let mut changes = changes(session);
    changes.retain(|job| is_shown(job.at, job.at));
    let profiles: Vec<String> =
        changes.iter().map(|job| format!("{}/{}", job.reference, job.colour)).collect();
    let shifts = page.machine.shifts().iter().filter(|shift| is_shown(shift.from, shift.to));
    let shifts: Vec<_> = shifts.collect();
    let names: Vec<&str> = shifts.iter().map(|shift| shift.name.as_str()).collect();
    let breaks: Vec<[i64; 2]> =
        shifts.iter().flat_map(|shift| &shift.breaks).map(|one| pair(*one)).collect();
    let window = session.figures.first_piece.zip(session.figures.last_piece);
    let is_cut = waits.len() > MOST_WAITS || stops.len() > MOST_STOPS;
    html! {
        div.pick hidden data-from=(axis.from.0) data-to=(axis.to.0) data-cut[is_cut]
            data-stops=(list(&stops, MOST_STOPS)) data-waits=(list(&waits, MOST_WAITS))
            data-pieces=(steps(pieces.iter().map(|piece| seconds(piece.at)), MOST_PIECES))
            data-details=[details.filter(|_| pieces.len() <= MOST_PIECES)]
            data-changes=(steps(changes.iter().map(|job| seconds(job.at)), MOST_CHANGES))
            data-profiles=(if profiles.len() <= MOST_CHANGES { profiles.join("\n") } else { String::new() })
            data-shifts=(list(&shifts.iter().map(|shift| pair((shift.from, shift.to))).collect::<Vec<_>>(), MOST_STOPS))
            data-names=(names.join("\n")) data-breaks=(list(&breaks, MOST_STOPS))
            data-window=[window.map(|window| list(&[pair(window)], 1))]
            data-open=[open_stop(session).map(seconds)] data-now=[page.now().map(seconds)]
            data-label=(page.say(
                "Chronologie\u{202f}: flèches gauche et droite d'un repère à l'autre, haut et bas d'un arrêt à l'autre",
                "Timeline: left and right arrows go from mark to mark, up and down from stop to stop",
            ))
            data-says=(sentences(page)) {
            svg.cursor width="100%" height="100%" aria-hidden="true" { rect height="100%" {} line y1="0" y2="100%" {} }
        }
    }
}

/// What lies in the drawing, and what is next to it on both sides: there ends what begins in it. In their order.
fn with_neighbours(all: impl Iterator<Item = (Stamp, Stamp)>, axis: Axis) -> Vec<(Stamp, Stamp)> {
    let mut all: Vec<(Stamp, Stamp)> = all.filter(|(from, to)| from < to).collect();
    all.sort_unstable();
    let before = all.iter().filter(|(_, to)| *to < axis.from).max_by_key(|(_, to)| *to).copied();
    let after = all.iter().find(|(from, _)| *from > axis.to).copied();
    all.retain(|(from, to)| *from <= axis.to && axis.from <= *to);
    before.into_iter().chain(all).chain(after).collect()
}

/// The sentences that the script fills: `{a}` and `{b}` are times, `{d}` a length of time, `{x}` a text.
fn sentences(page: &MachinePage<'_>) -> String {
    phrase!(
        page.reader.language,
        "Arrêt de {{a}} à {{b}} ({{d}})\nArrêt depuis {{a}}\nAttente de {{a}} à {{b}} ({{d}})\nProduction de {{a}} à {{b}} ({{d}})\nRien dans le journal à ce moment\nPièce {{a}}{{x}}\nChangement de profil {{a}}\u{202f}: {{x}}\nPoste {{x}}, {{a}}–{{b}}\nPause de {{a}} à {{b}}\nTrop de repères pour un jour entier\u{202f}: ouvrez une heure",
        "Stop from {{a}} to {{b}} ({{d}})\nStopped since {{a}}\nWaiting from {{a}} to {{b}} ({{d}})\nProducing from {{a}} to {{b}} ({{d}})\nNothing in the log at this time\nPiece {{a}}{{x}}\nProfile change {{a}}: {{x}}\nShift {{x}}, {{a}}–{{b}}\nBreak from {{a}} to {{b}}\nToo many marks for a whole day: open an hour",
    )
}

/// Begin and length, all behind one another; nothing if there are too many.
fn list(pairs: &[[i64; 2]], most: usize) -> String {
    let mut text = String::new();
    for [from, length] in pairs.iter().filter(|_| pairs.len() <= most) {
        let comma = if text.is_empty() { "" } else { "," };
        write!(text, "{comma}{from},{length}").expect("a string grows");
    }
    text
}

/// Each as what it is later than the one before.
fn steps(times: impl ExactSizeIterator<Item = i64>, most: usize) -> String {
    let (mut text, mut last) = (String::new(), 0);
    if times.len() > most {
        return text;
    }
    for at in times {
        let comma = if text.is_empty() { "" } else { "," };
        write!(text, "{comma}{}", at - last).expect("a string grows");
        last = at;
    }
    text
}
