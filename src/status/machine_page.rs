//! The page of one machine on one day: what it does and how the day goes, its time line, where time was lost, and
//! its month; or a part of the day with everything that happened in it.

use maud::{Markup, html};

use super::{
    day_view::{DayView, MachineView, Standing},
    gateway, machine_events, machine_figures, machine_line, machine_month,
    machine_panel::notes,
    machine_tables,
    notes::Note,
    pages::csv,
    shell::Reader,
    zoom::Zoom,
};
use crate::{
    analyse,
    config::Config,
    model::{Day, Stamp},
    render::{self, Axis},
};

pub(crate) struct MachinePage<'p> {
    pub view: &'p DayView,
    pub machine: &'p MachineView,
    pub notes: Vec<Note>,
    pub config: &'p Config,
    pub zoom: Zoom,
    /// The day as a form asks for it, `?day=2026-11-26`: what leads to a part of it has to hold it too.
    pub day_in_query: Option<Day>,
    pub reader: Reader,
}

impl MachinePage<'_> {
    pub(crate) fn draw(&self) -> Markup {
        html! {
            @if self.zoom == Zoom::Day { (self.day()) } @else { (self.part_of_day()) }
            ul.links {
                li { a href=(csv(self.view, Some(&self.machine.nom), self.reader)) { (self.say("Ces sessions (CSV)", "These sessions (CSV)")) } }
                li { a href=(self.reader.to_day(self.view.day)) { (self.say("Toutes les machines ce jour", "All machines on this day")) } }
            }
        }
    }

    fn day(&self) -> Markup {
        let Self { machine, reader, .. } = self;
        let patterns = analyse::patterns(&machine.session);
        html! {
            (machine_figures::card(self))
            (gateway::troubles(self.view, *reader))
            (render::shapes())
            @if self.has_line() { (machine_line::card(self)) }
            @if !self.notes.is_empty() { section.card { (notes(&self.notes, *reader)) } }
            @if self.has_line() { (machine_tables::losses(self)) }
            (machine_tables::shifts(machine, *reader))
            @if machine.has_log {
                (machine_tables::hours(self, &patterns))
                div.beside {
                    (machine_tables::stops(self))
                    (machine_tables::waits(self))
                }
                (machine_tables::profiles(&patterns, *reader))
                (machine_tables::changes_of_profile(self))
            }
            (machine_month::section(self))
            @if let Some(standing) = &machine.standing { (self.standing(standing)) }
        }
    }

    fn part_of_day(&self) -> Markup {
        html! {
            (machine_figures::head(self))
            (gateway::troubles(self.view, self.reader))
            (render::shapes())
            (machine_line::card(self))
            (machine_events::card(self))
        }
    }

    fn standing(&self, standing: &Standing) -> Markup {
        html! {
            p.empty {
                @match standing {
                    Standing::InCentral => (self.say("Ce jour est en base centrale.", "This day has been delivered to the central database.")),
                    Standing::Waiting => (self.say("Ce jour attend d'être transmis à la base centrale.", "This day is waiting to be delivered to the central database.")),
                    Standing::SetAside(reason) => {
                        (self.say("Refusé par la base centrale\u{202f}: ", "Refused by the central database: ")) (reason)
                    }
                    Standing::Local => (self.say("Ce jour est sur la passerelle seulement.", "This day is stored on the gateway only.")),
                }
            }
        }
    }

    pub(super) fn say(&self, french: &'static str, english: &'static str) -> &'static str {
        self.reader.say(french, english)
    }

    /// There is something to draw.
    fn has_line(&self) -> bool {
        let machine = self.machine;
        machine.has_log || machine.required.is_some() || !machine.planned.is_empty()
    }

    pub(super) fn now(&self) -> Option<Stamp> {
        self.view.is_today().then(|| Stamp::from_naive(self.view.now.wall))
    }

    pub(super) fn whole_day(&self) -> Axis {
        super::pages::axis(self.view, self.config)
    }

    pub(super) fn axis(&self) -> Axis {
        self.zoom.axis().unwrap_or_else(|| self.whole_day())
    }

    /// An address of this machine's day with a query, as short as it can be: a page has a hundred of them.
    pub(super) fn to_part(&self, query: &str) -> String {
        let day = self.day_in_query.map_or_else(String::new, |day| format!("day={day}&"));
        self.reader.to(&format!("?{day}{query}"))
    }

    pub(super) fn to_moment(&self, at: Stamp) -> String {
        let key = super::zoom::moment_key(at, self.view.day, self.config.analysis.day_start);
        self.to_part(&format!("at={key}"))
    }

    pub(super) fn to_hour(&self, at: Stamp) -> String {
        let key = super::zoom::hour_key(at, self.view.day, self.config.analysis.day_start);
        self.to_part(&format!("hour={key}"))
    }
}
