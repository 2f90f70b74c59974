//! From a request to an answer: which page is meant, and in which language. It reads the buffer, and
//! knows neither sockets nor the crate behind them.
//!
//! What must never happen here: an answer to a name that is not this computer's; an answer to a
//! method that asks for a change.

use std::{borrow::Cow, sync::Arc, time::Duration};

use chrono::NaiveDateTime;
use maud::Markup;

use super::{
    address::{Address, day},
    host::Hosts,
};
use crate::{
    buffer::{Buffer, BufferError, HeaderFilter},
    config::Config,
    logging,
    model::{Day, Language, SettingsTold, Stamp, printable_lines},
    status::{
        Dialect, WallClock,
        board::{self, BoardQuery, Surroundings, Theme},
        compare::{self, Order},
        compare_view::{CompareView, WantedWeek},
        counters::Counters,
        csv,
        day_view::{self, DayView, MachineView, ViewQuery},
        error_page::PageError,
        health::Verdict,
        holdings::Holdings,
        machine_page::MachinePage,
        metrics::{self, Measured},
        notes::{self, Note},
        overview,
        shell::{ICON, Reader, Shell},
        zoom::ZoomQuery,
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
    /// Whether the last self-update did not end well; `None`: none is configured.
    pub update_failed: Option<bool>,
    /// How the gateway stands with the settings from central; `None`: it takes none.
    pub settings: Option<SettingsTold>,
}

/// What matters of a request.
#[derive(Clone, Copy, Debug)]
pub struct Question<'q> {
    pub method: &'q str,
    pub host: Option<&'q str>,
    /// Path and query as they were sent.
    pub target: &'q str,
    pub accept_language: Option<&'q str>,
    /// Which kinds of answers are wanted.
    pub accept: Option<&'q str>,
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
/// Longer addresses than any link here has.
const MOST_TARGET_BYTES: usize = 2_000;
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

fn wanted_day(text: &str) -> Result<Day, PageError> {
    day(text).ok_or_else(|| PageError::BadDay { key: None, given: text.to_owned() })
}

/// Why there is no such answer.
enum Refusal {
    Page(PageError),
    Buffer(BufferError),
}

impl From<PageError> for Refusal {
    fn from(error: PageError) -> Self {
        Self::Page(error)
    }
}

impl From<BufferError> for Refusal {
    fn from(error: BufferError) -> Self {
        Self::Buffer(error)
    }
}

/// What somebody gets who does not say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Preferring {
    Html,
    Text,
}

impl Question<'_> {
    /// A browser names HTML among what it accepts; a program names something else, or anything.
    fn wants_html(&self, preferring: Preferring) -> bool {
        match self.accept {
            Some(accept) => accept.to_ascii_lowercase().contains("text/html"),
            None => preferring == Preferring::Html,
        }
    }
}

impl Site {
    /// Before anything is read: whether the request is one that is answered at all.
    pub fn refusal(&self, question: &Question<'_>) -> Option<Answer> {
        let error = if !question.host.is_some_and(|host| self.hosts.accepts(host)) {
            PageError::Host { name: question.host.map(str::to_owned) }
        } else if !["GET", "HEAD"].contains(&question.method) {
            PageError::Method { method: question.method.to_owned() }
        } else if question.target.len() > MOST_TARGET_BYTES {
            PageError::TooLong
        } else {
            return None;
        };
        Some(self.error(&error, question, Preferring::Text))
    }

    /// More headers than a browser sends.
    pub fn too_many_headers(&self, question: &Question<'_>) -> Answer {
        self.error(&PageError::TooManyHeaders, question, Preferring::Text)
    }

    /// The page failed: neither the configuration's nor the buffer's fault.
    pub fn failed(&self, question: &Question<'_>) -> Answer {
        self.error(&PageError::Internal, question, Preferring::Text)
    }

