//! The time line of a machine's day. Place says what colour says again: producing stands above the
//! line and high, waiting above it and low, stops hang below it; pieces are ticks at the top, changes
//! of profile small arrows at the bottom. Waiting and stops are hatched besides.

use std::fmt::Write;

use maud::{Markup, html};

use super::{Axis, PlannedShift, shifts};
use crate::{
    model::{Job, Language, Session, Stamp, rate_e2},
    text::{Noun, clock, date, percent, phrase, span},
};

mod strip;

pub(crate) use strip::strip_hours;

/// How much is drawn, which is how many bytes it takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Detail {
    /// Everything, with the names of the shifts above; the page's script says what is pointed at.
    Page,
    /// Each stop and each change of profile can be pointed at; some 20 kB a day.
    Full,
    /// Everything, nothing to point at; some 8 kB.
    Card,
    /// By three minutes and without ticks, for many machines on one page; below 2 kB.
    Small,
    /// By ten minutes and without changes of profile, for dozens of machines; below 1 kB.
    Tiny,
}

impl Detail {
    pub(crate) fn is_small(self) -> bool {
        matches!(self, Self::Small | Self::Tiny)
    }

    /// Columns of 6 s that make one.
    fn columns(self) -> usize {
        match self {
            Self::Page | Self::Full | Self::Card => 1,
            Self::Small => 30,
            Self::Tiny => 100,
        }
    }

    /// A label every so many hours.
    fn hours(self) -> i64 {
        match self {
            Self::Page | Self::Full | Self::Card => 2,
            Self::Small => 3,
            Self::Tiny => 6,
        }
    }
}

/// A machine's day, ready to be drawn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TimeLine<'s> {
    /// Unique on its page.
    pub id: &'s str,
    pub machine: &'s str,
    pub session: &'s Session,
    pub axis: Axis,
    /// When the machine was planned to work, drawn behind what it did, with gaps for the breaks.
    pub planned: &'s [PlannedShift],
    /// Where the day ends for now, on the day that is under way.
    pub now: Option<Stamp>,
    pub detail: Detail,
    pub language: Language,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Nothing,
    Producing,
    Waiting,
    Stopped,
}

/// The stop that no start has ended yet: its last stop line is behind all its closed stops and pieces.
pub(crate) fn open_stop(session: &Session) -> Option<Stamp> {
    let last = session.figures.last_stop?;
    let is_closed = session.stops.iter().any(|stop| stop.start <= last && last <= stop.end);
    let is_passed = session.figures.last_piece.is_some_and(|piece| piece > last);
    (!is_closed && !is_passed).then_some(last)
}

/// Jobs whose profile is another than that of the job before.
pub(crate) fn changes(session: &Session) -> Vec<&Job> {
    let profile = |job: &Job| (job.reference.clone(), job.colour.clone());
    let pairs = session.jobs.iter().zip(session.jobs.iter().skip(1));
    pairs.filter(|(before, job)| profile(before) != profile(job)).map(|(_, job)| job).collect()
}

