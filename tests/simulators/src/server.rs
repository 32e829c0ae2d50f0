//! The HTTP server: every simulator under its prefix, and connections that can be dropped without
//! an answer.

use crate::canonical::{marketplace, warehouse};
use crate::faults::{Layer, inject};
use crate::sim::Sim;
use crate::world::World;
use axum::Router;
use axum::extract::connect_info::Connected;
use axum::middleware::from_fn_with_state;
use axum::serve::{IncomingStream, Listener};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

/// The connection that a call came over.
#[derive(Debug, Clone, Default)]
pub struct Connection {
    cut: Arc<AtomicBool>,
}

impl Connection {
    /// Drops the connection: nothing more is written, the answer included.
    pub fn cut(&self) {
        self.cut.store(true, Ordering::Release);
    }
}

/// Accepts connections that can be cut.
#[derive(Debug)]
pub struct CuttableListener(TcpListener);

/// A connection that can be cut.
#[derive(Debug)]
pub struct CuttableStream {
    stream: TcpStream,
    connection: Connection,
}

impl Listener for CuttableListener {
    type Io = CuttableStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            if let Ok((stream, address)) = self.0.accept().await {
                let connection = Connection::default();
                return (CuttableStream { stream, connection }, address);
            }
            // Out of descriptors, most likely: wait until some are given back.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.0.local_addr()
    }
}

impl Connected<IncomingStream<'_, CuttableListener>> for Connection {
    fn connect_info(stream: IncomingStream<'_, CuttableListener>) -> Self {
        stream.io().connection.clone()
    }
}

impl CuttableStream {
    fn check(&self) -> io::Result<()> {
        if self.connection.cut.load(Ordering::Acquire) {
            return Err(io::Error::from(io::ErrorKind::ConnectionAborted));
        }
        Ok(())
    }
}

impl AsyncRead for CuttableStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for CuttableStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if let Err(e) = self.check() {
            return Poll::Ready(Err(e));
        }
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Err(e) = self.check() {
            return Poll::Ready(Err(e));
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Every simulator under its prefix, with its faults, and the control API under `/_sim`.
///
/// # Errors
/// A real Odoo stands in, and no client for it can be made.
pub fn router(world: &Arc<World>) -> io::Result<Router> {
    let odoo = match &world.options.real_odoo {
        Some(url) => crate::proxy::router(url)?,
        None => Arc::clone(&world.odoo).router(),
    };
    let mut router = Router::new().nest("/_sim", crate::control::router(Arc::clone(world)));
    let partners = [
        (Sim::Shopify, crate::shopify::router(Arc::clone(world))),
        (Sim::Stripe, crate::stripe::router(Arc::clone(world))),
        (Sim::Easypost, crate::easypost::router(Arc::clone(world))),
        (Sim::Canonical, warehouse::router(Arc::clone(world))),
        (Sim::Marketplace, marketplace::router(Arc::clone(world))),
        (Sim::Shipbob, crate::shipbob::router(Arc::clone(world))),
        (Sim::Odoo, odoo),
        (Sim::Zendesk, crate::zendesk::router(Arc::clone(world))),
    ];
    for (sim, simulator) in partners {
        let layer = Layer {
            world: Arc::clone(world),
            sim,
        };
        let faulty = simulator.layer(from_fn_with_state(layer, inject));
        router = router.nest(&format!("/{}", sim.as_str()), faulty);
    }
    Ok(router)
}

/// Serves on a bound socket until `stop` resolves.
///
/// # Errors
/// The socket failed, or see [`router`].
pub async fn serve(
    listener: TcpListener,
    world: Arc<World>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let service = router(&world)?.into_make_service_with_connect_info::<Connection>();
    axum::serve(CuttableListener(listener), service)
        .with_graceful_shutdown(stop)
        .await
}
