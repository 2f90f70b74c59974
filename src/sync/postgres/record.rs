//! A row as PostgreSQL's `record_send` writes it, so that both sides hash the same bytes.

use std::fmt::Write;

use crate::model::Stamp;

/// A row as `record_send` writes it.
#[derive(Default)]
pub(super) struct Record {
    pub(super) bytes: Vec<u8>,
    /// A bit for each column that is left out.
    inexact: u32,
    column: u32,
    digits: String,
}

/// The numbers of two of the server's types.
const TEXT: u32 = 25;
const TIMESTAMP: u32 = 1114;
/// 2000-01-01, from which the server counts microseconds.
const EPOCH_MS: i64 = 946_684_800_000;

impl Record {
    pub(super) fn begin(&mut self, columns: usize, inexact: u32) {
        self.bytes.clear();
        self.bytes.extend(u32::try_from(columns).unwrap_or(u32::MAX).to_be_bytes());
        self.inexact = inexact;
        self.column = 0;
    }

    fn value(&mut self, of: u32, value: Option<&[u8]>) {
        let is_left_out = self.inexact & (1 << self.column) != 0;
        self.column += 1;
        let of = if is_left_out { TEXT } else { of };
        self.bytes.extend(of.to_be_bytes());
        match value.filter(|_| !is_left_out) {
            Some(value) => {
                self.bytes.extend(u32::try_from(value.len()).unwrap_or(u32::MAX).to_be_bytes());
                self.bytes.extend(value);
            }
            None => self.bytes.extend((-1_i32).to_be_bytes()),
        }
    }

    pub(super) fn moment(&mut self, at: Option<Stamp>) {
        let since = at.map(|at| ((at.0 - EPOCH_MS) * 1000).to_be_bytes());
        self.value(TIMESTAMP, since.as_ref().map(<[u8; 8]>::as_slice));
    }

    pub(super) fn text(&mut self, text: Option<&str>) {
        self.value(TEXT, text.map(str::as_bytes));
    }

    /// A number without zeros at the end of its fraction, as text.
    pub(super) fn decimal(&mut self, scaled: Option<i64>, places: u32) {
        let Some(scaled) = scaled else { return self.text(None) };
        let mut digits = std::mem::take(&mut self.digits);
        digits.clear();
        write_decimal(&mut digits, scaled, places);
        self.text(Some(&digits));
        self.digits = digits;
    }

    pub(super) fn period(&mut self, start: Stamp, end: Stamp) {
        self.moment(Some(start));
        self.moment(Some(end));
        self.decimal(Some((end.0 - start.0) / 1000), 0);
    }
}

/// As the server's `trim_scale` of the number.
fn write_decimal(out: &mut String, scaled: i64, places: u32) {
    let unit = 10_u64.pow(places);
    let (whole, mut fraction) = (scaled.unsigned_abs() / unit, scaled.unsigned_abs() % unit);
    let sign = if scaled < 0 { "-" } else { "" };
    let mut width = places as usize;
    while width > 0 && fraction.is_multiple_of(10) {
        fraction /= 10;
        width -= 1;
    }
    if width == 0 {
        write!(out, "{sign}{whole}")
    } else {
        write!(out, "{sign}{whole}.{fraction:0width$}")
    }
    .expect("a String takes any text");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_written_without_zeros_at_their_end() {
        let written = |scaled, places| {
            let mut out = String::new();
            write_decimal(&mut out, scaled, places);
            out
        };
        let table = [
            (0, 4, "0"),
            (123_400, 4, "12.34"),
            (120_000, 4, "12"),
            (5, 4, "0.0005"),
            (-50, 2, "-0.5"),
            (100, 0, "100"),
            (-7, 0, "-7"),
        ];
        for (scaled, places, expected) in table {
            assert_eq!(written(scaled, places), expected);
        }
    }
}