    pub fn answer(&self, question: &Question<'_>) -> Answer {
        if let Some(refusal) = self.refusal(question) {
            return refusal;
        }
        let Some(address) = Address::parse(question.target) else {
            return self.error(&PageError::BadAddress, question, Preferring::Text);
        };
        let reader = self.reader(Some(&address), question.accept_language);
        // What fetches figures is a program, unless it says otherwise.
        let preferring = match address.steps.first().map(String::as_str) {
            Some("metrics" | "healthz" | "sessions.csv" | "icon.svg") => Preferring::Text,
            _ => Preferring::Html,
        };
        self.page(&address, reader).unwrap_or_else(|refusal| {
            let error = match refusal {
                Refusal::Page(error) => error,
                Refusal::Buffer(error) => {
                    let why = logging::chain(&error).to_string();
                    log::debug!("page {}: {why}", question.target);
                    PageError::Unreadable { why }
                }
            };
            self.error(&error, question, preferring)
        })
    }

    fn page(&self, address: &Address, reader: Reader) -> Result<Answer, Refusal> {
        let steps: Vec<&str> = address.steps.iter().map(String::as_str).collect();
        let wanted = || address.value("day").map(wanted_day).transpose();
        match steps.as_slice() {
            [] => self.day(None, address, reader),
            ["day"] => {
                self.day(Some(wanted_day(address.value("day").unwrap_or(""))?), address, reader)
            }
            ["day", text] => self.day(Some(wanted_day(text)?), address, reader),
            ["machine", nom] => self.machine(nom, wanted()?, address, reader),
            ["machine", nom, text] => self.machine(nom, Some(wanted_day(text)?), address, reader),
            ["board"] => self.board("/board", address, reader),
            ["mur"] => self.board("/mur", address, reader),
            ["compare" | "comparer"] => self.compare(address, reader),
            ["metrics"] => self.metrics(),
            ["healthz"] => Ok(self.healthz()),
            ["sessions.csv"] => self.csv(address),
            ["icon.svg"] => Ok(Answer::of(200, "image/svg+xml", ICON)),
            _ => Err(PageError::NoPage { path: format!("/{}", steps.join("/")) }.into()),
        }
    }

    /// The same error as a page for a browser, as text for a program.
    fn error(&self, error: &PageError, question: &Question<'_>, preferring: Preferring) -> Answer {
        let address = Address::parse(question.target);
        let reader = self.reader(address.as_ref(), question.accept_language);
        if !question.wants_html(preferring) {
            return Answer::plain(error.status(), error.text(reader.language));
        }
        let path = address.map_or_else(|| "/".to_owned(), |address| address.without_language());
        let title = error.title(reader.language);
        let shell = Shell { agent: &self.config.agent.id, title, path: &path, reader };
        Answer::of(error.status(), HTML, shell.around_error(error).into_string())
    }

