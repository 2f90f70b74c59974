//! `[source.folders]`: which folder is which machine, and what the machine can do.

use std::collections::BTreeMap;

use super::{Nominal, keys::FolderKeys, reader::Section};
use crate::model::Machine;

/// What `[source.folders]` says.
#[derive(Default)]
pub(super) struct Folders {
    /// The machine of each folder.
    pub machines: BTreeMap<String, Machine>,
    /// By machine, what its TRS is measured by.
    pub nominals: BTreeMap<String, Nominal>,
    /// By machine, the cents that an hour of its required time costs.
    pub costs: BTreeMap<String, u32>,
    /// By machine, the pieces that a production day is to give.
    pub objectives: BTreeMap<String, u32>,
    /// By machine, the names that it had.
    pub old_names: BTreeMap<String, Vec<String>>,
    /// By machine, its description in central.
    pub descriptions: BTreeMap<String, String>,
}

/// Of a source that is being read.
pub(super) fn folders(source: &mut Section<'_>) -> Folders {
    let mut folders = Folders::default();
    let is_written = source.has("folders");
    let section = source.section("folders");
    // What is written there and is no folder is refused already.
    if !is_written || section.as_ref().is_some_and(Section::is_empty) {
        source.missing("folders", r#""FOLDER" = { nom = "…", type_cu = "…" }"#);
    }
    let entries = section.map(|mut section| section.named_sections()).unwrap_or_default();
    for (folder, mut entry) in entries {
        if folder.is_empty() || folder == ".." || folder.contains(['/', '\\', '\0', '\r', '\n']) {
            entry.complain("is not a folder's name; give one name without slashes".into());
            continue;
        }
        let nom = entry.required(&FolderKeys::NOM);
        let type_cu = entry.optional(&FolderKeys::TYPE_CU);
        let description = entry.optional(&FolderKeys::DESCRIPTION);
        let per_hour = entry.optional(&FolderKeys::NOMINAL_PER_HOUR);
        let cost = entry.optional(&FolderKeys::COST_PER_HOUR);
        let objective = entry.optional(&FolderKeys::OBJECTIVE_PER_DAY);
        let reject_event = entry.optional(&FolderKeys::REJECT_EVENT);
        if per_hour.is_none() && reject_event.is_some() {
            entry.missing(FolderKeys::NOMINAL_PER_HOUR.name, "it where reject_event stands");
        }
        let old_names = entry.optional(&FolderKeys::OLD_NAMES);
        if old_names.iter().flatten().any(|old| Some(old) == nom.as_ref()) {
            entry.complain("has its own nom among its old_names; remove it there".into());
        }
        entry.finish();
        if let Some(nom) = nom {
            if let Some(old_names) = old_names {
                folders.old_names.insert(nom.clone(), old_names);
            }
            if let Some(per_hour) = per_hour {
                folders.nominals.insert(nom.clone(), Nominal { per_hour, reject_event });
            }
            if let Some(cost) = cost {
                folders.costs.insert(nom.clone(), cost);
            }
            if let Some(objective) = objective {
                folders.objectives.insert(nom.clone(), objective);
            }
            if let Some(description) = description {
                folders.descriptions.insert(nom.clone(), description);
            }
            let type_cu = type_cu.unwrap_or_else(|| nom.chars().take(50).collect());
            folders.machines.insert(folder, Machine { nom, type_cu });
        }
    }
    folders
}
