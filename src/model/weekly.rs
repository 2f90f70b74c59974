//! Weekly reports as files: their forms and names.

use std::fmt;

use super::Week;

/// How a week's report is written.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ReportFormat {
    Html,
    Xlsx,
}

impl ReportFormat {
    pub const ALL: [Self; 2] = [Self::Html, Self::Xlsx];

    /// The end of a file's name, and the word of the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Html => "html",
            Self::Xlsx => "xlsx",
        }
    }

    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.as_str() == word)
    }

    pub fn content_type(self) -> &'static str {
        match self {
            Self::Html => "text/html; charset=utf-8",
            Self::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        }
    }
}

/// One file: `2026-W48.xlsx`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ReportName {
    pub week: Week,
    pub format: ReportFormat,
}

impl ReportName {
    pub fn parse(name: &str) -> Option<Self> {
        let (week, format) = name.split_once('.')?;
        Some(Self { week: week.parse().ok()?, format: ReportFormat::from_word(format)? })
    }
}

impl fmt::Display for ReportName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.week, self.format.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_named_by_its_week_and_form_and_nothing_else_is_one() {
        assert_eq!(ReportName::parse("2026-W53.xlsx").unwrap().to_string(), "2026-W53.xlsx");
        for name in ["2026-W48.pdf", "2026-W48", "x.html", "2026-W48.html.new", ".cu-agent"] {
            assert_eq!(ReportName::parse(name), None, "{name}");
        }
    }
}
