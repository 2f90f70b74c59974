//! What random drawing would reach too rarely: plants that have been through something, each of which
//! leaves a single rule between a LOG and its deletion. A history may begin with one of them.

use fastrand::Rng;

use super::{
    history::Action::{
        self, Append, Clock, CopyLast, Deliver, Header, NextDay, Open, Pause, Poll, Quiet, Reboot,
        RestartMachine, ServerClock,
    },
    plant::{Habits, MACHINES},
    watched::Hook,
};

/// What the agent's own clock says, all through a history.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wall {
    Right,
    /// Years ahead: it holds nothing back.
    Ahead,
    /// Never set, ahead, or unreadable, in turn.
    Any,
}

/// Which rule is left alone to speak for the LOG that a machine holds open.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Theme {
    /// The machine, dating its files itself, was days ahead for a while.
    SecondWitness,
    /// The next day's LOG was begun by somebody else and has no event.
    NewerWithoutEvents,
    /// A LOG was begun and has no event itself.
    WithoutEvents,
    /// The agent knew the later LOG first, and its computer was switched off since.
    ReadBefore,
    /// The machine came back to the LOG.
    ChangedAfter,
    /// The machine had come back to the LOG before the agent's first look.
    WrittenBefore,
    /// The machine wrote a line dated days ahead, and opened the LOG again without writing yet.
    Impossible,
    /// The same, months ahead, with file times that bear it out.
    Far,
    /// The server is in a zone of its own.
    Zone,
    /// The server's clock was ahead, and was put back.
    PutBack,
    /// Server and machine are one, and its clock was put back before the agent's first look.
    OneClock,
    /// The LOG that is ahead was copied.
    Copies,
    /// A reading gave another file.
    OtherFile,
}

const ALL: [Theme; 13] = [
    Theme::SecondWitness,
    Theme::NewerWithoutEvents,
    Theme::WithoutEvents,
    Theme::ReadBefore,
    Theme::ChangedAfter,
    Theme::WrittenBefore,
    Theme::Impossible,
    Theme::Far,
    Theme::Zone,
    Theme::PutBack,
    Theme::OneClock,
    Theme::Copies,
    Theme::OtherFile,
];

const LOOK: Action = Poll(Hook::Nothing);

/// Until what may go is gone: read, delivered, closed, deleted.
const SETTLE: [Action; 8] = [LOOK, Deliver(0), Quiet, LOOK, Deliver(0), Quiet, LOOK, LOOK];

impl Theme {
    pub fn drawn(rng: &mut Rng) -> Self {
        ALL[rng.usize(..ALL.len())]
    }

    pub fn wall(self) -> Wall {
        if self == Self::OneClock { Wall::Right } else { Wall::Ahead }
    }

    /// What happened, and what machines and server it happened to.
    pub fn steps(self, rng: &mut Rng) -> (Habits, Vec<Action>) {
        let machine = rng.usize(..MACHINES.len());
        let [one, other] = [1, 2].map(|by| (machine + by) % MACHINES.len());
        let mut habits = Habits { keeps_open: [true; MACHINES.len()], ..Habits::default() };
        let (stays, own_times) = match self {
            Self::NewerWithoutEvents | Self::WrittenBefore | Self::Impossible => (true, false),
            Self::ReadBefore | Self::ChangedAfter | Self::Far => (true, true),
            Self::SecondWitness | Self::Zone | Self::OneClock | Self::Copies => (false, true),
            Self::WithoutEvents | Self::PutBack | Self::OtherFile => (false, false),
        };
        habits.stays[machine] = stays;
        habits.own_times[machine] = own_times;
        let lines = rng.usize(1..4);
        let writes = |of: usize| Append(of, lines);
        let ahead = |days: i64| Clock(machine, 24 * days);
        let restart = RestartMachine(machine);
        let days = rng.i64(1..9);
        let afternoon = Pause(rng.i64(9..14));
        let others = [writes(one), writes(other)];
        // A weekend in which only the others work.
        let idle = [&[Pause(60)][..], &others].concat();
        let steps = match self {
            Self::SecondWitness => [
                &others[..],
                &[ahead(days), writes(machine), Clock(machine, 0), writes(machine)],
                &SETTLE,
            ]
            .concat(),
            Self::NewerWithoutEvents => {
                let begun = [writes(machine), LOOK, NextDay, Header(machine), Pause(14)];
                [&begun[..], &others, &SETTLE].concat()
            }
            Self::WithoutEvents => {
                let begun = [Header(machine), LOOK, NextDay, writes(machine), Pause(14)];
                [&begun[..], &others, &SETTLE].concat()
            }
            Self::ReadBefore => [
                &[ahead(days), writes(machine), LOOK, Clock(machine, 0), restart, writes(machine)],
                &SETTLE[..5],
                &[Reboot],
                &idle,
                &SETTLE,
            ]
            .concat(),
            Self::ChangedAfter => {
                let before = [writes(machine), LOOK, ahead(days), restart, writes(machine), LOOK];
                let back = [Clock(machine, 0), restart, writes(machine), LOOK, Deliver(0)];
                [&before[..], &back, &idle, &SETTLE].concat()
            }
            Self::WrittenBefore => {
                let before = [afternoon, ahead(1), writes(machine), Clock(machine, 0), restart];
                [&before[..], &[writes(machine)], &idle, &SETTLE].concat()
            }
            Self::Impossible | Self::Far => {
                let days = if self == Self::Far { 32 + 40 * days } else { 1 + days };
                let ahead = [writes(machine), ahead(days), restart, writes(machine)];
                let back = [Clock(machine, 0), restart, Open(machine)];
                [&ahead[..], &back, &idle, &SETTLE].concat()
            }
            Self::Zone => {
                let ahead = [afternoon, ahead(1), writes(machine), Clock(machine, 0)];
                [&ahead[..], &[writes(machine), ServerClock(11)], &others, &SETTLE].concat()
            }
            Self::PutBack => {
                let wrong =
                    [ServerClock(48), ahead(2), writes(machine), writes(one), writes(other)];
                let back = [ServerClock(0), Clock(machine, 0), writes(machine), LOOK, Deliver(0)];
                [&wrong[..], &back, &[writes(one), LOOK], &SETTLE].concat()
            }
            Self::OneClock => {
                let wrong = [ahead(days + 1), writes(machine), ahead(days + 2), writes(machine)];
                [&wrong[..], &[Clock(machine, 0), writes(machine)], &SETTLE].concat()
            }
            Self::Copies => {
                let wrong = [ahead(days + 1), writes(machine), CopyLast(machine, true)];
                [&others[..], &wrong, &[Clock(machine, 0), writes(machine)], &SETTLE].concat()
            }
            Self::OtherFile => {
                // The last file of all is another machine's.
                let (machine, last) = (machine % 2, MACHINES.len() - 1);
                let before = [writes(machine), LOOK, Deliver(0), Pause(60), writes(1 - machine)];
                let copied = [writes(last), CopyLast(machine, false), Poll(Hook::OtherFile)];
                return (habits, [&before[..], &copied, &SETTLE].concat());
            }
        };
        // What the machine writes after all is lost where its LOG is gone.
        (habits, [&steps[..], &[writes(machine)]].concat())
    }
}
