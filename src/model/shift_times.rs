//! The times of a shift's part of a production day, sums of them, and their rates: TRS, TRG, TRE and their
//! factors (NF E60-182; OEE in ISO 22400-2). Rates come from exact fractions and are rounded once.

use chrono::{NaiveTime, TimeDelta};

use super::{Day, Stamp};

const HOUR_MS: i128 = 3_600_000;

/// One row of central's `temps_poste`. Times in milliseconds.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ShiftTimes {
    /// The part's place among the day's planned parts, from 1.
    pub number: u32,
    pub shift: String,
    /// Planned beginning and end of the whole shift, of which the day may have a part only.
    pub planned_from: Stamp,
    pub planned_to: Stamp,
    /// It ends after the last moment that is known.
    pub is_running: bool,
    /// Opening time, temps d'ouverture.
    pub opening_ms: i64,
    /// Required time, temps requis: the opening time without breaks. The sum of the five below.
    pub required_ms: i64,
    /// Operating time, temps de fonctionnement.
    pub running_ms: i64,
    pub stop_ms: i64,
    pub wait_ms: i64,
    /// Before the day's first piece.
    pub start_ms: i64,
    /// After the day's last piece.
    pub end_ms: i64,
    /// In required time.
    pub pieces: u32,
    /// As reported; more than there are pieces means that none was good.
    pub rejects: u32,
}

/// The times of a machine's production day.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DayTimes {
    pub day: Day,
    /// Up to when figures count.
    pub known_until: Stamp,
    /// That is the end of the production day.
    pub is_over: bool,
    pub nominal_per_hour: Option<u32>,
    /// By their number.
    pub parts: Vec<ShiftTimes>,
    /// Pieces outside the required time of every part.
    pub pieces_outside: u32,
}

/// Why a machine's day has no TRS.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NoTrs {
    /// The machine has no calendar.
    NoCalendar,
    /// Nothing is planned, or not yet.
    NoRequiredTime,
    /// The machine has no `nominal_per_hour`.
    NoNominalRate,
}

impl NoTrs {
    /// `None`: the day has a TRS.
    pub fn of(times: Option<&DayTimes>, has_calendar: bool) -> Option<Self> {
        match times {
            None if has_calendar => Some(Self::NoRequiredTime),
            None => Some(Self::NoCalendar),
            Some(times) if times.nominal_per_hour.is_none() => Some(Self::NoNominalRate),
            Some(times) if times.sum().required_ms == 0 => Some(Self::NoRequiredTime),
            Some(_) => None,
        }
    }
}

impl DayTimes {
    /// Of all its parts.
    pub fn sum(&self) -> TimesSum {
        let parts = self.parts.iter().map(|part| TimesSum::of(part, self.nominal_per_hour));
        let nothing = || TimesSum::of(&ShiftTimes::default(), self.nominal_per_hour);
        parts.reduce(|sum, part| sum.plus(&part)).unwrap_or_else(nothing)
    }

    /// The length of the production day, which begins `day_start` after midnight, up to what is known.
    pub fn total_ms(&self, day_start: TimeDelta) -> i64 {
        let midnight = Stamp::from_naive(self.day.and_time(NaiveTime::MIN));
        self.known_until.0 - midnight.plus_ms(day_start.num_milliseconds()).0
    }

    /// Of all its parts.
    pub fn rates(&self, day_start: TimeDelta) -> Rates {
        self.sum().rates(self.total_ms(day_start))
    }
}

/// A sum of parts: of a day, a week, a month, several machines.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TimesSum {
    pub opening_ms: i64,
    pub required_ms: i64,
    pub running_ms: i64,
    pub stop_ms: i64,
    pub wait_ms: i64,
    pub start_ms: i64,
    pub end_ms: i64,
    pub pieces: u64,
    pub rejects: u64,
    good: u64,
    /// Net and useful time; `None` if a part has no nominal rate.
    net: Option<Fraction>,
    useful: Option<Fraction>,
}

