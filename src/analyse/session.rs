//! One sweep over a day's ordered events: rows, figures, log defects.
//!
//! Where the spec leaves a choice: events of one second act in their order in the file. Waits are
//! numbered in the order of their lines, whichever end a line marks. A stop that ends in the second
//! in which it began is a row of length 0. Figures come from unions, so nothing is counted twice.

use std::collections::BTreeMap;

use crate::{
    analyse::{
        DayEnds, Options, Part, WaitStamp,
        intervals::{Span, in_order, measure, sorted},
        merge, parts_by_day,
    },
    model::{Day, Figures, Job, LogDefect, LogDefectCode, Piece, Session, Stamp, Stop, Wait},
    parse::{Event, Kind},
};

/// The session of one production day from each file's part of it, in any order.
pub fn session_of_day(parts: &[Part<'_, '_>], options: &Options) -> Session {
    let mut session = session(&merge::union(parts), options);
    let steps = merge::clock_steps(parts);
    if let Some(&first) = steps.first() {
        let (code, at) = (LogDefectCode::ClockSteppedBack, Stamp::from_seconds(first));
        session.log_defects.push(LogDefect { code, at, count: count_of(steps.len()) });
        session.log_defects.sort_by_key(|log_defect| (log_defect.code, log_defect.at));
    }
    session
}

