//! What the pages of a day have in common: the axis of their drawings, their heads, small charts of a month, the
//! way to a CSV.

use maud::{Markup, html};

use super::{
    day_view::{DayView, MachineView, MonthDay, WallClock, begin_of},
    shell::Reader,
};
use crate::{
    config::Config,
    model::{Day, Figures, Session, Stamp, rate_e2},
    render::{Axis, Chart},
    text::{clock, date, phrase, short_date},
};

pub(super) fn axis(view: &DayView, config: &Config) -> Axis {
    let begin = begin_of(view.day, config.analysis.day_start);
    let sessions = view.machines.iter().map(|machine| &machine.session);
    let now = view.is_today().then(|| Stamp::from_naive(view.now.wall));
    let shifts = view.machines.iter().flat_map(MachineView::begun_shifts);
    // What a shift has in this day; its last moment is before its end, which may begin another hour.
    let last = begin.plus_ms(24 * 3_600_000 - 1);
    let shifts = shifts.flat_map(|(from, to)| [from.max(begin), to.plus_ms(-1).min(last)]);
    Axis::around(sessions, now.into_iter().chain(shifts), begin)
}

pub(super) fn head(view: &DayView, title: &str, reader: Reader) -> Markup {
    html! {
        div.head {
            h1 { (title) }
            @if view.is_today() {
                p {
                    (reader.say("à", "at")) " " time { (view.now.wall.format("%H:%M")) }
                    @if let Some(read) = last_read(view, reader) { " · " (read) }
                }
            }
        }
    }
}

/// When something new was last read of what the page shows, by the gateway's clock as all of its times.
pub(super) fn last_read(view: &DayView, reader: Reader) -> Option<String> {
    let at = view.machines.iter().filter_map(|machine| machine.last_read_at).max()?.naive();
    let time = clock(Stamp::from_naive(at));
    let language = reader.language;
    if at.date() == view.now.wall.date() {
        return Some(phrase!(language, "dernière lecture à {time}", "last read at {time}"));
    }
    let day = date(at.date(), language);
    Some(phrase!(language, "dernière lecture le {day} à {time}", "last read {day} {time}"))
}

pub(super) fn csv(view: &DayView, machine: Option<&str>, reader: Reader) -> String {
    let from = view.machines.first().and_then(|machine| machine.month.first());
    let from = from.map_or(view.day, |one| one.day);
    let mut path = format!("/sessions.csv?from={from}&to={}", view.day);
    if let Some(nom) = machine {
        let nom = percent_encoding::utf8_percent_encode(nom, percent_encoding::NON_ALPHANUMERIC);
        path += &format!("&machine={nom}");
    }
    // What a French spreadsheet opens as a table without asking.
    path += reader.say("&for=tableur", "");
    path
}

/// The time, with the date if it is another one.
pub(super) fn since_of(at: Stamp, now: &WallClock, reader: Reader) -> String {
    let day = at.to_naive().date();
    if day == now.wall.date() {
        return clock(at);
    }
    format!("{} {}", short_date(day, reader.language), clock(at))
}

/// Pieces of the hour up to `now`.
pub(super) fn last_hour(session: &Session, now: Stamp) -> usize {
    let from = now.plus_ms(-3_600_000);
    session.pieces.iter().filter(|piece| piece.at > from && piece.at <= now).count()
}

/// Three figures of a machine over the month up to `day`, which goes on if it `is_today`.
pub(super) fn charts(machine: &MachineView, day: Day, is_today: bool, reader: Reader) -> Markup {
    type Value = fn(&MonthDay) -> Option<i64>;
    let of_work: (&str, Value) = if machine.has_trs_in_month() {
        ("TRS, %", |one| one.rates.and_then(|rates| rates.trs_e2))
    } else {
        ("Occupation, %", |one| {
            let figures = one.figures.as_ref()?;
            Some((rate_e2(figures.effective_ms, figures.window_ms) + 50) / 100 * 100)
        })
    };
    let charts: [(&str, Value); 3] = [
        (reader.say("Pièces", "Pieces"), |one| {
            let pieces = |figures: &Figures| i64::from(figures.total_pieces) * 100;
            one.figures.as_ref().map(pieces).or(one.rates.map(|_| 0))
        }),
        of_work,
        (reader.say("Cadence, p/h", "Rate, p/h"), |one| {
            let rate = one.figures.as_ref().and_then(Figures::rate_per_hour_e2);
            rate.map(|e2| (e2 + 50) / 100 * 100)
        }),
    ];
    html! {
        div.months {
            @for (name, value) in charts {
                @let days: Vec<(Day, Option<i64>)> =
                    machine.month.iter().map(|one| (one.day, value(one))).collect();
                (Chart { name, days: &days, day, is_running: is_today, language: reader.language }.draw())
            }
        }
    }
}
