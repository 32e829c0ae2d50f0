//! Stock on hand: quants, reservations, inventory counts, and their groups.
use serde_json::{Map, Value, json};

use super::access::Right;
use super::env::{Env, Vals};
use super::fault::{Class, Fault};
use super::schema::Kind;
use super::{Version, domain, orm};

/// The one quant of a product at a location, made when there is none.
fn quant(env: &mut Env<'_>, product: i64, location: i64) -> Result<i64, Fault> {
    if let Some(id) = find(env, product, location) {
        return Ok(id);
    }
    let mut vals = Vals::new();
    vals.insert("product_id".into(), json!(product));
    vals.insert("location_id".into(), json!(location));
    vals.insert("company_id".into(), json!(env.company()));
    vals.insert("in_date".into(), env.now_text());
    orm::insert(env, "stock.quant", vals)
}

fn find(env: &Env<'_>, product: i64, location: i64) -> Option<i64> {
    let quants = env.db.ids("product.product", product, "__quants");
    quants
        .into_iter()
        .find(|id| env.db.id_in("stock.quant", *id, "location_id") == location)
}

pub(super) fn available(env: &Env<'_>, product: i64, location: i64) -> f64 {
    find(env, product, location).map_or(0.0, |id| {
        env.db.num("stock.quant", id, "quantity")
            - env.db.num("stock.quant", id, "reserved_quantity")
    })
}

fn add(env: &mut Env<'_>, product: i64, location: i64, field: &str, by: f64) -> Result<(), Fault> {
    if by == 0.0 {
        return Ok(());
    }
    let id = quant(env, product, location)?;
    let after = env.db.num("stock.quant", id, field) + by;
    env.db.set("stock.quant", id, field, json!(after));
    Ok(())
}

/// Moves goods from one location to the other.
pub(super) fn transfer(
    env: &mut Env<'_>,
    product: i64,
    from: i64,
    to: i64,
    quantity: f64,
) -> Result<(), Fault> {
    add(env, product, from, "quantity", -quantity)?;
    add(env, product, to, "quantity", quantity)
}

pub(super) fn reserve(
    env: &mut Env<'_>,
    product: i64,
    location: i64,
    by: f64,
) -> Result<(), Fault> {
    add(env, product, location, "reserved_quantity", by)
}

pub(super) fn create(env: &mut Env<'_>, mut vals: Vals) -> Result<i64, Fault> {
    let id_of = |vals: &Vals, name: &str| vals.get(name).and_then(Value::as_i64).unwrap_or(0);
    let (product, location) = (id_of(&vals, "product_id"), id_of(&vals, "location_id"));
    if product != 0 && env.db.text("product.product", product, "type") == "service" {
        return Err(Fault::validation(
            "Quants cannot be created for consumables or services.",
        ));
    }
    if product == 0 || location == 0 {
        return orm::insert(env, "stock.quant", vals);
    }
    let counted = vals.remove("inventory_quantity");
    let auto = vals.remove("inventory_quantity_auto_apply");
    if !env.flag("inventory_mode") {
        let id = quant(env, product, location)?;
        return Ok(id);
    }
    let id = quant(env, product, location)?;
    let mut change = Vals::new();
    change.extend(counted.map(|value| ("inventory_quantity".to_owned(), value)));
    change.extend(auto.map(|value| ("inventory_quantity_auto_apply".to_owned(), value)));
    write(env, id, change)?;
    Ok(id)
}

/// `load` counts in inventory mode whatever the context says, by default where the first warehouse sells from.
pub(super) fn import(env: &mut Env<'_>, mut vals: Vals) -> Result<i64, Fault> {
    let warehouse = env.db.all("stock.warehouse").first().copied().unwrap_or(0);
    vals.entry("location_id".into()).or_insert_with(|| {
        env.db
            .get("stock.warehouse", warehouse, "lot_stock_id")
            .clone()
    });
    let mode = env
        .context
        .insert("inventory_mode".into(), Value::Bool(true));
    let made = create(env, vals);
    match mode {
        Some(before) => env.context.insert("inventory_mode".into(), before),
        None => env.context.remove("inventory_mode"),
    };
    made
}

pub(super) fn write(env: &mut Env<'_>, id: i64, mut vals: Vals) -> Result<(), Fault> {
    let number = |value: Value| value.as_f64().unwrap_or(0.0);
    if let Some(value) = vals.remove("inventory_quantity_auto_apply").map(number) {
        check_manager(env)?;
        adjust(env, id, value)?;
    }
    if let Some(value) = vals.remove("inventory_quantity").map(number) {
        env.db
            .set("stock.quant", id, "inventory_quantity", json!(value));
        env.db
            .set("stock.quant", id, "inventory_quantity_set", json!(true));
    }
    orm::store(env, "stock.quant", id, vals)
}

fn check_manager(env: &Env<'_>) -> Result<(), Fault> {
    if env.version() == Version::V17 && !env.in_group("stock.group_stock_manager") {
        return Err(Fault::user(
            "Only a stock manager can validate an inventory adjustment.",
        ));
    }
    Ok(())
}

