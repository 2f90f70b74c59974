//! The frame of every page: head, header, where one can go, and the part that renews itself.

use std::sync::LazyLock;

use base64::{Engine, engine::general_purpose::STANDARD};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest, Sha256};

use super::{board, day_view::DayView, error_page::PageError};
use crate::{
    model::{Day, Language},
    render,
    text::{Text, code, date_with_weekday, other},
};

static STYLE: LazyLock<String> = LazyLock::new(|| [render::STYLE, PAGE, OVERVIEW].concat());
const PAGE: &str = include_str!("page.css");
const OVERVIEW: &str = include_str!("overview.css");
/// Of a machine's page, or of the comparison, alone: what a page does not need is not sent.
static MACHINE_STYLE: LazyLock<String> =
    LazyLock::new(|| [STYLE.as_str(), include_str!("machine.css")].concat());
static COMPARE_STYLE: LazyLock<String> =
    LazyLock::new(|| [STYLE.as_str(), include_str!("compare.css")].concat());
const SCRIPT: &str = include_str!("page.js");
/// Without the blanks and remarks that are for those who read the source.
static MACHINE_SCRIPT: LazyLock<String> = LazyLock::new(|| {
    let lines = [SCRIPT, include_str!("machine.js")].into_iter().flat_map(str::lines);
    let lines =
        lines.map(str::trim_start).filter(|line| !line.is_empty() && !line.starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
});
/// For the browser's tab; three stripes of a time line.
pub(crate) const ICON: &str = r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><rect width="16" height="16" rx="3" fill="#123f73"/><path fill="#5fd39b" d="M2 4h7v4H2z"/><path fill="#f0b93a" d="M9 6h3v2H9z"/><path fill="#f06a6a" d="M12 8h2v4h-2z"/></svg>"##;

/// What a browser may do with a page: the styles and the scripts of the pages and of the board,
/// named by what they are, and questions to the place it came from. Nothing of any other place, ever.
pub(crate) static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hashes = |texts: &[&str]| {
        let one = |text: &&str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)));
        texts.iter().map(one).collect::<Vec<_>>().join(" ")
    };
    format!(
        "default-src 'none'; style-src {}; script-src {}; img-src 'self'; \
         connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        hashes(&[&STYLE, &MACHINE_STYLE, &COMPARE_STYLE, &board::STYLE]),
        hashes(&[SCRIPT, &MACHINE_SCRIPT, board::SCRIPT])
    )
});

/// How a page is asked for: in which language, and whether the address itself says so.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Reader {
    pub language: Language,
    /// The address holds `?lang=`: so will the links.
    pub is_chosen: bool,
}

/// Characters that stand for themselves in a step of a path.
const STEP: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// A text as one step of a path, or as a part of a query.
pub(crate) fn step(text: &str) -> String {
    utf8_percent_encode(text, STEP).to_string()
}

fn plain_machine(nom: &str, day: Option<Day>) -> String {
    let day = day.map_or_else(String::new, |day| format!("/{day}"));
    format!("/machine/{}{day}", step(nom))
}

impl Reader {
    pub(crate) fn say(self, french: &'static str, english: &'static str) -> &'static str {
        Text::new(french, english).in_(self.language)
    }

    /// An address of this place that keeps the language.
    pub(crate) fn to(self, path: &str) -> String {
        if !self.is_chosen {
            return path.to_owned();
        }
        let mark = if path.contains('?') { '&' } else { '?' };
        format!("{path}{mark}lang={}", code(self.language))
    }

    pub(crate) fn to_day(self, day: Day) -> String {
        self.to(&format!("/day/{day}"))
    }

    pub(crate) fn to_machine(self, nom: &str, day: Option<Day>) -> String {
        self.to(&plain_machine(nom, day))
    }

    /// What keeps the language in a form.
    pub(crate) fn hidden_field(self) -> Markup {
        html! {
            @if self.is_chosen { input type="hidden" name="lang" value=(code(self.language)); }
        }
    }

    /// A day as it is written out in full.
    pub(crate) fn date(self, day: Day) -> String {
        date_with_weekday(day, self.language)
    }
}

/// A page around `live`, the part that renews itself.
pub(crate) struct Shell<'p> {
    pub agent: &'p str,
    pub title: &'p str,
    /// The address without the language.
    pub path: &'p str,
    pub reader: Reader,
}

/// What happens to a page that stays open.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Renewal {
    /// The script asks for it again and again.
    Live,
    /// It is loaded again as a whole.
    Reload,
    /// What it says does not change.
    Never,
}

