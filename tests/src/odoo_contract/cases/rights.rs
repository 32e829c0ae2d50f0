//! What the integration user may do, and what is told where it may not.

use super::cases;
use crate::odoo_contract::cx::{Checked, Cx, Halt, ensure};
use crate::odoo_contract::wire::{Ask, Said};
use serde_json::{Value, json};

cases! { "rights":
    asked_for => "a version tells what the user may do: `check_access_rights`, later `has_access`",
    to_create => "outside `load` a missing right is an AccessError",
    to_write => "so it is for a write",
    to_read => "so it is for a read",
    private_methods => "a method whose name begins with `_` is refused as an AccessError",
}

fn is_access(said: &Said) -> Checked {
    match said {
        Said::Fault { name, .. } if name == "odoo.exceptions.AccessError" => Ok(()),
        Said::Result(_) => Err(Halt::Skipped("the user has this right".to_owned())),
        other => Err(format!("an AccessError is expected, not {other:?}").into()),
    }
}

async fn asked_for(cx: &Cx<'_>) -> Checked {
    for (model, operation) in [
        ("sale.order", "create"),
        ("account.tax", "create"),
        ("ir.model.data", "read"),
        ("stock.return.picking", "create"),
    ] {
        let ask = if cx.is_17() {
            Ask::of(model, "check_access_rights")
                .arg("operation", json!(operation))
                .kw("raise_exception", json!(false))
        } else {
            Ask::on(model, "has_access", &[]).arg("operation", json!(operation))
        };
        let said = cx.ask(ask).await;
        cx.note_result(&format!("{operation} {model}"), &said);
        ensure!(matches!(said, Said::Result(Value::Bool(_))), "{said:?}");
    }
    let said = cx
        .ask(Ask::of("account.tax", "check_access_rights").arg("operation", json!("create")))
        .await;
    cx.note_said("raising", &said);
    Ok(())
}

async fn to_create(cx: &Cx<'_>) -> Checked {
    let said = cx
        .ask(
            Ask::of("account.tax", "create")
                .arg("vals_list", json!({"name": "Forbidden", "amount": 1})),
        )
        .await;
    cx.note_said("answer", &said);
    is_access(&said)
}

async fn to_write(cx: &Cx<'_>) -> Checked {
    let taxes: Vec<i64> = cx.target.facts.taxes.keys().copied().take(1).collect();
    // The name that it has: nothing changes where the user may.
    let rows = cx.read("account.tax", &taxes, &["name"]).await?;
    let name = rows.first().and_then(|r| r.get("name")).cloned();
    let said = cx
        .ask(Ask::on("account.tax", "write", &taxes).arg("vals", json!({ "name": name })))
        .await;
    cx.note_said("answer", &said);
    is_access(&said)
}

async fn to_read(cx: &Cx<'_>) -> Checked {
    let ask = Ask::of("payment.provider", "search_read")
        .arg("domain", json!([]))
        .kw("fields", json!(["name"]))
        .kw("limit", json!(1));
    let said = cx.ask(ask).await;
    cx.note_said("answer", &said);
    is_access(&said)
}

async fn private_methods(cx: &Cx<'_>) -> Checked {
    let said = cx.ask(Ask::on("sale.order", "_action_confirm", &[1])).await;
    cx.note_said("answer", &said);
    is_access(&said)
}
