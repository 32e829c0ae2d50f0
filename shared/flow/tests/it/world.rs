//! A world that carries out commands at once and keeps what they made.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use waybill_flow::connections::Connections;
use waybill_flow::decide::{Decided, decide};
use waybill_flow::state::OrderState;
use waybill_model::case::CaseStatus;
use waybill_model::command::{Command, Issued, PaymentDirection};
use waybill_model::envelope::{Envelope, EventEnvelope};
use waybill_model::event::{CommandFinished, Event, Outcome};
use waybill_model::id::{CorrelationId, EffectKey, ExternalId, LineId, MessageId, TrackingNumber};
use waybill_model::money::Money;
use waybill_model::order::Order;
use waybill_model::quantity::Quantity;
use waybill_model::time::Instant;
use waybill_testkit::build;

pub(crate) const CONNECTIONS: &str = r#"
version = "1"
[[connections]]
id = "odoo"
partner = "odoo"
base_url = "https://erp.example.com"
[connections.erp]
database = "acme"
login = "integration"
protocol = "json2"
shipping_sku = "SHIPPING"
invoicing = "paid"
payment_journals = { default = "account.1_bank" }
[[connections]]
id = "shop-main"
partner = "shopify"
base_url = "https://acme.myshopify.com"
[connections.channel]
erp = "odoo"
gateway = "stripe"
tracker = "easypost"
helpdesk = "zendesk"
[[connections.channel.routes]]
warehouse = "threepl"
[[connections]]
id = "threepl"
partner = "shipbob"
base_url = "https://api.shipbob.com"
[connections.warehouse]
default_shipping_method = "Standard"
[[connections]]
id = "stripe"
partner = "stripe"
base_url = "https://api.stripe.com"
[[connections]]
id = "easypost"
partner = "easypost"
base_url = "https://api.easypost.com"
[[connections]]
id = "zendesk"
partner = "zendesk"
base_url = "https://acme.zendesk.com"
[connections.helpdesk]
"#;

