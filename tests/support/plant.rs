//! Machines that write: LOG files that grow by the line and by half lines, day after day, and the
//! record of everything that they ever wrote. What central must hold is computed from that record.
//!
//! The files carry the times of the days that they tell of, as on a server whose clock is right.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use chrono::{NaiveDate, NaiveTime, TimeDelta};
use fastrand::Rng;

use super::{
    agent::FOLDERS,
    golden::{Expected, machine_of},
    truth,
};

/// The last moment of a day at which a machine works.
const LAST_SECOND: u32 = 82_800;

pub struct Plant {
    rng: Rng,
    machines: Vec<Machine>,
}

struct Machine {
    /// What its server shows.
    root: PathBuf,
    folder: &'static str,
    day: NaiveDate,
    second: u32,
    pieces: u32,
    is_stopped: bool,
    /// The rest of a line whose beginning is in the file.
    rest: Vec<u8>,
    /// How often today's file was given another name.
    renamed: u32,
    /// Bytes of the current file that are not in it yet because it is being written from zero.
    missing: Option<usize>,
    /// What the current file holds, or will hold again.
    current: Vec<u8>,
    /// Every file that this machine finished, by its name.
    finished: BTreeMap<String, (NaiveDate, Vec<u8>)>,
    /// Everything written, by day, in the order of writing.
    written: BTreeMap<NaiveDate, Vec<u8>>,
}

impl Plant {
    /// Three machines below `root`, whose folders exist. The same seed writes the same lines.
    pub fn new(root: &Path, seed: u64) -> Self {
        Self::on_servers([root; FOLDERS.len()], seed)
    }

    /// The same from another first day on.
    pub fn since(first: NaiveDate, root: &Path, seed: u64) -> Self {
        Self::of([root; FOLDERS.len()], first, seed)
    }

    /// The same where the machines write to servers of their own: below the root of each, its folder exists.
    pub fn on_servers(roots: [&Path; FOLDERS.len()], seed: u64) -> Self {
        Self::of(roots, NaiveDate::from_ymd_opt(2025, 9, 1).unwrap(), seed)
    }

    fn of(roots: [&Path; FOLDERS.len()], first: NaiveDate, seed: u64) -> Self {
        let machines = FOLDERS
            .iter()
            .zip(roots)
            .map(|((folder, ..), root)| Machine::new(root, folder, first))
            .collect();
        Self { rng: Rng::with_seed(seed), machines }
    }

    /// Some machine writes something: half a line, a line, a few.
    pub fn write(&mut self) {
        let at = self.rng.usize(..self.machines.len());
        let machine = &mut self.machines[at];
        if machine.missing.is_some() {
            machine.write_missing(&mut self.rng);
            return;
        }
        let mut bytes = std::mem::take(&mut machine.rest);
        for _ in 0..self.rng.usize(0..4) {
            bytes.extend(machine.line(&mut self.rng));
        }
        if self.rng.u8(..3) == 0 && bytes.len() > 2 {
            // Cut anywhere, also right before the line end.
            machine.rest = bytes.split_off(self.rng.usize(1..bytes.len()));
        }
        machine.append(&bytes);
        if machine.second > LAST_SECOND {
            machine.end_day();
        }
    }

    /// Lines and files that the machines have begun are completed.
    pub fn complete(&mut self) {
        self.machines.iter_mut().for_each(Machine::complete);
    }

    /// All machines go home, and come back the next day.
    pub fn next_day(&mut self) {
        for machine in &mut self.machines {
            machine.end_day();
        }
    }

    /// Today's file of some machine is written from zero under its name, the same first lines first.
    pub fn rewrite(&mut self) {
        let at = self.rng.usize(..self.machines.len());
        let machine = &mut self.machines[at];
        if machine.missing.is_none() && !machine.current.is_empty() {
            machine.put(&machine.file_name(), machine.day, b"");
            machine.missing = Some(machine.current.len());
        }
    }

    /// Today's file of some machine gets another name, and a new one is begun.
    pub fn rename(&mut self) {
        let at = self.rng.usize(..self.machines.len());
        self.machines[at].rename();
    }

    /// A file that was finished, and perhaps read and deleted long ago, is put back: under its name,
    /// or under another one.
    pub fn copy_back(&mut self) {
        let at = self.rng.usize(..self.machines.len());
        let machine = &self.machines[at];
        let files: Vec<_> = machine.finished.iter().collect();
        if files.is_empty() {
            return;
        }
        let (name, (day, bytes)) = files[self.rng.usize(..files.len())];
        let name = if self.rng.bool() { name.clone() } else { name.replace('.', "-copie.") };
        machine.put(&name, *day, bytes);
    }

    /// Completes half lines and files that were being rewritten, and begins a new day, so that every
    /// earlier one is over.
    pub fn finish(&mut self) {
        self.next_day();
        for machine in &mut self.machines {
            // Not any line: a file of one damaged line would be reported as one without events.
            let piece = machine.piece(&mut self.rng);
            machine.append(&piece);
            machine.complete();
        }
    }

    /// The day that the machines are at.
    pub fn today(&self) -> NaiveDate {
        self.machines.iter().map(|machine| machine.day).max().expect("there are machines")
    }

    /// What central must hold once everything was read.
    pub fn truth(&self) -> Vec<Expected> {
        let mut all = Vec::new();
        for machine in &self.machines {
            let days: Vec<Vec<u8>> = machine.written.values().cloned().collect();
            all.extend(truth::of_machine(machine_of(machine.folder), &days));
        }
        all.sort_by(|a, b| (&a.dossier, &a.date_production).cmp(&(&b.dossier, &b.date_production)));
        all
    }
}

