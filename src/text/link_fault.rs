//! The words for why a source or central does not answer. What a server or the system said is quoted, in
//! whatever language it said it.

use super::{Text, phrase, quoted};
use crate::model::{FaultKind, Language, LinkFault};

impl FaultKind {
    #[expect(
        clippy::too_many_lines,
        reason = "one text for each kind, in one match that the compiler holds complete"
    )]
    const fn text(self, language: Language) -> &'static str {
        let text = match self {
            Self::Refused => Text::new(
                "connexion refusée (le serveur est-il démarré\u{202f}?)",
                "connection refused (is the server running?)",
            ),
            Self::NoAnswer => Text::new(
                "pas de réponse dans le délai (appareil éteint, câble, pare-feu\u{202f}?)",
                "no answer in time (device off, cable, firewall?)",
            ),
            Self::NoRoute => Text::new(
                "aucun chemin jusqu'au serveur (câble, réseau de la passerelle\u{202f}?)",
                "no route to the server (cable, network of the gateway?)",
            ),
            Self::UnknownHost => Text::new(
                "nom introuvable (faute de frappe, DNS de la passerelle\u{202f}?)",
                "name not found (typing error, DNS of the gateway?)",
            ),
            Self::Unreachable => Text::new("serveur injoignable", "server unreachable"),
            Self::Lost => Text::new("la connexion a été coupée", "the connection was lost"),
            Self::OtherService => Text::new(
                "c'est un autre service qui répond (vérifiez l'adresse et le port)",
                "another service answers (check address and port)",
            ),
            Self::LoginRefused => Text::new(
                "identification refusée (vérifiez l'utilisateur et le mot de passe)",
                "login refused (check user and password)",
            ),
            Self::Tls => Text::new("échec de la connexion chiffrée", "encrypted connection failed"),
            Self::CertificateExpired => Text::new(
                "le certificat du serveur a expiré (ou l'horloge de la passerelle est fausse)",
                "the server's certificate has expired (or the gateway's clock is wrong)",
            ),
            Self::CertificateNotYetValid => Text::new(
                "le certificat du serveur n'est pas encore valable (l'horloge de la passerelle est-elle juste\u{202f}?)",
                "the server's certificate is not valid yet (is the gateway's clock right?)",
            ),
            Self::CertificateRefused => Text::new(
                "le certificat du serveur n'est pas accepté",
                "the server's certificate is not accepted",
            ),
            Self::HostKeyUnknown => Text::new(
                "la clé d'hôte du serveur SSH n'est pas configurée («\u{a0}cu-agent check\u{a0}» l'affiche)",
                "the SSH server's host key is not configured (“cu-agent check” shows it)",
            ),
            Self::HostKeyChanged => Text::new(
                "le serveur SSH présente une autre clé d'hôte que celle configurée (serveur réinstallé, ou usurpé\u{202f}?)",
                "the SSH server shows another host key than the configured one (set up again, or an impostor?)",
            ),
            Self::Algorithms => Text::new(
                "aucun algorithme SSH en commun avec le serveur",
                "no SSH algorithm in common with the server",
            ),
            Self::PrivateKey => Text::new(
                "la clé privée de l'agent est inutilisable (vérifiez key_file)",
                "the agent's private key cannot be used (check key_file)",
            ),
            Self::TooSlow => Text::new("la lecture n'avance plus", "reading makes no progress"),
            Self::NoDirectory => Text::new(
                "le répertoire manque (la clé est-elle branchée, le partage est-il monté\u{202f}?)",
                "the directory is missing (is the stick plugged in, is the share mounted?)",
            ),
            Self::DirectoryUnreadable => {
                Text::new("le répertoire ne peut pas être lu", "the directory cannot be read")
            }
            Self::NoFreeConnection => {
                Text::new("plus aucune connexion libre", "no free connection")
            }
            Self::NoDatabase => {
                Text::new("la base de données n'existe pas", "the database does not exist")
            }
            Self::TablesUnfit => Text::new(
                "les tables ou les droits ne conviennent pas (voir «\u{a0}cu-agent check\u{a0}»)",
                "its tables or rights do not fit (see “cu-agent check”)",
            ),
            Self::ReadOnly => Text::new(
                "la base est en lecture seule pour le moment",
                "the database is read-only at the moment",
            ),
            Self::Restarting => Text::new(
                "le serveur démarre ou s'arrête",
                "the server is starting up or shutting down",
            ),
            Self::Exhausted => Text::new(
                "le serveur est à bout de ressources (disque, mémoire, connexions)",
                "the server is out of resources (disk, memory, connections)",
            ),
            Self::Busy => Text::new("le serveur est trop occupé", "the server is too busy"),
            Self::Other => Text::new("erreur", "error"),
        };
        text.in_(language)
    }
}

impl LinkFault {
    /// What is the matter, where, and in quotation marks what was said of it.
    pub fn text(&self, language: Language) -> String {
        let mut text = self.kind.text(language).to_owned();
        if !self.place.is_empty() {
            text = format!("{}, {text}", self.place);
        }
        match &self.said {
            None => text,
            Some(said) => {
                let said = quoted(said, language);
                phrase!(language, "{text}\u{202f}: {said}", "{text}: {said}")
            }
        }
    }
}
