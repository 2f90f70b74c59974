//! What of the configuration collecting depends on.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    analyse,
    calendar::Calendars,
    config::{EventNames, Nominal},
    model::Limits,
    parse::{WordError, Words},
};

/// What of the configuration collecting depends on, for all sources.
#[derive(Clone, Debug)]
pub struct Settings {
    pub words: Words,
    pub options: analyse::Options,
    /// From when on something is an anomaly.
    pub limits: Limits,
    /// Machine (`nom`) -> what its TRS is measured by.
    pub nominals: BTreeMap<String, Nominal>,
    /// When machines are planned to work: central's calendars, and the configuration's for machines for
    /// which central has none.
    pub calendars: Calendars,
    pub file_quiet: Duration,
    /// Whether there is a central that could confirm anything: without one nothing is deleted.
    pub has_central: bool,
    /// Bytes of files held in memory before they are made durable.
    pub batch_bytes: usize,
    /// Most bytes the buffer may use: then reading waits, and closing and deleting go on.
    pub max_buffer_bytes: u64,
}

/// The words of the configuration as the parser wants them.
pub fn words(names: &EventNames) -> Result<Words, WordError> {
    Words::new(&names.piece, &names.wait, &names.stop, &names.start, &names.job)
}
