//! What somebody who looks after the security of gateways wants to hear of, and what is remembered in order to
//! notice it.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use super::{LastUpdate, LinkFault, WallTime};

/// What happened; kept by the words of central's table.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum SecurityKind {
    /// A server refused user, password or key.
    #[serde(rename = "connexion_refusee")]
    LoginRefused,
    /// A server's certificate was refused, or it could not encrypt.
    #[serde(rename = "certificat_refuse")]
    CertificateRefused,
    #[serde(rename = "certificat_change")]
    CertificateChanged,
    #[serde(rename = "cle_hote_refusee")]
    HostKeyRefused,
    #[serde(rename = "cle_hote_changee")]
    HostKeyChanged,
    #[serde(rename = "configuration_changee")]
    ConfigurationChanged,
    /// The publisher of updates handed over to other keys, or a package brought them.
    #[serde(rename = "cles_changees")]
    UpdateKeysChanged,
    /// A version was installed, refused or rolled back.
    #[serde(rename = "mise_a_jour")]
    Update,
}

impl SecurityKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LoginRefused => "connexion_refusee",
            Self::CertificateRefused => "certificat_refuse",
            Self::CertificateChanged => "certificat_change",
            Self::HostKeyRefused => "cle_hote_refusee",
            Self::HostKeyChanged => "cle_hote_changee",
            Self::ConfigurationChanged => "configuration_changee",
            Self::UpdateKeysChanged => "cles_changees",
            Self::Update => "mise_a_jour",
        }
    }
}

impl fmt::Display for SecurityKind {
    /// As the log has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LoginRefused => "login refused",
            Self::CertificateRefused => "certificate refused",
            Self::CertificateChanged => "certificate changed",
            Self::HostKeyRefused => "host key refused",
            Self::HostKeyChanged => "host key changed",
            Self::ConfigurationChanged => "configuration changed",
            Self::UpdateKeysChanged => "update keys changed",
            Self::Update => "update",
        })
    }
}

impl SecurityEvent {
    /// Whether it is only the beginning of what is watched, which nobody has to look at.
    pub fn is_beginning(&self) -> bool {
        self.kind == SecurityKind::ConfigurationChanged && self.detail == FIRST_READ
    }
}

/// The detail of the event that a configuration was read by a buffer that knew none.
pub const FIRST_READ: &str = "first read";

/// One event, as it waits for central.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SecurityEvent {
    /// From 1 in each buffer, without gaps but for events that found no room.
    pub number: u64,
    /// By the gateway's clock.
    #[serde(deserialize_with = "WallTime::if_readable")]
    pub at: Option<WallTime>,
    pub kind: SecurityKind,
    /// The link, server or file that it is about.
    pub subject: String,
    pub detail: String,
}

/// How a server proves who it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProofKind {
    Certificate,
    HostKey,
}

/// The newest proof of one server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PeerProof {
    pub place: String,
    pub kind: ProofKind,
    pub fingerprint: String,
}

/// Something to be compared with what is remembered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Observed {
    /// How a link is; `None`: it works.
    Link {
        name: String,
        fault: Option<LinkFault>,
    },
    Proof(PeerProof),
    /// A digest of each key's value of the configuration that was read.
    Configuration {
        file: String,
        digests: BTreeMap<String, String>,
    },
    Update(LastUpdate),
    /// The version of the publisher's set of keys.
    UpdateKeys(u64),
}

/// What was noticed so far, and what of it central does not hold yet.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SecurityLog {
    /// Of the newest event.
    pub last_number: u64,
    /// Oldest first.
    pub waiting: Vec<SecurityEvent>,
    /// The refusal that stands, by link.
    pub refused: BTreeMap<String, String>,
    /// Fingerprints by place, the newest last.
    pub certificates: BTreeMap<String, Vec<String>>,
    pub host_keys: BTreeMap<String, Vec<String>>,
    /// `None`: none was read yet.
    pub configuration: Option<BTreeMap<String, String>>,
    pub update: Option<LastUpdate>,
    pub update_keys: Option<u64>,
}
