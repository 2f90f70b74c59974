//! Text of which parts have a colour on a terminal, and whether they are to have it.
//!
//! What must never happen here: an escape that stands in a name or a reason; a colour in a pipe or a file
//! that nobody asked for.

use std::{
    env,
    fmt::{self, Write},
    io::{self, IsTerminal},
};

use super::print_as_is;
use crate::model::printable_lines;

/// When `--color` has colours.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(super) enum When {
    /// On a terminal, unless NO_COLOR, CLICOLOR=0 or TERM=dumb is set.
    Auto,
    Always,
    Never,
}

/// What a colour says; the words say it too.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Tone {
    Good,
    /// Worth a look.
    Warn,
    Bad,
}

impl Tone {
    const fn escape(self) -> &'static str {
        match self {
            Self::Good => "\x1b[32m",
            Self::Warn => "\x1b[33m",
            Self::Bad => "\x1b[1;31m",
        }
    }
}

const PLAIN: &str = "\x1b[0m";

/// Pieces of a text, each with its tone.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Painted(Vec<(Option<Tone>, String)>);

impl Painted {
    /// Without a colour.
    pub(super) fn push(&mut self, text: &str) {
        self.put(None, text);
    }

    pub(super) fn put(&mut self, tone: Option<Tone>, text: &str) {
        self.0.push((tone, text.to_owned()));
    }

    pub(super) fn append(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    /// As it is printed. What came from files, servers and central into a piece moves no cursor and turns no
    /// writing.
    fn written(&self, has_colours: bool) -> String {
        let mut all = String::new();
        for (tone, text) in &self.0 {
            let text = printable_lines(text);
            let written = match tone.filter(|_| has_colours && !text.is_empty()) {
                Some(tone) => write!(all, "{}{text}{PLAIN}", tone.escape()),
                None => write!(all, "{text}"),
            };
            written.expect("a String takes any text");
        }
        all
    }

    pub(super) fn print(&self, when: When) -> io::Result<()> {
        print_as_is(&self.written(has_colours(when)))
    }
}

impl From<String> for Painted {
    fn from(text: String) -> Self {
        Self(vec![(None, text)])
    }
}

/// Without colours.
impl fmt::Display for Painted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(_, text)| f.write_str(text))
    }
}

/// Whether standard output is to have colours.
fn has_colours(when: When) -> bool {
    match when {
        When::Always => true,
        When::Never => false,
        When::Auto => io::stdout().is_terminal() && are_wanted(&|name| env::var(name).ok()),
    }
}

/// What the environment says of colours (no-color.org, bixense.com/clicolors).
fn are_wanted(variable: &dyn Fn(&str) -> Option<String>) -> bool {
    let is_set = |name: &str| variable(name).is_some_and(|value| !value.is_empty());
    let is_dumb = variable("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
    !is_set("NO_COLOR") && variable("CLICOLOR").as_deref() != Some("0") && !is_dumb
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colour_is_of_ours_and_an_escape_in_a_name_is_none() {
        let mut text = Painted::default();
        text.put(Some(Tone::Bad), "FAIL");
        text.push("  \x1b[32mok\n");
        text.put(Some(Tone::Good), "");
        assert_eq!(text.written(true), "\x1b[1;31mFAIL\x1b[0m   [32mok\n");
        assert_eq!(text.written(false), "FAIL   [32mok\n");
    }

    #[test]
    fn the_environment_may_refuse_colours() {
        let wanted = |set: &[(&str, &str)]| {
            are_wanted(&|name| {
                set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
            })
        };
        let term = ("TERM", "xterm-256color");
        assert!(wanted(&[term]));
        assert!(wanted(&[term, ("NO_COLOR", ""), ("CLICOLOR", "1")]), "an empty one is none");
        for refused in [("NO_COLOR", "1"), ("NO_COLOR", "false"), ("CLICOLOR", "0")] {
            assert!(!wanted(&[term, refused]), "{refused:?}");
        }
        assert!(!wanted(&[]) && !wanted(&[("TERM", "dumb")]));
    }
}