fn latin1(text: &str) -> Vec<u8> {
    text.chars().map(|c| c as u8).collect()
}

impl Machine {
    fn new(root: &Path, folder: &'static str, day: NaiveDate) -> Self {
        Self {
            root: root.to_owned(),
            folder,
            day,
            second: 18_000,
            pieces: 0,
            is_stopped: false,
            rest: Vec::new(),
            renamed: 0,
            missing: None,
            current: Vec::new(),
            finished: BTreeMap::new(),
            written: BTreeMap::new(),
        }
    }

    /// Seldom two lines a second, never twice the same line in a second: a rewritten or renamed file
    /// then says the same as the file before.
    /// The time of the next line.
    fn next_time(&mut self, rng: &mut Rng) -> String {
        self.second += rng.u32(1..90);
        let at = self.day.and_time(NaiveTime::MIN) + TimeDelta::seconds(self.second.into());
        at.format("%Y%m%d %H:%M:%S").to_string()
    }

    fn piece(&mut self, rng: &mut Rng) -> Vec<u8> {
        let at = self.next_time(rng);
        let event = self.piece_made(rng);
        latin1(&format!("{at}|@{event}\n"))
    }

    fn piece_made(&mut self, rng: &mut Rng) -> String {
        self.is_stopped = false;
        self.pieces += 1;
        format!("StukUitgevoerd: {} B{:06} H\u{e9}", self.pieces, rng.u32(..1_000_000))
    }

    fn line(&mut self, rng: &mut Rng) -> Vec<u8> {
        let at = self.next_time(rng);
        let event = match rng.u8(..20) {
            0..=1 => format!("MachineWait: {} sec", rng.u32(0..60)),
            2 => format!("MachineWait: {},{:03} sec", rng.u32(0..60), rng.u32(0..1000)),
            3 => format!("MachineWait: {}.{}sec", rng.u32(0..9), rng.u32(0..10)),
            4..=5 => {
                self.is_stopped = !self.is_stopped;
                if self.is_stopped { "MachineStop".into() } else { "MachineStart".into() }
            }
            6 => format!("JobProfiel: R:61{} L:{}.5 C:654", rng.u32(10..13), rng.u32(4900..6200)),
            7 => format!("JobProfiel: R:GY1104 L:{}", rng.u32(4900..6200)),
            8 => format!("Melding: {}", rng.u32(..)),
            // Torn by a power cut of the controller, or no line at all.
            9 if rng.bool() => return format!("{at}|@StukUit").into_bytes(),
            9 => return b"\0\0 \xe9teint ? \n".to_vec(),
            _ => self.piece_made(rng),
        };
        let end = if rng.u8(..8) == 0 { "\r\n" } else { "\n" };
        latin1(&format!("{at}|@{event}{end}"))
    }

    fn file_name(&self) -> String {
        format!("{}.LOG", self.day.format("%Y%m%d"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.join(self.folder).join(name)
    }

    /// The server's time for what is written on `day`: late enough for all of its lines.
    fn time_on(day: NaiveDate) -> SystemTime {
        let seconds = day.and_hms_opt(22, 0, 0).unwrap().and_utc().timestamp();
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.try_into().unwrap())
    }

    fn append(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let path = self.path(&self.file_name());
        let mut file = File::options().create(true).append(true).open(path).unwrap();
        file.write_all(bytes).unwrap();
        file.set_modified(Self::time_on(self.day)).unwrap();
        self.current.extend(bytes);
        self.written.entry(self.day).or_default().extend(bytes);
    }

    fn put(&self, name: &str, day: NaiveDate, bytes: &[u8]) {
        let mut file = File::create(self.path(name)).unwrap();
        file.write_all(bytes).unwrap();
        file.set_modified(Self::time_on(day)).unwrap();
    }

    /// Writes the next part of what the file held before it was begun anew.
    fn write_missing(&mut self, rng: &mut Rng) {
        let Some(missing) = self.missing else { return };
        let part = rng.usize(1..=missing);
        self.write_part(part);
    }

    fn write_part(&mut self, part: usize) {
        let Some(missing) = self.missing.take() else { return };
        let begin = self.current.len() - missing;
        let path = self.path(&self.file_name());
        let mut file = File::options().create(true).append(true).open(path).unwrap();
        file.write_all(&self.current[begin..begin + part]).unwrap();
        file.set_modified(Self::time_on(self.day)).unwrap();
        self.missing = Some(missing - part).filter(|left| *left > 0);
    }

    /// Nothing half written is left in the current file.
    fn complete(&mut self) {
        if let Some(missing) = self.missing {
            self.write_part(missing);
        }
        let mut rest = std::mem::take(&mut self.rest);
        if rest.is_empty() && self.current.last().is_some_and(|byte| *byte != b'\n') {
            rest.push(b'\n');
        }
        self.append(&rest);
        if self.current.last().is_some_and(|byte| *byte != b'\n') {
            self.append(b"\n");
        }
    }

    fn end_day(&mut self) {
        self.complete();
        if !self.current.is_empty() {
            let bytes = std::mem::take(&mut self.current);
            self.finished.insert(self.file_name(), (self.day, bytes));
        }
        self.day = self.day.succ_opt().unwrap();
        self.second = 18_000;
        self.renamed = 0;
        self.is_stopped = false;
    }

    fn rename(&mut self) {
        self.complete();
        if self.current.is_empty() {
            return;
        }
        let name = self.file_name();
        self.renamed += 1;
        let new_name = name.replace('.', &format!("_{}.", self.renamed));
        fs::rename(self.path(&name), self.path(&new_name)).unwrap();
        let bytes = std::mem::take(&mut self.current);
        self.finished.insert(new_name, (self.day, bytes));
    }
}
