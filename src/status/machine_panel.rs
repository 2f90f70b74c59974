//! A machine's panel: what it does now, its figures, its time line, its month, what is to be noted.

use maud::{Markup, html};

use super::{
    concerns::NeverRead,
    day_view::{MachineView, MonthDay, RequiredTime, Usual, WallClock},
    notes::{Note, NoteKind},
    pages::{charts, last_hour, since_of},
    shell::Reader,
    state::State,
};
use crate::{
    model::{Day, Rates, Severity, Stamp, TimesSum, rate_e2},
    render::{Axis, Detail, RequiredBar, TimeLine},
    text::{clock, count, one_decimal, percent, percent_sign, phrase, span, two_decimals},
};

/// A panel on a page about `day`.
pub(super) struct MachinePanel<'c> {
    pub machine: &'c MachineView,
    /// Unique on the page.
    pub id: String,
    pub day: Day,
    pub now: &'c WallClock,
    pub is_today: bool,
    pub axis: Axis,
    pub detail: Detail,
    pub notes: Vec<Note>,
    /// No file of the machine was ever read.
    pub never_read: Option<&'c NeverRead>,
    pub reader: Reader,
}

impl MachinePanel<'_> {
    pub(super) fn draw(&self) -> Markup {
        let Self { machine, id, reader, .. } = self;
        let say = |french, english| reader.say(french, english);
        let has_session = machine.has_log;
        html! {
            section.card aria-labelledby={ (id) "-h" } data-nom=(machine.nom)
                data-state=[machine.state.map(|state| state.activity.key())] {
                div.top {
                    h2 id={ (id) "-h" } { (machine.nom) }
                    @if let Some(state) = machine.state { (self.state(state)) }
                    a.more href=(reader.to_machine(&machine.nom, (!self.is_today).then_some(self.day))) {
                        (say("Détails", "Details")) span.hidden { " " (machine.nom) }
                    }
                }
                @if let Some(never) = self.never_read {
                    p.empty data-figure="never-read" { (say("Jamais lue\u{202f}: ", "Never read: ")) (never.text(reader.language)) "." }
                } @else if !has_session {
                    p.empty { (say("Rien dans le journal de la machine pour ce jour.", "Nothing in the machine's log for this day.")) }
                }
                @if has_session || machine.required.is_some() { (self.figures()) }
                (self.required_time())
                @if has_session || machine.required.is_some() { (self.time_line()) }
                @if !self.shown_notes().is_empty() { (notes(self.shown_notes(), *reader)) }
                @if self.has_months() { (charts(machine, self.day, self.is_today, *reader)) }
            }
        }
    }

    /// Of dozens of machines what is critical; the first note is the gravest.
    fn shown_notes(&self) -> &[Note] {
        let is_critical = |note: &Note| note.kind == NoteKind::Anomaly(Severity::High);
        if self.detail == Detail::Tiny && !self.notes.first().is_some_and(is_critical) {
            return &[];
        }
        &self.notes
    }

    fn state(&self, state: State) -> Markup {
        let reader = self.reader;
        html! {
            p class={ "state " (state.activity.class()) } {
                (state.activity.mark(reader.language))
                @if let Some(since) = state.since {
                    span.since { " " (reader.say("depuis", "since")) " " (since_of(since, self.now, reader)) }
                }
            }
        }
    }

    fn figures(&self) -> Markup {
        let Self { machine, reader, .. } = self;
        let say = |french, english| reader.say(french, english);
        let figures = &machine.session.figures;
        // What is left out stands in the drawing's sentence, and on the machine's own page.
        let is_small = self.detail.is_small();
        let is_tiny = self.detail == Detail::Tiny;
        let of_window = |ms| one_decimal(rate_e2(ms, figures.window_ms), reader.language);
        html! {
            dl.figures {
                (self.pieces())
                @if self.is_today {
                    div {
                        dt { (say("Dernière heure", "Last hour")) }
                        dd data-figure="last-hour" { (last_hour(&machine.session, Stamp::from_naive(self.now.wall))) }
                    }
                }
                @if !is_tiny {
                    div {
                        dt { (say("Cadence", "Rate")) }
                        dd data-figure="rhythm" {
                            (figures.rate_per_hour_e2().map_or_else(|| "–".to_owned(), |e2| one_decimal(e2, reader.language)))
                            small { "\u{a0}p/h" }
                        }
                    }
                }
                // Of many machines the TRS is shown in its place.
                @if !is_small || (machine.required.is_none() && !is_tiny) {
                    div {
                        dt { (say("Occupation", "Occupation")) }
                        dd data-figure="occupation" { (of_window(figures.effective_ms)) small { (percent_sign(reader.language)) } }
                    }
                }
                @if !is_small {
                    div {
                        dt { (say("Attente", "Waiting")) }
                        dd data-figure="waiting" {
                            (of_window(figures.wait_ms)) small { (percent_sign(reader.language)) " · " (span(figures.wait_ms)) }
                        }
                    }
                }
                div {
                    dt { (say("Arrêts", "Stops")) }
                    dd data-figure="stops" { (machine.session.stops.len()) small { " · " (span(figures.stop_ms)) } }
                }
                @if let (Some(first), Some(last), false) = (figures.first_piece, figures.last_piece, is_small) {
                    div {
                        dt { (say("De – à", "From – to")) }
                        dd data-figure="window" { (clock(first)) "–" (clock(last)) }
                    }
                }
            }
        }
    }

    /// The pieces of the day; of the running one also what is usual by this hour, what the day comes to if its
    /// rest is as usual, and what it is to give. A whole day is no measure of one that goes on.
    fn pieces(&self) -> Markup {
        let Self { machine, reader, .. } = self;
        let language = reader.language;
        let pieces = machine.session.figures.total_pieces;
        let say = |value: u32| count(value.into(), language);
        let objective = machine.objective.map(say).map(|objective| {
            phrase!(language, "objectif\u{202f}: {objective}", "objective: {objective}")
        });
        html! {
            div {
                dt { (reader.say("Pièces", "Pieces")) }
                dd data-figure="pieces" { (say(pieces)) }
                @if let Some(Usual { pieces: usual, until }) = &machine.usual {
                    dd.beside data-figure="usual" {
                        @let (usual, until) = (say(usual.so_far), clock(*until));
                        (phrase!(language, "{usual} d'habitude à {until}", "usually {usual} by {until}"))
                    }
                } @else if let Some(objective) = &objective {
                    dd.beside data-figure="objective" { (objective) }
                }
            }
            @if let Some(Usual { pieces: usual, .. }) = &machine.usual {
                div {
                    dt { (reader.say("Fin du jour, projetée", "End of day, projected")) }
                    dd data-figure="projected" { (say(usual.projected(pieces))) }
                    @if let Some(objective) = objective {
                        dd.beside data-figure="objective" { (objective) }
                    } @else if self.detail != Detail::Tiny {
                        dd.beside data-figure="usual-whole" {
                            (say(usual.whole)) (reader.say(" d'habitude", " usually"))
                        }
                    }
                }
            }
        }
    }

    /// TRS with its factors and TRG, and where each shift's required time went.
    fn required_time(&self) -> Markup {
        let Self { machine, reader, detail, .. } = self;
        let is_small = detail.is_small();
        let language = reader.language;
        html! {
            @if let Some(required) = &machine.required {
                (self.rates(required))
                @if *detail == Detail::Tiny {
                    // Of dozens of machines the rate alone: a page stays below 100 kB.
                } @else if is_small {
                    @let sum = required.times.sum();
                    (RequiredBar { name: &machine.nom, sum: &sum, has_list: false, language }.draw())
                } @else {
                    @for at in 0..required.times.parts.len() { (self.shift(required, at)) }
                }
            }
            @if let Some(why) = machine.shown_no_trs() {
                p.empty data-figure="no-trs" {
                    (phrase!(language, "TRS\u{202f}: ", "TRS: ")) (why.text(language))
                    @if let (Some(hint), false) = (why.hint(language), is_small) {
                        (phrase!(language, "\u{202f}; ", "; ")) (hint)
                    }
                }
            }
        }
    }

    fn rates(&self, required: &RequiredTime) -> Markup {
        let reader = self.reader;
        let rates = required.rates();
        let times = &required.times;
        let until = (!times.is_over).then(|| clock(times.known_until));
        let availability = reader.say("Disponibilité (Do)", "Availability (Do)");
        let all = [
            ("TRS", "trs", rates.trs_e2),
            (availability, "do", rates.availability_e2),
            ("Performance (Tp)", "tp", rates.performance_e2),
            (reader.say("Qualité (Tq)", "Quality (Tq)"), "tq", rates.quality_e2),
            ("TRG", "trg", rates.trg_e2),
        ];
        if self.detail.is_small() {
            return self.small_rates(rates, until.as_deref());
        }
        html! {
            dl.figures.rates {
                @for (name, key, rate_e2) in all {
                    div {
                        dt {
                            (name)
                            @if let (Some(until), "trs") = (&until, key) {
                                " " (reader.say("jusqu'à", "until")) " " (until)
                            }
                        }
                        dd data-figure=(key) { (self.rate(rate_e2)) }
                    }
                }
            }
        }
    }

    /// The same on one line, for many machines; for dozens without the factors.
    fn small_rates(&self, rates: Rates, until: Option<&str>) -> Markup {
        let others = [
            ("Do", "do", rates.availability_e2),
            ("Tp", "tp", rates.performance_e2),
            ("Tq", "tq", rates.quality_e2),
            ("TRG", "trg", rates.trg_e2),
        ];
        let others = if self.detail == Detail::Tiny { &[][..] } else { &others[..] };
        html! {
            p.rates {
                "TRS"
                @if let Some(until) = until { " " (self.reader.say("jusqu'à", "until")) " " (until) }
                " " b data-figure="trs" { (self.rate(rates.trs_e2)) }
                @for (name, key, rate_e2) in others {
                    " · " (name) " " span data-figure=(key) { (self.rate(*rate_e2)) }
                }
            }
        }
    }

    /// A rate as it is in every export, or a dash.
    fn rate(&self, rate_e2: Option<i64>) -> Markup {
        let language = self.reader.language;
        html! {
            @match rate_e2 {
                None => "–",
                Some(rate) if self.detail.is_small() => (percent(&two_decimals(rate, language), language)),
                Some(rate) => { (two_decimals(rate, language)) small { (percent_sign(language)) } }
            }
        }
    }

    fn shift(&self, required: &RequiredTime, at: usize) -> Markup {
        let language = self.reader.language;
        let times = &required.times;
        let part = &times.parts[at];
        let sum = TimesSum::of(part, times.nominal_per_hour);
        let trs = sum.rates(required.total_ms).trs_e2;
        html! {
            div.shift {
                p.name {
                    b { (part.shift) } " "
                    span.since { (clock(part.planned_from)) "–" (clock(part.planned_to)) }
                    @if part.is_running {
                        " " span.since { (self.reader.say("en cours", "in progress")) }
                    }
                    @if let (Some(trs), true) = (trs, times.parts.len() > 1) {
                        span.trs { "TRS " (percent(&two_decimals(trs, language), language)) }
                    }
                }
                (RequiredBar { name: &part.shift, sum: &sum, has_list: true, language }.draw())
            }
        }
    }

    fn time_line(&self) -> Markup {
        TimeLine {
            id: &self.id,
            machine: &self.machine.nom,
            session: &self.machine.session,
            axis: self.axis,
            planned: self.machine.shifts(),
            now: self.is_today.then(|| Stamp::from_naive(self.now.wall)),
            detail: self.detail,
            language: self.reader.language,
        }
        .draw()
    }

    /// Where many machines are shown, the month is on each one's own page.
    fn has_months(&self) -> bool {
        !self.detail.is_small() && self.machine.month.iter().any(MonthDay::is_known)
    }
}

pub(super) fn notes(notes: &[Note], reader: Reader) -> Markup {
    html! {
        ul.notes aria-label=(reader.say("À noter", "Notes")) {
            @for Note { kind, text } in notes {
                @let (class, word) = match kind {
                    NoteKind::Anomaly(Severity::High) => ("high", reader.say("Anomalie grave.", "Critical anomaly.")),
                    NoteKind::Anomaly(Severity::Medium) => ("medium", reader.say("Anomalie.", "Anomaly.")),
                    NoteKind::Anomaly(Severity::Low) => ("low", reader.say("Remarque.", "Note.")),
                    NoteKind::Advice => ("advice", reader.say("Conseil.", "Advice.")),
                };
                li class=(class) { b { (word) } (text) "." }
            }
        }
    }
}
