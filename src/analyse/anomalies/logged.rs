//! Anomalies that the lines of the LOG show by themselves, and days of which there is no LOG at all.

use chrono::{Datelike, Days, NaiveTime, Weekday};

use super::{Evidence, counted};
use crate::model::{AnomalyCode, Day, Finding, FindingCode, Gravity, ShortText, Stamp};

pub(super) fn find(evidence: &Evidence<'_>, findings: &mut Vec<Finding>) {
    of_the_session(evidence, findings);
    of_the_lines(evidence, findings);
    findings.extend(missing_days(evidence));
}

/// Of several anomalies of one code, the first and last time and the sum.
fn of_the_session(evidence: &Evidence<'_>, findings: &mut Vec<Finding>) {
    let limits = evidence.limits;
    for code in AnomalyCode::ALL {
        let of_code = || evidence.session.anomalies.iter().filter(|one| one.code == code);
        let count = of_code().fold(0_u32, |sum, one| sum.saturating_add(one.count));
        let from = of_code().map(|one| one.at).min();
        let last = of_code().map(|one| one.at).max();
        let (finding, limit, gravity) = match code {
            AnomalyCode::StartLineLost => {
                (FindingCode::StartLineLost, limits.start_lines_lost, Gravity::Medium)
            }
            AnomalyCode::ClockSteppedBack => {
                (FindingCode::ClockSteppedBack, limits.clock_steps, Gravity::High)
            }
            AnomalyCode::WaitWithoutDuration => {
                (FindingCode::WaitWithoutDuration, limits.waits_without_duration, Gravity::Medium)
            }
            AnomalyCode::WaitOutsideProduction => {
                (FindingCode::WaitOutsideProduction, limits.waits_outside_production, Gravity::Low)
            }
            AnomalyCode::Overlap => (FindingCode::Overlap, limits.overlaps, Gravity::Low),
            AnomalyCode::NoPiece => {
                let events = u32::try_from(evidence.session.figures.events).unwrap_or(u32::MAX);
                if count > 0 && events >= limits.events_without_pieces {
                    let code = FindingCode::DayWithoutPieces;
                    findings.push(counted(code, Gravity::High, events, from, None));
                }
                continue;
            }
        };
        if count >= limit.max(1) {
            let to = last.filter(|last| Some(*last) != from);
            findings.push(counted(finding, gravity, count, from, to));
        }
    }
}

fn of_the_lines(evidence: &Evidence<'_>, findings: &mut Vec<Finding>) {
    let (limits, defects) = (evidence.limits, evidence.defects);
    if defects.torn_lines >= limits.torn_lines.max(1) {
        let code = FindingCode::TornLine;
        findings.push(counted(code, Gravity::Low, defects.torn_lines, None, None));
    }
    if defects.malformed_lines >= limits.malformed_lines.max(1) {
        let code = FindingCode::MalformedLines;
        findings.push(counted(code, Gravity::High, defects.malformed_lines, None, None));
    }
    let known = evidence.earlier();
    for (name, &count) in &defects.unknown {
        // A word is news once: the day on which it first stood.
        let is_news = !known.iter().any(|digest| digest.unknown_events.contains(name));
        if is_news && count >= limits.unknown_events.max(1) {
            let code = FindingCode::UnknownEvent;
            let finding = counted(code, Gravity::Low, count, None, None);
            findings.push(Finding { subject: name.clone(), ..finding });
        }
    }
}

/// How many of the newest same weekdays are asked whether the machine works on that weekday, and how
/// many must say so.
const ASKED_WEEKS: u64 = 4;
const WORKED_WEEKS: usize = 3;
/// A longer gap is no missing day but another life of the machine.
const LONGEST_GAP_DAYS: i64 = 92;

/// Working days between the newest day before this one and this one: told with the day that ends
/// the gap, since a day without a LOG has no session of its own.
fn missing_days(evidence: &Evidence<'_>) -> Option<Finding> {
    let earlier = evidence.earlier();
    if earlier.len() < evidence.limits.least_days as usize {
        return None;
    }
    let last = earlier.first()?.day;
    if (evidence.day - last).num_days() > LONGEST_GAP_DAYS {
        return None;
    }
    let works_on = |weekday: Weekday| {
        let back = u64::from(last.weekday().days_since(weekday));
        let newest = last.checked_sub_days(Days::new(back));
        let weeks =
            (0..ASKED_WEEKS).filter_map(|week| newest?.checked_sub_days(Days::new(7 * week)));
        let worked = weeks.filter(|day| earlier.iter().any(|digest| digest.day == *day));
        worked.count() >= WORKED_WEEKS
    };
    let missing: Vec<Day> = last
        .iter_days()
        .skip(1)
        .take_while(|day| *day < evidence.day)
        .filter(|day| works_on(day.weekday()))
        .collect();
    let (first, last) = (*missing.first()?, *missing.last()?);
    let count = u32::try_from(missing.len()).unwrap_or(u32::MAX);
    if count < evidence.limits.missing_days.max(1) {
        return None;
    }
    let midnight = |day: Day| Stamp::from_naive(day.and_time(NaiveTime::MIN));
    let to = last.succ_opt().map(midnight);
    let code = FindingCode::MissingWorkingDay;
    let subject: ShortText =
        if first == last { first.to_string().into() } else { format!("{first} – {last}").into() };
    Some(Finding { subject, ..counted(code, Gravity::Medium, count, Some(midnight(first)), to) })
}
