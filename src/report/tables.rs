//! The tables of a report: days, hours, stops, profiles, what changes and the ends of the shift cost.

use maud::{Markup, html};

use super::{MachineReport, Report};
use crate::{
    analyse::{OfProfile, Profile, StopClass, in_whole},
    model::{Figures, rate_e2, rate_per_hour_e2},
    text::{clock, count, date, two_decimals},
};

/// Milliseconds as whole minutes, half up.
fn minutes(ms: i64) -> i64 {
    (ms + 30_000) / 60_000
}

pub(super) fn days(report: &Report, machine: &MachineReport) -> Markup {
    let say = |french, english| report.say(french, english);
    let e2 = |value: i64| two_decimals(value, report.language);
    let rate = |figures: &Figures, ms| e2(rate_e2(ms, figures.window_ms));
    html! {
        table {
            thead {
                tr {
                    th.word scope="col" { (say("Jour", "Day")) }
                    th scope="col" { (say("Pièces", "Pieces")) }
                    th scope="col" { (say("De", "From")) }
                    th scope="col" { (say("À", "To")) }
                    th scope="col" { (say("Occupation, %", "Occupation, %")) }
                    th scope="col" { (say("Attente, %", "Waiting, %")) }
                    th scope="col" { (say("Arrêt, %", "Stopped, %")) }
                    th scope="col" { (say("Arrêts", "Stops")) }
                    th scope="col" { (say("Cadence, p/h", "Rate, p/h")) }
                }
            }
            tbody {
                @for day in &machine.days {
                    @let figures = &day.figures;
                    tr {
                        th.word scope="row" { (date(day.day, report.language)) }
                        td { (count(figures.total_pieces.into(), report.language)) }
                        td { (figures.first_piece.map(clock).unwrap_or_default()) }
                        td { (figures.last_piece.map(clock).unwrap_or_default()) }
                        td { (rate(figures, figures.effective_ms)) }
                        td { (rate(figures, figures.wait_ms)) }
                        td { (rate(figures, figures.stop_ms)) }
                        td { (day.stops) }
                        td { (figures.rate_per_hour_e2().map(e2).unwrap_or_default()) }
                    }
                }
            }
        }
    }
}

pub(super) fn hours(report: &Report, machine: &MachineReport) -> Markup {
    let say = |french, english| report.say(french, english);
    let hours = || machine.patterns.hours.iter().enumerate().filter(|(_, of)| of.window_ms > 0);
    let hourly = |pieces: u32, effective_ms| rate_per_hour_e2(i64::from(pieces), effective_ms);
    let most = hours().map(|(_, of)| of.pieces).max().unwrap_or(0).max(1);
    html! {
        @if hours().next().is_some() {
            h3 { (say("Par heure", "By hour")) }
            table {
                thead {
                    tr {
                        th.word scope="col" { (say("Heure", "Hour")) }
                        th scope="col" { (say("Pièces", "Pieces")) }
                        th.bar-of aria-hidden="true" {}
                        th scope="col" { (say("Cadence, p/h", "Rate, p/h")) }
                        th scope="col" { (say("Attente, min", "Waiting, min")) }
                        th scope="col" { (say("Arrêts", "Stops")) }
                        th scope="col" { (say("Arrêt, min", "Stopped, min")) }
                    }
                }
                tbody {
                    @for (hour, of) in hours() {
                        tr {
                            th.word scope="row" { (format!("{hour:02}\u{a0}h")) }
                            td { (count(of.pieces.into(), report.language)) }
                            td.bar-of aria-hidden="true" { (bar(i64::from(of.pieces), i64::from(most))) }
                            td { (hourly(of.pieces, of.effective_ms).map(|e2| two_decimals(e2, report.language)).unwrap_or_default()) }
                            td { (minutes(of.wait_ms)) }
                            td { (of.stops) }
                            td { (minutes(of.stop_ms)) }
                        }
                    }
                }
            }
        }
    }
}

/// A bar beside a figure, as long as its part of the most.
pub(super) fn bar(value: i64, most: i64) -> Markup {
    let percent = value.max(0) * 100 / most.max(1);
    html! {
        svg.bar width="100%" height="10" { rect.bars width={ (percent) "%" } height="10" {} }
    }
}

/// Pareto: the class that costs the most first, with what the classes cost up to it.
pub(super) fn stops(report: &Report, machine: &MachineReport) -> Markup {
    let say = |french, english| report.say(french, english);
    let mut classes: Vec<(StopClass, u32, i64)> = StopClass::ALL
        .into_iter()
        .map(|class| (class, machine.patterns.stops[class as usize]))
        .map(|(class, stops)| (class, stops.count, stops.ms))
        .collect();
    classes.sort_by_key(|(_, _, ms)| std::cmp::Reverse(*ms));
    let all_ms: i64 = classes.iter().map(|(_, _, ms)| ms).sum();
    let mut so_far = 0;
    let rows: Vec<(StopClass, u32, i64, i64)> = classes
        .into_iter()
        .map(|(class, stops, ms)| {
            so_far += ms;
            (class, stops, ms, so_far)
        })
        .collect();
    let name = |class| match class {
        StopClass::Micro => say("moins de 1\u{a0}min", "under 1\u{a0}min"),
        StopClass::Short => say("1 à 15\u{a0}min", "1 to 15\u{a0}min"),
        StopClass::Long => say("15\u{a0}min ou plus", "15\u{a0}min or more"),
    };
    let share = |ms| two_decimals(rate_e2(ms, all_ms), report.language);
    html! {
        @if all_ms > 0 {
            h3 { (say("Arrêts par durée", "Stops by duration")) }
            table {
                thead {
                    tr {
                        th.word scope="col" { (say("Durée", "Duration")) }
                        th scope="col" { (say("Arrêts", "Stops")) }
                        th scope="col" { (say("Temps, min", "Time, min")) }
                        th.bar-of aria-hidden="true" {}
                        th scope="col" { (say("Part, %", "Share, %")) }
                        th scope="col" { (say("Cumul, %", "Cumulative, %")) }
                    }
                }
                tbody {
                    @for (class, stops, ms, so_far) in rows {
                        tr {
                            th.word scope="row" { (name(class)) }
                            td { (stops) }
                            td { (minutes(ms)) }
                            td.bar-of aria-hidden="true" { (bar(ms, all_ms)) }
                            td { (share(ms)) }
                            td { (share(so_far)) }
                        }
                    }
                }
            }
        }
    }
}

