//! The engine: owns the OpenFlow connection of one bridge and keeps its flows, groups and meters as the
//! compiler wants them. Must know nothing of Node or of central. Called by the binding.
//!
//! ```text
//! Engine --queue--> thread { worker: program (compiler) -> dirty -> install --link--> br-int.mgmt }
//!    ^                               resync, drift, services  --> events --> sink
//!    +---- stats ----------------------------+
//! ```
//!
//! Invariant: adds before removes; what a flow uses is there before it and goes after it.
//! Invariant: tickets complete in order, each once, and only behind a barrier.
//! Invariant: nothing without our mark is changed or removed.

mod claims;
mod config;
mod drift;
mod error;
mod event;
mod handshake;
mod icmp;
mod install;
mod limits;
mod link;
mod neighbour;
mod program;
mod queue;
mod reconnect;
mod resync;
mod routing;
mod services;
mod trace;
mod work;
mod worker;

pub use config::Options;
pub use error::{OpenError, RequestError};
pub use event::{Completed, Event, Failure, PortFlow, Sink, Stats};
pub use trace::{TraceEvent, TraceRequest, TraceStep, Traced};

use queue::{FlowsRequest, Queue, Request};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use worker::Worker;

/// The version of this engine, as the agent reports it to central.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// One bridge's engine. Dropping it closes it.
pub struct Engine {
    queue: Queue,
    stats: Arc<Mutex<Stats>>,
    thread: Option<JoinHandle<()>>,
}

impl Engine {
    /// Starts the engine's thread, which connects and reconnects by itself. `sink` is called on it.
    /// A panic on that thread ends the process: flows stay, and whoever restarts the process resyncs.
    pub fn open(options: Options, sink: Sink) -> Result<Self, OpenError> {
        let options = options.clamped();
        let (link, waker) = link::Link::new()?;
        let queue = Queue::new(waker, options.max_tickets, options.max_queued_bytes);
        let stats: Arc<Mutex<Stats>> = Arc::default();
        let mut worker = Worker::new(options, (link, queue.clone()), sink, stats.clone());
        let thread = std::thread::Builder::new()
            .name("weft-engine".to_owned())
            .spawn(move || {
                let bomb = AbortOnPanic;
                worker.run();
                std::mem::forget(bomb);
            })?;
        Ok(Self {
            queue,
            stats,
            thread: Some(thread),
        })
    }

    /// Takes an encoded `EngineBatch` and answers its ticket (1, 2, ...), or `None`: busy or closed, and
    /// nothing was taken. The first batch of a life should hold everything known, local facts included:
    /// what it leaves out looks changed to the switch until a later one brings it.
    pub fn submit(&self, batch: &[u8]) -> Option<u64> {
        self.queue.submit(batch)
    }

    /// What is in the switch with our mark and not compiled may be removed from now on. Until then only
    /// what a batch of this life brought is removed when a batch takes it back. Idempotent.
    pub fn allow_prune(&self) {
        self.queue.allow_prune();
    }

    /// Calls `reply` with the flows made for a port, by table and then priority; on the engine's thread.
    pub fn port_flows(
        &self,
        port_key: u32,
        reply: impl FnOnce(Result<Vec<PortFlow>, RequestError>) + Send + 'static,
    ) {
        self.queue.request(Request::Flows(FlowsRequest {
            port_key,
            reply: Box::new(reply),
        }));
    }

    /// Calls `reply` with the way of a packet through what the switch should contain; on the engine's
    /// thread, which it takes some milliseconds for every ten thousand flows.
    pub fn trace(
        &self,
        request: TraceRequest,
        reply: impl FnOnce(Result<Traced, RequestError>) + Send + 'static,
    ) {
        self.queue.request(Request::Trace(request, Box::new(reply)));
    }

    /// Counters as of the thread's last round.
    pub fn stats(&self) -> Stats {
        self.stats
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Stops and joins the thread. Flows stay; open tickets are not completed. Idempotent.
    pub fn close(&mut self) {
        self.queue.stop();
        if let Some(thread) = self.thread.take() {
            // It cannot have panicked: the process would have ended.
            let _ = thread.join();
        }
        self.queue.refuse_requests();
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.close();
    }
}

/// Dropped only when the thread unwinds.
struct AbortOnPanic;

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        eprintln!(
            "weft-engine: the engine's thread panicked (see above); the process ends, the flows stay. \
             This is a bug: please report it"
        );
        std::process::abort();
    }
}
