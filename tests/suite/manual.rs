//! The manual pages and the shell's completion in `packaging/`: made of the command line and of
//! `config.toml.example`, committed, and here held against what they are made of. After a change:
//!
//! ```text
//! CU_AGENT_WRITE_MANUAL=1 cargo test --test suite manual::
//! ```

use std::{fmt::Write, fs, path::Path};

use clap_mangen::Man;
use cu_agent::cli::command_line;

/// With this variable the pages are written instead of compared.
const WRITE: &str = "CU_AGENT_WRITE_MANUAL";

#[track_caller]
fn is_committed(path: &str, made: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os(WRITE).is_some() {
        fs::write(&file, made).unwrap();
    }
    let committed = fs::read_to_string(&file).unwrap_or_default();
    let differs = committed.lines().zip(made.lines()).find(|(committed, made)| committed != made);
    assert!(
        committed == made,
        "{path} is not what it is made of; {WRITE}=1 cargo test --test suite manual:: updates it\n\
         first difference: {differs:?}"
    );
}

#[test]
fn the_page_of_the_command_is_made_of_the_command_line() {
    is_committed("packaging/man/cu-agent.1", &command_page());
}

#[test]
fn the_page_of_the_configuration_is_made_of_the_example() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("config.toml.example");
    let page = configuration_page(&fs::read_to_string(example).unwrap());
    is_committed("packaging/man/cu-agent.toml.5", &page);
}

#[test]
fn the_completion_is_made_of_the_command_line() {
    let mut made = Vec::new();
    clap_complete::generate(clap_complete::Shell::Bash, &mut command_line(), "cu-agent", &mut made);
    is_committed("packaging/completion/cu-agent.bash", &String::from_utf8(made).unwrap());
}

fn rendered(render: impl FnOnce(&mut dyn std::io::Write) -> Result<(), std::io::Error>) -> String {
    let mut page = Vec::new();
    render(&mut page).unwrap();
    let page = String::from_utf8(page).unwrap();
    // What each part begins with, for apostrophes; once a page is enough.
    page.replace(".ie \\n(.g .ds Aq \\(aq\n.el .ds Aq '\n", "")
}

/// All commands in one page: there are few, and one page can be read from end to end.
fn command_page() -> String {
    let mut command = command_line().disable_help_subcommand(true);
    command.build();
    let mut page = ".ie \\n(.g .ds Aq \\(aq\n.el .ds Aq '\n".to_owned();
    page += &format!(
        ".TH CU\\-AGENT 1 \"\" \"cu\\-agent {}\" \"User Commands\"\n",
        escaped(command.get_version().unwrap())
    );
    page += ".SH NAME\n";
    page += &format!("cu\\-agent \\- {}\n", escaped(env!("CARGO_PKG_DESCRIPTION")));
    let whole = Man::new(command.clone());
    page += &rendered(|to| whole.render_synopsis_section(to));
    page += &rendered(|to| whole.render_description_section(to));
    page += &rendered(|to| whole.render_options_section(to));
    page += ".SH COMMANDS\n";
    subcommands(&mut page, &command, "cu-agent");
    page += ".SH EXIT STATUS\n";
    let help = command.get_after_help().unwrap().to_string();
    for line in help.split_once("Exit codes:\n").expect("the help lists them").1.lines() {
        let (code, meaning) = line.trim().split_once(' ').expect("a code and its meaning");
        write!(page, ".TP\n.B {code}\n{}\n", escaped(meaning)).unwrap();
    }
    page += "\
.SH FILES
.TP
.I /etc/cu\\-agent/config.toml
The configuration, see
.BR cu\\-agent.toml (5).
.TP
.I /etc/cu\\-agent/ftp.password\\fR, \\fI/etc/cu\\-agent/central.password
The passwords, one line each. The service gets them from systemd as the credentials
ftp\\-password and central\\-password.
.TP
.I /var/lib/cu\\-agent/buffer.db
What was read and computed. Only the agent may write to it.
.SH SEE ALSO
.BR cu\\-agent.toml (5),
.BR systemctl (1),
.BR journalctl (1)
";
    page
}

