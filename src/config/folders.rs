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
    /// By machine, the names that it had.
    pub old_names: BTreeMap<String, Vec<String>>,
    /// By machine, its description in central.
    pub descriptions: BTreeMap<String, String>,
}

pub(super) fn folders(section: Option<Section<'_>>, source: &Section<'_>) -> Folders {
    let mut folders = Folders::default();
    let entries = section.map(|mut section| section.named_sections()).unwrap_or_default();
    if entries.is_empty() {
        source.missing("folders", r#""FOLDER" = { nom = "…", type_cu = "…" }"#);
    }
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
            if let Some(description) = description {
                folders.descriptions.insert(nom.clone(), description);
            }
            let type_cu = type_cu.unwrap_or_else(|| nom.chars().take(50).collect());
            folders.machines.insert(folder, Machine { nom, type_cu });
        }
    }
    folders
}
