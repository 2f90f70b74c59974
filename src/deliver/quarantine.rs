//! Which sessions travel now, which go last, and which are left alone for a while. Pure: no IO, no clock.
//!
//! What must never happen here: a session that does not pass travelling with others again and again; one
//! left alone for ever.

use std::{collections::BTreeMap, time::Duration};

use crate::sync::postgres::AnswerCode;

/// A session that central refused is tried again this much later, or by the next process.
const REFUSED_FOR: Duration = Duration::from_secs(3600);
/// One that central does not keep as it was delivered is tried ever more rarely, up to this.
const NOT_KEPT_FOR: Duration = Duration::from_secs(24 * 3600);
/// One that could not be delivered in time: another program holds a lock, perhaps.
const LATE_FOR: Duration = Duration::from_secs(300);
/// An unknown answer to a session, or that it was not kept, is remembered this long after it may travel
/// again.
const REMEMBERED_FOR: Duration = Duration::from_secs(24 * 3600);
/// A session that breaks the connection each time it travels alone is left alone after this many times.
const BREAKS_ALLOWED: u32 = 3;
/// A session that another holds or changes meanwhile is tried this many times in one drain.
const MOST_TRIES: u32 = 2;

/// When a session travels.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Turn {
    Now,
    /// Alone, when no other session is left: it did not pass the last time.
    Last,
    Later,
}

/// Why a session is left alone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Cause {
    /// Central does not take it as it is.
    Refused,
    /// Central holds more than this revision. A buffer that is rebuilt knows more with every file that it
    /// reads: another revision is tried at once.
    KnowsLess { revision: i64 },
    /// It did not pass in time, though nothing else travelled with it.
    Late,
    /// Central took it and holds other values, and how often that was seen in a row.
    NotKept { times: u32 },
    /// Central answered to it in a way that the agent does not know.
    Unknown(AnswerCode),
}

impl Cause {
    /// How long the session is left alone.
    pub(super) fn lasts(&self) -> Duration {
        match self {
            Self::Late => LATE_FOR,
            // Each try brings the whole session.
            Self::NotKept { times } => {
                (REFUSED_FOR * 2_u32.pow(times.saturating_sub(1).min(5))).min(NOT_KEPT_FOR)
            }
            Self::Refused | Self::KnowsLess { .. } | Self::Unknown(_) => REFUSED_FOR,
        }
    }
}

/// How a session stands that does not simply travel.
#[derive(Debug)]
enum Standing {
    /// It did not pass though nothing else travelled with it, and how often.
    Suspect { breaks: u32 },
    /// The drain under way could not bring it on, and how often.
    PassedOver { times: u32 },
    /// Until this running time.
    Aside { until: Duration, cause: Cause },
}

/// What is to become of a session that did not pass though nothing else travelled with it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    /// It goes last from now on.
    TryAgain,
    /// Leave it alone, as [`Cause::Late`].
    SetAside,
}

/// By the session's id in the buffer.
#[derive(Debug, Default)]
pub(super) struct Quarantine {
    standings: BTreeMap<i64, Standing>,
}

impl Quarantine {
    /// When the session, as it is at `revision`, travels.
    pub(super) fn turn(&self, id: i64, revision: i64, now: Duration) -> Turn {
        match self.standings.get(&id) {
            None => Turn::Now,
            Some(Standing::Suspect { .. }) => Turn::Last,
            Some(Standing::PassedOver { times }) if *times < MOST_TRIES => Turn::Now,
            Some(Standing::PassedOver { .. }) => Turn::Later,
            Some(Standing::Aside { until, .. }) if *until <= now => Turn::Now,
            Some(Standing::Aside { cause: Cause::KnowsLess { revision: only }, .. })
                if *only != revision =>
            {
                Turn::Now
            }
            Some(Standing::Aside { .. }) => Turn::Later,
        }
    }

    /// Whether any session goes last.
    pub(super) fn has_suspects(&self) -> bool {
        self.standings.values().any(|standing| matches!(standing, Standing::Suspect { .. }))
    }

    /// The session is left alone from `now` on.
    pub(super) fn set_aside(&mut self, id: i64, cause: Cause, now: Duration) {
        self.standings.retain(|_, standing| match standing {
            Standing::Aside { until, cause: Cause::Unknown(_) | Cause::NotKept { .. } } => {
                *until + REMEMBERED_FOR > now
            }
            Standing::Aside { until, .. } => *until > now,
            Standing::Suspect { .. } | Standing::PassedOver { .. } => true,
        });
        self.standings.insert(id, Standing::Aside { until: now + cause.lasts(), cause });
    }

