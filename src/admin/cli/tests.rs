//! The command line as a whole: every example parses, every command answers, nothing hostile reaches the terminal.

mod objects;

use std::sync::{Arc, Mutex};

use clap::CommandFactory as _;

use super::*;
use crate::admin::office::MemoryDirectory;
use crate::admin::office::tests::office;
use crate::model::directory::Snapshot;

/// A program around the command line that keeps one office in memory.
#[derive(Default)]
pub(in crate::admin) struct InMemory {
    office: Mutex<Option<Office>>,
}

impl InMemory {
    /// One with the sample organisation.
    fn contoso() -> Self {
        Self { office: Mutex::new(Some(office())) }
    }
}

impl Premises for InMemory {
    fn open(&self, config: &Config, _: Option<&Path>) -> Result<Office, Failure> {
        let mut kept = self.office.lock().unwrap();
        let own = kept.get_or_insert_with(|| Office {
            directory: Arc::new(MemoryDirectory::new(Snapshot::default())),
            ..office()
        });
        own.data.clone_from(&config.data);
        Ok(own.clone())
    }

    fn examine(&self, _: &Path, _: &mut dyn FnMut(Progress)) -> Result<Vec<Defect>, Failure> {
        Ok(Vec::new())
    }

    fn repair(&self, _: &Path) -> Result<Vec<Defect>, Failure> {
        Ok(Vec::new())
    }

    fn try_token(&self, _: &Config, _: &TokenConfig) -> Result<(), String> {
        Err("nothing is asked in memory".to_owned())
    }

    fn try_issuer(&self, _: &Config, _: &IssuerConfig) -> Result<KeySet, String> {
        Err("nothing is asked in memory".to_owned())
    }
}

/// Divides a line as a shell does, as far as examples need it.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote, mut begun) = (Vec::new(), String::new(), None, false);
    for character in line.chars() {
        match (quote, character) {
            (Some(open), _) if open == character => quote = None,
            (None, '"' | '\'') => (quote, begun) = (Some(character), true),
            (None, ' ') => {
                if begun {
                    words.push(core::mem::take(&mut word));
                }
                begun = false;
            }
            (_, _) => {
                word.push(character);
                begun = true;
            }
        }
    }
    if begun {
        words.push(word);
    }
    words
}

fn examples(command: &clap::Command) -> Vec<String> {
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let own = help.lines().filter_map(|line| line.strip_prefix("  ")).filter(|line| line.starts_with("franking "));
    own.map(str::to_owned).chain(command.get_subcommands().flat_map(examples)).collect()
}

fn commands_without_examples(command: &clap::Command, path: &str) -> Vec<String> {
    let path = format!("{path} {}", command.get_name());
    let own = command.get_after_help().is_some_and(|help| help.to_string().contains("\n  franking "));
    let below = command.get_subcommands().flat_map(|below| commands_without_examples(below, &path));
    (!own).then(|| path.clone()).into_iter().chain(below).collect()
}

#[test]
fn the_definition_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn every_example_in_every_page_of_help_can_be_typed() {
    let all = examples(&Cli::command());
    assert!(all.len() > 60, "{}", all.len());
    for example in all {
        if let Err(error) = Cli::try_parse_from(words(&example)) {
            panic!("{example}\n{error}");
        }
    }
}

#[test]
fn no_page_of_help_is_broken_in_the_middle_of_a_line() {
    fn pages(command: &clap::Command) -> Vec<String> {
        let own = command.get_after_help().map(ToString::to_string);
        own.into_iter().chain(command.get_subcommands().flat_map(pages)).collect()
    }
    for page in pages(&Cli::command()) {
        for (line, next) in page.lines().zip(page.lines().skip(1)) {
            let heading = line.ends_with(':');
            // Paragraphs are one line, which clap divides to fit; an example that it divides cannot be pasted.
            assert!(line.is_empty() || line.starts_with(' ') || heading || next.is_empty(), "{line}\n{next}");
        }
        let widest = page.lines().filter(|line| line.starts_with("  franking ")).map(|line| line.chars().count()).max();
        assert!(widest.is_none_or(|widest| widest <= 100), "{page}");
    }
}

#[test]
fn a_port_that_names_no_role_is_refused() {
    assert!(Cli::try_parse_from(words("franking explain --as alice --port 2525")).is_err());
    assert!(Cli::try_parse_from(words("franking explain --as alice --port 465")).is_ok());
}

#[test]
fn every_page_of_help_has_an_example() {
    assert_eq!(commands_without_examples(&Cli::command(), ""), Vec::<String>::new());
}

#[test]
fn every_page_about_a_noun_names_the_exchange_cmdlet() {
    let command = Cli::command();
    for noun in [
        "recipient",
        "account",
        "licence",
        "permission",
        "authentication-policy",
        "address-policy",
        "domain",
        "remote-domain",
        "group",
        "organisation",
        "mailbox",
        "user",
        "hold",
        "lifecycle",
        "queue",
        "audit",
    ] {
        for verb in command.find_subcommand(noun).unwrap().get_subcommands() {
            let help = verb.get_after_help().unwrap().to_string();
            assert!(help.contains("Exchange: "), "{noun} {}", verb.get_name());
        }
    }
}

