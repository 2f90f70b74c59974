//! What a report says of planned time: the rates of the period at a glance, of each shift, day and week as a
//! table, and the losses as one ranking and line by line. What must never happen here: a column whose printed
//! figures do not add up.

use maud::{Markup, html};

use super::{Line, MachineReport, Planning, Report, Span, pareto::Bar, words::rate_or_dash};
use crate::{
    analyse::in_whole,
    model::{Language, LossKind, Losses, Shares},
    text::{clock, count, date, euros, one_decimal, percent, phrase, short_date, two_decimals},
};

/// Of a longer period the shifts of each day are not shown.
const MOST_DAYS_OF_SHIFTS: usize = 7;

/// Where the period's required time went, on a machine's page.
pub(super) fn section(report: &Report, machine: &MachineReport) -> Markup {
    let say = |french, english| report.say(french, english);
    let Some(period) = machine.lines.last().filter(|period| period.parts > 0) else {
        return html! { p.hint { (hint(report, machine)) } };
    };
    html! {
        h3 { (say("Pertes de temps requis", "Losses of required time")) }
        (ranking(report, period))
        @if !period.losses.has_nominal {
            p.hint { (say(
                "Ni Tp ni TRS\u{202f}: la cadence nominale de cette machine n'est pas connue. Donnez-lui nominal_per_hour dans [source.folders].",
                "No Tp and no TRS: the nominal rate of this machine is not known. Give it nominal_per_hour in [source.folders].",
            )) }
        }
    }
}

/// Rates and losses of each shift, day and week.
pub(super) fn details(report: &Report, machine: &MachineReport) -> Markup {
    let say = |french, english| report.say(french, english);
    let Some(period) = machine.lines.last().filter(|period| period.parts > 0) else {
        return Markup::default();
    };
    let lines = shown(&machine.lines);
    html! {
        h3 { (say("TRS sur le temps requis", "TRS (OEE) on required time")) }
        (at_a_glance(report, period))
        (rates(report, &lines))
        @if lines.len() > 1 {
            h3 { (say("Pertes ligne par ligne", "Losses line by line")) }
            (losses(report, &lines, period))
        }
        (explained(report, &period.losses, lines.iter().any(|line| line.losses.minutes_e1.above_nominal() > 0)))
    }
}

/// Why there is no planned time, and how to get one.
fn hint(report: &Report, machine: &MachineReport) -> &'static str {
    match machine.planning {
        Planning::None => report.say(
            "Pas de TRS\u{202f}: cette machine n'a pas de calendrier. Donnez-lui ses postes dans [[calendar]] de la configuration, ou pour tout l'atelier par « cu-agent central calendar put ».",
            "No TRS: this machine has no calendar. Give it its shifts in [[calendar]] of the configuration, or for the whole plant with `cu-agent central calendar put`.",
        ),
        Planning::Calendar => report.say(
            "Pas de TRS\u{202f}: le calendrier ne prévoit rien sur cette période.",
            "No TRS: the calendar plans nothing in this period.",
        ),
    }
}

/// What of the lines is worth a row: a week among several, the shifts of few days.
fn shown(lines: &[Line]) -> Vec<&Line> {
    let count_of = |is: fn(&Span) -> bool| lines.iter().filter(|line| is(&line.span)).count();
    let days = count_of(|span| matches!(span, Span::Day(_)));
    let weeks = count_of(|span| matches!(span, Span::Week(..)));
    let is_shown = |line: &&Line| match line.span {
        Span::Shift { .. } => days <= MOST_DAYS_OF_SHIFTS,
        Span::Day(_) => true,
        Span::Week(..) => weeks > 1,
        Span::Period => days > 1,
    };
    lines.iter().filter(is_shown).collect()
}

