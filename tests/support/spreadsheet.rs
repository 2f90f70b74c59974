//! A spreadsheet as openpyxl, which is not ours, reads it.

use std::{path::Path, process::Command};

use serde_json::Value;

const READER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/spreadsheet.py");

pub struct Spreadsheet(pub Value);

/// Cells with the headings of their columns.
pub struct Row<'s>(Vec<(&'s str, &'s Value)>);

impl Spreadsheet {
    pub fn open(file: &Path) -> Self {
        let output = Command::new("/usr/bin/python3").arg(READER).arg(file).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{}: {error}", file.display());
        Self(serde_json::from_slice(&output.stdout).unwrap())
    }

    pub fn sheets(&self) -> Vec<&str> {
        self.0["order"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect()
    }

    /// The rows behind the heading.
    pub fn rows(&self, sheet: &str) -> Vec<Row<'_>> {
        let rows = self.0["sheets"][sheet]["rows"].as_array().unwrap();
        let heads: Vec<&str> = rows[0]
            .as_array()
            .unwrap()
            .iter()
            .map(|cell| cell["value"].as_str().unwrap())
            .collect();
        rows[1..]
            .iter()
            .map(|row| Row(heads.iter().copied().zip(row.as_array().unwrap()).collect()))
            .collect()
    }

    /// Every cell of every sheet.
    pub fn cells(&self) -> impl Iterator<Item = &Value> {
        let sheets = self.0["sheets"].as_object().unwrap().values();
        sheets
            .flat_map(|sheet| sheet["rows"].as_array().unwrap())
            .flat_map(|row| row.as_array().unwrap())
    }
}

impl Row<'_> {
    pub fn cell(&self, head: &str) -> &Value {
        let found = self.0.iter().find(|(name, _)| *name == head);
        found.unwrap_or_else(|| panic!("no column {head:?}")).1
    }

    pub fn text(&self, head: &str) -> &str {
        self.cell(head)["value"].as_str().unwrap_or_default()
    }

    /// `None` for an empty cell.
    pub fn number(&self, head: &str) -> Option<f64> {
        self.cell(head)["value"].as_f64()
    }
}
