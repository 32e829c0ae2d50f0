//! What was seen → findings. Pure.

use super::Finding;
use super::look::{KeyRow, Seen, Told};
use super::needs::{ADMINISTRATOR, Needs, Right, SALES, STOCK_MANAGER, count_group};
use crate::client::Hello;
use crate::error::{OdooError, readable};
use std::collections::BTreeMap;
use waybill_flow::connections::{Connection, ErpProtocol, ErpSettings};
use waybill_model::time::{DAY_MS, Instant};

mod references;
mod skus;

/// Oldest version that Waybill writes to.
const OLDEST: u32 = 17;
/// The first version with JSON-2.
const JSON2_SINCE: u32 = 19;
/// Newest version that was tried.
const NEWEST_TRIED: u32 = 19;
/// Clocks further apart than this are worth a word: dates of orders come from the shop, all others
/// from Odoo's clock.
const CLOCK_MS: i64 = 60_000;
/// A key with fewer days left is worth a word.
const KEY_DAYS: i64 = 21;

/// An error for a person: what Odoo said is told too, since there is no case that could hold it.
pub(super) fn detail(error: &OdooError) -> String {
    match error {
        OdooError::Fault(fault) => format!("`{}` {}", fault.name, fault.text()),
        other => other.to_string(),
    }
}

/// Why nothing more could be looked at.
pub(super) fn no_entry(
    error: &OdooError,
    connection: &Connection,
    settings: &ErpSettings,
) -> Finding {
    let (url, database) = (&connection.base_url, &settings.database);
    match error {
        OdooError::Unreachable { .. } | OdooError::NotOdoo { .. } => Finding::fault(
            "server",
            format!("no Odoo answers at `{url}`: {error}"),
            "correct `base_url` (scheme and host of Odoo, no path), or open the way through firewall and proxy",
        ),
        OdooError::NoDatabase => no_database(database),
        OdooError::Fault(fault)
            if fault.raw().contains("does not exist") && fault.raw().contains("database") =>
        {
            no_database(database)
        }
        OdooError::NoKey | OdooError::Secrets { .. } => Finding::fault(
            "login",
            error.to_string(),
            "store the integration user's API key as `api.key` of the connection's secret",
        ),
        OdooError::BadCredentials => Finding::fault(
            "login",
            format!(
                "Odoo does not let `{}` in: the login is wrong, or the key is wrong, expired or another user's",
                settings.login
            ),
            "log in to Odoo as this user, make a new API key (Preferences, Account Security), and store it as `api.key`; correct `erp.login` if it names another user",
        ),
        other => Finding::fault(
            "server",
            format!("`{url}` could not be asked: {}", detail(other)),
            "see Odoo's log; when it answers again, check again",
        ),
    }
}

fn no_database(database: &str) -> Finding {
    Finding::fault(
        "database",
        format!("there is no database `{database}`"),
        "correct `erp.database`: Odoo's database manager or its administrator knows the name",
    )
}

/// Whether Waybill can speak to this server in the configured way.
pub(super) fn speaks(hello: &Hello, protocol: ErpProtocol) -> bool {
    hello.major >= OLDEST && (protocol == ErpProtocol::JsonRpc || hello.major >= JSON2_SINCE)
}

