//! What the engine drives: the desired contents of a switch, by identity. The compiler is the one in
//! production; tests bring small ones. Owns only the boundary's types; must not know how flows come about.
//! Called on the engine's thread only.

use crate::event::Failure;
use std::net::IpAddr;
use weft_instructions::v1::EngineBatch;
use weft_openflow::{Action, Flow, Group, Match, Meter, PacketIn};

/// The identity of a flow in the switch.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FlowId {
    pub table: u8,
    pub priority: u16,
    pub matching: Match,
}

impl FlowId {
    /// The identity of `flow`.
    pub fn of(flow: &Flow) -> Self {
        Self { table: flow.table, priority: flow.priority, matching: flow.matching.clone() }
    }
}

/// Identities whose desired contents may have changed: added, changed or removed. More than needed is
/// allowed, fewer is a bug.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Touched {
    pub flows: Vec<FlowId>,
    pub groups: Vec<u32>,
    pub meters: Vec<u32>,
}

/// What a packet-in leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Response {
    PacketOut {
        /// The port the packet pretends to come from.
        in_port: u32,
        actions: Vec<Action>,
        packet: Vec<u8>,
    },
    /// A port spoke for an address that only its allowed pairs name.
    Claim { port_id: String, ip: IpAddr, mac: [u8; 6] },
}

/// A desired object and the key of the instruction it stems from.
pub type Owned<'a, T> = (&'a T, &'a str);

/// The desired contents of the switch. Whole at any time; `apply` and `refuse` say what to look at again.
pub trait Program: Send + 'static {
    /// Takes a batch. What cannot be compiled is in `failures` afterwards.
    fn apply(&mut self, batch: EngineBatch) -> Touched;
    /// The switch refused an object of `key`: it fails closed until the instruction changes.
    fn refuse(&mut self, key: &str, reason: &str) -> Touched;
    /// All instructions that fail now, sorted by key.
    fn failures(&self) -> Vec<Failure>;

    fn flow(&self, id: &FlowId) -> Option<Owned<'_, Flow>>;
    fn group(&self, id: u32) -> Option<Owned<'_, Group>>;
    fn meter(&self, id: u32) -> Option<Owned<'_, Meter>>;
    fn flows(&self) -> Box<dyn Iterator<Item = &Flow> + '_>;
    fn groups(&self) -> Box<dyn Iterator<Item = &Group> + '_>;
    fn meters(&self) -> Box<dyn Iterator<Item = &Meter> + '_>;
    /// {flows, groups, meters}.
    fn sizes(&self) -> (usize, usize, usize);

    /// Whether a group of this id can only be ours: the marks of groups are in their ids.
    fn owns_group(&self, id: u32) -> bool;
    /// The flows made for a port, for people: with the instruction's key, in any order.
    fn port_flows(&self, port_key: u32) -> Vec<Owned<'_, Flow>>;
    /// What to answer to a packet. Any bytes may come; it must not panic on them.
    fn packet_in(&self, packet: &PacketIn) -> Vec<Response>;
}

/// `63..56` of our cookies (ARCHITECTURE.md, "Pipeline").
pub(crate) const MARK: u64 = 0x57 << 56;
pub(crate) const MARK_MASK: u64 = 0xff << 56;

/// Whether a flow carries our mark.
pub(crate) fn is_marked(flow: &Flow) -> bool {
    flow.cookie & MARK_MASK == MARK
}
