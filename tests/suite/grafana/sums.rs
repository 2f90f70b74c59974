//! Sums of planned time in exact fractions, rounded once.

use serde_json::{Map, Value, json};

use super::plant::{DAY_START, Part};

pub type Rows = Vec<Map<String, Value>>;

pub fn row(value: Value) -> Map<String, Value> {
    let Value::Object(row) = value else { panic!("no row: {value}") };
    row
}

/// An exact fraction.
#[derive(Clone, Copy)]
pub struct Fraction(pub i128, pub i128);

impl Fraction {
    pub fn plus(self, other: Self) -> Self {
        let gcd = |mut a: i128, mut b: i128| {
            while b != 0 {
                (a, b) = (b, a % b);
            }
            a.abs().max(1)
        };
        let Self(a, b) = Self(self.0 * other.1 + other.0 * self.1, self.1 * other.1);
        Self(a / gcd(a, b), b / gcd(a, b))
    }

    /// This by `per`, in `10^-places`, half away from zero; nothing by nothing.
    pub fn rounded(self, per: Self, places: u32) -> Value {
        let (a, b) = (self.0 * per.1 * 10_i128.pow(places), self.1 * per.0);
        if b == 0 {
            return Value::Null;
        }
        let (sign, a) = ((a * b).signum(), a.abs());
        let units = (2 * a + b.abs()) / (2 * b.abs());
        json!((sign * units) as f64 / 10_f64.powi(places as i32))
    }
}

pub fn whole(value: i64) -> Fraction {
    Fraction(value.into(), 1)
}

pub fn hours(ms: i64) -> Value {
    whole(ms).rounded(whole(3_600_000), 4)
}

/// Sums over parts.
#[derive(Clone)]
pub struct Sum {
    pub parts: i64,
    pub opening: i64,
    pub required: i64,
    pub running: i64,
    pub stop: i64,
    pub wait: i64,
    pub start: i64,
    pub end: i64,
    pub pieces: i64,
    pub rejects: i64,
    pub good: i64,
    pub total: i64,
    pub net: Fraction,
    pub useful: Fraction,
    /// Of stop, wait, start, end, running: milliseconds by pieces an hour.
    pub lost: [i64; 5],
    pub bad: i64,
    pub rated_pieces: i64,
    pub rated_running: i64,
    pub is_rated: bool,
    pub is_running: bool,
}

impl Sum {
    pub fn of<'p>(parts: impl Iterator<Item = &'p Part<'p>>) -> Self {
        let zero = whole(0);
        let mut sum = Self {
            parts: 0,
            opening: 0,
            required: 0,
            running: 0,
            stop: 0,
            wait: 0,
            start: 0,
            end: 0,
            pieces: 0,
            rejects: 0,
            good: 0,
            total: 0,
            net: zero,
            useful: zero,
            lost: [0; 5],
            bad: 0,
            rated_pieces: 0,
            rated_running: 0,
            is_rated: true,
            is_running: false,
        };
        for part in parts {
            let t = part.times;
            let (pieces, rejects) = (i64::from(t.pieces), i64::from(t.rejects));
            let good = (pieces - rejects).max(0);
            sum.parts += 1;
            sum.opening += t.opening_ms;
            sum.required += t.required_ms;
            sum.running += t.running_ms;
            sum.stop += t.stop_ms;
            sum.wait += t.wait_ms;
            sum.start += t.start_ms;
            sum.end += t.end_ms;
            sum.pieces += pieces;
            sum.rejects += rejects;
            sum.good += good;
            sum.is_running |= t.is_running;
            if t.number == 1 {
                sum.total += part.day.total_ms(DAY_START);
            }
            let Some(nominal) = part.nominal.map(i64::from) else {
                sum.is_rated = false;
                continue;
            };
            sum.net = sum.net.plus(Fraction(3_600_000 * i128::from(pieces), nominal.into()));
            sum.useful = sum.useful.plus(Fraction(3_600_000 * i128::from(good), nominal.into()));
            let times = [t.stop_ms, t.wait_ms, t.start_ms, t.end_ms, t.running_ms];
            for (lost, ms) in sum.lost.iter_mut().zip(times) {
                *lost += ms * nominal;
            }
            sum.bad += pieces - good;
            sum.rated_pieces += pieces;
            sum.rated_running += t.running_ms;
        }
        sum
    }

    pub fn percent(a: Fraction, b: Fraction) -> Value {
        Fraction(a.0 * 100, a.1).rounded(b, 2)
    }

    pub fn rates(&self) -> Map<String, Value> {
        let rated = |value: Value| if self.is_rated { value } else { Value::Null };
        row(json!({
            "TRS": rated(Self::percent(self.useful, whole(self.required))),
            "Do": Self::percent(whole(self.running), whole(self.required)),
            "Tp": rated(Self::percent(self.net, whole(self.running))),
            "Tq": Self::percent(whole(self.good), whole(self.pieces)),
        }))
    }

    /// The split of required time in hours.
    pub fn split(&self) -> Map<String, Value> {
        row(json!({
            "Fonctionnement": hours(self.running), "Arrêts": hours(self.stop), "Attentes": hours(self.wait),
            "Démarrage": hours(self.start), "Fin de poste": hours(self.end),
        }))
    }

    /// As the views of a whole shift, day, week or month show it.
    pub fn shown(&self) -> Map<String, Value> {
        let rated = |value: Value| if self.is_rated { value } else { Value::Null };
        let mut shown = self.rates();
        shown.extend(row(json!({
            "TRG": rated(Self::percent(self.useful, whole(self.opening))),
            "TRE": rated(Self::percent(self.useful, whole(self.total))),
            "Pièces": self.pieces, "Rebuts": self.rejects, "Requis": hours(self.required),
            "En cours": self.is_running,
        })));
        shown
    }
}

pub fn with(mut first: Map<String, Value>, more: Map<String, Value>) -> Map<String, Value> {
    first.extend(more);
    first
}
