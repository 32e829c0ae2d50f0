//! The local AWS's queues, through the SDK.

mod function;

use super::{Received, Refused, Seen, Service, Settings};
use crate::Stop;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::{
    Message, MessageSystemAttributeName, QueueAttributeName as Name, SendMessageBatchRequestEntry,
};
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use waybill_flow::ports::{Clock as _, Outgoing};
use waybill_lambda_kit::clock::SystemClock;

/// Queues of the local AWS, each with a name of its own.
#[derive(Debug)]
pub struct LocalQueues {
    client: Client,
    endpoint: String,
    http: reqwest::Client,
    count: AtomicU32,
    run: i64,
    /// What could not be asked at all.
    trouble: Mutex<Vec<String>>,
}

/// A queue and its dead-letter queue.
#[derive(Debug)]
pub struct Pair {
    url: String,
    dead: String,
}

impl LocalQueues {
    /// Makes queues of the local AWS at `endpoint`.
    #[must_use]
    pub fn new(client: Client, endpoint: &str, http: reqwest::Client) -> Self {
        Self {
            client,
            endpoint: endpoint.to_owned(),
            http,
            count: AtomicU32::new(0),
            run: SystemClock.now().epoch_ms(),
            trouble: Mutex::default(),
        }
    }

    /// What could not be asked at all; then no verdict counts.
    ///
    /// # Errors
    /// Something.
    pub fn trouble(&self) -> Result<(), Stop> {
        let trouble = self.trouble.lock();
        let trouble = trouble.unwrap_or_else(std::sync::PoisonError::into_inner);
        match trouble.first() {
            Some(first) => Err(Stop::new("trying the local queues", first)),
            None => Ok(()),
        }
    }

    fn note(&self, error: impl Debug) {
        let trouble = self.trouble.lock();
        let mut trouble = trouble.unwrap_or_else(std::sync::PoisonError::into_inner);
        trouble.push(format!("{error:?}"));
    }

    async fn create(&self, name: &str, attributes: &[(Name, String)]) -> String {
        let mut request = self.client.create_queue().queue_name(name);
        for (attribute, value) in attributes {
            request = request.attributes(attribute.clone(), value);
        }
        match request.send().await {
            Ok(answer) => answer.queue_url().unwrap_or_default().to_owned(),
            Err(error) => {
                self.note(error);
                String::new()
            }
        }
    }

    async fn arn(&self, url: &str) -> String {
        let request = self.client.get_queue_attributes().queue_url(url);
        let answer = request.attribute_names(Name::QueueArn).send().await;
        let arn = answer.map(|a| a.attributes().and_then(|a| a.get(&Name::QueueArn)).cloned());
        match arn {
            Ok(arn) => arn.unwrap_or_default(),
            Err(error) => {
                self.note(error);
                String::new()
            }
        }
    }

    async fn receive_from(&self, url: &str, most: usize, hidden_s: Option<i32>) -> Vec<Received> {
        let request = self.client.receive_message().queue_url(url);
        let answer = request
            .max_number_of_messages(i32::try_from(most).unwrap_or(10))
            .set_visibility_timeout(hidden_s)
            .wait_time_seconds(0)
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .send()
            .await;
        match answer {
            Ok(answer) => answer.messages().iter().map(received).collect(),
            Err(error) => {
                self.note(error);
                Vec::new()
            }
        }
    }
}

fn received(message: &Message) -> Received {
    let attribute = |name| message.attributes().and_then(|a| a.get(&name));
    Received {
        id: message.message_id().unwrap_or_default().to_owned(),
        handle: message.receipt_handle().unwrap_or_default().to_owned(),
        body: message.body().unwrap_or_default().to_owned(),
        receives: attribute(MessageSystemAttributeName::ApproximateReceiveCount)
            .and_then(|v| v.parse().ok())
            .unwrap_or_default(),
        sent_at_ms: attribute(MessageSystemAttributeName::SentTimestamp)
            .and_then(|v| v.parse().ok())
            .unwrap_or_default(),
        group: attribute(MessageSystemAttributeName::MessageGroupId).cloned(),
    }
}

