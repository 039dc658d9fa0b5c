//! One attempt at a certificate: account, order, proofs, request, certificate. Each gift of the authority is kept
//! before the next step, and what an earlier attempt kept is gone on with.

use std::sync::Arc;

use super::{Keeper, Outlook};
use crate::model::mail::Timestamp;
use crate::store::acme::{KeptAccount, KeptCertificate, KeptOrder};
use crate::world::acme::{
    Account, AccountKey, Binding, CertificateId, Obstacle, Order, Stage, Trouble, certificate_key, certificate_request,
    sign_in, sign_up, sign_up_bound,
};
use crate::world::offload;
use crate::world::tls::inspect;

impl Keeper {
    /// Gets a certificate and shows it; its last instant.
    pub(super) async fn attempt(
        self: &Arc<Self>,
        outlook: &Outlook,
        say: &(dyn Fn(&'static str) + Send + Sync),
    ) -> Result<Timestamp, Trouble> {
        say("asking the authority for the account");
        let account = self.account().await?;
        let (mut order, key) = match self.resumed(&account, outlook).await? {
            Some(resumed) => {
                say("going on with the order that was under way");
                resumed
            }
            None => {
                say("ordering a certificate");
                self.ordered(&account, outlook).await?
            }
        };
        let outcome = self.obtained(&mut order, &key, say).await;
        if let Err(Trouble { obstacle: Obstacle::OrderGone, .. }) = outcome {
            self.on_disk(|files| files.keep_order(None)).await?;
        }
        let (certificate, not_after) = outcome?;
        self.on_disk(move |files| {
            files.keep_certificate(&certificate)?;
            files.keep_order(None)
        })
        .await?;
        let own = Arc::clone(self);
        let adopted = offload(move || {
            let paths = own.parts.files.certificate_paths();
            own.parts.certificates.adopt(&paths, own.parts.stand_in.as_ref())
        });
        match adopted.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(Trouble::here(error.to_string(), "")),
            Err(error) => return Err(Trouble::here(error.to_string(), "")),
        }
        let names = self.names.join(", ");
        tracing::info!(%names, %not_after, directory = %self.directory, "a new certificate by ACME is in use");
        Ok(not_after)
    }

    /// From an order to a certificate that is good.
    async fn obtained(
        &self,
        order: &mut Order,
        key: &str,
        say: &(dyn Fn(&'static str) + Send + Sync),
    ) -> Result<(KeptCertificate, Timestamp), Trouble> {
        if order.stage() == Stage::Unproved {
            say("showing the proofs of the names");
            order.prove(self.parts.config.challenge, &self.parts.challenges).await?;
        }
        if order.stage() == Stage::Proved {
            say("sending the request");
            order.request(&certificate_request(&self.names, key)?).await?;
        }
        say("waiting for the certificate");
        let chain = order.certificate().await?;
        let certificate = KeptCertificate::new(&self.directory, key, &chain);
        let not_after = self.judge(&certificate)?;
        Ok((certificate, not_after))
    }

    /// Whether what came is what was ordered; its last instant. An order that gave something else is worth nothing, but
    /// one whose certificate is only too early or too late for this server's clock stands.
    fn judge(&self, certificate: &KeptCertificate) -> Result<Timestamp, Trouble> {
        let gone = |what: String| Trouble {
            obstacle: Obstacle::OrderGone,
            ..Trouble::here(format!("the authority gave no certificate that can be used: {what}"), "it is tried again")
        };
        let path = self.parts.files.certificate_paths().certificate;
        let facts = inspect(&certificate.octets, &path).map_err(|error| gone(error.to_string()))?;
        if let Some(lacking) = self.names.iter().find(|name| !facts.names.contains(name)) {
            return Err(gone(format!("it is not for {lacking}")));
        }
        let now = self.parts.clock.now();
        if now < facts.validity.not_before || now > facts.validity.not_after {
            let (from, until) = (facts.validity.not_before, facts.validity.not_after);
            let what = format!("the new certificate is good from {from} to {until}, and here it is {now}");
            return Err(Trouble::here(what, "set the system clock"));
        }
        Ok(facts.validity.not_after)
    }

    /// The order of an earlier attempt, unless it came to its end; with the key of its certificate.
    async fn resumed(&self, account: &Account, outlook: &Outlook) -> Result<Option<(Order, String)>, Trouble> {
        let Some(kept) = self.on_disk(|files| files.order()).await? else { return Ok(None) };
        let is_wanted = kept.account == account.address() && kept.names == self.names;
        let is_done = outlook.kept.as_ref().is_some_and(|certificate| certificate.has_key(&kept.key));
        if is_wanted && !is_done {
            match account.resume(&kept.address).await {
                Ok(mut order) => {
                    if order.stage() != Stage::Failed {
                        return Ok(Some((order, kept.key)));
                    }
                }
                // The authority does not know it any more, or not from us.
                Err(trouble) if trouble.is_final() => {
                    tracing::debug!(%trouble, "the order that was under way is given up");
                }
                Err(trouble) => return Err(trouble),
            }
        }
        self.on_disk(|files| files.keep_order(None)).await?;
        Ok(None)
    }

    /// A new order, kept with the key of its certificate before anything is done about it.
    async fn ordered(&self, account: &Account, outlook: &Outlook) -> Result<(Order, String), Trouble> {
        let replaced = outlook.kept.as_ref().filter(|kept| self.window(kept).is_some());
        let replaced = replaced.and_then(|kept| CertificateId::of_pem(&kept.octets));
        let order = match account.order(&self.names, replaced.as_ref()).await {
            Err(trouble) if trouble.obstacle == Obstacle::AccountGone => {
                self.forget_account().await?;
                return Err(trouble);
            }
            outcome => outcome?,
        };
        let key = certificate_key()?.to_string();
        let kept = KeptOrder {
            address: order.address().to_owned(),
            account: account.address().to_owned(),
            names: self.names.clone(),
            key: key.clone(),
        };
        self.on_disk(move |files| files.keep_order(Some(&kept))).await?;
        Ok((order, key))
    }

    /// The account that is there, without making one.
    pub(super) async fn known_account(&self) -> Result<Option<Account>, Trouble> {
        let Some(kept) = self.kept_account().await? else { return Ok(None) };
        let (Some(key), Some(address)) = (AccountKey::from_text(&kept.key), &kept.address) else { return Ok(None) };
        let (http, directory) = (&self.parts.http, &self.parts.config.directory);
        sign_in(http, directory, &key, address, self.parts.pace).await.map(Some)
    }

    async fn kept_account(&self) -> Result<Option<KeptAccount>, Trouble> {
        let directory = self.directory.clone();
        let kept = self.on_disk(move |files| files.account(&directory)).await?;
        // An account that is bound otherwise is another one.
        Ok(kept.filter(|kept| kept.external_account == self.external_id()))
    }

    fn external_id(&self) -> Option<String> {
        self.parts.config.external_account.as_ref().map(|external| external.key_id.clone())
    }

    fn contact(&self) -> Vec<String> {
        self.parts.config.contact.iter().map(|address| format!("mailto:{address}")).collect()
    }

    async fn keep(&self, account: &KeptAccount) -> Result<(), Trouble> {
        let account = account.clone();
        self.on_disk(move |files| files.keep_account(&account)).await
    }

    /// Makes the address unknown; the key stays, so that the authority may know it again.
    async fn forget_account(&self) -> Result<(), Trouble> {
        match self.kept_account().await? {
            Some(kept) => self.keep(&KeptAccount { address: None, ..kept }).await,
            None => Ok(()),
        }
    }

    /// The account at the authority; a new one where there is none.
    async fn account(&self) -> Result<Account, Trouble> {
        let (http, directory, contact) = (&self.parts.http, &self.parts.config.directory, self.contact());
        let mut kept = match self.kept_account().await? {
            Some(kept) => kept,
            None => self.new_account().await?,
        };
        let damaged = || Trouble::here("the key of the account is damaged", "move acme/account-….json away");
        let key = AccountKey::from_text(&kept.key).ok_or_else(damaged)?;
        let address = match (&kept.address, &self.parts.config.external_account) {
            (Some(address), _) => address.clone(),
            (None, None) => {
                let address = sign_up(http, directory, &key, &contact).await?;
                kept = KeptAccount { address: Some(address.clone()), contact: contact.clone(), ..kept };
                self.keep(&kept).await?;
                address
            }
            (None, Some(_)) => {
                kept = self.new_account().await?;
                kept.address.clone().unwrap_or_default()
            }
        };
        let key = AccountKey::from_text(&kept.key).unwrap_or(key);
        let account = sign_in(http, directory, &key, &address, self.parts.pace).await?;
        if kept.contact != contact {
            match account.tell_contact(&contact).await {
                Err(trouble) if trouble.obstacle == Obstacle::AccountGone => {
                    self.forget_account().await?;
                    return Err(trouble);
                }
                told => told?,
            }
            self.keep(&KeptAccount { contact, ..kept }).await?;
        }
        Ok(account)
    }

    /// What is kept of a new account: its key alone, before the authority hears of it; or all of one that is bound.
    async fn new_account(&self) -> Result<KeptAccount, Trouble> {
        let contact = self.contact();
        let (key, address) = match &self.parts.config.external_account {
            None => (AccountKey::generate()?, None),
            Some(external) => {
                let source = external.key.clone();
                let read = offload(move || source.read()).await;
                let secret = match read {
                    Ok(Ok(secret)) => secret,
                    Ok(Err(error)) => {
                        let cure = "put the HMAC key there that the authority shows with external_account_id";
                        return Err(Trouble::here(error.to_string(), cure));
                    }
                    Err(error) => return Err(Trouble::here(error.to_string(), "")),
                };
                let unreadable = || Trouble::here(format!("{} holds no key in base64", external.key), "");
                let binding = Binding::new(&external.key_id, &secret).ok_or_else(unreadable)?;
                let (http, directory) = (&self.parts.http, &self.parts.config.directory);
                let (key, address) = sign_up_bound(http, directory, &binding, &contact).await?;
                (key, Some(address))
            }
        };
        let contact = if address.is_some() { contact } else { Vec::new() };
        let kept = KeptAccount {
            directory: self.directory.clone(),
            key: key.text().to_string(),
            address,
            contact,
            external_account: self.external_id(),
        };
        self.keep(&kept).await?;
        Ok(kept)
    }
}
