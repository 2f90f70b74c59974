//! `[update]`: where field updates come from, whose signature they bear, and when they may happen.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use chrono::{NaiveTime, TimeDelta, Timelike};
use minisign_verify::PublicKey;

use super::{reader::Section, units::parse_duration, units::parse_time_of_day};

#[derive(Clone, Debug)]
pub struct UpdateConfig {
    /// An `https://` URL; its signature stands beside it, under the same name and `.minisig`.
    pub manifest_url: String,
    pub public_key: PublicKey,
    /// PEM file with the authorities to trust instead of the built-in ones.
    pub ca_file: Option<PathBuf>,
    pub window: Window,
    /// Longest time a new version has to show that it works.
    pub prove_timeout: Duration,
    /// Longest time that machines which are said to produce hold an update off.
    pub max_deferral: Duration,
    /// Root's own: journal, result and packages of the updater.
    pub directory: PathBuf,
}

/// When a package may be replaced, by the gateway's local time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Window {
    Any,
    /// Since midnight; over midnight where `from` is the later.
    Between {
        from: TimeDelta,
        to: TimeDelta,
    },
}

impl Window {
    pub fn contains(self, time: NaiveTime) -> bool {
        let time = TimeDelta::seconds(i64::from(time.num_seconds_from_midnight()));
        match self {
            Self::Any => true,
            Self::Between { from, to } if from <= to => from <= time && time < to,
            Self::Between { from, to } => from <= time || time < to,
        }
    }
}

impl std::fmt::Display for Window {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::Between { from, to } => {
                let clock = |of_day: &TimeDelta| {
                    let minutes = of_day.num_minutes();
                    format!("{:02}:{:02}", minutes / 60, minutes % 60)
                };
                write!(f, "{}-{}", clock(from), clock(to))
            }
        }
    }
}

/// Between the late shift and the early one.
const NIGHT: Window =
    Window::Between { from: TimeDelta::minutes(21 * 60 + 30), to: TimeDelta::minutes(4 * 60 + 30) };

pub(super) fn update(section: Option<Section<'_>>, base: &Path) -> Option<UpdateConfig> {
    let mut section = section?;
    let manifest_url = section.required(
        "manifest_url",
        r#"an address such as "https://updates.example/cu-agent/manifest.json""#,
        |text| {
            let host = text.strip_prefix("https://")?.split('/').next()?;
            (!host.is_empty() && !text.contains(char::is_whitespace)).then(|| text.to_owned())
        },
    );
    let public_key = section.required(
        "public_key",
        "the second line of the publisher's minisign.pub, 56 characters",
        |text| PublicKey::from_base64(text).ok(),
    );
    let ca_file =
        section.parsed("ca_file", "a PEM file", |text| (!text.is_empty()).then(|| base.join(text)));
    let window = section
        .parsed("window", r#"a time of day such as "21:30-04:30", or "any""#, parse_window)
        .unwrap_or(NIGHT);
    let (least, most) = (Duration::from_secs(10), Duration::from_secs(6 * 3600));
    let prove_timeout = section
        .parsed("prove_timeout", r#"a duration from "10s" to "6h""#, |text| {
            parse_duration(text).filter(|value| (least..=most).contains(value))
        })
        .unwrap_or(Duration::from_secs(600));
    let (least, most) = (Duration::from_secs(3600), Duration::from_secs(90 * 86_400));
    let max_deferral = section
        .parsed("max_deferral", r#"a duration from "1h" to "90d""#, |text| {
            parse_duration(text).filter(|value| (least..=most).contains(value))
        })
        .unwrap_or(Duration::from_secs(14 * 86_400));
    let directory = section
        .parsed("directory", "a directory of root's", |text| {
            (!text.is_empty()).then(|| base.join(text))
        })
        .unwrap_or_else(|| PathBuf::from("/var/lib/cu-agent-update"));
    section.finish();
    Some(UpdateConfig {
        manifest_url: manifest_url?,
        public_key: public_key?,
        ca_file,
        window,
        prove_timeout,
        max_deferral,
        directory,
    })
}

fn parse_window(text: &str) -> Option<Window> {
    if text == "any" {
        return Some(Window::Any);
    }
    let (from, to) = text.split_once('-')?;
    let (from, to) = (parse_time_of_day(from.trim())?, parse_time_of_day(to.trim())?);
    (from != to).then_some(Window::Between { from, to })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_may_go_over_midnight() {
        let at = |text: &str| NaiveTime::parse_from_str(text, "%H:%M").unwrap();
        let night = parse_window("21:30-04:30").unwrap();
        assert_eq!(night, NIGHT);
        for (time, is_in) in [("21:29", false), ("21:30", true), ("00:00", true), ("04:30", false)]
        {
            assert_eq!(night.contains(at(time)), is_in, "{time}");
        }
        let noon = parse_window("12:00-13:00").unwrap();
        assert!(noon.contains(at("12:59")) && !noon.contains(at("13:00")));
        assert!(Window::Any.contains(at("12:00")));
        assert_eq!(parse_window("12:00"), None);
        assert_eq!(parse_window("12:00-12:00"), None);
        assert_eq!(night.to_string(), "21:30-04:30");
    }
}
