//! What a key of the configuration is: its name, its default, and the values that it accepts. The keys
//! themselves are in `keys/`.

use std::time::Duration;

use toml::de::DeValue;

use super::units::{duration_between, parse_bytes};

/// A key whose values are read as `T`. `D` is its default as written, or `()` if it has none.
pub(super) struct Key<T: 'static, D = ()> {
    pub(super) name: &'static str,
    default: D,
    accepts: Accepts<T>,
}

/// A key that has a default.
pub(super) type Defaulted<T> = Key<T, &'static str>;

/// The values that a key accepts. A refusal says what it is made of.
pub(super) enum Accepts<T: 'static> {
    /// One of these words.
    Words(&'static [(&'static str, T)]),
    /// A string that the function understands, described by the sentence.
    Text(&'static str, fn(&str) -> Option<T>),
    /// A string between two others of its kind.
    Range(&'static str, [&'static str; 2], fn(&str, [&str; 2]) -> Option<T>),
    /// A whole number between two others.
    Number(&'static str, [u32; 2], fn(u32) -> Option<T>),
    /// A number, whole or with decimals, that the function understands, described by the sentence.
    Decimal(&'static str, fn(&str) -> Option<T>),
    /// `true` or `false`.
    Flag(fn(bool) -> Option<T>),
    /// A string with a unit, or a bare number of bytes, described by the sentence.
    Size(&'static str, fn(&str) -> Option<T>),
    /// A list of strings, or one string, that the function understands, described by the sentence.
    List(&'static str, fn(&[&str]) -> Option<T>),
}

pub(super) const fn key<T>(name: &'static str, accepts: Accepts<T>) -> Key<T> {
    Key { name, default: (), accepts }
}

pub(super) const fn defaulted<T>(
    name: &'static str,
    default: &'static str,
    accepts: Accepts<T>,
) -> Defaulted<T> {
    Key { name, default, accepts }
}

pub(super) const fn duration(least: &'static str, most: &'static str) -> Accepts<Duration> {
    Accepts::Range("a duration", [least, most], duration_between)
}

pub(super) const fn number(least: u32, most: u32) -> Accepts<u32> {
    Accepts::Number("a whole number", [least, most], Some)
}

pub(super) const fn port() -> Accepts<u16> {
    Accepts::Number("a port", [1, u16::MAX as u32], |number| number.try_into().ok())
}

pub(super) const fn size() -> Accepts<u64> {
    Accepts::Size(r#"a size such as "256MiB" or "2GiB""#, parse_bytes)
}

impl<T> Accepts<T> {
    /// The value that `text` stands for, a number's digits included.
    fn value(&self, text: &str) -> Option<T>
    where
        T: Clone,
    {
        match self {
            Self::Words(words) => {
                words.iter().find(|(word, _)| *word == text).map(|(_, value)| value.clone())
            }
            Self::Text(_, parse) | Self::Size(_, parse) | Self::Decimal(_, parse) => parse(text),
            Self::Range(_, limits, parse) => parse(text, *limits),
            Self::List(_, parse) => parse(&[text]),
            Self::Flag(convert) => text.parse().ok().and_then(convert),
            Self::Number(_, [least, most], convert) => text
                .parse::<u32>()
                .ok()
                .filter(|number| (least..=most).contains(&number))
                .and_then(convert),
        }
    }

    /// Completes "give …".
    fn described(&self) -> String {
        match self {
            Self::Words(words) => {
                let words: Vec<_> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
                format!("one of {}", words.join(", "))
            }
            Self::Text(described, _)
            | Self::Decimal(described, _)
            | Self::Size(described, _)
            | Self::List(described, _) => (*described).to_owned(),
            Self::Flag(_) => "true or false".into(),
            Self::Range(what, [least, most], _) => format!("{what} from {least:?} to {most:?}"),
            Self::Number(what, [least, most], _) => format!("{what} from {least} to {most}"),
        }
    }
}

impl<T, D> Key<T, D> {
    pub(super) fn accepted(&self) -> String {
        self.accepts.described()
    }

    /// The value as written in the file; `None` if it is not accepted.
    pub(super) fn read(&self, value: &DeValue<'_>) -> Option<T>
    where
        T: Clone,
    {
        if let (DeValue::Array(items), Accepts::List(_, parse)) = (value, &self.accepts) {
            let texts: Option<Vec<&str>> =
                items.iter().map(|item| item.get_ref().as_str()).collect();
            return parse(&texts?);
        }
        let text = match (value, &self.accepts) {
            (DeValue::String(_), Accepts::Number(..) | Accepts::Decimal(..) | Accepts::Flag(_)) => {
                None
            }
            (DeValue::Boolean(flag), Accepts::Flag(convert)) => return convert(*flag),
            (DeValue::String(text), _) => Some(&**text),
            (
                DeValue::Integer(number),
                Accepts::Number(..) | Accepts::Size(..) | Accepts::Decimal(..),
            ) => (number.radix() == 10).then(|| number.as_str()),
            (DeValue::Float(number), Accepts::Decimal(..)) => Some(number.as_str()),
            _ => None,
        };
        self.accepts.value(text?)
    }

    /// Whether the text needs no quotes in the file.
    pub(super) fn is_bare(&self) -> bool {
        matches!(self.accepts, Accepts::Number(..) | Accepts::Decimal(..) | Accepts::Flag(_))
    }

    /// What is accepted, if no explanation of the key needs to repeat it.
    pub(super) fn limits(&self) -> Option<String> {
        matches!(self.accepts, Accepts::Words(_) | Accepts::Range(..)).then(|| self.accepted())
    }
}

impl<T: Clone> Defaulted<T> {
    pub(super) fn default_value(&self) -> T {
        let value = self.accepts.value(self.default);
        value.expect("the tests parse the default of every key in the table")
    }
}

/// A default as people are told of it.
pub(super) trait DefaultText {
    fn text(&self) -> Option<&'static str>;
}

impl DefaultText for () {
    fn text(&self) -> Option<&'static str> {
        None
    }
}

impl DefaultText for &'static str {
    fn text(&self) -> Option<&'static str> {
        Some(self)
    }
}

impl<T, D: DefaultText> Key<T, D> {
    pub(super) fn default_text(&self) -> Option<&'static str> {
        self.default.text()
    }
}
