//! `/metrics`: the figures in the OpenMetrics text format, as a pure function of them.
//!
//! Labels are the configured names of sources and machines, the closed lists of reasons for rejects and
//! of what required time was, and the stages: their number does not grow with what is read. What must
//! never happen here: a label made of what stands in a file.

use std::{
    fmt::{Display, Write},
    time::Duration,
};

use chrono::{NaiveDateTime, NaiveTime};

use super::{
    counters::{Counters, SourceCounters},
    holdings::{Holdings, PlannedDay},
};
use crate::{buffer::Totals, model::Rates};

pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Everything that the text is made of.
pub struct Measured<'m> {
    pub agent: &'m str,
    pub version: &'m str,
    pub counts: &'m Counters,
    pub holdings: Option<&'m Holdings>,
    /// `None`: there is no central, or nothing was asked of it yet.
    pub central_is_up: Option<bool>,
    pub is_well: bool,
    /// Whether the last self-update did not end well; `None`: none is configured.
    pub update_failed: Option<bool>,
    /// Whether settings from central were refused; `None`: none are taken.
    pub settings_refused: Option<bool>,
    /// The computer's running time.
    pub now: Duration,
    /// The same moment in UTC and by the gateway's clock, where that is believed.
    pub utc: Option<NaiveDateTime>,
    pub wall: Option<NaiveDateTime>,
}

impl Measured<'_> {
    /// A moment of the running time as seconds since 1970, by the clock as it is now.
    fn unix_s(&self, at: Option<Duration>) -> Option<f64> {
        let ago = self.now.saturating_sub(at?).as_secs_f64();
        self.utc.map(|now| now.and_utc().timestamp() as f64 - ago.round())
    }

    /// Since the begin of the oldest production day that central does not hold; 0 where it holds all.
    fn oldest_pending_s(&self, totals: &Totals) -> Option<i64> {
        match totals.oldest_pending_day {
            None => Some(0),
            Some(day) => {
                let age = self.wall? - day.and_time(NaiveTime::MIN);
                Some(age.num_seconds().max(0))
            }
        }
    }
}

/// The text up to its `# EOF`.
pub fn text(measured: &Measured<'_>) -> String {
    let mut page = Page::default();
    page.family("cu_agent_build", "info", "Version and name of the agent.");
    page.sample("_info", &[("version", measured.version), ("agent", measured.agent)], 1);
    page.gauge(
        "cu_agent_healthy",
        "Whether the agent is healthy, as in /healthz.",
        u8::from(measured.is_well),
    );
    let help = "Whether the gateway's clock can be right.";
    page.gauge("cu_agent_clock_plausible", help, u8::from(measured.wall.is_some()));
    if let Some(failed) = measured.update_failed {
        let help = "Whether the last self-update was refused, failed or rolled back.";
        page.gauge("cu_agent_update_failed", help, u8::from(failed));
    }
    if let Some(refused) = measured.settings_refused {
        let help = "Whether the newest settings from central were refused or rolled back.";
        page.gauge("cu_agent_settings_refused", help, u8::from(refused));
    }
    page.reading(measured.counts);
    page.reachability(measured);
    page.stages(measured.counts);
    page.delivery(measured);
    if let Some(holdings) = measured.holdings {
        page.buffer(measured, holdings);
        page.room(holdings);
        page.alarms(holdings);
        page.required_time(&holdings.planned);
    }
    page.text + "# EOF\n"
}

impl Page {
    /// What was read of each source.
    fn reading(&mut self, counts: &Counters) {
        let mut each = |name, unit, help, value: &dyn Fn(&SourceCounters) -> u64| {
            self.family_of(name, "counter", unit, help);
            for (source, counts) in &counts.sources {
                self.sample("_total", &[("source", source)], value(counts));
            }
        };
        each(
            "cu_agent_files_read",
            None,
            "Files read; a file counts again each time it has grown.",
            &|s| s.files_read,
        );
        each("cu_agent_files_failed", None, "File reads that failed.", &|s| s.files_failed);
        each("cu_agent_files_refused", None, "Files refused.", &|s| s.files_refused);
        each("cu_agent_files_deleted", None, "Files deleted on the source after delivery.", &|s| {
            s.files_deleted
        });
        let bytes = Some("bytes");
        each("cu_agent_read_bytes", bytes, "New bytes read and stored.", &|s| s.bytes);
        each("cu_agent_events", None, "Events read.", &|s| s.events);
        each("cu_agent_rejects", None, "Lines rejected while reading.", &|s| s.rejected);
    }

