//! Waybill's writer, by the port and with the client that the function uses.

use crate::Stop;
use crate::workload::link::{Key, Link, erp};
use crate::workload::orders::{Plan, Run, command};
use std::time::Duration;
use waybill_flow::ports::{Erp as _, ErpCommand};
use waybill_model::id::ConnectionId;
use waybill_odoo::Odoo;

/// What the function leaves the writer of its 60 s.
const WITHIN: Duration = Duration::from_secs(50);
/// Attempts of one batch: what the queue would hand in again.
const ATTEMPTS: usize = 5;

/// One writer: what one running function has.
#[derive(Debug)]
pub struct Ours {
    odoo: Odoo<Key>,
    erp: ConnectionId,
}

impl Ours {
    /// One that knows nothing yet.
    ///
    /// # Errors
    /// The link's values are none, or no client can be made.
    pub fn new(link: &Link, key: &Key) -> Result<Self, Stop> {
        let http = waybill_partners::http::client().map_err(|e| Stop::new("making a client", e))?;
        Ok(Self {
            odoo: Odoo::new(link.connections()?, key.clone(), http),
            erp: erp()?,
        })
    }

    /// Writes orders in batches of `size`; returns how many batches had to be repeated.
    ///
    /// # Errors
    /// An order was refused, or not written after all attempts.
    pub async fn write(&self, run: &Run, plans: &[Plan], size: usize) -> Result<usize, Stop> {
        let commands = plans
            .iter()
            .map(|plan| command(&self.erp, run.order(plan)?))
            .collect::<Result<Vec<_>, Stop>>()?;
        let mut repeats = 0;
        for batch in commands.chunks(size) {
            repeats += self.write_batch(batch).await?;
        }
        Ok(repeats)
    }

    async fn write_batch(&self, batch: &[ErpCommand]) -> Result<usize, Stop> {
        let mut open: Vec<ErpCommand> = batch.to_vec();
        for attempt in 0..ATTEMPTS {
            let results = self.odoo.write_within(&self.erp, &open, WITHIN).await;
            let mut again = Vec::new();
            let mut last = None;
            for (command, result) in open.into_iter().zip(results) {
                match result {
                    Ok(_) => {}
                    Err(failure) if failure.class() == "rejected" => {
                        let told = format!("`{}`: {}", failure.code(), failure.detail());
                        return Err(Stop::new("writing an order", told));
                    }
                    Err(failure) => {
                        last = Some(failure);
                        again.push(command);
                    }
                }
            }
            let Some(failure) = last else {
                return Ok(attempt);
            };
            open = again;
            if attempt + 1 == ATTEMPTS {
                let told = format!("`{}`: {}", failure.code(), failure.detail());
                return Err(Stop::new(format!("writing a batch {ATTEMPTS} times"), told));
            }
        }
        Ok(ATTEMPTS)
    }
}
