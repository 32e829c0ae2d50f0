//! When a failed message comes back.

/// Seconds before the second attempt, at most.
pub const BASE_S: u32 = 2;
/// Longest wait that we choose. With full jitter the mean wait is half of it: a day, after which
/// commands are given up, takes about 200 receives, and a queue's `maxReceiveCount` has to allow
/// for clearly more, or messages end in the DLQ without an outcome.
pub const CAP_S: u32 = 15 * 60;
/// Longest visibility timeout that SQS takes, counted from the receive.
pub const MAX_VISIBILITY_S: u32 = 43_200;

/// Seconds until the next attempt after `receives` of them: exponential with full jitter, at least
/// what the partner asked for. `roll` is between 0 and 1.
#[must_use]
pub fn delay_s(receives: u32, asked_ms: Option<u64>, roll: f64) -> u32 {
    let exponent = receives.saturating_sub(1).min(16);
    let ceiling = BASE_S
        .saturating_mul(2_u32.saturating_pow(exponent))
        .clamp(BASE_S, CAP_S);
    // Bounded by CAP_S, so the cast neither truncates nor loses the sign.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let jittered = (f64::from(ceiling) * roll.clamp(0.0, 1.0)).ceil() as u32;
    let asked = asked_ms.map_or(0, |ms| {
        u32::try_from(ms.div_ceil(1000)).unwrap_or(MAX_VISIBILITY_S)
    });
    jittered.max(asked).clamp(1, MAX_VISIBILITY_S)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_and_is_capped() {
        let ceilings: Vec<u32> = [1, 2, 3, 8, 9, 10, 100]
            .iter()
            .map(|n| delay_s(*n, None, 1.0))
            .collect();
        assert_eq!(ceilings, [2, 4, 8, 256, 512, 900, 900]);
    }

    #[test]
    fn what_the_partner_asked_for_is_the_least() {
        assert_eq!(delay_s(1, Some(90_500), 1.0), 91);
        assert_eq!(delay_s(1, Some(u64::MAX), 0.0), MAX_VISIBILITY_S);
    }

    #[test]
    fn is_never_zero() {
        assert_eq!(delay_s(0, None, 0.0), 1);
    }
}