    /// The cause for a session that central holds with other values though it has just been delivered.
    pub(super) fn not_kept(&self, id: i64) -> Cause {
        let before = match self.standings.get(&id) {
            Some(Standing::Aside { cause: Cause::NotKept { times }, .. }) => *times,
            _ => 0,
        };
        Cause::NotKept { times: before + 1 }
    }

    /// Whether an unknown answer is the session's own fault as far as is known: it was left alone for
    /// this one before, or, by an earlier process (`was_refused`), for something.
    pub(super) fn is_known(&self, id: i64, code: &AnswerCode, was_refused: bool) -> bool {
        match self.standings.get(&id) {
            Some(Standing::Aside { cause: Cause::Unknown(known), .. }) => known == code,
            _ => was_refused,
        }
    }

    /// The session did not pass though nothing else travelled with it. One that went last is known not to
    /// pass on a connection that serves; if it `ends_connection`, that is given a few tries.
    pub(super) fn did_not_pass(&mut self, id: i64, ends_connection: bool) -> Verdict {
        let before = match self.standings.get(&id) {
            Some(Standing::Suspect { breaks }) => *breaks,
            _ => 0,
        };
        self.standings.insert(id, Standing::Suspect { breaks: before + 1 });
        if before > 0 && (before + 1 > BREAKS_ALLOWED || !ends_connection) {
            Verdict::SetAside
        } else {
            Verdict::TryAgain
        }
    }

    /// Central answered properly to the session.
    pub(super) fn passed(&mut self, id: i64) {
        self.standings.remove(&id);
    }

    /// The drain under way could not bring the session on: another writer was faster.
    pub(super) fn passed_over(&mut self, id: i64) {
        match self.standings.get_mut(&id) {
            Some(Standing::PassedOver { times }) => *times += 1,
            _ => drop(self.standings.insert(id, Standing::PassedOver { times: 1 })),
        }
    }

    /// Whether the drain under way has tried the session in vain before.
    pub(super) fn was_passed_over(&self, id: i64) -> bool {
        matches!(self.standings.get(&id), Some(Standing::PassedOver { .. }))
    }

