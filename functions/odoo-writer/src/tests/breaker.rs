//! The breaker of an ERP.

use super::*;

fn away() -> Failure {
    Failure::Transient {
        code: Code::literal("erp_unreachable"),
        detail: "the connection could not be made".to_owned(),
        retry_after_ms: None,
    }
}

impl World {
    async fn checkpoint(&self, name: &str) -> Option<String> {
        let erp = build::connection("odoo-main");
        self.effects.checkpoint(&erp, name).await.unwrap()
    }
}

#[tokio::test]
async fn an_odoo_that_is_away_is_left_alone_and_one_command_finds_it_back() {
    let world = World::new();
    let orders: Vec<CommandEnvelope> = (1..=8).map(|n| create(&n.to_string())).collect();
    world.erp.set_down(Some(away()));
    assert_eq!(
        world.take(&orders).await.len(),
        8,
        "nothing was acknowledged"
    );
    assert_eq!(world.erp.batches(), [2, 2, 2], "three calls and no more");
    let seats = world.checkpoint("pace").await;
    assert_eq!(world.take(&orders).await.len(), 8);
    assert_eq!(world.erp.batches().len(), 3, "it is left alone");
    assert_eq!(world.checkpoint("pace").await, seats, "no seat was taken");
    assert!(world.outcomes().is_empty(), "nothing was given up");
    world.erp.set_down(None);
    world.clock.advance_ms(15_000);
    assert!(world.take(&orders).await.is_empty());
    assert_eq!(world.erp.batches(), [2, 2, 2, 1, 2, 2, 2, 1], "one first");
    assert_eq!(world.erp.written().len(), 8);
    let breaker = world.checkpoint("breaker").await.unwrap();
    assert!(breaker.contains(r#""phase":"closed""#), "{breaker}");
}

#[tokio::test]
async fn what_an_odoo_that_is_away_does_to_a_probe_says_nothing_of_its_pace() {
    let world = World::new();
    let orders: Vec<CommandEnvelope> = (1..=8).map(|n| create(&n.to_string())).collect();
    world.erp.set_down(Some(Failure::Indeterminate {
        code: Code::literal("erp_answer_lost"),
        detail: "no answer in time".to_owned(),
    }));
    world.take(&orders).await;
    let learned = world.checkpoint("pace").await;
    for probe in 1..=3 {
        world.clock.advance_ms(5 * 60_000);
        world.take(&orders).await;
        assert_eq!(world.erp.batches().len(), 3 + probe);
    }
    assert_eq!(world.checkpoint("pace").await, learned);
}

#[tokio::test]
async fn one_order_that_odoo_refuses_is_no_failure_of_odoo() {
    let world = World::new();
    for n in 0..6 {
        let refused = Failure::Rejected {
            code: Code::literal("erp_refused"),
            detail: "no such tax".to_owned(),
            remedy: "map the tax".to_owned(),
        };
        world
            .erp
            .reply(CommandKind::CreateSaleOrder, Reply::Refused(refused));
        let left = world.take(&[create(&format!("9{n}"))]).await;
        assert!(left.is_empty(), "told, and acknowledged");
    }
    assert_eq!(world.checkpoint("breaker").await, None);
}

#[tokio::test]
async fn an_odoo_that_is_busy_is_left_alone_for_as_long_as_it_says() {
    let world = World::new();
    let busy = Failure::Transient {
        code: Code::literal("erp_busy"),
        detail: "status 503".to_owned(),
        retry_after_ms: Some(30_000),
    };
    world.erp.set_down(Some(busy));
    world.take(&[create("1")]).await;
    world.erp.set_down(None);
    world.clock.advance_ms(29_000);
    assert_eq!(world.take(&[create("1")]).await.len(), 1);
    world.clock.advance_ms(1_000);
    assert!(world.take(&[create("1")]).await.is_empty());
    assert_eq!(world.erp.batches(), [1, 1]);
}
