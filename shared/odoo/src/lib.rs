//! Odoo behind one port: JSON-RPC (17, 18) and JSON-2 (19 and later).
