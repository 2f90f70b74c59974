//! Reads a TOML document key by key and remembers every mistake with its line, so that one start
//! reports them all. A key that nobody asked for is a mistake too, named with the accepted ones.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    fmt,
    ops::Range,
    path::{Path, PathBuf},
    rc::Rc,
};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    from_central::{FromCentral, lay_over},
    key::{Defaulted, Key},
    written,
};
use crate::model::meant;

/// One thing that is wrong in the configuration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mistake {
    /// Where: `config.toml:12` or an environment variable's name.
    pub place: String,
    /// Dotted key, empty if the text is not TOML at all.
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
pub(super) struct Document<'t> {
    path: PathBuf,
    text: &'t str,
    /// What central gives: its serial, and its text behind as many blanks as `text` has bytes and one, so that a
    /// place says which of the two it is in.
    settings: Option<(u64, &'t str)>,
    from_central: RefCell<FromCentral>,
    mistakes: RefCell<Vec<Found>>,
}

/// A mistake, and whether another one explains it: a table that is missing, or is there by its parts only,
/// because its name is misspelt.
struct Found {
    mistake: Mistake,
    is_of_a_slip: bool,
}

impl<'t> Document<'t> {
    pub(super) fn new(path: PathBuf, text: &'t str) -> Rc<Self> {
        Self::with_settings(path, text, None)
    }

    /// `settings`: central's serial, and its text as [`behind`] has it.
    pub(super) fn with_settings(
        path: PathBuf,
        text: &'t str,
        settings: Option<(u64, &'t str)>,
    ) -> Rc<Self> {
        let (from_central, mistakes) = Default::default();
        Rc::new(Self { path, text, settings, from_central, mistakes })
    }

    /// Of each key's value, and of each value that central gives.
    pub(super) fn digests(&self) -> BTreeMap<String, String> {
        let mut digests = written::digests(self.text);
        if let Some((_, padded)) = self.settings {
            let given = written::digests(padded).into_iter();
            digests.extend(given.map(|(key, digest)| (format!("{key} (from central)"), digest)));
        }
        digests
    }

    /// The document's root, or `None` of a text that is not TOML: the first error of its syntax is the one
    /// mistake then, because what is taken up behind it says little that is true.
    pub(super) fn root(self: &Rc<Self>) -> Option<Section<'t>> {
        let table = self.parsed(self.text)?;
        let span = table.span();
        let mut table = table.into_inner();
        if let Some((serial, padded)) = self.settings {
            let settings = self.parsed(padded)?.into_inner();
            let (taken, left) = lay_over(&mut table, settings, self);
            self.from_central.replace(FromCentral { serial: Some(serial), taken, left });
        }
        Some(Section {
            document: Rc::clone(self),
            name: String::new(),
            span,
            entries: take_entries(table),
            asked: Vec::new(),
        })
    }

    fn parsed(&self, text: &'t str) -> Option<Spanned<DeTable<'t>>> {
        let (table, errors) = DeTable::parse_recoverable(text);
        let first = errors.into_iter().min_by_key(|error| error.span().map(|at| at.start));
        let Some(error) = first else { return Some(table) };
        let place = match error.span() {
            Some(span) if span.start <= self.text.len() => {
                place_in(&self.path, self.text.as_bytes(), span.start)
            }
            span => self.place(span.as_ref()),
        };
        self.report(place, String::new(), format!("not TOML: {}", error.message()));
        None
    }

    /// Which keys are central's.
    pub(super) fn take_from_central(&self) -> FromCentral {
        self.from_central.take()
    }

    /// A section that the file does not have, for values that come from elsewhere.
    pub(super) fn empty(self: &Rc<Self>, name: &str) -> Section<'t> {
        Section {
            document: Rc::clone(self),
            name: name.to_owned(),
            span: 0..0,
            entries: Vec::new(),
            asked: Vec::new(),
        }
    }

    pub(super) fn report(&self, place: String, key: String, problem: String) {
        let mistake = Mistake { place, key, problem };
        self.mistakes.borrow_mut().push(Found { mistake, is_of_a_slip: false });
    }

    /// Reports what a slip of the pen would explain.
    fn report_unless_slip(&self, place: String, key: String, problem: String) {
        let mistake = Mistake { place, key, problem };
        self.mistakes.borrow_mut().push(Found { mistake, is_of_a_slip: true });
    }

    /// A key that is there under a name with a slip of the pen is one mistake.
    fn is_slip_of(&self, key: &str) {
        let mut mistakes = self.mistakes.borrow_mut();
        mistakes.retain(|found| !(found.is_of_a_slip && found.mistake.key == key));
    }

