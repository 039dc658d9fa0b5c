//! Cuts Rust source into words, literals and marks: enough to tell code from comments, and tests from the rest.
//!
//! Promises: total over any text (an unfinished literal ends with the file), lines counted from 1, nothing skipped but
//! blanks. What it does not do is parse: the rules built on it look at short runs of tokens.

/// What stands in the code at one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Lexeme {
    /// An identifier or keyword; `r#` is dropped.
    Word(String),
    /// A number, whole, with its suffix.
    Number(String),
    /// A string or byte string: what stands between the quotes, escapes as written.
    Text(String),
    /// A character, byte or lifetime; no rule needs to know which.
    Tick,
    /// `::`
    Joint,
    /// Any other single character.
    Mark(char),
}

/// A lexeme, where it starts, and whether it belongs to an item under `#[cfg(test)]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) lexeme: Lexeme,
    pub(super) line: usize,
    pub(super) tested: bool,
}

impl Token {
    /// Whether this is the word or keyword `word`.
    pub(super) fn is_word(&self, word: &str) -> bool {
        matches!(&self.lexeme, Lexeme::Word(own) if own == word)
    }

    /// Whether this is the single character `mark`.
    pub(super) fn is_mark(&self, mark: char) -> bool {
        self.lexeme == Lexeme::Mark(mark)
    }
}

/// The code of `text` without comments, each token knowing whether it is for tests only.
pub(super) fn lex(text: &str) -> Vec<Token> {
    let mut lexer = Lexer { characters: text.chars().collect(), at: 0, line: 1, tokens: Vec::new() };
    while let Some(character) = lexer.peek(0) {
        lexer.step(character);
    }
    mark_tests(&mut lexer.tokens);
    lexer.tokens
}

struct Lexer {
    characters: Vec<char>,
    at: usize,
    line: usize,
    tokens: Vec<Token>,
}

impl Lexer {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.characters.get(self.at + ahead).copied()
    }

    fn advance(&mut self) -> Option<char> {
        let character = self.peek(0)?;
        self.at += 1;
        self.line += usize::from(character == '\n');
        Some(character)
    }

    fn skip(&mut self, count: usize) {
        for _ in 0..count {
            self.advance();
        }
    }

    fn push(&mut self, lexeme: Lexeme, line: usize) {
        self.tokens.push(Token { lexeme, line, tested: false });
    }

    fn step(&mut self, character: char) {
        let line = self.line;
        match (character, self.peek(1)) {
            ('/', Some('/')) => {
                while self.peek(0).is_some_and(|next| next != '\n') {
                    self.advance();
                }
            }
            ('/', Some('*')) => self.block_comment(),
            (':', Some(':')) => {
                self.skip(2);
                self.push(Lexeme::Joint, line);
            }
            ('"', _) => self.text(0, None),
            ('\'', _) => self.tick(),
            _ if character.is_whitespace() => self.skip(1),
            _ if character.is_ascii_digit() => self.number(),
            _ if is_word_start(character) => self.word_or_prefixed(),
            _ => {
                self.skip(1);
                self.push(Lexeme::Mark(character), line);
            }
        }
    }

    /// Block comments nest.
    fn block_comment(&mut self) {
        let mut depth = 0_usize;
        loop {
            match (self.peek(0), self.peek(1)) {
                (Some('/'), Some('*')) => {
                    depth += 1;
                    self.skip(2);
                }
                (Some('*'), Some('/')) => {
                    depth -= 1;
                    self.skip(2);
                    if depth == 0 {
                        return;
                    }
                }
                (Some(_), _) => self.skip(1),
                (None, _) => return,
            }
        }
    }

    /// A string whose opening quote is `prefix` characters ahead; `hashes` is given for a raw one.
    fn text(&mut self, prefix: usize, hashes: Option<usize>) {
        let line = self.line;
        self.skip(prefix + 1);
        let mut content = String::new();
        while let Some(character) = self.advance() {
            if character == '"' {
                let closing = (0..hashes.unwrap_or(0)).all(|ahead| self.peek(ahead) == Some('#'));
                if closing {
                    self.skip(hashes.unwrap_or(0));
                    break;
                }
            }
            content.push(character);
            if character == '\\' && hashes.is_none() {
                content.extend(self.advance());
            }
        }
        self.push(Lexeme::Text(content), line);
    }

    /// A character literal or a lifetime: a literal has an escape, or its closing quote two characters on.
    fn tick(&mut self) {
        let line = self.line;
        match (self.peek(1), self.peek(2)) {
            (Some('\\'), _) => {
                self.skip(3);
                while self.advance().is_some_and(|next| next != '\'') {}
            }
            (Some(_), Some('\'')) => self.skip(3),
            _ => {
                self.skip(1);
                while self.peek(0).is_some_and(is_word_part) {
                    self.advance();
                }
            }
        }
        self.push(Lexeme::Tick, line);
    }

    fn number(&mut self) {
        let line = self.line;
        let mut digits = String::new();
        while let Some(character) = self.peek(0) {
            let decimal_point = character == '.' && self.peek(1).is_some_and(|next| next.is_ascii_digit());
            if !is_word_part(character) && !decimal_point {
                break;
            }
            digits.extend(self.advance());
        }
        self.push(Lexeme::Number(digits), line);
    }

    /// A word, or a literal that starts with letters: `r"…"`, `br#"…"#`, `b'x'`, `c"…"`.
    fn word_or_prefixed(&mut self) {
        let line = self.line;
        let word: String = (0..).map_while(|ahead| self.peek(ahead).filter(|next| is_word_part(*next))).collect();
        let length = word.chars().count();
        let hashes = (0..).take_while(|count| self.peek(length + count) == Some('#')).count();
        let quoted = self.peek(length + hashes) == Some('"');
        match word.as_str() {
            "r" | "br" | "cr" if quoted => self.text(length + hashes, Some(hashes)),
            "b" | "c" if quoted && hashes == 0 => self.text(length, None),
            "b" if self.peek(1) == Some('\'') => {
                self.skip(1);
                self.tick();
            }
            "r" if hashes == 1 => self.skip(2),
            _ => {
                self.skip(length);
                self.push(Lexeme::Word(word), line);
            }
        }
    }
}

