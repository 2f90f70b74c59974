use super::*;
use crate::{
    config::parse_calendars,
    model::{FaultKind, RefusedSettings, TroubleKey, TroubleKind, UpdateEnd},
};

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
        is_known: true,
        unreadable: None,
        calendar: None,
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

fn no_route() -> LinkFault {
    LinkFault { kind: FaultKind::NoRoute, place: "192.168.0.5:21".into(), said: None }
}

fn down(hours: u64) -> LinkFact {
    LinkFact::Down { length: Duration::from_secs(hours * 3600), fault: no_route() }
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

fn rolled_back() -> FailedUpdate {
    let detail = "it crashes".into();
    FailedUpdate { version: Some("0.2.0".into()), end: UpdateEnd::RolledBack, detail }
}

fn not_taken() -> RefusedSettings {
    RefusedSettings { serial: Some(7), reason: "source cu did not answer".into() }
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
        Kind::UpdateFailed => Facts { failed_update: Some(rolled_back()), ..good() },
        Kind::SettingsRefused => Facts { refused_settings: Some(not_taken()), ..good() },
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

#[test]
fn the_end_of_an_alarm_says_what_it_was_since_when_for_how_long_and_what_is_true_now() {
    use AlarmKind as Kind;
    let end = noon() + hours(27);
    let mut over = machine(end - TimeDelta::minutes(1));
    (over.pending_sessions, over.free_bytes) = (2, Some(2000 << 20));
    for (kind, bad) in bad_of_each_kind() {
        let now = match kind {
            Kind::MachineSilent => {
                "DEM12 écrit de nouveau (dernière lecture\u{202f}: 25/11/2026 14:59)"
            }
            Kind::MachineUnreadable => "DEM12 peut de nouveau être lue",
            Kind::SourceUnreachable => "la source cu répond de nouveau",
            Kind::CentralUnreachable => {
                "la base centrale répond de nouveau\u{202f}; 2 sessions attendent encore"
            }
            Kind::DiskNearlyFull => {
                "le disque de la passerelle a de nouveau assez de place\u{202f}: 2\u{202f}000\u{a0}Mio libres"
            }
            Kind::DiskReadOnly => {
                "la carte de la passerelle peut de nouveau être écrite\u{202f}; la lecture reprend"
            }
            Kind::SessionSetAside => {
                "DEM12\u{202f}: plus aucune session n'est refusée par la base centrale"
            }
            Kind::UpdateFailed => "la dernière mise à jour n'est plus en échec",
            Kind::SettingsRefused => "les réglages de la base centrale ne sont plus refusés",
            Kind::CriticalAnomaly => {
                "DEM12\u{202f}: plus d'anomalie grave, la journée a été recalculée"
            }
        };
        let (state, raised) = step(&AlarmState::default(), &bad, noon());
        let bad_text = raised[0].text.clone();
        let (state, made) = step(&AlarmState { waiting: Vec::new(), ..state }, &over, end);
        let [message] = made.as_slice() else { panic!("{kind:?}: {made:?}") };
        let was = kind.title(Language::French);
        let tail = format!(
            ". Fin de l'alarme «\u{a0}{was}\u{a0}», en cours depuis le 24/11/2026 12:00 (1\u{a0}j 3\u{a0}h)"
        );
        assert_eq!(message.text, format!("{now}{tail}"), "{kind:?}");
        assert_ne!(message.text, bad_text);
        assert!(state.standing.is_empty(), "{kind:?}");
    }
    // Of a machine that was taken out of the configuration nothing is known.
    let (state, _) = step(&AlarmState::default(), &machine(noon() - hours(3)), noon());
    let (_, made) = step(&AlarmState { waiting: Vec::new(), ..state }, &good(), end);
    assert!(made[0].text.starts_with("DEM12 n'est plus dans la configuration. Fin"), "{made:?}");
    // A clock that was set back gives no length.
    let bad = Facts { free_bytes: Some(0), ..good() };
    let (state, _) = step(&AlarmState::default(), &bad, noon());
    let (_, made) = step(&AlarmState { waiting: Vec::new(), ..state }, &good(), noon() - hours(3));
    assert!(made[0].text.ends_with("en cours depuis le 24/11/2026 12:00"), "{made:?}");
    // An anomaly of a day that is no news any more did not go away.
    let key = AlarmKey { kind: Kind::CriticalAnomaly, subject: "DEM12 2026-11-22".into() };
    let alarm = StandingAlarm { text: "arrêt de 3 h".into(), since: noon(), told_at: noon() };
    let state = AlarmState { standing: [(key, alarm)].into(), waiting: Vec::new() };
    let later = Facts { news_from: Some(end.date() - TimeDelta::days(1)), ..good() };
    let (_, made) = step(&state, &later, end);
    assert!(
        made[0].text.starts_with("DEM12 22/11/2026\u{202f}: l'anomalie grave n'est plus nouvelle"),
        "{made:?}"
    );
}

#[test]
fn a_cause_is_in_the_readers_language_and_what_a_server_said_is_quoted() {
    let said = LinkFault {
        kind: FaultKind::LoginRefused,
        place: "192.168.0.5:21".into(),
        said: Some("530 Login incorrect".into()),
    };
    let mut facts = Facts { sources: vec![("cu".into(), down(1))], ..good() };
    let text = |facts: &Facts, language| {
        let limits = AlarmLimits::default();
        alarms(&AlarmState::default(), facts, &limits, language, noon()).1[0].text.clone()
    };
    assert_eq!(
        text(&facts, Language::French),
        "la source cu ne répond plus depuis 1\u{a0}h 00\u{a0}min\u{202f}: 192.168.0.5:21, aucun chemin jusqu'au serveur (câble, réseau de la passerelle\u{202f}?)"
    );
    facts.sources[0].1 = LinkFact::Down { length: Duration::from_secs(3600), fault: said };
    assert!(text(&facts, Language::French).ends_with(
        "identification refusée (vérifiez l'utilisateur et le mot de passe)\u{202f}: «\u{a0}530 Login incorrect\u{a0}»"
    ));
    assert!(text(&facts, Language::English).ends_with(": “530 Login incorrect”"));
    let update = Facts { failed_update: Some(rolled_back()), ..good() };
    assert_eq!(
        text(&update, Language::French),
        "la mise à jour vers 0.2.0 n'a pas marché, la version précédente est revenue\u{202f}: «\u{a0}it crashes\u{a0}»"
    );
    let settings = Facts { refused_settings: Some(not_taken()), ..good() };
    assert_eq!(
        text(&settings, Language::French),
        "les réglages de la base centrale (série 7) ne sont pas pris en compte\u{202f}: «\u{a0}source cu did not answer\u{a0}»"
    );
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
    unknown.machines[0].is_known = false;
    assert_eq!(told(&[(noon(), unknown)]), []);
    let mut no_clock = silent;
    no_clock.clock_is_believed = false;
    assert_eq!(told(&[(noon(), no_clock)]), []);
}

/// A machine with shifts of its own, silent since `last_read`.
fn planned(last_read: &str, more: &str) -> Facts {
    let text = format!(
        "[[calendar]]\nholidays = \"fr\"\n{more}\n[[calendar.shift]]\nname = \"nuit\"\n\
         days = \"mon-thu\"\ntime = \"21:00-05:00\"\nbreaks = [\"01:00-02:00\"]\n"
    );
    let mut facts = machine(at(last_read));
    let calendars = parse_calendars("calendar.toml", &text).unwrap();
    facts.machines[0].calendar = calendars.of("DEM12").cloned();
    facts
}

#[test]
fn a_machine_with_a_calendar_is_missed_in_its_own_required_time_only() {
    for (last_read, more, now, is_missed) in [
        // Working hours of other machines say nothing of it: 2026-11-24 is a Tuesday.
        ("2026-11-24T04:50:00", "", "2026-11-24T12:00:00", false),
        ("2026-11-24T04:50:00", "", "2026-11-24T21:55:00", false),
        ("2026-11-24T04:50:00", "", "2026-11-24T22:00:00", true),
        // Over midnight, and over the break, which is no silence.
        ("2026-11-24T23:30:00", "", "2026-11-25T00:30:00", true),
        ("2026-11-25T00:20:00", "", "2026-11-25T01:59:00", false),
        ("2026-11-25T00:20:00", "", "2026-11-25T02:10:00", false),
        ("2026-11-25T00:20:00", "", "2026-11-25T02:20:00", true),
        ("2026-11-25T03:00:00", "", "2026-11-25T05:00:00", false),
        // All Saints' Day 2027 is a Monday; its night is worked only if it is opened.
        ("2027-10-29T04:50:00", "", "2027-11-01T23:00:00", false),
        ("2027-10-29T04:50:00", "open = [\"2027-11-01 20:00-23:30\"]", "2027-11-01T21:00:00", true),
        ("2026-11-24T04:50:00", "closed = [\"2026-11-24\"]", "2026-11-24T23:00:00", false),
    ] {
        let told = told(&[(at(now), planned(last_read, more))]);
        assert_eq!(!told.is_empty(), is_missed, "{last_read} {more} {now}: {told:?}");
    }
}

#[test]
fn a_standing_alarm_outlives_breaks_and_the_end_of_the_shift_and_falls_with_a_calendar_that_closes()
{
    let silent = planned("2026-11-24T23:00:00", "");
    let closed = planned("2026-11-24T23:00:00", "closed = [\"2026-11-24\"]");
    let raised = (AlarmKind::MachineSilent, AlarmEvent::Raised);
    let cleared = (AlarmKind::MachineSilent, AlarmEvent::Cleared);
    let mut history = vec![
        (at("2026-11-25T00:30:00"), silent.clone()),
        (at("2026-11-25T01:30:00"), silent.clone()),
        (at("2026-11-25T05:30:00"), silent.clone()),
        (at("2026-11-25T20:59:00"), silent.clone()),
    ];
    assert_eq!(told(&history), [raised]);
    // The night was not to be worked at all: nothing was missed.
    history.push((at("2026-11-25T05:31:00"), closed.clone()));
    assert_eq!(told(&history), [raised, cleared]);
    history.push((at("2026-11-25T20:59:30"), silent.clone()));
    assert_eq!(told(&history), [raised, cleared], "outside a shift nothing is raised");
    // One that goes away leaves the machine to the working hours of all.
    let without = machine(at("2026-11-24T23:00:00"));
    let history = [(at("2026-11-25T00:30:00"), silent), (at("2026-11-25T04:00:00"), without)];
    assert_eq!(told(&history), [raised]);
}

#[test]
fn what_the_general_hours_raised_of_a_machine_never_read_falls_with_a_calendar_that_plans_nothing()
{
    let mut unplanned = machine(noon());
    unplanned.machines[0].last_read = None;
    let never_read = |more: &str| {
        let mut facts = planned("2026-11-24T00:00:00", more);
        facts.machines[0].last_read = None;
        facts
    };
    let raised = (AlarmKind::MachineSilent, AlarmEvent::Raised);
    let later = noon() + hours(1);
    let closed = never_read("closed = [\"2025-01-01/2999-12-31\"]");
    let cleared = (AlarmKind::MachineSilent, AlarmEvent::Cleared);
    assert_eq!(told(&[(noon(), unplanned.clone()), (later, closed)]), [raised, cleared]);
    // It is to work at night: the noon between says nothing of it.
    assert_eq!(told(&[(noon(), unplanned), (later, never_read(""))]), [raised]);
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
    away.machines[0].is_known = false;
    let (kept, made) = step(&state, &away, noon() + hours(1));
    assert_eq!((kept.standing.len(), made), (1, vec![]));
}

#[test]
fn the_end_of_the_working_time_and_a_source_that_went_away_clear_nothing() {
    let silent = machine(noon() - hours(3));
    let mut unknown = silent.clone();
    unknown.machines[0].is_known = false;
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
