//! Which methods exist, what they take, and who runs them.
use serde_json::{Map, Value, json};

use super::access::Right;
use super::db::id_list;
use super::env::{Env, Vals, repr};
use super::fault::{Class, Fault};
use super::orm::Page;
use super::{
    OdooConfig, Version, account, domain, import, keys, orm, payments, quants, returns, sale, stock,
};

/// A callable method.
#[derive(Debug, Clone, Copy)]
pub(super) struct Method {
    pub(super) name: &'static str,
    /// The Python class that defines it, as a `TypeError` names it.
    pub(super) class: &'static str,
    /// `@api.model`: takes no ids.
    pub(super) is_model: bool,
    pub(super) params: &'static [&'static str],
    pub(super) required: usize,
    pub(super) any_keyword: bool,
    pub(super) writes: bool,
}

const fn method(
    name: &'static str,
    class: &'static str,
    is_model: bool,
    params: &'static [&'static str],
    required: usize,
) -> Method {
    Method {
        name,
        class,
        is_model,
        params,
        required,
        any_keyword: false,
        writes: false,
    }
}

const fn writer(
    name: &'static str,
    class: &'static str,
    is_model: bool,
    params: &'static [&'static str],
    required: usize,
) -> Method {
    Method {
        writes: true,
        ..method(name, class, is_model, params, required)
    }
}

const GENERIC: &[Method] = &[
    writer("load", "BaseModel", true, &["fields", "data"], 2),
    writer("create", "BaseModel", true, &["vals_list"], 1),
    writer("write", "BaseModel", false, &["vals"], 1),
    writer("unlink", "BaseModel", false, &[], 0),
    method("read", "BaseModel", false, &["fields", "load"], 0),
    method("web_read", "Base", false, &["specification"], 1),
    method(
        "search",
        "BaseModel",
        true,
        &["domain", "offset", "limit", "order"],
        1,
    ),
    method("search_count", "BaseModel", true, &["domain", "limit"], 1),
    Method {
        any_keyword: true,
        ..method(
            "search_read",
            "BaseModel",
            true,
            &["domain", "fields", "offset", "limit", "order"],
            0,
        )
    },
    method("get_external_id", "BaseModel", false, &[], 0),
    // 19 calls it deprecated and answers all the same.
    method(
        "check_access_rights",
        "BaseModel",
        true,
        &["operation", "raise_exception"],
        1,
    ),
    method(
        "fields_get",
        "BaseModel",
        true,
        &["allfields", "attributes"],
        0,
    ),
    method(
        "name_search",
        "BaseModel",
        true,
        &["name", "args", "operator", "limit"],
        0,
    ),
];

const READ_GROUP: Method = method(
    "read_group",
    "BaseModel",
    true,
    &[
        "domain", "fields", "groupby", "offset", "limit", "orderby", "lazy",
    ],
    3,
);
const FORMATTED: Method = method(
    "formatted_read_group",
    "BaseModel",
    true,
    &[
        "domain",
        "groupby",
        "aggregates",
        "having",
        "offset",
        "limit",
        "order",
    ],
    1,
);

