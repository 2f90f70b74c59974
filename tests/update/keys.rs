//! Whose signatures count: sets of keys of which several must sign, keys that hand over to others, and keys that
//! were lost. With real keys of Debian's minisign, and the publisher's own scripts.

use std::{fs, path::PathBuf};

use serde_json::{Value, json};

use crate::{
    asked::{Gateway, offered},
    publisher::{Keys, Publisher},
    support::postgres::Database,
};

const OFFERED: &str = "version 0.3.0 would be installed";
const NO_MATCH: &str = "does not match the publisher's keys, version";

/// Three who sign manifests, of whom two must; two who sign the next set, both of whom must.
const FIRST: Keys<'_> = Keys {
    root: ("2", &["root-a", "root-b"]),
    manifest: ("2", &["anne", "bruno", "chloe"]),
    sign: &["root-a", "root-b"],
};

/// A gateway whose package brought [`FIRST`].
fn with_first_set() -> (Publisher, Gateway, PathBuf) {
    let (publisher, mut gateway) = offered();
    let folder = gateway.agent.dir().join("package");
    let file = publisher.key_set(&folder, "1", &FIRST);
    gateway.agent.unset("update.public_key");
    gateway.agent.set("update.key_file", file.to_str().unwrap());
    (publisher, gateway, file)
}

#[test]
fn two_of_three_must_sign_and_one_who_signs_twice_is_one() {
    let (publisher, gateway, _file) = with_first_set();
    for (signed_by, is_enough) in [
        (&["anne"][..], false),
        (&["anne", "anne"], false),
        (&["anne", "stranger"], false),
        (&["root-a", "root-b"], false),
        (&["anne", "chloe"], true),
        (&["stranger", "bruno", "chloe"], true),
        (&["anne", "bruno", "chloe"], true),
    ] {
        publisher.publish_signed_by_all(signed_by, "0.3.0", &[]);
        if is_enough {
            gateway.check().succeeded().says(OFFERED);
        } else {
            gateway.refuses(3, &["refused", NO_MATCH, "of the 2 signatures that are needed"]);
        }
    }
}

#[test]
fn keys_hand_over_to_others_and_the_former_ones_are_revoked_for_good() {
    let (publisher, gateway, file) = with_first_set();
    publisher.publish_signed_by_all(&["anne", "bruno"], "0.3.0", &[]);
    gateway.check().succeeded().says(OFFERED);
    // Anne's key was stolen; a root key is replaced in the same step.
    let second = Keys {
        root: ("2", &["root-b", "root-c"]),
        manifest: ("2", &["bruno", "chloe"]),
        sign: &["root-a", "root-b", "root-c"],
    };
    let set = publisher.key_set(&publisher.folder(), "2", &second);
    gateway.refuses(3, &["refused", NO_MATCH, "version 2"]);
    // Who hides the new set again changes nothing: it was seen, though no manifest was believed since.
    fs::remove_file(&set).unwrap();
    gateway.refuses(3, &["refused", NO_MATCH, "version 2"]);
    publisher.publish_signed_by_all(&["bruno", "chloe"], "0.3.0", &[]);
    gateway.check().succeeded().says(OFFERED);
    publisher.publish_signed_by_all(&["anne", "bruno"], "0.3.0", &[]);
    gateway.refuses(3, &["refused", NO_MATCH, "version 2"]);
    // Several hand-overs while a gateway was away.
    for (version, names) in
        [("2", second), ("3", alone("root-d", "denis", &["root-b", "root-c", "root-d"]))]
    {
        publisher.key_set(&publisher.folder(), version, &names);
    }
    publisher.key_set(&publisher.folder(), "4", &alone("root-d", "elise", &["root-d"]));
    publisher.publish_signed_by_all(&["elise"], "0.3.0", &[]);
    gateway.check().succeeded().says(OFFERED);
    // A package that brings an older set takes nothing back, and one that brings a newer one counts.
    gateway.check().succeeded().says(OFFERED);
    publisher.key_set(file.parent().unwrap(), "5", &alone("root-d", "fanny", &["root-d"]));
    fs::rename(file.with_file_name("keys-5.json"), &file).unwrap();
    gateway.refuses(3, &["refused", NO_MATCH, "version 5"]);
}

#[test]
fn a_hand_over_of_keys_and_the_end_of_an_update_are_events_of_security_in_the_log_and_in_central() {
    let (publisher, mut gateway, file) = with_first_set();
    let database = Database::fresh();
    gateway.agent.set_central(&database.config());
    let events = || {
        database.psql(
            "SELECT coalesce(string_agg(genre || ' ' || objet || ' ' || detail, '; ' ORDER BY numero), '')
             FROM evenement_securite WHERE genre <> 'configuration_changee'",
        )
    };
    publisher.publish_signed_by_all(&["anne", "bruno"], "0.3.0", &[]);
    gateway.check().succeeded().says(OFFERED);
    gateway.agent.once().succeeded().does_not_say("security: update");
    assert_eq!(events(), "");

    let next = alone("root-d", "denis", &["root-a", "root-b", "root-d"]);
    publisher.key_set(&publisher.folder(), "2", &next);
    publisher.publish_signed_by_all(&["denis"], "0.3.0", &[]);
    gateway.check().succeeded().says(OFFERED);
    let handed_over = "security: update keys changed: update-keys: 1 → 2";
    gateway.agent.once().succeeded().says(handed_over);
    gateway.agent.once().succeeded().does_not_say("security:");

    // A package that brings a later set, and how an update ended.
    publisher.key_set(file.parent().unwrap(), "3", &alone("root-d", "elise", &["root-d"]));
    fs::rename(file.with_file_name("keys-3.json"), &file).unwrap();
    let ended = json!({
        "at": null, "from": "0.2.0", "version": "0.3.0", "result": "rolled-back", "detail": "it crashes",
    });
    fs::write(gateway.directory().join("result.json"), ended.to_string()).unwrap();
    gateway
        .agent
        .once()
        .succeeded()
        .says("security: update keys changed: update-keys: 2 → 3")
        .says("security: update: 0.3.0: 0.2.0: rolled-back: it crashes");
    gateway.agent.once().succeeded().does_not_say("security:");
    let all = events();
    for event in [
        "cles_changees update-keys 1 → 2",
        "cles_changees update-keys 2 → 3",
        "mise_a_jour 0.3.0 0.2.0: rolled-back: it crashes",
    ] {
        assert!(all.contains(event), "{event} in {all}");
    }
    assert_eq!(all.split("; ").count(), 3, "{all}");
}

