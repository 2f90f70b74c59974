//! What of a source could not be read in a cycle, folder by folder, and what of it is news. Pure.
//!
//! What must never happen here: a trouble taken for over because its folder was not looked at; more
//! kept of a source than a person would read.

use std::collections::BTreeMap;

use crate::{
    config::SourceConfig,
    model::{Trouble, TroubleKey, TroubleKind, WallTime, printable},
    source::UnreadLines,
};

/// Most files of one folder that are named; the others are counted.
const MOST_FILES: usize = 50;
/// Longest text of a source that is kept.
const DETAIL_CHARS: usize = 300;

/// What a cycle met in one folder that it looked at.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FolderReport {
    /// Why the folder itself could not be read.
    pub failure: Option<(TroubleKind, String)>,
    pub files_listed: u64,
    /// Files of which nothing could be read, those refused among them.
    pub files_without_bytes: u64,
    pub unread: UnreadLines,
    /// The first files that could not be read, each with why.
    failed: BTreeMap<String, String>,
    /// The files of which not one line could be read, also those of earlier cycles.
    lineless: BTreeMap<String, String>,
    /// The files that are no LOG and hold unread lines of one.
    renamed: BTreeMap<String, String>,
}

impl FolderReport {
    pub fn file_failed(&mut self, name: &str, why: &str) {
        if self.failed.len() < MOST_FILES {
            self.failed.insert(name.to_owned(), printable(why, DETAIL_CHARS));
        }
    }

    /// A file was read, and not one of its `lines` could be understood.
    pub fn no_line_read(&mut self, name: &str, lines: u64) {
        if self.lineless.len() < MOST_FILES {
            self.lineless.insert(name.to_owned(), format!("{lines} lines"));
        }
    }

    /// A file that is no LOG holds lines of one that were not read.
    pub fn renamed_log(&mut self, name: &str, why: &str) {
        if self.renamed.len() < MOST_FILES {
            self.renamed.insert(name.to_owned(), printable(why, DETAIL_CHARS));
        }
    }

    /// Lines of the file could be read.
    pub fn lines_read(&mut self, name: &str) {
        self.lineless.remove(name);
    }

    /// The files without a readable line of an earlier cycle are remembered while they are listed.
    pub fn remember_lineless(&mut self, known: &Troubles, key: &TroubleKey) {
        let of_folder = known.range(key.clone()..).take_while(|(at, _)| at.folder == key.folder);
        for (at, trouble) in of_folder.filter(|(at, _)| at.kind == TroubleKind::NoLineRead) {
            self.lineless.insert(at.file.clone(), trouble.detail.clone());
        }
    }

    pub fn forget_unlisted(&mut self, is_listed: impl Fn(&str) -> bool) {
        self.lineless.retain(|name, _| is_listed(name));
    }

    /// What hides the folder's machine, if anything does.
    pub fn hidden_by(&self) -> Option<(TroubleKind, String)> {
        let unreadable = self.files_without_bytes + self.lineless.len() as u64;
        let none_read = self.files_listed > 0 && unreadable >= self.files_listed;
        let of_files = || {
            let first = self.failed.iter().chain(&self.lineless).next();
            first.map_or_else(String::new, |(name, why)| format!("{name}: {why}"))
        };
        let failure = self.failure.clone();
        failure.or_else(|| none_read.then(|| (TroubleKind::NoFileRead, of_files())))
    }

    fn troubles(&self) -> Vec<(String, TroubleKind, String)> {
        let whole = self.hidden_by().map(|(kind, detail)| (String::new(), kind, detail));
        let listing = (self.unread.count > 0).then(|| {
            let sample = self.unread.sample.as_deref().unwrap_or_default();
            let text = format!("{} lines, the first: {sample:?}", self.unread.count);
            (String::new(), TroubleKind::ListingNotRead, text)
        });
        let of = |kind| move |(name, why): (&String, &String)| (name.clone(), kind, why.clone());
        whole
            .into_iter()
            .chain(listing)
            .chain(self.failed.iter().map(of(TroubleKind::FileNotRead)))
            .chain(self.lineless.iter().map(of(TroubleKind::NoLineRead)))
            .chain(self.renamed.iter().map(of(TroubleKind::RenamedLog)))
            .collect()
    }
}

/// The troubles of one source that last.
pub type Troubles = BTreeMap<TroubleKey, Trouble>;

/// What became of them in a cycle.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TroubleNews {
    /// All that last now.
    pub now: Troubles,
    /// Those that are new.
    pub begun: Vec<Trouble>,
    /// Those whose words changed.
    pub changed: Vec<Trouble>,
    pub over: Vec<Trouble>,
}

