//! The port to partners: finds the connection, its secrets and its adapter.

use crate::{canonical, easypost, shipbob, shopify, stripe, zendesk};
use waybill_flow::connections::{Connection, Connections, PartnerKind};
use waybill_flow::ports::{
    Attempt, Clock, ConnectionSecrets, PartnerPort, PolledPage, Secrets, Webhook,
};
use waybill_model::command::Command;
use waybill_model::delivery::Delivery;
use waybill_model::failure::Failure;
use waybill_model::id::{Code, ConnectionId, CorrelationId, MessageId, Reference};
use waybill_model::time::Instant;

/// Calls partners over HTTP.
#[derive(Debug)]
pub struct PartnerClient<S, C> {
    connections: Connections,
    secrets: S,
    http: reqwest::Client,
    clock: C,
}

/// One call: everything that an adapter's client needs.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// The HTTP client.
    pub http: &'a reqwest::Client,
    /// The connection; only its `base_url` is ever called.
    pub connection: &'a Connection,
    /// Its secrets.
    pub secrets: &'a ConnectionSecrets,
    /// The order.
    pub correlation: CorrelationId,
    /// Idempotency key for partners that take one.
    pub key: &'a MessageId,
    /// Whether to look before writing.
    pub attempt: Attempt,
    /// The instant of this attempt, for partners that check how old a signature is.
    pub now: Instant,
}

impl<S: Secrets, C: Clock> PartnerClient<S, C> {
    /// A client for these connections.
    #[must_use]
    pub fn new(connections: Connections, secrets: S, http: reqwest::Client, clock: C) -> Self {
        Self {
            connections,
            secrets,
            http,
            clock,
        }
    }

    async fn open(&self, id: &ConnectionId) -> Result<(&Connection, ConnectionSecrets), Failure> {
        let connection = self.connections.get(id).ok_or_else(|| Failure::Rejected {
            code: Code::literal("unknown_connection"),
            detail: format!("the connection `{id}` is not configured"),
            remedy: format!("add `{id}` to the connections file and deploy, then retry"),
        })?;
        let secrets = self.secrets.get(id).await.map_err(|e| Failure::Transient {
            code: Code::literal("secrets_unavailable"),
            detail: e.to_string(),
            retry_after_ms: None,
        })?;
        Ok((connection, secrets))
    }
}

impl<S: Secrets, C: Clock> PartnerPort for PartnerClient<S, C> {
    async fn execute(
        &self,
        command: &Command,
        correlation: CorrelationId,
        key: &MessageId,
        attempt: Attempt,
    ) -> Result<Vec<Reference>, Failure> {
        let id = target(command).ok_or_else(|| unsupported("odoo", command))?;
        let (connection, secrets) = self.open(id).await?;
        let call = Call {
            http: &self.http,
            connection,
            secrets: &secrets,
            correlation,
            key,
            attempt,
            now: self.clock.now(),
        };
        match connection.partner {
            PartnerKind::Shopify => shopify::execute(call, command).await,
            PartnerKind::Stripe => stripe::execute(call, command).await,
            PartnerKind::Shipbob => shipbob::execute(call, command).await,
            PartnerKind::Easypost => easypost::execute(call, command).await,
            PartnerKind::Zendesk => zendesk::execute(call, command).await,
            PartnerKind::Canonical => canonical::execute(call, command).await,
            PartnerKind::Odoo => Err(unsupported("odoo", command)),
        }
    }

    fn calls(&self, command: &Command, attempt: Attempt) -> u32 {
        let partner = target(command)
            .and_then(|id| self.connections.get(id))
            .map(|connection| connection.partner);
        let look = u32::from(attempt == Attempt::InDoubt);
        match (partner, command) {
            // The shop's work is looked up before it is fulfilled.
            (Some(PartnerKind::Shopify), Command::PublishFulfillment(_)) => 2 + look,
            (Some(PartnerKind::Shopify), _) => 2,
            // A ticket and a fulfillment order to cancel are found before they are changed.
            (Some(PartnerKind::Zendesk), _)
            | (Some(PartnerKind::Shipbob), Command::CancelFulfillmentOrder(_)) => 2,
            _ => 1 + look,
        }
    }

