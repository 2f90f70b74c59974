//! The first page: the period of all machines on one sheet of A4, whatever their number. What must never happen
//! here: a second sheet; a figure of all machines that is not the sum of theirs.

use std::cmp::Reverse;

use maud::{Markup, html};

use super::{
    MOST_PAGES, Report, Scope, Summary,
    changes::changes,
    day_columns, keys, page,
    pareto::Bar,
    planned_tables,
    words::{rate_or_dash, shortened, signed_part, signed_points},
};
use crate::{
    model::{LossKind, Shares},
    render::{RequiredBar, required_legend},
    text::{code, count, date, euros, phrase, span, two_decimals},
};

/// Rows of the table; what has the highest TRS is left out above.
const MOST_ROWS: usize = 40;
/// Lines that the names of all machines take together at most.
const NAME_LINES: usize = 26;
const LETTERS: usize = 14;
const MOST_CHANGES: usize = 5;
/// From here on everything is set closer.
const LEAST_DENSE: usize = 14;

/// All machines; `silent` are those of which nothing is known in the period.
pub(super) fn sheet(report: &Report, summary: &Summary, silent: &[String]) -> Markup {
    let title = html! { h1 { (page::title(report)) } };
    let is_dense = summary.machines.len() >= LEAST_DENSE;
    html! {
        section.sheet.first.dense[is_dense] {
            (page::head(report, 1, title, &page::days(report)))
            @if summary.machines.is_empty() {
                (nothing(report))
            } @else {
                (keys::keys(report, &summary.all))
                p.small { (keys::comparison(report, &summary.all)) (measured(report, summary)) }
                (day_columns::columns(report, summary))
                (machines(report, summary))
                div.two {
                    (losses(report, &summary.all))
                    (what_changed(report, summary))
                }
                @if let Some(planned) = summary.all.totals.planned.as_ref().filter(|_| !is_dense) {
                    (planned_tables::explained(report, &planned.losses, planned.losses.minutes_e1.above_nominal() > 0))
                }
            }
            (notes(report, summary, silent))
        }
    }
}

/// What there is instead.
fn nothing(report: &Report) -> Markup {
    let language = report.language;
    let known = report.known.map(|(first, last)| {
        let (first, last) = (date(first, language), date(last, language));
        phrase!(
            language,
            "Les jours connus vont du {first} au {last}.",
            "The known days go from {first} to {last}.",
        )
    });
    html! {
        p.empty {
            (report.say("Aucune session sur cette période.", "No session in this period."))
            @if let Some(known) = known { " " (known) }
        }
    }
}

/// Of how many machines the rates are, if not of all.
fn measured(report: &Report, summary: &Summary) -> String {
    let (measured, all) = (summary.measured, summary.machines.len());
    if measured == 0 || measured == all {
        return String::new();
    }
    phrase!(
        report.language,
        " Temps requis et taux\u{202f}: {measured} machines sur {all}.",
        " Required time and rates: {measured} of {all} machines.",
    )
}

/// The lowest TRS first, then what has none by its pieces.
fn ranked(summary: &Summary) -> Vec<&Scope> {
    let mut all: Vec<&Scope> = summary.machines.iter().collect();
    all.sort_by_key(|scope| {
        let trs = scope.totals.trs_e2();
        (trs.is_none(), trs.unwrap_or(0), Reverse(scope.totals.pieces))
    });
    all
}

fn machines(report: &Report, summary: &Summary) -> Markup {
    let say = |french, english| report.say(french, english);
    let all = ranked(summary);
    let rows = all.len().min(MOST_ROWS);
    let letters = (NAME_LINES / rows.max(1)).clamp(1, 3) * LETTERS;
    let has_times = all.iter().any(|scope| scope.totals.planned.is_some());
    html! {
        h2.section {
            (say("Machines", "Machines"))
            @if has_times && all.len() > 1 { span.of { (say("TRS le plus bas d'abord", "lowest TRS first")) } }
        }
        div.scroll tabindex="0" {
            table.machines {
                (heads(report, has_times))
                tbody {
                    @for (place, scope) in all.iter().take(MOST_ROWS).enumerate() {
                        (row(report, scope, Some(place + 1), &shortened(&scope.nom, letters), has_times))
                    }
                }
                @if all.len() > 1 {
                    tfoot { (row(report, &summary.all, None, say("Ensemble", "All"), has_times)) }
                }
            }
        }
        @if all.len() > MOST_ROWS {
            @let more = all.len() - MOST_ROWS;
            p.small { (phrase!(report.language, "Et {more} machines au TRS plus élevé, comprises dans l'ensemble.", "And {more} machines with a higher TRS, included in the total.")) }
        }
        @if has_times { (required_legend(report.language)) }
    }
}

