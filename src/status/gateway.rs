//! The agent's own health as the page shows it: links, backlog, disk, clock, version.

use maud::{Markup, html};

use super::{concerns::Concerns, day_view::DayView, gateway_health::Health, shell::Reader};
use crate::{
    buffer::{AsideReport, LinkState},
    model::{
        AlarmKind, CentralTold, Day, KeptCalendar, Language, PlantCalendar, RefusedCalendar,
        printable,
    },
    text::{Noun, count, date, minute, moment, phrase, span},
};

/// Less room than this is worth a word.
const LITTLE_ROOM_BYTES: u64 = 256 << 20;

/// Folders and files that cannot be read and are shown by name.
const MOST_TROUBLES: usize = 20;

/// One line of the list.
struct Line {
    name: String,
    is_good: bool,
    text: String,
    /// What is said of it on top, where there is less room.
    brief: Option<String>,
}

/// Troubles that are shown at once; a telephone has room for these and a machine.
const MOST_SHOWN: usize = 3;

/// What a person should know before reading figures: alarms that stand, machines that were never read, and
/// what else is wrong.
pub(super) fn troubles(view: &DayView, reader: Reader) -> Markup {
    let language = reader.language;
    let concerns = &view.health.concerns;
    let is_shown = |nom: &str| view.machine.as_deref().is_none_or(|machine| machine == nom);
    let mut all: Vec<(Markup, String)> = Vec::new();
    for alarm in &concerns.alarms {
        let (title, subject) = (alarm.key.kind.title(language), alarm.subject(language));
        let name = html! { span.first { (title) } @if !subject.is_empty() { " " (subject) } };
        let since = alarm.since(language);
        let text = match alarm.detail(&view.health, language) {
            Some(detail) => phrase!(language, "{since}\u{202f}; {detail}", "{since}; {detail}"),
            None => since,
        };
        all.push((name, text));
    }
    for never in concerns.never_read.iter().filter(|never| is_shown(&never.nom)) {
        all.push((html! { (never.nom) }, never.text(language)));
    }
    // What an alarm says already is not said twice; the list below has it all.
    let is_told = |line: &Line| match line.name.strip_prefix(SOURCE) {
        Some(source) => concerns.has_alarm(AlarmKind::SourceUnreachable, source),
        None => {
            line.name == central_name(reader)
                && concerns.has_alarm(AlarmKind::CentralUnreachable, "")
        }
    };
    let bad = lines(view, reader).into_iter().filter(|line| !line.is_good && !is_told(line));
    all.extend(bad.map(|line| (html! { (line.name) }, line.brief.unwrap_or(line.text))));
    let item = |(name, text): &(Markup, String)| html! { li { b { (name) (reader.say("\u{202f}: ", ": ")) } (text) } };
    // A rest of one is no shorter than itself.
    let shown = if all.len() == MOST_SHOWN + 1 { all.len() } else { all.len().min(MOST_SHOWN) };
    let (first, rest) = all.split_at(shown);
    html! {
        @if !all.is_empty() {
            aside.trouble aria-label=(reader.say("À vérifier", "Needs attention")) {
                ul { @for one in first { (item(one)) } }
                @if !rest.is_empty() {
                    details #troubles {
                        summary { (MORE_TROUBLES.counted(rest.len() as u64, language)) }
                        ul { @for one in rest { (item(one)) } }
                    }
                }
            }
        }
    }
}

const MORE_TROUBLES: Noun = Noun::new(
    "autre point à vérifier",
    "autres points à vérifier",
    "more that needs attention",
    "more that need attention",
);

/// In front of a source's name.
const SOURCE: &str = "Source ";

fn central_name(reader: Reader) -> &'static str {
    reader.say("Base centrale", "Central database")
}

