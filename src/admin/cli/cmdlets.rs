//! `franking cmdlets` and `franking help`: which command does what an Exchange cmdlet does. Everything is read from the
//! pages of help themselves, so that it cannot say anything else than they do.

use clap::{Args, Command, CommandFactory as _};
use serde::Serialize;

use super::Cli;
use super::output::table;
use super::run::Desk;
use crate::admin::office::Failure;

/// What the pages name besides cmdlets of Exchange.
const OF_POWERSHELL: [&str; 2] = ["Export-Csv", "ConvertTo-Json"];

/// `cmdlets`.
#[derive(Debug, Args)]
#[command(after_help = "\
Exchange: Get-Command -Module ExchangeOnlineManagement

Examples:
  franking cmdlets
  franking cmdlets forward
  franking cmdlets Set-Mailbox")]
pub struct CmdletsArgs {
    /// Only those with this in their name, in the command or in what it does
    #[arg(value_name = "WORD")]
    pub(super) word: Option<String>,
}

/// `help`.
#[derive(Debug, Args)]
#[command(after_help = "\
Exchange: Get-Help Set-Mailbox

Examples:
  franking help recipient set
  franking help Set-Mailbox")]
pub struct HelpArgs {
    /// A command, or a cmdlet of Exchange
    #[arg(value_name = "COMMAND|CMDLET")]
    pub(super) words: Vec<String>,
}

/// A cmdlet and a command that does what it does.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct Cmdlet {
    pub(super) cmdlet: String,
    /// With `franking` before it.
    pub(super) command: String,
    /// What the command does.
    pub(super) about: String,
}

/// Every pair, by cmdlet and command.
pub(super) fn all() -> Vec<Cmdlet> {
    let mut found = Vec::new();
    collect(&Cli::command(), "", &mut found);
    found.sort();
    found.dedup();
    found
}

fn collect(command: &Command, before: &str, found: &mut Vec<Cmdlet>) {
    let path = format!("{before}{}", command.get_name());
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let named = help.split("\n\n").filter_map(|part| part.trim().strip_prefix("Exchange: "));
    for cmdlet in named.flat_map(str::split_whitespace).filter_map(cmdlet) {
        found.push(Cmdlet { cmdlet: cmdlet.to_owned(), command: path.clone(), about: about.clone() });
    }
    command.get_subcommands().for_each(|below| collect(below, &format!("{path} "), found));
}

/// A word that has the form of a cmdlet: a verb, a hyphen and a noun, both in capitals at their beginning.
fn cmdlet(word: &str) -> Option<&str> {
    let name = word.trim_matches(|character: char| !character.is_ascii_alphanumeric());
    let (verb, noun) = name.split_once('-')?;
    let begins = |text: &str| text.starts_with(|first: char| first.is_ascii_uppercase());
    let letters = |text: &str| text.bytes().all(|octet| octet.is_ascii_alphanumeric());
    (begins(verb) && begins(noun) && letters(verb) && letters(noun) && !OF_POWERSHELL.contains(&name)).then_some(name)
}

impl Desk<'_> {
    /// Lists cmdlets with the commands that do what they do.
    ///
    /// # Errors
    /// `NotFound` when none has the word.
    pub(super) fn cmdlets(&mut self, word: Option<&str>) -> Result<u8, Failure> {
        let word = word.unwrap_or_default().to_lowercase();
        let has = |own: &Cmdlet| {
            [&own.cmdlet, &own.command, &own.about].iter().any(|text| text.to_lowercase().contains(&word))
        };
        let found: Vec<Cmdlet> = all().into_iter().filter(has).collect();
        if found.is_empty() {
            let shown: String = word.chars().take(80).collect();
            let failure = Failure::not_found(format!("No command here does what \"{shown}\" does."));
            return Err(failure.cured_by("franking cmdlets"));
        }
        let row = |own: &Cmdlet| vec![own.cmdlet.clone(), own.command.clone(), own.about.clone()];
        let text = table(&["CMDLET", "COMMAND", "WHAT IT DOES"], &found.iter().map(row).collect::<Vec<_>>());
        self.show(&found, &text);
        Ok(0)
    }

    /// Prints the page of a command, or finds the command for a cmdlet.
    ///
    /// # Errors
    /// `NotFound` when there is neither.
    pub(super) fn help(&mut self, words: &[String]) -> Result<u8, Failure> {
        let mut root = Cli::command();
        root.build();
        let mut command = &root;
        for (place, word) in words.iter().enumerate() {
            command = match command.find_subcommand(word.to_lowercase()) {
                Some(below) => below,
                None if place == 0 => return self.cmdlets(Some(word)),
                None => {
                    let failure = Failure::not_found(format!("There is no command \"{}\".", words.join(" ")));
                    return Err(failure.cured_by(format!("franking cmdlets {word}")));
                }
            };
        }
        let page = command.clone().render_help().to_string();
        self.print(&format!("{page}\n"));
        Ok(0)
    }
}