fn heads(report: &Report, has_times: bool) -> Markup {
    let say = |french, english| report.say(french, english);
    html! {
        thead {
            tr {
                th scope="col" { abbr title=(say("rang", "rank")) { "#" } }
                th.word.name scope="col" { (say("Machine", "Machine")) }
                th scope="col" { (say("Pièces", "Pieces")) }
                th.by scope="col" { (say("± avant", "± before")) }
                @if has_times {
                    th scope="col" { (say("Requis", "Required")) }
                    th.required-of scope="col" { span.hidden { (say("Temps requis", "Required time")) } }
                    @for head in ["Do,\u{a0}%", "Tp,\u{a0}%", "Tq,\u{a0}%", "TRS,\u{a0}%"] { th scope="col" { (head) } }
                    th.by scope="col" { (say("± avant", "± before")) }
                    th.word scope="col" { (say("Première perte", "Largest loss")) }
                }
            }
        }
    }
}

fn row(
    report: &Report,
    scope: &Scope,
    place: Option<usize>,
    name: &str,
    has_times: bool,
) -> Markup {
    let language = report.language;
    let e2 = |rate| rate_or_dash(rate, language);
    let planned = scope.totals.planned.as_ref();
    let rates = scope.totals.rates();
    let compared = scope.compared.as_ref();
    let by = compared.and_then(|one| signed_part(one.now.pieces, one.before.pieces, language));
    let points = compared
        .and_then(|one| Some(signed_points(one.now.trs_e2()? - one.before.trs_e2()?, language)));
    let none = || "–".to_owned();
    html! {
        tr.sum[place.is_none()] data-nom=[place.map(|_| &scope.nom)] {
            td { @if let Some(place) = place { (place) } }
            th.word.name scope="row" title=[(name != scope.nom && place.is_some()).then_some(&scope.nom)] {
                (name)
                @if scope.running.is_some() && place.is_some() { " " abbr title=(report.say("un jour est en cours", "a day is running")) { "…" } }
            }
            td.pieces { (count(scope.totals.pieces, language)) }
            td.by { (by.unwrap_or_else(none)) }
            @if has_times {
                td { (planned.map(|one| span(one.losses.minutes_e1.required * 6_000)).unwrap_or_else(none)) }
                td.required-of {
                    @if let Some(planned) = planned {
                        (RequiredBar { name, sum: &planned.times, has_list: false, language }.draw())
                    }
                }
                td { (e2(rates.and_then(|rates| rates.availability_e2))) }
                td { (e2(rates.and_then(|rates| rates.performance_e2))) }
                td { (e2(rates.and_then(|rates| rates.quality_e2))) }
                td.trs { (e2(rates.and_then(|rates| rates.trs_e2))) }
                td.by { (points.unwrap_or_else(none)) }
                td.word { (largest_loss(report, scope)) }
            }
        }
    }
}

fn largest_loss(report: &Report, scope: &Scope) -> String {
    let Some(planned) = &scope.totals.planned else { return String::new() };
    let losses = &planned.losses;
    let Some(kind) = losses.ranking().into_iter().next() else { return String::new() };
    let lost = losses.minutes_e1.lost_to(kind);
    if lost == 0 {
        return "–".into();
    }
    format!("{} {}", short(report, kind), span(lost * 6_000))
}

/// Tenths of a minute.
fn length(e1: i64) -> String {
    if e1 == 0 { "–".to_owned() } else { span(e1 * 6_000) }
}

fn short(report: &Report, kind: LossKind) -> &'static str {
    match kind {
        LossKind::LateStart => report.say("Démarrage", "Start"),
        LossKind::EarlyEnd => report.say("Fin", "End"),
        LossKind::Rate => report.say("Cadence", "Rate"),
        kind => kind.text(report.language),
    }
}

