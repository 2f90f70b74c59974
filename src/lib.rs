//! cu-agent: machining-centre LOG files → production sessions → central PostgreSQL.
//!
//! ```text
//! source ─bytes─▶ parse ─records─▶ analyse ─session─▶ buffer (SQLite) ─▶ sync ─▶ central (PostgreSQL)
//! ```
//!
//! Imports point one way: main → cli → agent → stages → model. `docs/architecture.md` is the map;
//! `tests/suite/rooms.rs` holds the rules.

pub mod agent;
pub mod analyse;
pub mod buffer;
pub mod cli;
pub mod collect;
pub mod config;
pub mod draw;
pub mod durable;
pub mod generate;
pub mod journal;
pub mod model;
pub mod notify;
pub mod parse;
pub mod report;
pub mod retry;
pub mod source;
pub mod status;
pub mod sync;
pub mod text;
pub mod trial;
pub mod update;
