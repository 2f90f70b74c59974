//! The gateway's page in a real headless Chromium: what it shows is what the buffer holds, in both
//! languages, for everyone. Pictures are kept under `target/page-screenshots`.
#![allow(clippy::unwrap_used, reason = "a panic in a test is the test's way of failing")]

#[path = "../support/mod.rs"]
mod support;

mod access;
mod board;
mod board_line;
mod boxes;
mod browser;
mod compare;
mod dashboards;
mod line;
mod machine;
mod machine_line;
mod matrix;
mod overview;
mod pictures;
mod plants;
mod report;
mod values;
