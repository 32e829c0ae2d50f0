//! Reading and checking the connections file: all faults at once.

use super::settings::DEFAULT_JOURNAL;
use super::{Connection, Connections, ErpSettings};
use serde::Deserialize;
use std::collections::BTreeMap;
use waybill_model::id::ConnectionId;
use waybill_model::ownership::Role;

/// What is wrong with a connections file: every fault found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the connections file has {} fault(s):\n- {}", faults.len(), faults.join("\n- "))]
pub struct ConnectionsError {
    /// Each with its place and how to mend it.
    pub faults: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: Option<String>,
    #[serde(default)]
    connections: Vec<toml::Value>,
}

/// Most connections in one file: more is a mistake, and every cold start reads it.
const MAX_CONNECTIONS: usize = 500;

pub(super) fn parse(text: &str) -> Result<Connections, ConnectionsError> {
    let file: File = toml::from_str(text).map_err(|e| ConnectionsError {
        faults: vec![format!("not readable: {}", e.message())],
    })?;
    let mut faults = Vec::new();
    let version = file.version.filter(|v| !v.trim().is_empty());
    if version.is_none() {
        faults.push("`version` is missing: name this revision, such as `2026-11-23.1`".to_owned());
    }
    if file.connections.len() > MAX_CONNECTIONS {
        faults.push(format!(
            "more than {MAX_CONNECTIONS} connections: split the environment"
        ));
    }
    let by_id = read_all(file.connections, &mut faults);
    for connection in by_id.values() {
        check_connection(connection, &by_id, &mut faults);
    }
    if faults.is_empty() {
        Ok(Connections {
            version: version.unwrap_or_default(),
            by_id,
        })
    } else {
        Err(ConnectionsError { faults })
    }
}

fn read_all(
    entries: Vec<toml::Value>,
    faults: &mut Vec<String>,
) -> BTreeMap<ConnectionId, Connection> {
    let mut by_id = BTreeMap::new();
    for (index, entry) in entries.into_iter().enumerate() {
        let place = entry.get("id").and_then(toml::Value::as_str).map_or_else(
            || format!("connection {}", index + 1),
            |id| format!("connection `{id}`"),
        );
        match entry.try_into::<Connection>() {
            Ok(connection) => {
                if let Some(twice) = by_id.insert(connection.id.clone(), connection) {
                    faults.push(format!(
                        "connection `{}` is there twice: rename one",
                        twice.id
                    ));
                }
            }
            Err(e) => faults.push(format!("{place}: {}", e.message())),
        }
    }
    by_id
}

