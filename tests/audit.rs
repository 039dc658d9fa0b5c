//! What an auditor is told of the directory, by the program itself: with a running server and without one.

use serde_json::Value;

use crate::support::Place;
use crate::support::site::Site;

fn lines(site: &Site, arguments: &[&str]) -> Vec<Value> {
    let all = [&["audit", "changes", "--json"], arguments].concat();
    let (succeeded, text) = site.franking(&all);
    assert!(succeeded, "{text}");
    let objects = text.lines().filter(|line| line.starts_with('{'));
    objects.map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

#[track_caller]
fn done(site: &Site, arguments: &[&str]) {
    let (succeeded, text) = site.franking(arguments);
    assert!(succeeded, "{arguments:?}: {text}");
}

#[test]
fn changes_are_told_with_and_without_a_server_and_outlive_their_object() {
    let place = Place::new();
    let site = Site::set_up(&place, &[], "");
    done(&site, &["recipient", "new", "zoe@contoso.example", "--type", "SharedMailbox"]);
    done(&site, &["recipient", "set", "zoe", "--display-name", "Zoe"]);
    let at_rest = lines(&site, &["--object", "zoe"]);
    assert_eq!(at_rest.len(), 2, "{at_rest:#?}");
    assert_eq!(at_rest[1]["actor"], "command line");
    assert_eq!(at_rest[1]["properties"][0]["new"], "Zoe");

    let server = site.start(&place);
    assert_eq!(lines(&site, &["--object", "zoe"]), at_rest);
    done(&site, &["recipient", "set", "zoe", "--alias", "zoo@contoso.example"]);
    done(&site, &["recipient", "remove", "zoe", "--permanently"]);
    let running = lines(&site, &["--object", "zoo@contoso.example"]);
    // Whoever removes it says so; that its contents are gone, and the object, is told by who sees to that.
    assert_eq!(running.len(), 6, "{running:#?}");
    assert!(running[2..4].iter().all(|line| line["actor"] != "command line" && line["actor"] != "franking-lifecycle"));
    assert!(running[4..].iter().all(|line| line["actor"] == "franking-lifecycle"), "{running:#?}");
    assert_eq!(running[5]["action"], "removed");
    let everything = lines(&site, &["--limit", "0"]);
    assert!(everything.len() > running.len() && everything.ends_with(&running), "{everything:#?}");
    let (_, text) = site.franking(&["audit", "changes", "--limit", "1"]);
    let beginning = format!("removed recipient zoe@contoso.example (#{})", running[5]["id"]);
    assert!(text.contains(&beginning) && text.contains("older changes are not shown; --limit 0 shows all"), "{text}");
    assert!(!lines(&site, &["--object", "zoe", "--since", "1h"]).is_empty());
    assert!(lines(&site, &["--object", "zoe", "--until", "2020-01-01"]).is_empty());
    let (succeeded, text) = site.franking(&["audit", "changes", "--object", "nobody-of-that-name"]);
    assert!(!succeeded && text.contains("There is no recipient"), "{text}");
    drop(server);
    assert_eq!(lines(&site, &["--object", "zoo@contoso.example"]), running);
}
