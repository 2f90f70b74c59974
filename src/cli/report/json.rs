//! A report for programs: sessions, planned time, material and patterns of each machine as one JSON object.

use std::io::Write;

use serde_json::{Value, json};

use super::{Contents, planned};
use crate::{
    analyse::{OfProfile, Patterns},
    cli::{JsonOutput, Output, sessions},
};

impl Contents<'_> {
    /// One session per line.
    pub(super) fn write_json(&self, out: Output) -> anyhow::Result<()> {
        let mut out = JsonOutput(out);
        let language = self.language;
        write!(out, "{{\"from\":\"{}\",\"to\":\"{}\",\"machines\":[", self.from, self.to)?;
        let mut before_machine = "\n";
        for machine in self.machines()? {
            write!(out, "{before_machine}{{\"machine\":{},\"sessions\":[", json!(machine.nom))?;
            before_machine = ",\n";
            let mut before_session = "\n";
            let mut material: Vec<String> = Vec::new();
            let found = self.each_day(&machine, |stored, today, advice| {
                out.write_all(before_session.as_bytes())?;
                before_session = ",\n";
                let rows = planned::material(&machine.nom, stored.day, today);
                material.extend(rows.iter().map(planned::object));
                let day_start = self.config.analysis.day_start;
                sessions::write_object(&mut out, &stored, day_start, language, Some(&advice))
            })?;
            write!(out, "\n],\"planned\":{{\"currency\":\"EUR\"")?;
            for (name, which) in [
                ("postes", planned::Lines::Shifts),
                ("jours", planned::Lines::Days),
                ("semaines", planned::Lines::Weeks),
                ("periode", planned::Lines::Period),
            ] {
                let lines = machine.lines.iter().filter(|line| which.hold(line));
                let rows: Vec<String> = lines
                    .map(|line| planned::object(&planned::fields(&machine.nom, line)))
                    .collect();
                write!(out, ",\n\"{name}\":[{}]", rows.join(",\n"))?;
            }
            write!(out, "}},\n\"material\":[{}]", material.join(",\n"))?;
            write!(out, ",\n\"patterns\":{}}}", patterns(&found))?;
        }
        out.write_all(b"\n]}\n")?;
        Ok(out.flush()?)
    }
}

fn patterns(patterns: &Patterns) -> Value {
    let seconds = |ms: i64| ms / 1000;
    let hours: Vec<Value> = patterns
        .hours
        .iter()
        .enumerate()
        .filter(|(_, hour)| hour.window_ms > 0)
        .map(|(at, hour)| {
            json!({
                "hour": at,
                "pieces": hour.pieces,
                "effective_s": seconds(hour.effective_ms),
                "wait_s": seconds(hour.wait_ms),
                "stops": hour.stops,
                "stop_s": seconds(hour.stop_ms),
            })
        })
        .collect();
    let stops: Vec<Value> = ["micro", "short", "long"]
        .iter()
        .zip(patterns.stops)
        .map(|(class, stops)| json!({ "class": class, "stops": stops.count, "stop_s": seconds(stops.ms) }))
        .collect();
    let of_profile = |of: &OfProfile| {
        json!({
            "pieces": of.pieces,
            "runs": of.runs,
            "waits": of.waits,
            "wait_s": seconds(of.wait_ms),
            "median_cycle_ms": of.median_cycle_ms,
        })
    };
    let profiles: Vec<Value> = patterns
        .profiles
        .iter()
        .map(|(profile, of)| {
            let mut object = of_profile(of);
            object["reference"] = json!(profile.as_ref().map(|profile| profile.reference.as_str()));
            object["couleur"] = json!(profile.as_ref().map(|profile| profile.colour.as_str()));
            object
        })
        .collect();
    json!({
        "days": patterns.days,
        "pieces": patterns.pieces,
        "hours": hours,
        "stops": stops,
        "profiles": profiles,
        "other_profiles": of_profile(&patterns.other_profiles),
        "changes": {
            "count": patterns.changes.count,
            "span_s": seconds(patterns.changes.span_ms),
            "cost_s": seconds(patterns.changes.cost_ms),
        },
        "start_loss_s": seconds(patterns.start_loss_ms),
        "end_loss_s": seconds(patterns.end_loss_ms),
    })
}
