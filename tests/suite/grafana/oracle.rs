//! What each panel must show of a [`Plant`], from its LOGs.

use std::collections::BTreeMap;

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, TimeDelta, Timelike, Utc};
use cu_agent::model::{Day, Session};
use serde_json::{Map, Value, json};

use super::{
    plant::{DAY_START, LastState, Machine, Part, Plant},
    sums::{Fraction, Rows, Sum, hours, row, whole, with},
};

/// What somebody looks at: from and to by the machines' clocks, and which machines.
pub struct Look<'p> {
    pub plant: &'p Plant,
    pub from: NaiveDateTime,
    pub to: NaiveDateTime,
    /// UTC is so many hours behind the machines' clocks.
    pub ahead: TimeDelta,
    pub machines: Vec<&'static str>,
    /// Anomalies of high severity that the agent's buffer holds, by machine and day.
    pub critical: &'p BTreeMap<(String, Day), u64>,
}

impl Look<'_> {
    /// A moment of a machine's clock as central's JSON has it.
    pub fn moment(&self, at: NaiveDateTime) -> Value {
        let utc: DateTime<Utc> = (at - self.ahead).and_utc();
        utc.format("%Y-%m-%dT%H:%M:%S+00:00").to_string().into()
    }

    pub fn day(&self, day: Day) -> Value {
        self.moment(day.and_hms_opt(0, 0, 0).unwrap())
    }

    fn chosen(&self) -> impl Iterator<Item = &Machine> {
        self.plant.machines.iter().filter(|machine| self.machines.contains(&machine.nom))
    }

    pub fn days(&self) -> std::ops::RangeInclusive<Day> {
        self.from.date()..=self.to.date()
    }

    /// Every part of the chosen machines.
    fn all_parts(&self) -> Vec<Part<'_>> {
        self.plant.parts().filter(|part| self.machines.contains(&part.nom)).collect()
    }

    fn parts(&self) -> Vec<Part<'_>> {
        let mut parts = self.all_parts();
        parts.retain(|part| self.days().contains(&part.day.day));
        parts
    }

    fn grouped<'p, K: Ord>(
        parts: &'p [Part<'p>],
        key: impl Fn(&Part<'p>) -> K,
    ) -> BTreeMap<K, Sum> {
        let mut groups: BTreeMap<K, Vec<&Part<'p>>> = BTreeMap::new();
        for part in parts {
            groups.entry(key(part)).or_default().push(part);
        }
        groups.into_iter().map(|(key, parts)| (key, Sum::of(parts.into_iter()))).collect()
    }

    pub fn sessions(&self) -> impl Iterator<Item = (&'static str, Day, &Session)> {
        self.chosen().flat_map(|machine| {
            machine.sessions.iter().map(|(day, session)| (machine.nom, *day, session))
        })
    }

    fn newest(machine: &Machine, to: Day) -> Option<Day> {
        machine.sessions.keys().copied().filter(|day| *day <= to).max()
    }

    // --- usine

    pub fn running_day(&self) -> Rows {
        let newest =
            self.chosen().filter_map(|machine| Self::newest(machine, self.to.date())).max();
        let Some(day) = newest else { return Vec::new() };
        let pieces: u32 =
            self.sessions().filter(|one| one.1 == day).map(|one| one.2.figures.total_pieces).sum();
        let parts = self.all_parts();
        let sum =
            Sum::of(parts.iter().filter(|part| part.day.day == day && part.nominal.is_some()));
        vec![with(row(json!({"Journée": self.day(day), "Pièces": pieces})), sum.rates())]
    }

    pub fn machines(&self) -> Rows {
        let one = |machine: &Machine| {
            let day = Self::newest(machine, self.to.date())?;
            let (state, at) = machine.last[&day];
            let age = (self.to - at).num_milliseconds() as f64 / 1000.0;
            let state = match state {
                LastState::Stopped => "à l'arrêt",
                _ if age > 1800.0 => "sans nouvelles",
                LastState::Waiting => "en attente",
                LastState::Producing => "en production",
            };
            let parts: Vec<Part<'_>> = self
                .all_parts()
                .into_iter()
                .filter(|p| p.nom == machine.nom && p.day.day == day)
                .collect();
            let trs = Sum::of(parts.iter()).rates()["TRS"].clone();
            Some(row(json!({
                "Machine": machine.nom, "État": state, "Depuis": self.moment(at),
                "Dernier événement": self.moment(at), "Âge": age, "Journée": self.day(day),
                "Pièces": machine.sessions[&day].figures.total_pieces, "TRS": trs,
            })))
        };
        self.chosen().filter_map(one).collect()
    }

    pub fn shifts_of_the_newest_day(&self) -> Rows {
        let mut rows = Vec::new();
        for machine in self.chosen() {
            let Some(day) = Self::newest(machine, self.to.date()) else { continue };
            for part in self.all_parts().iter().filter(|p| p.nom == machine.nom && p.day.day == day)
            {
                let mut rates = Sum::of([part].into_iter()).rates();
                rates.extend(row(json!({
                    "Machine": machine.nom, "Journée": self.day(day), "Poste": part.times.shift,
                    "Pièces": part.times.pieces, "Rebuts": part.times.rejects,
                    "Jusqu'à": if part.day.is_over { Value::Null } else { self.moment(part.day.known_until.to_naive()) },
                })));
                rows.push(rates);
            }
        }
        rows
    }

    pub fn pieces_by_hour(&self) -> Rows {
        let hour = |at: NaiveDateTime| at.date().and_hms_opt(at.hour(), 0, 0).unwrap();
        let mut counts: BTreeMap<(NaiveDateTime, &str), u64> = BTreeMap::new();
        for (nom, _, session) in self.sessions() {
            for piece in &session.pieces {
                *counts.entry((hour(piece.at.to_naive()), nom)).or_default() += 1;
            }
        }
        let shown =
            counts.into_iter().filter(|((at, _), _)| *at >= hour(self.from) && *at <= self.to);
        shown.map(|((at, nom), count)| self.point(at, nom, count.into())).collect()
    }

    fn point(&self, at: NaiveDateTime, nom: &str, value: Value) -> Map<String, Value> {
        row(json!({"time": self.moment(at), "metric": nom, "value": value}))
    }

    pub fn day_point(&self, day: Day, nom: &str, value: Value) -> Map<String, Value> {
        self.point(day.and_hms_opt(0, 0, 0).unwrap(), nom, value)
    }

    // --- trs

    pub fn trs(&self) -> Rows {
        let parts = self.parts();
        let sum = Sum::of(parts.iter().filter(|part| part.nominal.is_some()));
        if sum.parts == 0 {
            return Vec::new();
        }
        let mut rates = sum.rates();
        rates.insert("TRG".into(), Sum::percent(sum.useful, whole(sum.opening)));
        vec![rates]
    }

    pub fn trs_by_day(&self) -> Rows {
        let days = Self::grouped(&self.parts(), |part| (part.day.day, part.nom));
        let rated =
            days.into_iter().map(|((day, nom), sum)| (day, nom, sum.rates()["TRS"].clone()));
        rated
            .filter(|one| !one.2.is_null())
            .map(|(day, nom, trs)| self.day_point(day, nom, trs))
            .collect()
    }

    pub fn by_machine_and_shift(&self) -> Rows {
        let mut parts = self.parts();
        parts.retain(|part| part.nominal.is_some());
        let order = |part: &Part<'_>| part.times.planned_from.to_naive().time();
        let shifts =
            Self::grouped(&parts, |part| (part.nom, order(part), part.times.shift.clone()));
        let one = |((nom, _, shift), sum): ((&str, _, String), Sum)| {
            let head = json!({"Machine": nom, "Poste": shift, "Jours": sum.parts, "Pièces": sum.pieces,
                "Rebuts": sum.rejects, "Requis": hours(sum.required)});
            with(row(head), sum.rates())
        };
        shifts.into_iter().map(one).collect()
    }

    /// The newest first; `period` is a period's first and last day, and its name.
    fn by_period(&self, name: &str, period: impl Fn(Day) -> (Day, Day, Value)) -> Rows {
        let parts = self.all_parts();
        let periods =
            Self::grouped(&parts, |part| (std::cmp::Reverse(period(part.day.day).0), part.nom));
        let mut rows = Vec::new();
        for ((first, nom), sum) in periods {
            let (first, last, shown) = period(first.0);
            if first <= self.to.date() && last >= self.from.date() {
                rows.push(with(row(json!({"Machine": nom, name: shown})), sum.shown()));
            }
        }
        rows
    }

    pub fn by_week(&self) -> Rows {
        self.by_period("Semaine", |day| {
            let monday = day - TimeDelta::days(day.weekday().num_days_from_monday().into());
            let week = day.iso_week();
            (
                monday,
                monday + TimeDelta::days(6),
                format!("{}-W{:02}", week.year(), week.week()).into(),
            )
        })
    }

    pub fn by_month(&self) -> Rows {
        self.by_period("Mois", |day| {
            let first = day.with_day(1).unwrap();
            let next = NaiveDate::from_ymd_opt(day.year(), day.month() + 1, 1).unwrap();
            (first, next.pred_opt().unwrap(), day.format("%Y-%m").to_string().into())
        })
    }

    pub fn by_day(&self) -> Rows {
        self.by_period("Journée", |day| (day, day, self.day(day)))
    }

    pub fn shift_by_shift(&self) -> Rows {
        let mut parts = self.parts();
        parts.sort_by_key(|part| (std::cmp::Reverse(part.times.planned_from), part.nom));
        let one = |part: &Part<'_>| {
            let mut sum = Sum::of([part].into_iter());
            sum.total = part.day.total_ms(DAY_START);
            let head = json!({"Machine": part.nom, "Journée": self.day(part.day.day), "Poste": part.times.shift});
            with(row(head), sum.shown())
        };
        parts.iter().map(one).collect()
    }

    // --- pertes

    /// Name, milliseconds, and milliseconds by pieces an hour.
    fn losses(sum: &Sum) -> Vec<(&'static str, Fraction, i64)> {
        let minus = |fraction: Fraction| Fraction(-fraction.0, fraction.1);
        let pace = whole(sum.rated_running).plus(minus(sum.net));
        let mut losses = vec![
            ("Arrêts", whole(sum.stop), sum.lost[0]),
            ("Attentes", whole(sum.wait), sum.lost[1]),
            ("Démarrage", whole(sum.start), sum.lost[2]),
            ("Fin de poste", whole(sum.end), sum.lost[3]),
        ];
        if sum.rated_running > 0 || sum.rated_pieces > 0 || sum.lost.iter().any(|lost| *lost > 0) {
            losses.push(("Cadence", pace, sum.lost[4] - 3_600_000 * sum.rated_pieces));
            losses.push(("Rebuts", sum.net.plus(minus(sum.useful)), 3_600_000 * sum.bad));
        }
        losses.sort_by(|a, b| {
            let by_size = (b.1.0 * a.1.1).cmp(&(a.1.0 * b.1.1));
            by_size.then(a.0.cmp(b.0))
        });
        losses
    }

    pub fn losses_ranked(&self) -> Rows {
        let parts = self.parts();
        if parts.is_empty() {
            return Vec::new();
        }
        let losses = Self::losses(&Sum::of(parts.iter()));
        let one = |(name, ms, _): (&str, Fraction, i64)| {
            row(json!({"Perte": name, "Heures": ms.rounded(whole(3_600_000), 4)}))
        };
        losses.into_iter().map(one).collect()
    }

    pub fn losses_shared(&self) -> Rows {
        let parts = self.parts();
        if parts.is_empty() {
            return Vec::new();
        }
        let sum = Sum::of(parts.iter());
        let losses = Self::losses(&sum);
        let is_without_pieces = parts.iter().all(|part| part.nominal.is_none());
        let all =
            losses.iter().filter(|loss| loss.1.0 > 0).fold(whole(0), |all, loss| all.plus(loss.1));
        let mut so_far = whole(0);
        let mut rows = Vec::new();
        for (name, ms, lost) in losses {
            if ms.0 > 0 {
                so_far = so_far.plus(ms);
            }
            let pieces = if is_without_pieces {
                Value::Null
            } else {
                whole(lost).rounded(whole(3_600_000), 1)
            };
            rows.push(row(json!({
                "Perte": name, "Heures": ms.rounded(whole(3_600_000), 4),
                "Part du requis": Sum::percent(ms, whole(sum.required)),
                "Cumul": Sum::percent(so_far, all), "Pièces perdues": pieces,
            })));
        }
        rows
    }

    fn split_by<K: Ord>(
        &self,
        key: impl Fn(&Part<'_>) -> K,
        name: impl Fn(&K, &Sum) -> Value,
    ) -> Rows {
        let parts = self.parts();
        let mut sums: Vec<(K, Sum)> = Self::grouped(&parts, key).into_iter().collect();
        sums.sort_by_key(|(_, sum)| std::cmp::Reverse(sum.required - sum.running));
        sums.iter().map(|(key, sum)| with(row(name(key, sum)), sum.split())).collect()
    }

    pub fn required_by_machine(&self) -> Rows {
        self.split_by(|part| part.nom, |nom, sum| {
            json!({"Machine": nom, "Requis": hours(sum.required), "Pièces": sum.pieces, "Rebuts": sum.rejects})
        })
    }

    pub fn required_by_shift(&self) -> Rows {
        self.split_by(|part| (part.nom, part.times.shift.clone()), |(nom, shift), sum| {
            json!({"Machine": nom, "Poste": shift, "Requis": hours(sum.required)})
        })
    }

    pub fn required_by_day(&self) -> Rows {
        let days = Self::grouped(&self.parts(), |part| part.day.day);
        days.iter()
            .map(|(day, sum)| with(row(json!({"time": self.day(*day)})), sum.split()))
            .collect()
    }
}
