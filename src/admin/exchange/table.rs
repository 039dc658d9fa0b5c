//! Rows and columns, from CSV as PowerShell and Excel write it or JSON as `ConvertTo-Json` does.
//!
//! A cell is a text or a list of texts. Everything is bounded, and a row that cannot be read does not stop the others.

use std::collections::{BTreeSet, HashMap};

use serde_json::Value;

/// Longest cell, in octets. A quote that is never closed swallows rows; this is where that ends.
const CELL_BYTES_MAX: usize = 256 * 1024;
const COLUMNS_MAX: usize = 2000;
/// Largest JSON file, in octets: in memory it takes several times its size.
const JSON_BYTES_MAX: usize = 256 << 20;

/// A file that cannot be read at all, or a row of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BadRow {
    /// From 1; 0 when the whole file is meant.
    pub(super) row: u64,
    /// What is wrong, and the cure.
    pub(super) reason: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cell {
    Text(Box<str>),
    Many(Vec<Box<str>>),
}

/// A table; the names of its columns are compared without letter case.
#[derive(Debug, Default)]
pub(super) struct Table {
    columns: HashMap<String, usize>,
    rows: Vec<(u64, Vec<Option<Cell>>)>,
    unexpanded: BTreeSet<String>,
}

/// One row of a table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row<'a> {
    table: &'a Table,
    number: u64,
    cells: &'a [Option<Cell>],
}

impl Table {
    pub(super) fn has(&self, column: &str) -> bool {
        self.columns.contains_key(&column.to_lowercase())
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.rows.iter().map(|(number, cells)| Row { table: self, number: *number, cells })
    }

    /// Columns in which type names stood instead of values.
    pub(super) fn unexpanded(&self) -> impl Iterator<Item = &str> {
        self.unexpanded.iter().map(String::as_str)
    }

    /// The place of a column, which is made if need be.
    fn column(&mut self, name: &str) -> Option<usize> {
        let next = self.columns.len();
        match self.columns.get(&name.to_lowercase()) {
            Some(place) => Some(*place),
            None if next < COLUMNS_MAX => {
                self.columns.insert(name.to_lowercase(), next);
                Some(next)
            }
            None => None,
        }
    }

    /// Keeps a cell, or remembers that a list was exported by the name of its type.
    fn cell(&mut self, column: &str, cell: Cell) -> Option<Cell> {
        let is_type_name = match &cell {
            Cell::Text(text) => {
                ["Microsoft.Exchange.", "System.Collections.", "System.Object[", "System.String[", "Deserialized."]
                    .iter()
                    .any(|start| text.starts_with(start))
            }
            Cell::Many(_) => false,
        };
        if is_type_name {
            self.unexpanded.insert(column.to_owned());
            return None;
        }
        Some(cell)
    }
}

impl<'a> Row<'a> {
    /// The line of a CSV file, the place in a JSON array; from 1.
    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn cell(&self, column: &str) -> Option<&'a Cell> {
        let place = *self.table.columns.get(&column.to_lowercase())?;
        self.cells.get(place)?.as_ref()
    }

    /// The text of a column, trimmed; `None` when there is no such column, an empty text when it is empty.
    pub(super) fn text(&self, column: &str) -> Option<&'a str> {
        match self.cell(column)? {
            Cell::Text(text) => Some(text.trim()),
            Cell::Many(many) => Some(many.first().map_or("", |text| text.trim())),
        }
    }

    /// The first of several columns that is not empty.
    pub(super) fn first_text(&self, columns: &[&str]) -> Option<&'a str> {
        columns.iter().find_map(|column| self.text(column).filter(|text| !text.is_empty()))
    }

    /// `True` or `False`; `None` when the column is missing or empty.
    pub(super) fn flag(&self, column: &str) -> Result<Option<bool>, String> {
        match self.text(column) {
            None | Some("") => Ok(None),
            Some(text) if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
            Some(text) if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
            Some(_) => Err(format!("{column} is neither True nor False")),
        }
    }
}

