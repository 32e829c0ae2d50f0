//! Commands: what the coordinator asks other functions to do. Each carries all that is needed, so
//! that no executor reads the order's state.

use crate::id::{ConnectionId, EffectKey, ExternalId, MessageId, OrderNumber, TrackingNumber};
use crate::money::{Amount, Money};
use crate::order::{Order, ShippingLine};
use crate::party::Address;
use crate::payment::RefundLine;
use crate::returns::Return;
use crate::shipment::{Shipment, ShippedLine};
use crate::stock::StockLevel;
use crate::time::Instant;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An imperative. On the wire the tag is the CloudEvents `type` and the content its `data`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", content = "data")]
pub enum Command {
    /// Write customer and order to Odoo and confirm it.
    #[serde(rename = "waybill.sale_order.create")]
    CreateSaleOrder(CreateSaleOrder),
    /// Bring the sale order to the newest snapshot.
    #[serde(rename = "waybill.sale_order.amend")]
    AmendSaleOrder(CreateSaleOrder),
    /// Cancel the sale order.
    #[serde(rename = "waybill.sale_order.cancel")]
    CancelSaleOrder(CancelSaleOrder),
    /// Validate the delivery of one shipment, with tracking and backorder.
    #[serde(rename = "waybill.delivery.register")]
    RegisterDelivery(RegisterDelivery),
    /// Receive returned goods into stock.
    #[serde(rename = "waybill.return.receive")]
    ReceiveReturn(ReceiveReturn),
    /// Invoice what can be invoiced, and post it.
    #[serde(rename = "waybill.invoice.create")]
    CreateInvoice(CreateInvoice),
    /// Book money that came or went back, on the order's invoices where there are any.
    #[serde(rename = "waybill.payment.register")]
    RegisterPayment(RegisterPayment),
    /// Invoice if needed, credit what was refunded, and post it.
    #[serde(rename = "waybill.credit_note.create")]
    CreateCreditNote(CreateCreditNote),
    /// Undo a credit note whose refund failed later.
    #[serde(rename = "waybill.credit_note.reverse")]
    ReverseCreditNote(ReverseCreditNote),
    /// Set counted stock in Odoo.
    #[serde(rename = "waybill.stock.set")]
    SetStock(SetStock),
    /// Ask a warehouse to fulfil.
    #[serde(rename = "waybill.fulfillment_order.create")]
    CreateFulfillmentOrder(CreateFulfillmentOrder),
    /// Ask a warehouse to stop.
    #[serde(rename = "waybill.fulfillment_order.cancel")]
    CancelFulfillmentOrder(CancelFulfillmentOrder),
    /// Ask a carrier service to follow a parcel.
    #[serde(rename = "waybill.tracking.subscribe")]
    SubscribeTracking(SubscribeTracking),
    /// Tell the channel what was shipped.
    #[serde(rename = "waybill.channel_fulfillment.publish")]
    PublishFulfillment(PublishFulfillment),
    /// Tell the channel how many can be sold.
    #[serde(rename = "waybill.channel_stock.publish")]
    PublishStock(PublishStock),
    /// Bring the helpdesk's ticket for the order up to date.
    #[serde(rename = "waybill.ticket.update")]
    UpdateTicket(UpdateTicket),
    /// Ask the gateway to pay back.
    #[serde(rename = "waybill.refund.create")]
    CreateRefund(CreateRefund),
}

macro_rules! command_kinds {
    ($($variant:ident => $name:literal, $queue:ident;)*) => {
        /// The kind of a command, without its content.
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
        )]
        pub enum CommandKind {
            $(
                #[doc = concat!("`", $name, "`")]
                #[serde(rename = $name)]
                $variant,
            )*
        }

        impl CommandKind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The CloudEvents type.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The queue that carries it.
            #[must_use]
            pub fn queue(self) -> CommandQueue {
                match self { $(Self::$variant => CommandQueue::$queue,)* }
            }
        }

        impl Command {
            /// The kind.
            #[must_use]
            pub fn kind(&self) -> CommandKind {
                match self { $(Self::$variant(_) => CommandKind::$variant,)* }
            }
        }
    };
}

