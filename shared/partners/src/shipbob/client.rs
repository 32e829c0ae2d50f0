//! Calls to ShipBob. One call of [`execute`] is one attempt.

use super::error::ShipbobError;
use super::map::{is_cancelled, is_underway};
use super::wire::{
    AddProduct, CancelAnswer, CreateOrder, Financials, Order, OrderList, Recipient,
    RecipientAddress,
};
use crate::client::{Call, unsupported};
use crate::exchange::{Access, Answer, send};
use rust_decimal::prelude::ToPrimitive;
use std::collections::BTreeMap;
use waybill_flow::connections::WarehouseSettings;
use waybill_flow::ports::Attempt;
use waybill_model::command::{CancelFulfillmentOrder, Command, CreateFulfillmentOrder};
use waybill_model::failure::Failure;
use waybill_model::id::{ExternalId, RefKind, Reference};
use waybill_model::party::Address;

/// Version of the API where the connection names none.
const API_VERSION: &str = "2026-01";

/// Creates and cancels fulfillment orders.
///
/// # Errors
/// As classed from the answer's body by [`ShipbobError`].
pub async fn execute(call: Call<'_>, command: &Command) -> Result<Vec<Reference>, Failure> {
    match command {
        Command::CreateFulfillmentOrder(c) => Ok(create(&Api::new(&call)?, c).await?),
        Command::CancelFulfillmentOrder(c) => Ok(cancel(&Api::new(&call)?, c).await?),
        _ => Err(unsupported("shipbob", command)),
    }
}

/// The connection as calls need it.
struct Api<'a> {
    call: &'a Call<'a>,
    token: &'a str,
    channel_id: &'a str,
    warehouse: &'a WarehouseSettings,
}

impl<'a> Api<'a> {
    fn new(call: &'a Call<'a>) -> Result<Self, ShipbobError> {
        let token = call
            .secrets
            .api
            .get("token")
            .filter(|s| !s.is_blank())
            .ok_or(ShipbobError::NotConfigured { what: "api.token" })?;
        let channel_id = call.connection.settings.get("shipbob_channel_id").ok_or(
            ShipbobError::NotConfigured {
                what: "settings.shipbob_channel_id",
            },
        )?;
        let warehouse = call
            .connection
            .warehouse
            .as_ref()
            .ok_or(ShipbobError::NotConfigured { what: "warehouse" })?;
        Ok(Self {
            call,
            token: token.expose(),
            channel_id,
            warehouse,
        })
    }

    fn request(&self, method: http::Method, path: &str) -> reqwest::RequestBuilder {
        let connection = self.call.connection;
        let version = connection.api_version.as_deref().unwrap_or(API_VERSION);
        self.call
            .http
            .request(method, format!("{}/{version}{path}", connection.base_url))
            .bearer_auth(self.token)
            .header("shipbob_channel_id", self.channel_id)
    }

    async fn send(
        &self,
        request: reqwest::RequestBuilder,
        access: Access,
    ) -> Result<Answer, ShipbobError> {
        let answer = send(request, access)
            .await
            .map_err(ShipbobError::Transport)?;
        if answer.is_success() {
            Ok(answer)
        } else {
            Err(ShipbobError::of(&answer, access))
        }
    }

    /// The order with exactly this reference. The filter is comma-separated and case-blind, so
    /// its answer is filtered again.
    async fn find(&self, reference: &ExternalId) -> Result<Option<Order>, ShipbobError> {
        let request = self
            .request(http::Method::GET, "/order")
            .query(&[("ReferenceIds", reference.as_str())]);
        let answer = self.send(request, Access::Read).await?;
        let orders = match answer.json::<OrderList>() {
            Some(OrderList::Bare(orders) | OrderList::Paged { items: orders }) => orders,
            None => return Err(unreadable(&answer, Access::Read)),
        };
        Ok(orders
            .into_iter()
            .find(|o| o.reference_id.as_deref() == Some(reference.as_str())))
    }

    async fn get(&self, id: &ExternalId) -> Result<Order, ShipbobError> {
        let path = format!("/order/{}", segment(id)?);
        let request = self.request(http::Method::GET, &path);
        let answer = match self.send(request, Access::Read).await {
            Err(ShipbobError::Refused { status: 404, .. }) => return Err(unknown(id)),
            other => other?,
        };
        answer
            .json()
            .ok_or_else(|| unreadable(&answer, Access::Read))
    }
}

