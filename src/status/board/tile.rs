//! One machine on the board: what it does and since when, its pieces against what is usual and what is
//! wanted, the TRS of the shift that is under way, the pieces that the day will end with.

use maud::{Markup, html};

use super::{Shown, cut};
use crate::{
    model::{NoTrs, ShiftTimes, Stamp, TimesSum},
    status::{
        day_view::{DayView, RequiredTime},
        shell::Reader,
    },
    text::{clock, count, percent_sign, phrase, short_date, span, two_decimals},
};

/// A wider name is set smaller.
const LARGE_NAME: usize = 1_400;
/// Figures of five digits are set smaller.
const HUGE: u32 = 10_000;
/// Up to so long a state lasts minutes, behind it hours.
const MINUTES_MS: i64 = 90 * MINUTE_MS;
const MINUTE_MS: i64 = 60_000;
/// Figures that end longer ago than this say when.
const OLD_MS: i64 = 15 * MINUTE_MS;

pub(super) struct Tile<'t> {
    pub shown: &'t Shown<'t>,
    /// Unique on the page.
    pub id: String,
    pub view: &'t DayView,
    pub reader: Reader,
}

impl Tile<'_> {
    pub(super) fn draw(&self) -> Markup {
        let Self { shown, id, reader, .. } = self;
        let Shown { machine, state, unread } = shown;
        let nom = cut::short(&machine.nom, cut::NAME);
        let is_cut = nom != machine.nom;
        let is_long = cut::width(&nom) > LARGE_NAME;
        html! {
            section class={ "tile " (state.activity.class()) } aria-labelledby={ (id) "-h" }
                data-nom=(machine.nom) data-state=(state.activity.key()) {
                // A head of three lines leaves less for the figures.
                div.in.full[is_long || unread.is_some()] {
                    div.head {
                        h2 id={ (id) "-h" } .long[is_long] {
                            a href=(reader.to_machine(&machine.nom, None)) title=[is_cut.then_some(&machine.nom)]
                                aria-label=[is_cut.then_some(&machine.nom)] { (nom) }
                        }
                        p.state {
                            span.word { (state.activity.mark(reader.language)) }
                            " " (self.since())
                        }
                        @if let Some(why) = unread { p.unread { (why) } }
                    }
                    (self.figures())
                }
            }
        }
    }

    fn now(&self) -> Stamp {
        Stamp::from_naive(self.view.now.wall)
    }

    /// Minutes, hours behind ninety of them, and the date where that is another day; by a clock that
    /// cannot be right no length of time is known.
    fn since(&self) -> Markup {
        let language = self.reader.language;
        let Some(since) = self.shown.state.since else {
            return html! { span.since { (self.reader.say("jamais lue", "never read")) } };
        };
        let (day, today) = (since.to_naive().date(), self.view.now.wall.date());
        let lasted = self.now().0 - since.0;
        let at = clock(since);
        let date = short_date(day, language);
        let is_known = self.view.now.fault.is_none();
        let (text, is_date) = match lasted {
            _ if !is_known => {
                (phrase!(language, "depuis le {date}, {at}", "since {date} {at}"), true)
            }
            ..MINUTE_MS => {
                (phrase!(language, "depuis moins d'1\u{a0}min", "for less than 1\u{a0}min"), false)
            }
            MINUTE_MS..=MINUTES_MS => {
                let minutes = lasted / MINUTE_MS;
                (phrase!(language, "depuis {minutes}\u{a0}min", "for {minutes}\u{a0}min"), false)
            }
            _ if day == today => {
                let hours = span(lasted);
                (phrase!(language, "depuis {hours}", "for {hours}"), false)
            }
            _ => (phrase!(language, "depuis le {date}, {at}", "since {date} {at}"), true),
        };
        html! { span.since.date[is_date] { (text) } }
    }

    fn figures(&self) -> Markup {
        let Self { shown, reader, .. } = self;
        let machine = shown.machine;
        let say = |french, english| reader.say(french, english);
        let language = reader.language;
        let pieces = machine.has_log.then_some(machine.session.figures.total_pieces);
        let number = |pieces: u32| count(pieces.into(), language);
        let dash = || "–".to_owned();
        let projected =
            machine.usual.zip(pieces).map(|(usual, pieces)| usual.pieces.projected(pieces));
        let objective = machine.objective;
        let is_below = projected.zip(objective).is_some_and(|(pieces, wanted)| pieces < wanted);
        let is_huge = projected.max(objective).is_some_and(|pieces| pieces >= HUGE);
        html! {
            div.body.huge[is_huge] {
                dl.pieces {
                    div.main {
                        dt { (say("Pièces", "Pieces")) }
                        dd data-figure="pieces" { (pieces.map_or_else(dash, number)) }
                        @if let (Some(pieces), Some(usual)) = (pieces, machine.usual) && usual.pieces.so_far > 0 {
                            (self.against(pieces, usual.pieces.so_far))
                        }
                    }
                    @if let Some(usual) = machine.usual {
                        div.usual {
                            dt { (say("Habituel à", "Usual by")) " " (clock(usual.until)) }
                            dd data-figure="usual" { (number(usual.pieces.so_far)) }
                        }
                    } @else {
                        div.usual.none {
                            dt { (say("Habituel", "Usual")) }
                            dd data-figure="usual" { "–" }
                            dd.why { (say("pas assez de jours comparables", "too few days to compare")) }
                        }
                    }
                }
                (self.progress(pieces))
                dl.more {
                    (self.trs())
                    div.end {
                        dt { (say("Fin de journée", "End of day")) }
                        dd.below[is_below] data-figure="projected" {
                            @match projected {
                                Some(projected) => { small { "≈\u{a0}" } (number(projected)) }
                                None => "–",
                            }
                        }
                    }
                    @if let Some(objective) = objective {
                        div.objective {
                            dt { (say("Objectif", "Objective")) }
                            dd data-figure="objective" { (number(objective)) }
                        }
                    }
                }
            }
        }
    }

    /// By how much there are more or fewer than is usual; a shape says it too.
    fn against(&self, pieces: u32, usual: u32) -> Markup {
        let language = self.reader.language;
        let (pieces, usual) = (i64::from(pieces), i64::from(usual));
        let percent = ((pieces - usual).abs() * 200 + usual) / (2 * usual);
        let (class, shape, sign) = match percent {
            0 => ("same", "M2 6h12v4H2z", "±"),
            _ if pieces > usual => ("above", "M8 2l7 12H1z", "+"),
            _ => ("below", "M8 14L1 2h14z", "\u{2212}"),
        };
        html! {
            dd class={ "against " (class) } data-figure="against" {
                svg viewBox="0 0 16 16" aria-hidden="true" { path d=(shape) {} }
                (sign) (count(percent.unsigned_abs(), language)) (percent_sign(language))
            }
        }
    }

    /// How far the day is towards its objective, or towards what a whole day usually has; a mark is
    /// where it usually is by now. The figures say the same.
    fn progress(&self, pieces: Option<u32>) -> Markup {
        let machine = self.shown.machine;
        let usual = machine.usual.map(|usual| usual.pieces);
        let whole = machine.objective.or(usual.map(|usual| usual.whole)).unwrap_or(0);
        let share = |pieces: u32| (u64::from(pieces) * 1000 / u64::from(whole.max(1))).min(1000);
        html! {
            @if whole > 0 {
                svg.progress viewBox="0 0 1000 40" preserveAspectRatio="none" aria-hidden="true" {
                    rect.way width="1000" height="40" {}
                    rect.done width=(share(pieces.unwrap_or(0))) height="40" {}
                    @if let Some(usual) = usual {
                        path.mark d={ "M" (share(usual.so_far).clamp(3, 997)) " 0v40" } {}
                    }
                }
            }
        }
    }

    /// Of the shift that is under way, as far as its required time is known.
    fn trs(&self) -> Markup {
        let language = self.reader.language;
        let required = self.shown.machine.required.as_ref();
        let part =
            required.and_then(|required| self.running(required).map(|part| (required, part)));
        let rate = part.and_then(|(required, part)| {
            TimesSum::of(part, required.times.nominal_per_hour).rates(required.total_ms).trs_e2
        });
        let name = part.map(|(_, part)| cut::short(&part.shift, cut::SHIFT));
        let is_cut = part.zip(name.as_ref()).is_some_and(|((_, part), name)| part.shift != *name);
        let until = part.map(|(required, _)| required.times.known_until);
        let old = until.filter(|until| self.now().0 - until.0 > OLD_MS);
        html! {
            div.trs.none[rate.is_none()] {
                dt title=[part.filter(|_| is_cut).map(|(_, part)| &part.shift)] {
                    "TRS"
                    @if let Some(name) = &name { " " (name) }
                    @if let Some(until) = old { " " (self.reader.say("à", "at")) " " (clock(until)) }
                }
                @match rate {
                    Some(rate) => {
                        @let text = two_decimals(rate, language);
                        @let (whole, rest) = text.split_at(text.len() - 3);
                        dd data-figure="trs" { (whole) small { (rest) (percent_sign(language)) } }
                    }
                    None => {
                        dd data-figure="trs" { "–" }
                        dd.why { (self.no_trs(part.is_some())) }
                    }
                }
            }
        }
    }

    /// A clock that cannot be right does not know the shift: then it is the last one that goes on.
    fn running<'r>(&self, required: &'r RequiredTime) -> Option<&'r ShiftTimes> {
        let now = self.now();
        let mut parts = required.times.parts.iter().rev();
        match self.view.now.fault {
            None => parts.find(|part| part.planned_from <= now && now < part.planned_to),
            Some(_) => parts.find(|part| part.is_running),
        }
    }

    fn no_trs(&self, has_part: bool) -> &'static str {
        match self.shown.machine.no_trs {
            Some(why @ NoTrs::NoCalendar) => why.text(self.reader.language),
            Some(NoTrs::NoNominalRate) => {
                self.reader.say("cadence nominale non réglée", "no nominal rate set")
            }
            _ if has_part => NoTrs::NoRequiredTime.text(self.reader.language),
            _ => self.reader.say("aucun poste connu en cours", "no shift known to be running"),
        }
    }
}