/// Compares what is `known` with what a cycle met in the folders it looked at. Of the others nothing is
/// known that is new, unless they are not configured any more.
pub fn news(
    known: &Troubles,
    reports: &BTreeMap<String, FolderReport>,
    config: &SourceConfig,
    wall: WallTime,
) -> TroubleNews {
    let mut news = TroubleNews::default();
    for (folder, report) in reports {
        for (file, kind, detail) in report.troubles() {
            let key =
                TroubleKey { source: config.name.clone(), folder: folder.clone(), file, kind };
            let detail = printable(&detail, DETAIL_CHARS);
            let before = known.get(&key);
            let since = before.map_or(Some(wall), |before| before.since);
            let trouble = Trouble { key: key.clone(), detail, since };
            match before {
                None => news.begun.push(trouble.clone()),
                Some(before) if *before != trouble => news.changed.push(trouble.clone()),
                Some(_) => {}
            }
            news.now.insert(key, trouble);
        }
    }
    for (key, trouble) in known {
        if news.now.contains_key(key) {
            continue;
        }
        if reports.contains_key(&key.folder) || !config.folders.contains_key(&key.folder) {
            news.over.push(trouble.clone());
        } else {
            news.now.insert(key.clone(), trouble.clone());
        }
    }
    news
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::{
        config::{DeletePolicy, SourceKind},
        model::Machine,
    };

    fn config() -> SourceConfig {
        let machine = |nom: &str| Machine { nom: nom.into(), type_cu: nom.into() };
        SourceConfig {
            name: "cu".into(),
            kind: SourceKind::Directory(PathBuf::new()),
            delete: DeletePolicy::Never,
            delete_newest: DeletePolicy::Never,
            max_file_bytes: 1000,
            folders: [("A", machine("A")), ("B", machine("B"))]
                .map(|(folder, machine)| (folder.to_owned(), machine))
                .into(),
            nominals: BTreeMap::new(),
            costs: BTreeMap::new(),
            objectives: BTreeMap::new(),
            descriptions: BTreeMap::new(),
            old_names: BTreeMap::new(),
        }
    }

    fn reports(folder: &str, report: FolderReport) -> BTreeMap<String, FolderReport> {
        [(folder.to_owned(), report)].into()
    }

    fn refused(words: &str) -> FolderReport {
        let failure = Some((TroubleKind::FolderNotListed, words.to_owned()));
        FolderReport { failure, ..FolderReport::default() }
    }

    fn at(hour: u32) -> WallTime {
        format!("2026-11-28 {hour:02}:00:00").parse().unwrap()
    }

    fn kinds(troubles: &Troubles) -> Vec<(&str, &str)> {
        troubles.keys().map(|key| (key.folder.as_str(), key.kind.as_str())).collect()
    }

    #[test]
    fn a_trouble_is_news_once_keeps_its_begin_and_is_over_when_its_folder_is_well() {
        let first = news(&Troubles::new(), &reports("A", refused("450")), &config(), at(8));
        assert_eq!((first.begun.len(), first.begun[0].since), (1, Some(at(8))));
        let again = news(&first.now, &reports("A", refused("450")), &config(), at(9));
        assert_eq!(again, TroubleNews { now: first.now.clone(), ..TroubleNews::default() });
        let other = news(&first.now, &reports("A", refused("550")), &config(), at(9));
        assert_eq!((other.changed.len(), other.changed[0].since), (1, Some(at(8))));
        let well = news(&first.now, &reports("A", FolderReport::default()), &config(), at(10));
        assert_eq!((well.over.len(), well.now.len()), (1, 0));
    }

    #[test]
    fn of_a_folder_that_was_not_looked_at_nothing_is_over_unless_it_is_not_configured() {
        let known = news(&Troubles::new(), &reports("A", refused("450")), &config(), at(8)).now;
        let elsewhere = reports("B", FolderReport::default());
        assert_eq!(
            kinds(&news(&known, &elsewhere, &config(), at(9)).now),
            [("A", "folder-not-listed")]
        );
        let mut without = config();
        without.folders.remove("A");
        assert_eq!(news(&known, &elsewhere, &without, at(9)).over.len(), 1);
    }

    #[test]
    fn a_folder_none_of_whose_files_can_be_read_hides_its_machine() {
        let of = |listed, without_bytes, lineless: u64| {
            let mut report = FolderReport {
                files_listed: listed,
                files_without_bytes: without_bytes,
                ..FolderReport::default()
            };
            for number in 0..lineless {
                report.no_line_read(&format!("{number}.LOG"), 7);
            }
            report.hidden_by().map(|(kind, _)| kind)
        };
        assert_eq!(of(0, 0, 0), None, "an empty folder is well");
        assert_eq!(of(3, 2, 0), None);
        assert_eq!(of(3, 3, 0), Some(TroubleKind::NoFileRead));
        assert_eq!(of(3, 2, 1), Some(TroubleKind::NoFileRead));
    }

    #[test]
    fn a_file_without_a_readable_line_is_remembered_until_it_has_one_or_is_gone() {
        let mut report = FolderReport::default();
        report.no_line_read("a.LOG", 3);
        report.no_line_read("b.LOG", 4);
        let known = news(&Troubles::new(), &reports("A", report), &config(), at(8)).now;
        let key = TroubleKey {
            source: "cu".into(),
            folder: "A".into(),
            file: String::new(),
            kind: TroubleKind::FolderMissing,
        };
        let mut next = FolderReport::default();
        next.remember_lineless(&known, &key);
        next.forget_unlisted(|name| name != "b.LOG");
        assert_eq!(news(&known, &reports("A", next.clone()), &config(), at(9)).over.len(), 1);
        next.lines_read("a.LOG");
        assert_eq!(news(&known, &reports("A", next), &config(), at(9)).over.len(), 2);
    }

    #[test]
    fn of_thousands_of_files_that_fail_a_page_full_is_named() {
        let mut report = FolderReport::default();
        for number in 0..10_000 {
            report.file_failed(&format!("{number}.LOG"), "550 \x1b[31mno");
        }
        let news = news(&Troubles::new(), &reports("A", report), &config(), at(8));
        assert_eq!(news.begun.len(), MOST_FILES);
        assert!(news.begun.iter().all(|trouble| !trouble.detail.contains('\x1b')));
    }
}