impl TimeLine<'_> {
    pub(crate) fn draw(&self) -> Markup {
        let (id, axis) = (self.id, self.axis);
        let coarse = self.coarse();
        let columns = axis.columns() / coarse;
        let runs = runs(&self.states(), coarse);
        let top = if self.has_names() { shifts::NAMES_HEIGHT } else { 0 };
        let class = if self.has_names() { "timeline named" } else { "timeline" };
        html! {
            svg class=(class) role="img" aria-labelledby={ (id) "-t" } aria-describedby={ (id) "-d" } {
                title id={ (id) "-t" } { (self.title()) }
                desc id={ (id) "-d" } { (describe(self.session, self.language)) }
                @if self.has_names() { (shifts::names(self.planned, axis)) }
                svg.band y=(top) width="100%" height="64" viewBox={ "0 0 " (columns) " 64" }
                    preserveAspectRatio="none" {
                    @if !self.planned.is_empty() {
                        path.planned d=(shifts::areas(self.planned, axis, coarse)) {}
                    }
                    @if !self.detail.is_small() { path.grid d=(self.grid()) {} }
                    path.base d={ "M0 46h" (columns) } {}
                    path.producing d=(strokes(&runs, State::Producing, 30)) {}
                    path.waiting d=(strokes(&runs, State::Waiting, 38)) {}
                    path.stopped d=(strokes(&runs, State::Stopped, 54)) {}
                    @if self.detail == Detail::Full { (self.stops_to_point_at()) }
                    @if !self.detail.is_small() { path.pieces d=(self.ticks()) {} }
                }
                (self.arrows(top + 65))
                @for (at, hour) in axis.labels(self.detail.hours()) {
                    text.hour x={ (place(axis.place_e2(at))) } y=(top + 88) { (hour) }
                }
                @if let Some(now) = self.now.filter(|now| axis.holds(*now)) {
                    @let x = place(axis.place_e2(now));
                    line.now x1=(x) x2=(x) y1=(top) y2=(top + 64) {}
                }
            }
        }
    }

    fn has_names(&self) -> bool {
        self.detail == Detail::Page && !self.planned.is_empty()
    }

    fn title(&self) -> String {
        let day = date(self.axis.from.to_naive().date(), self.language);
        let machine = self.machine;
        phrase!(self.language, "{machine}, chronologie du {day}", "{machine}, timeline of {day}")
    }

    /// What each column shows: a stop hides a wait, and a wait production.
    fn states(&self) -> Vec<State> {
        let Self { session, axis, .. } = self;
        let mut states = vec![State::Nothing; axis.columns()];
        let mut paint = |from: Stamp, to: Stamp, state| {
            let (from, mut to) = (axis.column(from), axis.column(to));
            // Short as it is, it is there.
            if from == to && to < axis.columns() && state != State::Producing {
                to += 1;
            }
            if from < to {
                states[from..to].fill(state);
            }
        };
        let figures = &session.figures;
        if let Some((first, last)) = figures.first_piece.zip(figures.last_piece) {
            paint(first, last, State::Producing);
        }
        for wait in
            session.waits.iter().filter(|wait| wait.end.0 - wait.start.0 >= axis.column_ms())
        {
            paint(wait.start, wait.end, State::Waiting);
        }
        for stop in &session.stops {
            paint(stop.start, stop.end, State::Stopped);
        }
        if let Some((from, now)) = open_stop(session).zip(self.now).filter(|(from, now)| from < now)
        {
            paint(from, now, State::Stopped);
        }
        states
    }

    fn grid(&self) -> String {
        let mut path = String::new();
        for (at, _) in self.axis.labels(2) {
            write!(path, "M{} 0v64", self.axis.column(at)).expect("a string grows");
        }
        path
    }

    fn ticks(&self) -> String {
        let mut path = String::from("M0 2");
        let (mut x, mut last) = (0, usize::MAX);
        for piece in self.session.pieces.iter().filter(|piece| self.axis.holds(piece.at)) {
            let column = self.axis.column(piece.at);
            if column == last {
                continue;
            }
            if last == usize::MAX {
                write!(path, "m{} 0v8", column - x).expect("a string grows");
            } else {
                write!(path, "m{} -8v8", column - x).expect("a string grows");
            }
            (x, last) = (column, column);
        }
        path
    }

    fn stops_to_point_at(&self) -> Markup {
        let axis = self.axis;
        html! {
            @for stop in &self.session.stops {
                @let (from, to) = (axis.column(stop.start), axis.column(stop.end));
                rect.pointed x=(from) y="46" width=((to - from).max(1)) height="16" {
                    title {
                        (super::words::STOP.in_(self.language)) " "
                        (clock(stop.start)) "–" (clock(stop.end)) ", "
                        (span(stop.end.0 - stop.start.0))
                    }
                }
            }
        }
    }

    /// Arrows keep their shape, however wide the page is: each stands at a percentage.
    fn arrows(&self, y: i32) -> Markup {
        let place_of = |job: &Job| place(self.axis.place_e2(job.at));
        let mut changes = changes(self.session);
        changes.retain(|job| self.axis.holds(job.at));
        // Two that would lie on one another are one.
        let apart = match self.detail {
            Detail::Full => 1,
            Detail::Page => 20,
            Detail::Card => 60,
            Detail::Small | Detail::Tiny => 120,
        };
        changes.dedup_by_key(|job| self.axis.place_e2(job.at) / apart);
        match self.detail {
            Detail::Full => html! {
                @for job in changes {
                    svg x=(place_of(job)) y=(y) overflow="visible" {
                        path.change d="M0 0l4 8h-8z" {
                            title { (clock(job.at)) " " (job.reference) "/" (job.colour) }
                        }
                    }
                }
            },
            Detail::Page | Detail::Card => html! {
                @for job in changes { use.change href="#arrow" x=(place_of(job)) y=(y) {} }
            },
            Detail::Tiny => Markup::default(),
            Detail::Small => html! {
                svg y=(y) width="100%" height="8"
                    viewBox={ "0 0 " (self.axis.columns() / self.coarse()) " 8" }
                    preserveAspectRatio="none" { path.changes d=(self.small_changes(&changes)) {} }
            },
        }
    }

    /// Columns of the smallest thing that is drawn.
    fn coarse(&self) -> usize {
        self.detail.columns()
    }

    fn small_changes(&self, changes: &[&Job]) -> String {
        let places = changes.iter().map(|job| self.axis.column(job.at) / self.coarse());
        let mut path = String::new();
        for place in places {
            write!(path, "M{place} 0v8").expect("a string grows");
        }
        path
    }
}

