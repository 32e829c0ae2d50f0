//! An order as the writer writes it, which leaves nothing behind.
//!
//! `load` is all or nothing: a record whose cell cannot be converted refuses the whole call, yet
//! Odoo creates all its records before it rolls back. So a second record that names a partner
//! which is not there makes every call of this module come to nothing, after the first record went
//! through products, taxes, price list and, in the last call, through confirming and stock rules.
//! Only numbers of orders and transfers are drawn, as by every refused order.

use super::Finding;
use super::look::{self, ProductRow, Seen, Target};
use super::needs::{Kind, Needs};
use crate::client::{Api, LoadMode};
use crate::error::{OdooError, readable};
use crate::map::cell;
use crate::map::order::{Line, OrderPlan};
use crate::map::partner::{PARTNER_COLUMNS, Partner, Partners};
use crate::map::rows::Columns;
use crate::wire::{Blame, Call, Loaded};
use crate::write::partners::Placed;
use rust_decimal::Decimal;
use serde_json::Value;
use waybill_model::id::{ConnectionId, CorrelationId};
use waybill_model::time::Instant;

const TOPIC: &str = "dry run";
/// What no partner has: the largest id that a table can hold.
const NOBODY: i64 = 2_147_483_647;

/// Names of one dry run, which nothing else has.
struct Names {
    prefix: String,
    mark: String,
}

impl Names {
    fn id(&self, name: &str) -> String {
        format!("{}_{name}", self.prefix)
    }

    /// What nothing has.
    fn nothing(&self) -> String {
        self.id("rolls_back")
    }
}

/// Writes customers, a quotation and an order, each in a call that is refused on purpose, and makes
/// sure that nothing stayed.
pub(super) async fn dry_run(
    api: &Api<'_>,
    needs: &Needs<'_>,
    seen: &Seen,
    now: Instant,
) -> Finding {
    let names = Names {
        prefix: format!(
            "{}.check_{}",
            needs.settings.external_id_prefix,
            now.epoch_ms()
        ),
        mark: format!("Waybill check {}", now.epoch_ms()),
    };
    let Some(lines) = lines(needs, seen) else {
        return Finding::warning(
            TOPIC,
            "no order was tried: neither the shipping product nor any other product was found",
            "make the products first, then check again",
        );
    };
    let refusals = match try_all(api, needs, seen, &names, lines, now).await {
        Ok(refusals) => refusals,
        Err(error) => return not_tried(&error),
    };
    match look::marked(api, &names.mark).await {
        Ok(0) => {}
        Ok(left) => {
            return Finding::fault(
                TOPIC,
                format!("{left} record(s) named `{}` were left in Odoo", names.mark),
                format!(
                    "delete the quotations and contacts named `{}` there, and report this",
                    names.mark
                ),
            );
        }
        Err(error) => return not_tried(&error),
    }
    if refusals.is_empty() {
        return Finding::good(
            TOPIC,
            "customers and an order with every tax, price list, carrier and warehouse above would be written and confirmed; nothing was left behind but a few unused order and transfer numbers",
        );
    }
    Finding::fault(
        TOPIC,
        format!(
            "Odoo refuses an order like Waybill's: {}",
            refusals.join("; ")
        ),
        "mend what Odoo names, then check again; nothing was left behind",
    )
}

fn not_tried(error: &OdooError) -> Finding {
    Finding::fault(
        TOPIC,
        format!(
            "the order could not be tried: {}",
            super::judge::detail(error)
        ),
        "mend what is named above, then check again",
    )
}

async fn try_all(
    api: &Api<'_>,
    needs: &Needs<'_>,
    seen: &Seen,
    names: &Names,
    lines: Vec<Line>,
    now: Instant,
) -> Result<Vec<String>, OdooError> {
    let mut refusals = Vec::new();
    let fields: Vec<&str> = ["id", "parent_id/id"]
        .into_iter()
        .chain(PARTNER_COLUMNS)
        .collect();
    let rows = partner_rows(names);
    collect(api, "res.partner", &fields, &rows, names, &mut refusals).await?;
    let plans = plans(api.erp, needs, seen, names, &lines, now);
    let all: Vec<&OrderPlan> = plans.iter().collect();
    let warehouse = needs.settings.warehouse.as_deref();
    let columns = Columns::of(&all, needs.settings, needs.major, warehouse.is_some());
    let mut fields = columns.names();
    // Delivered to the integration user itself: the company's own contact would make it a transfer
    // between warehouses.
    let me = seen.user.partner_id.id().unwrap_or(NOBODY);
    let placed = |plan: &OrderPlan| Placed {
        customer: me,
        invoice: match plan.partners.invoice {
            Partner::Theirs(id) => id,
            Partner::Ours(_) => me,
        },
        shipping: me,
    };
    let mut rows: Vec<Vec<Value>> = plans
        .iter()
        .flat_map(|p| columns.rows(p, placed(p), warehouse))
        .collect();
    collect(api, "sale.order", &fields, &rows, names, &mut refusals).await?;
    if refusals.is_empty() {
        // Confirmed at once, as `action_confirm` would; only here, since it passes by what other
        // modules add to that method.
        fields.push("state");
        for row in &mut rows {
            let is_first = row.first().is_some_and(|id| *id != cell(""));
            row.push(cell(if is_first { "sale" } else { "" }));
        }
        collect(api, "sale.order", &fields, &rows, names, &mut refusals).await?;
    }
    Ok(refusals)
}

