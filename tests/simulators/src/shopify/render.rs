//! Orders, fulfillments, refunds and returns as the Admin REST API and the webhooks show them.

use super::order::{ShopFulfillment, ShopLine, ShopOrder, ShopRefund, ShopReturn, tax_of};
use crate::env::shop_time;
use crate::money::decimal;
use serde_json::{Map, Value, json};

/// Domain of the shop.
pub const DOMAIN: &str = "waybill-demo.myshopify.com";
/// Number of the location that fulfils.
pub const LOCATION: i64 = 1001;

struct Sheet<'a>(&'a str);

impl Sheet<'_> {
    fn set(&self, minor: i64) -> Value {
        let money = json!({"amount": decimal(minor), "currency_code": self.0});
        json!({"shop_money": money, "presentment_money": money})
    }

    /// `name` and `name_set`, as most amounts are given.
    fn put(&self, into: &mut Map<String, Value>, name: &str, minor: i64) {
        into.insert(name.to_owned(), json!(decimal(minor)));
        into.insert(format!("{name}_set"), self.set(minor));
    }
}

fn tax_lines(order: &ShopOrder, minor: i64) -> Value {
    let sheet = Sheet(&order.currency);
    if order.tax_bp == 0 {
        return json!([]);
    }
    #[expect(
        clippy::cast_precision_loss,
        reason = "a rate below 100 % in hundredths of a percent"
    )]
    let rate = order.tax_bp as f64 / 10_000.0;
    json!([{
        "channel_liable": false,
        "price": decimal(minor),
        "price_set": sheet.set(minor),
        "rate": rate,
        "title": "VAT",
    }])
}

fn address(order: &ShopOrder) -> Value {
    let b = &order.buyer;
    json!({
        "first_name": b.first,
        "last_name": b.last,
        "name": format!("{} {}", b.first, b.last),
        "company": null,
        "address1": b.street,
        "address2": "",
        "phone": b.phone,
        "city": b.city,
        "zip": b.zip,
        "province": null,
        "province_code": null,
        "country": b.country,
        "country_code": b.country_code,
        "latitude": null,
        "longitude": null,
    })
}

fn customer(order: &ShopOrder) -> Value {
    let b = &order.buyer;
    json!({
        "id": b.id,
        "email": b.email,
        "created_at": shop_time(order.created_at),
        "updated_at": shop_time(order.created_at),
        "first_name": b.first,
        "last_name": b.last,
        "state": "disabled",
        "note": null,
        "verified_email": true,
        "multipass_identifier": null,
        "tax_exempt": false,
        "phone": b.phone,
        "tags": "",
        "currency": order.currency,
        "tax_exemptions": [],
        "admin_graphql_api_id": format!("gid://shopify/Customer/{}", b.id),
        "default_address": address(order),
    })
}

fn line_item(order: &ShopOrder, line: &ShopLine) -> Value {
    let sheet = Sheet(&order.currency);
    let current = line.quantity - line.refunded;
    let status = match line.fulfilled {
        0 => Value::Null,
        f if f >= line.quantity - line.removed => json!("fulfilled"),
        _ => json!("partial"),
    };
    let allocations: Vec<Value> = line
        .allocations
        .iter()
        .map(|(index, minor)| {
            json!({
                "amount": decimal(*minor),
                "amount_set": sheet.set(*minor),
                "discount_application_index": index,
            })
        })
        .collect();
    let mut item = json!({
        "id": line.id,
        "admin_graphql_api_id": format!("gid://shopify/LineItem/{}", line.id),
        "attributed_staffs": [],
        "current_quantity": current,
        "fulfillable_quantity": line.open(),
        "fulfillment_service": "manual",
        "fulfillment_status": status,
        "gift_card": false,
        "grams": 250,
        "name": line.title,
        "product_exists": line.catalogue.is_some(),
        "product_id": line.catalogue.map(|n| 7_000_000_000_000 + i64::from(n)),
        "properties": [],
        "quantity": line.quantity,
        "requires_shipping": true,
        "sku": line.sku,
        "taxable": true,
        "title": line.title,
        // What the field says with allocations beside it: it is not where discounts are found.
        "total_discount": "0.00",
        "total_discount_set": sheet.set(0),
        "variant_id": line.catalogue.map(variant_id),
        "variant_inventory_management": "shopify",
        "variant_title": null,
        "vendor": "Waybill",
        "tax_lines": tax_lines(order, line.tax_minor),
        "duties": [],
        "discount_allocations": allocations,
    });
    if let Some(item) = item.as_object_mut() {
        sheet.put(item, "price", line.unit_minor);
    }
    item
}

