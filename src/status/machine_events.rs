//! Everything that happened in a part of a machine's day, in its order: what the log says, and what was planned.

use maud::{Markup, html};

use super::machine_page::MachinePage;
use crate::{
    model::Stamp,
    render::open_stop,
    text::{exact_span, phrase, two_decimals},
};

/// Rows shown; the busiest hours have fewer.
const MOST_EVENTS: usize = 400;

struct Event {
    at: Stamp,
    /// Of the same second the one that explains the others comes first.
    order: u8,
    class: &'static str,
    what: &'static str,
    detail: String,
}

pub(super) fn card(page: &MachinePage<'_>) -> Markup {
    let events = events(page);
    let time = |at: Stamp| at.to_naive().format("%H:%M:%S").to_string();
    html! {
        section.card {
            h2 #events-h { (page.say("Ce qui s'est passé", "What happened")) }
            @if events.is_empty() {
                p.empty { (page.say("Rien dans le journal de la machine à ces heures.", "Nothing in the machine's log at this time.")) }
            } @else {
                div.scroll tabindex="0" role="region" aria-labelledby="events-h" {
                    table #events {
                        thead {
                            tr {
                                th scope="col" { (page.say("Heure", "Time")) }
                                th.word scope="col" { (page.say("Quoi", "What")) }
                                th.word scope="col" { (page.say("Détail", "Detail")) }
                            }
                        }
                        tbody {
                            @for event in events.iter().take(MOST_EVENTS) {
                                tr class=(event.class) {
                                    td { (time(event.at)) } td.word { (event.what) } td.word.long { (event.detail) }
                                }
                            }
                        }
                    }
                }
                @if events.len() > MOST_EVENTS {
                    p.empty { (page.say("Seules les premières lignes sont montrées.", "Only the first rows are shown.")) }
                }
            }
        }
    }
}

fn events(page: &MachinePage<'_>) -> Vec<Event> {
    let (axis, session, language) = (page.axis(), &page.machine.session, page.reader.language);
    let say = |french, english| page.say(french, english);
    let event = |at, order, class, what, detail| Event { at, order, class, what, detail };
    let time = |at: Stamp| at.to_naive().format("%H:%M:%S").to_string();
    let length = |from: Stamp, to: Stamp| {
        let (length, to) = (exact_span(to.0 - from.0), time(to));
        phrase!(language, "jusqu'à {to} ({length})", "until {to} ({length})")
    };
    let mut events = Vec::new();
    for piece in &session.pieces {
        events.push(event(piece.at, 3, "", say("Pièce", "Piece"), piece.details.to_string()));
    }
    for wait in &session.waits {
        let detail = length(wait.start, wait.end);
        events.push(event(wait.start, 4, "of-wait", say("Attente", "Waiting"), detail));
    }
    for stop in &session.stops {
        let detail = length(stop.start, stop.end);
        events.push(event(stop.start, 5, "of-stop", say("Arrêt", "Stop"), detail));
        events.push(event(
            stop.end,
            1,
            "of-stop",
            say("Fin d'arrêt", "End of stop"),
            String::new(),
        ));
    }
    if let Some(at) = open_stop(session) {
        let detail = say("sans redémarrage connu", "no restart known").to_owned();
        events.push(event(at, 5, "of-stop", say("Arrêt", "Stop"), detail));
    }
    let mut last = None;
    for job in &session.jobs {
        let profile = (&job.reference, &job.colour);
        let is_change = last.is_some_and(|last| last != profile);
        last = Some(profile);
        let what = match is_change {
            true => say("Changement de profil", "Profile change"),
            false => say("Barre", "Bar"),
        };
        let length = two_decimals(job.length_e2, language);
        let detail = format!("{}/{}, {length}\u{a0}mm", job.reference, job.colour);
        events.push(event(job.at, 2, if is_change { "of-change" } else { "" }, what, detail));
    }
    for shift in page.machine.shifts() {
        let planned = |what| (what, shift.name.clone());
        let (begin, name) = planned(say("Début de poste", "Start of shift"));
        events.push(event(shift.from, 0, "of-shift", begin, name));
        let (end, name) = planned(say("Fin de poste", "End of shift"));
        events.push(event(shift.to, 0, "of-shift", end, name));
        for (from, to) in &shift.breaks {
            events.push(event(*from, 0, "of-shift", say("Pause", "Break"), length(*from, *to)));
        }
    }
    events.retain(|event| (axis.from..=axis.to).contains(&event.at));
    events.sort_by_key(|event| (event.at, event.order));
    events
}