/// Runs of equal states as (state, from, to) in units of `coarse` columns; of each unit the state that
/// fills most of it counts.
fn runs(states: &[State], coarse: usize) -> Vec<(State, usize, usize)> {
    let mut runs: Vec<(State, usize, usize)> = Vec::new();
    for (at, chunk) in states.chunks(coarse).enumerate() {
        let all = [State::Stopped, State::Waiting, State::Producing, State::Nothing];
        let count = |state: &State| chunk.iter().filter(|other| *other == state).count();
        let state = all.into_iter().rev().max_by_key(count).unwrap_or(State::Nothing);
        let (from, to) = (at, at + 1);
        match runs.last_mut() {
            Some((last, _, end)) if *last == state => *end = to,
            _ => runs.push((state, from, to)),
        }
    }
    runs
}

/// The runs of one state as one thick stroke with gaps, which takes a third of the bytes of areas. The
/// style gives it its height, around `y`.
fn strokes(runs: &[(State, usize, usize)], state: State, y: i32) -> String {
    let mut path = String::new();
    let mut pen = None;
    for (_, from, to) in runs.iter().filter(|(other, ..)| *other == state) {
        match pen {
            None => write!(path, "M{from} {y}h{}", to - from),
            Some(pen) => write!(path, "m{} 0h{}", from - pen, to - from),
        }
        .expect("a string grows");
        pen = Some(*to);
    }
    path
}

pub(super) fn place(place_e2: i64) -> String {
    format!("{}.{:02}%", place_e2 / 100, place_e2 % 100)
}

const PIECES: Noun = Noun::new("pièce", "pièces", "piece", "pieces");
const STOPS: Noun = Noun::new("arrêt", "arrêts", "stop", "stops");
const CHANGES: Noun =
    Noun::new("changement de profil", "changements de profil", "profile change", "profile changes");

