//! Bad orders among good ones: a batch of fifty of which seven are bad in seven ways. The good ones must be confirmed, and
//! each bad one must be told its own cause, and what to change where.

use crate::Stop;
use crate::odoo::rpc::Rpc;
use crate::odoo::{Access, Prepared, RealOdoo, prepare};
use crate::simulated;
use crate::workload::held;
use crate::workload::link::{ERP, Key, Link, erp};
use crate::workload::meter::{Answered, Meter};
use crate::workload::orders::{Plan, Run, command, email, unique_name};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use waybill_flow::ports::{Erp as _, ErpCommand};
use waybill_model::failure::Failure;
use waybill_model::id::Reference;
use waybill_model::order::Order;
use waybill_odoo::Odoo;

/// Orders of the batch.
const ORDERS: u64 = 50;
/// Attempts at the batch, where Odoo is too slow for one.
const ATTEMPTS: usize = 5;
/// A product that a simulated Odoo cannot replenish.
const UNPROCURABLE: &str = "SKU-0200";
/// A carrier that the settings name and no Odoo has.
const GONE_CARRIER: &str = "shop.carrier_that_is_gone";

/// A way in which an order is bad.
#[derive(Debug, Clone, Copy)]
struct Kind {
    /// What is wrong with it.
    what: &'static str,
    /// Where it is found.
    found: &'static str,
    /// The code that it must be told.
    code: &'static str,
    /// What the explanation must name.
    names: &'static str,
    spoil: fn(&mut Value),
}

const KINDS: [Kind; 7] = [
    Kind {
        what: "a SKU that no product has",
        found: "before Odoo is called",
        code: "unknown_sku",
        names: "SKU-NOWHERE",
        spoil: |order| set(order, "/lines/1/sku", json!("SKU-NOWHERE")),
    },
    Kind {
        what: "a tax that is not mapped",
        found: "before Odoo is called",
        code: "unknown_tax",
        names: "7 %",
        spoil: |order| set(order, "/lines/0/taxes/0/rate", json!("0.07")),
    },
    Kind {
        what: "a currency without a price list",
        found: "before Odoo is called",
        code: "unknown_pricelist",
        names: "CHF",
        spoil: |order| set(order, "/currency", json!("CHF")),
    },
    Kind {
        what: "a country that Odoo does not know",
        found: "while customers are loaded",
        code: "unknown_country",
        names: "country",
        spoil: |order| set(order, "/shipping/country", json!("ZZ")),
    },
    Kind {
        what: "a delivery method mapped to what Odoo lacks",
        found: "while orders are loaded",
        code: "unknown_carrier",
        names: GONE_CARRIER,
        spoil: |order| {
            set(
                order,
                "/shipping_lines",
                json!([{"method": "drone", "title": "By drone", "price": "0", "discount": "0", "taxes": []}]),
            );
        },
    },
    Kind {
        what: "a total that Odoo does not reach",
        found: "before it is confirmed",
        code: "total_mismatch",
        names: "in the channel and",
        spoil: |order| {
            let total = order.pointer("/totals/total").and_then(Value::as_str);
            let total = total.map(|t| format!("1{t}")).unwrap_or_default();
            set(order, "/totals/total", json!(total));
        },
    },
    Kind {
        what: "goods that cannot be brought to the customer",
        found: "while orders are confirmed",
        code: "no_replenishment_rule",
        names: "No rule has been found to replenish",
        // What is wrong is in Odoo: see `Trial::make_unprocurable`.
        spoil: |_| {},
    },
];

fn set(order: &mut Value, place: &str, value: Value) {
    if let Some(place) = order.pointer_mut(place) {
        *place = value;
    }
}

/// Write a batch of 50 orders, seven of them bad in seven ways, and show what each is told.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    #[command(flatten)]
    real: RealOdoo,
    /// Release of the simulated Odoo, where `--odoo` names no real one
    #[arg(long, default_value_t = 19, value_parser = clap::value_parser!(u32).range(17..=19), conflicts_with = "odoo")]
    simulated: u32,
}

struct Trial {
    access: Access,
    ready: Prepared,
    is_real: bool,
    run: Run,
    odoo: Odoo<Key>,
    meter: Meter,
}

/// An order of the batch, and in which way it is bad.
struct Item {
    plan: Plan,
    kind: Option<Kind>,
    command: ErpCommand,
}

type Results = Vec<Result<Vec<Reference>, Failure>>;