fn adjust(env: &mut Env<'_>, id: i64, counted: f64) -> Result<(), Fault> {
    let product = env.db.id_in("stock.quant", id, "product_id");
    let location = env.db.id_in("stock.quant", id, "location_id");
    let difference = counted - env.db.num("stock.quant", id, "quantity");
    let loss = env
        .db
        .find(
            "stock.location",
            "name",
            &Value::from("Inventory adjustment"),
        )
        .unwrap_or(0);
    transfer(env, product, loss, location, difference)?;
    env.db
        .set("stock.quant", id, "inventory_quantity", json!(0.0));
    env.db
        .set("stock.quant", id, "inventory_quantity_set", json!(false));
    Ok(())
}

/// `action_apply_inventory`: answers nothing.
pub(super) fn apply_inventory(env: &mut Env<'_>, ids: &[i64]) -> Result<Value, Fault> {
    env.check("stock.quant", Right::Write)?;
    env.check_exist("stock.quant", ids)?;
    check_manager(env)?;
    for id in ids {
        if env.db.flag("stock.quant", *id, "inventory_quantity_set") {
            let counted = env.db.num("stock.quant", *id, "inventory_quantity");
            adjust(env, *id, counted)?;
        }
    }
    Ok(Value::Null)
}

/// `read_group` (17) and `formatted_read_group` (19) over sums and counts.
pub(super) fn groups(
    env: &Env<'_>,
    model: &str,
    args: &Map<String, Value>,
) -> Result<Value, Fault> {
    env.check(model, Right::Read)?;
    let empty = json!([]);
    let filter = args.get("domain").unwrap_or(&empty);
    let names = |key: &str| -> Vec<String> {
        match args.get(key) {
            Some(Value::String(one)) => vec![one.clone()],
            other => other
                .and_then(Value::as_array)
                .map(|all| {
                    all.iter()
                        .filter_map(Value::as_str)
                        .map(str::to_owned)
                        .collect()
                })
                .unwrap_or_default(),
        }
    };
    let v17 = env.version() == Version::V17;
    let mut by = names("groupby");
    let lazy = v17 && args.get("lazy").is_none_or(super::env::truthy);
    if lazy {
        by.truncate(1);
    }
    let sums = names(if v17 { "fields" } else { "aggregates" });
    for spec in by.iter().chain(&sums) {
        let name = spec.split(':').next().unwrap_or(spec);
        if name != "__count" && env.world.schema.field(model, name).is_none() {
            return Err(Fault::new(
                Class::Value,
                format!("Invalid field '{name}' on model '{model}'"),
            ));
        }
    }
    let mut found: Vec<(Vec<Value>, Vec<i64>)> = Vec::new();
    for id in domain::search(env, model, filter)? {
        let key: Vec<Value> = by.iter().map(|name| env.get(model, id, name)).collect();
        match found.iter_mut().find(|(other, _)| *other == key) {
            Some((_, ids)) => ids.push(id),
            None => found.push((key, vec![id])),
        }
    }
    found.sort_by_key(|(key, _)| {
        key.iter()
            .map(|value| value.as_i64().unwrap_or(i64::MAX))
            .collect::<Vec<_>>()
    });
    let rows = found
        .iter()
        .map(|(key, ids)| group_row(env, model, filter, &by, &sums, lazy, key, ids))
        .collect();
    Ok(Value::Array(rows))
}

#[expect(
    clippy::too_many_arguments,
    reason = "one row needs all parts of the call"
)]
fn group_row(
    env: &Env<'_>,
    model: &str,
    filter: &Value,
    by: &[String],
    sums: &[String],
    lazy: bool,
    key: &[Value],
    ids: &[i64],
) -> Value {
    let v17 = env.version() == Version::V17;
    let mut row = Map::new();
    let mut leaves: Vec<Value> = if v17 {
        filter.as_array().cloned().unwrap_or_default()
    } else {
        Vec::new()
    };
    for (name, value) in by.iter().zip(key) {
        let target = env
            .world
            .schema
            .field(model, name)
            .and_then(|field| match &field.kind {
                Kind::Many2one(target) => Some(target.clone()),
                _ => None,
            });
        let shown = match (target, value.as_i64()) {
            (Some(target), Some(id)) => json!([id, env.display(&target, id)]),
            _ => value.clone(),
        };
        row.insert(name.clone(), shown);
        leaves.push(json!([name, "=", value]));
    }
    for spec in sums {
        let name = spec.split(':').next().unwrap_or(spec);
        let total: f64 = ids
            .iter()
            .map(|id| env.get(model, *id, name).as_f64().unwrap_or(0.0))
            .sum();
        let shown = if name == "__count" {
            json!(ids.len())
        } else {
            json!(total)
        };
        row.insert(if v17 { name.to_owned() } else { spec.clone() }, shown);
    }
    if v17 {
        let count = match by.first() {
            Some(name) if lazy => format!("{name}_count"),
            _ => "__count".to_owned(),
        };
        row.insert(count, json!(ids.len()));
    }
    let ands = leaves
        .iter()
        .filter(|leaf| leaf.is_array())
        .count()
        .saturating_sub(1);
    let joined: Vec<Value> = std::iter::repeat_n(Value::from("&"), ands)
        .chain(leaves)
        .collect();
    row.insert(
        if v17 { "__domain" } else { "__extra_domain" }.into(),
        Value::Array(joined),
    );
    Value::Object(row)
}
