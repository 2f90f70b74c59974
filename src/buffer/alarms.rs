//! Alarms on disk, so that a power cut or a week without a network loses none of them. Both tables are
//! written whole in one transaction, and only when something changed.

use std::collections::BTreeMap;

use rusqlite::{Row, params};

use super::{AlarmLog, AlarmLogMut, BufferError, Reports, details::Detail, error::During};
use crate::{
    failpoints::Step,
    model::{
        AlarmEvent, AlarmKey, AlarmKind, AlarmMessage, AlarmState, Anomaly, Day, StandingAlarm,
    },
};

/// `None`: a kind of another version of the agent, which nobody here knows when to clear.
fn key(row: &Row<'_>) -> rusqlite::Result<Option<AlarmKey>> {
    let word: String = row.get(0)?;
    let subject = row.get(1)?;
    Ok(AlarmKind::from_word(&word).map(|kind| AlarmKey { kind, subject }))
}

impl AlarmLog<'_> {
    pub fn state(&self) -> Result<AlarmState, BufferError> {
        let read = || -> rusqlite::Result<AlarmState> {
            let view = self.buffer.connection.unchecked_transaction()?;
            let mut state = AlarmState::default();
            let mut standing =
                view.prepare("SELECT kind, subject, text, since, told_at FROM alarm")?;
            let mut rows = standing.query([])?;
            while let Some(row) = rows.next()? {
                let Some(key) = key(row)? else { continue };
                let (text, since, told_at) = (row.get(2)?, row.get(3)?, row.get(4)?);
                state.standing.insert(key, StandingAlarm { text, since, told_at });
            }
            let mut waiting = view.prepare(
                "SELECT kind, subject, event, text, since, at FROM alarm_message ORDER BY number",
            )?;
            let mut rows = waiting.query([])?;
            while let Some(row) = rows.next()? {
                let event: String = row.get(2)?;
                let (Some(key), Some(event)) = (key(row)?, AlarmEvent::from_word(&event)) else {
                    continue;
                };
                let (text, since, at) = (row.get(3)?, row.get(4)?, row.get(5)?);
                state.waiting.push(AlarmMessage { key, event, text, since, at });
            }
            Ok(state)
        };
        read().during("look up alarms", &self.buffer.path)
    }

    /// Anomalies of high severity of the days from `from` on, by machine and day; also those of the day before a
    /// machine's newest one, of which most is known only since that has begun. Days behind `last` are of a clock
    /// that jumped.
    pub fn critical_anomalies(
        &self,
        from: Day,
        last: Day,
    ) -> Result<Vec<(String, Day, Anomaly)>, BufferError> {
        let columns: Vec<String> =
            Anomaly::COLUMNS.iter().map(|column| format!("f.{column}")).collect();
        let sql = format!(
            // Crosswise: the days of each machine are sought, not gone through.
            "SELECT m.nom, s.day, {} FROM machine m
                 CROSS JOIN session s ON s.machine_id = m.id AND s.day >= min(?1, coalesce(
                     (SELECT max(before.day) FROM session before
                      WHERE before.machine_id = m.id AND before.day < (
                          SELECT max(newest.day) FROM session newest
                          WHERE newest.machine_id = m.id AND newest.day BETWEEN ?1 AND ?2)), ?1))
                 CROSS JOIN finding f ON f.session_id = s.id
             WHERE f.gravity = 'high' ORDER BY m.nom, s.day, f.number",
            columns.join(", ")
        );
        self.buffer
            .connection
            .prepare_cached(&sql)
            .and_then(|mut select| {
                select
                    .query_map([from, last], |row| {
                        Ok((row.get(0)?, row.get(1)?, Anomaly::read(row, 2)?))
                    })?
                    .collect()
            })
            .during("look up critical anomalies", &self.buffer.path)
    }
}

/// How many alarms stand of each kind, and how many messages wait for their receiver.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AlarmCounts {
    pub standing: BTreeMap<AlarmKind, usize>,
    pub waiting: usize,
}

impl Reports<'_> {
    /// Every kind is counted, also one of which none stands.
    pub fn alarms(&self) -> Result<AlarmCounts, BufferError> {
        let AlarmState { standing, waiting } = self.buffer.alarm_log().state()?;
        let of = |kind| standing.keys().filter(|key| key.kind == kind).count();
        let standing = AlarmKind::ALL.into_iter().map(|kind| (kind, of(kind))).collect();
        Ok(AlarmCounts { standing, waiting: waiting.len() })
    }
}

impl AlarmLogMut<'_> {
    pub fn save(&mut self, state: &AlarmState, step: Step) -> Result<(), BufferError> {
        self.buffer.change(step, "keep alarms", |transaction| {
            transaction.execute("DELETE FROM alarm", [])?;
            transaction.execute("DELETE FROM alarm_message", [])?;
            for (key, alarm) in &state.standing {
                transaction
                    .prepare_cached("INSERT INTO alarm VALUES (?1, ?2, ?3, ?4, ?5)")?
                    .execute(params![
                        key.kind.as_str(),
                        key.subject,
                        alarm.text,
                        alarm.since,
                        alarm.told_at
                    ])?;
            }
            for message in &state.waiting {
                let AlarmMessage { key, event, text, since, at } = message;
                transaction
                    .prepare_cached(
                        "INSERT INTO alarm_message (kind, subject, event, text, since, at)
                         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                    )?
                    .execute(params![
                        key.kind.as_str(),
                        key.subject,
                        event.as_str(),
                        text,
                        since,
                        at
                    ])?;
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::buffer::{Buffer, times::now};

    #[test]
    fn alarms_come_back_as_they_were_kept_and_in_their_order() {
        let dir = tempfile::tempdir().unwrap();
        let mut buffer = Buffer::open(dir.path(), "a", now()).unwrap();
        assert_eq!(buffer.alarm_log().state().unwrap(), AlarmState::default());
        let at = "2026-11-24T09:00:00".parse().unwrap();
        let key = AlarmKey { kind: AlarmKind::MachineSilent, subject: "DEM12".into() };
        let message = |event| AlarmMessage {
            key: key.clone(),
            event,
            text: "rien depuis une heure".into(),
            since: at,
            at,
        };
        let state = AlarmState {
            standing: [(key.clone(), StandingAlarm { text: "x".into(), since: at, told_at: at })]
                .into(),
            waiting: vec![message(AlarmEvent::Cleared), message(AlarmEvent::Raised)],
        };
        buffer.alarm_log_mut().save(&state, Step::NoteAlarms).unwrap();
        assert_eq!(buffer.alarm_log().state().unwrap(), state);
        let counts = buffer.reports().alarms().unwrap();
        let standing = counts.standing.iter().filter(|(_, count)| **count > 0).collect::<Vec<_>>();
        assert_eq!((standing, counts.waiting), (vec![(&AlarmKind::MachineSilent, &1)], 2));
        buffer.alarm_log_mut().save(&AlarmState::default(), Step::NoteAlarms).unwrap();
        assert_eq!(buffer.alarm_log().state().unwrap(), AlarmState::default());
    }
}
