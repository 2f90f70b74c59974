//! The file as a whole, and the head of each of its pages.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{Kind, Report, Summary, first_page};
use crate::{
    render,
    text::{code, date, date_with_weekday, minute, month, phrase},
};

/// Stands in the frame where the machines go; text from outside has no such characters left.
const MACHINES: &str = "<!--machines-->";

/// What stands before the machines of the page and after them.
pub(crate) fn frame(report: &Report, summary: &Summary, silent: &[String]) -> (String, String) {
    let title = title(report);
    let page = html! {
        (DOCTYPE)
        html lang=(code(report.language)) {
            head {
                meta charset="utf-8";
                // A telephone shows the sheet as a whole, as broad as it is printed, to be zoomed into.
                meta name="viewport" content="width=820";
                meta name="color-scheme" content="light dark";
                title { (title) " · " (report.agent) }
                style { (PreEscaped(render::STYLE)) (PreEscaped(include_str!("report.css"))) }
            }
            body.numbered[!report.is_numbered()] {
                main {
                    (render::shapes())
                    (first_page::sheet(report, summary, silent))
                    (PreEscaped(MACHINES))
                }
            }
        }
    };
    let page = page.into_string();
    let (before, after) = page.split_once(MACHINES).unwrap_or((&page, ""));
    (before.to_owned(), after.to_owned())
}

pub(super) fn title(report: &Report) -> String {
    let (language, period) = (report.language, report.period);
    let (from, to) = (date(period.from, language), date(period.to, language));
    let title = match period.kind {
        Kind::Week(week) => {
            let (year, week) = (week.year(), week.number());
            phrase!(language, "Production, semaine {week}/{year}", "Production, week {week}/{year}")
        }
        Kind::Month(_) => {
            let month = month(period.from, language);
            phrase!(language, "Production, {month}", "Production, {month}")
        }
        Kind::Days if from == to => {
            phrase!(language, "Production du {from}", "Production on {from}")
        }
        Kind::Days => {
            phrase!(language, "Production du {from} au {to}", "Production from {from} to {to}")
        }
    };
    match &report.shift {
        Some(shift) => phrase!(language, "{title}, poste {shift}", "{title}, shift {shift}"),
        None => title,
    }
}

/// The days with their weekdays.
pub(super) fn days(report: &Report) -> String {
    let (language, period) = (report.language, report.period);
    let of = |day| date_with_weekday(day, language);
    let (from, to) = (of(period.from), of(period.to));
    if from == to {
        return from;
    }
    phrase!(language, "du {from} au {to}", "{from} to {to}")
}

/// What stands on top of each page; `number` is its place among them.
pub(super) fn head(report: &Report, number: usize, title: Markup, below: &str) -> Markup {
    let language = report.language;
    let now = minute(report.now, language);
    let pages = report.pages + 1;
    html! {
        header.head {
            div { (title) p.period { (below) } }
            div.meta {
                p { (report.agent) }
                p { (report.say("Édité le", "Issued")) " " (now) }
                @if report.is_numbered() {
                    p.number { (phrase!(language, "page {number} / {pages}", "page {number} / {pages}")) }
                }
            }
        }
    }
}