/// Writes the batch; false when a good order is not confirmed, or a bad one is told something else than its cause.
///
/// # Errors
/// Odoo cannot be reached, entered or used.
pub async fn run(options: &Options) -> Result<bool, Stop> {
    let trial = Trial::begin(options).await?;
    let items = trial.items()?;
    let earlier = trial.make_unprocurable(&items).await?;
    drop(trial.meter.take());
    let (results, attempts) = trial.write(&items).await?;
    let calls = trial.meter.take();
    let mut faults = told(&items, &results);
    let (good, bad): (Vec<&Item>, Vec<&Item>) = items.iter().partition(|i| i.kind.is_none());
    let plans: Vec<Plan> = good.iter().map(|i| i.plan.clone()).chain(earlier).collect();
    let refused: Vec<String> = bad.iter().map(|i| i.plan.number.clone()).collect();
    let found = held::look_beside(&trial.access, &trial.run.name, &plans, &refused).await?;
    faults.extend(found.faults.iter().cloned());
    // One of the orders in Odoo is not of the batch.
    let right = found.right.saturating_sub(plans.len() - good.len());
    let mut text = trial.text(&items, &results, &calls, right, &faults);
    if attempts > 1 {
        text.push_str(&format!("\n{attempts} attempts: Odoo was too slow for one"));
    }
    say(&text);
    Ok(faults.is_empty())
}

/// What is not told as it must be.
fn told(items: &[Item], results: &Results) -> Vec<String> {
    let mut faults = Vec::new();
    if items.len() != results.len() {
        faults.push(format!(
            "{} results for {} orders",
            results.len(),
            items.len()
        ));
    }
    for (item, result) in items.iter().zip(results) {
        let number = &item.plan.number;
        match (item.kind, result) {
            (None, Ok(_)) => {}
            (None, Err(failure)) => {
                let (code, detail) = (failure.code(), failure.detail());
                faults.push(format!("good order `{number}` was told `{code}`: {detail}"));
            }
            (Some(kind), Ok(_)) => {
                faults.push(format!("order `{number}` was written with {}", kind.what));
            }
            (Some(kind), Err(Failure::Rejected { code, detail, .. }))
                if code.as_str() == kind.code && detail.contains(kind.names) => {}
            (Some(kind), Err(failure)) => {
                let (code, detail) = (failure.code(), failure.detail());
                faults.push(format!(
                    "order `{number}`, with {}, was told `{code}` and not `{}` with `{}`: {detail}",
                    kind.what, kind.code, kind.names
                ));
            }
        }
    }
    faults
}

impl Trial {
    async fn begin(options: &Options) -> Result<Self, Stop> {
        let real = options.real.access()?;
        let is_real = real.is_some();
        let access = match real {
            Some(access) => access,
            None => {
                let unprocurable = |config: &mut waybill_simulators::odoo::OdooConfig| {
                    config.unroutable_skus.insert(UNPROCURABLE.to_owned());
                };
                simulated::odoo(options.simulated, unprocurable).await?
            }
        };
        let ready = prepare(&access).await?;
        let meter = Meter::start(&access.url, true, std::time::Duration::ZERO)?;
        let mut link = Link::to(&access, &ready, &meter.url);
        link.more.push_str(&format!(
            "carriers = [{{ method = \"drone\", carrier = \"{GONE_CARRIER}\" }}]\n"
        ));
        let http = waybill_partners::http::client().map_err(|e| Stop::new("making a client", e))?;
        Ok(Self {
            odoo: Odoo::new(link.connections()?, Key::of(&access), http),
            run: Run {
                name: unique_name("X"),
                currency: "EUR".to_owned(),
                tax_bp: ready.tax_on_top_bp,
                addresses: true,
            },
            access,
            ready,
            is_real,
            meter,
        })
    }

    /// The orders; the bad ones spread over the batch.
    fn items(&self) -> Result<Vec<Item>, Stop> {
        let apart = ORDERS / u64::try_from(KINDS.len()).unwrap_or(ORDERS);
        let item = |number: u64| {
            let plan = self.run.plan(number, number);
            let place = usize::try_from(number / apart).unwrap_or(usize::MAX);
            let kind = KINDS
                .get(place)
                .filter(|_| number % apart == apart / 2)
                .copied();
            let mut order = self.run.order(&plan)?;
            if let Some(kind) = kind {
                order = self.spoilt(order, kind)?;
            }
            let command = command(&erp()?, order)?;
            Ok(Item {
                plan,
                kind,
                command,
            })
        };
        (0..ORDERS).map(item).collect()
    }

    fn spoilt(&self, order: Order, kind: Kind) -> Result<Order, Stop> {
        let doing = || format!("making an order with {}", kind.what);
        let mut order = serde_json::to_value(order).map_err(|e| Stop::new(doing(), e))?;
        (kind.spoil)(&mut order);
        if kind.code == "no_replenishment_rule" {
            if self.is_real {
                // Goods go to the customer's own record, whose location `make_unprocurable` changes.
                set(&mut order, "/shipping", Value::Null);
            } else {
                set(&mut order, "/lines/0/sku", json!(UNPROCURABLE));
            }
        }
        serde_json::from_value(order).map_err(|e| Stop::new(doing(), e))
    }

