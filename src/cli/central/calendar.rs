//! `cu-agent central calendar …`: the plant's calendar is checked, written and read.
//!
//! What must never happen here: a version written over one that its writer has not seen; a text written that
//! a gateway then refuses.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs,
    io::{self, IsTerminal, Write as _},
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::configured_central;
use crate::{
    calendar::{Calendar, Calendars},
    cli::{Exit, LogTo, UsageError, complain, configured, print, print_as_is, print_json},
    config::{Config, KnownMachines, parse_calendars, parse_plant_calendar},
    logging,
    model::{PlantCalendar, printable, printable_lines},
    sync::postgres::{CalendarThere, Central, NewCalendar, ToldCalendar, for_encoding},
};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Check FILE, and write it as the newest version. Nothing is written if central holds the same text.
    /// Gateways fetch it at their next contact.
    Put {
        /// TOML with [[calendar]] tables, as in the configuration.
        file: PathBuf,
        /// Write only if central's newest version is this one, see `show`; 0: only if it has none.
        #[arg(long, value_name = "VERSION")]
        expect: Option<i64>,
        /// Who writes, besides the role of the database.
        #[arg(long, value_name = "NAME")]
        by: Option<String>,
        /// Kept with the version.
        #[arg(long, value_name = "TEXT")]
        comment: Option<String>,
    },
    /// Print the newest version as it was written; its number, writer and time go to standard error.
    Show {
        /// Output as JSON, with the machines that it is for.
        #[arg(long)]
        json: bool,
    },
    /// Check FILE: every mistake with its line and key, and machines that central does not know. Without
    /// central everything but the machines is checked.
    Check {
        /// TOML with [[calendar]] tables, as in the configuration.
        file: PathBuf,
    },
}

/// Machines that a message lists.
const MOST_NAMES: usize = 50;
/// Longest name of a person, and longest comment, in characters.
const MOST_PERSON_CHARS: usize = 100;
const MOST_COMMENT_CHARS: usize = 500;

pub(super) fn run(config: &Path, command: &Command) -> anyhow::Result<Exit> {
    match command {
        Command::Put { file, expect, by, comment } => {
            let text = text_of(file)?;
            let config = configured(config, LogTo::StderrWarnings)?;
            let mut central = connect(&config)?;
            let person = by.as_deref().map(|by| printable(by, MOST_PERSON_CHARS));
            let comment = comment.as_deref().map(|text| printable(text, MOST_COMMENT_CHARS));
            let put = Put { file, text: &text, expect: *expect, person, comment };
            put.run(&mut central, &config)
        }
        Command::Show { json } => {
            let config = configured(config, LogTo::StderrWarnings)?;
            show(&mut connect(&config)?, *json)
        }
        Command::Check { file } => check(config, file),
    }
}

fn connect(config: &Config) -> anyhow::Result<Central> {
    Ok(Central::connect(configured_central(config)?, "cu-agent central calendar")?)
}

fn text_of(file: &Path) -> Result<String, UsageError> {
    let shown = file.display();
    let bytes = fs::read(file).map_err(|error| UsageError(format!("{shown}: {error}")))?;
    String::from_utf8(bytes).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        UsageError(format!("{shown}:{line}: not UTF-8; save the file in that encoding"))
    })
}

/// Central's newest version; `None`: nobody wrote one.
fn newest(central: &mut Central) -> anyhow::Result<Option<ToldCalendar>> {
    match central.plant_calendar()? {
        CalendarThere::Told(told) => Ok(Some(told)),
        CalendarThere::None | CalendarThere::Known => Ok(None),
        CalendarThere::Unreadable { why } => {
            anyhow::bail!(
                "{why}; `cu-agent central migrate` makes it, or an administrator runs what `cu-agent central migrate --print` prints"
            )
        }
    }
}

/// Parses the text with every refusal, also of machines that neither central nor the configuration knows: one
/// of a gateway that has delivered nothing yet may be planned from there.
fn checked(
    central: &mut Central,
    own: &Config,
    place: &str,
    text: &str,
) -> anyhow::Result<Calendars> {
    let machines = known_machines(central, own)?;
    let encoding = central.server().encoding;
    let known = KnownMachines {
        has: &|nom| machines.contains(&*for_encoding(nom, encoding)),
        otherwise: &format!("is no machine that central knows; it knows {}", listed(&machines)),
    };
    let calendars = parse_plant_calendar(place, text, Some(&known))?;
    if let Some(lost) = central.cannot_hold(text) {
        let code = u32::from(lost.character);
        let escape =
            if code <= 0xffff { format!("\\u{code:04X}") } else { format!("\\U{code:08X}") };
        let error = UsageError(format!(
            "{place}:{}: central's database is in {}, which has no {:?}: leave it out, or write it in a text as {escape}",
            lost.line, lost.encoding, lost.character
        ));
        return Err(error.into());
    }
    Ok(calendars)
}

