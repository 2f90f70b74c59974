//! Settings that a plant gives all its gateways through central: signed by packaging/settings.sh and Debian's
//! minisign, published by `central settings put`, tried by the real service, shown by `v_parc`.

use std::{fs, thread, time::Duration};

use cu_agent::failpoints::Step;
use serde_json::{Value, json};

use crate::{
    publisher::{Keys, Publisher},
    support::{
        agent::Agent,
        file_server::FileServer,
        folder::Folder,
        golden, http,
        net::Proxy,
        postgres::Database,
        process::{Output, Running},
        wait,
        webhook::{Manner, Webhook},
    },
};

/// A row is written at most once a minute unless sessions were sent.
const TOLD_WITHIN: Duration = Duration::from_secs(150);
const SIGABRT: i32 = -6;
const SLOWER: &str = "[schedule]\npoll = \"10m\"\n";
/// No server has it.
const NOWHERE: &str = "[source]\nroot = \"/nowhere\"\n";

/// Central with its tables, and who publishes.
struct Plant {
    database: Database<'static>,
    office: Agent,
    folder: Folder,
}

impl Plant {
    fn new() -> Self {
        let (database, folder) = (Database::fresh(), Folder::of_three_machines());
        folder.put_case(&golden::case("clean"));
        let office = Agent::on_directory(folder.path()).central(&database);
        office.command(&["central", "migrate"]).succeeded();
        Self { database, office, folder }
    }

    /// A gateway on the folder that takes what `publisher` signs.
    fn gateway(&self, publisher: &Publisher, id: &str) -> Agent {
        let mut agent = Agent::on_directory(self.folder.path()).central(&self.database);
        takes_settings(&mut agent, publisher, id);
        agent
    }

    fn put(&self, document: &std::path::Path) -> Output {
        self.office.command(&["central", "settings", "put", document.to_str().unwrap()])
    }

    /// As anybody may who can write to the table.
    fn insert(&self, document: &std::path::Path) {
        let hex =
            |bytes: Vec<u8>| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let signatures = fs::read(format!("{}.minisig", document.display())).unwrap();
        let document = hex(fs::read(document).unwrap());
        self.database.psql(&format!(
            "INSERT INTO cu_agent_reglages (serie, document, signatures)
             SELECT coalesce(max(serie), 0) + 1, '\\x{document}', '\\x{}' FROM cu_agent_reglages",
            hex(signatures)
        ));
    }

    /// What `v_parc` shows of a gateway.
    fn shown(&self, columns: &str, id: &str) -> String {
        self.database.psql(&format!("SELECT {columns} FROM v_parc WHERE agent_id = '{id}'"))
    }

    fn wait_for(&self, columns: &str, id: &str, is_right: impl Fn(&str) -> bool) {
        let mut last = String::new();
        wait::until(&format!("v_parc shows {columns} of {id}"), TOLD_WITHIN, || {
            let shown = self.shown(columns, id);
            if shown != last {
                eprintln!("{id}: {shown}");
                last.clone_from(&shown);
            }
            is_right(&shown)
        });
    }
}

fn takes_settings(agent: &mut Agent, publisher: &Publisher, id: &str) {
    agent.set("agent.id", id);
    agent.set("settings.public_key", publisher.public_key());
    agent.set("settings.trial", "40s");
}

/// Waits for a line of the log. Without sessions an agent comes to central once a minute.
fn line_of(running: &Running, text: &str) -> String {
    let find = || running.log().lines().find(|line| line.contains(text)).map(str::to_owned);
    wait::until(&format!("the log has {text:?}"), TOLD_WITHIN, || find().is_some());
    find().unwrap()
}

/// With the machines' folders.
fn file_server() -> FileServer {
    let server = FileServer::ftp();
    server.empty();
    server
}

fn serial_of(document: &std::path::Path) -> u64 {
    let document: Value = serde_json::from_slice(&fs::read(document).unwrap()).unwrap();
    document["serial"].as_u64().unwrap()
}

