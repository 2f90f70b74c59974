//! Machines that write, and a server's folder with a clock of its own. Everything that can happen to
//! LOG files without the agent happens here.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use chrono::{Days, NaiveDate, NaiveDateTime, TimeDelta};
use tempfile::TempDir;

pub const MACHINES: [(&str, &str); 3] =
    [("DEM12 (PVC)", "DEM12"), ("SU12 (HYBRIDE)", "SU12"), ("TR 9", "TR9")];

/// Which complete line: the number in its details.
pub type Line = u32;

pub struct Plant {
    root: TempDir,
    /// The server's clock, which the machines share.
    pub now: NaiveDateTime,
    next: Line,
    /// Rests of half lines, by file.
    halves: BTreeMap<PathBuf, String>,
    /// What left the server, for copying back.
    gone: Vec<(PathBuf, Vec<u8>)>,
    /// Lines that nobody can notice by size, time and the last bytes: only the comparison before a
    /// deletion finds them.
    pub unnoticeable: BTreeSet<Line>,
    /// The agent's running time at the last change of each file.
    pub changed_at: BTreeMap<PathBuf, Duration>,
    /// The agent's running time.
    pub uptime: Duration,
    /// By how much each machine's clock is ahead of the server's.
    ahead: [TimeDelta; MACHINES.len()],
    /// By how much the server's clock is ahead of the truth.
    pub server_ahead: TimeDelta,
    pub habits: Habits,
    /// The file that each machine holds open.
    open: [Option<OpenFile>; MACHINES.len()],
}

/// What machines and their server are like, all through a history.
#[derive(Clone, Copy, Default, Debug)]
pub struct Habits {
    /// The machine opens its LOG once, and writes on into it wherever it went.
    pub keeps_open: [bool; MACHINES.len()],
    /// Files carry their machine's own time: the controller is the server, or a copy keeps times.
    pub own_times: [bool; MACHINES.len()],
    /// Until it is switched off, the machine writes into the file that it once opened, whatever the day.
    pub stays: [bool; MACHINES.len()],
}

/// A file as its writer holds it.
struct OpenFile {
    /// The name that it was opened by.
    name: PathBuf,
    /// Where it is now; `None` once it has no name any more.
    is_at: Option<PathBuf>,
}

impl Plant {
    pub fn new(habits: Habits) -> Self {
        let memory = Path::new("/dev/shm");
        let place = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let root = tempfile::Builder::new().prefix("cu-plant-").tempdir_in(place).unwrap();
        for (folder, _) in MACHINES {
            fs::create_dir_all(root.path().join("ftp").join(folder)).unwrap();
        }
        Self {
            root,
            now: NaiveDate::from_ymd_opt(2025, 6, 2).unwrap().and_hms_opt(5, 0, 0).unwrap(),
            next: 0,
            halves: BTreeMap::new(),
            gone: Vec::new(),
            unnoticeable: BTreeSet::new(),
            changed_at: BTreeMap::new(),
            uptime: Duration::from_secs(100),
            ahead: [TimeDelta::zero(); MACHINES.len()],
            server_ahead: TimeDelta::zero(),
            habits,
            open: [const { None }; MACHINES.len()],
        }
    }

    /// The machine's clock is set: this much ahead of the truth, or right again.
    pub fn set_clock(&mut self, machine: usize, ahead: TimeDelta) {
        self.ahead[machine % MACHINES.len()] = ahead;
    }

    /// The machine is switched off and on: it opens its file by name again.
    pub fn restart(&mut self, machine: usize) {
        self.open[machine % MACHINES.len()] = None;
    }

    /// All clocks are right, and every machine opens each day's file by its name again.
    pub fn heal(&mut self) {
        self.server_ahead = TimeDelta::zero();
        self.ahead = [TimeDelta::zero(); MACHINES.len()];
        self.open = [const { None }; MACHINES.len()];
        self.habits.stays = [false; MACHINES.len()];
    }

    fn clock_of(&self, file: &Path) -> NaiveDateTime {
        self.now + self.ahead[machine_of(file)]
    }

    /// Where the machine writes to when it writes to `name`.
    fn written_by_machine(&mut self, name: &Path, lines: usize) -> PathBuf {
        let machine = machine_of(name);
        if !self.habits.keeps_open[machine] {
            return name.to_owned();
        }
        let stays = self.habits.stays[machine];
        let open = self.open[machine].take().filter(|open| stays || open.name == name);
        let open = open
            .unwrap_or_else(|| OpenFile { name: name.to_owned(), is_at: Some(name.to_owned()) });
        let is_at = open.is_at.clone();
        self.open[machine] = Some(open);
        is_at.unwrap_or_else(|| {
            panic!("{lines} lines are written into {}, which was deleted", name.display())
        })
    }