    fn reader(&self, address: Option<&Address>, accept_language: Option<&str>) -> Reader {
        let code = address.and_then(|address| address.value("lang"));
        let chosen = code.and_then(|code| match code {
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
        title: &str,
        view: &DayView,
        live: &Markup,
        address: &Address,
        reader: Reader,
    ) -> Answer {
        let path = address.without_language();
        let shell = Shell { agent: &self.config.agent.id, title, path: &path, reader };
        Answer::of(200, HTML, shell.around(Some(view), live).into_string())
    }

    fn look(&self, query: ViewQuery<'_>) -> Result<DayView, Refusal> {
        if let Some(view) = DayView::look(&self.config, (self.now)(), query)? {
            return Ok(view);
        }
        let known = day_view::known_machines(&self.config)?;
        let nom = query.machine.unwrap_or_default().to_owned();
        Err(PageError::NoMachine { nom, known }.into())
    }

    fn day(&self, day: Option<Day>, address: &Address, reader: Reader) -> Result<Answer, Refusal> {
        let mut view = self.look(ViewQuery { day, machine: None })?;
        let Reading { counts, settings, .. } = (self.counts)();
        (view.health.reports_waiting, view.health.settings) = (counts.reports_waiting, settings);
        let notes = self.notes(&view, reader)?;
        let live = overview::day(&view, notes, &self.config, reader);
        Ok(self.html(&reader.date(view.day), &view, &live, address, reader))
    }

    /// Of each machine of the view, in its order: everything, or where there are many the gravest.
    fn notes(&self, view: &DayView, reader: Reader) -> Result<Vec<Vec<Note>>, BufferError> {
        let language = reader.language;
        let Some(buffer) = Buffer::open_read_only(&self.config.agent.state_dir)? else {
            return Ok(vec![Vec::new(); view.machines.len()]);
        };
        let is_many = view.machines.len() > overview::MOST_LARGE;
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

    fn machine(
        &self,
        nom: &str,
        day: Option<Day>,
        address: &Address,
        reader: Reader,
    ) -> Result<Answer, Refusal> {
        let view = self.look(ViewQuery { day, machine: Some(nom) })?;
        let notes = self.notes(&view, reader)?.pop().unwrap_or_default();
        let Some(machine) = view.machines.first() else {
            return Err(PageError::NoMachine { nom: nom.to_owned(), known: Vec::new() }.into());
        };
        let (hour, at) = (address.value("hour"), address.value("at"));
        let title = format!("{nom} · {}", reader.date(view.day));
        let now = view.is_today().then(|| Stamp::from_naive(view.now.wall));
        let day_start = self.config.analysis.day_start;
        let asked = ZoomQuery::parse(hour, at);
        let zoom = asked.and_then(|asked| asked.on(view.day, day_start, &machine.session, now));
        let zoom = zoom.ok_or_else(|| PageError::BadTime {
            given: hour.or(at).unwrap_or_default().to_owned(),
        })?;
        let (config, day_in_query) = (&self.config, address.day("day"));
        let page = MachinePage { view: &view, machine, notes, config, zoom, day_in_query, reader };
        let live = page.draw();
        Ok(self.html(&title, &view, &live, address, reader))
    }

    /// For a screen on the wall.
    fn board(
        &self,
        path: &'static str,
        address: &Address,
        reader: Reader,
    ) -> Result<Answer, Refusal> {
        let view = self.look(ViewQuery::default())?;
        let Reading { counts, uptime, .. } = (self.counts)();
        let surroundings = Surroundings { counts: &counts, uptime, verdict: (self.health)() };
        let query = BoardQuery {
            path,
            page: address.value("page").and_then(|page| page.parse().ok()).unwrap_or(1),
            theme: address.value("theme").and_then(Theme::from_word),
        };
        let board = board::board(&view, &surroundings, &self.config, query, reader);
        Ok(Answer::of(200, HTML, board.into_string()))
    }

    fn compare(&self, address: &Address, reader: Reader) -> Result<Answer, Refusal> {
        let wanted = match address.value("week") {
            None | Some("") => WantedWeek::UnderWay,
            Some("last") => WantedWeek::Last,
            Some(text) => match text.parse() {
                Ok(week) => WantedWeek::Named(week),
                Err(_) => return Err(PageError::BadWeek { given: text.to_owned() }.into()),
            },
        };
        let order = Order::from_address(address.value("sort").unwrap_or_default());
        let view = CompareView::look(&self.config, (self.now)(), wanted)?;
        let title = compare::title(&view, reader);
        let path = compare::path(address.value("week"), order);
        let shell = Shell { agent: &self.config.agent.id, title: &title, path: &path, reader };
        let page = shell.around(None, &compare::page(&view, order, reader));
        Ok(Answer::of(200, HTML, page.into_string()))
    }

    fn metrics(&self) -> Result<Answer, Refusal> {
        let Reading { counts, central_is_up, uptime, utc, update_failed, settings } =
            (self.counts)();
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
            update_failed,
            settings_refused: settings.map(|told| told.refused.is_some()),
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

    fn csv(&self, address: &Address) -> Result<Answer, Refusal> {
        let today = (self.now)().wall.date();
        for key in ["from", "to"] {
            if let Some(given) = address.value(key).filter(|given| day(given).is_none()) {
                return Err(PageError::BadDay { key: Some(key), given: given.to_owned() }.into());
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
}
