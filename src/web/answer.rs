//! From a request to an answer: which page is meant, and in which language. It reads the buffer, and
//! knows neither sockets nor the crate behind them.
//!
//! What must never happen here: an answer to a name that is not this computer's; an answer to a
//! method that asks for a change.

use std::{borrow::Cow, sync::Arc, time::Duration};

use chrono::NaiveDateTime;
use maud::{Markup, html};
use percent_encoding::percent_decode_str;

use super::host::Hosts;
use crate::{
    buffer::{Buffer, BufferError, HeaderFilter},
    config::Config,
    logging,
    model::{Day, Language, printable_lines},
    status::{
        Dialect, WallClock,
        counters::Counters,
        csv,
        day_view::{self, DayView, MachineView, ViewQuery},
        health::Verdict,
        metrics::{self, Holdings, Measured},
        notes::{self, Note},
        pages,
        shell::{ICON, Reader, Shell},
    },
};

/// What is needed to answer.
pub struct Site {
    pub config: Arc<Config>,
    pub hosts: Hosts,
    /// What the stages handed over, and what of it needs a clock.
    pub counts: Box<dyn Fn() -> Reading + Send + Sync>,
    pub health: Box<dyn Fn() -> Verdict + Send + Sync>,
    /// The gateway's clock.
    pub now: Box<dyn Fn() -> WallClock + Send + Sync>,
}

/// The stages' figures at one moment.
pub struct Reading {
    pub counts: Counters,
    pub central_is_up: Option<bool>,
    /// The computer's running time.
    pub uptime: Duration,
    pub utc: NaiveDateTime,
}

/// What matters of a request.
#[derive(Clone, Copy, Debug)]
pub struct Question<'q> {
    pub method: &'q str,
    pub host: Option<&'q str>,
    /// Path and query as they were sent.
    pub target: &'q str,
    pub accept_language: Option<&'q str>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    pub status: u16,
    pub content_type: &'static str,
    pub body: String,
    /// A name to save the body under.
    pub file_name: Option<String>,
}

const HTML: &str = "text/html; charset=utf-8";
const CSV: &str = "text/csv; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";
/// A year of forty machines.
const MOST_ROWS: usize = 15_000;
const MOST_DAYS: i64 = 366;

impl Answer {
    fn of(status: u16, content_type: &'static str, body: impl Into<String>) -> Self {
        // Of what a terminal or a browser obeys, markup and text have line ends only; CSV has signs of
        // its own, and makes its cells harmless one by one.
        let body = match (content_type, body.into()) {
            (CSV, body) => body,
            (_, body) => match printable_lines(&body) {
                Cow::Borrowed(_) => body,
                Cow::Owned(printable) => printable,
            },
        };
        Self { status, content_type, body, file_name: None }
    }

    pub fn plain(status: u16, body: impl Into<String>) -> Self {
        Self::of(status, TEXT, body)
    }
}

/// The path's steps and the query's pairs, decoded; `None` where they are no text.
struct Address {
    steps: Vec<String>,
    query: Vec<(String, String)>,
}

impl Address {
    fn parse(target: &str) -> Option<Self> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let decode = |text: &str| {
            let text = percent_decode_str(text).decode_utf8().ok()?;
            (!text.contains(char::is_control)).then(|| text.into_owned())
        };
        let steps = path.strip_prefix('/')?.split('/').filter(|step| !step.is_empty());
        let pairs = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((decode(key)?, decode(&value.replace('+', " "))?))
        });
        Some(Self {
            steps: steps.map(decode).collect::<Option<_>>()?,
            query: pairs.collect::<Option<_>>()?,
        })
    }

    fn value(&self, key: &str) -> Option<&str> {
        self.query.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    fn day(&self, key: &str) -> Option<Day> {
        self.value(key).and_then(day)
    }
}

/// Years of four digits, as every LOG has them.
fn day(text: &str) -> Option<Day> {
    let day: Day = text.parse().ok()?;
    (text.len() == 10 && (1970..=9998).contains(&chrono::Datelike::year(&day))).then_some(day)
}

impl Site {
    /// Before anything is read: whether the request is one that is answered at all.
    pub fn refusal(&self, question: &Question<'_>) -> Option<Answer> {
        if !question.host.is_some_and(|host| self.hosts.accepts(host)) {
            return Some(Answer::plain(
                421,
                "Unknown host name: use the gateway's IP address, or add this name to `names` under [status] in its configuration.\n",
            ));
        }
        if !["GET", "HEAD"].contains(&question.method) {
            return Some(Answer::plain(405, "This page is read-only: use GET or HEAD.\n"));
        }
        None
    }

    pub fn answer(&self, question: &Question<'_>) -> Answer {
        if let Some(refusal) = self.refusal(question) {
            return refusal;
        }
        let Some(address) = Address::parse(question.target) else {
            return Answer::plain(400, "This URL is not valid UTF-8.\n");
        };
        let reader = self.reader(&address, question.accept_language);
        self.page(&address, reader).unwrap_or_else(|error| {
            log::debug!("page {}: {}", question.target, logging::chain(&error));
            self.failed(&error, reader)
        })
    }

