//! Answers of an Odoo in both protocols.

use crate::answers::Answers;
use crate::mutate::MARKER;
use serde_json::{Value, json};
use waybill_testkit::build;

/// A key that Odoo makes.
pub(super) const MADE_KEY: &str = "made-key-of-odoo";

/// Results by a word of the call.
fn results() -> Vec<(&'static str, Value)> {
    let digits = json!({"digits": [16, 2]});
    let uuid = build::correlation("1001").to_string();
    let read = json!([{"id": 1, "name": "S00001", "state": "draft", "amount_total": 10.0, "client_order_ref": "#1001",
        "currency_id": {"id": 1, "name": "EUR"}, "date_order": "2026-01-31 10:00:00", "create_uid": 6,
        "order_line": [{"id": 1, "display_type": false, "product_uom_qty": 1.0, "price_unit": 10.0, "discount": 0.0,
            "write_uid": 6, "product_id": {"id": 1, "default_code": "MUG", "active": true, "sale_ok": true}}],
        "partner_id": [7, MARKER], "invoice_ids": [], "picking_ids": [3], "res_id": 1, "model": "sale.order",
        "default_code": "MUG", "sale_ok": true, "active": true, "free_qty": 4.0, "qty_available": 5.0}]);
    vec![
        ("read", read.clone()),
        ("search", read),
        ("read", rows_of("sale")),
        ("search", rows_of("sale")),
        ("search", rows_of("assigned")),
        ("search", rows_of("done")),
        ("search", rows_of("posted")),
        (
            "get_external_id",
            json!({"1": format!("waybill.so_{}", uuid.replace('-', "_"))}),
        ),
        ("check_object_reference", json!(["sale.order", 1])),
        ("confirm", json!(true)),
        ("version", version(17)),
        ("version", version(19)),
        ("authenticate", json!(6)),
        ("", json!(false)),
        ("", json!([1])),
        ("", json!(null)),
        (
            "product.product",
            ["MUG", "MUG-RED", "TEE-M", "SHIPPING"]
                .iter()
                .zip(1..)
                .map(product)
                .collect(),
        ),
        (
            "fields_get",
            json!({"price_unit": digits, "discount": digits, "product_uom_qty": digits}),
        ),
        ("tax_20", json!(["account.tax", 5])),
        ("pricelist_eur", json!(["product.pricelist", 5])),
        ("carrier_std", json!(["delivery.carrier", false])),
    ]
}

/// An order, a transfer, a move of stock and an entry in one, in this state.
fn rows_of(state: &str) -> Value {
    let one = json!([1, "one"]);
    json!([{"id": 1, "name": "S00001", "state": state, "amount_total": 10.0, "currency_id": [1, "EUR"],
        "invoice_status": "to invoice", "date_order": "2026-01-31 10:00:00", "partner_invoice_id": one,
        "partner_shipping_id": one, "warehouse_id": one, "origin": "S00001", "sale_id": one,
        "picking_type_code": "outgoing", "carrier_tracking_ref": false, "location_id": one, "location_dest_id": one,
        "picking_id": one, "product_id": one, "product_uom_qty": 2.0, "quantity": 2.0,
        "origin_returned_move_id": false, "date_deadline": false, "sale_line_id": one, "move_type": "out_invoice",
        "ref": MARKER, "reversed_entry_id": false, "journal_id": one, "commercial_partner_id": one, "memo": MARKER,
        "move_id": one, "account_id": one, "amount_residual": 10.0, "tracking": "none", "lot_id": false,
        "default_code": "MUG", "partner_id": [7, MARKER], "email": MARKER, "res_id": 1}])
}

/// Of both ways to ask for it.
fn version(major: u32) -> Value {
    let (text, info) = (format!("{major}.0"), json!([major, 0, 0, "final", 0, ""]));
    json!({"server_version": text, "server_version_info": info, "version": text, "version_info": info})
}

fn product((sku, id): (&&str, i64)) -> Value {
    let kind = if *sku == "SHIPPING" {
        "service"
    } else {
        "consu"
    };
    json!({"id": id, "default_code": sku, "active": true, "sale_ok": true, "type": kind, "company_id": false,
        "free_qty": 4.0, "qty_available": 5.0, "is_storable": true, "display_name": sku})
}

/// What is answered to whoever writes many records at once.
fn loaded() -> Vec<(&'static str, Value)> {
    let answers = [
        json!({"ids": [1], "messages": []}),
        json!({"ids": [1, 2], "messages": []}),
        json!({"ids": [1, 2, 3], "messages": []}),
        json!({"ids": false, "messages": [{"record": 0, "type": "error", "field": "order_line",
            "message": format!("no {MARKER}")}]}),
        json!({"ids": false, "messages": [{"rows": {"from": 0, "to": 0}, "message":
            "could not serialize access due to concurrent update"}]}),
    ];
    let of = |word| answers.clone().map(|answer| (word, answer));
    ["/load", "\"load\""].into_iter().flat_map(of).collect()
}