fn at_a_glance(report: &Report, period: &Line) -> Markup {
    let say = |french, english| report.say(french, english);
    let of = |rate: Option<i64>| match rate {
        Some(rate) => percent(&two_decimals(rate, report.language), report.language),
        None => "–".to_owned(),
    };
    let rates = &period.rates;
    let shown = [
        ("trs", "", "TRS", rates.trs_e2),
        ("", "=", say("Disponibilité (Do)", "Availability (Do)"), rates.availability_e2),
        ("", "×", say("Performance (Tp)", "Performance (Tp)"), rates.performance_e2),
        ("", "×", say("Qualité (Tq)", "Quality (Tq)"), rates.quality_e2),
        ("apart", "", "TRG", rates.trg_e2),
        ("", "", "TRE", rates.tre_e2),
    ];
    html! {
        div.rates {
            @for (class, sign, name, rate) in shown {
                @if !sign.is_empty() { span.sign aria-hidden="true" { (sign) } }
                div class=[(!class.is_empty()).then_some(class)] {
                    b { (of(rate)) }
                    span { (name) }
                }
            }
        }
    }
}

/// `in_full`: with a shift's hours.
fn name(report: &Report, line: &Line, in_full: bool) -> Markup {
    let language = report.language;
    let what = match &line.span {
        Span::Shift { name, planned_from, planned_to, .. } => {
            let hours = format!("{}–{}", clock(*planned_from), clock(*planned_to));
            return html! {
                (name)
                @if in_full { " " span.of { (hours) } }
                @if line.is_running { " " (until(report, line)) }
            };
        }
        Span::Day(day) => date(*day, language),
        Span::Week(year, week) => {
            phrase!(language, "Semaine {week}/{year}", "Week {week}/{year}")
        }
        Span::Period => report.say("Période", "Period").to_owned(),
    };
    html! {
        (what)
        @if !line.is_over { " " (until(report, line)) }
        @if line.is_without_log {
            " " span.of { (report.say("(aucun LOG)", "(no LOG)")) }
        }
        @if line.parts == 0 {
            " " span.of { (report.say("(rien de prévu)", "(nothing planned)")) }
        }
    }
}

/// Of what still runs: figures count up to here.
fn until(report: &Report, line: &Line) -> Markup {
    let at = line.known_until;
    let clock = clock(at);
    let text = match line.span {
        Span::Shift { day, .. } | Span::Day(day) if line.is_running && day >= report.today => {
            phrase!(report.language, "en cours, jusqu'à {clock}", "running, up to {clock}")
        }
        Span::Shift { .. } | Span::Day(_) => {
            phrase!(report.language, "connu jusqu'à {clock}", "known up to {clock}")
        }
        Span::Week(..) | Span::Period if report.today > report.period.to => {
            let day = short_date(at.to_naive().date(), report.language);
            phrase!(report.language, "connu jusqu'au {day} à {clock}", "known up to {day} {clock}")
        }
        Span::Week(..) | Span::Period => {
            let day = short_date(at.to_naive().date(), report.language);
            phrase!(
                report.language,
                "en cours, jusqu'au {day} à {clock}",
                "running, up to {day} {clock}",
            )
        }
    };
    html! { span.running { (text) } }
}

fn class(line: &Line) -> &'static str {
    match line.span {
        Span::Shift { .. } => "shift",
        Span::Day(_) => "date",
        Span::Week(..) | Span::Period => "sum",
    }
}

fn rates(report: &Report, lines: &[&Line]) -> Markup {
    let say = |french, english| report.say(french, english);
    let language = report.language;
    let e2 = |rate| rate_or_dash(rate, language);
    let heads = [
        say("Requis, min", "Required, min"),
        say("Pièces", "Pieces"),
        say("Rebuts", "Rejects"),
        say("Hors requis", "Outside"),
        "Do, %",
        "Tp, %",
        "Tq, %",
        "TRS, %",
        "TRG, %",
        "TRE, %",
    ];
    html! {
        table.planned {
            thead {
                tr {
                    th.word scope="col" { (say("Poste, jour", "Shift, day")) }
                    @for head in heads { th scope="col" { (head) } }
                }
            }
            tbody {
                @for line in lines {
                    @let rates = &line.rates;
                    tr class=(class(line)) {
                        th.word scope="row" { (name(report, line, true)) }
                        td { (one_decimal(line.losses.minutes_e1.required * 10, language)) }
                        td { (count(line.times.pieces, language)) }
                        td { (count(line.times.rejects, language)) }
                        td { (line.pieces_outside.map(|outside| count(outside.into(), language)).unwrap_or_default()) }
                        td { (e2(rates.availability_e2)) }
                        td { (e2(rates.performance_e2)) }
                        td { (e2(rates.quality_e2)) }
                        td.trs { (e2(rates.trs_e2)) }
                        td { (e2(rates.trg_e2)) }
                        td { (e2(rates.tre_e2)) }
                    }
                }
            }
        }
    }
}

