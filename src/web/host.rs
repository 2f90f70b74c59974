//! Which host a request may ask for. A page of another place can make a browser ask this address by a
//! name of its own (DNS rebinding) and would read the answer: only names that are known to be this
//! computer's are answered. An address cannot be bent, a name can.

use std::net::{Ipv4Addr, Ipv6Addr};

/// The names of this computer, in small letters.
#[derive(Clone, Debug)]
pub struct Hosts {
    names: Vec<String>,
}

impl Hosts {
    /// `own` is what the computer calls itself, `configured` what the configuration adds.
    pub fn new(own: &str, configured: &[String]) -> Self {
        let own = own.to_ascii_lowercase();
        let mut names = vec!["localhost".to_owned(), format!("{own}.local"), own];
        names.extend(configured.iter().map(|name| name.to_ascii_lowercase()));
        Self { names }
    }

    /// Whether the `Host` header's value, with or without a port, names this computer.
    pub fn accepts(&self, header: &str) -> bool {
        let Some(name) = without_port(header) else { return false };
        if let Some(inside) = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
            return inside.parse::<Ipv6Addr>().is_ok();
        }
        let name = name.to_ascii_lowercase();
        let name = name.strip_suffix('.').unwrap_or(&name);
        name.parse::<Ipv4Addr>().is_ok()
            || (!name.is_empty() && self.names.iter().any(|known| known == name))
    }
}

/// `None` where what stands behind the colon is no port.
fn without_port(header: &str) -> Option<&str> {
    let begin_of_port = header.rfind(']').unwrap_or(0);
    match header[begin_of_port..].find(':') {
        None => Some(header),
        Some(colon) => {
            let (name, port) = header.split_at(begin_of_port + colon);
            let port = &port[1..];
            let is_port = port.len() <= 5 && port.bytes().all(|byte| byte.is_ascii_digit());
            is_port.then_some(name)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_this_computers_own_names_are_accepted_and_nothing_else() {
        let hosts = Hosts::new("Ligne-1", &["passerelle.usine.lan".to_owned()]);
        for good in [
            "127.0.0.1",
            "127.0.0.1:9780",
            "192.168.10.7:80",
            "[::1]:9780",
            "[fe80::1]",
            "localhost:9780",
            "LOCALHOST",
            "ligne-1",
            "ligne-1.local:9780",
            "passerelle.usine.lan.:9780",
        ] {
            assert!(hosts.accepts(good), "{good}");
        }
        for bad in [
            "",
            ":9780",
            "evil.example",
            "evil.example:9780",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "127.0.0.1:9780@evil.example",
            "[::1].evil.example",
            "[evil]",
            "ligne-1:port",
            "127.0.0.1:123456",
            "passerelle.usine.lan..",
            "[",
            "]:",
        ] {
            assert!(!hosts.accepts(bad), "{bad}");
        }
    }
}
