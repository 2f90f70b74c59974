//! What `--details` adds behind a machine's page: tables shift by shift, hour by hour and profile by profile,
//! every anomaly and every advice. They go on over as many pages as they need.

use maud::{Markup, html};

use super::{MachineReport, Report, planned_tables, remarks, tables};
use crate::text::{date_with_weekday, phrase};

pub(super) fn details(report: &Report, machine: &MachineReport) -> Markup {
    let nom = &machine.scope.nom;
    html! {
        section.details {
            h2 { (phrase!(report.language, "{nom}, tableaux", "{nom}, tables")) }
            (planned_tables::details(report, machine))
            @if !machine.days.is_empty() {
                h3 { (report.say("De la première à la dernière pièce", "First to last piece")) }
                (tables::days(report, machine))
                (tables::hours(report, machine))
                (tables::stops(report, machine))
                (tables::profiles(report, machine))
                (tables::losses(report, machine))
                (anomalies(report, machine))
                (advice(report, machine))
            }
        }
    }
}

fn anomalies(report: &Report, machine: &MachineReport) -> Markup {
    let all = || machine.days.iter().flat_map(|day| day.anomalies.iter().map(|one| (day.day, one)));
    html! {
        @if all().next().is_some() {
            h3 { (report.say("Toutes les anomalies", "All anomalies")) }
            ul.notes {
                @for (day, anomaly) in all() {
                    @let (class, word) = remarks::word(report, anomaly.severity);
                    li class=(class) {
                        (date_with_weekday(day, report.language)) " " b { (word) } " " (anomaly.text(report.language)) "."
                    }
                }
            }
        }
    }
}

fn advice(report: &Report, machine: &MachineReport) -> Markup {
    html! {
        @if machine.days.iter().any(|day| !day.advice.is_empty()) {
            h3 { (report.say("Tous les conseils", "All advice")) }
            ul.notes {
                @for day in &machine.days {
                    @for advice in &day.advice {
                        li.advice { (date_with_weekday(day.day, report.language)) " " (advice.text(report.language)) "." }
                    }
                }
            }
        }
    }
}
