//! `cargo xtask ops`: the operations API of a deployed stack, from a terminal.
//!
//! A thin client: every command is a request, or one for each page of an answer. The token comes from
//! a file or the environment, never from the command line, where other users of the machine see it.

mod print;
mod request;

use crate::Stop;
use request::Request;
use serde_json::Value;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Environment: base address of the operations API, the stack's output `OpsUrl`.
const URL: &str = "WAYBILL_OPS_URL";
/// Environment: a token of the secret `ops-api`.
const TOKEN: &str = "WAYBILL_OPS_TOKEN";
/// Most pages of one command: more are a mistake in the filter.
const MAX_PAGES: usize = 1000;

/// Arguments.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Base address of the operations API, the stack's output `OpsUrl`; else $WAYBILL_OPS_URL
    #[arg(long, global = true)]
    url: Option<String>,
    /// File that holds a token; else $WAYBILL_OPS_TOKEN
    #[arg(long, global = true, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Print the answers as they come, one JSON document a line
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Clone, clap::Subcommand)]
enum Action {
    /// What is open, how old, and what is at stake, by what is wrong
    Summary,
    /// List cases, oldest first
    Cases(Listing),
    /// Show one case
    Case {
        /// Its id
        id: String,
    },
    /// Try a case again, or all of a class and code
    Retry(Chosen),
    /// Leave a case as it is, or all of a class and code
    Ignore {
        /// Why nothing is to be done; no personal data
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        chosen: Chosen,
    },
    /// Give a case to somebody, or all of a class and code
    Assign {
        /// Id of the operator; yourself if absent
        #[arg(long)]
        to: Option<String>,
        #[command(flatten)]
        chosen: Chosen,
    },
    /// Close a case of no order as resolved: what it says is done
    Close {
        /// Its id
        case: String,
    },
    /// Show orders by one of their marks
    Order(Mark),
    /// Show what happened to an order
    Timeline {
        /// Its correlation id
        order: String,
    },
    /// Issue an effect of an order again that was rejected, or of which nothing was heard for a day
    RetryEffect {
        /// Correlation id of the order
        order: String,
        /// Name of the effect, as the order shows it, such as `sale_order.create`
        effect: String,
    },
    /// Let an order pass although something was found: it goes on, and that cannot be taken back
    Waive {
        /// Correlation id of the order
        order: String,
        /// Code of the finding, as the order shows it
        code: String,
    },
    /// Correct what the channel told wrong, and go on with it
    Correct(Correction),
    /// Run archived deliveries again
    Replay(Archive),
    /// Show what a replay would change, and write nothing
    DryRun {
        /// Connections file to read with, instead of the deployed one
        #[arg(long, value_name = "FILE")]
        connections: Option<PathBuf>,
        #[command(flatten)]
        archive: Archive,
    },
    /// Show each connection's breaker, pace and quota
    Connections,
    /// Show how much is in the dead-letter queues
    DeadLetters,
    /// Move messages of a dead-letter queue back
    Redrive {
        /// inbound, events, erp, erp-bulk, fulfillment or status
        queue: String,
        /// Most messages; at most 500
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
}

#[derive(Debug, Clone, Default, clap::Args)]
struct Listing {
    /// open, resolved or ignored
    #[arg(long)]
    status: Option<String>,
    /// data, erp, fulfillment, finance, service or integration
    #[arg(long)]
    class: Option<String>,
    /// What is wrong
    #[arg(long)]
    code: Option<String>,
    /// The connection that it is about
    #[arg(long)]
    connection: Option<String>,
    /// Who works on it
    #[arg(long)]
    owner: Option<String>,
    /// Correlation id of an order
    #[arg(long)]
    order: Option<String>,
}

/// One case, or all that a filter names.
#[derive(Debug, Clone, Default, clap::Args)]
struct Chosen {
    /// Id of one case
    #[arg(required_unless_present_all = ["class", "code"], conflicts_with_all = ["class", "code"])]
    case: Option<String>,
    /// All of this class …
    #[arg(long, requires = "code")]
    class: Option<String>,
    /// … and code
    #[arg(long, requires = "class")]
    code: Option<String>,
    /// Of them, those about this connection
    #[arg(long, requires = "class")]
    connection: Option<String>,
    /// Of them, those that this person works on
    #[arg(long, requires = "class")]
    owner: Option<String>,
    /// Of them, those opened so long ago
    #[arg(long, requires = "class", value_name = "MINUTES")]
    older_than_minutes: Option<u32>,
    /// Only tell which, and which of them would be refused
    #[arg(long, requires = "class")]
    dry_run: bool,
}

#[derive(Debug, Clone, Default, clap::Args)]
#[group(required = true, multiple = false)]
struct Mark {
    /// The number that the customer sees
    #[arg(long)]
    number: Option<String>,
    /// The customer's e-mail address
    #[arg(long)]
    email: Option<String>,
    /// A tracking number
    #[arg(long)]
    tracking: Option<String>,
    /// The id of a helpdesk's ticket
    #[arg(long)]
    ticket: Option<String>,
    /// The correlation id
    #[arg(long)]
    correlation: Option<String>,
}

#[derive(Debug, Clone, Default, clap::Args)]
struct Correction {
    /// Correlation id of the order
    order: String,
    /// A line and its SKU
    #[arg(long, value_name = "LINE=SKU", required_unless_present_any = ["method", "address"])]
    sku: Option<String>,
    /// Code of the way of delivery
    #[arg(long, conflicts_with = "sku")]
    method: Option<String>,
    /// File with the whole shipping address as JSON
    #[arg(long, value_name = "FILE", conflicts_with_all = ["sku", "method"])]
    address: Option<PathBuf>,
    /// Why; no personal data
    #[arg(long)]
    reason: String,
    /// The refused effect to issue again with it
    #[arg(long)]
    effect: Option<String>,
}

/// Which archived deliveries.
#[derive(Debug, Clone, Default, clap::Args)]
struct Archive {
    /// Everything of an order
    #[arg(long, required_unless_present_any = ["receipt", "from"])]
    order: Option<String>,
    /// One delivery
    #[arg(long, conflicts_with = "order")]
    receipt: Option<String>,
    /// Received at this instant or later, such as 2026-11-23T08:00:00Z
    #[arg(long, requires = "to", conflicts_with_all = ["order", "receipt"])]
    from: Option<String>,
    /// Received before this instant
    #[arg(long, requires = "from")]
    to: Option<String>,
    /// Of a range, what came through this connection
    #[arg(long, requires = "from")]
    connection: Option<String>,
    /// Of a range, this topic of the partner
    #[arg(long, requires = "from")]
    topic: Option<String>,
}

/// Makes the requests and prints the answers; false if something was refused.
///
/// # Errors
/// No address or token, a file that cannot be read, or no answer.
pub async fn run(options: &Options) -> Result<bool, Stop> {
    let url = options.url.clone().or_else(|| std::env::var(URL).ok());
    let url = url.ok_or_else(|| {
        Stop(format!(
            "no address: give --url or ${URL}, the stack's output `OpsUrl`"
        ))
    })?;
    let token = token(options.token_file.as_deref())?;
    let client = reqwest::Client::new();
    let mut request = Request::of(&options.action)?;
    for _ in 0..MAX_PAGES {
        let (status, answer) = call(&client, &url, &token, &request).await?;
        let text = if options.json {
            format!("{answer}\n")
        } else {
            print::answer(&options.action, status, &answer)
        };
        // A closed terminal must not end a run half way.
        drop(write!(std::io::stdout(), "{text}"));
        let of = |name: &str| answer.get(name).and_then(Value::as_str);
        if !(200..300).contains(&status) || of("stopped_at").is_some() {
            return Ok(false);
        }
        match of("cursor") {
            Some(cursor) => request.continue_at(cursor),
            None => return Ok(true),
        }
    }
    Err(Stop(format!(
        "more than {MAX_PAGES} pages: give a narrower filter"
    )))
}

fn token(file: Option<&Path>) -> Result<String, Stop> {
    let token = match file {
        Some(file) => std::fs::read_to_string(file)
            .map_err(|e| Stop::new(format!("reading `{}`", file.display()), e))?,
        None => std::env::var(TOKEN)
            .map_err(|_| Stop(format!("no token: give --token-file or ${TOKEN}")))?,
    };
    Ok(token.trim().to_owned())
}

async fn call(
    client: &reqwest::Client,
    url: &str,
    token: &str,
    request: &Request,
) -> Result<(u16, Value), Stop> {
    let doing = || format!("{} {}", request.method, request.path);
    let method: reqwest::Method = request.method.parse().map_err(|e| Stop::new(doing(), e))?;
    let address = format!("{}/{}", url.trim_end_matches('/'), request.path);
    let mut call = client
        .request(method, address)
        .query(&request.query)
        .bearer_auth(token);
    if let Some(body) = &request.body {
        call = call.json(body);
    }
    // The error names the address and not the token.
    let answer = call.send().await.map_err(|e| Stop::new(doing(), e))?;
    let status = answer.status().as_u16();
    let text = answer.text().await.map_err(|e| Stop::new(doing(), e))?;
    let json = serde_json::from_str(&text).map_err(|e| {
        Stop::new(
            doing(),
            format!("HTTP {status}, and no JSON ({e}): is it the operations API?"),
        )
    })?;
    Ok((status, json))
}