#[test]
fn one_step_changes_a_setting_of_all_gateways_and_the_file_keeps_what_it_says() {
    let (publisher, plant) = (Publisher::new(), Plant::new());
    let ids = ["ligne-1", "ligne-2", "ligne-3", "ligne-4", "ligne-5"];
    let mut gateways: Vec<Agent> = ids.iter().map(|id| plant.gateway(&publisher, id)).collect();
    gateways[4].set("settings.keep", "schedule.poll");
    let without = Agent::on_directory(plant.folder.path())
        .central(&plant.database)
        .with("agent.id", "ligne-6");
    gateways.push(without);
    let document = publisher.settings(&["own"], SLOWER, &[]);
    let serial = serial_of(&document);
    plant.put(&document).succeeded().says(&format!("serial {serial} is published"));
    plant.put(&document).exited(1).says("central holds serial");
    plant.office.command(&["central", "settings", "show"]).succeeded().says("poll = \"10m\"");
    let running: Vec<Running> = gateways.iter().map(Agent::run).collect();
    for gateway in &running[..5] {
        line_of(gateway, &format!("settings, serial {serial}: on trial"));
        line_of(gateway, &format!("settings, serial {serial}: in use"));
    }
    for id in &ids[..4] {
        let taken = format!("{serial}|f|600");
        plant
            .wait_for("reglages_serie, reglages_refuses, intervalle_s", id, |shown| shown == taken);
    }
    let kept = format!("{serial}|f|300");
    plant.wait_for("reglages_serie, reglages_refuses, intervalle_s", "ligne-5", |shown| {
        shown == kept
    });
    assert_eq!(plant.shown("reglages_serie, reglages_refuses, intervalle_s", "ligne-6"), "|f|300");
    gateways[0]
        .command(&["check"])
        .says(&format!("settings: from central, serial {serial}: schedule.poll"));
    gateways[4].command(&["check"]).says("as in the file, not as central says: schedule.poll");
    let status = gateways[0].status_json();
    assert_eq!(status["settings"]["in_use"], serial, "{status:#}");
    // The next start needs no central for them.
    for one in running {
        one.terminate().0.succeeded();
    }
    gateways[0].set("central.port", 1);
    let again = gateways[0].run();
    wait::until("it runs", wait::PATIENCE, || {
        gateways[0].status_json()["service"]["collected"].is_object()
    });
    gateways[0].command(&["check"]).says("from central, serial");
    again.kill();
}

/// What is wrong, and what `v_parc` and the log say of it.
struct Bad {
    what: &'static str,
    settings: &'static str,
    signed_by: &'static [&'static str],
    /// Done to the document before it is signed once more.
    change: fn(&mut Value),
    reason: &'static str,
}

const AS_IT_IS: fn(&mut Value) = |_| {};

const REFUSED: [Bad; 9] = [
    Bad {
        what: "bounds",
        settings: "[schedule]\npoll = \"1ms\"\n",
        signed_by: &["own"],
        change: AS_IT_IS,
        reason: "2: schedule.poll: \"1ms\" is not accepted",
    },
    Bad {
        what: "syntax",
        settings: "[schedule\npoll = 1",
        signed_by: &["own"],
        change: AS_IT_IS,
        reason: "1: not TOML",
    },
    Bad {
        what: "secret",
        settings: "[central]\npassword_file = \"/etc/passwd\"\n",
        signed_by: &["own"],
        change: AS_IT_IS,
        reason: "2: central.password_file: cannot come from central",
    },
    Bad {
        what: "elsewhere",
        settings: "[central]\nhost = \"mallory.example\"\n",
        signed_by: &["own"],
        change: AS_IT_IS,
        reason: "2: central.host: cannot come from central",
    },
    Bad {
        what: "stranger",
        settings: SLOWER,
        signed_by: &["stranger"],
        change: AS_IT_IS,
        reason: "signature is not that of the keys known here",
    },
    Bad {
        what: "product",
        settings: SLOWER,
        signed_by: &["own"],
        change: |document| document["product"] = json!("cu-agent"),
        reason: "are for \"cu-agent\"",
    },
    Bad {
        what: "expired",
        settings: SLOWER,
        signed_by: &["own"],
        change: |document| {
            document["signed_at"] = json!("2025-01-01T10:00:00Z");
            document["expires"] = json!("2025-02-01T10:00:00Z");
            document["serial"] = json!(1_735_725_600);
        },
        reason: "they expired at 2025-02-01",
    },
    Bad {
        what: "ahead",
        settings: SLOWER,
        signed_by: &["own"],
        change: |document| document["serial"] = json!(99_999_999_999_u64),
        reason: "more than a day ahead of the time of their signature",
    },
    Bad {
        what: "size",
        settings: SLOWER,
        signed_by: &["own"],
        change: |document| document["settings"] = json!("#".repeat(70_000)),
        reason: "more than 65536 bytes",
    },
];

