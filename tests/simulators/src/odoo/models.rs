//! What creating and writing means for single models, beyond storing values.
use serde_json::{Value, json};

use super::env::{Env, Vals, link, truthy};
use super::fault::{Class, Fault};
use super::{Version, account, compute, orm, payments, quants, returns, sale, stock};

/// Odoo's `_order`.
pub(super) fn default_order(model: &str) -> &'static str {
    match model {
        "sale.order" => "date_order desc, id desc",
        "sale.order.line" => "order_id, sequence, id",
        "stock.picking" => "scheduled_date, id desc",
        "account.move" => "date desc, name desc, invoice_date desc, id desc",
        "product.product" => "default_code, name, id",
        "res.partner" => "name, id desc",
        "account.payment" => "date desc, name desc",
        _ => "id",
    }
}

/// Is `field` a one2many whose records go with their parent?
pub(super) fn owns(model: &str, field: &str) -> bool {
    matches!(
        (model, field),
        ("sale.order", "order_line")
            | ("account.move", "invoice_line_ids")
            | ("stock.return.picking", "product_return_moves")
    )
}

pub(super) fn create(env: &mut Env<'_>, model: &str, vals: Vals) -> Result<i64, Fault> {
    match model {
        "sale.order" => create_order(env, vals),
        "sale.order.line" => create_order_line(env, vals),
        "res.partner" => create_partner(env, vals),
        "stock.quant" => quants::create(env, vals),
        "stock.return.picking" => returns::create_wizard(env, vals),
        "account.move.reversal" => account::create_reversal(env, vals),
        "account.payment" => payments::create(env, vals),
        "account.payment.register" => account::create_payment_register(env, vals),
        "res.users.apikeys.description" => super::keys::describe(env, vals),
        "payment.transaction" => {
            env.check("payment.provider", super::access::Right::Read)?;
            orm::insert(env, model, vals)
        }
        _ => orm::insert(env, model, vals),
    }
}

pub(super) fn write(env: &mut Env<'_>, model: &str, id: i64, mut vals: Vals) -> Result<(), Fault> {
    vals.remove("id");
    match model {
        "sale.order.line" => sale::write_line(env, id, vals),
        "stock.move" => stock::write_move(env, id, vals),
        "stock.quant" => quants::write(env, id, vals),
        "account.move" => account::write(env, id, vals),
        "res.partner" if vals.get("name").is_some_and(|name| !truthy(name)) => {
            let kind = vals
                .get("type")
                .cloned()
                .unwrap_or_else(|| env.db.get(model, id, "type").clone());
            check_partner_name(env, &kind, &Value::Bool(false))?;
            orm::store(env, model, id, vals)
        }
        _ => orm::store(env, model, id, vals),
    }
}

fn check_partner_name(env: &Env<'_>, kind: &Value, name: &Value) -> Result<(), Fault> {
    if truthy(name) || kind.as_str().is_some_and(|kind| kind != "contact") {
        return Ok(());
    }
    // A check constraint: 17 puts its text in quotes.
    let text = if env.version() == Version::V17 {
        "'Contacts require a name'"
    } else {
        "Contacts require a name"
    };
    Err(Fault::new(Class::Operational, text))
}

fn create_partner(env: &mut Env<'_>, vals: Vals) -> Result<i64, Fault> {
    let name = vals.get("name").cloned().unwrap_or(Value::Null);
    let kind = vals
        .get("type")
        .filter(|kind| truthy(kind))
        .cloned()
        .unwrap_or_else(|| Value::from("contact"));
    check_partner_name(env, &kind, &name)?;
    orm::insert(env, "res.partner", vals)
}

const ADDRESS: [&str; 6] = ["street", "street2", "zip", "city", "state_id", "country_id"];

/// A contact below another has that one's address, and the first below one without an address gives it its own.
///
/// Odoo does so when all records of a call are made: two at once below one without an address give it none.
fn share_address(env: &mut Env<'_>, id: i64) {
    let parent = env.db.id_in("res.partner", id, "parent_id");
    if parent == 0 {
        return;
    }
    let has = |env: &Env<'_>, id: i64| {
        let mut all = ADDRESS.iter();
        all.any(|field| truthy(env.db.get("res.partner", id, field)))
    };
    let (from, to) = if has(env, parent) {
        if env.db.text("res.partner", id, "type") != "contact" {
            return;
        }
        (parent, id)
    } else if env.db.ids("res.partner", parent, "child_ids").len() == 1 && has(env, id) {
        (id, parent)
    } else {
        return;
    };
    for field in ADDRESS {
        let value = env.db.get("res.partner", from, field).clone();
        env.db.set("res.partner", to, field, value);
    }
}

