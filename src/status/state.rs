//! What a machine is doing now, as far as its LOG tells. Pure: the session and the moment are handed
//! in.
//!
//! What must never happen here: a machine called producing because nothing is known of it.

use maud::{Markup, html};

use crate::{
    model::{Language, Session, Stamp},
    render::open_stop,
    text::{Noun, Text},
};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Activity {
    Producing,
    Waiting,
    /// A stop line that no start line followed.
    Stopped,
    /// The LOG says nothing for longer than its reading explains.
    Silent,
    /// Its source or its folder cannot be read: nobody knows what it does.
    Unknown,
}

impl Activity {
    /// What a page's script and its tests know it by.
    pub(crate) const fn key(self) -> &'static str {
        match self {
            Self::Producing => "producing",
            Self::Waiting => "waiting",
            Self::Stopped => "stopped",
            Self::Silent => "silent",
            Self::Unknown => "unknown",
        }
    }

    /// The class that has its colour.
    pub(crate) const fn class(self) -> &'static str {
        match self {
            Self::Producing => "is-producing",
            Self::Waiting => "is-waiting",
            Self::Stopped => "is-stopped",
            Self::Silent => "is-silent",
            Self::Unknown => "is-unknown",
        }
    }

    pub(crate) const fn word(self) -> Text {
        match self {
            Self::Producing => Text::new("En production", "Producing"),
            Self::Waiting => Text::new("En attente", "Waiting"),
            Self::Stopped => Text::new("À l'arrêt", "Stopped"),
            Self::Silent => Text::new("Silencieuse", "Silent"),
            Self::Unknown => Text::new("Inconnu", "Unknown"),
        }
    }

    /// Behind a number of machines: what they do.
    pub(crate) const fn doing(self) -> Noun {
        match self {
            Self::Producing => {
                Noun::new("en production", "en production", "producing", "producing")
            }
            Self::Stopped => Noun::new("à l'arrêt", "à l'arrêt", "stopped", "stopped"),
            Self::Waiting => Noun::new("en attente", "en attente", "waiting", "waiting"),
            Self::Silent => Noun::new("silencieuse", "silencieuses", "silent", "silent"),
            Self::Unknown => Noun::new("inconnue", "inconnues", "unknown", "unknown"),
        }
    }

    /// Its shape and its word: neither needs a colour.
    pub(crate) fn mark(self, language: Language) -> Markup {
        html! { (self.shape()) (self.word().in_(language)) }
    }

    /// Without its word, which must stand beside it.
    pub(crate) fn shape(self) -> Markup {
        let shape = match self {
            Self::Producing => "M3 1l12 7-12 7z",
            Self::Waiting => "M2 1h4v14H2zM10 1h4v14h-4z",
            Self::Stopped => "M1 1h14v14H1z",
            Self::Silent => "M8 2a6 6 0 1 0 .01 0z",
            Self::Unknown => "M2 7h12v2H2z",
        };
        html! {
            svg viewBox="0 0 16 16" aria-hidden="true" { path d=(shape) {} }
        }
    }

    /// Trouble first: the order in which a person who passes by has to see machines.
    pub(crate) const fn urgency(self) -> u8 {
        match self {
            Self::Unknown => 0,
            Self::Stopped => 1,
            Self::Silent => 2,
            Self::Waiting => 3,
            Self::Producing => 4,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct State {
    pub activity: Activity,
    /// `None`: nothing was ever read of it.
    pub since: Option<Stamp>,
}

impl State {
    /// The same of a machine of which nothing can be read now: what its LOG said a moment ago still
    /// holds, and what is older than `quiet_ms` says nothing of what it does now.
    pub fn unread(self, last: Option<Stamp>, now: Stamp, quiet_ms: i64) -> Self {
        let is_fresh = last.is_some_and(|last| now.0 - last.0 <= quiet_ms);
        if is_fresh && self.activity != Activity::Silent {
            return self;
        }
        Self { activity: Activity::Unknown, since: last.or(self.since) }
    }
}

/// The latest moment that a session tells of. A wait counts by its begin: its end is computed.
pub(super) fn last_sign(session: &Session) -> Option<Stamp> {
    let waits = session.waits.iter().map(|wait| wait.start).max();
    let stops = session.stops.last().map(|stop| stop.end);
    let jobs = session.jobs.last().map(|job| job.at);
    let figures = &session.figures;
    [waits, stops, jobs, figures.last_piece, figures.last_stop, figures.first_start]
        .into_iter()
        .flatten()
        .max()
}

/// `today` is the session of the day of `now`; `before` the last sign of earlier days. A machine whose
/// last sign is more than `quiet_ms` old is silent, unless it said that it stops.
pub fn state(today: Option<&Session>, before: Option<Stamp>, now: Stamp, quiet_ms: i64) -> State {
    let Some((session, last)) = today.and_then(|session| Some((session, last_sign(session)?)))
    else {
        return State { activity: Activity::Silent, since: before };
    };
    if let Some(stop) = open_stop(session) {
        return State { activity: Activity::Stopped, since: Some(stop) };
    }
    let last_wait = session.waits.iter().max_by_key(|wait| wait.start);
    let behind_last_piece = |at: Stamp| session.figures.last_piece.is_none_or(|piece| piece < at);
    let waits = last_wait.filter(|wait| wait.end >= last && behind_last_piece(wait.end));
    // A logged wait explains the silence of its own length.
    let heard = waits.map_or(last, |wait| wait.end.min(now));
    if now.0 - heard.0 > quiet_ms {
        return State { activity: Activity::Silent, since: Some(last) };
    }
    match waits {
        Some(wait) => State { activity: Activity::Waiting, since: Some(wait.start) },
        None => State { activity: Activity::Producing, since: producing_since(session, last) },
    }
}

/// The end of the last wait or stop before the last sign, or the first piece.
fn producing_since(session: &Session, last: Stamp) -> Option<Stamp> {
    let waits = session.waits.iter().map(|wait| wait.end);
    let stops = session.stops.iter().map(|stop| stop.end);
    let begun = waits.chain(stops).filter(|end| *end <= last).max();
    begun.max(session.figures.first_piece).or(session.figures.first_start).or(Some(last))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Figures, Piece, Stop, Wait};

    const QUIET_MS: i64 = 20 * 60_000;

    fn at(hour: i64, minute: i64) -> Stamp {
        Stamp::from_seconds(1_748_390_400 + hour * 3600 + minute * 60)
    }

    fn session(pieces: &[Stamp], waits: &[(Stamp, Stamp)], stops: &[(Stamp, Stamp)]) -> Session {
        Session {
            figures: Figures {
                first_piece: pieces.first().copied(),
                last_piece: pieces.last().copied(),
                last_stop: stops.last().map(|(start, _)| *start),
                total_pieces: pieces.len() as u32,
                ..Figures::default()
            },
            pieces: pieces.iter().map(|at| Piece { at: *at, details: "".into() }).collect(),
            waits: waits.iter().map(|(start, end)| Wait { start: *start, end: *end }).collect(),
            stops: stops.iter().map(|(start, end)| Stop { start: *start, end: *end }).collect(),
            ..Session::default()
        }
    }

    fn of(session: &Session, now: Stamp) -> (Activity, Option<Stamp>) {
        let State { activity, since } = state(Some(session), None, now, QUIET_MS);
        (activity, since)
    }

    #[test]
    fn pieces_come_so_it_produces_since_its_last_break_ended() {
        let day =
            session(&[at(6, 0), at(9, 58)], &[(at(7, 0), at(7, 10))], &[(at(9, 0), at(9, 30))]);
        assert_eq!(of(&day, at(10, 0)), (Activity::Producing, Some(at(9, 30))));
        let without_breaks = session(&[at(6, 0), at(9, 58)], &[], &[]);
        assert_eq!(of(&without_breaks, at(10, 0)), (Activity::Producing, Some(at(6, 0))));
    }

    #[test]
    fn a_wait_that_no_piece_followed_lasts_and_explains_its_own_silence() {
        let day = session(&[at(6, 0), at(9, 0)], &[(at(9, 1), at(9, 40))], &[]);
        assert_eq!(of(&day, at(9, 55)), (Activity::Waiting, Some(at(9, 1))));
        assert_eq!(of(&day, at(10, 5)), (Activity::Silent, Some(at(9, 1))));
        let over = session(&[at(6, 0), at(9, 41)], &[(at(9, 1), at(9, 40))], &[]);
        assert_eq!(of(&over, at(9, 45)), (Activity::Producing, Some(at(9, 40))));
    }

    #[test]
    fn a_machine_that_said_it_stops_is_stopped_and_not_silent_however_long() {
        let mut day = session(&[at(6, 0), at(9, 0)], &[], &[]);
        day.figures.last_stop = Some(at(9, 5));
        assert_eq!(of(&day, at(9, 6)), (Activity::Stopped, Some(at(9, 5))));
        assert_eq!(of(&day, at(23, 0)), (Activity::Stopped, Some(at(9, 5))));
        // Started again, and nothing after it.
        day.stops = vec![Stop { start: at(9, 5), end: at(9, 30) }];
        assert_eq!(of(&day, at(9, 40)), (Activity::Producing, Some(at(9, 30))));
        assert_eq!(of(&day, at(11, 0)), (Activity::Silent, Some(at(9, 30))));
    }

    #[test]
    fn a_machine_that_cannot_be_read_is_unknown_when_what_it_said_is_old() {
        let stopped = State { activity: Activity::Stopped, since: Some(at(9, 0)) };
        let silent = State { activity: Activity::Silent, since: Some(at(9, 0)) };
        let unread = |state: State, now| state.unread(Some(at(9, 0)), now, QUIET_MS).activity;
        assert_eq!(unread(stopped, at(9, 10)), Activity::Stopped);
        assert_eq!(unread(stopped, at(9, 30)), Activity::Unknown);
        assert_eq!(unread(silent, at(9, 30)), Activity::Unknown);
        let never = State { activity: Activity::Silent, since: None };
        assert_eq!(never.unread(None, at(9, 0), QUIET_MS).activity, Activity::Unknown);
    }

    #[test]
    fn without_a_sign_today_it_is_silent_since_the_last_one_there_was() {
        let before = Some(at(-8, 0));
        let silent = State { activity: Activity::Silent, since: before };
        assert_eq!(state(None, before, at(10, 0), QUIET_MS), silent);
        assert_eq!(state(Some(&Session::default()), before, at(10, 0), QUIET_MS), silent);
        assert_eq!(state(None, None, at(10, 0), QUIET_MS).since, None);
    }

    #[test]
    fn a_machine_whose_clock_runs_ahead_is_not_silent() {
        let day = session(&[at(6, 0), at(12, 0)], &[], &[]);
        assert_eq!(of(&day, at(10, 0)).0, Activity::Producing);
    }
}