    /// The machine opens today's file, where it has none open, and writes nothing yet.
    pub fn open(&mut self, machine: usize) {
        let name = self.today_file(machine);
        self.written_by_machine(&name, 0);
    }

    /// A LOG of today by its name, in which nothing has happened yet.
    pub fn begin(&mut self, machine: usize) {
        let file = self.today_file(machine);
        if !file.exists() {
            self.write(&file, b"version 4.1\n");
        }
    }

    pub fn ftp_root(&self) -> PathBuf {
        self.root.path().join("ftp")
    }

    pub fn state_dir(&self) -> PathBuf {
        self.root.path().join("state")
    }

    fn folder(&self, machine: usize) -> PathBuf {
        self.ftp_root().join(MACHINES[machine % MACHINES.len()].0)
    }

    pub fn today_file(&self, machine: usize) -> PathBuf {
        let now = self.now + self.ahead[machine % MACHINES.len()];
        self.folder(machine).join(format!("{}.LOG", now.format("%Y%m%d")))
    }

    pub fn second_file(&self, machine: usize) -> PathBuf {
        let now = self.now + self.ahead[machine % MACHINES.len()];
        self.folder(machine).join(format!("{}_B.LOG", now.format("%Y%m%d")))
    }

    pub fn future_file(&self, machine: usize) -> PathBuf {
        self.folder(machine).join("20990101.LOG")
    }

    /// All files, in order.
    pub fn files(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        for (folder, _) in MACHINES {
            let entries = fs::read_dir(self.ftp_root().join(folder)).unwrap();
            files.extend(entries.map(|entry| entry.unwrap().path()));
        }
        files.sort();
        files
    }

    pub fn pick(&self, number: usize) -> Option<PathBuf> {
        let files = self.files();
        (!files.is_empty()).then(|| files[number % files.len()].clone())
    }

    pub fn pass(&mut self, time: TimeDelta) {
        self.now += time;
    }

    pub fn next_day(&mut self) {
        self.now =
            self.now.date().checked_add_days(Days::new(1)).unwrap().and_hms_opt(5, 0, 0).unwrap();
    }

    fn new_line(&mut self, file: &Path) -> String {
        self.next += 1;
        let at = self.clock_of(file).format("%Y%m%d %H:%M:%S");
        format!("{at}|@StukUitgevoerd: n{:06}.\n", self.next)
    }

    /// Writes the file's new content at the server's present time.
    fn write(&mut self, file: &Path, bytes: &[u8]) {
        self.pass(TimeDelta::seconds(1));
        let machine = machine_of(file);
        let ahead =
            if self.habits.own_times[machine] { self.ahead[machine] } else { self.server_ahead };
        self.write_unseen(file, bytes, self.now + ahead);
    }

    fn write_unseen(&mut self, file: &Path, bytes: &[u8], at: NaiveDateTime) {
        fs::write(file, bytes).unwrap();
        let at = SystemTime::UNIX_EPOCH
            + at.and_utc().signed_duration_since(chrono::DateTime::UNIX_EPOCH).to_std().unwrap();
        File::options().write(true).open(file).unwrap().set_modified(at).unwrap();
        self.changed_at.insert(file.to_owned(), self.uptime);
    }

    pub fn append(&mut self, file: &Path, lines: usize) {
        let mut bytes = fs::read(file).unwrap_or_default();
        let rest = self.halves.remove(file).unwrap_or_default();
        bytes.extend_from_slice(rest.as_bytes());
        for _ in 0..lines {
            self.pass(TimeDelta::seconds(40));
            bytes.extend_from_slice(self.new_line(file).as_bytes());
        }
        self.write(file, &bytes);
    }

    /// The machine writes some lines into today's file, wherever that is.
    pub fn log_lines(&mut self, machine: usize, lines: usize) {
        let file = self.today_file(machine);
        let file = self.written_by_machine(&file, lines);
        self.append(&file, lines);
    }

    /// Half a line of the machine.
    pub fn log_half(&mut self, machine: usize, cut: usize) {
        let file = self.today_file(machine);
        let file = self.written_by_machine(&file, 1);
        self.append_half(&file, cut);
    }

    /// Appends the beginning of a line; the rest comes with the next lines of the file.
    pub fn append_half(&mut self, file: &Path, cut: usize) {
        self.append(file, 0);
        let line = self.new_line(file);
        let (half, rest) = line.split_at(1 + cut % (line.len() - 1));
        let mut bytes = fs::read(file).unwrap();
        bytes.extend_from_slice(half.as_bytes());
        self.halves.insert(file.to_owned(), rest.to_owned());
        self.write(file, &bytes);
    }

    /// Goes on in the same file over midnight.
    pub fn write_over_midnight(&mut self, machine: usize) {
        let file = self.today_file(machine);
        let file = self.written_by_machine(&file, 3);
        self.now = self.now.date().and_hms_opt(23, 59, 0).unwrap().max(self.now);
        self.append(&file, 3);
    }

