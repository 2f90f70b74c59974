//! A machine's days below one another: each with its strip on the hours that all of them share, its pieces and
//! its rates. Of more days than a page has rows, weeks. What must never happen here: a day that still runs in a
//! mean of whole days.

use std::collections::BTreeMap;

use chrono::NaiveTime;
use maud::{Markup, html};

use super::{
    DayReport, Line, MOST_DAY_ROWS, MachineReport, Report, Span, tables::bar, words::rate_or_dash,
};
use crate::{
    model::{Day, Figures, Session, Stamp, Week, rate_e2},
    render,
    render::{Axis, Detail, PlannedShift, TimeLine, strip_hours},
    text::{clock, count, one_decimal, phrase, short_date_with_weekday, two_decimals},
};

/// A day's drawing: whole if it is alone, a strip among others, and none of more days than there are rows; `id` is
/// unique on the page.
pub(crate) fn drawing(
    report: &Report,
    machine: &str,
    id: &str,
    session: &Session,
    planned: &[PlannedShift],
    axis: Axis,
) -> Markup {
    let is_whole = report.period.len() == 1 && report.shift.is_none();
    let now = Stamp::from_naive(report.now);
    let begin = report.begin_of(report.today);
    let is_today = !report.is_clock_wrong && axis.from >= begin;
    let line = TimeLine {
        id,
        machine,
        session,
        axis,
        planned,
        now: is_today.then_some(now),
        detail: if is_whole { Detail::Full } else { Detail::Small },
        language: report.language,
    };
    match report.period.len() {
        _ if is_whole => line.draw(),
        ..=MOST_DAY_ROWS => line.strip(),
        _ => Markup::default(),
    }
}

/// What is known of a day.
struct Row<'m> {
    day: Day,
    session: Option<&'m DayReport>,
    line: Option<&'m Line>,
}

impl Report {
    /// When a production day begins.
    pub(crate) fn begin_of(&self, day: Day) -> Stamp {
        Stamp::from_naive(day.and_time(NaiveTime::MIN) + self.day_start)
    }
}

impl Row<'_> {
    fn is_running(&self, today: Day) -> bool {
        let line = self.line.filter(|line| line.parts > 0);
        self.day >= today && line.is_none_or(|line| line.is_running)
    }

    /// All of the day; of a shift, what was made in it.
    fn pieces(&self, report: &Report) -> u64 {
        match (self.session, self.line) {
            (_, Some(line)) if report.shift.is_some() => line.times.pieces,
            (Some(session), _) if report.shift.is_none() => session.figures.total_pieces.into(),
            _ => 0,
        }
    }
}

fn rows<'m>(report: &Report, machine: &'m MachineReport) -> Vec<Row<'m>> {
    let mut rows: BTreeMap<Day, Row<'m>> = BTreeMap::new();
    for session in &machine.days {
        let row = Row { day: session.day, session: Some(session), line: None };
        rows.insert(session.day, row);
    }
    for line in &machine.lines {
        if let Span::Day(day) = line.span {
            let row = rows.entry(day).or_insert(Row { day, session: None, line: None });
            row.line = Some(line);
        }
    }
    // A shift's days are those on which it is planned.
    rows.retain(|_, row| report.shift.is_none() || row.line.is_some());
    rows.into_values().collect()
}

/// How many rows the table has.
pub(super) fn row_count(report: &Report, machine: &MachineReport) -> usize {
    if report.period.len() > MOST_DAY_ROWS {
        return weeks(&rows(report, machine)).len();
    }
    rows(report, machine).len()
}

pub(super) fn table(report: &Report, machine: &MachineReport) -> Markup {
    let rows = rows(report, machine);
    if report.period.len() > MOST_DAY_ROWS {
        return by_week(report, machine, &rows);
    }
    let is_alone = report.period.len() == 1;
    let has_trs = machine.scope.totals.planned.is_some();
    html! {
        @if !is_alone || report.shift.is_some() { (render::legend(report.language)) }
        @for row in rows.iter().filter(|_| is_alone && report.shift.is_none()) {
            @if let Some(session) = row.session {
                (render::legend(report.language))
                figure.day { (session.time_line) }
            }
        }
        div.scroll tabindex="0" {
            table.days.many[rows.len() > 8] {
                (heads(report, machine, is_alone, has_trs))
                tbody { @for row in &rows { (one(report, row, is_alone, has_trs)) } }
                @if !is_alone { tfoot { (foot(report, &rows, machine)) } }
            }
        }
    }
}

