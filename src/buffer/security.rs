//! What was noticed of the gateway's security, and what of it central does not hold yet: one JSON text, of
//! bounded size and written only when it changes.
//!
//! It stands among the links because releases before know that table, and leave out names that are no link's.

use rusqlite::{OptionalExtension, params};

use super::{BufferError, SecurityNotes, SecurityNotesMut, error::During};
use crate::{failpoints::Step, model::SecurityLog};

const NAME: &str = "security";

impl SecurityNotes<'_> {
    /// Nothing was noticed yet if what stands there is another release's.
    pub fn log(&self) -> Result<SecurityLog, BufferError> {
        let json: Option<Option<String>> = self
            .buffer
            .connection
            .prepare_cached("SELECT error FROM link WHERE name = ?1")
            .and_then(|mut select| select.query_row([NAME], |row| row.get(0)).optional())
            .during("read the events of security", &self.buffer.path)?;
        Ok(json.flatten().and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default())
    }
}

impl SecurityNotesMut<'_> {
    /// Changes what is known; written only if that makes it another. What `change` gives.
    pub fn change<T>(
        &mut self,
        change: impl FnOnce(&mut SecurityLog) -> T,
    ) -> Result<T, BufferError> {
        let known = self.buffer.security().log()?;
        let mut log = known.clone();
        let given = change(&mut log);
        if log != known {
            let json = serde_json::to_string(&log).expect("texts and numbers are JSON");
            self.buffer.change(
                Step::NoteSecurity,
                "record an event of security",
                |transaction| {
                    transaction.execute(
                        "INSERT OR REPLACE INTO link (name, state, since, error)
                         VALUES (?1, 'up', '', ?2)",
                        params![NAME, json],
                    )
                },
            )?;
        }
        Ok(given)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::buffer::{Buffer, times::now};

    #[test]
    fn what_is_noted_is_read_back_and_is_no_link() {
        let dir = tempfile::tempdir().unwrap();
        let mut buffer = Buffer::open(dir.path(), "id", now()).unwrap();
        assert_eq!(buffer.security().log().unwrap(), SecurityLog::default());
        buffer.security_mut().change(|log| log.last_number = 3).unwrap();
        assert_eq!(buffer.security().log().unwrap().last_number, 3);
        assert_eq!(buffer.links().all().unwrap(), []);
        assert_eq!(buffer.links().troubles().unwrap(), []);
    }
}