/// Variant of a product of the catalogue.
#[must_use]
pub fn variant_id(number: u32) -> i64 {
    43_000_000_000_000 + i64::from(number)
}

/// Inventory item of a product of the catalogue.
#[must_use]
pub fn inventory_item_id(number: u32) -> i64 {
    45_000_000_000_000 + i64::from(number)
}

/// The order as `orders/*` webhooks carry it and `orders.json` lists it.
#[must_use]
pub fn order(o: &ShopOrder) -> Value {
    let sheet = Sheet(&o.currency);
    let discounts: i64 = o.discounts.iter().map(|d| d.amount_minor).sum();
    let all_discounts = discounts + o.shipping.discount_minor;
    let outstanding = (o.stated_total_minor() - o.paid_minor).max(0);
    let mut body = json!({
        "id": o.id,
        "admin_graphql_api_id": format!("gid://shopify/Order/{}", o.id),
        "app_id": 580_111,
        "browser_ip": null,
        "buyer_accepts_marketing": false,
        "cancel_reason": o.cancelled.as_ref().map(|(_, reason)| reason),
        "cancelled_at": o.cancelled.as_ref().map(|(at, _)| shop_time(*at)),
        "cart_token": null,
        "checkout_id": o.id - 7,
        "checkout_token": format!("c{:x}", o.id),
        "client_details": null,
        "closed_at": null,
        "confirmation_number": format!("W{:X}", o.id),
        "confirmed": true,
        "contact_email": o.buyer.email,
        "created_at": shop_time(o.created_at),
        "currency": o.currency,
        "current_total_additional_fees_set": null,
        "current_total_duties_set": null,
        "customer_locale": "en",
        "device_id": null,
        "discount_codes": discount_codes(o),
        "duties_included": false,
        "email": o.buyer.email,
        "estimated_taxes": false,
        "financial_status": o.financial_status(),
        "fulfillment_status": o.fulfillment_status(),
        "landing_site": null,
        "location_id": null,
        "merchant_of_record_app_id": null,
        "name": o.name(),
        "note": null,
        "note_attributes": [],
        "number": o.number - 1000,
        "order_number": o.number,
        "order_status_url": format!("https://{DOMAIN}/1/orders/{:x}/authenticate", o.id),
        "original_total_additional_fees_set": null,
        "original_total_duties_set": null,
        "payment_gateway_names": ["stripe"],
        "payment_terms": null,
        "phone": null,
        "po_number": null,
        "presentment_currency": o.currency,
        "processed_at": shop_time(o.created_at),
        "reference": null,
        "referring_site": null,
        "source_identifier": null,
        "source_name": "web",
        "source_url": null,
        "tags": "",
        "tax_exempt": false,
        "tax_lines": tax_lines(o, o.tax_minor()),
        "taxes_included": o.taxes_included,
        "test": o.test,
        "token": format!("{:x}", o.id),
        "total_cash_rounding_payment_adjustment_set": sheet.set(0),
        "total_cash_rounding_refund_adjustment_set": sheet.set(0),
        "total_outstanding": decimal(outstanding),
        "total_shipping_price_set": sheet.set(o.shipping.price_minor),
        "total_tip_received": "0.00",
        "total_weight": 250 * o.lines.iter().map(|l| l.quantity).sum::<i64>(),
        "updated_at": shop_time(o.updated_at),
        "user_id": null,
        "billing_address": address(o),
        "customer": customer(o),
        "discount_applications": discount_applications(o),
        "fulfillments": o.fulfillments.iter().map(|f| fulfillment(o, f)).collect::<Vec<_>>(),
        "line_items": o.lines.iter().map(|l| line_item(o, l)).collect::<Vec<_>>(),
        "refunds": o.refunds.iter().map(|r| refund(o, r)).collect::<Vec<_>>(),
        "shipping_address": address(o),
        "shipping_lines": [shipping_line(o)],
    });
    if let Some(body) = body.as_object_mut() {
        let gross: i64 = o.lines.iter().map(|l| l.unit_minor * l.quantity).sum();
        let current = (o.stated_total_minor() - o.refunded_minor()).max(0);
        let current = if o.cancelled.is_some() { 0 } else { current };
        for (name, minor) in [
            ("subtotal_price", o.subtotal_minor()),
            ("total_line_items_price", gross),
            ("total_discounts", all_discounts),
            ("total_tax", o.tax_minor()),
            ("total_price", o.stated_total_minor()),
            ("current_total_price", current),
            ("current_subtotal_price", current_subtotal(o)),
            ("current_total_discounts", all_discounts),
            ("current_total_tax", current_tax(o)),
        ] {
            sheet.put(body, name, minor);
        }
    }
    body
}