/// What the outside holds of one order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Outside {
    pub(crate) sale_order: Option<SaleOrder>,
    pub(crate) release: Option<Release>,
    pub(crate) deliveries: BTreeMap<ExternalId, BTreeSet<TrackingNumber>>,
    pub(crate) returns: BTreeSet<ExternalId>,
    pub(crate) gateway_refunds: BTreeMap<ExternalId, Money>,
    pub(crate) credit_notes: BTreeMap<ExternalId, (Money, bool)>,
    pub(crate) rest_dropped: bool,
    pub(crate) invoiced: u32,
    pub(crate) payments: BTreeMap<(PaymentDirection, ExternalId), Money>,
    pub(crate) published: BTreeMap<ExternalId, BTreeSet<TrackingNumber>>,
    pub(crate) followed: BTreeSet<TrackingNumber>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SaleOrder {
    pub(crate) cancelled: bool,
    /// Quantities as last written.
    pub(crate) lines: BTreeMap<LineId, Quantity>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Release {
    pub(crate) cancelled: bool,
    pub(crate) lines: BTreeSet<LineId>,
}

/// One order with its world.
pub(crate) struct World {
    pub(crate) state: Option<OrderState>,
    pub(crate) outside: Outside,
    pub(crate) issued: Vec<EffectKey>,
    /// Outcomes that are not yet told.
    pub(crate) answers: VecDeque<EventEnvelope>,
    /// What commands of these effects are answered instead of being carried out.
    pub(crate) refusals: BTreeMap<EffectKey, Outcome>,
    pub(crate) now: Instant,
    rules: Connections,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with_rules(CONNECTIONS)
    }

    pub(crate) fn with_rules(connections: &str) -> Self {
        Self {
            state: None,
            outside: Outside::default(),
            issued: Vec::new(),
            answers: VecDeque::new(),
            refusals: BTreeMap::new(),
            now: build::start(),
            rules: Connections::parse(connections).unwrap(),
        }
    }

    pub(crate) fn state(&self) -> &OrderState {
        self.state.as_ref().unwrap()
    }

    /// Applies one event and carries out what it calls for; answers wait in `answers`.
    /// Returns when the clock may next change something.
    pub(crate) fn tell(&mut self, event: &EventEnvelope) -> Option<Instant> {
        self.decide(event).deadline
    }

    /// The same, and all that was decided.
    pub(crate) fn decide(&mut self, event: &EventEnvelope) -> Decided {
        let decided = decide(self.state.as_ref(), event, &self.rules, self.now);
        self.state = Some(decided.state.clone());
        for issued in decided.commands.clone() {
            self.issued.push(issued.effect.clone());
            let outcome = self.carry_out(&issued);
            let times = self.issued.iter().filter(|e| **e == issued.effect).count();
            let mut answer = answer(event.correlationid, &issued, outcome, self.now);
            // The outcome of a retry is another event.
            if times > 1 {
                answer.id = MessageId::new(format!("{}/{times}", answer.id)).unwrap();
            }
            self.answers.push_back(answer);
        }
        decided
    }

    /// Tells all answers, and the answers to what they cause.
    pub(crate) fn settle(&mut self) {
        while let Some(event) = self.answers.pop_front() {
            self.tell(&event);
        }
    }

    pub(crate) fn open_cases(&self) -> Vec<String> {
        let cases = self.state().cases.values();
        cases
            .filter(|c| c.status == CaseStatus::Open)
            .map(|c| c.code.to_string())
            .collect()
    }

    fn carry_out(&mut self, issued: &Issued) -> Outcome {
        if let Some(outcome) = self.refusals.get(&issued.effect) {
            return outcome.clone();
        }
        let outside = &mut self.outside;
        match &issued.command {
            Command::CreateSaleOrder(c) => {
                assert!(outside.sale_order.is_none(), "a second sale order");
                outside.sale_order = Some(SaleOrder {
                    cancelled: false,
                    lines: quantities(&c.order),
                });
            }
            Command::AmendSaleOrder(c) => {
                outside.sale_order.as_mut().unwrap().lines = quantities(&c.order);
            }
            Command::CancelSaleOrder(_) => {
                outside.sale_order.as_mut().unwrap().cancelled = true;
            }
            Command::CreateFulfillmentOrder(c) => {
                assert!(outside.release.is_none(), "a second release");
                let lines = c.lines.iter().filter_map(|l| l.line_id.clone());
                outside.release = Some(Release {
                    cancelled: false,
                    lines: lines.collect(),
                });
            }
            Command::CancelFulfillmentOrder(_) => {
                outside.release.as_mut().unwrap().cancelled = true;
            }
            Command::RegisterDelivery(c) if c.last => {
                assert!(!outside.rest_dropped, "dropped twice");
                outside.rest_dropped = true;
            }
            Command::RegisterDelivery(c) => {
                let numbers = outside.deliveries.entry(c.shipment.id.clone()).or_default();
                numbers.extend(
                    c.shipment
                        .parcels
                        .iter()
                        .filter_map(|p| p.tracking_number.clone()),
                );
            }
            Command::ReceiveReturn(c) => {
                assert!(
                    outside.returns.insert(c.returned.id.clone()),
                    "a second receipt"
                );
            }
            Command::CreateRefund(c) => {
                let before = outside
                    .gateway_refunds
                    .insert(c.refund_id.clone(), c.amount);
                assert!(before.is_none(), "paid back twice");
            }
            Command::CreateCreditNote(c) => {
                let cancelled = outside.sale_order.as_ref().is_some_and(|s| s.cancelled);
                // A first credit note has the order invoiced; cancelled before, there is nothing.
                if !cancelled || !outside.credit_notes.is_empty() {
                    let before = outside
                        .credit_notes
                        .insert(c.refund_id.clone(), (c.amount, false));
                    assert!(before.is_none(), "credited twice");
                }
            }
            Command::CreateInvoice(_) => outside.invoiced += 1,
            Command::RegisterPayment(c) => {
                let key = (c.direction, c.id.clone());
                let before = outside.payments.insert(key, c.amount);
                assert!(before.is_none(), "booked twice");
            }
            Command::ReverseCreditNote(c) => {
                outside
                    .payments
                    .remove(&(PaymentDirection::PaidBack, c.refund_id.clone()));
                if let Some(note) = outside.credit_notes.get_mut(&c.refund_id) {
                    note.1 = true;
                }
            }
            Command::PublishFulfillment(c) => {
                let numbers = c.shipment.tracking_numbers();
                let before = outside
                    .published
                    .insert(c.shipment.id.clone(), numbers.clone());
                assert!(
                    before.is_none_or(|before| !numbers.is_subset(&before)),
                    "the channel was told twice"
                );
            }
            Command::SubscribeTracking(c) => {
                outside.followed.insert(c.tracking_number.clone());
            }
            Command::SetStock(_) | Command::PublishStock(_) | Command::UpdateTicket(_) => {}
        }
        Outcome::Done {
            references: Vec::new(),
        }
    }
}

fn quantities(order: &Order) -> BTreeMap<LineId, Quantity> {
    let lines = order.lines.iter();
    lines.map(|l| (l.id.clone(), l.current_quantity)).collect()
}

fn answer(
    correlation: CorrelationId,
    issued: &Issued,
    outcome: Outcome,
    now: Instant,
) -> EventEnvelope {
    let body = Event::CommandFinished(CommandFinished {
        effect: issued.effect.clone(),
        command: issued.command.kind(),
        outcome,
    });
    let id = MessageId::new(format!("answer/{}/{}", issued.effect, issued.id)).unwrap();
    Envelope::new(id, build::connection("waybill"), now, correlation, body)
}
