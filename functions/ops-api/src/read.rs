//! Questions.

use crate::views::{CaseView, Cases, Group, OrderView, Orders, Summary, Timeline};
use crate::{Ports, Refused};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use waybill_flow::ports::{CaseQuery, Clock, EffectStore, OrderStore, Queues};
use waybill_lambda_kit::http::{Answer, Request};
use waybill_lambda_kit::secrets::SecretSource;
use waybill_model::case::{Case, CaseClass, CaseId, CaseStatus};
use waybill_model::id::{CorrelationId, ExternalId, RefKind, Reference};
use waybill_model::ownership::Role;

/// Most orders in one answer: a customer's e-mail address can have many.
const MAX_ORDERS: usize = 50;
/// Cases in one page, if the question does not say.
const DEFAULT_CASES: usize = 50;
/// Pages of cases that a summary counts.
const SUMMARY_PAGES: u32 = 20;
/// Most cases in one page.
const MAX_CASES: usize = 200;

/// Longest cursor, in bytes: a cursor is a sort key, and DynamoDB refuses to compare with a longer one.
/// Ours have less: an instant and an id.
const MAX_CURSOR_BYTES: usize = 1024;

/// An answer of one of the views.
pub(crate) fn answer(status: u16, view: &impl Serialize) -> Result<Answer, Refused> {
    let body = serde_json::to_value(view).map_err(|e| Refused::Invalid {
        code: "unwritable",
        message: e.to_string(),
        remedy: "report this: it is a fault of Waybill",
    })?;
    Ok(Answer::json(status, &body))
}

pub(crate) fn correlation(text: &str) -> Result<CorrelationId, Refused> {
    CorrelationId::parse(text).map_err(|_| Refused::Invalid {
        code: "invalid_correlation_id",
        message: "the correlation id is no UUID".to_owned(),
        remedy: "look the order up by `/ops/orders?number=…`",
    })
}

/// Orders by number, e-mail address, tracking number, ticket or correlation id.
pub(crate) async fn orders<O: OrderStore, E: EffectStore, Q: Queues, S: SecretSource, C: Clock>(
    ports: &Ports<'_, O, E, Q, S, C>,
    request: &Request,
) -> Result<Answer, Refused> {
    let mut views = Vec::new();
    for id in find(ports, request).await?.into_iter().take(MAX_ORDERS) {
        if let Some(stored) = ports.orders.load(id).await? {
            let query = CaseQuery {
                correlation: Some(id),
                limit: MAX_CASES,
                ..CaseQuery::default()
            };
            let (mut cases, _) = ports.orders.cases(&query).await?;
            let known: BTreeSet<CaseId> = cases.iter().map(|c| c.id).collect();
            let others = stored.state.cases.values();
            cases.extend(others.filter(|c| !known.contains(&c.id)).cloned());
            views.push(OrderView::new(id, &stored, cases));
        }
    }
    if views.is_empty() {
        return Err(Refused::NotFound("order"));
    }
    answer(200, &Orders { orders: views })
}

async fn find<O: OrderStore, E: EffectStore, Q: Queues, S: SecretSource, C: Clock>(
    ports: &Ports<'_, O, E, Q, S, C>,
    request: &Request,
) -> Result<BTreeSet<CorrelationId>, Refused> {
    let query = |name: &str| request.query.get(name).map(|v| v.trim());
    let anywhere = |kind, id: &str| {
        ExternalId::new(id)
            .ok()
            .map(|id| Reference::anywhere(kind, id))
    };
    if let Some(id) = query("correlation") {
        return Ok(BTreeSet::from([correlation(id)?]));
    }
    let references: Vec<Option<Reference>> = if let Some(number) = query("number") {
        // Whoever types a number leaves the sign in front of it out.
        let with_sign = format!("#{number}");
        let numbers = [number, with_sign.as_str()];
        numbers
            .into_iter()
            .map(|n| anywhere(RefKind::OrderNumber, n))
            .collect()
    } else if let Some(email) = query("email") {
        vec![Some(Reference::email(email))]
    } else if let Some(number) = query("tracking") {
        vec![anywhere(RefKind::TrackingNumber, number)]
    } else if let Some(ticket) = query("ticket") {
        let helpdesks = ports
            .connections
            .iter()
            .filter(|c| c.has_role(Role::Helpdesk));
        helpdesks
            .map(|c| {
                let id = ExternalId::new(ticket).ok()?;
                Some(Reference::new(c.id.clone(), RefKind::Ticket, id))
            })
            .collect()
    } else {
        return Err(Refused::Invalid {
            code: "nothing_asked",
            message: "no query parameter says which order".to_owned(),
            remedy: "give one of `number`, `email`, `tracking`, `ticket` or `correlation`",
        });
    };
    let mut found = BTreeSet::new();
    for reference in references.into_iter().flatten() {
        found.extend(ports.orders.resolve(&reference).await?);
    }
    Ok(found)
}

/// An order's timeline.
pub(crate) async fn timeline<
    O: OrderStore,
    E: EffectStore,
    Q: Queues,
    S: SecretSource,
    C: Clock,
