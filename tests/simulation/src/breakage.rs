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
}
