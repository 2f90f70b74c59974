//! The comparison: machines beside one another over one ISO week, each with the difference to the week before,
//! and the last weeks beside one another.
//!
//! What must never happen here: a difference that only a colour tells; a running week beside a whole one
//! without a word of it.

use maud::{Markup, html};

use super::{
    compare_columns::{Column, Delta, Value},
    compare_view::{CompareView, MachineWeeks},
    compare_weeks::Sums,
    shell::Reader,
};
use crate::{
    model::{Stamp, Week},
    render::{WeekBar, WeekBars},
    text::{
        Noun, clock, code, count, date, one_decimal, phrase, short_date_with_weekday, short_week,
        week,
    },
};

/// With more machines than this the bars of the weeks have no numbers: a page is to stay below 100 kB.
const MOST_NUMBERED: usize = 12;
/// More machines than this are not drawn on one page.
const MOST_ROWS: usize = 50;

/// By which column rows are ordered, the greatest first, or the other way round.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Order {
    /// `None`: by the machines' names.
    pub column: Option<Column>,
    pub is_reversed: bool,
}

impl Order {
    /// What stands behind `sort=`; whatever is unknown means by name.
    pub(crate) fn from_address(text: &str) -> Self {
        let (is_reversed, key) = text.strip_prefix('-').map_or((false, text), |key| (true, key));
        let column = Column::ALL.into_iter().find(|column| column.key() == key);
        Self { column, is_reversed: is_reversed && (column.is_some() || key == "machine") }
    }

    fn to_address(self) -> Option<String> {
        let sign = if self.is_reversed { "-" } else { "" };
        match self.column {
            Some(column) => Some(format!("{sign}{}", column.key())),
            None => self.is_reversed.then(|| "-machine".to_owned()),
        }
    }

    /// Machines without a value are last either way.
    fn apply(self, machines: &mut [&MachineWeeks]) {
        match self.column {
            None if self.is_reversed => machines.reverse(),
            None => {}
            Some(column) => machines.sort_by_key(|machine| {
                let value = column.value(machine).map(|value| value.amount);
                let ordered = value.map(|value| if self.is_reversed { value } else { -value });
                (ordered.is_none(), ordered)
            }),
        }
    }
}

/// The address of the page without the language; `week` as it was asked for.
pub(crate) fn path(week: Option<&str>, order: Order) -> String {
    let week = week.filter(|week| !week.is_empty()).map(|week| format!("week={week}"));
    let sort = order.to_address().map(|sort| format!("sort={sort}"));
    let query: Vec<String> = week.into_iter().chain(sort).collect();
    let mark = if query.is_empty() { "" } else { "?" };
    format!("/compare{mark}{}", query.join("&"))
}

/// Of one week: without it in the address where it is the one under way.
fn path_of(view: &CompareView, week: Week, order: Order) -> String {
    let text = week.to_string();
    path((week != view.this_week).then_some(text.as_str()), order)
}

pub(crate) fn title(view: &CompareView, reader: Reader) -> String {
    let (name, year) = (week(view.week, reader.language), view.week.to_string());
    let year = &year[..4];
    phrase!(reader.language, "Comparaison, {name} de {year}", "Comparison, {name} of {year}")
}

pub(crate) fn page(view: &CompareView, order: Order, reader: Reader) -> Markup {
    let language = reader.language;
    let mut machines: Vec<&MachineWeeks> = view.machines.iter().collect();
    order.apply(&mut machines);
    let left_out = machines.len().saturating_sub(MOST_ROWS);
    machines.truncate(MOST_ROWS);
    let (from, to) = (date(view.week.monday(), language), date(view.week.sunday(), language));
    html! {
        div.head {
            h1 { (reader.say("Comparaison", "Comparison")) " · " (week(view.week, language)) }
            p { (phrase!(language, "du {from} au {to}", "{from} to {to}")) }
        }
        (weeks_nav(view, order, reader))
        p.basis { (basis(view, reader)) }
        @if machines.is_empty() {
            p.empty { (reader.say("Aucune machine n'est configurée.", "No machine is configured.")) }
        } @else {
            (table(view, &machines, order, reader))
            @if left_out > 0 {
                @let more = Noun::new("machine n'est pas montrée", "machines ne sont pas montrées", "machine is not shown", "machines are not shown");
                p.empty { (more.counted(left_out as u64, language)) "." }
            }
            (multiples(view, &machines, reader))
        }
    }
}

