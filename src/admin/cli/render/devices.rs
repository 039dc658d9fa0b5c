//! Devices, lockouts and restrictions as text.

use super::Page;
use crate::admin::cli::output::table;
use crate::admin::office::{DeviceView, LockoutView, NetworkView, RestrictionView};

/// One device in full, several as a table.
pub(super) fn list(page: &mut Page, devices: &[DeviceView]) {
    if let [only] = devices {
        return one(page, only);
    }
    if devices.is_empty() {
        return page.line("There is no such device.");
    }
    let row = |own: &DeviceView| {
        let day = |text: &str| text.split('T').next().unwrap_or(text).to_owned();
        let expires = own.expires.as_deref().map_or_else(|| "never".to_owned(), day);
        let marks = if own.expired { format!("{expires}, expired") } else { expires };
        let used = own.last_used.clone().unwrap_or_else(|| "never".to_owned());
        let lists = [&own.networks, &own.senders, &own.recipients].map(|list| list.join(" "));
        [own.account.clone(), own.name.clone(), marks, used].into_iter().chain(lists).collect()
    };
    let rows: Vec<Vec<String>> = devices.iter().map(row).collect();
    page.block(&table(&["ACCOUNT", "DEVICE", "EXPIRES", "LAST USED", "NETWORKS", "SENDERS", "RECIPIENTS"], &rows));
}

fn one(page: &mut Page, own: &DeviceView) {
    let or = |list: &[String], usual: &str| if list.is_empty() { usual.to_owned() } else { list.join(", ") };
    page.line(&format!("{} of {}", own.name, own.account));
    page.line(&format!("login: {}", own.login));
    page.line(&format!("secret set: {}", if own.has_secret { "yes" } else { "no" }));
    page.line(&format!("made: {}", own.created));
    let ended = if own.expired { ", expired" } else { "" };
    page.line(&format!("expires: {}{ended}", own.expires.as_deref().unwrap_or("never")));
    page.line(&format!("networks: {}", or(&own.networks, "any")));
    page.line(&format!("senders: {}", or(&own.senders, "as its account")));
    page.line(&format!("recipients: {}", or(&own.recipients, "as its account")));
    let without_tls = if own.without_tls {
        "yes, on a listener with auth_without_tls"
    } else {
        "no; it would have to be bound to private networks, senders and recipients"
    };
    page.line(&format!("without TLS: {without_tls}"));
    let from = own.last_used_from.as_deref().map(|from| format!(" from {from}")).unwrap_or_default();
    page.line(&format!("last used: {}{from}", own.last_used.as_deref().unwrap_or("never")));
}

/// Secrets that SCRAM cannot use.
pub(super) fn unready(page: &mut Page, secrets: &[String], total: usize) {
    secrets.iter().for_each(|own| page.line(own));
    match total {
        0 => page.line("Every password and every device can be used with SCRAM-SHA-256."),
        _ => page.line(&format!("{total} cannot be used with SCRAM-SHA-256: set the password, or renew the device.")),
    }
}

/// Who is locked out.
pub(super) fn lockouts(page: &mut Page, lockouts: &[LockoutView], networks: &[NetworkView]) {
    if !networks.is_empty() {
        self::networks(page, networks);
    }
    if lockouts.is_empty() {
        return page.line("Nobody is locked out.");
    }
    let row = |own: &LockoutView| {
        let or = |text: &Option<String>, usual: &str| text.clone().unwrap_or_else(|| usual.to_owned());
        vec![
            own.scope.clone(),
            or(&own.account, ""),
            or(&own.source, ""),
            own.failures.to_string(),
            own.last_failure.clone(),
            or(&own.locked_until, "not locked"),
        ]
    };
    let rows: Vec<Vec<String>> = lockouts.iter().map(row).collect();
    page.block(&table(&["SCOPE", "ACCOUNT", "SOURCE", "FAILURES", "LAST FAILURE", "LOCKED UNTIL"], &rows));
}

/// What networks have used up.
fn networks(page: &mut Page, networks: &[NetworkView]) {
    let row = |own: &NetworkView| {
        let waits = own.waits_seconds.map_or_else(|| "now".to_owned(), |seconds| format!("in {seconds} s"));
        vec![own.network.clone(), own.of.clone(), format!("{} of {}", own.used, own.bound), waits]
    };
    let rows: Vec<Vec<String>> = networks.iter().map(row).collect();
    page.block(&table(&["NETWORK", "OF", "USED", "ONE MORE"], &rows));
}

/// Who is restricted; one in full.
pub(super) fn restrictions(page: &mut Page, restrictions: &[RestrictionView]) {
    let who = |own: &RestrictionView| match (&own.connector, &own.device) {
        (Some(connector), _) => format!("the connector {connector}"),
        (None, Some(device)) => format!("{device} of {}", own.account),
        (None, None) => own.account.clone(),
    };
    let counted = |count: Option<u32>| count.map_or_else(String::new, |count| count.to_string());
    if let [own] = restrictions {
        page.line(&who(own));
        page.line(&format!("restricted since: {}", own.since.as_deref().unwrap_or("not restricted")));
        if own.since.is_some() {
            let (hour, day) = (counted(own.external_of_hour), counted(own.external_of_day));
            page.line(&format!("recipients outside before that: {hour} within an hour, {day} within a day"));
            page.line(&format!("administrators told: {}", if own.told { "yes" } else { "not yet" }));
        }
        page.line(&format!("recipients outside in the last hour: {}", own.external_recipients_per_hour));
        page.line(&format!("recipients outside in the last day: {}", own.external_recipients_per_day));
        return page.line(&format!("messages that wait to leave: {}", own.kept_messages));
    }
    if restrictions.is_empty() {
        return page.line("Nobody is restricted.");
    }
    let row = |own: &RestrictionView| {
        let or = |text: &Option<String>| text.clone().unwrap_or_default();
        let (hour, day) = (counted(own.external_of_hour), counted(own.external_of_day));
        let account = own.connector.as_ref().map_or_else(|| own.account.clone(), |name| format!("connector {name}"));
        vec![account, or(&own.device), or(&own.since), hour, day, own.kept_messages.to_string()]
    };
    let rows: Vec<Vec<String>> = restrictions.iter().map(row).collect();
    page.block(&table(&["ACCOUNT", "DEVICE", "SINCE", "IN AN HOUR", "IN A DAY", "WAITING"], &rows));
}
