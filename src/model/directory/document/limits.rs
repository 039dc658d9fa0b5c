//! What a mailbox may hold and an account may do, in a document.

use serde::{Deserialize, Serialize};

use crate::model::directory::cap::{Cap, OwnCap, RecipientLimits};
use crate::model::directory::limit::{Limit, OwnLimit};
use crate::model::directory::recipient::Quota;

/// Mailbox thresholds: octets, text such as `"49.5 GB"`, `"unlimited"`, or `"default"` to follow the licence again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct QuotaEntry {
    /// `IssueWarningQuota`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issue_warning: Option<OwnLimit>,
    /// `ProhibitSendQuota`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prohibit_send: Option<OwnLimit>,
    /// `ProhibitSendReceiveQuota`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prohibit_send_receive: Option<OwnLimit>,
}

impl QuotaEntry {
    /// Sets what is given.
    pub fn apply(&self, quota: &mut Quota) {
        let set = |own: &mut Option<Limit>, given: Option<OwnLimit>| {
            if let Some(given) = given {
                *own = given.own();
            }
        };
        set(&mut quota.issue_warning, self.issue_warning);
        set(&mut quota.prohibit_send, self.prohibit_send);
        set(&mut quota.prohibit_send_receive, self.prohibit_send_receive);
    }

    /// What is set; none when nothing is.
    pub fn of(quota: &Quota) -> Option<Box<Self>> {
        let entry = Self {
            issue_warning: quota.issue_warning.map(OwnLimit::Own),
            prohibit_send: quota.prohibit_send.map(OwnLimit::Own),
            prohibit_send_receive: quota.prohibit_send_receive.map(OwnLimit::Own),
        };
        (entry != Self::default()).then(|| Box::new(entry))
    }
}

/// Limits: whole numbers, `"unlimited"`, or `"default"` to follow the configuration again; see
/// [`RecipientLimits`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsEntry {
    /// `RecipientLimits`; here without a limit means the default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipients_per_message: Option<OwnCap>,
    /// `MessageRateLimit`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub messages_per_minute: Option<OwnCap>,
    /// `RecipientRateLimit`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipients_per_day: Option<OwnCap>,
    /// Sessions at the same time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sessions: Option<OwnCap>,
    /// Messages for its mailbox in an hour.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub received_per_hour: Option<OwnCap>,
    /// Messages for its mailbox in an hour from one sender.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub received_from_one_per_hour: Option<OwnCap>,
    /// `RecipientLimitExternalPerHour`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_recipients_per_hour: Option<OwnCap>,
    /// The same in a day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_recipients_per_day: Option<OwnCap>,
}

impl LimitsEntry {
    /// Sets what is given.
    pub fn apply(&self, limits: &mut RecipientLimits) {
        let set = |own: &mut Option<Cap>, given: Option<OwnCap>| {
            if let Some(given) = given {
                *own = given.own();
            }
        };
        if let Some(given) = self.recipients_per_message {
            limits.recipients_per_message = given.own().and_then(Cap::count);
        }
        set(&mut limits.messages_per_minute, self.messages_per_minute);
        set(&mut limits.recipients_per_day, self.recipients_per_day);
        set(&mut limits.sessions, self.sessions);
        set(&mut limits.received_per_hour, self.received_per_hour);
        set(&mut limits.received_from_one_per_hour, self.received_from_one_per_hour);
        set(&mut limits.external_recipients_per_hour, self.external_recipients_per_hour);
        set(&mut limits.external_recipients_per_day, self.external_recipients_per_day);
    }

    /// What is set; none when nothing is.
    pub fn of(limits: &RecipientLimits) -> Option<Box<Self>> {
        let own = |cap: Option<Cap>| cap.map(OwnCap::Own);
        let entry = Self {
            recipients_per_message: own(limits.recipients_per_message.map(Cap::Count)),
            messages_per_minute: own(limits.messages_per_minute),
            recipients_per_day: own(limits.recipients_per_day),
            sessions: own(limits.sessions),
            received_per_hour: own(limits.received_per_hour),
            received_from_one_per_hour: own(limits.received_from_one_per_hour),
            external_recipients_per_hour: own(limits.external_recipients_per_hour),
            external_recipients_per_day: own(limits.external_recipients_per_day),
        };
        (entry != Self::default()).then(|| Box::new(entry))
    }
}