fn current_subtotal(o: &ShopOrder) -> i64 {
    let back = |r: &ShopRefund| r.lines.iter().map(|l| l.subtotal_minor).sum::<i64>();
    o.subtotal_minor() - o.refunds.iter().map(back).sum::<i64>()
}

fn current_tax(o: &ShopOrder) -> i64 {
    let back =
        |r: &ShopRefund| r.shipping_tax_minor + r.lines.iter().map(|l| l.tax_minor).sum::<i64>();
    o.tax_minor() - o.refunds.iter().map(back).sum::<i64>()
}

fn discount_codes(o: &ShopOrder) -> Value {
    let codes = o.discounts.iter().filter(|d| d.whole_order).map(|d| {
        let kind = if d.percent.is_some() {
            "percentage"
        } else {
            "fixed_amount"
        };
        json!({"code": d.title, "amount": decimal(d.amount_minor), "type": kind})
    });
    Value::Array(codes.collect())
}

fn discount_applications(o: &ShopOrder) -> Value {
    let mut all: Vec<Value> = o
        .discounts
        .iter()
        .map(|d| {
            let (value, kind) = match d.percent {
                Some(percent) => (format!("{percent}.0"), "percentage"),
                None => (decimal(d.amount_minor), "fixed_amount"),
            };
            if d.whole_order {
                json!({
                    "target_type": "line_item", "type": "discount_code", "code": d.title,
                    "value": value, "value_type": kind, "allocation_method": "across",
                    "target_selection": "all",
                })
            } else {
                json!({
                    "target_type": "line_item", "type": "manual", "title": d.title,
                    "description": d.title, "value": value, "value_type": kind,
                    "allocation_method": "each", "target_selection": "explicit",
                })
            }
        })
        .collect();
    if o.shipping.discount_minor > 0 {
        all.push(json!({
            "target_type": "shipping_line", "type": "automatic", "title": "Free shipping",
            "value": "100.0", "value_type": "percentage", "allocation_method": "each",
            "target_selection": "all",
        }));
    }
    Value::Array(all)
}

fn shipping_line(o: &ShopOrder) -> Value {
    let sheet = Sheet(&o.currency);
    let s = &o.shipping;
    let allocations = if s.discount_minor > 0 {
        json!([{
            "amount": decimal(s.discount_minor),
            "amount_set": sheet.set(s.discount_minor),
            "discount_application_index": o.discounts.len(),
        }])
    } else {
        json!([])
    };
    let mut line = json!({
        "id": s.id,
        "carrier_identifier": null,
        "code": s.code,
        "phone": null,
        "requested_fulfillment_service_id": null,
        "source": "shopify",
        "title": s.title,
        "is_removed": false,
        "tax_lines": tax_lines(o, s.tax_minor),
        "discount_allocations": allocations,
    });
    if let Some(line) = line.as_object_mut() {
        sheet.put(line, "price", s.price_minor);
        sheet.put(line, "discounted_price", s.price_minor - s.discount_minor);
    }
    line
}

