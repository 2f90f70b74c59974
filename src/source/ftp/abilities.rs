//! What a server can do: learnt once while working, kept over reconnections, and told to `check`.

use std::fmt;

use super::{
    link::Link,
    profile::{Learned, Listing},
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
    /// Asks the server; `link` stands in the root afterwards.
    pub(super) fn ask(
        link: &mut Link,
        learned: &mut Learned,
        tls: FtpTls,
        passive: bool,
    ) -> Result<Self, Fault> {
        let system = match link.ask("SYST", 215) {
            Ok(text) => text,
            Err(Fault::Said(_)) => String::new(),
            Err(fault) => return Err(fault),
        };
        // Nobody has such a file: whoever knows the command says that it is missing.
        let size = learned.has_feature("SIZE") || knows(link, "SIZE cu-agent.probe")?;
        let mdtm = learned.has_feature("MDTM") || knows(link, "MDTM cu-agent.probe")?;
        learned.size_refused = !size;
        learned.mdtm_refused = !mdtm;
        let epsv = link.speaks_epsv()?;
        if passive && !epsv {
            learned.epsv_refused = true;
        }
        let resume = link.speaks_rest()?;
        let listing = learned.listings().next().unwrap_or(Listing::List);
        let software = software(&learned.greeting, &system);
        Ok(Self { software, listing, resume, size, mdtm, epsv, tls })
    }

    /// What the server lacks, and what is done instead.
    pub fn substitutes(&self) -> Vec<&'static str> {
        let mut lines = Vec::new();
        match self.listing {
            Listing::Mlsd => {}
            Listing::List => lines.push("no MLSD: LIST is read, times of this year are unknown"),
            Listing::Nlst => lines.push("no MLSD or LIST: NLST, then SIZE and MDTM for each file"),
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
            lines.push("no TLS: the password travels in the clear");
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

fn knows(link: &mut Link, line: &str) -> Result<bool, Fault> {
    match link.ask(line, 213) {
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
    let words = printable(said.unwrap_or("a server that gives no name"), 80);
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
        assert_eq!(software("220 ", ""), "a server that gives no name");
    }

    #[test]
    fn mlsd_is_tried_only_where_feat_names_it() {
        let mut learned = Learned::default();
        assert_eq!(learned.listings().collect::<Vec<_>>(), [Listing::List, Listing::Nlst]);
        learned.features = vec!["MLST TYPE*;SIZE*;".into()];
        assert_eq!(learned.listings().next(), Some(Listing::Mlsd));
        learned.listing = Some(Listing::Nlst);
        assert_eq!(learned.listings().collect::<Vec<_>>(), [Listing::Nlst]);
    }
}