/// The six rates in hundredths of a percent, rounded half up; `None` where a denominator is 0 or no nominal
/// rate is set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rates {
    /// Operational availability, disponibilité opérationnelle: running / required.
    pub availability_e2: Option<i64>,
    /// Performance: net / running.
    pub performance_e2: Option<i64>,
    /// Quality: good pieces / pieces.
    pub quality_e2: Option<i64>,
    /// Taux de rendement synthétique: useful / required.
    pub trs_e2: Option<i64>,
    /// Taux de rendement global: useful / opening.
    pub trg_e2: Option<i64>,
    /// Taux de rendement économique: useful / total time.
    pub tre_e2: Option<i64>,
}

impl TimesSum {
    /// Of one part, on a machine that can make `nominal_per_hour` pieces per hour.
    pub fn of(times: &ShiftTimes, nominal_per_hour: Option<u32>) -> Self {
        let good = times.pieces.saturating_sub(times.rejects);
        let nominal = nominal_per_hour.filter(|nominal| *nominal > 0).map(i128::from);
        // n pieces at N per hour take n / N hours.
        let hours = |pieces: u32| Some(Fraction::new(i128::from(pieces), nominal?));
        Self {
            opening_ms: times.opening_ms,
            required_ms: times.required_ms,
            running_ms: times.running_ms,
            stop_ms: times.stop_ms,
            wait_ms: times.wait_ms,
            start_ms: times.start_ms,
            end_ms: times.end_ms,
            pieces: times.pieces.into(),
            rejects: times.rejects.into(),
            good: good.into(),
            net: hours(times.pieces),
            useful: hours(good),
        }
    }

    /// The sum of both; `None` stays `None`.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        let add = |a: Option<Fraction>, b: Option<Fraction>| a?.plus(b?);
        Self {
            opening_ms: self.opening_ms + other.opening_ms,
            required_ms: self.required_ms + other.required_ms,
            running_ms: self.running_ms + other.running_ms,
            stop_ms: self.stop_ms + other.stop_ms,
            wait_ms: self.wait_ms + other.wait_ms,
            start_ms: self.start_ms + other.start_ms,
            end_ms: self.end_ms + other.end_ms,
            pieces: self.pieces + other.pieces,
            rejects: self.rejects + other.rejects,
            good: self.good + other.good,
            net: add(self.net, other.net),
            useful: add(self.useful, other.useful),
        }
    }

    /// Net time (n / N) in ten-thousandths of an hour, rounded half up.
    pub fn net_e4(&self) -> Option<i64> {
        self.net?.times_rounded(10_000)
    }

    /// Useful time (good pieces / N) in ten-thousandths of an hour, rounded half up.
    pub fn useful_e4(&self) -> Option<i64> {
        self.useful?.times_rounded(10_000)
    }

    /// The rates over these times, of which `total_ms` is the total time (24 h per production day that counts).
    pub fn rates(&self, total_ms: i64) -> Rates {
        let hours = |ms: i64| Fraction::new(ms.into(), HOUR_MS);
        let percent =
            |part: Option<Fraction>, whole: Fraction| part?.over(whole)?.times_rounded(10_000);
        let good = Fraction::new(self.good.into(), 1);
        Rates {
            availability_e2: percent(Some(hours(self.running_ms)), hours(self.required_ms)),
            performance_e2: percent(self.net, hours(self.running_ms)),
            quality_e2: percent(Some(good), Fraction::new(self.pieces.into(), 1)),
            trs_e2: percent(self.useful, hours(self.required_ms)),
            trg_e2: percent(self.useful, hours(self.opening_ms)),
            tre_e2: percent(self.useful, hours(total_ms)),
        }
    }
}

/// An exact fraction, not negative, in lowest terms.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Fraction {
    over: i128,
    under: i128,
}

