//! Odoo's client.

use super::{command, http, judge, judge_failure, level, shipped};
use crate::answers::{Answers, with_server};
use crate::draw::Draw;
use crate::mutate::MARKER;
use crate::properties::in_time;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::Duration;
use waybill_flow::connections::Connections;
use waybill_flow::ports::{ConnectionSecrets, Erp as _, ErpCommand, InfraError, Secret};
use waybill_model::command::Command;
use waybill_model::id::{ConnectionId, MessageId, Sku};
use waybill_odoo::{Limits, Odoo};
use waybill_testkit::build;

struct Key;

impl waybill_flow::ports::Secrets for Key {
    async fn get(&self, _: &ConnectionId) -> Result<ConnectionSecrets, InfraError> {
        Ok(ConnectionSecrets {
            api: BTreeMap::from([("key".to_owned(), Secret::new("k"))]),
            ..ConnectionSecrets::default()
        })
    }
}

/// Answers of an Odoo in both protocols: `(word, result)`.
fn odoo_answers(json2: bool) -> Answers {
    let read = json!([{"id": 1, "name": "S00001", "state": "draft", "amount_total": 10.0, "client_order_ref": "#1001",
        "currency_id": {"id": 1, "name": "EUR"}, "date_order": "2026-01-31 10:00:00", "create_uid": 6,
        "order_line": [{"id": 1, "display_type": false, "product_uom_qty": 1.0, "price_unit": 10.0, "discount": 0.0,
            "write_uid": 6, "product_id": {"id": 1, "default_code": "MUG", "active": true, "sale_ok": true}}],
        "partner_id": [7, MARKER], "invoice_ids": [], "picking_ids": [3], "res_id": 1, "model": "sale.order",
        "default_code": "MUG", "sale_ok": true, "active": true, "free_qty": 4.0, "qty_available": 5.0}]);
    let results = [
        ("load", json!({"ids": [1, 2], "messages": []})),
        (
            "load",
            json!({"ids": false, "messages": [{"record": 0, "type": "error", "field": "order_line",
            "message": format!("no {MARKER}")}]}),
        ),
        (
            "load",
            json!({"ids": false, "messages": [{"rows": {"from": 0, "to": 0}, "message":
            "could not serialize access due to concurrent update"}]}),
        ),
        ("read", read.clone()),
        ("search", read),
        ("confirm", json!(true)),
        (
            "version",
            json!({"server_version": "17.0", "server_version_info": [17, 0, 0, "final", 0, ""]}),
        ),
        (
            "version",
            json!({"version": "19.0", "version_info": [19, 0, 0, "final", 0, ""]}),
        ),
        ("authenticate", json!(6)),
        ("", json!(false)),
        ("", json!([1])),
        ("", json!(null)),
    ];
    let faults = [
        "odoo.exceptions.UserError",
        "odoo.exceptions.AccessError",
        "odoo.exceptions.MissingError",
        "builtins.ValueError",
        "psycopg2.OperationalError",
        "psycopg2.errors.SerializationFailure",
        MARKER,
    ];
    let mut known: Vec<(&'static str, Value)> = Vec::new();
    for (word, result) in results {
        known.push((
            word,
            if json2 {
                result
            } else {
                json!({"jsonrpc": "2.0", "id": 1, "result": result})
            },
        ));
    }
    for name in faults {
        let data = json!({"name": name, "message": format!("{MARKER} may not"), "debug": MARKER});
        known.push(("", if json2 { data } else {
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

fn erp_commands() -> Vec<Command> {
    let order = json!(build::order("1001"));
    let mut shipment = shipped();
    shipment["lines"][0]["sku"] = json!("MUG");
    let of = |kind: &str, data: Value| {
        let mut data = data;
        data["erp"] = json!("odoo");
        command(json!({"type": format!("waybill.{kind}"), "data": data}))
    };
    let eur = json!({"amount": "10.00", "currency": "EUR"});
    vec![
        of(
            "sale_order.create",
            json!({"order": order, "warehouse": null}),
        ),
        of(
            "sale_order.amend",
            json!({"order": order, "warehouse": null}),
        ),
        of("sale_order.cancel", json!({})),
        of(
            "delivery.register",
            json!({"shipment": shipment, "last": true}),
        ),
        of(
            "return.receive",
            json!({"returned": {"id": "R-1", "source": "shipbob", "status": "completed",
            "lines": [{"line_id": "1", "sku": "MUG", "quantity": "1", "disposition": "restock"}], "version": 1}}),
        ),
        of("invoice.create", json!({})),
        of(
            "payment.register",
            json!({"direction": "received", "id": "P-1", "gateway": "stripe", "method": null,
            "amount": eur, "at": "2026-03-02T10:00:00Z"}),
        ),
        of(
            "credit_note.create",
            json!({"refund_id": "R-1", "amount": eur, "lines": [], "shipping": "0"}),
        ),
        of("credit_note.reverse", json!({"refund_id": "R-1"})),
        of("stock.set", json!({"levels": [level()]})),
    ]
}

/// An Odoo that answers anything, by JSON-RPC and by JSON-2.
///
/// # Panics
/// A property does not hold.
pub fn odoo(input: &[u8]) {
    static KNOWN: OnceLock<([Answers; 2], Vec<Command>)> = OnceLock::new();
    let (answers, commands) =
        KNOWN.get_or_init(|| ([odoo_answers(false), odoo_answers(true)], erp_commands()));
    let mut draw = Draw::new(input);
    let json2 = draw.below(2);
    let protocol = ["json_rpc", "json2"][json2];
    let wanted = draw.below(commands.len() + 2);
    let more = draw.once_in(4);
    in_time("odoo", || {
        with_server(&answers[json2], &mut draw, |url| async move {
            let file = format!(
                "version = \"1\"\n[[connections]]\nid = \"odoo\"\npartner = \"odoo\"\nbase_url = \"{url}\"\n\
                 [connections.erp]\ndatabase = \"db\"\nlogin = \"me\"\nprotocol = \"{protocol}\"\n\
                 shipping_sku = \"SHIPPING\"\n"
            );
            let limits = Limits {
                call: Duration::from_secs(1),
                batch: Duration::from_secs(30),
                answer_bytes: 4 * 1024 * 1024,
            };
            let connections = Connections::parse(&file).unwrap();
            let odoo = Odoo::new(connections, Key, http().clone()).with_limits(limits);
            let erp = ConnectionId::new("odoo").unwrap();
            let order = build::correlation("1001");
            let Some(command) = commands.get(wanted) else {
                let failures = [
                    odoo.availability(&erp, &[Sku::new("MUG").unwrap()])
                        .await
                        .err(),
                    odoo.orders(&erp, &[order]).await.err(),
                ];
                failures.iter().flatten().for_each(judge_failure);
                return;
            };
            let mut batch = vec![command.clone()];
            if more {
                batch.push(commands[0].clone());
            }
            let batch: Vec<ErpCommand> = batch
                .into_iter()
                .enumerate()
                .map(|(n, command)| ErpCommand {
                    correlation: order,
                    key: MessageId::new(format!("key-{n}")).unwrap(),
                    command,
                })
                .collect();
            let outcomes = odoo.write_within(&erp, &batch, limits.batch).await;
            assert_eq!(outcomes.len(), batch.len(), "an outcome for each command");
            outcomes.into_iter().for_each(judge);
        });
    });
}