/// As central's database holds their names.
fn known_machines(central: &mut Central, own: &Config) -> anyhow::Result<BTreeSet<String>> {
    let encoding = central.server().encoding;
    let mut machines = central.known_machines()?;
    let own = own.fed_machines().into_iter();
    machines.extend(own.map(|fed| for_encoding(&fed.machine.nom, encoding).into_owned()));
    Ok(machines)
}

fn listed(machines: &BTreeSet<String>) -> String {
    if machines.is_empty() {
        return "none: a machine is known once a gateway has delivered for it".into();
    }
    let mut text: Vec<&str> = machines.iter().take(MOST_NAMES).map(String::as_str).collect();
    let more = format!("{} more", machines.len().saturating_sub(MOST_NAMES));
    if machines.len() > MOST_NAMES {
        text.push(&more);
    }
    text.join(", ")
}

/// The names that the text's tables name; `*` for the one without.
fn names(calendars: &Calendars) -> String {
    let mut names: Vec<&str> = calendars.machines().collect();
    if calendars.has_others() {
        names.push("*");
    }
    names.join(", ")
}

struct Put<'p> {
    file: &'p Path,
    text: &'p str,
    expect: Option<i64>,
    person: Option<String>,
    comment: Option<String>,
}

impl Put<'_> {
    fn run(self, central: &mut Central, own: &Config) -> anyhow::Result<Exit> {
        let calendars = checked(central, own, &self.file.display().to_string(), self.text)?;
        let before = newest(central)?;
        let replaces = before.as_ref().map_or(0, |before| before.version);
        if let Some(before) = before.as_ref().filter(|one| one.text.as_deref() == Ok(self.text)) {
            print(&format!("central holds this text already: {}\n", told(before)))?;
            return Ok(Exit::Done);
        }
        if let Some(expected) = self.expect.filter(|expected| *expected != replaces) {
            complain(&not_written(&format!("version {expected}"), before.as_ref()));
            return Ok(Exit::Failed);
        }
        let written = central.put_calendar(&NewCalendar {
            text: self.text,
            replaces,
            machines: &names(&calendars),
            person: self.person.as_deref(),
            comment: self.comment.as_deref(),
        })?;
        let Some(version) = written else {
            let now = newest(central)?;
            complain(&not_written(&format!("version {replaces}"), now.as_ref()));
            return Ok(Exit::Failed);
        };
        let old = before.as_ref().and_then(|before| before.text.as_ref().ok());
        let old = old.and_then(|text| parse_calendars("", text).ok()).unwrap_or_default();
        let mut text = format!("version {version} is written");
        if let Some(before) = &before {
            write!(text, ", in place of {}", told(before)).expect("a String takes any text");
        }
        text += "\n";
        text += &changes(&old, &calendars, &known_machines(central, own)?);
        text +=
            "gateways fetch it at their next contact, within 5 minutes if central answers them\n";
        print(&text)?;
        Ok(Exit::Done)
    }
}

fn not_written(expected: &str, newest: Option<&ToldCalendar>) -> String {
    let newest = newest.map_or("none".into(), told);
    format!(
        "not written: central's newest is not {expected} but {newest}; look at it with `cu-agent central calendar show`, and put what is to count then"
    )
}

/// A version in one line.
fn told(told: &ToldCalendar) -> String {
    let ToldCalendar { version, written_at, written_by, .. } = told;
    let mut text = format!("version {version} of {written_at} UTC by {written_by}");
    if let Some(comment) = &told.comment {
        write!(text, " ({comment})").expect("a String takes any text");
    }
    text
}

