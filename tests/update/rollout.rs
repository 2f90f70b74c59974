//! A rollout that stops itself: forty gateways and one real central, by way of which each learns what the first
//! ones made of a version.

use std::fs;

use serde_json::{Value, json};

use crate::{asked::Gateway, publisher::Publisher, support::postgres::Database};

const GATEWAYS: usize = 40;
const OFFERED: &str = "version 0.3.0 would be installed";

/// What the updater notes when a version failed verification and was rolled back.
fn give_up(gateway: &Gateway, version: &str) {
    let file = gateway.directory().join("journal.json");
    let mut journal: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    journal["given_up"] = json!([version]);
    fs::write(&file, journal.to_string()).unwrap();
}

#[test]
fn of_forty_gateways_only_the_first_stage_runs_a_version_that_does_not_work() {
    let database = Database::fresh();
    let publisher = Publisher::new();
    publisher.pack("0.2.0", 1000);
    publisher.pack("0.3.0", 1000);
    publisher.publish("0.3.0", &["--rollout", "10"]);
    let gateways: Vec<Gateway> = (0..GATEWAYS)
        .map(|number| {
            let mut gateway = Gateway::of(&publisher);
            gateway.agent.set("agent.id", format!("ligne-{number}"));
            gateway.agent.set_central(&database.config());
            // Their machines are their own.
            gateway.agent.once().succeeded();
            gateway
        })
        .collect();
    let (first, others): (Vec<&Gateway>, Vec<&Gateway>) =
        gateways.iter().partition(|gateway| gateway.check().stdout.contains(OFFERED));
    assert!((2..=12).contains(&first.len()), "{} of {GATEWAYS} go first", first.len());
    // One that fails may be the gateway's own trouble.
    give_up(first[0], "0.3.0");
    first[0].agent.once().succeeded();
    publisher.publish("0.3.0", &[]);
    others[0].agent.once().succeeded();
    others[0].check().succeeded().says(OFFERED);
    for gateway in &first {
        give_up(gateway, "0.3.0");
        gateway.agent.once().succeeded();
    }
    for gateway in &others {
        gateway.agent.once().succeeded();
        let count = format!("rolled back on {} of {GATEWAYS} gateways", first.len());
        gateway.refuses(3, &["refused", "0.3.0", &count, "the rollout stopped itself"]);
    }
    // It shows where people look, and what the first ones reported stays though their last result is another.
    let refused = "SELECT count(*) FROM v_parc WHERE etat ~ 'mise à jour échouée' AND mise_a_jour_detail ~ 'stopped itself'";
    others[1].agent.once().succeeded();
    assert_eq!(database.psql(refused), "1");
    publisher.pack("0.3.1", 1000);
    publisher.publish("0.3.1", &[]);
    for gateway in [first[0], others[0]] {
        gateway.check().succeeded().says("version 0.3.1 would be installed");
    }
    publisher.publish("0.3.0", &[]);
    others[0].agent.once().succeeded();
    others[0].check().exited(3).says("the rollout stopped itself");
}
