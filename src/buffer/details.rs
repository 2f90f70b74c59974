//! The detail rows of a session: one shape for reading them, comparing them and writing the ones
//! that changed.

use compact_str::CompactString;
use rusqlite::{
    Connection, Row, params, params_from_iter,
    types::{Null, ToSqlOutput, Type},
};

use super::Batch;
use crate::model::{
    Anomaly, AnomalyCode, DetailRow, Job, LogDefect, LogDefectCode, Numbered, Piece, Severity,
    Stamp, Stop, Wait,
};

/// Most columns a kind of detail has of its own.
const WIDEST: usize = 7;

/// A kind of detail row: its table, and its columns between `number` and `revision`.
pub(super) trait Detail: Sized + PartialEq {
    const TABLE: &'static str;
    const COLUMNS: &'static [&'static str];

    /// Reads [`Self::COLUMNS`], which begin at `first`.
    fn read(row: &Row<'_>, first: usize) -> rusqlite::Result<Self>;

    /// The values of [`Self::COLUMNS`], filled up with nothing.
    fn values(&self) -> [ToSqlOutput<'_>; WIDEST];
}

fn nothing<'v>() -> ToSqlOutput<'v> {
    ToSqlOutput::from(Null)
}

/// `N` values and nothing behind them.
fn filled<const N: usize>(values: [ToSqlOutput<'_>; N]) -> [ToSqlOutput<'_>; WIDEST] {
    let mut values = values.into_iter();
    std::array::from_fn(|_| values.next().unwrap_or_else(nothing))
}

/// Most texts are short enough to need no memory of their own.
fn text(row: &Row<'_>, column: usize) -> rusqlite::Result<CompactString> {
    Ok(CompactString::new(row.get_ref(column)?.as_str()?))
}

impl Detail for Piece {
    const TABLE: &'static str = "piece";
    const COLUMNS: &'static [&'static str] = &["at_ms", "details"];

    fn read(row: &Row<'_>, first: usize) -> rusqlite::Result<Self> {
        Ok(Self { at: Stamp(row.get(first)?), details: text(row, first + 1)? })
    }

    fn values(&self) -> [ToSqlOutput<'_>; WIDEST] {
        filled([self.at.0.into(), self.details.as_str().into()])
    }
}

impl Detail for Wait {
    const TABLE: &'static str = "wait";
    const COLUMNS: &'static [&'static str] = &["start_ms", "end_ms"];

    fn read(row: &Row<'_>, first: usize) -> rusqlite::Result<Self> {
        Ok(Self { start: Stamp(row.get(first)?), end: Stamp(row.get(first + 1)?) })
    }

    fn values(&self) -> [ToSqlOutput<'_>; WIDEST] {
        filled([self.start.0.into(), self.end.0.into()])
    }
}

impl Detail for Stop {
    const TABLE: &'static str = "stop";
    const COLUMNS: &'static [&'static str] = &["start_ms", "end_ms"];

    fn read(row: &Row<'_>, first: usize) -> rusqlite::Result<Self> {
        Ok(Self { start: Stamp(row.get(first)?), end: Stamp(row.get(first + 1)?) })
    }

    fn values(&self) -> [ToSqlOutput<'_>; WIDEST] {
        filled([self.start.0.into(), self.end.0.into()])
    }
}

impl Detail for Job {
    const TABLE: &'static str = "job";
    const COLUMNS: &'static [&'static str] = &["at_ms", "reference", "length_e2", "colour"];

    fn read(row: &Row<'_>, first: usize) -> rusqlite::Result<Self> {
        Ok(Self {
            at: Stamp(row.get(first)?),
            reference: text(row, first + 1)?,
            length_e2: row.get(first + 2)?,
            colour: text(row, first + 3)?,
        })
    }

    fn values(&self) -> [ToSqlOutput<'_>; WIDEST] {
        filled([
            self.at.0.into(),
            self.reference.as_str().into(),
            self.length_e2.into(),
            self.colour.as_str().into(),
        ])
    }
}

impl Detail for LogDefect {
    const TABLE: &'static str = "anomaly";
    const COLUMNS: &'static [&'static str] = &["code", "at_ms", "count"];

    fn read(row: &Row<'_>, first: usize) -> rusqlite::Result<Self> {
        let word: String = row.get(first)?;
        let code = LogDefectCode::ALL.into_iter().find(|code| code.as_str() == word);
        let code = code.ok_or_else(|| {
            let reason = format!("anomaly code {word:?}").into();
            rusqlite::Error::FromSqlConversionFailure(first, Type::Text, reason)
        })?;
        Ok(Self { code, at: Stamp(row.get(first + 1)?), count: row.get(first + 2)? })
    }

    fn values(&self) -> [ToSqlOutput<'_>; WIDEST] {
        filled([self.code.as_str().into(), self.at.0.into(), self.count.into()])
    }
}

