//! Fulfilments out: `fulfillmentCreate` on the order's open fulfillment orders.
//!
//! Shopify takes no idempotency key here, so every attempt looks first: a fulfilment that carries
//! one of the shipment's tracking numbers is this shipment. Without a number, one with the same
//! goods is, if an earlier attempt is in doubt; and a number that came later is put on it.

use super::documents::{
    CREATE, Created, FIND_FULFILLMENTS, FIND_MORE_WORK, FIND_WORK, Found, FulfilledOrder,
    Fulfillment, FulfillmentOrder, MoreWork, OrderWork, UPDATE_TRACKING,
};
use super::{Shop, digits, gid};
use crate::exchange::Access;
use crate::shopify::error::ShopifyError;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use waybill_flow::ports::Attempt;
use waybill_model::command::PublishFulfillment;
use waybill_model::id::{ExternalId, RefKind, Reference, Sku};
use waybill_model::shipment::{Shipment, ShippedLine};

/// Pages of a fulfillment order's lines that are read at most: 500 lines, Shopify's own limit.
const MAX_PAGES: usize = 13;

/// What is still to be fulfilled, by line of the shipment.
struct Open<'a> {
    line: &'a ShippedLine,
    units: i64,
}

/// Tells the shop what left the warehouse. Done already is done.
pub(super) async fn publish(
    shop: &Shop<'_>,
    attempt: Attempt,
    command: &PublishFulfillment,
) -> Result<Vec<Reference>, ShopifyError> {
    let order_id = gid("Order", command.order_id.as_str());
    let unknown = || ShopifyError::UnknownOrder {
        id: command.order_id.as_str().to_owned(),
    };
    let variables = json!({ "id": order_id });
    let found: Found<FulfilledOrder> = shop
        .graphql(Access::Read, FIND_FULFILLMENTS, variables.clone())
        .await?;
    let order = found.order.ok_or_else(unknown)?;
    let shipment = &command.shipment;
    let ours = tracking_numbers(shipment);
    let mut ids = Vec::new();
    let mut open = open_lines(shipment);
    let mut unnumbered = None;
    for made in order.fulfillments.iter().filter(|f| f.is_alive()) {
        let numbers = made.numbers();
        let shared = ours.iter().filter(|n| numbers.contains(n)).count();
        let same_goods = numbers.is_empty() && made.has_goods_of(shop, shipment);
        if shared > 0 || (ours.is_empty() && same_goods && attempt == Attempt::InDoubt) {
            if shared < ours.len() {
                update_tracking(shop, made, command).await?;
            }
            made.take_from(shop, &mut open);
            ids.push(made.id.clone());
        } else if same_goods {
            unnumbered = Some(made);
        }
    }
    open.retain(|o| o.units > 0);
    if open.is_empty() {
        return Ok(references(shop, &ids));
    }
    if order.cancelled_at.is_some() {
        return Err(ShopifyError::OrderCancelled {
            id: command.order_id.as_str().to_owned(),
        });
    }
    let found: Found<OrderWork> = shop.graphql(Access::Read, FIND_WORK, variables).await?;
    let mut work = found.order.ok_or_else(unknown)?.fulfillment_orders.nodes;
    work.retain(|w| matches!(w.status.as_str(), "OPEN" | "IN_PROGRESS"));
    for order in &mut work {
        read_on(shop, order).await?;
    }
    match (allocate(shop, &work, &open), unnumbered) {
        (Ok(parts), _) => {
            for part in parts.into_values() {
                ids.push(create(shop, command, part).await?);
            }
        }
        // Told before it had a number: the goods are fulfilled, the number is new.
        (Err(ShopifyError::NothingLeft { .. }), Some(made)) if !ours.is_empty() => {
            update_tracking(shop, made, command).await?;
            ids.push(made.id.clone());
        }
        (Err(error), _) => return Err(error),
    }
    Ok(references(shop, &ids))
}

