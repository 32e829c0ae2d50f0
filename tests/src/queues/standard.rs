//! Cases of standard queues.

use super::{
    Case, LONG_S, Refused, SOON_S, Service, Settings, Verdict, after, bodies, case, must, nothing,
    one, plain, same, send,
};
use std::collections::BTreeSet;
use waybill_flow::ports::Outgoing;

/// A body that is longer than SQS takes.
const TOO_LONG: usize = 1024 * 1024 + 1;

/// All of them.
pub(super) fn cases<S: Service>() -> Vec<Case<S>> {
    vec![
        case!(a_message_comes_as_it_was_sent),
        case!(a_received_message_is_hidden_until_its_time_ends),
        case!(the_receive_count_grows_and_the_time_of_sending_stays),
        case!(every_receive_has_a_handle_of_its_own),
        case!(a_deleted_message_does_not_come_back),
        case!(the_last_handle_deletes_although_its_time_is_over),
        case!(an_older_handle_is_no_error).local_differs(
            "it refuses the handle; SQS says nothing, and may or may not delete the message",
        ),
        case!(the_time_can_be_ended),
        case!(the_time_can_be_prolonged),
        case!(a_message_that_came_back_cannot_be_hidden)
            .local_differs("it hides the message; SQS answers `MessageNotInflight`"),
        case!(nothing_is_hidden_for_more_than_twelve_hours).local_differs("it takes any number"),
        case!(a_delayed_message_comes_after_its_delay),
        case!(nothing_is_delayed_by_more_than_fifteen_minutes).local_differs("it takes any number"),
        case!(of_a_batch_only_what_is_wrong_is_refused),
        case!(an_empty_body_is_refused),
        case!(a_body_of_more_than_one_mebibyte_is_refused),
        case!(no_more_is_received_than_was_asked_for),
        case!(what_was_received_too_often_goes_to_the_dead_letters),
    ]
}

async fn a_message_comes_as_it_was_sent<S: Service>(service: &S) -> Verdict {
    let queue = service.make(Settings::standard(LONG_S)).await;
    let before = service.now_ms();
    let ids = send(service, &queue, vec![plain("grüße 1")]).await?;
    let message = one(service, &queue).await?;
    same("body", &message.body.as_str(), &"grüße 1")?;
    same("ids", &vec![message.id.clone()], &ids)?;
    same("receives", &message.receives, &1)?;
    same("group", &message.group, &None)?;
    // Two clocks that round differently.
    let sent = before - 1..=service.now_ms() + 1;
    must(sent.contains(&message.sent_at_ms), || {
        format!("sent at {}, not in {sent:?}", message.sent_at_ms)
    })
}

async fn a_received_message_is_hidden_until_its_time_ends<S: Service>(service: &S) -> Verdict {
    let queue = service.make(Settings::standard(LONG_S)).await;
    send(service, &queue, vec![plain("a")]).await?;
    let first = one(service, &queue).await?;
    nothing(service, &queue).await?;
    after(service, LONG_S).await;
    let second = one(service, &queue).await?;
    same("id", &second.id, &first.id)
}

async fn the_receive_count_grows_and_the_time_of_sending_stays<S: Service>(service: &S) -> Verdict {
    let queue = service.make(Settings::standard(SOON_S)).await;
    send(service, &queue, vec![plain("a")]).await?;
    let first = one(service, &queue).await?;
    for receives in 2..=3 {
        after(service, SOON_S).await;
        let again = one(service, &queue).await?;
        same("receives", &again.receives, &receives)?;
        same("sent at", &again.sent_at_ms, &first.sent_at_ms)?;
    }
    Ok(())
}

async fn every_receive_has_a_handle_of_its_own<S: Service>(service: &S) -> Verdict {
    let queue = service.make(Settings::standard(LONG_S)).await;
    send(service, &queue, vec![plain("a")]).await?;
    let mut handles = BTreeSet::new();
    for _ in 0..3 {
        let message = one(service, &queue).await?;
        hide(service, &queue, &message.handle, 0).await?;
        handles.insert(message.handle);
    }
    same("handles", &handles.len(), &3)
}

