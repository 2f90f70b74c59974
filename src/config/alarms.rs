//! `[alarms]`: whom to tell, and from when on something is worth an alarm. Addresses are secrets: the
//! topic of an ntfy server or the number of a check is all that somebody needs to write there.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use chrono::{Datelike, NaiveDateTime, NaiveTime, TimeDelta, Weekday};

use super::{Secret, key::Key, keys::AlarmKeys, reader::Section, secrets::Secrets};

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

impl AlarmLimits {
    fn read(section: &mut Section<'_>) -> Self {
        let (from, to) = section.value(&AlarmKeys::WORKING_HOURS);
        Self {
            hours: WorkingHours { from, to, days: section.value(&AlarmKeys::WORKING_DAYS) },
            silent_after: section.value(&AlarmKeys::SILENT_AFTER),
            source_after: section.value(&AlarmKeys::SOURCE_AFTER),
            central_after: section.value(&AlarmKeys::CENTRAL_AFTER),
            disk_free_bytes: section.value(&AlarmKeys::DISK_FREE),
        }
    }
}

impl Default for AlarmLimits {
    fn default() -> Self {
        let (from, to) = AlarmKeys::WORKING_HOURS.default_value();
        Self {
            hours: WorkingHours { from, to, days: AlarmKeys::WORKING_DAYS.default_value() },
            silent_after: AlarmKeys::SILENT_AFTER.default_value(),
            source_after: AlarmKeys::SOURCE_AFTER.default_value(),
            central_after: AlarmKeys::CENTRAL_AFTER.default_value(),
            disk_free_bytes: AlarmKeys::DISK_FREE.default_value(),
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

/// `None` if no alarms are to be sent.
pub(super) fn alarms(
    section: Option<Section<'_>>,
    secrets: &mut Secrets<'_>,
    base: &Path,
) -> Option<Alarms> {
    let mut section = section?;
    let url = address(&mut section, &AlarmKeys::URL);
    let heartbeat_url = address(&mut section, &AlarmKeys::HEARTBEAT_URL);
    let token = secrets.optional(&mut section, &AlarmKeys::TOKEN_FILE, "ALARMS_TOKEN", base);
    let ca_file = section.optional(&AlarmKeys::CA_FILE).map(|file| base.join(file));
    let limits = AlarmLimits::read(&mut section);
    section.finish();
    if url.is_none() && heartbeat_url.is_none() {
        return None;
    }
    Some(Alarms { url, heartbeat_url, token, ca_file, limits })
}

/// An address of HTTP. A refusal does not show it.
pub(super) fn address(section: &mut Section<'_>, key: &Key<String>) -> Option<Secret> {
    let written = section.located(key)?;
    let text = written.value.trim();
    if text.is_empty() {
        return None;
    }
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let is_usable = rest.is_some_and(|rest| !rest.starts_with(['/', '?', '#']) && !rest.is_empty())
        && text.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_usable {
        section.refuse(key.name, &written.span, "this address", &key.accepted());
        return None;
    }
    Some(Secret::new(text))
}

#[cfg(test)]
mod tests {
    use super::{
        super::units::{days, hours},
        *,
    };

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
        for whole in ["00:00-24:00", "00:00-00:00"] {
            let (from, to) = hours(whole).unwrap();
            let always = WorkingHours { from, to, days: days("mon-sun").unwrap() };
            for time in ["2026-11-28T00:00:00", "2026-11-28T23:59:59"] {
                assert_eq!(always.begun(at(time)), Some(at("2026-11-28T00:00:00")), "{whole}");
            }
        }
    }
}