/// The fulfillment as `fulfillments/*` webhooks carry it.
#[must_use]
pub fn fulfillment(o: &ShopOrder, f: &ShopFulfillment) -> Value {
    let items: Vec<Value> = f
        .lines
        .iter()
        .filter_map(|(index, quantity, _)| {
            let mut item = line_item(o, o.lines.get(*index)?);
            item.as_object_mut()?
                .insert("quantity".to_owned(), json!(quantity));
            Some(item)
        })
        .collect();
    let at = o.fulfillments.iter().position(|other| other.id == f.id);
    json!({
        "id": f.id,
        "admin_graphql_api_id": format!("gid://shopify/Fulfillment/{}", f.id),
        "created_at": shop_time(f.created_at),
        "updated_at": shop_time(f.updated_at),
        "destination": address(o),
        "email": o.buyer.email,
        "line_items": items,
        "location_id": LOCATION,
        "name": format!("{}-F{}", o.name(), at.map_or(1, |i| i + 1)),
        "order_id": o.id,
        "origin_address": {},
        "receipt": {},
        "service": "manual",
        "shipment_status": null,
        "status": "success",
        "tracking_company": f.company,
        "tracking_number": f.numbers.first(),
        "tracking_numbers": f.numbers,
        "tracking_url": f.urls.first(),
        "tracking_urls": f.urls,
    })
}

/// The refund as `refunds/create` carries it.
#[must_use]
pub fn refund(o: &ShopOrder, r: &ShopRefund) -> Value {
    let sheet = Sheet(&o.currency);
    let lines: Vec<Value> = r
        .lines
        .iter()
        .filter_map(|l| {
            let line = o.lines.get(l.line)?;
            Some(json!({
                "id": l.id,
                "line_item_id": line.id,
                "line_item": line_item(o, line),
                "location_id": (l.restock_type != "no_restock").then_some(LOCATION),
                "quantity": l.quantity,
                "restock_type": l.restock_type,
                // Numbers here, texts in the sets: so Shopify writes them.
                "subtotal": number(l.subtotal_minor),
                "subtotal_set": sheet.set(l.subtotal_minor),
                "total_tax": number(l.tax_minor),
                "total_tax_set": sheet.set(l.tax_minor),
            }))
        })
        .collect();
    let at = shop_time(r.created_at);
    json!({
        "id": r.id,
        "admin_graphql_api_id": format!("gid://shopify/Refund/{}", r.id),
        "order_id": o.id,
        "created_at": at,
        "processed_at": at,
        "note": null,
        "user_id": null,
        "duties": [],
        "total_duties_set": sheet.set(0),
        "additional_fees": [],
        "total_additional_fees_set": sheet.set(0),
        "restock": r.lines.iter().any(|l| l.restock_type != "no_restock"),
        "return": r.return_id.map(|id| json!({
            "id": id,
            "admin_graphql_api_id": format!("gid://shopify/Return/{id}"),
        })),
        "order_adjustments": adjustments(o, r),
        "refund_shipping_lines": shipping_refund(o, r),
        "refund_line_items": lines,
        "transactions": transactions(o, r),
    })
}

fn number(minor: i64) -> Value {
    #[expect(
        clippy::cast_precision_loss,
        reason = "amounts far below 2^53; real ones are floats too"
    )]
    let value = minor as f64 / 100.0;
    json!(value)
}

fn shipping_refund(o: &ShopOrder, r: &ShopRefund) -> Value {
    if r.shipping_minor == 0 {
        return json!([]);
    }
    json!([{
        "id": r.id + 1,
        "shipping_line_id": o.shipping.id,
        "subtotal_amount_set": Sheet(&o.currency).set(r.shipping_minor),
        "shipping_line": shipping_line(o),
    }])
}

