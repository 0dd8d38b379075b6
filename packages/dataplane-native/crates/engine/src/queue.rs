//! The bounded way into the engine's thread: batches with tickets, and requests. Owns the counting
//! of open tickets; must not decode or wait. `Engine` puts in, the worker takes out.

use crate::error::RequestError;
use crate::trace::{TraceRequest, Traced};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Requests that wait at once; they are for people, so few are enough.
const MAX_REQUESTS: usize = 64;

/// A batch as it came, and the ticket it got.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) ticket: u64,
    pub(crate) bytes: Vec<u8>,
}

/// The answer to `port_flows`: text of each flow, in table and priority order.
pub(crate) type FlowsReply = Box<dyn FnOnce(Result<Vec<crate::PortFlow>, RequestError>) + Send>;

/// A question about one port's flows.
pub(crate) struct FlowsRequest {
    pub(crate) port_key: u32,
    pub(crate) reply: FlowsReply,
}

/// The answer to `trace`.
pub(crate) type TraceReply = Box<dyn FnOnce(Result<Traced, RequestError>) + Send>;

/// A question for people.
pub(crate) enum Request {
    Flows(FlowsRequest),
    Trace(TraceRequest, TraceReply),
}

impl Request {
    fn refuse(self, error: RequestError) {
        match self {
            Request::Flows(request) => (request.reply)(Err(error)),
            Request::Trace(_, reply) => reply(Err(error)),
        }
    }
}

/// What the worker takes in one go.
#[derive(Default)]
pub(crate) struct Taken {
    pub(crate) batches: Vec<Batch>,
    pub(crate) requests: Vec<Request>,
    pub(crate) allow_prune: bool,
}

#[derive(Default)]
struct State {
    taken: Taken,
    queued_bytes: usize,
    open_tickets: usize,
    last_ticket: u64,
    stop: bool,
}

/// Shared by the engine's owner and its thread.
#[derive(Clone)]
pub(crate) struct Queue {
    state: Arc<Mutex<State>>,
    waker: Arc<mio::Waker>,
    max_tickets: usize,
    max_bytes: usize,
}

impl Queue {
    pub(crate) fn new(waker: mio::Waker, max_tickets: usize, max_bytes: usize) -> Self {
        Self {
            state: Arc::default(),
            waker: Arc::new(waker),
            max_tickets,
            max_bytes,
        }
    }

    /// A panic of the other side ends the process, so a poisoned state is never seen in earnest.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A failed wake means that the thread's poll is gone, which `close` notices.
    fn wake(&self) {
        let _ = self.waker.wake();
    }

    /// The ticket of a taken batch, or `None`: busy or closed, nothing taken.
    pub(crate) fn submit(&self, bytes: &[u8]) -> Option<u64> {
        let mut state = self.lock();
        let full = state.open_tickets >= self.max_tickets
            || (state.queued_bytes > 0 && state.queued_bytes + bytes.len() > self.max_bytes);
        if full || state.stop {
            return None;
        }
        state.last_ticket += 1;
        state.open_tickets += 1;
        state.queued_bytes += bytes.len();
        let ticket = state.last_ticket;
        state.taken.batches.push(Batch {
            ticket,
            bytes: bytes.to_vec(),
        });
        drop(state);
        self.wake();
        Some(ticket)
    }

    pub(crate) fn allow_prune(&self) {
        self.lock().taken.allow_prune = true;
        self.wake();
    }

    pub(crate) fn request(&self, request: Request) {
        let mut state = self.lock();
        let refusal = if state.stop {
            Some(RequestError::Closed)
        } else if state.taken.requests.len() >= MAX_REQUESTS {
            Some(RequestError::Busy)
        } else {
            None
        };
        if let Some(error) = refusal {
            drop(state);
            request.refuse(error);
            return;
        }
        state.taken.requests.push(request);
        drop(state);
        self.wake();
    }

    /// Nothing is taken from now on; the worker stops at its next look.
    pub(crate) fn stop(&self) {
        self.lock().stop = true;
        self.wake();
    }

    pub(crate) fn stopping(&self) -> bool {
        self.lock().stop
    }

    /// Everything queued, in order.
    pub(crate) fn take(&self) -> Taken {
        let mut state = self.lock();
        state.queued_bytes = 0;
        std::mem::take(&mut state.taken)
    }

    /// Whether `take` would answer nothing.
    pub(crate) fn is_empty(&self) -> bool {
        let taken = &self.lock().taken;
        taken.batches.is_empty() && taken.requests.is_empty() && !taken.allow_prune
    }

    /// A ticket's completion is on its way to the owner: its place is free.
    pub(crate) fn completed(&self, tickets: usize) {
        let mut state = self.lock();
        state.open_tickets = state.open_tickets.saturating_sub(tickets);
    }

    pub(crate) fn open_tickets(&self) -> usize {
        self.lock().open_tickets
    }

    /// After the worker has gone: nobody will answer what is still queued.
    pub(crate) fn refuse_requests(&self) {
        for request in self.take().requests {
            request.refuse(RequestError::Closed);
        }
    }
}