pub(super) fn section(view: &DayView, agent: &str, reader: Reader) -> Markup {
    html! {
        section.card aria-labelledby="gateway" {
            h2 #gateway { (reader.say("La passerelle", "The gateway")) }
            dl.health {
                @for line in lines(view, reader) {
                    dt { (line.name) }
                    dd class=(if line.is_good { "good" } else { "warn" }) { (line.text) }
                }
                dt { (reader.say("Version", "Version")) }
                dd { "cu-agent " (env!("CARGO_PKG_VERSION")) ", " (agent) }
            }
        }
    }
}

/// Behind a number: what is not shown by name.
const MORE: Noun = Noun::new(
    "autre, voir «\u{a0}cu-agent status\u{a0}»",
    "autres, voir «\u{a0}cu-agent status\u{a0}»",
    "more, see “cu-agent status”",
    "more, see “cu-agent status”",
);
const REPORTS: Noun = Noun::new(
    "rapport attend d'être envoyé, voir «\u{a0}cu-agent status\u{a0}»",
    "rapports attendent d'être envoyés, voir «\u{a0}cu-agent status\u{a0}»",
    "report is waiting to be sent, see “cu-agent status”",
    "reports are waiting to be sent, see “cu-agent status”",
);
const REFUSED_FILES: Noun = Noun::new(
    "fichier refusé, voir «\u{a0}cu-agent status\u{a0}»",
    "fichiers refusés, voir «\u{a0}cu-agent status\u{a0}»",
    "file refused, see “cu-agent status”",
    "files refused, see “cu-agent status”",
);
const SESSIONS: Noun = Noun::new("session", "sessions", "session", "sessions");

fn lines(view: &DayView, reader: Reader) -> Vec<Line> {
    let health = &view.health;
    let language = reader.language;
    let line =
        |name: &str, is_good, text| Line { name: name.to_owned(), is_good, text, brief: None };
    let mut lines = Vec::new();
    if health.has_central {
        let (is_up, brief, text) = link(health.central.as_ref(), language);
        lines.push(Line { brief: Some(brief), ..line(central_name(reader), is_up, text) });
    }
    lines.extend(plant(health, reader));
    if let Some(told) = &health.settings {
        let name = reader.say("Réglages de la base centrale", "Settings from central");
        let text = printable(&told.text(language), MOST_CHARS);
        lines.push(line(name, told.refused.is_none(), text));
    }
    lines.push(backlog(health, reader));
    lines.extend(in_central(health, reader));
    for (name, state, last) in &health.sources {
        let (is_up, brief, mut text) = link(state.as_ref(), language);
        if let Some(last) = last {
            let at = moment(Some(*last), language);
            text +=
                &phrase!(language, "\u{202f}; dernière lecture\u{202f}: {at}", "; last read: {at}");
        }
        lines.push(Line { brief: Some(brief), ..line(&format!("{SOURCE}{name}"), is_up, text) });
    }
    for trouble in health.troubles.iter().take(MOST_TROUBLES) {
        let (text, since) = (trouble.text(language), moment(trouble.since, language));
        let text = phrase!(language, "{text} (depuis le {since})", "{text} (since {since})");
        lines.push(line(&trouble.key.place(), false, text));
    }
    let files = reader.say("Fichiers", "Files");
    if let Some(more @ 1..) = health.troubles.len().checked_sub(MOST_TROUBLES) {
        lines.push(line(files, false, MORE.counted(more as u64, language)));
    }
    if let Some(waiting) = health.reports_waiting {
        let name = reader.say("Rapports de la semaine", "Weekly reports");
        let text = match waiting {
            0 => reader.say("tous envoyés", "all sent").to_owned(),
            waiting => REPORTS.counted(waiting, language),
        };
        lines.push(line(name, waiting == 0, text));
    }
    if let Some(refused) = health.totals.as_ref().map(|t| t.refused_files).filter(|n| *n > 0) {
        lines.push(line(files, false, REFUSED_FILES.counted(refused, language)));
    }
    lines.push(disk(health, reader));
    lines.push(clock(view, reader));
    lines
}