/// To the week before and after, to any week, and to the days of this one.
fn weeks_nav(view: &CompareView, order: Order, reader: Reader) -> Markup {
    let say = |french, english| reader.say(french, english);
    let to = |week: Week| reader.to(&path_of(view, week, order));
    let (before, after) = (view.week.before(1), view.week.before(-1));
    let today = view.now.wall.date();
    html! {
        nav.weeks aria-label=(say("Semaines", "Weeks")) {
            a rel="prev" href=(to(before)) { span aria-hidden="true" { "◂ " } (week(before, reader.language)) }
            a href=(reader.to(&path(None, order))) aria-current=[(view.week == view.this_week).then_some("true")] {
                (say("Semaine en cours", "This week"))
            }
            @if view.week < view.this_week {
                a rel="next" href=(to(after)) { (week(after, reader.language)) span aria-hidden="true" { " ▸" } }
            }
            form action="/compare" method="get" {
                label { span.hidden { (say("Semaine, par exemple 2026-W48", "Week, such as 2026-W48")) }
                    input type="week" name="week" value=(view.week) placeholder="2026-W48" required; }
                @if let Some(sort) = order.to_address() { input type="hidden" name="sort" value=(sort); }
                @if reader.is_chosen { input type="hidden" name="lang" value=(code(reader.language)); }
                button type="submit" { (say("Ouvrir", "Open")) }
            }
        }
        nav.weeks aria-label=(say("Jours de la semaine", "Days of the week")) {
            @for day in view.week.days().into_iter().filter(|day| *day <= today || view.now.fault.is_some()) {
                a href=(reader.to_day(day)) { (short_date_with_weekday(day, reader.language)) }
            }
        }
    }
}

/// What the differences are to.
fn basis(view: &CompareView, reader: Reader) -> String {
    let language = reader.language;
    let before = week(view.week.before(1), language);
    if view.week < view.this_week {
        return phrase!(
            language,
            "Comparée à la {before} entière.",
            "Compared with the whole of {before}.",
        );
    }
    if view.now.fault.is_some() {
        return reader
            .say(
                "Aucun écart\u{202f}: l'horloge de la passerelle ne peut pas être juste, l'heure n'est donc pas connue.",
                "No differences: the gateway's clock cannot be right, so the hour is not known.",
            )
            .to_owned();
    }
    let now = moment(Stamp::from_naive(view.now.wall), reader);
    phrase!(
        language,
        "La semaine n'est pas finie\u{202f}: elle est comparée aux mêmes jours de la {before}, jusqu'à la même heure ({now}).",
        "The week is not over: it is compared with the same days of {before}, up to the same hour ({now}).",
    )
}

/// `jeu. 26/11 14:30`.
fn moment(at: Stamp, reader: Reader) -> String {
    let day = short_date_with_weekday(at.to_naive().date(), reader.language);
    format!("{day}\u{a0}{}", clock(at))
}

