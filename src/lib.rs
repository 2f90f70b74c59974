//! cu-agent: machining-centre LOG files → production sessions → central PostgreSQL.
//!
//! ```text
//! source ─bytes─▶ parse ─records─▶ analyse ─session─▶ buffer (SQLite) ─▶ sync ─▶ central (PostgreSQL)
//! ```
//!
//! Imports point one way: main → cli → agent → stages → model. `docs/architecture.md` is the map;
//! `tests/suite/rooms.rs` holds the rules.

// `pub` is for what other crates name: the binary, tests, benches and fuzz targets.
#![warn(unreachable_pub, clippy::too_many_lines)]

pub mod agent;
mod alarms;
pub mod analyse;
pub mod buffer;
pub mod calendar;
pub mod cli;
pub mod collect;
pub mod config;
mod deliver;
pub mod failpoints;
mod http_client;
mod logging;
pub mod model;
mod monitor;
pub mod parse;
mod peers;
mod render;
mod report;
mod retry;
mod security;
pub mod settings;
pub mod source;
pub mod status;
pub mod sync;
mod text;
mod tls;
pub mod update;
pub mod web;
mod weekly;
mod workbook;