/// What is answered about the user and the keys.
fn of_keys() -> Vec<(&'static str, Value)> {
    let check = json!({"type": "ir.actions.act_window", "res_model": "res.users.identitycheck", "res_id": 3});
    vec![
        (
            "context_get",
            json!({"uid": 6, "lang": "en_US", "tz": "Europe/Amsterdam"}),
        ),
        (
            "apikeys",
            json!([{"id": 7, "name": "waybill", "create_date": "2026-01-01 09:00:00",
            "expiration_date": "2026-03-31 09:00:00"}, {"id": 8, "name": MARKER, "create_date": false,
            "expiration_date": false}]),
        ),
        ("generate", json!(MADE_KEY)),
        ("revoke", json!(true)),
        ("session/authenticate", json!({"uid": 6})),
        ("/create", json!([3])),
        ("\"create\"", json!([3])),
        ("make_key", check.clone()),
        ("/remove", check.clone()),
        ("\"remove\"", check),
        ("identitycheck", json!(true)),
        ("run_check", json!({"context": {"default_key": MADE_KEY}})),
    ]
}

/// What is answered to whoever looks whether all is there.
fn of_check() -> Vec<(&'static str, Value)> {
    let row = json!({"id": 6, "name": "Shop", "display_name": "Sales / Administrator", "login": "me",
        "tz": "Europe/Amsterdam", "company_id": [1, "Shop"], "partner_id": [7, MARKER], "state": "installed",
        "default_code": "MUG", "active": true, "sale_ok": true, "type": "consu", "amount": 20.0,
        "amount_type": "percent", "type_tax_use": "sale", "price_include": true, "currency_id": [1, "EUR"],
        "product_id": [1, "Shipping"], "usage": "internal", "code": "WH",
        "tax_calculation_rounding_method": "round_per_line"});
    let rows = json!([row]);
    vec![
        ("res.users", rows.clone()),
        ("res.groups", rows.clone()),
        ("res.company", rows.clone()),
        ("account.tax", rows.clone()),
        ("product.pricelist", rows.clone()),
        ("stock.warehouse", rows.clone()),
        ("ir.module.module", rows),
        ("has_access", json!(true)),
        ("check_access_rights", json!(true)),
        ("has_group", json!(true)),
        ("group_", json!(["res.groups", 5])),
    ]
}

/// What is refused, by a word of the call: the fault's name and its sentence.
fn refusals() -> Vec<(&'static str, &'static str, String)> {
    let mut all: Vec<(&str, &str, String)> = [
        "odoo.exceptions.UserError",
        "odoo.exceptions.AccessError",
        "odoo.exceptions.MissingError",
        "builtins.ValueError",
        "psycopg2.OperationalError",
        "psycopg2.errors.SerializationFailure",
        MARKER,
    ]
    .map(|name| ("", name, format!("{MARKER} may not")))
    .into();
    for word in ["generate", "run_check"] {
        for (name, text) in [
            (
                "odoo.exceptions.UserError",
                "The API key duration cannot exceed 30.0 days.",
            ),
            (
                "odoo.exceptions.UserError",
                "Programmatic API keys are not enabled",
            ),
            ("odoo.exceptions.UserError", "Incorrect Password"),
            (
                "builtins.AttributeError",
                "The method 'res.users.apikeys.generate' does not exist",
            ),
        ] {
            all.push((word, name, text.to_owned()));
        }
    }
    all
}

/// All of them, and those to the calls about keys and checks only where they are `asked` for: the words
/// are in other calls too.
pub(super) fn answers(json2: bool, asked: bool) -> Answers {
    let mut all = results();
    if asked {
        all.extend(of_check());
        all.extend(of_keys());
    }
    all.extend(loaded());
    let mut known: Vec<(&'static str, Value)> = Vec::new();
    for (word, result) in all {
        known.push((
            word,
            if json2 {
                result
            } else {
                json!({"jsonrpc": "2.0", "id": 1, "result": result})
            },
        ));
    }
    for (word, name, message) in refusals() {
        let data = json!({"name": name, "message": message, "debug": MARKER});
        known.push((word, if json2 { data } else {
            json!({"jsonrpc": "2.0", "id": 1, "error": {"code": 200, "message": "Odoo Server Error", "data": data}})
        }));
    }
    Answers {
        known,
        headers: &[
            ("set-cookie", "session_id=x"),
            ("date", "Mon, 23 Nov 2026 09:00:00 GMT"),
            ("date", "x"),
        ],
    }
}
