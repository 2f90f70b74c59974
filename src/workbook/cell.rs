//! A cell: its value as the file holds it, and the format that shows it.

use std::fmt::Write;

use chrono::NaiveDate;

use crate::model::{Day, Language, Stamp, begins_formula, is_harmless};

const DAY_MS: i64 = 86_400_000;
/// Day 0 of a spreadsheet, for all days from March 1900 on.
const EPOCH: Day = NaiveDate::from_ymd_opt(1899, 12, 30).expect("a date");
/// Before it spreadsheets count a day that never was.
const FIRST_DAY: Day = NaiveDate::from_ymd_opt(1900, 3, 1).expect("a date");
/// Of a cell, in units of UTF-16.
const MOST_UNITS: usize = 32_767;

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Cell {
    Empty,
    Text(String),
    /// A sentence, over several lines if it is long.
    Sentence(String),
    Whole(i64),
    /// Tenths, shown with one decimal.
    Tenths(i64),
    /// `digits` with `decimals` decimals, shown with two.
    Decimal {
        digits: i64,
        decimals: u32,
    },
    /// In hundredths of a percent.
    Percent(i64),
    Cents(i64),
    Day(Day),
    Moment(Stamp),
    /// Milliseconds, shown as hours and minutes.
    Length(i64),
    /// Milliseconds, shown as hours, minutes and seconds.
    LengthInSeconds(i64),
}

impl Cell {
    pub(crate) fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }

    pub(crate) fn whole(number: impl Into<i64>) -> Self {
        Self::Whole(number.into())
    }

    /// Empty for `None`.
    pub(crate) fn maybe<T>(value: Option<T>, cell: fn(T) -> Self) -> Self {
        value.map_or(Self::Empty, cell)
    }

    /// The cell at `place`, such as `B7`; nothing if it is empty.
    pub(super) fn write(&self, place: &str, xml: &mut String) {
        let (style, value) = match self {
            Self::Empty => return,
            Self::Text(text) => return write_text(text, place, Style::Text, xml),
            Self::Sentence(text) => return write_text(text, place, Style::Sentence, xml),
            Self::Whole(number) => (Style::Whole, number.to_string()),
            Self::Tenths(digits) => (Style::Tenths, decimal(*digits, 1)),
            Self::Decimal { digits, decimals } => (Style::Decimal, decimal(*digits, *decimals)),
            Self::Percent(e2) => (Style::Percent, decimal(*e2, 4)),
            Self::Cents(cents) => (Style::Euros, decimal(*cents, 2)),
            Self::Day(day) if *day < FIRST_DAY => {
                return write_text(&day.to_string(), place, Style::Text, xml);
            }
            Self::Day(day) => (Style::Day, (*day - EPOCH).num_days().to_string()),
            Self::Moment(at) if at.to_naive().date() < FIRST_DAY => {
                return write_text(&at.to_string(), place, Style::Text, xml);
            }
            Self::Moment(at) => (Style::Moment, days(at.0 - Stamp::from_naive(EPOCH.into()).0)),
            Self::Length(ms) => (Style::Length, days(*ms)),
            Self::LengthInSeconds(ms) => (Style::LengthInSeconds, days(*ms)),
        };
        write!(xml, "<c r=\"{place}\" s=\"{}\"><v>{value}</v></c>", style as u8)
            .expect("a string grows");
    }
}

/// The shortest decimal that is read as the same number again.
fn days(ms: i64) -> String {
    (ms as f64 / DAY_MS as f64).to_string()
}

fn decimal(digits: i64, decimals: u32) -> String {
    let scale = 10_u64.pow(decimals);
    let sign = if digits < 0 { "-" } else { "" };
    let digits = digits.unsigned_abs();
    format!("{sign}{}.{:0width$}", digits / scale, digits % scale, width = decimals as usize)
}

/// A text is never a formula, whatever it begins with: not when the file is opened, nor after somebody typed
/// into the cell and left it as it was.
fn write_text(text: &str, place: &str, style: Style, xml: &mut String) {
    let style = if begins_formula(text) { Style::QuotedText } else { style };
    let text = in_xml(text);
    let space = if text.trim() == text { "" } else { " xml:space=\"preserve\"" };
    write!(
        xml,
        "<c r=\"{place}\" s=\"{}\" t=\"inlineStr\"><is><t{space}>{text}</t></is></c>",
        style as u8
    )
    .expect("a string grows");
}

