//! Lambda function `status-publisher`.
