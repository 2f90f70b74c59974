//! Ordinary days with exactly one thing wrong, each a kind of anomaly, for the test that every one is
//! found and for nothing else.

use super::{Line, random::Random};

/// What is wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flaw {
    StartLineLost,
    ClockSteppedBack,
    WaitWithoutDuration,
    WaitOutsideProduction,
    Overlap,
    TornLine,
    MalformedLines,
    UnknownEvent,
    NoPiece,
    /// Many more and longer waits and stops.
    LowOccupation,
    /// Two pieces of five are made.
    SlowRhythm,
    MuchWaiting,
    ManyStops,
    LongStops,
    Silence,
    /// Seven of eight pieces of one hour are missing.
    RhythmDrop,
    LongStop,
}

impl Flaw {
    pub const ALL: [Self; 17] = [
        Self::StartLineLost,
        Self::ClockSteppedBack,
        Self::WaitWithoutDuration,
        Self::WaitOutsideProduction,
        Self::Overlap,
        Self::TornLine,
        Self::MalformedLines,
        Self::UnknownEvent,
        Self::NoPiece,
        Self::LowOccupation,
        Self::SlowRhythm,
        Self::MuchWaiting,
        Self::ManyStops,
        Self::LongStops,
        Self::Silence,
        Self::RhythmDrop,
        Self::LongStop,
    ];
}

/// How a day departs from the ordinary, in percent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub wait: u64,
    pub stop: u64,
    pub stop_count: u64,
    pub pieces: u64,
}

impl Shape {
    pub(super) const ORDINARY: Self = Self { wait: 100, stop: 100, stop_count: 100, pieces: 100 };

    pub(super) fn of(flaw: Flaw) -> Self {
        let ordinary = Self::ORDINARY;
        match flaw {
            Flaw::LowOccupation => Self { wait: 170, stop: 180, ..ordinary },
            Flaw::SlowRhythm => Self { pieces: 40, ..ordinary },
            Flaw::MuchWaiting => Self { wait: 270, stop: 60, ..ordinary },
            Flaw::ManyStops => Self { stop_count: 250, ..ordinary },
            Flaw::LongStops => Self { stop: 130, stop_count: 40, ..ordinary },
            _ => ordinary,
        }
    }
}

/// The bytes of a day whose lines are given and have the flaw's [`Shape`] already; wrong from `middle` on.
pub(super) fn written(
    mut lines: Vec<Line>,
    flaw: Flaw,
    middle: usize,
    random: &mut Random,
) -> Vec<u8> {
    plant(&mut lines, flaw, middle);
    let mut bytes = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let text = format!("{}\n", line.text());
        let cut = match flaw {
            // Somewhere before the event's name is told.
            Flaw::TornLine if at == middle => random.between(4, 18) as usize,
            _ => text.len(),
        };
        bytes.extend(&text.as_bytes()[..cut]);
        if cut < text.len() {
            bytes.push(b'\n');
        }
        if flaw == Flaw::MalformedLines && (middle..middle + 15).contains(&at) {
            bytes.extend(format!("### fout {at}\n").as_bytes());
        }
    }
    bytes
}

/// Makes the lines behind `middle` wrong, where the flaw is one of lines and not of the day's shape
/// or of the bytes.
fn plant(lines: &mut Vec<Line>, flaw: Flaw, middle: usize) {
    let next = |lines: &[Line], event: &str| {
        let at = lines[middle..].iter().position(|line| line.event.starts_with(event));
        middle + at.expect("the afternoon has every kind of line")
    };
    let extra = |line: &Line, event: &str| Line { event: event.into(), ..line.clone() };
    match flaw {
        Flaw::StartLineLost => lose_start(lines, middle),
        Flaw::ClockSteppedBack => {
            for line in &mut lines[middle..] {
                line.second -= 1_800;
            }
        }
        Flaw::WaitWithoutDuration => {
            let at = next(lines, "MachineWait");
            lines[at].event = "MachineWait: ?".into();
        }
        Flaw::WaitOutsideProduction => {
            let last = lines.last().expect("a day has lines").clone();
            let line = extra(&last, "MachineWait: 45 sec");
            lines.push(Line { second: last.second + 30, ..line });
        }
        Flaw::Overlap => {
            let at = next(lines, "MachineWait");
            let line = extra(&lines[at], "MachineWait: 5 sec");
            lines.insert(at + 1, line);
        }
        Flaw::NoPiece => lines.retain(|line| !line.event.starts_with("StukUitgevoerd")),
        Flaw::UnknownEvent => {
            let line = extra(&lines[middle], "GereedschapWissel: T14");
            lines.insert(middle, line);
        }
        Flaw::Silence => fall_silent(lines, middle),
        Flaw::RhythmDrop => slow_down(lines, middle),
        Flaw::LongStop => {
            let at = next(lines, "MachineStart");
            for line in &mut lines[at..] {
                line.second += 7_200;
            }
        }
        Flaw::TornLine
        | Flaw::MalformedLines
        | Flaw::LowOccupation
        | Flaw::SlowRhythm
        | Flaw::MuchWaiting
        | Flaw::ManyStops
        | Flaw::LongStops => {}
    }
}

/// Removes a start line that a piece follows before the next stop: else nothing shows that it is missing.
fn lose_start(lines: &mut Vec<Line>, middle: usize) {
    let is_seen = |at: &usize| {
        let mut behind = lines[at + 1..].iter().map(|line| line.event.as_str());
        let told = ["StukUitgevoerd", "MachineSt"];
        let next = behind.find(|event| told.iter().any(|word| event.starts_with(word)));
        next.is_some_and(|event| event.starts_with("StukUitgevoerd"))
    };
    let mut starts = (middle..lines.len()).filter(|at| lines[*at].event == "MachineStart");
    let at = starts.find(is_seen).expect("a piece follows some stop");
    lines.remove(at);
}

/// Two hours in which nobody wrote: not a single line is left.
fn fall_silent(lines: &mut Vec<Line>, middle: usize) {
    let from = lines[middle].second;
    let stops = |line: &Line| line.event.starts_with("MachineSt");
    lines.retain(|line| !(from..from + 7_200).contains(&line.second) || stops(line));
    // Stops in it are taken out in pairs, so that no start line is missing.
    let mut open = false;
    lines.retain(|line| {
        let is_inside = (from..from + 7_200).contains(&line.second);
        match line.event.as_str() {
            "MachineStop" if is_inside => {
                open = true;
                false
            }
            "MachineStart" if open => {
                open = false;
                false
            }
            _ => true,
        }
    });
}

/// Leaves one piece of eight for an hour and a half.
fn slow_down(lines: &mut Vec<Line>, middle: usize) {
    let from = lines[middle].second / 900 * 900;
    let mut pieces = 0;
    lines.retain(|line| {
        let is_in =
            (from..from + 5_400).contains(&line.second) && line.event.starts_with("StukUitgevoerd");
        pieces += u32::from(is_in);
        !is_in || pieces % 8 == 0
    });
}
