use super::*;
use std::collections::BTreeSet;
use waybill_flow::ports::{InfraError, Parked, Queue};
use waybill_lambda_kit::quarantine::PATIENCE_MS;
use waybill_model::case::CaseStatus;
use waybill_model::command::{Command, CommandKind, CommandQueue};
use waybill_model::event::{CommandFinished, StockObserved};
use waybill_model::id::{ConnectionId, ExternalId, MessageId, RefKind};
use waybill_model::order::Version;
use waybill_model::returns::{Return, ReturnStatus};
use waybill_model::shipment::{Parcel, Shipment, ShipmentStatus};
use waybill_model::stock::{StockKind, StockLevel};
use waybill_testkit::build;
use waybill_testkit::{Fault, ManualClock, MemoryOrders, MemoryQueues};

const CONNECTIONS: &str = r#"
    version = "test"
    [[connections]]
    id = "odoo"
    partner = "odoo"
    base_url = "https://erp.example.com"
    [connections.erp]
    database = "acme"
    login = "integration"
    protocol = "json2"
    shipping_sku = "SHIPPING"
    [[connections]]
    id = "shop-main"
    partner = "shopify"
    base_url = "https://acme.myshopify.com"
    [connections.channel]
    erp = "odoo"
    [[connections.channel.routes]]
    warehouse = "depot"
    [[connections]]
    id = "depot"
    partner = "canonical"
    base_url = "https://depot.example.com"
    [connections.warehouse]
    erp = "odoo"
    default_shipping_method = "standard"
    owns_stock = true
"#;

const ERP: Queue = Queue::Commands(CommandQueue::Erp);

struct Nowhere;

impl Visibility for Nowhere {
    async fn change(&self, _: &str, _: Vec<(String, u32)>) -> Result<(), InfraError> {
        Ok(())
    }
}

struct World {
    connections: Connections,
    orders: MemoryOrders,
    queues: MemoryQueues,
    clock: ManualClock,
}

impl World {
    fn new() -> Self {
        Self {
            connections: Connections::parse(CONNECTIONS).unwrap(),
            orders: MemoryOrders::default(),
            queues: MemoryQueues::default(),
            clock: ManualClock::default(),
        }
    }

    async fn take(&self, event: &EventEnvelope, receives: u32) -> bool {
        self.take_body(&serde_json::to_string(event).unwrap(), receives)
            .await
    }

    /// Hands in one message and returns whether it was acknowledged.
    async fn take_body(&self, body: &str, receives: u32) -> bool {
        let ports = Ports {
            connections: &self.connections,
            orders: &self.orders,
            queues: &self.queues,
            clock: &self.clock,
        };
        let runner = Runner {
            step: "test",
            visibility: Nowhere,
            clock: ManualClock::default(),
        };
        let event = serde_json::from_value(serde_json::json!({
            "Records": [{"messageId": "m-1", "receiptHandle": "h", "body": body,
                "attributes": {"ApproximateReceiveCount": receives.to_string(), "MessageGroupId": "g",
                    "SentTimestamp": build::start().epoch_ms().to_string()},
                "eventSourceARN": "arn:aws:sqs:eu-west-1:1:events.fifo"}]
        }))
        .unwrap();
        let response = handle(&ports, &runner, event).await.unwrap();
        response.batch_item_failures.is_empty()
    }

    fn commands(&self, queue: Queue) -> Vec<CommandEnvelope> {
        let sent = self.queues.sent(queue);
        sent.iter()
            .map(|m| serde_json::from_str(&m.body).unwrap())
            .collect()
    }

    fn outbox(&self) -> usize {
        self.orders.all().values().map(|s| s.outbox.len()).sum()
    }
}

fn order_event() -> EventEnvelope {
    build::observed(build::order("1001"))
}

#[tokio::test]
async fn an_accepted_order_is_written_to_the_erp_with_its_cause() {
    let world = World::new();
    let event = order_event();
    assert!(world.take(&event, 1).await);
    let commands = world.commands(ERP);
    assert_eq!(commands.len(), 1);
    assert!(matches!(commands[0].body, Command::CreateSaleOrder(_)));
    assert_eq!(commands[0].causationid, Some(event.id));
    assert_eq!(commands[0].configversion.as_deref(), Some("test"));
    assert_eq!(world.outbox(), 0, "what was sent is off the outbox");
    let timeline = world.orders.timeline(event.correlationid).await.unwrap();
    assert_eq!(timeline[0].kind, "waybill.order.observed");
    assert_eq!(timeline[0].commands, ["waybill.sale_order.create"]);
}

#[tokio::test]
async fn commands_that_were_not_sent_are_sent_by_the_redelivery() {
    let world = World::new();
    world.queues.faults().plan("send", Fault::Unavailable);
    assert!(!world.take(&order_event(), 1).await);
    assert_eq!(world.outbox(), 1, "committed and not sent");
    assert!(world.take(&order_event(), 2).await);
    assert_eq!(world.commands(ERP).len(), 1);
    assert_eq!(world.outbox(), 0);
}

