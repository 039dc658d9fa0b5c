//! A new server is complete, and nothing that was there is lost.

use super::*;
use crate::admin::cli::tests::InMemory;

fn options(directory: &Path) -> Options {
    Options {
        domain: "contoso.example".to_owned(),
        directory: directory.to_owned(),
        data: None,
        hostname: None,
        administrator: None,
        profile: Profile::ExchangeOnline,
    }
}

#[test]
fn a_new_server_has_a_configuration_an_administrator_and_records_to_set() {
    let place = tempfile::tempdir().unwrap();
    let report = init(&options(place.path()), &InMemory::default()).unwrap();
    let config = Config::load(&report.configuration).unwrap();
    assert_eq!(config.hostname.to_string(), "mail.contoso.example");
    assert_eq!(config.listeners.len(), 3);
    assert!(config.data.is_dir());
    assert_eq!(report.administrator, "admin@contoso.example");
    assert!(report.password.is_some());
    let kinds: Vec<&str> = report.records.iter().map(|record| record.kind.as_str()).collect();
    assert_eq!(kinds, ["A", "AAAA", "MX", "TXT", "TXT", "SRV", "SRV", "PTR"]);
}

#[test]
fn the_data_go_where_they_are_wanted_whatever_the_path_holds() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("the \"data\" {hostname}\n\u{e4}");
    let report = init(&Options { data: Some(data.clone()), ..options(place.path()) }, &InMemory::default()).unwrap();
    assert_eq!((report.data.as_path(), data.is_dir()), (data.as_path(), true));
    assert_eq!(Config::load(&report.configuration).unwrap().data, data);
}

#[test]
fn nothing_is_overwritten() {
    let place = tempfile::tempdir().unwrap();
    init(&options(place.path()), &InMemory::default()).unwrap();
    let again = init(&options(place.path()), &InMemory::default()).unwrap_err();
    assert!(again.message.contains("overwrites nothing"), "{again}");
    std::fs::remove_file(place.path().join(CONFIG_NAME)).unwrap();
    std::fs::write(place.path().join("data/journal"), "").unwrap();
    assert!(init(&options(place.path()), &InMemory::default()).unwrap_err().message.contains("already holds data"));
}

#[test]
fn every_key_that_the_template_shows_behind_a_hash_is_accepted() {
    let names = Names::judge(&options(Path::new("."))).unwrap();
    for profile in [Profile::ExchangeOnline, Profile::ExchangeServer] {
        let text = configuration(&names, &Options { profile, ..options(Path::new(".")) }).unwrap();
        let is_key = |line: &str| {
            line.starts_with("# [") || line.split_once(" = ").is_some_and(|(key, _)| !key[2..].contains(' '))
        };
        let opened: Vec<&str> =
            text.lines().map(|line| line.strip_prefix("# ").filter(|_| is_key(line)).unwrap_or(line)).collect();
        let shown = opened.join("\n");
        assert!(shown.contains("\nsmart_host =") && shown.contains("\nauth_without_tls ="), "{shown}");
        let config = Config::parse(&shown, Path::new("/etc/franking/franking.toml"));
        assert!(config.is_ok(), "{}\n{shown}", config.unwrap_err());
        assert_eq!(config.unwrap().profile, profile);
    }
}

#[test]
fn names_that_are_none_are_refused() {
    let place = tempfile::tempdir().unwrap();
    for domain in ["", "contoso example", "[192.0.2.1]", "contoso.example\"\nx = 1"] {
        let options = Options { domain: domain.to_owned(), ..options(place.path()) };
        assert!(init(&options, &InMemory::default()).is_err(), "{domain}");
    }
    let foreign = Options { administrator: Some("root@fabrikam.example".to_owned()), ..options(place.path()) };
    assert!(init(&foreign, &InMemory::default()).is_err());
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0);
}
