//! Warehouses that deliver in two or three steps: pick, (pack,) ship.
//!
//! 17 makes every transfer of the chain at once, 19 only the next one, when the one before it is
//! done. Either way the goods of a shipment must go through every step: validating the last alone
//! takes them out of a place where they are not. So each round finds, from the last step back, the
//! first one that lacks goods, and moves them there; when the last has them, the shipment is booked.
//!
//! What counts is what a step has reserved. A step whose answer was lost is seen as done by what the
//! next one has, and goes on from there.

use super::transfer::{Move, Picking};
use rust_decimal::Decimal;
use std::collections::BTreeMap;

/// How many of each product.
pub(crate) type Goods = BTreeMap<i64, Decimal>;

/// The transfers from one place, and how many they are to move of each product.
#[derive(Debug, PartialEq)]
pub(crate) struct Step {
    pub(crate) pickings: Vec<i64>,
    pub(crate) goods: Goods,
}

/// The step that has to be done before the goods can be shipped; none where they can.
pub(crate) fn next(pickings: &[&Picking], moves: &[Move], wanted: &Goods) -> Option<Step> {
    let open = || pickings.iter().filter(|p| p.is_open());
    open().find(|p| p.is_internal())?;
    // The last step is the one whose goods no other open transfer takes on.
    let is_last = |p: &&&Picking| {
        p.is_outgoing() || !open().any(|next| next.location_id == p.location_dest_id)
    };
    let last = open()
        .find(|p| p.is_outgoing())
        .or_else(|| open().find(is_last))?;
    let (mut place, mut goods) = (last.location_id, wanted.clone());
    let mut done = Vec::new();
    // No chain of Odoo's has more than three steps.
    for _ in 0..4 {
        let here: Vec<&&Picking> = open()
            .filter(|p| p.location_id == place && (p.is_internal() || p.is_outgoing()))
            .collect();
        let missing = missing(&here, moves, &goods);
        if !missing.is_empty() {
            // In 19 the transfer in between is not there yet: then the earlier one is next.
            let earlier = || open().filter(|p| p.is_internal() && p.location_id != place);
            let before = earlier().find(|p| p.location_dest_id == place);
            if let Some(before) =
                before.or_else(|| earlier().find(|p| !done.contains(&p.location_id)))
            {
                done.push(place);
                (place, goods) = (before.location_id, missing);
                continue;
            }
        }
        if here.iter().any(|p| p.is_outgoing()) {
            return None;
        }
        return Some(Step {
            pickings: here.iter().map(|p| p.id).collect(),
            goods,
        });
    }
    None
}

/// Of these goods, what the open moves of the transfers have not reserved.
fn missing(pickings: &[&&Picking], moves: &[Move], goods: &Goods) -> Goods {
    let mut missing = goods.clone();
    let here = |m: &&Move| m.is_open() && pickings.iter().any(|p| m.picking_id.0 == Some(p.id));
    for item in moves.iter().filter(here) {
        if let Some(left) = item.product_id.0.and_then(|p| missing.get_mut(&p)) {
            *left -= item.quantity.rounded(4);
        }
    }
    missing.retain(|_, left| *left > Decimal::ZERO);
    missing
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn picking(id: i64, code: &str, from: i64, to: i64) -> Picking {
        serde_json::from_value(json!({
            "id": id, "name": "P", "state": "assigned", "origin": "S1", "sale_id": [7, "S1"],
            "picking_type_code": code, "carrier_tracking_ref": false,
            "location_id": [from, "A"], "location_dest_id": [to, "B"]
        }))
        .unwrap()
    }

    fn item(picking: i64, demand: f64, reserved: f64) -> Move {
        serde_json::from_value(json!({
            "id": picking * 10, "picking_id": [picking, "P"], "product_id": [1, "A"],
            "product_uom_qty": demand, "quantity": reserved, "state": "assigned",
            "origin_returned_move_id": false, "date_deadline": false
        }))
        .unwrap()
    }

    fn goods(quantity: i64) -> Goods {
        Goods::from([(1, Decimal::from(quantity))])
    }

    fn step(pickings: &[Picking], moves: &[Move], wanted: i64) -> Option<(Vec<i64>, Goods)> {
        let pickings: Vec<&Picking> = pickings.iter().collect();
        next(&pickings, moves, &goods(wanted)).map(|s| (s.pickings, s.goods))
    }

    const STOCK: i64 = 1;
    const PACKING: i64 = 2;
    const OUTPUT: i64 = 3;
    const CUSTOMER: i64 = 4;

    #[test]
    fn a_warehouse_that_ships_in_one_step_has_nothing_before_it() {
        let only = [picking(1, "outgoing", STOCK, CUSTOMER)];
        assert_eq!(step(&only, &[item(1, 3.0, 0.0)], 2), None);
    }

    #[test]
    fn the_chain_of_17_is_done_from_its_first_step_on() {
        let chain = [
            picking(1, "internal", STOCK, PACKING),
            picking(2, "internal", PACKING, OUTPUT),
            picking(3, "outgoing", OUTPUT, CUSTOMER),
        ];
        let reserved =
            |pick, pack, ship| [item(1, 3.0, pick), item(2, 3.0, pack), item(3, 3.0, ship)];
        assert_eq!(
            step(&chain, &reserved(3.0, 0.0, 0.0), 2),
            Some((vec![1], goods(2)))
        );
        assert_eq!(
            step(&chain, &reserved(1.0, 2.0, 0.0), 2),
            Some((vec![2], goods(2)))
        );
        assert_eq!(step(&chain, &reserved(1.0, 0.0, 2.0), 2), None);
        // One more than was picked so far.
        assert_eq!(
            step(&chain, &reserved(1.0, 0.0, 2.0), 3),
            Some((vec![1], goods(1)))
        );
        // Nothing in stock: the first step is done all the same, as people do it.
        assert_eq!(
            step(&chain, &reserved(0.0, 0.0, 0.0), 3),
            Some((vec![1], goods(3)))
        );
    }

    #[test]
    fn the_chain_of_19_grows_by_its_steps() {
        let first = [picking(1, "internal", STOCK, PACKING)];
        assert_eq!(
            step(&first, &[item(1, 3.0, 3.0)], 2),
            Some((vec![1], goods(2)))
        );
        let second = [
            picking(2, "internal", STOCK, PACKING),
            picking(3, "internal", PACKING, OUTPUT),
        ];
        let moves = [item(2, 1.0, 1.0), item(3, 2.0, 2.0)];
        assert_eq!(step(&second, &moves, 2), Some((vec![3], goods(2))));
        let third = [
            picking(2, "internal", STOCK, PACKING),
            picking(4, "outgoing", OUTPUT, CUSTOMER),
        ];
        let moves = [item(2, 1.0, 1.0), item(4, 2.0, 2.0)];
        assert_eq!(step(&third, &moves, 2), None);
        assert_eq!(step(&third, &moves, 3), Some((vec![2], goods(1))));
    }
}
