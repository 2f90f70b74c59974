//! All machines' days side by side as columns, the best and the worst of them named; of a long period its weeks.

use maud::{Markup, html};

use super::{MOST_DAY_ROWS, Report, Summary, facts::DayTotals};
use crate::{
    model::{Day, Week},
    text::{count, date_with_weekday, one_decimal, percent, phrase, short_date_with_weekday},
};

/// Columns that have room for a weekday and a decimal.
const MOST_WIDE: usize = 8;

struct Column {
    label: String,
    spoken: String,
    /// Hundredths of a percent, or pieces; `None`: nothing is known of it.
    value: Option<i64>,
    text: String,
    is_running: bool,
    mark: &'static str,
}

/// Nothing of a single day.
pub(super) fn columns(report: &Report, summary: &Summary) -> Markup {
    if report.period.len() < 2 || summary.days.is_empty() {
        return Markup::default();
    }
    let has_trs = summary.days.iter().any(|day| day.totals.trs_e2().is_some());
    let columns = if report.period.len() > MOST_DAY_ROWS {
        weeks(report, summary)
    } else {
        days(report, summary, has_trs)
    };
    let most = columns.iter().filter_map(|column| column.value).max().unwrap_or(0).max(1);
    let is_of_weeks = report.period.len() > MOST_DAY_ROWS;
    let what = if has_trs && !is_of_weeks {
        report.say("TRS par jour, %", "TRS (OEE) by day, %")
    } else if is_of_weeks {
        report.say("Pièces par semaine", "Pieces by week")
    } else {
        report.say("Pièces par jour", "Pieces by day")
    };
    let is_wide = columns.len() <= MOST_WIDE;
    let has_values = columns.len() <= 31;
    html! {
        h2.section { (what) (best_and_worst(report, summary, has_trs)) }
        table.columns.wide[is_wide] {
            tbody {
                tr {
                    @for column in &columns {
                        td.running-day[column.is_running] {
                            @if has_values { span { (column.text) } } @else { span.hidden { (column.text) } }
                            (bar(column, most))
                        }
                    }
                }
            }
            tfoot {
                tr {
                    @for column in &columns {
                        th scope="col" {
                            abbr title=(column.spoken) { (column.label) }
                            @if !column.mark.is_empty() { b { (column.mark) } }
                        }
                    }
                }
            }
        }
    }
}

fn bar(column: &Column, most: i64) -> Markup {
    let height = column.value.unwrap_or(0).max(0) * 100 / most;
    let pattern = if column.is_running { "waits" } else { "bars" };
    html! {
        svg viewBox="0 0 10 100" preserveAspectRatio="none" aria-hidden="true" {
            path class=(pattern) d={ "M1 " (100 - height) "h8V100H1z" } {}
        }
    }
}

fn days(report: &Report, summary: &Summary, has_trs: bool) -> Vec<Column> {
    let language = report.language;
    let is_wide = report.period.len() <= MOST_WIDE as i64;
    let extremes = summary.best_and_worst();
    let mark = |day: Day| match extremes {
        Some((best, _)) if best.day == day => "▲",
        Some((_, worst)) if worst.day == day => "▼",
        _ => "",
    };
    let column = |day: Day| {
        let found = summary.days.iter().find(|one| one.day == day);
        let value = found.and_then(|one| value_of(one, has_trs));
        let text = match value {
            None => "–".to_owned(),
            Some(value) if !has_trs => count(value.unsigned_abs(), language),
            Some(value) if is_wide => one_decimal(value, language),
            Some(value) => count((value.unsigned_abs() + 50) / 100, language),
        };
        Column {
            label: if is_wide {
                short_date_with_weekday(day, language)
            } else {
                day.format("%d").to_string()
            },
            spoken: date_with_weekday(day, language),
            is_running: found.is_some_and(|one| one.is_running),
            mark: mark(day),
            value,
            text,
        }
    };
    report.period.each_day().map(column).collect()
}

fn value_of(day: &DayTotals, has_trs: bool) -> Option<i64> {
    if has_trs { day.totals.trs_e2() } else { i64::try_from(day.totals.pieces).ok() }
}

fn weeks(report: &Report, summary: &Summary) -> Vec<Column> {
    let mut weeks: Vec<(Week, u64, bool)> = Vec::new();
    for day in &summary.days {
        let week = Week::of(day.day);
        match weeks.last_mut().filter(|(last, ..)| *last == week) {
            Some((_, pieces, is_running)) => {
                *pieces += day.totals.pieces;
                *is_running |= day.is_running;
            }
            None => weeks.push((week, day.totals.pieces, day.is_running)),
        }
    }
    let column = |(week, pieces, is_running): &(Week, u64, bool)| {
        let (year, week) = (week.year(), week.number());
        Column {
            label: week.to_string(),
            spoken: phrase!(report.language, "semaine {week}/{year}", "week {week}/{year}"),
            value: i64::try_from(*pieces).ok(),
            text: count(*pieces, report.language),
            is_running: *is_running,
            mark: "",
        }
    };
    weeks.iter().map(column).collect()
}

fn best_and_worst(report: &Report, summary: &Summary, has_trs: bool) -> Markup {
    let language = report.language;
    let Some((best, worst)) = summary.best_and_worst() else { return Markup::default() };
    let of = |day: &DayTotals| {
        let value = value_of(day, has_trs).unwrap_or(0);
        let value = if has_trs {
            percent(&one_decimal(value, language), language)
        } else {
            count(value.unsigned_abs(), language)
        };
        format!("{} ({value})", short_date_with_weekday(day.day, language))
    };
    let (best, worst) = (of(best), of(worst));
    html! {
        span.of {
            (phrase!(
                language,
                "▲ meilleur jour\u{202f}: {best} · ▼ moins bon\u{202f}: {worst}",
                "▲ best day: {best} · ▼ worst: {worst}",
            ))
        }
    }
}