/// The day in one sentence, for readers who do not see the drawing.
pub(crate) fn describe(session: &Session, language: Language) -> String {
    let figures = &session.figures;
    let Some((first, last)) = figures.first_piece.zip(figures.last_piece) else {
        return super::words::NO_PIECE.in_(language).to_owned();
    };
    let (first, last) = (clock(first), clock(last));
    let rate = |ms| {
        let whole = rate_e2(ms, figures.window_ms).saturating_add(50) / 100;
        percent(&whole.to_string(), language)
    };
    let (producing, waiting) = (rate(figures.effective_ms), rate(figures.wait_ms));
    let stopped = rate(figures.stop_ms);
    let pieces = PIECES.counted(figures.total_pieces.into(), language);
    let stops = STOPS.counted(session.stops.len() as u64, language);
    let changes = CHANGES.counted(changes(session).len() as u64, language);
    let longest = session.stops.iter().max_by_key(|stop| stop.end.0 - stop.start.0);
    let longest = longest.map_or_else(String::new, |stop| {
        let (length, at) = (span(stop.end.0 - stop.start.0), clock(stop.start));
        phrase!(
            language,
            ", le plus long\u{202f}: {length} à {at}",
            ", the longest {length} at {at}",
        )
    });
    phrase!(
        language,
        "{pieces} de {first} à {last}\u{202f}: {producing} en production, {waiting} en attente, {stopped} à l'arrêt\u{202f}; {stops}{longest}\u{202f}; {changes}.",
        "{pieces} from {first} to {last}: {producing} producing, {waiting} waiting, {stopped} stopped; {stops}{longest}; {changes}.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Figures, Piece, Stop, Wait};

    fn at(hour: i64, minute: i64) -> Stamp {
        Stamp::from_seconds(1_748_390_400 + hour * 3600 + minute * 60)
    }

    fn piece(hour: i64, minute: i64) -> Piece {
        Piece { at: at(hour, minute), details: "".into() }
    }

    fn job(hour: i64, reference: &str) -> Job {
        Job { at: at(hour, 0), reference: reference.into(), length_e2: 0, colour: "WS".into() }
    }

    fn session() -> Session {
        Session {
            figures: Figures {
                first_piece: Some(at(6, 0)),
                last_piece: Some(at(10, 0)),
                last_stop: Some(at(8, 0)),
                total_pieces: 3,
                window_ms: 4 * 3_600_000,
                wait_ms: 3_600_000,
                stop_ms: 3_600_000,
                effective_ms: 2 * 3_600_000,
                ..Figures::default()
            },
            pieces: vec![piece(6, 0), piece(9, 30), piece(10, 0)],
            waits: vec![Wait { start: at(7, 30), end: at(8, 30) }],
            stops: vec![Stop { start: at(8, 0), end: at(9, 0) }],
            jobs: vec![job(6, "a"), job(7, "a"), job(9, "<b>")],
            ..Session::default()
        }
    }

    fn line(session: &Session, now: Option<Stamp>, detail: Detail) -> TimeLine<'_> {
        let axis = Axis::around([session], now, at(0, 0));
        TimeLine {
            id: "x",
            machine: "M",
            session,
            axis,
            planned: &[],
            now,
            detail,
            language: Language::French,
        }
    }

    #[test]
    fn a_stop_hides_a_wait_and_a_wait_hides_production() {
        let session = session();
        let states = line(&session, None, Detail::Full).states();
        assert_eq!(
            runs(&states, 1),
            [
                (State::Producing, 0, 900),
                (State::Waiting, 900, 1200),
                (State::Stopped, 1200, 1800),
                (State::Producing, 1800, 2400),
                (State::Nothing, 2400, 4800),
            ]
        );
    }

    #[test]
    fn a_stop_that_nobody_ended_lasts_until_now_and_no_longer() {
        let mut session = session();
        assert_eq!(open_stop(&session), None);
        session.figures.last_stop = Some(at(10, 30));
        assert_eq!(open_stop(&session), Some(at(10, 30)));
        let states = line(&session, Some(at(11, 0)), Detail::Full).states();
        assert_eq!(runs(&states, 1).last().unwrap().0, State::Nothing);
        assert!(runs(&states, 1).contains(&(State::Stopped, 2700, 3000)));
        // A piece after it: the start line was lost, and the machine works.
        session.figures.last_piece = Some(at(10, 31));
        assert_eq!(open_stop(&session), None);
    }

    #[test]
    fn only_another_profile_is_a_change_and_its_name_is_escaped() {
        let session = session();
        assert_eq!(changes(&session).len(), 1);
        let drawn = line(&session, None, Detail::Full).draw().into_string();
        assert!(drawn.contains("&lt;b&gt;/WS"), "{drawn}");
        assert!(!drawn.contains("<b>"));
    }

    #[test]
    fn the_sentence_says_what_the_drawing_shows() {
        assert_eq!(
            describe(&session(), Language::French),
            "3 pièces de 06:00 à 10:00\u{202f}: 50\u{a0}% en production, 25\u{a0}% en attente, 25\u{a0}% à l'arrêt\u{202f}; 1 arrêt, le plus long\u{202f}: 1\u{a0}h\u{a0}00 à 08:00\u{202f}; 1 changement de profil."
        );
        assert_eq!(describe(&Session::default(), Language::English), "No piece on this day.");
    }

    #[test]
    fn many_machines_still_fit_on_a_page() {
        let mut session = session();
        session.waits = (0..600)
            .map(|n| Wait {
                start: at(6, 0).plus_ms(n * 24_000),
                end: at(6, 0).plus_ms(n * 24_000 + 11_000),
            })
            .collect();
        session.pieces = (0..900)
            .map(|n| Piece { at: at(6, 0).plus_ms(n * 16_000), details: "".into() })
            .collect();
        let bytes = |detail| line(&session, None, detail).draw().into_string().len();
        assert!(bytes(Detail::Small) < 1_500, "{}", bytes(Detail::Small));
        assert!(bytes(Detail::Tiny) < 1_200, "{}", bytes(Detail::Tiny));
        assert!(bytes(Detail::Card) < 20_000, "{}", bytes(Detail::Card));
    }
}