command_kinds! {
    CreateSaleOrder => "waybill.sale_order.create", Erp;
    AmendSaleOrder => "waybill.sale_order.amend", Erp;
    CancelSaleOrder => "waybill.sale_order.cancel", Erp;
    RegisterDelivery => "waybill.delivery.register", Erp;
    ReceiveReturn => "waybill.return.receive", Erp;
    CreateInvoice => "waybill.invoice.create", Erp;
    RegisterPayment => "waybill.payment.register", Erp;
    CreateCreditNote => "waybill.credit_note.create", Erp;
    ReverseCreditNote => "waybill.credit_note.reverse", Erp;
    SetStock => "waybill.stock.set", ErpBulk;
    CreateFulfillmentOrder => "waybill.fulfillment_order.create", Fulfillment;
    CancelFulfillmentOrder => "waybill.fulfillment_order.cancel", Fulfillment;
    SubscribeTracking => "waybill.tracking.subscribe", Status;
    PublishFulfillment => "waybill.channel_fulfillment.publish", Status;
    PublishStock => "waybill.channel_stock.publish", Status;
    UpdateTicket => "waybill.ticket.update", Status;
    CreateRefund => "waybill.refund.create", Status;
}

impl Command {
    /// The connection that is asked to carry it out.
    #[must_use]
    pub fn connection(&self) -> &ConnectionId {
        match self {
            Self::CreateSaleOrder(c) | Self::AmendSaleOrder(c) => &c.erp,
            Self::CancelSaleOrder(c) => &c.erp,
            Self::RegisterDelivery(c) => &c.erp,
            Self::ReceiveReturn(c) => &c.erp,
            Self::CreateInvoice(c) => &c.erp,
            Self::RegisterPayment(c) => &c.erp,
            Self::CreateCreditNote(c) => &c.erp,
            Self::ReverseCreditNote(c) => &c.erp,
            Self::SetStock(c) => &c.erp,
            Self::CreateFulfillmentOrder(c) => &c.warehouse,
            Self::CancelFulfillmentOrder(c) => &c.warehouse,
            Self::SubscribeTracking(c) => &c.tracker,
            Self::PublishFulfillment(c) => &c.channel,
            Self::PublishStock(c) => &c.channel,
            Self::UpdateTicket(c) => &c.helpdesk,
            Self::CreateRefund(c) => &c.gateway,
        }
    }
}

/// The queues that carry commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CommandQueue {
    /// Orders and what follows from them, to Odoo.
    Erp,
    /// Stock and catalogue, to Odoo: behind orders.
    ErpBulk,
    /// To warehouses.
    Fulfillment,
    /// To channels, helpdesks, gateways and carrier services.
    Status,
}

/// A command with the effect that it is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issued {
    /// Message id, computed from order and effect.
    pub id: MessageId,
    /// The effect that must happen once.
    pub effect: EffectKey,
    /// What to do.
    pub command: Command,
}

/// Content of [`Command::CreateSaleOrder`] and [`Command::AmendSaleOrder`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct CreateSaleOrder {
    /// The Odoo to write to.
    pub erp: ConnectionId,
    /// What to write.
    pub order: Order,
    /// The warehouse that will fulfil it; none where no route fits.
    #[serde(default)]
    pub warehouse: Option<ConnectionId>,
}

/// Content of [`Command::CancelSaleOrder`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct CancelSaleOrder {
    /// The Odoo to write to.
    pub erp: ConnectionId,
}

/// Content of [`Command::RegisterDelivery`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct RegisterDelivery {
    /// The Odoo to write to.
    pub erp: ConnectionId,
    /// What left the warehouse.
    pub shipment: Shipment,
    /// Nothing is to follow it: what is still open afterwards is called off.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub last: bool,
}

/// Content of [`Command::ReceiveReturn`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ReceiveReturn {
    /// The Odoo to write to.
    pub erp: ConnectionId,
    /// What came back; its lines' dispositions are final.
    pub returned: Return,
}

/// Content of [`Command::CreateInvoice`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct CreateInvoice {
    /// The Odoo to write to.
    pub erp: ConnectionId,
}

/// Content of [`Command::RegisterPayment`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct RegisterPayment {
    /// The Odoo to write to.
    pub erp: ConnectionId,
    /// Which way the money went.
    pub direction: PaymentDirection,
    /// The gateway's id of the payment, the refund's own id, `gift_card`, or `channel` for money
    /// that the channel took itself: unique per order and direction.
    pub id: ExternalId,
    /// Who moved the money.
    pub gateway: ConnectionId,
    /// The way of paying, where it is known.
    pub method: Option<String>,
    /// How much, positive.
    pub amount: Money,
    /// When: the day it is booked on.
    pub at: Instant,
}