fn references(shop: &Shop<'_>, ids: &[String]) -> Vec<Reference> {
    ids.iter()
        .filter_map(|id| ExternalId::new(digits(id)).ok())
        .map(|id| Reference::new(shop.connection.id.clone(), RefKind::Shipment, id))
        .collect()
}

fn open_lines(shipment: &Shipment) -> Vec<Open<'_>> {
    shipment
        .lines
        .iter()
        .map(|line| Open {
            line,
            units: units(line),
        })
        .collect()
}

/// Whole units: a shop sells nothing else, so a broken quantity counts up.
fn units(line: &ShippedLine) -> i64 {
    line.quantity.decimal().ceil().try_into().unwrap_or(0)
}

fn tracking_numbers(shipment: &Shipment) -> Vec<&str> {
    let mut numbers: Vec<&str> = shipment
        .parcels
        .iter()
        .filter_map(|p| p.tracking_number.as_ref())
        .map(waybill_model::id::TrackingNumber::as_str)
        .collect();
    numbers.dedup();
    numbers
}

/// Whether a shop's line is what was shipped: by its id where the warehouse echoes it, else by
/// SKU, the shop's alias put into our name.
fn is_line(shop: &Shop<'_>, shipped: &ShippedLine, line_id: &str, sku: Option<&str>) -> bool {
    if let Some(id) = &shipped.line_id {
        return digits(id.as_str()) == digits(line_id);
    }
    let Some(sku) = sku.and_then(|s| Sku::new(s).ok()) else {
        return false;
    };
    let aliases = shop.connection.channel.as_ref().map(|c| &c.sku_aliases);
    let ours = aliases.and_then(|a| a.get(&sku)).unwrap_or(&sku);
    *ours == shipped.sku
}

impl Fulfillment {
    fn is_alive(&self) -> bool {
        !matches!(
            self.status.as_deref(),
            Some("CANCELLED" | "ERROR" | "FAILURE")
        )
    }

    fn numbers(&self) -> Vec<&str> {
        self.tracking_info
            .iter()
            .filter_map(|t| t.number.as_deref())
            .map(str::trim)
            .filter(|n| !n.is_empty())
            .collect()
    }

    /// Whether it holds exactly what the shipment holds. One with more lines than were read is
    /// not taken for it.
    fn has_goods_of(&self, shop: &Shop<'_>, shipment: &Shipment) -> bool {
        let lines = &self.fulfillment_line_items;
        if lines.page_info.has_next_page {
            return false;
        }
        let held: i64 = lines.nodes.iter().filter_map(|l| l.quantity).sum();
        let shipped: i64 = shipment.lines.iter().map(units).sum();
        let mut open = open_lines(shipment);
        self.take_from(shop, &mut open);
        held == shipped && open.iter().all(|o| o.units == 0)
    }

    /// Takes off what it holds; all, if it has more lines than were read.
    fn take_from(&self, shop: &Shop<'_>, open: &mut [Open<'_>]) {
        let lines = &self.fulfillment_line_items;
        if lines.page_info.has_next_page {
            open.iter_mut().for_each(|o| o.units = 0);
            return;
        }
        for held in &lines.nodes {
            let mut left = held.quantity.unwrap_or(0);
            for o in open.iter_mut() {
                if is_line(
                    shop,
                    o.line,
                    &held.line_item.id,
                    held.line_item.sku.as_deref(),
                ) {
                    let taken = left.min(o.units).max(0);
                    o.units -= taken;
                    left -= taken;
                }
            }
        }
    }
}

/// Reads the lines beyond the first page.
async fn read_on(shop: &Shop<'_>, order: &mut FulfillmentOrder) -> Result<(), ShopifyError> {
    for _ in 0..MAX_PAGES {
        if !order.line_items.page_info.has_next_page {
            break;
        }
        let after = &order.line_items.page_info.end_cursor;
        let variables = json!({ "id": order.id, "after": after });
        let more: MoreWork = shop
            .graphql(Access::Read, FIND_MORE_WORK, variables)
            .await?;
        let Some(more) = more.fulfillment_order else {
            break;
        };
        order.line_items.nodes.extend(more.line_items.nodes);
        order.line_items.page_info = more.line_items.page_info;
    }
    Ok(())
}

