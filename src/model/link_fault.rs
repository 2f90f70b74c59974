//! Why a source or central does not answer, as plain data: what the agent knows of it by itself, apart from what
//! a server said.

/// What is the matter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FaultKind {
    /// Nothing listens at the address.
    Refused,
    /// No answer in time.
    NoAnswer,
    /// No way there.
    NoRoute,
    /// The name has no address.
    UnknownHost,
    /// It cannot be reached, and why is not known by type.
    Unreachable,
    /// The connection broke off.
    Lost,
    /// Something else answers at the address.
    OtherService,
    /// User or password, or the server's rules.
    LoginRefused,
    /// No encryption, or not with this server.
    Tls,
    CertificateExpired,
    /// The gateway's clock is probably wrong.
    CertificateNotYetValid,
    CertificateRefused,
    /// No host key of the SSH server is configured.
    HostKeyUnknown,
    /// The SSH server shows another host key than the configured one.
    HostKeyChanged,
    /// The SSH server and the agent have no algorithm in common.
    Algorithms,
    /// The agent's own private key cannot be used.
    PrivateKey,
    /// Hardly anything comes.
    TooSlow,
    /// A directory that is not there, such as a stick that was pulled out.
    NoDirectory,
    /// A directory that may not be read, or is none.
    DirectoryUnreadable,
    NoFreeConnection,
    NoDatabase,
    /// Tables or rights are not what the agent needs.
    TablesUnfit,
    ReadOnly,
    Restarting,
    /// Its disk, memory or connections are used up.
    Exhausted,
    Busy,
    Other,
}

impl FaultKind {
    pub const ALL: [Self; 27] = [
        Self::Refused,
        Self::NoAnswer,
        Self::NoRoute,
        Self::UnknownHost,
        Self::Unreachable,
        Self::Lost,
        Self::OtherService,
        Self::LoginRefused,
        Self::Tls,
        Self::CertificateExpired,
        Self::CertificateNotYetValid,
        Self::CertificateRefused,
        Self::HostKeyUnknown,
        Self::HostKeyChanged,
        Self::Algorithms,
        Self::PrivateKey,
        Self::TooSlow,
        Self::NoDirectory,
        Self::DirectoryUnreadable,
        Self::NoFreeConnection,
        Self::NoDatabase,
        Self::TablesUnfit,
        Self::ReadOnly,
        Self::Restarting,
        Self::Exhausted,
        Self::Busy,
        Self::Other,
    ];
}

/// What is the matter, where, and what was said of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LinkFault {
    pub kind: FaultKind,
    /// Address, name or path; may be empty.
    pub place: String,
    /// The server's or the system's own words, if the kind does not say it all.
    pub said: Option<String>,
}
