//! Dead-letter queues on SQS. Messages are received, sent and deleted rather than moved by SQS's own
//! task: it is bounded, works on every stand-in of SQS, and tells how many it moved.

use super::{MAX_ENTRIES, SqsQueues, classify};
use aws_sdk_sqs::types::{
    DeleteMessageBatchRequestEntry, Message, MessageSystemAttributeName, QueueAttributeName,
};
use waybill_flow::ports::{DeadLetters, InfraError, Outgoing, Queue, Queues};

/// How long a message stays out of sight while it is moved. One whose move failed is back then.
const MOVING_S: i32 = 60;

impl SqsQueues {
    fn dead_url(&self, queue: Queue) -> Result<&str, InfraError> {
        let url = self.dead.get(&queue).map(String::as_str);
        url.ok_or_else(|| unavailable(format!("no URL of the dead letters of `{queue:?}`")))
    }

    async fn receive(&self, url: &str, limit: usize) -> Result<Vec<Message>, InfraError> {
        let call = self
            .client
            .receive_message()
            .queue_url(url)
            .max_number_of_messages(i32::try_from(limit.min(MAX_ENTRIES)).unwrap_or(1))
            .visibility_timeout(MOVING_S)
            .wait_time_seconds(1)
            .message_system_attribute_names(MessageSystemAttributeName::MessageGroupId);
        let answer = Box::pin(call.send()).await.map_err(|e| classify(&e))?;
        Ok(answer.messages.unwrap_or_default())
    }

    /// Takes away what was sent; one that stays is moved once more later.
    async fn forget(&self, url: &str, messages: &[&Message]) -> Result<(), InfraError> {
        let mut call = self.client.delete_message_batch().queue_url(url);
        for (index, message) in messages.iter().enumerate() {
            let entry = DeleteMessageBatchRequestEntry::builder()
                .id(index.to_string())
                .set_receipt_handle(message.receipt_handle.clone())
                .build()
                .map_err(|e| unavailable(e.to_string()))?;
            call = call.entries(entry);
        }
        let answer = Box::pin(call.send()).await.map_err(|e| classify(&e))?;
        for failure in answer.failed() {
            tracing::warn!(code = failure.code(), "a moved dead letter is there still");
        }
        Ok(())
    }
}

fn unavailable(detail: String) -> InfraError {
    InfraError::Unavailable {
        system: "sqs",
        detail,
    }
}

/// The message as it is sent again. Its deduplication id is a new one: a FIFO queue would swallow
/// one that it saw within five minutes, and the event's own id makes it harmless twice.
fn again(message: &Message) -> Outgoing {
    let attributes = message.attributes.as_ref();
    let group =
        attributes.and_then(|a| a.get(&MessageSystemAttributeName::MessageGroupId).cloned());
    let deduplication = group.as_ref().map(|_| crate::chance::unique().to_string());
    Outgoing {
        body: message.body.clone().unwrap_or_default(),
        group,
        deduplication,
        delay_s: 0,
    }
}

impl DeadLetters for SqsQueues {
    async fn waiting(&self, queue: Queue) -> Result<u64, InfraError> {
        let name = QueueAttributeName::ApproximateNumberOfMessages;
        let call = self
            .client
            .get_queue_attributes()
            .queue_url(self.dead_url(queue)?)
            .attribute_names(name.clone());
        let answer = Box::pin(call.send()).await.map_err(|e| classify(&e))?;
        let count = answer.attributes().and_then(|all| all.get(&name));
        count
            .and_then(|count| count.parse().ok())
            .ok_or_else(|| unavailable("the count of dead letters is missing".to_owned()))
    }

    async fn redrive(&self, queue: Queue, limit: usize) -> Result<usize, InfraError> {
        let url = self.dead_url(queue)?;
        let mut moved = 0;
        while moved < limit {
            let messages = self.receive(url, limit - moved).await?;
            if messages.is_empty() {
                break;
            }
            let unsent = self
                .send(queue, messages.iter().map(again).collect())
                .await?;
            let sent: Vec<&Message> = messages
                .iter()
                .enumerate()
                .filter(|(index, _)| !unsent.contains(index))
                .map(|(_, message)| message)
                .collect();
            if sent.is_empty() {
                break;
            }
            self.forget(url, &sent).await?;
            moved += sent.len();
        }
        Ok(moved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_of_a_fifo_queue_keeps_its_group_and_gets_a_new_deduplication_id() {
        let message = Message::builder()
            .body("event")
            .attributes(MessageSystemAttributeName::MessageGroupId, "order-1")
            .build();
        let (one, two) = (again(&message), again(&message));
        assert_eq!(one.group.as_deref(), Some("order-1"));
        assert!(one.deduplication.is_some() && one.deduplication != two.deduplication);
    }

    #[test]
    fn a_message_of_a_standard_queue_has_neither() {
        let outgoing = again(&Message::builder().body("delivery").build());
        assert_eq!((outgoing.group, outgoing.deduplication), (None, None));
        assert_eq!(outgoing.body, "delivery");
    }
}
