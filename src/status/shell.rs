//! The frame of every page: head, header, where one can go, and the part that renews itself.

use std::sync::LazyLock;

use base64::{Engine, engine::general_purpose::STANDARD};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest, Sha256};

use super::day_view::DayView;
use crate::{
    model::{Day, Language},
    render,
    text::{Text, code, date_with_weekday, other},
};

static STYLE: LazyLock<String> =
    LazyLock::new(|| format!("{}{}", render::STYLE, include_str!("page.css")));
const SCRIPT: &str = include_str!("page.js");
/// For the browser's tab; three stripes of a time line.
pub(crate) const ICON: &str = r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><rect width="16" height="16" rx="3" fill="#123f73"/><path fill="#5fd39b" d="M2 4h7v4H2z"/><path fill="#f0b93a" d="M9 6h3v2H9z"/><path fill="#f06a6a" d="M12 8h2v4h-2z"/></svg>"##;

/// What a browser may do with a page: its one style and its one script, named by what they are, and
/// questions to the place it came from. Nothing of any other place, ever.
pub(crate) static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = |text: &str| STANDARD.encode(Sha256::digest(text));
    format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; img-src 'self'; \
         connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        hash(&STYLE),
        hash(SCRIPT)
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
        let day = day.map_or_else(String::new, |day| format!("/{day}"));
        self.to(&format!("/machine/{}{day}", utf8_percent_encode(nom, STEP)))
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

impl Shell<'_> {
    pub(crate) fn around(&self, view: Option<&DayView>, live: &Markup) -> Markup {
        let reader = self.reader;
        let say = |french, english| reader.say(french, english);
        let other = other(reader.language);
        let switch = Reader { language: other, is_chosen: true };
        html! {
            (DOCTYPE)
            html lang=(code(reader.language)) {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (self.title) " · " (self.agent) }
                    link rel="icon" href="/icon.svg" type="image/svg+xml";
                    style { (PreEscaped(STYLE.as_str())) }
                    noscript { meta http-equiv="refresh" content="30"; }
                }
                body {
                    a.skip href="#live" { (say("Aller au contenu", "Skip to content")) }
                    header {
                        p.agent { a href=(reader.to("/")) { (self.agent) } }
                        nav aria-label=(say("Jours", "Days")) {
                            @if let Some(view) = view { (days(view, reader)) }
                        }
                        a.language href=(switch.to(self.path)) lang=(code(other)) hreflang=(code(other)) {
                            (switch.say("Français", "English"))
                        }
                    }
                    p #stale role="alert" hidden {
                        (say("La passerelle ne répond plus. Dernier état connu\u{202f}:", "The gateway is not responding. Last known state:"))
                        " " span {}
                    }
                    p #said .hidden role="status" {}
                    main #live tabindex="-1" { (live) }
                    script { (PreEscaped(SCRIPT)) }
                }
            }
        }
    }
}

fn days(view: &DayView, reader: Reader) -> Markup {
    let say = |french, english| reader.say(french, english);
    html! {
        @if let Some(before) = view.before {
            a rel="prev" href=(reader.to_day(before)) { span aria-hidden="true" { "◂ " } (say("Précédent", "Previous")) }
        }
        a href=(reader.to("/")) aria-current=[view.is_today().then_some("date")] { (say("Aujourd'hui", "Today")) }
        @if let Some(after) = view.after.filter(|_| !view.is_today()) {
            a rel="next" href=(reader.to_day(after)) { (say("Suivant", "Next")) span aria-hidden="true" { " ▸" } }
        }
        form action="/day" method="get" {
            label { span.hidden { (say("Jour", "Day")) } input type="date" name="day" value=(view.day) required; }
            @if reader.is_chosen { input type="hidden" name="lang" value=(code(reader.language)); }
            button type="submit" { (say("Ouvrir", "Open")) }
        }
    }
}