fn check_connection(
    connection: &Connection,
    all: &BTreeMap<ConnectionId, Connection>,
    faults: &mut Vec<String>,
) {
    let id = &connection.id;
    let url = &connection.base_url;
    if !url.starts_with("https://") && !url.starts_with("http://") {
        faults.push(format!(
            "connection `{id}`: `base_url` `{url}` is no URL: begin it with `https://`"
        ));
    }
    if url.starts_with("http://") && !is_loopback(url) {
        faults.push(format!(
            "connection `{id}`: `base_url` `{url}` is not encrypted: use `https://`"
        ));
    }
    if url.ends_with('/') {
        faults.push(format!(
            "connection `{id}`: `base_url` `{url}` ends with `/`: remove it"
        ));
    }
    check_calls(connection, faults);
    let partner = connection.partner;
    for (role, present) in [
        (Role::Channel, connection.channel.is_some()),
        (Role::Warehouse, connection.warehouse.is_some()),
        (Role::Helpdesk, connection.helpdesk.is_some()),
        (Role::Erp, connection.erp.is_some()),
    ] {
        let table = format!("{role:?}").to_lowercase();
        if present && !partner.roles().contains(&role) {
            faults.push(format!(
                "connection `{id}`: `{}` cannot be a {table}: remove the `{table}` table",
                partner.as_str()
            ));
        }
        if !present && partner.roles() == [role] {
            faults.push(format!(
                "connection `{id}`: the `{table}` table is missing: `{}` needs it",
                partner.as_str()
            ));
        }
    }
    let mut names = |field: &str, to: &ConnectionId, role: Role| {
        let table = format!("{role:?}").to_lowercase();
        match all.get(to) {
            None => faults.push(format!("connection `{id}`: `{field}` names `{to}`, which is not in this file: add it or correct the name")),
            Some(other) if !other.has_role(role) => faults.push(format!("connection `{id}`: `{field}` names `{to}`, which is no {table}")),
            Some(_) => {}
        }
    };
    if let Some(channel) = &connection.channel {
        names("channel.erp", &channel.erp, Role::Erp);
        for (field, to, role) in [
            ("channel.helpdesk", &channel.helpdesk, Role::Helpdesk),
            ("channel.gateway", &channel.gateway, Role::Gateway),
            ("channel.tracker", &channel.tracker, Role::Carrier),
        ] {
            if let Some(to) = to {
                names(field, to, role);
            }
        }
        for route in &channel.routes {
            names(
                "channel.routes.warehouse",
                &route.warehouse,
                Role::Warehouse,
            );
        }
    }
    if let Some(erp) = connection.warehouse.as_ref().and_then(|w| w.erp.as_ref()) {
        names("warehouse.erp", erp, Role::Erp);
    }
    if let Some(erp) = &connection.erp {
        check_erp(id, erp, faults);
        check_journals(id, erp, all, faults);
    }
}

fn check_calls(connection: &Connection, faults: &mut Vec<String>) {
    let id = &connection.id;
    if connection.calls_per_minute == Some(0) {
        faults.push(format!(
            "connection `{id}`: `calls_per_minute` is 0: name what the partner allows, or remove it"
        ));
    }
    let Some(url) = &connection.webhook_url else {
        return;
    };
    if !url.starts_with("https://") && !is_loopback(url) {
        faults.push(format!(
            "connection `{id}`: `webhook_url` `{url}` is not encrypted: use `https://`"
        ));
    }
}

fn check_erp(id: &ConnectionId, erp: &ErpSettings, faults: &mut Vec<String>) {
    if !(1..=100).contains(&erp.batch) {
        faults.push(format!(
            "connection `{id}`: `erp.batch` is {}: 1 to 100 orders are possible, 50 is best",
            erp.batch
        ));
    }
    if erp.key_rotation_days == Some(0) {
        faults.push(format!(
            "connection `{id}`: `erp.key_rotation_days` is 0: leave it out, or say after how many days a key is old"
        ));
    }
    if !(1..=20).contains(&erp.writers) {
        faults.push(format!(
            "connection `{id}`: `erp.writers` is {}: 1 to 20 at once are possible, 2 is best",
            erp.writers
        ));
    }
}

/// A key that is no connection is a way of paying, of which gateways have many.
fn check_journals(
    id: &ConnectionId,
    erp: &ErpSettings,
    all: &BTreeMap<ConnectionId, Connection>,
    faults: &mut Vec<String>,
) {
    let journals = &erp.payment_journals;
    if !journals.is_empty() && !journals.contains_key(DEFAULT_JOURNAL) {
        faults.push(format!(
            "connection `{id}`: `erp.payment_journals` has no `{DEFAULT_JOURNAL}`: name the journal of payments that no other entry is for"
        ));
    }
    for (key, journal) in journals {
        if !journal
            .split_once('.')
            .is_some_and(|(module, name)| !module.is_empty() && !name.is_empty())
        {
            faults.push(format!(
                "connection `{id}`: `erp.payment_journals.{key}` is `{journal}`: give the external id of an account.journal, such as `account.1_bank`"
            ));
        }
        let named = ConnectionId::new(key).ok().and_then(|key| all.get(&key));
        if let Some(named) = named
            && !named.has_role(Role::Gateway)
            && !named.has_role(Role::Channel)
        {
            faults.push(format!(
                "connection `{id}`: `erp.payment_journals` names `{key}`, which takes no money: name a gateway or a channel"
            ));
        }
    }
}

