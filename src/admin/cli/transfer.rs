//! `franking import` and `franking export`.

use std::io::Read;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, ValueEnum, ValueHint};

use crate::admin::office::{ExchangeFile, Failure, Request};
use crate::admin::transfer::{Form, read_bounded};
use crate::world::disk::open_regular;

/// Exchange shows a user without licence as no mailbox, so each that it shows had one.
const USUAL: &str = "ExchangeOnlinePlan1";

/// How a directory is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum FormName {
    /// TOML, for people.
    Toml,
    /// JSON, for programs.
    Json,
}

impl From<FormName> for Form {
    fn from(name: FormName) -> Self {
        match name {
            FormName::Toml => Self::Toml,
            FormName::Json => Self::Json,
        }
    }
}

/// `import`.
#[derive(Debug, Args)]
#[command(after_help = "\
A directory in TOML or JSON, as `franking export` writes it; entries change what they give and leave the rest. With \
--exchange, files that Exchange exports (CSV or JSON): several at once may speak of one recipient. Every entry that is \
refused is listed with its reason; the others go in, unless --all-or-nothing.

Exchange: Get-Recipient, Get-Mailbox, Get-CASMailbox, Get-User, Get-RecipientPermission, Get-MailboxPermission, \
Get-MailboxAutoReplyConfiguration, Get-AcceptedDomain, Get-RemoteDomain, Get-AuthenticationPolicy and \
Get-EmailAddressPolicy, with -ResultSize Unlimited and Export-Csv -Encoding UTF8

Examples:
  franking import contoso.toml --dry-run
  franking import contoso.json --all-or-nothing --licence ExchangeOnlinePlan1
  franking import --exchange mailboxes.csv permissions.csv domains.csv --add-domains")]
pub struct ImportArgs {
    /// The files; - is standard input
    #[arg(value_name = "FILE", required = true, value_hint = ValueHint::FilePath)]
    files: Vec<PathBuf>,
    /// The files are exports of Exchange
    #[arg(long)]
    exchange: bool,
    /// The form of standard input, or of files whose names do not tell
    #[arg(long, value_name = "FORM", conflicts_with = "exchange")]
    form: Option<FormName>,
    /// The licence of new user mailboxes that name none [default: ExchangeOnlinePlan1 with --exchange, else none]
    #[arg(long, visible_alias = "license", value_name = "LABEL")]
    licence: Option<String>,
    /// Accept every domain that a mailbox or group has an address in
    #[arg(long, requires = "exchange")]
    add_domains: bool,
    /// Change nothing if any entry is refused
    #[arg(long)]
    all_or_nothing: bool,
    /// Only say what would happen
    #[arg(long)]
    dry_run: bool,
}

/// `export`.
#[derive(Debug, Args)]
#[command(after_help = "\
Importing the export into an empty directory gives the same directory.

Exchange: Get-Recipient | Export-Csv

Examples:
  franking export
  franking export --form json --output contoso.json
  franking export --include-hashes --output contoso.toml")]
pub struct ExportArgs {
    /// The form [default: that of the output's name, else toml]
    #[arg(long, value_name = "FORM")]
    form: Option<FormName>,
    /// Write to this new file, which only its owner may read, instead of standard output
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) output: Option<PathBuf>,
    /// Write password hashes, too: whoever reads them can try to guess the passwords
    #[arg(long)]
    pub(super) include_hashes: bool,
}

impl ExportArgs {
    pub(super) fn form(&self, json: bool) -> Form {
        let by_name = || self.output.as_ref().and_then(|path| Form::of_file(&path.to_string_lossy()));
        let usual = if json { Form::Json } else { Form::Toml };
        self.form.map(Into::into).or_else(by_name).unwrap_or(usual)
    }
}

impl ImportArgs {
    /// Reads the files. Exchange's come in one request; directories in one for each.
    pub(super) fn requests(self, stdin: &mut dyn Read) -> Result<Vec<Request>, Failure> {
        let mut read = Vec::with_capacity(self.files.len());
        for path in &self.files {
            let name = path.display().to_string();
            let octets = if name == "-" {
                read_bounded(&mut *stdin, "standard input")
            } else {
                let file = open_regular(path)
                    .map_err(|error| Failure::not_found(format!("{name} cannot be opened: {error}")))?;
                read_bounded(file, &name)
            };
            read.push((name, octets.map_err(|error| Failure::refused(error.to_string()))?));
        }
        if self.exchange {
            let files = read
                .into_iter()
                .map(|(name, octets)| ExchangeFile { name, content: STANDARD.encode(octets) })
                .collect();
            return Ok(vec![Request::ImportExchange {
                files,
                licence: Some(self.licence.unwrap_or_else(|| USUAL.to_owned())).filter(|label| !label.is_empty()),
                add_domains: self.add_domains,
                all_or_nothing: self.all_or_nothing,
                dry_run: self.dry_run,
            }]);
        }
        let given = self.form.map(Form::from);
        let request = |(name, octets): (String, Vec<u8>)| {
            let form = given.or_else(|| Form::of_file(&name)).ok_or_else(|| {
                let failure = Failure::refused(format!("{name}: its name does not tell whether it is TOML or JSON."));
                failure.cured_by("add --form toml or --form json; for files of Exchange add --exchange")
            })?;
            let text = String::from_utf8(octets)
                .map_err(|_| Failure::refused(format!("{name} is not UTF-8; save it as UTF-8 text.")))?;
            Ok(Request::Import {
                name,
                form: form.to_string(),
                text,
                licence: self.licence.clone(),
                all_or_nothing: self.all_or_nothing,
                dry_run: self.dry_run,
            })
        };
        read.into_iter().map(request).collect()
    }
}