    fn page(&self, address: &Address, reader: Reader) -> Result<Answer, BufferError> {
        let steps: Vec<&str> = address.steps.iter().map(String::as_str).collect();
        match steps.as_slice() {
            [] => self.day(None, reader),
            ["day"] => match address.day("day") {
                Some(day) => self.day(Some(day), reader),
                None => Ok(self.not_found(reader)),
            },
            ["day", text] => match day(text) {
                Some(day) => self.day(Some(day), reader),
                None => Ok(self.not_found(reader)),
            },
            ["machine", nom] => self.machine(nom, None, reader),
            ["machine", nom, text] => match day(text) {
                Some(day) => self.machine(nom, Some(day), reader),
                None => Ok(self.not_found(reader)),
            },
            ["metrics"] => self.metrics(),
            ["healthz"] => Ok(self.healthz()),
            ["sessions.csv"] => self.csv(address),
            ["icon.svg"] => Ok(Answer::of(200, "image/svg+xml", ICON)),
            _ => Ok(self.not_found(reader)),
        }
    }

    fn reader(&self, address: &Address, accept_language: Option<&str>) -> Reader {
        let chosen = address.value("lang").and_then(|code| match code {
            "fr" => Some(Language::French),
            "en" => Some(Language::English),
            _ => None,
        });
        let language = chosen
            .or(self.config.status.language)
            .unwrap_or_else(|| preferred(accept_language.unwrap_or_default()));
        Reader { language, is_chosen: chosen.is_some() }
    }

    fn html(
        &self,
        status: u16,
        shell: &Shell<'_>,
        view: Option<&DayView>,
        live: &Markup,
    ) -> Answer {
        Answer::of(status, HTML, shell.around(view, live).into_string())
    }

    fn day(&self, day: Option<Day>, reader: Reader) -> Result<Answer, BufferError> {
        let query = ViewQuery { day, machine: None };
        let Some(view) = DayView::look(&self.config, (self.now)(), query)? else {
            return Ok(self.not_found(reader));
        };
        let path = day.map_or_else(|| "/".to_owned(), |day| format!("/day/{day}"));
        let title = reader.date(view.day);
        let shell = Shell { agent: &self.config.agent.id, title: &title, path: &path, reader };
        let notes = self.notes(&view, reader)?;
        let live = pages::day(&view, notes, &self.config, reader);
        Ok(self.html(200, &shell, Some(&view), &live))
    }

    /// Of each machine of the view, in its order: everything, or where there are many the gravest.
    fn notes(&self, view: &DayView, reader: Reader) -> Result<Vec<Vec<Note>>, BufferError> {
        let language = reader.language;
        let Some(buffer) = Buffer::open_read_only(&self.config.agent.state_dir)? else {
            return Ok(vec![Vec::new(); view.machines.len()]);
        };
        let is_many = view.machines.len() > pages::MOST_LARGE;
        let of_machine = |machine: &MachineView| match machine {
            machine if machine.standing.is_none() => Ok(Vec::new()),
            machine if is_many => notes::gravest(&buffer, &machine.nom, view.day, language),
            machine => notes::of_day(
                &buffer,
                &machine.nom,
                view.day,
                &machine.session,
                &self.config.anomalies,
                language,
            ),
        };
        view.machines.iter().map(of_machine).collect()
    }

    fn machine(&self, nom: &str, day: Option<Day>, reader: Reader) -> Result<Answer, BufferError> {
        let query = ViewQuery { day, machine: Some(nom) };
        let Some(view) = DayView::look(&self.config, (self.now)(), query)? else {
            return Ok(self.not_found(reader));
        };
        let Some(machine) = view.machines.first() else { return Ok(self.not_found(reader)) };
        let notes = self.notes(&view, reader)?.pop().unwrap_or_default();
        let plain = Reader { is_chosen: false, ..reader };
        let path = plain.to_machine(nom, day);
        let title = format!("{nom} · {}", reader.date(view.day));
        let shell = Shell { agent: &self.config.agent.id, title: &title, path: &path, reader };
        let live = pages::machine(&view, machine, notes, &self.config, reader);
        Ok(self.html(200, &shell, Some(&view), &live))
    }

    fn metrics(&self) -> Result<Answer, BufferError> {
        let Reading { counts, central_is_up, uptime, utc } = (self.counts)();
        let WallClock { wall, fault } = (self.now)();
        let holdings = Holdings::look(&self.config)?;
        let is_believed = fault.is_none();
        let text = metrics::text(&Measured {
            agent: &self.config.agent.id,
            version: env!("CARGO_PKG_VERSION"),
            counts: &counts,
            holdings: holdings.as_ref(),
            central_is_up,
            is_well: (self.health)().is_well(),
            now: uptime,
            utc: is_believed.then_some(utc),
            wall: is_believed.then_some(wall),
        });
        Ok(Answer::of(200, metrics::CONTENT_TYPE, text))
    }