fn is_loopback(url: &str) -> bool {
    ["http://127.0.0.1", "http://localhost", "http://[::1]"]
        .iter()
        .any(|p| {
            url.strip_prefix(p)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '/']))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
        version = "1"
        [[connections]]
        id = "odoo"
        partner = "odoo"
        base_url = "https://erp.example.com"
        [connections.erp]
        database = "acme"
        login = "integration"
        protocol = "json2"
        shipping_sku = "SHIPPING"
        [[connections]]
        id = "shop"
        partner = "shopify"
        base_url = "https://acme.myshopify.com"
        [connections.channel]
        erp = "odoo"
    "#;

    #[test]
    fn a_good_file_is_read() {
        let connections = Connections::parse(GOOD).unwrap();
        assert_eq!(connections.iter().count(), 2);
    }

    #[test]
    fn three_faults_are_all_named() {
        let bad = GOOD
            .replace("erp = \"odoo\"", "erp = \"odo\"")
            .replace("https://acme", "http://acme")
            .replace("version = \"1\"", "");
        let faults = Connections::parse(&bad).unwrap_err().faults;
        assert_eq!(faults.len(), 3, "{faults:#?}");
        assert!(faults.iter().any(|f| f.contains("`version` is missing")));
        assert!(faults.iter().any(|f| f.contains("`odo`")));
        assert!(faults.iter().any(|f| f.contains("not encrypted")));
    }

    #[test]
    fn every_fault_of_the_payment_journals_is_named() {
        let journals = |text: &str| {
            GOOD.replace(
                "shipping_sku = \"SHIPPING\"",
                &format!("shipping_sku = \"SHIPPING\"\npayment_journals = {{ {text} }}"),
            )
        };
        let good = journals("default = \"account.1_bank\", shop = \"a.b\", card = \"a.c\"");
        assert!(Connections::parse(&good).is_ok());
        let bad = journals("odoo = \"account.1_bank\", card = \"bank\"");
        let faults = Connections::parse(&bad).unwrap_err().faults;
        assert_eq!(faults.len(), 3, "{faults:#?}");
        for part in ["no `default`", "takes no money", "`bank`"] {
            assert!(faults.iter().any(|f| f.contains(part)), "{faults:#?}");
        }
        let unknown = GOOD.replace(
            "shipping_sku = \"SHIPPING\"",
            "shipping_sku = \"SHIPPING\"\ninvoicing = \"sometimes\"",
        );
        assert!(Connections::parse(&unknown).is_err());
    }

    #[test]
    fn no_calls_at_all_and_open_webhooks_are_faults() {
        let shop = "partner = \"shopify\"\n";
        let bad = GOOD.replace(
            shop,
            &format!(
                "{shop}calls_per_minute = 0\nwebhook_url = \"http://waybill.example.com/w\"\n"
            ),
        );
        let faults = Connections::parse(&bad).unwrap_err().faults;
        assert_eq!(faults.len(), 2, "{faults:?}");
        assert!(faults[0].contains("`calls_per_minute` is 0"), "{faults:?}");
        assert!(faults[1].contains("`webhook_url`"), "{faults:?}");
    }

    #[test]
    fn a_misspelt_field_is_named() {
        let bad = GOOD.replace("shipping_sku", "shiping_sku");
        let faults = Connections::parse(&bad).unwrap_err().faults;
        assert!(
            faults.iter().any(|f| f.contains("shiping_sku")),
            "{faults:#?}"
        );
    }

    #[test]
    fn a_host_that_only_begins_like_loopback_is_not_loopback() {
        assert!(is_loopback("http://127.0.0.1:8069"));
        assert!(!is_loopback("http://127.0.0.1.example.com"));
    }
}
