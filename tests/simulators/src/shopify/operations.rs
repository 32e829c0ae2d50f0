//! The Admin GraphQL operations that an integration uses: fulfillment orders, fulfillments,
//! inventory. Business errors are `userErrors` in a 200; throttling is a 200 too.

use super::actions::{FulfillSpec, ShopError, fulfill, set_stock, update_tracking};
use super::graphql::{Field, connection, cut, parse};
use super::order::{ShopFulfillment, ShopLine, ShopOrder};
use super::render::{DOMAIN, LOCATION, inventory_item_id, variant_id};
use super::{authorised, subscriptions, with_order};
use crate::catalogue;
use crate::env::utc_seconds;
use crate::money::decimal;
use crate::world::{World, lock};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// `POST graphql.json`.
pub(super) async fn answer(
    State(world): State<Arc<World>>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    if !authorised(&world, &headers) {
        let errors = "[API] Invalid API key or access token (unrecognized login or wrong password)";
        return (StatusCode::UNAUTHORIZED, Json(json!({"errors": errors}))).into_response();
    }
    let document = body.get("query").and_then(Value::as_str).unwrap_or("");
    let none = Map::new();
    let variables = body
        .get("variables")
        .and_then(Value::as_object)
        .unwrap_or(&none);
    let extensions = json!({"cost": {
        "requestedQueryCost": 12,
        "actualQueryCost": 10,
        "throttleStatus": {
            "maximumAvailable": 2000.0, "currentlyAvailable": 1990, "restoreRate": 100.0,
        },
    }});
    let operation = match parse(document, variables) {
        Ok(operation) => operation,
        Err(message) => return Json(json!({"errors": [{"message": message}]})).into_response(),
    };
    let mut data = Map::new();
    for field in &operation.fields {
        let whole = if operation.mutation {
            mutate(&world, field)
        } else {
            query(&world, field)
        };
        let value = whole.and_then(|whole| cut(&whole, &field.fields, &field.name));
        match value {
            Ok(value) => {
                data.insert(field.alias.clone(), value);
            }
            Err(message) => {
                let error = json!({"message": message, "path": [field.alias]});
                return Json(json!({"errors": [error], "extensions": extensions})).into_response();
            }
        }
    }
    Json(json!({"data": data, "extensions": extensions})).into_response()
}

fn query(world: &Arc<World>, field: &Field) -> Result<Value, String> {
    match field.name.as_str() {
        "order" => {
            let id = gid(&field.args, "id", "Order")?;
            Ok(with_order(world, id, |o| order(o, world)).unwrap_or(Value::Null))
        }
        "fulfillmentOrder" => {
            let id = gid(&field.args, "id", "FulfillmentOrder")?;
            let shop = lock(&world.shopify);
            let found = shop.orders().find(|o| o.fulfillment_order_id == id);
            Ok(found.map_or(Value::Null, fulfillment_order))
        }
        "inventoryItems" => Ok(connection(
            matching(world, &field.args)
                .map(|n| inventory_item(world, n))
                .collect(),
        )),
        "productVariants" => Ok(connection(
            matching(world, &field.args)
                .map(|n| {
                    json!({
                        "id": format!("gid://shopify/ProductVariant/{}", variant_id(n)),
                        "sku": catalogue::sku(n),
                        "title": catalogue::title(n),
                        "inventoryItem": inventory_item(world, n),
                    })
                })
                .collect(),
        )),
        "locations" => Ok(connection(vec![location()])),
        "location" => Ok(location()),
        "webhookSubscriptions" => Ok(subscriptions::list(world)),
        "shop" => Ok(json!({
            "id": "gid://shopify/Shop/548380009",
            "name": "Waybill Demo",
            "myshopifyDomain": DOMAIN,
            "currencyCode": world.options.currency,
        })),
        other => Err(format!("Field '{other}' doesn't exist on type 'QueryRoot'")),
    }
}

fn mutate(world: &Arc<World>, field: &Field) -> Result<Value, String> {
    match field.name.as_str() {
        "fulfillmentCreate" | "fulfillmentCreateV2" => fulfillment_create(world, &field.args),
        "fulfillmentTrackingInfoUpdate" | "fulfillmentTrackingInfoUpdateV2" => {
            tracking_update(world, &field.args)
        }
        "webhookSubscriptionCreate" => subscriptions::create(world, &field.args),
        "inventorySetQuantities" => set_quantities(world, &field.args),
        other => Err(format!("Field '{other}' doesn't exist on type 'Mutation'")),
    }
}

/// Number of a `gid://shopify/{kind}/{number}`.
fn number_of(text: &str, kind: &str) -> Option<i64> {
    text.strip_prefix("gid://shopify/")?
        .strip_prefix(kind)?
        .strip_prefix('/')?
        .parse()
        .ok()
}

