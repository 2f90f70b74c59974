//! The agent's own health as the page shows it: links, backlog, disk, clock, version.

use maud::{Markup, html};

use super::{
    day_view::{DayView, Health},
    shell::Reader,
};
use crate::{
    buffer::LinkState,
    model::{KeptCalendar, Language, PlantCalendar, RefusedCalendar},
    text::{Noun, count, minute, moment, phrase, span},
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
}

/// Whether something is wrong that a person should know before reading figures.
pub(super) fn troubles(view: &DayView, reader: Reader) -> Markup {
    let lines = lines(view, reader);
    let bad: Vec<&Line> = lines.iter().filter(|line| !line.is_good).collect();
    html! {
        @if !bad.is_empty() {
            aside.trouble aria-label=(reader.say("À vérifier", "Needs attention")) {
                ul {
                    @for line in bad { li { b { (line.name) (reader.say("\u{202f}: ", ": ")) } (line.text) } }
                }
            }
        }
    }
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
    let line = |name: &str, is_good, text| Line { name: name.to_owned(), is_good, text };
    let mut lines = Vec::new();
    if health.has_central {
        let (is_up, text) = link(health.central.as_ref(), language);
        lines.push(line(reader.say("Base centrale", "Central database"), is_up, text));
    }
    lines.extend(plant(health, reader));
    lines.push(backlog(health, reader));
    for (name, state, last) in &health.sources {
        let (is_up, mut text) = link(state.as_ref(), language);
        if let Some(last) = last {
            let at = moment(Some(*last), language);
            text +=
                &phrase!(language, "\u{202f}; dernière lecture\u{202f}: {at}", "; last read: {at}");
        }
        lines.push(line(&format!("Source {name}"), is_up, text));
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
    if let Some(refused) = health.totals.as_ref().map(|t| t.refused_files).filter(|n| *n > 0) {
        lines.push(line(files, false, REFUSED_FILES.counted(refused, language)));
    }
    lines.push(disk(health, reader));
    lines.push(clock(view, reader));
    lines
}

fn link(link: Option<&LinkState>, language: Language) -> (bool, String) {
    let Some(LinkState { up, since, error, host, .. }) = link else {
        return (true, phrase!(language, "pas encore contactée", "not contacted yet"));
    };
    let since = moment(*since, language);
    if *up {
        let text = phrase!(language, "joignable depuis le {since}", "reachable since {since}");
        return (
            true,
            host.as_ref().map_or_else(|| text.clone(), |host| format!("{text} ({host})")),
        );
    }
    let text = phrase!(language, "injoignable depuis le {since}", "unreachable since {since}");
    (false, error.as_ref().map_or_else(|| text.clone(), |error| format!("{text} ({error})")))
}

/// The plant's calendar, if central has one.
fn plant(health: &Health, reader: Reader) -> Option<Line> {
    let KeptCalendar { good, refused, .. } = &health.plant;
    let language = reader.language;
    let name = reader.say("Calendrier de l'usine", "Calendar of the plant").to_owned();
    let mut text = match good {
        Some(PlantCalendar { version, written_by, written_at, .. }) => phrase!(
            language,
            "version {version} du {written_at} UTC, par {written_by}",
            "version {version} of {written_at} UTC, by {written_by}",
        ),
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
    Some(Line { name, is_good: refused.is_none(), text })
}

fn backlog(health: &Health, reader: Reader) -> Line {
    let (say, language) = (|french, english| reader.say(french, english), reader.language);
    let name = say("À transmettre", "Waiting for delivery").to_owned();
    let Some(totals) = &health.totals else {
        let text = say("rien n'a encore été lu", "nothing has been read yet").to_owned();
        return Line { name, is_good: true, text };
    };
    if !health.has_central {
        let text = say(
            "pas de base centrale configurée\u{202f}; tout reste sur la passerelle",
            "no central database is configured; all data stays on the gateway",
        );
        return Line { name, is_good: true, text: text.to_owned() };
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
    Line { name, is_good: totals.set_aside_sessions == 0, text }
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
        return Line { name, is_good: false, text };
    }
    let is_good = health.free_bytes.is_none_or(|free| free >= LITTLE_ROOM_BYTES)
        && health.buffer_bytes < health.max_buffer_bytes;
    Line { name, is_good, text }
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
        return Line { name, is_good: false, text };
    }
    match &view.health.ahead {
        Some((nom, ahead)) => {
            let ahead = span(*ahead);
            let text = phrase!(
                language,
                "{time}\u{202f}; l'horloge de {nom} avance de {ahead}",
                "{time}; the clock of {nom} is ahead by {ahead}",
            );
            Line { name, is_good: false, text }
        }
        None => Line { name, is_good: true, text: time },
    }
}
