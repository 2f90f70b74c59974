//! Asks central for the settings of the plant, behind the gateway's own row; what becomes of them is the process's
//! to decide. What fails here fails for the settings alone.

use super::{Runtime, connection::Connection};
use crate::model::SettingsThere;

pub(super) fn ask(connection: &mut Connection, runtime: &dyn Runtime) {
    let Some(mark) = runtime.settings_mark() else { return };
    let there = match connection.central().0.plant_settings(&mark) {
        Ok(there) => there,
        Err(error) => {
            if error.ends_connection() {
                connection.close();
            }
            SettingsThere::Unreadable { why: error.to_string() }
        }
    };
    runtime.hear_settings(&there);
}
