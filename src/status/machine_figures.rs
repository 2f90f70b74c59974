//! The first thing on a machine's page: its name, what it does now, and the figures of its day, each beside what
//! it is measured by.

use maud::{Markup, html};

use super::{
    day_view::Usual,
    machine_page::MachinePage,
    pages::{last_hour, last_read, since_of},
    state::State,
};
use crate::{
    model::{Figures, Rates, rate_e2},
    text::{clock, count, one_decimal, percent, percent_sign, phrase, span, two_decimals},
};

/// The heading alone, above a part of the day.
pub(super) fn head(page: &MachinePage<'_>) -> Markup {
    html! {
        section.first data-nom=(page.machine.nom) data-state=[state_key(page)] { (heading(page)) }
    }
}

pub(super) fn card(page: &MachinePage<'_>) -> Markup {
    let machine = page.machine;
    let is_shown = machine.has_log || machine.required.is_some();
    html! {
        section.card.first aria-labelledby="m-h" data-nom=(machine.nom) data-state=[state_key(page)] {
            (heading(page))
            @if let Some(never) = page.view.health.concerns.never_read(&machine.nom) {
                p.empty data-figure="never-read" { (page.say("Jamais lue\u{202f}: ", "Never read: ")) (never.text(page.reader.language)) "." }
            } @else if !machine.has_log {
                p.empty { (page.say("Rien dans le journal de la machine pour ce jour.", "Nothing in the machine's log for this day.")) }
            }
            @if is_shown {
                div.leads { (pieces(page)) (trs(page)) }
                (others(page))
            }
            (no_trs(page))
        }
    }
}

