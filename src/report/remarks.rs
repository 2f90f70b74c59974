//! Anomalies and advice of a machine's days in as many lines as a page has left: all of them if they fit, and
//! otherwise one of each kind with how many there are. What must never happen here: a grave one left out for a
//! light one, or one left out without a word.

use std::cmp::Reverse;

use maud::{Markup, html};

use super::{MachineReport, Report};
use crate::{
    model::{AnomalyCode, Day, Severity},
    text::{Noun, phrase, short_date_with_weekday},
};

/// Ordinary letters of a printed line; few, so that wide ones fit too.
const LETTERS: usize = 95;
/// Texts from LOG files may be of any length.
const MOST_LETTERS: usize = 260;

const KINDS: Noun = Noun::new("autre", "autres", "more", "more");

struct Remark {
    class: &'static str,
    word: &'static str,
    text: String,
}

impl Remark {
    fn lines(&self) -> usize {
        (self.word.chars().count() + self.text.chars().count()).div_ceil(LETTERS).max(1)
    }
}

/// As many as fit into so many lines, and how many do not.
fn fitting(all: Vec<Remark>, lines: usize) -> (Vec<Remark>, usize) {
    let mut left = lines.saturating_sub(1);
    let count = all.len();
    let shown: Vec<Remark> = all
        .into_iter()
        .take_while(|one| {
            let fits = one.lines() <= left;
            left = left.saturating_sub(one.lines());
            fits
        })
        .collect();
    let hidden = count - shown.len();
    (shown, hidden)
}

fn needed(all: &[Remark]) -> usize {
    all.iter().map(Remark::lines).sum()
}

/// Both, in `lines` lines of text beside their heads.
pub(super) fn remarks(report: &Report, machine: &MachineReport, lines: usize) -> Markup {
    let mut anomalies = anomalies(report, machine);
    let mut advice = advice(report, machine);
    if needed(&anomalies) + needed(&advice) > lines {
        anomalies = grouped_anomalies(report, machine);
        advice.truncate(3);
    }
    let of_advice = needed(&advice).min(lines / 3);
    let (anomalies, hidden) = if needed(&anomalies) + of_advice <= lines {
        (anomalies, 0)
    } else {
        fitting(anomalies, lines.saturating_sub(of_advice))
    };
    let left = lines.saturating_sub(needed(&anomalies) + usize::from(hidden > 0));
    let (advice, _) = if needed(&advice) <= left { (advice, 0) } else { fitting(advice, left + 1) };
    let kinds = (anomalies.len() + hidden) as u64;
    if lines < 2 && kinds > 0 {
        return html! {
            p.small { b { (report.say("Anomalies", "Anomalies")) } (counts(report, machine)) " · cu-agent report --details" }
        };
    }
    html! {
        @if lines > 0 || kinds > 0 {
            h3 { (report.say("Anomalies", "Anomalies")) (counts(report, machine)) }
        }
        @if kinds == 0 && lines > 0 {
            p.empty { (report.say("Aucune.", "None.")) }
        }
        (list(&anomalies))
        @if hidden > 0 {
            p.small { "+ " (KINDS.counted(hidden as u64, report.language)) " · cu-agent report --details" }
        }
        @if !advice.is_empty() {
            h3 { (report.say("Conseils", "Advice")) }
            (list(&advice))
        }
    }
}

fn list(remarks: &[Remark]) -> Markup {
    html! {
        @if !remarks.is_empty() {
            ul.notes {
                @for Remark { class, word, text } in remarks {
                    li class=(class) { @if !word.is_empty() { b { (word) } " " } (text) }
                }
            }
        }
    }
}

pub(super) fn word(report: &Report, severity: Severity) -> (&'static str, &'static str) {
    match severity {
        Severity::High => ("high", report.say("Grave.", "Critical.")),
        Severity::Medium => ("medium", report.say("Moyenne.", "Medium.")),
        Severity::Low => ("low", report.say("Faible.", "Low.")),
    }
}

const fn gravity(severity: Severity) -> u8 {
    match severity {
        Severity::High => 2,
        Severity::Medium => 1,
        Severity::Low => 0,
    }
}

