//! Our queues on SQS.

use crate::batch::Visibility;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::SdkError;
use aws_sdk_sqs::types::{ChangeMessageVisibilityBatchRequestEntry, SendMessageBatchRequestEntry};
use std::collections::BTreeMap;
use std::fmt;
use waybill_flow::ports::{InfraError, Outgoing, Queue, Queues};
use waybill_model::envelope::{CommandEnvelope, EventEnvelope};

mod dead_letters;

/// Most messages in one call: SQS's limit.
const MAX_ENTRIES: usize = 10;
/// Most bytes in one call, and in one message: SQS's limit of 1 MiB, less room for what SQS counts
/// beside the body.
pub const MAX_BYTES: usize = 1024 * 1024 - 8 * 1024;

/// Sends to and changes the queues of the stack.
#[derive(Clone)]
pub struct SqsQueues {
    client: Client,
    urls: BTreeMap<Queue, String>,
    dead: BTreeMap<Queue, String>,
}

impl fmt::Debug for SqsQueues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqsQueues")
            .field("urls", &self.urls)
            .finish_non_exhaustive()
    }
}

impl SqsQueues {
    /// Queues by their URLs.
    #[must_use]
    pub fn new(client: Client, urls: BTreeMap<Queue, String>) -> Self {
        let dead = BTreeMap::new();
        Self { client, urls, dead }
    }

    /// The same, with dead-letter queues by the queues that they belong to.
    #[must_use]
    pub fn with_dead_letters(self, dead: BTreeMap<Queue, String>) -> Self {
        Self { dead, ..self }
    }

    fn url(&self, queue: Queue) -> Result<&str, InfraError> {
        let url = self.urls.get(&queue).map(String::as_str);
        url.ok_or_else(|| InfraError::Unavailable {
            system: "sqs",
            detail: format!("this function has no URL of the queue `{queue:?}`"),
        })
    }

    async fn send_chunk(
        &self,
        url: &str,
        chunk: Vec<(usize, Outgoing)>,
    ) -> Result<Vec<usize>, InfraError> {
        let indexes: Vec<usize> = chunk.iter().map(|(index, _)| *index).collect();
        let mut entries = Vec::with_capacity(chunk.len());
        for (index, message) in chunk {
            // FIFO queues take no delay of their own for a message.
            let delay_s = message
                .group
                .is_none()
                .then(|| i32::try_from(message.delay_s.min(900)).unwrap_or(900));
            let entry = SendMessageBatchRequestEntry::builder()
                .id(index.to_string())
                .message_body(message.body)
                .set_message_group_id(message.group)
                .set_message_deduplication_id(message.deduplication)
                .set_delay_seconds(delay_s.filter(|s| *s > 0))
                .build()
                .map_err(|e| InfraError::Unavailable {
                    system: "sqs",
                    detail: e.to_string(),
                })?;
            entries.push(entry);
        }
        let call = self
            .client
            .send_message_batch()
            .queue_url(url)
            .set_entries(Some(entries))
            .send();
        // Boxed: the SDK's futures are deep, and every caller's would contain them.
        let sent = Box::pin(call).await;
        match sent {
            Ok(answer) => {
                for failure in answer.failed() {
                    tracing::warn!(code = failure.code(), "a message was not accepted");
                }
                let accepted: Vec<&str> = answer.successful().iter().map(|s| s.id()).collect();
                Ok(indexes
                    .into_iter()
                    .filter(|index| !accepted.contains(&index.to_string().as_str()))
                    .collect())
            }
            Err(error) => Err(classify(&error)),
        }
    }
}

fn classify<E: fmt::Debug>(error: &SdkError<E>) -> InfraError {
    let detail = match error {
        SdkError::ServiceError(e) => format!("HTTP {}", e.raw().status().as_u16()),
        SdkError::ConstructionFailure(_) => "the request could not be built".to_owned(),
        SdkError::TimeoutError(_) => "no answer in time".to_owned(),
        SdkError::DispatchFailure(_) => "the connection failed".to_owned(),
        _ => "the answer could not be read".to_owned(),
    };
    match error {
        SdkError::ServiceError(_) | SdkError::ConstructionFailure(_) => InfraError::Unavailable {
            system: "sqs",
            detail,
        },
        _ => InfraError::Unknown {
            system: "sqs",
            detail,
        },
    }
}

