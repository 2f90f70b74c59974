//! FTP servers of the tests on free ports of the loopback: the real ones ([`Vsftpd`], [`ProFtpd`],
//! [`PureFtpd`]), each in a folder of its own, and one that does what real ones do not
//! ([`ScriptedFtp`]).
//!
//! What must never happen: a server that outlives the test process; anything changed in `/etc` beyond
//! one system user without a shell, home or rights.

pub mod account;
pub mod certificates;
mod daemon;
pub mod packages;
mod proftpd;
mod pureftpd;
pub mod quirks;
pub mod reading;
pub mod script;
pub mod scripted;
mod supervised;
mod vsftpd;
mod wire;

pub use self::{
    daemon::{Daemon, Options},
    proftpd::ProFtpd,
    pureftpd::PureFtpd,
    quirks::{Begin, Quirks},
    script::{Script, Stat, Strike},
    scripted::ScriptedFtp,
    vsftpd::Vsftpd,
};