/// Runs a command on `premises` and gives exit code, standard output and standard error.
fn typed(premises: &InMemory, line: &str, input: &str) -> (u8, String, String) {
    let place = tempfile::tempdir().unwrap();
    let mut arguments = words(line);
    arguments.extend(["--data".to_owned(), place.path().display().to_string()]);
    let cli = Cli::try_parse_from(arguments).unwrap();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let outcome = run(cli, premises, &mut input.as_bytes(), &mut out, &mut err);
    let Outcome::Exit(code) = outcome else { panic!("{line} ends") };
    (code, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

#[test]
fn an_unknown_recipient_is_told_with_a_suggestion_and_exit_code_three() {
    let (code, out, err) = typed(&InMemory::contoso(), "franking recipient show alcie@contoso.example", "");
    assert_eq!((code, out.as_str()), (3, ""));
    assert!(err.contains("try: did you mean alice@contoso.example?"), "{err}");
    let (code, out, _) = typed(&InMemory::contoso(), "franking recipient show alcie@contoso.example --json", "");
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, json["result"].as_str(), json["kind"].as_str()), (3, Some("failed"), Some("not_found")));
}

#[test]
fn a_password_from_standard_input_is_used_and_not_shown() {
    let premises = InMemory::contoso();
    let (code, out, _) = typed(&premises, "franking account password alice --password-stdin", "correct horse\n");
    assert_eq!(code, 0);
    assert!(!out.contains("correct horse"), "{out}");
    let snapshot = premises.office.lock().unwrap().as_ref().unwrap().directory.snapshot();
    let alice = crate::admin::office::identity::find(&snapshot, "alice").unwrap();
    let hash = alice.account.as_ref().unwrap().password.clone().unwrap();
    assert!(crate::world::password::verify("correct horse", &hash, &mut Default::default()).unwrap());
    assert_eq!(typed(&premises, "franking account password alice --password-stdin", "").0, 1);
    assert_eq!(typed(&premises, "franking account password alice --password-stdin", "short\n").0, 1);
}

#[test]
fn a_cure_that_explain_names_cures() {
    let premises = InMemory::contoso();
    let (code, out, _) = typed(&premises, "franking explain --as bob --from info --to alice --json", "");
    assert_eq!(code, 1);
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    let cure = json["steps"].as_array().unwrap().last().unwrap()["cures"][0].as_str().unwrap().to_owned();
    assert_eq!(typed(&premises, &cure, "").0, 0, "{cure}");
    let (code, out, _) = typed(&premises, "franking explain --as bob --from info --to alice", "");
    assert_eq!(code, 0, "{out}");
    assert!(
        out.contains("yes the account holds SendAs") && out.contains("→ into the mailbox of alice@contoso.example"),
        "{out}"
    );
}

#[test]
fn every_command_that_explain_can_name_for_signing_in_can_be_typed() {
    let premises = InMemory::contoso();
    for login in ["info", "dora", "scanner", "quiet", "room-1"] {
        let (_, out, _) = typed(&premises, &format!("franking explain --as {login} --json"), "");
        let json: serde_json::Value = serde_json::from_str(&out).unwrap();
        let cures = json["steps"].as_array().unwrap().last().unwrap()["cures"].as_array().unwrap().clone();
        assert!(!cures.is_empty(), "{login}");
        for cure in cures.iter().filter_map(|cure| cure.as_str()).filter(|cure| cure.starts_with("franking ")) {
            assert!(Cli::try_parse_from(words(cure)).is_ok(), "{cure}");
        }
    }
}

#[test]
fn looking_into_a_directory_that_is_not_there_does_not_make_it() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("mistyped");
    let line = ["franking", "recipient", "list", "--data", data.to_str().unwrap()];
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let outcome =
        run(Cli::try_parse_from(line).unwrap(), &InMemory::contoso(), &mut std::io::empty(), &mut out, &mut err);
    assert!(matches!(outcome, Outcome::Exit(3)) && out.is_empty() && !data.exists(), "{outcome:?}");
    assert!(String::from_utf8(err).unwrap().contains("There is no "));
}

#[test]
fn the_address_book_is_set_shown_and_searched() {
    let premises = InMemory::contoso();
    let line = "franking recipient set alice --department Sales --state-or-province Bayern --last-name Liddell";
    assert_eq!(typed(&premises, line, "").0, 0);
    let (_, out, _) = typed(&premises, "franking recipient show alice", "");
    let told = "[address_book]\ndepartment = \"Sales\"\nlast_name = \"Liddell\"\nstate_or_province = \"Bayern\"\n";
    assert!(out.contains(told), "{out}");
    let (_, out, _) = typed(&premises, "franking recipient show alice --json", "");
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(json["properties"]["address_book"]["department"], "Sales", "{out}");
    let list = ["franking", "recipient", "list", "--filter", "Department -eq 'sales' -and City -eq $null"];
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let place = tempfile::tempdir().unwrap();
    let data = ["--data", place.path().to_str().unwrap()];
    let cli = Cli::try_parse_from(list.iter().chain(&data)).unwrap();
    run(cli, &premises, &mut std::io::empty(), &mut out, &mut err);
    let found = String::from_utf8(out).unwrap();
    assert!(found.contains("alice@contoso.example") && !found.contains("bob@"), "{found}");
    assert_eq!(typed(&premises, &format!("franking recipient set alice --phone {}", "1".repeat(65)), "").0, 1);
}