fn state_key(page: &MachinePage<'_>) -> Option<&'static str> {
    page.machine.state.map(|state| state.activity.key())
}

fn heading(page: &MachinePage<'_>) -> Markup {
    html! {
        div.top {
            h1 #m-h { (page.machine.nom) }
            @if let Some(state) = page.machine.state { (self::state(page, state)) }
        }
        p.date {
            (page.reader.date(page.view.day))
            @if page.view.is_today() {
                " " (page.say("à", "at")) " " time { (page.view.now.wall.format("%H:%M")) }
                @if let Some(read) = last_read(page.view, page.reader) { " · " (read) }
            }
        }
    }
}

fn state(page: &MachinePage<'_>, state: State) -> Markup {
    html! {
        p class={ "state " (state.activity.class()) } {
            (state.activity.mark(page.reader.language))
            @if let Some(since) = state.since {
                span.since { " " (page.say("depuis", "since")) " " (since_of(since, &page.view.now, page.reader)) }
            }
        }
    }
}

/// Pieces beside what is usual by this hour and what the day is to give.
fn pieces(page: &MachinePage<'_>) -> Markup {
    let language = page.reader.language;
    let (machine, pieces) = (page.machine, page.machine.session.figures.total_pieces);
    let number = |pieces: u32| count(pieces.into(), language);
    let part = |of: u32| percent(&whole_percent(pieces, of).to_string(), language);
    html! {
        div.lead {
            dl { div { dt { (page.say("Pièces", "Pieces")) } dd data-figure="pieces" { (number(pieces)) } } }
            (bar(pieces, machine.objective, machine.usual.as_ref()))
            ul {
                @if let Some(usual) = &machine.usual {
                    li {
                        (page.say("Habituel à ", "Usual by ")) (clock(usual.until)) (page.say("\u{202f}: ", ": "))
                        b data-figure="usual" { (number(usual.pieces.so_far)) }
                        @if usual.pieces.so_far > 0 { " (" (difference(page, pieces, usual.pieces.so_far)) ")" }
                    }
                    li {
                        (page.say("Fin de jour prévue\u{202f}: ", "Expected at the end: "))
                        b data-figure="projected" { (number(usual.pieces.projected(pieces))) }
                    }
                }
                @if let Some(objective) = machine.objective {
                    li {
                        (page.say("Objectif\u{202f}: ", "Objective: "))
                        b data-figure="objective" { (number(objective)) }
                        @if objective > 0 { ", " (part(objective)) (page.say(" atteint", " reached")) }
                    }
                }
            }
        }
    }
}

fn whole_percent(part: u32, whole: u32) -> i64 {
    (rate_of(part, whole) + 50) / 100
}

/// In hundredths of a percent; may be above 100 %.
fn rate_of(part: u32, whole: u32) -> i64 {
    rate_e2(part.into(), i64::from(whole.max(1)))
}

/// `+5 %` or `−12 %`.
fn difference(page: &MachinePage<'_>, pieces: u32, usual: u32) -> String {
    let language = page.reader.language;
    let difference = whole_percent(pieces, usual) - 100;
    let sign = if difference < 0 { "−" } else { "+" };
    percent(&format!("{sign}{}", count(difference.unsigned_abs(), language)), language)
}

/// How far the day is; what is usual by now is a line across. The text beside it says the same.
fn bar(pieces: u32, objective: Option<u32>, usual: Option<&Usual>) -> Markup {
    let Some(whole) = objective.or(usual.map(|usual| usual.pieces.whole)) else {
        return Markup::default();
    };
    let most = whole.max(pieces).max(1);
    let place = |pieces: u32| {
        let e2 = rate_of(pieces.min(most), most);
        format!("{}.{:02}%", e2 / 100, e2 % 100)
    };
    html! {
        svg.way width="100%" height="14" aria-hidden="true" {
            rect.all y="2" width="100%" height="10" {}
            rect.done y="2" width=(place(pieces)) height="10" {}
            @if let Some(usual) = usual {
                @let x = place(usual.pieces.so_far);
                line.usual x1=(x) x2=(x) y1="0" y2="14" {}
            }
        }
    }
}

fn trs(page: &MachinePage<'_>) -> Markup {
    let Some(required) = &page.machine.required else { return Markup::default() };
    let Rates { trs_e2, availability_e2, performance_e2, quality_e2, trg_e2, .. } =
        required.rates();
    let until = (!required.times.is_over).then(|| clock(required.times.known_until));
    let factors = [
        (page.say("Disponibilité (Do)", "Availability (Do)"), "do", availability_e2),
        ("Performance (Tp)", "tp", performance_e2),
        (page.say("Qualité (Tq)", "Quality (Tq)"), "tq", quality_e2),
        ("TRG", "trg", trg_e2),
    ];
    html! {
        div.lead {
            dl {
                div {
                    dt { "TRS" @if let Some(until) = until { " " (page.say("jusqu'à", "until")) " " (until) } }
                    dd data-figure="trs" { (rate(page, trs_e2)) }
                }
            }
            dl.factors {
                @for (name, key, value) in factors {
                    div { dt { (name) } dd data-figure=(key) { (rate(page, value)) } }
                }
            }
        }
    }
}

fn rate(page: &MachinePage<'_>, rate_e2: Option<i64>) -> Markup {
    let language = page.reader.language;
    html! {
        @match rate_e2 {
            None => "–",
            Some(rate) => { (two_decimals(rate, language)) small { (percent_sign(language)) } }
        }
    }
}

fn no_trs(page: &MachinePage<'_>) -> Markup {
    let language = page.reader.language;
    html! {
        @if let Some(why) = page.machine.shown_no_trs() {
            p.empty data-figure="no-trs" {
                (phrase!(language, "TRS\u{202f}: ", "TRS: ")) (why.text(language))
                @if let Some(hint) = why.hint(language) { (phrase!(language, "\u{202f}; ", "; ")) (hint) }
            }
        }
    }
}

fn others(page: &MachinePage<'_>) -> Markup {
    let language = page.reader.language;
    let session = &page.machine.session;
    let figures: &Figures = &session.figures;
    let of_window = |ms| one_decimal(rate_e2(ms, figures.window_ms), language);
    let rhythm = figures.rate_per_hour_e2();
    html! {
        dl.figures {
            @if let Some(now) = page.now() {
                div { dt { (page.say("Dernière heure", "Last hour")) } dd data-figure="last-hour" { (count(last_hour(session, now) as u64, language)) } }
            }
            div {
                dt { (page.say("Cadence", "Rate")) }
                dd data-figure="rhythm" {
                    (rhythm.map_or_else(|| "–".to_owned(), |e2| one_decimal(e2, language)))
                    small { "\u{a0}p/h" }
                }
            }
            div {
                dt { (page.say("Occupation", "Occupation")) }
                dd data-figure="occupation" { (of_window(figures.effective_ms)) small { (percent_sign(language)) } }
            }
            div {
                dt { (page.say("Attente", "Waiting")) }
                dd data-figure="waiting" {
                    (of_window(figures.wait_ms)) small { (percent_sign(language)) " · " (span(figures.wait_ms)) }
                }
            }
            div {
                dt { (page.say("Arrêts", "Stops")) }
                dd data-figure="stops" { (session.stops.len()) small { " · " (span(figures.stop_ms)) } }
            }
            @if let Some((first, last)) = figures.first_piece.zip(figures.last_piece) {
                div {
                    dt { (page.say("De – à", "From – to")) }
                    dd data-figure="window" { (clock(first)) "–" (clock(last)) }
                }
            }
        }
    }
}