/// How many there are of each severity.
fn counts(report: &Report, machine: &MachineReport) -> String {
    let all = || machine.days.iter().flat_map(|day| &day.anomalies);
    let of = |severity| all().filter(|one| one.severity == severity).count();
    let parts = [Severity::High, Severity::Medium, Severity::Low].map(|severity| {
        let name = word(report, severity).1.trim_end_matches('.').to_lowercase();
        (of(severity), name)
    });
    let told: Vec<String> = parts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, name)| {
            let plural = if *count > 1 { report.say("s", "") } else { "" };
            format!("{}\u{a0}{name}{plural}", crate::text::count(*count as u64, report.language))
        })
        .collect();
    if told.is_empty() { String::new() } else { format!(" ({})", told.join(", ")) }
}

fn bounded(text: &str) -> String {
    match text.char_indices().nth(MOST_LETTERS) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => format!("{text}."),
    }
}

fn anomalies(report: &Report, machine: &MachineReport) -> Vec<Remark> {
    let language = report.language;
    let mut all: Vec<(u8, Day, Remark)> = Vec::new();
    for day in &machine.days {
        for one in &day.anomalies {
            let (class, word) = word(report, one.severity);
            let date = short_date_with_weekday(day.day, language);
            let text = bounded(&format!("{date} · {}", one.text(language)));
            all.push((gravity(one.severity), day.day, Remark { class, word, text }));
        }
    }
    all.sort_by_key(|(gravity, day, _)| (Reverse(*gravity), *day));
    all.into_iter().map(|(_, _, remark)| remark).collect()
}

/// Of each kind the gravest, the newest of equals, with on how many days there are such.
fn grouped_anomalies(report: &Report, machine: &MachineReport) -> Vec<Remark> {
    let language = report.language;
    let all = || machine.days.iter().flat_map(|day| day.anomalies.iter().map(|one| (day.day, one)));
    let mut groups: Vec<(u8, usize, Remark)> = Vec::new();
    for code in AnomalyCode::ALL {
        let of_kind = || all().filter(|(_, one)| one.code == code);
        let Some((day, one)) = of_kind().max_by_key(|(day, one)| (gravity(one.severity), *day))
        else {
            continue;
        };
        let (class, word) = word(report, one.severity);
        let others = of_kind().count() - 1;
        let date = short_date_with_weekday(day, language);
        let mut text = bounded(&format!("{date} · {}", one.text(language)));
        if others > 0 {
            text += &phrase!(
                language,
                " Et {others}\u{a0}fois de plus.",
                " And {others} more like it."
            );
        }
        groups.push((gravity(one.severity), others, Remark { class, word, text }));
    }
    groups.sort_by_key(|(gravity, others, _)| (Reverse(*gravity), Reverse(*others)));
    groups.into_iter().map(|(_, _, remark)| remark).collect()
}

/// Of each kind the one that wins the most.
fn advice(report: &Report, machine: &MachineReport) -> Vec<Remark> {
    let language = report.language;
    let mut all: Vec<_> = machine
        .days
        .iter()
        .flat_map(|day| day.advice.iter().map(|one| (one.won_e1, day.day, one)))
        .collect();
    all.sort_by_key(|(won, day, _)| (Reverse(*won), *day));
    let mut codes = Vec::new();
    all.retain(|(_, _, one)| {
        let is_new = !codes.contains(&one.code);
        codes.push(one.code);
        is_new
    });
    all.into_iter()
        .map(|(_, day, one)| Remark {
            class: "advice",
            word: "",
            text: bounded(&format!(
                "{} · {}",
                short_date_with_weekday(day, language),
                one.text(language)
            )),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remark(letters: usize) -> Remark {
        Remark { class: "low", word: "", text: "x".repeat(letters) }
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        let (shown, hidden) = fitting(vec![remark(90), remark(180), remark(10)], 3);
        assert_eq!((shown.len(), hidden), (1, 2), "a line is kept to say so");
        let (shown, hidden) = fitting(vec![remark(90), remark(10)], 3);
        assert_eq!((shown.len(), hidden), (2, 0));
        assert_eq!(fitting(vec![remark(1)], 0).1, 1);
    }
}