/// Whether it answers, since when, and the same with the error or the server's name.
fn link(link: Option<&LinkState>, language: Language) -> (bool, String, String) {
    let Some(LinkState { up, since, error, host, .. }) = link else {
        let text = phrase!(language, "pas encore contactée", "not contacted yet");
        return (true, text.clone(), text);
    };
    let since = moment(*since, language);
    let (brief, more) = if *up {
        (phrase!(language, "joignable depuis le {since}", "reachable since {since}"), host)
    } else {
        (phrase!(language, "injoignable depuis le {since}", "unreachable since {since}"), error)
    };
    let text = more.as_ref().map_or_else(|| brief.clone(), |more| format!("{brief} ({more})"));
    (*up, brief, text)
}

const STRAY_SESSIONS: Noun = Noun::new(
    "session de cette passerelle n'y appartient à aucun centre (voir «\u{a0}cu-agent check\u{a0}»)",
    "sessions de cette passerelle n'y appartiennent à aucun centre (voir «\u{a0}cu-agent check\u{a0}»)",
    "session of this gateway belongs to no centre there (see “cu-agent check”)",
    "sessions of this gateway belong to no centre there (see “cu-agent check”)",
);
const CHANGED_TEXTS: Noun = Noun::new(
    "texte écrit avec des caractères voisins\u{202f}: la base n'a pas tous les caractères",
    "textes écrits avec des caractères voisins\u{202f}: la base n'a pas tous les caractères",
    "text written in similar characters: the database does not have every character",
    "texts written in similar characters: the database does not have every character",
);

/// Of names and reasons that come from central.
const MOST_CHARS: usize = 300;

/// What people and other programs did in central, and what it refused or lacks.
fn in_central(health: &Health, reader: Reader) -> Vec<Line> {
    let language = reader.language;
    let Concerns { central, changed_texts, set_aside, .. } = &health.concerns;
    let CentralTold { renamed, stray_sessions, lacks_times, writers, updates: _ } = central;
    let name = reader.say("En base centrale", "In the central database");
    let line = |is_good, text: String| Line {
        name: name.to_owned(),
        is_good,
        text: printable(&text, MOST_CHARS),
        brief: None,
    };
    let mut lines: Vec<Line> = Vec::new();
    lines.extend(writers.iter().map(|write| line(false, write.text(language))));
    if *stray_sessions > 0 {
        lines.push(line(false, STRAY_SESSIONS.counted(*stray_sessions, language)));
    }
    if *lacks_times {
        let text = reader.say(
            "il manque la table des temps des postes\u{202f}: les sessions y arrivent sans (voir «\u{a0}cu-agent check\u{a0}»)",
            "the table for the times of shifts is missing: sessions are delivered without (see “cu-agent check”)",
        );
        lines.push(line(false, text.to_owned()));
    }
    for one in set_aside {
        let AsideReport { nom, reason, first_day, last_day, sessions, .. } = one;
        let sessions = SESSIONS.counted(*sessions, language);
        let (from, to) = (date(*first_day, language), date(*last_day, language));
        let text = phrase!(
            language,
            "{nom}, {sessions} du {from} au {to}, en quarantaine\u{202f}: {reason}",
            "{nom}, {sessions} from {from} to {to}, quarantined: {reason}",
        );
        lines.push(line(false, text));
    }
    lines.extend(renamed.iter().map(|one| line(true, one.text(language))));
    if let Some(changed) = changed_texts {
        lines.push(line(true, CHANGED_TEXTS.counted(changed.texts, language)));
    }
    lines
}

/// The plant's calendar, if central has one.
fn plant(health: &Health, reader: Reader) -> Option<Line> {
    let KeptCalendar { good, refused, .. } = &health.plant;
    let language = reader.language;
    let name = reader.say("Calendrier de l'usine", "Calendar of the plant").to_owned();
    let mut text = match good {
        Some(PlantCalendar { version, written_by, written_at, .. }) => {
            let written_at = in_words(written_at, language);
            phrase!(
                language,
                "version {version} du {written_at} UTC, par {written_by}",
                "version {version} of {written_at} UTC, by {written_by}",
            )
        }
        None if refused.is_some() => {
            reader.say("aucune version utilisable", "no version that can be used").to_owned()
        }
        None => return None,
    };
    if let Some(RefusedCalendar { version, why }) = refused {
        text += &phrase!(
            language,
            "\u{202f}; la version {version} est inutilisable ({why})",
            "; version {version} cannot be used ({why})",
        );
    }
    Some(Line { name, is_good: refused.is_none(), text, brief: None })
}

