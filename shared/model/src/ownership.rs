//! Which system may change which field (features M2).

use serde::{Deserialize, Serialize};

/// A kind of system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Storefront, marketplace or POS.
    Channel,
    /// Payment provider.
    Gateway,
    /// 3PL or own warehouse.
    Warehouse,
    /// Carrier or tracking service.
    Carrier,
    /// Helpdesk.
    Helpdesk,
    /// Odoo.
    Erp,
}

/// A group of fields that has one owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// Lines, prices, customer, cancellation.
    Order,
    /// Money taken.
    Payment,
    /// Why and for which goods money goes back.
    RefundReason,
    /// Whether money went back.
    RefundResult,
    /// Work, picks and parcels.
    Fulfillment,
    /// Where a parcel is.
    Tracking,
    /// Whether a return is allowed.
    ReturnRequest,
    /// What came back and in which state.
    ReturnReceipt,
    /// How many are in the building.
    StockCount,
    /// How many can be promised.
    Availability,
    /// Tickets.
    Ticket,
}

impl Field {
    /// Who may tell it; everybody else's telling is dropped and recorded.
    #[must_use]
    pub fn owners(self) -> &'static [Role] {
        match self {
            Self::Order | Self::RefundReason => &[Role::Channel],
            // A channel that takes payments itself is its own gateway.
            Self::Payment | Self::RefundResult => &[Role::Gateway, Role::Channel],
            Self::Fulfillment => &[Role::Warehouse],
            // A warehouse tells delivery where no carrier service is connected.
            Self::Tracking => &[Role::Carrier, Role::Warehouse],
            Self::ReturnRequest => &[Role::Channel, Role::Helpdesk, Role::Warehouse],
            Self::ReturnReceipt | Self::StockCount => &[Role::Warehouse],
            Self::Availability => &[Role::Erp],
            Self::Ticket => &[Role::Helpdesk],
        }
    }

    /// Whether `role` may tell it.
    #[must_use]
    pub fn is_owned_by(self, role: Role) -> bool {
        self.owners().contains(&role)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_field_is_told_only_by_those_who_own_it() {
        let roles = [
            Role::Channel,
            Role::Gateway,
            Role::Warehouse,
            Role::Carrier,
            Role::Helpdesk,
            Role::Erp,
        ];
        let owned = [
            (Field::Order, "C....."),
            (Field::RefundReason, "C....."),
            (Field::Payment, "CG...."),
            (Field::RefundResult, "CG...."),
            (Field::Fulfillment, "..W..."),
            (Field::Tracking, "..WA.."),
            (Field::ReturnRequest, "C.W.H."),
            (Field::ReturnReceipt, "..W..."),
            (Field::StockCount, "..W..."),
            (Field::Availability, ".....E"),
            (Field::Ticket, "....H."),
        ];
        for (field, wanted) in owned {
            for (role, mark) in roles.into_iter().zip(wanted.chars()) {
                assert_eq!(
                    field.is_owned_by(role),
                    mark != '.',
                    "{field:?} by {role:?}"
                );
            }
        }
    }
}
