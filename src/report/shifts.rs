//! A machine's shifts by their name: each over all days, and of few days its TRS day by day. What must never
//! happen here: a mean of rates.

use maud::{Markup, html};

use super::{
    Line, MachineReport, Report, Span,
    words::{rate_or_dash, shortened},
};
use crate::{
    model::{Day, Losses, TimesSum},
    text::{clock, count, short_date_with_weekday, span, two_decimals},
};

/// More names are one row together; fewer where many days leave less room.
const MOST: usize = 10;
const MOST_OF_LONG: usize = 5;
const LONG_DAYS: i64 = 14;
/// Of more days there is no column each.
const MOST_DAYS: usize = 7;

/// The parts of one shift.
struct OfName<'m> {
    name: &'m str,
    /// Planned hours, if they are the same each day.
    hours: Option<String>,
    parts: Vec<(Day, &'m Line)>,
}

fn by_name<'m>(report: &Report, machine: &'m MachineReport) -> Vec<OfName<'m>> {
    let most = if report.period.len() > LONG_DAYS { MOST_OF_LONG } else { MOST };
    let mut all: Vec<OfName<'_>> = Vec::new();
    for line in &machine.lines {
        let Span::Shift { day, name, planned_from, planned_to, .. } = &line.span else { continue };
        let hours = format!("{}–{}", clock(*planned_from), clock(*planned_to));
        match all.iter_mut().find(|one| one.name == name) {
            Some(one) => {
                one.hours = one.hours.take().filter(|known| *known == hours);
                one.parts.push((*day, line));
            }
            None => all.push(OfName { name, hours: Some(hours), parts: vec![(*day, line)] }),
        }
    }
    if all.len() > most {
        let rest = all.split_off(most - 1);
        let parts = rest.into_iter().flat_map(|one| one.parts).collect();
        all.push(OfName { name: "+", hours: None, parts });
    }
    all
}

/// How many rows the table has.
pub(super) fn row_count(report: &Report, machine: &MachineReport) -> usize {
    by_name(report, machine).len()
}

fn sum<'m>(parts: impl Iterator<Item = &'m Line> + Clone) -> Option<(TimesSum, Losses)> {
    let times = parts.clone().map(|line| line.times.clone()).reduce(|sum, more| sum.plus(&more))?;
    Some((times, parts.map(|line| line.losses).reduce(|sum, more| sum.plus(&more))?))
}

pub(super) fn table(report: &Report, machine: &MachineReport) -> Markup {
    let say = |french, english| report.say(french, english);
    let language = report.language;
    let e2 = |rate| rate_or_dash(rate, language);
    let all = by_name(report, machine);
    let mut days: Vec<(Day, bool)> = Vec::new();
    for line in &machine.lines {
        if let Span::Day(day) = line.span
            && line.parts > 0
        {
            days.push((day, line.is_running && day >= report.today));
        }
    }
    let days = if (2..=MOST_DAYS).contains(&days.len()) { days } else { Vec::new() };
    html! {
        h3 { (say("Postes", "Shifts")) }
        div.scroll tabindex="0" {
            table.shifts.by-day[!days.is_empty()] {
                thead {
                    tr {
                        th.word scope="col" { (say("Poste", "Shift")) }
                        th scope="col" { (say("Requis", "Required")) }
                        @for head in [say("Pièces", "Pieces"), "Do,\u{a0}%", "Tp,\u{a0}%", "Tq,\u{a0}%"] {
                            th scope="col" { (head) }
                        }
                        th scope="col" { "TRS,\u{a0}%" }
                        @for (day, is_running) in &days {
                            th.of-day scope="col" {
                                @for (at, word) in short_date_with_weekday(*day, language).split('\u{a0}').enumerate() {
                                    @if at > 0 { br; }
                                    (word)
                                }
                                @if *is_running { " " abbr title=(say("en cours", "running")) { "…" } }
                            }
                        }
                    }
                }
                tbody {
                    @for one in &all {
                        @if let Some((times, losses)) = sum(one.parts.iter().map(|(_, line)| *line)) {
                            @let rates = times.rates(0);
                            tr {
                                th.word scope="row" {
                                    (shortened(one.name, if days.is_empty() { 60 } else { 16 }))
                                    @if let Some(hours) = &one.hours { " " span.of { (hours) } }
                                }
                                td { (span(losses.minutes_e1.required * 6_000)) }
                                td { (count(times.pieces, language)) }
                                td { (e2(rates.availability_e2)) }
                                td { (e2(rates.performance_e2)) }
                                td { (e2(rates.quality_e2)) }
                                td.trs { (e2(rates.trs_e2)) }
                                @for (day, _) in &days {
                                    (of_day(one, *day, language))
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A shift's TRS on one day.
fn of_day(one: &OfName<'_>, day: Day, language: crate::model::Language) -> Markup {
    let parts = one.parts.iter().filter(|(of, _)| *of == day).map(|(_, line)| *line);
    let trs = sum(parts).map(|(times, _)| times.rates(0).trs_e2);
    html! {
        td.trs {
            @match trs {
                None => "",
                Some(None) => "–",
                Some(Some(trs)) => (two_decimals(trs, language)),
            }
        }
    }
}
