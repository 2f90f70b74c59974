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
}

impl ServerProfile {
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
