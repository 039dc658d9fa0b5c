//! What the address book tells of somebody, as `franking recipient` sets it.

use std::collections::BTreeMap;

use clap::Args;

use crate::model::directory::AddressBookProperty;

/// An empty text ends each.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Address book (for filters)")]
pub(super) struct AddressBookProperties {
    /// First name
    #[arg(long, value_name = "TEXT")]
    first_name: Option<String>,
    /// Initials, such as those of middle names
    #[arg(long, value_name = "TEXT")]
    initials: Option<String>,
    /// Last name
    #[arg(long, value_name = "TEXT")]
    last_name: Option<String>,
    /// Title
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,
    /// Department
    #[arg(long, value_name = "TEXT")]
    department: Option<String>,
    /// Company
    #[arg(long, value_name = "TEXT")]
    company: Option<String>,
    /// Office
    #[arg(long, value_name = "TEXT")]
    office: Option<String>,
    /// Telephone at work
    #[arg(long, value_name = "TEXT")]
    phone: Option<String>,
    /// City
    #[arg(long, value_name = "TEXT")]
    city: Option<String>,
    /// Postal code
    #[arg(long, value_name = "TEXT")]
    postal_code: Option<String>,
    /// State or province
    #[arg(long, value_name = "TEXT")]
    state_or_province: Option<String>,
    /// Country or region
    #[arg(long, value_name = "TEXT")]
    country_or_region: Option<String>,
    /// Notes, of several lines if need be
    #[arg(long, value_name = "TEXT")]
    notes: Option<String>,
}

impl AddressBookProperties {
    pub(super) fn edit(self) -> BTreeMap<AddressBookProperty, String> {
        let given = [
            (AddressBookProperty::City, self.city),
            (AddressBookProperty::Company, self.company),
            (AddressBookProperty::CountryOrRegion, self.country_or_region),
            (AddressBookProperty::Department, self.department),
            (AddressBookProperty::FirstName, self.first_name),
            (AddressBookProperty::Initials, self.initials),
            (AddressBookProperty::LastName, self.last_name),
            (AddressBookProperty::Notes, self.notes),
            (AddressBookProperty::Office, self.office),
            (AddressBookProperty::Phone, self.phone),
            (AddressBookProperty::PostalCode, self.postal_code),
            (AddressBookProperty::StateOrProvince, self.state_or_province),
            (AddressBookProperty::Title, self.title),
        ];
        given.into_iter().filter_map(|(property, text)| Some((property, text?))).collect()
    }
}
