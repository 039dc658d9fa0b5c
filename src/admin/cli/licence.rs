//! `franking licence`.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueHint};

use super::recipient::IdentityArgs;
use crate::admin::office::{Failure, FailureKind, LifeOrder, LifeQuestion, Request};

/// A file of names is read up to this many octets: a million addresses.
const FILE_BYTES_MAX: u64 = 64 << 20;
const USUAL: &str = "ExchangeOnlinePlan1";

/// Licences.
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:\n  franking licence assign dora@contoso.example")]
pub enum LicenceCommand {
    /// Assign a licence; a disconnected mailbox comes back, and who has none gets one
    #[command(after_help = "\
Exchange: Set-MsolUserLicense -AddLicenses, Set-MgUserLicense

Examples:
  franking licence assign dora@contoso.example
  franking licence assign info@contoso.example ExchangeOnlinePlan2
  franking licence assign --file leavers.txt --licence ExchangeOnlinePlan1")]
    Assign(LicenceArgs),
    /// Take a licence away; without any, a user mailbox is disconnected and kept for 30 days
    #[command(after_help = "\
Exchange: Set-MsolUserLicense -RemoveLicenses, Set-MgUserLicense

Examples:
  franking licence remove dora@contoso.example
  franking licence remove --file leavers.txt --licence ExchangeOnlinePlan1")]
    Remove(LicenceArgs),
    /// List the plans: what each gives, how many seats it has, and how many have it
    #[command(after_help = "\
Exchange: Get-MsolAccountSku, Get-MgSubscribedSku

Examples:
  franking licence plans
  franking licence plans --json")]
    Plans,
    /// Say how many accounts may have a licence
    #[command(after_help = "\
Exchange: Get-MsolAccountSku (ActiveUnits), which the vendor sets when it is paid

Examples:
  franking licence seats ExchangeOnlinePlan1 250
  franking licence seats ExchangeOnlinePlan1 unlimited")]
    Seats(SeatsArgs),
    /// Say who would lose what, before a licence is taken
    #[command(after_help = "\
Exchange: Get-MsolUser -All, with Licenses and the mailbox of each

Examples:
  franking licence report --remove ExchangeOnlinePlan1
  franking licence report --remove ExchangeOnlinePlan1 --file leavers.txt --json")]
    Report(ReportArgs),
    /// List mailboxes that are in use although their licence was taken
    #[command(after_help = "\
Exchange: Get-PendingDelicenseUser

Examples:
  franking licence pending")]
    Pending,
    /// End that time now
    #[command(after_help = "\
Exchange: Expedite-Delicensing

Examples:
  franking licence expedite dora@contoso.example")]
    Expedite(IdentityArgs),
}

/// `licence assign` and `licence remove`.
#[derive(Debug, Args)]
pub struct LicenceArgs {
    /// An address, a login or a name
    #[arg(value_name = "RECIPIENT", value_hint = ValueHint::EmailAddress)]
    #[arg(required_unless_present = "file", conflicts_with = "file")]
    identity: Option<String>,
    /// The licence's label [default: ExchangeOnlinePlan1]
    #[arg(value_name = "LABEL", conflicts_with = "file")]
    label: Option<String>,
    /// The same, where a file names the recipients
    #[arg(long, value_name = "LABEL", conflicts_with = "label")]
    licence: Option<String>,
    /// A file with a recipient on each line
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: Option<PathBuf>,
}

/// `licence seats`.
#[derive(Debug, Args)]
pub struct SeatsArgs {
    /// The licence's label
    #[arg(value_name = "LABEL")]
    label: String,
    /// How many, or "unlimited"
    #[arg(value_name = "COUNT", value_parser = count)]
    seats: Seats,
}

/// A number of seats, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seats(Option<u32>);

fn count(text: &str) -> Result<Seats, String> {
    if text.eq_ignore_ascii_case("unlimited") {
        return Ok(Seats(None));
    }
    text.parse().map(|seats| Seats(Some(seats))).map_err(|_| "give a number, or \"unlimited\"".to_owned())
}

/// `licence report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// The licence that would be taken
    #[arg(long, value_name = "LABEL")]
    remove: String,
    /// From those in this file only, a recipient on each line
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: Option<PathBuf>,
}

impl LicenceCommand {
    /// What the command asks, one thing after the other.
    ///
    /// # Errors
    /// Those of a file that it names.
    pub(super) fn requests(self) -> Result<Vec<Request>, Failure> {
        let (args, assign) = match self {
            Self::Assign(args) => (args, true),
            Self::Remove(args) => (args, false),
            Self::Plans => return Ok(vec![Request::LifeQuestion(LifeQuestion::Plans)]),
            Self::Seats(SeatsArgs { label, seats: Seats(seats) }) => {
                return Ok(vec![Request::Life(LifeOrder::Seats { label, seats })]);
            }
            Self::Report(args) => {
                let identities = args.file.as_deref().map(names).transpose()?.unwrap_or_default();
                return Ok(vec![Request::LifeQuestion(LifeQuestion::Report { label: args.remove, identities })]);
            }
            Self::Pending => return Ok(vec![Request::LifeQuestion(LifeQuestion::Pending)]),
            Self::Expedite(args) => return Ok(vec![Request::Life(LifeOrder::Expedite { identity: args.identity })]),
        };
        let licence = args.label.or(args.licence).unwrap_or_else(|| USUAL.to_owned());
        let identities = match &args.file {
            Some(file) => names(file)?,
            None => args.identity.into_iter().collect(),
        };
        let one = |identity| Request::Licence { identity, licence: licence.clone(), assign };
        Ok(identities.into_iter().map(one).collect())
    }
}

/// The lines of a file, without those that are empty or begin with `#`.
fn names(path: &Path) -> Result<Vec<String>, Failure> {
    let cannot = |error: &dyn core::fmt::Display| {
        Failure::new(FailureKind::NotFound, format!("{} cannot be read: {error}", path.display()))
    };
    let file = crate::world::disk::open_regular(path).map_err(|error| cannot(&error))?;
    let mut text = String::new();
    let mut file = std::io::Read::take(file, FILE_BYTES_MAX);
    std::io::Read::read_to_string(&mut file, &mut text).map_err(|error| cannot(&error))?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let names: Vec<String> = lines.map(str::to_owned).collect();
    if names.is_empty() {
        return Err(Failure::refused(format!("{} names nobody: give a recipient on each line.", path.display())));
    }
    Ok(names)
}