    /// What of each source answers and can be read.
    fn reachability(&mut self, measured: &Measured<'_>) {
        let counts = measured.counts;
        self.family(
            "cu_agent_source_up",
            "gauge",
            "Whether the source answered in the last cycle.",
        );
        for (source, counts) in &counts.sources {
            if let Some(is_up) = counts.is_up {
                self.sample("", &[("source", source)], u8::from(is_up));
            }
        }
        let help = "Whether the machine's folder could be read in the last cycle.";
        self.family("cu_agent_machine_readable", "gauge", help);
        for (source, counts) in &counts.sources {
            for (nom, hidden) in &counts.machines {
                // Behind a source that does not answer nothing is known of a machine.
                let is_readable = hidden.is_none() && counts.is_up == Some(true);
                self.sample("", &[("source", source), ("machine", nom)], u8::from(is_readable));
            }
        }
        let help = "Folders, files and listings that cannot be read, by kind.";
        self.family("cu_agent_troubles", "gauge", help);
        for (source, counts) in &counts.sources {
            for (kind, count) in &counts.troubles {
                self.sample("", &[("source", source), ("kind", kind.as_str())], count);
            }
        }
        let name = "cu_agent_source_last_success_timestamp_seconds";
        self.family_of(
            name,
            "gauge",
            Some("seconds"),
            "When the last complete cycle over the source ended.",
        );
        for (source, counts) in &counts.sources {
            if let Some(at) = measured.unix_s(counts.last_success) {
                self.sample("", &[("source", source)], at);
            }
        }
    }

    fn stages(&mut self, counts: &Counters) {
        let help = "Time spent per stage.";
        self.family_of("cu_agent_stage_seconds", "counter", Some("seconds"), help);
        for (stage, time) in
            [("read", counts.read_time), ("keep", counts.keep_time), ("sync", counts.sync_time)]
        {
            self.sample("_total", &[("stage", stage)], time.as_secs_f64());
        }
        self.counter("cu_agent_cycles", "Collection cycles, each over one source.", counts.cycles);
        let help = "Collection cycles after which no source had a fault.";
        self.counter("cu_agent_good_cycles", help, counts.good_cycles);
    }

    fn delivery(&mut self, measured: &Measured<'_>) {
        let counts = measured.counts;
        if let Some(is_up) = measured.central_is_up {
            self.gauge("cu_agent_central_up", "Whether central answers.", u8::from(is_up));
        }
        let hosts = measured.holdings.map_or(&[][..], |holdings| &holdings.central_hosts);
        if !hosts.is_empty() {
            let help = "Which of the configured servers central is; none while it does not answer.";
            self.family("cu_agent_central_host", "gauge", help);
        }
        for (host, is_used) in hosts {
            self.sample("", &[("host", host)], u8::from(*is_used));
        }
        if let Some((version, is_refused)) = measured.holdings.and_then(|it| it.calendar) {
            let help = "Version of the plant's calendar in use.";
            self.gauge("cu_agent_calendar_version", help, version);
            let help = "Whether the newest version of the plant's calendar cannot be used.";
            self.gauge("cu_agent_calendar_refused", help, u8::from(is_refused));
        }
        if let Some(waiting) = counts.reports_waiting {
            let help = "Weekly reports waiting to be sent.";
            self.gauge("cu_agent_reports_waiting", help, waiting);
        }
        self.counter("cu_agent_sync_sessions", "Sessions delivered.", counts.synced_sessions);
        self.counter("cu_agent_sync_rows", "Rows written in central.", counts.synced_rows);
        self.counter("cu_agent_sync_failures", "Deliveries that failed.", counts.sync_failures);
        if let Some(at) = measured.unix_s(counts.last_sync) {
            let name = "cu_agent_sync_last_success_timestamp_seconds";
            self.family_of(name, "gauge", Some("seconds"), "When central last answered.");
            self.sample("", &[], at);
        }
    }

