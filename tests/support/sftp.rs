//! SFTP servers of the tests on free ports of the loopback: OpenSSH, ProFTPD and dropbear, each with a
//! folder, host keys and one account of its own; and a scripted one, which does what real ones do not.
//!
//! What must never happen: a server that outlives the test process; anything changed in `/etc`: where a
//! server knows the system's accounts only, it runs in a mount namespace with other ones.

mod accounts;
mod dropbear;
pub mod keys;
mod openssh;
mod packet;
mod proftpd;
pub mod script;
pub mod scripted;
pub mod scripted_source;
mod server;

pub use self::{
    dropbear::Dropbear,
    keys::KeyPair,
    openssh::OpenSsh,
    packet::{Body, frame, kind, status},
    proftpd::ProFtpdSftp,
    script::{Deed, File, Form, Listing, LogIn, Op, Rule, Script, Strike, When},
    scripted::ScriptedSftp,
    server::SftpServer,
};