/// Reads a table and the rows of it that cannot be read.
pub(super) fn read(bytes: &[u8]) -> Result<(Table, Vec<BadRow>), BadRow> {
    let text = decode(bytes).map_err(|(row, reason)| BadRow { row, reason: reason.to_owned() })?;
    if text.trim_start().starts_with(['[', '{']) { from_json(&text) } else { from_csv(&text) }
}

/// Text of UTF-8, or of UTF-16 with a byte order mark.
fn decode(bytes: &[u8]) -> Result<String, (u64, &'static str)> {
    const NOT_UTF8: &str = "this is not UTF-8; save it as \"CSV UTF-8\", or export with -Encoding UTF8";
    let text = match bytes {
        [0xFF, 0xFE, rest @ ..] => utf16(rest, u16::from_le_bytes)?,
        [0xFE, 0xFF, rest @ ..] => utf16(rest, u16::from_be_bytes)?,
        [0xEF, 0xBB, 0xBF, rest @ ..] | rest => {
            let line = |valid: usize| {
                let lines = memchr::memchr_iter(b'\n', rest.get(..valid).unwrap_or_default()).count();
                u64::try_from(lines).unwrap_or(u64::MAX).saturating_add(1)
            };
            core::str::from_utf8(rest).map_err(|error| (line(error.valid_up_to()), NOT_UTF8))?.to_owned()
        }
    };
    if text.contains('\0') {
        return Err((0, "there are NUL characters in it: this is no text, or UTF-16 without a byte order mark"));
    }
    Ok(text)
}

fn utf16(bytes: &[u8], join: fn([u8; 2]) -> u16) -> Result<String, (u64, &'static str)> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let units = pairs.iter().map(|pair| join(*pair));
    let text: Result<String, _> = char::decode_utf16(units).collect();
    text.ok().filter(|_| rest.is_empty()).ok_or((0, "this is broken UTF-16; export it again"))
}

fn from_csv(text: &str) -> Result<(Table, Vec<BadRow>), BadRow> {
    let (body, skipped) = without_preamble(text);
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter(body.lines().next().unwrap_or_default()))
        .flexible(true)
        .has_headers(false)
        .from_reader(body.as_bytes());
    let mut table = Table::default();
    let mut bad_rows = Vec::new();
    let mut header: Vec<String> = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| BadRow { row: 0, reason: error.to_string() })?;
        let row = record.position().map_or(0, csv::Position::line).saturating_add(skipped);
        if header.is_empty() {
            header = record.iter().map(|name| name.trim().to_owned()).collect();
            check_header(&mut table, &header)?;
            continue;
        }
        if record.len() != header.len() {
            let reason = format!("this row has {} columns instead of {}", record.len(), header.len());
            bad_rows.push(BadRow { row, reason });
        } else if record.iter().any(|cell| cell.len() > CELL_BYTES_MAX) {
            let reason = format!("a cell is longer than {CELL_BYTES_MAX} octets; is a quote left open?");
            bad_rows.push(BadRow { row, reason });
        } else {
            let cells = header.iter().zip(&record).map(|(column, text)| table.cell(column, Cell::Text(text.into())));
            let cells = cells.collect();
            table.rows.push((row, cells));
        }
    }
    Ok((table, bad_rows))
}

fn check_header(table: &mut Table, header: &[String]) -> Result<(), BadRow> {
    for (place, column) in header.iter().enumerate() {
        if table.column(column) != Some(place) {
            let reason = "two columns have the same name, or there are too many of them".to_owned();
            return Err(BadRow { row: 1, reason });
        }
    }
    Ok(())
}

/// The text without the `#TYPE` line of older PowerShells and the `sep=;` line of Excel, and how many lines that were.
fn without_preamble(text: &str) -> (&str, u64) {
    let mut rest = text;
    let mut skipped = 0;
    while rest.starts_with("#TYPE") || rest.starts_with("sep=") {
        rest = rest.split_once('\n').map_or("", |(_, rest)| rest);
        skipped += 1;
    }
    (rest, skipped)
}