fn alone<'k>(root: &'k str, manifest: &'k str, sign: &'k [&'k str]) -> Keys<'k> {
    let one = |name: &'k str| -> (&'k str, &'k [&'k str]) {
        let names: Vec<&str> = vec![name];
        ("1", names.leak())
    };
    Keys { root: one(root), manifest: one(manifest), sign }
}

#[test]
fn a_set_that_its_forerunner_or_its_own_keys_did_not_sign_is_refused() {
    let (publisher, gateway, _file) = with_first_set();
    publisher.publish_signed_by_all(&["anne", "bruno"], "0.3.0", &[]);
    let folder = publisher.folder();
    for (sign, words) in [
        (&["root-x"][..], "by the root keys of version 1, 0 of the 2 signatures"),
        (&["root-a", "root-x"], "by the root keys of version 1, 1 of the 2 signatures"),
        (&["anne", "bruno", "root-x"], "by the root keys of version 1, 0 of the 2 signatures"),
        (&["root-a", "root-b"], "by the root keys of version 2, 0 of the 1 signatures"),
    ] {
        publisher.key_set(&folder, "2", &alone("root-x", "mallory", sign));
        gateway.refuses(3, &["refused", "keys-2.json cannot be used", words]);
    }
    // The third set in the place of the second.
    let third = publisher.key_set(
        &folder,
        "3",
        &alone("root-x", "mallory", &["root-a", "root-b", "root-x"]),
    );
    for end in ["json", "json.minisig"] {
        fs::rename(third.with_extension(end), folder.join(format!("keys-2.{end}"))).unwrap();
    }
    gateway.refuses(3, &["refused", "it has version 3, but version 2 comes next"]);
    for end in ["json", "json.minisig"] {
        fs::remove_file(folder.join(format!("keys-2.{end}"))).unwrap();
    }
    gateway.check().succeeded().says(OFFERED);
}

#[test]
fn a_plant_s_own_key_goes_on_working_and_can_hand_over_too() {
    let (publisher, mut gateway) = offered();
    gateway.check().succeeded().says(OFFERED);
    publisher.key_set(&publisher.folder(), "1", &alone("root-a", "anne", &["own", "root-a"]));
    gateway.refuses(3, &["refused", NO_MATCH, "version 1"]);
    publisher.publish_signed_by_all(&["anne"], "0.3.0", &[]);
    gateway.check().succeeded().says(OFFERED);
    // Who configures another key begins anew.
    gateway.agent.set("update.public_key", publisher.public_key_of("plant"));
    for end in ["json", "json.minisig"] {
        fs::remove_file(publisher.file(&format!("keys-1.{end}"))).unwrap();
    }
    gateway.refuses(3, &["refused", "does not match `update.public_key`"]);
    publisher.publish_signed_by_all(&["plant"], "0.3.0", &[]);
    gateway.check().succeeded().says(OFFERED);
}

#[test]
fn keys_that_are_missing_or_damaged_are_named_with_what_to_do() {
    let (publisher, mut gateway, file) = with_first_set();
    publisher.publish_signed_by_all(&["anne", "bruno"], "0.3.0", &[]);
    let whole: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    for (place, value, words) in [
        ("/format", json!(2), "format 2"),
        ("/product", json!("autre"), "product"),
        ("/version", json!("1"), "version"),
        ("/manifest/threshold", json!(0), "manifest"),
        ("/manifest/threshold", json!(4), "manifest"),
        ("/root/keys", json!([]), "root"),
        ("/root/keys/0", json!("RWQ"), "root"),
        ("/manifest/keys/1", whole["manifest"]["keys"][0].clone(), "manifest"),
    ] {
        let mut damaged = whole.clone();
        *damaged.pointer_mut(place).unwrap() = value;
        fs::write(&file, damaged.to_string()).unwrap();
        gateway.refuses(3, &["refused", "cannot be used", words]);
    }
    fs::write(&file, vec![b' '; 1 << 20]).unwrap();
    gateway.refuses(3, &["refused", "update.key_file", "it is longer than"]);
    // As the repository has it, before a publisher put in its own.
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/update-keys.json");
    gateway.agent.set("update.key_file", shipped);
    gateway.refuses(3, &["refused", "lists no keys", "update.public_key"]);
    gateway.agent.set("update.key_file", "/nowhere/keys.json");
    gateway.refuses(3, &["refused", "update.key_file", "/nowhere/keys.json"]);
}
