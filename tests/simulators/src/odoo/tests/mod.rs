//! Tests of the simulated Odoo.
