//! Decisions from bytes: the fuzzer's input decides what is done to a seed.

/// Reads decisions. Where the bytes have ended everything is 0, the mildest choice, so that a shorter
/// input does less.
#[derive(Debug, Clone)]
pub struct Draw<'a> {
    bytes: &'a [u8],
}

impl<'a> Draw<'a> {
    /// Decides by these bytes.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.bytes.split_first() else {
            return 0;
        };
        self.bytes = rest;
        *first
    }

    /// A number below `limit`; 0 for a limit of 0.
    pub fn below(&mut self, limit: usize) -> usize {
        let high = usize::from(self.byte());
        let number = if limit > 256 {
            high << 8 | usize::from(self.byte())
        } else {
            high
        };
        number.checked_rem(limit).unwrap_or_default()
    }

    /// Whether something happens that happens once in `times`.
    pub fn once_in(&mut self, times: usize) -> bool {
        // Not at 0: what has ended does nothing.
        self.below(times) + 1 == times
    }

    /// One of these.
    pub fn of<'t, T>(&mut self, these: &'t [T]) -> &'t T {
        &these[self.below(these.len())]
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        (0..8).fold(0, |number, _| number << 8 | u64::from(self.byte()))
    }

    /// All that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.bytes)
    }

    /// Whether nothing is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_ended_decides_for_the_mildest() {
        let mut draw = Draw::new(&[7]);
        assert_eq!(draw.below(5), 2);
        assert!(draw.is_empty());
        assert_eq!(draw.below(5), 0);
        assert!(!draw.once_in(2));
        assert_eq!(*draw.of(&[1, 2]), 1);
    }
}
