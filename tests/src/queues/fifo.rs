//! Cases of FIFO queues.

use super::{
    Case, LONG_S, SOON_S, Service, Settings, Verdict, after, bodies, case, grouped, must, nothing,
    one, same, send,
};
use waybill_flow::ports::Outgoing;

/// How long a deduplication id is remembered.
const REMEMBERED_S: u32 = 5 * 60;

/// All of them.
pub(super) fn cases<S: Service>() -> Vec<Case<S>> {
    vec![
        case!(a_group_comes_in_the_order_of_sending),
        case!(one_receive_has_a_group_in_order),
        case!(a_group_waits_for_its_message_that_is_out),
        case!(other_groups_do_not_wait),
        case!(what_comes_back_comes_before_the_rest_of_its_group),
        case!(a_group_goes_on_when_its_time_is_ended),
        case!(the_same_id_is_accepted_and_not_kept),
        case!(an_id_is_remembered_after_its_message_is_gone),
        case!(the_same_id_in_another_group_is_another_message),
        case!(an_id_is_forgotten_after_five_minutes).only_simulated(),
        case!(a_handle_whose_time_is_over_deletes_nothing)
            .local_differs("it deletes the message; SQS answers that the handle has expired"),
        case!(an_older_handle_deletes_nothing),
        case!(a_message_takes_no_delay_of_its_own),
        case!(a_message_needs_a_group),
        case!(a_poison_message_goes_to_the_dead_letters_and_its_group_goes_on),
    ]
}

async fn a_group_comes_in_the_order_of_sending<S: Service>(service: &S) -> Verdict {
    let queue = service.make(Settings::fifo(LONG_S)).await;
    let messages = ["1", "2", "3", "4"].map(|body| grouped("g", body)).to_vec();
    send(service, &queue, messages).await?;
    for body in ["1", "2", "3", "4"] {
        let message = one(service, &queue).await?;
        same("body", &message.body.as_str(), &body)?;
        same("group", &message.group.as_deref(), &Some("g"))?;
        same(
            "deleted",
            &service.delete(&queue, &message.handle).await,
            &Ok(()),
        )?;
    }
    nothing(service, &queue).await
}

async fn one_receive_has_a_group_in_order<S: Service>(service: &S) -> Verdict {
    let queue = service.make(Settings::fifo(LONG_S)).await;
    let names: Vec<String> = (0..8).map(|n| n.to_string()).collect();
    let group = |n: &String| if n.as_str() < "4" { "low" } else { "high" };
    let messages = names.iter().map(|n| grouped(group(n), n)).collect();
    send(service, &queue, messages).await?;
    let batch = service.receive(&queue, 10).await;
    must(!batch.is_empty(), || "nothing came".to_owned())?;
    for (name, all) in [
        ("low", ["0", "1", "2", "3"]),
        ("high", ["4", "5", "6", "7"]),
    ] {
        let of_group = batch.iter().filter(|m| m.group.as_deref() == Some(name));
        let found: Vec<&str> = of_group.map(|m| m.body.as_str()).collect();
        must(all.starts_with(&found), || format!("{name}: {found:?}"))?;
    }
    Ok(())
}

async fn a_group_waits_for_its_message_that_is_out<S: Service>(service: &S) -> Verdict {
    let queue = service.make(Settings::fifo(LONG_S)).await;
    send(service, &queue, vec![grouped("g", "1"), grouped("g", "2")]).await?;
    let first = one(service, &queue).await?;
    nothing(service, &queue).await?;
    same(
        "deleted",
        &service.delete(&queue, &first.handle).await,
        &Ok(()),
    )?;
    same("next", &one(service, &queue).await?.body.as_str(), &"2")
}

async fn other_groups_do_not_wait<S: Service>(service: &S) -> Verdict {
    let queue = service.make(Settings::fifo(LONG_S)).await;
    send(service, &queue, vec![grouped("g", "1")]).await?;
    one(service, &queue).await?;
    send(service, &queue, vec![grouped("g", "2"), grouped("h", "3")]).await?;
    let batch = service.receive(&queue, 10).await;
    same("meanwhile", &bodies(&batch), &vec!["3"])
}

async fn what_comes_back_comes_before_the_rest_of_its_group<S: Service>(service: &S) -> Verdict {
    let queue = service.make(Settings::fifo(SOON_S)).await;
    send(service, &queue, vec![grouped("g", "1"), grouped("g", "2")]).await?;
    one(service, &queue).await?;
    after(service, SOON_S).await;
    let again = one(service, &queue).await?;
    same("first", &again.body.as_str(), &"1")?;
    same("receives", &again.receives, &2)
}

async fn a_group_goes_on_when_its_time_is_ended<S: Service>(service: &S) -> Verdict {
    let queue = service.make(Settings::fifo(LONG_S)).await;
    send(service, &queue, vec![grouped("g", "1"), grouped("g", "2")]).await?;
    let batch = service.receive(&queue, 10).await;
    same("batch", &bodies(&batch), &vec!["1", "2"])?;
    for message in batch {
        same(
            "hidden",
            &service.hide(&queue, &message.handle, 0).await,
            &Ok(()),
        )?;
    }
    let again = service.receive(&queue, 10).await;
    same("again", &bodies(&again), &vec!["1", "2"])
}

