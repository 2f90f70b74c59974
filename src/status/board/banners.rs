//! What is wrong with the gateway or around it, above the tiles: what makes figures untrue is large,
//! what does not is small.
//!
//! What must never happen here: a source that does not answer and is not named.

use maud::{Markup, html};

use super::{Surroundings, cut};
use crate::{
    config::Config,
    model::{AlarmKey, AlarmKind, WallTime},
    status::{concerns::Alarm, day_view::DayView, health::Verdict, shell::Reader},
    text::{Noun, clock, phrase, short_date, span},
};

/// More than these are counted.
const MOST: usize = 3;

const MACHINES: Noun =
    Noun::new("machine inconnue", "machines inconnues", "unknown machine", "unknown machines");
const UNREAD: Noun = Noun::new(
    "dossier ou fichier illisible",
    "dossiers ou fichiers illisibles",
    "folder or file cannot be read",
    "folders or files cannot be read",
);
const MORE: Noun = Noun::new("autre", "autres", "more", "more");

pub(super) struct Banners<'b> {
    pub view: &'b DayView,
    pub surroundings: &'b Surroundings<'b>,
    pub config: &'b Config,
    pub reader: Reader,
}

/// How much it matters to who reads the figures.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Weight {
    /// Figures are missing or untrue.
    Bad,
    /// Somebody has to do something.
    Alarm,
    /// The figures are right all the same.
    Small,
}

/// One line.
struct Banner {
    weight: Weight,
    text: String,
}

impl Banners<'_> {
    pub(super) fn draw(&self) -> Markup {
        let all = self.all();
        let weights = [(Weight::Bad, "bad"), (Weight::Alarm, "warn"), (Weight::Small, "small")];
        html! {
            @if !all.is_empty() {
                ul.banners aria-label=(self.reader.say("À vérifier", "Needs attention")) {
                    @for (weight, class) in weights {
                        @let texts: Vec<&str> = all
                            .iter()
                            .filter(|one| one.weight == weight)
                            .map(|one| one.text.as_str())
                            .collect();
                        (self.some(class, &texts))
                    }
                }
            }
        }
    }

    fn some(&self, class: &str, texts: &[&str]) -> Markup {
        let (shown, rest) = texts.split_at(texts.len().min(MOST));
        let more = MORE.counted(rest.len() as u64, self.reader.language);
        html! {
            @for text in shown {
                @let short = cut::short(text, cut::BANNER);
                @let is_cut = short != **text;
                li class=(class) title=[is_cut.then_some(text)] { (short) }
            }
            @if !rest.is_empty() {
                li class=(class) title=(rest.join(". ")) { "+\u{a0}" (more) }
            }
        }
    }

    fn all(&self) -> Vec<Banner> {
        let health = &self.view.health;
        let say = |french, english| self.reader.say(french, english).to_owned();
        let mut all = Vec::new();
        let mut note = |weight, text| all.push(Banner { weight, text });
        if health.is_read_only {
            note(
                Weight::Bad,
                say(
                    "La carte de la passerelle est en lecture seule\u{202f}: plus rien n'est lu",
                    "The gateway's card is read-only: nothing is read any more",
                ),
            );
        }
        if self.view.now.fault.is_some() {
            note(
                Weight::Bad,
                say(
                    "L'horloge de la passerelle n'est pas plausible\u{202f}: le dernier jour lu est affiché",
                    "The gateway's clock is not plausible: the newest day read is shown",
                ),
            );
        }
        if let Verdict::Ill(why) = &self.surroundings.verdict {
            let language = self.reader.language;
            note(
                Weight::Bad,
                phrase!(
                    language,
                    "L'agent est en défaut\u{202f}: {why}",
                    "The agent is at fault: {why}"
                ),
            );
        }
        for text in self.dead_sources() {
            note(Weight::Bad, text);
        }
        for text in self.alarms() {
            note(Weight::Alarm, text);
        }
        if let Some(text) = self.central() {
            note(Weight::Small, text);
        }
        if let Some((nom, ahead)) = &health.ahead {
            let (nom, ahead) = (cut::short(nom, cut::NAME), span(*ahead));
            note(
                Weight::Small,
                phrase!(
                    self.reader.language,
                    "L'horloge de {nom} avance de {ahead}",
                    "The clock of {nom} is ahead by {ahead}",
                ),
            );
        }
        if !health.troubles.is_empty() {
            note(Weight::Small, UNREAD.counted(health.troubles.len() as u64, self.reader.language));
        }
        all
    }

    fn dead_sources(&self) -> Vec<String> {
        let language = self.reader.language;
        let sources = self.view.health.sources.iter();
        let down = sources.filter_map(|(name, link, _)| {
            let link = link.as_ref().filter(|link| !link.up)?;
            let machines =
                self.config.sources.iter().find(|source| source.name == *name)?.folders.len();
            let machines = MACHINES.counted(machines as u64, language);
            let since = self.since(link.since);
            let name = cut::short(name, cut::NAME);
            Some(phrase!(
                language,
                "Source {name} injoignable{since}\u{202f}: {machines}",
                "Source {name} unreachable{since}: {machines}",
            ))
        });
        down.collect()
    }

    fn central(&self) -> Option<String> {
        let link = self.view.health.central.as_ref().filter(|link| !link.up)?;
        let since = self.since(link.since);
        Some(phrase!(
            self.reader.language,
            "Base centrale injoignable{since}\u{202f}; les données restent sur la passerelle",
            "Central database unreachable{since}; the data stays on the gateway",
        ))
    }

    /// Those that no other banner and no tile says.
    fn alarms(&self) -> Vec<String> {
        let health = &self.view.health;
        let is_down = |name: &str| {
            health.sources.iter().any(|(source, link, _)| {
                source == name && link.as_ref().is_some_and(|link| !link.up)
            })
        };
        let is_said = |key: &AlarmKey| match key.kind {
            AlarmKind::SourceUnreachable => is_down(&key.subject),
            AlarmKind::MachineUnreadable => health.unknown.contains(&key.subject),
            AlarmKind::CentralUnreachable => health.central.as_ref().is_some_and(|link| !link.up),
            AlarmKind::DiskReadOnly => health.is_read_only,
            _ => false,
        };
        let language = self.reader.language;
        let standing = health.concerns.alarms.iter().filter(|alarm| !is_said(&alarm.key));
        let text = |alarm: &Alarm| {
            let title = [alarm.key.kind.title(language), &alarm.subject(language)].join(" ");
            let text = phrase!(language, "Alarme\u{202f}: {title}", "Alarm: {title}",);
            let text = text.trim_end();
            match alarm.detail(health, language) {
                Some(detail) => phrase!(language, "{text}\u{202f}; {detail}", "{text}; {detail}"),
                None => text.to_owned(),
            }
        };
        standing.map(text).collect()
    }

    /// ` depuis 14:29`, with the day where it is another one; nothing where it is not known.
    fn since(&self, at: Option<WallTime>) -> String {
        let language = self.reader.language;
        let Some(at) = at.map(WallTime::naive) else { return String::new() };
        let time = clock(crate::model::Stamp::from_naive(at));
        if at.date() == self.view.now.wall.date() {
            return phrase!(language, " depuis {time}", " since {time}");
        }
        let date = short_date(at.date(), language);
        phrase!(language, " depuis le {date}, {time}", " since {date} {time}")
    }
}
