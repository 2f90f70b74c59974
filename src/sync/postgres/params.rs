//! The parameters of one statement, each with its type: nothing has to be asked of the
//! server before the statement itself.

use std::borrow::Cow;

use postgres::types::{ToSql, Type};

use super::encoding::{Script, ServerEncoding};

/// For a server in UTF-8, unless said.
#[derive(Default)]
pub(super) struct Params {
    values: Vec<(Box<dyn ToSql + Sync>, Type)>,
    script: Script,
}

impl Params {
    /// For a server whose texts are in `encoding`.
    pub(super) fn in_encoding(encoding: ServerEncoding) -> Self {
        Self { values: Vec::new(), script: Script::of(encoding) }
    }

    /// How texts are written that are cut or put together before they become parameters.
    pub(super) fn script(&self) -> &Script {
        &self.script
    }

    /// Adds a value that is no text and gives its place in the statement: `$1`, `$2`, …
    pub(super) fn push(&mut self, value: impl ToSql + Sync + 'static, of: Type) -> String {
        debug_assert!(
            of != Type::TEXT && of != Type::TEXT_ARRAY,
            "a text goes as the server holds it"
        );
        self.add(value, of)
    }

    fn add(&mut self, value: impl ToSql + Sync + 'static, of: Type) -> String {
        self.values.push((Box::new(value), of));
        format!("${}", self.values.len())
    }

    /// As [`Self::push`], for a text.
    pub(super) fn push_text<'t>(&mut self, text: impl Into<Option<&'t str>>) -> String {
        let fitted = text.into().map(|text| self.script.fitted(text).into_owned());
        self.add(fitted, Type::TEXT)
    }

    /// As [`Self::push`], for a list of texts.
    pub(super) fn push_texts(&mut self, mut texts: Vec<Option<String>>) -> String {
        for text in texts.iter_mut().flatten() {
            if let Cow::Owned(fitted) = self.script.fitted(text) {
                *text = fitted;
            }
        }
        self.add(texts, Type::TEXT_ARRAY)
    }

    /// As [`Self::push_texts`], none of which is NULL.
    pub(super) fn push_strings(&mut self, texts: &[String]) -> String {
        self.push_texts(texts.iter().cloned().map(Some).collect())
    }

    pub(super) fn borrowed(&self) -> Vec<(&(dyn ToSql + Sync), Type)> {
        self.values.iter().map(|(value, of)| (value.as_ref(), of.clone())).collect()
    }

    pub(super) fn types(&self) -> Vec<Type> {
        self.values.iter().map(|(_, of)| of.clone()).collect()
    }

    pub(super) fn values(&self) -> Vec<&(dyn ToSql + Sync)> {
        self.values.iter().map(|(value, _)| value.as_ref()).collect()
    }
}
