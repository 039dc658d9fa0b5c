//! Everything that is kept of an object goes out and comes back, and what cannot be read is told.

use proptest::prelude::*;

use super::*;
use crate::model::directory::lifecycle::hold::Holds;

fn any_time() -> impl Strategy<Value = Timestamp> {
    (0_u64..4_000_000_000_000).prop_map(Timestamp::from_unix_milliseconds)
}

/// Holds of which none stands twice.
fn any_holds() -> impl Strategy<Value = Vec<Hold>> {
    let kind = prop::sample::select(HoldKind::ALL.to_vec());
    let days = prop::option::of(1..=u32::MAX);
    let all = prop::collection::btree_map((kind, "[a-zA-Z0-9 -]{1,40}"), (any_time(), days), 0..5);
    all.prop_map(|all| {
        let mut holds: Vec<Hold> = Vec::new();
        for ((kind, name), (since, days)) in all {
            if kind.is_named() || holds.iter().all(|other| other.kind != kind) {
                let name = if kind.is_named() { name.into() } else { "".into() };
                holds.push(Hold { kind, name, since, days });
            }
        }
        holds
    })
}

prop_compose! {
    fn any_provisioning()(
        guid in prop::option::of(any::<u128>().prop_map(ExchangeGuid)),
        (synchronised, has_shards) in any::<(bool, bool)>(),
        placed in any_holds(),
        excluded in prop::collection::btree_set("[a-z]{1,20}", 0..3),
        times in prop::collection::vec(prop::option::of(any_time()), 5),
        text in ".{0,60}",
    ) -> Provisioning {
        Provisioning {
            exchange_guid: guid,
            synchronised,
            has_shards,
            previous: guid.map(|mailbox_guid| PreviousMailbox {
                recipient_type: RecipientType::UserMailbox, mailbox_guid, home: text.as_str().into(),
            }),
            holds: Holds { placed, excluded: excluded.into_iter().map(Into::into).collect() },
            error: times[0].map(|since| ProvisioningError {
                since, kind: ProvisioningErrorKind::OnHold, text: text.as_str().into(),
            }),
            user_deleted: times[1],
            delicensed: times[2],
            archive: times[3].map(|since| Archive { since, disabled: times[4] }),
        }
    }
}

proptest! {
    #[test]
    fn whatever_is_kept_goes_through_toml_and_json_and_comes_back(own in any_provisioning()) {
        let entry = ProvisioningEntry::of(&own);
        let json: ProvisioningEntry = serde_json::from_str(&serde_json::to_string(&entry).unwrap()).unwrap();
        let toml: ProvisioningEntry = toml::from_str(&toml::to_string(&entry).unwrap()).unwrap();
        for read in [json, toml] {
            prop_assert_eq!(read.apply(None).unwrap().map(|kept| *kept).unwrap_or_default(), own.clone());
        }
        // What is not given stays.
        let kept = ProvisioningEntry::default().apply(Some(&own)).unwrap();
        prop_assert_eq!(kept.map(|kept| *kept).unwrap_or_default(), own);
    }
}

#[test]
fn what_cannot_be_read_is_told_with_its_key() {
    let reason = |text: &str| {
        let entry: ProvisioningEntry = toml::from_str(text).unwrap();
        entry.apply(None).unwrap_err().to_string()
    };
    let guid = reason("exchange_guid = \"7\"");
    assert!(guid.starts_with("exchange_guid: \"7\" is no GUID"), "{guid}");
    let time = reason("delicensed = \"yesterday\"");
    assert_eq!(time, "delicensed: \"yesterday\" is no time; write it as 2026-01-05T09:00:00Z");
    let hold = reason("holds = [{ kind = \"LitigationHold\", since = \"\" }]");
    assert!(hold.starts_with("holds.since: \"\" is no time"), "{hold}");
    let twice = reason("excluded_policies = [\"a\", \"a\"]");
    assert!(twice.starts_with("excluded_policies: \"a\" is empty"), "{twice}");
    let nameless = "{ kind = \"InPlaceHold\", since = \"2026-01-05T09:00:00Z\" }, ";
    let told = reason(&format!("holds = [{nameless}]"));
    assert_eq!(told, "holds: an in-place-hold needs a name: a mailbox can have several");
    let told = reason(&format!("holds = [{}]", nameless.repeat(129)));
    assert!(told.starts_with("holds: a mailbox has at most 64 holds"), "{told}");
    assert!(toml::from_str::<ProvisioningEntry>("litigation_hold = true").is_err());
}

#[test]
fn an_empty_text_or_list_clears() {
    let own = Provisioning {
        user_deleted: Some(Timestamp::EPOCH),
        exchange_guid: Some(ExchangeGuid(7)),
        previous: Some(PreviousMailbox {
            recipient_type: RecipientType::UserMailbox,
            mailbox_guid: ExchangeGuid(7),
            home: "mx".into(),
        }),
        error: Some(ProvisioningError {
            since: Timestamp::EPOCH,
            kind: ProvisioningErrorKind::OnHold,
            text: "it is on hold".into(),
        }),
        archive: Some(Archive { since: Timestamp::EPOCH, disabled: None }),
        ..Provisioning::default()
    };
    let text = "user_deleted = \"\"\nexchange_guid = \"\"\nholds = []\nexcluded_policies = []\n\
                previous = \"\"\nerror = \"\"\narchive = \"\"\n";
    let entry: ProvisioningEntry = toml::from_str(text).unwrap();
    assert_eq!(entry.apply(Some(&own)), Ok(None));
    let json = serde_json::to_string(&entry).unwrap();
    assert_eq!(serde_json::from_str::<ProvisioningEntry>(&json).unwrap(), entry);
    let told = toml::from_str::<ProvisioningEntry>("archive = \"yes\"").unwrap_err().to_string();
    assert!(told.contains("its keys, or an empty text, which clears it"), "{told}");
    let told = toml::from_str::<ProvisioningEntry>("[archive]\nsince = \"\"\nfor = 7").unwrap_err().to_string();
    assert!(told.contains("unknown field `for`"), "{told}");
}