fn table(view: &CompareView, machines: &[&MachineWeeks], order: Order, reader: Reader) -> Markup {
    let say = |french, english| reader.say(french, english);
    let most = |column: Column| {
        let amounts = machines.iter().filter_map(|machine| column.value(machine));
        amounts.map(|value| value.amount).max().unwrap_or(0).max(1)
    };
    let most: Vec<i64> = Column::ALL.into_iter().map(most).collect();
    html! {
        section.card {
            h2 #machines { (say("Les machines côte à côte", "Machines beside one another")) }
            p.swipe { (say("Le tableau se fait glisser vers la gauche\u{202f}: d'autres colonnes suivent.", "Swipe the table to the left: more columns follow.")) }
            div.scroll.wide tabindex="0" role="region" aria-labelledby="machines" {
                table #compared {
                    thead { tr {
                        (head(None, view, order, reader))
                        @for column in Column::ALL { (head(Some(column), view, order, reader)) }
                    } }
                    tbody {
                        @for machine in machines { (row(view, machine, &most, reader)) }
                    }
                    @if machines.len() > 1 { tfoot { (total(view, reader)) } }
                }
            }
        }
    }
}

/// A column's head, which orders the rows by it.
fn head(column: Option<Column>, view: &CompareView, order: Order, reader: Reader) -> Markup {
    let is_own = order.column == column;
    let other = Order { column, is_reversed: is_own && !order.is_reversed };
    // By name the first is the least.
    let is_descending = order.is_reversed != column.is_some();
    let sorted = is_own.then_some(if is_descending { "descending" } else { "ascending" });
    let name = column.map_or(reader.say("Machine", "Machine"), |column| column.name(reader));
    html! {
        th scope="col" aria-sort=[sorted] {
            a href=(reader.to(&path_of(view, view.week, other))) title=[column.and_then(|column| column.meaning(reader))] {
                (name)
                @if is_own { span aria-hidden="true" { (if is_descending { "\u{a0}▾" } else { "\u{a0}▴" }) } }
            }
        }
    }
}

fn row(view: &CompareView, machine: &MachineWeeks, most: &[i64], reader: Reader) -> Markup {
    let language = reader.language;
    let now = Stamp::from_naive(view.now.wall);
    // The head of the page says the hour of all the others.
    let behind = machine.until.filter(|until| now.0 - until.0 > 3_600_000);
    html! {
        tr data-nom=(machine.nom) {
            th scope="row" {
                a href=(reader.to_machine(&machine.nom, None)) { (machine.nom) }
                @if let Some(until) = behind {
                    small { (reader.say("lue jusqu'à ", "read until ")) (moment(until, reader)) }
                }
            }
            @for (column, most) in Column::ALL.into_iter().zip(most) {
                @let value = column.value(machine);
                td {
                    (value.as_ref().map_or_else(|| "–".to_owned(), |value| value.text(column, language)))
                    @if let Some(delta) = Delta::of(column, machine) { (self::delta(&delta, column, reader)) }
                    @if let (Column::Trs, None, Some(why)) = (column, &value, machine.no_trs) {
                        @if machine.is_known() { small { (why.text(language)) } }
                    }
                    @if let (true, Some(Value { amount, .. })) = (column.has_bar(), value) {
                        svg viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true" {
                            path d={ "M0 0h" (amount.max(0) * 100 / most) "v4H0z" } {}
                        }
                    }
                }
            }
        }
    }
}

/// Shape, word for those who hear the page, and the signed difference.
fn delta(delta: &Delta, column: Column, reader: Reader) -> Markup {
    let (shape, word) = match delta.amount.signum() {
        1 => ("▲", reader.say("hausse ", "up ")),
        -1 => ("▼", reader.say("baisse ", "down ")),
        _ => ("=", reader.say("égal ", "same ")),
    };
    let class = match (delta.amount.signum(), column.is_better_high()) {
        (0, _) => None,
        (1, true) | (-1, false) => Some("better"),
        _ => Some("worse"),
    };
    html! {
        small class=[class] {
            i { (word) }
            span aria-hidden="true" { (shape) } " " (delta.text(column, reader.language))
        }
    }
}

