//! Whole-program tests: the real binary, real FTP servers, real PostgreSQL. One test binary, so
//! that it links once and shares its servers.

mod golden_pure;
mod reference;
#[path = "../support/mod.rs"]
mod support;
mod union;
