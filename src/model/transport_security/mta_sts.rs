//! MTA-STS (RFC 8461): the TXT record that announces a policy, the policy's text, and which hosts it covers.

use core::fmt;
use core::time::Duration;

/// The longest policy that is read, in octets (RFC 8461 section 3.3 suggests this bound).
pub const POLICY_BYTES_MAX: usize = 64 << 10;
/// The longest life of a policy: about a year (RFC 8461 section 3.2). A longer one is cut to this.
pub const MAX_AGE_MAX: Duration = Duration::from_secs(31_557_600);
/// The most `mx` lines of one policy. Real ones have fewer than twenty.
pub const PATTERNS_MAX: usize = 64;

const VERSION: &str = "STSv1";
const ID_CHARACTERS_MAX: usize = 32;
const NAME_CHARACTERS_MAX: usize = 32;
const DOMAIN_CHARACTERS_MAX: usize = 253;

/// The id of a policy as its TXT record gives it: 1 to 32 ASCII letters and digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PolicyId(Box<str>);

impl PolicyId {
    /// The id in `text`; `None` unless it is 1 to 32 ASCII letters and digits.
    pub fn parse(text: &str) -> Option<Self> {
        let fits =
            (1..=ID_CHARACTERS_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        fits.then(|| Self(text.into()))
    }
}

impl fmt::Display for PolicyId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The id that the TXT records at `_mta-sts.` and the domain announce; each record is its strings joined. `None` unless
/// exactly one of them is for MTA-STS and that one is well-formed (RFC 8461 section 3.1).
pub fn policy_id<T: AsRef<[u8]>>(records: &[T]) -> Option<PolicyId> {
    let mut ours = records.iter().map(AsRef::as_ref).filter(|record| is_ours(record));
    let (record, None) = (ours.next()?, ours.next()) else { return None };
    let mut fields = core::str::from_utf8(record).ok()?.split(';').map(|field| field.trim_matches([' ', '\t']));
    // The version, which `is_ours` has seen.
    fields.next();
    let mut id = None;
    let mut fields = fields.peekable();
    while let Some(field) = fields.next() {
        // Only the last delimiter may have nothing behind it.
        if field.is_empty() && fields.peek().is_none() {
            break;
        }
        let (name, value) = field.split_once('=')?;
        if !is_name(name) || !is_record_value(value) {
            return None;
        }
        if name == "id" && id.is_none() {
            id = Some(PolicyId::parse(value)?);
        }
    }
    id
}

/// Whether a record begins with `v=STSv1;`, blanks allowed before the semicolon.
fn is_ours(record: &[u8]) -> bool {
    record.strip_prefix(b"v=STSv1").is_some_and(|rest| rest.trim_ascii_start().starts_with(b";"))
}

fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphanumeric())
        && name.len() <= NAME_CHARACTERS_MAX
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
}

fn is_record_value(value: &str) -> bool {
    !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'=')
}

/// What the domain asks of those who send to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Mail goes to matching hosts over verified TLS, or not at all.
    Enforce,
    /// Mail goes as without a policy; what would have failed is to be noticed.
    Testing,
    /// There is no policy any more.
    None,
}

impl Mode {
    const fn word(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Testing => "testing",
            Self::None => "none",
        }
    }
}

/// A policy. Its text (`to_string`) reads back as the same policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    mode: Mode,
    max_age: Duration,
    patterns: Vec<Box<str>>,
}

/// Why a text is no policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// Longer than [`POLICY_BYTES_MAX`].
    #[error("it is longer than {POLICY_BYTES_MAX} octets")]
    Length,
    /// Not UTF-8, or with control characters.
    #[error("it is no text")]
    Text,
    /// A line that is no `key: value`; counted from 1.
    #[error("its line {0} is no \"key: value\"")]
    Line(usize),
    /// A line whose value is not one of its key; counted from 1.
    #[error("its line {0} has a value that its key cannot have")]
    Value(usize),
    /// A key that must be there is not.
    #[error("it has no {0}")]
    Missing(&'static str),
    /// More than [`PATTERNS_MAX`] lines with `mx`.
    #[error("it names more than {PATTERNS_MAX} hosts")]
    Patterns,
}

