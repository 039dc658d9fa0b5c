//! A new server: a commented configuration, a data directory, an administrator, and the DNS records to set.
//!
//! Nothing is overwritten. The configuration is read back by the very parser that the server uses before anything
//! else is made, so `init` never leaves one behind that `serve` refuses.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::cli::Premises;
use super::office::{self, DomainEdit, Failure, RecipientEdit, Request, Response, Secret};
use crate::config::Config;
use crate::model::directory::RecipientType;
use crate::model::directory::document::OrganisationEntry;
use crate::model::mail::{Address, Domain};
use crate::model::policy::Profile;

/// The configuration file's name.
pub const CONFIG_NAME: &str = "franking.toml";
const TEMPLATE: &str = include_str!("init/franking.toml");

/// What to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The first accepted domain.
    pub domain: String,
    /// Where the configuration goes.
    pub directory: PathBuf,
    /// Where mail, queue and directory go; `data` below [`Options::directory`] unless given. Absolute.
    pub data: Option<PathBuf>,
    /// The server's name; `mail.` and the domain unless given.
    pub hostname: Option<String>,
    /// The administrator's address; `admin` at the domain unless given.
    pub administrator: Option<String>,
    /// Whose semantics.
    pub profile: Profile,
}

/// A DNS record to set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnsRecord {
    /// The name, with its final dot.
    pub name: String,
    /// The type.
    #[serde(rename = "type")]
    pub kind: String,
    /// The value.
    pub value: String,
    /// What it is for.
    pub purpose: String,
}

/// What was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InitReport {
    /// The configuration file.
    pub configuration: PathBuf,
    /// The data directory.
    pub data: PathBuf,
    /// The administrator's address, which is the login.
    pub administrator: String,
    /// The administrator's password, shown this once.
    pub password: Option<Secret>,
    /// DNS records to set.
    pub records: Vec<DnsRecord>,
    /// What to know and to do next.
    pub notes: Vec<String>,
}

/// Makes a new server.
///
/// # Errors
/// `Refused` for names that are none and for files that are already there, `Unavailable` when the disk fails.
pub fn init(options: &Options, premises: &dyn Premises) -> Result<InitReport, Failure> {
    let names = Names::judge(options)?;
    let text = configuration(&names, options)?;
    super::backup::make_directory(&options.directory)?;
    let path = options.directory.join(CONFIG_NAME);
    let config = Config::parse(&text, &path)
        .map_err(|errors| Failure::refused(format!("the configuration would not be accepted: {errors}")))?;
    refuse_overwriting(&path, &config.data)?;
    write_new(&path, &text)?;
    super::backup::make_directory(&config.data)?;
    let office = premises.open(&config, Some(&path))?;
    let password = populate(&office, &names)?;
    Ok(InitReport {
        configuration: path,
        data: config.data,
        administrator: names.administrator.to_string(),
        password,
        records: records(&names),
        notes: notes(&names, options),
    })
}

struct Names {
    domain: Domain,
    hostname: Domain,
    administrator: Address,
}

impl Names {
    fn judge(options: &Options) -> Result<Self, Failure> {
        let parse = |what: &str, text: &str| {
            let parsed = Domain::parse(text.trim()).ok().filter(|domain| domain.name().is_some());
            let shown: String = text.chars().take(80).collect();
            parsed.ok_or_else(|| Failure::refused(format!("{what}: \"{shown}\" is no domain; write contoso.example")))
        };
        let domain = parse("--domain", &options.domain)?;
        let hostname = match &options.hostname {
            Some(text) => parse("--hostname", text)?,
            None => parse("--hostname", &format!("mail.{domain}"))?,
        };
        let default = format!("admin@{domain}");
        let text = options.administrator.as_deref().unwrap_or(&default);
        let administrator = office::identity::address("--administrator", text)?;
        if *administrator.domain() != domain {
            return Err(Failure::refused(format!("--administrator: {administrator} must be an address of {domain}")));
        }
        Ok(Self { domain, hostname, administrator })
    }
}

fn refuse_overwriting(path: &Path, data: &Path) -> Result<(), Failure> {
    if path.exists() {
        let failure = Failure::refused(format!("{} is already there, and init overwrites nothing.", path.display()));
        return Err(failure.cured_by(format!("franking --config {} check", path.display())));
    }
    let used = std::fs::read_dir(data).is_ok_and(|mut entries| entries.next().is_some());
    if used {
        let failure = Failure::refused(format!("{} already holds data of a server.", data.display()));
        return Err(failure.cured_by("give another place with --data, or move the data away"));
    }
    Ok(())
}

fn write_new(path: &Path, text: &str) -> Result<(), Failure> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let written =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(0o640).open(path).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        });
    written.map_err(|error| Failure::unavailable(format!("cannot write {}: {error}", path.display())))
}

