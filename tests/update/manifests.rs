//! What an attacker between publisher and gateways, a cache, a wrong clock or a publisher's mistake can do with
//! manifests whose signatures are right: replay, freeze, rollback, fast-forward, mix and match, another product
//! or processor, endless and slow data. Each is refused in words of its own, and what comes after it works.

use std::{fs, thread};

use chrono::{DateTime, TimeDelta};
use serde_json::{Value, json};

use crate::{
    asked::{Gateway, offered, shut_window},
    publisher::{SLOW, architecture},
    support::clock::{Wrong, WrongClock},
};

const HOUR_S: i64 = 3600;

#[test]
fn a_stopped_rollout_stays_stopped_when_the_manifest_before_is_served_once_more() {
    let (publisher, gateway) = offered();
    let first = publisher.copy();
    gateway.check().succeeded().says("version 0.3.0 would be installed");
    publisher.publish("0.3.0", &["--rollout", "0"]);
    gateway.refuses(3, &["not yet", "0 % of the gateways"]);
    let stopped = publisher.copy();
    publisher.replay(&first);
    gateway.refuses(3, &["refused", "an old copy is being served"]);
    assert_eq!(gateway.status()["last"]["result"], "refused");
    publisher.replay(&stopped);
    gateway.refuses(3, &["not yet", "0 % of the gateways"]);
    publisher.publish("0.3.0", &[]);
    gateway.check().succeeded().says("version 0.3.0 would be installed");
}

/// Any earlier copy, in any order, also after the updater's own process and memory have gone.
#[test]
fn of_many_manifests_only_the_newest_that_was_seen_and_newer_ones_are_believed() {
    let (publisher, mut gateway) = offered();
    gateway.agent.set("update.window", shut_window());
    let mut copies = vec![publisher.copy()];
    for percent in ["0", "10", "0", "100"] {
        publisher.publish("0.3.0", &["--rollout", percent]);
        copies.push(publisher.copy());
    }
    let mut random = fastrand::Rng::new();
    let mut newest = 0;
    for _ in 0..12 {
        let served = random.usize(..copies.len());
        publisher.replay(&copies[served]);
        let command = if random.bool() { "check" } else { "apply" };
        let said = gateway.agent.command(&["update", command]);
        let is_refused = said.stdout.contains("an old copy is being served");
        assert_eq!(is_refused, served < newest, "{served} after {newest}\n{said}");
        newest = newest.max(served);
    }
    gateway.is_as_it_was();
}

#[test]
fn a_manifest_and_the_signature_of_another_are_not_believed_together() {
    let (publisher, gateway) = offered();
    let [_, signature] = publisher.copy();
    publisher.publish("0.3.0", &["--rollout", "50"]);
    fs::write(publisher.file("manifest.json.minisig"), signature).unwrap();
    gateway.refuses(3, &["refused", "signature"]);
}

#[test]
fn two_manifests_of_one_serial_are_not_both_believed() {
    let (publisher, gateway) = offered();
    gateway.check().succeeded();
    publisher.edit(|manifest| manifest["rollout_percent"] = json!(0));
    gateway.refuses(3, &["refused", "two manifests with serial"]);
}

#[test]
fn a_manifest_that_is_served_for_ever_expires_and_a_renewed_one_is_believed() {
    let (publisher, mut gateway) = offered();
    publisher.edit(|manifest| {
        let signed_at = manifest["signed_at"].as_str().unwrap();
        let signed_at = DateTime::parse_from_rfc3339(signed_at).unwrap();
        manifest["expires"] = json!((signed_at + TimeDelta::hours(1)).to_rfc3339());
    });
    gateway.check().succeeded();
    let clock = WrongClock::given_to(&mut gateway.agent, Wrong::By(2 * HOUR_S));
    gateway.refuses(3, &["refused", "the manifest expired at", "--renew"]);
    publisher.renew();
    gateway.check().succeeded().says("version 0.3.0 would be installed");
    clock.set(Wrong::By(0));
    gateway.check().succeeded().says("version 0.3.0 would be installed");
}

#[test]
fn a_serial_or_a_time_of_tomorrow_is_refused_and_blocks_nothing_that_comes_after() {
    let (publisher, gateway) = offered();
    for (key, value, words) in [
        ("serial", json!(u64::MAX), "more than a day ahead of the time of its signature"),
        (
            "signed_at",
            json!("2099-01-01T00:00:00Z"),
            "more than a day ahead of this gateway's clock",
        ),
    ] {
        publisher.edit(|manifest| {
            manifest["serial"] = json!(manifest["serial"].as_u64().unwrap() + 1);
            manifest[key] = value;
            manifest["expires"] = json!("2100-01-01T00:00:00Z");
        });
        gateway.refuses(3, &["refused", words]);
        fs::remove_file(publisher.file("manifest.json")).unwrap();
        publisher.publish("0.3.0", &[]);
        gateway.check().succeeded().says("version 0.3.0 would be installed");
    }
}