fn special(config: &OdooConfig, model: &str, name: &str) -> Option<Method> {
    let version = config.version;
    let (v17, v19) = (version == Version::V17, version == Version::V19);
    let programmatic = v19 && config.programmatic_keys.is_some();
    Some(match (model, name) {
        ("sale.order", "action_confirm") => writer("action_confirm", "SaleOrder", false, &[], 0),
        ("sale.order", "action_cancel") => writer("action_cancel", "SaleOrder", false, &[], 0),
        ("sale.order", "action_draft") => writer("action_draft", "SaleOrder", false, &[], 0),
        ("stock.picking", "button_validate") => writer("button_validate", "Picking", false, &[], 0),
        ("stock.picking", "action_cancel") => writer("action_cancel", "Picking", false, &[], 0),
        ("stock.picking", "action_assign") => writer("action_assign", "Picking", false, &[], 0),
        ("stock.return.picking", "create_returns") if v17 => {
            writer("create_returns", "ReturnPicking", false, &[], 0)
        }
        ("stock.return.picking", "action_create_returns") if v19 => {
            writer("action_create_returns", "StockReturnPicking", false, &[], 0)
        }
        ("stock.quant", "action_apply_inventory") => {
            writer("action_apply_inventory", "StockQuant", false, &[], 0)
        }
        ("sale.advance.payment.inv", "create_invoices") => {
            writer("create_invoices", "SaleAdvancePaymentInv", false, &[], 0)
        }
        ("account.move", "action_post") => writer("action_post", "AccountMove", false, &[], 0),
        ("account.move", "button_draft") => writer("button_draft", "AccountMove", false, &[], 0),
        ("account.move", "button_cancel") => writer("button_cancel", "AccountMove", false, &[], 0),
        ("account.move.reversal", "refund_moves") => {
            writer("refund_moves", "AccountMoveReversal", false, &[], 0)
        }
        ("account.payment", "action_post") => {
            writer("action_post", "AccountPayment", false, &[], 0)
        }
        ("account.payment", "action_cancel") => {
            writer("action_cancel", "AccountPayment", false, &[], 0)
        }
        ("account.move.line", "reconcile") => writer("reconcile", "AccountMoveLine", false, &[], 0),
        ("account.payment.register", "action_create_payments") => writer(
            "action_create_payments",
            "AccountPaymentRegister",
            false,
            &[],
            0,
        ),
        ("res.users", "context_get") => method("context_get", "Users", true, &[], 0),
        // Of the class in 17, of a user from 18 on.
        ("res.users", "has_group") => method("has_group", "Users", v17, &["group_ext_id"], 1),
        ("res.users.apikeys.description", "make_key") => {
            writer("make_key", "APIKeyDescription", false, &[], 0)
        }
        (keys::MODEL, "remove") => writer("remove", "APIKeys", false, &[], 0),
        ("res.users.identitycheck", "run_check") => {
            writer("run_check", "CheckIdentity", false, &[], 0)
        }
        (keys::MODEL, "generate") if programmatic => writer(
            "generate",
            "ResUsersApikeys",
            true,
            &["key", "scope", "name", "expiration_date"],
            4,
        ),
        (keys::MODEL, "revoke") if programmatic => {
            writer("revoke", "ResUsersApikeys", true, &["key"], 1)
        }
        ("ir.model.data", "check_object_reference") => method(
            "check_object_reference",
            "IrModelData",
            true,
            &["module", "xml_id", "raise_on_access_error"],
            2,
        ),
        (_, "has_access") if v19 => method("has_access", "BaseModel", false, &["operation"], 1),
        (_, "read_group") => READ_GROUP,
        (_, "formatted_read_group") if v19 => FORMATTED,
        _ => return None,
    })
}

/// Finds a method or answers as Odoo does when there is none.
pub(super) fn find(config: &OdooConfig, model: &str, name: &str) -> Result<Method, Fault> {
    let version = config.version;
    if let Some(found) = special(config, model, name)
        .or_else(|| GENERIC.iter().find(|method| method.name == name).copied())
    {
        return Ok(found);
    }
    Err(match version {
        Version::V17 => Fault::new(
            Class::Attribute,
            format!("The method '{name}' does not exist on the model '{model}'"),
        ),
        Version::V19 => Fault::new(
            Class::NotFound,
            format!("The method '{model}.{name}' does not exist"),
        ),
    })
}

/// One call: ids apart, everything else by name.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) model: String,
    pub(super) method: Method,
    pub(super) ids: Vec<i64>,
    pub(super) args: Map<String, Value>,
}

impl Call {
    /// What the call is going to write: external ids of a `load`, else records.
    pub(super) fn keys(&self) -> Vec<String> {
        if !self.method.writes {
            return Vec::new();
        }
        if self.method.name != "load" {
            return self
                .ids
                .iter()
                .map(|id| format!("{}:{id}", self.model))
                .collect();
        }
        let column = |wanted: &str| {
            texts(self.args.get("fields"))
                .iter()
                .position(|field| field == wanted)
        };
        let (column, is_xid) = match (column("id"), column(".id")) {
            (Some(column), _) => (column, true),
            (None, Some(column)) => (column, false),
            (None, None) => return Vec::new(),
        };
        let rows = self.args.get("data").and_then(Value::as_array);
        let cells = rows.into_iter().flatten().filter_map(|row| row.get(column));
        let names = cells
            .map(|cell| {
                cell.as_str()
                    .map_or_else(|| cell.to_string(), str::to_owned)
            })
            .filter(|text| !text.is_empty());
        let mut keys: Vec<String> = names
            .map(|text| {
                if is_xid {
                    text
                } else {
                    format!("{}:{text}", self.model)
                }
            })
            .collect();
        keys.sort();
        keys.dedup();
        keys
    }

    /// Orders that the call creates or confirms.
    pub(super) fn orders(&self) -> usize {
        match (self.model.as_str(), self.method.name) {
            ("sale.order", "load") => self.keys().len(),
            ("sale.order", "action_confirm") => self.ids.len(),
            _ => 0,
        }
    }

