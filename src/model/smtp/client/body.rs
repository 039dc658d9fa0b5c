//! A message as it goes over the wire: every line ended by CRLF and nothing else, dots doubled where DATA needs it.
//!
//! Hosts differ in what they take for the end of a line, and a message that carries a bare CR or LF can end for one
//! host where it goes on for the next: a second message can be smuggled in its text. So both become CRLF here,
//! whatever was stored. Only a message declared BINARYMIME is sent as it is, since BDAT counts octets and looks for
//! no line ends.

/// How the content is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// For DATA: CRLF lines, leading dots doubled, ended by a line with a single dot (RFC 5321 section 4.5.2).
    Dots,
    /// For BDAT: CRLF lines (RFC 3030).
    Lines,
    /// For BDAT with BODY=BINARYMIME: any octets.
    Binary,
}

/// Encodes a message block by block.
#[derive(Clone, Debug)]
pub struct BodyEncoder {
    framing: Framing,
    line: Line,
}

/// Where in a line the next octet falls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    Start,
    Inside,
    /// After a CR that has not been written: an LF may follow.
    AfterCr,
}

impl BodyEncoder {
    /// An encoder at the start of a message.
    pub const fn new(framing: Framing) -> Self {
        Self { framing, line: Line::Start }
    }

    /// Appends the encoding of `block` to `output`. Where blocks are cut makes no difference.
    pub fn encode(&mut self, block: &[u8], output: &mut Vec<u8>) {
        if self.framing == Framing::Binary {
            output.extend_from_slice(block);
            return;
        }
        output.reserve(block.len() + block.len() / 32 + 2);
        let mut rest = block;
        while let Some(&first) = rest.first() {
            if self.line == Line::AfterCr {
                output.extend_from_slice(b"\r\n");
                self.line = Line::Start;
                if first == b'\n' {
                    rest = rest.get(1..).unwrap_or_default();
                    continue;
                }
            }
            if self.line == Line::Start && first == b'.' && self.framing == Framing::Dots {
                output.push(b'.');
            }
            let end = memchr::memchr2(b'\r', b'\n', rest).unwrap_or(rest.len());
            let (text, tail) = rest.split_at(end);
            output.extend_from_slice(text);
            if !text.is_empty() {
                self.line = Line::Inside;
            }
            match tail.first() {
                Some(b'\r') => self.line = Line::AfterCr,
                Some(_) => {
                    output.extend_from_slice(b"\r\n");
                    self.line = Line::Start;
                }
                None => {}
            }
            rest = tail.get(1..).unwrap_or_default();
        }
    }

    /// Appends what ends the message: the end of its last line where that is missing and, for DATA, the single dot.
    pub fn finish(&mut self, output: &mut Vec<u8>) {
        if self.framing == Framing::Binary {
            return;
        }
        if self.line != Line::Start {
            output.extend_from_slice(b"\r\n");
            self.line = Line::Start;
        }
        if self.framing == Framing::Dots {
            output.extend_from_slice(b".\r\n");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encode(framing: Framing, blocks: &[&[u8]]) -> Vec<u8> {
        let (mut encoder, mut output) = (BodyEncoder::new(framing), Vec::new());
        blocks.iter().for_each(|block| encoder.encode(block, &mut output));
        encoder.finish(&mut output);
        output
    }

    /// What a strict host makes of DATA: its lines up to the single dot, and what follows that.
    fn receive(wire: &[u8]) -> (Vec<Vec<u8>>, Vec<u8>) {
        let (mut lines, mut rest) = (Vec::new(), wire);
        loop {
            let end = rest.windows(2).position(|pair| pair == b"\r\n").expect("a last line");
            let (line, tail) = (&rest[..end], &rest[end + 2..]);
            if line == b"." {
                return (lines, tail.to_vec());
            }
            lines.push(line.strip_prefix(b".").unwrap_or(line).to_vec());
            rest = tail;
        }
    }

    /// The lines of a text whose lines end in CRLF, CR or LF.
    fn lines_of(text: &[u8]) -> Vec<Vec<u8>> {
        let text = String::from_utf8_lossy(text).replace("\r\n", "\n").replace('\r', "\n");
        let mut lines: Vec<Vec<u8>> = text.split('\n').map(|line| line.as_bytes().to_vec()).collect();
        if lines.last().is_some_and(Vec::is_empty) {
            lines.pop();
        }
        lines
    }

    #[test]
    fn dots_are_doubled_and_the_end_is_added() {
        assert_eq!(encode(Framing::Dots, &[b"a\r\n.\r\n..b"]), b"a\r\n..\r\n...b\r\n.\r\n");
        assert_eq!(encode(Framing::Dots, &[b""]), b".\r\n");
        assert_eq!(encode(Framing::Lines, &[b".a\r", b"\n.b"]), b".a\r\n.b\r\n");
        assert_eq!(encode(Framing::Binary, &[b".\n\r", b"\0"]), b".\n\r\0");
    }

    #[test]
    fn every_known_smuggling_sequence_stays_inside_the_message() {
        for trick in ["\n.\n", "\n.\r\n", "\r.\r", "\r\n.\n", "\r\n.\r", "\r.\r\n", "\n\n.\r\r\n", "\r\r\n.\r\n"] {
            let text = format!("a{trick}MAIL FROM:<x@contoso.example>\r\n");
            let (lines, rest) = receive(&encode(Framing::Dots, &[text.as_bytes()]));
            assert_eq!(rest, b"", "{trick:?}");
            assert_eq!(lines.last().unwrap(), b"MAIL FROM:<x@contoso.example>", "{trick:?}");
        }
    }

    fn text() -> impl Strategy<Value = Vec<u8>> {
        let octet = prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'.'), Just(b'a'), 0x20_u8..0x7f];
        proptest::collection::vec(octet, 0..200)
    }

    proptest! {
        #[test]
        fn the_receiver_gets_the_lines_that_were_sent(text in text(), cut in 1_usize..20) {
            let blocks: Vec<&[u8]> = text.chunks(cut).collect();
            let wire = encode(Framing::Dots, &blocks);
            prop_assert_eq!(receive(&wire), (lines_of(&text), Vec::new()));
            prop_assert_eq!(encode(Framing::Dots, &[&text]), wire);
        }

        #[test]
        fn cr_and_lf_leave_only_as_a_pair(text in text(), cut in 1_usize..20, dots in any::<bool>()) {
            let framing = if dots { Framing::Dots } else { Framing::Lines };
            let wire = encode(framing, &text.chunks(cut).collect::<Vec<_>>());
            for (index, &octet) in wire.iter().enumerate() {
                match octet {
                    b'\n' => prop_assert!(index > 0 && wire[index - 1] == b'\r'),
                    b'\r' => prop_assert_eq!(wire.get(index + 1), Some(&b'\n')),
                    _ => {}
                }
            }
        }
    }
}