#[tokio::test]
async fn a_lost_answer_of_a_commit_issues_nothing_twice() {
    let world = World::new();
    world.orders.faults().plan("commit", Fault::LostAnswer);
    assert!(!world.take(&order_event(), 1).await);
    assert!(world.take(&order_event(), 2).await);
    let ids: BTreeSet<MessageId> = world.commands(ERP).into_iter().map(|c| c.id).collect();
    assert_eq!(ids.len(), 1);
    assert_eq!(world.commands(ERP).len(), 1);
}

/// A parcel's event that waits for whoever knows this order number.
fn waiting_under(number: ExternalId) -> Parked {
    Parked {
        reference: Reference::anywhere(RefKind::OrderNumber, number),
        event: build::in_transit("T-1"),
        since: build::start(),
    }
}

#[tokio::test]
async fn an_event_that_waited_for_its_order_is_handed_on_once_it_is_known() {
    let world = World::new();
    let order = build::order("1001");
    let number = build::external(order.number.as_str());
    let parked = waiting_under(number);
    world.orders.park(&parked).await.unwrap();
    assert!(world.take(&order_event(), 1).await);
    let released = world.queues.sent(Queue::Events);
    assert_eq!(released.len(), 1);
    let event: EventEnvelope = serde_json::from_str(&released[0].body).unwrap();
    assert_eq!(event.correlationid, order.correlation());
    assert_eq!(event.id, parked.event.id);
    assert!(world.orders.all_parked().is_empty());
}

/// The order's own parcel, and another order's in it.
#[tokio::test]
async fn what_waited_for_a_parcel_of_two_orders_is_handed_on_to_both_and_to_none_twice() {
    let world = World::new();
    let number = Reference::anywhere(RefKind::TrackingNumber, build::external("T-1"));
    let mut parked = waiting_under(build::external("T-1"));
    parked.reference = number.clone();
    world.orders.park(&parked).await.unwrap();
    let mut told = Vec::new();
    for id in ["1001", "1002"] {
        let mut shipped = build::observed(build::order(id));
        shipped.id = build::message("shipped");
        shipped.source = build::connection("depot");
        shipped.body = Event::ShipmentObserved(shipment());
        assert!(world.take(&build::observed(build::order(id)), 1).await);
        assert!(world.take(&shipped, 1).await);
        let sent = world.queues.sent(Queue::Events);
        let event: EventEnvelope = serde_json::from_str(&sent.last().unwrap().body).unwrap();
        told.push(event.correlationid);
        // It comes, and comes again: what the order has is not sent to it once more.
        for _ in 0..2 {
            assert!(world.take(&event, 1).await);
        }
        assert_eq!(world.queues.sent(Queue::Events).len(), told.len());
    }
    let orders = ["1001", "1002"].map(|id| build::order(id).correlation());
    assert_eq!(told, orders);
    assert_eq!(world.orders.all_parked(), [parked]);
}

/// Goods come back to one order only, whatever else was in the parcel.
#[tokio::test]
async fn a_return_that_waited_for_a_parcel_is_handed_on_once() {
    let world = World::new();
    let mut parked = waiting_under(build::external("T-1"));
    parked.reference = Reference::anywhere(RefKind::TrackingNumber, build::external("T-1"));
    parked.event.body = Event::ReturnObserved(Return {
        id: build::external("RET-1"),
        source: build::connection("depot"),
        status: ReturnStatus::Received,
        lines: Vec::new(),
        version: Version(1),
    });
    world.orders.park(&parked).await.unwrap();
    for id in ["1001", "1002"] {
        let mut shipped = build::observed(build::order(id));
        shipped.id = build::message("shipped");
        shipped.source = build::connection("depot");
        shipped.body = Event::ShipmentObserved(shipment());
        assert!(world.take(&build::observed(build::order(id)), 1).await);
        assert!(world.take(&shipped, 1).await);
    }
    assert_eq!(world.queues.sent(Queue::Events).len(), 1);
    assert!(world.orders.all_parked().is_empty());
}

/// It left with parcel `T-1`.
fn shipment() -> Shipment {
    Shipment {
        warehouse: build::connection("depot"),
        id: build::external("SHP-1"),
        fulfillment_order: None,
        status: ShipmentStatus::Shipped,
        lines: Vec::new(),
        parcels: vec![Parcel {
            tracking_number: Some(build::text("T-1")),
            carrier: None,
            url: None,
        }],
        shipped_at: Some(build::start()),
        version: Version(1),
    }
}

/// Whoever applied the event may have gone before it looked for what waits, and an invocation may come twice with the
/// receive count of the first.
#[tokio::test]
async fn an_event_that_was_applied_before_hands_on_what_waits_whatever_its_receive_count() {
    let world = World::new();
    assert!(world.take(&order_event(), 1).await);
    let number = build::external(build::order("1001").number.as_str());
    world.orders.park(&waiting_under(number)).await.unwrap();
    assert!(world.take(&order_event(), 1).await);
    assert_eq!(world.queues.sent(Queue::Events).len(), 1);
    assert!(world.orders.all_parked().is_empty());
}

