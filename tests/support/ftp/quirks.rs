//! What servers of the field do otherwise than the RFCs say, to be combined at will, and the slowness
//! of hostile ones.

use std::{
    io::{self, Write},
    thread,
    time::Duration,
};

use super::wire::Wire;

/// How a transfer is announced.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Begin {
    #[default]
    Usual,
    /// All data come before the 150.
    DataFirst,
    /// There is no 150, only the 226.
    Unannounced,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Quirks {
    /// A byte order mark before the first answer and before listings.
    pub mark: bool,
    /// 120 before 220.
    pub waits: bool,
    /// Answers of several lines, of which inner ones begin with digits.
    pub inner_digits: bool,
    /// USER is answered with this code, and PASS is not known.
    pub user_code: Option<u32>,
    /// The answer to PASV, with `{}` in place of the six numbers; EPSV is not known.
    pub pasv: Option<String>,
    /// "226" without a text.
    pub bare: bool,
    pub begin: Begin,
    /// The connection ends with a transfer.
    pub one_transfer: bool,
    /// The data connection is reset behind its last byte.
    pub reset: bool,
    /// A second 226 behind the first.
    pub twice: bool,
    /// This many blanks too many before names, and so many behind them.
    pub blanks: (usize, usize),
    /// Names are whole paths.
    pub paths: bool,
    /// Dates of LIST: `HH:MM YYYY`, and months in French.
    pub year_last: bool,
    pub french: bool,
    /// MLSD is not known; or it is empty.
    pub no_mlsd: bool,
    pub empty_mlsd: bool,
    /// One byte now and then: at a verb's answer, `GREETING`, `DATA`, or from the middle on of a
    /// folder's listing (`LISTED`) or of a file (`SENT`).
    pub drip: Option<String>,
    /// Listings go on and on.
    pub endless: bool,
}

impl Quirks {
    /// Some of them, as `random` has it; none that takes time.
    pub fn drawn(random: &mut fastrand::Rng) -> Self {
        let pasv = ["227 passive {}", "227 =( {} )", "227 go to {}. 2 users", "227 ({})"];
        let mut some = || random.u32(0..5) == 0;
        let (mark, waits, inner_digits, bare) = (some(), some(), some(), some());
        let (one_transfer, reset, twice, paths) = (some(), some(), some(), some());
        let (year_last, french, no_mlsd, empty_mlsd) = (some(), some(), some(), some());
        let (has_user_code, has_pasv, has_begin, has_blanks) = (some(), some(), some(), some());
        Self {
            mark,
            waits,
            inner_digits,
            bare,
            one_transfer,
            reset,
            twice,
            paths,
            year_last,
            french,
            no_mlsd,
            empty_mlsd,
            user_code: has_user_code.then(|| if random.bool() { 230 } else { 232 }),
            pasv: has_pasv.then(|| pasv[random.usize(0..pasv.len())].to_owned()),
            begin: match has_begin {
                true if random.bool() => Begin::DataFirst,
                true => Begin::Unannounced,
                false => Begin::Usual,
            },
            blanks: if has_blanks { (random.usize(0..2), random.usize(0..4)) } else { (0, 0) },
            drip: None,
            endless: false,
        }
    }
}

/// One byte now and then, for longer than anybody waits.
pub fn drip(stream: &mut Wire, bytes: &[u8]) -> io::Result<()> {
    let every = Duration::from_millis(fastrand::u64(3..40));
    for byte in bytes.iter().cycle() {
        stream.write_all(&[*byte])?;
        thread::park_timeout(every);
    }
    Ok(())
}
