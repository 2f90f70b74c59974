use super::*;
use crate::model::{TroubleKey, TroubleKind};

fn at(text: &str) -> NaiveDateTime {
    text.parse().unwrap()
}

/// A Tuesday.
fn noon() -> NaiveDateTime {
    at("2026-11-24T12:00:00")
}

fn hours(hours: i64) -> TimeDelta {
    TimeDelta::hours(hours)
}

fn good() -> Facts {
    Facts {
        clock_is_believed: true,
        free_bytes: Some(1 << 40),
        central: Some(LinkFact::Up),
        sources: vec![("cu".into(), LinkFact::Up)],
        ..Facts::default()
    }
}

fn machine(last_read: NaiveDateTime) -> Facts {
    let machine = MachineFact {
        nom: "DEM12".into(),
        last_read: Some(last_read),
        source_is_up: true,
        unreadable: None,
    };
    Facts { machines: vec![machine], ..good() }
}

/// Nothing of a machine that was read a moment ago can be read any more.
fn unreadable(hours: u64) -> Facts {
    let mut facts = machine(noon());
    facts.machines[0].unreadable = Some(UnreadableFact {
        length: Duration::from_secs(hours * 3600),
        trouble: Trouble {
            key: TroubleKey {
                source: "cu".into(),
                folder: "DEM12 (PVC)".into(),
                file: String::new(),
                kind: TroubleKind::FolderMissing,
            },
            detail: String::new(),
            since: None,
        },
    });
    facts
}

fn down(hours: u64) -> LinkFact {
    LinkFact::Down { length: Duration::from_secs(hours * 3600), error: "no route".into() }
}

fn step(state: &AlarmState, facts: &Facts, now: NaiveDateTime) -> (AlarmState, Vec<AlarmMessage>) {
    alarms(state, facts, &AlarmLimits::default(), Language::French, now)
}

/// What is told of the facts, one after the other; everything is heard at once.
fn told(history: &[(NaiveDateTime, Facts)]) -> Vec<(AlarmKind, AlarmEvent)> {
    let mut state = AlarmState::default();
    let mut all = Vec::new();
    for (now, facts) in history {
        let (next, made) = step(&state, facts, *now);
        state = AlarmState { waiting: Vec::new(), ..next };
        all.extend(made.into_iter().map(|message| (message.key.kind, message.event)));
    }
    all
}

fn bad_of_each_kind() -> Vec<(AlarmKind, Facts)> {
    use AlarmKind as Kind;
    let facts = |kind| match kind {
        Kind::MachineSilent => machine(noon() - hours(3)),
        Kind::MachineUnreadable => unreadable(1),
        Kind::SourceUnreachable => Facts { sources: vec![("cu".into(), down(1))], ..good() },
        Kind::CentralUnreachable => Facts { central: Some(down(7)), ..good() },
        Kind::DiskNearlyFull => Facts { free_bytes: Some(1 << 20), ..good() },
        Kind::DiskReadOnly => Facts { is_read_only: true, ..good() },
        Kind::SessionSetAside => {
            Facts { set_aside: vec![("DEM12".into(), 2, "too long".into())], ..good() }
        }
        Kind::UpdateFailed => Facts { failed_update: Some("0.2.0 : rolled-back".into()), ..good() },
        Kind::CriticalAnomaly => {
            Facts { critical_anomalies: vec![("DEM12".into(), "arrêt de 3 h".into())], ..good() }
        }
    };
    Kind::ALL.map(|kind| (kind, facts(kind))).into()
}

#[test]
fn each_alarm_is_raised_once_repeated_after_a_day_and_cleared() {
    for (kind, bad) in bad_of_each_kind() {
        let over = Facts { machines: machine(noon() + hours(26)).machines, ..good() };
        let over = if bad.machines.is_empty() { good() } else { over };
        let history = [
            (noon(), good_of(&bad)),
            (noon(), bad.clone()),
            (noon() + hours(1), bad.clone()),
            (noon() + hours(23), bad.clone()),
            (noon() + hours(24), bad.clone()),
            (noon() + hours(25), bad.clone()),
            (noon() + hours(26), over.clone()),
            (noon() + hours(26) + TimeDelta::minutes(30), over),
        ];
        let events = [AlarmEvent::Raised, AlarmEvent::Repeated, AlarmEvent::Cleared];
        assert_eq!(told(&history), events.map(|event| (kind, event)), "{kind:?}");
    }
}

/// The same, without what is wrong with it.
fn good_of(bad: &Facts) -> Facts {
    if bad.machines.is_empty() { good() } else { machine(noon()) }
}

#[test]
fn a_machine_is_missed_in_working_time_only_and_only_when_its_source_answers() {
    let silent = machine(at("2026-11-23T19:59:00"));
    for (now, is_missed) in [
        ("2026-11-24T05:59:00", false),
        ("2026-11-24T06:30:00", false),
        ("2026-11-24T07:00:00", true),
        ("2026-11-24T20:00:00", false),
        // A Sunday.
        ("2026-11-29T12:00:00", false),
    ] {
        let told = told(&[(at(now), silent.clone())]);
        assert_eq!(!told.is_empty(), is_missed, "{now}: {told:?}");
    }
    let mut unknown = silent.clone();
    unknown.machines[0].source_is_up = false;
    assert_eq!(told(&[(noon(), unknown)]), []);
    let mut no_clock = silent;
    no_clock.clock_is_believed = false;
    assert_eq!(told(&[(noon(), no_clock)]), []);
}

