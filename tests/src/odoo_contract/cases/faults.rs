//! Faults: their names, by which Waybill classes them.

use super::cases;
use crate::odoo::Access;
use crate::odoo_contract::cx::{Checked, Cx, Halt, ensure};
use crate::odoo_contract::wire::{Ask, Protocol, Said, Wire};
use serde_json::{Value, json};

cases! { "faults":
    the_version => "`common.version` tells the major version without a login",
    a_wrong_key => "a wrong key is AccessDenied or Unauthorized",
    a_wrong_login => "JSON-RPC answers `false` to a wrong login or key",
    no_key => "JSON-2 without a key is Unauthorized",
    an_expired_key => "an expired key is told as a wrong one",
    a_wrong_database => "an unknown database is told as such by both protocols",
    an_unknown_model => "an unknown model is told by its name",
    an_unknown_method => "an unknown method is told by its name",
    an_unknown_field => "an unknown field is a ValueError",
    a_bad_domain => "a domain with an unknown field is a ValueError",
    a_missing_argument => "a missing argument is a TypeError or UnprocessableEntity",
    an_unknown_argument => "so is an unknown one",
    a_missing_record_in_a_write => "a write to a record that is gone is a MissingError",
    an_unknown_link_in_a_create => "a link to nothing is told before the record is made",
    a_missing_field_in_a_create => "a missing required field is a ValidationError",
    a_body_that_is_no_json => "what is answered to a body that is no JSON",
    a_wrong_path => "what is answered at a wrong path of JSON-2",
    json_rpc_from_18_on => "`/jsonrpc` is still there and names faults alike",
}

fn fault_of(said: &Said, names: &[&str]) -> Checked {
    match said {
        Said::Fault { name, .. } if names.iter().any(|n| name.ends_with(n)) => Ok(()),
        other => Err(format!("one of {names:?} is expected, not {other:?}").into()),
    }
}

/// The same way in with another access.
fn other(cx: &Cx<'_>, change: impl FnOnce(&mut Access)) -> Wire {
    let mut wire = cx.target.wire.clone();
    change(&mut wire.access);
    wire
}

fn count() -> Ask {
    Ask::of("sale.order", "search_count").arg("domain", json!([["id", "=", 0]]))
}

async fn the_version(cx: &Cx<'_>) -> Checked {
    let said = cx.target.wire.service("common", "version", json!([])).await;
    let version = cx.result("asking for the version", said)?;
    let major = version
        .pointer("/server_version_info/0")
        .and_then(Value::as_u64);
    ensure!(major == Some(cx.target.version), "{version}");
    cx.note("major", major);
    Ok(())
}

async fn a_wrong_key(cx: &Cx<'_>) -> Checked {
    let wire = other(cx, |a| {
        "0123456789012345678901234567890123456789".clone_into(&mut a.key)
    });
    let said = wire.ask(&count()).await;
    cx.note_said("answer", &said);
    fault_of(&said, &["AccessDenied", "Unauthorized"])?;
    let said = wire.ask_by(Protocol::JsonRpc, &count()).await;
    cx.note_said("over json-rpc", &said);
    fault_of(&said, &["AccessDenied"])
}

async fn a_wrong_login(cx: &Cx<'_>) -> Checked {
    let access = &cx.target.wire.access;
    for (login, key) in [
        ("nobody", access.key.as_str()),
        (access.login.as_str(), "wrong"),
    ] {
        let said = cx
            .target
            .wire
            .service(
                "common",
                "authenticate",
                json!([access.database, login, key, {}]),
            )
            .await;
        ensure!(
            said == Said::Result(json!(false)),
            "`false` is expected, not {said:?}"
        );
    }
    Ok(())
}

/// A call of JSON-2 made by hand.
async fn by_hand(
    cx: &Cx<'_>,
    path: &str,
    change: impl FnOnce(reqwest::RequestBuilder) -> reqwest::RequestBuilder,
) -> Said {
    let wire = &cx.target.wire;
    let request = wire.http.post(format!("{}{path}", wire.access.url));
    wire.json2(change(
        request.header("X-Odoo-Database", &wire.access.database),
    ))
    .await
}

async fn no_key(cx: &Cx<'_>) -> Checked {
    let said = by_hand(cx, "/json/2/sale.order/search_count", |r| {
        r.json(&json!({"domain": []}))
    })
    .await;
    cx.note_said("answer", &said);
    if !cx.is_17() {
        fault_of(&said, &["Unauthorized"])?;
    }
    Ok(())
}