    /// The next drain tries again what this one could not bring on.
    pub(super) fn drain_ended(&mut self) {
        self.standings.retain(|_, standing| !matches!(standing, Standing::PassedOver { .. }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: i64 = 7;
    const NOW: Duration = Duration::from_secs(1000);

    fn code(sqlstate: &str) -> AnswerCode {
        AnswerCode::from(sqlstate)
    }

    type History = fn(&mut Quarantine);

    #[test]
    #[expect(clippy::too_many_lines, reason = "one table of histories")]
    fn each_history_of_a_session_gets_its_turn() {
        let late = NOW + LATE_FOR;
        let hour = NOW + REFUSED_FOR;
        let table: &[(&str, History, i64, Duration, Turn)] = &[
            ("nothing happened", |_| {}, 1, NOW, Turn::Now),
            ("refused", |q| q.set_aside(ID, Cause::Refused, NOW), 1, NOW, Turn::Later),
            ("refused, grown", |q| q.set_aside(ID, Cause::Refused, NOW), 2, NOW, Turn::Later),
            ("refused long ago", |q| q.set_aside(ID, Cause::Refused, NOW), 1, hour, Turn::Now),
            (
                "refused, and another one since",
                |q| {
                    q.set_aside(ID, Cause::Refused, NOW);
                    q.set_aside(8, Cause::Refused, NOW);
                },
                1,
                NOW,
                Turn::Later,
            ),
            (
                "late",
                |q| q.set_aside(ID, Cause::Late, NOW),
                1,
                late - Duration::from_secs(1),
                Turn::Later,
            ),
            ("late, five minutes ago", |q| q.set_aside(ID, Cause::Late, NOW), 1, late, Turn::Now),
            (
                "knows less",
                |q| q.set_aside(ID, Cause::KnowsLess { revision: 1 }, NOW),
                1,
                NOW,
                Turn::Later,
            ),
            (
                "knows less, grown",
                |q| q.set_aside(ID, Cause::KnowsLess { revision: 1 }, NOW),
                2,
                NOW,
                Turn::Now,
            ),
            (
                "did not pass alone",
                |q| {
                    q.did_not_pass(ID, true);
                },
                1,
                NOW,
                Turn::Last,
            ),
            (
                "did not pass alone, then passed",
                |q| {
                    q.did_not_pass(ID, true);
                    q.passed(ID);
                },
                1,
                NOW,
                Turn::Now,
            ),
            (
                "did not pass alone, and the drain ended",
                |q| {
                    q.did_not_pass(ID, true);
                    q.drain_ended();
                },
                1,
                NOW,
                Turn::Last,
            ),
            ("passed over once", |q| q.passed_over(ID), 1, NOW, Turn::Now),
            (
                "passed over twice",
                |q| {
                    q.passed_over(ID);
                    q.passed_over(ID);
                },
                1,
                NOW,
                Turn::Later,
            ),
            (
                "passed over twice, and the drain ended",
                |q| {
                    q.passed_over(ID);
                    q.passed_over(ID);
                    q.drain_ended();
                },
                1,
                NOW,
                Turn::Now,
            ),
            (
                "set aside, and the drain ended",
                |q| {
                    q.set_aside(ID, Cause::Refused, NOW);
                    q.drain_ended();
                },
                1,
                NOW,
                Turn::Later,
            ),
        ];
        for (what, history, revision, now, turn) in table {
            let mut quarantine = Quarantine::default();
            history(&mut quarantine);
            assert_eq!(quarantine.turn(ID, *revision, *now), *turn, "{what}");
            assert_eq!(quarantine.turn(9, 1, NOW), Turn::Now, "{what}: another session");
            assert_eq!(quarantine.has_suspects(), *turn == Turn::Last, "{what}");
        }
    }

    #[test]
    fn a_session_that_breaks_the_connection_is_given_three_tries_and_one_that_is_late_two() {
        let verdicts = |ends_connection, times: usize| {
            let mut quarantine = Quarantine::default();
            (0..times).map(|_| quarantine.did_not_pass(ID, ends_connection)).collect::<Vec<_>>()
        };
        use Verdict::{SetAside, TryAgain};
        assert_eq!(verdicts(true, 4), [TryAgain, TryAgain, TryAgain, SetAside]);
        assert_eq!(verdicts(false, 2), [TryAgain, SetAside]);
    }

    #[test]
    fn an_unknown_answer_is_known_by_its_code_and_after_a_restart_by_any_refusal() {
        let mut quarantine = Quarantine::default();
        assert!(!quarantine.is_known(ID, &code("ZX123"), false));
        assert!(quarantine.is_known(ID, &code("ZX123"), true), "an earlier process refused it");
        quarantine.set_aside(ID, Cause::Unknown(code("ZX123")), NOW);
        // Others are set aside meanwhile, also after the hour.
        let later = NOW + REFUSED_FOR;
        quarantine.set_aside(8, Cause::Refused, later);
        assert_eq!(quarantine.turn(ID, 1, later), Turn::Now);
        assert!(quarantine.is_known(ID, &code("ZX123"), true));
        assert!(!quarantine.is_known(ID, &code("XX000"), true), "another trouble");
        quarantine.passed(ID);
        assert!(!quarantine.is_known(ID, &code("ZX123"), false));
    }

    #[test]
    fn a_session_that_is_not_kept_is_tried_ever_more_rarely_up_to_once_a_day() {
        let mut quarantine = Quarantine::default();
        let mut now = NOW;
        let mut hours = Vec::new();
        for _ in 0..7 {
            let cause = quarantine.not_kept(ID);
            let time = cause.lasts();
            quarantine.set_aside(ID, cause, now);
            assert_eq!(quarantine.turn(ID, 1, now), Turn::Later);
            now += time;
            // Others are set aside meanwhile.
            quarantine.set_aside(8, Cause::Refused, now);
            assert_eq!(quarantine.turn(ID, 1, now), Turn::Now);
            hours.push(time.as_secs() / 3600);
        }
        assert_eq!(hours, [1, 2, 4, 8, 16, 24, 24]);
        quarantine.passed(ID);
        assert_eq!(quarantine.not_kept(ID), Cause::NotKept { times: 1 });
    }

    #[test]
    fn what_is_over_is_forgotten() {
        let mut quarantine = Quarantine::default();
        quarantine.set_aside(1, Cause::Refused, NOW);
        quarantine.set_aside(2, Cause::Unknown(code("ZX123")), NOW);
        quarantine.set_aside(3, Cause::Late, NOW + REFUSED_FOR + REMEMBERED_FOR);
        assert_eq!(quarantine.standings.len(), 1);
    }
}