impl Detail for Anomaly {
    const TABLE: &'static str = "finding";
    const COLUMNS: &'static [&'static str] =
        &["code", "gravity", "from_ms", "to_ms", "value_e2", "expected_e2", "subject"];

    fn read(row: &Row<'_>, first: usize) -> rusqlite::Result<Self> {
        let known = |at: usize, what: &str, word: &str| {
            let reason = format!("{what} {word:?}").into();
            rusqlite::Error::FromSqlConversionFailure(at, Type::Text, reason)
        };
        let (code, severity) = (text(row, first)?, text(row, first + 1)?);
        let stamp = |at: usize| row.get::<_, Option<i64>>(at).map(|ms| ms.map(Stamp));
        Ok(Self {
            code: AnomalyCode::from_word(&code).ok_or_else(|| known(first, "code", &code))?,
            severity: Severity::from_word(&severity)
                .ok_or_else(|| known(first + 1, "gravity", &severity))?,
            from: stamp(first + 2)?,
            to: stamp(first + 3)?,
            value_e2: row.get(first + 4)?,
            expected_e2: row.get(first + 5)?,
            subject: text(row, first + 6)?,
        })
    }

    fn values(&self) -> [ToSqlOutput<'_>; WIDEST] {
        let or_nothing = |value: Option<i64>| value.map_or_else(nothing, Into::into);
        [
            self.code.as_str().into(),
            self.severity.as_str().into(),
            or_nothing(self.from.map(|at| at.0)),
            or_nothing(self.to.map(|at| at.0)),
            self.value_e2.into(),
            or_nothing(self.expected_e2),
            self.subject.as_str().into(),
        ]
    }
}

/// The rows of a session that changed after `revision`, in order of their number.
pub(super) fn changed_since<D: Detail>(
    connection: &Connection,
    session_id: i64,
    revision: i64,
) -> rusqlite::Result<Vec<Numbered<D>>> {
    let sql = format!(
        "SELECT number, {} FROM {} WHERE session_id = ?1 AND revision > ?2 ORDER BY number",
        D::COLUMNS.join(", "),
        D::TABLE
    );
    let mut select = connection.prepare_cached(&sql)?;
    let rows = select.query_map(params![session_id, revision], |row| {
        Ok(Numbered { number: row.get(0)?, row: D::read(row, 1)? })
    })?;
    rows.collect()
}

/// Shows each row of a session, in order of their number, and gives those that changed after `revision`.
/// No more than those are in memory.
pub(super) fn visit_and_keep_changed<D: Detail>(
    connection: &Connection,
    session_id: i64,
    revision: i64,
    visit: &mut dyn FnMut(DetailRow<'_>),
) -> rusqlite::Result<Vec<Numbered<D>>>
where
    for<'d> &'d D: Into<DetailRow<'d>>,
{
    let sql = format!(
        "SELECT number, revision, {} FROM {} WHERE session_id = ?1 ORDER BY number",
        D::COLUMNS.join(", "),
        D::TABLE
    );
    let mut select = connection.prepare_cached(&sql)?;
    let mut rows = select.query([session_id])?;
    let mut changed = Vec::new();
    while let Some(row) = rows.next()? {
        let detail = D::read(row, 2)?;
        visit((&detail).into());
        if row.get::<_, i64>(1)? > revision {
            changed.push(Numbered { number: row.get(0)?, row: detail });
        }
    }
    Ok(changed)
}

/// All rows of a session in order; row `i` has number `i + 1`.
pub(super) fn all<D: Detail>(connection: &Connection, session_id: i64) -> rusqlite::Result<Vec<D>> {
    Ok(changed_since(connection, session_id, -1)?.into_iter().map(|row| row.row).collect())
}

impl Batch<'_> {
    /// Makes the rows of one kind of a session equal to `new`; how many were written or removed. Of a
    /// `fresh` session there are none yet.
    pub(super) fn put_details<D: Detail>(
        &self,
        session_id: i64,
        revision: i64,
        fresh: bool,
        new: &[D],
    ) -> rusqlite::Result<usize> {
        let old = if fresh { Vec::new() } else { all(&self.transaction, session_id)? };
        replace(&self.transaction, session_id, revision, &old, new)
    }
}

/// Makes the table's rows of a session equal to `new`, writing only what differs from `old`, and
/// returns how many rows were written or removed.
fn replace<D: Detail>(
    connection: &Connection,
    session_id: i64,
    revision: i64,
    old: &[D],
    new: &[D],
) -> rusqlite::Result<usize> {
    let columns = D::COLUMNS.join(", ");
    let marks: Vec<String> = (0..D::COLUMNS.len()).map(|at| format!("?{}", at + 4)).collect();
    let statement = |insert: &str| {
        format!(
            "{insert} INTO {} (session_id, number, revision, {columns}) VALUES (?1, ?2, ?3, {})",
            D::TABLE,
            marks.join(", ")
        )
    };
    // SQLite keeps a copy of each page that a REPLACE may change, row by row, because one may have to be
    // undone alone. A row that is new needs none of it, and nearly all are.
    let mut insert = connection.prepare_cached(&statement("INSERT"))?;
    let mut replace = connection.prepare_cached(&statement("INSERT OR REPLACE"))?;
    let mut written = 0;
    for (at, row) in new.iter().enumerate() {
        if old.get(at) == Some(row) {
            continue;
        }
        let number = at as i64 + 1;
        let keys = [session_id.into(), number.into(), revision.into()];
        let values = row.values().into_iter().take(D::COLUMNS.len());
        let write = if at < old.len() { &mut replace } else { &mut insert };
        write.execute(params_from_iter(keys.into_iter().chain(values)))?;
        written += 1;
    }
    if old.len() > new.len() {
        let sql = format!("DELETE FROM {} WHERE session_id = ?1 AND number > ?2", D::TABLE);
        written +=
            connection.prepare_cached(&sql)?.execute(params![session_id, new.len() as i64])?;
    }
    Ok(written)
}