async fn an_expired_key(cx: &Cx<'_>) -> Checked {
    if cx.is_17() {
        return Err(Halt::Skipped("keys of 17 do not expire".to_owned()));
    }
    let admin = cx.admin()?;
    let name = cx.word("expired");
    let key = match &cx.target.sim {
        Some(sim) => {
            sim.set_keys("expired", vec![name.clone()]);
            sim.expire_key(&name);
            name.clone()
        }
        None => expired(cx, admin, &name).await?,
    };
    let wire = other(cx, |a| a.key = key);
    let said = wire.ask(&count()).await;
    cx.note_said("answer", &said);
    fault_of(&said, &["Unauthorized"])?;
    let wire = Wire {
        user: admin.user,
        ..wire
    };
    let said = wire.ask_by(Protocol::JsonRpc, &count()).await;
    cx.note_said("over json-rpc", &said);
    fault_of(&said, &["AccessDenied"])
}

/// A key of the administrator that has expired already. No method of the API makes one, so a server action does, which is
/// deleted again; a second one deletes the key.
async fn expired(cx: &Cx<'_>, admin: &Wire, name: &str) -> Checked<String> {
    let make = format!(
        "key = env['res.users.apikeys']._generate(None, '{name}', datetime.datetime.now() - datetime.timedelta(days=1))\naction = {{'type': 'ir.actions.act_window_close', 'context': {{'key': key}}}}"
    );
    let answer = server_action(cx, admin, &make).await?;
    let key = answer
        .pointer("/context/key")
        .and_then(Value::as_str)
        .map(str::to_owned);
    key.ok_or_else(|| Halt::Skipped("the administrator may not make keys".to_owned()))
}

async fn server_action(cx: &Cx<'_>, admin: &Wire, code: &str) -> Checked<Value> {
    let models = Ask::of("ir.model", "search").arg("domain", json!([["model", "=", "res.users"]]));
    let models = cx.result("finding the model", admin.ask(&models).await)?;
    let values = json!({"name": cx.word("action"), "model_id": models.get(0), "state": "code", "code": code});
    let action = cx.result(
        "making an action",
        admin
            .ask(&Ask::of("ir.actions.server", "create").arg("vals_list", values))
            .await,
    )?;
    let action = action
        .as_i64()
        .or_else(|| action.get(0)?.as_i64())
        .unwrap_or_default();
    let answer = admin
        .ask(&Ask::on("ir.actions.server", "run", &[action]))
        .await;
    cx.result(
        "deleting the action",
        admin
            .ask(&Ask::on("ir.actions.server", "unlink", &[action]))
            .await,
    )?;
    cx.result("running the action", answer)
}

async fn a_wrong_database(cx: &Cx<'_>) -> Checked {
    let wire = other(cx, |a| {
        "waybill_no_such_database".clone_into(&mut a.database)
    });
    let said = wire.ask_by(Protocol::JsonRpc, &count()).await;
    match &said {
        // The text names PostgreSQL's own address.
        Said::Fault { name, message, .. } => {
            cx.note("over json-rpc", name.as_str());
            ensure!(
                name.ends_with("OperationalError") && message.contains("does not exist"),
                "{name}: {message}"
            );
        }
        other => return Err(format!("a fault is expected, not {other:?}").into()),
    }
    if cx.is_17() {
        return Ok(());
    }
    let said = wire.ask(&count()).await;
    cx.note_said("over json-2", &said);
    match &said {
        Said::Page { status: 404, text } if text.contains("No database is selected") => Ok(()),
        other => {
            Err(format!("the page `No database is selected` is expected, not {other:?}").into())
        }
    }
}

async fn an_unknown_model(cx: &Cx<'_>) -> Checked {
    let said = cx
        .ask(Ask::of("waybill.none", "search_count").arg("domain", json!([])))
        .await;
    cx.note_said("answer", &said);
    if cx.is_17() {
        let told = matches!(&said, Said::Fault { message, .. } if message.starts_with("Object ") && message.ends_with("doesn't exist"));
        ensure!(told, "{said:?}");
        return fault_of(&said, &["UserError"]);
    }
    fault_of(&said, &["NotFound"])
}

async fn an_unknown_method(cx: &Cx<'_>) -> Checked {
    let said = cx.ask(Ask::on("sale.order", "action_waybill", &[1])).await;
    cx.note_said("answer", &said);
    fault_of(&said, &["AttributeError", "NotFound"])
}

async fn an_unknown_field(cx: &Cx<'_>) -> Checked {
    let said = cx
        .ask(
            Ask::of("sale.order", "search_read")
                .arg("domain", json!([["id", "=", 0]]))
                .kw("fields", json!(["waybill"])),
        )
        .await;
    cx.note_said("of an empty search", &said);
    let partner = cx.partner().await?;
    let ids = cx.quotations(&cx.drafts(&partner, 1)).await?;
    let said = cx
        .ask(Ask::on("sale.order", "read", &ids).kw("fields", json!(["waybill"])))
        .await;
    cx.note_said("of a read", &said);
    fault_of(&said, &["ValueError"])?;
    let said = cx
        .ask(Ask::on("sale.order", "write", &ids).arg("vals", json!({"waybill": 1})))
        .await;
    cx.note_said("of a write", &said);
    fault_of(&said, &["ValueError"])
}