    /// What the buffer holds, and what of it waits.
    fn buffer(&mut self, measured: &Measured<'_>, holdings: &Holdings) {
        let Holdings { totals, lines, .. } = holdings;
        self.gauge("cu_agent_sessions", "Sessions in the buffer.", totals.sessions);
        let help = "Sessions waiting for delivery to central.";
        self.gauge("cu_agent_sessions_pending", help, totals.pending_sessions);
        let help = "Planned days without a LOG whose times wait for delivery to central.";
        self.gauge("cu_agent_planned_days_pending", help, totals.pending_planned_days);
        let help = "Waiting sessions quarantined because central refused them.";
        self.gauge("cu_agent_sessions_set_aside", help, totals.set_aside_sessions);
        if let Some(age) = measured.oldest_pending_s(totals) {
            let help = "Age of the oldest day waiting for delivery.";
            self.family_of("cu_agent_oldest_pending_seconds", "gauge", Some("seconds"), help);
            self.sample("", &[], age);
        }
        self.gauge("cu_agent_buffer_files", "Files known to the buffer.", totals.files);
        let help = "Known files that are refused.";
        self.gauge("cu_agent_buffer_files_refused", help, totals.refused_files);
        self.gauge("cu_agent_buffer_lines", "Lines of the known files.", lines.lines);
        self.gauge("cu_agent_buffer_events", "Events of the known files.", lines.events);
        let help = "Rejected lines of the known files, by reason.";
        self.family("cu_agent_buffer_rejects", "gauge", help);
        for (reason, count) in &lines.rejects {
            self.sample("", &[("reason", reason)], count);
        }
    }

    /// What the buffer takes of its disk, and what is left.
    fn room(&mut self, holdings: &Holdings) {
        let mut bytes = |name, help, bytes: u64| {
            self.family_of(name, "gauge", Some("bytes"), help);
            self.sample("", &[], bytes);
        };
        bytes("cu_agent_buffer_bytes", "Size of the buffer on disk.", holdings.buffer_bytes);
        let help = "Size at which the buffer is full: max_buffer_size.";
        bytes("cu_agent_buffer_max_bytes", help, holdings.max_buffer_bytes);
        if let Some(free) = holdings.free_bytes {
            bytes("cu_agent_disk_free_bytes", "Free space on the disk of the buffer.", free);
        }
        let help = "Whether the disk of the buffer is read-only, so that nothing is read.";
        self.gauge("cu_agent_disk_read_only", help, u8::from(holdings.is_read_only));
    }

    /// What is wrong by the agent's own alarms, by kind, and what of it nobody has taken.
    fn alarms(&mut self, holdings: &Holdings) {
        let Some(alarms) = &holdings.alarms else { return };
        let help = "Alarms that stand, by kind.";
        self.family("cu_agent_alarms", "gauge", help);
        for (kind, count) in &alarms.standing {
            self.sample("", &[("kind", kind.as_str())], count);
        }
        let help = "Messages of alarms that the receiver has not taken.";
        self.gauge("cu_agent_alarm_messages_pending", help, alarms.waiting);
    }

    /// Where the required time of each machine's newest day went; nothing of a machine without a calendar.
    fn required_time(&mut self, planned: &[PlannedDay]) {
        if planned.is_empty() {
            return;
        }
        type Rate = fn(&Rates) -> Option<i64>;
        let rates: [(&'static str, &str, Rate); 6] = [
            ("cu_agent_trs_ratio", "TRS (OEE): useful time / required time.", |r| r.trs_e2),
            ("cu_agent_trg_ratio", "TRG: useful time / opening time.", |r| r.trg_e2),
            ("cu_agent_tre_ratio", "TRE: useful time / total time.", |r| r.tre_e2),
            ("cu_agent_availability_ratio", "Do: running time / required time.", |r| {
                r.availability_e2
            }),
            ("cu_agent_performance_ratio", "Tp: net time / running time.", |r| r.performance_e2),
            ("cu_agent_quality_ratio", "Tq: good pieces / pieces.", |r| r.quality_e2),
        ];
        for (name, help, rate) in rates {
            self.family_of(name, "gauge", Some("ratio"), help);
            for day in planned {
                if let Some(rate_e2) = rate(&day.rates) {
                    let ratio = format!("{}.{:04}", rate_e2 / 10_000, rate_e2 % 10_000);
                    self.sample("", &[("machine", &day.machine)], ratio);
                }
            }
        }
        let seconds = |ms: i64| format!("{}.{:03}", ms / 1000, ms % 1000);
        let name = "cu_agent_required_seconds";
        let help = "Required time of the newest day, by what it was.";
        self.family_of(name, "gauge", Some("seconds"), help);
        for PlannedDay { machine, sum, .. } in planned {
            for (state, ms) in [
                ("running", sum.running_ms),
                ("stop", sum.stop_ms),
                ("wait", sum.wait_ms),
                ("start", sum.start_ms),
                ("end", sum.end_ms),
            ] {
                self.sample("", &[("machine", machine), ("state", state)], seconds(ms));
            }
        }
        let help = "Opening time of the newest day.";
        self.family_of("cu_agent_opening_seconds", "gauge", Some("seconds"), help);
        for PlannedDay { machine, sum, .. } in planned {
            self.sample("", &[("machine", machine)], seconds(sum.opening_ms));
        }
        let help =
            "Whether the newest day is over; otherwise its times are those up to its last event.";
        self.family("cu_agent_day_over", "gauge", help);
        for PlannedDay { machine, is_over, .. } in planned {
            self.sample("", &[("machine", machine)], u8::from(*is_over));
        }
    }
}

#[derive(Default)]
struct Page {
    text: String,
    /// The family that samples belong to.
    name: &'static str,
}

impl Page {
    fn family(&mut self, name: &'static str, kind: &str, help: &str) {
        self.family_of(name, kind, None, help);
    }