impl Policy {
    /// Reads the text of a policy (RFC 8461 section 3.2). Lines end with CRLF or LF. Of keys that are given twice the
    /// first counts, but for `mx`; unknown keys are passed over. A `max_age` over [`MAX_AGE_MAX`] becomes that.
    ///
    /// # Errors
    /// What is wrong with it; then it counts as a policy that could not be fetched.
    pub fn parse(text: &[u8]) -> Result<Self, PolicyError> {
        if text.len() > POLICY_BYTES_MAX {
            return Err(PolicyError::Length);
        }
        let text = core::str::from_utf8(text).map_err(|_| PolicyError::Text)?;
        let (mut version, mut mode, mut max_age, mut patterns) = (false, None, None, Vec::new());
        for (index, line) in text.split('\n').enumerate() {
            let number = index + 1;
            let line = line.strip_suffix('\r').unwrap_or(line).trim_end_matches([' ', '\t']);
            if line.chars().any(|character| character.is_control() && character != '\t') {
                return Err(PolicyError::Text);
            }
            // Not in the grammar, but in use, and harmless.
            if line.is_empty() {
                continue;
            }
            let (key, value) = line.split_once(':').ok_or(PolicyError::Line(number))?;
            let value = value.trim_start_matches([' ', '\t']);
            if !is_name(key) || value.is_empty() {
                return Err(PolicyError::Line(number));
            }
            let wrong = || PolicyError::Value(number);
            match key {
                "version" if value == VERSION => version = true,
                "version" if !version => return Err(wrong()),
                "mode" if mode.is_none() => mode = Some(mode_of(value).ok_or_else(wrong)?),
                "max_age" if max_age.is_none() => max_age = Some(max_age_of(value).ok_or_else(wrong)?),
                "mx" if patterns.len() == PATTERNS_MAX => return Err(PolicyError::Patterns),
                "mx" => patterns.push(pattern_of(value).ok_or_else(wrong)?),
                _ => {}
            }
        }
        if !version {
            return Err(PolicyError::Missing("version"));
        }
        let mode = mode.ok_or(PolicyError::Missing("mode"))?;
        let max_age = max_age.ok_or(PolicyError::Missing("max_age"))?;
        if patterns.is_empty() && mode != Mode::None {
            return Err(PolicyError::Missing("mx"));
        }
        Ok(Self { mode, max_age, patterns })
    }

    /// What it asks.
    pub const fn mode(&self) -> Mode {
        self.mode
    }

    /// How long it may be relied on after it was fetched; at most [`MAX_AGE_MAX`].
    pub const fn max_age(&self) -> Duration {
        self.max_age
    }

    /// Whether `host`, a name in A-labels without a final dot, is one that mail may go to (RFC 8461 section 4.1). A
    /// wildcard stands for exactly one label.
    pub fn covers(&self, host: &str) -> bool {
        self.patterns.iter().any(|pattern| match pattern.strip_prefix("*.") {
            None => pattern.eq_ignore_ascii_case(host),
            Some(parent) => {
                host.split_once('.').is_some_and(|(label, rest)| !label.is_empty() && rest.eq_ignore_ascii_case(parent))
            }
        })
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "version: {VERSION}\nmode: {}\nmax_age: {}\n", self.mode.word(), self.max_age.as_secs())?;
        self.patterns.iter().try_for_each(|pattern| writeln!(formatter, "mx: {pattern}"))
    }
}

fn mode_of(value: &str) -> Option<Mode> {
    [Mode::Enforce, Mode::Testing, Mode::None].into_iter().find(|mode| mode.word() == value)
}

fn max_age_of(value: &str) -> Option<Duration> {
    let digits = (1..=10).contains(&value.len()) && value.bytes().all(|byte| byte.is_ascii_digit());
    let seconds: u64 = value.parse().ok().filter(|_| digits)?;
    Some(Duration::from_secs(seconds).min(MAX_AGE_MAX))
}

