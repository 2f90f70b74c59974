//! The tables about a machine's day: where required time was lost, shift by shift, hour by hour, the longest stops
//! and waits, by profile.
//!
//! What must never happen here: a column whose printed figures do not add up to the day's.

use maud::{Markup, html};

use super::{
    day_view::MachineView,
    machine_bars::{bar, time_bar},
    machine_month::{rate_cell, rate_cells, rate_heads},
    machine_page::MachinePage,
    shell::Reader,
};
use crate::{
    analyse::{Hour, Patterns, Profile, in_whole, losses_of},
    model::{LossKind, Stamp, TimesSum},
    render::{RequiredBar, changes},
    text::{clock, count, euros, exact_span, one_decimal, phrase, span, two_decimals},
};

const HOUR_MS: i64 = 3_600_000;
const TENTH_OF_A_MINUTE_MS: i128 = 6_000;

/// A table that may be wider than a telephone.
pub(super) fn scrolled(label: &str, table: &Markup) -> Markup {
    html! { div.scroll tabindex="0" role="region" aria-label=(label) { (table) } }
}

/// A table with a heading.
fn section(id: &str, title: &str, table: &Markup) -> Markup {
    html! {
        section.card {
            h2 { (title) }
            (scrolled(title, &html! { table id=(id) { (table) } }))
        }
    }
}

/// Tenths of a minute.
fn minutes(tenths: i64, reader: Reader) -> String {
    one_decimal(tenths * 10, reader.language)
}

/// Where required time was lost, the most first; without a calendar stops and waits.
pub(super) fn losses(page: &MachinePage<'_>) -> Markup {
    let (machine, reader) = (page.machine, page.reader);
    let say = |french, english| reader.say(french, english);
    let times = machine.required.iter().map(|required| &required.times);
    let found = losses_of(times, machine.cents_per_hour);
    let rows: Vec<(LossKind, i64, Option<i64>)> = match &found {
        Some(losses) => {
            let cents = |kind| losses.cents.as_ref().map(|cents| cents.lost_to(kind));
            let row = |kind| (kind, losses.minutes_e1.lost_to(kind), cents(kind));
            losses.ranking().into_iter().map(row).collect()
        }
        None => {
            let figures = &machine.session.figures;
            let exact = [figures.stop_ms, figures.wait_ms].map(i128::from);
            let tenths = in_whole(&exact, TENTH_OF_A_MINUTE_MS);
            let kinds = [LossKind::Stops, LossKind::Waits].into_iter().zip(tenths);
            let mut rows: Vec<_> =
                kinds.map(|(kind, ms)| (kind, i64::try_from(ms).unwrap_or(0), None)).collect();
            rows.sort_by_key(|(_, tenths, _)| std::cmp::Reverse(*tenths));
            rows
        }
    };
    let all: i64 = rows.iter().map(|(_, tenths, _)| tenths).sum();
    let most = rows.iter().map(|(_, tenths, _)| *tenths).max().unwrap_or(0);
    let money: Option<i64> = rows.iter().map(|(.., cents)| *cents).sum();
    let table = html! {
        thead {
            tr {
                th scope="col" { (say("Perte", "Loss")) }
                th.bar-of aria-hidden="true" {}
                th scope="col" { (say("Minutes", "Minutes")) }
                @if money.is_some() { th scope="col" { (say("Coût", "Cost")) } }
            }
        }
        tbody {
            @for (kind, tenths, cents) in &rows {
                tr {
                    th scope="row" { (kind.text(reader.language)) }
                    td.bar-of aria-hidden="true" { (bar(*tenths, most)) }
                    td { (minutes(*tenths, reader)) }
                    @if let Some(cents) = cents { td { (euros(*cents, reader.language)) } }
                }
            }
            tr.sum {
                th scope="row" { (say("Total des pertes", "All losses")) }
                td.bar-of {}
                td { (minutes(all, reader)) }
                @if let Some(money) = money { td { (euros(money, reader.language)) } }
            }
        }
    };
    let title = match found {
        Some(_) => say("Pertes de temps requis", "Losses of required time"),
        None => say("Pertes, de la première à la dernière pièce", "Losses, first to last piece"),
    };
    section("losses", title, &table)
}

