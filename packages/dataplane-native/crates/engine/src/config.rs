//! What a caller may tune, with units, ranges and the bounds that hold whatever it asks for.
//! Must not read files or the environment. Used by every module of the crate.

use std::path::PathBuf;
use std::time::Duration;

/// Longest silence while an answer is due before the connection is given up.
pub(crate) const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);
/// Longest time for all parts of one answer.
pub(crate) const READ_TIMEOUT: Duration = Duration::from_secs(60);
/// Shortest pause between two attempts to connect.
pub(crate) const RECONNECT_MIN: Duration = Duration::from_millis(50);
/// Packet-outs and echo replies beyond this many unsent bytes are dropped: nobody can make the engine hoard.
pub(crate) const MAX_UNSENT_SERVICE_BYTES: usize = 1 << 20;
/// Flows read back from the switch before the engine gives up on it.
pub(crate) const MAX_READ_FLOWS: usize = 2_000_000;
/// Groups or meters read back from the switch before the engine gives up on it.
pub(crate) const MAX_READ_OBJECTS: usize = 1_000_000;
/// Attempts to send one bundle without the objects that it failed for; then its messages go one by one.
pub(crate) const BUNDLE_ATTEMPTS: u32 = 3;

/// How an engine is opened. Every duration and count is clamped to its range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The bridge's management socket, `<rundir>/<bridge>.mgmt`. May appear and disappear at any time.
    pub mgmt_socket: PathBuf,
    /// Tickets not yet completed before `submit` answers busy; 1..=65536.
    pub max_tickets: usize,
    /// Bytes of batches that the engine thread has not taken yet before `submit` answers busy;
    /// 1 MiB..=1 GiB. A batch larger than all of it is taken when the queue is empty.
    pub max_queued_bytes: usize,
    /// Flow messages of one bundle; 1..=10000. Open vSwitch forwards nothing on its main thread
    /// while it commits one, so this bounds the stall.
    pub bundle_flows: usize,
    /// Groups and meters are read back this often to find changes by others (flows are watched).
    /// Also proves that the switch is alive. 100 ms..=1 h.
    pub check_interval: Duration,
    /// Longest pause between two attempts to connect; 50 ms..=60 s. The first is 50 ms.
    pub reconnect_max: Duration,
}

impl Options {
    /// The defaults for a bridge's management socket.
    pub fn new(mgmt_socket: impl Into<PathBuf>) -> Self {
        Self {
            mgmt_socket: mgmt_socket.into(),
            max_tickets: 256,
            max_queued_bytes: 64 << 20,
            bundle_flows: 5_000,
            check_interval: Duration::from_secs(5),
            reconnect_max: Duration::from_secs(1),
        }
    }

    /// The same with every value in its range.
    #[must_use]
    pub(crate) fn clamped(mut self) -> Self {
        self.max_tickets = self.max_tickets.clamp(1, 65_536);
        self.max_queued_bytes = self.max_queued_bytes.clamp(1 << 20, 1 << 30);
        self.bundle_flows = self.bundle_flows.clamp(1, 10_000);
        self.check_interval = self
            .check_interval
            .clamp(Duration::from_millis(100), Duration::from_secs(3600));
        self.reconnect_max = self
            .reconnect_max
            .clamp(RECONNECT_MIN, Duration::from_secs(60));
        self
    }
}