/// Cuts messages into calls of at most ten and at most 1 MiB. A message that is too large for any
/// call is left out and named.
fn chunks(messages: Vec<Outgoing>) -> (Vec<Vec<(usize, Outgoing)>>, Vec<usize>) {
    let mut chunks = Vec::new();
    let mut too_large = Vec::new();
    let mut current: Vec<(usize, Outgoing)> = Vec::new();
    let mut bytes = 0;
    for (index, message) in messages.into_iter().enumerate() {
        let size = message.body.len();
        if size > MAX_BYTES {
            too_large.push(index);
            continue;
        }
        if current.len() == MAX_ENTRIES || bytes + size > MAX_BYTES {
            chunks.push(std::mem::take(&mut current));
            bytes = 0;
        }
        bytes += size;
        current.push((index, message));
    }
    if !current.is_empty() {
        chunks.push(current);
    }
    (chunks, too_large)
}

impl Queues for SqsQueues {
    async fn send(&self, queue: Queue, messages: Vec<Outgoing>) -> Result<Vec<usize>, InfraError> {
        let url = self.url(queue)?;
        let (chunks, mut unsent) = chunks(messages);
        for chunk in chunks {
            unsent.extend(self.send_chunk(url, chunk).await?);
        }
        unsent.sort_unstable();
        Ok(unsent)
    }
}

impl Visibility for SqsQueues {
    async fn change(&self, queue: &str, entries: Vec<(String, u32)>) -> Result<(), InfraError> {
        let url = self
            .urls
            .values()
            .find(|url| url.rsplit('/').next() == Some(queue))
            .ok_or_else(|| InfraError::Unavailable {
                system: "sqs",
                detail: format!("this function has no URL of the queue `{queue}`"),
            })?;
        for chunk in entries.chunks(MAX_ENTRIES) {
            let mut request = self.client.change_message_visibility_batch().queue_url(url);
            for (index, (handle, delay_s)) in chunk.iter().enumerate() {
                let entry = ChangeMessageVisibilityBatchRequestEntry::builder()
                    .id(index.to_string())
                    .receipt_handle(handle)
                    .visibility_timeout(i32::try_from(*delay_s).unwrap_or(i32::MAX))
                    .build()
                    .map_err(|e| InfraError::Unavailable {
                        system: "sqs",
                        detail: e.to_string(),
                    })?;
                request = request.entries(entry);
            }
            let answer = Box::pin(request.send()).await.map_err(|e| classify(&e))?;
            for failure in answer.failed() {
                tracing::warn!(queue, code = failure.code(), "visibility was not changed");
            }
        }
        Ok(())
    }
}

/// An event as a message of `events.fifo`: ordered by its order, recognised by its id.
///
/// # Errors
/// It cannot be serialised.
pub fn event_message(event: &EventEnvelope) -> Result<Outgoing, serde_json::Error> {
    Ok(Outgoing {
        body: serde_json::to_string(event)?,
        group: Some(event.correlationid.to_string()),
        deduplication: Some(event.id.to_string()),
        delay_s: 0,
    })
}

/// A command as a message of its queue.
///
/// # Errors
/// It cannot be serialised.
pub fn command_message(command: &CommandEnvelope) -> Result<Outgoing, serde_json::Error> {
    Ok(plain_message(serde_json::to_string(command)?))
}

/// A message of a standard queue.
#[must_use]
pub fn plain_message(body: String) -> Outgoing {
    Outgoing {
        body,
        group: None,
        deduplication: None,
        delay_s: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(bytes: usize) -> Outgoing {
        Outgoing {
            body: "x".repeat(bytes),
            group: None,
            deduplication: None,
            delay_s: 0,
        }
    }

    fn sizes(messages: Vec<Outgoing>) -> (Vec<usize>, Vec<usize>) {
        let (chunks, too_large) = chunks(messages);
        (chunks.iter().map(Vec::len).collect(), too_large)
    }

    #[test]
    fn a_call_has_at_most_ten_messages() {
        let (chunks, too_large) = sizes(vec![message(1); 23]);
        assert_eq!(chunks, [10, 10, 3]);
        assert_eq!(too_large, Vec::<usize>::new());
    }

    #[test]
    fn a_call_has_at_most_one_mebibyte() {
        let (chunks, _) = sizes(vec![message(600_000), message(600_000), message(10)]);
        assert_eq!(chunks, [1, 2]);
    }

    #[test]
    fn a_message_that_fits_no_call_is_named_and_the_rest_is_sent() {
        let (chunks, too_large) = sizes(vec![message(1), message(MAX_BYTES + 1), message(1)]);
        assert_eq!(chunks, [2]);
        assert_eq!(too_large, [1]);
    }
}
