//! Servers on a free port of the loopback.

use axum::Router;
use std::io;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A server, which goes on until its task is ended or the runtime is.
#[derive(Debug)]
pub struct Served {
    /// Where it is, without a slash at the end.
    pub url: String,
    /// It.
    pub task: JoinHandle<io::Result<()>>,
}

/// Begins to serve.
///
/// # Errors
/// No port can be had.
pub async fn serve(router: Router) -> io::Result<Served> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let task = tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(Served { url, task })
}