/// Version, protocol and clock.
pub(super) fn server(hello: &Hello, protocol: ErpProtocol, now: Instant) -> Vec<Finding> {
    let version = format!("Odoo {}", hello.version);
    let mut findings = vec![match hello.major {
        major if major < OLDEST => Finding::fault(
            "version",
            format!("{version} is too old"),
            format!("upgrade Odoo to {OLDEST} or later"),
        ),
        major if major == 18 || major > NEWEST_TRIED => Finding::warning(
            "version",
            format!("{version}: Waybill was tried on 17 and 19 only"),
            "play a day of orders on a copy of the database before going live",
        ),
        _ => Finding::good("version", version),
    }];
    findings.push(match (protocol, hello.major >= JSON2_SINCE) {
        (ErpProtocol::Json2, false) => Finding::fault(
            "protocol",
            format!("JSON-2 begins with Odoo {JSON2_SINCE}"),
            "set `erp.protocol = \"json_rpc\"`",
        ),
        (ErpProtocol::JsonRpc, true) => Finding::warning(
            "protocol",
            "JSON-RPC is deprecated from 19 on and leaves with 22",
            "set `erp.protocol = \"json2\"`, which takes the same key",
        ),
        (ErpProtocol::Json2, true) => Finding::good("protocol", "JSON-2"),
        (ErpProtocol::JsonRpc, false) => Finding::good("protocol", "JSON-RPC"),
    });
    findings.extend(clock(hello.date.as_deref(), now));
    findings
}

fn clock(date: Option<&str>, now: Instant) -> Option<Finding> {
    let ahead_ms = http_date(date?)?.ms_since(now);
    let seconds = ahead_ms.abs() / 1000;
    Some(if ahead_ms.abs() <= CLOCK_MS {
        Finding::good("clock", format!("{seconds} s from this machine's"))
    } else {
        let way = if ahead_ms > 0 { "ahead of" } else { "behind" };
        Finding::warning(
            "clock",
            format!("Odoo's clock is {seconds} s {way} this machine's"),
            "synchronise the clocks (NTP): confirmations, deliveries and invoices get Odoo's time",
        )
    })
}

/// `Mon, 23 Nov 2026 14:55:13 GMT`.
fn http_date(text: &str) -> Option<Instant> {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let parts: Vec<&str> = text.split_whitespace().collect();
    let [_, day, month, year, time, "GMT"] = parts.as_slice() else {
        return None;
    };
    let month = MONTHS.iter().position(|m| m == month)? + 1;
    Instant::parse(&format!("{year}-{month:02}-{day:0>2}T{time}Z")).ok()
}

/// Everything behind the login.
pub(super) fn judge(seen: &Seen, needs: &Needs<'_>, now: Instant) -> Vec<Finding> {
    let mut findings = vec![login(seen, needs)];
    findings.extend(key(&seen.keys, needs.major, now));
    findings.push(time_zone(seen));
    findings.extend(modules(seen, needs));
    findings.extend(rights(seen, needs));
    findings.push(prefix(seen, needs));
    findings.extend(skus::skus(seen, needs));
    findings.extend(references::references(seen, needs));
    findings.extend(rounding(seen, needs));
    findings
}

fn unseen<T>(topic: &'static str, what: &str, told: &Told<T>) -> Option<Finding> {
    let error = told.as_ref().err()?;
    Some(Finding::warning(
        topic,
        format!("{what} could not be looked at: {}", detail(error)),
        "let the integration user read it, or look by hand",
    ))
}

fn login(seen: &Seen, needs: &Needs<'_>) -> Finding {
    let (wanted, actual) = (&needs.settings.login, seen.user.login.as_str());
    if wanted != actual {
        return Finding::fault(
            "login",
            format!("the key belongs to `{actual}`, and `erp.login` is `{wanted}`"),
            format!("set `erp.login = \"{actual}\"`, or store a key of `{wanted}`"),
        );
    }
    let group = seen.groups.get(ADMINISTRATOR);
    if group.is_some_and(|g| g.has == Some(true)) {
        return Finding::warning(
            "login",
            format!("`{actual}` is an administrator: whoever gets the key can do everything"),
            "make a user of its own for Waybill with the rights below",
        );
    }
    Finding::good(
        "login",
        format!("`{actual}` of `{}`", seen.user.company_id.name()),
    )
}

