//! What Odoo says of itself. Only reads.

use super::needs::{
    ADMINISTRATOR, CONTACTS, INVOICING, Kind, Needs, SALES, STOCK_MANAGER, STOCK_USER,
};
use crate::client::Api;
use crate::error::{FaultKind, OdooError};
use crate::external_id::look_up;
use crate::session::{line_fields, places_of};
use crate::wire::{Call, Number, Text};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What was asked for, or why it was not told.
pub(super) type Told<T> = Result<T, OdooError>;

/// Everything that was seen.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) user: UserRow,
    pub(super) keys: Told<Vec<KeyRow>>,
    /// Technical name → state.
    pub(super) modules: Told<BTreeMap<String, String>>,
    /// One for each right that is needed.
    pub(super) rights: Vec<Told<bool>>,
    pub(super) groups: BTreeMap<&'static str, Group>,
    pub(super) products: Told<Vec<ProductRow>>,
    /// A product that is kept in stock, for the dry run where no SKU of goods is known.
    pub(super) sample: Option<ProductRow>,
    /// One for each reference that is needed.
    pub(super) targets: Vec<Told<Target>>,
    pub(super) company: Told<CompanyRow>,
    pub(super) warehouses: Told<Vec<WarehouseRow>>,
    /// Places of a line's amounts; absent where Odoo does not limit them.
    pub(super) digits: Told<BTreeMap<String, Option<u32>>>,
}

