//! What panels of stops, waits, pieces and profiles must show: the rows of sessions themselves.

use std::collections::BTreeMap;

use chrono::{NaiveDateTime, Timelike};
use cu_agent::model::{Day, Session, Stamp};
use serde_json::{Map, Value, json};

use super::{
    oracle::Look,
    sums::{Rows, Sum, row, whole, with},
};

impl Look<'_> {
    // --- arrets

    /// Machine, production day, begin and end of what began in the period.
    fn spans<'s>(
        &'s self,
        of: impl Fn(&'s Session) -> Vec<(Stamp, Stamp)>,
    ) -> Vec<(&'static str, Day, NaiveDateTime, NaiveDateTime, f64)> {
        let mut all = Vec::new();
        for (nom, day, session) in self.sessions() {
            for (start, end) in of(session) {
                let begin = start.to_naive();
                if begin >= self.from && begin <= self.to {
                    all.push((nom, day, begin, end.to_naive(), (end.0 - start.0) as f64 / 1000.0));
                }
            }
        }
        all
    }

    fn stops(&self) -> Vec<(&'static str, Day, NaiveDateTime, NaiveDateTime, f64)> {
        self.spans(|session| session.stops.iter().map(|stop| (stop.start, stop.end)).collect())
    }

    pub fn stops_in_all(&self) -> Rows {
        let stops = self.stops();
        if stops.is_empty() {
            return Vec::new();
        }
        let all: f64 = stops.iter().map(|stop| stop.4).sum();
        let mean = all / stops.len() as f64;
        vec![row(json!({"Arrêts": stops.len(), "Durée totale": all, "Durée moyenne": mean}))]
    }

    pub fn longest_stops(&self) -> Rows {
        let mut stops = self.stops();
        stops.sort_by(|a, b| b.4.total_cmp(&a.4).then(a.2.cmp(&b.2)).then(a.0.cmp(b.0)));
        let first = stops.into_iter().take(20);
        let one = |(nom, _, begin, end, seconds)| {
            row(
                json!({"Machine": nom, "Début": self.moment(begin), "Fin": self.moment(end), "Durée": seconds}),
            )
        };
        first.map(one).collect()
    }

    /// By machine, the largest sum first: count, sum, longest.
    fn by_machine(
        spans: &[(&'static str, Day, NaiveDateTime, NaiveDateTime, f64)],
    ) -> Vec<(&'static str, u64, f64, f64)> {
        let mut sums: BTreeMap<&'static str, (u64, f64, f64)> = BTreeMap::new();
        for (nom, .., seconds) in spans {
            let sum = sums.entry(nom).or_default();
            *sum = (sum.0 + 1, sum.1 + seconds, sum.2.max(*seconds));
        }
        let mut sums: Vec<_> =
            sums.into_iter().map(|(nom, sum)| (nom, sum.0, sum.1, sum.2)).collect();
        sums.sort_by(|a, b| b.2.total_cmp(&a.2).then(a.0.cmp(b.0)));
        sums
    }

    pub fn stops_by_machine(&self) -> Rows {
        let sums = Self::by_machine(&self.stops());
        let all: f64 = sums.iter().map(|sum| sum.2).sum();
        let mut so_far = 0.0;
        let mut rows = Vec::new();
        for (nom, count, seconds, _) in sums {
            so_far += seconds;
            let share = Sum::percent(whole(so_far as i64), whole(all as i64));
            rows.push(row(
                json!({"Machine": nom, "Arrêts": count, "Durée": seconds, "Cumul": share}),
            ));
        }
        rows
    }

    pub fn stops_by_hour(&self) -> Rows {
        let stops = self.stops();
        let of = |hour: u32| {
            let own: Vec<f64> =
                stops.iter().filter(|stop| stop.2.hour() == hour).map(|stop| stop.4).collect();
            let minutes = own.iter().sum::<f64>() / 60.0;
            row(json!({"Heure": format!("{hour:02} h"), "Minutes": minutes, "Arrêts": own.len()}))
        };
        (0..24).map(of).collect()
    }

    pub fn stops_by_day(&self) -> Rows {
        let mut sums: BTreeMap<(Day, &str), f64> = BTreeMap::new();
        for (nom, day, .., seconds) in self.stops() {
            *sums.entry((day, nom)).or_default() += seconds;
        }
        sums.into_iter()
            .map(|((day, nom), sum)| self.day_point(day, nom, json!(sum / 3600.0)))
            .collect()
    }

    pub fn waits_by_machine(&self) -> Rows {
        let waits =
            self.spans(|session| session.waits.iter().map(|wait| (wait.start, wait.end)).collect());
        let one = |(nom, count, sum, longest)| {
            row(json!({"Machine": nom, "Attentes": count, "Durée": sum, "La plus longue": longest}))
        };
        Self::by_machine(&waits).into_iter().map(one).collect()
    }

    // --- production

    fn sessions_of_period(&self) -> Vec<(&'static str, Day, &Session)> {
        let mut own: Vec<_> = self.sessions().filter(|one| self.days().contains(&one.1)).collect();
        own.sort_by_key(|one| (one.1, one.0));
        own
    }

    pub fn pieces_by_day(&self) -> Rows {
        let own = self.sessions_of_period().into_iter();
        own.map(|(nom, day, session)| self.day_point(day, nom, session.figures.total_pieces.into()))
            .collect()
    }

    pub fn days_shown(&self) -> Rows {
        let mut own = self.sessions_of_period();
        own.sort_by_key(|one| (std::cmp::Reverse(one.1), one.0));
        let one = |(nom, day, session): (&str, Day, &Session)| {
            let f = &session.figures;
            let at =
                |stamp: Option<Stamp>| stamp.map_or(Value::Null, |at| self.moment(at.to_naive()));
            let share = |ms: i64| match Sum::percent(whole(ms), whole(f.window_ms)) {
                Value::Null => json!(0.0),
                share => share,
            };
            row(json!({
                "Journée": self.day(day), "Machine": nom, "Pièces": f.total_pieces,
                "Première pièce": at(f.first_piece), "Dernière pièce": at(f.last_piece),
                "Occupation": share(f.effective_ms), "Attente": share(f.wait_ms), "Arrêt": share(f.stop_ms),
                "Arrêts": session.stops.len(), "Attentes": session.waits.len(), "Profils": session.jobs.len(),
                "Anomalies fortes": self.critical.get(&(nom.to_owned(), day)).copied().unwrap_or(0),
            }))
        };
        own.into_iter().map(one).collect()
    }

    /// By reference and colour: bars, hundredths of a millimetre, pieces.
    fn profiles_used(&self) -> BTreeMap<Option<(String, String)>, (u64, i64, u64)> {
        let mut used: BTreeMap<Option<(String, String)>, (u64, i64, u64)> = BTreeMap::new();
        for (_, _, session) in self.sessions_of_period() {
            let key = |job: &cu_agent::model::Job| {
                Some((job.reference.to_string(), job.colour.to_string()))
            };
            for job in &session.jobs {
                let sum = used.entry(key(job)).or_default();
                *sum = (sum.0 + 1, sum.1 + job.length_e2, sum.2);
            }
            for piece in &session.pieces {
                let job = session.jobs.iter().rfind(|job| job.at <= piece.at);
                used.entry(job.and_then(key)).or_default().2 += 1;
            }
        }
        used
    }

    fn named(key: &Option<(String, String)>) -> Map<String, Value> {
        let (reference, colour) = key.clone().unzip();
        row(json!({"Référence": reference, "Couleur": colour}))
    }

    pub fn profiles(&self) -> Rows {
        let mut used: Vec<_> = self.profiles_used().into_iter().collect();
        used.sort_by_key(|(key, sum)| (std::cmp::Reverse(sum.2), key.is_none(), key.clone()));
        let one = |(key, sum): &(_, (u64, i64, u64))| {
            with(Self::named(key), row(json!({"Profils": sum.0, "Pièces": sum.2})))
        };
        used.iter().map(one).collect()
    }

    pub fn material(&self) -> Rows {
        let mut used: Vec<_> =
            self.profiles_used().into_iter().filter(|(key, _)| key.is_some()).collect();
        used.sort_by_key(|(key, sum)| (std::cmp::Reverse(sum.1), key.clone()));
        let one = |(key, sum): &(_, (u64, i64, u64))| {
            let metres = sum.1 as f64 / 100_000.0;
            with(Self::named(key), row(json!({"Barres": sum.0, "Mètres": metres})))
        };
        used.iter().map(one).collect()
    }
}