/// All machines together; differences only if each one has them.
fn total(view: &CompareView, reader: Reader) -> Markup {
    let known = || view.machines.iter().filter(|machine| machine.is_known());
    let add = |sum: Sums, more: &Sums| sum.plus(more);
    let now = known().map(MachineWeeks::sums).fold(Sums::default(), add);
    let is_compared = known().all(|machine| machine.before.is_some());
    let before = known().filter_map(|machine| machine.before.as_ref()).fold(Sums::default(), add);
    let all = MachineWeeks {
        nom: String::new(),
        weeks: vec![now],
        before: Some(before).filter(|before| is_compared && before.is_known()),
        until: None,
        no_trs: None,
    };
    let (with_trs, of) =
        (known().filter(|one| one.sums().trs_e2().is_some()).count(), known().count());
    html! {
        tr data-nom="" {
            th scope="row" { (reader.say("Ensemble", "All together")) }
            @for column in Column::ALL {
                td {
                    (column.value(&all).map_or_else(|| "–".to_owned(), |value| value.text(column, reader.language)))
                    @if let Some(delta) = Delta::of(column, &all) { (self::delta(&delta, column, reader)) }
                    @if column == Column::Trs && with_trs > 0 && with_trs < of {
                        small { (phrase!(reader.language, "{with_trs} machines sur {of}", "{with_trs} of {of} machines")) }
                    }
                }
            }
        }
    }
}

/// The last weeks of each machine, on one scale for all.
fn multiples(view: &CompareView, machines: &[&MachineWeeks], reader: Reader) -> Markup {
    let language = reader.language;
    let has_numbers = machines.len() <= MOST_NUMBERED;
    let most_pieces = machines.iter().flat_map(|one| &one.weeks).map(|sums| sums.pieces).max();
    let most_pieces = most_pieces.and_then(|most| i64::try_from(most).ok()).unwrap_or(0);
    let most_of = |rate: fn(&Sums) -> Option<i64>| {
        machines.iter().flat_map(|one| &one.weeks).filter_map(rate).max().unwrap_or(0)
    };
    let is_running = view.week >= view.this_week;
    let (first, last) = (short_week(view.weeks[0], language), short_week(view.week, language));
    let bars = |name, most, value: &dyn Fn(&Sums) -> Option<(i64, String)>, one: &MachineWeeks| {
        let bar = |(week, sums)| WeekBar { week: short_week(week, language), value: value(sums) };
        let weeks: Vec<WeekBar> = view.weeks.into_iter().zip(&one.weeks).map(bar).collect();
        WeekBars { name, weeks: &weeks, most, is_running, has_numbers, language }.draw()
    };
    let pieces = |sums: &Sums| {
        let amount = i64::try_from(sums.pieces).unwrap_or(i64::MAX);
        sums.is_known().then(|| (amount, count(sums.pieces, language)))
    };
    let of_rate = |rate: Option<i64>| rate.map(|rate| (rate, one_decimal(rate, language)));
    html! {
        section.card {
            h2 { (reader.say("Les semaines côte à côte", "Weeks beside one another")) }
            p.basis {
                (phrase!(
                    language,
                    "Semaines {first} à {last}, la même échelle pour toutes les machines.",
                    "Weeks {first} to {last}, one scale for all machines.",
                ))
                @if is_running { " " (reader.say("La dernière barre, en pointillé, est la semaine en cours.", "The last bar, dashed, is the week under way.")) }
            }
            ul.multiples {
                @for one in machines {
                    @let has_trs = one.weeks.iter().any(|sums| sums.trs_e2().is_some());
                    li {
                        h3 { a href=(reader.to_machine(&one.nom, None)) { (one.nom) } }
                        p { (reader.say("Pièces", "Pieces")) }
                        (bars(reader.say("Pièces", "Pieces"), most_pieces, &pieces, one))
                        @let name = if has_trs { "TRS" } else { reader.say("Occupation", "Occupation") };
                        @let rate = if has_trs { Sums::trs_e2 } else { Sums::occupation_e2 };
                        p { (name) " (%)" }
                        (bars(name, most_of(rate), &|sums| of_rate(rate(sums)), one))
                    }
                }
            }
        }
    }
}
