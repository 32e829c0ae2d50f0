//! What the stand-in does for the marketplace and the second warehouse.

use super::StandIn;
use crate::canonical::{SIGNING, command};
use serde_json::{Value, json};

impl StandIn {
    pub(super) async fn market_order(&mut self, event: &Value) {
        let order = &event["data"]["order"];
        let id = order["id"].as_str().unwrap().to_owned();
        if !order["cancelled"].is_null() {
            self.call_off(&id).await;
            return;
        }
        if self.cancelled.contains(&id) || !self.placed.insert(id.clone()) {
            return;
        }
        let lines: Vec<(String, i64)> = order["lines"]
            .as_array()
            .unwrap()
            .iter()
            .map(|l| {
                let units = l["quantity"].as_str().unwrap().parse().unwrap();
                (l["sku"].as_str().unwrap().to_owned(), units)
            })
            .collect();
        let number = order["number"].as_str().unwrap();
        if order["shipping"]["country"] == "CA" {
            self.release_abroad(&id, number, &lines).await;
        } else {
            self.release(&id, number, &lines).await;
        }
    }

    pub(super) async fn release_abroad(&self, id: &str, number: &str, lines: &[(String, i64)]) {
        let lines: Vec<Value> = lines
            .iter()
            .map(|(sku, units)| json!({"line_id": null, "sku": sku, "quantity": units.to_string()}))
            .collect();
        let data = json!({"reference": id, "order_number": number, "lines": lines});
        let body = json!({"type": "waybill.fulfillment_order.create", "data": data});
        let key = format!("create-{id}");
        let (status, _) = command(&self.rig, "canonical", &key, SIGNING, &body).await;
        assert!([202, 409].contains(&status), "{status}");
    }

    pub(super) async fn call_off_abroad(&self, id: &str) {
        let body = json!({"type": "waybill.fulfillment_order.cancel", "data": {"reference": id}});
        let key = format!("cancel-{id}");
        command(&self.rig, "canonical", &key, SIGNING, &body).await;
    }

    /// A parcel of the second warehouse: follow it, tell whoever sold it.
    pub(super) async fn shipped_abroad(&mut self, shipment: &Value) {
        let number = shipment["parcels"][0]["tracking_number"].as_str();
        let Some(number) = number.filter(|n| !self.told.contains(*n)) else {
            return;
        };
        self.told.insert(number.to_owned());
        self.follow(number).await;
        let work = shipment["fulfillment_order"].clone();
        let state = self.rig.state("canonical").await;
        let orders = state["orders"].as_array().unwrap();
        let order = orders.iter().find(|o| o["id"] == work).unwrap();
        let id = order["reference_id"].as_str().unwrap();
        let lines: Vec<(String, i64)> = order["shipments"][0]["lines"]
            .as_array()
            .unwrap()
            .iter()
            .map(|l| {
                (
                    l["sku"].as_str().unwrap().to_owned(),
                    l["quantity"].as_i64().unwrap(),
                )
            })
            .collect();
        self.tell_channel(id, &lines, number).await;
    }

    pub(super) async fn tell_market(&self, id: &str, lines: &[(String, i64)], number: &str) {
        let lines: Vec<Value> = lines
            .iter()
            .map(|(sku, units)| json!({"sku": sku, "quantity": units.to_string()}))
            .collect();
        let body = json!({"type": "waybill.channel_fulfillment.publish", "data": {
            "order_id": id,
            "shipment": {"id": number, "lines": lines, "parcels": [{"tracking_number": number}]},
        }});
        let key = format!("publish-{number}");
        let (status, _) = command(&self.rig, "marketplace", &key, SIGNING, &body).await;
        assert!([202, 409].contains(&status), "{status}");
    }
}
