//! A report for people: one HTML file, written machine by machine.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write,
};

use super::{Contents, OfMachine};
use crate::{
    agent::wall,
    buffer::{HeaderFilter, SessionHeader, StoredSession},
    cli::Output,
    model::{Day, DayTimes, Session, Stamp, printable_lines},
    render::{Axis, PlannedShift},
    report::{
        self, DayFacts, DayReport, LongStop, MOST_PAGES, MachineFacts, MachineReport, Planning,
        Report, Scope,
    },
};

impl Contents<'_> {
    pub(super) fn write_html(&self, mut out: Output) -> anyhow::Result<()> {
        let machines = self.machines()?;
        let has_pages = self.has_details || self.machine.is_some() || machines.len() <= MOST_PAGES;
        let report = Report {
            agent: self.config.agent.id.clone(),
            period: self.chosen.period,
            language: self.language,
            day_start: self.config.analysis.day_start,
            now: wall().naive_local(),
            today: self.chosen.today,
            is_clock_wrong: self.chosen.is_clock_wrong,
            known: self.chosen.known,
            shift: self.shift.map(str::to_owned),
            pages: if has_pages { machines.len() } else { 0 },
            has_details: self.has_details,
        };
        let facts = self.facts(&machines)?;
        let summary = report::summary(&report.period, report.today, report.day_start, &facts);
        let mut write = |text: &str| out.write_all(printable_lines(text).as_bytes());
        let (before, after) = report::frame(&report, &summary, &self.silent(&machines)?);
        write(&before)?;
        let pages = machines.into_iter().zip(&summary.machines).take(report.pages);
        for (number, (machine, scope)) in pages.enumerate() {
            let machine = self.machine_report(&report, number, machine, scope.clone())?;
            write(&report::machine(&report, &machine, number + 2).into_string())?;
        }
        write(&after)?;
        Ok(out.flush()?)
    }

    /// What the machines' days add up to is computed from these, the period before among them.
    fn facts(&self, machines: &[OfMachine]) -> anyhow::Result<Vec<MachineFacts>> {
        let before = self.chosen.period.before();
        let earliest = before.map_or(self.from, |before| before.from);
        let filter =
            HeaderFilter { from: earliest, to: self.to, machine: self.machine, most: usize::MAX };
        let mut pieces: BTreeMap<&str, BTreeMap<Day, u32>> = BTreeMap::new();
        let headers = self.buffer.sessions().session_headers(&filter)?;
        for header in &headers {
            let of_day = pieces.entry(&header.nom).or_default();
            of_day.insert(header.day, header.figures.total_pieces);
        }
        let facts = machines.iter().map(|machine| {
            let mut days: BTreeMap<Day, DayFacts> = BTreeMap::new();
            let of_day = pieces.remove(machine.nom.as_str()).unwrap_or_default();
            for (day, pieces) in of_day {
                days.insert(day, DayFacts { day, pieces, times: None });
            }
            let first = machine.times.partition_point(|times| times.day < earliest);
            for times in &machine.times[first..] {
                let day = times.day;
                let facts = days.entry(day).or_insert(DayFacts { day, pieces: 0, times: None });
                facts.times = Some(times.clone());
            }
            if let Some(shift) = self.shift {
                days.values_mut().for_each(|day| keep_shift(day, shift));
                days.retain(|_, day| day.times.is_some());
            }
            MachineFacts {
                nom: machine.nom.clone(),
                days: days.into_values().collect(),
                cents_per_hour: machine.cents_per_hour,
            }
        });
        Ok(facts.collect())
    }

    /// The machines of which nothing is known in the period.
    fn silent(&self, machines: &[OfMachine]) -> anyhow::Result<Vec<String>> {
        let mapped = self.config.sources.iter().flat_map(|source| source.folders.values());
        let mut noms: BTreeSet<String> = mapped.map(|machine| machine.nom.clone()).collect();
        noms.extend(self.buffer.reports().machines()?.into_iter().map(|machine| machine.nom));
        noms.retain(|nom| self.machine.is_none_or(|only| only == nom));
        for machine in machines {
            noms.remove(&machine.nom);
        }
        Ok(noms.into_iter().collect())
    }

    fn machine_report(
        &self,
        report: &Report,
        number: usize,
        machine: OfMachine,
        scope: Scope,
    ) -> anyhow::Result<MachineReport> {
        let hours = self.hours(report, &machine);
        let axis_of = |day: Day| {
            let begin = report.begin_of(day);
            let (from, to) = hours.unwrap_or((6 * 3_600_000, 14 * 3_600_000));
            Axis { from: begin.plus_ms(from), to: begin.plus_ms(to) }
        };
        let mut days = Vec::new();
        let mut stops: Vec<LongStop> = Vec::new();
        let patterns = self.each_day(&machine, |stored, _, advice| {
            let StoredSession { day, session, anomalies, .. } = stored;
            let planned = planned_of(&machine.times, day, self.shift);
            let within = self.shift.map(|_| planned.as_slice());
            report::note_longest(&mut stops, day, &session, within);
            let id = format!("m{number}-{day}");
            days.push(DayReport {
                time_line: report::drawing(
                    report,
                    &machine.nom,
                    &id,
                    &session,
                    &planned,
                    axis_of(day),
                ),
                stops: session.stops.len(),
                figures: session.figures,
                day,
                anomalies,
                advice,
            });
            Ok(())
        })?;
        let planning = match self.buffer.sessions().has_calendar(&machine.nom)? {
            true => Planning::Calendar,
            false => Planning::None,
        };
        let hours = hours.map(|_| axis_of(self.from));
        Ok(MachineReport { scope, days, patterns, lines: machine.lines, planning, stops, hours })
    }

    /// From when to when of a day its strips show, after it begins: the same for all days of the machine.
    fn hours(&self, report: &Report, machine: &OfMachine) -> Option<(i64, i64)> {
        let of_machine = self.headers.iter().filter(|header| header.nom == machine.nom);
        let mut ends: Vec<(Axis, Stamp)> = of_machine
            .map(|header: &SessionHeader| {
                let begin = report.begin_of(header.day);
                let session = Session { figures: header.figures.clone(), ..Session::default() };
                let last = begin.plus_ms(24 * 3_600_000 - 1);
                let planned = planned_of(&machine.times, header.day, self.shift).into_iter();
                let shifts = planned
                    .flat_map(|shift| [shift.from.max(begin), shift.to.plus_ms(-1).min(last)]);
                (Axis::around([&session], shifts, begin), begin)
            })
            .collect();
        ends.sort_by_key(|(_, begin)| *begin);
        Axis::shared(ends)
    }
}

/// When a day's shifts are planned.
fn planned_of(times: &[DayTimes], day: Day, shift: Option<&str>) -> Vec<PlannedShift> {
    let of_day = times.iter().find(|times| times.day == day);
    let parts = of_day.into_iter().flat_map(|times| &times.parts);
    parts
        .filter(|part| shift.is_none_or(|shift| part.shift == shift))
        .map(|part| PlannedShift {
            name: part.shift.clone(),
            from: part.planned_from,
            to: part.planned_to,
            breaks: Vec::new(),
        })
        .collect()
}

/// Leaves of a day's times and pieces those of one shift.
fn keep_shift(day: &mut DayFacts, shift: &str) {
    if let Some(times) = &mut day.times {
        times.parts.retain(|part| part.shift == shift);
        day.pieces = times.parts.iter().map(|part| part.pieces).sum();
    }
    day.times.take_if(|times| times.parts.is_empty());
}
