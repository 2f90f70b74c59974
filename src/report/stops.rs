//! The longest stops of a machine's days.

use maud::{Markup, html};

use super::Report;
use crate::{
    model::{Day, Session, Stamp},
    render::PlannedShift,
    text::{clock, short_date_with_weekday, span},
};

const MOST: usize = 10;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct LongStop {
    pub day: Day,
    pub from: Stamp,
    pub to: Stamp,
}

impl LongStop {
    fn ms(&self) -> i64 {
        self.to.0 - self.from.0
    }
}

/// Adds the stops of a day, of `within` what lies in there, and keeps the longest.
pub(crate) fn note_longest(
    longest: &mut Vec<LongStop>,
    day: Day,
    session: &Session,
    within: Option<&[PlannedShift]>,
) {
    for stop in &session.stops {
        let whole = (stop.start, stop.end);
        let shifts = within.into_iter().flatten().map(|shift| (shift.from, shift.to));
        let stretches = shifts.chain(within.is_none().then_some(whole));
        let parts = stretches.map(|(from, to)| LongStop {
            day,
            from: stop.start.max(from),
            to: stop.end.min(to),
        });
        longest.extend(parts.filter(|part| part.ms() > 0));
    }
    longest.sort_by_key(|stop| (std::cmp::Reverse(stop.ms()), stop.from));
    longest.truncate(MOST);
}

pub(super) fn table(report: &Report, stops: &[LongStop]) -> Markup {
    let say = |french, english| report.say(french, english);
    html! {
        @if stops.is_empty() {
            p.empty { (say("Aucun arrêt.", "No stop.")) }
        } @else {
            table.stops {
                tbody {
                    @for stop in stops {
                        tr {
                            th.word scope="row" { (short_date_with_weekday(stop.day, report.language)) }
                            td { (clock(stop.from)) "–" (clock(stop.to)) }
                            td.length { (span(stop.ms())) }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Stop;

    #[test]
    fn the_ten_longest_are_kept_and_of_a_shift_what_lies_in_it() {
        let minute = |minute: i64| Stamp(minute * 60_000);
        let stops = (0..12).map(|n| Stop { start: minute(n * 60), end: minute(n * 60 + n) });
        let session = Session { stops: stops.collect(), ..Session::default() };
        let day = Day::from_ymd_opt(2026, 11, 23).unwrap();
        let mut all = Vec::new();
        note_longest(&mut all, day, &session, None);
        assert_eq!(all.len(), 10);
        assert_eq!((all[0].ms(), all[9].ms()), (11 * 60_000, 2 * 60_000));
        let mut shift = Vec::new();
        let (name, from, to) = ("nuit".to_owned(), minute(0), minute(665));
        let night = PlannedShift { name, from, to, breaks: Vec::new() };
        note_longest(&mut shift, day, &session, Some(&[night]));
        assert_eq!(shift[0].ms(), 10 * 60_000, "the twelfth began in it and has 5 minutes there");
        assert_eq!(shift.iter().filter(|stop| stop.ms() == 5 * 60_000).count(), 2);
    }
}