/// Whatever of comma, semicolon and tab the header line has most of, outside quotes.
fn delimiter(header: &str) -> u8 {
    let count = |wanted: u8| {
        let outside = header.split('"').step_by(2);
        outside.map(|part| memchr::memchr_iter(wanted, part.as_bytes()).count()).sum::<usize>()
    };
    // The last of equals wins, so that a single column is read with commas.
    [b'\t', b';', b','].into_iter().max_by_key(|wanted| count(*wanted)).unwrap_or(b',')
}

fn from_json(text: &str) -> Result<(Table, Vec<BadRow>), BadRow> {
    let whole = |reason: String| BadRow { row: 0, reason };
    if text.len() > JSON_BYTES_MAX {
        return Err(whole(format!("JSON of more than {JSON_BYTES_MAX} octets; export as CSV, or in parts")));
    }
    // The parser refuses more than 128 levels.
    let value: Value = serde_json::from_str(text).map_err(|error| whole(format!("this is not JSON: {error}")))?;
    let elements = match value {
        Value::Array(elements) => elements,
        // {"value": [ … ], "Count": 2}, and answers of the REST interface
        Value::Object(mut object) => match object.remove("value") {
            Some(Value::Array(elements)) => elements,
            Some(other) => {
                object.insert("value".to_owned(), other);
                vec![Value::Object(object)]
            }
            None => vec![Value::Object(object)],
        },
        _ => return Err(whole("this is JSON, but neither an object nor an array of objects".to_owned())),
    };
    let mut table = Table::default();
    let mut bad_rows = Vec::new();
    for (row, element) in (1_u64..).zip(elements) {
        match json_row(&mut table, element) {
            Ok(cells) => table.rows.push((row, cells)),
            Err(reason) => bad_rows.push(BadRow { row, reason: reason.to_owned() }),
        }
    }
    Ok((table, bad_rows))
}

fn json_row(table: &mut Table, element: Value) -> Result<Vec<Option<Cell>>, &'static str> {
    let Value::Object(object) = element else {
        return Err("this is no object");
    };
    let mut cells = Vec::new();
    for (name, value) in object {
        let place = table.column(&name).ok_or("there are too many columns")?;
        let cell = json_cell(value);
        let bytes = match &cell {
            Cell::Text(text) => text.len(),
            Cell::Many(many) => many.iter().map(|text| text.len()).sum(),
        };
        if bytes > CELL_BYTES_MAX {
            return Err("a value is too long");
        }
        if cells.len() <= place {
            cells.resize(place + 1, None);
        }
        let kept = table.cell(&name, cell);
        if let Some(slot) = cells.get_mut(place) {
            *slot = kept;
        }
    }
    Ok(cells)
}

fn json_cell(value: Value) -> Cell {
    match value {
        Value::Array(elements) => Cell::Many(elements.into_iter().map(|element| json_text(element).into()).collect()),
        Value::Object(mut object) if object.get("value").is_some_and(Value::is_array) => {
            json_cell(object.remove("value").unwrap_or_default())
        }
        other => Cell::Text(json_text(other).into()),
    }
}

/// The text that stands for a value: of an object, the member by which Exchange's own types print themselves.
fn json_text(value: Value) -> String {
    const TELLING: [&str; 10] = [
        "ProxyAddressString",
        "Address",
        "SmtpAddress",
        "PrimarySmtpAddress",
        "DistinguishedName",
        "UserPrincipalName",
        "RawIdentity",
        "Name",
        "Value",
        "value",
    ];
    match value {
        Value::Null | Value::Array(_) => String::new(),
        Value::Bool(flag) => if flag { "True" } else { "False" }.to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => text,
        Value::Object(mut object) => {
            if object.get("IsUnlimited") == Some(&Value::Bool(true)) {
                return "Unlimited".to_owned();
            }
            let member = TELLING.into_iter().find(|name| object.get(*name).is_some_and(|value| !value.is_null()));
            member.and_then(|name| object.remove(name)).map(json_text).unwrap_or_default()
        }
    }
}
