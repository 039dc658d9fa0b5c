//! Recipients in domains that no mail can reach: reserved for documentation and tests (RFC 2606), or of one label.
//!
//! Exchange has three switches on each receive connector for them (`RejectReservedTopLevelRecipientDomains`,
//! `RejectReservedSecondLevelRecipientDomains`, `RejectSingleLabelRecipientDomains`), all off, and says so to RCPT in
//! either profile (spec section 1.5). Here they are the organisation's. They are about what a client names, before
//! anything else is asked of it; members of groups and targets of forwarding are not concerned.
//!
//! What the organisation has as an accepted domain is never refused: Exchange's page does not say so, but somebody who
//! runs mail under a name like that meant to, and would lose all of it.

use super::refusal::Refusal;
use super::trail::Trail;
use crate::model::directory::Snapshot;
use crate::model::mail::ForwardPath;

/// RFC 2606 section 2.
const TOP_LEVEL: [&str; 4] = ["test", "example", "invalid", "localhost"];
/// RFC 2606 section 3.
const SECOND_LEVEL: [&str; 3] = ["example.com", "example.net", "example.org"];

/// Judges the domain of a recipient that a client names.
///
/// # Errors
/// The refusal that answers RCPT TO.
pub(super) fn judge(snapshot: &Snapshot, path: &ForwardPath, trail: &mut impl Trail) -> Result<(), Refusal> {
    let set = snapshot.organisation();
    let (top, second, single) = (
        set.reject_reserved_top_level_recipient_domains,
        set.reject_reserved_second_level_recipient_domains,
        set.reject_single_label_recipient_domains,
    );
    if !(top || second || single) {
        return Ok(());
    }
    // The postmaster without a domain, and an address literal, have no name.
    let ForwardPath::Mailbox(address) = path else { return Ok(()) };
    let Some(name) = address.domain().name() else { return Ok(()) };
    if snapshot.accepted_domain(address.domain()).is_some() {
        return Ok(());
    }
    // localhost and its like are both reserved and of one label: the stronger reason is told.
    if trail.asks("its top-level domain is reserved, which the organisation refuses", top && is_below(name, &TOP_LEVEL))
    {
        return Err(Refusal::ReservedTopLevelRecipientDomain);
    }
    if trail.asks("its domain is reserved, which the organisation refuses", second && is_below(name, &SECOND_LEVEL)) {
        return Err(Refusal::ReservedSecondLevelRecipientDomain);
    }
    if trail.asks("its domain is of one label, which the organisation refuses", single && !name.contains('.')) {
        return Err(Refusal::SingleLabelRecipientDomain);
    }
    Ok(())
}

/// Whether a name is one of these, or lies below one.
fn is_below(name: &str, reserved: &[&str]) -> bool {
    reserved.iter().any(|own| name.strip_suffix(own).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::directory::{AcceptedDomain, Change, DomainType, Organisation};
    use crate::model::mail::Address;
    use crate::model::policy::Unrecorded;

    fn judged(path: &ForwardPath, [top, second, single]: [bool; 3]) -> Option<Refusal> {
        let organisation = Organisation {
            reject_reserved_top_level_recipient_domains: top,
            reject_reserved_second_level_recipient_domains: second,
            reject_single_label_recipient_domains: single,
            ..Organisation::default()
        };
        let domain = |name: &str| AcceptedDomain::new(name.parse().unwrap(), DomainType::Authoritative);
        let mut below = domain("contoso.example");
        below.match_subdomains = true;
        let changes = [
            Change::PutOrganisation(organisation),
            Change::PutDomain(below),
            Change::PutDomain(domain("example.net")),
            Change::PutDomain(domain("intranet")),
        ];
        judge(&Snapshot::default().apply(&changes).unwrap(), path, &mut Unrecorded).err()
    }

    #[test]
    fn each_switch_refuses_its_own_domains_and_never_an_accepted_one() {
        use Refusal::{
            ReservedSecondLevelRecipientDomain as Second, ReservedTopLevelRecipientDomain as Top,
            SingleLabelRecipientDomain as Single,
        };
        for (domain, by_top, by_second, by_single) in [
            ("fabrikam.example", Some(Top), None, None),
            ("a.b.TEST", Some(Top), None, None),
            ("fabrikam.invalid", Some(Top), None, None),
            ("host.localhost", Some(Top), None, None),
            ("localhost", Some(Top), None, Some(Single)),
            ("example", Some(Top), None, Some(Single)),
            ("example.com", None, Some(Second), None),
            ("mail.Example.Org", None, Some(Second), None),
            ("fabrikam", None, None, Some(Single)),
            // Names that only look like it.
            ("myexample.com", None, None, None),
            ("example.com.fabrikam.info", None, None, None),
            ("contest.info", None, None, None),
            ("latest", None, None, Some(Single)),
            ("[192.0.2.1]", None, None, None),
            // Accepted domains, one of them with all below it and one without.
            ("contoso.example", None, None, None),
            ("deep.contoso.example", None, None, None),
            ("example.net", None, None, None),
            ("mail.example.net", None, Some(Second), None),
            ("intranet", None, None, None),
        ] {
            let path = ForwardPath::Mailbox(Address::parse(&format!("alice@{domain}")).unwrap());
            assert_eq!(judged(&path, [false; 3]), None, "{domain}");
            assert_eq!(judged(&path, [true, false, false]), by_top, "{domain}");
            assert_eq!(judged(&path, [false, true, false]), by_second, "{domain}");
            assert_eq!(judged(&path, [false, false, true]), by_single, "{domain}");
            assert_eq!(judged(&path, [true; 3]), by_top.or(by_second).or(by_single), "{domain}");
        }
        assert_eq!(judged(&ForwardPath::Postmaster, [true; 3]), None);
    }
}
