//! What a server may claim that is not so. Each history has rates of its own, most of them zero, so
//! that one lie is tried alone as well as beside others.

use std::{
    fs,
    path::{Path, PathBuf},
};

use chrono::{NaiveDateTime, TimeDelta};
use cu_agent::source::{Entry, SourceError, Transfer};
use fastrand::Rng;

/// How often each lie is told, in thousandths.
#[derive(Clone, Copy, Default, Debug)]
struct Rates {
    /// A file is always listed with a time of its own, hours or days off.
    odd_file: u16,
    /// A time is off just once.
    time: u16,
    no_time: u16,
    /// Sizes in a listing.
    size: u16,
    /// Files that a listing leaves out.
    left_out: u16,
    asked_size: u16,
    no_asked_size: u16,
    short: u16,
    other: u16,
    broken: u16,
    not_deleted: u16,
    refused: u16,
    done_and_refused: u16,
}

#[derive(Debug)]
pub struct Lies {
    rng: Rng,
    seed: u64,
    rates: Rates,
    /// All times of a listing are the latest one, as after a copy.
    one_time: bool,
    /// No listing has a size, and SIZE is not known.
    no_sizes: bool,
    shuffled: bool,
    /// What the agent holds of a file may be less than there is, until the file closes.
    pub misled: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DeletionLie {
    NotDone,
    Refused,
    DoneAndRefused,
}

/// What RETR gives instead of the file.
#[derive(Debug)]
pub enum ContentLie {
    /// Its beginning, as if that were all.
    Short(u64),
    /// Another file's bytes.
    Other(u64),
    /// An error at once.
    Broken,
}

impl Lies {
    pub fn drawn(mut rng: Rng) -> Self {
        let mut rate = |most: u16| if rng.u8(..3) == 0 { rng.u16(..most) } else { 0 };
        let mut rates = Rates {
            odd_file: rate(500),
            time: rate(200),
            no_time: rate(1000),
            size: rate(200),
            left_out: rate(150),
            asked_size: rate(200),
            no_asked_size: rate(1000),
            short: rate(100),
            other: rate(100),
            broken: rate(100),
            not_deleted: rate(500),
            refused: rate(300),
            done_and_refused: rate(200),
        };
        let no_sizes = rng.u8(..8) == 0;
        if no_sizes {
            // Nobody could find out what RETR leaves out then.
            (rates.short, rates.other) = (0, 0);
        }
        let (one_time, shuffled) = (rng.u8(..8) == 0, rng.bool());
        Self { seed: rng.u64(..), rng, rates, one_time, no_sizes, shuffled, misled: false }
    }

    /// A server that tells the truth.
    pub fn none() -> Self {
        let mut lies = Self::drawn(Rng::with_seed(0));
        lies.stop();
        lies.shuffled = false;
        lies
    }

    /// From now on the server tells the truth.
    pub fn stop(&mut self) {
        self.rates = Rates::default();
        (self.one_time, self.no_sizes) = (false, false);
    }

    fn is_told(&mut self, rate: u16) -> bool {
        self.rng.u16(..1000) < rate
    }

    fn shift(rng: &mut Rng) -> TimeDelta {
        let hours = [-24 * 400, -48, -24, -13, 1, 13, 24, 24, 25, 48, 24 * 9, 24 * 400];
        TimeDelta::hours(hours[rng.usize(..hours.len())])
    }

    pub fn about_listing(&mut self, folder: &str, entries: &mut Vec<Entry>) -> bool {
        let truth = entries.clone();
        if self.rates.left_out > 0 {
            let rate = self.rates.left_out;
            let rng = &mut self.rng;
            entries.retain(|_| rng.u16(..1000) >= rate);
        }
        let latest = entries.iter().filter_map(|entry| entry.modified).max();
        for entry in &mut *entries {
            if self.one_time {
                entry.modified = latest;
            }
            entry.modified = self.about_time(folder, &entry.name, entry.modified).0;
            if self.is_told(self.rates.size) {
                entry.size = entry.size.map(|size| size + self.rng.u64(1..999));
            }
            if self.no_sizes {
                entry.size = None;
            }
        }
        let lied = *entries != truth;
        if self.shuffled {
            self.rng.shuffle(entries);
        }
        lied
    }

