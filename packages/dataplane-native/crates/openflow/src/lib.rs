//! `weft-openflow`: the OpenFlow 1.5 wire as Open vSwitch 3.1 to 3.5 speaks it, with its Nicira and ONF extensions.
//! Bytes in, values out, and back; no I/O, no threads, no knowledge of networks.
//! Called by the compiler (flows, groups, meters), the engine (messages, framing) and the flow interpreter.
//!
//! ```text
//! fields --> match_ --> action (+ action_wire) --> flow, group, meter, packet, monitor, switch
//!                                                        \--> message (+ multipart) --> framer
//! text renders all of them in ovs-ofctl(8) syntax
//! ```
//!
//! Invariant: `decode(encode(x)) == x`, and what OVS dumps for a flow decodes to a value equal to the
//! flow that was sent (tests/ovs_vectors.rs shows it against a real ovs-vswitchd).
//! Invariant: decoders return an error on any malformed input, allocate no more than a small multiple
//! of the input, and never panic.

#![allow(
    clippy::doc_markdown,
    reason = "protocol names such as OFPT_HELLO and ct_mark are prose"
)]

mod action;
mod action_wire;
mod error;
mod error_names;
mod fields;
mod flow;
mod framer;
pub mod group;
mod match_;
pub mod message;
pub mod meter;
pub mod monitor;
pub mod multipart;
mod packet;
mod prerequisites;
mod switch;
mod text;
mod wire;

pub use action::{
    Action, Controller, Ct, CtZone, Instructions, Nat, NatAddresses, NatKind, Subfield,
};
pub use error::{Error, Result};
pub use fields::{Field, FieldInfo, Format, TUN_METADATA_BYTES};
pub use flow::{
    Flow, FlowDesc, FlowMod, FlowModCommand, FlowRemoved, FlowRequest, FlowStats, flow_flags,
};
pub use framer::Framer;
pub use group::{Bucket, Group, GroupKind, GroupMod, GroupModCommand, Selection};
pub use match_::{Entry, FieldValue, Match};
pub use message::{Message, decode, encode, encode_bundled_flow_mod, encode_flow_mod};
pub use meter::{Band, Meter, MeterMod, MeterModCommand};
pub use monitor::{FlowMonitorCommand, FlowMonitorRequest, FlowUpdate};
pub use multipart::{MultipartReply, MultipartRequest};
pub use packet::{PacketIn, PacketOut};
pub use switch::{
    BundleControl, BundleStep, ErrorMessage, Features, Port, PortEthernet, PortStatus, Role,
    TableDesc, TlvMap, TlvTableCommand, async_kinds, bundle_flags,
};
pub use text::render_ct_state;

/// The version byte of OpenFlow 1.5.
pub const VERSION: u8 = 0x06;

/// The longest message that is encoded. The wire's own limit is 65,535; Weft stays at half of it, because
/// one action list becomes one datapath action list, whose limit in OVS is 32 kB of netlink attributes.
pub const MAX_MESSAGE_BYTES: usize = 32 * 1024;

/// The longest message that is decoded: all that the length field can say.
pub const MAX_RECEIVED_BYTES: usize = 65_535;

/// How deep action lists may be nested (ct, clone).
pub const MAX_NESTING: usize = 8;

/// "No buffered packet" in flow mods and packet-outs.
pub const NO_BUFFER: u32 = 0xffff_ffff;

/// "All tables" in requests and deletes, "current table" in a resubmit.
pub const TABLE_ALL: u8 = 255;

/// Reserved OpenFlow port numbers (OpenFlow 1.5.1 section 7.2.1.2).
pub mod port {
    /// The largest number of an ordinary port.
    pub const MAX: u32 = 0xffff_feff;
    /// Back out by the input port.
    pub const IN_PORT: u32 = 0xffff_fff8;
    /// Start at table 0 (packet-out only).
    pub const TABLE: u32 = 0xffff_fff9;
    /// The switch's own learning switch.
    pub const NORMAL: u32 = 0xffff_fffa;
    pub const FLOOD: u32 = 0xffff_fffb;
    pub const ALL: u32 = 0xffff_fffc;
    pub const CONTROLLER: u32 = 0xffff_fffd;
    /// The bridge's own port.
    pub const LOCAL: u32 = 0xffff_fffe;
    /// No restriction, or no port.
    pub const ANY: u32 = 0xffff_ffff;
    /// [`IN_PORT`] in the 16-bit numbering of Nicira's resubmit.
    pub const IN_PORT_16: u16 = 0xfff8;
}
