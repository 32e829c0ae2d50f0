//! Simulators of Odoo and of the partners: real HTTP on loopback.
pub mod odoo;
