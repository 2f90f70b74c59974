//! Whole-program tests: the real binary, real FTP servers, real PostgreSQL. One test binary, so
//! that it links once and shares its servers.

#![allow(clippy::unwrap_used, reason = "a panic in a test is the test's way of failing")]

#[path = "../support/mod.rs"]
mod support;

mod central_histories;
mod central_link;
mod central_roles;
mod central_sync;
mod central_takeover;
mod central_tls;
mod central_wire;
mod central_writers;