#[test]
fn a_machine_that_cannot_be_read_is_told_as_such_and_never_as_silent() {
    let mut long_ago = unreadable(1);
    long_ago.machines[0].last_read = Some(noon() - hours(48));
    let raised = (AlarmKind::MachineUnreadable, AlarmEvent::Raised);
    assert_eq!(told(&[(noon(), long_ago.clone())]), [raised]);
    let (state, made) = step(&AlarmState::default(), &long_ago, noon());
    assert!(
        made[0].text.contains("rien de DEM12 ne peut être lu depuis 1\u{a0}h 00\u{a0}min"),
        "{made:?}"
    );
    // Behind a source that does not answer nothing more is known: it neither ends nor begins.
    let mut away = long_ago;
    away.machines[0].source_is_up = false;
    let (kept, made) = step(&state, &away, noon() + hours(1));
    assert_eq!((kept.standing.len(), made), (1, vec![]));
}

#[test]
fn the_end_of_the_working_time_and_a_source_that_went_away_clear_nothing() {
    let silent = machine(noon() - hours(3));
    let mut unknown = silent.clone();
    unknown.machines[0].source_is_up = false;
    let evening = at("2026-11-24T21:00:00");
    let history = [(noon(), silent.clone()), (noon() + hours(1), unknown), (evening, silent)];
    assert_eq!(told(&history), [(AlarmKind::MachineSilent, AlarmEvent::Raised)]);
}

#[test]
fn a_short_outage_is_no_alarm_and_a_restart_in_a_long_one_changes_nothing() {
    let central = |link| Facts { central: Some(link), ..good() };
    assert_eq!(told(&[(noon(), central(down(5)))]), []);
    let history = [
        (noon(), central(down(6))),
        // The new process has not tried yet, or does not know since when.
        (noon() + hours(1), central(LinkFact::Unknown)),
        (noon() + hours(2), central(down(0))),
        (noon() + hours(3), central(down(9))),
        (noon() + hours(4), central(LinkFact::Up)),
    ];
    let events = [AlarmEvent::Raised, AlarmEvent::Cleared];
    assert_eq!(told(&history), events.map(|event| (AlarmKind::CentralUnreachable, event)));
}

#[test]
fn a_disk_at_its_limit_does_not_ring_at_every_file() {
    let free = |mib: u64| Facts { free_bytes: Some(mib << 20), ..good() };
    let history = [255, 257, 255, 300, 319].map(|mib| (noon(), free(mib)));
    assert_eq!(told(&history), [(AlarmKind::DiskNearlyFull, AlarmEvent::Raised)]);
    let mut history = history.to_vec();
    history.push((noon(), free(320)));
    assert_eq!(told(&history).len(), 2);
}

#[test]
fn a_week_without_a_network_leaves_at_most_two_messages_for_one_thing() {
    let mut state = AlarmState::default();
    let mut most = 0;
    for hour in 0..7 * 24 {
        let now = noon() + hours(hour);
        // It comes and goes every five hours.
        let link = if (hour / 5) % 2 == 0 { down(1) } else { LinkFact::Up };
        let facts = Facts { sources: vec![("cu".into(), link)], free_bytes: Some(0), ..good() };
        state = step(&state, &facts, now).0;
        most = most.max(state.waiting.len());
        let of = |kind| state.waiting.iter().filter(|message| message.key.kind == kind).count();
        assert_eq!(of(AlarmKind::DiskNearlyFull), 1, "raised, and not seven times");
        assert!(of(AlarmKind::SourceUnreachable) <= 2);
    }
    assert!(most <= 3, "{most}");
    // What waits tells in its order how it is now.
    let last = state.waiting.iter().rfind(|m| m.key.kind == AlarmKind::SourceUnreachable);
    let is_down = state.standing.keys().any(|key| key.kind == AlarmKind::SourceUnreachable);
    assert_eq!(last.unwrap().event != AlarmEvent::Cleared, is_down);
}

#[test]
fn what_went_away_and_came_back_between_two_messages_is_told_in_order() {
    let bad = Facts { free_bytes: Some(0), ..good() };
    let (state, _) = step(&AlarmState::default(), &bad, noon());
    let heard = AlarmState { waiting: Vec::new(), ..state };
    let (state, _) = step(&heard, &good(), noon() + hours(1));
    let (state, _) = step(&state, &bad, noon() + hours(2));
    let events: Vec<AlarmEvent> = state.waiting.iter().map(|message| message.event).collect();
    assert_eq!(events, [AlarmEvent::Cleared, AlarmEvent::Raised]);
    let (state, _) = step(&state, &good(), noon() + hours(3));
    let events: Vec<AlarmEvent> = state.waiting.iter().map(|message| message.event).collect();
    assert_eq!(events, [AlarmEvent::Cleared], "the second one came and went unheard");
}

#[test]
fn a_clock_that_is_set_back_a_year_repeats_once_and_goes_on_by_the_day() {
    let bad = Facts { free_bytes: Some(0), ..good() };
    let history = [
        (noon(), bad.clone()),
        (noon() - hours(24 * 365), bad.clone()),
        (noon() - hours(24 * 365 - 1), bad.clone()),
        (noon() - hours(24 * 365 - 24), bad),
    ];
    let events = [AlarmEvent::Raised, AlarmEvent::Repeated, AlarmEvent::Repeated];
    assert_eq!(told(&history), events.map(|event| (AlarmKind::DiskNearlyFull, event)));
}