fn is_word_start(character: char) -> bool {
    character == '_' || character.is_alphabetic()
}

fn is_word_part(character: char) -> bool {
    character == '_' || character.is_alphanumeric()
}

/// Marks every item below an outer `#[cfg(test)]`, and the whole file below an inner one.
fn mark_tests(tokens: &mut [Token]) {
    let mut at = 0;
    while at < tokens.len() {
        let inner = tokens[at].is_mark('#') && tokens.get(at + 1).is_some_and(|next| next.is_mark('!'));
        let open = at + 1 + usize::from(inner);
        if !tokens[at].is_mark('#') || !tokens.get(open).is_some_and(|next| next.is_mark('[')) {
            at += 1;
            continue;
        }
        let close = closing(tokens, open);
        if is_for_tests(&tokens[open..close]) {
            let end = if inner { tokens.len() } else { item_end(tokens, close + 1) };
            tokens[at..end].iter_mut().for_each(|token| token.tested = true);
            at = end;
        } else {
            at = close;
        }
    }
}

fn is_for_tests(attribute: &[Token]) -> bool {
    let word = |name| attribute.iter().any(|token| token.is_word(name));
    attribute.get(1).is_some_and(|first| first.is_word("cfg")) && word("test") && !word("not")
}

/// The index of the bracket that closes the one at `open`, or the end.
fn closing(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate().skip(open) {
        match token.lexeme {
            Lexeme::Mark('[' | '(' | '{') => depth += 1,
            Lexeme::Mark(']' | ')' | '}') => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return index;
        }
    }
    tokens.len()
}

/// One past the item that starts at `start`: after its `;` or its closing brace.
fn item_end(tokens: &[Token], start: usize) -> usize {
    let mut at = start;
    while let Some(token) = tokens.get(at) {
        match token.lexeme {
            Lexeme::Mark(';') => return at + 1,
            Lexeme::Mark('{') => return (closing(tokens, at) + 1).min(tokens.len()),
            Lexeme::Mark('[' | '(') => at = closing(tokens, at) + 1,
            Lexeme::Mark('}') => return at,
            _ => at += 1,
        }
    }
    tokens.len()
}

#[test]
fn comments_and_literals_are_not_taken_for_code() {
    let text = "a /* b /* c */ d */ // e\n r#\"f\"g\"# b\"h\\\"i\" 'j' 'k: '\\'' r#type 1.5 b'\\n' z";
    let words: Vec<String> = lex(text)
        .into_iter()
        .filter_map(|token| match token.lexeme {
            Lexeme::Word(word) => Some(word),
            Lexeme::Text(text) => Some(format!("<{text}>")),
            Lexeme::Number(digits) => Some(digits),
            Lexeme::Tick | Lexeme::Joint | Lexeme::Mark(_) => None,
        })
        .collect();
    assert_eq!(words, ["a", "<f\"g>", "<h\\\"i>", "type", "1.5", "z"]);
}

#[test]
fn lines_are_counted_through_literals_and_comments() {
    let tokens = lex("/*\n*/ \"\n\" a\n\nb");
    assert_eq!(tokens.iter().map(|token| token.line).collect::<Vec<_>>(), [2, 3, 5]);
}

#[test]
fn only_items_below_a_test_attribute_are_test_code() {
    let text = "a; #[cfg(test)] mod t { x } b; #[cfg(not(test))] fn c() {} #[cfg(test)] use y::{z}; d";
    let tested: Vec<String> = lex(text)
        .into_iter()
        .filter(|token| !token.tested)
        .filter_map(|token| match token.lexeme {
            Lexeme::Word(word) => Some(word),
            _ => None,
        })
        .collect();
    assert_eq!(tested, ["a", "b", "cfg", "not", "test", "fn", "c", "d"]);
}
