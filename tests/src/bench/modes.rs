//! What is compared.

/// How orders are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// (a) Order by order in 8 calls, as connectors do.
    PerOrder,
    /// (a2) Order by order in 5 calls, with a search by the shop's number first, so that an order that is there is not
    /// written again; products are known before.
    Searched,
    /// (b) Waybill's writer.
    Batch {
        /// Orders in one call.
        size: usize,
        /// With an adapter that was just made: it must log in and look products up.
        cold: bool,
    },
}

/// One row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mode {
    /// Its name.
    pub name: &'static str,
    /// How orders are written.
    pub way: Way,
    /// By how many at once.
    pub writers: usize,
}

/// How many orders a mode writes in a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// By each writer.
    pub each: usize,
    /// Writers.
    pub writers: usize,
}

const fn mode(name: &'static str, way: Way, writers: usize) -> Mode {
    Mode { name, way, writers }
}

const fn batch(size: usize) -> Way {
    Way::Batch { size, cold: false }
}

/// All modes. What is compared with what: same number of writers.
pub const MODES: [Mode; 11] = [
    mode("a   8 calls an order", Way::PerOrder, 1),
    mode("a2  5 calls an order", Way::Searched, 1),
    mode("b10", batch(10), 1),
    mode("b25", batch(25), 1),
    mode("b50", batch(50), 1),
    mode(
        "b50 cold",
        Way::Batch {
            size: 50,
            cold: true,
        },
        1,
    ),
    mode("a   two at once", Way::PerOrder, 2),
    mode("a2  two at once", Way::Searched, 2),
    mode("b10 two at once", batch(10), 2),
    mode("b25 two at once", batch(25), 2),
    mode("b50 two at once", batch(50), 2),
];

impl Mode {
    /// Whether this is what others are compared with.
    #[must_use]
    pub fn is_rival(&self) -> bool {
        !matches!(self.way, Way::Batch { .. })
    }

    /// Whether it runs when only these are asked for.
    #[must_use]
    pub fn is_asked_for(&self, only: &str) -> bool {
        self.name.contains(only)
            || (self.is_rival()
                && MODES
                    .iter()
                    .any(|m| m.name.contains(only) && m.writers == self.writers))
    }

    /// How many orders it writes when Waybill's modes write `orders` a round. Order by order it is a sixth of them for each
    /// writer: that takes about as long as half of the others, and rates do not hang on the number.
    #[must_use]
    pub fn size(&self, orders: u32) -> Size {
        let orders = usize::try_from(orders).unwrap_or(usize::MAX);
        let each = match self.way {
            Way::PerOrder | Way::Searched => (orders / 6).max(4),
            Way::Batch { size, .. } => {
                let each = if self.writers == 1 {
                    orders
                } else {
                    orders.div_ceil(self.writers)
                };
                each.div_ceil(size).max(1) * size
            }
        };
        Size {
            each,
            writers: self.writers,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_whole_and_two_writers_share_the_orders_where_they_can() {
        let sizes = |orders| MODES.map(|m| (m.size(orders).each, m.writers));
        assert_eq!(
            sizes(50),
            [
                (8, 1),
                (8, 1),
                (50, 1),
                (50, 1),
                (50, 1),
                (50, 1),
                (8, 2),
                (8, 2),
                (30, 2),
                (25, 2),
                (50, 2)
            ]
        );
        assert_eq!(MODES[4].size(60).each, 100);
    }

    #[test]
    fn a_part_brings_what_it_is_compared_with() {
        let names = |only: &str| {
            let asked = MODES.iter().filter(|m| m.is_asked_for(only));
            asked.map(|m| m.name).collect::<Vec<_>>()
        };
        assert_eq!(
            names("b50 two"),
            ["a   two at once", "a2  two at once", "b50 two at once"]
        );
        assert_eq!(
            names("b10"),
            [
                "a   8 calls an order",
                "a2  5 calls an order",
                "b10",
                "a   two at once",
                "a2  two at once",
                "b10 two at once"
            ]
        );
    }
}
