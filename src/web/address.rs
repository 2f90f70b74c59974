//! The address of a request as text: decoded once, and written again.
//!
//! What must never happen here: an address written again that leads to another place.

use percent_encoding::percent_decode_str;

use crate::{model::Day, status::shell::step};

/// The path's steps and the query's pairs, decoded; `None` where they are no text.
pub(super) struct Address {
    pub(super) steps: Vec<String>,
    query: Vec<(String, String)>,
}

impl Address {
    pub(super) fn parse(target: &str) -> Option<Self> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let decode = |text: &str| {
            let text = percent_decode_str(text).decode_utf8().ok()?;
            (!text.contains(char::is_control)).then(|| text.into_owned())
        };
        let steps = path.strip_prefix('/')?.split('/').filter(|step| !step.is_empty());
        let pairs = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((decode(key)?, decode(&value.replace('+', " "))?))
        });
        Some(Self {
            steps: steps.map(decode).collect::<Option<_>>()?,
            query: pairs.collect::<Option<_>>()?,
        })
    }

    /// The same address again, without `?lang=`: it begins with one slash, so it is of this place.
    pub(super) fn without_language(&self) -> String {
        let steps: Vec<String> = self.steps.iter().map(|one| step(one)).collect();
        let pairs = self.query.iter().filter(|(key, _)| key != "lang");
        let pairs: Vec<String> =
            pairs.map(|(key, value)| format!("{}={}", step(key), step(value))).collect();
        let mark = if pairs.is_empty() { "" } else { "?" };
        format!("/{}{mark}{}", steps.join("/"), pairs.join("&"))
    }

    pub(super) fn value(&self, key: &str) -> Option<&str> {
        self.query.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    pub(super) fn day(&self, key: &str) -> Option<Day> {
        self.value(key).and_then(day)
    }
}

/// Years of four digits, as every LOG has them.
pub(super) fn day(text: &str) -> Option<Day> {
    let day: Day = text.parse().ok()?;
    (text.len() == 10 && (1970..=9998).contains(&chrono::Datelike::year(&day))).then_some(day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_decoded_once_and_only_as_text() {
        let address =
            Address::parse("/machine/DEM%2012%2Fa/2025-05-28?lang=en&x=%C3%A9+1").unwrap();
        assert_eq!(address.steps, ["machine", "DEM 12/a", "2025-05-28"]);
        assert_eq!((address.value("lang"), address.value("x")), (Some("en"), Some("é 1")));
        for bad in ["", "x", "*", "/%FF", "/a%00b", "/?%0A=1"] {
            assert!(Address::parse(bad).is_none(), "{bad}");
        }
        assert!(Address::parse("//").unwrap().steps.is_empty());
    }

    #[test]
    fn an_address_in_the_other_language_is_the_same_one_and_never_of_another_place() {
        for (target, again) in [
            ("/", "/"),
            ("/?lang=en", "/"),
            ("/day?day=2025-05-28&lang=en", "/day?day=2025-05-28"),
            ("/machine/DEM%2012%2Fa?x=%22%3E&y=1+2", "/machine/DEM%2012%2Fa?x=%22%3E&y=1%202"),
            ("//evil.example/a", "/evil.example/a"),
            ("/\\evil.example", "/%5Cevil.example"),
        ] {
            assert_eq!(Address::parse(target).unwrap().without_language(), again, "{target}");
        }
    }

    #[test]
    fn a_day_is_written_in_one_way() {
        assert!(day("2025-05-28").is_some());
        for bad in ["2025-5-28", "2025-02-30", "+2025-05-28", "99999-01-01", "0001-01-01", ""] {
            assert!(day(bad).is_none(), "{bad}");
        }
    }
}
