//! DynamoDB: orders, effects, cases.