/// Every session of one machine from the events of its files, in any order.
pub fn sessions(files: &[&[Event<'_>]], options: &Options) -> BTreeMap<Day, Session> {
    let mut days: BTreeMap<Day, Vec<Part<'_, '_>>> = BTreeMap::new();
    for events in files {
        for (day, part) in parts_by_day(events, options.day_start) {
            days.entry(day).or_default().push(part);
        }
    }
    days.into_iter().map(|(day, parts)| (day, session_of_day(&parts, options))).collect()
}

/// The session of one day's events, already sorted by time. Steps of the clock are not visible in
/// sorted events; [`session_of_day`] adds them.
pub fn session(events: &[Event<'_>], options: &Options) -> Session {
    debug_assert!(events.is_sorted_by_key(|event| event.seconds), "the union sorts by time");
    let mut sweep = Sweep::new(options.wait_stamp, events.len());
    for event in events {
        sweep.take(event);
    }
    sweep.finish(events)
}

/// What of a day's events the session does not have; `reject` is the event that reports a rejected piece.
pub fn day_ends(parts: &[Part<'_, '_>], reject: Option<&str>) -> DayEnds {
    let events = merge::union(parts);
    let mut ends = DayEnds::default();
    for event in &*events {
        let at = Stamp::from_seconds(event.seconds);
        match event.kind {
            Kind::Stop => {
                ends.open_stop.get_or_insert(at);
            }
            // As in `Sweep::take`: a piece or a start line ends a stop.
            Kind::Piece | Kind::Start => ends.open_stop = None,
            Kind::Other if reject.is_some_and(|name| event.name() == name) => ends.rejects.push(at),
            Kind::Wait | Kind::Job | Kind::Other => {}
        }
        ends.last_event = Some(at);
    }
    ends
}

struct Sweep {
    wait_stamp: WaitStamp,
    session: Session,
    open_stop: Option<Stamp>,
    lost_starts: Vec<Stamp>,
    without_duration: Counted,
}

/// How often something happened, and when first.
#[derive(Default)]
struct Counted {
    first: Option<Stamp>,
    count: usize,
}

impl Counted {
    fn add(&mut self, at: Stamp) {
        self.first.get_or_insert(at);
        self.count += 1;
    }

    fn log_defect(&self, code: LogDefectCode) -> Option<LogDefect> {
        self.first.map(|at| LogDefect { code, at, count: count_of(self.count) })
    }
}

impl Sweep {
    fn new(wait_stamp: WaitStamp, events: usize) -> Self {
        Self {
            wait_stamp,
            session: Session { pieces: Vec::with_capacity(events), ..Session::default() },
            open_stop: None,
            lost_starts: Vec::new(),
            without_duration: Counted::default(),
        }
    }

    #[inline]
    fn take(&mut self, event: &Event<'_>) {
        let at = Stamp::from_seconds(event.seconds);
        match event.kind {
            Kind::Piece => {
                if let Some(stop) = self.open_stop.take() {
                    self.lost_starts.push(stop);
                }
                self.session.pieces.push(Piece { at, details: event.details().into() });
            }
            Kind::Wait => match event.wait_ms() {
                Some(0) => {}
                Some(ms) => self.session.waits.push(match self.wait_stamp {
                    WaitStamp::Start => Wait { start: at, end: at.plus_ms(ms) },
                    WaitStamp::End => Wait { start: at.plus_ms(-ms), end: at },
                }),
                None => self.without_duration.add(at),
            },
            Kind::Stop => {
                self.open_stop.get_or_insert(at);
                self.session.figures.last_stop = Some(at);
            }
            Kind::Start => {
                if let Some(start) = self.open_stop.take() {
                    self.session.stops.push(Stop { start, end: at });
                }
                self.session.figures.first_start.get_or_insert(at);
            }
            Kind::Job => {
                if let Some(job) = event.job() {
                    self.session.jobs.push(Job {
                        at,
                        reference: job.reference.into(),
                        length_e2: job.length_e2,
                        colour: job.colour.unwrap_or("N/A").into(),
                    });
                }
            }
            Kind::Other => {}
        }
    }

    fn finish(self, events: &[Event<'_>]) -> Session {
        let mut session = self.session;
        let waits: Vec<Span> = session.waits.iter().map(Span::from).collect();
        let stops: Vec<Span> = session.stops.iter().map(Span::from).collect();
        // Stops are in order: the next one begins when the last one has ended.
        let by_start = sorted(&waits);
        let window = span_of_pieces(&session.pieces);

        let figures = &mut session.figures;
        figures.events = events.len() as u64;
        figures.total_pieces = count_of(session.pieces.len());
        figures.raw_wait_ms = plain_sum(&waits);
        figures.raw_stop_ms = plain_sum(&stops);
        if let Some(window) = window {
            set_figures_of_window(figures, window, &by_start, &stops);
        }

        let outside = window.map(|window| waits_outside(&waits, window)).unwrap_or_default();
        let lost = self.lost_starts.into_iter();
        let mut log_defects: Vec<LogDefect> =
            lost.map(|at| LogDefect { code: LogDefectCode::StartLineLost, at, count: 1 }).collect();
        log_defects.extend(self.without_duration.log_defect(LogDefectCode::WaitWithoutDuration));
        log_defects.extend(outside.log_defect(LogDefectCode::WaitOutsideProduction));
        log_defects.extend(overlaps(&by_start, &stops).log_defect(LogDefectCode::Overlap));
        if let (None, Some(first)) = (window, events.first()) {
            let at = Stamp::from_seconds(first.seconds);
            log_defects.push(LogDefect { code: LogDefectCode::NoPiece, at, count: 1 });
        }
        session.log_defects = log_defects;
        session
    }
}

impl From<&Wait> for Span {
    fn from(wait: &Wait) -> Self {
        Self { start: wait.start.0, end: wait.end.0 }
    }
}

impl From<&Stop> for Span {
    fn from(stop: &Stop) -> Self {
        Self { start: stop.start.0, end: stop.end.0 }
    }
}

/// First to last piece.
pub(super) fn span_of_pieces(pieces: &[Piece]) -> Option<Span> {
    let ends = pieces.first().zip(pieces.last());
    ends.map(|(first, last)| Span { start: first.at.0, end: last.at.0 })
}

/// Waits and stops in the order of their starts.
pub(super) fn set_figures_of_window(
    figures: &mut Figures,
    window: Span,
    waits: &[Span],
    stops: &[Span],
) {
    figures.first_piece = Some(Stamp(window.start));
    figures.last_piece = Some(Stamp(window.end));
    figures.window_ms = window.end - window.start;
    let inside = |span: Span| span.inside(window);
    figures.stop_ms = measure(stops.iter().copied().filter_map(inside));
    // Waits outside stops: what the union of both has beyond the stops.
    figures.wait_ms = measure(in_order(stops, waits).filter_map(inside)) - figures.stop_ms;
    figures.effective_ms = figures.window_ms - figures.stop_ms - figures.wait_ms;
}

/// Saturating: millions of absurd waits are still a number, and no panic.
pub(super) fn plain_sum(spans: &[Span]) -> i64 {
    spans.iter().fold(0, |sum: i64, span| sum.saturating_add(span.end - span.start))
}

fn waits_outside(waits: &[Span], window: Span) -> Counted {
    let mut outside = Counted::default();
    for wait in waits.iter().filter(|wait| wait.inside(window).is_none()) {
        outside.add(Stamp(wait.start));
    }
    outside
}

/// Waits that share a moment with an earlier wait, or with a stop; both in the order of their starts.
fn overlaps(waits: &[Span], stops: &[Span]) -> Counted {
    let mut overlaps = Counted::default();
    let mut waited_to = i64::MIN;
    // Stops never overlap one another, so their ends are as sorted as their starts. One without length
    // shares a moment with nothing.
    let mut stops = stops;
    for &wait in waits {
        while let [stop, later @ ..] = stops
            && (stop.end <= wait.start || stop.start == stop.end)
        {
            stops = later;
        }
        let meets_stop = stops.first().is_some_and(|stop| stop.inside(wait).is_some());
        if wait.start < waited_to || meets_stop {
            overlaps.add(Stamp(wait.start));
        }
        waited_to = waited_to.max(wait.end);
    }
    overlaps
}

fn count_of(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::{Text, Words, parse};

    /// Lines are `HH:MM:SS name details` of one day.
    fn session_of(lines: &[&str], wait_stamp: WaitStamp) -> Session {
        let name = |word: &str| match word {
            "piece" => "StukUitgevoerd",
            "wait" => "MachineWait",
            "stop" => "MachineStop",
            "start" => "MachineStart",
            "job" => "JobProfiel",
            _ => "Melding",
        };
        let line = |line: &&str| {
            let mut words = line.splitn(3, ' ');
            let (time, word) = (words.next().unwrap(), words.next().unwrap());
            let details = words.next().unwrap_or_default();
            format!("20250603 {time}|@{}: {details}\n", name(word))
        };
        let log: String = lines.iter().map(line).collect();
        let text = Text::new(log.as_bytes());
        let parsed = parse(&text, &Words::default());
        let options = Options { wait_stamp, ..Options::default() };
        let mut sessions = sessions(&[&parsed.events], &options);
        sessions.pop_first().unwrap().1
    }

    fn session(lines: &[&str]) -> Session {
        session_of(lines, WaitStamp::Start)
    }

    /// `code×count` of each log defect.
    fn log_defects(session: &Session) -> Vec<String> {
        let log_defects = session.log_defects.iter();
        log_defects
            .map(|log_defect| format!("{}×{}", log_defect.code.as_str(), log_defect.count))
            .collect()
    }

    /// Start and end of each stop, in minutes of the day.
    fn stops(session: &Session) -> Vec<(i64, i64)> {
        let minute = |at: Stamp| at.0.rem_euclid(86_400_000) / 60_000;
        session.stops.iter().map(|stop| (minute(stop.start), minute(stop.end))).collect()
    }

    #[test]
    fn repeated_stops_do_not_move_the_beginning() {
        let session =
            session(&["05:10:00 stop", "05:12:00 stop", "05:20:00 start", "05:30:00 start"]);
        assert_eq!(stops(&session), [(310, 320)]);
    }

    #[test]
    fn a_piece_while_a_stop_is_open_drops_it_and_is_an_anomaly() {
        let session =
            session(&["05:00:00 piece", "05:10:00 stop", "05:11:00 piece", "05:20:00 start"]);
        assert_eq!(stops(&session), []);
        assert_eq!(log_defects(&session), ["start_line_lost×1"]);
    }

    #[test]
    fn a_stop_that_is_open_at_the_end_is_no_period_but_the_last_stop() {
        let session = session(&["05:00:00 piece", "05:10:00 stop"]);
        assert_eq!(stops(&session), []);
        assert!(log_defects(&session).is_empty());
        assert_eq!(session.figures.last_stop.unwrap().to_string(), "2025-06-03 05:10:00");
    }

    #[test]
    fn events_of_one_second_act_in_their_order() {
        let lost = session(&["05:10:00 stop", "05:10:00 piece", "05:20:00 start"]);
        assert_eq!(stops(&lost), []);
        let kept = session(&["05:10:00 piece", "05:10:00 stop", "05:20:00 start"]);
        assert_eq!(stops(&kept), [(310, 320)]);
        let within = session(&["05:10:00 stop", "05:10:00 start"]);
        assert_eq!(stops(&within), [(310, 310)]);
    }

    #[test]
    fn a_wait_lies_before_its_line_when_lines_mark_the_end() {
        let lines = ["05:00:00 piece", "05:00:30 wait 60 sec", "05:10:00 piece"];
        let figures = |stamp| session_of(&lines, stamp).figures;
        assert_eq!(figures(WaitStamp::Start).wait_ms, 60_000);
        assert_eq!(figures(WaitStamp::End).wait_ms, 30_000);
        assert_eq!(figures(WaitStamp::End).raw_wait_ms, 60_000);
        let start = session_of(&lines, WaitStamp::End).waits[0].start;
        assert_eq!(start.to_string(), "2025-06-03 04:59:30");
    }

    #[test]
    fn waits_and_stops_count_once_inside_the_window_and_plainly_in_the_raw_sums() {
        let session = session(&[
            "04:00:00 wait 60 sec",
            "05:00:00 piece",
            "05:01:00 wait 90.5 sec",
            "05:02:00 wait 60 sec",
            "05:02:30 stop",
            "05:10:00 start",
            "05:59:00 wait 600 sec",
            "06:00:00 piece",
            "06:10:00 stop",
            "06:20:00 start",
        ]);
        let figures = &session.figures;
        assert_eq!(figures.window_ms, 3_600_000);
        assert_eq!(figures.stop_ms, 450_000);
        // 05:01:00 to 05:02:30, where the stop takes over, and the last minute.
        assert_eq!(figures.wait_ms, 150_000);
        assert_eq!(figures.effective_ms, 3_600_000 - 450_000 - 150_000);
        assert_eq!(figures.raw_wait_ms, 810_500);
        assert_eq!(figures.raw_stop_ms, 450_000 + 600_000);
        assert_eq!(log_defects(&session), ["wait_outside_production×1", "overlap×2"]);
    }

    #[test]
    fn a_stop_without_length_hides_no_later_one_that_a_wait_overlaps() {
        let lines = [
            "05:00:00 piece",
            "05:10:00 stop",
            "05:10:00 start",
            "05:20:00 stop",
            "05:40:00 wait 1800 sec",
            "06:00:00 start",
            "07:00:00 piece",
        ];
        let session = session_of(&lines, WaitStamp::End);
        assert!(
            log_defects(&session).iter().any(|defect| defect.contains("overlap")),
            "{session:?}"
        );
    }

    #[test]
    fn a_wait_of_zero_is_no_wait_and_one_without_duration_is_an_anomaly() {
        let session = session(&["05:00:00 piece", "05:00:01 wait 0 sec", "05:00:02 wait 30"]);
        assert!(session.waits.is_empty());
        assert_eq!(log_defects(&session), ["wait_without_duration×1"]);
    }

    #[test]
    fn a_day_without_pieces_has_stops_waits_and_no_rates() {
        let session = session(&["05:00:00 stop", "05:30:00 start", "05:31:00 wait 60 sec"]);
        assert_eq!(stops(&session), [(300, 330)]);
        let figures = &session.figures;
        assert_eq!((figures.window_ms, figures.stop_ms, figures.wait_ms), (0, 0, 0));
        assert_eq!((figures.raw_stop_ms, figures.raw_wait_ms), (1_800_000, 60_000));
        assert_eq!(log_defects(&session), ["no_piece×1"]);
    }

    #[test]
    fn a_clock_that_stepped_back_is_an_anomaly_and_the_day_is_in_order() {
        let session = session(&["06:00:00 piece 1", "05:00:00 piece 2", "07:00:00 piece 3"]);
        let details: Vec<_> = session.pieces.iter().map(|piece| piece.details.as_str()).collect();
        assert_eq!(details, ["2", "1", "3"]);
        assert_eq!(log_defects(&session), ["clock_stepped_back×1"]);
    }

    #[test]
    fn a_job_without_colour_has_the_colour_that_central_expects() {
        let session = session(&["05:00:00 job R:GY1104 L:4964,27", "05:00:01 job L:1"]);
        assert_eq!(session.jobs.len(), 1);
        let job = &session.jobs[0];
        assert_eq!(
            (job.reference.as_str(), job.length_e2, job.colour.as_str()),
            ("GY1104", 496_427, "N/A")
        );
    }

    #[test]
    fn millions_of_absurd_waits_are_a_number_still() {
        let spans = vec![Span { start: 0, end: i64::MAX / 2 }; 4];
        assert_eq!(plain_sum(&spans), i64::MAX);
    }
}