/// Which way money went.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum PaymentDirection {
    /// From the customer.
    Received,
    /// To the customer.
    PaidBack,
}

/// Content of [`Command::CreateCreditNote`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct CreateCreditNote {
    /// The Odoo to write to.
    pub erp: ConnectionId,
    /// The refund that it accounts for.
    pub refund_id: ExternalId,
    /// To the cent what the customer got back, tax contained.
    pub amount: Money,
    /// Goods it is for; empty for money without goods.
    pub lines: Vec<RefundLine>,
    /// Shipping paid back, contained in `amount`.
    pub shipping: Amount,
    /// Whether Waybill has left the order standing there: one that is cancelled all the same was
    /// cancelled by hand. Of one that Waybill cancelled, what was not invoiced needs no credit.
    #[serde(default)]
    pub stands: bool,
}

/// Content of [`Command::ReverseCreditNote`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ReverseCreditNote {
    /// The Odoo to write to.
    pub erp: ConnectionId,
    /// The refund that failed.
    pub refund_id: ExternalId,
}

/// Content of [`Command::SetStock`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct SetStock {
    /// The Odoo to write to.
    pub erp: ConnectionId,
    /// What was counted.
    pub levels: Vec<StockLevel>,
}

/// Content of [`Command::CreateFulfillmentOrder`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct CreateFulfillmentOrder {
    /// The warehouse.
    pub warehouse: ConnectionId,
    /// Our reference: unique per order and warehouse, what look-ups go by.
    pub reference: ExternalId,
    /// The number that the customer sees.
    pub order_number: OrderNumber,
    /// Where to.
    pub ship_to: Address,
    /// E-mail for the carrier's notices.
    pub email: Option<String>,
    /// What.
    pub lines: Vec<ShippedLine>,
    /// The way of delivery that the customer chose.
    pub shipping: Option<ShippingLine>,
    /// Value of the goods, for customs and insurance.
    pub value: Money,
}

/// Content of [`Command::CancelFulfillmentOrder`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct CancelFulfillmentOrder {
    /// The warehouse.
    pub warehouse: ConnectionId,
    /// Our reference.
    pub reference: ExternalId,
    /// The warehouse's id, where known.
    pub id: Option<ExternalId>,
}

/// Content of [`Command::SubscribeTracking`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct SubscribeTracking {
    /// The carrier service.
    pub tracker: ConnectionId,
    /// Which parcel.
    pub tracking_number: TrackingNumber,
    /// The carrier as the warehouse names it.
    pub carrier: Option<String>,
}

/// Content of [`Command::PublishFulfillment`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct PublishFulfillment {
    /// The channel.
    pub channel: ConnectionId,
    /// The channel's order id.
    pub order_id: crate::id::ChannelOrderId,
    /// What left the warehouse, with tracking.
    pub shipment: Shipment,
    /// Whether the channel tells the customer.
    pub notify_customer: bool,
}

/// Content of [`Command::PublishStock`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct PublishStock {
    /// The channel.
    pub channel: ConnectionId,
    /// What can be sold, safety stock taken off.
    pub levels: Vec<StockLevel>,
}

/// Content of [`Command::UpdateTicket`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct UpdateTicket {
    /// The helpdesk.
    pub helpdesk: ConnectionId,
    /// What an agent sees.
    pub context: OrderContext,
}

/// What an agent sees of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct OrderContext {
    /// The number that the customer sees.
    pub order_number: OrderNumber,
    /// E-mail of the customer: whose ticket it is.
    pub email: Option<String>,
    /// One line: what happened that the customer may ask about.
    pub summary: String,
    /// State of the four axes, as words.
    pub axes: std::collections::BTreeMap<String, String>,
    /// Parcels.
    pub tracking_numbers: Vec<TrackingNumber>,
    /// Open exceptions: codes with detail.
    pub exceptions: Vec<String>,
    /// Whether an agent must act, else it is only context.
    pub needs_attention: bool,
    /// Monotonic within the order: an older context never overwrites a newer one.
    pub revision: u64,
}

/// Content of [`Command::CreateRefund`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct CreateRefund {
    /// The gateway.
    pub gateway: ConnectionId,
    /// The refund's own id, echoed by the gateway as metadata.
    pub refund_id: ExternalId,
    /// The payment to pay back.
    pub payment_id: ExternalId,
    /// How much.
    pub amount: Money,
}
