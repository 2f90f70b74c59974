//! Reads a TOML document key by key and remembers every mistake with its line, so that one start
//! reports them all. A key that nobody asked for is a mistake too, named with the accepted ones.

use std::{
    cell::RefCell,
    fmt,
    ops::{Range, RangeInclusive},
    path::PathBuf,
    rc::Rc,
};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// One thing that is wrong in the configuration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mistake {
    /// Where: `config.toml:12` or an environment variable's name.
    pub place: String,
    /// Dotted key, empty where the text is not TOML at all.
    pub key: String,
    pub problem: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.key.is_empty() {
            write!(f, "{}: {}", self.place, self.problem)
        } else {
            write!(f, "{}: {}: {}", self.place, self.key, self.problem)
        }
    }
}

/// The file's text and the mistakes found in it so far; shared by all its sections.
pub struct Document<'t> {
    path: PathBuf,
    text: &'t str,
    mistakes: RefCell<Vec<Mistake>>,
}

impl<'t> Document<'t> {
    pub fn new(path: PathBuf, text: &'t str) -> Rc<Self> {
        Rc::new(Self { path, text, mistakes: RefCell::default() })
    }

    /// The document's root; syntax errors become mistakes and what could be read is returned.
    pub fn root(self: &Rc<Self>) -> Section<'t> {
        let (table, errors) = DeTable::parse_recoverable(self.text);
        for error in errors {
            let place = self.place(error.span().as_ref());
            self.report(place, String::new(), format!("not TOML: {}", error.message()));
        }
        Section {
            document: Rc::clone(self),
            name: String::new(),
            span: table.span(),
            entries: take_entries(table.into_inner()),
            asked: Vec::new(),
        }
    }

    /// A section that the file does not have, for values that come from elsewhere.
    pub fn empty(self: &Rc<Self>, name: &str) -> Section<'t> {
        Section {
            document: Rc::clone(self),
            name: name.to_owned(),
            span: 0..0,
            entries: Vec::new(),
            asked: Vec::new(),
        }
    }

    pub fn report(&self, place: String, key: String, problem: String) {
        self.mistakes.borrow_mut().push(Mistake { place, key, problem });
    }

    pub fn take_mistakes(&self) -> Vec<Mistake> {
        self.mistakes.take()
    }

    pub fn place(&self, span: Option<&Range<usize>>) -> String {
        let Some(span) = span else { return self.path.display().to_string() };
        let before = &self.text.as_bytes()[..span.start.min(self.text.len())];
        let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
        format!("{}:{line}", self.path.display())
    }
}

struct Entry<'t> {
    key: String,
    key_span: Range<usize>,
    value: Spanned<DeValue<'t>>,
}

fn take_entries(table: DeTable<'_>) -> Vec<Entry<'_>> {
    table
        .into_iter()
        .map(|(key, value)| Entry {
            key_span: key.span(),
            key: key.into_inner().into_owned(),
            value,
        })
        .collect()
}

/// A table of the document. Each `take_*` marks its key as known; [`Section::finish`] reports the rest.
pub struct Section<'t> {
    document: Rc<Document<'t>>,
    name: String,
    span: Range<usize>,
    entries: Vec<Entry<'t>>,
    asked: Vec<&'static str>,
}

/// A value as written, with its place, for the caller to turn into what it means.
pub struct Written {
    pub text: String,
    pub span: Range<usize>,
}