impl Shell<'_> {
    fn is_of_a_machine(&self) -> bool {
        self.path.starts_with("/machine/")
    }

    fn style(&self) -> &'static str {
        match self.path {
            _ if self.is_of_a_machine() => &MACHINE_STYLE,
            path if path.starts_with("/compare") => &COMPARE_STYLE,
            _ => &STYLE,
        }
    }

    fn script(&self) -> &'static str {
        if self.is_of_a_machine() { &MACHINE_SCRIPT } else { SCRIPT }
    }

    pub(crate) fn around(&self, view: Option<&DayView>, live: &Markup) -> Markup {
        self.frame(Some(self.header(view)), view, live, Renewal::Live)
    }

    /// A page that says what went wrong.
    pub(crate) fn around_error(&self, error: &PageError) -> Markup {
        let header = error.is_at_home().then(|| self.header(None));
        let renewal = if error.passes() { Renewal::Reload } else { Renewal::Never };
        self.frame(header, None, &error.page(self.reader), renewal)
    }

    fn frame(
        &self,
        header: Option<Markup>,
        view: Option<&DayView>,
        live: &Markup,
        renewal: Renewal,
    ) -> Markup {
        let reader = self.reader;
        let say = |french, english| reader.say(french, english);
        // Of a page by a foreign name nothing is told but what is wrong with it.
        let agent = header.as_ref().map(|_| self.agent);
        // What the script calls the moment of what is shown: the gateway's own clock.
        let shown_at = view.map(|view| view.now.wall.format("%H:%M:%S").to_string());
        html! {
            (DOCTYPE)
            html lang=(code(reader.language)) {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (self.title) @if let Some(agent) = agent { " · " (agent) } }
                    link rel="icon" href="/icon.svg" type="image/svg+xml";
                    style { (PreEscaped(self.style())) }
                    @match renewal {
                        Renewal::Live => { noscript { meta http-equiv="refresh" content="30"; } }
                        Renewal::Reload => { meta http-equiv="refresh" content="30"; }
                        Renewal::Never => {}
                    }
                }
                body {
                    a.skip href="#live" { (say("Aller au contenu", "Skip to content")) }
                    @if let Some(header) = header { (header) }
                    @if renewal == Renewal::Live { (stale(reader)) }
                    p #said .hidden role="status" {}
                    main #live tabindex="-1" data-now=[shown_at] data-renews[renewal == Renewal::Live] { (live) }
                    script { (PreEscaped(self.script())) }
                }
            }
        }
    }

    fn header(&self, view: Option<&DayView>) -> Markup {
        let reader = self.reader;
        let say = |french, english| reader.say(french, english);
        let other = other(reader.language);
        let switch = Reader { language: other, is_chosen: true };
        // The page of all machines is `/`, on any day.
        let is_overview = view.is_some_and(|view| view.machine.is_none());
        let places = [
            ("/", say("Machines", "Machines"), is_overview),
            (say("/mur", "/board"), say("Tableau", "Wall board"), false),
            ("/compare", say("Comparer", "Compare"), self.path.starts_with("/compare")),
        ];
        html! {
            header {
                p.agent { (self.agent) }
                nav.places aria-label=(say("Pages", "Pages")) {
                    @for (path, name, is_here) in places {
                        a href=(reader.to(path)) aria-current=[is_here.then_some("page")] { (name) }
                    }
                }
                a.language href=(switch.to(self.path)) lang=(code(other)) hreflang=(code(other)) {
                    (switch.say("Français", "English"))
                }
                @if let Some(view) = view {
                    nav.days aria-label=(say("Jours", "Days")) { (days(view, reader)) }
                }
            }
        }
    }
}

/// What the script shows if the page does not renew itself: the sentences are here, in the reader's language.
fn stale(reader: Reader) -> Markup {
    let say = |french, english| reader.say(french, english);
    html! {
        aside #stale hidden aria-label=(say("État de la page", "State of the page"))
            data-gone=(say("La passerelle ne répond plus.", "The gateway is not responding."))
            data-failed=(say("La passerelle répond, mais ne peut pas montrer cette page.", "The gateway responds, but cannot show this page."))
            data-old=(say("Mise à jour en cours.", "Updating."))
            data-known=(say("Dernier état connu\u{202f}: {at} à l'horloge de la passerelle, il y a {age}.", "Last known state: {at} by the gateway's clock, {age} ago."))
            data-least=(say("Dernier état connu\u{202f}: {at} à l'horloge de la passerelle, il y a au moins {age}.", "Last known state: {at} by the gateway's clock, at least {age} ago.")) {
            b role="alert" {} " " span {}
        }
    }
}

/// Days of all machines, or of the one that the page is about.
fn days(view: &DayView, reader: Reader) -> Markup {
    let say = |french, english| reader.say(french, english);
    let machine = view.machine.as_deref();
    let to = |day: Option<Day>| match (machine, day) {
        (Some(nom), day) => reader.to_machine(nom, day),
        (None, Some(day)) => reader.to_day(day),
        (None, None) => reader.to("/"),
    };
    let form = machine.map_or_else(|| "/day".to_owned(), |nom| plain_machine(nom, None));
    html! {
        @if let Some(before) = view.before {
            a rel="prev" href=(to(Some(before))) { span aria-hidden="true" { "◂" } span.word { (say("Précédent", "Previous")) } }
        }
        a href=(to(None)) aria-current=[view.is_today().then_some("date")] { (say("Aujourd'hui", "Today")) }
        @if let Some(after) = view.after.filter(|_| !view.is_today()) {
            a rel="next" href=(to(Some(after))) { span.word { (say("Suivant", "Next")) } span aria-hidden="true" { "▸" } }
        }
        form action=(form) method="get" {
            label { span.hidden { (say("Jour", "Day")) } input type="date" name="day" value=(view.day) required; }
            (reader.hidden_field())
            button type="submit" { "OK" span.hidden { (say("\u{202f}: ouvrir ce jour", ": open this day")) } }
        }
    }
}
