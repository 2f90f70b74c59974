//! Central's servers as people write them: `"a"`, `"a, b"`, `"a:5432, [fd00::2]:5433"`, the preferred
//! one first.

use std::{fmt, num::NonZeroU16, str::FromStr};

/// A configuration names at most so many: each may cost a time-out.
const MOST_HOSTS: usize = 8;

/// At least one, in order of preference.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hosts(Vec<Host>);

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Host {
    /// A name or an address, to which the server's certificate must be issued.
    pub name: String,
    /// `None`: the one that all have.
    pub port: Option<NonZeroU16>,
}

impl Hosts {
    pub fn iter(&self) -> impl Iterator<Item = &Host> {
        self.0.iter()
    }

    pub fn are_several(&self) -> bool {
        self.0.len() > 1
    }

    /// Each by itself.
    pub fn each(&self) -> impl Iterator<Item = Self> {
        self.0.iter().map(|host| Self(vec![host.clone()]))
    }
}

impl Host {
    pub fn port_or(&self, port: u16) -> u16 {
        self.port.map_or(port, NonZeroU16::get)
    }
}

/// As messages, `status` and `/metrics` name a server.
pub fn host_and_port(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

impl fmt::Display for Hosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, host) in self.0.iter().enumerate() {
            write!(f, "{}{host}", if place == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            None => f.write_str(&self.name),
            Some(port) => f.write_str(&host_and_port(&self.name, port.get())),
        }
    }
}

/// Not of the form that [`Hosts`] has.
#[derive(Debug, thiserror::Error)]
#[error("not a list of hosts")]
pub struct NoHosts;

impl FromStr for Hosts {
    type Err = NoHosts;

    fn from_str(text: &str) -> Result<Self, NoHosts> {
        let hosts: Vec<Host> = text.split(',').map(str::parse).collect::<Result<_, _>>()?;
        if hosts.len() > MOST_HOSTS { Err(NoHosts) } else { Ok(Self(hosts)) }
    }
}

impl FromStr for Host {
    type Err = NoHosts;

    fn from_str(text: &str) -> Result<Self, NoHosts> {
        let text = text.trim();
        let (name, port) = match text.strip_prefix('[').map(|rest| rest.split_once(']')) {
            Some(None) => return Err(NoHosts),
            Some(Some((name, ""))) => (name, None),
            Some(Some((name, rest))) => (name, Some(rest.strip_prefix(':').ok_or(NoHosts)?)),
            // With more than one colon it is an address of IPv6.
            None => match text.split_once(':') {
                Some((name, port)) if !port.contains(':') => (name, Some(port)),
                _ => (text, None),
            },
        };
        if name.is_empty() {
            return Err(NoHosts);
        }
        let port = port.map(str::parse).transpose().map_err(|_| NoHosts)?;
        Ok(Self { name: name.to_owned(), port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_read_in_order_each_with_its_port_if_it_has_one() {
        for (text, expected) in [
            ("a", &[("a", 0)][..]),
            (" central.usine.lan ", &[("central.usine.lan", 0)]),
            ("a,b", &[("a", 0), ("b", 0)]),
            ("a:5433 , 10.0.0.2", &[("a", 5433), ("10.0.0.2", 0)]),
            ("::1, fe80::1%eth0", &[("::1", 0), ("fe80::1%eth0", 0)]),
            ("[::1], [fd00::2]:5433,c", &[("::1", 0), ("fd00::2", 5433), ("c", 0)]),
        ] {
            let hosts: Hosts = text.parse().unwrap();
            let read: Vec<_> =
                hosts.iter().map(|host| (host.name.as_str(), host.port_or(0))).collect();
            assert_eq!(read, expected, "{text:?}");
            assert_eq!(hosts.to_string().parse::<Hosts>().unwrap(), hosts, "{text:?}");
            assert_eq!(hosts.are_several(), expected.len() > 1);
        }
    }

    #[test]
    fn what_is_no_list_of_hosts_is_refused() {
        let many = ["a"; MOST_HOSTS + 1].join(",");
        for text in [
            "",
            " ",
            ",",
            "a,",
            ",a",
            "a,,b",
            ":5432",
            "a:",
            "a:0",
            "a:65536",
            "a:x",
            "a:-1",
            "[::1",
            "[::1]5432",
            "[]",
            "[]:1",
            "[::1]:",
            &many,
        ] {
            assert!(text.parse::<Hosts>().is_err(), "{text:?}");
        }
    }
}
