//! Who we are at an Odoo and what it is like: found once per process.

use crate::client::{Api, major_version};
use crate::error::OdooError;
use crate::external_id::look_up;
use crate::wire::{Call, json_rpc, read_json_rpc};
use serde_json::{Value, json};
use waybill_flow::connections::{CompanyId, ErpProtocol};
use waybill_flow::ports::Secret;

/// Who we are, found once per process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Session {
    /// Database id of the user; only JSON-RPC needs it.
    pub(crate) uid: i64,
    /// Major version.
    pub(crate) major: u32,
    /// Database id of the company to write to, where the connection names one.
    pub(crate) company: Option<i64>,
    /// How exactly lines keep their numbers.
    pub(crate) places: Places,
}

/// Places after the point that a line of an order keeps (Settings, Technical, Decimal Accuracy).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Places {
    /// Of unit prices; none are cut off from 19 on.
    pub(crate) price: Option<u32>,
    /// Of percentages.
    pub(crate) discount: u32,
    /// Of quantities.
    pub(crate) quantity: u32,
}

impl Default for Places {
    /// As a fresh Odoo has them.
    fn default() -> Self {
        Self {
            price: Some(2),
            discount: 2,
            quantity: 2,
        }
    }
}

impl Session {
    /// Nothing is known yet.
    pub(crate) fn unknown() -> Self {
        Self::of(0, 0)
    }

    fn of(uid: i64, major: u32) -> Self {
        Self {
            uid,
            major,
            company: None,
            places: Places::default(),
        }
    }

    /// Finds out who we are, and nothing else.
    pub(crate) async fn enter(api: &Api<'_>) -> Result<Self, OdooError> {
        match api.settings.protocol {
            // JSON-2 exists from 19 on, and what we call is the same since.
            ErpProtocol::Json2 => Ok(Self::of(0, 19)),
            ErpProtocol::JsonRpc => authenticate(api).await,
        }
    }

    /// Finds out who we are: two calls with JSON-RPC, none with JSON-2; one more for the company
    /// and one for the places.
    pub(crate) async fn open(api: &mut Api<'_>) -> Result<Self, OdooError> {
        api.session = Self::enter(api).await?;
        if let Some(company) = &api.settings.company {
            api.session.company = Some(find_company(api, company).await?);
        }
        api.session.places = find_places(api).await?;
        Ok(api.session)
    }
}

async fn authenticate(api: &Api<'_>) -> Result<Session, OdooError> {
    let (database, login) = (&api.settings.database, &api.settings.login);
    let enter = async |key: &Secret| {
        let who = json!([database, login, key.expose(), {}]);
        let body = json_rpc("common", "authenticate", who);
        let (status, answer) = api.post("/jsonrpc", &body, None).await?;
        // A wrong login or key is `false`, not a fault.
        Ok::<_, OdooError>(read_json_rpc(status, &answer)?.as_i64())
    };
    let key = api.key.current();
    let uid = match enter(&key).await? {
        Some(uid) => Some(uid),
        None => match api.key.renewed(&key).await {
            Some(newer) => enter(&newer).await?,
            None => None,
        },
    };
    let uid = uid.ok_or(OdooError::BadCredentials)?;
    let body = json_rpc("common", "version", json!([]));
    let (status, answer) = api.post("/jsonrpc", &body, None).await?;
    let version = read_json_rpc(status, &answer)?;
    let info = version.get("server_version_info");
    let major = info.and_then(major_version).unwrap_or(17);
    Ok(Session::of(uid, major))
}

/// The company's database id. A user sees only the companies that he may work in.
async fn find_company(api: &Api<'_>, company: &CompanyId) -> Result<i64, OdooError> {
    let refused = || OdooError::NoCompany {
        company: match company {
            CompanyId::Number(id) => id.to_string(),
            CompanyId::Name(name) => name.clone(),
        },
    };
    let id = match company {
        CompanyId::Number(id) => *id,
        CompanyId::Name(name) => {
            let entry = match look_up(api, name).await {
                Ok(entry) => entry,
                // Nothing has this external id, or the user may not see what has.
                Err(OdooError::Fault(_)) => return Err(refused()),
                Err(error) => return Err(error),
            };
            let is_company = entry.model() == Some("res.company");
            entry.id().filter(|_| is_company).ok_or_else(refused)?
        }
    };
    let mine = json!([["id", "=", id], ["user_ids.login", "=", api.settings.login]]);
    let found: Vec<Value> = api.search_read("res.company", mine, &["name"]).await?;
    if found.is_empty() {
        return Err(refused());
    }
    Ok(id)
}

/// The fields of a line whose numbers Odoo cuts off, by name: one call. Only administrators may
/// read the accuracies, everybody the fields that have them.
pub(crate) async fn line_fields(api: &Api<'_>) -> Result<Value, OdooError> {
    let call = Call::of("sale.order.line", "fields_get")
        .argument(
            "allfields",
            json!(["price_unit", "discount", "product_uom_qty"]),
        )
        .argument("attributes", json!(["digits"]));
    api.call(call).await
}

/// Places after the point that one of [`line_fields`] keeps; none where Odoo does not limit them.
pub(crate) fn places_of(field: &Value) -> Option<u32> {
    let digits = field.get("digits")?.get(1)?.as_u64()?;
    u32::try_from(digits).ok()
}

async fn find_places(api: &Api<'_>) -> Result<Places, OdooError> {
    let fields = match line_fields(api).await {
        Ok(fields) => fields,
        // What is missing is told by the call that needs it.
        Err(OdooError::Fault(_)) => return Ok(Places::default()),
        Err(error) => return Err(error),
    };
    let digits = |name: &str| places_of(fields.get(name)?);
    let usual = Places::default();
    Ok(Places {
        price: digits("price_unit"),
        discount: digits("discount").unwrap_or(usual.discount),
        quantity: digits("product_uom_qty").unwrap_or(usual.quantity),
    })
}
