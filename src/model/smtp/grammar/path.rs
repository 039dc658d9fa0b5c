//! Paths in angle brackets (RFC 5321 section 4.1.2). Source routes are checked and passed over (appendix C).

use crate::model::mail::{Address, Domain, ForwardPath, ReversePath};

/// Divides `<path> parameters` into what stands in the brackets and the rest; `None` when it does not look so.
pub(super) fn split(rest: &str) -> Option<(&str, &str)> {
    let inside = rest.get(1..).filter(|_| rest.as_bytes().first() == Some(&b'<'))?;
    let end = closing_bracket(inside)?;
    let (text, after) = (inside.get(..end)?, inside.get(end + 1..)?);
    // <a@b>SIZE=1 is no parameter.
    matches!(after.as_bytes().first(), None | Some(b' ')).then_some((text, after))
}

/// The reverse-path; the null path is empty.
pub(super) fn reverse(text: &str) -> Option<ReversePath> {
    if text.is_empty() {
        return Some(ReversePath::Null);
    }
    mailbox(text).map(ReversePath::Mailbox)
}

/// The forward-path, with `<Postmaster>` in any letter case.
pub(super) fn forward(text: &str) -> Option<ForwardPath> {
    if text.eq_ignore_ascii_case("postmaster") {
        return Some(ForwardPath::Postmaster);
    }
    mailbox(text).map(ForwardPath::Mailbox)
}

fn mailbox(text: &str) -> Option<Address> {
    let text = if text.as_bytes().first() == Some(&b'@') { after_route(text)? } else { text };
    Address::parse(text).ok()
}

/// `@a.example,@b.example:c@d.example` -> `c@d.example`
fn after_route(text: &str) -> Option<&str> {
    let mut rest = text;
    loop {
        let hop = rest.strip_prefix('@')?;
        // A literal such as [IPv6:2001:db8::1] has colons of its own.
        let searched_from = if hop.starts_with('[') { hop.find(']')? } else { 0 };
        let end = searched_from + hop.get(searched_from..)?.find([',', ':'])?;
        let (domain, after) = hop.split_at_checked(end)?;
        Domain::parse(domain).ok()?;
        if let Some(mailbox) = after.strip_prefix(':') {
            return Some(mailbox);
        }
        rest = after.strip_prefix(',')?;
    }
}

/// Where the path ends: the first `>` outside a quoted local part.
fn closing_bracket(inside: &str) -> Option<usize> {
    let first = memchr::memchr2(b'>', b'"', inside.as_bytes())?;
    if inside.as_bytes().get(first) == Some(&b'>') {
        return Some(first);
    }
    let mut quoted = false;
    let mut escaped = false;
    for (at, byte) in inside.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'>' if !quoted => return Some(at),
            _ => {}
        }
    }
    None
}
