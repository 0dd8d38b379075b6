//! The crate's errors. `OpenError` reaches the caller; `Lost` ends one connection and never the engine.
//! Made where they happen; read by the worker and the binding.

use std::io;

/// Why an engine could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The operating system refused what the thread needs.
    #[error("the engine's thread cannot start: {0}")]
    Thread(#[from] io::Error),
}

/// Why a request to the engine got no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// `close` was called.
    #[error("the engine is closed")]
    Closed,
    /// The queue of requests is full.
    #[error("the engine is busy: try again when earlier requests were answered")]
    Busy,
    /// A packet to trace that cannot be one.
    #[error("{0}")]
    Invalid(String),
}

/// Why a connection ended. All lead to a new attempt after a pause, `Stop` excepted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Lost {
    /// The owner closes the engine.
    #[error("the engine is closing")]
    Stop,
    #[error("{path}: {error}; is ovs-vswitchd running and the bridge there?")]
    Connect { path: String, error: io::Error },
    #[error("the switch closed the connection")]
    Eof,
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
    #[error("the switch sent what is not OpenFlow 1.5: {0}")]
    Protocol(String),
    #[error("the switch did not answer {what} within {seconds} s")]
    Silent { what: &'static str, seconds: u64 },
    #[error("the switch refused {what}: {error}")]
    Refused { what: &'static str, error: String },
    /// Something only an operator can put right.
    #[error("{0}")]
    Unusable(String),
}
