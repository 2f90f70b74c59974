//! Weeks of a gateway that polls every five minutes, told by polls instead of time: what three machines
//! write before each, when central goes away and comes back, when somebody opens the page.

use std::{
    fs::OpenOptions,
    io::Write,
    path::{Path, PathBuf},
    vec,
};

use chrono::NaiveDate;

use super::generate::{CENTRES, Centre, Dirt, file_name, log_of_day, working_days};

/// At five minutes, a day and a week.
pub const POLLS_A_DAY: usize = 288;
pub const POLLS_A_WEEK: usize = 7 * POLLS_A_DAY;
/// The machines work for half of the day.
const WORKING_POLLS: usize = POLLS_A_DAY / 2;
/// The page is opened so often.
const POLLS_A_LOOK: usize = 50;
/// Central goes away so often, for so many polls.
const POLLS_AN_OUTAGE: usize = 700;
const OUTAGE_POLLS: usize = 60;
/// More than anybody waits for.
const DAYS: usize = 400;

pub struct Weeks {
    /// With a folder for each machine.
    root: PathBuf,
    days: vec::IntoIter<NaiveDate>,
    day: NaiveDate,
    /// What each machine writes today before each poll, from the last to the next one.
    to_write: Vec<Vec<Vec<u8>>>,
    polls: usize,
    /// Pieces that the machines wrote.
    pub pieces: usize,
    /// How often a file grew.
    pub growths: usize,
}

/// What happens before a poll, besides what the machines write.
pub struct Happening {
    pub central_answers: Option<bool>,
    /// Pages that somebody opens.
    pub pages: Vec<String>,
}

impl Weeks {
    pub fn new(root: &Path) -> Self {
        let from = NaiveDate::from_ymd_opt(2025, 5, 5).unwrap();
        Self {
            root: root.to_owned(),
            days: working_days(from, DAYS).into_iter(),
            day: from,
            to_write: Vec::new(),
            polls: 0,
            pieces: 0,
            growths: 0,
        }
    }

    /// The machines write what they write in five minutes.
    pub fn before_a_poll(&mut self) -> Happening {
        if self.polls.is_multiple_of(POLLS_A_DAY) {
            self.day = self.days.next().expect("no more than so many days");
            self.to_write = CENTRES.iter().map(|centre| parts_of_day(centre, self.day)).collect();
        }
        for (at, centre) in CENTRES.iter().enumerate() {
            if let Some(part) = self.to_write[at].pop() {
                self.write(centre, self.day, &part);
            }
        }
        let central_answers = match self.polls % POLLS_AN_OUTAGE {
            at if at == POLLS_AN_OUTAGE / 2 => Some(false),
            at if at == POLLS_AN_OUTAGE / 2 + OUTAGE_POLLS => Some(true),
            _ => None,
        };
        let pages = if self.polls.is_multiple_of(POLLS_A_LOOK) {
            vec!["/".into(), "/metrics".into(), format!("/machine/SU12/{}", self.day)]
        } else {
            Vec::new()
        };
        self.polls += 1;
        Happening { central_answers, pages }
    }

    /// As a machine does; whole lines.
    pub fn write(&mut self, centre: &Centre, day: NaiveDate, lines: &[u8]) {
        let path = self.root.join(centre.folder).join(file_name(day));
        let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
        file.write_all(lines).unwrap();
        self.pieces += memchr::memmem::find_iter(lines, b"StukUitgevoerd").count();
        self.growths += 1;
    }
}

/// The last one first.
fn parts_of_day(centre: &Centre, day: NaiveDate) -> Vec<Vec<u8>> {
    let log = log_of_day(centre, day, 1, Dirt::None);
    let lines: Vec<&[u8]> = log.split_inclusive(|byte| *byte == b'\n').collect();
    lines.chunks(lines.len().div_ceil(WORKING_POLLS)).rev().map(<[&[u8]]>::concat).collect()
}
