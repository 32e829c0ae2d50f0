//! Compressed attributes.

use crate::limits::UNPACKED_BYTES;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::Read;

/// zstd's default: states shrink about tenfold in microseconds.
const LEVEL: i32 = 3;

/// Why a compressed attribute cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CodecError {
    /// Not zstd, or cut off.
    #[error("not readable as zstd: {0}")]
    Zstd(#[from] std::io::Error),
    /// Larger than anything this version writes.
    #[error("larger than {UNPACKED_BYTES} bytes when unpacked")]
    TooLarge,
    /// Not the JSON that this version writes. Serde's message holds no values of free text.
    #[error("not readable as JSON at line {line}, column {column}: {category}")]
    Json {
        line: usize,
        column: usize,
        category: &'static str,
    },
}

impl From<serde_json::Error> for CodecError {
    fn from(error: serde_json::Error) -> Self {
        // Not its message: it can quote the data, which is personal.
        let category = match error.classify() {
            serde_json::error::Category::Io => "i/o",
            serde_json::error::Category::Syntax => "syntax",
            serde_json::error::Category::Data => "another shape than this version writes",
            serde_json::error::Category::Eof => "cut off",
        };
        Self::Json {
            line: error.line(),
            column: error.column(),
            category,
        }
    }
}

/// JSON, compressed.
pub(crate) fn pack<T: Serialize>(value: &T) -> Result<Vec<u8>, CodecError> {
    pack_bytes(&serde_json::to_vec(value)?)
}

/// Back from [`pack`].
pub(crate) fn unpack<T: DeserializeOwned>(packed: &[u8]) -> Result<T, CodecError> {
    Ok(serde_json::from_slice(&unpack_bytes(packed)?)?)
}

/// Any bytes, compressed.
pub(crate) fn pack_bytes(bytes: &[u8]) -> Result<Vec<u8>, CodecError> {
    Ok(zstd::encode_all(bytes, LEVEL)?)
}

/// Back from [`pack_bytes`].
pub(crate) fn unpack_bytes(packed: &[u8]) -> Result<Vec<u8>, CodecError> {
    let mut bytes = Vec::new();
    let mut reader = zstd::Decoder::new(packed)?.take(UNPACKED_BYTES + 1);
    reader.read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|n| n <= UNPACKED_BYTES) {
        Ok(bytes)
    } else {
        Err(CodecError::TooLarge)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_zstd_or_not_the_type_is_an_error_that_quotes_no_data() {
        assert!(unpack::<u32>(b"plain").is_err());
        let name = pack(&"Ada Example").unwrap();
        let error = unpack::<u32>(&name).unwrap_err().to_string();
        assert!(!error.contains("Ada"), "{error}");
        assert_eq!(unpack::<String>(&name).unwrap(), "Ada Example");
    }

    #[test]
    fn what_unpacks_to_more_than_the_limit_is_refused() {
        let limit = usize::try_from(UNPACKED_BYTES).unwrap();
        let of = |bytes: usize| unpack_bytes(&pack_bytes(&vec![0; bytes]).unwrap());
        assert_eq!(of(limit).unwrap().len(), limit);
        assert!(matches!(of(limit + 1), Err(CodecError::TooLarge)));
    }
}
