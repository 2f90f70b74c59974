//! The life of a gateway, from the installation to an upgrade, on an emulated one.

use std::time::Duration;

use serde_json::Value;

use crate::{
    board::FAR_HOST,
    field::{Field, HOST},
    package,
};

/// The watchdog's time during the test; the unit's own is ten minutes.
const WATCHDOG: &str = "WatchdogSec=10s\nRestartSec=1s";

/// At rest, with the page, TLS's authorities and both loops ready: docs/performance.md.
pub const MOST_RESIDENT_KB: u64 = 8 * 1024;

/// A version that this one will not have become.
const NEXT: &str = "999.0.0";

/// systemd's code for a program that may not be executed.
const EXIT_EXEC: &str = "203";

/// One test: each boot costs a minute.
#[test]
fn a_gateway_is_installed_confined_watched_rebooted_and_upgraded() {
    let dir = tempfile::tempdir().unwrap();
    let this = package::this();
    let next = package::renamed(&this, NEXT, dir.path());
    let mut field = Field::new(7);
    field.board.switch_on(&[&this, &next]);
    tell("boot to the root shell, s", seconds(field.board.wait_for_shell()));
    field.board.plug_in();

    waits_politely_without_a_configuration(&field, &this);
    field.install(&this);
    field.wait_until_active();
    field.day();
    tell("rows that central has as the machines wrote them", field.assert_becomes_equal());
    memory(&field);
    is_confined(&field);
    journal_is_readable(&field);
    the_watchdog_restarts_a_stopped_process(&field);
    status_page(&field);
    reboots(&mut field);
    is_upgraded(&field);
    field.check_buffer_and_card();
}

fn tell(what: &str, figure: impl std::fmt::Display) {
    println!("{what}: {figure}");
}

fn seconds(time: Duration) -> String {
    format!("{:.0}", time.as_secs_f64())
}

fn waits_politely_without_a_configuration(field: &Field, package: &std::path::Path) {
    let name = package.file_name().unwrap().to_str().unwrap();
    field.board.sh(&format!("dpkg --install /run/stick/{name}")).succeeded();
    field.wait("the service has read its empty configuration", || {
        field.board.property("cu-agent", "ExecMainStatus") == "2"
    });
    assert_eq!(
        field.board.property("cu-agent", "NRestarts"),
        "0",
        "starts without a configuration"
    );
    assert_eq!(field.board.property("cu-agent", "UnitFileState"), "enabled");
    field.journal("").succeeded().says("/etc/cu-agent/config.toml");
    let status = field.board.sh("systemctl --no-pager status cu-agent");
    assert!(status.stdout.contains("config.toml"), "the status line says what to edit\n{status}");
}

fn memory(field: &Field) {
    let read = |name: &str| {
        let script = format!("awk '/^{name}:/ {{ print $2 }}' /proc/{}/status", field.process());
        field.board.sh(&script).succeeded().stdout.trim().parse::<u64>().unwrap()
    };
    let (resident, most) = (read("VmRSS"), read("VmHWM"));
    tell("resident memory, kB", resident);
    tell("of it its own, kB", read("RssAnon"));
    tell("of it pages of its program and of files, kB", read("RssFile") + read("RssShmem"));
    tell("most resident memory so far, kB", most);
    tell(
        "memory of the service's control group, bytes",
        field.board.property("cu-agent", "MemoryCurrent"),
    );
    assert!(resident <= MOST_RESIDENT_KB, "{resident} kB resident");
    assert!(most < 2 * MOST_RESIDENT_KB, "{most} kB resident at most");
}

/// The whole job works (central is equal already); other things do not.
fn is_confined(field: &Field) {
    let process = field.process();
    let script =
        format!("grep -E '^(Uid|CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/{process}/status");
    let limits = field.board.sh(&script).succeeded();
    let value = |name: &str| {
        let line = limits.stdout.lines().find(|line| line.starts_with(name));
        line.unwrap_or_else(|| panic!("no {name}\n{limits}")).split_whitespace().nth(1).unwrap()
    };
    assert_ne!(value("Uid:"), "0", "not root");
    assert_eq!(value("CapEff:"), "0000000000000000", "no capability");
    assert_eq!(value("CapBnd:"), "0000000000000000", "none to be had");
    assert_eq!(value("NoNewPrivs:"), "1");
    assert_eq!(value("Seccomp:"), "2", "a filter of system calls");
    let files = "stat -c '%a %U:%G' /var/lib/cu-agent /etc/cu-agent/config.toml /etc/cu-agent/central.password";
    let modes = field.board.sh(files).succeeded().stdout;
    assert_eq!(
        modes.lines().collect::<Vec<_>>(),
        ["750 cu-agent:cu-agent", "640 root:cu-agent", "640 root:cu-agent"]
    );

    // Another program than the agent.
    field.drop_in("other", "ExecStart=\nExecStart=/bin/true\nRestart=no");
    field.board.sh("systemctl restart cu-agent");
    let status = field.board.property("cu-agent", "ExecMainStatus");
    assert_eq!(status, EXIT_EXEC, "/bin/true in the service's place");
    field.take_drop_in_away("other");

    // Another folder than its own, though it belongs to its user.
    field.board.sh("install -d -o cu-agent -g cu-agent /srv/elsewhere").succeeded();
    let outside =
        field.config(HOST).replacen("[agent]\n", "[agent]\nstate_dir = \"/srv/elsewhere\"\n", 1);
    let before = field.board.sh("date '+%F %T'").succeeded().stdout.trim().to_owned();
    field
        .board
        .sh(&format!("cat >/etc/cu-agent/config.toml <<'CONFIG'\n{outside}CONFIG"))
        .succeeded();
    field.board.sh("systemctl restart cu-agent");
    field.wait("it is told that the folder cannot be written", || {
        let said = field.journal(&format!("--since '{before}'")).stdout;
        said.contains("/srv/elsewhere") && said.contains("ead-only")
    });
    assert_eq!(field.board.sh("ls -A /srv/elsewhere").succeeded().stdout.trim(), "");

    // Another network than a plant's: root reaches central there, the service does not.
    field.central_answers(true);
    let connect = format!("exec 5<>/dev/tcp/{FAR_HOST}/{}", field.line.port);
    field.board.sh(&connect).succeeded();
    let connections = field.line.connections();
    assert!(connections > 0, "the way to central by its other address");
    field.configure(FAR_HOST);
    field.board.sh("systemctl reset-failed cu-agent; systemctl restart cu-agent");
    field.day();
    field.wait("central elsewhere cannot be reached", || {
        let central = &field.status()["central"];
        central["state"] == "down"
            && central["error"].as_str().is_some_and(|e| e.contains(FAR_HOST))
    });
    tell("what the service says of central elsewhere", &field.status()["central"]["error"]);
    assert_eq!(field.line.connections(), connections, "nothing got through");

    // Back to work.
    field.configure(HOST);
    field.board.sh("systemctl reset-failed cu-agent");
    field.restart();
    field.wait_until_active();
    field.day();
    field.assert_becomes_equal();
}

