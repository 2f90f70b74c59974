//! A day as it was known at an earlier moment of it: what a running day can fairly be compared with.

use super::{
    DayEnds, WaitStamp,
    intervals::Span,
    session::{plain_sum, set_figures_of_window, span_of_pieces},
};
use crate::model::{Figures, Session, Stamp};

/// What the lines of `session` up to and with the moment `until` made of it. Log defects and the number of all
/// events are left out: rows do not tell of them, nor of a stop that a piece ended.
pub fn day_until(
    session: &Session,
    ends: &DayEnds,
    until: Stamp,
    wait_stamp: WaitStamp,
) -> (Session, DayEnds) {
    let mut earlier = Session {
        pieces: session.pieces.iter().filter(|piece| piece.at <= until).cloned().collect(),
        jobs: session.jobs.iter().filter(|job| job.at <= until).cloned().collect(),
        stops: session.stops.iter().filter(|stop| stop.end <= until).cloned().collect(),
        ..Session::default()
    };
    let line_of = |start: Stamp, end: Stamp| match wait_stamp {
        WaitStamp::Start => start,
        WaitStamp::End => end,
    };
    let waits = session.waits.iter().filter(|wait| line_of(wait.start, wait.end) <= until);
    earlier.waits = waits.cloned().collect();
    earlier.figures = figures(&earlier);
    // What had begun and not ended by then.
    let begun = session.stops.iter().find(|stop| stop.start <= until && until < stop.end);
    let ends = DayEnds {
        open_stop: begun.map(|stop| stop.start).or(ends.open_stop.filter(|stop| *stop <= until)),
        rejects: ends.rejects.iter().copied().filter(|at| *at <= until).collect(),
        last_event: Some(until),
    };
    (earlier, ends)
}

fn figures(session: &Session) -> Figures {
    let mut waits: Vec<Span> = session.waits.iter().map(Span::from).collect();
    waits.sort();
    let stops: Vec<Span> = session.stops.iter().map(Span::from).collect();
    let mut figures = Figures {
        total_pieces: u32::try_from(session.pieces.len()).unwrap_or(u32::MAX),
        raw_wait_ms: plain_sum(&waits),
        raw_stop_ms: plain_sum(&stops),
        ..Figures::default()
    };
    if let Some(window) = span_of_pieces(&session.pieces) {
        set_figures_of_window(&mut figures, window, &waits, &stops);
    }
    figures
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        analyse::{Options, session},
        parse::{Text, Words, parse},
    };

    /// Lines in order of a day, in which stops may lack their end and waits overlap anything.
    fn lines_at_random(rng: &mut fastrand::Rng) -> Vec<String> {
        let mut second = 5 * 3600;
        let line = |_| {
            second += rng.u32(1..600);
            let event = match rng.u8(0..10) {
                0 => "MachineStop:".to_owned(),
                1 | 2 => "MachineStart:".to_owned(),
                3 | 4 => format!("MachineWait: {} sec", rng.u32(1..900)),
                _ => "StukUitgevoerd: 1 A".to_owned(),
            };
            let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
            format!("20250528 {hour:02}:{minute:02}:{second:02}|@{event}\n")
        };
        (0..100).map(line).collect()
    }

    fn session_of(lines: &[String], wait_stamp: WaitStamp) -> Session {
        let text = lines.concat();
        let text = Text::new(text.as_bytes());
        let parsed = parse(&text, &Words::default());
        session(&parsed.events, &Options { wait_stamp, ..Options::default() })
    }

    #[test]
    fn a_day_cut_at_any_moment_is_the_session_of_its_lines_up_to_then() {
        let mut rng = fastrand::Rng::with_seed(48);
        for _ in 0..200 {
            let lines = lines_at_random(&mut rng);
            let wait_stamp = if rng.bool() { WaitStamp::Start } else { WaitStamp::End };
            let whole = session_of(&lines, wait_stamp);
            let known = rng.usize(1..lines.len());
            let wanted = session_of(&lines[..known], wait_stamp);
            let at = &lines[known - 1][..17];
            let at = chrono::NaiveDateTime::parse_from_str(at, "%Y%m%d %H:%M:%S").unwrap();
            let until = Stamp::from_naive(at);
            let (cut, ends) = day_until(&whole, &DayEnds::default(), until, wait_stamp);
            assert_eq!(cut.pieces, wanted.pieces);
            assert_eq!(cut.stops, wanted.stops, "{lines:?}");
            let figures = |session: &Session| {
                let Figures { total_pieces, window_ms, wait_ms, stop_ms, effective_ms, .. } =
                    session.figures;
                (total_pieces, window_ms, wait_ms, stop_ms, effective_ms)
            };
            assert_eq!(figures(&cut), figures(&wanted));
            assert_eq!(ends.last_event, Some(until));
        }
    }
}