/// What was cut: bars, metres and pieces by profile, each column with its sum.
pub(super) fn profiles(report: &Report, machine: &MachineReport) -> Markup {
    let say = |french, english| report.say(french, english);
    let name = |profile: &Option<Profile>| match profile {
        Some(profile) => profile.to_string(),
        None => say("(avant le premier profil)", "(before the first profile)").to_owned(),
    };
    let patterns = &machine.patterns;
    let mut profiles: Vec<(String, &OfProfile)> =
        patterns.profiles.iter().map(|(profile, of)| (name(profile), of)).collect();
    profiles.sort_by_key(|(_, of)| std::cmp::Reverse((of.pieces, of.bars)));
    if patterns.other_profiles != OfProfile::default() {
        profiles
            .push((say("(autres profils)", "(other profiles)").into(), &patterns.other_profiles));
    }
    // Hundredths of a metre from hundredths of a millimetre.
    let lengths: Vec<i128> = profiles.iter().map(|(_, of)| of.length_e2.into()).collect();
    let metres = in_whole(&lengths, 1000);
    let e2 =
        |metres: i128| two_decimals(i64::try_from(metres).unwrap_or(i64::MAX), report.language);
    let sum = |of: fn(&OfProfile) -> u32| {
        let all: u64 = profiles.iter().map(|(_, profile)| u64::from(of(profile))).sum();
        count(all, report.language)
    };
    html! {
        @if !profiles.is_empty() {
            h3 { (say("Matière et profils", "Material and profiles")) }
            table.material {
                thead {
                    tr {
                        th.word scope="col" { (say("Profil", "Profile")) }
                        th scope="col" { (say("Barres", "Bars")) }
                        th scope="col" { (say("Longueur, m", "Length, m")) }
                        th scope="col" { (say("Pièces", "Pieces")) }
                        th scope="col" { (say("Passages", "Runs")) }
                        th scope="col" { (say("Cycle médian, s", "Median cycle, s")) }
                        th scope="col" { (say("Attentes", "Waits")) }
                        th scope="col" { (say("Attente, min", "Waiting, min")) }
                    }
                }
                tbody {
                    @for ((profile, of), metres) in profiles.iter().zip(&metres) {
                        tr {
                            th.word scope="row" { (profile) }
                            td { (count(of.bars.into(), report.language)) }
                            td { (e2(*metres)) }
                            td { (count(of.pieces.into(), report.language)) }
                            td { (of.runs) }
                            td { (of.median_cycle_ms.map(|ms| two_decimals(ms / 10, report.language)).unwrap_or_default()) }
                            td { (of.waits) }
                            td { (minutes(of.wait_ms)) }
                        }
                    }
                    tr.sum {
                        th.word scope="row" { (say("Total", "Total")) }
                        td { (sum(|of| of.bars)) }
                        td { (e2(metres.iter().sum())) }
                        td { (sum(|of| of.pieces)) }
                        td {}
                        td {}
                        td { (sum(|of| of.waits)) }
                        td {}
                    }
                }
            }
        }
    }
}

pub(super) fn losses(report: &Report, machine: &MachineReport) -> Markup {
    let say = |french, english| report.say(french, english);
    let patterns = &machine.patterns;
    let rows = [
        (
            say(
                "Changements de profil (de la dernière pièce à la première suivante)",
                "Profile changes (last piece to next first piece)",
            ),
            Some(patterns.changes.count),
            patterns.changes.span_ms,
        ),
        (
            say(
                "dont temps perdu (hors arrêts et cycle moyen)",
                "of which lost (excluding stops and the average cycle)",
            ),
            None,
            patterns.changes.cost_ms,
        ),
        (
            say(
                "Début de poste (du démarrage à la première pièce)",
                "Start of shift (machine start to first piece)",
            ),
            None,
            patterns.start_loss_ms,
        ),
        (
            say(
                "Fin de poste (de la dernière pièce à l'arrêt)",
                "End of shift (last piece to machine stop)",
            ),
            None,
            patterns.end_loss_ms,
        ),
    ];
    html! {
        h3 { (say("Changements de profil et bords du jour", "Profile changes and ends of the day")) }
        table {
            thead {
                tr {
                    th.word scope="col" { (say("De quoi", "What")) }
                    th scope="col" { (say("Nombre", "Count")) }
                    th scope="col" { (say("Temps, min", "Time, min")) }
                }
            }
            tbody {
                @for (name, number, ms) in rows {
                    tr {
                        th.word scope="row" { (name) }
                        td { (number.map(|number| number.to_string()).unwrap_or_default()) }
                        td { (minutes(ms)) }
                    }
                }
            }
        }
    }
}