/// Lines by fulfillment order, by location: one fulfilment is made at one location.
type Parts = BTreeMap<String, BTreeMap<String, Vec<Value>>>;

fn allocate(
    shop: &Shop<'_>,
    work: &[FulfillmentOrder],
    open: &[Open<'_>],
) -> Result<Parts, ShopifyError> {
    let mut parts = Parts::new();
    let mut used: BTreeMap<&str, i64> = BTreeMap::new();
    for o in open {
        let mut left = o.units;
        for order in work {
            for line in &order.line_items.nodes {
                if left == 0 || !is_line(shop, o.line, &line.line_item.id, line.sku.as_deref()) {
                    continue;
                }
                let used = used.entry(line.id.as_str()).or_default();
                let taken = left.min(line.remaining_quantity.saturating_sub(*used));
                if taken <= 0 {
                    continue;
                }
                *used += taken;
                left -= taken;
                let location = order.assigned_location.as_ref();
                let location = location.and_then(|a| a.location.as_ref());
                parts
                    .entry(location.map(|l| l.id.clone()).unwrap_or_default())
                    .or_default()
                    .entry(order.id.clone())
                    .or_default()
                    .push(json!({ "id": line.id, "quantity": taken }));
            }
        }
        if left > 0 {
            return Err(ShopifyError::NothingLeft {
                sku: o.line.sku.as_str().to_owned(),
                missing: left,
            });
        }
    }
    Ok(parts)
}

fn tracking(shipment: &Shipment) -> Option<Value> {
    let numbers = tracking_numbers(shipment);
    let company = shipment.parcels.iter().find_map(|p| p.carrier.as_deref());
    let urls: Vec<&str> = shipment
        .parcels
        .iter()
        .filter(|p| p.tracking_number.is_some())
        .filter_map(|p| p.url.as_deref())
        .collect();
    if numbers.is_empty() {
        return None;
    }
    // Shopify pairs numbers and pages by position.
    let urls = (urls.len() == numbers.len()).then_some(urls);
    Some(json!({ "numbers": numbers, "company": company, "urls": urls }))
}

async fn create(
    shop: &Shop<'_>,
    command: &PublishFulfillment,
    part: BTreeMap<String, Vec<Value>>,
) -> Result<String, ShopifyError> {
    let orders: Vec<Value> = part
        .into_iter()
        .map(|(id, lines)| json!({ "fulfillmentOrderId": id, "fulfillmentOrderLineItems": lines }))
        .collect();
    let variables = json!({ "fulfillment": {
        "lineItemsByFulfillmentOrder": orders,
        "notifyCustomer": command.notify_customer,
        "trackingInfo": tracking(&command.shipment),
    }});
    written(shop.graphql(Access::Write, CREATE, variables).await?)
}

/// The number came after the goods.
async fn update_tracking(
    shop: &Shop<'_>,
    made: &Fulfillment,
    command: &PublishFulfillment,
) -> Result<String, ShopifyError> {
    let variables = json!({
        "id": made.id,
        "tracking": tracking(&command.shipment),
        "notify": command.notify_customer,
    });
    written(
        shop.graphql(Access::Write, UPDATE_TRACKING, variables)
            .await?,
    )
}

fn written(answer: Created) -> Result<String, ShopifyError> {
    let unclear = ShopifyError::Unclear {
        status: 200,
        access: Access::Write,
    };
    let Some(answer) = answer.fulfillment_create else {
        return Err(unclear);
    };
    if let Some(error) = ShopifyError::of_users(&answer.user_errors) {
        return Err(error);
    }
    answer.fulfillment.map(|f| f.id).ok_or(unclear)
}