    /// Writes the batch, and again what is not known to be done or refused, as the queue would; also how often.
    async fn write(&self, items: &[Item]) -> Result<(Results, usize), Stop> {
        let erp = erp()?;
        let commands: Vec<ErpCommand> = items.iter().map(|i| i.command.clone()).collect();
        let mut results = self.odoo.write(&erp, &commands).await;
        let mut attempts = 1;
        while attempts < ATTEMPTS {
            let is_open =
                |r: &Result<_, Failure>| r.as_ref().is_err_and(|f| f.class() != "rejected");
            let places: Vec<usize> = (0..results.len())
                .filter(|p| results.get(*p).is_some_and(is_open))
                .collect();
            if places.is_empty() {
                break;
            }
            let again: Vec<ErpCommand> = places
                .iter()
                .filter_map(|p| commands.get(*p).cloned())
                .collect();
            let later = self.odoo.write(&erp, &again).await;
            for (place, result) in places.into_iter().zip(later) {
                if let Some(old) = results.get_mut(place) {
                    *old = result;
                }
            }
            attempts += 1;
        }
        Ok((results, attempts))
    }

    /// In a real Odoo, lets the goods of one customer go to a location that no rule leads to: an earlier good order, which is
    /// returned, has made the customer. It also makes Waybill's writer know the products.
    async fn make_unprocurable(&self, items: &[Item]) -> Result<Option<Plan>, Stop> {
        let doing = "making a customer that nothing can be brought to";
        let of = |i: &&Item| i.kind.is_some_and(|k| k.code == "no_replenishment_rule");
        let Some(item) = items.iter().find(of) else {
            return Ok(None);
        };
        let mut earlier = self.run.plan(ORDERS, item.plan.customer);
        earlier
            .lines
            .clone_from(&self.run.plan_of_everything(ORDERS).lines);
        earlier.total_cents = self.run.plan_of_everything(ORDERS).total_cents;
        let mut order = self.run.order(&earlier)?;
        order.shipping = None;
        let results = self.odoo.write(&erp()?, &[command(&erp()?, order)?]).await;
        if let Some(Err(failure)) = results.first() {
            return Err(Stop::new(doing, failure.detail()));
        }
        if !self.is_real {
            return Ok(Some(earlier));
        }
        let rpc = Rpc::open(&self.access).await?;
        let address = email(&self.run.name, item.plan.customer);
        let customers = rpc
            .search_read("res.partner", json!([["email", "=", address]]), &["email"])
            .await?;
        let locations = rpc
            .search_read(
                "stock.location",
                json!([["usage", "=", "inventory"]]),
                &["usage"],
            )
            .await?;
        let id = |rows: &[Value]| rows.first().and_then(|r| r.get("id")?.as_i64());
        let write = json!([[id(&customers)], {"property_stock_customer": id(&locations)}]);
        let written = rpc.call("res.partner", "write", write, json!({})).await;
        written.map_err(|e| Stop::new(doing, e))?;
        Ok(Some(earlier))
    }

    fn text(
        &self,
        items: &[Item],
        results: &Results,
        calls: &[Answered],
        right: usize,
        faults: &[String],
    ) -> String {
        let refused = results.iter().filter(|r| r.is_err()).count();
        let mut text = format!(
            "\nOdoo {} over {}: {right} of {} orders confirmed with one delivery and the right total, {refused} refused\n",
            self.ready.version,
            self.ready.protocol,
            items.len()
        );
        for (item, result) in items.iter().zip(results) {
            let (Some(kind), Err(failure)) = (item.kind, result) else {
                continue;
            };
            let remedy = match failure {
                Failure::Rejected { remedy, .. } => remedy.as_str(),
                _ => "-",
            };
            text.push_str(&format!(
                "\n{} has {}; found {}\n  {:<8} {}\n  {:<8} {}\n  {:<8} {remedy}\n",
                item.plan.number,
                kind.what,
                kind.found,
                "code",
                failure.code(),
                "detail",
                failure.detail().replace(&format!("`{ERP}`: "), ""),
                "remedy",
            ));
        }
        let mut by_method: BTreeMap<&str, usize> = BTreeMap::new();
        for what in calls.iter().filter_map(|c| c.what.as_ref()) {
            *by_method.entry(what.method.as_str()).or_default() += 1;
        }
        let by_method: Vec<String> = by_method.iter().map(|(m, n)| format!("{m} {n}")).collect();
        text.push_str(&format!(
            "\n{} calls: {}",
            calls.len(),
            by_method.join(", ")
        ));
        for fault in faults {
            text.push_str("\n  WRONG: ");
            text.push_str(fault);
        }
        text
    }
}

fn say(text: &str) {
    use std::io::Write as _;
    // A closed terminal must not end the run.
    drop(writeln!(std::io::stdout(), "{text}"));
}
