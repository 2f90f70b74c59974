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
    model::{Figures, NoTrs, Rates, Stamp, TimesSum, rate_e2},
    render::{self, Axis, Detail, changes},
    text::{clock, count, one_decimal, phrase, span, two_decimals},
};

/// With more machines than this, each is drawn small: a page is to stay below 100 kB.
pub(crate) const MOST_LARGE: usize = 4;
/// And with more than this, each is drawn tiny.
const MOST_SMALL: usize = 12;

fn axis(view: &DayView, config: &Config) -> Axis {
    let begin = begin_of(view.day, config.analysis.day_start);
    let sessions = view.machines.iter().map(|machine| &machine.session);
    let now = view.is_today().then(|| Stamp::from_naive(view.now.wall));
    let shifts = view.machines.iter().flat_map(MachineView::shifts);
    // What a shift has in this day; its last moment is before its end, which may begin another hour.
    let last = begin.plus_ms(24 * 3_600_000 - 1);
    let shifts = shifts.flat_map(|(from, to)| [from.max(begin), to.plus_ms(-1).min(last)]);
    Axis::around(sessions, now.into_iter().chain(shifts), begin)
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
            @if is_many { (for_many(view, reader)) }
            div.many[is_many] {
                @for (number, (machine, notes)) in view.machines.iter().zip(notes).enumerate() {
                    (MachinePanel {
                        machine,
                        id: format!("m{number}"),
                        day: view.day,
                        now: &view.now,
                        is_today: view.is_today(),
                        axis,
                        detail: match view.machines.len() {
                            machines if machines > MOST_SMALL => Detail::Tiny,
                            machines if machines > MOST_LARGE => Detail::Small,
                            _ => Detail::Card,
                        },
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

/// What small panels leave out: the meaning of their bars, and how to get a TRS.
fn for_many(view: &DayView, reader: Reader) -> Markup {
    let language = reader.language;
    let lacks = |why: &NoTrs| view.machines.iter().any(|one| one.shown_no_trs() == Some(*why));
    let lacking = [NoTrs::NoCalendar, NoTrs::NoNominalRate].into_iter().filter(lacks);
    html! {
        @if view.machines.iter().any(|machine| machine.required.is_some()) {
            (render::required_legend(language))
        }
        @for why in lacking {
            @if let Some(hint) = why.hint(language) {
                p.empty { "TRS, " (why.text(language)) (phrase!(language, "\u{202f}: ", ": ")) (hint) "." }
            }
        }
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
        (shifts(machine, reader))
        @if machine.has_log { (stops(machine, reader)) (profiles(machine, reader)) }
        (month(machine, reader))
        ul.links {
            li { a href=(csv(view, Some(&machine.nom), reader)) { (say("Ces sessions (CSV)", "These sessions (CSV)")) } }
            li { a href=(reader.to_day(view.day)) { (say("Toutes les machines ce jour", "All machines on this day")) } }
        }
    }
}

fn csv(view: &DayView, machine: Option<&str>, reader: Reader) -> String {
    let from = view.machines.first().and_then(|machine| machine.month.first());
    let from = from.map_or(view.day, |one| one.day);
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

/// The rates of each shift, and of the day.
fn shifts(machine: &MachineView, reader: Reader) -> Markup {
    let say = |french, english| reader.say(french, english);
    let Some(required) = &machine.required else { return Markup::default() };
    let times = &required.times;
    let rows = times.parts.iter().map(|part| {
        let planned = format!("{}–{}", clock(part.planned_from), clock(part.planned_to));
        (part.shift.as_str(), planned, TimesSum::of(part, times.nominal_per_hour))
    });
    let day = (say("Jour", "Day"), String::new(), times.sum());
    let day = (times.parts.len() > 1).then_some(day);
    html! {
        section.card {
            div.scroll tabindex="0" role="region" aria-label=(say("Postes", "Shifts")) {
                table #shifts {
                    caption { (say("Temps requis et TRS par poste", "Required time and TRS by shift")) }
                    thead {
                        tr {
                            th scope="col" { (say("Poste", "Shift")) }
                            th scope="col" { (say("Prévu", "Planned")) }
                            th scope="col" { (say("Ouverture", "Opening")) }
                            th scope="col" { (say("Requis", "Required")) }
                            th scope="col" { (say("Pièces", "Pieces")) }
                            th scope="col" { (say("Rebuts", "Rejects")) }
                            (rate_heads(reader))
                            th scope="col" { "TRE, %" }
                        }
                    }
                    tbody {
                        @for (name, planned, sum) in rows.chain(day) {
                            @let rates = sum.rates(required.total_ms);
                            tr {
                                th.long scope="row" { (name) }
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
                }
            }
            @if times.pieces_outside > 0 {
                p.empty {
                    (say("Pièces hors temps requis, comptées dans aucun taux\u{202f}: ", "Pieces outside required time, counted in no rate: "))
                    (count(times.pieces_outside.into(), reader.language))
                }
            }
        }
    }
}

/// The heads of the columns that [`rate_cells`] fills.
fn rate_heads(reader: Reader) -> Markup {
    html! {
        @for name in ["TRS, %", "Do, %", "Tp, %", "Tq, %", "TRG, %"] {
            th scope="col" title=[rate_name(name, reader)] { (name) }
        }
    }
}

fn rate_name(head: &str, reader: Reader) -> Option<&'static str> {
    match head {
        "Do, %" => Some(reader.say(
            "disponibilité\u{202f}: fonctionnement / temps requis",
            "availability: running / required time",
        )),
        "Tp, %" => Some(reader.say(
            "performance\u{202f}: temps net / fonctionnement",
            "performance: net / running time",
        )),
        "Tq, %" => Some(
            reader.say("qualité\u{202f}: pièces bonnes / pièces", "quality: good pieces / pieces"),
        ),
        "TRS, %" => Some(reader.say("temps utile / temps requis", "useful / required time")),
        "TRG, %" => Some(reader.say("temps utile / temps d'ouverture", "useful / opening time")),
        _ => None,
    }
}

fn rate_cell(rate_e2: Option<i64>, reader: Reader) -> String {
    rate_e2.map_or_else(|| "–".to_owned(), |rate| two_decimals(rate, reader.language))
}

fn rate_cells(rates: &Rates, reader: Reader) -> Markup {
    let Rates { trs_e2, availability_e2, performance_e2, quality_e2, trg_e2, .. } = *rates;
    html! {
        @for rate_e2 in [trs_e2, availability_e2, performance_e2, quality_e2, trg_e2] {
            td { (rate_cell(rate_e2, reader)) }
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
    let days: Vec<_> = machine.month.iter().rev().filter(|one| one.is_known()).collect();
    let has_rates = days.iter().any(|one| one.rates.is_some());
    let nothing = Figures::default();
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
                                @if has_rates { (rate_heads(reader)) }
                            }
                        }
                        tbody {
                            @for one in days {
                                @let figures = one.figures.as_ref().unwrap_or(&nothing);
                                @let day = one.day;
                                @let number = |e2| one_decimal(e2, reader.language);
                                @let none = || if one.figures.is_some() { "" } else { "–" }.to_owned();
                                @let rate = |ms| if one.figures.is_some() { number(rate_e2(ms, figures.window_ms)) } else { none() };
                                @let at = |at: Option<Stamp>| at.map_or_else(none, clock);
                                tr {
                                    th scope="row" { a href=(reader.to_machine(&machine.nom, Some(day))) { (reader.date(day)) } }
                                    td { (count(figures.total_pieces.into(), reader.language)) }
                                    td { (at(figures.first_piece)) }
                                    td { (at(figures.last_piece)) }
                                    td { (rate_per_hour_e2(figures).map_or_else(none, number)) }
                                    td { (rate(figures.effective_ms)) }
                                    td { (rate(figures.wait_ms)) }
                                    td { (rate(figures.stop_ms)) }
                                    @if has_rates {
                                        @match &one.rates {
                                            Some(rates) => (rate_cells(rates, reader)),
                                            None => @for _ in 0..5 { td { "–" } },
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
