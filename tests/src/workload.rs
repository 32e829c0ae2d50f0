//! Orders in numbers for trials against an Odoo, and the means to judge what came of them.
//!
//! | module | does |
//! |---|---|
//! | [`orders`] | orders that no earlier run wrote, with totals that are right to the cent |
//! | [`link`] | the settings that Waybill reaches this Odoo by |
//! | [`meter`] | a thin proxy that times every answer, the same for whoever calls |
//! | [`held`] | what Odoo holds of them at the end, read without Waybill's own code |

pub mod held;
pub mod link;
pub mod meter;
pub mod orders;