#[test]
fn what_is_not_right_is_refused_without_a_trial_and_told_in_v_parc() {
    let publisher = Publisher::new();
    let server = file_server();
    thread::scope(|scope| {
        for bad in &REFUSED {
            let (publisher, server) = (&publisher, &server);
            scope.spawn(move || {
                let plant = Plant::new();
                let mut gateway = server.agent().central(&plant.database);
                takes_settings(&mut gateway, publisher, bad.what);
                let document = publisher.settings(bad.signed_by, bad.settings, &[]);
                publisher.change_settings(&document, bad.signed_by, bad.change);
                plant.insert(&document);
                let mut running = gateway.run();
                let line = line_of(&running, "central: settings: ");
                assert!(line.contains(bad.reason), "{}: {line}", bad.what);
                assert!(!running.log().contains("on trial"), "{}: {}", bad.what, running.log());
                plant.wait_for("etat, reglages_raison", bad.what, |shown| {
                    shown.contains("réglages refusés") && shown.contains(bad.reason)
                });
                assert!(running.is_running());
                assert_eq!(gateway.status_json()["settings"]["in_use"], Value::Null);
                running.kill();
            });
        }
    });
}

#[test]
fn settings_with_which_it_does_not_collect_or_deliver_are_put_back_and_never_tried_again() {
    let publisher = Publisher::new();
    let server = file_server();
    let slow = "[central]\nconnect_timeout = \"1s\"\n";
    let cases = [
        ("collects", NOWHERE, "within 40 s of the trial", Duration::ZERO),
        (
            "delivers",
            slow,
            "nothing was delivered to central within 40 s",
            Duration::from_millis(1500),
        ),
    ];
    thread::scope(|scope| {
        for (id, settings, reason, delay) in cases {
            let (publisher, server) = (&publisher, &server);
            scope.spawn(move || {
                let plant = Plant::new();
                let mut gateway = server.agent().central(&plant.database);
                takes_settings(&mut gateway, publisher, id);
                let proxy = Proxy::to(plant.database.cluster.port);
                proxy.delay(Duration::ZERO, delay);
                gateway.set("central.port", i64::from(proxy.port));
                let webhook = Webhook::start(Manner::Well);
                gateway.set("alarms.url", webhook.url("/alarms"));
                gateway.set("status.listen", "127.0.0.1:0");
                let document = publisher.settings(&["own"], settings, &[]);
                let serial = serial_of(&document);
                plant.put(&document).succeeded();
                let running = gateway.run();
                line_of(&running, &format!("settings, serial {serial}: on trial"));
                let line = line_of(&running, &format!("serial {serial} refused"));
                assert!(line.contains(reason), "{line}");
                let told = format!("{serial}|");
                plant.wait_for("reglages_refusee, reglages_raison, reglages_essai", id, |shown| {
                    shown.starts_with(&told) && shown.contains(reason) && shown.ends_with('|')
                });
                running.terminate().0.succeeded();
                // It works as before, and does not try them again.
                let running = gateway.run();
                plant.wait_for("liens -> 0 ->> 'etat'", id, |shown| shown == "haut");
                assert_eq!(gateway.status_json()["settings"]["refused"], serial);
                assert!(!running.log().contains("on trial"), "{}", running.log());
                // It shows on the page, in the metrics and as an alarm.
                let refused = format!("serial {serial} refused");
                let page = http::get(running.page(), "/?lang=en").body;
                assert!(page.contains(&refused) && page.contains(reason), "{page}");
                let metrics = http::get(running.page(), "/metrics").body;
                assert!(metrics.contains("\ncu_agent_settings_refused 1\n"), "{metrics}");
                let alarm = webhook.wait_for("raised settings-refused").json();
                assert!(alarm["message"].as_str().unwrap().contains(reason), "{alarm}");
                // Later ones are, and make good what was said of the others.
                let next = publisher.settings(&["own"], SLOWER, &[]);
                plant.put(&next).succeeded();
                running.terminate().0.succeeded();
                let running = gateway.run();
                line_of(&running, &format!("settings, serial {}: in use", serial_of(&next)));
                let kept = format!("{}|f|", serial_of(&next));
                plant.wait_for("reglages_serie, reglages_refuses, reglages_raison", id, |shown| {
                    shown == kept
                });
                webhook.wait_for("cleared settings-refused");
                running.kill();
            });
        }
    });
}