fn key(keys: &Told<Vec<KeyRow>>, major: u32, now: Instant) -> Option<Finding> {
    if major < 18 {
        return Some(Finding::good("key", "keys do not expire before Odoo 18"));
    }
    let keys = match keys {
        Ok(keys) => keys,
        Err(_) => return unseen("key", "the user's API keys", keys),
    };
    if keys.is_empty() {
        return Some(Finding::warning(
            "key",
            "the user has no API key: it came in with its password",
            "make an API key in Odoo (Preferences, Account Security) and store it as `api.key`",
        ));
    }
    // Odoo does not tell which of them was used.
    let last = keys
        .iter()
        .map(|k| expiry(k).map(|at| (at, k.name.as_str())));
    let last: Option<Vec<(Instant, &str)>> = last.collect();
    let Some((at, name)) = last.and_then(|all| all.into_iter().max()) else {
        return Some(Finding::good(
            "key",
            "the user has a key that does not expire",
        ));
    };
    let days = at.ms_since(now) / DAY_MS;
    let when = at.to_naive_utc();
    Some(if days < KEY_DAYS {
        Finding::warning(
            "key",
            format!("the key that lives longest, `{name}`, expires on {when} UTC, in {days} days"),
            "make a new key in Odoo (Preferences, Account Security) and store it as `api.key`, or let Waybill rotate it (`docs/runbook.md`)",
        )
    } else {
        Finding::good(
            "key",
            format!("`{name}` expires on {when} UTC, in {days} days"),
        )
    })
}

/// None for a key without an end.
fn expiry(key: &KeyRow) -> Option<Instant> {
    let text = key.expiration_date.0.as_deref()?;
    Instant::parse(&format!("{}Z", text.replace(' ', "T"))).ok()
}

fn time_zone(seen: &Seen) -> Finding {
    match seen.user.tz.as_str() {
        "" => Finding::warning(
            "time zone",
            "the integration user has none: dates of invoices are those of UTC",
            "set the shop's time zone in the user's preferences",
        ),
        zone => Finding::good(
            "time zone",
            format!("`{zone}`: dates of invoices and credit notes are those of this zone"),
        ),
    }
}

fn modules(seen: &Seen, needs: &Needs<'_>) -> Vec<Finding> {
    let modules = match &seen.modules {
        Ok(modules) => modules,
        Err(_) => {
            return unseen("modules", "installed modules", &seen.modules)
                .into_iter()
                .collect();
        }
    };
    let installed = |name: &str| modules.get(name).is_some_and(|s| s == "installed");
    let mut findings: Vec<Finding> = needs
        .modules
        .iter()
        .filter(|m| !installed(m.name))
        .map(|m| {
            Finding::fault(
                "modules",
                format!("`{}` ({}) is not installed: {}", m.name, m.title, m.why),
                format!(
                    "install `{}` in Odoo (Apps, search for its technical name)",
                    m.name
                ),
            )
        })
        .collect();
    if findings.is_empty() {
        let names: Vec<&str> = needs.modules.iter().map(|m| m.name).collect();
        findings.push(Finding::good("modules", names.join(", ")));
    }
    findings
}

