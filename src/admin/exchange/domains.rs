//! Rows of `Get-AcceptedDomain`, `Get-RemoteDomain` and `Get-AuthenticationPolicy`.

use std::collections::HashMap;

use super::Import;
use super::table::{Row, Table};
use crate::model::directory::document::{AuthenticationPolicyEntry, DomainEntry, RecipientEntry, RemoteDomainEntry};
use crate::model::directory::{AllowedOofType, DomainType};
use crate::model::mail::Address;

impl Import {
    /// Takes the accepted domains of one file.
    pub(super) fn take_domains(&mut self, file: &str, table: &Table) {
        for row in table.rows() {
            let domain = row.text("DomainName").unwrap_or_default();
            match domain_entry(&row, domain) {
                Ok(entry) => self.document.domains.push(entry),
                Err(reason) => self.refuse(file, row.number(), domain, reason),
            }
        }
    }

    /// Takes the remote domains of one file.
    pub(super) fn take_remote_domains(&mut self, file: &str, table: &Table) {
        for row in table.rows() {
            let domain = row.text("DomainName").unwrap_or_default();
            match remote_domain_entry(&row, domain) {
                Ok(entry) => self.document.remote_domains.push(entry),
                Err(reason) => self.refuse(file, row.number(), domain, reason),
            }
        }
    }

    /// Takes the authentication policies of one file. Of all that they say, only SMTP is spoken here.
    pub(super) fn take_authentication_policies(&mut self, file: &str, table: &Table) {
        for row in table.rows() {
            let name = row.first_text(&["Name", "Identity"]).unwrap_or_default();
            match row.flag("AllowBasicAuthSmtp") {
                Ok(allow_basic_auth_smtp) => {
                    let entry = AuthenticationPolicyEntry { name: name.into(), allow_basic_auth_smtp };
                    self.document.authentication_policies.push(entry);
                }
                Err(reason) => self.refuse(file, row.number(), name, reason),
            }
        }
    }

    /// Accepts the domains that recipients of this system have addresses in.
    pub(super) fn add_domains(&mut self) {
        let known = self.document.domains.iter().map(|entry| entry.domain.to_lowercase());
        let mut known: HashMap<String, ()> = known.map(|domain| (domain, ())).collect();
        let mut added = Vec::new();
        let local = |entry: &&RecipientEntry| entry.recipient_type.is_some_and(|kind| !kind.is_external());
        for entry in self.document.recipients.iter().filter(local) {
            let aliases = entry.aliases.iter().flatten().filter(|alias| !alias.contains(':'));
            for address in aliases.chain([&entry.address]).filter_map(|text| Address::parse(text).ok()) {
                if known.insert(address.domain().to_string(), ()).is_none() {
                    added.push(plain_domain(&address.domain().to_string()));
                }
            }
        }
        self.document.domains.extend(added);
    }
}

fn plain_domain(domain: &str) -> DomainEntry {
    DomainEntry {
        domain: domain.into(),
        domain_type: None,
        match_subdomains: None,
        default: None,
        outbound_only: None,
        sending_from_disabled: None,
        sending_to_disabled: None,
        next_host: None,
    }
}

fn domain_entry(row: &Row<'_>, domain: &str) -> Result<DomainEntry, String> {
    let domain_type = match row.text("DomainType").unwrap_or_default() {
        "Authoritative" | "" | "0" => DomainType::Authoritative,
        "InternalRelay" | "2" => DomainType::InternalRelay,
        "ExternalRelay" | "1" => DomainType::ExternalRelay,
        _ => return Err("DomainType is none of Authoritative, InternalRelay and ExternalRelay".to_owned()),
    };
    Ok(DomainEntry {
        domain_type: Some(domain_type),
        match_subdomains: row.flag("MatchSubDomains")?,
        default: row.flag("Default")?,
        outbound_only: row.flag("OutboundOnly")?,
        sending_from_disabled: row.flag("SendingFromDomainDisabled")?,
        sending_to_disabled: row.flag("SendingToDomainDisabled")?,
        ..plain_domain(domain)
    })
}

/// `DomainName` is written as here: `*`, `*.fabrikam.example` or `fabrikam.example`.
fn remote_domain_entry(row: &Row<'_>, domain: &str) -> Result<RemoteDomainEntry, String> {
    let allowed_oof_type = match row.first_text(&["AllowedOOFType"]) {
        None => None,
        Some(text) => Some(text.parse::<AllowedOofType>().map_err(|error| format!("AllowedOOFType: {error}"))?),
    };
    Ok(RemoteDomainEntry {
        domain: domain.into(),
        auto_forward_enabled: row.flag("AutoForwardEnabled")?,
        allowed_oof_type,
        auto_reply_enabled: row.flag("AutoReplyEnabled")?,
        ndr_enabled: row.flag("NDREnabled")?,
        delivery_report_enabled: row.flag("DeliveryReportEnabled")?,
    })
}
