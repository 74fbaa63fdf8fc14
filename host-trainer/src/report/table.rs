//! Figures with a heading, for a terminal and for a page.

use std::fmt::Write;

use super::html::Page;

/// Figures with a heading.
pub(super) struct Table {
    pub(super) title: &'static str,
    /// What there is to say of it; may be empty.
    pub(super) note: String,
    pub(super) head: Vec<String>,
    pub(super) rows: Vec<Vec<String>>,
}

impl Table {
    /// In columns, the first of them to the left.
    pub(super) fn text(&self) -> String {
        let mut text = format!("{}\n", self.title);
        // Writing to a string cannot fail.
        if !self.note.is_empty() {
            let _ = writeln!(text, "{}", self.note);
        }
        let width = |column: usize| {
            let cells = self.rows.iter().chain([&self.head]).filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.head.len()).map(width).collect();
        let head = [&self.head].into_iter().filter(|_| !self.rows.is_empty());
        for row in head.chain(&self.rows) {
            let cells = row.iter().zip(&widths).enumerate().map(|(at, (cell, width))| {
                if at == 0 {
                    format!("  {cell:width$}")
                } else {
                    format!("  {cell:>width$}")
                }
            });
            let _ = writeln!(text, "{}", cells.collect::<String>().trim_end());
        }
        text
    }

    /// As a section of a page.
    pub(super) fn show(&self, page: &mut Page) {
        page.section(self.title);
        if !self.note.is_empty() {
            page.paragraph(&self.note);
        }
        if !self.rows.is_empty() {
            let head: Vec<&str> = self.head.iter().map(String::as_str).collect();
            page.table(&head, &self.rows);
        }
    }
}

pub(super) fn words(head: &[&str]) -> Vec<String> {
    head.iter().map(|word| (*word).to_owned()).collect()
}