fn gid(args: &Map<String, Value>, name: &str, kind: &str) -> Result<i64, String> {
    args.get(name)
        .and_then(Value::as_str)
        .and_then(|text| number_of(text, kind))
        .ok_or_else(|| format!("Invalid global id for argument '{name}'"))
}

/// Numbers in the catalogue that a search such as `sku:SKU-0001 OR sku:'SKU-0002'` names; all
/// without a search. `first` pages are cut later.
fn matching(world: &World, args: &Map<String, Value>) -> impl Iterator<Item = u32> {
    let search = args
        .get("query")
        .and_then(Value::as_str)
        .unwrap_or("")
        .to_owned();
    let named: Vec<u32> = search
        .split("sku:")
        .skip(1)
        .filter_map(|rest| {
            let word = rest.split(|c: char| c.is_whitespace() || c == ')').next()?;
            catalogue::number(word.trim_matches(['"', '\'']))
        })
        .collect();
    let all = search.is_empty();
    (1..=world.options.skus).filter(move |n| all || named.contains(n))
}

fn location() -> Value {
    json!({
        "id": format!("gid://shopify/Location/{LOCATION}"),
        "name": "Main warehouse",
        "isActive": true,
    })
}

fn inventory_item(world: &World, number: u32) -> Value {
    let available = lock(&world.shopify).stock.get(&number).copied();
    let level = json!({
        "id": format!("gid://shopify/InventoryLevel/{}", inventory_item_id(number)),
        "location": location(),
        "quantities": [{"name": "available", "quantity": available.unwrap_or(0)}],
    });
    json!({
        "id": format!("gid://shopify/InventoryItem/{}", inventory_item_id(number)),
        "sku": catalogue::sku(number),
        "tracked": true,
        "variant": {"id": format!("gid://shopify/ProductVariant/{}", variant_id(number))},
        "inventoryLevel": level,
        "inventoryLevels": connection(vec![level]),
    })
}

fn order(o: &ShopOrder, world: &World) -> Value {
    let money = |minor| {
        let money = json!({"amount": decimal(minor), "currencyCode": o.currency});
        json!({"shopMoney": money, "presentmentMoney": money})
    };
    let fulfillments: Vec<Value> = o.fulfillments.iter().map(|f| fulfillment(o, f)).collect();
    let status = match o.fulfillment_status() {
        None => "UNFULFILLED",
        Some("partial") => "PARTIALLY_FULFILLED",
        Some(_) => "FULFILLED",
    };
    json!({
        "id": format!("gid://shopify/Order/{}", o.id),
        "legacyResourceId": o.id.to_string(),
        "name": o.name(),
        "email": o.buyer.email,
        "test": o.test,
        "createdAt": utc_seconds(o.created_at),
        "updatedAt": utc_seconds(o.updated_at),
        "cancelledAt": o.cancelled.as_ref().map(|(at, _)| utc_seconds(*at)),
        "displayFinancialStatus": o.financial_status().to_uppercase(),
        "displayFulfillmentStatus": status,
        "currencyCode": world.options.currency,
        "totalPriceSet": money(o.stated_total_minor()),
        "fulfillmentOrders": connection(vec![fulfillment_order(o)]),
        "fulfillments": fulfillments,
        "lineItems": connection(o.lines.iter().map(line_item).collect()),
    })
}

fn line_item(line: &ShopLine) -> Value {
    json!({
        "id": format!("gid://shopify/LineItem/{}", line.id),
        "sku": line.sku,
        "title": line.title,
        "quantity": line.quantity,
        "currentQuantity": line.quantity - line.refunded,
        "unfulfilledQuantity": line.open(),
    })
}

fn fulfillment_order(o: &ShopOrder) -> Value {
    let lines = o.lines.iter().map(|line| {
        json!({
            "id": format!("gid://shopify/FulfillmentOrderLineItem/{}", line.fulfillment_order_line_id),
            "totalQuantity": line.quantity - line.removed,
            "remainingQuantity": line.open(),
            "sku": line.sku,
            "inventoryItemId": line.catalogue.map(|n| format!("gid://shopify/InventoryItem/{}", inventory_item_id(n))),
            "lineItem": line_item(line),
        })
    });
    let status = o.fulfillment_order_status();
    let actions: Vec<Value> = match status {
        "OPEN" | "IN_PROGRESS" => vec![json!({"action": "CREATE_FULFILLMENT"})],
        _ => Vec::new(),
    };
    json!({
        "id": format!("gid://shopify/FulfillmentOrder/{}", o.fulfillment_order_id),
        "status": status,
        "requestStatus": "UNSUBMITTED",
        "orderId": format!("gid://shopify/Order/{}", o.id),
        "orderName": o.name(),
        "supportedActions": actions,
        "assignedLocation": {"name": "Main warehouse", "location": location()},
        "lineItems": connection(lines.collect()),
    })
}