fn journal_is_readable(field: &Field) {
    field.central_answers(false);
    field.day();
    field.wait("the journal has a warning about central", || {
        field.journal("-p warning -o cat").stdout.contains("central")
    });
    field.central_answers(true);
    field.assert_becomes_equal();
    let lines: Vec<Value> = field
        .journal("-o json --output-fields=MESSAGE,PRIORITY,_COMM _COMM=cu-agent")
        .succeeded()
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(lines.len() > 10, "{} lines in the journal", lines.len());
    let has = |priority: &str| lines.iter().any(|line| line["PRIORITY"] == priority);
    assert!(has("6") && has("4"), "information and warnings have their priorities");
    for line in &lines {
        let message = line["MESSAGE"].as_str().expect("a line of the journal is text");
        // The journal has time and priority: a line that repeats them is read twice.
        let begins_with_time = message.starts_with(|c: char| c.is_ascii_digit())
            && message.get(2..3).is_some_and(|c| c == ":")
            || message.starts_with("20") && message.get(4..5) == Some("-");
        let begins_with_level = ["<", "[INFO", "[WARN", "INFO", "WARN", "ERROR"]
            .iter()
            .any(|level| message.starts_with(level));
        assert!(!begins_with_time && !begins_with_level, "{message:?}");
    }
    tell("lines in the journal so far", lines.len());
}

fn the_watchdog_restarts_a_stopped_process(field: &Field) {
    field.drop_in("watchdog", WATCHDOG);
    field.restart();
    field.wait_until_active();
    let before = field.process();
    field.board.sh(&format!("kill -STOP {before}")).succeeded();
    let begun = std::time::Instant::now();
    field.wait("the watchdog has started another process", || {
        let now = field.process();
        now != before && now != "0" && field.is_active()
    });
    field.journal("-n 40").succeeded().says("Watchdog timeout");
    tell("from SIGSTOP to the next process with WatchdogSec=10s, s", seconds(begun.elapsed()));
    field.take_drop_in_away("watchdog");
    field.restart();
    field.day();
    field.assert_becomes_equal();
}

fn status_page(field: &Field) {
    let page = "exec 4<>/dev/tcp/127.0.0.1/9780 && printf 'GET / HTTP/1.0\\r\\nHost: 127.0.0.1\\r\\n\\r\\n' >&4 && cat <&4";
    let answer = field.board.sh(page);
    if answer.code == 0 {
        answer.says("200").says("DEM12");
    } else {
        println!("NOT CHECKED: the status page; this version serves none");
    }
}

fn reboots(field: &mut Field) {
    let boot = field.board.sh("cat /proc/sys/kernel/random/boot_id").succeeded().stdout;
    let took = field.board.reboot();
    let now = field.board.sh("cat /proc/sys/kernel/random/boot_id").succeeded().stdout;
    assert_ne!(boot, now, "another boot");
    field.wait_until_active();
    tell("reboot to the root shell, s", seconds(took));
    field.day();
    field.assert_becomes_equal();
}

/// With sessions that wait in the buffer.
fn is_upgraded(field: &Field) {
    field
        .board
        .sh("test -e /run/stick || { mkdir /run/stick && tar -C /run/stick -xf /dev/vdb; }")
        .succeeded();
    field.central_answers(false);
    field.day();
    field.wait("the day waits in the buffer", || {
        field.status()["pending_sessions"].as_u64().is_some_and(|waiting| waiting >= 3)
    });
    let before = field.process();
    field.board.sh(&format!("dpkg --install /run/stick/cu-agent_{NEXT}_arm64.deb")).succeeded();
    field.wait("the new version runs", || field.is_active() && field.process() != before);
    let version = field.board.sh("dpkg-query -W -f '${Version} ${Status}' cu-agent").succeeded();
    assert_eq!(version.stdout.trim(), format!("{NEXT} install ok installed"));
    field.central_answers(true);
    tell("rows that central has after the upgrade", field.assert_becomes_equal());
}
