//! `config.toml.example`, the manual pages and the shell's completion: made of the table of keys
//! (`src/config/keys/`) and of the command line, committed, and here compared with what they are made of.
//! After a change:
//!
//! ```text
//! CU_AGENT_WRITE_MANUAL=1 cargo test --test suite manual::
//! ```

use std::{fmt::Write, fs, path::Path};

use clap_mangen::Man;
use cu_agent::{
    cli::command_line,
    config::{self, Explained, Shown, Topic},
};

use super::example_config;

/// With this variable the files are written before they are compared.
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
fn the_example_configuration_is_made_of_the_table_of_keys() {
    is_committed(example_config::EXAMPLE, &example_config::example());
}

#[test]
fn the_page_of_the_configuration_is_made_of_the_table_of_keys() {
    is_committed("packaging/man/cu-agent.toml.5", &configuration_page());
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
.I /etc/cu\\-agent/sftp.key\\fR, \\fI/etc/cu\\-agent/sftp.passphrase
The private key for SFTP servers and its passphrase, if there are any. The service gets them as the
credentials sftp\\-key and sftp\\-key\\-passphrase.
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

fn configuration_page() -> String {
    let mut page = format!(
        ".TH CU\\-AGENT.TOML 5 \"\" \"cu\\-agent {}\" \"File Formats\"\n\
         .SH NAME\ncu\\-agent.toml \\- configuration of cu\\-agent\n\
         .SH SYNOPSIS\n.I /etc/cu\\-agent/config.toml\n.SH DESCRIPTION\n\
         The file is TOML. With a key stands an example of its value, or its default where the\n\
         text says so. A key that does not exist is refused by name.\n",
        escaped(env!("CARGO_PKG_VERSION"))
    );
    // The first paragraph is about the example itself.
    page += ".PP\n";
    prose(&mut page, config::HEAD[1]);
    for topic in config::topics() {
        section(&mut page, &topic);
    }
    page += ".SH SEE ALSO\n.BR cu\\-agent (1)\n";
    page
}

fn section(page: &mut String, topic: &Topic) {
    let header = topic.header.trim_start_matches("# ");
    match header {
        "" => *page += ".PP\n",
        _ if header.contains('.') => writeln!(page, ".SS {}", escaped(header)).unwrap(),
        _ => writeln!(page, ".SH {}", escaped(header)).unwrap(),
    }
    prose(page, topic.about);
    // Keys that are explained together are listed together.
    for group in topic.keys.chunk_by(|_, next| next.about.is_empty()) {
        for (number, key) in group.iter().enumerate() {
            *page += if number == 0 { ".TP\n" } else { ".TQ\n" };
            tag(page, key);
        }
        prose(page, &group[0].about);
    }
    if !topic.sample.is_empty() {
        *page += ".PP\n.EX\n";
        for line in topic.sample.lines() {
            writeln!(page, "{}", escaped(line.strip_prefix("# ").unwrap_or(line))).unwrap();
        }
        *page += ".EE\n";
    }
}

fn tag(page: &mut String, key: &Explained) {
    let name = escaped(key.name);
    match &key.shown {
        Shown::On(value) | Shown::Off(value) => {
            // A long value may be broken where its parts meet.
            let value = escaped(value).replace(':', ":\\:");
            writeln!(page, "\\fB{name}\\fR = {value}").unwrap();
        }
        Shown::InSample => writeln!(page, "\\fB{name}\\fR").unwrap(),
    }
}

fn prose(page: &mut String, text: &str) {
    for line in example_config::wrapped(text, 100) {
        writeln!(page, "{}", escaped(&line)).unwrap();
    }
}

/// Text that means itself in a manual page.
fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text }
}
