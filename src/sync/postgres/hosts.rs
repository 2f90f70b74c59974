//! Which of several servers central is: the first that takes the log-in and can be written, as libpq's
//! `target_session_attrs=read-write` finds it. What was tried, what it came to, and whether to go on.
//!
//! What must never happen here: a log-in that one server refused tried on all the others; a message that
//! grows with the number of servers.

use std::{fmt, io, ops::ControlFlow};

use super::error::{CentralError, Place, Retry};
use crate::{logging, model::printable};

/// Of all reasons together, in characters.
const MOST_CHARS: usize = 900;

/// Why a server that answers is not central now.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unwritable {
    #[error("it is a standby (add the primary to central.host, or promote this server)")]
    Standby,
    #[error("default_transaction_read_only is on for the server, the database or the role")]
    Setting,
}

/// What became of the servers that were tried.
#[derive(Debug, Default)]
pub struct Attempts(Vec<Attempt>);

#[derive(Debug)]
struct Attempt {
    host: String,
    error: CentralError,
}

/// How much a failure says of a server, the least first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Telling {
    /// Nothing came back.
    Nothing,
    /// It is not central, or not now; another one may be.
    Server,
    /// What another server of the same database would refuse too.
    Account,
}

fn telling(error: &CentralError) -> Telling {
    match error {
        CentralError::FindHost { .. }
        | CentralError::Reach { .. }
        | CentralError::Silent { .. }
        | CentralError::NoAnswer { .. }
        | CentralError::Lost { .. } => Telling::Nothing,
        CentralError::LogIn { .. }
        | CentralError::Database { .. }
        | CentralError::Forbidden { .. } => Telling::Account,
        // Also a server that does not prove to be the real one: it was given no password, and the next
        // one has to prove it as well.
        _ => Telling::Server,
    }
}

impl Attempts {
    /// Notes that an address of `place` failed. Of several addresses of one host the most telling failure is
    /// kept. Breaks if no other server is to be tried.
    pub(super) fn note(&mut self, place: &Place, error: CentralError) -> ControlFlow<()> {
        let (host, telling_now) = (place.text(), telling(&error));
        match self.0.last_mut().filter(|last| last.host == host) {
            Some(last) if telling(&last.error) > telling_now => {}
            Some(last) => last.error = error,
            None => self.0.push(Attempt { host, error }),
        }
        if telling_now == Telling::Account {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    /// What to say of central, of which `names` is what is configured.
    pub(super) fn into_error(mut self, names: &impl fmt::Display) -> CentralError {
        match self.0.len() {
            0 => CentralError::FindHost {
                host: names.to_string(),
                source: io::Error::from(io::ErrorKind::NotFound),
            },
            1 => self.0.remove(0).error,
            _ => CentralError::NoHost { attempts: self },
        }
    }

    /// The refusal of the log-in decides; otherwise the first server to become usable again.
    pub fn again(&self) -> Retry {
        let mut all = self.0.iter().map(|attempt| attempt.error.again());
        match self.0.last() {
            Some(last) if telling(&last.error) == Telling::Account => last.error.again(),
            _ if all.any(|again| again == Retry::Soon) => Retry::Soon,
            _ => Retry::Slowly,
        }
    }

    /// Whether a server would be central if others had not all of its connections.
    pub fn is_want_of_a_connection(&self) -> bool {
        self.0.iter().any(|attempt| attempt.error.is_want_of_a_connection())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Attempts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let most = MOST_CHARS / self.0.len().max(1);
        for (place, Attempt { host, error }) in self.0.iter().enumerate() {
            let between = if place == 0 { "" } else { "; " };
            let text = format!("{host}: {}", logging::chain(error));
            write!(f, "{between}{}", printable(&text, most))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn place(host: &str) -> Place {
        Place { host: host.into(), port: 5432, database: "production".into(), user: "u".into() }
    }

    fn reach() -> CentralError {
        let source = io::Error::from(io::ErrorKind::ConnectionRefused);
        CentralError::Reach { place: "x".into(), source }
    }

    fn standby() -> CentralError {
        CentralError::NotWritable { place: "x".into(), why: Unwritable::Standby }
    }

    fn no_tls() -> CentralError {
        CentralError::NoTls { place: "x".into() }
    }

    fn silent() -> CentralError {
        CentralError::Silent { place: "x".into(), after: Duration::from_secs(10) }
    }

    #[test]
    fn of_one_host_the_failure_that_says_most_is_its_own_and_of_several_each_has_one() {
        let mut attempts = Attempts::default();
        for error in [reach(), standby(), silent()] {
            assert!(attempts.note(&place("a"), error).is_continue());
        }
        assert!(matches!(attempts.into_error(&"a"), CentralError::NotWritable { .. }));

        let mut attempts = Attempts::default();
        for (host, error) in [("a", reach()), ("a", silent()), ("b", no_tls()), ("c", standby())] {
            assert!(attempts.note(&place(host), error).is_continue());
        }
        let error = attempts.into_error(&"a,b,c");
        let text = error.to_string();
        for part in ["a:5432: ", "stayed silent for 10 s", "b:5432: ", "TLS", "c:5432: ", "standby"]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains("cannot reach"), "{text}");
        assert_eq!(error.again(), Retry::Soon);
        assert!(matches!(Attempts::default().into_error(&"a"), CentralError::FindHost { .. }));
    }

    #[test]
    fn what_somebody_has_to_mend_on_every_server_is_tried_rarely() {
        let mut attempts = Attempts::default();
        for host in ["a", "b"] {
            assert!(attempts.note(&place(host), no_tls()).is_continue());
        }
        assert_eq!(attempts.into_error(&"a,b").again(), Retry::Slowly);
    }

    #[test]
    fn the_text_of_many_servers_with_much_to_say_is_bounded() {
        let mut attempts = Attempts::default();
        for number in 0..8 {
            let host = format!("{}{number}", "x".repeat(300));
            assert!(attempts.note(&place(&host), standby()).is_continue());
        }
        let text = attempts.into_error(&"many").to_string();
        assert!(text.chars().count() < 1000, "{}", text.chars().count());
    }
}