impl<'t> Section<'t> {
    pub fn dotted(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) }
    }

    fn take(&mut self, key: &'static str) -> Option<Entry<'t>> {
        self.asked.push(key);
        let at = self.entries.iter().position(|entry| entry.key == key)?;
        Some(self.entries.remove(at))
    }

    pub fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|entry| entry.key == key)
    }

    /// Reports that `key` has a value that is not accepted.
    pub fn refuse(&self, key: &str, span: &Range<usize>, value: &str, accepted: &str) {
        self.document.report(
            self.document.place(Some(span)),
            self.dotted(key),
            format!("{value} is not accepted; give {accepted}"),
        );
    }

    /// Reports that `key` is missing.
    pub fn missing(&self, key: &str, what: &str) {
        self.document.report(
            self.document.place(Some(&self.span)),
            self.dotted(key),
            format!("is missing; give {what}"),
        );
    }

    /// Reports a mistake about the section as a whole.
    pub fn complain(&self, problem: String) {
        self.document.report(self.document.place(Some(&self.span)), self.name.clone(), problem);
    }

    pub fn string(&mut self, key: &'static str, accepted: &str) -> Option<Written> {
        let entry = self.take(key)?;
        let span = entry.value.span();
        match entry.value.into_inner() {
            DeValue::String(text) => Some(Written { text: text.into_owned(), span }),
            other => {
                self.refuse(key, &span, &shown(&other), accepted);
                None
            }
        }
    }

    /// A string turned into `T` by `parse`; the refusal names what is accepted.
    pub fn parsed<T>(
        &mut self,
        key: &'static str,
        accepted: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let written = self.string(key, accepted)?;
        let value = parse(&written.text);
        if value.is_none() {
            self.refuse(key, &written.span, &format!("{:?}", written.text), accepted);
        }
        value
    }

    /// Like [`Section::parsed`], and a missing key is a mistake too.
    pub fn required<T>(
        &mut self,
        key: &'static str,
        accepted: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        if !self.has(key) {
            self.missing(key, accepted);
        }
        self.parsed(key, accepted, parse)
    }

    /// One of a fixed set of words.
    pub fn choice<T: Copy>(&mut self, key: &'static str, choices: &[(&str, T)]) -> Option<T> {
        let accepted =
            choices.iter().map(|(word, _)| format!("{word:?}")).collect::<Vec<_>>().join(", ");
        self.parsed(key, &format!("one of {accepted}"), |text| {
            choices.iter().find(|(word, _)| *word == text).map(|(_, value)| *value)
        })
    }

    /// A size with its unit, or a bare number of bytes.
    pub fn bytes(
        &mut self,
        key: &'static str,
        accepted: &str,
        parse: impl Fn(&str) -> Option<u64>,
    ) -> Option<u64> {
        let entry = self.take(key)?;
        let span = entry.value.span();
        let value = entry.value.into_inner();
        let size = match &value {
            DeValue::String(text) => parse(text),
            DeValue::Integer(number) if number.radix() == 10 => parse(number.as_str()),
            _ => None,
        };
        if size.is_none() {
            self.refuse(key, &span, &shown(&value), accepted);
        }
        size
    }

    pub fn port(&mut self, key: &'static str) -> Option<u16> {
        let accepted = "a port from 1 to 65535";
        let entry = self.take(key)?;
        let span = entry.value.span();
        let value = entry.value.into_inner();
        let port = match &value {
            DeValue::Integer(number) if number.radix() == 10 => number.as_str().parse().ok(),
            _ => None,
        };
        match port {
            Some(port) if port > 0 => Some(port),
            _ => {
                self.refuse(key, &span, &shown(&value), accepted);
                None
            }
        }
    }

    /// A whole number without sign.
    pub fn number(&mut self, key: &'static str, range: RangeInclusive<u32>) -> Option<u32> {
        let entry = self.take(key)?;
        let span = entry.value.span();
        let value = entry.value.into_inner();
        let number = match &value {
            DeValue::Integer(number) if number.radix() == 10 => number.as_str().parse().ok(),
            _ => None,
        };
        let number = number.filter(|number| range.contains(number));
        if number.is_none() {
            let accepted = format!("a whole number from {} to {}", range.start(), range.end());
            self.refuse(key, &span, &shown(&value), &accepted);
        }
        number
    }

    /// A sub-table, `None` where absent.
    pub fn section(&mut self, key: &'static str) -> Option<Section<'t>> {
        let name = self.dotted(key);
        let entry = self.take(key)?;
        self.table(key, name, entry.value)
    }

    /// An array of tables, `[[key]]`, empty where absent.
    pub fn sections(&mut self, key: &'static str) -> Vec<Section<'t>> {
        let Some(entry) = self.take(key) else { return Vec::new() };
        let span = entry.value.span();
        match entry.value.into_inner() {
            DeValue::Array(array) => array
                .into_iter()
                .enumerate()
                .filter_map(|(at, value)| {
                    self.table(key, format!("{}[{}]", self.dotted(key), at + 1), value)
                })
                .collect(),
            other => {
                self.refuse(key, &span, &shown(&other), &format!("a list of tables, [[{key}]]"));
                Vec::new()
            }
        }
    }

    /// Every remaining entry as a sub-table under its own free name.
    pub fn named_sections(&mut self) -> Vec<(String, Section<'t>)> {
        let entries = std::mem::take(&mut self.entries);
        entries
            .into_iter()
            .filter_map(|entry| {
                let name = self.dotted(&format!("{:?}", entry.key));
                let section = self.table(&entry.key, name, entry.value)?;
                Some((entry.key, section))
            })
            .collect()
    }

    fn table(&self, key: &str, name: String, value: Spanned<DeValue<'t>>) -> Option<Section<'t>> {
        let span = value.span();
        match value.into_inner() {
            DeValue::Table(table) => Some(Section {
                document: Rc::clone(&self.document),
                name,
                span,
                entries: take_entries(table),
                asked: Vec::new(),
            }),
            other => {
                self.refuse(key, &span, &shown(&other), "a table");
                None
            }
        }
    }

    /// Reports every key that nobody asked for.
    pub fn finish(self) {
        for entry in &self.entries {
            let accepted = self.asked.join(", ");
            self.document.report(
                self.document.place(Some(&entry.key_span)),
                self.dotted(&entry.key),
                format!("unknown key; accepted here: {accepted}"),
            );
        }
    }
}

fn shown(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("{text:?}"),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(flag) => flag.to_string(),
        DeValue::Datetime(at) => at.to_string(),
        DeValue::Array(_) => "a list".into(),
        DeValue::Table(_) => "a table".into(),
    }
}