/// Somebody signed 99.0.0 by mistake, and this gateway took it.
#[test]
fn a_withdrawn_version_is_left_for_the_one_that_is_offered_though_that_is_older() {
    let (publisher, gateway) = offered();
    publisher.pack("0.1.9", 1000);
    publisher.publish("0.1.9", &[]);
    gateway.refuses(3, &["refused", "0.1.9 is older than the installed 0.2.0", "--withdraw"]);
    publisher.publish("0.1.9", &["--withdraw", "0.2.0"]);
    gateway.check().succeeded().says("version 0.1.9 would be installed over 0.2.0");
    // It stays withdrawn, and is not offered again.
    publisher.publish("0.1.9", &[]);
    gateway.check().succeeded().says("version 0.1.9 would be installed over 0.2.0");
    publisher.edit(|manifest| {
        manifest["withdrawn"] = json!(["0.1.9"]);
        manifest["serial"] = json!(manifest["serial"].as_u64().unwrap() + 1);
    });
    gateway.refuses(3, &["refused", "offers version 0.1.9 and withdraws it"]);
}

#[test]
fn a_manifest_of_another_program_or_without_a_serial_is_refused_by_name() {
    let (publisher, gateway) = offered();
    publisher.edit(|manifest| manifest["product"] = json!("autre"));
    gateway.refuses(3, &["refused", "is for \"autre\", not for cu-agent"]);
    // As the first release's publisher made them.
    publisher.edit(|manifest| {
        for key in ["product", "serial", "signed_at", "expires"] {
            manifest.as_object_mut().unwrap().remove(key);
        }
    });
    gateway.refuses(3, &["refused", "has no serial", "packaging/manifest.sh"]);
}

#[test]
fn a_package_for_another_processor_than_the_manifest_says_is_refused() {
    let (publisher, gateway) = offered();
    publisher.pack_for("riscv64", "0.3.0", 1000);
    publisher.publish("0.3.0", &[]);
    publisher.edit(|manifest| {
        let packages = &mut manifest["packages"];
        packages[architecture()] = packages["riscv64"].clone();
    });
    let output = gateway.agent.command(&["update", "apply"]).exited(3);
    output.says("refused").says("is cu-agent 0.3.0 for riscv64").says("lists cu-agent 0.3.0 for");
    gateway.is_as_it_was();
}

#[test]
fn an_urgent_version_waits_for_no_window_and_for_machines_an_hour_at_most() {
    let (publisher, mut gateway) = offered();
    gateway.agent.set("update.window", shut_window());
    gateway.check().exited(3).says("not yet").says("window");
    publisher.publish("0.3.0", &["--urgent"]);
    gateway.check().succeeded().says("version 0.3.0 would be installed");
    gateway.logs.put("DEM12 (PVC)/20250603.LOG", b"20250603 05:00:00|@StukUitgevoerd: 1\n");
    gateway.agent.once().succeeded();
    gateway.refuses(3, &["not yet", "DEM12", "at most 1 h"]);
}

#[test]
fn a_manifest_without_end_is_given_up_at_its_bound() {
    let (publisher, gateway) = offered();
    let file = fs::File::create(publisher.file("manifest.json")).unwrap();
    file.set_len(1 << 40).unwrap();
    gateway.refuses(3, &["refused", "is larger than the limit of"]);
}

/// Byte by byte, so that each pause is short: what counts is the whole.
#[test]
fn a_manifest_and_a_package_that_drip_are_given_up_in_bounded_time() {
    let (publisher, mut gateway) = offered();
    publisher.pack("0.3.0", 5000);
    publisher.publish("0.3.0", &[]);
    let mut other = Gateway::of(&publisher);
    other.agent.set(
        "update.manifest_url",
        publisher.url().replace("/manifest", &format!("{SLOW}manifest")),
    );
    gateway.agent.set("update.window", shut_window());
    publisher.edit(|manifest| {
        let package = &mut manifest["packages"][architecture()]["url"];
        *package = json!(format!("{SLOW}{}", package.as_str().unwrap()));
    });
    thread::scope(|scope| {
        let manifest = scope.spawn(|| other.check().exited(1));
        let package = scope.spawn(|| gateway.agent.command(&["update", "apply"]).exited(1));
        let manifest = manifest.join().unwrap();
        assert!(manifest.stderr.contains("timeout"), "{manifest}");
        let package = package.join().unwrap();
        assert!(package.stderr.contains("slower than"), "{package}");
        assert!(package.stderr.contains("the next run resumes the download"), "{package}");
    });
    gateway.is_as_it_was();
    let part: Vec<String> =
        gateway.cached().into_iter().filter(|name| name.ends_with(".part")).collect();
    assert_eq!(part.len(), 1, "what came is kept");
    assert_eq!(gateway.status()["last"]["result"], json!("failed"));
}

#[test]
fn what_was_renewed_offers_the_same_for_longer() {
    let (publisher, gateway) = offered();
    publisher.publish("0.3.0", &["--rollout", "0", "--expires", "2", "--withdraw", "0.0.9"]);
    gateway.refuses(3, &["not yet", "0 % of the gateways"]);
    let read = || -> Value {
        serde_json::from_slice(&fs::read(publisher.file("manifest.json")).unwrap()).unwrap()
    };
    let before = read();
    publisher.renew();
    gateway.refuses(3, &["not yet", "0 % of the gateways"]);
    let after = read();
    assert!(after["serial"].as_u64() > before["serial"].as_u64());
    assert!(after["expires"].as_str() > before["expires"].as_str());
    for key in ["version", "rollout_percent", "withdrawn", "packages", "previous"] {
        assert_eq!(after[key], before[key], "{key}");
    }
}
