//! Lambda function `webhook-intake`.
