//! The header of mail that leaves in the name of another mailbox than its author's, where the next host lets no other
//! send: a licensed mailbox at a provider, through which a whole company's devices send.
//!
//! The mailbox becomes the author, with the name of the real one beside it, and Reply-To leads to the real one. Sender
//! goes, since the provider judges it as it judges From. Everything else stays octet for octet; a DKIM signature over
//! From breaks, and the provider signs anew.

use super::address::Address;
use super::header::{Field, elements, fields};

/// The header `head`, with the empty line that ends it, in the name of `mailbox`, an address in ASCII. Total: any
/// octets give a header, of which `mailbox` is the only author.
pub fn in_the_name_of(head: &[u8], mailbox: &Address) -> Vec<u8> {
    let list = fields(head);
    let (own, name) = (mailbox.to_string(), mailbox.key());
    let authors: Vec<&Field<'_>> = list.iter().filter(|field| field.resembles("From")).collect();
    let is_its_own = match authors.as_slice() {
        [author] => elements(author.value).is_some_and(|all| all.iter().all(|one| one.address.has_key(&name))),
        _ => false,
    };
    if is_its_own {
        return without_sender(&list, &name);
    }
    let answers = list.iter().any(|field| field.resembles("Reply-To"));
    let mut rewritten = Vec::with_capacity(head.len() + 128);
    let mut written = false;
    for field in &list {
        let is_end = matches!(field.raw, b"\r\n" | b"\n");
        if field.resembles("From") || (is_end && !written) {
            if !written {
                rewritten.extend(author(field.value, &own, answers || is_end));
            }
            written = true;
        }
        if !field.resembles("From") && !field.resembles("Sender") {
            rewritten.extend_from_slice(field.raw);
        }
    }
    if !written {
        rewritten.extend(author(b"", &own, true));
    }
    rewritten
}

/// From, and Reply-To unless the message has one.
fn author(value: &[u8], own: &str, answers: bool) -> Vec<u8> {
    let list = elements(value).unwrap_or_default();
    let mut lines = b"From: ".to_vec();
    if let Some(first) = list.first() {
        match first.phrase.map(<[u8]>::trim_ascii).filter(|phrase| !phrase.is_empty()) {
            Some(phrase) => lines.extend_from_slice(phrase),
            None => lines.extend(quoted(&first.address.to_string()).into_bytes()),
        }
        lines.push(b' ');
    }
    lines.extend_from_slice(format!("<{own}>\r\n").as_bytes());
    if !answers && !list.is_empty() {
        lines.extend_from_slice(b"Reply-To: ");
        lines.extend_from_slice(value.trim_ascii());
        lines.extend_from_slice(b"\r\n");
    }
    lines
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The header of a mailbox that speaks for itself: who says Sender is somebody else must go all the same.
fn without_sender(list: &[Field<'_>], own: &super::address::AddressKey) -> Vec<u8> {
    let is_own =
        |field: &Field<'_>| elements(field.value).is_some_and(|all| all.iter().all(|one| one.address.has_key(own)));
    let kept = list.iter().filter(|field| !field.resembles("Sender") || is_own(field));
    kept.flat_map(|field| field.raw).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn mailbox() -> Address {
        Address::parse("scanner@contoso.example").unwrap()
    }

    fn of(head: &str) -> String {
        String::from_utf8(in_the_name_of(head.as_bytes(), &mailbox())).unwrap()
    }

    #[test]
    fn the_author_keeps_the_name_and_gets_the_answers() {
        for (head, rewritten) in [
            (
                "Subject: x\r\nFrom: \"Alice A.\" <alice@contoso.example>\r\nTo: bob@fabrikam.example\r\n\r\n",
                "Subject: x\r\nFrom: \"Alice A.\" <scanner@contoso.example>\r\n\
                 Reply-To: \"Alice A.\" <alice@contoso.example>\r\nTo: bob@fabrikam.example\r\n\r\n",
            ),
            (
                "From: alice@contoso.example\r\nReply-To: desk@contoso.example\r\n\r\n",
                "From: \"alice@contoso.example\" <scanner@contoso.example>\r\nReply-To: desk@contoso.example\r\n\r\n",
            ),
            (
                "Sender: bob@contoso.example\r\n\
                 From: =?utf-8?q?=C3=84nne?=\r\n <a@contoso.example>, b@contoso.example\r\n\r\n",
                "From: =?utf-8?q?=C3=84nne?= <scanner@contoso.example>\r\n\
                 Reply-To: =?utf-8?q?=C3=84nne?=\r\n <a@contoso.example>, b@contoso.example\r\n\r\n",
            ),
        ] {
            assert_eq!(of(head), rewritten);
        }
    }

    #[test]
    fn the_mailbox_itself_is_left_alone_but_for_a_foreign_sender() {
        let own = "From: The Scanner <Scanner@contoso.example>\r\nSender: scanner@contoso.example\r\nX: y\r\n\r\n";
        assert_eq!(of(own), own);
        let foreign = own.replace("Sender: scanner", "Sender: eve");
        assert_eq!(of(&foreign), own.replace("Sender: scanner@contoso.example\r\n", ""));
    }

    #[test]
    fn a_header_without_a_readable_author_gets_the_mailbox_as_its_only_one() {
        assert_eq!(of("Subject: x\r\n\r\n"), "Subject: x\r\nFrom: <scanner@contoso.example>\r\n\r\n");
        assert_eq!(of("Subject: x\r\n"), "Subject: x\r\nFrom: <scanner@contoso.example>\r\n");
        assert_eq!(of("From: nobody\r\nX: y\r\n\r\n"), "From: <scanner@contoso.example>\r\nX: y\r\n\r\n");
        let twice = "From: a@contoso.example\r\nFrom : b@contoso.example\r\n\r\n";
        assert_eq!(of(twice).matches("From").count(), 1, "{}", of(twice));
    }

    proptest! {
        #[test]
        fn whatever_the_header_the_mailbox_is_its_only_author(
            lines in proptest::collection::vec("(From|Sender|Reply-To|from |Subject|\t| )?:?[ -~]{0,40}", 0..8)
        ) {
            let head = lines.iter().map(|line| format!("{line}\r\n")).collect::<String>() + "\r\n";
            let rewritten = in_the_name_of(head.as_bytes(), &mailbox());
            let fields = fields(&rewritten);
            let authors: Vec<_> = fields.iter().filter(|field| field.resembles("From")).collect();
            prop_assert_eq!(authors.len(), 1);
            let list = elements(authors[0].value).unwrap();
            prop_assert!(list.len() == 1 || list.iter().all(|one| one.address == mailbox()));
            prop_assert!(list[0].address.has_key(&mailbox().key()));
        }
    }
}