    pub(super) fn count_mistakes(&self) -> usize {
        self.mistakes.borrow().len()
    }

    pub(super) fn take_mistakes(&self) -> Vec<Mistake> {
        self.mistakes.take().into_iter().map(|found| found.mistake).collect()
    }

    pub(super) fn place(&self, span: Option<&Range<usize>>) -> String {
        let Some(span) = span else { return self.path.display().to_string() };
        if let Some((serial, padded)) = self.settings
            && span.start > self.text.len()
        {
            let before = &padded.as_bytes()[..span.start.min(padded.len())];
            let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
            return format!("central settings {serial}:{line}");
        }
        let before = &self.text.as_bytes()[..span.start.min(self.text.len())];
        let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
        format!("{}:{line}", self.path.display())
    }
}

/// Central's text as it stands beside a file's `text`, see [`Document`].
pub(super) fn behind(text: &str, settings: &str) -> String {
    " ".repeat(text.len() + 1) + settings
}

/// Where a byte stands: `config.toml:12:5`, line and column from 1, a column being a character.
pub(super) fn place_in(path: &Path, text: &[u8], at: usize) -> String {
    let before = &text[..at.min(text.len())];
    let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
    let begin = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
    // The mark that Windows writes at the beginning has no column.
    let of_line = before[begin..].strip_prefix("\u{feff}".as_bytes()).unwrap_or(&before[begin..]);
    let column = 1 + String::from_utf8_lossy(of_line).chars().count();
    format!("{}:{line}:{column}", path.display())
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

/// A table of the document. What is read is known; [`Section::finish`] reports the rest.
pub(super) struct Section<'t> {
    document: Rc<Document<'t>>,
    name: String,
    span: Range<usize>,
    entries: Vec<Entry<'t>>,
    asked: Vec<&'static str>,
}

/// A value and its place in the file.
pub(super) struct Located<T> {
    pub(super) value: T,
    pub(super) span: Range<usize>,
}

