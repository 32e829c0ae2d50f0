//! Lambda function `odoo-writer`.