async fn hide<S: Service>(service: &S, queue: &S::Queue, handle: &str, seconds: u32) -> Verdict {
    let hidden = service.hide(queue, handle, seconds).await;
    hidden.map_err(|Refused(code)| format!("hiding is refused: {code}"))
}

async fn delete<S: Service>(service: &S, queue: &S::Queue, handle: &str) -> Verdict {
    let deleted = service.delete(queue, handle).await;
    deleted.map_err(|Refused(code)| format!("deleting is refused: {code}"))
}

async fn a_deleted_message_does_not_come_back<S: Service>(service: &S) -> Verdict {
    let queue = service.make(Settings::standard(SOON_S)).await;
    send(service, &queue, vec![plain("a")]).await?;
    let message = one(service, &queue).await?;
    delete(service, &queue, &message.handle).await?;
    after(service, SOON_S).await;
    nothing(service, &queue).await
}

async fn the_last_handle_deletes_although_its_time_is_over<S: Service>(service: &S) -> Verdict {
    let queue = service.make(Settings::standard(SOON_S)).await;
    send(service, &queue, vec![plain("a")]).await?;
    let message = one(service, &queue).await?;
    after(service, SOON_S).await;
    delete(service, &queue, &message.handle).await?;
    nothing(service, &queue).await
}

async fn an_older_handle_is_no_error<S: Service>(service: &S) -> Verdict {
    let queue = service.make(Settings::standard(LONG_S)).await;
    send(service, &queue, vec![plain("a")]).await?;
    let first = one(service, &queue).await?;
    hide(service, &queue, &first.handle, 0).await?;
    one(service, &queue).await?;
    delete(service, &queue, &first.handle).await
}

async fn the_time_can_be_ended<S: Service>(service: &S) -> Verdict {
    let queue = service.make(Settings::standard(LONG_S)).await;
    send(service, &queue, vec![plain("a")]).await?;
    let message = one(service, &queue).await?;
    hide(service, &queue, &message.handle, 0).await?;
    let again = one(service, &queue).await?;
    same("id", &again.id, &message.id)
}

async fn the_time_can_be_prolonged<S: Service>(service: &S) -> Verdict {
    let queue = service.make(Settings::standard(SOON_S)).await;
    send(service, &queue, vec![plain("a")]).await?;
    let message = one(service, &queue).await?;
    hide(service, &queue, &message.handle, SOON_S + LONG_S).await?;
    after(service, SOON_S).await;
    nothing(service, &queue).await?;
    after(service, LONG_S).await;
    let again = one(service, &queue).await?;
    same("id", &again.id, &message.id)
}

async fn a_message_that_came_back_cannot_be_hidden<S: Service>(service: &S) -> Verdict {
    let queue = service.make(Settings::standard(SOON_S)).await;
    send(service, &queue, vec![plain("a")]).await?;
    let message = one(service, &queue).await?;
    after(service, SOON_S).await;
    let hidden = service.hide(&queue, &message.handle, LONG_S).await;
    must(hidden.is_err(), || "it was hidden".to_owned())?;
    one(service, &queue).await.map(drop)
}

async fn nothing_is_hidden_for_more_than_twelve_hours<S: Service>(service: &S) -> Verdict {
    let queue = service.make(Settings::standard(LONG_S)).await;
    send(service, &queue, vec![plain("a")]).await?;
    let message = one(service, &queue).await?;
    let hidden = service
        .hide(&queue, &message.handle, 12 * 60 * 60 + 1)
        .await;
    must(hidden.is_err(), || "it was hidden".to_owned())
}

fn delayed(body: &str, delay_s: u32) -> Outgoing {
    Outgoing {
        delay_s,
        ..plain(body)
    }
}

