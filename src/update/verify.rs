//! Whether an installed version works: the service was restarted and is ready, its buffer is open
//! at its schema, and it has collected once, with no source silent that answered before.

use std::{
    path::Path,
    thread,
    time::{Duration, Instant},
};

use super::{
    service::{self, UnitState},
    store::Pending,
};
use crate::model::StatusTold;

const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A version that collects once and then falls does not work.
const STEADY_FOR: Duration = Duration::from_secs(10);

/// Waits for the proof; an error says what was missing at the end.
pub(super) fn wait(
    pending: &Pending,
    config: &Path,
    state_dir: &Path,
    limit: Duration,
) -> Result<(), String> {
    if !pending.was_active {
        // It waited for a person before, for a usable configuration say, and does so now.
        return if service::says_its_version() {
            Ok(())
        } else {
            Err("the program does not start".into())
        };
    }
    let begun = Instant::now();
    let mut steady: Option<(u64, Instant)> = None;
    loop {
        let unit = service::unit().unwrap_or_default();
        let lacking = lacking(pending, &unit, || {
            service::ask(Path::new(service::PROGRAM), config, state_dir)
        });
        match lacking {
            None => match steady {
                Some((process, since)) if process == unit.process => {
                    if since.elapsed() >= STEADY_FOR {
                        return Ok(());
                    }
                }
                _ => steady = Some((unit.process, Instant::now())),
            },
            Some(lacking) => {
                steady = None;
                if begun.elapsed() >= limit {
                    return Err(format!("{lacking} within {} s", limit.as_secs()));
                }
            }
        }
        thread::sleep(LOOK_EVERY);
    }
}

/// What is missing to the proof at this moment. Pure but for the question to the agent.
fn lacking(
    pending: &Pending,
    unit: &UnitState,
    ask: impl FnOnce() -> Option<StatusTold>,
) -> Option<String> {
    if !unit.is_active {
        return Some(format!("the service was not active but {}", unit.state));
    }
    if unit.invocation == pending.invocation {
        return Some("the service was not restarted".into());
    }
    let Some(status) = ask() else {
        // Before the update it did not tell of itself either: what stands in its state directory is
        // its user's to shape, and holds no version off.
        let lacking = "its buffer could not be opened";
        return pending.answered.then(|| lacking.to_owned());
    };
    if !pending.answered {
        return None;
    }
    if status.schema != status.schema_known {
        return Some("its buffer was not migrated".into());
    }
    let service = status.service.filter(|service| {
        let process = service.process.map(u64::from);
        process == Some(unit.process)
    });
    let Some(collected) = service.and_then(|service| service.collected) else {
        return Some("it did not collect".into());
    };
    let failed = service::names(collected.failed_sources);
    let newly: Vec<String> =
        failed.into_iter().filter(|source| !pending.silent.contains(source)).collect();
    if !newly.is_empty() {
        return Some(format!("{} did not answer, but did before the update", newly.join(", ")));
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::update::{store::Phase, version::Version};

    #[test]
    fn each_thing_that_is_missing_to_the_proof_is_told() {
        let version = |text: &str| Version::parse(text).unwrap();
        let pending = Pending {
            phase: Phase::Verifying,
            from: version("0.2.0"),
            to: version("0.3.0"),
            architecture: "arm64".into(),
            attempts: 1,
            reason: String::new(),
            invocation: "before".into(),
            was_active: true,
            silent: vec!["stick".into()],
            answered: true,
        };
        let unit = UnitState {
            is_active: true,
            invocation: "after".into(),
            process: 17,
            state: "active (running)".into(),
        };
        let status = json!({
            "schema": 2, "schema_known": 2,
            "service": {"process": 17, "collected": {"failed_sources": ["stick"]}},
        });
        let of = |status: Value| serde_json::from_value(status).unwrap();
        let told = |unit: &UnitState, place: &str, value: Value| {
            let mut status = status.clone();
            *status.pointer_mut(place).unwrap() = value;
            lacking(&pending, unit, || Some(of(status))).unwrap_or_default()
        };
        assert_eq!(lacking(&pending, &unit, || Some(of(status.clone()))), None);
        assert!(told(&unit, "/schema", json!(1)).contains("migrated"));
        assert!(told(&unit, "/service", Value::Null).contains("collect"));
        assert!(told(&unit, "/service/process", json!(16)).contains("collect"));
        assert!(told(&unit, "/service/collected", Value::Null).contains("collect"));
        let silent = json!(["stick", "cu"]);
        assert!(told(&unit, "/service/collected/failed_sources", silent).starts_with("cu did not"));
        let old = UnitState { invocation: "before".into(), ..unit.clone() };
        assert!(told(&old, "/schema", json!(2)).contains("restarted"));
        let down = UnitState { is_active: false, state: "failed (failed)".into(), ..unit.clone() };
        assert!(told(&down, "/schema", json!(2)).contains("failed"));
        assert!(lacking(&pending, &unit, || None).unwrap().contains("opened"));
        let mute = Pending { answered: false, ..pending.clone() };
        assert_eq!(lacking(&mute, &unit, || None), None, "as before the update");
        assert!(lacking(&mute, &old, || None).unwrap().contains("restarted"));
        assert!(lacking(&mute, &down, || None).unwrap().contains("failed"));
    }
}