#[test]
fn an_old_copy_is_refused_and_settings_for_others_are_left_alone() {
    let (publisher, plant) = (Publisher::new(), Plant::new());
    let gateway = plant.gateway(&publisher, "ligne-1");
    let first = publisher.settings(&["own"], SLOWER, &[]);
    let second = publisher.settings(&["own"], "[schedule]\npoll = \"11m\"\n", &[]);
    plant.put(&second).succeeded();
    let running = gateway.run();
    line_of(&running, &format!("settings, serial {}: in use", serial_of(&second)));
    running.terminate().0.succeeded();
    plant.database.psql("DELETE FROM cu_agent_reglages");
    plant.insert(&first);
    let running = gateway.run();
    let reason = format!("is not later than serial {}", serial_of(&second));
    let line = line_of(&running, "central: settings: ");
    assert!(line.contains(&reason), "{line}");
    running.terminate().0.succeeded();
    assert_eq!(gateway.status_json()["settings"]["in_use"], serial_of(&second));
    let third = publisher.settings(&["own"], NOWHERE, &["--gateway", "ligne-7"]);
    plant.database.psql("DELETE FROM cu_agent_reglages");
    plant.put(&third).succeeded();
    let running = gateway.run();
    line_of(&running, &format!("settings, serial {}: for other gateways", serial_of(&third)));
    running.terminate().0.succeeded();
    // The same text signed again needs no trial.
    let fourth = publisher.settings(&["own"], "[schedule]\npoll = \"11m\"\n", &[]);
    plant.put(&fourth).succeeded();
    let running = gateway.run();
    line_of(&running, &format!("settings, serial {}: in use", serial_of(&fourth)));
    assert!(!running.log().contains("on trial"), "{}", running.log());
    running.kill();
}

#[test]
fn two_of_three_keys_must_sign_settings_as_they_must_sign_manifests() {
    let (publisher, plant) = (Publisher::new(), Plant::new());
    let mut gateway = plant.gateway(&publisher, "ligne-1");
    let set = Keys {
        root: ("1", &["root-a"]),
        manifest: ("2", &["anne", "bruno", "chloe"]),
        sign: &["root-a"],
    };
    let file = publisher.key_set(&gateway.dir().join("package"), "1", &set);
    gateway.unset("settings.public_key");
    gateway.set("update.manifest_url", publisher.url());
    gateway.set("update.key_file", file.to_str().unwrap());
    let document = publisher.settings(&["anne"], SLOWER, &[]);
    plant.put(&document).succeeded();
    let running = gateway.run();
    line_of(&running, "1 of the 2 signatures that are needed are valid");
    running.terminate().0.succeeded();
    let document = publisher.settings(&["anne", "chloe"], SLOWER, &[]);
    plant.put(&document).succeeded();
    let running = gateway.run();
    line_of(&running, &format!("settings, serial {}: in use", serial_of(&document)));
    running.kill();
}

