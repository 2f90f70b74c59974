//! The time of day at which an update may replace the package.

use chrono::{NaiveTime, TimeDelta, Timelike};

use super::units::hours;

/// When a package may be replaced, by the gateway's local time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Window {
    Any,
    /// Since midnight; over midnight if `from` is the later.
    Between {
        from: TimeDelta,
        to: TimeDelta,
    },
}

impl Window {
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text == "any" {
            return Some(Self::Any);
        }
        let (from, to) = hours(text)?;
        (from != to).then_some(Self::Between { from, to })
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_may_go_over_midnight() {
        let at = |text: &str| NaiveTime::parse_from_str(text, "%H:%M").unwrap();
        let night = Window::parse("21:30-04:30").unwrap();
        for (time, is_in) in [("21:29", false), ("21:30", true), ("00:00", true), ("04:30", false)]
        {
            assert_eq!(night.contains(at(time)), is_in, "{time}");
        }
        let noon = Window::parse("12:00-13:00").unwrap();
        assert!(noon.contains(at("12:59")) && !noon.contains(at("13:00")));
        assert!(Window::Any.contains(at("12:00")));
        assert_eq!(Window::parse("12:00"), None);
        assert_eq!(Window::parse("12:00-12:00"), None);
        assert_eq!(night.to_string(), "21:30-04:30");
        let evening = Window::parse("21:30-24:00").unwrap();
        assert!(evening.contains(at("23:59")) && !evening.contains(at("00:00")));
        assert_eq!(evening.to_string(), "21:30-24:00");
        let always = Window::parse("00:00-24:00").unwrap();
        assert!(always.contains(at("00:00")) && always.contains(at("23:59")));
        // Whether that is no time or all of it nobody could tell: "any" is all of it.
        assert_eq!(Window::parse("00:00-00:00"), None);
    }
}
