//! The gateway itself, emulated: a real Debian for arm64 with systemd under qemu, the package
//! installed as a technician does, FTP server and PostgreSQL on this machine.
//!
//! `make gateway`, `make gateway-week` and `make powercut` run it, `gateway/README.md` tells what it needs.
//! `SUITE=trixie` makes it a Debian 13; `N=` and `SEED=` set how many power cuts and which ones, `POLLS=` how
//! long the week is.
#![allow(clippy::unwrap_used, reason = "a panic in a test is the test's way of failing")]
#![allow(clippy::print_stdout, reason = "figures and seeds are what these long tests are run for")]

#[path = "../support/mod.rs"]
mod support;

#[path = "../update/publisher.rs"]
#[allow(dead_code, reason = "the tests of updates need all of it")]
mod publisher;

mod board;
mod container;
mod disk;
mod field;
mod life;
mod nbd;
mod package;
mod power_cuts;
mod update;
mod week;
