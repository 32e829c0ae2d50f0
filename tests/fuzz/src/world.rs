//! All functions over stores and partners in memory that never fail: what a function gives back here, it
//! would give back for ever.

use crate::mutate::MARKER;
use aws_lambda_events::event::apigw::ApiGatewayV2httpRequest;
use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use reconciler::{JobError, Report};
use serde_json::{Value, json};
use sha2::Digest as _;
use std::sync::{Arc, OnceLock};
use waybill_flow::connections::Connections;
use waybill_flow::ports::{
    Archived, Availability, Clock as _, EffectStore as _, InfraError, OrderStore as _, Queue,
};
use waybill_flow::state::{Effect, OrderState};
use waybill_lambda_kit::batch::{Runner, Visibility};
use waybill_lambda_kit::delivery;
use waybill_lambda_kit::endpoints::Endpoints;
use waybill_lambda_kit::env::Stage;
use waybill_lambda_kit::http::Answer;
use waybill_lambda_kit::partner_commands;
use waybill_lambda_kit::secrets::SecretSource;
use waybill_lambda_kit::{chance, telemetry};
use waybill_model::case::{Case, CaseClass};
use waybill_model::command::{CommandKind, CommandQueue};
use waybill_model::envelope::EventEnvelope;
use waybill_model::id::{CorrelationId, RefKind, Reference};
use waybill_partners::client::target;
use waybill_testkit::build;
use waybill_testkit::{
    FakeErp, FakePartner, ManualClock, MemoryEffects, MemoryOrders, MemoryQueues, MemorySecrets,
};

/// Messages that one input may lead to.
const MOST_MESSAGES: usize = 200;

/// Everything under the functions.
pub struct World {
    connections: Connections,
    orders: MemoryOrders,
    effects: MemoryEffects,
    /// What was sent.
    pub queues: MemoryQueues,
    partners: FakePartner,
    erp: FakeErp,
    secrets: MemorySecrets,
    clock: Arc<ManualClock>,
    endpoints: Endpoints,
    tokens: String,
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World").finish_non_exhaustive()
    }
}

struct Nowhere;

impl Visibility for Nowhere {
    async fn change(&self, _: &str, _: Vec<(String, u32)>) -> Result<(), InfraError> {
        Ok(())
    }
}

/// The list of tokens, as the secret holds it.
struct Tokens(String);