#[tokio::test]
async fn counted_stock_goes_to_the_erp_behind_orders_and_leaves_no_state() {
    let world = World::new();
    let depot = build::connection("depot");
    let event = EventEnvelope::new(
        build::message("stock-1"),
        depot.clone(),
        build::start(),
        CorrelationId::for_connection(&depot),
        Event::StockObserved(StockObserved {
            levels: vec![StockLevel {
                location: depot.clone(),
                sku: build::sku("MUG-01"),
                kind: StockKind::OnHand,
                quantity: build::units(7),
                at: build::start(),
                lot: None,
            }],
        }),
    );
    assert!(world.take(&event, 1).await);
    assert_eq!(
        world.commands(Queue::Commands(CommandQueue::ErpBulk)).len(),
        1
    );
    assert!(world.orders.all().is_empty());
}

#[tokio::test]
async fn rejected_stock_is_a_case_of_the_connection_until_the_next_success() {
    let world = World::new();
    let depot: ConnectionId = build::connection("depot");
    let finished = |n: &str, outcome: Outcome| {
        EventEnvelope::new(
            build::message(n),
            depot.clone(),
            build::start(),
            CorrelationId::for_connection(&depot),
            Event::CommandFinished(CommandFinished {
                effect: build::effect("stock.set/1"),
                command: CommandKind::SetStock,
                outcome,
            }),
        )
    };
    let refused = |code: &'static str| Outcome::Rejected {
        code: Code::literal(code),
        detail: "no".to_owned(),
        remedy: "create the product, then retry".to_owned(),
    };
    let done = || Outcome::Done { references: vec![] };
    assert!(world.take(&finished("f-1", done()), 1).await);
    assert!(world.orders.all_cases().is_empty());
    assert!(
        world
            .take(&finished("f-2", refused("unknown_sku")), 1)
            .await
    );
    assert!(
        world
            .take(&finished("f-3", refused("no_location")), 1)
            .await
    );
    let cases = world.orders.all_cases();
    assert_eq!(cases.len(), 1);
    assert_eq!(cases[0].code.as_str(), "no_location");
    assert_eq!(cases[0].class, CaseClass::Erp);
    assert!(cases[0].remedy.starts_with("create the product; "));
    assert!(!cases[0].remedy.contains("retry"), "{}", cases[0].remedy);
    assert!(world.take(&finished("f-4", done()), 1).await);
    assert_eq!(world.orders.all_cases()[0].status, CaseStatus::Resolved);
}

#[tokio::test]
async fn a_refusal_after_a_success_is_a_case_also_where_the_one_before_was_ignored() {
    let world = World::new();
    let depot: ConnectionId = build::connection("depot");
    let own = CorrelationId::for_connection(&depot);
    let finished = |n: &str, outcome: Outcome| {
        let told = Event::CommandFinished(CommandFinished {
            effect: build::effect("stock.set/1"),
            command: CommandKind::SetStock,
            outcome,
        });
        EventEnvelope::new(build::message(n), depot.clone(), build::start(), own, told)
    };
    let no = || build::rejected("unknown_sku");
    assert!(world.take(&finished("f-1", no()), 1).await);
    let ignored = Case {
        status: CaseStatus::Ignored,
        ..world.orders.all_cases()[0].clone()
    };
    world.orders.put_case(&ignored).await.unwrap();
    assert!(world.take(&finished("f-2", no()), 1).await);
    assert_eq!(world.orders.all_cases()[0].status, CaseStatus::Ignored);
    let references = Vec::new();
    let done = Outcome::Done { references };
    assert!(world.take(&finished("f-3", done), 1).await);
    assert!(world.take(&finished("f-4", no()), 1).await);
    assert_eq!(world.orders.all_cases()[0].status, CaseStatus::Open);
}

#[tokio::test]
async fn an_event_that_cannot_be_read_is_kept_with_a_case() {
    let world = World::new();
    let body = "{\"specversion\":\"1.0\"}";
    assert!(
        !world.take_body(body, 1).await,
        "it may be of a newer version"
    );
    world.clock.advance_ms(PATIENCE_MS - 1);
    assert!(!world.take_body(body, 9).await);
    assert!(world.orders.all_cases().is_empty());
    world.clock.advance_ms(1);
    assert!(world.take_body(body, 10).await);
    let cases = world.orders.all_cases();
    assert_eq!(cases[0].code.as_str(), "unreadable_event");
    let kept = world.orders.receipt(&build::message("m-1")).await.unwrap();
    assert!(kept.is_some());
}

#[tokio::test]
async fn an_event_of_a_newer_version_is_applied() {
    let world = World::new();
    let mut newer = serde_json::to_value(order_event()).unwrap();
    newer["data"]["order"]["loyalty"] = "gold".into();
    assert!(world.take_body(&newer.to_string(), 1).await);
    assert_eq!(world.commands(ERP).len(), 1);
}