async fn a_bad_domain(cx: &Cx<'_>) -> Checked {
    let said = cx
        .ask(Ask::of("sale.order", "search_count").arg("domain", json!([["waybill", "=", 1]])))
        .await;
    cx.note_said("answer", &said);
    fault_of(&said, &["ValueError"])
}

async fn a_missing_argument(cx: &Cx<'_>) -> Checked {
    let said = cx
        .ask(Ask::of("sale.order", "load").arg("fields", json!(["id"])))
        .await;
    cx.note_said("answer", &said);
    fault_of(&said, &["TypeError", "UnprocessableEntity"])
}

async fn an_unknown_argument(cx: &Cx<'_>) -> Checked {
    let said = cx.ask(count().kw("waybill", json!(1))).await;
    cx.note_said("answer", &said);
    fault_of(&said, &["TypeError", "UnprocessableEntity"])
}

async fn a_missing_record_in_a_write(cx: &Cx<'_>) -> Checked {
    let said = cx
        .ask(
            Ask::on("sale.order", "write", &[987_654_321])
                .arg("vals", json!({"client_order_ref": "x"})),
        )
        .await;
    cx.note_said("answer", &said);
    fault_of(&said, &["MissingError"])
}

async fn an_unknown_link_in_a_create(cx: &Cx<'_>) -> Checked {
    let said = cx
        .ask(Ask::of("sale.order", "create").arg("vals_list", json!({"partner_id": 987_654_321})))
        .await;
    cx.note_said("answer", &said);
    fault_of(&said, &["MissingError", "ValidationError", "UserError"])
}

async fn a_missing_field_in_a_create(cx: &Cx<'_>) -> Checked {
    let said = cx
        .ask(Ask::of("sale.order", "create").arg("vals_list", json!({"client_order_ref": "x"})))
        .await;
    cx.note_said("answer", &said);
    fault_of(&said, &["ValidationError"])
}

async fn a_body_that_is_no_json(cx: &Cx<'_>) -> Checked {
    if cx.is_17() {
        return Err(Halt::Skipped("17 has no JSON-2".to_owned()));
    }
    let key = &cx.target.wire.access.key;
    let said = by_hand(cx, "/json/2/sale.order/search_count", |r| {
        r.bearer_auth(key)
            .header("Content-Type", "application/json")
            .body("{nope")
    })
    .await;
    cx.note_said("answer", &said);
    fault_of(&said, &["BadRequest"])
}

async fn a_wrong_path(cx: &Cx<'_>) -> Checked {
    let key = &cx.target.wire.access.key;
    let said = by_hand(cx, "/json/2/sale.order", |r| {
        r.bearer_auth(key).json(&json!({}))
    })
    .await;
    cx.note_said("answer", &said);
    Ok(())
}

async fn json_rpc_from_18_on(cx: &Cx<'_>) -> Checked {
    let partner = cx.partner().await?;
    let drafts = cx.drafts(&partner, 2);
    let rpc = async |ask: &Ask| cx.target.wire.ask_by(Protocol::JsonRpc, ask).await;
    let said = rpc(&cx.load_orders(&drafts)).await;
    cx.note_load("load", &said);
    let ids = crate::odoo_contract::cx::ids(&said).unwrap_or_default();
    ensure!(
        ids == cx.quotations(&drafts).await?,
        "the protocols do not write the same orders"
    );
    let said = rpc(&cx.confirm(&ids)).await;
    cx.note_result("confirm", &said);
    for (name, ask) in [
        ("confirm again", cx.confirm(&ids)),
        (
            "unknown model",
            Ask::of("waybill.none", "search_count").arg("domain", json!([])),
        ),
        (
            "unknown method",
            Ask::on("sale.order", "action_waybill", &[1]),
        ),
        (
            "unknown field",
            Ask::on("sale.order", "read", &ids).kw("fields", json!(["waybill"])),
        ),
        (
            "missing argument",
            Ask::of("sale.order", "load").arg("fields", json!(["id"])),
        ),
        (
            "missing record",
            Ask::on("sale.order", "write", &[987_654_321])
                .arg("vals", json!({"client_order_ref": "x"})),
        ),
        (
            "private method",
            Ask::on("sale.order", "_action_confirm", &ids),
        ),
        (
            "unknown external id",
            super::lookup::reference("waybill_contract.none"),
        ),
    ] {
        let said = rpc(&ask).await;
        cx.note_said(name, &said);
        ensure!(matches!(said, Said::Fault { .. }), "{name}: {said:?}");
    }
    Ok(())
}