/// A group of rights.
#[derive(Debug, Clone, Default)]
pub(super) struct Group {
    /// As Odoo's Settings shows it.
    pub(super) name: Option<String>,
    /// Whether the user has it.
    pub(super) has: Option<bool>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct UserRow {
    pub(super) id: i64,
    pub(super) login: Text,
    #[serde(default)]
    pub(super) tz: Text,
    pub(super) company_id: Link,
    #[serde(default)]
    pub(super) partner_id: Link,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct KeyRow {
    pub(super) name: Text,
    /// From 18 on; nothing where a key lives for ever.
    #[serde(default)]
    pub(super) expiration_date: Text,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct ProductRow {
    pub(super) id: i64,
    pub(super) default_code: Text,
    pub(super) active: bool,
    pub(super) sale_ok: bool,
    #[serde(rename = "type")]
    pub(super) kind: Text,
    #[serde(default)]
    pub(super) company_id: Link,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct CompanyRow {
    pub(super) name: Text,
    #[serde(default)]
    pub(super) tax_calculation_rounding_method: Text,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct WarehouseRow {
    pub(super) name: Text,
    pub(super) code: Text,
}

/// What an external id leads to.
#[derive(Debug, Clone)]
pub(super) enum Target {
    /// Odoo does not know it.
    Unknown,
    /// The record is gone, or the user may not see it.
    Hidden,
    /// A record of another model.
    OtherModel(String),
    /// The record.
    Found(Box<TargetRow>),
}

/// Fields of the models that the connections file refers to; each has some of them.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct TargetRow {
    #[serde(default)]
    pub(super) active: Option<bool>,
    #[serde(default)]
    pub(super) company_id: Link,
    #[serde(default)]
    pub(super) amount: Number,
    #[serde(default)]
    pub(super) amount_type: Text,
    #[serde(default)]
    pub(super) type_tax_use: Text,
    #[serde(default)]
    pub(super) price_include: bool,
    #[serde(default)]
    pub(super) currency_id: Link,
    #[serde(default)]
    pub(super) product_id: Link,
    #[serde(default)]
    pub(super) usage: Text,
    #[serde(default, rename = "type")]
    pub(super) kind: Text,
}

/// A link with the name of what it leads to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "Value")]
pub(super) struct Link(pub(super) Option<(i64, String)>);

impl From<Value> for Link {
    fn from(value: Value) -> Self {
        let id = value.get(0).and_then(Value::as_i64);
        let name = value.get(1).and_then(Value::as_str);
        Self(id.map(|id| (id, name.unwrap_or_default().to_owned())))
    }
}

impl Link {
    pub(super) fn id(&self) -> Option<i64> {
        self.0.as_ref().map(|(id, _)| *id)
    }

    pub(super) fn name(&self) -> &str {
        self.0.as_ref().map_or("", |(_, name)| name)
    }
}

/// The user that the key belongs to.
pub(super) async fn who(api: &Api<'_>) -> Result<i64, OdooError> {
    let context = api.call(Call::of("res.users", "context_get")).await?;
    let uid = context.get("uid").and_then(Value::as_i64);
    uid.ok_or(OdooError::Shape("context_get: `uid` is needed"))
}

/// Looks at everything that is needed.
pub(super) async fn look(api: &Api<'_>, needs: &Needs<'_>) -> Result<Seen, OdooError> {
    let uid = who(api).await?;
    let fields = ["login", "tz", "company_id", "partner_id"];
    let mut users: Vec<UserRow> = api.read("res.users", &[uid], &fields).await?;
    let user = users
        .pop()
        .ok_or(OdooError::Shape("the user's own record is needed"))?;
    let mut rights = Vec::new();
    for right in &needs.rights {
        rights.push(may(api, right.model, right.operation).await);
    }
    let mut groups = BTreeMap::new();
    for group in [
        CONTACTS,
        SALES,
        STOCK_USER,
        STOCK_MANAGER,
        INVOICING,
        ADMINISTRATOR,
    ] {
        groups.insert(group, group_of(api, user.id, group).await);
    }
    let mut targets = Vec::new();
    for reference in &needs.references {
        targets.push(target(api, reference.id, reference.kind).await);
    }
    let company = user.company_id.id().unwrap_or_default();
    Ok(Seen {
        keys: keys(api, user.id).await,
        modules: modules(api, needs).await,
        rights,
        groups,
        products: products(api, needs).await,
        sample: sample(api).await,
        targets,
        company: company_of(api, company).await,
        warehouses: api
            .search_read(
                "stock.warehouse",
                json!([["company_id", "=", company]]),
                &["name", "code"],
            )
            .await,
        digits: digits(api).await,
        user,
    })
}

async fn keys(api: &Api<'_>, uid: i64) -> Told<Vec<KeyRow>> {
    let mut fields = vec!["name"];
    // Keys expire from 18 on.
    if api.session.major >= 18 {
        fields.push("expiration_date");
    }
    let domain = json!([["user_id", "=", uid]]);
    api.search_read("res.users.apikeys", domain, &fields).await
}

async fn modules(api: &Api<'_>, needs: &Needs<'_>) -> Told<BTreeMap<String, String>> {
    #[derive(Deserialize)]
    struct Row {
        name: Text,
        state: Text,
    }
    let mut names: Vec<&str> = needs.modules.iter().map(|m| m.name).collect();
    names.push(&needs.settings.external_id_prefix);
    let domain = json!([["name", "in", names]]);
    let rows: Vec<Row> = api
        .search_read("ir.module.module", domain, &["name", "state"])
        .await?;
    let pair = |r: Row| (r.name.as_str().to_owned(), r.state.as_str().to_owned());
    Ok(rows.into_iter().map(pair).collect())
}

/// Whether the user may do this with a model. 18 renamed the method.
async fn may(api: &Api<'_>, model: &'static str, operation: &'static str) -> Told<bool> {
    let call = if api.session.major >= 18 {
        Call::on(model, "has_access", &[]).argument("operation", json!(operation))
    } else {
        Call::of(model, "check_access_rights")
            .argument("operation", json!(operation))
            .keyword("raise_exception", json!(false))
    };
    Ok(api.call(call).await? == json!(true))
}

async fn group_of(api: &Api<'_>, uid: i64, external_id: &'static str) -> Group {
    #[derive(Deserialize)]
    struct Row {
        display_name: Text,
    }
    // From 18 on it is a method of a user.
    let call = if api.session.major >= 18 {
        Call::on("res.users", "has_group", &[uid])
    } else {
        Call::of("res.users", "has_group")
    };
    let has = api.call(call.argument("group_ext_id", json!(external_id)));
    let has = has.await.ok().and_then(|v| v.as_bool());
    let name = match record(api, external_id).await {
        Ok(Some((_, Some(id)))) => api
            .read::<Row>("res.groups", &[id], &["display_name"])
            .await
            .ok()
            .and_then(|mut rows| rows.pop())
            .map(|row| row.display_name.as_str().to_owned()),
        Ok(_) | Err(_) => None,
    };
    Group { name, has }
}

/// Model and id of an external id; no id where the user may not see the record, or it is gone.
async fn record(
    api: &Api<'_>,
    external_id: &str,
) -> Result<Option<(String, Option<i64>)>, OdooError> {
    if !external_id.contains('.') {
        return Ok(None);
    }
    match look_up(api, external_id).await {
        Ok(entry) => {
            let model = entry.model().unwrap_or_default();
            Ok(Some((model.to_owned(), entry.id())))
        }
        Err(OdooError::Fault(f))
            if f.kind == FaultKind::Interface && f.raw().contains(external_id) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

async fn target(api: &Api<'_>, external_id: &str, kind: Kind<'_>) -> Told<Target> {
    let id = match record(api, external_id).await? {
        None => return Ok(Target::Unknown),
        Some((model, _)) if model != kind.model() => return Ok(Target::OtherModel(model)),
        Some((_, None)) => return Ok(Target::Hidden),
        Some((_, Some(id))) => id,
    };
    let fields: &[&str] = match kind {
        Kind::Tax(_) => &[
            "active",
            "company_id",
            "amount",
            "amount_type",
            "type_tax_use",
            "price_include",
        ],
        Kind::Pricelist(_) => &["active", "company_id", "currency_id"],
        Kind::Carrier => &["active", "company_id", "product_id"],
        Kind::Warehouse => &["active", "company_id"],
        Kind::Location => &["active", "company_id", "usage"],
        Kind::Journal => &["active", "company_id", "type"],
    };
    let mut rows: Vec<TargetRow> = api.read(kind.model(), &[id], fields).await?;
    Ok(rows
        .pop()
        .map_or(Target::Hidden, |row| Target::Found(Box::new(row))))
}

const PRODUCT_FIELDS: [&str; 5] = ["default_code", "active", "sale_ok", "type", "company_id"];

/// Products with the SKUs, archived ones too.
async fn products(api: &Api<'_>, needs: &Needs<'_>) -> Told<Vec<ProductRow>> {
    let skus: Vec<&str> = needs.skus.keys().map(|s| s.as_str()).collect();
    let mut found = Vec::new();
    for chunk in skus.chunks(500) {
        let domain = json!([
            ["default_code", "in", chunk],
            ["active", "in", [true, false]]
        ]);
        let rows: Vec<ProductRow> = api
            .search_read("product.product", domain, &PRODUCT_FIELDS)
            .await?;
        found.extend(rows);
    }
    Ok(found)
}

async fn sample(api: &Api<'_>) -> Option<ProductRow> {
    let domain = if api.session.major >= 18 {
        json!([
            ["sale_ok", "=", true],
            ["default_code", "!=", false],
            ["is_storable", "=", true]
        ])
    } else {
        json!([
            ["sale_ok", "=", true],
            ["default_code", "!=", false],
            ["type", "=", "product"]
        ])
    };
    let call = Call::of("product.product", "search_read")
        .argument("domain", domain)
        .keyword("fields", json!(PRODUCT_FIELDS))
        .keyword("order", json!("id"))
        .keyword("limit", json!(1));
    let rows = api.call(call).await.ok()?;
    serde_json::from_value(rows.get(0)?.clone()).ok()
}

async fn company_of(api: &Api<'_>, id: i64) -> Told<CompanyRow> {
    let fields = ["name", "tax_calculation_rounding_method"];
    one(api.read("res.company", &[id], &fields).await?)
}

fn one<T: DeserializeOwned>(mut rows: Vec<T>) -> Told<T> {
    rows.pop().ok_or(OdooError::Shape("one record is needed"))
}

async fn digits(api: &Api<'_>) -> Told<BTreeMap<String, Option<u32>>> {
    let fields = line_fields(api).await?;
    let fields = fields
        .as_object()
        .ok_or(OdooError::Shape("fields_get: an object is needed"))?;
    Ok(fields
        .iter()
        .map(|(name, field)| (name.clone(), places_of(field)))
        .collect())
}

/// Orders and partners that carry a mark.
pub(super) async fn marked(api: &Api<'_>, mark: &str) -> Result<usize, OdooError> {
    let orders: Vec<Value> = api
        .search_read(
            "sale.order",
            json!([["client_order_ref", "=", mark]]),
            &["name"],
        )
        .await?;
    let domain = json!([["name", "=", mark], ["active", "in", [true, false]]]);
    let partners: Vec<Value> = api.search_read("res.partner", domain, &["name"]).await?;
    Ok(orders.len() + partners.len())
}
