//! Words of the drawings in both languages, side by side so that neither is forgotten.

use crate::text::Text;

pub(super) const PRODUCING: Text = Text::new("Production", "Producing");
pub(super) const WAITING: Text = Text::new("Attente", "Waiting");
pub(super) const STOP: Text = Text::new("Arrêt", "Stop");
pub(super) const PIECE: Text = Text::new("Pièce", "Piece");
pub(super) const CHANGE: Text = Text::new("Changement de profil", "Profile change");
pub(super) const PIECES: Text = Text::new("Pièces", "Pieces");
pub(super) const CHANGES: Text = Text::new("Changements", "Changes");
pub(super) const SHIFT: Text = Text::new("Poste prévu", "Planned shift");
pub(super) const BREAK: Text = Text::new("Pause", "Break");
pub(super) const DAY_TOTALS: Text =
    Text::new("Légende et totaux du jour", "Legend and totals of the day");
pub(super) const NO_PIECE: Text = Text::new("Aucune pièce ce jour-là.", "No piece on this day.");
pub(super) const RUNNING: Text = Text::new("Fonctionnement", "Running");
pub(super) const START: Text = Text::new("Démarrage", "Late start");
pub(super) const END: Text = Text::new("Fin de poste", "Early end");
pub(super) const REQUIRED: Text = Text::new("Temps requis", "Required time");
pub(super) const LEGEND: Text = Text::new("Légende", "Legend");
pub(super) const IN_PROGRESS: Text = Text::new("en cours", "in progress");