    /// For load balancers, containers and watchdogs: 200 or 503, and one line that says why.
    fn healthz(&self) -> Answer {
        let verdict = (self.health)();
        let status = if verdict.is_well() { 200 } else { 503 };
        Answer::plain(status, format!("{verdict}\n"))
    }

    fn csv(&self, address: &Address) -> Result<Answer, BufferError> {
        let today = (self.now)().wall.date();
        for key in ["from", "to"] {
            if address.value(key).is_some() && address.day(key).is_none() {
                return Ok(Answer::plain(
                    400,
                    format!("{key}: expected a date such as 2025-05-28.\n"),
                ));
            }
        }
        let to = address.day("to").unwrap_or(today);
        let back = |days| to.checked_sub_signed(chrono::TimeDelta::days(days)).unwrap_or(to);
        let from = address.day("from").unwrap_or_else(|| back(day_view::MONTH_DAYS - 1));
        // At most a year at once, the newest of it.
        let from = from.max(back(MOST_DAYS - 1));
        let dialect = match address.value("for") {
            Some("tableur") => Dialect::FrenchSpreadsheet,
            _ => Dialect::Rfc4180,
        };
        let machine = address.value("machine");
        let filter = HeaderFilter { from, to, machine, most: MOST_ROWS };
        let (headers, times) = match Buffer::open_read_only(&self.config.agent.state_dir)? {
            Some(buffer) => (
                buffer.sessions().day_headers(&filter)?,
                buffer.sessions().times_by_machine(machine, from, to)?,
            ),
            None => Default::default(),
        };
        let day_start = self.config.analysis.day_start;
        let mut answer = Answer::of(200, CSV, csv::table(&headers, &times, day_start, dialect));
        answer.file_name = Some(format!("sessions_{from}_{to}.csv"));
        Ok(answer)
    }

    fn not_found(&self, reader: Reader) -> Answer {
        let title = reader.say("Page introuvable", "Page not found");
        let shell = Shell { agent: &self.config.agent.id, title, path: "/", reader };
        let live = html! {
            h1 { (title) }
            p { a href=(reader.to("/")) { (reader.say("Retour à aujourd'hui", "Back to today")) } }
        };
        self.html(404, &shell, None, &live)
    }

    /// The buffer cannot be read: what it says stands in the log, and here too.
    fn failed(&self, error: &BufferError, reader: Reader) -> Answer {
        let title = reader.say("Le tampon ne peut pas être lu", "The buffer cannot be read");
        let shell = Shell { agent: &self.config.agent.id, title, path: "/", reader };
        let live = html! {
            h1 { (title) }
            p { (logging::chain(error)) }
        };
        self.html(503, &shell, None, &live)
    }
}

/// The first of French and English by the browser's own order; French where it names neither.
fn preferred(accept_language: &str) -> Language {
    let mut best: Option<(Language, u32)> = None;
    for part in accept_language.split(',') {
        let (tag, weight) = part.split_once(';').unwrap_or((part, ""));
        let language = match tag.trim().split('-').next().unwrap_or_default() {
            code if code.eq_ignore_ascii_case("fr") => Language::French,
            code if code.eq_ignore_ascii_case("en") => Language::English,
            _ => continue,
        };
        let weight = weight.trim().strip_prefix("q=").map_or(Some(1.0), |q| q.parse::<f32>().ok());
        // Thousandths, which is as fine as the header goes.
        let weight = (weight.unwrap_or(0.0).clamp(0.0, 1.0) * 1000.0) as u32;
        if weight > 0 && best.is_none_or(|(_, most)| weight > most) {
            best = Some((language, weight));
        }
    }
    best.map_or(Language::French, |(language, _)| language)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_browsers_own_order_decides_and_french_where_it_has_neither() {
        for (header, language) in [
            ("", Language::French),
            ("nl-BE,nl;q=0.9", Language::French),
            ("en-GB,en;q=0.9,fr;q=0.8", Language::English),
            ("nl,fr;q=0.5,en;q=0.7", Language::English),
            ("en;q=0, fr;q=0.1", Language::French),
            ("FR", Language::French),
            ("en;q=x", Language::French),
        ] {
            assert_eq!(preferred(header), language, "{header}");
        }
    }

    #[test]
    fn an_address_is_decoded_once_and_only_as_text() {
        let address =
            Address::parse("/machine/DEM%2012%2Fa/2025-05-28?lang=en&x=%C3%A9+1").unwrap();
        assert_eq!(address.steps, ["machine", "DEM 12/a", "2025-05-28"]);
        assert_eq!((address.value("lang"), address.value("x")), (Some("en"), Some("é 1")));
        for bad in ["", "x", "*", "/%FF", "/a%00b", "/?%0A=1"] {
            assert!(Address::parse(bad).is_none(), "{bad}");
        }
        assert!(Address::parse("//").unwrap().steps.is_empty());
    }

    #[test]
    fn a_day_is_written_in_one_way() {
        assert!(day("2025-05-28").is_some());
        for bad in ["2025-5-28", "2025-02-30", "+2025-05-28", "99999-01-01", "0001-01-01", ""] {
            assert!(day(bad).is_none(), "{bad}");
        }
    }
}
