//! The simulation polls the queues as the template has it.

use serde_json::{Value, json};
use waybill_simulation::lambda::{MAPPINGS, Mapping};
use waybill_simulation::sqs::max_receives;

use super::{assert_bites, assert_holds};
use crate::template::{Template, reference};

/// The queue that the template calls so.
fn mapping(queue: &str) -> Option<&'static Mapping> {
    let called = |mapping: &&Mapping| {
        let plain = mapping.queue.as_str().replace('-', "");
        queue.eq_ignore_ascii_case(&format!("{plain}Queue"))
    };
    MAPPINGS.iter().find(called)
}

fn faults(template: &Template) -> Vec<String> {
    let mut faults = Vec::new();
    for (function, id, event) in template.queue_events() {
        let (Some(mapping), Some(queue)) = (mapping(id), template.resource(id)) else {
            faults.push(format!("{id} is not simulated"));
            continue;
        };
        let most = reference(&event["ScalingConfig"]["MaximumConcurrency"]);
        let most = most.map_or(Value::Null, |name| {
            template.0["Parameters"][name]["Default"].clone()
        });
        let window = event["MaximumBatchingWindowInSeconds"].as_u64();
        for (what, is, simulated) in [
            (
                "BatchSize",
                event["BatchSize"].clone(),
                json!(mapping.batch),
            ),
            (
                "MaximumBatchingWindowInSeconds",
                json!(window.unwrap_or(0) * 1000),
                json!(mapping.window_ms),
            ),
            ("MaximumConcurrency", most, json!(mapping.concurrency)),
            (
                "Timeout",
                json!(function.property("Timeout").as_i64().unwrap_or(0) * 1000),
                json!(mapping.timeout_ms),
            ),
            (
                "VisibilityTimeout",
                json!(queue.property("VisibilityTimeout").as_i64().unwrap_or(0) * 1000),
                json!(mapping.hidden_ms),
            ),
            (
                "maxReceiveCount",
                queue.property("RedrivePolicy")["maxReceiveCount"].clone(),
                json!(max_receives(mapping.queue)),
            ),
        ] {
            if is != simulated {
                faults.push(format!(
                    "`{what}` of {id} is {is}, simulated is {simulated}"
                ));
            }
        }
    }
    faults
}

#[test]
fn the_simulation_polls_as_the_template_says() {
    assert_holds(faults);
    let batch = "/Resources/ErpQueue/Properties/VisibilityTimeout";
    let template = Template::of_the_project();
    assert_bites(
        faults,
        &template.with(batch, json!(30)),
        "VisibilityTimeout",
    );
}