/// Ended at the moment, and started again without it.
fn ends_at(gateway: &mut Agent, point: &str) -> Running {
    gateway.set_environment("CU_AGENT_CRASH_AT", point);
    let ended = gateway.run().output(2 * wait::PATIENCE);
    assert_eq!(ended.code, SIGABRT, "{point}: {ended}");
    gateway.set_environment("CU_AGENT_CRASH_AT", "");
    gateway.run()
}

#[test]
fn ended_at_any_step_of_a_trial_the_next_start_finds_what_to_do() {
    let publisher = Publisher::new();
    let server = file_server();
    thread::scope(|scope| {
        for step in Step::OF_SETTINGS {
            let (publisher, server) = (&publisher, &server);
            scope.spawn(move || {
                for moment in ["before:1", "after:1", "before:2", "after:2"] {
                    let plant = Plant::new();
                    let mut gateway = server.agent().central(&plant.database);
                    takes_settings(&mut gateway, publisher, "ligne-1");
                    gateway.set("settings.trial", "20s");
                    let is_bad = step == Step::RefuseSettings;
                    let text = if is_bad { NOWHERE } else { SLOWER };
                    let document = publisher.settings(&["own"], text, &[]);
                    plant.put(&document).succeeded();
                    let point = format!("{}:{moment}", step.as_str());
                    let running = ends_at(&mut gateway, &point);
                    let of_end = if is_bad { "refused" } else { "in_use" };
                    wait::until(&format!("{point}: {of_end}"), TOLD_WITHIN, || {
                        gateway.status_json()["settings"][of_end] == serial_of(&document)
                    });
                    let settings = gateway.status_json()["settings"].clone();
                    assert_eq!(settings["on_trial"], Value::Null, "{point}: {settings:#}");
                    wait::until(&format!("{point}: collects"), wait::PATIENCE, || {
                        let status = gateway.status_json();
                        status["service"]["collected"]["failed_sources"] == json!([])
                    });
                    running.kill();
                }
            });
        }
    });
}

#[test]
fn settings_with_which_the_service_ends_at_its_start_are_put_back_by_the_fourth_start() {
    let (publisher, plant) = (Publisher::new(), Plant::new());
    let mut gateway = plant.gateway(&publisher, "ligne-1");
    let document = publisher.settings(&["own"], SLOWER, &[]);
    plant.put(&document).succeeded();
    gateway.set_environment("CU_AGENT_CRASH_AT", "begin-trial:after:2");
    for _ in 0..3 {
        assert_eq!(gateway.run().output(wait::PATIENCE).code, SIGABRT);
    }
    let running = gateway.run();
    line_of(&running, "the service ended 3 times before it had shown that it works");
    plant.wait_for("reglages_refusee, intervalle_s", "ligne-1", |shown| {
        shown == format!("{}|300", serial_of(&document))
    });
    running.kill();
}

#[test]
fn killed_during_a_trial_and_terminated_during_a_trial_it_goes_on_with_it_at_the_next_start() {
    let (publisher, plant) = (Publisher::new(), Plant::new());
    let gateway = plant.gateway(&publisher, "ligne-1");
    let document = publisher.settings(&["own"], SLOWER, &[]);
    plant.put(&document).succeeded();
    let on_trial = format!("settings, serial {}: on trial", serial_of(&document));
    let running = gateway.run();
    line_of(&running, &on_trial);
    running.kill();
    let running = gateway.run();
    line_of(&running, &on_trial);
    running.terminate().0.succeeded();
    let running = gateway.run();
    line_of(&running, &format!("settings, serial {}: in use", serial_of(&document)));
    running.kill();
}
