//! Lambda function `validator`.
