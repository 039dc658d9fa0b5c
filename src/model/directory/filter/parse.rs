//! The parser of filters: one pass, bounded in length and depth.

use super::{Comparison, FILTER_BYTES_MAX, FILTER_DEPTH_MAX, FilterError, Node, Operator, Property, Value};

/// Parses a whole filter.
pub(super) fn filter(text: &str) -> Result<Node, FilterError> {
    if text.len() > FILTER_BYTES_MAX {
        return Err(error(0, format!("a filter has at most {FILTER_BYTES_MAX} octets")));
    }
    let mut parser = Parser { characters: text.chars().collect(), at: 0 };
    let node = parser.filter(0)?;
    parser.skip_blanks();
    match parser.peek() {
        None => Ok(node),
        Some(_) => Err(parser.error("the filter should end here, or go on with -and or -or")),
    }
}

fn error(position: usize, message: impl Into<Box<str>>) -> FilterError {
    FilterError { position, message: message.into() }
}

struct Parser {
    characters: Vec<char>,
    at: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Joint {
    And,
    Or,
}

impl Parser {
    fn error(&self, message: &str) -> FilterError {
        error(self.at, message)
    }

    fn peek(&self) -> Option<char> {
        self.characters.get(self.at).copied()
    }

    fn skip_blanks(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.at += 1;
        }
    }

    /// Takes a word that begins here: letters and digits, after an optional `-` or `$`.
    fn word(&mut self) -> String {
        let mut word = String::new();
        while let Some(character) = self.peek() {
            let sign = word.is_empty() && matches!(character, '-' | '$');
            if !sign && !character.is_ascii_alphanumeric() {
                break;
            }
            word.push(character);
            self.at += 1;
        }
        word
    }

    /// Takes `wanted` if it is the next word.
    fn take(&mut self, wanted: &str) -> bool {
        self.skip_blanks();
        let before = self.at;
        if self.word().eq_ignore_ascii_case(wanted) {
            return true;
        }
        self.at = before;
        false
    }

    fn joint(&mut self) -> Option<Joint> {
        if self.take("-and") {
            return Some(Joint::And);
        }
        self.take("-or").then_some(Joint::Or)
    }

    fn filter(&mut self, depth: usize) -> Result<Node, FilterError> {
        let first = self.term(depth)?;
        let Some(joint) = self.joint() else {
            return Ok(first);
        };
        let mut terms = vec![first, self.term(depth)?];
        loop {
            self.skip_blanks();
            let here = self.at;
            match self.joint() {
                None => break,
                Some(next) if next == joint => terms.push(self.term(depth)?),
                // PowerShell reads from left to right, most people expect -and to bind first: neither is guessed.
                Some(_) => {
                    return Err(error(here, "-and and -or side by side need parentheses to say which goes first"));
                }
            }
        }
        Ok(if joint == Joint::And { Node::And(terms) } else { Node::Or(terms) })
    }

    fn term(&mut self, depth: usize) -> Result<Node, FilterError> {
        if depth >= FILTER_DEPTH_MAX {
            return Err(self.error("the filter is nested too deeply"));
        }
        self.skip_blanks();
        if self.take("-not") {
            self.skip_blanks();
            let before = self.at;
            return match self.group(depth)? {
                Some(inner) => Ok(Node::Not(Box::new(inner))),
                None if self.take("-not") => {
                    self.at = before;
                    Ok(Node::Not(Box::new(self.term(depth + 1)?)))
                }
                None => Err(self.error("-not needs parentheses: -not (Name -eq 'alice')")),
            };
        }
        match self.group(depth)? {
            Some(inner) => Ok(inner),
            None => self.comparison().map(Node::Compare),
        }
    }

    /// A filter in parentheses or braces, if one begins here.
    fn group(&mut self, depth: usize) -> Result<Option<Node>, FilterError> {
        let closing = match self.peek() {
            Some('(') => ')',
            Some('{') => '}',
            Some(_) | None => return Ok(None),
        };
        self.at += 1;
        let inner = self.filter(depth + 1)?;
        self.skip_blanks();
        if self.peek() != Some(closing) {
            return Err(self.error(if closing == ')' { "a ) is missing here" } else { "a } is missing here" }));
        }
        self.at += 1;
        Ok(Some(inner))
    }

    fn comparison(&mut self) -> Result<Comparison, FilterError> {
        let here = self.at;
        let property = Property::from_name(&self.word()).ok_or_else(|| {
            error(
                here,
                "a property is expected: Name, DisplayName, Alias, PrimarySmtpAddress, EmailAddresses, RecipientType, \
                 RecipientTypeDetails, HiddenFromAddressListsEnabled, CustomAttribute1 to CustomAttribute15, City, \
                 Company, CountryOrRegion, Department, FirstName, Initials, LastName, Notes, Office, Phone, \
                 PostalCode, StateOrProvince or Title",
            )
        })?;
        self.skip_blanks();
        let here = self.at;
        let word = self.word().to_ascii_lowercase();
        let operator = match word.as_str() {
            "-eq" => Operator::Equal,
            "-ne" => Operator::NotEqual,
            "-like" => Operator::Like,
            "-notlike" => Operator::NotLike,
            _ => return Err(error(here, "-eq, -ne, -like or -notlike is expected")),
        };
        self.skip_blanks();
        let here = self.at;
        let value = self.value()?;
        let like = matches!(operator, Operator::Like | Operator::NotLike);
        match (&value, property) {
            (Value::Flag(_), Property::HiddenFromAddressListsEnabled) if !like => {}
            (_, Property::HiddenFromAddressListsEnabled) => {
                return Err(error(here, "this property is compared with -eq or -ne to $true or $false"));
            }
            (Value::Flag(_), _) => return Err(error(here, "this property is compared to a text in single quotes")),
            (Value::Null, _) if like => return Err(error(here, "$null is compared with -eq or -ne")),
            (Value::Null | Value::Text { .. }, _) => {}
        }
        Ok(Comparison { property, operator, value })
    }

    fn value(&mut self) -> Result<Value, FilterError> {
        const EXPECTED: &str = "a value is expected: a text in single quotes, $true, $false or $null";
        if self.peek() == Some('\'') {
            return self.text();
        }
        let here = self.at;
        match self.word().to_ascii_lowercase().as_str() {
            "$true" => Ok(Value::Flag(true)),
            "$false" => Ok(Value::Flag(false)),
            "$null" => Ok(Value::Null),
            _ => Err(error(here, EXPECTED)),
        }
    }

    fn text(&mut self) -> Result<Value, FilterError> {
        let opening = self.at;
        let mut typed = String::new();
        loop {
            self.at += 1;
            match self.peek() {
                None => return Err(error(opening, "the quote that begins here is never closed")),
                Some('\'') if self.characters.get(self.at + 1) == Some(&'\'') => {
                    self.at += 1;
                    typed.push('\'');
                }
                Some('\'') => break,
                Some(control) if control.is_control() => return Err(self.error("a text has no control characters")),
                Some(character) => typed.push(character),
            }
        }
        self.at += 1;
        let folded = typed.to_lowercase().into();
        Ok(Value::Text { typed: typed.into(), folded })
    }
}
