//! `[alarms]`: whom to tell, and from when on something is worth an alarm. Addresses are secrets: the
//! topic of an ntfy server or the number of a check is all that somebody needs to write there.

use std::{path::PathBuf, time::Duration};

use chrono::{Datelike, NaiveDateTime, NaiveTime, TimeDelta, Weekday};

use super::{
    Secret,
    load::{BYTES, Loader, duration_between, not_empty},
    reader::Section,
    units::{parse_bytes, parse_time_of_day},
};

#[derive(Clone, Debug)]
pub struct Alarms {
    /// Gets every message by POST.
    pub url: Option<Secret>,
    /// Gets a GET after each good cycle.
    pub heartbeat_url: Option<Secret>,
    /// Sent to both as `Authorization: Bearer …`.
    pub token: Option<Secret>,
    /// PEM file with the authorities to trust instead of the built-in ones.
    pub ca_file: Option<PathBuf>,
    pub limits: AlarmLimits,
}

/// From when on something is worth an alarm.
#[derive(Clone, Debug)]
pub struct AlarmLimits {
    pub hours: WorkingHours,
    pub silent_after: Duration,
    pub source_after: Duration,
    pub central_after: Duration,
    pub disk_free_bytes: u64,
}

impl Default for AlarmLimits {
    fn default() -> Self {
        let hour = Duration::from_secs(3600);
        Self {
            hours: WorkingHours {
                from: TimeDelta::hours(6),
                to: TimeDelta::hours(20),
                days: [Weekday::Mon, Weekday::Tue, Weekday::Wed, Weekday::Thu, Weekday::Fri].into(),
            },
            silent_after: hour,
            source_after: hour / 2,
            central_after: hour * 6,
            disk_free_bytes: 256 << 20,
        }
    }
}

/// When machines are expected to work.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WorkingHours {
    /// After midnight; `to` not behind `from` is of the next day.
    pub from: TimeDelta,
    pub to: TimeDelta,
    pub days: Vec<Weekday>,
}

impl WorkingHours {
    /// When the working time that `now` lies in began.
    pub fn begun(&self, now: NaiveDateTime) -> Option<NaiveDateTime> {
        let length = match self.to - self.from {
            length if length > TimeDelta::zero() => length,
            length => length + TimeDelta::days(1),
        };
        [now.date(), now.date().pred_opt()?].into_iter().find_map(|day| {
            let from = day.and_time(NaiveTime::MIN) + self.from;
            (self.days.contains(&day.weekday()) && (from..from + length).contains(&now))
                .then_some(from)
        })
    }
}

fn hours(text: &str) -> Option<(TimeDelta, TimeDelta)> {
    let (from, to) = text.split_once('-')?;
    Some((parse_time_of_day(from.trim())?, parse_time_of_day(to.trim())?))
}

fn days(text: &str) -> Option<Vec<Weekday>> {
    let days: Option<Vec<Weekday>> = text.split_whitespace().map(|day| day.parse().ok()).collect();
    days.filter(|days| !days.is_empty())
}

impl Loader<'_, '_> {
    /// `None` where nobody is to be told anything.
    pub(super) fn alarms(&mut self, section: Option<Section<'_>>) -> Option<Alarms> {
        let mut section = section?;
        let url = address(&mut section, "url");
        let heartbeat_url = address(&mut section, "heartbeat_url");
        let token = self.secrets.optional(&mut section, "token_file", "ALARMS_TOKEN", &self.base);
        let ca_file = section.parsed("ca_file", "a PEM file", not_empty);
        let mut limits = AlarmLimits::default();
        let accepted = r#"from and to such as "06:00-20:00""#;
        if let Some((from, to)) = section.parsed("working_hours", accepted, hours) {
            (limits.hours.from, limits.hours.to) = (from, to);
        }
        let accepted = r#"days with blanks between, such as "mon tue wed thu fri""#;
        if let Some(days) = section.parsed("working_days", accepted, days) {
            limits.hours.days = days;
        }
        let mut after = |key, slot: &mut Duration| {
            let accepted = r#"a duration from "1s" to "30d""#;
            let (least, most) = (Duration::from_secs(1), Duration::from_secs(30 * 86_400));
            let parse = |text: &str| duration_between(text, least, most);
            if let Some(duration) = section.parsed(key, accepted, parse) {
                *slot = duration;
            }
        };
        after("silent_after", &mut limits.silent_after);
        after("source_after", &mut limits.source_after);
        after("central_after", &mut limits.central_after);
        if let Some(bytes) = section.bytes("disk_free", BYTES, parse_bytes) {
            limits.disk_free_bytes = bytes;
        }
        section.finish();
        if url.is_none() && heartbeat_url.is_none() {
            return None;
        }
        let ca_file = ca_file.map(|file| self.base.join(file));
        Some(Alarms { url, heartbeat_url, token, ca_file, limits })
    }
}

/// An address of HTTP. A refusal does not show it.
fn address(section: &mut Section<'_>, key: &'static str) -> Option<Secret> {
    let accepted = r#"an address that begins with https:// or http://, or "" for none"#;
    let written = section.string(key, accepted)?;
    let text = written.text.trim();
    if text.is_empty() {
        return None;
    }
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let is_usable = rest.is_some_and(|rest| !rest.starts_with(['/', '?', '#']) && !rest.is_empty())
        && text.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_usable {
        section.refuse(key, &written.span, "this address", accepted);
        return None;
    }
    Some(Secret::new(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> NaiveDateTime {
        text.parse().unwrap()
    }

    #[test]
    fn working_time_has_a_begin_and_may_go_over_midnight() {
        let day = AlarmLimits::default().hours;
        // 2026-11-24 is a Tuesday.
        assert_eq!(day.begun(at("2026-11-24T05:59:59")), None);
        assert_eq!(day.begun(at("2026-11-24T06:00:00")), Some(at("2026-11-24T06:00:00")));
        assert_eq!(day.begun(at("2026-11-24T20:00:00")), None);
        assert_eq!(day.begun(at("2026-11-28T12:00:00")), None, "a Saturday");
        let (from, to) = hours("22:00-06:00").unwrap();
        let night = WorkingHours { from, to, days: days("Fri").unwrap() };
        assert_eq!(night.begun(at("2026-11-28T05:00:00")), Some(at("2026-11-27T22:00:00")));
        assert_eq!(night.begun(at("2026-11-27T05:00:00")), None);
        assert_eq!(hours("06:00"), None);
        assert_eq!(days("lundi"), None);
    }
}
