//! What mailboxes without values of their own may hold.

use toml::Spanned;

use super::Judge;
use crate::config::raw::RawQuota;
use crate::model::policy::quota::Thresholds;

impl Judge<'_> {
    /// The thresholds of all mailboxes: what the file says, with those of the profile for the rest. Zero means never.
    pub(super) fn quota(&mut self, usual: Option<Thresholds>, raw: RawQuota) -> Option<Thresholds> {
        let given = [&raw.warning_bytes, &raw.send_bytes, &raw.receive_bytes];
        let span = given.into_iter().flatten().map(Spanned::span).next_back()?;
        let usual = usual.unwrap_or_default();
        let of = |value: Option<Spanned<u64>>, usual: Option<u64>| match value.map(Spanned::into_inner) {
            Some(0) => None,
            Some(bytes) => Some(bytes),
            None => usual,
        };
        let own = Thresholds {
            issue_warning: of(raw.warning_bytes, usual.issue_warning),
            prohibit_send: of(raw.send_bytes, usual.prohibit_send),
            prohibit_send_receive: of(raw.receive_bytes, usual.prohibit_send_receive),
        };
        if !own.rise() {
            let cure = "let warning_bytes be at most send_bytes, and that at most receive_bytes; 0 means never";
            self.refuse(&span, "the thresholds do not rise", cure);
        }
        Some(own)
    }
}