    async fn poll(
        &self,
        connection: &ConnectionId,
        since: Instant,
        cursor: Option<&str>,
        now: Instant,
    ) -> Result<PolledPage, Failure> {
        let (connection, secrets) = self.open(connection).await?;
        match connection.partner {
            PartnerKind::Shopify => {
                shopify::poll(&self.http, connection, &secrets, since, cursor, now).await
            }
            PartnerKind::Stripe
            | PartnerKind::Shipbob
            | PartnerKind::Easypost
            | PartnerKind::Zendesk
            | PartnerKind::Canonical
            | PartnerKind::Odoo => Ok(PolledPage {
                deliveries: Vec::new(),
                cursor: None,
            }),
        }
    }

    async fn webhooks(&self, connection: &ConnectionId) -> Result<Option<Vec<Webhook>>, Failure> {
        let (connection, secrets) = self.open(connection).await?;
        match connection.partner {
            PartnerKind::Shopify => shopify::webhooks(&self.http, connection, &secrets).await,
            PartnerKind::Stripe
            | PartnerKind::Shipbob
            | PartnerKind::Easypost
            | PartnerKind::Zendesk
            | PartnerKind::Canonical
            | PartnerKind::Odoo => Ok(None),
        }
    }

    async fn create_webhook(&self, connection: &ConnectionId, topic: &str) -> Result<(), Failure> {
        let (connection, secrets) = self.open(connection).await?;
        match connection.partner {
            PartnerKind::Shopify => {
                shopify::create_webhook(&self.http, connection, &secrets, topic).await
            }
            PartnerKind::Stripe
            | PartnerKind::Shipbob
            | PartnerKind::Easypost
            | PartnerKind::Zendesk
            | PartnerKind::Canonical
            | PartnerKind::Odoo => Err(Failure::Rejected {
                code: Code::literal("webhooks_unsupported"),
                detail: format!("no adapter subscribes `{}` to `{topic}`", connection.id),
                remedy: "subscribe to it at the partner".to_owned(),
            }),
        }
    }

    async fn refetch(&self, delivery: &Delivery) -> Result<Delivery, Failure> {
        Err(Failure::Poison {
            code: Code::literal("refetch_unsupported"),
            detail: format!("no adapter refetches for `{}`", delivery.connection),
        })
    }
}

/// The connection that a command is for; none for the ERP's.
#[must_use]
pub fn target(command: &Command) -> Option<&ConnectionId> {
    match command {
        Command::CreateFulfillmentOrder(c) => Some(&c.warehouse),
        Command::CancelFulfillmentOrder(c) => Some(&c.warehouse),
        Command::SubscribeTracking(c) => Some(&c.tracker),
        Command::PublishFulfillment(c) => Some(&c.channel),
        Command::PublishStock(c) => Some(&c.channel),
        Command::UpdateTicket(c) => Some(&c.helpdesk),
        Command::CreateRefund(c) => Some(&c.gateway),
        Command::CreateSaleOrder(_)
        | Command::AmendSaleOrder(_)
        | Command::CancelSaleOrder(_)
        | Command::RegisterDelivery(_)
        | Command::ReceiveReturn(_)
        | Command::CreateInvoice(_)
        | Command::RegisterPayment(_)
        | Command::CreateCreditNote(_)
        | Command::ReverseCreditNote(_)
        | Command::SetStock(_) => None,
    }
}

/// The answer of an adapter to a command that its partner cannot carry out.
#[must_use]
pub fn unsupported(partner: &str, command: &Command) -> Failure {
    Failure::Rejected {
        code: Code::literal("unsupported_command"),
        detail: format!("`{partner}` cannot carry out `{}`", command.kind().as_str()),
        remedy: "name another connection for this in the connections file".to_owned(),
    }
}