/// As a Pareto, each beside its share in the period before.
fn losses(report: &Report, all: &Scope) -> Markup {
    let say = |french, english| report.say(french, english);
    let language = report.language;
    let Some(planned) = &all.totals.planned else {
        return html! {
            section { p.hint {
                (say(
                    "Pas de TRS\u{202f}: aucune machine n'a de temps requis sur cette période. Décrivez les postes dans [[calendar]] de la configuration, ou pour tout l'atelier par « cu-agent central calendar put ».",
                    "No TRS: no machine has required time in this period. Describe the shifts in [[calendar]] of the configuration, or for the whole plant with `cu-agent central calendar put`.",
                ))
            } }
        };
    };
    let kinds = planned.losses.ranking();
    let minutes = &planned.losses.minutes_e1;
    let values: Vec<i64> = kinds.iter().map(|kind| minutes.lost_to(*kind)).collect();
    let share =
        |of: &Shares, kind| (of.required > 0).then(|| of.lost_to(kind) * 10_000 / of.required);
    let compared = all.compared.as_ref().and_then(|one| {
        let shares =
            |totals: &super::facts::Totals| Some(totals.planned.as_ref()?.losses.minutes_e1);
        Some((shares(&one.now)?, shares(&one.before)?))
    });
    let moved = |kind| {
        let (now, before) = compared.as_ref()?;
        Some(signed_points(share(now, kind)? - share(before, kind)?, language))
    };
    html! {
        section {
            h2.section { (say("Pertes de temps requis", "Losses of required time")) }
            table.all-losses {
                thead {
                    tr {
                        th.word scope="col" { (say("Perte", "Loss")) }
                        th scope="col" { (say("Temps", "Time")) }
                        th.bar-of scope="col" { (say("Cumul", "Cumulative")) }
                        th scope="col" { (say("Du requis,\u{a0}%", "Of required,\u{a0}%")) }
                        th scope="col" { (say("± avant", "± before")) }
                    }
                }
                tbody {
                    @for (kind, bar) in kinds.iter().zip(Bar::of(&values)) {
                        tr {
                            th.word scope="row" { (kind.text(language)) }
                            td { (length(minutes.lost_to(*kind))) }
                            td.bar-of { (bar.draw(language)) }
                            td { (share(minutes, *kind).map(|e2| two_decimals(e2, language)).unwrap_or_default()) }
                            td.by { (moved(*kind).unwrap_or_else(|| "–".into())) }
                        }
                    }
                }
            }
            @if let Some(cents) = &planned.losses.cents {
                p.small { (say("Coût des pertes", "Cost of losses")) (phrase!(language, "\u{202f}: ", ": ")) b { (euros(cents.lost(), language)) } }
            }
        }
    }
}

fn what_changed(report: &Report, summary: &Summary) -> Markup {
    let found = changes(&summary.machines, MOST_CHANGES);
    let with = report.compared_with();
    html! {
        section {
            h2.section { (report.say("Ce qui a changé", "What changed")) span.of { (phrase!(report.language, "contre {with}", "against {with}")) } }
            @if summary.all.compared.is_none() {
                p.empty { (report.say("Rien de connu avant.", "Nothing is known before.")) }
            } @else if found.is_empty() {
                p.empty { (report.say("Rien de notable.", "Nothing notable.")) }
            }
            ul.changes lang=(code(report.language)) {
                @for change in &found {
                    li.better[change.is_better()] {
                        b aria-hidden="true" { (if change.is_better() { "▲" } else { "▼" }) } " "
                        (change.shortened(24).text(report.language)) "."
                    }
                }
            }
        }
    }
}

fn notes(report: &Report, summary: &Summary, silent: &[String]) -> Markup {
    let language = report.language;
    let machines = summary.machines.len();
    let names: Vec<String> = silent.iter().take(12).map(|nom| shortened(nom, 24)).collect();
    let more = silent.len().saturating_sub(names.len());
    let mut names = names.join(", ");
    if more > 0 {
        names += &phrase!(language, " et {more} autres", " and {more} more");
    }
    html! {
        ul.foot {
            @if let Some((day, until)) = summary.all.running {
                @let day = crate::text::date_with_weekday(day, language);
                @let until = until.map(crate::text::clock).map(|at| phrase!(language, " (connu jusqu'à {at})", " (known up to {at})")).unwrap_or_default();
                li { (phrase!(language, "Le {day} est en cours{until}\u{202f}: compté, mais comparé à rien.", "{day} is running{until}: counted, but not compared.")) }
            }
            @if !silent.is_empty() && machines > 0 {
                li { (phrase!(language, "Sans données sur la période\u{202f}: {names}.", "No data in the period: {names}.")) }
            }
            @if report.pages == 0 && machines > MOST_PAGES {
                li { (phrase!(language, "Une page par machine\u{202f}: cu-agent report --details, ou --machine NOM pour une seule.", "A page for each machine: cu-agent report --details, or --machine NOM for one.")) }
            }
            @if report.is_clock_wrong {
                li { (report.say("L'horloge de la passerelle n'est pas à l'heure\u{202f}: la période est comptée depuis le jour le plus récent.", "The gateway's clock cannot be right: the period is counted from the newest day.")) }
            }
            @if report.shift.is_some() && machines > 0 {
                li { (report.say("Temps requis et pièces de ce poste seulement.", "Required time and pieces of this shift only.")) }
            }
        }
    }
}