    fn value(&self, name: &str) -> Value {
        self.args.get(name).cloned().unwrap_or(Value::Null)
    }

    fn page(&self) -> Page<'_> {
        let number = |name: &str| {
            self.args
                .get(name)
                .and_then(Value::as_u64)
                .and_then(|value| usize::try_from(value).ok())
        };
        Page {
            offset: number("offset").unwrap_or(0),
            limit: number("limit").filter(|limit| *limit > 0),
            order: self.args.get("order").and_then(Value::as_str),
        }
    }

    /// A domain may come under its old name `args` too.
    fn domain(&self) -> Value {
        self.args
            .get("domain")
            .filter(|value| !value.is_null())
            .cloned()
            .unwrap_or_else(|| json!([]))
    }
}

fn texts(value: Option<&Value>) -> Vec<String> {
    value
        .and_then(Value::as_array)
        .map(|all| {
            all.iter()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect()
        })
        .unwrap_or_default()
}

fn vals(value: &Value) -> Result<Vals, Fault> {
    match value.as_object() {
        Some(map) => Ok(map.clone().into_iter().collect()),
        None => Err(Fault::new(
            Class::Type,
            format!("values must be a mapping, not {}", repr(value)),
        )),
    }
}

/// Runs a call inside the current transaction. `Null` is Python's `None`.
pub(super) fn run(env: &mut Env<'_>, call: &Call) -> Result<Value, Fault> {
    let (model, ids) = (call.model.as_str(), call.ids.as_slice());
    match call.method.name {
        "load" => load(env, call),
        "create" => create(env, model, &call.value("vals_list")),
        "write" => {
            orm::write(env, model, ids, vals(&call.value("vals"))?).map(|()| Value::Bool(true))
        }
        "unlink" => orm::unlink(env, model, ids).map(|()| Value::Bool(true)),
        "read" => orm::read(
            env,
            model,
            ids,
            &call.value("fields"),
            call.args.get("load").is_none_or(super::env::truthy),
        ),
        "web_read" => orm::web_read(env, model, ids, &call.value("specification")),
        "search" => orm::search(env, model, &call.domain(), call.page()).map(|found| json!(found)),
        "search_count" => {
            orm::search(env, model, &call.domain(), call.page()).map(|found| json!(found.len()))
        }
        "search_read" => {
            let classic = call.args.get("load").is_none_or(super::env::truthy);
            orm::search_read(
                env,
                model,
                &call.domain(),
                &call.value("fields"),
                call.page(),
                classic,
            )
        }
        "get_external_id" => Ok(external_ids(env, model, ids)),
        "check_access_rights" => check_access_rights(env, model, call, true),
        "has_access" => check_access_rights(env, model, call, false),
        "make_key" | "remove" => keys::guarded(env, model, call.method.name, ids),
        "run_check" => keys::run_check(env, ids),
        "generate" => keys::generate_with_key(env, &call.args),
        "revoke" => keys::revoke(env, &call.args),
        "has_group" => Ok(json!(
            env.in_group(call.value("group_ext_id").as_str().unwrap_or_default())
        )),
        "fields_get" => fields_get(
            env,
            model,
            &texts(call.args.get("allfields")),
            &texts(call.args.get("attributes")),
        ),
        "name_search" => name_search(env, model, call),
        "read_group" | "formatted_read_group" => quants::groups(env, model, &call.args),
        "action_confirm" => sale::action_confirm(env, ids),
        "action_cancel" if model == "sale.order" => sale::action_cancel(env, ids),
        "action_cancel" if model == "account.payment" => payments::action_cancel(env, ids),
        "action_cancel" => stock::action_cancel(env, ids),
        "action_draft" => sale::action_draft(env, ids),
        "button_validate" => stock::button_validate(env, ids),
        "action_assign" => stock::action_assign(env, ids),
        "create_returns" | "action_create_returns" => returns::create_returns(env, ids),
        "action_apply_inventory" => quants::apply_inventory(env, ids),
        "create_invoices" => account::create_invoices(env, ids),
        "action_post" if model == "account.payment" => payments::action_post(env, ids),
        "reconcile" => payments::reconcile(env, ids),
        "action_post" => account::action_post(env, ids),
        "button_draft" => account::set_state(env, ids, "draft"),
        "button_cancel" => account::set_state(env, ids, "cancel"),
        "refund_moves" => account::refund_moves(env, ids),
        "action_create_payments" => account::create_payments(env, ids),
        "context_get" => Ok(
            json!({"lang": "en_US", "tz": env.db.text("res.users", env.user.uid, "tz"), "uid": env.user.uid}),
        ),
        "check_object_reference" => check_object_reference(env, call),
        other => Err(Fault::new(
            Class::NotSimulated,
            format!("the simulator knows `{model}.{other}` by name only"),
        )),
    }
}