pub(super) fn write_heading(text: &str, place: &str, xml: &mut String) {
    let text = in_xml(text);
    write!(
        xml,
        "<c r=\"{place}\" s=\"{}\" t=\"inlineStr\"><is><t>{text}</t></is></c>",
        Style::Heading as u8
    )
    .expect("a string grows");
}

/// One line of at most as many characters as a cell holds; what no reader should meet, or XML forbids, is a
/// blank.
fn bounded(text: &str) -> String {
    let is_in_xml = |c: char| !matches!(c, '\u{fffe}' | '\u{ffff}');
    let mut units = text.encode_utf16().count();
    let is_cut = units > MOST_UNITS;
    let mut kept: String =
        text.chars().map(|c| if is_harmless(c) && is_in_xml(c) { c } else { ' ' }).collect();
    while is_cut && units >= MOST_UNITS {
        units -= kept.pop().map_or(units, char::len_utf16);
    }
    if is_cut {
        kept.push('…');
    }
    kept
}

/// Any text as it may stand in XML.
pub(super) fn in_xml(text: &str) -> String {
    escaped(&bounded(text))
}

/// As XML writes it; `_x0041_` in a text is no escape.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        match c {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '_' if is_escape(&text.as_bytes()[at..]) => escaped += "_x005F_",
            c => escaped.push(c),
        }
    }
    escaped
}

fn is_escape(text: &[u8]) -> bool {
    text.get(..7).is_some_and(|text| {
        text.starts_with(b"_x") && text[2..6].iter().all(u8::is_ascii_hexdigit) && text[6] == b'_'
    })
}

/// The place of a format in [`styles`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Style {
    Heading = 1,
    Text,
    QuotedText,
    Sentence,
    Whole,
    Tenths,
    Decimal,
    Percent,
    Euros,
    Day,
    Moment,
    Length,
    LengthInSeconds,
}

/// The formats of all cells; how a date looks is the reader's language's.
pub(super) fn styles(language: Language) -> String {
    let of_date = crate::text::Text::new("dd/mm/yyyy", "yyyy-mm-dd").in_(language);
    let formats = [
        "#,##0".to_owned(),
        "#,##0.0".to_owned(),
        "#,##0.00".to_owned(),
        "0.00%".to_owned(),
        "#,##0.00\\ \"€\"".to_owned(),
        of_date.to_owned(),
        format!("{of_date}\\ hh:mm:ss"),
        "[h]:mm".to_owned(),
        "[h]:mm:ss".to_owned(),
    ];
    let mut xml = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n<styleSheet xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\">",
    );
    write!(xml, "<numFmts count=\"{}\">", formats.len()).expect("a string grows");
    // Below 164 are those that every spreadsheet brings.
    for (number, format) in (164..).zip(&formats) {
        let code = escaped(format);
        write!(xml, "<numFmt numFmtId=\"{number}\" formatCode=\"{code}\"/>")
            .expect("a string grows");
    }
    xml += "</numFmts>\
        <fonts count=\"2\"><font><sz val=\"11\"/><name val=\"Calibri\"/><family val=\"2\"/></font>\
        <font><b/><sz val=\"11\"/><name val=\"Calibri\"/><family val=\"2\"/></font></fonts>\
        <fills count=\"3\"><fill><patternFill patternType=\"none\"/></fill>\
        <fill><patternFill patternType=\"gray125\"/></fill>\
        <fill><patternFill patternType=\"solid\"><fgColor rgb=\"FFE4E9EE\"/><bgColor indexed=\"64\"/></patternFill></fill></fills>\
        <borders count=\"1\"><border><left/><right/><top/><bottom/><diagonal/></border></borders>\
        <cellStyleXfs count=\"1\"><xf numFmtId=\"0\" fontId=\"0\" fillId=\"0\" borderId=\"0\"/></cellStyleXfs>";
    write!(xml, "<cellXfs count=\"{}\">", 5 + formats.len()).expect("a string grows");
    // In the order of `Style`.
    xml += "<xf numFmtId=\"0\" fontId=\"0\" fillId=\"0\" borderId=\"0\" xfId=\"0\"/>\
        <xf numFmtId=\"0\" fontId=\"1\" fillId=\"2\" borderId=\"0\" xfId=\"0\" applyFont=\"1\" applyFill=\"1\" applyAlignment=\"1\"><alignment vertical=\"top\" wrapText=\"1\"/></xf>\
        <xf numFmtId=\"0\" fontId=\"0\" fillId=\"0\" borderId=\"0\" xfId=\"0\"/>\
        <xf numFmtId=\"0\" fontId=\"0\" fillId=\"0\" borderId=\"0\" xfId=\"0\" quotePrefix=\"1\"/>\
        <xf numFmtId=\"0\" fontId=\"0\" fillId=\"0\" borderId=\"0\" xfId=\"0\" applyAlignment=\"1\"><alignment vertical=\"top\" wrapText=\"1\"/></xf>";
    for (number, _) in (164..).zip(&formats) {
        write!(xml, "<xf numFmtId=\"{number}\" fontId=\"0\" fillId=\"0\" borderId=\"0\" xfId=\"0\" applyNumberFormat=\"1\"/>")
            .expect("a string grows");
    }
    xml += "</cellXfs><cellStyles count=\"1\"><cellStyle name=\"Normal\" xfId=\"0\" builtinId=\"0\"/></cellStyles></styleSheet>";
    xml
}