/// The commented configuration. Of its variable parts names were parsed and hold no quotes, and the path is quoted.
fn configuration(names: &Names, options: &Options) -> Result<String, Failure> {
    let data = options.data.as_deref().unwrap_or_else(|| Path::new("data"));
    let data = data.to_str().ok_or_else(|| Failure::refused("--data: the path must be UTF-8, as TOML is."))?;
    let profile = match options.profile {
        Profile::ExchangeOnline => "exchange-online",
        Profile::ExchangeServer => "exchange-server",
    };
    let text = TEMPLATE.replace("{hostname}", &names.hostname.to_string()).replace("{profile}", profile);
    // Last, since a path may hold anything.
    Ok(text.replace("\"{data}\"", &toml::Value::from(data).to_string()))
}

/// The domain, the administrator with the postmaster's address, and settings that suit a new server.
fn populate(office: &office::Office, names: &Names) -> Result<Option<Secret>, Failure> {
    let domain = names.domain.to_string();
    let edit = RecipientEdit {
        display_name: Some("Administrator".to_owned()),
        add_aliases: ["postmaster", "abuse"].map(|local| format!("{local}@{domain}")).to_vec(),
        licences: Some(vec!["ExchangeOnlinePlan1".to_owned()]),
        ..RecipientEdit::default()
    };
    let requests = [
        Request::OrganisationSet(OrganisationEntry { name: Some(domain.as_str().into()), ..Default::default() }),
        Request::DomainPut { edit: DomainEdit { domain, default: Some(true), ..Default::default() }, new: true },
        Request::RecipientNew {
            address: names.administrator.to_string(),
            recipient_type: RecipientType::UserMailbox,
            edit: Box::new(edit),
            password: None,
        },
    ];
    let mut shown = None;
    for request in requests {
        match office::handle(office, "init", request, &mut |_| {}) {
            Response::Failed(failure) => return Err(failure),
            Response::Done { password, .. } => shown = password.or(shown),
            _ => {}
        }
    }
    Ok(shown)
}

fn records(names: &Names) -> Vec<DnsRecord> {
    let (domain, host) = (&names.domain, &names.hostname);
    let record = |name: String, kind: &str, value: String, purpose: &str| DnsRecord {
        name,
        kind: kind.to_owned(),
        value,
        purpose: purpose.to_owned(),
    };
    vec![
        record(format!("{host}."), "A", "<IPv4 address of this server>".to_owned(), "finds this server"),
        record(format!("{host}."), "AAAA", "<IPv6 address, if it has one>".to_owned(), "finds this server by IPv6"),
        record(format!("{domain}."), "MX", format!("10 {host}."), "brings mail here"),
        record(
            format!("{domain}."),
            "TXT",
            "\"v=spf1 mx -all\"".to_owned(),
            "says that only this server sends for the domain",
        ),
        record(
            format!("_dmarc.{domain}."),
            "TXT",
            format!("\"v=DMARC1; p=quarantine; rua=mailto:postmaster@{domain}\""),
            "asks others to distrust what fails SPF, and to report it",
        ),
        record(
            format!("_submissions._tcp.{domain}."),
            "SRV",
            format!("0 1 465 {host}."),
            "lets clients find port 465 (RFC 8314)",
        ),
        record(
            format!("_submission._tcp.{domain}."),
            "SRV",
            format!("5 1 587 {host}."),
            "lets clients find port 587 (RFC 6186)",
        ),
        record(
            "<reverse name of the address>".to_owned(),
            "PTR",
            format!("{host}."),
            "set by whoever gave you the address; many servers refuse mail without it",
        ),
    ]
}

fn notes(names: &Names, options: &Options) -> Vec<String> {
    let config = options.directory.join(CONFIG_NAME);
    let config = config.display();
    let licences = "A user's mailbox needs a licence in this profile: one that is imported without cannot be used. \
                    franking import --dry-run and franking check say how many those are; \
                    franking licence assign --unlicensed cures it.";
    let cloud = matches!(options.profile, Profile::ExchangeOnline);
    let mut notes = vec![
        "Messages are not signed with DKIM yet: other servers judge yours by SPF alone, so keep the TXT record right."
            .to_owned(),
        "Mailboxes may not forward to other domains until you permit it, as in the cloud: \
         franking organisation set --auto-forwarding on"
            .to_owned(),
        format!(
            "Clients see a certificate that nobody trusts until there is one for {}, by [acme] or under [tls].",
            names.hostname
        ),
    ];
    notes.extend(cloud.then(|| licences.to_owned()));
    notes.extend(
        ["Next: ", "Then: "]
            .into_iter()
            .zip(["check", "serve"])
            .map(|(when, what)| format!("{when}franking --config {config} {what}")),
    );
    notes
}

#[cfg(test)]
mod tests;
