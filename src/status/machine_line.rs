//! The time line of a machine's page: with totals, what is pointed at in words, and the way to each hour.

use maud::{Markup, html};

use super::{machine_marks, machine_page::MachinePage, zoom::Zoom};
use crate::{
    model::Stamp,
    render::{DayTotals, Detail, TimeLine},
    text::{clock, phrase},
};

const HOUR_MS: i64 = 3_600_000;

pub(super) fn card(page: &MachinePage<'_>) -> Markup {
    let machine = page.machine;
    let shifts = machine.shifts();
    let totals = DayTotals {
        session: &machine.session,
        has_shifts: !shifts.is_empty(),
        has_breaks: shifts.iter().any(|shift| !shift.breaks.is_empty()),
    };
    html! {
        section #line.card aria-labelledby="line-h" {
            h2 #line-h { (title(page)) }
            (totals.legend(page.reader.language))
            div.line {
                (TimeLine {
                    id: "m",
                    machine: &machine.nom,
                    session: &machine.session,
                    axis: page.axis(),
                    planned: shifts,
                    now: page.now(),
                    detail: Detail::Page,
                    language: page.reader.language,
                }.draw())
                (machine_marks::pick(page))
            }
            p #told hidden aria-live="polite" {
                (page.say("Touchez la chronologie pour savoir ce qui s'y trouve.", "Tap the timeline to see what is there."))
            }
            div.steps hidden {
                @if !matches!(page.zoom, Zoom::Around(..)) {
                    button type="button" data-step="-1" { span aria-hidden="true" { "◂" } (page.say("Arrêt précédent", "Previous stop")) }
                    button type="button" data-step="1" { (page.say("Arrêt suivant", "Next stop")) span aria-hidden="true" { "▸" } }
                }
                // The script puts the time that was pointed at in the place of this one.
                a hidden href=(page.to_part("at=00:00:00")) data-at="00:00:00" { (page.say("Minutes autour de", "Minutes around")) span {} }
            }
            (hours(page))
        }
    }
}

fn title(page: &MachinePage<'_>) -> String {
    let axis = page.axis();
    let (from, to) = (clock(axis.from), clock(axis.to));
    match page.zoom {
        Zoom::Day => page.say("Chronologie", "Timeline").to_owned(),
        Zoom::Hour(_) => {
            phrase!(page.reader.language, "De {from} à {to}", "From {from} to {to}")
        }
        Zoom::Around(at, _) => {
            let at = clock(at);
            phrase!(
                page.reader.language,
                "Autour de {at}, de {from} à {to}",
                "Around {at}, from {from} to {to}",
            )
        }
    }
}

/// The way to each hour of the day, and from a part of it to what is next to it.
fn hours(page: &MachinePage<'_>) -> Markup {
    let day = page.whole_day();
    let hours = (day.to.0 - day.from.0) / HOUR_MS;
    let starts = (0..hours).map(|hour| day.from.plus_ms(hour * HOUR_MS));
    let is_here = |hour: Stamp| page.zoom == Zoom::Hour(hour);
    html! {
        (beside(page))
        nav.hours aria-label=(page.say("Heures du jour", "Hours of the day")) {
            a.whole href=(page.reader.to_machine(&page.machine.nom, Some(page.view.day)))
                aria-current=[(page.zoom == Zoom::Day).then_some("true")] {
                (page.say("Jour entier", "Whole day"))
            }
            @for start in starts {
                a href=(page.to_hour(start)) aria-current=[is_here(start).then_some("true")] {
                    (start.to_naive().format("%H")) "\u{a0}h"
                }
            }
        }
    }
}

/// The hours before and after the one that is shown, or the stops.
fn beside(page: &MachinePage<'_>) -> Markup {
    let link = |rel: &str, at: Stamp, href: String, text: &str| {
        html! {
            a rel=(rel) href=(href) {
                @if rel == "prev" { span aria-hidden="true" { "◂" } }
                (text) " " (clock(at))
                @if rel == "next" { span aria-hidden="true" { "▸" } }
            }
        }
    };
    let stops = &page.machine.session.stops;
    html! {
        @match page.zoom {
            Zoom::Day => {}
            Zoom::Hour(hour) => {
                @let (before, after) = (hour.plus_ms(-HOUR_MS), hour.plus_ms(HOUR_MS));
                @let day = page.whole_day();
                nav.beside-it aria-label=(page.say("Heures voisines", "Hours beside")) {
                    @if before >= day.from { (link("prev", before, page.to_hour(before), page.say("Heure précédente,", "Previous hour,"))) }
                    @if after < day.to { (link("next", after, page.to_hour(after), page.say("Heure suivante,", "Next hour,"))) }
                }
            }
            Zoom::Around(from, to) => {
                @let before = stops.iter().rfind(|stop| stop.end < from);
                @let after = stops.iter().find(|stop| stop.start > to);
                nav.beside-it aria-label=(page.say("Arrêts voisins", "Stops beside")) {
                    @if let Some(stop) = before { (link("prev", stop.start, page.to_moment(stop.start), page.say("Arrêt précédent,", "Previous stop,"))) }
                    @if let Some(stop) = after { (link("next", stop.start, page.to_moment(stop.start), page.say("Arrêt suivant,", "Next stop,"))) }
                }
            }
        }
    }
}