/// The service's refusal.
fn refused<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> Refused {
    let code = error
        .as_service_error()
        .and_then(ProvideErrorMetadata::code);
    Refused(code.unwrap_or("no answer").to_owned())
}

impl Service for LocalQueues {
    type Queue = Pair;

    async fn make(&self, settings: Settings) -> Pair {
        let count = self.count.fetch_add(1, Ordering::SeqCst);
        let kind = if settings.fifo { ".fifo" } else { "" };
        let mut attributes = Vec::new();
        if settings.fifo {
            attributes.push((Name::FifoQueue, "true".to_owned()));
            attributes.push((Name::DeduplicationScope, "messageGroup".to_owned()));
            attributes.push((Name::FifoThroughputLimit, "perMessageGroupId".to_owned()));
        }
        let name = format!("conformance-{}-{count}", self.run);
        let dead = self.create(&format!("{name}-dlq{kind}"), &attributes).await;
        let redrive = serde_json::json!({
            "deadLetterTargetArn": self.arn(&dead).await,
            "maxReceiveCount": settings.max_receives,
        });
        attributes.push((Name::RedrivePolicy, redrive.to_string()));
        attributes.push((Name::VisibilityTimeout, settings.hidden_s.to_string()));
        let url = self.create(&format!("{name}{kind}"), &attributes).await;
        Pair { url, dead }
    }

    async fn send(&self, queue: &Pair, messages: Vec<Outgoing>) -> Vec<Result<String, Refused>> {
        let count = messages.len();
        let mut entries = Vec::with_capacity(count);
        for (index, message) in messages.into_iter().enumerate() {
            let entry = SendMessageBatchRequestEntry::builder()
                .id(index.to_string())
                .message_body(message.body)
                .set_message_group_id(message.group)
                .set_message_deduplication_id(message.deduplication)
                .set_delay_seconds(i32::try_from(message.delay_s).ok().filter(|s| *s > 0))
                .build();
            match entry {
                Ok(entry) => entries.push(entry),
                Err(error) => self.note(error),
            }
        }
        let request = self.client.send_message_batch().queue_url(&queue.url);
        let answer = match request.set_entries(Some(entries)).send().await {
            Ok(answer) => answer,
            Err(error) => return vec![Err(refused(&error)); count],
        };
        let mut sent: BTreeMap<&str, Result<String, Refused>> = BTreeMap::new();
        for entry in answer.successful() {
            sent.insert(entry.id(), Ok(entry.message_id().to_owned()));
        }
        for entry in answer.failed() {
            sent.insert(entry.id(), Err(Refused(entry.code().to_owned())));
        }
        let missing = || Err(Refused("no answer".to_owned()));
        (0..count)
            .map(|i| sent.remove(i.to_string().as_str()).unwrap_or_else(missing))
            .collect()
    }

    async fn receive(&self, queue: &Pair, most: usize) -> Vec<Received> {
        self.receive_from(&queue.url, most, None).await
    }

    async fn delete(&self, queue: &Pair, handle: &str) -> Result<(), Refused> {
        let request = self.client.delete_message().queue_url(&queue.url);
        let answer = request.receipt_handle(handle).send().await;
        answer.map(drop).map_err(|e| refused(&e))
    }

    async fn hide(&self, queue: &Pair, handle: &str, seconds: u32) -> Result<(), Refused> {
        let request = self.client.change_message_visibility();
        let answer = request
            .queue_url(&queue.url)
            .receipt_handle(handle)
            .visibility_timeout(i32::try_from(seconds).unwrap_or(i32::MAX))
            .send()
            .await;
        answer.map(drop).map_err(|e| refused(&e))
    }

    async fn dead(&self, queue: &Pair) -> Vec<Received> {
        self.receive_from(&queue.dead, 10, Some(0)).await
    }

    async fn read(&self, queue: &Pair, batch: usize, time: Duration) -> Vec<Vec<Seen>> {
        let read = self.read_by_function(queue, batch, time).await;
        read.unwrap_or_else(|error| {
            self.note(error);
            Vec::new()
        })
    }

    async fn pass(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    fn now_ms(&self) -> i64 {
        SystemClock.now().epoch_ms()
    }
}
