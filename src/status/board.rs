//! The board for a screen on the wall: every machine as a tile, read at three metres, trouble first.
//! Which machines are on which of its pages, and what surrounds the tiles.
//!
//! What must never happen here: a machine that no page shows; a figure whose age is not shown; a time
//! taken from the browser's clock.

mod banners;
mod cut;
mod tile;

use std::sync::LazyLock;

use chrono::Timelike;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use self::{banners::Banners, tile::Tile};
use super::{
    counters::Counters,
    day_view::{DayView, MachineView},
    health::Verdict,
    shell::Reader,
    state::{Activity, State},
};
use crate::{
    config::Config,
    model::{Language, Stamp, WallTime},
    render,
    text::{code, count, date_with_weekday, phrase, span},
};

/// What the board looks like, in the colours of every page.
pub(crate) static STYLE: LazyLock<String> =
    LazyLock::new(|| [render::STYLE, &chosen_colours(render::STYLE), SHEET].concat());
const SHEET: &str = include_str!("board.css");
pub(crate) const SCRIPT: &str = include_str!("board.js");

/// Tiles on one screen.
const MOST_TILES: usize = 12;
/// How long a page is shown before the next.
const TURN_S: u64 = 15;
/// Without a script the board is asked for again after this time.
const REFRESH_S: u64 = 10;

/// Colours that the address asks for, whatever the browser prefers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Theme {
    Dark,
    Light,
}

impl Theme {
    pub(crate) fn from_word(word: &str) -> Option<Self> {
        [Self::Dark, Self::Light].into_iter().find(|theme| theme.word() == word)
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Dark => "dark",
            Self::Light => "light",
        }
    }
}

/// The colours of `sheet`, light and dark, once more for a theme that was chosen.
fn chosen_colours(sheet: &str) -> String {
    let dark = sheet.split("@media screen and (prefers-color-scheme:dark){:root{").nth(1);
    let light = sheet.split(":root{--producing").nth(1);
    let inside =
        |rest: Option<&str>| rest.and_then(|rest| rest.split('}').next()).map(str::to_owned);
    let dark = inside(dark).unwrap_or_default();
    let light = inside(light).unwrap_or_default();
    format!(
        ":root.dark{{color-scheme:dark;{dark}}}:root.light{{color-scheme:light;--producing{light}}}"
    )
}

/// How the board is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct BoardQuery {
    /// `/board` or `/mur`.
    pub path: &'static str,
    /// From 1; one behind the last is the first again.
    pub page: usize,
    pub theme: Option<Theme>,
}

impl BoardQuery {
    fn to(self, page: usize, reader: Reader) -> String {
        let mut path = format!("{}?page={page}", self.path);
        if let Some(theme) = self.theme {
            path += &format!("&theme={}", theme.word());
        }
        reader.to(&path)
    }
}

/// What the board shows besides the machines' day.
pub(crate) struct Surroundings<'s> {
    pub counts: &'s Counters,
    /// The computer's running time.
    pub uptime: std::time::Duration,
    pub verdict: Verdict,
}

/// A machine and how it is now, as far as anybody knows.
struct Shown<'v> {
    machine: &'v MachineView,
    state: State,
    /// Why nothing can be read of it.
    unread: Option<String>,
}

impl<'v> Shown<'v> {
    /// What cannot be read is unknown at once, and since then: who passes by asks nobody how old a
    /// state is.
    fn of(machine: &'v MachineView, view: &DayView, config: &Config, language: Language) -> Self {
        let never = State { activity: Activity::Unknown, since: None };
        let state = machine.state.unwrap_or(never);
        if !view.health.unknown.contains(&machine.nom) {
            return Self { machine, state, unread: None };
        }
        let (since, unread) = hidden(&machine.nom, view, config, language);
        let since = since.map(|at| Stamp::from_naive(at.naive()));
        let state = State { activity: Activity::Unknown, since: since.max(state.since) };
        Self { machine, state, unread }
    }

    /// Trouble first, and of it what lasts longest; machines that produce keep their places.
    fn place(&self) -> (u8, i64, &str) {
        let since = match self.state.activity {
            Activity::Producing => 0,
            _ => self.state.since.map_or(i64::MIN, |since| since.0),
        };
        (self.state.activity.urgency(), since, &self.machine.nom)
    }
}

