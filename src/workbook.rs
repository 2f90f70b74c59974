//! Tables as a spreadsheet that Excel, LibreOffice and others open (`.xlsx`, ECMA-376): real numbers, dates and
//! lengths of time, a heading that stays in view, filters. No more of the format than such tables need.
//!
//! Rows in, bytes out: no file, no clock. What must never happen here: a text that a spreadsheet takes for a formula; a
//! character that XML forbids; a table in memory before it is compressed; bytes that depend on the moment.

mod cell;
mod container;

pub(crate) use cell::Cell;

use std::{
    fmt::Write as _,
    io::{self, Write},
};

use cell::{escaped, styles, write_heading};
use container::{PackedPart, Part};

use crate::model::{Day, Language};

/// Of a sheet, its heading among them; what follows goes to another sheet.
const MOST_ROWS: u32 = 1_048_576;
/// Of a sheet's name.
const MOST_NAME_CHARS: usize = 31;

const XML: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n";
const MAIN: &str = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
const RELATIONS: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
const PACKAGE: &str = "http://schemas.openxmlformats.org/package/2006";
const SHEET_TYPE: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml";

/// A column's heading, and its width in characters.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Column {
    pub heading: String,
    pub width: u8,
}

/// One of a workbook's tables.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct TableId(usize);

/// What a workbook says of itself.
#[derive(Clone, Debug)]
pub(crate) struct About {
    pub title: String,
    pub language: Language,
    /// Noted as the day it was made: a day of its contents, so that the same contents are the same bytes.
    pub day: Day,
}

pub(crate) struct Workbook {
    about: About,
    tables: Vec<Table>,
    most_rows: u32,
}

struct Table {
    name: String,
    columns: Vec<Column>,
    /// Letters of the columns.
    letters: Vec<String>,
    done: Vec<Sheet<PackedPart>>,
    open: Sheet<Part>,
}

struct Sheet<P> {
    part: P,
    rows: u32,
}

impl Workbook {
    pub(crate) fn new(about: About) -> Self {
        Self { about, tables: Vec::new(), most_rows: MOST_ROWS }
    }

    /// Tables come in the order in which they are added, whatever the order of their rows.
    pub(crate) fn add_table(&mut self, name: &str, columns: Vec<Column>) -> TableId {
        let letters: Vec<String> = (0..columns.len()).map(letters).collect();
        let open = opened(&columns, &letters, self.tables.is_empty());
        let name = sheet_name(name);
        self.tables.push(Table { name, columns, letters, done: Vec::new(), open });
        TableId(self.tables.len() - 1)
    }

    pub(crate) fn add_row(&mut self, table: TableId, cells: &[Cell]) {
        let table = &mut self.tables[table.0];
        debug_assert_eq!(cells.len(), table.columns.len(), "a cell per column");
        if table.open.rows == self.most_rows {
            let next = opened(&table.columns, &table.letters, false);
            let full = std::mem::replace(&mut table.open, next);
            table.done.push(closed(full, &table.letters));
        }
        table.open.rows += 1;
        let row = table.open.rows;
        let mut xml = format!("<row r=\"{row}\">");
        for (cell, letters) in cells.iter().zip(&table.letters) {
            cell.write(&format!("{letters}{row}"), &mut xml);
        }
        xml += "</row>";
        table.open.part.push(&xml);
    }

    pub(crate) fn write(self, out: &mut impl Write) -> io::Result<()> {
        let Self { about, tables, .. } = self;
        let (mut names, mut sheets) = (Vec::new(), Vec::new());
        for table in tables {
            let last = closed(table.open, &table.letters);
            let of_table = table.done.into_iter().chain([last]);
            for (number, sheet) in of_table.enumerate() {
                let last_column = table.letters.last().cloned().unwrap_or_default();
                names.push(SheetName {
                    name: numbered(&table.name, number),
                    range: format!("$A$1:${last_column}${}", sheet.rows),
                });
                sheets.push(sheet.part);
            }
        }
        let mut parts = described(&about, &names);
        for (number, sheet) in (1..).zip(sheets) {
            parts.push(sheet.named(format!("xl/worksheets/sheet{number}.xml")));
        }
        container::write(&parts, out)
    }
}

/// A sheet as the workbook lists it.
struct SheetName {
    name: String,
    /// Its heading and rows.
    range: String,
}

