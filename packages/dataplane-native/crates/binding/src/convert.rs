//! The plain objects that cross the boundary, and their conversions. Must hold no logic beyond that.
//! Every field is present; `null` for none; 64-bit numbers that identify are bigint, counters are numbers.

use napi::bindgen_prelude::BigInt;
use napi_derive::napi;
use std::net::IpAddr;
use std::time::Duration;
use weft_engine::{Event, Failure, Options, PortFlow, Stats};

/// As `ts/native.ts` gives it; `null`: the engine's default.
#[napi(object, use_nullable = true)]
pub struct NativeOptions {
    pub mgmt_socket: String,
    pub max_tickets: Option<u32>,
    pub max_queued_bytes: Option<u32>,
    pub bundle_flows: Option<u32>,
    pub check_interval_ms: Option<u32>,
    pub reconnect_max_ms: Option<u32>,
}

impl From<NativeOptions> for Options {
    fn from(native: NativeOptions) -> Self {
        let mut options = Options::new(native.mgmt_socket);
        let size = |value: Option<u32>, default: usize| value.map_or(default, |v| v as usize);
        let millis = |value: Option<u32>, default: Duration| {
            value.map_or(default, |ms| Duration::from_millis(u64::from(ms)))
        };
        options.max_tickets = size(native.max_tickets, options.max_tickets);
        options.max_queued_bytes = size(native.max_queued_bytes, options.max_queued_bytes);
        options.bundle_flows = size(native.bundle_flows, options.bundle_flows);
        options.check_interval = millis(native.check_interval_ms, options.check_interval);
        options.reconnect_max = millis(native.reconnect_max_ms, options.reconnect_max);
        options
    }
}

/// An instruction that is not in the switch.
#[napi(object)]
pub struct NativeFailure {
    pub key: String,
    pub reason: String,
}

impl From<Failure> for NativeFailure {
    fn from(failure: Failure) -> Self {
        Self {
            key: failure.key,
            reason: failure.reason,
        }
    }
}

/// One event: `kind` says which of the others is there.
#[napi(object, use_nullable = true)]
pub struct NativeEvent {
    pub kind: String,
    pub completed: Option<NativeCompleted>,
    pub connection: Option<NativeConnection>,
    pub drift: Option<NativeDrift>,
    pub claim: Option<NativeClaim>,
}

#[napi(object)]
pub struct NativeCompleted {
    pub ticket: BigInt,
    pub failures: Vec<NativeFailure>,
    pub flows: u32,
    pub groups: u32,
    pub meters: u32,
}

#[napi(object)]
pub struct NativeConnection {
    pub connected: bool,
    pub reason: String,
}

#[napi(object)]
pub struct NativeDrift {
    pub repaired: u32,
}

#[napi(object)]
pub struct NativeClaim {
    pub port_id: String,
    /// 4 or 16 bytes.
    pub ip: Vec<u8>,
    /// 6 bytes.
    pub mac: Vec<u8>,
}

impl From<Event> for NativeEvent {
    fn from(event: Event) -> Self {
        let mut native = Self {
            kind: String::new(),
            completed: None,
            connection: None,
            drift: None,
            claim: None,
        };
        let kind = match event {
            Event::Completed(done) => {
                native.completed = Some(NativeCompleted {
                    ticket: BigInt::from(done.ticket),
                    failures: done.failures.into_iter().map(Into::into).collect(),
                    flows: count(done.flows),
                    groups: count(done.groups),
                    meters: count(done.meters),
                });
                "completed"
            }
            Event::Connection { connected, reason } => {
                native.connection = Some(NativeConnection { connected, reason });
                "connection"
            }
            Event::Drift { repaired } => {
                native.drift = Some(NativeDrift {
                    repaired: count(repaired),
                });
                "drift"
            }
            Event::Claim { port_id, ip, mac } => {
                let ip = match ip {
                    IpAddr::V4(ip) => ip.octets().to_vec(),
                    IpAddr::V6(ip) => ip.octets().to_vec(),
                };
                native.claim = Some(NativeClaim {
                    port_id,
                    ip,
                    mac: mac.to_vec(),
                });
                "claim"
            }
        };
        kind.clone_into(&mut native.kind);
        native
    }
}

/// One flow of a port.
#[napi(object)]
pub struct NativePortFlow {
    pub key: String,
    pub cookie: BigInt,
    pub text: String,
}

impl From<PortFlow> for NativePortFlow {
    fn from(flow: PortFlow) -> Self {
        Self {
            key: flow.key,
            cookie: BigInt::from(flow.cookie),
            text: flow.text,
        }
    }
}

/// Counters and sizes; as `weft_engine::Stats` describes them.
#[napi(object)]
pub struct NativeStats {
    pub connected: bool,
    pub connects: f64,
    pub open_tickets: u32,
    pub flows: u32,
    pub groups: u32,
    pub meters: u32,
    pub failing: u32,
    pub leftovers: u32,
    pub bundles: f64,
    pub messages_sent: f64,
    pub drift_repaired: f64,
    pub packet_ins: f64,
    pub packet_outs: f64,
    pub packet_ins_dropped: f64,
    pub events_dropped: f64,
    pub stray_errors: f64,
    pub last_reason: String,
}

impl From<Stats> for NativeStats {
    fn from(stats: Stats) -> Self {
        Self {
            connected: stats.connected,
            connects: number(stats.connects),
            open_tickets: count(stats.open_tickets),
            flows: count(stats.flows),
            groups: count(stats.groups),
            meters: count(stats.meters),
            failing: count(stats.failing),
            leftovers: count(stats.leftovers),
            bundles: number(stats.bundles),
            messages_sent: number(stats.messages_sent),
            drift_repaired: number(stats.drift_repaired),
            packet_ins: number(stats.packet_ins),
            packet_outs: number(stats.packet_outs),
            packet_ins_dropped: number(stats.packet_ins_dropped),
            events_dropped: number(stats.events_dropped),
            stray_errors: number(stats.stray_errors),
            last_reason: stats.last_reason,
        }
    }
}

/// Sizes are far below the limit, which is that of a switch's memory.
fn count(size: usize) -> u32 {
    u32::try_from(size).unwrap_or(u32::MAX)
}

/// Exact up to 2^53, which no counter reaches.
#[allow(clippy::cast_precision_loss, reason = "counters stay below 2^53")]
fn number(counter: u64) -> f64 {
    counter as f64
}
