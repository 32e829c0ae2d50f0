//! Lambda function `reconciler`.