/// A moment as central writes it, its date as the reader does.
fn in_words(at: &str, language: Language) -> String {
    let day = at.get(..10).and_then(|day| day.parse::<Day>().ok());
    day.map_or_else(|| at.to_owned(), |day| format!("{}{}", date(day, language), &at[10..]))
}

fn backlog(health: &Health, reader: Reader) -> Line {
    let (say, language) = (|french, english| reader.say(french, english), reader.language);
    let name = say("À transmettre", "Waiting for delivery").to_owned();
    let Some(totals) = &health.totals else {
        let text = say("rien n'a encore été lu", "nothing has been read yet").to_owned();
        return Line { name, is_good: true, text, brief: None };
    };
    if !health.has_central {
        let text = say(
            "pas de base centrale configurée\u{202f}; tout reste sur la passerelle",
            "no central database is configured; all data stays on the gateway",
        );
        return Line { name, is_good: true, text: text.to_owned(), brief: None };
    }
    let mut text = match totals.pending_sessions {
        0 => say("rien, tout est en base centrale", "nothing, everything is delivered").to_owned(),
        count => SESSIONS.counted(count, language),
    };
    if let Some(day) = totals.oldest_pending_day {
        let day = reader.date(day);
        text += &phrase!(language, ", la plus ancienne du {day}", ", the oldest from {day}");
    }
    if totals.pending_planned_days > 0 {
        let count = totals.pending_planned_days;
        text += &phrase!(
            language,
            "\u{202f}; jours prévus sans LOG, en attente\u{202f}: {count}",
            "; planned days without a LOG, waiting: {count}",
        );
    }
    if totals.set_aside_sessions > 0 {
        let count = totals.set_aside_sessions;
        text += &phrase!(
            language,
            "\u{202f}; refusées par la base centrale\u{202f}: {count}",
            "; quarantined, refused by the central database: {count}",
        );
    }
    Line { name, is_good: totals.set_aside_sessions == 0, text, brief: None }
}

fn disk(health: &Health, reader: Reader) -> Line {
    let mib = |bytes: u64| {
        let mib = count(bytes.div_ceil(1 << 20), reader.language);
        phrase!(reader.language, "{mib}\u{a0}Mio", "{mib}\u{a0}MiB")
    };
    let (used, most) = (mib(health.buffer_bytes), mib(health.max_buffer_bytes));
    let mut text =
        phrase!(reader.language, "tampon {used} sur {most}", "buffer {used} of {most} at most");
    if let Some(free) = health.free_bytes.map(mib) {
        text += &phrase!(reader.language, "\u{202f}; {free} libres", "; {free} free");
    }
    let name = reader.say("Disque", "Disk").to_owned();
    if health.is_read_only {
        let text = phrase!(
            reader.language,
            "lecture seule, plus rien n'est lu\u{202f}: la carte est sans doute défectueuse (voir «\u{a0}dmesg\u{a0}»)\u{202f}; {text}",
            "read-only, nothing is read any more: the card is probably failing (see “dmesg”); {text}",
        );
        return Line { name, is_good: false, text, brief: None };
    }
    let is_good = health.free_bytes.is_none_or(|free| free >= LITTLE_ROOM_BYTES)
        && health.buffer_bytes < health.max_buffer_bytes;
    Line { name, is_good, text, brief: None }
}