/// Tenths of a minute; a minus in front of what is taken off.
fn minutes(tenths: i64, language: Language) -> String {
    with_minus(tenths, |tenths| one_decimal(tenths * 10, language))
}

fn with_minus(value: i64, positive: impl Fn(i64) -> String) -> String {
    let sign = if value < 0 { "−" } else { "" };
    format!("{sign}{}", positive(value.abs()))
}

struct Row {
    class: &'static str,
    name: &'static str,
    /// Of the losses, what the bar shows.
    bar: Option<i64>,
    minutes_e1: i64,
    share_e2: i64,
    cents: Option<i64>,
}

/// Losses and useful time as parts of required time; each column adds up as it is printed.
fn rows(report: &Report, losses: &Losses) -> Vec<Row> {
    let say = |french, english| report.say(french, english);
    let kinds = losses.ranking();
    let shares = &losses.minutes_e1;
    let parts = |of: &Shares| -> Vec<i64> {
        let lost = kinds.iter().map(|kind| of.lost_to(*kind));
        lost.chain([of.useful, -of.above_nominal()]).collect()
    };
    let of_minutes = parts(shares);
    let of_money = losses.cents.as_ref().map(parts);
    let hundredths: Vec<i128> = of_minutes.iter().map(|part| i128::from(*part) * 10_000).collect();
    let percents = in_whole(&hundredths, i128::from(shares.required.max(1)));
    let row = |at: usize, class, name, bar| Row {
        class,
        name,
        bar,
        minutes_e1: of_minutes[at],
        share_e2: i64::try_from(percents[at]).unwrap_or(i64::MAX),
        cents: of_money.as_ref().map(|parts| parts[at]),
    };
    let lost = kinds.iter().enumerate();
    let mut rows: Vec<Row> = lost
        .map(|(at, kind)| row(at, "", kind.text(report.language), Some(of_minutes[at])))
        .collect();
    let sum = |class, name, rows: &[Row]| Row {
        class,
        name,
        bar: None,
        minutes_e1: rows.iter().map(|row| row.minutes_e1).sum(),
        share_e2: rows.iter().map(|row| row.share_e2).sum(),
        cents: rows.iter().map(|row| row.cents).sum(),
    };
    let lost = sum("sum", say("Total des pertes", "All losses"), &rows);
    let useful = if losses.has_nominal {
        say(
            "Temps utile\u{202f}: bonnes pièces à la cadence nominale",
            "Useful time: good pieces at the nominal rate",
        )
    } else {
        say("Temps de fonctionnement", "Running time")
    };
    let mut rest = vec![row(kinds.len(), "rest", useful, None)];
    if shares.above_nominal() > 0 {
        let faster = say("Plus vite que la cadence nominale", "Faster than the nominal rate");
        rest.push(row(kinds.len() + 1, "rest", faster, None));
    }
    let mut all = vec![lost];
    all.append(&mut rest);
    let required = sum("sum", say("Temps requis", "Required time"), &all);
    rows.append(&mut all);
    rows.push(required);
    rows
}

