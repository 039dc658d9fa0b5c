//! `franking licence`.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueHint};

use super::recipient::IdentityArgs;
use crate::admin::office::{Failure, LifeOrder, LifeQuestion, PlanEdit, Request};
use crate::model::directory::{Cap, OwnLimit};
use crate::world::disk::read_regular;

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
  franking licence assign --file leavers.txt --licence ExchangeOnlinePlan1
  franking licence assign --unlicensed

With --file the others go on after a name that nobody has; --json then prints a line of JSON for each name, with its \
line in the file.")]
    Assign(AssignArgs),
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
    /// Say what a licence gives, and how many accounts may have it
    #[command(subcommand)]
    Plan(PlanCommand),
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
    #[arg(conflicts_with = "file")]
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

/// `licence assign`.
#[derive(Debug, Args)]
pub struct AssignArgs {
    /// The licence and who is to have it.
    #[command(flatten)]
    licence: LicenceArgs,
    /// To every user whose mailbox is in use without a licence
    #[arg(long, conflicts_with_all = ["identity", "label", "file"])]
    unlicensed: bool,
}

/// `licence plan`.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Exchange: Get-MsolAccountSku, Get-MgSubscribedSku

Examples:
  franking licence plan set ExchangeOnlinePlan1 --seats 250")]
pub enum PlanCommand {
    /// Say it; what is not given stays
    #[command(after_help = "\
A mailbox that has a licence and no quota of its own may hold as much as the best of its licences gives; it is warned \
at 98 % of that, and sends no more from 99 % on. Seats are counted for assignments and imports; nobody loses a licence.

Exchange: Get-MsolAccountSku (ActiveUnits), which the vendor sets when it is paid

Examples:
  franking licence plan set ExchangeOnlinePlan1 --seats 250
  franking licence plan set Archive --quota 200GB --features \"for those who keep everything\"
  franking licence plan set ExchangeOnlinePlan1 --seats unlimited --quota default")]
    Set(PlanArgs),
    /// Forget what was said of it: it is what its name says, and there is no number of seats
    #[command(after_help = "\
Exchange: has no such command

Examples:
  franking licence plan remove ExchangeOnlinePlan1")]
    Remove(LabelArgs),
}

/// `licence plan set`.
#[derive(Debug, Args)]
#[group(required = true, multiple = true, args = ["seats", "quota", "features"])]
pub struct PlanArgs {
    /// The licence's label
    #[arg(value_name = "LABEL")]
    label: String,
    /// How many accounts may have it, or "unlimited"
    #[arg(long, value_name = "COUNT")]
    seats: Option<Cap>,
    /// What a mailbox may hold with it, such as 50GB; "unlimited"; or "default" for what its name says
    #[arg(long, value_name = "SIZE")]
    quota: Option<OwnLimit>,
    /// What it gives besides, for people; empty for nothing
    #[arg(long, value_name = "TEXT")]
    features: Option<String>,
}

/// `licence plan remove`.
#[derive(Debug, Args)]
pub struct LabelArgs {
    /// The licence's label
    #[arg(value_name = "LABEL")]
    label: String,
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

impl PlanCommand {
    fn edit(self) -> PlanEdit {
        match self {
            Self::Set(PlanArgs { label, seats, quota, features }) => {
                PlanEdit { label, forget: false, seats, quota, features }
            }
            Self::Remove(LabelArgs { label }) => PlanEdit { label, forget: true, ..PlanEdit::default() },
        }
    }
}

impl LicenceCommand {
    /// What the command asks, one thing after the other, and the line of the file that asks for it.
    ///
    /// # Errors
    /// Those of a file that it names.
    pub(super) fn requests(self) -> Result<Vec<(Option<usize>, Request)>, Failure> {
        let one = |request| Ok(vec![(None, request)]);
        let (args, assign) = match self {
            Self::Assign(AssignArgs { licence, unlicensed: true }) => {
                let label = licence.licence.unwrap_or_else(|| USUAL.to_owned());
                return one(Request::Life(LifeOrder::LicenseAll { label }));
            }
            Self::Assign(AssignArgs { licence, unlicensed: false }) => (licence, true),
            Self::Remove(args) => (args, false),
            Self::Plans => return one(Request::LifeQuestion(LifeQuestion::Plans)),
            Self::Plan(own) => return one(Request::Life(LifeOrder::Plan(own.edit()))),
            Self::Report(args) => {
                let named = args.file.as_deref().map(names).transpose()?.unwrap_or_default();
                let (lines, identities) = named.into_iter().unzip();
                return one(Request::LifeQuestion(LifeQuestion::Report { label: args.remove, identities, lines }));
            }
            Self::Pending => return one(Request::LifeQuestion(LifeQuestion::Pending)),
            Self::Expedite(args) => return one(Request::Life(LifeOrder::Expedite { identity: args.identity })),
        };
        let licence = args.label.or(args.licence).unwrap_or_else(|| USUAL.to_owned());
        let of = |identity| Request::Licence { identity, licence: licence.clone(), assign };
        match (&args.file, args.identity) {
            (Some(file), _) => Ok(names(file)?.into_iter().map(|(line, name)| (Some(line), of(name))).collect()),
            (None, Some(identity)) => one(of(identity)),
            (None, None) => {
                let failure = Failure::refused("Name a recipient, or a file of them with --file.");
                Err(failure.cured_by("franking licence assign --help"))
            }
        }
    }
}

/// The lines of a file with their numbers, without those that are empty or begin with `#`.
fn names(path: &Path) -> Result<Vec<(usize, String)>, Failure> {
    let cannot =
        |error: &dyn core::fmt::Display| Failure::not_found(format!("{} cannot be read: {error}", path.display()));
    let octets = read_regular(path, FILE_BYTES_MAX).map_err(|error| cannot(&error))?;
    let text = String::from_utf8(octets).map_err(|_| cannot(&"it is not UTF-8"))?;
    let lines = (1..).zip(text.lines().map(str::trim));
    let named = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let names: Vec<(usize, String)> = named.map(|(number, line)| (number, line.to_owned())).collect();
    if names.is_empty() {
        return Err(Failure::refused(format!("{} names nobody: give a recipient on each line.", path.display())));
    }
    Ok(names)
}
