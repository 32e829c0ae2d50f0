//! The fakes keep the ports' promises.

use waybill_testkit::conformance::Bench;
use waybill_testkit::{MemoryEffects, MemoryOrders};

mod memory_orders {
    use super::*;

    async fn bench() -> Bench<MemoryOrders> {
        Bench::new(|_clock| MemoryOrders::default())
    }

    waybill_testkit::order_store_conformance!(bench());
}

mod memory_effects {
    use super::*;

    async fn bench() -> Bench<MemoryEffects> {
        Bench::new(|clock| MemoryEffects::new(clock))
    }

    waybill_testkit::effect_store_conformance!(bench());
}

mod outside {
    use waybill_flow::ports::{
        Attempt, Erp, ErpCommand, InfraError, OrderStore, Outgoing, PartnerPort, Queue, Queues,
        Secrets,
    };
    use waybill_flow::state::OrderState;
    use waybill_model::command::{Command, CommandKind, CreateSaleOrder};
    use waybill_model::failure::Failure;
    use waybill_testkit::build::{
        code, command, commit, connection, correlation, message, order, text,
    };
    use waybill_testkit::fakes::Reply;
    use waybill_testkit::{FakeErp, FakePartner, Fault, MemoryOrders, MemoryQueues, MemorySecrets};

    fn lost() -> Failure {
        Failure::Indeterminate {
            code: code("timeout"),
            detail: "no answer".to_owned(),
        }
    }

    #[tokio::test]
    async fn a_partner_asked_twice_does_it_twice_unless_the_caller_looks() {
        let partner = FakePartner::default();
        let (id, body) = (correlation("1"), command(correlation("1"), "x").body);
        partner.reply(CommandKind::CancelSaleOrder, Reply::DoneButFailed(lost()));
        let execute =
            async |key: &str, attempt| partner.execute(&body, id, &message(key), attempt).await;
        assert_eq!(execute("k-1", Attempt::First).await, Err(lost()));
        assert_eq!(execute("k-1", Attempt::InDoubt).await, Ok(vec![]));
        assert_eq!(partner.duplicates(), vec![]);
        assert_eq!(execute("k-1", Attempt::First).await, Ok(vec![]));
        assert_eq!(partner.duplicates(), vec![message("k-1")]);
        assert_eq!(partner.calls().len(), 3);
    }

    #[tokio::test]
    async fn the_erp_writes_a_key_once_and_finds_it_again() {
        let erp = FakeErp::default();
        let odoo = connection("odoo-main");
        let create = ErpCommand {
            correlation: order("1").correlation(),
            key: message("k-1"),
            command: Command::CreateSaleOrder(CreateSaleOrder {
                erp: odoo.clone(),
                order: order("1"),
                warehouse: None,
            }),
        };
        erp.reply(CommandKind::CreateSaleOrder, Reply::DoneButFailed(lost()));
        let first = erp.write(&odoo, std::slice::from_ref(&create)).await;
        assert_eq!(first, vec![Err(lost())]);
        let again = erp.write(&odoo, &[create.clone(), create.clone()]).await;
        assert!(again[0].is_ok() && again[0] == again[1]);
        assert_eq!(erp.written(), vec![create.clone()]);
        let held = erp.orders(&odoo, &[create.correlation]).await.unwrap();
        assert_eq!(held[0].total.to_string(), "59.90 EUR");
    }

    fn outgoing(group: Option<&str>) -> Outgoing {
        Outgoing {
            body: "{}".to_owned(),
            group: group.map(str::to_owned),
            deduplication: group.map(str::to_owned),
            delay_s: 0,
        }
    }

    #[tokio::test]
    async fn queues_keep_what_was_sent_also_when_the_answer_is_lost() {
        let queues = MemoryQueues::default();
        queues.refuse_next(&[1]);
        let two = vec![outgoing(Some("a")), outgoing(Some("b"))];
        assert_eq!(queues.send(Queue::Events, two).await.unwrap(), vec![1]);
        queues.faults().plan("send", Fault::LostAnswer);
        let lost = queues.send(Queue::Inbound, vec![outgoing(None)]).await;
        assert!(matches!(lost, Err(InfraError::Unknown { .. })));
        queues.faults().plan("send", Fault::Unavailable);
        let away = queues.send(Queue::Inbound, vec![outgoing(None)]).await;
        assert!(matches!(away, Err(InfraError::Unavailable { .. })));
        assert_eq!(queues.sent(Queue::Events), vec![outgoing(Some("a"))]);
        assert_eq!(queues.take().len(), 2);
        assert!(queues.is_empty());
    }

    #[tokio::test]
    #[should_panic(expected = "group on `Events`")]
    async fn a_message_that_sqs_would_refuse_fails_the_test() {
        let queues = MemoryQueues::default();
        let sent = queues.send(Queue::Events, vec![outgoing(None)]).await;
        assert!(sent.is_ok());
    }

    #[tokio::test]
    async fn seeded_faults_repeat_and_lose_answers_after_the_write() {
        let run = async || {
            let store = MemoryOrders::default();
            store.faults().seed(7, 500);
            let mut told = Vec::new();
            for n in 0..40 {
                let id = correlation(&n.to_string());
                let first = commit(id, None, OrderState::default(), "e-1");
                told.push(store.commit(first).await.is_ok());
            }
            (told, store.all().len())
        };
        let (told, written) = run().await;
        let known = told.iter().filter(|ok| **ok).count();
        assert!(known < written && written < 40, "{known} of {written}");
        assert_eq!(run().await, (told, written));
    }

    #[tokio::test]
    async fn secrets_of_an_unknown_connection_are_an_error() {
        let secrets = MemorySecrets::default().with("shop-main", &["k"], &[("token", "t")]);
        let found = secrets.get(&connection("shop-main")).await.unwrap();
        assert_eq!(found.webhook_secrets[0].expose(), "k");
        assert_eq!(found.api["token"].expose(), "t");
        assert!(secrets.get(&text("other")).await.is_err());
    }
}