impl<'t> Section<'t> {
    fn dotted(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) }
    }

    fn take(&mut self, key: &'static str) -> Option<Entry<'t>> {
        self.asked.push(key);
        self.take_unnamed(key)
    }

    fn take_unnamed(&mut self, key: &str) -> Option<Entry<'t>> {
        let at = self.entries.iter().position(|entry| entry.key == key)?;
        Some(self.entries.remove(at))
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|entry| entry.key == key)
    }

    /// The place of a value of this section, as in `config.toml:12`.
    pub(super) fn place(&self, span: &Range<usize>) -> String {
        self.document.place(Some(span))
    }

    /// Reports that `key` has a value that is not accepted.
    pub(super) fn refuse(&self, key: &str, span: &Range<usize>, value: &str, accepted: &str) {
        self.document.report(
            self.document.place(Some(span)),
            self.dotted(key),
            format!("{value} is not accepted; give {accepted}"),
        );
    }

    /// Reports that `key` is missing.
    pub(super) fn missing(&self, key: &str, what: &str) {
        let place = self.document.place(Some(&self.span));
        let problem = format!("is missing; give {what}");
        self.document.report_unless_slip(place, self.dotted(key), problem);
    }

    /// Whether nothing is written in it.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Reports a mistake about the section as a whole.
    pub(super) fn complain(&self, problem: String) {
        self.document.report(self.document.place(Some(&self.span)), self.name.clone(), problem);
    }

    /// Reports something else that is wrong with a value of `key`.
    pub(super) fn object(&self, key: &str, span: &Range<usize>, problem: String) {
        self.document.report(self.document.place(Some(span)), self.dotted(key), problem);
    }

    /// The place of the section itself, as in `config.toml:12`.
    pub(super) fn own_place(&self) -> String {
        self.place(&self.span)
    }

    /// The value of a key that has a default.
    pub(super) fn value<T: Clone>(&mut self, key: &Defaulted<T>) -> T {
        self.optional(key).unwrap_or_else(|| key.default_value())
    }

    /// The value of a key that must be there.
    pub(super) fn required<T: Clone>(&mut self, key: &Key<T>) -> Option<T> {
        if !self.has(key.name) {
            self.missing(key.name, &key.accepted());
        }
        self.optional(key)
    }

    /// The value of a key, `None` if it is absent or refused.
    pub(super) fn optional<T: Clone, D>(&mut self, key: &Key<T, D>) -> Option<T> {
        self.located(key).map(|written| written.value)
    }

    /// Like [`Section::optional`], with the value's place.
    pub(super) fn located<T: Clone, D>(&mut self, key: &Key<T, D>) -> Option<Located<T>> {
        let entry = self.take(key.name)?;
        self.read(key, &entry)
    }

    /// Every value of a key that has a list of them, each with its place; refused ones are left out. `None` if
    /// the key is absent.
    pub(super) fn list<T: Clone>(&mut self, key: &Key<T>) -> Option<Vec<Located<T>>> {
        let entry = self.take(key.name)?;
        let span = entry.value.span();
        match entry.value.into_inner() {
            DeValue::Array(array) => {
                let read = |value: Spanned<DeValue<'t>>| self.read_value(key, &value);
                Some(array.into_iter().filter_map(read).collect())
            }
            other => {
                self.refuse(
                    key.name,
                    &span,
                    &shown(&other),
                    &format!("a list of {}", key.accepted()),
                );
                Some(Vec::new())
            }
        }
    }

    /// Every value of a key that has one or a list of them, each with its place; refused ones are left out.
    pub(super) fn one_or_more<T: Clone>(&mut self, key: &Key<T>) -> Vec<Located<T>> {
        let Some(entry) = self.take(key.name) else { return Vec::new() };
        let span = entry.value.span();
        let values = match entry.value.into_inner() {
            DeValue::Array(array) => array.into_iter().collect(),
            one => vec![Spanned::new(span, one)],
        };
        values.iter().filter_map(|value| self.read_value(key, value)).collect()
    }

    /// Reports a key that is known and has no meaning in this table.
    pub(super) fn misplaced(&mut self, key: &str, problem: &str) {
        let Some(entry) = self.take_unnamed(key) else { return };
        self.object(key, &entry.key_span, problem.to_owned());
    }

    /// A key that another place overrides: its string may be anything.
    pub(super) fn ignored<T>(&mut self, key: &Key<T>) {
        let Some(entry) = self.take(key.name) else { return };
        let written = entry.value.get_ref();
        if !matches!(written, DeValue::String(_)) {
            self.refuse(key.name, &entry.value.span(), &shown(written), &key.accepted());
        }
    }

    /// The value of a key that new files should not use: refusals of others do not name it.
    pub(super) fn retired<T: Clone>(&mut self, key: &Key<T>) -> Option<Located<T>> {
        let entry = self.take_unnamed(key.name)?;
        self.read(key, &entry)
    }

    fn read<T: Clone, D>(&self, key: &Key<T, D>, entry: &Entry<'t>) -> Option<Located<T>> {
        self.read_value(key, &entry.value)
    }

    fn read_value<T: Clone, D>(
        &self,
        key: &Key<T, D>,
        value: &Spanned<DeValue<'t>>,
    ) -> Option<Located<T>> {
        let (span, written) = (value.span(), value.get_ref());
        let value = key.read(written);
        if value.is_none() {
            self.refuse(key.name, &span, &shown(written), &key.accepted());
        }
        value.map(|value| Located { value, span })
    }

    /// A sub-table, `None` if absent.
    pub(super) fn section(&mut self, key: &'static str) -> Option<Section<'t>> {
        let name = self.dotted(key);
        let entry = self.take(key)?;
        self.table(key, name, entry.value)
    }

    /// A sub-table, one without entries if absent or refused.
    pub(super) fn section_or_empty(&mut self, key: &'static str) -> Section<'t> {
        self.section(key).unwrap_or_else(|| self.document.empty(&self.dotted(key)))
    }

    /// An array of tables, `[[key]]`, empty if absent.
    pub(super) fn sections(&mut self, key: &'static str) -> Vec<Section<'t>> {
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
                let problem =
                    format!("{} is not accepted; give a list of tables, [[{key}]]", shown(&other));
                let place = self.document.place(Some(&span));
                self.document.report_unless_slip(place, self.dotted(key), problem);
                Vec::new()
            }
        }
    }

    /// Every remaining entry as a sub-table under its own free name.
    pub(super) fn named_sections(&mut self) -> Vec<(String, Section<'t>)> {
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
    pub(super) fn finish(self) {
        for entry in &self.entries {
            let accepted = self.asked.join(", ");
            let slip = meant(&entry.key, self.asked.iter().copied());
            if let Some(meant) = slip {
                self.document.is_slip_of(&self.dotted(meant));
            }
            let question = slip.map_or_else(String::new, |meant| format!(" (is {meant} meant?)"));
            self.document.report(
                self.document.place(Some(&entry.key_span)),
                self.dotted(&entry.key),
                format!("unknown key{question}; accepted here: {accepted}"),
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
