//! The command line against a running office: one process asks, another answers over the local socket.

use std::path::Path;
use std::sync::Arc;

use clap::Parser as _;
use franking::admin::backup::Defect;
use franking::admin::cli::{Cli, Outcome, Premises, run};
use franking::admin::office::{
    DirectoryDesk, EmptyMailboxes, EmptyQueue, EmptyTrace, Failure, MemoryDirectory, NoCertificates, NoContents,
    NoKeys, NoRestrictions, NoSignIns, Office, Progress,
};
use franking::admin::socket;
use franking::config::{Config, IssuerConfig, TokenConfig};
use franking::model::directory::document::Document;
use franking::model::directory::{PasswordHash, Snapshot};
use franking::model::policy::{Evidence, Proof, Settings, Unrecorded, sign_in};
use franking::world::jws::KeySet;
use franking::world::{SeededRandom, SystemClock};

/// The store is with the server: a command that tried to open it itself would fail.
struct Locked;

impl Premises for Locked {
    fn open(&self, _: &Config, _: Option<&Path>) -> Result<Office, Failure> {
        Err(Failure::unavailable("another process has the store"))
    }

    fn examine(&self, _: &Path, _: &mut dyn FnMut(Progress)) -> Result<Vec<Defect>, Failure> {
        Ok(Vec::new())
    }

    fn repair(&self, _: &Path) -> Result<Vec<Defect>, Failure> {
        Ok(Vec::new())
    }

    fn try_token(&self, _: &Config, _: &TokenConfig) -> Result<(), String> {
        Err("nothing is asked here".to_owned())
    }

    fn try_issuer(&self, _: &Config, _: &IssuerConfig) -> Result<KeySet, String> {
        Err("nothing is asked here".to_owned())
    }
}

fn office(data: &Path) -> (Office, Arc<MemoryDirectory>) {
    let document: Document = toml::from_str(include_str!("../fixtures/directories/contoso.toml")).unwrap();
    let plan = document.plan(&Snapshot::default(), &|_, _| Ok(PasswordHash::from_phc("$argon2id$sample")));
    let directory = Arc::new(MemoryDirectory::new(Snapshot::default().apply(&plan.changes).unwrap()));
    let office = Office {
        directory: Arc::clone(&directory) as Arc<dyn DirectoryDesk>,
        settings: Arc::default(),
        keys: Arc::new(NoKeys),
        certificates: Arc::new(NoCertificates),
        queue: Arc::new(EmptyQueue),
        moderation: Arc::new(EmptyQueue),
        mailboxes: Arc::new(EmptyMailboxes),
        contents: Arc::new(NoContents),
        steward: Arc::default(),
        sign_ins: Arc::new(NoSignIns),
        restrictions: Arc::new(NoRestrictions),
        trace: Arc::new(EmptyTrace),
        clock: Arc::new(SystemClock::new()),
        random: Arc::new(SeededRandom::new(7)),
        data: data.to_owned(),
        configuration: None,
        in_force: Arc::default(),
        rehearsal: None,
    };
    (office, directory)
}

fn typed(data: &Path, arguments: &[&str]) -> (u8, String, String) {
    let data = data.to_str().unwrap();
    let cli = Cli::try_parse_from(["franking", "--data", data].iter().chain(arguments)).unwrap();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let outcome = run(cli, &Locked, &mut std::io::empty(), &mut out, &mut err);
    let Outcome::Exit(code) = outcome else { panic!("{arguments:?} ends") };
    (code, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

#[test]
fn commands_reach_a_running_server_and_its_next_decision_obeys() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data");
    std::fs::create_dir(&data).unwrap();
    std::fs::write(data.join("srs.keys"), "secret").unwrap();
    let (office, directory) = office(&data);
    let path = data.join(socket::SOCKET_NAME);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let listener = runtime.block_on(async { socket::listen(&path).unwrap() });
    let at = path;
    runtime.spawn(async move { socket::serve(listener, &at, Arc::new(office)).await });

    let may_sign_in = |login: &str| {
        let evidence = Evidence::Right(Proof::Password);
        sign_in(&directory.snapshot(), &Settings::default(), login, evidence, &mut Unrecorded).is_ok()
    };
    assert!(may_sign_in("alice@contoso.example"));
    assert_eq!(typed(&data, &["account", "block", "alice"]).0, 0);
    assert!(!may_sign_in("alice@contoso.example"));
    assert_eq!(typed(&data, &["account", "unblock", "alice"]).0, 0);
    assert!(may_sign_in("alice@contoso.example"));

    assert!(!may_sign_in("dora@contoso.example"));
    assert_eq!(typed(&data, &["licence", "assign", "dora"]).0, 0);
    assert!(may_sign_in("dora@contoso.example"));

    let to = place.path().join("backup");
    let (code, out, err) = typed(&data, &["backup", to.to_str().unwrap()]);
    assert_eq!(code, 0, "{out}{err}");
    assert_eq!(typed(&data, &["verify", to.to_str().unwrap()]).0, 0);
    std::fs::write(to.join("data/srs.keys"), "forged").unwrap();
    let (code, out, _) = typed(&data, &["verify", to.to_str().unwrap()]);
    assert_eq!(code, 1);
    assert!(out.contains("DAMAGED  data/srs.keys"), "{out}");

    runtime.shutdown_timeout(std::time::Duration::from_secs(10));
    let (code, _, err) = typed(&data, &["account", "block", "alice"]);
    assert_eq!(code, 4);
    assert!(err.contains("another process has the store"), "{err}");
}

#[test]
fn answers_in_json_keep_their_form() {
    let place = tempfile::tempdir().unwrap();
    let (office, _) = office(place.path());
    let path = place.path().join(socket::SOCKET_NAME);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let listener = runtime.block_on(async { socket::listen(&path).unwrap() });
    runtime.spawn(async move { socket::serve(listener, &path, Arc::new(office)).await });
    let keys = |arguments: &[&str]| {
        let arguments: Vec<&str> = arguments.iter().copied().chain(["--json"]).collect();
        let (_, out, err) = typed(place.path(), &arguments);
        let json: serde_json::Value = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{err}"));
        json.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(keys(&["recipient", "list"]), "recipients result total");
    let show = keys(&["recipient", "show", "alice"]);
    assert_eq!(show, "has_password id lifecycle mailbox maildir may_submit member_of properties result state");
    assert_eq!(keys(&["permission", "list", "info"]), "granted held recipient result");
    assert_eq!(keys(&["domain", "list"]), "domains result");
    assert_eq!(keys(&["group", "list-members", "staff"]), "group members result");
    assert_eq!(keys(&["queue", "list"]), "messages result total");
    assert_eq!(keys(&["queue", "hold", "--all"]), "dry_run message messages recipients result");
    assert_eq!(keys(&["queue", "destinations"]), "destinations result suspended_senders");
    assert_eq!(keys(&["trace"]), "damaged lines lost more result");
    assert_eq!(keys(&["trace", "--id", "0000000000000000"]), "cures kind message result");
    assert_eq!(keys(&["explain", "--as", "alice"]), "accepted result steps");
    assert_eq!(keys(&["account", "password", "alice"]), "message password result");
    assert_eq!(keys(&["queue", "show", "0000000000000000"]), "cures kind message result");
    runtime.shutdown_timeout(std::time::Duration::from_secs(10));
}
