//! The parameters of one statement, each with its type: nothing has to be asked of the
//! server before the statement itself.

use postgres::types::{ToSql, Type};

#[derive(Default)]
pub(super) struct Params(Vec<(Box<dyn ToSql + Sync>, Type)>);

impl Params {
    /// Adds a value and gives its place in the statement: `$1`, `$2`, …
    pub(super) fn push(&mut self, value: impl ToSql + Sync + 'static, of: Type) -> String {
        self.0.push((Box::new(value), of));
        format!("${}", self.0.len())
    }

    pub(super) fn borrowed(&self) -> Vec<(&(dyn ToSql + Sync), Type)> {
        self.0.iter().map(|(value, of)| (value.as_ref(), of.clone())).collect()
    }

    pub(super) fn types(&self) -> Vec<Type> {
        self.0.iter().map(|(_, of)| of.clone()).collect()
    }

    pub(super) fn values(&self) -> Vec<&(dyn ToSql + Sync)> {
        self.0.iter().map(|(value, _)| value.as_ref()).collect()
    }
}
