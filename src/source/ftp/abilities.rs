//! What a server can do: learnt once while working, kept over reconnections, and told to `check`.

use std::fmt;

use super::{
    connection::Connection,
    profile::{Listing, ServerProfile},
    reply::Fault,
};
use crate::{config::FtpTls, model::printable};

/// The server as `check` shows it. `Display` is one line: software and abilities; what it lacks is in
/// [`substitutes`](Self::substitutes).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServerAbilities {
    /// What the server calls itself, from its greeting or SYST.
    pub software: String,
    pub listing: Listing,
    /// Reading from an offset (REST).
    pub resume: bool,
    pub size: bool,
    /// Modification times (MDTM).
    pub mdtm: bool,
    /// Extended passive mode; without it PASV is used.
    pub epsv: bool,
    pub tls: FtpTls,
}

impl ServerAbilities {
    /// Asks the server; `connection` stands in the root afterwards.
    pub(super) fn ask(
        connection: &mut Connection,
        profile: &mut ServerProfile,
        tls: FtpTls,
        passive: bool,
    ) -> Result<Self, Fault> {
        let system = match connection.ask("SYST", 215) {
            Ok(text) => text,
            Err(Fault::Said(_)) => String::new(),
            Err(fault) => return Err(fault),
        };
        // Nobody has such a file: a server that knows the command says that it is missing.
        let size = profile.has_feature("SIZE") || knows(connection, "SIZE cu-agent.probe")?;
        let mdtm = profile.has_feature("MDTM") || knows(connection, "MDTM cu-agent.probe")?;
        profile.size_refused = !size;
        profile.mdtm_refused = !mdtm;
        let epsv = connection.speaks_epsv()?;
        if passive && !epsv {
            profile.epsv_refused = true;
        }
        let resume = connection.speaks_rest()?;
        let listing = profile.listings().next().unwrap_or(Listing::List);
        let software = software(&profile.greeting, &system);
        Ok(Self { software, listing, resume, size, mdtm, epsv, tls })
    }

    /// What the server lacks, and what is done instead.
    pub fn substitutes(&self) -> Vec<&'static str> {
        let mut lines = Vec::new();
        match self.listing {
            Listing::Mlsd => {}
            Listing::List => lines.push("no MLSD: LIST is used, times of this year are unknown"),
            Listing::Nlst => {
                lines.push("no MLSD or LIST: NLST is used, then SIZE and MDTM for each file")
            }
        }
        if !self.resume {
            lines.push("no REST: growing files are read from their beginning each time");
        }
        if !self.size {
            lines.push("no SIZE: sizes are taken from the listing");
        }
        if !self.mdtm && self.listing == Listing::Nlst {
            lines.push("no MDTM: times of files are unknown");
        }
        if !self.epsv {
            lines.push("no EPSV: PASV is used");
        }
        if self.tls == FtpTls::None {
            lines.push("no TLS: the password is sent in clear text");
        }
        lines
    }
}

impl fmt::Display for ServerAbilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.software, self.listing.as_str())?;
        let able =
            [(self.resume, "REST"), (self.size, "SIZE"), (self.mdtm, "MDTM"), (self.epsv, "EPSV")];
        for (_, name) in able.iter().filter(|(able, _)| *able) {
            write!(f, ", {name}")?;
        }
        match self.tls {
            FtpTls::None => {}
            FtpTls::Explicit => f.write_str(", TLS (explicit)")?,
            FtpTls::Implicit => f.write_str(", TLS (implicit)")?,
        }
        Ok(())
    }
}

fn knows(connection: &mut Connection, line: &str) -> Result<bool, Fault> {
    match connection.ask(line, 213) {
        Ok(_) => Ok(true),
        Err(Fault::Said(answer)) => Ok(!answer.is_unknown_command()),
        Err(fault) => Err(fault),
    }
}

/// The greeting's first line that says something, one printable line; the system where it is silent.
fn software(greeting: &str, system: &str) -> String {
    let said = greeting
        .lines()
        .map(|line| line.trim_start_matches(|c: char| c.is_ascii_digit() || c == '-').trim())
        .map(|line| line.trim_matches(|c: char| "-=*#_ ()".contains(c)))
        .find(|line| line.chars().any(char::is_alphanumeric));
    let words = printable(said.unwrap_or("unnamed server"), 80);
    if system.is_empty() {
        return words;
    }
    format!("{words} [{}]", printable(system, 40))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_software_is_taken_from_the_greeting_of_any_shape() {
        assert_eq!(software("220 (vsFTPd 3.0.3)", "UNIX Type: L8"), "vsFTPd 3.0.3 [UNIX Type: L8]");
        let pure = "220---------- Welcome to Pure-FTPd [privsep] [TLS] ----------\r\n220 Bye";
        assert_eq!(software(pure, ""), "Welcome to Pure-FTPd [privsep] [TLS]");
        assert_eq!(software("220 ", ""), "unnamed server");
    }

    #[test]
    fn mlsd_is_tried_only_where_feat_names_it() {
        let mut profile = ServerProfile::default();
        assert_eq!(profile.listings().collect::<Vec<_>>(), [Listing::List, Listing::Nlst]);
        profile.features = vec!["MLST TYPE*;SIZE*;".into()];
        assert_eq!(profile.listings().next(), Some(Listing::Mlsd));
        profile.listing = Some(Listing::Nlst);
        assert_eq!(profile.listings().collect::<Vec<_>>(), [Listing::Nlst]);
    }
}