    fn family_of(&mut self, name: &'static str, kind: &str, unit: Option<&str>, help: &str) {
        self.name = name;
        self.line(format_args!("# TYPE {name} {kind}"));
        if let Some(unit) = unit {
            self.line(format_args!("# UNIT {name} {unit}"));
        }
        self.line(format_args!("# HELP {name} {help}"));
    }

    fn gauge(&mut self, name: &'static str, help: &str, value: impl Display) {
        self.family(name, "gauge", help);
        self.sample("", &[], value);
    }

    fn counter(&mut self, name: &'static str, help: &str, value: u64) {
        self.family(name, "counter", help);
        self.sample("_total", &[], value);
    }

    fn sample(&mut self, suffix: &str, labels: &[(&str, &str)], value: impl Display) {
        let pairs: Vec<String> =
            labels.iter().map(|(key, value)| format!("{key}=\"{}\"", escaped(value))).collect();
        let labels =
            if pairs.is_empty() { String::new() } else { format!("{{{}}}", pairs.join(",")) };
        let name = self.name;
        self.line(format_args!("{name}{suffix}{labels} {value}"));
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        writeln!(self.text, "{line}").expect("a string grows");
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured<'m>(counts: &'m Counters, holdings: Option<&'m Holdings>) -> Measured<'m> {
        let at = "2026-11-24T12:00:00".parse().ok();
        Measured {
            agent: "ligne \"1\"\n\\",
            version: "0.1.0",
            counts,
            holdings,
            central_is_up: Some(false),
            is_well: true,
            update_failed: None,
            settings_refused: None,
            now: Duration::from_secs(1000),
            utc: at,
            wall: at,
        }
    }

    #[test]
    fn a_moment_is_told_by_the_clock_as_it_is_now_and_an_age_by_the_begin_of_its_day() {
        let mut counts = Counters::default();
        let source =
            SourceCounters { last_success: Some(Duration::from_secs(940)), ..Default::default() };
        counts.sources.insert("cu".into(), source);
        let mut holdings = Holdings::default();
        holdings.totals.oldest_pending_day = "2026-11-23".parse().ok();
        let text = text(&measured(&counts, Some(&holdings)));
        assert!(
            text.contains(
                "cu_agent_source_last_success_timestamp_seconds{source=\"cu\"} 1795521540\n"
            ),
            "{text}"
        );
        assert!(text.contains("cu_agent_oldest_pending_seconds 129600\n"), "{text}");
        assert!(text.contains("cu_agent_central_up 0\n") && text.ends_with("# EOF\n"), "{text}");
    }

    #[test]
    fn names_are_escaped_and_without_a_believable_clock_no_moment_is_told() {
        let counts = Counters { last_sync: Some(Duration::from_secs(1)), ..Counters::default() };
        let text = text(&Measured { utc: None, wall: None, ..measured(&counts, None) });
        assert!(text.contains(r#"agent="ligne \"1\"\n\\"} 1"#), "{text}");
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        assert_eq!(samples.filter(|line| line.contains("timestamp")).count(), 0, "{text}");
    }
}
