//! Lambda function `coordinator`.
