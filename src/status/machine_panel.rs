//! A machine's panel: what it does now, its figures, its time line, its month, what is to be noted.

use maud::{Markup, html};

use super::{
    day_view::{MachineView, MonthDay, RequiredTime, WallClock},
    notes::{Note, NoteKind},
    shell::Reader,
    state::{Activity, State},
};
use crate::{
    model::{Day, Figures, Rates, Severity, Stamp, TimesSum, rate_e2},
    render::{Axis, Chart, Detail, RequiredBar, TimeLine},
    text::{
        clock, count, one_decimal, percent, percent_sign, phrase, short_date, span, two_decimals,
    },
};

/// Pieces per hour of effective production, in hundredths.
pub(super) fn rate_per_hour_e2(figures: &Figures) -> Option<i64> {
    let ms = figures.effective_ms;
    (ms > 0).then(|| (i64::from(figures.total_pieces) * 360_000_000 + ms / 2) / ms)
}

fn occupation_e2(figures: &Figures) -> i64 {
    rate_e2(figures.effective_ms, figures.window_ms)
}

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
    pub reader: Reader,
    /// `false` on the machine's own page.
    pub has_link: bool,
}

impl MachinePanel<'_> {
    pub(super) fn draw(&self) -> Markup {
        let Self { machine, id, reader, .. } = self;
        let say = |french, english| reader.say(french, english);
        let has_session = machine.has_log;
        html! {
            section.card aria-labelledby={ (id) "-h" } data-nom=(machine.nom)
                data-state=[machine.state.map(|state| activity(state.activity))] {
                div.top {
                    h2 id={ (id) "-h" } { (machine.nom) }
                    @if let Some(state) = machine.state { (self.state(state)) }
                    @if self.has_link {
                        a.more href=(reader.to_machine(&machine.nom, (!self.is_today).then_some(self.day))) {
                            (say("Détails", "Details")) span.hidden { " " (machine.nom) }
                        }
                    }
                }
                @if !has_session {
                    p.empty { (say("Rien dans le journal de la machine pour ce jour.", "Nothing in the machine's log for this day.")) }
                }
                @if has_session || machine.required.is_some() { (self.figures()) }
                (self.required_time())
                @if has_session || machine.required.is_some() { (self.time_line()) }
                @if !self.notes.is_empty() { (notes(&self.notes, *reader)) }
                @if self.has_months() { (self.months()) }
            }
        }
    }

    fn state(&self, state: State) -> Markup {
        let reader = self.reader;
        let (word, shape) = match state.activity {
            Activity::Producing => (reader.say("En production", "Producing"), "M3 1l12 7-12 7z"),
            Activity::Waiting => {
                (reader.say("En attente", "Waiting"), "M2 1h4v14H2zM10 1h4v14h-4z")
            }
            Activity::Stopped => (reader.say("À l'arrêt", "Stopped"), "M1 1h14v14H1z"),
            Activity::Unknown => (reader.say("Inconnu", "Unknown"), "M2 7h12v2H2z"),
            Activity::Silent => (reader.say("Silencieuse", "Silent"), "M8 2a6 6 0 1 0 .01 0z"),
        };
        let class = match state.activity {
            Activity::Producing => "is-producing",
            Activity::Waiting => "is-waiting",
            Activity::Stopped => "is-stopped",
            Activity::Silent => "is-silent",
            Activity::Unknown => "is-unknown",
        };
        html! {
            p class={ "state " (class) } {
                svg viewBox="0 0 16 16" aria-hidden="true" { path d=(shape) {} }
                (word)
                @if let Some(since) = state.since {
                    span.since { " " (reader.say("depuis", "since")) " " (self.since(since)) }
                }
            }
        }
    }

    /// The time, with the day where it is another one.
    fn since(&self, at: Stamp) -> String {
        let naive = at.to_naive();
        if naive.date() == self.now.wall.date() {
            clock(at)
        } else {
            format!("{} {}", short_date(naive.date(), self.reader.language), clock(at))
        }
    }

    fn figures(&self) -> Markup {
        let Self { machine, reader, .. } = self;
        let say = |french, english| reader.say(french, english);
        let figures = &machine.session.figures;
        // What is left out stands in the drawing's sentence, and on the machine's own page.
        let is_small = self.detail.is_small();
        let of_window = |ms| one_decimal(rate_e2(ms, figures.window_ms), reader.language);
        html! {
            dl.figures {
                div { dt { (say("Pièces", "Pieces")) } dd data-figure="pieces" { (count(figures.total_pieces.into(), reader.language)) } }
                @if self.is_today {
                    div {
                        dt { (say("Dernière heure", "Last hour")) }
                        dd data-figure="last-hour" { (self.last_hour()) }
                    }
                }
                div {
                    dt { (say("Cadence", "Rate")) }
                    dd data-figure="rhythm" {
                        (rate_per_hour_e2(figures).map_or_else(|| "–".to_owned(), |e2| one_decimal(e2, reader.language)))
                        small { "\u{a0}p/h" }
                    }
                }
                // Of many machines the TRS is shown in its place.
                @if !is_small || machine.required.is_none() {
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

    /// TRS with its factors and TRG, and where each shift's required time went.
    fn required_time(&self) -> Markup {
        let Self { machine, reader, detail, .. } = self;
        let is_small = detail.is_small();
        let language = reader.language;
        html! {
            @if let Some(required) = &machine.required {
                (self.rates(required))
                @if is_small {
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

    /// The same on one line, for many machines.
    fn small_rates(&self, rates: Rates, until: Option<&str>) -> Markup {
        let others = [
            ("Do", "do", rates.availability_e2),
            ("Tp", "tp", rates.performance_e2),
            ("Tq", "tq", rates.quality_e2),
            ("TRG", "trg", rates.trg_e2),
        ];
        html! {
            p.rates {
                "TRS"
                @if let Some(until) = until { " " (self.reader.say("jusqu'à", "until")) " " (until) }
                " " b data-figure="trs" { (self.rate(rates.trs_e2)) }
                @for (name, key, rate_e2) in others {
                    " · " (name) " " span data-figure=(key) { (self.rate(rate_e2)) }
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

    fn last_hour(&self) -> usize {
        let now = Stamp::from_naive(self.now.wall);
        let from = now.plus_ms(-3_600_000);
        self.machine
            .session
            .pieces
            .iter()
            .filter(|piece| piece.at > from && piece.at <= now)
            .count()
    }

    fn time_line(&self) -> Markup {
        TimeLine {
            id: &self.id,
            machine: &self.machine.nom,
            session: &self.machine.session,
            axis: self.axis,
            planned: &self.machine.shifts(),
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

    fn months(&self) -> Markup {
        type Value = fn(&MonthDay) -> Option<i64>;
        let reader = self.reader;
        let has_trs = self.machine.has_trs_in_month();
        let of_work: (&str, Value) = if has_trs {
            (reader.say("TRS, %", "TRS, %"), |one| one.rates.and_then(|rates| rates.trs_e2))
        } else {
            (reader.say("Occupation, %", "Occupation, %"), |one| {
                one.figures.as_ref().map(|figures| (occupation_e2(figures) + 50) / 100 * 100)
            })
        };
        let charts: [(&str, Value); 3] = [
            (reader.say("Pièces", "Pieces"), |one| {
                let planned = one.rates.map(|_| 0);
                let pieces = |figures: &Figures| i64::from(figures.total_pieces) * 100;
                one.figures.as_ref().map(pieces).or(planned)
            }),
            of_work,
            (reader.say("Cadence, p/h", "Rate, p/h"), |one| {
                let rate = one.figures.as_ref().and_then(rate_per_hour_e2);
                rate.map(|e2| (e2 + 50) / 100 * 100)
            }),
        ];
        html! {
            div.months {
                @for (name, value) in charts {
                    @let days: Vec<(Day, Option<i64>)> =
                        self.machine.month.iter().map(|one| (one.day, value(one))).collect();
                    (Chart { name, days: &days, day: self.day, language: reader.language }.draw())
                }
            }
        }
    }
}

fn activity(activity: Activity) -> &'static str {
    match activity {
        Activity::Producing => "producing",
        Activity::Waiting => "waiting",
        Activity::Stopped => "stopped",
        Activity::Silent => "silent",
        Activity::Unknown => "unknown",
    }
}

fn notes(notes: &[Note], reader: Reader) -> Markup {
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
