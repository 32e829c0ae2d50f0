//! What every function shares: batch runner, configuration, secrets, queues, telemetry.
