//! Anomalies that the lines of the LOG show by themselves, and days of which there is no LOG at all.

use chrono::{Datelike, Days, NaiveTime, Weekday};

use super::{Evidence, counted};
use crate::{
    analyse::shift_times::MOST_DAYS_APART,
    calendar::ShiftPart,
    model::{Anomaly, AnomalyCode, Day, DayDigest, LogDefectCode, Severity, ShortText, Stamp},
};

/// What no further line of the day can take back.
pub(super) fn find(evidence: &Evidence<'_>, anomalies: &mut Vec<Anomaly>) {
    of_the_session(evidence, anomalies, is_for_good);
    of_the_lines(evidence, anomalies);
    anomalies.extend(missing_days(evidence));
}

/// What rests on the whole day. Of a day on which nothing is planned nobody expects pieces.
pub(super) fn find_in_whole_day(
    evidence: &Evidence<'_>,
    planned: Option<&[ShiftPart]>,
    anomalies: &mut Vec<Anomaly>,
) {
    let is_free = planned.is_some_and(<[ShiftPart]>::is_empty);
    of_the_session(evidence, anomalies, |code| {
        let is_expected = is_free && code == LogDefectCode::NoPiece;
        !is_for_good(code) && !is_expected
    });
}

/// A line that was said to be wrong stays so. The others depend on lines that may still come: a start line
/// that is late, a piece after the wait.
fn is_for_good(code: LogDefectCode) -> bool {
    match code {
        LogDefectCode::ClockSteppedBack | LogDefectCode::WaitWithoutDuration => true,
        LogDefectCode::StartLineLost
        | LogDefectCode::WaitOutsideProduction
        | LogDefectCode::Overlap
        | LogDefectCode::NoPiece => false,
    }
}

/// Of several anomalies of one code, the first and last time and the sum.
fn of_the_session(
    evidence: &Evidence<'_>,
    anomalies: &mut Vec<Anomaly>,
    is_wanted: impl Fn(LogDefectCode) -> bool,
) {
    let limits = evidence.limits;
    for code in LogDefectCode::ALL.into_iter().filter(|code| is_wanted(*code)) {
        let of_code = || evidence.session.log_defects.iter().filter(|one| one.code == code);
        let count = of_code().fold(0_u32, |sum, one| sum.saturating_add(one.count));
        let from = of_code().map(|one| one.at).min();
        let last = of_code().map(|one| one.at).max();
        let (anomaly, limit, severity) = match code {
            LogDefectCode::StartLineLost => {
                (AnomalyCode::StartLineLost, limits.start_lines_lost, Severity::Medium)
            }
            LogDefectCode::ClockSteppedBack => {
                (AnomalyCode::ClockSteppedBack, limits.clock_steps, Severity::High)
            }
            LogDefectCode::WaitWithoutDuration => {
                (AnomalyCode::WaitWithoutDuration, limits.waits_without_duration, Severity::Medium)
            }
            LogDefectCode::WaitOutsideProduction => {
                (AnomalyCode::WaitOutsideProduction, limits.waits_outside_production, Severity::Low)
            }
            LogDefectCode::Overlap => (AnomalyCode::Overlap, limits.overlaps, Severity::Low),
            LogDefectCode::NoPiece => {
                let events = u32::try_from(evidence.session.figures.events).unwrap_or(u32::MAX);
                if count > 0 && events >= limits.events_without_pieces {
                    let code = AnomalyCode::DayWithoutPieces;
                    anomalies.push(counted(code, Severity::High, events, from, None));
                }
                continue;
            }
        };
        if count >= limit.max(1) {
            let to = last.filter(|last| Some(*last) != from);
            anomalies.push(counted(anomaly, severity, count, from, to));
        }
    }
}

fn of_the_lines(evidence: &Evidence<'_>, anomalies: &mut Vec<Anomaly>) {
    let (limits, defects) = (evidence.limits, evidence.defects);
    if defects.torn_lines >= limits.torn_lines.max(1) {
        let code = AnomalyCode::TornLine;
        anomalies.push(counted(code, Severity::Low, defects.torn_lines, None, None));
    }
    if defects.malformed_lines >= limits.malformed_lines.max(1) {
        let code = AnomalyCode::MalformedLines;
        anomalies.push(counted(code, Severity::High, defects.malformed_lines, None, None));
    }
    let known = evidence.earlier();
    for (name, &count) in &defects.unknown {
        // A word is news once: the day on which it first stood.
        let is_news = !known.iter().any(|digest| digest.unknown_events.contains(name));
        if is_news && count >= limits.unknown_events.max(1) {
            let code = AnomalyCode::UnknownEvent;
            let anomaly = counted(code, Severity::Low, count, None, None);
            anomalies.push(Anomaly { subject: name.clone(), ..anomaly });
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
fn missing_days(evidence: &Evidence<'_>) -> Option<Anomaly> {
    let earlier = evidence.earlier();
    let last = earlier.first()?.day;
    let works_on: Box<dyn Fn(Day) -> bool> = match evidence.calendar {
        Some(_) if (evidence.day - last).num_days() > MOST_DAYS_APART => return None,
        Some(calendar) => Box::new(|day| {
            calendar.parts(day, evidence.day_start).iter().any(|part| part.required_ms() > 0)
        }),
        None if earlier.len() < evidence.limits.least_days as usize => return None,
        None if (evidence.day - last).num_days() > LONGEST_GAP_DAYS => return None,
        None => Box::new(usual_days(&earlier, last)),
    };
    let missing: Vec<Day> = last
        .iter_days()
        .skip(1)
        .take_while(|day| *day < evidence.day)
        .filter(|day| works_on(*day))
        .collect();
    let (first, last) = (*missing.first()?, *missing.last()?);
    let count = u32::try_from(missing.len()).unwrap_or(u32::MAX);
    if count < evidence.limits.missing_days.max(1) {
        return None;
    }
    let midnight = |day: Day| Stamp::from_naive(day.and_time(NaiveTime::MIN));
    let to = last.succ_opt().map(midnight);
    let code = AnomalyCode::MissingWorkingDay;
    let subject: ShortText =
        if first == last { first.to_string().into() } else { format!("{first} – {last}").into() };
    Some(Anomaly { subject, ..counted(code, Severity::Medium, count, Some(midnight(first)), to) })
}

/// Without a calendar: whether the machine works on the day's weekday, by the weeks up to `last`.
fn usual_days(earlier: &[&DayDigest], last: Day) -> impl Fn(Day) -> bool {
    let works_on = move |weekday: Weekday| {
        let back = u64::from(last.weekday().days_since(weekday));
        let newest = last.checked_sub_days(Days::new(back));
        let weeks =
            (0..ASKED_WEEKS).filter_map(|week| newest?.checked_sub_days(Days::new(7 * week)));
        let worked = weeks.filter(|day| earlier.iter().any(|digest| digest.day == *day));
        worked.count() >= WORKED_WEEKS
    };
    move |day| works_on(day.weekday())
}