/// What becomes of each machine.
fn changes(old: &Calendars, new: &Calendars, known: &BTreeSet<String>) -> String {
    let known = known.iter().map(String::as_str);
    let all: BTreeSet<&str> = known.chain(old.machines()).chain(new.machines()).collect();
    let kinds = [
        "get a calendar from here",
        "get another calendar",
        "keep their calendar",
        "have no calendar from here any more",
        "have no calendar from here",
    ];
    let mut of_kind: [Vec<&str>; 5] = Default::default();
    let planned = |calendar: Option<&Calendar>| {
        calendar.map(|calendar| Calendar { place: String::new(), ..calendar.clone() })
    };
    for machine in all {
        let kind = match (planned(old.of(machine)), planned(new.of(machine))) {
            (None, Some(_)) => 0,
            (Some(old), Some(new)) if old != new => 1,
            (Some(_), Some(_)) => 2,
            (Some(_), None) => 3,
            (None, None) => 4,
        };
        of_kind[kind].push(machine);
    }
    let lines = kinds.iter().zip(of_kind).filter(|(_, machines)| !machines.is_empty());
    lines.map(|(kind, machines)| format!("{kind}: {}\n", machines.join(", "))).collect()
}

/// `show --json`.
#[derive(Serialize)]
struct Shown<'s> {
    version: i64,
    written_at: &'s str,
    written_by: &'s str,
    comment: Option<&'s str>,
    /// By name; `null`: the text cannot be used, see `refusal`.
    machines: Option<Vec<String>>,
    /// Whether it is for machines that it does not name.
    has_others: bool,
    text: &'s str,
    refusal: Option<String>,
}

fn show(central: &mut Central, json: bool) -> anyhow::Result<Exit> {
    let Some(newest) = newest(central)? else {
        if json {
            print_json("null\n")?;
        }
        complain(
            "central has no calendar of the plant; `cu-agent central calendar put FILE` writes one",
        );
        return Ok(Exit::Failed);
    };
    let text = newest.text.as_ref().map_err(|why| anyhow::anyhow!("{}: {why}", told(&newest)))?;
    let usable = parse_calendars(&PlantCalendar::place(newest.version), text);
    if json {
        let calendars = usable.as_ref().ok();
        let shown = Shown {
            version: newest.version,
            written_at: &newest.written_at,
            written_by: &newest.written_by,
            comment: newest.comment.as_deref(),
            machines: calendars.map(|all| all.machines().map(str::to_owned).collect()),
            has_others: calendars.is_some_and(Calendars::has_others),
            text,
            refusal: usable.as_ref().err().map(|error| error.on_one_line()),
        };
        print_json(&(serde_json::to_string_pretty(&shown)? + "\n"))?;
        return Ok(Exit::Done);
    }
    let whom = match &usable {
        Ok(calendars) => for_whom(calendars),
        Err(_) => "no gateway, because it cannot be used: `central calendar check` says why".into(),
    };
    let head = format!("{}, for {whom}", told(&newest));
    writeln!(io::stderr(), "{}", printable_lines(&head)).ok();
    // A file gets it as it was written; a terminal obeys no text of another's.
    if io::stdout().is_terminal() {
        print(text)?
    } else {
        print_as_is(text)?
    }
    Ok(Exit::Done)
}

fn check(config: &Path, file: &Path) -> anyhow::Result<Exit> {
    let text = text_of(file)?;
    let place = file.display().to_string();
    let not_compared = match compared(config, &place, &text)? {
        Ok(calendars) => {
            print(&format!("{place} can be used, for {}\n", for_whom(&calendars)))?;
            return Ok(Exit::Done);
        }
        Err(why) => why,
    };
    let calendars = parse_calendars(&place, &text)?;
    print(&format!(
        "{place} can be used, for {}\nmachines were not compared with central's: {not_compared}\n",
        for_whom(&calendars)
    ))?;
    Ok(Exit::Done)
}

/// The text checked against central; an error inside says why there is none to compare with.
fn compared(config: &Path, place: &str, text: &str) -> anyhow::Result<Result<Calendars, String>> {
    if let Ok(false) = config.try_exists() {
        return Ok(Err(format!("there is no configuration {}", config.display())));
    }
    let config = configured(config, LogTo::StderrWarnings)?;
    let central = match configured_central(&config) {
        Ok(central) => Central::connect(central, "cu-agent central calendar"),
        Err(none) => return Ok(Err(none.to_string())),
    };
    match central {
        Ok(mut central) => Ok(Ok(checked(&mut central, &config, place, text)?)),
        Err(error) => Ok(Err(logging::chain(&error))),
    }
}

fn for_whom(calendars: &Calendars) -> String {
    match names(calendars) {
        none if none.is_empty() => "no machine: it has no [[calendar]]".into(),
        names => names,
    }
}