async fn create(
    api: &Api<'_>,
    command: &CreateFulfillmentOrder,
) -> Result<Vec<Reference>, ShipbobError> {
    let products = products(command)?;
    let body = order_body(api.warehouse, command, &products)?;
    if api.call.attempt == Attempt::InDoubt
        && let Some(order) = api.find(&command.reference).await?
    {
        return accepted(api, &order);
    }
    let request = api.request(http::Method::POST, "/order").json(&body);
    let answer = send(request, Access::Write)
        .await
        .map_err(ShipbobError::Transport)?;
    if answer.is_success() {
        let order: Order = answer
            .json()
            .ok_or_else(|| unreadable(&answer, Access::Write))?;
        return accepted(api, &order);
    }
    let skus: Vec<&str> = products.keys().copied().collect();
    match ShipbobError::of_create(&answer, &skus) {
        // An earlier attempt of ours made it: the reference is ours alone.
        ShipbobError::DuplicateReference => match api.find(&command.reference).await? {
            Some(order) => accepted(api, &order),
            None => Err(ShipbobError::DuplicateReference),
        },
        error => Err(error),
    }
}

/// What we asked for is there. If it is there but called off, nothing will ever ship: that is not
/// success.
fn accepted(api: &Api<'_>, order: &Order) -> Result<Vec<Reference>, ShipbobError> {
    if is_cancelled(order) {
        return Err(ShipbobError::Cancelled {
            id: order.id.text(),
        });
    }
    Ok(references(api, order))
}

/// Calls the work off, by the id that its release gave. Without one the release is in doubt: the
/// order is looked up by our reference. The search can lag behind what was created, so not finding
/// it once proves nothing; a second attempt that does not find it either takes it for never made.
async fn cancel(
    api: &Api<'_>,
    command: &CancelFulfillmentOrder,
) -> Result<Vec<Reference>, ShipbobError> {
    let id = match &command.id {
        Some(id) => id.clone(),
        None => match api.find(&command.reference).await? {
            None if api.call.attempt == Attempt::First => {
                return Err(ShipbobError::NotFoundYet {
                    reference: command.reference.as_str().to_owned(),
                });
            }
            None => return Ok(Vec::new()),
            Some(order) if is_cancelled(&order) => return Ok(references(api, &order)),
            Some(order) => order
                .id
                .external()
                .ok_or_else(|| unknown(&command.reference))?,
        },
    };
    if api.call.attempt == Attempt::InDoubt {
        let order = api.get(&id).await?;
        if is_cancelled(&order) {
            return Ok(references(api, &order));
        }
    }
    let path = format!("/order/{}/cancel", segment(&id)?);
    let request = api.request(http::Method::POST, &path);
    match api.send(request, Access::Write).await {
        Ok(answer) => {
            let done: CancelAnswer = answer
                .json()
                .ok_or_else(|| unreadable(&answer, Access::Write))?;
            let all = done.canceled_shipment_results.iter().all(|r| r.is_success);
            match done.order {
                Some(order) if is_cancelled(&order) => Ok(references(api, &order)),
                _ if !all => refused_cancel(api, &id, None).await,
                Some(order) => Ok(references(api, &order)),
                None => Ok(vec![fulfillment_order(api, id)]),
            }
        }
        Err(ShipbobError::Refused { status: 404, .. }) => Err(unknown(&id)),
        Err(error @ ShipbobError::Refused { .. }) => refused_cancel(api, &id, Some(error)).await,
        Err(error) => Err(error),
    }
}

/// A cancellation was refused: the order itself tells whether it is done already or too late. The
/// refusal's words change between versions.
async fn refused_cancel(
    api: &Api<'_>,
    id: &ExternalId,
    refusal: Option<ShipbobError>,
) -> Result<Vec<Reference>, ShipbobError> {
    let order = api.get(id).await?;
    if is_cancelled(&order) {
        return Ok(references(api, &order));
    }
    match refusal {
        Some(error) if !is_underway(&order) && order.status.as_deref() != Some("Processing") => {
            Err(error)
        }
        _ => Err(ShipbobError::TooLate {
            id: id.as_str().to_owned(),
        }),
    }
}