fn load(env: &mut Env<'_>, call: &Call) -> Result<Value, Fault> {
    let fields = texts(call.args.get("fields"));
    let data = call
        .args
        .get("data")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    let rows: Vec<Vec<Value>> = data
        .into_iter()
        .map(|row| row.as_array().cloned().unwrap_or_default())
        .collect();
    import::load(env, &call.model, &fields, &rows)
}

/// The ids; `jsonrpc` shows the only one of a single mapping bare.
fn create(env: &mut Env<'_>, model: &str, value: &Value) -> Result<Value, Fault> {
    let records = match value {
        Value::Array(all) => all.clone(),
        one => vec![one.clone()],
    };
    let mut ids = Vec::with_capacity(records.len());
    for record in &records {
        ids.push(orm::create(env, model, vals(record)?)?);
    }
    Ok(json!(ids))
}

fn external_ids(env: &Env<'_>, model: &str, ids: &[i64]) -> Value {
    let named = ids.iter().map(|id| {
        let first = env
            .db
            .xids_of(model, *id)
            .into_iter()
            .next()
            .unwrap_or_default();
        (id.to_string(), Value::from(first))
    });
    Value::Object(named.collect())
}

fn check_access_rights(
    env: &Env<'_>,
    model: &str,
    call: &Call,
    raises: bool,
) -> Result<Value, Fault> {
    let operation = call.value("operation");
    let right = match operation.as_str().unwrap_or_default() {
        "read" => Right::Read,
        "write" => Right::Write,
        "create" => Right::Create,
        "unlink" => Right::Unlink,
        other => {
            return Err(Fault::new(
                Class::Assertion,
                format!("Invalid access mode: {other}"),
            ));
        }
    };
    let silent = !raises || call.args.get("raise_exception") == Some(&Value::Bool(false));
    match env.check(model, right) {
        Err(_) if silent => Ok(Value::Bool(false)),
        Err(refusal) => Err(refusal),
        Ok(()) => Ok(Value::Bool(true)),
    }
}

