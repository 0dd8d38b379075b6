//! What the engine tells its owner. Plain values; must hold no behaviour beyond construction.
//! Made on the engine's thread, delivered through the sink given to `Engine::open`.

use std::net::IpAddr;

/// An instruction that is not in the switch, and why.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Failure {
    /// Key of the instruction; empty when it cannot be told (an undecodable batch).
    pub key: String,
    pub reason: String,
}

/// A completed ticket: everything that its batch caused is in the switch, behind a barrier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completed {
    /// As `submit` gave it. Tickets complete in order, each once, also across reconnects.
    pub ticket: u64,
    /// All keys that fail now, sorted, not only those of this batch.
    pub failures: Vec<Failure>,
    /// Sizes of what is wanted and installed.
    pub flows: usize,
    pub groups: usize,
    pub meters: usize,
}

/// One event. `Completed` and `Connection` must be delivered; a sink may refuse the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    Completed(Completed),
    /// The connection came up (after resync: what is wanted is installed) or was lost.
    Connection {
        connected: bool,
        /// Why it was lost or cannot come up; empty when connected.
        reason: String,
    },
    /// Someone else changed what is ours; `repaired` flows, groups and meters were put right.
    Drift {
        repaired: usize,
    },
    /// A local port spoke for an address that only its allowed pairs name.
    Claim {
        port_id: String,
        ip: IpAddr,
        mac: [u8; 6],
    },
}

/// One flow of a port, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortFlow {
    /// Key of the instruction it stems from.
    pub key: String,
    pub cookie: u64,
    /// As ovs-ofctl(8) writes flows.
    pub text: String,
}

/// Receives events on the engine's thread; `false`: not taken (queue full). Must not block.
pub type Sink = Box<dyn Fn(Event) -> bool + Send>;

/// Counters since the engine was opened, and sizes now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    pub connected: bool,
    pub connects: u64,
    /// Tickets given and not completed.
    pub open_tickets: usize,
    pub flows: usize,
    pub groups: usize,
    pub meters: usize,
    /// Instructions that fail now.
    pub failing: usize,
    /// Objects in the switch with our mark that nothing compiled asks for; removed after `allow_prune`.
    pub leftovers: usize,
    pub bundles: u64,
    pub messages_sent: u64,
    pub drift_repaired: u64,
    pub packet_ins: u64,
    pub packet_outs: u64,
    /// Packet-ins above a port's rate, or of which nothing was made.
    pub packet_ins_dropped: u64,
    pub events_dropped: u64,
    /// Errors of the switch that belong to no request in flight.
    pub stray_errors: u64,
    /// The last reason for which the connection was lost; empty if never.
    pub last_reason: String,
}
