//! `[report]`: where last week's report is written, and who gets it. The address is a secret, as that of alarms.

use std::path::{Path, PathBuf};

use super::{Secret, alarms::address, keys::ReportKeys, reader::Section, secrets::Secrets};
use crate::model::{Language, ReportFormat};

#[derive(Clone, Debug)]
pub struct ReportConfig {
    /// Where each week's files are kept.
    pub folder: PathBuf,
    /// Weeks that are kept, the newest.
    pub keep: u32,
    /// Without doubles.
    pub formats: Vec<ReportFormat>,
    /// `None`: that of everything else.
    pub language: Option<Language>,
    /// Gets each file by POST.
    pub url: Option<Secret>,
    /// Sent along as `Authorization: Bearer …`.
    pub token: Option<Secret>,
    /// PEM file with the authorities to trust instead of the built-in ones.
    pub ca_file: Option<PathBuf>,
}

/// `None` if no reports are written. `state_dir` holds the folder unless another is named.
pub(super) fn report(
    section: Option<Section<'_>>,
    secrets: &mut Secrets<'_>,
    base: &Path,
    state_dir: &Path,
) -> Option<ReportConfig> {
    let mut section = section?;
    let folder = section.optional(&ReportKeys::FOLDER).map(|folder| base.join(folder));
    let keep = section.value(&ReportKeys::KEEP);
    let formats = section.value(&ReportKeys::FORMATS);
    let language = section.optional(&ReportKeys::LANGUAGE);
    let url = address(&mut section, &ReportKeys::URL);
    let token = secrets.optional(&mut section, &ReportKeys::TOKEN_FILE, "REPORT_TOKEN", base);
    let ca_file = section.optional(&ReportKeys::CA_FILE).map(|file| base.join(file));
    section.finish();
    let folder = folder.unwrap_or_else(|| state_dir.join("reports"));
    Some(ReportConfig { folder, keep, formats, language, url, token, ca_file })
}
