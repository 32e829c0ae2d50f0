//! Edit and retry: a person corrects what the channel told wrong, and the order goes on with it.

use crate::actions::{accepted, body, decide, load};
use crate::auth::Operator;
use crate::read::correlation;
use crate::views::{CorrectBody, Wanted};
use crate::{Ports, Refused};
use waybill_flow::ports::{Clock, EffectStore, OrderStore, Queues};
use waybill_flow::state::OrderState;
use waybill_lambda_kit::http::{Answer, Request};
use waybill_lambda_kit::secrets::SecretSource;
use waybill_model::correction::Correction;
use waybill_model::event::{Decision, Outcome};
use waybill_model::id::EffectKey;
use waybill_model::order::Order;
use waybill_model::party::Address;

/// Longest code of a way of delivery.
const MAX_METHOD: usize = 128;
/// Longest field of an address, in characters: no carrier prints more. A state that outgrew its item
/// could not be stored, and its order would stand still.
const MAX_ADDRESS_FIELD: usize = 256;

/// Corrects one field of an order.
pub(crate) async fn order<O: OrderStore, E: EffectStore, Q: Queues, S: SecretSource, C: Clock>(
    ports: &Ports<'_, O, E, Q, S, C>,
    operator: &Operator,
    id: &str,
    request: &Request,
) -> Result<Answer, Refused> {
    let id = correlation(id)?;
    let CorrectBody {
        correction,
        reason,
        effect,
    } = body(request)?;
    let stored = load(ports, id).await?;
    let told = stored.state.facts.told_order();
    let told = told.ok_or(Refused::NotFound("order"))?;
    let correction = Box::new(against(correction, told)?);
    if let Some(effect) = &effect {
        refused_before(&stored.state, effect)?;
    }
    let decision = Decision::Correct {
        correction,
        reason,
        effect,
    };
    accepted(vec![decide(ports, operator, id, decision).await?])
}

/// The correction of what the channel tells.
fn against(wanted: Wanted, told: &Order) -> Result<Correction, Refused> {
    let correction = match wanted {
        Wanted::Sku { line, sku } => {
            let line = told.lines.iter().find(|l| l.id == line);
            let line = line.ok_or(Refused::NotFound("line of this order"))?;
            Correction::Sku {
                line: line.id.clone(),
                told: line.sku.clone(),
                sku,
            }
        }
        Wanted::ShippingAddress { address } => {
            check_lengths(&address)?;
            Correction::ShippingAddress {
                told: told.shipping.clone().map(Box::new),
                address,
            }
        }
        Wanted::ShippingMethod { method } => {
            let line = told.shipping_lines.first();
            let line = line.ok_or(Refused::NotFound("way of delivery of this order"))?;
            let method = method.trim().to_owned();
            if method.is_empty() || method.chars().count() > MAX_METHOD {
                return Err(Refused::Invalid {
                    code: "invalid_body",
                    message: format!("`method` has not 1 to {MAX_METHOD} characters"),
                    remedy: "give the code that the connections file maps",
                });
            }
            Correction::ShippingMethod {
                told: line.method.clone(),
                method,
            }
        }
    };
    Ok(correction)
}

fn check_lengths(address: &Address) -> Result<(), Refused> {
    let Address {
        name,
        company,
        street,
        street2,
        city,
        zip,
        region,
        country,
        phone,
    } = address;
    let fields = [
        ("name", name),
        ("company", company),
        ("street", street),
        ("street2", street2),
        ("city", city),
        ("zip", zip),
        ("region", region),
        ("country", country),
        ("phone", phone),
    ];
    let is_long = |text: &String| text.chars().count() > MAX_ADDRESS_FIELD;
    let long = fields
        .into_iter()
        .find(|(_, text)| text.as_ref().is_some_and(is_long));
    match long {
        None => Ok(()),
        Some((field, _)) => Err(Refused::Invalid {
            code: "invalid_body",
            message: format!("`address.{field}` has more than {MAX_ADDRESS_FIELD} characters"),
            remedy: "give what stands on the label, each in its field",
        }),
    }
}

/// Only what was refused can be issued again.
fn refused_before(state: &OrderState, effect: &EffectKey) -> Result<(), Refused> {
    let known = state.effects.get(effect).map(|e| &e.outcome);
    match known {
        None => Err(Refused::NotFound("effect of this order")),
        Some(Some(Outcome::Rejected { .. })) => Ok(()),
        Some(Some(Outcome::Done { .. }) | None) => Err(Refused::Conflict {
            code: "not_refused",
            message: format!("`{effect}` was not refused"),
            remedy: "leave `effect` out: what waits for the correction goes on by itself",
        }),
    }
}