fn ranking(report: &Report, period: &Line) -> Markup {
    let say = |french, english| report.say(french, english);
    let language = report.language;
    let rows = rows(report, &period.losses);
    let values: Vec<i64> = rows.iter().filter_map(|row| row.bar).collect();
    let mut bars = Bar::of(&values).into_iter();
    let drawn: Vec<Option<Bar>> =
        rows.iter().map(|row| row.bar.and_then(|_| bars.next())).collect();
    html! {
        table.losses {
            thead {
                tr {
                    th.word scope="col" { (say("Perte", "Loss")) }
                    th scope="col" { (say("Temps, min", "Time, min")) }
                    th.bar-of scope="col" { (say("Cumul", "Cumulative")) }
                    th scope="col" { (say("Part du requis, %", "Share of required, %")) }
                    @if period.losses.cents.is_some() { th scope="col" { (say("Coût", "Cost")) } }
                }
            }
            tbody {
                @for (row, bar) in rows.iter().zip(drawn) {
                    tr class=[(!row.class.is_empty()).then_some(row.class)] {
                        th.word scope="row" { (row.name) }
                        td { (minutes(row.minutes_e1, language)) }
                        td.bar-of { @if let Some(bar) = bar { (bar.draw(language)) } }
                        td { (with_minus(row.share_e2, |share| two_decimals(share, language))) }
                        @if period.losses.cents.is_some() {
                            td { (row.cents.map(|cents| euros(cents, language)).unwrap_or_default()) }
                        }
                    }
                }
            }
        }
    }
}

/// Line by line, the losses in the order of the period's ranking. The rate's is below 0 where pieces were made
/// faster than nominal, so that rows and columns add up.
fn losses(report: &Report, lines: &[&Line], period: &Line) -> Markup {
    let say = |french, english| report.say(french, english);
    let language = report.language;
    let kinds: Vec<LossKind> = period.losses.ranking();
    let signed = |of: &Shares, kind| match kind {
        LossKind::Rate => of.lost_to(kind) - of.above_nominal(),
        _ => of.lost_to(kind),
    };
    html! {
        table.planned.by-line {
            thead {
                tr {
                    th.word scope="col" { (say("Minutes", "Minutes")) }
                    @for kind in &kinds {
                        th scope="col" {
                            @if *kind == LossKind::Rate { (say("Cadence", "Rate")) }
                            @else { (kind.text(language)) }
                        }
                    }
                    th scope="col" {
                        @if period.losses.has_nominal { (say("Utile", "Useful")) }
                        @else { (say("Fonctionnement", "Running")) }
                    }
                    th scope="col" { (say("Requis", "Required")) }
                    @if period.losses.cents.is_some() {
                        th scope="col" { (say("Coût, requis − utile", "Cost, required − useful")) }
                    }
                }
            }
            tbody {
                @for line in lines {
                    @let shares = &line.losses.minutes_e1;
                    tr class=(class(line)) {
                        th.word scope="row" { (name(report, line, false)) }
                        @for kind in &kinds { td { (minutes(signed(shares, *kind), language)) } }
                        td { (minutes(shares.useful, language)) }
                        td { (minutes(shares.required, language)) }
                        @if let Some(cents) = line.losses.cents {
                            td { (euros(cents.required - cents.useful, language)) }
                        }
                    }
                }
            }
        }
    }
}

pub(super) fn explained(report: &Report, losses: &Losses, is_faster: bool) -> Markup {
    html! {
        p.small {
            (report.say(
                "Chaque minute de temps requis n'est comptée qu'une fois. Démarrage tardif\u{202f}: avant la première pièce du jour\u{202f}; fin anticipée\u{202f}: après la dernière.",
                "Each minute of required time counts once. Late start: before the day's first piece; early end: after its last.",
            ))
            @if losses.has_nominal {
                " " (report.say(
                    "Perte de cadence\u{202f}: fonctionnement au-delà de ce que demandent les pièces à la cadence nominale. Rebuts\u{202f}: le temps nominal des pièces perdues.",
                    "Lost rate: running time beyond what the pieces take at the nominal rate. Rejects: the nominal time of the pieces that were lost.",
                ))
            }
            @if is_faster {
                " " (report.say(
                    "Plus vite que la cadence nominale\u{202f}: les pièces ont pris moins de temps qu'elle n'en prévoit (cadence négative ci-dessus). Elle est réglée trop bas (nominal_per_hour).",
                    "Faster than the nominal rate: the pieces took less time than it allows them (a rate below 0 above). It is set too low (nominal_per_hour).",
                ))
            }
        }
    }
}
