//! A day's time line as one row among others: all on one axis, of which the head of the rows has the hours.

use std::fmt::Write;

use maud::{Markup, html};

use super::{State, TimeLine, describe, place, runs, strokes};
use crate::render::{Axis, shifts};

/// The hours of `axis`, above or below its strips.
pub(crate) fn strip_hours(axis: Axis, every: i64) -> Markup {
    html! {
        svg.hours aria-hidden="true" {
            @for (at, hour) in axis.labels(every) {
                text.hour x={ (place(axis.place_e2(at))) } y="11" { (hour) }
            }
        }
    }
}

impl TimeLine<'_> {
    /// As high as the style says. Neither the axis nor changes of profile are in it.
    pub(crate) fn strip(&self) -> Markup {
        let (id, coarse) = (self.id, self.coarse());
        let columns = self.axis.columns() / coarse;
        let runs = runs(&self.states(), coarse);
        html! {
            svg.timeline role="img" aria-labelledby={ (id) "-t" } aria-describedby={ (id) "-d" }
                viewBox={ "0 0 " (columns) " 64" } preserveAspectRatio="none" {
                title id={ (id) "-t" } { (self.title()) }
                desc id={ (id) "-d" } { (describe(self.session, self.language)) }
                @if !self.planned.is_empty() { path.planned d=(shifts::areas(self.planned, self.axis, coarse)) {} }
                path.grid d=(self.hour_lines()) {}
                path.base d={ "M0 46h" (columns) } {}
                path.producing d=(strokes(&runs, State::Producing, 30)) {}
                path.waiting d=(strokes(&runs, State::Waiting, 38)) {}
                path.stopped d=(strokes(&runs, State::Stopped, 54)) {}
                @if let Some(now) = self.now.filter(|now| self.axis.holds(*now)) {
                    path.now d={ "M" (self.axis.column(now) / coarse) " 0v64" } {}
                }
            }
        }
    }

    fn hour_lines(&self) -> String {
        let mut path = String::new();
        for (at, _) in self.axis.labels(self.detail.hours()) {
            write!(path, "M{} 0v64", self.axis.column(at) / self.coarse()).expect("a string grows");
        }
        path
    }
}
