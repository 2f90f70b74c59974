//! Whole-program tests: the real binary, real FTP servers, real PostgreSQL. One test binary, so
//! that it links once and shares its servers.

#[path = "../support/mod.rs"]
mod support;

mod ftp_scripted;
mod ftp_servers;
mod ftp_tls;