fn check_object_reference(env: &Env<'_>, call: &Call) -> Result<Value, Fault> {
    let text = |name: &str| {
        call.args
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let xid = format!("{}.{}", text("module"), text("xml_id"));
    let Some(row) = env.db.xid(&xid) else {
        return Err(Fault::new(
            Class::Value,
            format!("External ID not found in the system: {xid}"),
        ));
    };
    if env.check(&row.model, Right::Read).is_err() {
        if call
            .args
            .get("raise_on_access_error")
            .is_some_and(super::env::truthy)
        {
            return Err(Fault::new(
                Class::Access,
                format!("Not enough access rights on the external ID \"{xid}\""),
            ));
        }
        return Ok(json!([row.model, false]));
    }
    // The id stays even when the record is gone, as in Odoo: `check_object_reference` then answers false.
    let id = if env.db.exists(&row.model, row.res_id) {
        json!(row.res_id)
    } else {
        json!(false)
    };
    Ok(json!([row.model, id]))
}

fn fields_get(
    env: &Env<'_>,
    model: &str,
    wanted: &[String],
    attributes: &[String],
) -> Result<Value, Fault> {
    env.check(model, Right::Read)?;
    let Some(known) = env.world.schema.model(model) else {
        return Ok(json!({}));
    };
    let shown = known.fields.iter().filter(|(name, _)| wanted.is_empty() || wanted.contains(name)).map(|(name, field)| {
        let mut one = json!({"name": name, "string": field.label, "required": field.required, "readonly": field.computed});
        if let (Some(relation), Some(map)) = (field.kind.relation(), one.as_object_mut()) {
            map.insert("relation".into(), Value::from(relation));
        }
        // A price is cut off at its accuracy up to 18.
        if field.kind == super::schema::Kind::Float && let Some(map) = one.as_object_mut() {
            let whole = env.version() == Version::V19 && name == "price_unit";
            let places = env.world.config.price_places;
            let places = if name == "price_unit" { places } else { 2 };
            let digits = if whole { Value::Bool(false) } else { json!([16, places]) };
            map.insert("digits".into(), digits);
        }
        if let (false, Some(map)) = (attributes.is_empty(), one.as_object_mut()) {
            map.retain(|key, _| attributes.contains(key));
        }
        (name.clone(), one)
    });
    Ok(Value::Object(shown.collect()))
}

fn name_search(env: &Env<'_>, model: &str, call: &Call) -> Result<Value, Fault> {
    env.check(model, Right::Read)?;
    let wanted = call
        .args
        .get("name")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_lowercase();
    let filter = call
        .args
        .get("args")
        .or_else(|| call.args.get("domain"))
        .cloned()
        .unwrap_or_else(|| json!([]));
    let limit = call
        .args
        .get("limit")
        .and_then(Value::as_u64)
        .and_then(|limit| usize::try_from(limit).ok())
        .unwrap_or(100);
    let ids = domain::search(env, model, &filter)?;
    let found = ids
        .into_iter()
        .map(|id| (id, env.display(model, id)))
        .filter(|(_, name)| name.to_lowercase().contains(&wanted));
    Ok(Value::Array(
        found
            .take(limit)
            .map(|(id, name)| json!([id, name]))
            .collect(),
    ))
}

/// Binds positional and named arguments as Python does for JSON-RPC.
pub(super) fn bind(
    method: &Method,
    mut positional: Vec<Value>,
    named: Map<String, Value>,
) -> Result<(Vec<i64>, Map<String, Value>), Fault> {
    let mut ids = Vec::new();
    let needs_first = !method.is_model || method.name == "create";
    if needs_first && positional.is_empty() {
        return Err(Fault::new(Class::Index, "tuple index out of range"));
    }
    if !method.is_model {
        let first = positional.remove(0);
        ids = first
            .as_i64()
            .map_or_else(|| id_list(&first), |id| vec![id]);
    }
    let call = format!("{}.{}()", method.class, method.name);
    if positional.len() > method.params.len() {
        let (most, given) = (method.params.len() + 1, positional.len() + 1);
        let plural = if most == 1 { "" } else { "s" };
        let from = if method.required < method.params.len() {
            format!("from {} to ", method.required + 1)
        } else {
            String::new()
        };
        return Err(Fault::new(
            Class::Type,
            format!("{call} takes {from}{most} positional argument{plural} but {given} were given"),
        ));
    }
    let mut args: Map<String, Value> = method
        .params
        .iter()
        .zip(positional)
        .map(|(name, value)| ((*name).to_owned(), value))
        .collect();
    for (name, value) in named {
        if args.contains_key(&name) {
            return Err(Fault::new(
                Class::Type,
                format!("{call} got multiple values for argument '{name}'"),
            ));
        }
        if !method.any_keyword && !method.params.contains(&name.as_str()) {
            return Err(Fault::new(
                Class::Type,
                format!("{call} got an unexpected keyword argument '{name}'"),
            ));
        }
        args.insert(name, value);
    }
    let missing: Vec<String> = method
        .params
        .iter()
        .take(method.required)
        .filter(|name| !args.contains_key(**name))
        .map(|name| format!("'{name}'"))
        .collect();
    if let Some((last, head)) = missing.split_last() {
        let list = if head.is_empty() {
            last.clone()
        } else {
            format!("{} and {last}", head.join(", "))
        };
        let plural = if missing.len() == 1 { "" } else { "s" };
        return Err(Fault::new(
            Class::Type,
            format!(
                "{call} missing {} required positional argument{plural}: {list}",
                missing.len()
            ),
        ));
    }
    Ok((ids, args))
}

/// Binds the named arguments of JSON-2.
pub(super) fn bind_named(
    method: &Method,
    model: &str,
    ids: Vec<i64>,
    named: Map<String, Value>,
) -> Result<Call, Fault> {
    if method.is_model && !ids.is_empty() {
        return Err(Fault::new(
            Class::Unprocessable,
            format!("cannot call {model}.{} with ids", method.name),
        ));
    }
    if let Some(name) = method
        .params
        .iter()
        .take(method.required)
        .find(|name| !named.contains_key(**name))
    {
        return Err(Fault::new(
            Class::Unprocessable,
            format!("missing a required argument: '{name}'"),
        ));
    }
    if let Some(name) = named
        .keys()
        .find(|name| !method.any_keyword && !method.params.contains(&name.as_str()))
    {
        return Err(Fault::new(
            Class::Unprocessable,
            format!("got an unexpected keyword argument '{name}'"),
        ));
    }
    Ok(Call {
        model: model.to_owned(),
        method: *method,
        ids,
        args: named,
    })
}
