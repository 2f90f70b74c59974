//! `[source.folders]`: which folder is which machine, and what the machine can do.

use std::collections::BTreeMap;

use super::{
    Nominal,
    load::{event_name, not_empty},
    reader::Section,
};
use crate::model::Machine;

/// The machine of each folder, and by machine what its TRS is measured by.
pub(super) fn machines(
    section: Option<Section<'_>>,
    source: &Section<'_>,
) -> (BTreeMap<String, Machine>, BTreeMap<String, Nominal>) {
    let (mut folders, mut nominals) = (BTreeMap::new(), BTreeMap::new());
    let entries = section.map(|mut section| section.named_sections()).unwrap_or_default();
    if entries.is_empty() {
        source.missing("folders", r#""FOLDER" = { nom = "…", type_cu = "…" }"#);
    }
    for (folder, mut entry) in entries {
        if folder.is_empty() || folder == ".." || folder.contains(['/', '\\', '\0', '\r', '\n']) {
            entry.complain("is not a folder's name; give one name without slashes".into());
            continue;
        }
        let limited = |text: &str, most: usize| {
            not_empty(text).filter(|text| text.chars().count() <= most && !text.contains('\0'))
        };
        let accepted = "the machine's name in central, 1 to 100 characters";
        let nom = entry.required("nom", accepted, |text| limited(text, 100));
        let type_cu = entry.parsed("type_cu", "1 to 50 characters", |text| limited(text, 50));
        let per_hour = entry.number("nominal_per_hour", 1..=1_000_000);
        let accepted = "a word of latin-1 characters without a colon";
        let reject_event = entry.parsed("reject_event", accepted, event_name);
        if per_hour.is_none() && reject_event.is_some() {
            entry.missing("nominal_per_hour", "it where reject_event stands");
        }
        entry.finish();
        if let Some(nom) = nom {
            if let Some(per_hour) = per_hour {
                nominals.insert(nom.clone(), Nominal { per_hour, reject_event });
            }
            let type_cu = type_cu.unwrap_or_else(|| nom.chars().take(50).collect());
            folders.insert(folder, Machine { nom, type_cu });
        }
    }
    (folders, nominals)
}