fn create_order(env: &mut Env<'_>, mut vals: Vals) -> Result<i64, Fault> {
    let partner = vals.get("partner_id").and_then(Value::as_i64).unwrap_or(0);
    if vals.get("date_order").is_some_and(|date| !truthy(date)) {
        return Err(Fault::new(Class::Assertion, "Datetime instance expected"));
    }
    // The number is drawn before anything can fail, and is not given back.
    let number = env.db.next_in("sale.order");
    vals.entry("name".into())
        .or_insert_with(|| Value::from(format!("S{number:05}")));
    if partner != 0 {
        env.check_exist("res.partner", &[partner])?;
    }
    for (field, kind) in [
        ("partner_invoice_id", "invoice"),
        ("partner_shipping_id", "delivery"),
    ] {
        vals.entry(field.into())
            .or_insert_with(|| link(address(env, partner, kind)));
    }
    vals.entry("date_order".into())
        .or_insert_with(|| env.now_text());
    vals.entry("company_id".into())
        .or_insert_with(|| Value::from(env.company()));
    vals.entry("user_id".into())
        .or_insert_with(|| Value::from(env.user.uid));
    vals.entry("warehouse_id".into()).or_insert_with(|| {
        env.db
            .all("stock.warehouse")
            .first()
            .map_or(Value::Bool(false), |id| json!(id))
    });
    let pricelist = env
        .db
        .id_in("res.partner", partner, "property_product_pricelist");
    let pricelist = if pricelist == 0 {
        env.db
            .all("product.pricelist")
            .first()
            .copied()
            .unwrap_or(0)
    } else {
        pricelist
    };
    vals.entry("pricelist_id".into())
        .or_insert_with(|| link(pricelist));
    let until = env
        .now
        .checked_add(jiff::SignedDuration::from_hours(30 * 24))
        .unwrap_or(env.now);
    vals.entry("validity_date".into())
        .or_insert_with(|| Value::from(until.strftime("%Y-%m-%d").to_string()));
    orm::insert(env, "sale.order", vals)
}

/// What follows when all records of a call are made: addresses shared below a contact, orders made as confirmed launched.
pub(super) fn created(env: &mut Env<'_>, model: &str, ids: &[i64]) -> Result<(), Fault> {
    match model {
        "res.partner" => {
            for id in ids {
                share_address(env, *id);
            }
        }
        "sale.order" => {
            let is_confirmed = |id: &i64| env.db.text("sale.order", *id, "state") == "sale";
            let confirmed: Vec<i64> = ids.iter().copied().filter(is_confirmed).collect();
            sale::launch(env, &confirmed)?;
        }
        _ => {}
    }
    Ok(())
}

/// The contact's address of a kind, or the contact itself: Odoo's `address_get`.
fn address(env: &Env<'_>, partner: i64, kind: &str) -> i64 {
    let children = env.db.ids("res.partner", partner, "child_ids");
    children
        .into_iter()
        .find(|child| env.db.text("res.partner", *child, "type") == kind)
        .unwrap_or(partner)
}

fn create_order_line(env: &mut Env<'_>, mut vals: Vals) -> Result<i64, Fault> {
    let product = vals.get("product_id").and_then(Value::as_i64).unwrap_or(0);
    let order = vals.get("order_id").and_then(Value::as_i64).unwrap_or(0);
    if product == 0
        && !vals.get("display_type").is_some_and(truthy)
        && env.version() == Version::V17
    {
        let text = "new row for relation \"sale_order_line\" violates check constraint \"sale_order_line_accountable_required_fields\"\n";
        return Err(Fault::new(Class::Operational, text));
    }
    if product != 0 {
        env.check_exist("product.product", &[product])?;
        vals.entry("name".into())
            .or_insert_with(|| Value::from(env.display("product.product", product)));
        vals.entry("price_unit".into())
            .or_insert_with(|| json!(list_price(env, order, product)));
        let taxes = env.db.ids("product.product", product, "taxes_id");
        vals.entry(compute::tax_field(env.version()).into())
            .or_insert_with(|| json!([[6, 0, taxes]]));
    } else {
        vals.entry("price_unit".into())
            .or_insert_with(|| json!(0.0));
    }
    cut_price(env, &mut vals);
    let id = orm::insert(env, "sale.order.line", vals)?;
    let price = env.db.get("sale.order.line", id, "price_unit").clone();
    env.db.set("sale.order.line", id, "__first_price", price);
    if env.db.text("sale.order", order, "state") == "sale" {
        sale::procure(
            env,
            order,
            &[(id, env.db.num("sale.order.line", id, "product_uom_qty"))],
        )?;
    }
    Ok(id)
}

/// Up to 18 a price is kept to the accuracy of `Product Price`.
pub(super) fn cut_price(env: &Env<'_>, vals: &mut Vals) {
    let places = i32::try_from(env.world.config.price_places).unwrap_or(2);
    if env.version() == Version::V17
        && let Some(price) = vals.get_mut("price_unit")
        && let Some(whole) = price.as_f64()
    {
        *price = json!(super::env::round_to(whole, places));
    }
}

/// The product's price in the currency of the order's pricelist.
pub(super) fn list_price(env: &Env<'_>, order: i64, product: i64) -> f64 {
    let price = env.db.num("product.product", product, "list_price");
    let currency = compute::order_currency(env.db, order);
    if currency == env.db.id_in("res.company", env.company(), "currency_id") {
        return price;
    }
    super::env::cents(price * env.db.num("res.currency", currency, "rate"))
}