    /// From zero, with the first `keep` lines of before and `lines` new ones.
    pub fn rewrite(&mut self, file: &Path, keep: usize, lines: usize) {
        let old = fs::read(file).unwrap();
        let mut bytes: Vec<u8> =
            old.split_inclusive(|b| *b == b'\n').take(keep).flatten().copied().collect();
        self.halves.remove(file);
        if bytes.last().is_some_and(|last| *last != b'\n') {
            bytes.push(b'\n');
        }
        for _ in 0..lines {
            self.pass(TimeDelta::seconds(40));
            bytes.extend_from_slice(self.new_line(file).as_bytes());
        }
        self.write(file, &bytes);
    }

    /// Other lines of the same length and the same time of change.
    pub fn rewrite_unnoticeably(&mut self, file: &Path, from: usize) {
        let mut lines: Vec<Vec<u8>> =
            fs::read(file).unwrap().split_inclusive(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
        let from = from % (lines.len() + 1);
        for line in lines.iter_mut().skip(from).take(2) {
            let new = self.new_line(file).into_bytes();
            if new.len() == line.len() {
                *line = new;
                self.unnoticeable.insert(self.next);
            }
        }
        if lines.concat() == fs::read(file).unwrap() {
            return;
        }
        let modified = fs::metadata(file).unwrap().modified().unwrap();
        let at = chrono::DateTime::<chrono::Utc>::from(modified).naive_utc();
        self.write_unseen(file, &lines.concat(), at);
    }

    pub fn rename(&mut self, file: &Path, number: usize) {
        let name = file.file_name().unwrap().to_str().unwrap();
        let day = name.get(..8).unwrap_or_default();
        let to = match number % 3 {
            0 => format!("{day}_C.LOG"),
            1 => format!("ancien {}.log", number % 7),
            _ => format!("{day}.LOG"),
        };
        let to = file.with_file_name(to);
        if to.exists() {
            return;
        }
        fs::rename(file, &to).unwrap();
        if let Some(rest) = self.halves.remove(file) {
            self.halves.insert(to.clone(), rest);
        }
        for open in self.open.iter_mut().flatten() {
            if open.is_at.as_deref() == Some(file) {
                open.is_at = Some(to.clone());
            }
        }
        let changed = self.changed_at.remove(file).unwrap();
        self.changed_at.insert(to, changed);
    }

    pub fn copy_back(&mut self, number: usize) {
        if self.gone.is_empty() {
            return;
        }
        let (file, bytes) = self.gone[number % self.gone.len()].clone();
        let file =
            if file.exists() { file.with_file_name(format!("copie {number}.LOG")) } else { file };
        self.write(&file, &bytes);
        // Nobody writes it: where its time is not shown it is the file that was there.
        self.changed_at.insert(file, Duration::ZERO);
    }

    /// A file that is there is copied to another name.
    pub fn copy(&mut self, file: &Path, number: usize) {
        let copy = file.with_file_name(format!("copie {number}.LOG"));
        if !copy.exists() {
            let bytes = fs::read(file).unwrap();
            self.write(&copy, &bytes);
        }
    }

    /// The machine's last file by name is copied, with its time or as a new file.
    pub fn copy_last(&mut self, machine: usize, keeps_time: bool) {
        let folder = self.folder(machine);
        let files = self.files();
        let Some(file) = files.iter().rfind(|file| file.parent() == Some(&folder)) else { return };
        let modified = fs::metadata(file).unwrap().modified().unwrap();
        self.copy(file, 99);
        let copy = file.with_file_name("copie 99.LOG");
        if keeps_time {
            File::options().write(true).open(copy).unwrap().set_modified(modified).unwrap();
        }
    }

    /// The agent deletes a file.
    pub fn note_gone(&mut self, file: &Path, bytes: Vec<u8>) {
        for open in self.open.iter_mut().flatten() {
            if open.is_at.as_deref() == Some(file) {
                open.is_at = None;
            }
        }
        self.halves.remove(file);
        self.changed_at.remove(file);
        self.gone.push((file.to_owned(), bytes));
    }
}

/// Whose folder a file is in.
pub fn machine_of(file: &Path) -> usize {
    let folder = file.parent().unwrap().file_name().unwrap();
    MACHINES.iter().position(|(name, _)| folder == *name).unwrap()
}

/// The complete lines of some bytes.
pub fn lines_of(bytes: &[u8]) -> Vec<Line> {
    let text = std::str::from_utf8(bytes).unwrap();
    let whole = text.split_inclusive('\n').filter(|line| line.ends_with(".\n"));
    whole
        .filter_map(|line| {
            let (stamp, details) = line.split_once("|@StukUitgevoerd: n")?;
            let is_line = stamp.len() == 17 && details.len() == 8;
            is_line.then(|| details.trim_end_matches(".\n").parse().unwrap())
        })
        .collect()
}
