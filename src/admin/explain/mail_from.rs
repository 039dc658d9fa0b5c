//! MAIL FROM: may the account use the address, and on port 25: is there a connector for the client?

use core::net::{IpAddr, Ipv4Addr};

use super::{Session, cure};
use crate::model::mail::{Address, ReversePath};
use crate::model::policy::connector::{
    self, Client, ClientCertificate, DOMAIN_RULE, Fingerprint, SENDERS_RULE, Scope, Vouched,
};
use crate::model::policy::domain_switch;
use crate::model::policy::sign_in::may_submit;
use crate::model::policy::{Refusal, Rule, Sender, SignedIn, authorship};
use crate::model::smtp::replies::Answer;

impl Session<'_> {
    /// MAIL FROM: who the sender turns out to be on port 25, and the reverse-path.
    pub(super) fn mail(&mut self, sender: Sender) -> Option<(Sender, ReversePath)> {
        let given = match (&self.query.from, &sender) {
            (Some(text), _) => text.trim().to_owned(),
            (None, Sender::Account(signed_in)) => {
                let account = self.snapshot.recipient(signed_in.account());
                account.map_or_else(|| signed_in.login().to_string(), |account| account.primary().to_string())
            }
            (None, Sender::Anonymous | Sender::System | Sender::Connector(_)) => String::new(),
        };
        let command = format!("MAIL FROM:<{given}>");
        let path = match Address::parse(&given) {
            _ if given.is_empty() => ReversePath::Null,
            Ok(address) => ReversePath::Mailbox(address),
            Err(_) => {
                self.refuse(command, Vec::new(), &Refusal::InvalidSenderAddress, Vec::new());
                return None;
            }
        };
        let mut trail = Vec::new();
        let judged = match &sender {
            Sender::Account(signed_in) => self.may_use(signed_in, &path, &mut trail).map(|()| sender.clone()),
            Sender::Anonymous | Sender::System | Sender::Connector(_) => self.client_sender(&path, &mut trail),
        };
        let permitted =
            judged.and_then(|sender| domain_switch::reverse_path(self.snapshot, &path, &mut trail).map(|()| sender));
        match permitted {
            Ok(sender) => {
                self.connector = sender.vouched().map(|vouched| vouched.connector().name.to_string());
                let outcome = sender.vouched().map(in_words).into_iter().collect();
                self.close(command, trail, Some(Answer::SenderOk), outcome);
                Some((sender, path))
            }
            Err(refusal) => {
                let mut cures =
                    self.device_cures(&trail, None).unwrap_or_else(|| self.cures_of_sender(&refusal, &sender));
                cures.extend(self.connector_cures(&refusal, &sender, &path));
                self.refuse(command, trail, &refusal, cures);
                None
            }
        }
    }

    /// Who a client of port 25 is, by the connectors.
    fn client_sender(&self, path: &ReversePath, trail: &mut Vec<Rule>) -> Result<Sender, Refusal> {
        let certificate = self.certificate();
        let client = self.client(certificate.as_ref());
        connector::sender(self.snapshot, self.settings, &client, path, trail)
    }

    fn client<'certificate>(&self, certificate: Option<&'certificate ClientCertificate>) -> Client<'certificate> {
        // Who is not said to be anywhere is in no network that anybody would name.
        let peer = self.query.peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        Client { peer, has_tls: self.query.tls || certificate.is_some(), certificate }
    }

    /// The certificate that is asked about, good in every respect.
    fn certificate(&self) -> Option<ClientCertificate> {
        let (name, fingerprint) = (self.query.certificate.as_deref(), self.query.fingerprint.as_deref());
        if name.is_none() && fingerprint.is_none() {
            return None;
        }
        let mut vouched_by: Vec<_> = self.settings.connectors.authorities().cloned().collect();
        vouched_by.dedup();
        Some(ClientCertificate {
            fingerprint: fingerprint.and_then(|text| text.trim().parse().ok()).unwrap_or(Fingerprint([0; 32])),
            names: name.and_then(|text| text.trim().parse().ok()).into_iter().collect(),
            vouched_by: if name.is_some() { vouched_by } else { Vec::new() },
        })
    }

    /// What a connector would have to say for the client to be let through.
    pub(super) fn connector_cures(&self, refusal: &Refusal, sender: &Sender, path: &ReversePath) -> Vec<String> {
        if matches!(sender, Sender::Account(_)) {
            return Vec::new();
        }
        let connectors = &self.settings.connectors;
        let certificate = self.certificate();
        let found = connectors.find(&self.client(certificate.as_ref())).map(|(own, _)| own.name.to_string());
        let partner = connectors.partner_of(path).map(|partner| partner.name.to_string());
        let name = found.clone().or(partner).unwrap_or_default();
        match refusal {
            Refusal::TlsRequired => vec![
                "let the client use STARTTLS, or ask again with --tls".to_owned(),
                format!("or in franking.toml, for the connector {name}: require_tls = false"),
            ],
            Refusal::PartnerRestricted => {
                vec![format!(
                    "in franking.toml, for the connector {name}: add the client to its networks or certificates"
                )]
            }
            Refusal::RelayRefused if sender.vouched().is_some() => {
                vec![format!(
                    "in franking.toml, for the connector {name}: recipients = \"anyone\", or a list of domains"
                )]
            }
            Refusal::RelayRefused => self.unvouched(found, path),
            _ => Vec::new(),
        }
    }

    /// Why no connector vouched for the client, as a cure.
    fn unvouched(&self, found: Option<String>, path: &ReversePath) -> Vec<String> {
        let Some(name) = found else {
            let peer = self.query.peer.map_or_else(|| "192.168.10.7".to_owned(), |peer| peer.to_string());
            return vec![format!(
                "or in franking.toml: [[connector]] with networks = [\"{peer}\"] and recipients = \"anyone\""
            )];
        };
        let mut trail = Vec::new();
        // Only for its trail: what it decides is known.
        let _ = self.client_sender(path, &mut trail);
        let lacks = |question| trail.iter().any(|rule| rule.question == question && !rule.held);
        if lacks(SENDERS_RULE) {
            return vec![format!("in franking.toml, for the connector {name}: add <{path}> to its senders")];
        }
        if lacks(DOMAIN_RULE) {
            return vec![format!(
                "the connector {name} leads outside for senders in accepted domains: franking domain list"
            )];
        }
        Vec::new()
    }

    /// What MAIL FROM judges; the right to the address only where it is refused early (decision D1).
    fn may_use(&self, signed_in: &SignedIn, path: &ReversePath, trail: &mut Vec<Rule>) -> Result<(), Refusal> {
        may_submit(self.snapshot, self.settings, signed_in, self.now, trail)?;
        if self.settings.refuse_early {
            authorship::envelope(self.snapshot, self.settings, signed_in, path, trail)?;
        }
        Ok(())
    }

    fn cures_of_sender(&self, refusal: &Refusal, sender: &Sender) -> Vec<String> {
        match sender {
            Sender::Account(signed_in) => {
                let account = self.snapshot.recipient(signed_in.account()).map(|account| &**account);
                let mut cures = cure::send_as(self.snapshot, refusal);
                cures.extend(cure::sign_in(self.snapshot, refusal, account, &signed_in.login().to_string()));
                cures
            }
            Sender::Anonymous | Sender::System | Sender::Connector(_) => cure::send_as(self.snapshot, refusal),
        }
    }
}

/// What a connector's word is worth.
fn in_words(vouched: &Vouched) -> String {
    let connector = vouched.connector();
    let inside = if vouched.is_internal() { ", as authenticated" } else { "" };
    let scope = match &connector.recipients {
        Scope::Inside => "recipients inside".to_owned(),
        Scope::Anyone => "anybody".to_owned(),
        Scope::Domains(domains) => {
            let domains: Vec<String> = domains.iter().map(ToString::to_string).collect();
            format!("recipients inside and in {}", domains.join(", "))
        }
    };
    format!("the connector {} vouches for the client{inside}: it may write to {scope}", connector.name)
}
