//! What a host offers: the keywords of its EHLO reply. Unknown ones are passed over.

use super::credentials::TokenMechanism;
use super::reply_reader::RemoteReply;

/// The extensions we can use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Extensions {
    pub(super) starttls: bool,
    pub(super) pipelining: bool,
    pub(super) chunking: bool,
    pub(super) eight_bit_mime: bool,
    pub(super) binary_mime: bool,
    pub(super) smtputf8: bool,
    pub(super) dsn: bool,
    pub(super) size: bool,
    /// The most octets a message may have; `None` when the host names no limit.
    pub(super) size_max: Option<u64>,
    pub(super) auth_plain: bool,
    pub(super) auth_login: bool,
    pub(super) auth_xoauth2: bool,
    pub(super) auth_oauthbearer: bool,
}

impl Extensions {
    /// Reads the lines after the first, which is a greeting.
    pub(super) fn of(reply: &RemoteReply) -> Self {
        let mut found = Self::default();
        for line in reply.lines().iter().skip(1) {
            found.note(line);
        }
        found
    }

    /// Whether a token can be given so.
    pub(super) const fn offers(&self, mechanism: TokenMechanism) -> bool {
        match mechanism {
            TokenMechanism::Xoauth2 => self.auth_xoauth2,
            TokenMechanism::OauthBearer { .. } => self.auth_oauthbearer,
        }
    }

    fn note(&mut self, line: &str) {
        let mut words = line.split_ascii_whitespace();
        let Some(keyword) = words.next().map(str::to_ascii_uppercase) else { return };
        match keyword.as_str() {
            "STARTTLS" => self.starttls = true,
            "PIPELINING" => self.pipelining = true,
            "CHUNKING" => self.chunking = true,
            "8BITMIME" => self.eight_bit_mime = true,
            "BINARYMIME" => self.binary_mime = true,
            "SMTPUTF8" => self.smtputf8 = true,
            "DSN" => self.dsn = true,
            "SIZE" => {
                self.size = true;
                // RFC 1870 section 4: zero or nothing means that there is no fixed limit.
                self.size_max = words.next().and_then(|number| number.parse().ok()).filter(|&limit| limit > 0);
            }
            "AUTH" => words.for_each(|mechanism| self.note_mechanism(mechanism)),
            // Old hosts write an equals sign, as in `AUTH=LOGIN PLAIN`.
            other => {
                if let Some(first) = other.strip_prefix("AUTH=") {
                    self.note_mechanism(first);
                    words.for_each(|mechanism| self.note_mechanism(mechanism));
                }
            }
        }
    }

    fn note_mechanism(&mut self, name: &str) {
        self.auth_plain |= name.eq_ignore_ascii_case("PLAIN");
        self.auth_login |= name.eq_ignore_ascii_case("LOGIN");
        self.auth_xoauth2 |= name.eq_ignore_ascii_case("XOAUTH2");
        self.auth_oauthbearer |= name.eq_ignore_ascii_case("OAUTHBEARER");
    }
}

#[cfg(test)]
mod tests {
    use super::super::reply_reader::ReplyReader;
    use super::*;

    fn offered(text: &str) -> Extensions {
        let mut reader = ReplyReader::default();
        reader.push(text.as_bytes());
        Extensions::of(&reader.next_reply().unwrap().unwrap())
    }

    #[test]
    fn the_list_of_exchange_online_is_understood() {
        let found = offered(
            "250-X.outlook.office365.com Hello [192.0.2.1]\r\n250-SIZE 157286400\r\n250-PIPELINING\r\n250-DSN\r\n\
             250-ENHANCEDSTATUSCODES\r\n250-AUTH LOGIN XOAUTH2\r\n250-8BITMIME\r\n250-BINARYMIME\r\n250-CHUNKING\r\n\
             250 SMTPUTF8\r\n",
        );
        assert_eq!(found.size_max, Some(157_286_400));
        assert!(found.pipelining && found.dsn && found.eight_bit_mime && found.binary_mime && found.chunking);
        assert!(found.smtputf8 && found.auth_login && !found.auth_plain && !found.starttls);
    }

    #[test]
    fn the_greeting_line_offers_nothing() {
        assert_eq!(offered("250 STARTTLS\r\n"), Extensions::default());
    }

    #[test]
    fn odd_spellings_are_understood_and_nonsense_is_passed_over() {
        let found = offered("250-x\r\n250-auth=login Plain\r\n250-size 0\r\n250-SIZE99\r\n250-\r\n250 sTaRtTlS\r\n");
        assert!(found.auth_login && found.auth_plain && found.size && found.starttls);
        assert_eq!(found.size_max, None);
        assert_eq!(offered("250-x\r\n250 SIZE 99999999999999999999999\r\n").size_max, None);
    }
}
