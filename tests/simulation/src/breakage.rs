//! Faults put into the product on purpose: each must be found by an invariant.
//!
//! They are made in what lies under the handlers, which answers as it would if the handler did not do
//! what it does.

use clap::ValueEnum;

/// What is wrong with the product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Breakage {
    /// Every claim is granted: nobody is kept from doing it twice.
    NoClaim,
    /// An attempt in doubt does not look before it writes.
    NoLook,
    /// A batch is acknowledged whatever became of it.
    AckAll,
    /// A message is acknowledged before it is handled.
    AckFirst,
    /// A commit does not check what it builds on.
    NoCondition,
    /// What is committed is not kept to be sent.
    NoOutbox,
    /// Older snapshots overwrite newer ones.
    NoVersions,
    /// What cannot be matched yet is dropped.
    NoPark,
    /// Nobody asks for what webhooks missed.
    NoPoll,
    /// The clock wakes nobody.
    NoClock,
    /// A webhook is acknowledged although the queue did not take it.
    IntakeLies,
    /// The outcome of a command is not told.
    NoOutcome,
    /// Unreadable input is acknowledged without a case.
    NoCase,
    /// A claim runs out at once.
    NoLease,
    /// A claim that is given back in doubt is given back as if nothing had been done.
    NoDoubt,
    /// What a newer version wrote is put aside at once.
    NoPatience,
    /// However old a command is, the partner is thought to know its key.
    NoWindow,
    /// Every order seems to be placed when it is told.
    NoAge,
    /// The payment gate is always open.
    NoGate,
    /// Nobody looks after subscriptions.
    NoSteward,
    /// Nobody replaces Odoo's keys.
    NoKeys,
    /// Older counts and levels overwrite newer ones.
    NoNewestCount,
    /// Nothing that was sold and is not in Odoo yet is taken off what is offered.
    NoInFlight,
    /// Nobody tells the channel what it may sell.
    NoStock,
    /// Two runs replace a key at once.
    NoKeyLease,
    /// A new key is not stored, and nobody is told.
    NoKeyStored,
    /// Nobody knows who else writes to Odoo.
    NoSeats,
    /// Nobody remembers that an endpoint is away.
    NoBreaker,
    /// Of an order an agent sees what was first told of it.
    NoNews,
    /// Orders are not held.
    NoHold,
    /// The warehouse is asked for the first line only.
    FirstLineAsked,
    /// Of a delivery the first line only is booked.
    FirstLineBooked,
    /// Comparing with Odoo finds nothing.
    NoCompare,
    /// Invoices are not made.
    NoInvoices,
    /// Payments are not booked.
    NoPayments,
    /// Odoo's insert-if-absent inserts always.
    NoExternalId,
    /// Every order has a case, whatever becomes of it.
    CaseForNothing,
    /// What has left is forgotten when its parcel is seen.
    ForgetsParcels,
    /// That an order was called off is not read.
    NoCancel,
    /// The gateway is not asked to pay back.
    NoRefunds,
    /// Of a refund that failed the payment is not taken back.
    NoTakeBack,
    /// Nobody asks for parcels to be followed.
    NoTracking,
    /// What the helpdesk was told is told again without end.
    NeverDone,
}

/// Something is there twice, at whomever.
const TWICE: &[&str] = &[
    " was paid ",
    " tickets",
    "is asked twice",
    "Odoo has the ",
    "Odoo has it ",
    "the warehouse has it ",
    "the channel was told of ",
];
/// What was acknowledged is lost.
const LOST: &[&str] = &["no order knows of it", "has not ended"];
/// An order is not as it was told last.
const STALE: &[&str] = &["the newest snapshot is not known", "overwrote a newer one"];

impl Breakage {
    /// What it is to be found as: a part of what the invariant says that it breaks.
    #[must_use]
    pub fn found_as(self) -> &'static [&'static str] {
        match self {
            Self::NoClaim | Self::NoLook | Self::NoLease | Self::NoDoubt | Self::NoWindow => TWICE,
            Self::AckAll | Self::AckFirst | Self::NoOutbox | Self::NoOutcome => LOST,
            Self::NoPark | Self::IntakeLies => LOST,
            Self::NoCondition => &["no order knows of it", "has not ended", " back to "],
            Self::NoVersions => STALE,
            Self::NoPoll => &[
                "the newest snapshot is not known",
                "Waybill does not know it",
            ],
            Self::NoClock => &["neither a deadline nor a case stands"],
            Self::NoCase | Self::NoPatience => &["unreadable messages, and "],
            Self::NoAge => &["Odoo has it ", "and nobody is asked", "is asked for"],
            Self::NoGate => &["although it is not paid"],
            Self::NoSteward => &["nobody made it again"],
            Self::NoKeys | Self::NoKeyStored => &["does not open it"],
            Self::NoKeyLease => &["does not open it", "keys open Odoo"],
            Self::NoNewestCount => &["the warehouse last counted", "the channel offers"],
            Self::NoInFlight | Self::NoStock => &["the channel offers"],
            Self::NoSeats => &["write orders to Odoo at once"],
            Self::NoBreaker => &[" minutes and called "],
            Self::NoNews => &["an agent sees"],
            Self::NoHold => &["ms after it was placed"],
            Self::FirstLineAsked => &["and the order was never that"],
            Self::FirstLineBooked => &[" left, Odoo has "],
            Self::NoCompare => &["and nobody is told of `"],
            Self::NoInvoices => &["it is not wholly invoiced"],
            Self::NoPayments => &["is not booked in Odoo", "is booked as paid back"],
            Self::NoExternalId => &["Odoo has it "],
            Self::CaseForNothing => &["has no cause"],
            Self::ForgetsParcels => &[" back to "],
            Self::NoCancel => &["it was cancelled, and "],
            Self::NoRefunds => &["the gateway knows nothing"],
            Self::NoTakeBack => &["is booked as paid back"],
            Self::NoTracking => &["nobody follows it"],
            Self::NeverDone => &["it does not settle"],
        }
    }
}
