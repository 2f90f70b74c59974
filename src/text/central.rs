//! What people and other programs did to the agent's machines in central.

use super::{Text, moment, phrase, shape::date};
use crate::model::{Day, ForeignWrite, Language, Renamed};

impl Renamed {
    pub(crate) fn text(&self, language: Language) -> String {
        let Self { machine, centre } = self;
        phrase!(
            language,
            "la machine {machine} s'y appelle «\u{a0}{centre}\u{a0}»\u{202f}; ses données y arrivent quand même",
            "machine {machine} is called “{centre}” there; it is delivered there all the same",
        )
    }
}

impl ForeignWrite {
    pub(crate) fn text(&self, language: Language) -> String {
        let Self { machine, application, role, address, table, operation, day, at } = self;
        let application = match application.as_str() {
            "" => Text::new("sans nom", "without a name").in_(language).to_owned(),
            name => phrase!(language, "«\u{a0}{name}\u{a0}»", "“{name}”"),
        };
        let from = match address {
            Some(address) => address.clone(),
            None => Text::new("le serveur lui-même", "the server itself").in_(language).to_owned(),
        };
        let did = match operation.as_str() {
            "INSERT" => Text::new("a ajouté des lignes à", "added rows to"),
            "DELETE" => Text::new("a effacé des lignes de", "deleted rows of"),
            "TRUNCATE" => Text::new("a vidé", "emptied"),
            _ => Text::new("a modifié", "changed"),
        };
        let did = did.in_(language);
        let day = day.as_deref().map_or_else(String::new, |day| {
            let day = day.parse::<Day>().map_or_else(|_| day.to_owned(), |day| date(day, language));
            phrase!(language, " du {day}", " of {day}")
        });
        let at = at.map_or_else(String::new, |at| {
            let at = moment(Some(at), language);
            phrase!(language, " (le {at})", " (at {at})")
        });
        phrase!(
            language,
            "l'application {application} (rôle {role}, depuis {from}) {did} {table} de {machine}{day}{at}\u{202f}; ce que l'agent a livré est rétabli, cet écrivain est à arrêter",
            "application {application} (role {role}, from {from}) {did} {table} of {machine}{day}{at}; what the agent delivered is restored, stop this writer",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_writer_is_named_with_what_it_did_in_both_languages() {
        let write = ForeignWrite {
            machine: "DEM12".into(),
            application: "python".into(),
            role: "plant".into(),
            address: None,
            table: "session_production".into(),
            operation: "DELETE".into(),
            day: Some("2025-05-28".into()),
            at: "2025-05-28 12:03:00".parse().ok(),
        };
        assert_eq!(
            write.text(Language::French),
            "l'application «\u{a0}python\u{a0}» (rôle plant, depuis le serveur lui-même) a effacé des lignes de session_production de DEM12 du 28/05/2025 (le 28/05/2025 12:03:00)\u{202f}; ce que l'agent a livré est rétabli, cet écrivain est à arrêter"
        );
        let nameless = ForeignWrite { application: String::new(), day: None, at: None, ..write };
        assert_eq!(
            nameless.text(Language::English),
            "application without a name (role plant, from the server itself) deleted rows of session_production of DEM12; what the agent delivered is restored, stop this writer"
        );
    }
}
