//! README.md and `docs/`: what they show exists. CI runs README's commands; here their names,
//! links and pictures of the command line are held against the real thing.

use std::{
    fs,
    path::{Path, PathBuf},
};

use chrono::NaiveDate;

use crate::support::{
    agent::Agent,
    folder::Folder,
    ftp::{Options, Vsftpd},
    generate::{CENTRES, Dirt, file_name, log_of_day, working_days},
    postgres::Database,
    process::cu_agent,
    wait,
};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn documents() -> Vec<(PathBuf, String)> {
    let mut paths: Vec<PathBuf> =
        ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(|name| root().join(name)).into();
    for folder in ["docs", "docs/lab"] {
        for entry in fs::read_dir(root().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|end| end == "md") {
                paths.push(path);
            }
        }
    }
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), fs::read_to_string(&path).unwrap())).collect()
}

/// Lines of the fenced blocks marked `language`.
fn block_lines<'t>(text: &'t str, language: &str) -> Vec<&'t str> {
    let mut lines = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        if line.starts_with("```") {
            inside = !inside && line == format!("```{language}");
        } else if inside && !line.trim().is_empty() {
            lines.push(line);
        }
    }
    lines
}

#[test]
fn the_two_commands_and_the_tests_stand_in_the_readme_as_ci_runs_them() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let commands = block_lines(&readme, "sh");
    for command in ["make demo", "make demo-central", "make test"] {
        assert!(commands.contains(&command), "{command} is not in a `sh` block: {commands:?}");
    }
}

#[test]
fn the_sessions_in_the_readme_are_those_that_the_demonstration_prints() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let demo = fs::read_to_string(root().join("demo/demo.sh")).unwrap();
    assert!(demo.contains("--days 3 --from 2025-05-26 --seed 1"), "the days of this test");
    let folder = Folder::of_three_machines();
    for centre in &CENTRES {
        for day in working_days(NaiveDate::from_ymd_opt(2025, 5, 26).unwrap(), 3) {
            let log = log_of_day(centre, day, 1, Dirt::None);
            folder.put(&format!("{}/{}", centre.folder, file_name(day)), &log);
        }
    }
    let agent = Agent::on_directory(folder.path());
    let collected = agent.once().succeeded();
    let printed = agent.command(&["sessions"]).succeeded();
    for shown in [&collected, &printed] {
        assert!(readme.contains(shown.stdout.trim_end()), "README.md shows other output\n{shown}");
    }
    // `make demo-central` delivers the same days.
    let sessions = agent.sessions_json();
    let sessions = sessions.as_array().unwrap();
    let count = |key: &str| -> usize {
        sessions.iter().map(|session| session[key].as_array().unwrap().len()).sum()
    };
    let equal = format!(
        "equal: {} sessions, {} pieces, {} waits, {} stops, {} jobs",
        sessions.len(),
        count("pieces"),
        count("attentes"),
        count("arrets"),
        count("jobs")
    );
    assert!(readme.contains(&equal), "README.md compares other rows: {equal}");
}

#[test]
fn the_steps_in_the_readme_are_those_that_the_demonstration_with_central_takes() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let demo = fs::read_to_string(root().join("demo/demo-central.sh")).unwrap();
    let shown = block_lines(&readme, "text");
    let steps: Vec<&str> = shown.iter().filter_map(|line| line.strip_prefix("== ")).collect();
    assert!(steps.len() > 2, "{steps:?}");
    for step in steps {
        assert!(demo.contains(&format!("say \"{step}\"")), "demo-central.sh has no step: {step}");
    }
}

#[test]
fn every_make_target_that_a_document_names_exists() {
    let makefile = fs::read_to_string(root().join("Makefile")).unwrap();
    for (path, text) in documents() {
        for (at, _) in text.match_indices("make ") {
            let before = text[..at].chars().next_back().unwrap_or('\n');
            if !['`', '\n'].contains(&before) {
                continue;
            }
            let target: String = text[at + "make ".len()..]
                .chars()
                .take_while(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '-')
                .collect();
            assert!(
                makefile.lines().any(|line| line.starts_with(&format!("{target}:"))),
                "{}: make {target} does not exist",
                path.display()
            );
        }
    }
}

#[test]
fn every_command_of_the_agent_that_a_document_names_exists() {
    let mut named = 0;
    for (path, text) in documents() {
        for (at, found) in text.match_indices("cu-agent ") {
            let before = text[..at].chars().next_back().unwrap_or('\n');
            let mut words = text[at + found.len()..]
                .split(|c: char| c.is_whitespace() || c == '`')
                .take_while(|word| !word.is_empty());
            let mut word = words.next().unwrap_or_default();
            if word == "--config" {
                words.next();
                word = words.next().unwrap_or_default();
            }
            // `/usr/bin/cu-agent run` is a command, a path of the state directory is not.
            let is_path = before == '/' && !text[..at].ends_with("/bin/");
            let is_command = ['`', '\n', '$', '/'].contains(&before)
                && !is_path
                && !word.is_empty()
                && word.chars().all(|c| c.is_ascii_lowercase());
            if is_command {
                named += 1;
                let output = cu_agent(&[word, "--help"]);
                assert_eq!(output.code, 0, "{}: cu-agent {word}\n{output}", path.display());
            }
        }
    }
    assert!(named > 3, "the documents show the command line");
}

