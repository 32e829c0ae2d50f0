//! Every port in memory. Fakes behave: they keep what is written and find it again.

mod effects;
mod erp;
mod orders;
mod partner;
mod queues;
mod secrets;

pub use effects::MemoryEffects;
pub use erp::FakeErp;
pub use orders::MemoryOrders;
pub use partner::{Called, FakePartner, Reply};
pub use queues::MemoryQueues;
pub use secrets::MemorySecrets;
