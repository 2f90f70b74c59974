//! The pages themselves: all machines on a day, one machine on a day with its tables and its month.

use maud::{Markup, html};

use super::{
    day_view::{DayView, MachineView, Standing, begin_of},
    gateway,
    machine_panel::{MachinePanel, rate_per_hour_e2},
    notes::Note,
    shell::Reader,
};
use crate::{
    config::Config,
    model::{Stamp, rate_e2},
    render::{self, Axis, Detail, changes},
    text::{clock, count, one_decimal, span, two_decimals},
};

/// With more machines than this, each is drawn small: a page is to stay below 100 kB.
pub(crate) const MOST_LARGE: usize = 4;

fn axis(view: &DayView, config: &Config) -> Axis {
    let sessions = view.machines.iter().map(|machine| &machine.session);
    let now = view.is_today().then(|| Stamp::from_naive(view.now.wall));
    Axis::around(sessions, now, begin_of(view.day, config.analysis.day_start))
}

fn head(view: &DayView, title: &str, reader: Reader) -> Markup {
    html! {
        div.head {
            h1 { (title) }
            @if view.is_today() {
                p { (reader.say("à", "at")) " " time { (view.now.wall.format("%H:%M")) } }
            }
        }
    }
}

/// All machines on one day; `notes` are those of each machine, in the machines' order.
pub(crate) fn day(
    view: &DayView,
    notes: Vec<Vec<Note>>,
    config: &Config,
    reader: Reader,
) -> Markup {
    let axis = axis(view, config);
    let is_many = view.machines.len() > MOST_LARGE;
    html! {
        (head(view, &reader.date(view.day), reader))
        (gateway::troubles(view, reader))
        @if view.machines.is_empty() {
            p.empty { (reader.say("Aucune machine n'est configurée.", "No machine is configured.")) }
        } @else {
            (render::shapes())
            (render::legend(reader.language))
            div.many[is_many] {
                @for (number, (machine, notes)) in view.machines.iter().zip(notes).enumerate() {
                    (MachinePanel {
                        machine,
                        id: format!("m{number}"),
                        day: view.day,
                        now: &view.now,
                        is_today: view.is_today(),
                        axis,
                        detail: if is_many { Detail::Small } else { Detail::Card },
                        notes,
                        reader,
                        has_link: true,
                    }.draw())
                }
            }
        }
        ul.links {
            li { a href=(csv(view, None, reader)) { (reader.say("Sessions des 30 derniers jours (CSV)", "Sessions of the last 30 days (CSV)")) } }
        }
        (gateway::section(view, &config.agent.id, reader))
    }
}

/// One machine on one day.
pub(crate) fn machine(
    view: &DayView,
    machine: &MachineView,
    notes: Vec<Note>,
    config: &Config,
    reader: Reader,
) -> Markup {
    let say = |french, english| reader.say(french, english);
    html! {
        (head(view, &reader.date(view.day), reader))
        (gateway::troubles(view, reader))
        (render::shapes())
        (render::legend(reader.language))
        (MachinePanel {
            machine,
            id: "m".to_owned(),
            day: view.day,
            now: &view.now,
            is_today: view.is_today(),
            axis: axis(view, config),
            detail: Detail::Full,
            notes,
            reader,
            has_link: false,
        }.draw())
        @if let Some(standing) = &machine.standing { (self::standing(standing, reader)) }
        @if machine.standing.is_some() { (stops(machine, reader)) (profiles(machine, reader)) }
        (month(machine, reader))
        ul.links {
            li { a href=(csv(view, Some(&machine.nom), reader)) { (say("Ces sessions (CSV)", "These sessions (CSV)")) } }
            li { a href=(reader.to_day(view.day)) { (say("Toutes les machines ce jour", "All machines on this day")) } }
        }
    }
}

fn csv(view: &DayView, machine: Option<&str>, reader: Reader) -> String {
    let from = view.machines.first().and_then(|machine| machine.month.first());
    let from = from.map_or(view.day, |(day, _)| *day);
    let mut path = format!("/sessions.csv?from={from}&to={}", view.day);
    if let Some(nom) = machine {
        let nom = percent_encoding::utf8_percent_encode(nom, percent_encoding::NON_ALPHANUMERIC);
        path += &format!("&machine={nom}");
    }
    // What a French spreadsheet opens as a table without asking.
    path += reader.say("&for=tableur", "");
    path
}