async fn a_delayed_message_comes_after_its_delay<S: Service>(service: &S) -> Verdict {
    let queue = service.make(Settings::standard(LONG_S)).await;
    let messages = vec![delayed("later", LONG_S), plain("now")];
    send(service, &queue, messages).await?;
    same("first", &one(service, &queue).await?.body.as_str(), &"now")?;
    nothing(service, &queue).await?;
    after(service, LONG_S).await;
    let mut both = service.receive(&queue, 10).await;
    both.extend(service.receive(&queue, 10).await);
    let mut both = bodies(&both);
    both.sort_unstable();
    same("then", &both, &vec!["later", "now"])
}

async fn nothing_is_delayed_by_more_than_fifteen_minutes<S: Service>(service: &S) -> Verdict {
    let queue = service.make(Settings::standard(LONG_S)).await;
    let sent = service.send(&queue, vec![delayed("a", 901)]).await;
    must(sent.iter().all(Result::is_err), || {
        "it was accepted".to_owned()
    })
}

async fn of_a_batch_only_what_is_wrong_is_refused<S: Service>(service: &S) -> Verdict {
    let queue = service.make(Settings::standard(LONG_S)).await;
    let messages = vec![plain("a"), plain("not \u{1} text"), plain("b")];
    let sent = service.send(&queue, messages).await;
    let accepted: Vec<bool> = sent.iter().map(Result::is_ok).collect();
    same("accepted", &accepted, &vec![true, false, true])?;
    let code = sent.into_iter().find_map(Result::err);
    let expected = Some(Refused("InvalidMessageContents".to_owned()));
    same("refused with", &code, &expected)?;
    let mut found = service.receive(&queue, 10).await;
    found.extend(service.receive(&queue, 10).await);
    let mut found = bodies(&found);
    found.sort_unstable();
    same("sent", &found, &vec!["a", "b"])
}

async fn an_empty_body_is_refused<S: Service>(service: &S) -> Verdict {
    let queue = service.make(Settings::standard(LONG_S)).await;
    let sent = service.send(&queue, vec![plain("")]).await;
    must(sent.iter().all(Result::is_err), || {
        "it was accepted".to_owned()
    })
}

async fn a_body_of_more_than_one_mebibyte_is_refused<S: Service>(service: &S) -> Verdict {
    let queue = service.make(Settings::standard(LONG_S)).await;
    let sent = service
        .send(&queue, vec![plain(&"x".repeat(TOO_LONG))])
        .await;
    must(sent.iter().all(Result::is_err), || {
        "it was accepted".to_owned()
    })?;
    send(service, &queue, vec![plain(&"x".repeat(TOO_LONG - 1))])
        .await
        .map(drop)
}

async fn no_more_is_received_than_was_asked_for<S: Service>(service: &S) -> Verdict {
    let queue = service.make(Settings::standard(LONG_S)).await;
    let messages = (0..10).map(|n| plain(&n.to_string())).collect();
    send(service, &queue, messages).await?;
    let some = service.receive(&queue, 3).await;
    must((1..=3).contains(&some.len()), || {
        format!("{} were received", some.len())
    })?;
    let mut all: BTreeSet<String> = some.into_iter().map(|m| m.body).collect();
    for _ in 0..10 {
        let more = service.receive(&queue, 10).await;
        let fresh = more.into_iter().all(|m| all.insert(m.body));
        must(fresh, || "one came twice within its time".to_owned())?;
    }
    same("in the end", &all.len(), &10)
}

async fn what_was_received_too_often_goes_to_the_dead_letters<S: Service>(service: &S) -> Verdict {
    let queue = service.make(Settings::standard(LONG_S).dead_after(2)).await;
    let ids = send(service, &queue, vec![plain("poison")]).await?;
    for receives in 1..=2 {
        let message = one(service, &queue).await?;
        same("receives", &message.receives, &receives)?;
        same("dead too early", &service.dead(&queue).await, &Vec::new())?;
        hide(service, &queue, &message.handle, 0).await?;
    }
    nothing(service, &queue).await?;
    let dead = service.dead(&queue).await;
    same("dead", &bodies(&dead), &vec!["poison"])?;
    let dead: Vec<String> = dead.into_iter().map(|m| m.id).collect();
    same("ids", &dead, &ids)
}