/// Lacking rights by the group that gives them: that is what an administrator sets.
fn rights(seen: &Seen, needs: &Needs<'_>) -> Vec<Finding> {
    let mut lacking: BTreeMap<&str, Vec<&Right>> = BTreeMap::new();
    let mut findings = Vec::new();
    for (right, told) in needs.rights.iter().zip(&seen.rights) {
        match told {
            Ok(true) => {}
            Ok(false) => lacking.entry(right.group).or_default().push(right),
            // The module is not there: told above.
            Err(OdooError::Fault(f)) if f.raw().contains("exist") => {}
            Err(_) => findings.extend(unseen("rights", right.model, told)),
        }
    }
    let counts = needs.rights.iter().any(|r| r.model == "stock.quant");
    let manager = seen.groups.get(STOCK_MANAGER);
    if counts
        && count_group(needs.major) == STOCK_MANAGER
        && manager.is_some_and(|g| g.has == Some(false))
    {
        lacking.entry(STOCK_MANAGER).or_default();
    }
    for (group, rights) in &lacking {
        let mut what: Vec<String> = rights
            .iter()
            .map(|r| format!("{} `{}` ({})", r.operation, r.model, r.why))
            .collect();
        if what.is_empty() {
            what.push("apply counts of stock".to_owned());
        }
        findings.push(Finding::fault(
            "rights",
            format!("`{}` may not {}", seen.user.login.as_str(), what.join(", ")),
            format!(
                "in Settings, Users give `{}` the right `{}`",
                seen.user.login.as_str(),
                name_of(seen, group)
            ),
        ));
    }
    let all = seen.groups.get(SALES).and_then(|g| g.has);
    if !lacking.contains_key(SALES) && all == Some(false) {
        findings.push(Finding::warning(
            "rights",
            format!("`{}` sees only the orders that are its own: one that a colleague takes over can no more be amended, cancelled or credited", seen.user.login.as_str()),
            format!("give it the right `{}`", name_of(seen, SALES)),
        ));
    }
    if findings.is_empty() {
        findings.push(Finding::good(
            "rights",
            format!("{} rights that are used", needs.rights.len()),
        ));
    }
    findings
}

fn name_of(seen: &Seen, group: &str) -> String {
    let name = seen.groups.get(group).and_then(|g| g.name.clone());
    name.unwrap_or_else(|| group.to_owned())
}

fn prefix(seen: &Seen, needs: &Needs<'_>) -> Finding {
    let prefix = &needs.settings.external_id_prefix;
    let remedy =
        "choose another `erp.external_id_prefix` before the first order, such as `waybill`";
    match seen.modules.as_ref().ok().and_then(|m| m.get(prefix)) {
        Some(state) if state.starts_with("uninstall") => Finding::warning(
            "external ids",
            format!(
                "`{prefix}` is the name of a module of Odoo that is not installed: should it ever be, its updates delete what they do not know"
            ),
            remedy,
        ),
        Some(_) => Finding::fault(
            "external ids",
            format!(
                "`{prefix}` is the name of an installed module of Odoo: an update of it deletes what it does not know"
            ),
            remedy,
        ),
        None => Finding::good("external ids", format!("prefix `{prefix}`")),
    }
}

fn rounding(seen: &Seen, needs: &Needs<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    match &seen.company {
        Ok(company) if company.tax_calculation_rounding_method.as_str() == "round_globally" => {
            findings.push(Finding::warning(
                "rounding",
                format!("`{}` rounds taxes over the whole order: a shop that rounds each line differs by a cent at times, and such an order is refused or adjusted (`erp.totals`)", company.name.as_str()),
                "if the shops round each line, choose Round per Line in Odoo (Invoicing, Settings, Taxes); else leave it",
            ));
        }
        Ok(_) => findings.push(Finding::good("rounding", "taxes are rounded by line")),
        Err(_) => findings.extend(unseen("rounding", "the company", &seen.company)),
    }
    let currencies = needs.settings.pricelists.keys().map(|c| c.minor_digits());
    let needed = currencies.max().unwrap_or(2);
    match &seen.digits {
        Ok(digits) => {
            let places = |field: &str| digits.get(field).copied().flatten();
            for (field, usage, least) in [
                ("price_unit", "Product Price", needed),
                ("discount", "Discount", 2),
            ] {
                if places(field).is_some_and(|p| p < least) {
                    findings.push(Finding::fault(
                        "rounding",
                        format!("`{usage}` has {} decimal places, {least} are needed", places(field).unwrap_or_default()),
                        format!("raise the accuracy `{usage}` in Odoo (Settings, Technical, Decimal Accuracy)"),
                    ));
                }
            }
        }
        Err(_) => findings.extend(unseen("rounding", "decimal places", &seen.digits)),
    }
    findings
}

/// Bounded text of Odoo's.
fn short(text: &str) -> String {
    readable(text)
}

#[cfg(test)]
mod tests;
