//! The small organisation that the simulated server serves, and where each address in it leads, written down by hand.

use std::sync::Arc;

use franking::model::directory::{
    AcceptedDomain, AutoForwardingMode, AutoReply, AutoReplyState, Change, DomainType, Forwarding, Grant, Group,
    Moderation, Organisation, Recipient, RecipientId, RecipientType, Right, Snapshot,
};
use franking::model::mail::Address;

pub(super) const ALICE: RecipientId = RecipientId(1);
pub(super) const BOB: RecipientId = RecipientId(2);
const STAFF: RecipientId = RecipientId(3);
pub(super) const CAROL: RecipientId = RecipientId(4);
pub(super) const INFO: RecipientId = RecipientId(5);
const PARTNER: RecipientId = RecipientId(6);
const PROJECT: RecipientId = RecipientId(7);
const COUNCIL: RecipientId = RecipientId(9);
pub(super) const SALES: RecipientId = RecipientId(8);
/// Those who have mailboxes.
pub(super) const MAILBOXES: [RecipientId; 5] = [ALICE, BOB, CAROL, INFO, SALES];

pub(super) const HOST: &str = "mx.contoso.example";
/// A contact in a group and the target of a forwarding lead here.
pub(super) const PARTNER_ADDRESS: &str = "partner@fabrikam.example";
pub(super) const EVE_ADDRESS: &str = "eve@slow.example";

/// Where a path ends, apart from Sent Items.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum End {
    Mailbox(RecipientId),
    Outside(String),
    Nowhere,
    /// Before a moderator, and from there to [`COUNCIL_MEMBERS`].
    Moderators,
}

/// Where `path` leads. Every path that the scenario uses stands here.
pub(super) fn ends(path: &str) -> Vec<End> {
    let mailbox = |id| End::Mailbox(id);
    match path {
        "alice@contoso.example" => vec![mailbox(ALICE)],
        "bob@contoso.example" => vec![mailbox(BOB)],
        "info@contoso.example" => vec![mailbox(INFO)],
        "carol@contoso.example" => vec![mailbox(CAROL), End::Outside(EVE_ADDRESS.to_owned())],
        "staff@contoso.example" => vec![mailbox(ALICE), mailbox(BOB)],
        "project@contoso.example" => {
            vec![mailbox(ALICE), mailbox(INFO), End::Outside(PARTNER_ADDRESS.to_owned())]
        }
        "council@contoso.example" => vec![End::Moderators],
        "nobody@contoso.example" => vec![End::Nowhere],
        outside => vec![End::Outside(outside.to_owned())],
    }
}

pub(super) fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn mailbox(id: RecipientId, name: &str) -> Recipient {
    let mut recipient =
        Recipient::new(id, RecipientType::UserMailbox, name, address(&format!("{name}@contoso.example")));
    recipient.account.as_mut().unwrap().licences.push("ExchangeOnlinePlan1".into());
    recipient
}

fn group(id: RecipientId, name: &str, members: Vec<RecipientId>) -> Recipient {
    let at = address(&format!("{name}@contoso.example"));
    let mut recipient = Recipient::new(id, RecipientType::MailUniversalDistributionGroup, name, at);
    let mut group = Group::default();
    group.set_members(members);
    recipient.group = Some(Box::new(group));
    recipient
}

/// The moderated group has these.
pub(super) const COUNCIL_MEMBERS: [RecipientId; 2] = [BOB, INFO];

/// Alice, Bob and Carol, who keeps a copy and forwards outside; info, in whose name Alice may send; sales, on whose
/// behalf Bob may; two groups, one with a contact; and a council that info
/// moderates.
pub(super) fn contoso() -> Arc<Snapshot> {
    let domain = AcceptedDomain::new("contoso.example".parse().unwrap(), DomainType::Authoritative).as_default();
    let mut carol = mailbox(CAROL, "carol");
    carol.forwarding = Some(Box::new(Forwarding {
        forwarding_smtp_address: Some(address(EVE_ADDRESS)),
        deliver_to_mailbox_and_forward: true,
        ..Forwarding::default()
    }));
    let mut info = Recipient::new(INFO, RecipientType::SharedMailbox, "info", address("info@contoso.example"));
    info.grants.push(Grant { trustee: ALICE, right: Right::SendAs, deny: false });
    info.sent_items.sent_as = true;
    let mut sales = Recipient::new(SALES, RecipientType::SharedMailbox, "sales", address("sales@contoso.example"));
    sales.grants.push(Grant { trustee: BOB, right: Right::SendOnBehalf, deny: false });
    sales.sent_items.sent_on_behalf = true;
    let mut partner =
        Recipient::new(PARTNER, RecipientType::MailContact, "partner", address("partner@contoso.example"));
    partner.external_address = Some(address(PARTNER_ADDRESS).into());
    // Carol is away as well, but who forwards to an SMTP address answers nobody.
    let (mut alice, mut bob) = (mailbox(ALICE, "alice"), mailbox(BOB, "bob"));
    for away in [&mut alice, &mut bob, &mut carol, &mut info] {
        away.auto_reply = Some(Box::new(AutoReply {
            state: AutoReplyState::Enabled,
            internal_message: "Away, inside.".into(),
            external_message: "Away, outside.".into(),
            ..AutoReply::default()
        }));
    }
    let put = |recipient: Recipient| Change::PutRecipient(Box::new(recipient));
    // The messages of a run name nobody in their header.
    let (auto_forwarding_mode, auto_reply_only_when_named) = (AutoForwardingMode::On, false);
    let organisation = Organisation { auto_forwarding_mode, auto_reply_only_when_named, ..Organisation::default() };
    let first = [
        Change::PutOrganisation(organisation),
        Change::PutDomain(domain),
        put(alice),
        put(bob),
        put(carol),
        put(partner),
    ];
    let groups = [put(info), put(sales), put(group(STAFF, "staff", vec![ALICE, BOB]))];
    let mut council = group(COUNCIL, "council", COUNCIL_MEMBERS.to_vec());
    let set = Moderation { enabled: true, moderated_by: vec![INFO], ..Moderation::default() };
    council.moderation = Some(Box::new(set));
    council.restrictions.get_or_insert_default().require_sender_authentication = Some(false);
    let last = [put(group(PROJECT, "project", vec![ALICE, PARTNER, INFO])), put(council)];
    let snapshot = Snapshot::default().apply(&first).unwrap().apply(&groups).unwrap().apply(&last).unwrap();
    Arc::new(snapshot)
}