/// `A`, …, `Z`, `AA`, …
fn letters(column: usize) -> String {
    let letter = char::from(b'A' + (column % 26) as u8);
    match column / 26 {
        0 => letter.to_string(),
        before => format!("{}{letter}", letters(before - 1)),
    }
}

/// What a sheet may be called: without the characters of a reference, and short.
fn sheet_name(name: &str) -> String {
    let is_kept = |c: &char| !c.is_control() && !"[]:*?/\\'".contains(*c);
    // Room for the number of a further sheet.
    name.chars().filter(is_kept).take(MOST_NAME_CHARS - 5).collect()
}

/// The further sheets of a table carry a number.
fn numbered(name: &str, number: usize) -> String {
    if number == 0 { name.to_owned() } else { format!("{name} ({})", number + 1) }
}

fn opened(columns: &[Column], letters: &[String], is_first: bool) -> Sheet<Part> {
    let selected = if is_first { " tabSelected=\"1\"" } else { "" };
    let mut xml = format!(
        "{XML}<worksheet xmlns=\"{MAIN}\"><sheetPr><pageSetUpPr fitToPage=\"1\"/></sheetPr>\
         <sheetViews><sheetView{selected} workbookViewId=\"0\">\
         <pane ySplit=\"1\" topLeftCell=\"A2\" activePane=\"bottomLeft\" state=\"frozen\"/>\
         <selection pane=\"bottomLeft\" activeCell=\"A2\" sqref=\"A2\"/></sheetView></sheetViews>\
         <sheetFormatPr defaultRowHeight=\"15\"/><cols>"
    );
    for (number, column) in (1..).zip(columns) {
        let width = column.width;
        write!(xml, "<col min=\"{number}\" max=\"{number}\" width=\"{width}\" customWidth=\"1\"/>")
            .expect("a string grows");
    }
    xml += "</cols><sheetData><row r=\"1\">";
    for (column, letters) in columns.iter().zip(letters) {
        write_heading(&column.heading, &format!("{letters}1"), &mut xml);
    }
    xml += "</row>";
    let mut part = Part::new();
    part.push(&xml);
    Sheet { part, rows: 1 }
}

fn closed(sheet: Sheet<Part>, letters: &[String]) -> Sheet<PackedPart> {
    let Sheet { mut part, rows } = sheet;
    let last = letters.last().map_or("A", String::as_str);
    part.push(&format!(
        "</sheetData><autoFilter ref=\"A1:{last}{rows}\"/>\
         <pageMargins left=\"0.4\" right=\"0.4\" top=\"0.5\" bottom=\"0.6\" header=\"0.3\" footer=\"0.3\"/>\
         <pageSetup paperSize=\"9\" orientation=\"landscape\" fitToHeight=\"0\"/>\
         <headerFooter><oddFooter>&amp;L&amp;F – &amp;A&amp;R&amp;P / &amp;N</oddFooter></headerFooter></worksheet>"
    ));
    Sheet { part: part.finish(), rows }
}

