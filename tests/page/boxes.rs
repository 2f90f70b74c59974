//! The measuring of pages is itself tried: each planted fault is found, and a page without faults is clean.

use crate::browser::{Browser, PHONE};

const SOUND: &str = r#"
<header style="position:sticky;top:0;background:#fff"><a href="/">agent</a> <button>Ouvrir</button></header>
<h1>Une page</h1>
<p>Un paragraphe assez long pour être écrit sur plusieurs lignes d'un téléphone, <b>dont une partie</b> est grasse.</p>
<p style="position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)">dit seulement</p>
<p style="position:absolute;left:-99rem">plus tard</p>
<details><summary>plus</summary><p style="position:absolute;top:0">fermé</p></details>
<div class="scroll" tabindex="0" style="overflow-x:auto"><table style="width:900px"><tr><th style="position:sticky;left:0;background:#fff">DEM12</th><td>1 234</td><td>5 678</td></tr></table></div>
<p title="un texte que l'on peut lire ailleurs en entier" style="overflow:hidden;text-overflow:ellipsis;white-space:nowrap;width:8rem">un texte que l'on peut lire ailleurs en entier</p>
<svg width="200" height="40"><text x="10" y="20">dans le cadre</text><rect width="200" height="40" fill="none"></rect></svg>
<p style="line-height:1">ligne serrée<br>ligne serrée</p>
<div style="height:3000px">loin</div>
<p>la fin</p>
"#;

/// What a fault is, how it is found, and the page's part that has it.
const FAULTS: [(&str, &str, &str); 18] = [
    (
        "a short word broken over lines",
        "a word broken",
        r#"<p style="width:40px;overflow-wrap:anywhere">Pièces</p>"#,
    ),
    (
        "a page wider than its screen",
        "wide on a screen",
        r#"<div style="width:600px;height:9px"></div>"#,
    ),
    (
        "a text to the right of the screen",
        "outside the screen",
        r#"<p style="position:fixed;left:350px;white-space:nowrap">trop à droite</p>"#,
    ),
    (
        "a text to the left of the screen",
        "outside the screen",
        r#"<p style="margin-left:-60px">trop à gauche</p>"#,
    ),
    (
        "a text above the page",
        "above the page",
        r#"<p style="position:absolute;top:-40px">trop haut</p>"#,
    ),
    (
        "a text cut at its side",
        "cut at the side",
        r#"<p style="width:60px;overflow:hidden;white-space:nowrap">coupé sur le côté</p>"#,
    ),
    (
        "a text cut below",
        "cut above or below",
        r#"<div style="height:10px;overflow:hidden"><p style="margin:0">coupé en<br>dessous</p></div>"#,
    ),
    (
        "a text cut by overflow: clip",
        "cut at the side",
        r#"<p style="width:60px;overflow:clip;white-space:nowrap">coupé sur le côté</p>"#,
    ),
    (
        "a text cut by a drawing",
        "cut at the side",
        r#"<svg width="60" height="20"><text x="20" y="15">hors du cadre</text></svg>"#,
    ),
    (
        "a text cut below by a drawing",
        "cut above or below",
        r#"<svg width="200" height="20"><text x="20" y="30">hors du cadre</text></svg>"#,
    ),
    (
        "a text shortened without its whole",
        "stands nowhere",
        r#"<p style="overflow:hidden;text-overflow:ellipsis;white-space:nowrap;width:60px">raccourci sans titre</p>"#,
    ),
    (
        "lines shortened without their whole",
        "stands nowhere",
        r#"<p style="overflow:hidden;display:-webkit-box;-webkit-box-orient:vertical;-webkit-line-clamp:1;width:60px">raccourci sans titre aussi</p>"#,
    ),
    (
        "two texts on one another",
        "on one another",
        r#"<div style="position:relative"><p style="margin:0">le premier</p><p style="margin:0;position:absolute;top:0">le second</p></div>"#,
    ),
    (
        "two texts of a drawing on one another",
        "on one another",
        r#"<svg width="200" height="40"><text x="10" y="20">4 194</text><text x="30" y="20">3 921</text></svg>"#,
    ),
    (
        "two texts in a region that scrolls",
        "on one another",
        r#"<div class="scroll" tabindex="0" style="overflow-x:auto;position:relative"><p style="margin:0">le premier</p><p style="margin:0;position:absolute;top:0">le second</p></div>"#,
    ),
    (
        "a button that is too narrow",
        "cut in its control",
        r#"<button style="width:40px;overflow:hidden;white-space:nowrap;padding:0">Ouvrir la semaine</button>"#,
    ),
    (
        "a text behind a box",
        "hidden behind another",
        r#"<div style="position:relative"><p>derrière</p><div style="position:absolute;inset:0;background:#fff"></div></div>"#,
    ),
    (
        "the end of the page behind a fixed bar",
        "hidden behind another",
        r#"<div style="position:fixed;bottom:0;left:0;right:0;height:80px;background:#fff"></div>"#,
    ),
];

fn page(body: &str) -> String {
    format!(
        "<!doctype html><html lang=\"fr\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>x</title><body style=\"font:16px/1.4 sans-serif;margin:0 8px\">{body}"
    )
}

#[test]
fn each_planted_fault_of_a_page_is_found_and_a_sound_page_is_clean() {
    let browser = Browser::start("fr-FR");
    browser.look_with(PHONE);
    browser.open_html(&page(SOUND));
    assert_eq!(browser.boxes(), Vec::<String>::new());
    let mut missed = Vec::new();
    for (name, wanted, part) in FAULTS {
        browser.open_html(&page(&format!("{SOUND}{part}")));
        let found = browser.boxes();
        // No fault is taken for another one as well, except that what is outside makes a page wide.
        let of_it = |one: &&String| one.contains(wanted);
        let others: Vec<&String> =
            found.iter().filter(|one| !of_it(one) && !one.contains("wide on a screen")).collect();
        if !found.iter().any(|one| of_it(&one)) || !others.is_empty() {
            missed.push(format!("{name}: {found:?}"));
        }
    }
    assert_eq!(missed, Vec::<String>::new());
}
