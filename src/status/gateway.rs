//! The agent's own health as the page shows it: links, backlog, disk, clock, version.

use maud::{Markup, html};

use super::{
    board::{Board, Health},
    shell::Reader,
};
use crate::{
    buffer::LinkState,
    text::{phrase, span},
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
pub fn troubles(board: &Board, reader: Reader) -> Markup {
    let lines = lines(board, reader);
    let bad: Vec<&Line> = lines.iter().filter(|line| !line.is_good).collect();
    html! {
        @if !bad.is_empty() {
            aside.trouble aria-label=(reader.say("À regarder", "To be looked at")) {
                ul {
                    @for line in bad { li { b { (line.name) ": " } (line.text) } }
                }
            }
        }
    }
}

pub fn section(board: &Board, agent: &str, reader: Reader) -> Markup {
    html! {
        section.card aria-labelledby="gateway" {
            h2 #gateway { (reader.say("La passerelle", "The gateway")) }
            dl.health {
                @for line in lines(board, reader) {
                    dt { (line.name) }
                    dd class=(if line.is_good { "good" } else { "warn" }) { (line.text) }
                }
                dt { (reader.say("Version", "Version")) }
                dd { "cu-agent " (env!("CARGO_PKG_VERSION")) ", " (agent) }
            }
        }
    }
}

fn lines(board: &Board, reader: Reader) -> Vec<Line> {
    let health = &board.health;
    let line = |name: &str, is_good, text| Line { name: name.to_owned(), is_good, text };
    let mut lines = Vec::new();
    if health.has_central {
        let (is_up, text) = link(health.central.as_ref(), reader);
        lines.push(line(reader.say("Base centrale", "Central"), is_up, text));
    }
    lines.push(backlog(health, reader));
    for (name, state, last) in &health.sources {
        let (is_up, mut text) = link(state.as_ref(), reader);
        if let Some(last) = last {
            text += &format!("{} {last}", reader.say(" ; dernière lecture", "; last reading"));
        }
        let name = format!("{} {name}", reader.say("Source", "Source"));
        lines.push(Line { name, is_good: is_up, text });
    }
    for trouble in health.troubles.iter().take(MOST_TROUBLES) {
        let (text, since) = (trouble.text(reader.language), &trouble.since);
        let text = phrase!(reader.language, "{text} (depuis {since})", "{text} (since {since})");
        lines.push(line(&trouble.key.place(), false, text));
    }
    if let Some(more @ 1..) = health.troubles.len().checked_sub(MOST_TROUBLES) {
        let text = reader.say("autres, voir « cu-agent status »", "more, see “cu-agent status”");
        lines.push(line(reader.say("Fichiers", "Files"), false, format!("{more} {text}")));
    }
    if let Some(refused) = health.totals.as_ref().map(|t| t.refused_files).filter(|n| *n > 0) {
        let text = reader.say(
            "fichiers refusés, voir « cu-agent status »",
            "files refused, see “cu-agent status”",
        );
        lines.push(line(reader.say("Fichiers", "Files"), false, format!("{refused} {text}")));
    }
    lines.push(disk(health, reader));
    lines.push(clock(board, reader));
    lines
}

fn link(link: Option<&LinkState>, reader: Reader) -> (bool, String) {
    match link {
        None => (true, reader.say("pas encore essayée", "not tried yet").to_owned()),
        Some(LinkState { up: true, since, .. }) => {
            (true, format!("{} {since}", reader.say("joignable depuis", "answers since")))
        }
        Some(LinkState { since, error, .. }) => {
            let mut text =
                format!("{} {since}", reader.say("injoignable depuis", "does not answer since"));
            if let Some(error) = error {
                text += &format!(" ({error})");
            }
            (false, text)
        }
    }
}

fn backlog(health: &Health, reader: Reader) -> Line {
    let say = |french, english| reader.say(french, english);
    let name = say("À transmettre", "To be sent").to_owned();
    let Some(totals) = &health.totals else {
        let text = say("rien n'a encore été lu", "nothing was read yet").to_owned();
        return Line { name, is_good: true, text };
    };
    if !health.has_central {
        let text = say(
            "pas de base centrale configurée ; tout reste sur la passerelle",
            "no central is configured; all stays on the gateway",
        );
        return Line { name, is_good: true, text: text.to_owned() };
    }
    let mut text = match totals.pending_sessions {
        0 => say("rien, tout est en base centrale", "nothing, central has all").to_owned(),
        count => {
            format!("{count} {}", say("session(s) machine × jour", "session(s), machine × day"))
        }
    };
    if let Some(day) = totals.oldest_pending_day {
        text += &format!(", {} {}", say("la plus ancienne du", "the oldest of"), reader.date(day));
    }
    if totals.set_aside_sessions > 0 {
        let count = totals.set_aside_sessions;
        text += &format!(
            " ; {} {count}",
            say("refusées par la base centrale :", "refused by central:")
        );
    }
    Line { name, is_good: totals.set_aside_sessions == 0, text }
}

fn disk(health: &Health, reader: Reader) -> Line {
    let mib = |bytes: u64| format!("{} {}", bytes.div_ceil(1 << 20), reader.say("Mio", "MiB"));
    let mut text = format!(
        "{} {} {} {}",
        reader.say("tampon", "buffer"),
        mib(health.buffer_bytes),
        reader.say("sur", "of at most"),
        mib(health.max_buffer_bytes)
    );
    if let Some(free) = health.free_bytes {
        text += &format!("{}{}", reader.say(" ; libres : ", "; free: "), mib(free));
    }
    let is_good = health.free_bytes.is_none_or(|free| free >= LITTLE_ROOM_BYTES)
        && health.buffer_bytes < health.max_buffer_bytes;
    Line { name: reader.say("Disque", "Disk").to_owned(), is_good, text }
}

fn clock(board: &Board, reader: Reader) -> Line {
    let say = |french, english| reader.say(french, english);
    let name = say("Horloge", "Clock").to_owned();
    let time = board.now.wall.format("%Y-%m-%d %H:%M");
    if board.now.fault.is_some() {
        let text = say(
            "ne peut pas être juste ; le dernier jour lu est affiché (timedatectl)",
            "cannot be right; the newest day read is shown (timedatectl)",
        );
        return Line { name, is_good: false, text: format!("{time}, {text}") };
    }
    match &board.health.ahead {
        Some((nom, ahead)) => {
            let (and, text) =
                (say(" ; l'horloge de", "; the clock of"), say("avance de", "is ahead of it by"));
            let text = format!("{time}{and} {nom} {text} {}", span(*ahead));
            Line { name, is_good: false, text }
        }
        None => Line { name, is_good: true, text: time.to_string() },
    }
}