fn standing(standing: &Standing, reader: Reader) -> Markup {
    html! {
        p {
            @match standing {
                Standing::InCentral => (reader.say("Ce jour est en base centrale.", "This day has been delivered to the central database.")),
                Standing::Waiting => (reader.say("Ce jour attend d'être transmis à la base centrale.", "This day is waiting to be delivered to the central database.")),
                Standing::SetAside(reason) => {
                    (reader.say("Refusé par la base centrale\u{202f}: ", "Refused by the central database: ")) (reason)
                }
                Standing::Local => (reader.say("Ce jour est sur la passerelle seulement.", "This day is stored on the gateway only.")),
            }
        }
    }
}

/// Most rows of a table about one day.
const MOST_ROWS: usize = 200;

fn stops(machine: &MachineView, reader: Reader) -> Markup {
    let say = |french, english| reader.say(french, english);
    let mut longest: Vec<_> = machine.session.stops.iter().collect();
    longest.sort_by_key(|stop| std::cmp::Reverse(stop.end.0 - stop.start.0));
    html! {
        details.card #stops {
            summary { (say("Arrêts, du plus long au plus court", "Stops, longest first")) " (" (longest.len()) ")" }
            div.scroll tabindex="0" role="region" aria-label=(say("Arrêts", "Stops")) {
                table {
                    thead { tr { th scope="col" { (say("De", "From")) } th scope="col" { (say("À", "To")) } th scope="col" { (say("Durée", "Duration")) } } }
                    tbody {
                        @for stop in longest.into_iter().take(MOST_ROWS) {
                            tr { td { (clock(stop.start)) } td { (clock(stop.end)) } td { (span(stop.end.0 - stop.start.0)) } }
                        }
                    }
                }
            }
        }
    }
}

fn profiles(machine: &MachineView, reader: Reader) -> Markup {
    let say = |french, english| reader.say(french, english);
    let changes = changes(&machine.session);
    html! {
        details.card #profiles {
            summary { (say("Changements de profil", "Profile changes")) " (" (changes.len()) ")" }
            div.scroll tabindex="0" role="region" aria-label=(say("Changements de profil", "Profile changes")) {
                table {
                    thead { tr { th scope="col" { (say("À", "At")) } th.word scope="col" { (say("Référence", "Reference")) } th.word scope="col" { (say("Couleur", "Colour")) } th scope="col" { (say("Longueur, mm", "Length, mm")) } } }
                    tbody {
                        @for job in changes.into_iter().take(MOST_ROWS) {
                            tr {
                                td { (clock(job.at)) } td.word { (job.reference) } td.word { (job.colour) }
                                td { (two_decimals(job.length_e2, reader.language)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn month(machine: &MachineView, reader: Reader) -> Markup {
    let say = |french, english| reader.say(french, english);
    let days: Vec<_> =
        machine.month.iter().rev().filter_map(|(day, f)| Some((*day, f.as_ref()?))).collect();
    html! {
        @if !days.is_empty() {
            section.card {
                div.scroll tabindex="0" role="region" aria-label=(say("30 derniers jours", "Last 30 days")) {
                    table {
                        caption { (say("30 derniers jours", "Last 30 days")) }
                        thead {
                            tr {
                                th scope="col" { (say("Jour", "Day")) }
                                th scope="col" { (say("Pièces", "Pieces")) }
                                th scope="col" { (say("De", "From")) }
                                th scope="col" { (say("À", "To")) }
                                th scope="col" { (say("Cadence, p/h", "Rate, p/h")) }
                                th scope="col" { (say("Occupation, %", "Occupation, %")) }
                                th scope="col" { (say("Attente, %", "Waiting, %")) }
                                th scope="col" { (say("Arrêt, %", "Stopped, %")) }
                            }
                        }
                        tbody {
                            @for (day, figures) in days {
                                @let number = |e2| one_decimal(e2, reader.language);
                                @let rate = |ms| number(rate_e2(ms, figures.window_ms));
                                @let at = |at: Option<Stamp>| at.map(clock).unwrap_or_default();
                                tr {
                                    th scope="row" { a href=(reader.to_machine(&machine.nom, Some(day))) { (reader.date(day)) } }
                                    td { (count(figures.total_pieces.into(), reader.language)) }
                                    td { (at(figures.first_piece)) }
                                    td { (at(figures.last_piece)) }
                                    td { (rate_per_hour_e2(figures).map(number).unwrap_or_default()) }
                                    td { (rate(figures.effective_ms)) }
                                    td { (rate(figures.wait_ms)) }
                                    td { (rate(figures.stop_ms)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