#[test]
fn every_link_to_a_file_of_the_repository_leads_somewhere() {
    for (path, text) in documents() {
        for (at, _) in text.match_indices("](") {
            let target: String = text[at + 2..].chars().take_while(|c| *c != ')').collect();
            if target.contains("://") || target.starts_with('#') {
                continue;
            }
            let file = target.split('#').next().unwrap();
            let from = path.parent().unwrap_or(Path::new("."));
            assert!(from.join(file).exists(), "{}: link to {target}", path.display());
        }
    }
}

#[test]
fn every_test_that_a_document_names_exists() {
    let mut tests = String::new();
    let mut folders = vec![root().join("tests"), root().join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                tests += &fs::read_to_string(path).unwrap();
            }
        }
    }
    for (path, text) in documents() {
        for word in text.split('`').skip(1).step_by(2) {
            let is_test_name = word.matches('_').count() >= 4
                // A metric.
                && !word.starts_with("cu_agent_")
                && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
            if is_test_name {
                assert!(
                    tests.contains(&format!("fn {word}(")),
                    "{}: no test is called {word}",
                    path.display()
                );
            }
        }
    }
}

/// `text` with each number as `N`: paths, ports, sizes and times are those of one machine.
fn without_numbers(text: &str) -> String {
    let mut shown = String::new();
    for c in text.chars() {
        match c {
            '0'..='9' if shown.ends_with('N') => {}
            '0'..='9' => shown.push('N'),
            _ => shown.push(c),
        }
    }
    shown
}

/// What `docs/install.md` shows below a command, up to the next one.
fn shown_below(guide: &str, command: &str) -> String {
    let (_, rest) = guide.split_once(&format!("# {command}\n")).expect(command);
    rest.lines().take_while(|line| !line.starts_with("# ") && !line.starts_with("```")).fold(
        String::new(),
        |mut shown, line| {
            shown += line;
            shown.push('\n');
            shown
        },
    )
}

#[test]
fn the_refusals_in_the_installation_guide_are_those_of_the_installed_configuration() {
    let guide = fs::read_to_string(root().join("docs/install.md")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    let installed = std::process::Command::new(root().join("packaging/config.sh"))
        .stdin(fs::File::open(root().join("config.toml.example")).unwrap())
        .output()
        .unwrap();
    fs::write(&file, installed.stdout).unwrap();
    let file = file.to_str().unwrap();
    let check = cu_agent(&["--config", file, "check"]).exited(2);
    // The passwords' files are there once the package is installed.
    let printed: String = check
        .stderr
        .replace(file, "/etc/cu-agent/config.toml")
        .lines()
        .filter(|line| !line.contains("password_file"))
        .fold(String::new(), |text, line| text + line + "\n");
    let shown = shown_below(&guide, "runuser -u cu-agent -- cu-agent check");
    assert_eq!(without_numbers(&shown), without_numbers(&printed));
}

#[test]
fn check_log_and_sessions_in_the_installation_guide_are_those_that_a_first_run_prints() {
    let guide = fs::read_to_string(root().join("docs/install.md")).unwrap();
    let server = Vsftpd::start(Options::default());
    let folder = Folder::served_by(&server);
    folder.make_three_machines();
    for centre in &CENTRES {
        for day in working_days(NaiveDate::from_ymd_opt(2025, 5, 26).unwrap(), 2) {
            let log = log_of_day(centre, day, 1, Dirt::None);
            folder.put(&format!("{}/{}", centre.folder, file_name(day)), &log);
        }
    }
    let database = Database::fresh();
    let agent = Agent::on_ftp(&server).central(&database);
    let check = agent.command(&["check"]).succeeded();
    let check = check
        .stdout
        .replace(agent.config_file().to_str().unwrap(), "/etc/cu-agent/config.toml")
        .replace(agent.state_dir().to_str().unwrap(), "/var/lib/cu-agent")
        .replace(agent.dir().to_str().unwrap(), "/var/lib/cu-agent");
    let (_, below) = guide.split_once("## 4. Check").unwrap();
    let shown = shown_below(below, "runuser -u cu-agent -- cu-agent check");
    assert_eq!(without_numbers(&shown), without_numbers(&check));

    let running = agent.run();
    // Two threads, in any order.
    running.wait_for_line("rows sent");
    running.wait_for_line("files read");
    // A slow machine sends what the first files gave before it has read the others.
    let comparable = |text: &str| {
        without_numbers(text).replace("N,N", "N").replace("N session with", "N sessions with")
    };
    let log = comparable(&running.log());
    let of_journal = |line: &&str| line.contains(" cu-agent[");
    let journal = guide.lines().filter(of_journal);
    let lines: Vec<&str> = journal.filter_map(|line| Some(line.split_once("]: ")?.1)).collect();
    assert!(lines.len() > 2, "{lines:?}");
    for line in lines {
        assert!(log.contains(&comparable(line)), "not logged: {line}\n{log}");
    }
    wait::until("central has every session", wait::PATIENCE, || {
        !agent.command(&["sessions"]).stdout.contains("waiting")
    });
    running.terminate();
    let sessions = agent.command(&["sessions"]).succeeded();
    assert_eq!(shown_below(&guide, "runuser -u cu-agent -- cu-agent sessions"), sessions.stdout);
}