/// What Odoo says of a call that is refused on purpose, beyond the purpose.
async fn collect(
    api: &Api<'_>,
    model: &'static str,
    fields: &[&str],
    rows: &[Vec<Value>],
    names: &Names,
    refusals: &mut Vec<String>,
) -> Result<(), OdooError> {
    match api.load(model, fields, rows, LoadMode::InsertOnly).await? {
        Loaded::Refused(blames) => {
            // On purpose, or only because an earlier record of the call was refused.
            let nobody = NOBODY.to_string();
            let meant =
                |b: &Blame| b.message.contains(&names.prefix) || b.message.contains(&nobody);
            for blame in blames.iter().filter(|b| !meant(b)) {
                let text = readable(&blame.message);
                if !refusals.contains(&text) {
                    refusals.push(text);
                }
            }
        }
        Loaded::Ids(ids) => {
            // An Odoo that makes up what it cannot find: what it kept is named by its mark.
            let removed = api.call(Call::on(model, "unlink", &ids)).await;
            tracing::warn!(model, removed = removed.is_ok(), "a dry run was kept");
        }
    }
    Ok(())
}

fn partner_rows(names: &Names) -> Vec<Vec<Value>> {
    let row = |id: String, parent: &str, kind: &str, country: &str| {
        let cells = PARTNER_COLUMNS.iter().map(|column| match *column {
            "type" => cell(kind),
            "name" => cell(&names.mark),
            "country_id/id" => cell(country),
            _ => cell(""),
        });
        [cell(id), cell(parent)].into_iter().chain(cells).collect()
    };
    let customer = names.id("customer");
    vec![
        row(customer.clone(), "", "contact", "base.us"),
        row(names.id("delivery"), &customer, "delivery", "base.nl"),
        row(names.id("invoice"), &customer, "invoice", "base.uk"),
        row(names.id("refused"), "", "contact", &names.nothing()),
    ]
}

/// One order for each price list and each carrier that is there, and the one that is refused.
fn plans(
    erp: &ConnectionId,
    needs: &Needs<'_>,
    seen: &Seen,
    names: &Names,
    lines: &[Line],
    now: Instant,
) -> Vec<OrderPlan> {
    let found = |wanted: fn(&Kind<'_>) -> bool| -> Vec<&str> {
        let all = needs.references.iter().zip(&seen.targets);
        all.filter(|(r, t)| wanted(&r.kind) && matches!(t, Ok(Target::Found(_))))
            .map(|(r, _)| r.id)
            .collect()
    };
    let pricelists = found(|k| matches!(k, Kind::Pricelist(_)));
    let carriers = found(|k| matches!(k, Kind::Carrier));
    let of = |all: &[&str], index: usize| {
        let id = all.get(index).or(all.last());
        id.map(|id| (*id).to_owned())
    };
    let mine = || Partner::Ours(String::new());
    let plan = |index: usize, name: String, invoice: Partner| OrderPlan {
        correlation: CorrelationId::for_connection(erp),
        external_id: names.id(&name),
        partners: Partners {
            customer: mine(),
            invoice,
            shipping: mine(),
            rows: Vec::new(),
        },
        lines: lines.to_vec(),
        reference: names.mark.clone(),
        origin: names.mark.clone(),
        date: now.to_naive_utc(),
        pricelist: of(&pricelists, index),
        carrier: of(&carriers, index),
    };
    let count = pricelists.len().max(carriers.len()).max(1);
    let mut plans: Vec<OrderPlan> = (0..count)
        .map(|index| plan(index, format!("order_{index}"), mine()))
        .collect();
    plans.push(plan(0, "refused".to_owned(), Partner::Theirs(NOBODY)));
    plans
}

/// Goods with no tax and with each mapped tax, and the services.
fn lines(needs: &Needs<'_>, seen: &Seen) -> Option<Vec<Line>> {
    let products = seen.products.as_deref().unwrap_or_default();
    let is_service = |p: &&ProductRow| p.kind.as_str() == "service";
    let goods = products
        .iter()
        .find(|p| p.active && !is_service(p))
        .or(seen.sample.as_ref());
    let service = |sku: &str| {
        let mut all = products.iter().filter(|p| p.active);
        all.find(|p| p.default_code.as_str() == sku)
    };
    let shipping = service(needs.settings.shipping_sku.as_str());
    let main = goods.or(shipping)?;
    let mut lines = vec![line("goods", main.id, String::new(), false)];
    for (reference, target) in needs.references.iter().zip(&seen.targets) {
        if matches!(reference.kind, Kind::Tax(_)) && matches!(target, Ok(Target::Found(_))) {
            let key = format!("tax {}", lines.len());
            lines.push(line(&key, main.id, reference.id.to_owned(), false));
        }
    }
    lines.extend(shipping.map(|p| line("shipping", p.id, String::new(), true)));
    Some(lines)
}

fn line(key: &str, product: i64, taxes: String, is_delivery: bool) -> Line {
    Line {
        key: key.to_owned(),
        product: Some(product),
        sku: None,
        name: format!("Waybill check: {key}"),
        quantity: Decimal::ONE,
        unit: Decimal::new(1005, 2),
        percent: Decimal::ZERO,
        taxes,
        is_delivery,
    }
}