fn clock(view: &DayView, reader: Reader) -> Line {
    let language = reader.language;
    let name = reader.say("Horloge", "Clock").to_owned();
    let time = minute(view.now.wall, language);
    if view.now.fault.is_some() {
        let text = phrase!(
            language,
            "{time}, non plausible\u{202f}; le dernier jour lu est affiché (vérifier avec timedatectl)",
            "{time}, not plausible; the newest day read is shown (check with timedatectl)",
        );
        return Line { name, is_good: false, text, brief: None };
    }
    match &view.health.ahead {
        Some((nom, ahead)) => {
            let ahead = span(*ahead);
            let text = phrase!(
                language,
                "{time}\u{202f}; l'horloge de {nom} avance de {ahead}",
                "{time}; the clock of {nom} is ahead by {ahead}",
            );
            Line { name, is_good: false, text, brief: None }
        }
        None => Line { name, is_good: true, text: time, brief: None },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{ForeignWrite, Renamed},
        status::WallClock,
    };

    fn view(health: Health) -> DayView {
        let day = Day::from_ymd_opt(2026, 11, 26).unwrap();
        DayView {
            now: WallClock { wall: day.and_hms_opt(14, 30, 0).unwrap(), fault: None },
            day,
            today: day,
            machine: None,
            before: None,
            after: None,
            machines: Vec::new(),
            health,
        }
    }

    fn reader(language: Language) -> Reader {
        Reader { language, is_chosen: false }
    }

    #[test]
    fn other_writers_and_a_refused_calendar_are_said_on_top_and_another_name_below() {
        let mut health = Health { has_central: true, max_buffer_bytes: 1, ..Health::default() };
        health.plant.refused =
            Some(RefusedCalendar { version: 7, why: "no such day: \"lun\"".into() });
        health.plant.good = Some(PlantCalendar {
            version: 6,
            text: String::new(),
            written_by: "aps".into(),
            written_at: "2026-11-20 08:15:00".into(),
        });
        health.concerns.central = CentralTold {
            renamed: vec![Renamed { machine: "DEM12".into(), centre: "Débit <1>".into() }],
            stray_sessions: 1,
            lacks_times: true,
            writers: vec![ForeignWrite {
                machine: "DEM12".into(),
                application: "excel".into(),
                ..ForeignWrite::default()
            }],
            ..CentralTold::default()
        };
        let view = view(health);
        let top = troubles(&view, reader(Language::French)).into_string();
        for said in [
            "version 6 du 20/11/2026 08:15:00 UTC, par aps",
            "version 7 est inutilisable (no such day: &quot;lun&quot;)",
            "l'application «\u{a0}excel\u{a0}»",
            "1 session de cette passerelle n'y appartient à aucun centre",
            "il manque la table des temps des postes",
        ] {
            assert!(top.contains(said), "{said}: {top}");
        }
        assert!(!top.contains("Débit"), "{top}");
        let below = section(&view, "ligne-1", reader(Language::English)).into_string();
        assert!(below.contains("machine DEM12 is called “Débit &lt;1&gt;” there"), "{below}");
        assert!(below.contains("application “excel”"), "{below}");
    }

    #[test]
    fn a_telephone_has_room_for_three_troubles_and_the_rest_is_one_touch_away() {
        let never = |nom: &str| super::super::concerns::NeverRead {
            nom: nom.into(),
            places: vec![(format!("{nom} (PVC)"), "cu".into())],
        };
        let mut health = Health { max_buffer_bytes: 1, ..Health::default() };
        health.concerns.never_read = ["A", "B", "C", "D"].map(never).into();
        let top = |health: &Health| {
            troubles(&view(health.clone()), reader(Language::English)).into_string()
        };
        assert!(!top(&health).contains("<details"), "a rest of one is shown");
        health.concerns.never_read.push(never("E"));
        let said = top(&health);
        assert!(said.contains("<summary>2 more that need attention</summary>"), "{said}");
        assert_eq!(said.matches("no LOG file was ever read").count(), 5);
        // On the page of one machine only its own.
        let mut view = view(health);
        view.machine = Some("D".into());
        let said = troubles(&view, reader(Language::English)).into_string();
        assert!(said.contains("D (PVC)") && !said.contains("E (PVC)"), "{said}");
    }
}
