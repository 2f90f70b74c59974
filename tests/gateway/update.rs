//! A signed update over HTTPS whose version cannot start, with the unit as it is shipped, on the emulated
//! gateway. What else may go wrong with updates is tried in `tests/update`.

use std::fs;

use serde_json::Value;

use crate::{
    field::{Field, HOST},
    package,
    publisher::Publisher,
};

const BROKEN: &str = "999.0.1";
const UNIT: &str = "cu-agent-update.service";

#[test]
fn a_version_that_cannot_start_is_rolled_back_and_the_old_one_goes_on() {
    let this = package::this();
    let mut field = Field::new(8);
    field.board.switch_on(&[&this]);
    field.board.wait_for_shell();
    field.board.plug_in();
    field.install(&this);
    field.wait_until_active();
    field.day();
    field.assert_becomes_equal();
    let version = "dpkg-query -W -f '${Version} ${db:Status-Status}' cu-agent";
    let installed = field.board.sh(version).succeeded().stdout;

    let publisher = Publisher::new();
    let name = this.file_name().unwrap().to_str().unwrap();
    fs::copy(&this, publisher.file(name)).unwrap();
    package::broken(&this, BROKEN, &publisher.folder());
    publisher.publish(BROKEN, &[]);
    let authorities = fs::read_to_string(&publisher.ca_file).unwrap();
    let section = format!(
        "[update]\nmanifest_url = \"{}\"\npublic_key = \"{}\"\nca_file = \"/etc/cu-agent/update-ca.pem\"\n\
         window = \"any\"\nprove_timeout = \"60s\"\n",
        publisher.url().replace("localhost", HOST),
        publisher.public_key()
    );
    field
        .board
        .sh(&format!(
            "systemctl stop cu-agent-update.timer\n\
             cat >/etc/cu-agent/update-ca.pem <<'PEM'\n{authorities}\nPEM\n\
             cat >>/etc/cu-agent/config.toml <<'CONFIG'\n{section}CONFIG\n\
             sed \"s/update apply'/update apply --now'/\" /usr/lib/systemd/system/{UNIT} \
                 >/etc/systemd/system/{UNIT}\n\
             grep -q -- --now /etc/systemd/system/{UNIT} && systemctl daemon-reload"
        ))
        .succeeded();
    field.restart();
    field.wait_until_active();
    let before = field.process();
    field.board.sh(&format!("systemctl --no-block start {UNIT}")).succeeded();
    field.wait("the updater has ended", || {
        let state = field.board.property(UNIT, "ActiveState");
        state == "failed" || state == "inactive"
    });
    let story = field.board.sh(&format!("journalctl --no-pager -u {UNIT} -u cu-agent -n 60"));
    let result = field.board.sh("cat /var/lib/cu-agent-update/result.json");
    let result: Value = serde_json::from_str(&result.stdout)
        .unwrap_or_else(|e| panic!("the updater left no result: {e}\n{result}\n{story}"));
    assert_eq!(result["result"], "rolled-back", "{result:#}\n{story}");
    assert_eq!(result["version"], BROKEN, "{result:#}");
    assert_eq!(field.board.sh(version).succeeded().stdout, installed, "{story}");
    field.wait_until_active();
    assert_ne!(field.process(), before, "the service was down in between");
    field.board.sh(&format!("systemctl reset-failed {UNIT}")).succeeded();
    field.day();
    println!("rows that central has after an update that failed: {}", field.assert_becomes_equal());
    field.check_buffer_and_card();
}
