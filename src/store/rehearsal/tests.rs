//! Laws of what is captured.

use super::*;

fn draft(bytes: usize) -> Draft {
    Draft {
        session: "08DE4C0000000001".to_owned(),
        account: None,
        sender: "eve@fabrikam.example".to_owned(),
        recipients: vec!["bob@contoso.example".to_owned()],
        bytes: bytes as u64,
        content: vec![b'x'; bytes],
    }
}

#[test]
fn what_is_captured_is_bounded_in_number_and_in_octets() {
    let mut messages = Messages::default();
    for _ in 0..MESSAGES_MAX + 5 {
        messages.keep(Timestamp::EPOCH, "1".to_owned(), draft(10));
    }
    assert_eq!((messages.kept().len(), messages.count()), (MESSAGES_MAX, MESSAGES_MAX as u64 + 5));
    assert_eq!(messages.kept()[0].number, 6);
    for _ in 0..100 {
        messages.keep(Timestamp::EPOCH, "1".to_owned(), draft(2 * CONTENT_BYTES_MAX));
    }
    let held: usize = messages.kept().iter().map(|captured| captured.message.content.len()).sum();
    assert!(held <= 64 << 20, "{held}");
    assert_eq!(messages.kept().back().unwrap().message.content.len(), CONTENT_BYTES_MAX);
    assert_eq!(messages.clear(), 1_105);
    assert!(messages.kept().is_empty() && messages.count() == 0);
    messages.keep(Timestamp::EPOCH, "1".to_owned(), draft(1));
    assert_eq!(messages.kept()[0].number, 1_106);
}