impl SecretSource for Tokens {
    async fn fetch(&self, _: &str) -> Result<String, InfraError> {
        Ok(self.0.clone())
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl World {
    /// With the connections of a local run.
    ///
    /// # Panics
    /// They have faults.
    #[must_use]
    pub fn new() -> Self {
        static CONNECTIONS: OnceLock<Connections> = OnceLock::new();
        telemetry::silence();
        chance::seed(1);
        let clock = Arc::new(ManualClock::default());
        let connections = CONNECTIONS.get_or_init(|| {
            let text = waybill_lambda_kit::connections::text(Stage::Local);
            let shop = "partner = \"shopify\"\n";
            let url = "webhook_url = \"https://hooks.example.com/shopify-main\"\n";
            Connections::parse(&text.replacen(shop, &format!("{shop}{url}"), 1)).unwrap()
        });
        let connections = connections.clone();
        let erp = FakeErp::default();
        erp.set_level(Availability {
            sku: build::sku("MUG"),
            available: Some(build::units(4)),
        });
        let partners = FakePartner::default();
        partners.set_webhooks(&[
            ("orders/create", true, true),
            ("app/uninstalled", false, false),
        ]);
        Self {
            orders: MemoryOrders::default(),
            effects: MemoryEffects::new(clock.clone()),
            queues: MemoryQueues::default(),
            partners,
            erp,
            secrets: MemorySecrets::default()
                .with("shopify-main", &["hush"], &[])
                .with("odoo-main", &[], &[("key", "k")]),
            endpoints: Endpoints::new(&connections),
            connections,
            clock,
            tokens: Self::tokens().to_string(),
        }
    }

    /// The list of the tokens `actor` and `reader`.
    #[must_use]
    pub fn tokens() -> Value {
        let hash = |token: &str| hex::encode(sha2::Sha256::digest(token));
        json!({"tokens": [
            {"id": "agent", "sha256": hash("reader"), "scopes": ["read"]},
            {"id": "alice", "sha256": hash("actor"), "scopes": ["admin"]},
        ]})
    }

    /// Another list of tokens.
    pub fn set_tokens(&mut self, text: &str) {
        text.clone_into(&mut self.tokens);
    }

    /// The case of the order that is there.
    #[must_use]
    pub fn case() -> Case {
        build::case(
            Some(build::correlation("1001")),
            CaseClass::Data,
            "unknown_sku",
        )
    }

    /// Puts an order there, with a customer, a refused effect, a case, and the delivery that told it.
    ///
    /// # Panics
    /// The stores refuse it.
    pub async fn with_an_order(&self) {
        let mut order = build::order("1001");
        for person in [&mut order.billing, &mut order.shipping]
            .into_iter()
            .flatten()
        {
            person.name = Some(MARKER.to_owned());
        }
        if let Some(customer) = &mut order.customer {
            customer.name = Some(MARKER.to_owned());
            customer.email = Some(MARKER.to_lowercase());
        }
        let correlation = order.correlation();
        let number = build::external(order.number.as_str());
        let mut state = OrderState::default();
        state.facts.order = Some(order);
        state.effects.insert(
            build::effect("sale_order.create"),
            Effect {
                command: CommandKind::CreateSaleOrder,
                issued_at: build::start(),
                outcome: Some(build::rejected("unknown_sku")),
                attempt: 1,
                retry_wanted: false,
            },
        );
        let mut commit = build::commit(correlation, None, state, "event-1");
        commit.references = vec![Reference::anywhere(RefKind::OrderNumber, number)];
        self.orders.commit(commit).await.unwrap();
        self.orders.put_case(&Self::case()).await.unwrap();
        let body = json!({"id": 1001, "email": MARKER}).to_string();
        let told = crate::messages::of("shopify-main", Some("orders/create"), body.into_bytes());
        let archived = Archived {
            receipt: told.receipt.clone(),
            correlation: Some(correlation),
            delivery: delivery::encode(&told).unwrap(),
            received_at: build::start(),
        };
        self.orders.archive(&archived).await.unwrap();
    }

    /// Puts an order there of which this is known, and which waits for something since long.
    ///
    /// # Panics
    /// The store refuses it.
    pub async fn put(&self, order: CorrelationId, state: OrderState) {
        let mut commit = build::commit(order, None, state, "event-2");
        commit.deadline = Some(build::start().plus_ms(-1));
        self.orders.commit(commit).await.unwrap();
    }

    /// Lets time pass.
    pub fn pass(&self, ms: i64) {
        self.clock.advance_ms(ms);
    }

    /// What is known of an order.
    ///
    /// # Panics
    /// The store fails.
    pub async fn state(&self, order: CorrelationId) -> Option<OrderState> {
        self.orders
            .load(order)
            .await
            .unwrap()
            .map(|stored| stored.state)
    }

    /// A call of a partner.
    pub async fn intake(&self, event: ApiGatewayV2httpRequest) -> Answer {
        let ports = webhook_intake::Ports {
            connections: &self.connections,
            secrets: &self.secrets,
            queues: &self.queues,
            clock: self.clock.as_ref(),
        };
        webhook_intake::handle(&ports, event).await
    }

    /// A request of an operator.
    pub async fn ops(&self, event: ApiGatewayV2httpRequest) -> Answer {
        let source = Tokens(self.tokens.clone());
        let tokens = ops_api::Tokens::new(source, self.clock.clone(), "waybill/test");
        let ports = ops_api::Ports {
            connections: &self.connections,
            orders: &self.orders,
            effects: &self.effects,
            queues: &self.queues,
            tokens: &tokens,
            clock: &self.clock,
            parse: waybill_partners::parse,
        };
        ops_api::handle(&ports, event).await
    }

    /// Keeps a note for every connection, and for ourselves.
    ///
    /// # Panics
    /// The store refuses it.
    pub async fn keep(&self, name: &str, note: &str) {
        let ourselves = build::connection(EventEnvelope::OURSELVES);
        let connections = self.connections.iter().map(|connection| &connection.id);
        for whose in connections.chain([&ourselves]) {
            let kept = self.effects.set_checkpoint(whose, name, note);
            kept.await.unwrap();
        }
    }

    /// A job of the schedule.
    ///
    /// # Errors
    /// It did not run to its end.
    pub async fn job(&self, request: reconciler::Request) -> Result<Report, JobError> {
        let ports = reconciler::Ports {
            connections: &self.connections,
            orders: &self.orders,
            effects: &self.effects,
            queues: &self.queues,
            partners: &self.partners,
            erp: &self.erp,
            clock: self.clock.as_ref(),
            secrets: &self.secrets,
        };
        reconciler::handle(&ports, request).await
    }

    fn runner(&self) -> Runner<Nowhere, Arc<ManualClock>> {
        Runner {
            step: "fuzz",
            visibility: Nowhere,
            clock: self.clock.clone(),
        }
    }

    /// A message of the inbound queue.
    pub async fn validate(&self, body: &str) {
        self.hand(Queue::Inbound, body).await;
    }

    /// A message to whoever reads this queue.
    ///
    /// # Panics
    /// It was given back.
    pub async fn hand(&self, queue: Queue, body: &str) {
        let taken = self.takes(queue, body).await;
        let queue = queue.as_str();
        assert!(
            taken,
            "given back, which nothing would end, on `{queue}`: {body}"
        );
    }

    /// Whether a message is not given back by whoever reads this queue.
    ///
    /// # Panics
    /// The reader fails.
    pub async fn takes(&self, queue: Queue, body: &str) -> bool {
        let event: SqsEvent = serde_json::from_value(json!({"Records": [{
            "messageId": "m-1", "receiptHandle": "h", "body": body,
            "attributes": {"MessageGroupId": "g", "ApproximateReceiveCount": "1"},
            "eventSourceARN": "arn:aws:sqs:eu-west-1:1:queue",
        }]}))
        .unwrap();
        let until = self.clock.now().plus_ms(60_000);
        let runner = self.runner();
        let answer: SqsBatchResponse = match queue {
            Queue::Inbound => {
                let ports = validator::Ports {
                    connections: &self.connections,
                    orders: &self.orders,
                    effects: &self.effects,
                    queues: &self.queues,
                    partners: &self.partners,
                    clock: self.clock.as_ref(),
                    parse: waybill_partners::parse,
                };
                validator::handle(&ports, &runner, event).await.unwrap()
            }
            Queue::Events => {
                let ports = coordinator::Ports {
                    connections: &self.connections,
                    orders: &self.orders,
                    queues: &self.queues,
                    clock: self.clock.as_ref(),
                };
                coordinator::handle(&ports, &runner, event).await.unwrap()
            }
            Queue::Commands(CommandQueue::Erp | CommandQueue::ErpBulk) => {
                let ports = odoo_writer::Ports {
                    connections: &self.connections,
                    orders: &self.orders,
                    effects: &self.effects,
                    queues: &self.queues,
                    erp: &self.erp,
                    clock: self.clock.as_ref(),
                    endpoints: &self.endpoints,
                };
                odoo_writer::handle(&ports, &runner, event, until)
                    .await
                    .unwrap()
            }
            Queue::Commands(CommandQueue::Fulfillment | CommandQueue::Status) => {
                let ports = partner_commands::Ports {
                    orders: &self.orders,
                    effects: &self.effects,
                    queues: &self.queues,
                    partners: &self.partners,
                    target,
                    clock: self.clock.as_ref(),
                    endpoints: &self.endpoints,
                };
                partner_commands::handle(&ports, &runner, event, until)
                    .await
                    .unwrap()
            }
        };
        answer.batch_item_failures.is_empty()
    }

    /// Hands on what was sent until nothing is sent any more.
    ///
    /// # Panics
    /// It does not end, or a message was given back.
    pub async fn drain(&self) {
        let mut handed = 0;
        while !self.queues.is_empty() {
            for (queue, message) in self.queues.take() {
                handed += 1;
                assert!(handed < MOST_MESSAGES, "no end of messages");
                self.hand(queue, &message.body).await;
            }
        }
    }

    /// What is stored can be loaded, and every case says what to do.
    ///
    /// # Panics
    /// It cannot, or one does not.
    pub async fn settled(&self) {
        for (id, stored) in self.orders.all() {
            assert_eq!(self.orders.load(id).await, Ok(Some(stored.clone())));
            let text = serde_json::to_string(&stored.state).unwrap();
            let back: OrderState = serde_json::from_str(&text).unwrap();
            assert_eq!(
                back, stored.state,
                "a state that is another when it is read"
            );
        }
        for case in self.orders.all_cases() {
            assert!(
                !case.detail.is_empty() && !case.remedy.is_empty(),
                "{case:?}"
            );
        }
    }
}