/// Required time and rates of each shift, and of the day.
pub(super) fn shifts(machine: &MachineView, reader: Reader) -> Markup {
    let say = |french, english| reader.say(french, english);
    let Some(required) = &machine.required else { return Markup::default() };
    let times = &required.times;
    let rows = times.parts.iter().map(|part| {
        let planned = format!("{}–{}", clock(part.planned_from), clock(part.planned_to));
        let sum = TimesSum::of(part, times.nominal_per_hour);
        (part.shift.as_str(), planned, sum, part.is_running)
    });
    let day = (say("Jour", "Day"), String::new(), times.sum(), false);
    let day = (times.parts.len() > 1).then_some(day);
    let heads = [
        say("Prévu", "Planned"),
        say("Ouverture", "Opening"),
        say("Requis", "Required"),
        say("Pièces", "Pieces"),
        say("Rebuts", "Rejects"),
    ];
    let table = html! {
        thead {
            tr {
                th scope="col" { (say("Poste", "Shift")) }
                @for head in heads { th scope="col" { (head) } }
                (rate_heads(reader))
                th scope="col" { "TRE, %" }
            }
        }
        tbody {
            @for (name, planned, sum, is_running) in rows.chain(day) {
                @let rates = sum.rates(required.total_ms);
                tr {
                    th.long scope="row" {
                        (name) @if is_running { " " (running(reader)) }
                    }
                    td { (planned) }
                    td { (span(sum.opening_ms)) }
                    td { (span(sum.required_ms)) }
                    td { (count(sum.pieces, reader.language)) }
                    td { (count(sum.rejects, reader.language)) }
                    (rate_cells(&rates, reader))
                    td { (rate_cell(rates.tre_e2, reader)) }
                }
            }
        }
    };
    let title = say("Temps requis et TRS par poste", "Required time and TRS by shift");
    html! {
        section.card {
            h2 { (title) }
            @for part in &times.parts {
                @let sum = TimesSum::of(part, times.nominal_per_hour);
                div.shift {
                    p.name { b { (part.shift) } }
                    (RequiredBar { name: &part.shift, sum: &sum, has_list: true, language: reader.language }.draw())
                }
            }
            (scrolled(title, &html! { table #shifts { (table) } }))
            @if times.pieces_outside > 0 {
                p.empty {
                    (say("Pièces hors temps requis, comptées dans aucun taux\u{202f}: ", "Pieces outside required time, counted in no rate: "))
                    (count(times.pieces_outside.into(), reader.language))
                }
            }
        }
    }
}

/// What is not over yet.
pub(super) fn running(reader: Reader) -> Markup {
    html! { span.running { (reader.say("en cours", "in progress")) } }
}

/// An hour of the day with what begins in it.
struct HourRow<'p> {
    at: Stamp,
    of: &'p Hour,
    waits: u64,
    stops: u64,
}

fn hour_rows<'p>(page: &MachinePage<'_>, patterns: &'p Patterns) -> Vec<HourRow<'p>> {
    let session = &page.machine.session;
    let hour_of = |at: Stamp| at.0.div_euclid(HOUR_MS);
    let begin = super::day_view::begin_of(page.view.day, page.config.analysis.day_start);
    let of_clock = |hour: i64| hour.rem_euclid(24);
    let count = |mut starts: Vec<i64>, hour: i64| {
        starts.retain(|start| of_clock(*start) == of_clock(hour));
        starts.len() as u64
    };
    let waits: Vec<i64> = session.waits.iter().map(|wait| hour_of(wait.start)).collect();
    let stops: Vec<i64> = session.stops.iter().map(|stop| hour_of(stop.start)).collect();
    let rows = (hour_of(begin)..hour_of(begin) + 24).map(|hour| HourRow {
        at: Stamp(hour * HOUR_MS),
        of: &patterns.hours[usize::try_from(of_clock(hour)).unwrap_or(0)],
        waits: count(waits.clone(), hour),
        stops: count(stops.clone(), hour),
    });
    rows.filter(|row| row.of.window_ms > 0 || row.of.pieces > 0 || row.waits + row.stops > 0)
        .collect()
}

pub(super) fn hours(page: &MachinePage<'_>, patterns: &Patterns) -> Markup {
    let reader = page.reader;
    let say = |french, english| reader.say(french, english);
    let rows = hour_rows(page, patterns);
    let most = rows.iter().map(|row| row.of.pieces).max().unwrap_or(0);
    // So that each column adds up as it is printed.
    let tenths = |of: fn(&Hour) -> i64| -> Vec<i64> {
        let exact: Vec<i128> = rows.iter().map(|row| of(row.of).into()).collect();
        let whole = in_whole(&exact, TENTH_OF_A_MINUTE_MS);
        whole.into_iter().map(|tenths| i64::try_from(tenths).unwrap_or(0)).collect()
    };
    let (waiting, stopped) = (tenths(|hour| hour.wait_ms), tenths(|hour| hour.stop_ms));
    let pieces: u64 = rows.iter().map(|row| u64::from(row.of.pieces)).sum();
    let number = |number: u64| count(number, reader.language);
    let table = html! {
        thead {
            tr {
                th scope="col" { (say("Heure", "Hour")) }
                th scope="col" { (say("Pièces", "Pieces")) }
                th.bar-of aria-hidden="true" {}
                th.word.time-of aria-hidden="true" { (say("Temps", "Time")) }
                th scope="col" { (say("Attentes", "Waits")) }
                th scope="col" { (say("Attente, min", "Waiting, min")) }
                th scope="col" { (say("Arrêts", "Stops")) }
                th scope="col" { (say("Arrêt, min", "Stopped, min")) }
            }
        }
        tbody {
            @for ((row, waiting), stopped) in rows.iter().zip(&waiting).zip(&stopped) {
                tr {
                    th scope="row" { a href=(page.to_hour(row.at)) { (row.at.to_naive().format("%H")) "\u{a0}h" } }
                    td { (number(row.of.pieces.into())) }
                    td.bar-of aria-hidden="true" { (bar(row.of.pieces.into(), most.into())) }
                    td.time-of aria-hidden="true" { (time_bar(row.of)) }
                    td { (number(row.waits)) }
                    td { (minutes(*waiting, reader)) }
                    td { (number(row.stops)) }
                    td { (minutes(*stopped, reader)) }
                }
            }
            tr.sum {
                th scope="row" { (say("Jour", "Day")) }
                td { (number(pieces)) } td.bar-of {} td.time-of {}
                td { (number(rows.iter().map(|row| row.waits).sum())) }
                td { (minutes(waiting.iter().sum(), reader)) }
                td { (number(rows.iter().map(|row| row.stops).sum())) }
                td { (minutes(stopped.iter().sum(), reader)) }
            }
        }
    };
    section("hours", say("Heure par heure", "Hour by hour"), &table)
}

/// Rows that are shown at once, and on request.
const MOST_ROWS: usize = 10;
const MOST_MORE_ROWS: usize = 90;

pub(super) fn stops(page: &MachinePage<'_>) -> Markup {
    let stops = page.machine.session.stops.iter().map(|stop| (stop.start, stop.end)).collect();
    let title = page.say("Arrêts les plus longs", "Longest stops");
    longest(page, "stops", title, stops, MOST_MORE_ROWS)
}

pub(super) fn waits(page: &MachinePage<'_>) -> Markup {
    let waits = page.machine.session.waits.iter().map(|wait| (wait.start, wait.end)).collect();
    longest(page, "waits", page.say("Attentes les plus longues", "Longest waits"), waits, 0)
}

/// Count, total and the longest of stops or waits; each leads to the minutes around it.
fn longest(
    page: &MachinePage<'_>,
    id: &str,
    title: &str,
    mut all: Vec<(Stamp, Stamp)>,
    most_more: usize,
) -> Markup {
    all.sort_by_key(|(from, to)| (std::cmp::Reverse(to.0 - from.0), *from));
    let total = span(all.iter().map(|(from, to)| to.0 - from.0).sum());
    let number = count(all.len() as u64, page.reader.language);
    let (first, more) = all.split_at(all.len().min(MOST_ROWS));
    let more = &more[..more.len().min(most_more)];
    let table = |rows: &[(Stamp, Stamp)], id: &str| {
        html! {
            table id=(id) {
                thead { tr { th scope="col" { (page.say("De", "From")) } th scope="col" { (page.say("À", "To")) } th scope="col" { (page.say("Durée", "Duration")) } } }
                tbody {
                    @for (from, to) in rows {
                        tr {
                            td { a href=(page.to_moment(*from)) { (from.to_naive().format("%H:%M:%S")) } }
                            td { (to.to_naive().format("%H:%M:%S")) }
                            td { (exact_span(to.0 - from.0)) }
                        }
                    }
                }
            }
        }
    };
    html! {
        section.card {
            h2 { (title) }
            p.sum-of { (phrase!(page.reader.language, "{number} en tout, {total} au total", "{number} in all, {total} in total")) }
            @if !first.is_empty() { (scrolled(title, &table(first, id))) }
            @if !more.is_empty() {
                details id={ (id) "-more" } {
                    summary { (page.say("Les suivants", "The next ones")) " (" (more.len()) ")" }
                    (scrolled(page.say("Les suivants", "The next ones"), &table(more, &format!("{id}-rest"))))
                }
            }
        }
    }
}

/// Profiles that are shown, by their pieces.
const MOST_PROFILES: usize = 25;

pub(super) fn profiles(patterns: &Patterns, reader: Reader) -> Markup {
    let say = |french, english| reader.say(french, english);
    let mut profiles: Vec<_> = patterns.profiles.iter().collect();
    profiles.sort_by_key(|(_, of)| std::cmp::Reverse((of.pieces, of.bars)));
    let most = profiles.first().map_or(0, |(_, of)| of.pieces);
    let hidden = profiles.len().saturating_sub(MOST_PROFILES);
    let name = |profile: &Option<Profile>| match profile {
        Some(profile) => profile.to_string(),
        None => say("(avant le premier profil)", "(before the first profile)").to_owned(),
    };
    let seconds = |ms: i64| one_decimal(ms / 10, reader.language);
    let number = |number: u32| count(number.into(), reader.language);
    let table = html! {
        thead {
            tr {
                th scope="col" { (say("Profil", "Profile")) }
                th scope="col" { (say("Pièces", "Pieces")) }
                th.bar-of aria-hidden="true" {}
                th scope="col" { (say("Barres", "Bars")) }
                th scope="col" { (say("Cycle médian, s", "Median cycle, s")) }
                th scope="col" { (say("Attente, min", "Waiting, min")) }
            }
        }
        tbody {
            @for (profile, of) in profiles.into_iter().take(MOST_PROFILES) {
                tr {
                    th.long scope="row" { (name(profile)) }
                    td { (number(of.pieces)) }
                    td.bar-of aria-hidden="true" { (bar(of.pieces.into(), most.into())) }
                    td { (number(of.bars)) }
                    td { (of.median_cycle_ms.map_or_else(|| "–".to_owned(), seconds)) }
                    td { (one_decimal((of.wait_ms + 300) / 600, reader.language)) }
                }
            }
        }
        @if hidden > 0 {
            tfoot { tr { td colspan="6" { (say("Autres profils\u{202f}: ", "Other profiles: ")) (count(hidden as u64, reader.language)) } } }
        }
    };
    section("profiles", say("Par profil", "By profile"), &table)
}

/// Profile changes that are listed.
const MOST_CHANGES: usize = 50;

pub(super) fn changes_of_profile(page: &MachinePage<'_>) -> Markup {
    let reader = page.reader;
    let changes = changes(&page.machine.session);
    let title = page.say("Changements de profil", "Profile changes");
    let table = html! {
        table {
            thead { tr { th scope="col" { (page.say("À", "At")) } th.word scope="col" { (page.say("Référence", "Reference")) } th.word scope="col" { (page.say("Couleur", "Colour")) } th scope="col" { (page.say("Longueur, mm", "Length, mm")) } } }
            tbody {
                @for job in changes.iter().take(MOST_CHANGES) {
                    tr {
                        td { a href=(page.to_moment(job.at)) { (job.at.to_naive().format("%H:%M:%S")) } }
                        td.word { (job.reference) } td.word { (job.colour) }
                        td { (two_decimals(job.length_e2, reader.language)) }
                    }
                }
            }
        }
    };
    html! {
        details.card #changes {
            summary { (title) " (" (count(changes.len() as u64, reader.language)) ")" }
            (scrolled(title, &table))
            @if changes.len() > MOST_CHANGES {
                p.empty { (page.say("Les suivants sont dans la liste de chaque heure.", "The next ones are in the list of each hour.")) }
            }
        }
    }
}
