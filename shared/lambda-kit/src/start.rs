//! The cold start: configuration, logs and clients, once.

use crate::batch::Runner;
use crate::clock::SystemClock;
use crate::env::{Config, ConfigError};
use crate::queues::SqsQueues;
use crate::secrets::{CachedSecrets, SecretsManager};
use crate::telemetry;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use std::time::Duration;

/// Longest wait for one answer of an AWS service. Three attempts fit into the shortest function.
const ATTEMPT: Duration = Duration::from_millis(2_500);
/// Longest wait for one call with its attempts.
const OPERATION: Duration = Duration::from_secs(8);
/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(1);

/// What a function starts with.
#[derive(Debug)]
pub struct Start {
    /// The configuration.
    pub config: Config,
    /// What clients of AWS are made from.
    pub aws: SdkConfig,
}

impl Start {
    /// Reads the configuration that `needs` names and prepares the clients. Calls nobody.
    ///
    /// # Errors
    /// Every fault of the configuration, which is logged too: the function does not start.
    pub async fn new(needs: &[&str]) -> Result<Self, ConfigError> {
        telemetry::init();
        let config = Config::read(|name| std::env::var(name).ok(), needs).inspect_err(|error| {
            tracing::error!(faults = ?error.faults, "{error}");
        })?;
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT)
            .operation_attempt_timeout(ATTEMPT)
            .operation_timeout(OPERATION)
            .build();
        let aws = aws_config::defaults(BehaviorVersion::latest()).timeout_config(timeouts);
        let aws = Box::pin(aws.load()).await;
        Ok(Self { config, aws })
    }

    /// The queues that the function needs.
    #[must_use]
    pub fn queues(&self) -> SqsQueues {
        let client = aws_sdk_sqs::Client::new(&self.aws);
        SqsQueues::new(client, self.config.queue_urls.clone())
            .with_dead_letters(self.config.dlq_urls.clone())
    }

    /// The secrets of connections.
    #[must_use]
    pub fn secrets(&self) -> CachedSecrets<SecretsManager, SystemClock> {
        let client = aws_sdk_secretsmanager::Client::new(&self.aws);
        CachedSecrets::new(
            SecretsManager(client),
            SystemClock,
            self.config.secrets_prefix.clone(),
        )
    }

    /// The runner of batches of the function `step`.
    #[must_use]
    pub fn runner(&self, step: &'static str) -> Runner<SqsQueues, SystemClock> {
        Runner {
            step,
            visibility: self.queues(),
            clock: SystemClock,
        }
    }
}