fn references(api: &Api<'_>, order: &Order) -> Vec<Reference> {
    let shipments = order.shipments.iter().flatten();
    let ids = shipments.filter_map(|s| s.id.external());
    let shipments =
        ids.map(|id| Reference::new(api.call.connection.id.clone(), RefKind::Shipment, id));
    order
        .id
        .external()
        .map(|id| fulfillment_order(api, id))
        .into_iter()
        .chain(shipments)
        .collect()
}

fn fulfillment_order(api: &Api<'_>, id: ExternalId) -> Reference {
    Reference::new(
        api.call.connection.id.clone(),
        RefKind::FulfillmentOrder,
        id,
    )
}

fn unknown(id: &ExternalId) -> ShipbobError {
    ShipbobError::Unknown {
        id: id.as_str().to_owned(),
    }
}

fn unreadable(answer: &Answer, access: Access) -> ShipbobError {
    ShipbobError::Unclear {
        status: answer.status,
        access,
    }
}

/// ShipBob's ids are integers; anything else would change the path.
fn segment(id: &ExternalId) -> Result<&str, ShipbobError> {
    let text = id.as_str();
    if text.bytes().all(|b| b.is_ascii_digit()) {
        Ok(text)
    } else {
        Err(unknown(id))
    }
}

fn products(command: &CreateFulfillmentOrder) -> Result<BTreeMap<&str, i64>, ShipbobError> {
    let mut products: BTreeMap<&str, i64> = BTreeMap::new();
    for line in &command.lines {
        let units = line.quantity.units().ok_or_else(|| ShipbobError::Unfit {
            code: "fractional_quantity",
            detail: format!(
                "`{}` is ordered {} times: ShipBob ships whole units",
                line.sku, line.quantity
            ),
            remedy: "route products that are sold by measure to another warehouse",
        })?;
        let sum = products.entry(line.sku.as_str()).or_default();
        *sum = sum.saturating_add(units);
    }
    products.retain(|_, units| *units > 0);
    if products.is_empty() {
        return Err(ShipbobError::Unfit {
            code: "nothing_to_ship",
            detail: "no line has a quantity".to_owned(),
            remedy: "check the order's lines at the channel",
        });
    }
    Ok(products)
}

fn order_body<'a>(
    warehouse: &'a WarehouseSettings,
    command: &'a CreateFulfillmentOrder,
    products: &BTreeMap<&'a str, i64>,
) -> Result<CreateOrder<'a>, ShipbobError> {
    let to = &command.ship_to;
    let method = command
        .shipping
        .as_ref()
        .and_then(|s| warehouse.shipping_methods.get(&s.method))
        .unwrap_or(&warehouse.default_shipping_method);
    Ok(CreateOrder {
        reference_id: command.reference.as_str(),
        order_number: command.order_number.as_str(),
        kind: "DTC",
        shipping_method: method,
        recipient: Recipient {
            name: needed(to.name.as_ref().or(to.company.as_ref()), "name")?,
            email: command.email.as_deref(),
            phone_number: to.phone.as_deref(),
            address: address(to)?,
        },
        products: products
            .iter()
            .map(|(sku, units)| AddProduct {
                reference_id: sku,
                quantity: *units,
            })
            .collect(),
        financials: financials(command),
    })
}

/// ShipBob takes the value in dollars; in another currency it is better left out than wrong.
fn financials(command: &CreateFulfillmentOrder) -> Option<Financials> {
    let value = command.value;
    let total_price = value.amount.decimal().to_f64()?;
    (value.currency.as_str() == "USD" && total_price > 0.0).then_some(Financials { total_price })
}

fn address(to: &Address) -> Result<RecipientAddress<'_>, ShipbobError> {
    Ok(RecipientAddress {
        address1: needed(to.street.as_ref(), "street")?,
        address2: to.street2.as_deref(),
        company_name: to.company.as_deref(),
        city: needed(to.city.as_ref(), "city")?,
        state: to.region.as_deref(),
        country: needed(to.country.as_ref(), "country")?,
        zip_code: to.zip.as_deref(),
    })
}

fn needed<'a>(text: Option<&'a String>, field: &str) -> Result<&'a str, ShipbobError> {
    text.map(String::as_str)
        .filter(|t| !t.trim().is_empty())
        .ok_or_else(|| ShipbobError::Unfit {
            code: "incomplete_address",
            detail: format!("the delivery address has no `{field}`"),
            remedy: "complete the delivery address at the channel",
        })
}
