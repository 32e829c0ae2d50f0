//! Lambda function `ops-api`.
