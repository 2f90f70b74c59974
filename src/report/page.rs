//! The page: head, machine after machine, each with its time lines, remarks and tables.

use chrono::NaiveTime;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{MachineReport, Report, planned_tables, tables};
use crate::{
    model::{Day, Session, Severity, Stamp},
    render,
    render::{Axis, Detail, TimeLine},
    text::{code, date, phrase},
};

/// Time lines show less where there are more of them.
const MOST_FULL_DAYS: usize = 1;
const MOST_CARD_DAYS: usize = 7;

/// Stands in the frame where the machines go; text from outside has no such characters left.
const MACHINES: &str = "<!--machines-->";

/// What stands before the machines of the page and after them.
pub(crate) fn frame(report: &Report, is_empty: bool) -> (String, String) {
    let title = title(report);
    let page = html! {
        (DOCTYPE)
        html lang=(code(report.language)) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " · " (report.agent) }
                style { (PreEscaped(render::STYLE)) (PreEscaped(include_str!("report.css"))) }
            }
            body {
                header {
                    h1 { (title) }
                    p { (report.agent) }
                }
                main {
                    @if is_empty {
                        p { (report.say("Aucune session sur cette période.", "No session in this period.")) }
                    } @else {
                        (render::shapes())
                        (render::legend(report.language))
                    }
                    (PreEscaped(MACHINES))
                }
            }
        }
    };
    let page = page.into_string();
    let (before, after) = page.split_once(MACHINES).unwrap_or((&page, ""));
    (before.to_owned(), after.to_owned())
}

fn title(report: &Report) -> String {
    let Report { language, .. } = *report;
    let (from, to) = (date(report.from, language), date(report.to, language));
    if from == to {
        return phrase!(language, "Production du {from}", "Production on {from}");
    }
    phrase!(language, "Production du {from} au {to}", "Production from {from} to {to}")
}

/// A machine's section of the page.
pub(crate) fn machine(report: &Report, machine: &MachineReport) -> Markup {
    html! {
        section.machine {
            h2 { (machine.nom) }
            (planned_tables::section(report, machine))
            @if !machine.days.is_empty() { (sessions(report, machine)) }
        }
    }
}

/// What the logs tell, of first to last piece.
fn sessions(report: &Report, machine: &MachineReport) -> Markup {
    let has_advice = machine.days.iter().any(|day| !day.advice.is_empty());
    html! {
            h3 { (report.say("De la première à la dernière pièce", "First to last piece")) }
            (tables::days(report, machine))
            @for day in &machine.days {
                figure.day {
                    figcaption { (date(day.day, report.language)) }
                    (day.time_line)
                }
            }
            h3 { (report.say("Anomalies", "Anomalies")) }
            (anomalies(report, machine))
            @if has_advice {
                h3 { (report.say("Conseils", "Advice")) }
                (advice(report, machine))
            }
            (tables::hours(report, machine))
            (tables::stops(report, machine))
            (tables::profiles(report, machine))
            (tables::losses(report, machine))
    }
}

/// The time line of one of a machine's `days`; `id` is unique on the page.
pub(crate) fn time_line(
    report: &Report,
    machine: &str,
    id: &str,
    day: Day,
    session: &Session,
    days: usize,
) -> Markup {
    let begin = Stamp::from_naive(day.and_time(NaiveTime::MIN) + report.day_start);
    let detail = match days {
        days if days <= MOST_FULL_DAYS => Detail::Full,
        days if days <= MOST_CARD_DAYS => Detail::Card,
        _ => Detail::Small,
    };
    TimeLine {
        id,
        machine,
        session,
        axis: Axis::around([session], None, begin),
        now: None,
        detail,
        language: report.language,
    }
    .draw()
}

fn anomalies(report: &Report, machine: &MachineReport) -> Markup {
    let severity = |severity| match severity {
        Severity::High => ("high", report.say("Grave.", "Critical.")),
        Severity::Medium => ("medium", report.say("Moyenne.", "Medium.")),
        Severity::Low => ("low", report.say("Faible.", "Low.")),
    };
    let all = || machine.days.iter().flat_map(|day| day.anomalies.iter().map(|one| (day.day, one)));
    html! {
        @if all().next().is_none() {
            p { (report.say("Aucune.", "None.")) }
        } @else {
            ul.notes {
                @for (day, anomaly) in all() {
                    @let (class, word) = severity(anomaly.severity);
                    li class=(class) {
                        (date(day, report.language)) " " b { (word) } " " (anomaly.text(report.language)) "."
                    }
                }
            }
        }
    }
}

fn advice(report: &Report, machine: &MachineReport) -> Markup {
    html! {
        ul.notes {
            @for day in &machine.days {
                @for advice in &day.advice {
                    li.advice { (date(day.day, report.language)) " " (advice.text(report.language)) "." }
                }
            }
        }
    }
}