/// Everything but the sheets.
fn described(about: &About, sheets: &[SheetName]) -> Vec<PackedPart> {
    let mut types = format!(
        "{XML}<Types xmlns=\"{PACKAGE}/content-types\">\
         <Default Extension=\"rels\" ContentType=\"application/vnd.openxmlformats-package.relationships+xml\"/>\
         <Default Extension=\"xml\" ContentType=\"application/xml\"/>\
         <Override PartName=\"/docProps/core.xml\" ContentType=\"application/vnd.openxmlformats-package.core-properties+xml\"/>\
         <Override PartName=\"/xl/workbook.xml\" ContentType=\"{SHEET_TYPE}.sheet.main+xml\"/>\
         <Override PartName=\"/xl/styles.xml\" ContentType=\"{SHEET_TYPE}.styles+xml\"/>"
    );
    let mut workbook = format!(
        "{XML}<workbook xmlns=\"{MAIN}\" xmlns:r=\"{RELATIONS}\"><workbookPr/>\
         <bookViews><workbookView tabRatio=\"850\"/></bookViews><sheets>"
    );
    let mut names = String::new();
    let mut relations = format!("{XML}<Relationships xmlns=\"{PACKAGE}/relationships\">");
    for (at, sheet) in sheets.iter().enumerate() {
        let (number, name, range) = (at + 1, escaped(&sheet.name), &sheet.range);
        types += &format!(
            "<Override PartName=\"/xl/worksheets/sheet{number}.xml\" ContentType=\"{SHEET_TYPE}.worksheet+xml\"/>"
        );
        workbook += &format!("<sheet name=\"{name}\" sheetId=\"{number}\" r:id=\"rId{number}\"/>");
        relations += &format!(
            "<Relationship Id=\"rId{number}\" Type=\"{RELATIONS}/worksheet\" Target=\"worksheets/sheet{number}.xml\"/>"
        );
        names += &format!(
            "<definedName name=\"_xlnm._FilterDatabase\" localSheetId=\"{at}\" hidden=\"1\">'{name}'!{range}</definedName>\
             <definedName name=\"_xlnm.Print_Titles\" localSheetId=\"{at}\">'{name}'!$1:$1</definedName>"
        );
    }
    types += "</Types>";
    workbook += &format!("</sheets><definedNames>{names}</definedNames></workbook>");
    let number = sheets.len() + 1;
    relations += &format!(
        "<Relationship Id=\"rId{number}\" Type=\"{RELATIONS}/styles\" Target=\"styles.xml\"/></Relationships>"
    );
    let of_package = format!(
        "{XML}<Relationships xmlns=\"{PACKAGE}/relationships\">\
         <Relationship Id=\"rId1\" Type=\"{RELATIONS}/officeDocument\" Target=\"xl/workbook.xml\"/>\
         <Relationship Id=\"rId2\" Type=\"{PACKAGE}/relationships/metadata/core-properties\" Target=\"docProps/core.xml\"/></Relationships>"
    );
    vec![
        container::whole("[Content_Types].xml", &types),
        container::whole("_rels/.rels", &of_package),
        container::whole("docProps/core.xml", &core(about)),
        container::whole("xl/workbook.xml", &workbook),
        container::whole("xl/_rels/workbook.xml.rels", &relations),
        container::whole("xl/styles.xml", &styles(about.language)),
    ]
}

fn core(about: &About) -> String {
    let (title, day) = (cell::in_xml(&about.title), about.day);
    format!(
        "{XML}<cp:coreProperties xmlns:cp=\"{PACKAGE}/metadata/core-properties\" \
         xmlns:dc=\"http://purl.org/dc/elements/1.1/\" xmlns:dcterms=\"http://purl.org/dc/terms/\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><dc:title>{title}</dc:title>\
         <dc:creator>cu-agent</dc:creator>\
         <dcterms:created xsi:type=\"dcterms:W3CDTF\">{day}T00:00:00Z</dcterms:created></cp:coreProperties>"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workbook(most_rows: u32, rows: i64) -> Vec<u8> {
        let about = About {
            title: "essai & co".into(),
            language: Language::French,
            day: Day::from_ymd_opt(2026, 11, 27).unwrap(),
        };
        let mut workbook = Workbook { most_rows, ..Workbook::new(about) };
        let columns = ["A", "B"].map(|heading| Column { heading: heading.into(), width: 9 });
        let table = workbook.add_table("Arrêts [1/2]", columns.to_vec());
        for row in 0..rows {
            workbook.add_row(table, &[Cell::text("x"), Cell::Whole(row)]);
        }
        let mut bytes = Vec::new();
        workbook.write(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn the_same_rows_are_the_same_bytes() {
        assert_eq!(workbook(MOST_ROWS, 1000), workbook(MOST_ROWS, 1000));
    }

    #[test]
    fn what_a_sheet_does_not_hold_goes_to_the_next_one() {
        let bytes = workbook(4, 7);
        let count = bytes.windows(19).filter(|name| *name == b"xl/worksheets/sheet").count();
        // Each file is named before its bytes and in the directory.
        assert_eq!(count, 2 * 3, "three rows and a heading a sheet");
    }

    #[test]
    fn columns_have_letters_and_sheets_names_that_a_reference_can_hold() {
        assert_eq!([0, 25, 26, 701, 702].map(letters), ["A", "Z", "AA", "ZZ", "AAA"]);
        assert_eq!(sheet_name("a[b]:c*?/\\'d"), "abcd");
        assert!(numbered(&sheet_name(&"é".repeat(90)), 98).chars().count() <= MOST_NAME_CHARS);
    }
}
