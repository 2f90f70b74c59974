//! What was found out about a server while working with it, kept over reconnections.

/// How folders are listed, the best way first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Listing {
    Mlsd,
    List,
    Nlst,
}

impl Listing {
    pub(super) const ALL: [Self; 3] = [Self::Mlsd, Self::List, Self::Nlst];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mlsd => "MLSD",
            Self::List => "LIST",
            Self::Nlst => "NLST",
        }
    }
}

/// So many commands that bring nothing before their data connection stands: the next ones wait for it.
const MOST_EARLY_FAILURES: u32 = 3;

/// What was found out about the server so far.
#[derive(Clone, Debug, Default)]
pub(super) struct ServerProfile {
    pub(super) greeting: String,
    pub(super) feat_asked: bool,
    pub(super) features: Vec<String>,
    /// The way that gave readable lines last.
    pub(super) listing: Option<Listing>,
    pub(super) epsv_refused: bool,
    pub(super) size_refused: bool,
    pub(super) mdtm_refused: bool,
    /// The last data connection to a port of the server's has worked.
    pub(super) has_sent_data: bool,
    /// Failures, one behind the other, of commands that travelled before their data connection stood.
    early_failures: u32,
}

impl ServerProfile {
    /// Whether the next command that asks for data need not wait for its connection: that saves a round trip.
    /// The first one waits, so that what is wrong with the ports shows by itself.
    pub(super) fn may_be_early(&self) -> bool {
        self.early_failures < MOST_EARLY_FAILURES && self.has_sent_data
    }

    /// A data connection brought something, or nothing. Nothing for an early command is a line that broke, or a
    /// server that wants the connection first.
    pub(super) fn note_data(&mut self, is_early: bool, has_brought: bool) {
        if has_brought {
            self.has_sent_data = true;
        }
        if is_early {
            self.has_sent_data = has_brought;
            self.early_failures = if has_brought { 0 } else { self.early_failures + 1 };
        }
    }

    /// The server said that it wants the data connection first.
    pub(super) fn refuse_early(&mut self) {
        self.early_failures = MOST_EARLY_FAILURES;
    }

    pub(super) fn has_feature(&self, name: &str) -> bool {
        self.features.iter().any(|line| line.split_whitespace().next() == Some(name))
    }

    /// The ways to try, in this order.
    pub(super) fn listings(&self) -> impl Iterator<Item = Listing> + use<> {
        // FEAT names MLST for both commands (RFC 3659 §7.8); some servers name MLSD.
        let mlsd = self.has_feature("MLST") || self.has_feature("MLSD");
        let first = self.listing.unwrap_or(if mlsd { Listing::Mlsd } else { Listing::List });
        Listing::ALL.into_iter().skip_while(move |way| *way != first)
    }
}
