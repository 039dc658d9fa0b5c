//! What is kept of mailboxes on hold follows the holds, whether the server runs or not.

use super::{deliver, done, maildir, number};
use crate::support::maildir::{files, messages};
use crate::support::site::Site;
use crate::support::{Place, wait_for};

const ALICE: &str = "alice@contoso.example";
const BOB: &str = "bob@contoso.example";

#[test]
fn a_hold_that_ends_without_a_server_gives_up_what_was_kept_at_the_next_start() {
    let place = Place::new();
    let site = Site::set_up(&place, &[], "");
    let server = site.start(&place);
    done(&site, &["hold", "place", ALICE]);
    done(&site, &["hold", "place", BOB]);
    deliver(&site, ALICE, &["goes"]);
    deliver(&site, BOB, &["stays"]);
    let own = maildir(place.path(), &site, ALICE);
    let kept = |of: &std::path::Path| {
        let name = of.file_name().unwrap();
        files(&place.path().join("data/mailboxes/.held").join(name)).len()
    };
    messages(&own).iter().for_each(|message| std::fs::remove_file(&message.path).unwrap());
    let bobs = maildir(place.path(), &site, BOB);
    assert_eq!((kept(&own), kept(&bobs)), (1, 1));
    server.stop();
    done(&site, &["hold", "lift", ALICE]);
    done(&site, &["hold", "drop-delay", ALICE]);
    let server = site.start(&place);
    wait_for("what was kept to be given up", || (kept(&own) == 0).then_some(()));
    assert_eq!(kept(&bobs), 1, "another hold stands");
    let list = site.json(&["mailbox", "recoverable", "list", ALICE]);
    assert_eq!((number(&list, "/total/messages"), &list["on_hold"]), (0, &serde_json::Value::Bool(false)), "{list}");
    server.stop();
}

#[test]
fn a_mailbox_that_was_on_hold_is_purged_by_a_command_without_a_server() {
    let place = Place::new();
    let site = Site::set_up(&place, &[], "");
    let server = site.start(&place);
    done(&site, &["hold", "place", ALICE]);
    deliver(&site, ALICE, &["goes"]);
    let own = maildir(place.path(), &site, ALICE);
    server.stop();
    done(&site, &["hold", "lift", ALICE]);
    done(&site, &["hold", "drop-delay", ALICE]);
    done(&site, &["recipient", "remove", ALICE, "--permanently"]);
    let held = place.path().join("data/mailboxes/.held").join(own.file_name().unwrap());
    assert!(!own.exists() && !held.exists(), "something is left of it");
}
