//! Words of the drawings in both languages, side by side so that neither is forgotten.

use crate::model::Language;

/// One text in both languages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Text(pub &'static str, pub &'static str);

impl Text {
    pub const fn in_(self, language: Language) -> &'static str {
        match language {
            Language::French => self.0,
            Language::English => self.1,
        }
    }
}

pub(super) const PRODUCING: Text = Text("Production", "Producing");
pub(super) const WAITING: Text = Text("Attente", "Waiting");
pub(super) const STOP: Text = Text("Arrêt", "Stop");
pub(super) const PIECE: Text = Text("Pièce", "Piece");
pub(super) const CHANGE: Text = Text("Changement de profil", "Profile change");
pub(super) const NO_PIECE: Text = Text("Aucune pièce ce jour-là.", "No piece on this day.");
pub(super) const LEGEND: Text = Text("Légende", "Legend");
