//! A machine's last 30 days: three small charts, and each day as a link with its week's sums.

use maud::{Markup, html};

use super::{
    day_view::MonthDay,
    machine_page::MachinePage,
    machine_tables::{running, scrolled},
    pages::charts,
    shell::Reader,
    weeks::WeekSums,
};
use crate::{
    model::{Figures, Rates, Stamp, rate_e2},
    text::{clock, count, one_decimal, phrase, short_date, short_date_with_weekday, two_decimals},
};

pub(super) fn section(page: &MachinePage<'_>) -> Markup {
    let machine = page.machine;
    let title = page.say("30 derniers jours", "Last 30 days");
    html! {
        @if !machine.weeks.is_empty() {
            section.card {
                h2 { (title) }
                (charts(machine, page.view.day, page.view.is_today(), page.reader))
                (scrolled(title, &table(page)))
            }
        }
    }
}

fn table(page: &MachinePage<'_>) -> Markup {
    let reader = page.reader;
    let say = |french, english| reader.say(french, english);
    let machine = page.machine;
    let has_rates = machine.weeks.iter().any(|week| week.rates.is_some());
    let heads = [
        say("Pièces", "Pieces"),
        say("De", "From"),
        say("À", "To"),
        say("Cadence, p/h", "Rate, p/h"),
        say("Occupation, %", "Occupation, %"),
        say("Attente, %", "Waiting, %"),
        say("Arrêt, %", "Stopped, %"),
    ];
    html! {
        table #month {
            thead {
                tr {
                    th scope="col" { (say("Jour", "Day")) }
                    @for head in heads { th scope="col" { (head) } }
                    @if has_rates { (rate_heads(reader)) }
                }
            }
            @for week in &machine.weeks {
                tbody {
                    (week_row(week, page, has_rates))
                    @for one in &week.days { (day_row(one, page, has_rates)) }
                }
            }
        }
    }
}

fn week_row(week: &WeekSums, page: &MachinePage<'_>, has_rates: bool) -> Markup {
    let reader = page.reader;
    let number = format!("{:02}", week.week.number());
    let (from, to) = (week.week.monday(), week.week.sunday());
    let (from, to) = (short_date(from, reader.language), short_date(to, reader.language));
    let is_running = week.days.iter().any(|one| one.day == page.view.today);
    html! {
        tr.week data-week=(week.week) {
            th scope="row" {
                (phrase!(reader.language, "Semaine {number}", "Week {number}"))
                " " span.of { (from) "–" (to) }
                @if is_running { " " (running(reader)) }
            }
            (cells(Some(&week.figures), false, reader))
            @if has_rates { (rates_or_dashes(week.rates.as_ref(), reader)) }
        }
    }
}

fn day_row(one: &MonthDay, page: &MachinePage<'_>, has_rates: bool) -> Markup {
    let reader = page.reader;
    let is_shown = one.day == page.view.day;
    html! {
        tr class=[is_shown.then_some("shown")] {
            th scope="row" {
                a href=(reader.to_machine(&page.machine.nom, Some(one.day))) aria-current=[is_shown.then_some("date")] { (short_date_with_weekday(one.day, reader.language)) }
                @if one.day == page.view.today { " " (running(reader)) }
            }
            (cells(one.figures.as_ref(), true, reader))
            @if has_rates { (rates_or_dashes(one.rates.as_ref(), reader)) }
        }
    }
}

/// Of a day without a session there are no pieces, and no times.
fn cells(figures: Option<&Figures>, has_moments: bool, reader: Reader) -> Markup {
    let dash = || "–".to_owned();
    let number = |e2| one_decimal(e2, reader.language);
    let at = |at: fn(&Figures) -> Option<Stamp>| match figures {
        None => dash(),
        Some(_) if !has_moments => String::new(),
        Some(figures) => at(figures).map_or_else(String::new, clock),
    };
    let rate = |part: fn(&Figures) -> i64| {
        figures.map_or_else(dash, |figures| number(rate_e2(part(figures), figures.window_ms)))
    };
    let pieces = figures.map_or(0, |figures| figures.total_pieces);
    html! {
        td { (count(pieces.into(), reader.language)) }
        td { (at(|figures| figures.first_piece)) }
        td { (at(|figures| figures.last_piece)) }
        td { (figures.and_then(Figures::rate_per_hour_e2).map_or_else(dash, number)) }
        td { (rate(|figures| figures.effective_ms)) }
        td { (rate(|figures| figures.wait_ms)) }
        td { (rate(|figures| figures.stop_ms)) }
    }
}

fn rates_or_dashes(rates: Option<&Rates>, reader: Reader) -> Markup {
    html! {
        @match rates {
            Some(rates) => (rate_cells(rates, reader)),
            None => @for _ in 0..5 { td { "–" } },
        }
    }
}

/// The heads of the columns that [`rate_cells`] fills.
pub(super) fn rate_heads(reader: Reader) -> Markup {
    html! {
        @for name in ["TRS, %", "Do, %", "Tp, %", "Tq, %", "TRG, %"] {
            th scope="col" title=[rate_name(name, reader)] { (name) }
        }
    }
}

fn rate_name(head: &str, reader: Reader) -> Option<&'static str> {
    match head {
        "Do, %" => Some(reader.say(
            "disponibilité\u{202f}: fonctionnement / temps requis",
            "availability: running / required time",
        )),
        "Tp, %" => Some(reader.say(
            "performance\u{202f}: temps net / fonctionnement",
            "performance: net / running time",
        )),
        "Tq, %" => Some(
            reader.say("qualité\u{202f}: pièces bonnes / pièces", "quality: good pieces / pieces"),
        ),
        "TRS, %" => Some(reader.say("temps utile / temps requis", "useful / required time")),
        "TRG, %" => Some(reader.say("temps utile / temps d'ouverture", "useful / opening time")),
        _ => None,
    }
}

pub(super) fn rate_cell(rate_e2: Option<i64>, reader: Reader) -> String {
    rate_e2.map_or_else(|| "–".to_owned(), |rate| two_decimals(rate, reader.language))
}

pub(super) fn rate_cells(rates: &Rates, reader: Reader) -> Markup {
    let Rates { trs_e2, availability_e2, performance_e2, quality_e2, trg_e2, .. } = *rates;
    html! {
        @for rate_e2 in [trs_e2, availability_e2, performance_e2, quality_e2, trg_e2] {
            td { (rate_cell(rate_e2, reader)) }
        }
    }
}