#[test]
fn an_export_is_imported_as_it_was() {
    let (code, toml, _) = typed(&InMemory::contoso(), "franking export", "");
    assert_eq!(code, 0);
    let empty = InMemory::default();
    let (code, out, err) = typed(&empty, "franking import - --form toml", &toml);
    assert_eq!(code, 0, "{out}{err}");
    assert_eq!(typed(&empty, "franking export", "").1, toml);
    let (code, out, _) = typed(&empty, "franking import - --form json", "{\"recipient\":[{\"address\":\"x\"}]}");
    assert_eq!(code, 1);
    assert!(out.contains("refused: recipient 1 of 1"), "{out}");
}

#[test]
fn names_that_hold_control_characters_are_shown_harmless() {
    let premises = InMemory::contoso();
    let trace = ["franking trace", "franking trace --id 0123456789ABCDEF", "franking queue show 0123456789ABCDEF"];
    for line in ["franking recipient show \u{1b}[2J\u{202e}x", "franking explain --as \u{1b}[2J --to \u{9b}31m"]
        .into_iter()
        .chain(trace)
    {
        for json in ["", " --json"] {
            let (_, out, err) = typed(&premises, &format!("{line}{json}"), "");
            let all = format!("{out}{err}");
            assert!(!all.is_empty());
            assert!(!all.contains(['\u{1b}', '\u{9b}', '\u{202e}']), "{all:?}");
        }
    }
}

#[test]
fn without_configuration_the_cure_is_named() {
    let cli = Cli::try_parse_from(["franking", "--config", "/nonexistent/franking.toml", "queue", "list"]).unwrap();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let outcome = run(cli, &InMemory::contoso(), &mut std::io::empty(), &mut out, &mut err);
    assert!(matches!(outcome, Outcome::Exit(1)));
    assert!(String::from_utf8(err).unwrap().contains("--config"));
}

#[test]
fn completions_are_written_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let (code, out, _) = typed(&InMemory::contoso(), &format!("franking completions {shell}"), "");
        assert_eq!(code, 0);
        assert!(out.contains("recipient"), "{shell}");
    }
}

#[test]
fn every_problem_of_a_configuration_is_told_and_can_be_read() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("franking.toml");
    std::fs::write(&path, "hostname = \"mail.contoso.example\"\n[queue]\nretry_seconds = []\nexpiry_seconds = 0\n")
        .unwrap();
    let (code, _, errors) = typed(&InMemory::contoso(), &format!("franking --config {} check", path.display()), "");
    assert_eq!(code, 1);
    assert!(errors.contains("franking.toml:3: queue.retry_seconds: "), "{errors}");
    assert!(errors.contains(" | ") && errors.contains("franking.toml:4: queue.expiry_seconds: "), "{errors}");
    assert!(!errors.contains("\\n"), "{errors}");
}

#[test]
fn what_a_mailbox_answers_is_set_shown_and_brought_elsewhere() {
    let premises = InMemory::contoso();
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("away.txt");
    std::fs::write(&file, "Back on Monday.\r\nGrüße\r\n").unwrap();
    let line = format!("franking recipient auto-reply alice --state on --internal @{} --external away", file.display());
    assert_eq!(typed(&premises, &line, "").0, 0);
    let period = "--from-time 2026-12-24T12:00:00+01:00 --until 2027-01-04T08:00:00+01:00";
    assert_eq!(typed(&premises, &format!("franking recipient auto-reply alice {period}"), "").0, 0);
    let (_, out, _) = typed(&premises, "franking recipient show alice --json", "");
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    let shown = &json["properties"]["auto_reply"];
    assert_eq!(shown["state"], "Scheduled");
    assert_eq!(shown["start_time"], "2026-12-24T11:00:00.000Z");
    assert_eq!(shown["internal_message"], "Back on Monday.\nGrüße");
    let (_, toml, _) = typed(&premises, "franking export", "");
    let elsewhere = InMemory::default();
    assert_eq!(typed(&elsewhere, "franking import - --form toml", &toml).0, 0);
    assert_eq!(typed(&elsewhere, "franking export", "").1, toml);
    // What cannot be is refused with the cure, and a file that is not there with its own exit code.
    let (code, _, err) = typed(&premises, "franking recipient auto-reply info --state on --external Closed.", "");
    assert_eq!(code, 1);
    assert!(err.contains("--internal TEXT"), "{err}");
    assert_eq!(typed(&premises, "franking recipient auto-reply alice --state on --until tomorrow", "").0, 1);
    assert_eq!(typed(&premises, "franking recipient auto-reply alice --internal @/nonexistent/away.txt", "").0, 3);
    assert_eq!(typed(&premises, "franking recipient auto-reply alice", "").0, 1);
}