fn heads(report: &Report, machine: &MachineReport, is_alone: bool, has_trs: bool) -> Markup {
    let say = |french, english| report.say(french, english);
    let figures: &[&str] = if report.shift.is_some() {
        &["Do,\u{a0}%", "Tp,\u{a0}%", "Tq,\u{a0}%"]
    } else {
        &[
            say("De", "From"),
            say("À", "To"),
            say("Occupation,\u{a0}%", "Occupation,\u{a0}%"),
            say("Arrêts", "Stops"),
        ]
    };
    html! {
        thead {
            tr {
                th.word scope="col" { (say("Jour", "Day")) }
                @if !is_alone || report.shift.is_some() {
                    th.strip scope="col" {
                        span.hidden { (say("Chronologie", "Timeline")) }
                        @if let Some(hours) = machine.hours { (strip_hours(hours, 3)) }
                    }
                }
                th scope="col" { (say("Pièces", "Pieces")) }
                @for head in figures { th scope="col" { (head) } }
                @if has_trs { th scope="col" { "TRS,\u{a0}%" } }
            }
        }
    }
}

fn one(report: &Report, row: &Row<'_>, is_alone: bool, has_trs: bool) -> Markup {
    let language = report.language;
    let e2 = |rate| rate_or_dash(rate, language);
    let figures = row.session.map(|session| &session.figures);
    let rates = row.line.filter(|line| line.parts > 0).map(|line| &line.rates);
    let at = |moment: fn(&Figures) -> Option<Stamp>| {
        figures.and_then(moment).map(clock).unwrap_or_default()
    };
    html! {
        tr.running-day[row.is_running(report.today)] {
            th.word scope="row" {
                (short_date_with_weekday(row.day, language))
                (mark(report, row))
            }
            @if !is_alone || report.shift.is_some() {
                td.strip {
                    @match row.session {
                        Some(session) => (session.time_line),
                        None => span.of { (without_log(report, row)) },
                    }
                }
            }
            td { (count(row.pieces(report), language)) }
            @if report.shift.is_some() {
                td { (e2(rates.and_then(|rates| rates.availability_e2))) }
                td { (e2(rates.and_then(|rates| rates.performance_e2))) }
                td { (e2(rates.and_then(|rates| rates.quality_e2))) }
            } @else {
                td { (at(|figures| figures.first_piece)) }
                td { (at(|figures| figures.last_piece)) }
                td { (figures.map(|figures| two_decimals(rate_e2(figures.effective_ms, figures.window_ms), language)).unwrap_or_default()) }
                td { (row.session.map(|session| session.stops.to_string()).unwrap_or_default()) }
            }
            @if has_trs { td.trs { (e2(rates.and_then(|rates| rates.trs_e2))) } }
        }
    }
}