/// Since when and why nothing of a machine can be read.
fn hidden(
    nom: &str,
    view: &DayView,
    config: &Config,
    language: Language,
) -> (Option<WallTime>, Option<String>) {
    let sources = config.sources.iter();
    let mut of_machine = sources.filter(|one| one.folders.values().any(|m| m.nom == nom));
    let down = of_machine.clone().find_map(|source| {
        let (.., link, _) = view.health.sources.iter().find(|(name, ..)| *name == source.name)?;
        let link = link.as_ref().filter(|link| !link.up)?;
        let name = cut::short(&source.name, cut::REASON);
        Some((link.since, phrase!(language, "{name} injoignable", "{name} unreachable")))
    });
    let trouble = || {
        view.health.troubles.iter().find_map(|trouble| {
            let key = &trouble.key;
            let is_of_machine = of_machine.any(|source| {
                source.name == key.source
                    && source.folders.get(&key.folder).is_some_and(|one| one.nom == nom)
            });
            let hides = key.kind.hides_machine() && is_of_machine;
            hides.then(|| (trouble.since, key.kind.text(language).to_owned()))
        })
    };
    match down.or_else(trouble) {
        Some((since, why)) => (since, Some(why)),
        None => (None, None),
    }
}

/// The whole board.
pub(crate) fn board(
    view: &DayView,
    surroundings: &Surroundings<'_>,
    config: &Config,
    query: BoardQuery,
    reader: Reader,
) -> Markup {
    let say = |french, english| reader.say(french, english);
    let language = reader.language;
    let mut machines: Vec<Shown<'_>> =
        view.machines.iter().map(|one| Shown::of(one, view, config, language)).collect();
    machines.sort_by(|one, other| one.place().cmp(&other.place()));
    let pages = machines.len().div_ceil(MOST_TILES).max(1);
    let page = (query.page.max(1) - 1) % pages + 1;
    let refresh = if pages > 1 { TURN_S } else { REFRESH_S };
    let next = query.to(page % pages + 1, reader);
    let age = age_s(surroundings);
    html! {
        (DOCTYPE)
        html lang=(code(language)) class=[query.theme.map(Theme::word)] {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content=(query.theme.map_or("light dark", Theme::word));
                title { (say("Mur", "Wall")) " · " (config.agent.id) }
                link rel="icon" href="/icon.svg" type="image/svg+xml";
                style { (PreEscaped(STYLE.as_str())) }
                noscript { meta http-equiv="refresh" content={ (refresh) ";url=" (next) }; }
            }
            body.wall {
                p #stale role="alert" hidden {
                    b { (say("La passerelle ne répond plus.", "The gateway is not responding.")) }
                    " " (say("Derniers chiffres\u{202f}:", "Last figures:"))
                    " " span.at {} ", "
                    (say("il y a", "")) " " span.ago {} " " (say("", "ago"))
                }
                p #said .hidden role="status" {}
                main #live data-page=(page) data-turn=(TURN_S) data-version=(env!("CARGO_PKG_VERSION"))
                    data-now=(view.now.wall.num_seconds_from_midnight()) data-age=[age] {
                    (bar(view, &machines, age, config, reader))
                    (Banners { view, surroundings, config, reader }.draw())
                    @if machines.is_empty() {
                        p.empty { (say("Aucune machine n'est configurée.", "No machine is configured.")) }
                    }
                    @for (number, tiles) in (1..).zip(split(&machines, pages)) {
                        div class={ "page n" (tiles.len()) } data-page=(number) hidden[number != page] {
                            @for (at, shown) in tiles.iter().enumerate() {
                                (Tile { shown, id: format!("t{number}-{at}"), view, reader }.draw())
                            }
                        }
                    }
                    @if pages > 1 { (pager(page, pages, query, reader)) }
                }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    }
}