    pub fn about_time(
        &mut self,
        folder: &str,
        name: &str,
        time: Option<NaiveDateTime>,
    ) -> (Option<NaiveDateTime>, bool) {
        let Some(mut told) = time else { return (None, false) };
        // The same for a file all through the history.
        let hash = folder
            .bytes()
            .chain(name.bytes())
            .fold(self.seed, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        let mut of_file = Rng::with_seed(hash);
        if of_file.u16(..1000) < self.rates.odd_file {
            told += Self::shift(&mut of_file);
        }
        if self.is_told(self.rates.time) {
            told += Self::shift(&mut self.rng);
        }
        let told = (!self.is_told(self.rates.no_time)).then_some(told);
        (told, told != time)
    }

    pub fn about_size(&mut self, size: Option<u64>) -> (Option<u64>, bool) {
        let told = if self.no_sizes || self.is_told(self.rates.no_asked_size) {
            None
        } else if self.is_told(self.rates.asked_size) {
            size.map(|size| if self.rng.bool() { size + 1000 } else { size.saturating_sub(7) })
        } else {
            size
        };
        (told, told != size)
    }

    pub fn about_content(&mut self) -> Option<ContentLie> {
        if self.is_told(self.rates.short) {
            Some(ContentLie::Short(self.rng.u64(..)))
        } else if self.is_told(self.rates.other) {
            Some(ContentLie::Other(self.rng.u64(..)))
        } else {
            self.is_told(self.rates.broken).then_some(ContentLie::Broken)
        }
    }

    pub fn about_deletion(&mut self) -> Option<DeletionLie> {
        if self.is_told(self.rates.not_deleted) {
            Some(DeletionLie::NotDone)
        } else if self.is_told(self.rates.refused) {
            Some(DeletionLie::Refused)
        } else {
            self.is_told(self.rates.done_and_refused).then_some(DeletionLie::DoneAndRefused)
        }
    }
}

impl ContentLie {
    pub fn tell(
        &self,
        files: &[PathBuf],
        file: &Path,
        offset: u64,
    ) -> Result<Box<dyn Transfer>, SourceError> {
        let name = || file.file_name().unwrap().to_str().unwrap().to_owned();
        let folder = || file.parent().unwrap().file_name().unwrap().to_str().unwrap().to_owned();
        let (bytes, length) = match self {
            Self::Short(at) => {
                let bytes = fs::read(file).unwrap();
                let length = at % (bytes.len() as u64 + 1);
                (bytes, length)
            }
            Self::Other(number) => {
                let other = &files[usize::try_from(number % files.len() as u64).unwrap()];
                let bytes = fs::read(other).unwrap();
                let length = bytes.len() as u64;
                (bytes, length)
            }
            Self::Broken => {
                let answer = "450 busy".to_owned();
                return Err(SourceError::FileRefused { folder: folder(), name: name(), answer });
            }
        };
        let told = bytes[..usize::try_from(length).unwrap()]
            .get(usize::try_from(offset).unwrap()..)
            .unwrap_or_default();
        Ok(Box::new(Told::whole(told.to_vec())))
    }
}

/// A transfer of bytes that no file need hold.
pub struct Told {
    bytes: Vec<u8>,
    given: usize,
    breaks_off: Option<SourceError>,
}

impl Told {
    pub fn whole(bytes: Vec<u8>) -> Self {
        Self { bytes, given: 0, breaks_off: None }
    }

    pub fn broken_off(bytes: Vec<u8>, error: SourceError) -> Self {
        Self { breaks_off: Some(error), ..Self::whole(bytes) }
    }
}

impl Transfer for Told {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, SourceError> {
        let rest = &self.bytes[self.given..];
        if rest.is_empty()
            && let Some(error) = self.breaks_off.take()
        {
            return Err(error);
        }
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        self.given += length;
        Ok(length)
    }

    fn finish(self: Box<Self>) -> Result<u64, SourceError> {
        Ok(self.given as u64)
    }
}