async fn the_same_id_is_accepted_and_not_kept<S: Service>(service: &S) -> Verdict {
    let queue = service.make(Settings::fifo(LONG_S)).await;
    let other = Outgoing {
        body: "other".to_owned(),
        ..grouped("g", "1")
    };
    send(service, &queue, vec![grouped("g", "1")]).await?;
    send(service, &queue, vec![other]).await?;
    let all = service.receive(&queue, 10).await;
    same("kept", &bodies(&all), &vec!["1"])
}

async fn an_id_is_remembered_after_its_message_is_gone<S: Service>(service: &S) -> Verdict {
    let queue = service.make(Settings::fifo(LONG_S)).await;
    send(service, &queue, vec![grouped("g", "1")]).await?;
    let message = one(service, &queue).await?;
    same(
        "deleted",
        &service.delete(&queue, &message.handle).await,
        &Ok(()),
    )?;
    send(service, &queue, vec![grouped("g", "1")]).await?;
    nothing(service, &queue).await
}

async fn the_same_id_in_another_group_is_another_message<S: Service>(service: &S) -> Verdict {
    let queue = service.make(Settings::fifo(LONG_S)).await;
    send(service, &queue, vec![grouped("g", "1"), grouped("h", "1")]).await?;
    let mut all = service.receive(&queue, 10).await;
    all.extend(service.receive(&queue, 10).await);
    same("kept", &all.len(), &2)
}

async fn an_id_is_forgotten_after_five_minutes<S: Service>(service: &S) -> Verdict {
    let queue = service.make(Settings::fifo(LONG_S)).await;
    send(service, &queue, vec![grouped("g", "1")]).await?;
    let message = one(service, &queue).await?;
    same(
        "deleted",
        &service.delete(&queue, &message.handle).await,
        &Ok(()),
    )?;
    after(service, REMEMBERED_S).await;
    send(service, &queue, vec![grouped("g", "1")]).await?;
    one(service, &queue).await.map(drop)
}

async fn a_handle_whose_time_is_over_deletes_nothing<S: Service>(service: &S) -> Verdict {
    let queue = service.make(Settings::fifo(SOON_S)).await;
    send(service, &queue, vec![grouped("g", "1")]).await?;
    let message = one(service, &queue).await?;
    after(service, SOON_S).await;
    let deleted = service.delete(&queue, &message.handle).await;
    must(deleted.is_err(), || "it was deleted".to_owned())?;
    same("again", &one(service, &queue).await?.id, &message.id)
}

async fn an_older_handle_deletes_nothing<S: Service>(service: &S) -> Verdict {
    let queue = service.make(Settings::fifo(LONG_S)).await;
    send(service, &queue, vec![grouped("g", "1")]).await?;
    let first = one(service, &queue).await?;
    same(
        "hidden",
        &service.hide(&queue, &first.handle, 0).await,
        &Ok(()),
    )?;
    let second = one(service, &queue).await?;
    let deleted = service.delete(&queue, &first.handle).await;
    must(deleted.is_err(), || "it was deleted".to_owned())?;
    same(
        "hidden",
        &service.hide(&queue, &second.handle, 0).await,
        &Ok(()),
    )?;
    one(service, &queue).await.map(drop)
}

async fn a_message_takes_no_delay_of_its_own<S: Service>(service: &S) -> Verdict {
    let queue = service.make(Settings::fifo(LONG_S)).await;
    let delayed = Outgoing {
        delay_s: 1,
        ..grouped("g", "1")
    };
    let sent = service.send(&queue, vec![delayed]).await;
    must(sent.iter().all(Result::is_err), || {
        "it was accepted".to_owned()
    })
}

async fn a_message_needs_a_group<S: Service>(service: &S) -> Verdict {
    let queue = service.make(Settings::fifo(LONG_S)).await;
    let lost = Outgoing {
        group: None,
        ..grouped("g", "1")
    };
    let sent = service.send(&queue, vec![lost]).await;
    must(sent.iter().all(Result::is_err), || {
        "it was accepted".to_owned()
    })
}

async fn a_poison_message_goes_to_the_dead_letters_and_its_group_goes_on<S: Service>(
    service: &S,
) -> Verdict {
    let queue = service.make(Settings::fifo(LONG_S).dead_after(2)).await;
    send(
        service,
        &queue,
        vec![grouped("g", "poison"), grouped("g", "2")],
    )
    .await?;
    for _ in 0..2 {
        let message = one(service, &queue).await?;
        same("first", &message.body.as_str(), &"poison")?;
        same(
            "hidden",
            &service.hide(&queue, &message.handle, 0).await,
            &Ok(()),
        )?;
    }
    same("next", &one(service, &queue).await?.body.as_str(), &"2")?;
    let dead = service.dead(&queue).await;
    same("dead", &bodies(&dead), &vec!["poison"])?;
    let groups: Vec<Option<String>> = dead.into_iter().map(|m| m.group).collect();
    same("its group", &groups, &vec![Some("g".to_owned())])
}