/// Pages as even as they can be.
fn split<'s, 'v>(machines: &'s [Shown<'v>], pages: usize) -> Vec<&'s [Shown<'v>]> {
    let (least, more) = (machines.len() / pages, machines.len() % pages);
    let mut rest = machines;
    let mut split = Vec::new();
    for page in 0..pages {
        let (tiles, behind) = rest.split_at(least + usize::from(page < more));
        split.push(tiles);
        rest = behind;
    }
    split.retain(|tiles| !tiles.is_empty());
    split
}

/// How long ago a source was last gone through to its end.
fn age_s(surroundings: &Surroundings<'_>) -> Option<u64> {
    let last =
        surroundings.counts.sources.values().filter_map(|source| source.last_success).max()?;
    Some(surroundings.uptime.saturating_sub(last).as_secs())
}

const IN_ORDER: [Activity; 5] = [
    Activity::Producing,
    Activity::Stopped,
    Activity::Unknown,
    Activity::Silent,
    Activity::Waiting,
];

/// The head of the board: how many machines do what, the clock, and how old the figures are.
fn bar(
    view: &DayView,
    machines: &[Shown<'_>],
    age: Option<u64>,
    config: &Config,
    reader: Reader,
) -> Markup {
    let say = |french, english| reader.say(french, english);
    let language = reader.language;
    let of = |activity| machines.iter().filter(|one| one.state.activity == activity).count() as u64;
    let counted = IN_ORDER.into_iter().map(|activity| (activity, of(activity)));
    let counted: Vec<(Activity, u64)> = counted.filter(|(_, count)| *count > 0).collect();
    // Three rounds that failed are worth a look.
    let most_s = config.schedule.poll.as_secs() * 3 + 60;
    html! {
        header.bar {
            div {
                h1 {
                    a href=(reader.to("/")) title=(config.agent.id) { (cut::short(&config.agent.id, cut::AGENT)) }
                }
                p.counts {
                    @for (at, (activity, count)) in counted.iter().enumerate() {
                        @if at > 0 { span.hidden { ", " } }
                        span class={ "count " (activity.class()) } data-count=(activity.key()) {
                            (activity.shape())
                            (number_first(&activity.doing().counted(*count, language)))
                        }
                    }
                }
            }
            div.now {
                p.clock { time #clock { (view.now.wall.format("%H:%M")) } }
                p.day { (date_with_weekday(view.now.wall.date(), language)) }
                p.read.old[age.is_none_or(|age| age > most_s)] data-most=(most_s) {
                    @match age {
                        Some(age) => {
                            (say("lu il y a", "read")) " "
                            span #age { (span(i64::try_from(age).unwrap_or(i64::MAX / 1000) * 1000)) }
                            (say("", " ago"))
                        }
                        None => (say("pas encore lu", "not read yet")),
                    }
                }
            }
        }
    }
}

/// `18 en production`, with a large number.
fn number_first(text: &str) -> Markup {
    let (number, word) = text.split_once(' ').unwrap_or((text, ""));
    html! { b { (number) } " " span { (word) } }
}

/// Where one is among several pages, and the way to the others.
fn pager(page: usize, pages: usize, query: BoardQuery, reader: Reader) -> Markup {
    let say = |french, english| reader.say(french, english);
    let number = |number: usize| count(number as u64, reader.language);
    html! {
        nav.pager aria-label=(say("Pages", "Pages")) {
            a #previous rel="prev" href=(query.to((page + pages - 2) % pages + 1, reader)) {
                span aria-hidden="true" { "◂" } span.hidden { (say("Page précédente", "Previous page")) }
            }
            p { "page " span #page { (number(page)) } "/" span #pages { (number(pages)) } }
            a #next rel="next" href=(query.to(page % pages + 1, reader)) {
                span aria-hidden="true" { "▸" } span.hidden { (say("Page suivante", "Next page")) }
            }
            button #pause type="button" aria-pressed="false" hidden { (say("Pause", "Pause")) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chosen_theme_has_every_colour_of_the_sheet() {
        let colours = chosen_colours(render::STYLE);
        let named = |text: &str| text.matches("--").count();
        let (dark, light) = colours.split_once(":root.light").unwrap();
        assert_eq!(named(dark), named(light), "{colours}");
        for colour in ["--producing:", "--paper:", "--bad-paper:", "--link:"] {
            assert!(dark.contains(colour) && light.contains(colour), "{colour}");
        }
    }
}