fn fulfillment(o: &ShopOrder, f: &ShopFulfillment) -> Value {
    let tracking: Vec<Value> = f
        .numbers
        .iter()
        .enumerate()
        .map(|(i, number)| json!({"company": f.company, "number": number, "url": f.urls.get(i)}))
        .collect();
    let tracking = if tracking.is_empty() && f.company.is_some() {
        vec![json!({"company": f.company, "number": null, "url": null})]
    } else {
        tracking
    };
    let lines = f.lines.iter().filter_map(|(index, quantity, id)| {
        Some(json!({
            "id": format!("gid://shopify/FulfillmentLineItem/{id}"),
            "quantity": quantity,
            "lineItem": line_item(o.lines.get(*index)?),
        }))
    });
    json!({
        "id": format!("gid://shopify/Fulfillment/{}", f.id),
        "legacyResourceId": f.id.to_string(),
        "status": "SUCCESS",
        "displayStatus": "FULFILLED",
        "createdAt": utc_seconds(f.created_at),
        "updatedAt": utc_seconds(f.updated_at),
        "trackingInfo": tracking,
        "fulfillmentLineItems": connection(lines.collect()),
    })
}

pub(super) fn user_error(field: &[&str], message: &str, root: &str) -> Value {
    json!({root: null, "userErrors": [{"field": field, "message": message, "code": null}]})
}

fn tracking_of(info: Option<&Value>) -> FulfillSpec {
    let texts = |one: &str, many: &str| -> Vec<String> {
        let text = |v: &Value| v.as_str().map(str::to_owned);
        let single = info.and_then(|i| i.get(one)).and_then(text);
        let list = info.and_then(|i| i.get(many)).and_then(Value::as_array);
        match list {
            Some(list) => list.iter().filter_map(text).collect(),
            None => single.into_iter().collect(),
        }
    };
    FulfillSpec {
        company: info
            .and_then(|i| i.get("company"))
            .and_then(Value::as_str)
            .map(str::to_owned),
        numbers: texts("number", "numbers"),
        urls: texts("url", "urls"),
        ..FulfillSpec::default()
    }
}

fn fulfillment_create(world: &Arc<World>, args: &Map<String, Value>) -> Result<Value, String> {
    let input = args
        .get("fulfillment")
        .ok_or("Field 'fulfillmentCreate' is missing required arguments: fulfillment")?;
    let parts = input
        .get("lineItemsByFulfillmentOrder")
        .and_then(Value::as_array)
        .ok_or("lineItemsByFulfillmentOrder: Expected value to not be null")?;
    let root = "fulfillment";
    let [part] = parts.as_slice() else {
        return Ok(user_error(
            &["fulfillment"],
            "All fulfillment orders must belong to one location.",
            root,
        ));
    };
    let id = part
        .get("fulfillmentOrderId")
        .and_then(Value::as_str)
        .and_then(|text| number_of(text, "FulfillmentOrder"));
    let (order_id, mut spec) = {
        let shop = lock(&world.shopify);
        let found = shop.orders().find(|o| Some(o.fulfillment_order_id) == id);
        let Some(order) = found else {
            return Ok(user_error(
                &["fulfillment"],
                "Fulfillment order does not exist.",
                root,
            ));
        };
        let Some(lines) = lines_of(order, part) else {
            let message = "Fulfillment order line item does not exist.";
            return Ok(user_error(&["fulfillment"], message, root));
        };
        (
            order.id,
            FulfillSpec {
                lines,
                ..tracking_of(input.get("trackingInfo"))
            },
        )
    };
    spec.notify_customer = input
        .get("notifyCustomer")
        .and_then(Value::as_bool)
        .unwrap_or(false);
    match fulfill(world, order_id, &spec) {
        Ok(made) => {
            let whole = with_order(world, order_id, |o| fulfillment(o, &made));
            Ok(json!({root: whole, "userErrors": []}))
        }
        Err(ShopError::UnknownOrder) => {
            Ok(user_error(&["fulfillment"], "Order does not exist.", root))
        }
        Err(ShopError::Refused(message)) => Ok(user_error(&["fulfillment"], &message, root)),
    }
}

