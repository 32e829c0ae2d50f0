//! HMAC-SHA256 over the raw bytes of a webhook, compared in constant time.
//!
//! Every scheme that partners use differs only in what is signed, how the result is written and
//! how the key is read; an adapter's `verify` says these three and nothing else.

use crate::webhook::Refusal;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use waybill_flow::ports::ConnectionSecrets;

/// How a signature is written in its header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Standard alphabet, padded.
    Base64,
    /// Lower-case hexadecimal; upper case is refused, as the partners' own libraries do.
    Hex,
}

impl Encoding {
    fn decode(self, text: &str) -> Option<Vec<u8>> {
        match self {
            Self::Base64 => STANDARD.decode(text).ok(),
            Self::Hex if text.bytes().any(|b| b.is_ascii_uppercase()) => None,
            Self::Hex => hex::decode(text).ok(),
        }
    }

    fn encode(self, bytes: &[u8]) -> String {
        match self {
            Self::Base64 => STANDARD.encode(bytes),
            Self::Hex => hex::encode(bytes),
        }
    }
}

/// The connection's secrets as keys: the current one, then the previous ones.
///
/// # Errors
/// [`Refusal::NoSecret`] if none is there or all are blank: a blank key would let anybody sign.
pub fn keys(secrets: &ConnectionSecrets) -> Result<Vec<&str>, Refusal> {
    let keys: Vec<&str> = secrets
        .webhook_secrets
        .iter()
        .filter(|s| !s.is_blank())
        .map(waybill_flow::ports::Secret::expose)
        .collect();
    if keys.is_empty() {
        Err(Refusal::NoSecret)
    } else {
        Ok(keys)
    }
}

/// The signature of `parts`, joined without a separator.
#[must_use]
pub fn sign(key: &[u8], parts: &[&[u8]], encoding: Encoding) -> String {
    mac(key, parts).map_or_else(String::new, |mac| {
        encoding.encode(&mac.finalize().into_bytes())
    })
}

/// Whether `given` is the signature of `parts` under one of `keys`. Every key is tried, so that
/// the time taken does not tell which one fits.
#[must_use]
pub fn is_signed<'k>(
    given: &str,
    encoding: Encoding,
    keys: impl IntoIterator<Item = &'k [u8]>,
    parts: &[&[u8]],
) -> bool {
    let Some(given) = encoding.decode(given) else {
        return false;
    };
    keys.into_iter().fold(false, |found, key| {
        let fits =
            !key.is_empty() && mac(key, parts).is_some_and(|mac| mac.verify_slice(&given).is_ok());
        found | fits
    })
}

/// HMAC takes keys of any length, so this is always there.
fn mac(key: &[u8], parts: &[&[u8]]) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    for part in parts {
        mac.update(part);
    }
    Some(mac)
}

#[cfg(test)]
mod tests {
    use super::*;
    use waybill_flow::ports::Secret;

    #[test]
    fn a_signature_fits_its_key_and_no_other() {
        let given = sign(b"key", &[b"a", b"b"], Encoding::Base64);
        let fits = |keys: &[&[u8]], parts: &[&[u8]]| {
            is_signed(&given, Encoding::Base64, keys.iter().copied(), parts)
        };
        assert!(fits(&[b"key"], &[b"ab"]));
        assert!(fits(&[b"new", b"key"], &[b"ab"]));
        assert!(!fits(&[b"new"], &[b"ab"]));
        assert!(!fits(&[], &[b"ab"]));
        assert!(!fits(&[b"key"], &[b"ab "]));
    }

    #[test]
    fn upper_case_hex_is_refused() {
        let given = sign(b"key", &[b"a"], Encoding::Hex);
        let keys: [&[u8]; 1] = [b"key"];
        assert!(is_signed(&given, Encoding::Hex, keys, &[b"a"]));
        assert!(!is_signed(
            &given.to_uppercase(),
            Encoding::Hex,
            keys,
            &[b"a"]
        ));
    }

    #[test]
    fn an_empty_key_signs_nothing() {
        let given = sign(b"", &[b"a"], Encoding::Hex);
        let keys: [&[u8]; 1] = [b""];
        assert!(!is_signed(&given, Encoding::Hex, keys, &[b"a"]));
    }

    #[test]
    fn blank_secrets_are_no_secrets() {
        let mut secrets = ConnectionSecrets {
            webhook_secrets: vec![Secret::new(" "), Secret::new("")],
            ..ConnectionSecrets::default()
        };
        assert_eq!(keys(&secrets), Err(Refusal::NoSecret));
        secrets.webhook_secrets.push(Secret::new("previous"));
        assert_eq!(keys(&secrets), Ok(vec!["previous"]));
    }
}