>(
    ports: &Ports<'_, O, E, Q, S, C>,
    id: &str,
) -> Result<Answer, Refused> {
    let id = correlation(id)?;
    let entries = ports.orders.timeline(id).await?;
    if entries.is_empty() {
        return Err(Refused::NotFound("order"));
    }
    let timeline = Timeline {
        correlation_id: id,
        entries: entries.into_iter().map(Into::into).collect(),
    };
    answer(200, &timeline)
}

/// A page of cases.
pub(crate) async fn cases<O: OrderStore, E: EffectStore, Q: Queues, S: SecretSource, C: Clock>(
    ports: &Ports<'_, O, E, Q, S, C>,
    request: &Request,
) -> Result<Answer, Refused> {
    let query = &request.query;
    let limit = match query.get("limit") {
        None => DEFAULT_CASES,
        Some(text) => text
            .parse()
            .map_err(|_| invalid("limit", "a number from 1"))?,
    };
    let query = CaseQuery {
        status: word::<CaseStatus>(
            query.get("status"),
            "status",
            "`open`, `resolved` or `ignored`",
        )?,
        class: word::<CaseClass>(
            query.get("class"),
            "class",
            "`data`, `erp`, `fulfillment`, `finance`, `service` or `integration`",
        )?,
        correlation: query.get("order").map(|id| correlation(id)).transpose()?,
        code: word(query.get("code"), "code", "a code")?,
        connection: word(
            query.get("connection"),
            "connection",
            "the id of a connection",
        )?,
        owner: word(query.get("owner"), "owner", "the id of an operator")?,
        opened_until: None,
        limit: limit.clamp(1, MAX_CASES),
        cursor: cursor(query.get("cursor"))?,
    };
    let now = ports.clock.now();
    let (cases, cursor) = ports.orders.cases(&query).await?;
    let cases = cases.into_iter().map(|c| CaseView::new(c, now)).collect();
    answer(200, &Cases { cases, cursor })
}

/// What is open, by class, code and connection.
pub(crate) async fn summary<O: OrderStore, E: EffectStore, Q: Queues, S: SecretSource, C: Clock>(
    ports: &Ports<'_, O, E, Q, S, C>,
) -> Result<Answer, Refused> {
    let now = ports.clock.now();
    let mut groups = BTreeMap::new();
    let mut query = CaseQuery {
        limit: MAX_CASES,
        ..CaseQuery::default()
    };
    let mut complete = false;
    for _ in 0..SUMMARY_PAGES {
        let (cases, cursor) = ports.orders.cases(&query).await?;
        for case in cases {
            let key = (case.class, case.code.clone(), case.connection.clone());
            // The first is the oldest.
            let group = groups.entry(key).or_insert_with(|| Group {
                class: case.class,
                code: case.code.clone(),
                connection: case.connection.clone(),
                cases: 0,
                unassigned: 0,
                oldest_age_s: now.ms_since(case.opened_at) / 1000,
                value: Vec::new(),
                remedy: case.remedy.clone(),
            });
            group.count(&case);
        }
        query.cursor = cursor;
        complete = query.cursor.is_none();
        if complete {
            break;
        }
    }
    let mut groups: Vec<Group> = groups.into_values().collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.cases));
    answer(200, &Summary { groups, complete })
}

impl Group {
    fn count(&mut self, case: &Case) {
        self.cases += 1;
        self.unassigned += usize::from(case.owner.is_none());
        let Some(value) = case.value else { return };
        let same = self.value.iter_mut().find(|v| v.currency == value.currency);
        match same {
            // An amount beyond the range stays at what it was: it is a sum for a person's eye.
            Some(sum) => sum.amount = sum.amount.plus(value.amount).unwrap_or(sum.amount),
            None => self.value.push(value),
        }
    }
}

/// A parameter that is one of a few words.
fn word<T: serde::de::DeserializeOwned>(
    text: Option<&String>,
    name: &'static str,
    words: &str,
) -> Result<Option<T>, Refused> {
    let parse = |text: &String| serde_json::from_value(serde_json::Value::String(text.clone()));
    text.map(parse)
        .transpose()
        .map_err(|_| invalid(name, words))
}

/// Where to go on, if the question says so.
pub(crate) fn cursor(given: Option<&String>) -> Result<Option<String>, Refused> {
    match given {
        Some(text) if text.len() > MAX_CURSOR_BYTES => {
            let needed = format!("the `cursor` of an answer, {MAX_CURSOR_BYTES} bytes at most");
            Err(invalid("cursor", &needed))
        }
        given => Ok(given.cloned()),
    }
}

pub(crate) fn invalid(name: &str, needed: &str) -> Refused {
    Refused::Invalid {
        code: "invalid_parameter",
        message: format!("`{name}` has another value than {needed}"),
        remedy: "correct the parameter, or leave it out",
    }
}

/// One case.
pub(crate) async fn case<O: OrderStore, E: EffectStore, Q: Queues, S: SecretSource, C: Clock>(
    ports: &Ports<'_, O, E, Q, S, C>,
    id: &str,
) -> Result<Answer, Refused> {
    let id = CaseId::parse(id).map_err(|_| Refused::NotFound("case"))?;
    let case = ports.orders.case(id).await?;
    let case = case.ok_or(Refused::NotFound("case"))?;
    answer(200, &CaseView::new(case, ports.clock.now()))
}
