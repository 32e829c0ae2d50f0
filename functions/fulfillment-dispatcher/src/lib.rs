//! Lambda function `fulfillment-dispatcher`.
