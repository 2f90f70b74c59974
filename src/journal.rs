//! The agent's log: its set-up, and one function per message that an operator acts on. WARN: nothing
//! is lost, someone may want to look. ERROR: loss, or an operator is needed.

use std::{collections::BTreeMap, error::Error, time::Duration};

use crate::model::Machine;

/// An error with all its causes on one line.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.ends_with(&inner_text) {
            text += ": ";
            text += &inner_text;
        }
        cause = inner.source();
    }
    text
}

/// Folders found against folders mapped.
pub fn folders(source: &str, found: &[String], mapped: &BTreeMap<String, Machine>) {
    let missing: Vec<&str> =
        mapped.keys().filter(|name| !found.contains(name)).map(String::as_str).collect();
    let unmapped: Vec<&str> =
        found.iter().filter(|name| !mapped.contains_key(*name)).map(String::as_str).collect();
    let quoted = |names: &[&str]| {
        names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ")
    };
    log::info!("{source}: {} of {} folders found", mapped.len() - missing.len(), mapped.len());
    if !missing.is_empty() {
        log::warn!("{source}: folders missing on the server: {}", quoted(&missing));
    }
    if !unmapped.is_empty() {
        log::info!("{source}: folders not mapped to a machine, left alone: {}", quoted(&unmapped));
    }
}

pub fn folder_failed(source: &str, folder: &str, error: &dyn Error) {
    log::warn!("{source}: folder {folder:?} not read this time: {}", chain(error));
}

pub fn file_read(folder: &str, name: &str, events: u64, rejected: u64, bytes: u64, took: Duration) {
    log::info!(
        "{folder}/{name}: {events} events, {rejected} rejects, {bytes} bytes, {} ms",
        took.as_millis()
    );
}

pub fn file_failed(source: &str, folder: &str, name: &str, error: &dyn Error) {
    log::warn!("{source}: {folder}/{name} not read this time: {}", chain(error));
}

pub fn file_refused(source: &str, folder: &str, name: &str, refusal: &str) {
    log::warn!("{source}: {folder}/{name} refused: {refusal}");
}

pub fn file_deleted(source: &str, folder: &str, name: &str, bytes: u64) {
    log::info!("{source}: {folder}/{name} deleted, its {bytes} bytes and sessions are in central");
}
