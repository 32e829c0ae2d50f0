//! From the SDK's errors to the port's.

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use std::error::Error;
use waybill_flow::ports::InfraError;

/// Most characters of a detail: it goes into one log line.
const DETAIL_CHARS: usize = 400;

/// A read failed: nothing happened, whatever the reason.
pub(crate) fn read_failed<E, R>(system: &'static str, error: &SdkError<E, R>) -> InfraError
where
    E: ProvideErrorMetadata + Error + 'static,
    R: std::fmt::Debug,
{
    InfraError::Unavailable {
        system,
        detail: detail(error),
    }
}

/// Whether a conditional write was not done because its condition did not hold.
pub(crate) fn is_condition_failed<E, R>(error: &SdkError<E, R>) -> bool
where
    E: ProvideErrorMetadata,
{
    error.code() == Some("ConditionalCheckFailedException")
}

/// A write failed: unless DynamoDB itself refused it, it may have happened.
pub(crate) fn write_failed<E, R>(system: &'static str, error: &SdkError<E, R>) -> InfraError
where
    E: ProvideErrorMetadata + Error + 'static,
    R: std::fmt::Debug,
{
    let detail = detail(error);
    match error {
        SdkError::ConstructionFailure(_) => InfraError::Unavailable { system, detail },
        SdkError::ServiceError(answer) if !is_server_fault(answer.err()) => {
            InfraError::Unavailable { system, detail }
        }
        // Timeouts, broken connections, unreadable answers, server faults and what is new.
        _ => InfraError::Unknown { system, detail },
    }
}

/// Why a transaction was not written.
pub(crate) enum Refused {
    /// The condition of its first item did not hold.
    Condition,
    /// Anything else.
    Infra(InfraError),
}

/// A transaction failed. Its first item carries the condition.
pub(crate) fn transaction_failed<R>(
    system: &'static str,
    error: &SdkError<TransactWriteItemsError, R>,
) -> Refused
where
    R: std::fmt::Debug,
{
    let Some(TransactWriteItemsError::TransactionCanceledException(canceled)) =
        error.as_service_error()
    else {
        return Refused::Infra(write_failed(system, error));
    };
    let codes: Vec<&str> = canceled
        .cancellation_reasons()
        .iter()
        .map(|reason| reason.code().unwrap_or("None"))
        .collect();
    if codes.first() == Some(&"ConditionalCheckFailed") {
        return Refused::Condition;
    }
    let reasons: Vec<String> = codes
        .iter()
        .enumerate()
        .filter(|(_, code)| **code != "None")
        .map(|(index, code)| format!("item {index}: {code}"))
        .collect();
    Refused::Infra(InfraError::Unavailable {
        system,
        detail: format!("transaction cancelled: {}", reasons.join(", ")),
    })
}

/// We built a request that the SDK does not take.
pub(crate) fn not_built(system: &'static str, error: &dyn Error) -> InfraError {
    InfraError::Unavailable {
        system,
        detail: format!("the request could not be built: {error}"),
    }
}

fn is_server_fault<E: ProvideErrorMetadata>(error: &E) -> bool {
    matches!(
        error.code(),
        None | Some("InternalServerError" | "InternalFailure" | "ServiceUnavailable")
    )
}

/// Code and message of DynamoDB, or the chain of causes. Never the request.
fn detail<E, R>(error: &SdkError<E, R>) -> String
where
    E: ProvideErrorMetadata + Error + 'static,
    R: std::fmt::Debug,
{
    let text = match error {
        SdkError::ServiceError(answer) => {
            let code = answer.err().code().unwrap_or("no code");
            format!("{code}: {}", answer.err().message().unwrap_or("no message"))
        }
        other => causes(other),
    };
    text.chars().take(DETAIL_CHARS).collect()
}

fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_dynamodb::error::ErrorMetadata;
    use aws_sdk_dynamodb::operation::put_item::PutItemError;

    type PutFailed = SdkError<PutItemError, ()>;

    fn answered(code: Option<&str>) -> PutFailed {
        let mut told = ErrorMetadata::builder().message("scripted");
        if let Some(code) = code {
            told = told.code(code);
        }
        SdkError::service_error(PutItemError::generic(told.build()), ())
    }

    #[test]
    fn a_write_that_was_refused_was_not_made_and_of_any_other_nobody_knows() {
        let lost = || std::io::Error::other("reset");
        let never_sent: PutFailed = SdkError::construction_failure(lost());
        for error in [
            never_sent,
            answered(Some("ThrottlingException")),
            answered(Some("ValidationException")),
        ] {
            let failed = write_failed("orders", &error);
            assert!(
                matches!(failed, InfraError::Unavailable { .. }),
                "{failed:?}"
            );
        }
        for error in [
            SdkError::timeout_error(lost()),
            SdkError::response_error(lost(), ()),
            answered(Some("InternalServerError")),
            answered(Some("ServiceUnavailable")),
            answered(None),
        ] {
            let failed = write_failed("orders", &error);
            assert!(matches!(failed, InfraError::Unknown { .. }), "{failed:?}");
        }
    }

    #[test]
    fn an_error_is_told_with_its_causes_or_with_the_services_own_words() {
        let told = |error: &PutFailed| detail(error);
        assert_eq!(
            told(&answered(Some("ThrottlingException"))),
            "ThrottlingException: scripted"
        );
        assert_eq!(told(&answered(None)), "no code: scripted");
        let lost: PutFailed = SdkError::timeout_error(std::io::Error::other("reset"));
        assert!(told(&lost).ends_with(": reset"), "{}", told(&lost));
        let long: PutFailed = SdkError::timeout_error(std::io::Error::other("x".repeat(1000)));
        assert_eq!(told(&long).chars().count(), DETAIL_CHARS);
    }

    #[test]
    fn only_a_refused_condition_is_one() {
        assert!(is_condition_failed(&answered(Some(
            "ConditionalCheckFailedException"
        ))));
        assert!(!is_condition_failed(&answered(Some("ThrottlingException"))));
        assert!(!is_condition_failed(&answered(None)));
    }
}
