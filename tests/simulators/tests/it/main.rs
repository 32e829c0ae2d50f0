//! The simulators over real HTTP: one test binary.

#[cfg(test)]
mod canonical;
#[cfg(test)]
mod day;
#[cfg(test)]
mod erp;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod helpdesk;
#[cfg(test)]
mod money;
#[cfg(test)]
mod proxy;
#[cfg(test)]
mod shop;
#[cfg(test)]
mod signatures;
#[cfg(test)]
mod warehouse;
