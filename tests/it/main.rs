//! System tests, in one binary.

#[cfg(test)]
mod bad_orders;
#[cfg(test)]
mod bench;
#[cfg(test)]
mod breaker_codes;
#[cfg(test)]
mod contract;
#[cfg(test)]
mod dead_letters;
#[cfg(test)]
mod dependencies;
#[cfg(test)]
mod odoo_check;
#[cfg(test)]
mod odoo_contract;
#[cfg(test)]
mod odoo_keys;
#[cfg(test)]
mod profile;
#[cfg(test)]
mod project;
#[cfg(test)]
mod queues;
#[cfg(test)]
mod real_odoo;
#[cfg(test)]
mod storm;
#[cfg(test)]
mod template;
#[cfg(test)]
mod template_facts;
