//! What is refused before anything is computed over it.

use crate::{Handled, refused};
use waybill_lambda_kit::http::Request;

/// Largest body, in bytes. No connected partner sends more; compressed it has to fit one message.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;
/// Most headers. API Gateway limits their bytes (10 KiB); a signature needs a handful.
pub const MAX_HEADERS: usize = 100;

pub(crate) fn check(request: &Request) -> Result<(), Box<Handled>> {
    if request.headers.len() > MAX_HEADERS {
        return Err(Box::new(refused(
            431,
            "too_many_headers",
            "the request has too many headers",
            "send only the headers that the partner documents",
        )));
    }
    if request.body.len() > MAX_BODY_BYTES {
        let message = format!("the body has more than {MAX_BODY_BYTES} bytes");
        return Err(Box::new(too_large(&message)));
    }
    Ok(())
}

pub(crate) fn too_large(message: &str) -> Handled {
    refused(
        413,
        "body_too_large",
        message,
        "subscribe with fewer fields, or let the poll backstop fetch large records",
    )
}