#[cfg(test)]
mod tests {
    use super::*;

    fn xml(cell: &Cell) -> String {
        let mut xml = String::new();
        cell.write("A1", &mut xml);
        xml
    }

    fn value(cell: &Cell) -> String {
        let xml = xml(cell);
        let (_, value) = xml.split_once("<v>").unwrap();
        value.split_once("</v>").unwrap().0.to_owned()
    }

    #[test]
    fn numbers_are_exact_decimals_and_moments_days_since_the_last_of_1899() {
        assert_eq!(value(&Cell::Percent(8523)), "0.8523");
        assert_eq!(value(&Cell::Cents(-1205)), "-12.05");
        assert_eq!(value(&Cell::Tenths(125)), "12.5");
        assert_eq!(value(&Cell::Decimal { digits: 650_000, decimals: 5 }), "6.50000");
        assert_eq!(value(&Cell::Day(Day::from_ymd_opt(2026, 11, 27).unwrap())), "46353");
        let noon = Day::from_ymd_opt(2026, 11, 27).unwrap().and_hms_opt(12, 0, 0).unwrap();
        assert_eq!(value(&Cell::Moment(Stamp::from_naive(noon))), "46353.5");
        assert_eq!(value(&Cell::Length(90 * 60_000)), "0.0625");
        // Spreadsheets know no such day.
        let old = Day::from_ymd_opt(1899, 5, 1).unwrap();
        assert!(xml(&Cell::Day(old)).contains("<t>1899-05-01</t>"));
        assert!(xml(&Cell::Moment(Stamp::from_naive(old.into()))).contains("<t>1899-05-01 "));
    }

    #[test]
    fn a_text_from_outside_is_text_whatever_stands_in_it() {
        for (text, shown) in [
            ("=HYPERLINK(\"http://x\")", "=HYPERLINK(&quot;http://x&quot;)"),
            ("@SUM(A1)", "@SUM(A1)"),
            ("+1", "+1"),
            ("a\0b\x1b[31m\u{ffff}\u{202e}", "a b [31m  "),
            ("_x0041_ </t></is>", "_x005F_x0041_ &lt;/t&gt;&lt;/is&gt;"),
            ("__x004_ _xé41_", "__x004_ _xé41_"),
        ] {
            let xml = xml(&Cell::text(text));
            assert!(xml.contains(&format!(">{shown}</t>")), "{xml}");
            assert!(xml.contains("t=\"inlineStr\"") && !xml.contains("<f>"), "{xml}");
        }
        assert!(xml(&Cell::text("=1")).contains(&format!("s=\"{}\"", Style::QuotedText as u8)));
    }

    #[test]
    fn a_text_is_cut_where_a_cell_ends_and_never_inside_a_character() {
        for text in ["a".repeat(40_000), "é€😀".repeat(10_000), "😀".repeat(16_384)] {
            let kept = bounded(&text);
            let units = kept.encode_utf16().count();
            assert!((MOST_UNITS - 2..=MOST_UNITS).contains(&units), "{units}");
            assert!(kept.ends_with('…') && text.starts_with(kept.trim_end_matches('…')));
        }
        let exact = "a".repeat(MOST_UNITS);
        assert_eq!(bounded(&exact), exact);
    }

    #[test]
    fn each_style_has_its_place_in_the_sheet_of_styles() {
        let xml = styles(Language::French);
        let (_, cells) = xml.split_once("<cellXfs").unwrap();
        assert_eq!(cells.matches("<xf ").count(), Style::LengthInSeconds as usize + 1);
        let quoted = cells.split("<xf ").nth(Style::QuotedText as usize + 1).unwrap();
        assert!(quoted.contains("quotePrefix=\"1\""), "{quoted}");
    }
}
