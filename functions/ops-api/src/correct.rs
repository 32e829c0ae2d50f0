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

/// Longest code of a way of delivery.
const MAX_METHOD: usize = 128;

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
        Wanted::ShippingAddress { address } => Correction::ShippingAddress {
            told: told.shipping.clone().map(Box::new),
            address,
        },
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