fn subcommands(page: &mut String, of: &clap::Command, name: &str) {
    for command in of.get_subcommands() {
        let name = format!("{name} {}", command.get_name());
        if command.has_subcommands() {
            subcommands(page, command, &name);
            continue;
        }
        // `--config` and `--help` belong to every command and stand above.
        let own = command.clone().mut_args(|argument| {
            let is_everywhere = argument.is_global_set() || argument.get_id() == "help";
            argument.hide(is_everywhere)
        });
        let arguments: String = own
            .get_arguments()
            .filter(|argument| !argument.is_hide_set())
            .map(|argument| {
                let is_optional = !argument.is_required_set();
                let (open, close) = if is_optional { (" [", "]") } else { (" ", "") };
                format!("{open}{argument}{close}")
            })
            .collect();
        writeln!(page, ".SS {}", escaped(&format!("{name}{arguments}"))).unwrap();
        let about = own.get_long_about().or(own.get_about()).unwrap().to_string();
        writeln!(page, "{}", escaped(&about)).unwrap();
        let man = Man::new(own);
        let options = rendered(|to| man.render_options_section(to));
        *page += options.trim_start_matches(".SH OPTIONS\n");
    }
}

/// One entry for each comment with the keys below it.
fn configuration_page(example: &str) -> String {
    let mut page = format!(
        ".TH CU\\-AGENT.TOML 5 \"\" \"cu\\-agent {}\" \"File Formats\"\n\
         .SH NAME\ncu\\-agent.toml \\- configuration of cu\\-agent\n\
         .SH SYNOPSIS\n.I /etc/cu\\-agent/config.toml\n.SH DESCRIPTION\n\
         The file is TOML. With a key stands an example of its value, or its default where the\n\
         text says so. A key that does not exist is refused by name.\n",
        escaped(env!("CARGO_PKG_VERSION"))
    );
    let mut lines = example.lines().map(str::trim).peekable();
    // The head speaks to who copies the example; its second paragraph is about passwords.
    let head: Vec<&str> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
    let passwords = head.split(|line| *line == "#").next_back().unwrap();
    page += ".PP\n";
    for line in passwords {
        writeln!(page, "{}", escaped(line.trim_start_matches("# "))).unwrap();
    }
    let mut entry = Entry::default();
    while let Some(line) = lines.next() {
        let bare = line.strip_prefix("# ").unwrap_or(line).trim_start();
        if line.is_empty() {
            entry.end(&mut page);
        } else if line.starts_with("# [[") {
            // One more of a kind that is explained above: an example.
            entry.end(&mut page);
            page += ".PP\n.EX\n";
            let mut at = Some(line);
            while let Some(shown) = at {
                let shown = shown.strip_prefix('#').unwrap_or(shown);
                writeln!(page, "{}", escaped(shown.strip_prefix(' ').unwrap_or(shown))).unwrap();
                at = lines.next_if(|next| !next.is_empty());
            }
            page += ".EE\n";
        } else if bare.starts_with('[') && bare.ends_with(']') {
            let prose = std::mem::take(&mut entry.prose);
            entry.end(&mut page);
            let heading = if bare.contains('.') { "SS" } else { "SH" };
            write!(page, ".{heading} {}\n{prose}", escaped(bare)).unwrap();
        } else if is_key(bare) {
            entry.keys.push(bare);
        } else {
            let text = line.strip_prefix('#').unwrap_or_else(|| panic!("not understood: {line}"));
            if !entry.keys.is_empty() {
                entry.end(&mut page);
            }
            writeln!(entry.prose, "{}", escaped(text.trim())).unwrap();
        }
    }
    entry.end(&mut page);
    page += ".SH SEE ALSO\n.BR cu\\-agent (1)\n";
    page
}

/// What is said, and the keys it is said of; a paragraph where there are none.
#[derive(Default)]
struct Entry<'t> {
    prose: String,
    keys: Vec<&'t str>,
}

impl Entry<'_> {
    fn end(&mut self, page: &mut String) {
        for (number, line) in self.keys.iter().enumerate() {
            let (key, value) = line.split_once('=').unwrap();
            // A long value may be broken where its parts meet.
            let value = escaped(value.trim()).replace(':', ":\\:");
            let tag = if number == 0 { "TP" } else { "TQ" };
            write!(page, ".{tag}\n\\fB{}\\fR = {value}\n", escaped(key.trim())).unwrap();
        }
        if self.keys.is_empty() && !self.prose.is_empty() {
            *page += ".PP\n";
        }
        *page += &self.prose;
        *self = Self::default();
    }
}

fn is_key(line: &str) -> bool {
    line.split_once('=').is_some_and(|(key, value)| {
        let key = key.trim();
        let is_name = key.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        !value.trim().is_empty() && (is_name || key.starts_with('"') && key.ends_with('"'))
    })
}

/// Text that means itself in a manual page.
fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text }
}