/// The named lines, or all that is open where none are named.
fn lines_of(order: &ShopOrder, part: &Value) -> Option<Vec<(usize, i64)>> {
    let named = part
        .get("fulfillmentOrderLineItems")
        .and_then(Value::as_array);
    let Some(named) = named.filter(|n| !n.is_empty()) else {
        let open = order.lines.iter().enumerate().filter(|(_, l)| l.open() > 0);
        return Some(open.map(|(i, l)| (i, l.open())).collect());
    };
    named
        .iter()
        .map(|item| {
            let id = item.get("id").and_then(Value::as_str)?;
            let id = number_of(id, "FulfillmentOrderLineItem")?;
            let at = order
                .lines
                .iter()
                .position(|l| l.fulfillment_order_line_id == id)?;
            Some((at, item.get("quantity").and_then(Value::as_i64)?))
        })
        .collect()
}

fn tracking_update(world: &Arc<World>, args: &Map<String, Value>) -> Result<Value, String> {
    let id = gid(args, "fulfillmentId", "Fulfillment")?;
    let spec = tracking_of(
        args.get("trackingInfoInput")
            .or_else(|| args.get("trackingInfo")),
    );
    let root = "fulfillment";
    match update_tracking(world, id, &spec) {
        Ok(made) => {
            let shop = lock(&world.shopify);
            let order = shop
                .orders()
                .find(|o| o.fulfillments.iter().any(|f| f.id == id));
            Ok(json!({root: order.map(|o| fulfillment(o, &made)), "userErrors": []}))
        }
        Err(_) => Ok(user_error(
            &["fulfillmentId"],
            "Fulfillment does not exist.",
            root,
        )),
    }
}

fn set_quantities(world: &Arc<World>, args: &Map<String, Value>) -> Result<Value, String> {
    let root = "inventoryAdjustmentGroup";
    let input = args
        .get("input")
        .ok_or("Field 'inventorySetQuantities' is missing required arguments: input")?;
    let text = |name: &str| input.get(name).and_then(Value::as_str);
    if text("name") != Some("available") && text("name") != Some("on_hand") {
        let message = "The specified quantity name is invalid.";
        return Ok(user_error(&["input", "name"], message, root));
    }
    if text("reason").is_none() {
        return Err("reason: Expected value to not be null".to_owned());
    }
    let quantities = input
        .get("quantities")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    if quantities.len() > 250 {
        let message = "The input array size is greater than the maximum allowed of 250.";
        return Err(message.to_owned());
    }
    let ignore = input
        .get("ignoreCompareQuantity")
        .and_then(Value::as_bool)
        .unwrap_or(false);
    let mut levels = Vec::new();
    for (i, entry) in quantities.iter().enumerate() {
        let at = i.to_string();
        let compared = ["compareQuantity", "changeFromQuantity"]
            .iter()
            .any(|name| entry.get(name).is_some());
        if !ignore && !compared {
            let message = "The compareQuantity argument must be given to each quantity or ignored using ignoreCompareQuantity.";
            return Ok(user_error(
                &["input", "ignoreCompareQuantity"],
                message,
                root,
            ));
        }
        let item = entry.get("inventoryItemId").and_then(Value::as_str);
        let number = item
            .and_then(|text| number_of(text, "InventoryItem"))
            .and_then(|id| u32::try_from(id - inventory_item_id(0)).ok())
            .filter(|n| (1..=world.options.skus).contains(n));
        let Some(number) = number else {
            let message = "The specified inventory item could not be found.";
            return Ok(user_error(
                &["input", "quantities", &at, "inventoryItemId"],
                message,
                root,
            ));
        };
        let place = entry.get("locationId").and_then(Value::as_str);
        if place.and_then(|text| number_of(text, "Location")) != Some(LOCATION) {
            let message = "The specified location could not be found.";
            return Ok(user_error(
                &["input", "quantities", &at, "locationId"],
                message,
                root,
            ));
        }
        let Some(quantity) = entry.get("quantity").and_then(Value::as_i64) else {
            return Err("quantity: Expected value to not be null".to_owned());
        };
        levels.push((number, quantity));
    }
    let changes: Vec<Value> = {
        let shop = lock(&world.shopify);
        let change = |(n, q): &(u32, i64)| {
            let delta = q - shop.stock.get(n).copied().unwrap_or(0);
            json!({"name": "available", "delta": delta, "quantityAfterChange": q})
        };
        levels.iter().map(change).collect()
    };
    set_stock(world, &levels);
    Ok(json!({
        root: {
            "id": format!("gid://shopify/InventoryAdjustmentGroup/{}", world.env.elapsed_ms()),
            "createdAt": utc_seconds(world.env.now()),
            "reason": text("reason"),
            "referenceDocumentUri": text("referenceDocumentUri"),
            "changes": changes,
        },
        "userErrors": [],
    }))
}