/// A host name in A-labels, or `*.` and one; in lower case.
fn pattern_of(value: &str) -> Option<Box<str>> {
    let name = value.strip_prefix("*.").unwrap_or(value);
    let is_label = |label: &str| {
        let inner = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        inner && (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
    };
    let fits = name.len() <= DOMAIN_CHARACTERS_MAX && name.split('.').all(is_label);
    fits.then(|| value.to_ascii_lowercase().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id(records: &[&str]) -> Option<String> {
        policy_id(records).map(|id| id.to_string())
    }

    #[test]
    fn exactly_one_record_announces_a_policy() {
        assert_eq!(id(&["v=STSv1; id=20160831085700Z;"]), Some("20160831085700Z".to_owned()));
        assert_eq!(id(&["v=STSv1;id=a"]), Some("a".to_owned()));
        assert_eq!(id(&["v=STSv1 ; later=x ;\tid=a ;"]), Some("a".to_owned()));
        assert_eq!(id(&["v=STSv1; id=a; id=b"]), Some("a".to_owned()));
        assert_eq!(id(&["v=spf1 -all", "v=STSv1; id=a", "v=STSv10; id=b"]), Some("a".to_owned()));
        assert_eq!(id(&["v=STSv1; id=a", "v=STSv1; id=a"]), None);
        assert_eq!(id(&[]), None);
    }

    #[test]
    fn a_record_with_a_fault_announces_nothing() {
        let long = format!("v=STSv1; id={}", "a".repeat(33));
        for record in [
            "v=STSv1",
            "v=STSv1;",
            "v=stsv1; id=a",
            " v=STSv1; id=a",
            "id=a; v=STSv1",
            "v=STSv1; id=",
            "v=STSv1; id=a-b",
            "v=STSv1; ID=a",
            "v=STSv1; id=a;; x=y",
            "v=STSv1; id=a; x",
            "v=STSv1; id=a; =y",
            "v=STSv1; id=a; x=y z",
            "v=STSv1; id=a\0",
            "v=STSv1; id=\u{e9}",
            &long,
        ] {
            assert_eq!(id(&[record]), None, "{record:?}");
        }
        assert_eq!(policy_id(&[b"v=STSv1; id=\xff"]), None);
    }

    const WHOLE: &str =
        "version: STSv1\nmode: enforce\nmx: mail.fabrikam.example\nmx: *.fabrikam.net\nmax_age: 604800\n";

    fn parse(text: &str) -> Result<Policy, PolicyError> {
        Policy::parse(text.as_bytes())
    }

    #[test]
    fn the_example_of_the_rfc_is_read_with_either_line_end() {
        let policy = parse(WHOLE).unwrap();
        assert_eq!((policy.mode(), policy.max_age()), (Mode::Enforce, Duration::from_secs(604_800)));
        assert_eq!(parse(&WHOLE.replace('\n', "\r\n")), Ok(policy.clone()));
        assert_eq!(parse(WHOLE.trim_end()), Ok(policy.clone()));
        assert_eq!(parse(&WHOLE.replace(": ", ":").replace('\n', " \t\n")), Ok(policy));
    }

    #[test]
    fn hosts_are_covered_by_name_or_by_one_label() {
        let policy = parse(WHOLE).unwrap();
        for host in ["mail.fabrikam.example", "MAIL.Fabrikam.example", "a.fabrikam.net", "b-1.FABRIKAM.net"] {
            assert!(policy.covers(host), "{host}");
        }
        for host in
            ["fabrikam.example", "x.mail.fabrikam.example", "fabrikam.net", "a.b.fabrikam.net", ".fabrikam.net", ""]
        {
            assert!(!policy.covers(host), "{host}");
        }
    }

    #[test]
    fn the_first_of_two_counts_and_unknown_keys_do_not() {
        let text = "later: \u{e9} : x\nmode: testing\nmode: nonsense\nversion: STSv1\nversion: STSv9\nmax_age: 1\n\
                    max_age: x\nmx: a.example\n\n";
        let policy = parse(text).unwrap();
        assert_eq!((policy.mode(), policy.max_age()), (Mode::Testing, Duration::from_secs(1)));
    }

    #[test]
    fn a_life_longer_than_a_year_is_cut() {
        let policy = parse(&WHOLE.replace("604800", "9999999999")).unwrap();
        assert_eq!(policy.max_age(), MAX_AGE_MAX);
    }

    #[test]
    fn only_a_policy_of_none_needs_no_host() {
        assert_eq!(parse("version: STSv1\nmode: none\nmax_age: 86400").unwrap().mode(), Mode::None);
        let without = "version: STSv1\nmode: enforce\nmax_age: 86400";
        assert_eq!(parse(without), Err(PolicyError::Missing("mx")));
    }

    #[test]
    fn hostile_texts_are_refused() {
        let with = |from: &str, to: &str| WHOLE.replace(from, to);
        let crowd = format!("{WHOLE}{}", "mx: a.example\n".repeat(PATTERNS_MAX));
        for (text, error) in [
            (String::new(), PolicyError::Missing("version")),
            (with("version: STSv1\n", ""), PolicyError::Missing("version")),
            (with("STSv1", "STSv2"), PolicyError::Value(1)),
            (with("STSv1", "stsv1"), PolicyError::Value(1)),
            (with("mode: enforce\n", ""), PolicyError::Missing("mode")),
            (with("enforce", "Enforce"), PolicyError::Value(2)),
            (with("enforce", "enforce none"), PolicyError::Value(2)),
            (with("max_age: 604800\n", ""), PolicyError::Missing("max_age")),
            (with("604800", "-1"), PolicyError::Value(5)),
            (with("604800", "+1"), PolicyError::Value(5)),
            (with("604800", "99999999999"), PolicyError::Value(5)),
            (with("mode:", "mode"), PolicyError::Line(2)),
            (with("mode:", "mo de:"), PolicyError::Line(2)),
            (with("mode: enforce", "mode:"), PolicyError::Line(2)),
            (with("mode: enforce", ": enforce"), PolicyError::Line(2)),
            (with("*.fabrikam.net", "*"), PolicyError::Value(4)),
            (with("*.fabrikam.net", "*.*.net"), PolicyError::Value(4)),
            (with("*.fabrikam.net", "a.*.net"), PolicyError::Value(4)),
            (with("*.fabrikam.net", "*fabrikam.net"), PolicyError::Value(4)),
            (with("*.fabrikam.net", "."), PolicyError::Value(4)),
            (with("*.fabrikam.net", "a..net"), PolicyError::Value(4)),
            (with("*.fabrikam.net", "fabrikam.net."), PolicyError::Value(4)),
            (with("*.fabrikam.net", "b\u{fc}cher.net"), PolicyError::Value(4)),
            (with("*.fabrikam.net", &"a.".repeat(200)), PolicyError::Value(4)),
            (with("enforce", "enf\0orce"), PolicyError::Text),
            (with("mode", "\u{1b}[2Jmode"), PolicyError::Text),
            (with("\n", "\r"), PolicyError::Text),
            (crowd, PolicyError::Patterns),
            ("a".repeat(POLICY_BYTES_MAX + 1), PolicyError::Length),
        ] {
            assert_eq!(parse(&text), Err(error), "{:?}", text.get(..text.len().min(120)));
        }
        assert_eq!(Policy::parse(b"version: STSv1\xff"), Err(PolicyError::Text));
        assert_eq!(parse("<html>\n<head>"), Err(PolicyError::Line(1)));
    }

    fn line() -> impl Strategy<Value = String> {
        prop_oneof![
            "(version|mode|mx|max_age|x_1): ?(STSv1|enforce|testing|none|\\*?\\.?[a-z0-9.-]{0,12}|[0-9]{0,11})",
            ".{0,20}",
            "[ -~\\t\\r]{0,20}",
        ]
    }

    proptest! {
        #[test]
        fn any_octets_have_an_answer(octets in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = Policy::parse(&octets);
            let _ = policy_id(&[octets]);
        }

        #[test]
        fn what_is_read_is_written_so_that_it_reads_back(
            lines in proptest::collection::vec(line(), 0..8),
            whole in any::<bool>(),
        ) {
            let mut text = lines.join("\n");
            if whole {
                text = format!("version: STSv1\nmode: enforce\nmax_age: 60\nmx: a.example\n{text}");
            }
            if let Ok(policy) = Policy::parse(text.as_bytes()) {
                prop_assert!(policy.max_age() <= MAX_AGE_MAX);
                prop_assert_eq!(Policy::parse(policy.to_string().as_bytes()), Ok(policy));
            }
        }
    }
}
