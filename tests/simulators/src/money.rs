//! Money in integer minor units, and its texts.

/// `12.34` for 1234.
#[must_use]
pub fn decimal(minor: i64) -> String {
    let sign = if minor < 0 { "-" } else { "" };
    let minor = minor.unsigned_abs();
    format!("{sign}{}.{:02}", minor / 100, minor % 100)
}

/// `minor * numerator / denominator`, half away from zero. A denominator of 0 gives 0.
#[must_use]
pub fn ratio(minor: i64, numerator: i64, denominator: i64) -> i64 {
    let (n, d) = (
        i128::from(minor) * i128::from(numerator),
        i128::from(denominator),
    );
    if d == 0 {
        return 0;
    }
    let half = d.abs() / 2;
    let rounded = if (n < 0) == (d < 0) {
        (n.abs() + half) / d.abs()
    } else {
        -((n.abs() + half) / d.abs())
    };
    i64::try_from(rounded).unwrap_or(i64::MAX)
}

/// Splits `total` over `weights` so that the parts add up to it: the last part with a weight takes
/// what rounding left.
#[must_use]
pub fn allocate(total: i64, weights: &[i64]) -> Vec<i64> {
    let sum: i64 = weights.iter().sum();
    let last = weights.iter().rposition(|w| *w != 0);
    let mut given = 0;
    weights
        .iter()
        .enumerate()
        .map(|(i, w)| {
            let part = if Some(i) == last {
                total - given
            } else {
                ratio(total, *w, sum)
            };
            given += part;
            part
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_have_two_decimals_and_a_sign() {
        assert_eq!(decimal(1234), "12.34");
        assert_eq!(decimal(-5), "-0.05");
        assert_eq!(decimal(0), "0.00");
    }

    #[test]
    fn halves_round_away_from_zero() {
        assert_eq!(ratio(5, 1, 2), 3);
        assert_eq!(ratio(-5, 1, 2), -3);
        assert_eq!(ratio(100, 1, 3), 33);
    }

    #[test]
    fn parts_add_up_to_the_whole() {
        assert_eq!(allocate(100, &[1, 1, 1]), [33, 33, 34]);
        assert_eq!(allocate(10, &[0, 5, 0]), [0, 10, 0]);
        assert_eq!(allocate(7, &[]), Vec::<i64>::new());
    }
}
