//! Dead-letter queues.

use super::*;
use waybill_lambda_kit::queues::plain_message;
use waybill_model::command::CommandQueue;
use waybill_testkit::Fault;

const ERP: Queue = Queue::Commands(CommandQueue::Erp);

fn bury(world: &World, count: usize) {
    for n in 0..count {
        world
            .queues
            .bury(ERP, plain_message(format!("command {n}")));
    }
}

#[tokio::test]
async fn every_dead_letter_queue_is_told_with_its_count() {
    let world = World::new();
    bury(&world, 2);
    let (status, answer) = world.get("/ops/dead-letters", none()).await;
    assert_eq!(status, 200, "{answer}");
    let queues = answer["queues"].as_array().unwrap();
    assert_eq!(queues.len(), 6);
    let erp = queues.iter().find(|q| q["queue"] == "erp").unwrap();
    assert_eq!(erp["messages"], 2);
}

#[tokio::test]
async fn a_redrive_moves_as_many_as_it_is_asked_back_to_their_queue() {
    let world = World::new();
    bury(&world, 3);
    let path = "/ops/dead-letters/erp/redrive";
    let (status, answer) = world.post(path, serde_json::json!({"limit": 2})).await;
    assert_eq!(
        (status, &answer["moved"], &answer["more"]),
        (200, &2.into(), &true.into())
    );
    let (_, answer) = world.post(path, none()).await;
    assert_eq!(
        (&answer["moved"], &answer["more"]),
        (&1.into(), &false.into())
    );
    let sent: Vec<String> = world.queues.sent(ERP).into_iter().map(|m| m.body).collect();
    assert_eq!(sent, ["command 0", "command 1", "command 2"]);
}

#[tokio::test]
async fn a_redrive_needs_a_known_queue_the_scope_and_an_answer() {
    let world = World::new();
    assert_eq!(
        world
            .post("/ops/dead-letters/nobody/redrive", none())
            .await
            .0,
        404
    );
    let path = "/ops/dead-letters/erp/redrive";
    let (status, _) = world.call(READER, "POST", path, none(), none()).await;
    assert_eq!(status, 403);
    world.queues.faults().plan("redrive", Fault::Unavailable);
    assert_eq!(world.post(path, none()).await.0, 503);
}
