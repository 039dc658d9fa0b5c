//! Conditions that become a recipient filter.

use clap::Args;

use super::values::custom_attribute;
use crate::admin::office::Failure;
use crate::model::directory::filter::precanned::{IncludedRecipients, Precanned};

/// Exchange's precanned conditions. Several values of one are alternatives; several conditions all hold.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Conditions instead of a filter (shown as the filter that they come to)")]
pub(super) struct PrecannedProperties {
    /// AllRecipients, MailboxUsers, Resources, MailContacts, MailGroups or MailUsers, separated by commas
    #[arg(long, value_name = "KINDS", value_delimiter = ',', conflicts_with = "recipient_filter")]
    included_recipients: Vec<IncludedRecipients>,
    /// Those of this company
    #[arg(long, value_name = "TEXT", conflicts_with = "recipient_filter")]
    conditional_company: Vec<String>,
    /// Those of this department
    #[arg(long, value_name = "TEXT", conflicts_with = "recipient_filter")]
    conditional_department: Vec<String>,
    /// Those in this state or province
    #[arg(long, value_name = "TEXT", conflicts_with = "recipient_filter")]
    conditional_state_or_province: Vec<String>,
    /// Those with this text in a custom attribute 1 to 15
    #[arg(long, value_name = "N=TEXT", value_parser = custom_attribute, conflicts_with = "recipient_filter")]
    conditional_custom_attribute: Vec<(u8, String)>,
}

impl PrecannedProperties {
    /// The filter that the conditions come to, if there are any.
    ///
    /// # Errors
    /// When no filter can be so long, or a text has control characters.
    pub(super) fn filter(self) -> Result<Option<String>, Failure> {
        let mut precanned = Precanned {
            included: self.included_recipients,
            company: self.conditional_company,
            department: self.conditional_department,
            state_or_province: self.conditional_state_or_province,
            ..Precanned::default()
        };
        for (number, text) in self.conditional_custom_attribute {
            precanned.custom_attributes.entry(number).or_default().push(text);
        }
        let filter = precanned.filter().map_err(|error| Failure::refused(format!("The conditions: {error}")))?;
        Ok(filter.map(|filter| filter.to_string()))
    }
}