fn without_log(report: &Report, row: &Row<'_>) -> &'static str {
    if row.line.is_some_and(|line| line.is_without_log || line.parts > 0) {
        report.say("(aucun LOG)", "(no LOG)")
    } else {
        report.say("(rien de prévu)", "(nothing planned)")
    }
}

/// Of a day that is not over: up to when it is known.
fn mark(report: &Report, row: &Row<'_>) -> Markup {
    let language = report.language;
    let line = row.line.filter(|line| line.parts > 0);
    let text = match line {
        Some(line) if !line.is_over => {
            let at = clock(line.known_until);
            if row.is_running(report.today) {
                phrase!(language, "en cours, jusqu'à {at}", "running, up to {at}")
            } else {
                phrase!(language, "connu jusqu'à {at}", "known up to {at}")
            }
        }
        None if row.is_running(report.today) => report.say("en cours", "running").to_owned(),
        _ => return Markup::default(),
    };
    html! { " " span.running { (text) } }
}

/// All days, and the mean of those that are over.
fn foot(report: &Report, rows: &[Row<'_>], machine: &MachineReport) -> Markup {
    let language = report.language;
    let all: u64 = rows.iter().map(|row| row.pieces(report)).sum();
    let whole: Vec<u64> = rows
        .iter()
        .filter(|row| !row.is_running(report.today))
        .map(|row| row.pieces(report))
        .filter(|pieces| *pieces > 0)
        .collect();
    let rates = machine.scope.totals.rates();
    let e2 = |rate| rate_or_dash(rate, language);
    let days = whole.len();
    let mean = (days > 0).then(|| whole.iter().sum::<u64>() * 10_000 / days as u64);
    html! {
        tr.sum {
            th.word scope="row" colspan="2" { (report.say("Période", "Period")) }
            td { (count(all, language)) }
            @if report.shift.is_some() {
                td { (e2(rates.and_then(|rates| rates.availability_e2))) }
                td { (e2(rates.and_then(|rates| rates.performance_e2))) }
                td { (e2(rates.and_then(|rates| rates.quality_e2))) }
            } @else {
                td {} td {} td {}
                td { (machine.days.iter().map(|day| day.stops).sum::<usize>()) }
            }
            @if let Some(rates) = rates { td.trs { (e2(rates.trs_e2)) } }
        }
        @if let Some(mean) = mean.filter(|_| days > 1) {
            tr {
                th.word scope="row" colspan="2" {
                    (phrase!(language, "Moyenne des {days} jours entiers avec des pièces", "Mean of the {days} whole days with pieces"))
                }
                td { (one_decimal(i64::try_from(mean / 100).unwrap_or(i64::MAX), language)) }
                td colspan=(3 + usize::from(report.shift.is_none()) + usize::from(rates.is_some())) {}
            }
        }
    }
}

/// Days and pieces of each week, in order.
fn weeks(rows: &[Row<'_>]) -> Vec<Week> {
    let mut weeks: Vec<Week> = rows.iter().map(|row| Week::of(row.day)).collect();
    weeks.dedup();
    weeks
}

fn by_week(report: &Report, machine: &MachineReport, rows: &[Row<'_>]) -> Markup {
    let language = report.language;
    let say = |french, english| report.say(french, english);
    let e2 = |rate| rate_or_dash(rate, language);
    let line_of = |week: Week| {
        machine
            .lines
            .iter()
            .find(|line| line.span == Span::Week(week.year(), week.number()) && line.parts > 0)
    };
    let of_week = |week: Week| -> (usize, u64) {
        let days = rows.iter().filter(|row| Week::of(row.day) == week);
        days.fold((0, 0), |(days, sum), row| (days + 1, sum + row.pieces(report)))
    };
    let weeks: Vec<(Week, (usize, u64))> =
        weeks(rows).into_iter().map(|week| (week, of_week(week))).collect();
    let most = weeks.iter().map(|(_, (_, pieces))| *pieces).max().unwrap_or(0).max(1);
    let narrow = |pieces: u64| i64::try_from(pieces).unwrap_or(i64::MAX);
    html! {
        table.days.weeks {
            thead {
                tr {
                    th.word scope="col" { (say("Semaine", "Week")) }
                    th scope="col" { (say("Jours", "Days")) }
                    th.bar-of aria-hidden="true" {}
                    th scope="col" { (say("Pièces", "Pieces")) }
                    @for head in ["Do,\u{a0}%", "Tp,\u{a0}%", "Tq,\u{a0}%", "TRS,\u{a0}%"] { th scope="col" { (head) } }
                }
            }
            tbody {
                @for (week, (days, pieces)) in weeks {
                    @let rates = line_of(week).map(|line| line.rates);
                    tr {
                        th.word scope="row" { (week.number()) "/" (week.year()) }
                        td { (days) }
                        td.bar-of aria-hidden="true" { (bar(narrow(pieces), narrow(most))) }
                        td { (count(pieces, language)) }
                        td { (e2(rates.and_then(|rates| rates.availability_e2))) }
                        td { (e2(rates.and_then(|rates| rates.performance_e2))) }
                        td { (e2(rates.and_then(|rates| rates.quality_e2))) }
                        td.trs { (e2(rates.and_then(|rates| rates.trs_e2))) }
                    }
                }
            }
        }
    }
}
