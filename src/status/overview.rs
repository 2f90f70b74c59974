//! The first page: all machines on one day.

use maud::{Markup, html};

use super::{
    day_view::DayView,
    gateway,
    machine_panel::MachinePanel,
    notes::Note,
    pages::{axis, csv, head},
    shell::Reader,
    state::{Activity, State},
};
use crate::{
    config::Config,
    model::NoTrs,
    render::{self, Detail},
    text::phrase,
};

/// With more machines than this, each is drawn small: a page is to stay below 100 kB.
pub(crate) const MOST_LARGE: usize = 4;
/// And with more than this, each is drawn tiny.
const MOST_SMALL: usize = 12;

/// All machines on one day; `notes` are those of each machine, in the machines' order.
pub(crate) fn day(
    view: &DayView,
    notes: Vec<Vec<Note>>,
    config: &Config,
    reader: Reader,
) -> Markup {
    let axis = axis(view, config);
    let machines = view.machines.len();
    let is_many = machines > MOST_LARGE;
    let detail = match machines {
        _ if machines > MOST_SMALL => Detail::Tiny,
        _ if is_many => Detail::Small,
        _ => Detail::Card,
    };
    let panels = view.machines.iter().zip(notes).enumerate().map(|(number, (machine, notes))| {
        MachinePanel {
            machine,
            id: panel_id(number),
            day: view.day,
            now: &view.now,
            is_today: view.is_today(),
            axis,
            detail,
            notes,
            never_read: view.health.concerns.never_read(&machine.nom),
            reader,
        }
    });
    html! {
        (head(view, &reader.date(view.day), reader))
        @if view.is_today() && machines > 1 { (counters(view, reader)) }
        (gateway::troubles(view, reader))
        @if machines == 0 {
            p.empty { (reader.say("Aucune machine n'est configurée.", "No machine is configured.")) }
        } @else {
            (render::shapes())
            // First on a screen, last on a telephone: there the machines come first.
            div.panels {
                div.many[is_many] { @for panel in panels { (panel.draw()) } }
                div.key {
                    (render::legend(reader.language))
                    @if is_many { (for_many(view, reader)) }
                }
            }
        }
        ul.links {
            li { a href=(reader.to("/compare")) { (reader.say("Comparer machines et semaines", "Compare machines and weeks")) } }
            li { a href=(csv(view, None, reader)) { (reader.say("Sessions des 30 derniers jours (CSV)", "Sessions of the last 30 days (CSV)")) } }
        }
        (gateway::section(view, &config.agent.id, reader))
    }
}

fn panel_id(number: usize) -> String {
    format!("m{number}")
}

/// Machines that are named beside a counter, each a link to its panel.
const MOST_NAMED: usize = 6;

/// How many machines do what, trouble first. Of many machines those in trouble are named: their panels are
/// further down.
fn counters(view: &DayView, reader: Reader) -> Markup {
    let mut machines: Vec<(Activity, usize, &str)> = Vec::new();
    for (number, machine) in view.machines.iter().enumerate() {
        let Some(State { activity, .. }) = machine.state else { continue };
        machines.push((activity, number, &machine.nom));
    }
    machines.sort_by_key(|(activity, number, _)| (activity.urgency(), *number));
    html! {
        ul.counters aria-label=(reader.say("Machines par état", "Machines by state")) {
            @for machines in machines.chunk_by(|one, other| one.0 == other.0) {
                @let activity = machines[0].0;
                @let is_trouble = !matches!(activity, Activity::Waiting | Activity::Producing);
                li class=(activity.class()) {
                    (activity.shape())
                    (activity.doing().counted(machines.len() as u64, reader.language))
                    @if is_trouble && view.machines.len() > MOST_LARGE {
                        span.names {
                            @for (_, number, nom) in machines.iter().take(MOST_NAMED) {
                                " " a href={ "#" (panel_id(*number)) "-h" } { (nom) }
                            }
                            @if machines.len() > MOST_NAMED { " …" }
                        }
                    }
                }
            }
        }
    }
}

/// What small panels leave out: the meaning of their bars, and how to get a TRS.
fn for_many(view: &DayView, reader: Reader) -> Markup {
    let has_bars = view.machines.len() <= MOST_SMALL;
    let language = reader.language;
    let lacks = |why: &NoTrs| view.machines.iter().any(|one| one.shown_no_trs() == Some(*why));
    let lacking = [NoTrs::NoCalendar, NoTrs::NoNominalRate].into_iter().filter(lacks);
    html! {
        @if has_bars && view.machines.iter().any(|machine| machine.required.is_some()) {
            (render::required_legend(language))
        }
        @for why in lacking {
            @if let Some(hint) = why.hint(language) {
                p.empty { "TRS, " (why.text(language)) (phrase!(language, "\u{202f}: ", ": ")) (hint) "." }
            }
        }
    }
}