fn adjustments(o: &ShopOrder, r: &ShopRefund) -> Value {
    if r.shipping_minor == 0 {
        return json!([]);
    }
    let sheet = Sheet(&o.currency);
    // With the tax in it where prices contain tax, as `subtotal` of goods has it.
    let amount = r.shipping_minor;
    json!([{
        "id": r.id + 2,
        "order_id": o.id,
        "refund_id": r.id,
        "kind": "shipping_refund",
        "reason": "Shipping refund",
        "amount": decimal(-amount),
        "amount_set": sheet.set(-amount),
        "tax_amount": decimal(-r.shipping_tax_minor),
        "tax_amount_set": sheet.set(-r.shipping_tax_minor),
    }])
}

fn transactions(o: &ShopOrder, r: &ShopRefund) -> Value {
    use super::order::RefundMoney;
    let status = match r.money {
        RefundMoney::None => return json!([]),
        RefundMoney::Pending => "pending",
        RefundMoney::Success => "success",
    };
    let at = shop_time(r.created_at);
    json!([{
        "id": r.id + 3,
        "admin_graphql_api_id": format!("gid://shopify/OrderTransaction/{}", r.id + 3),
        "order_id": o.id,
        "kind": "refund",
        "gateway": "stripe",
        "status": status,
        "message": null,
        "created_at": at,
        "processed_at": at,
        "test": o.test,
        "authorization": null,
        "location_id": null,
        "user_id": null,
        "parent_id": o.id + 1,
        "device_id": null,
        "error_code": null,
        "source_name": "web",
        "receipt": {},
        "amount": decimal(r.amount_minor),
        "currency": o.currency,
        "payment_id": format!("{}.1", o.id),
        "manual_payment_gateway": false,
        "amount_rounding": null,
    }])
}

/// The return as `returns/request` and `returns/approve` carry it.
#[must_use]
pub fn return_(o: &ShopOrder, r: &ShopReturn) -> Value {
    let gid = |kind: &str, id: i64| format!("gid://shopify/{kind}/{id}");
    let lines: Vec<Value> = r
        .lines
        .iter()
        .filter_map(|(id, index, fulfillment_line, quantity)| {
            let line = o.lines.get(*index)?;
            Some(json!({
                "id": id,
                "admin_graphql_api_id": gid("ReturnLineItem", *id),
                "fulfillment_line_item": {
                    "id": fulfillment_line,
                    "admin_graphql_api_id": gid("FulfillmentLineItem", *fulfillment_line),
                    "line_item": {
                        "id": line.id,
                        "admin_graphql_api_id": gid("LineItem", line.id),
                    },
                },
                "quantity": quantity,
                "return_reason": "unwanted",
                "return_reason_note": "",
                "customer_note": null,
            }))
        })
        .collect();
    let at = o.returns.iter().position(|other| other.id == r.id);
    json!({
        "id": r.id,
        "admin_graphql_api_id": gid("Return", r.id),
        "status": r.status,
        "name": format!("{}-R{}", o.name(), at.map_or(1, |i| i + 1)),
        "order": {"id": o.id, "admin_graphql_api_id": gid("Order", o.id)},
        "total_return_line_items": lines.len(),
        "return_line_items": lines,
        "return_shipping_fees": [],
        "exchange_line_items": [],
        "total_exchange_line_items": 0,
    })
}

/// The return as `returns/close` and `returns/cancel` carry it: thin.
#[must_use]
pub fn return_thin(o: &ShopOrder, r: &ShopReturn) -> Value {
    json!({
        "id": r.id,
        "admin_graphql_api_id": format!("gid://shopify/Return/{}", r.id),
        "order_id": o.id,
        "status": r.status,
    })
}

/// Tax of a shipping amount that is paid back.
#[must_use]
pub fn shipping_tax(o: &ShopOrder, minor: i64) -> i64 {
    tax_of(minor, o.tax_bp, o.taxes_included)
}
