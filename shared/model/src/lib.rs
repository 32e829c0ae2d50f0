//! Canonical vocabulary of Waybill: pure types that parse or fail.