impl Fraction {
    fn new(over: i128, under: i128) -> Self {
        let common = gcd(over, under).max(1);
        Self { over: over / common, under: under / common }
    }

    /// `None` if the numbers grow too long: after changes between many nominal rates without a common factor.
    fn plus(self, other: Self) -> Option<Self> {
        let common = gcd(self.under, other.under).max(1);
        let (a, b) = (other.under / common, self.under / common);
        let over = self.over.checked_mul(a)?.checked_add(other.over.checked_mul(b)?)?;
        Some(Self::new(over, self.under.checked_mul(a)?))
    }

    /// `None` if `other` is 0.
    fn over(self, other: Self) -> Option<Self> {
        let (over, under) =
            (self.over.checked_mul(other.under)?, self.under.checked_mul(other.over)?);
        (under > 0).then(|| Self::new(over, under))
    }

    /// Rounded half up.
    fn times_rounded(self, factor: i128) -> Option<i64> {
        let doubled = self.over.checked_mul(2 * factor)?.checked_add(self.under)?;
        i64::try_from(doubled / self.under.checked_mul(2)?).ok()
    }
}

fn gcd(mut a: i128, mut b: i128) -> i128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(hours: i64, pieces: u32, rejects: u32) -> ShiftTimes {
        let ms = hours * 3_600_000;
        ShiftTimes {
            opening_ms: ms,
            required_ms: ms,
            running_ms: ms / 2,
            stop_ms: ms / 2,
            pieces,
            rejects,
            ..ShiftTimes::default()
        }
    }

    #[test]
    fn the_trs_is_the_product_of_its_three_factors() {
        let rates = TimesSum::of(&part(8, 270, 27), Some(90)).rates(24 * 3_600_000);
        assert_eq!(rates.availability_e2, Some(5_000));
        assert_eq!(rates.performance_e2, Some(7_500));
        assert_eq!(rates.quality_e2, Some(9_000));
        assert_eq!(rates.trs_e2, Some(3_375));
        assert_eq!(rates.tre_e2, Some(1_125));
    }

    #[test]
    fn without_a_nominal_rate_there_are_times_availability_and_quality_only() {
        let rates = TimesSum::of(&part(8, 10, 0), None).rates(24 * 3_600_000);
        assert_eq!((rates.availability_e2, rates.quality_e2), (Some(5_000), Some(10_000)));
        assert_eq!((rates.performance_e2, rates.trs_e2, rates.tre_e2), (None, None, None));
        let nothing = TimesSum::of(&part(0, 0, 0), Some(90)).rates(0);
        assert_eq!(
            (nothing.availability_e2, nothing.trs_e2, nothing.quality_e2),
            (None, None, None)
        );
    }

    #[test]
    fn sums_are_exact_whatever_the_nominal_rates() {
        // 1/7 h and 1/11 h: in ten-thousandths 1,428.57 and 909.09; rounded before the sum it were 2,338.
        let sum =
            TimesSum::of(&part(1, 1, 0), Some(7)).plus(&TimesSum::of(&part(1, 1, 0), Some(11)));
        assert_eq!(sum.net_e4(), Some(2_338));
        let three = (0..3).fold(TimesSum::of(&part(1, 1, 0), Some(30_000)), |sum, _| {
            sum.plus(&TimesSum::of(&part(1, 1, 0), Some(30_000)))
        });
        assert_eq!(three.net_e4(), Some(1), "4 / 30,000 h; each alone is 0.33 and would be none");
        assert_eq!(sum.plus(&TimesSum::of(&part(1, 1, 0), None)).net_e4(), None);
    }

    #[test]
    fn more_rejects_than_pieces_in_one_part_take_nothing_from_another() {
        let sum =
            TimesSum::of(&part(1, 2, 5), Some(10)).plus(&TimesSum::of(&part(1, 10, 0), Some(10)));
        assert_eq!(sum.useful_e4(), Some(10_000));
        assert_eq!(sum.rates(0).quality_e2, Some(8_333));
    }
}
