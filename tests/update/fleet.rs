//! Forty gateways and one real central. Two of them are real Debian systems that lose their power at a step of
//! an update to a version that does not work; by way of central the others learn what became of it.

use std::rc::Rc;

use cu_agent::failpoints::Step;

use crate::{
    asked,
    gateway::{Build, Gateway},
    kills::{aborted, prepare},
    publisher::Publisher,
    support::{postgres::Database, wait},
};

const GATEWAYS: usize = 40;
/// The first stage, of which both Debian systems are.
const STAGE: &str = "25";
const IDS: [&str; 2] = ["essai-1", "essai-2"];

/// The updater's steps on its way to an installed version that is then rolled back.
fn points() -> Vec<[String; 2]> {
    let steps = Step::OF_UPDATES.into_iter().filter(|step| *step != Step::DropDownload);
    steps
        .map(|step| ["before", "after"].map(|when| format!("{}:{when}:1", step.as_str())))
        .collect()
}

/// The next version from `number` on that both Debian systems are offered in the first stage.
fn next_version(publisher: &Publisher, probes: &[asked::Gateway], number: &mut u32) -> String {
    loop {
        *number += 1;
        assert!(*number < 1000, "one version in sixteen is both gateways'");
        let version = format!("0.{number}.0");
        publisher.pack(&version, 1000);
        publisher.publish(&version, &["--rollout", STAGE]);
        let offer = format!("version {version} would be installed");
        if probes.iter().all(|probe| probe.check().stdout.contains(&offer)) {
            return version;
        }
    }
}

#[test]
#[ignore = "long: make test-fleet"]
fn with_the_power_cut_at_every_step_only_the_first_stage_ever_runs_a_version_that_does_not_work() {
    let database = Database::fresh();
    let publisher = Rc::new(Publisher::new());
    publisher.pack("0.2.0", 1000);
    let process = |id: &str| {
        let mut gateway = asked::Gateway::of(&publisher);
        gateway.agent.set("agent.id", id);
        gateway
    };
    // They never see central, so that they know nothing of what became of a version.
    let probes = IDS.map(process);
    // One is switched on at a time.
    let mut systems = IDS.map(|id| {
        let mut system = Gateway::of(&publisher, id, Some(&database));
        let row = format!("SELECT count(*) FROM agent_edge WHERE agent_id = '{id}'");
        // It makes central's tables first.
        wait::until("central knows it", wait::PATIENCE * 2, || {
            database.try_psql(&row).is_ok_and(|known| known.trim() == "1")
        });
        system.machine.shut_down();
        system
    });
    let others: Vec<asked::Gateway> = (IDS.len()..GATEWAYS)
        .map(|number| {
            let mut gateway = process(&format!("ligne-{number}"));
            gateway.agent.set_central(&database.config());
            gateway.agent.once().succeeded();
            gateway
        })
        .collect();
    assert_eq!(database.count("agent_edge"), GATEWAYS as u64);
    let mut number = 2;
    for both in points() {
        let version = next_version(&publisher, &probes, &mut number);
        systems[0].offer_to(Build::Crashes, &version, &["--rollout", STAGE]);
        let told = format!(
            "SELECT count(*) FROM agent_edge, jsonb_array_elements(liens) l
             WHERE l #> '{{manifeste,abandonnees}}' ? '{version}'"
        );
        for (number, (system, point)) in (1..).zip(systems.iter_mut().zip(&both)) {
            system.machine.boot();
            let step = Step::OF_UPDATES.into_iter().find(|step| point.starts_with(step.as_str()));
            prepare(system, step.expect("a point is a step's"));
            system.crash_at(point);
            system.update().exited(1);
            aborted(system, point);
            system.machine.cut_power();
            system.machine.boot();
            system.crash_no_more();
            system.update();
            system.works_with("0.1.0");
            assert_eq!(system.result()["version"], version.as_str(), "{point}");
            assert_eq!(system.result()["result"], "rolled-back", "{point}\n{}", system.story());
            let expected = number.to_string();
            wait::until("it has told central", wait::PATIENCE * 10, || {
                database.psql(&told) == expected
            });
            system.machine.shut_down();
            eprintln!("{version} was rolled back after {point}");
        }
        for stage in [STAGE, "100"] {
            publisher.publish(&version, &["--rollout", stage]);
            // Those that do not belong to the stage are not offered it at all.
            let later = format!("is rolled out to {STAGE} % of the gateways so far");
            let mut stopped = 0;
            for gateway in &others {
                gateway.agent.once().succeeded();
                let said = gateway.check().stdout;
                let is_stopped = said.contains("the rollout stopped itself");
                assert!(is_stopped || stage == STAGE && said.contains(&later), "{both:?}: {said}");
                stopped += usize::from(is_stopped);
                gateway.is_as_it_was();
            }
            eprintln!("{version}, {stage} %: stopped itself on {stopped} of {}", others.len());
            assert!(stopped > 0, "{both:?}");
        }
    }
}
