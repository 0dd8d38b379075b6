//! Flow monitors: the switch tells which flows were added, changed and removed, and by whom.
//! It judges no drift; that is the engine's. Wire: OpenFlow 1.5.1 section 7.3.5.19.
//! OVS answers these in version 1.5 as OFPMP_FLOW_MONITOR.

use crate::action::Instructions;
use crate::action_wire::{decode_instructions, encode_instructions};
use crate::error::{Error, Result};
use crate::flow::Flow;
use crate::match_::Match;
use crate::wire::{Reader, Writer, saturate};

/// When to report and what, as bits of [`FlowMonitorRequest::flags`].
pub mod monitor_flags {
    /// Flows that are there at the start.
    pub const INITIAL: u16 = 1 << 0;
    pub const ADD: u16 = 1 << 1;
    pub const REMOVED: u16 = 1 << 2;
    pub const MODIFY: u16 = 1 << 3;
    /// With instructions.
    pub const INSTRUCTIONS: u16 = 1 << 4;
    /// This connection's own changes in full. OVS refuses it in OpenFlow 1.4 and 1.5 (OFPMOFC_BAD_FLAGS).
    /// OVS 3.1 spoils the error it sends for a bad monitor: type, code and transaction id are arbitrary.
    pub const NO_ABBREV: u16 = 1 << 5;
    /// Only this connection's own changes.
    pub const ONLY_OWN: u16 = 1 << 6;
}

/// What a request does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum FlowMonitorCommand {
    Add = 0,
    Modify = 1,
    Delete = 2,
}

/// One monitor.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FlowMonitorRequest {
    pub id: u32,
    pub command: FlowMonitorCommand,
    /// Bits of [`monitor_flags`].
    pub flags: u16,
    /// [`crate::TABLE_ALL`]: all.
    pub table: u8,
    pub out_port: u32,
    pub out_group: u32,
    pub matching: Match,
}

impl FlowMonitorRequest {
    /// Every change to every flow.
    pub fn all(id: u32, flags: u16) -> Self {
        Self {
            id,
            command: FlowMonitorCommand::Add,
            flags,
            table: crate::TABLE_ALL,
            out_port: crate::port::ANY,
            out_group: crate::group::ANY,
            matching: Match::new(),
        }
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.put_u32(self.id);
        out.put_u32(self.out_port);
        out.put_u32(self.out_group);
        out.put_u16(self.flags);
        out.put_u8(self.table);
        out.put_u8(self.command as u8);
        self.matching.encode(out);
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self> {
        let id = reader.u32()?;
        let out_port = reader.u32()?;
        let out_group = reader.u32()?;
        let flags = reader.u16()?;
        let table = reader.u8()?;
        let command = match reader.u8()? {
            0 => FlowMonitorCommand::Add,
            1 => FlowMonitorCommand::Modify,
            2 => FlowMonitorCommand::Delete,
            other => {
                return Err(Error::BadValue {
                    what: "monitor command",
                    value: u64::from(other),
                });
            }
        };
        let matching = Match::decode(reader)?;
        Ok(Self {
            id,
            command,
            flags,
            table,
            out_port,
            out_group,
            matching,
        })
    }
}

/// One report. Flags and importance of a reported flow are 0: the wire does not carry them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum FlowUpdate {
    /// There at the start.
    Initial(Flow),
    Added(Flow),
    /// Instructions, cookie or timeouts changed.
    Modified(Flow),
    /// `reason` as in [`crate::FlowRemoved`].
    Removed {
        flow: Flow,
        reason: u8,
    },
    /// The change that this connection made by the message with this transaction id.
    Own {
        xid: u32,
    },
    /// The switch's buffer is full: changes are being missed.
    Paused,
    /// Reports go on; what was missed was sent in between.
    Resumed,
}

const INITIAL: u16 = 0;
const ADDED: u16 = 1;
const REMOVED: u16 = 2;
const MODIFIED: u16 = 3;
const ABBREVIATED: u16 = 4;
const PAUSED: u16 = 5;
const RESUMED: u16 = 6;

impl FlowUpdate {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) -> Result<()> {
        let (event, flow, reason) = match self {
            FlowUpdate::Initial(flow) => (INITIAL, flow, 0),
            FlowUpdate::Added(flow) => (ADDED, flow, 0),
            FlowUpdate::Modified(flow) => (MODIFIED, flow, 0),
            FlowUpdate::Removed { flow, reason } => (REMOVED, flow, *reason),
            FlowUpdate::Own { xid } => {
                Self::encode_short(out, ABBREVIATED, *xid);
                return Ok(());
            }
            FlowUpdate::Paused | FlowUpdate::Resumed => {
                let event = if *self == FlowUpdate::Paused {
                    PAUSED
                } else {
                    RESUMED
                };
                Self::encode_short(out, event, 0);
                return Ok(());
            }
        };
        let start = out.len();
        out.put_u16(0);
        out.put_u16(event);
        out.put_u8(flow.table);
        out.put_u8(reason);
        out.put_u16(flow.idle_timeout_s);
        out.put_u16(flow.hard_timeout_s);
        out.put_u16(flow.priority);
        out.put_u32(0);
        out.put_u64(flow.cookie);
        flow.matching.encode(out);
        encode_instructions(out, &flow.instructions)?;
        let length = saturate(out.len() - start);
        out.patch_u16(start, length);
        Ok(())
    }

    fn encode_short(out: &mut Vec<u8>, event: u16, xid: u32) {
        out.put_u16(8);
        out.put_u16(event);
        out.put_u32(xid);
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self> {
        let length = usize::from(reader.u16()?);
        let mut body = reader.body(length, 2, "flow update")?;
        let event = body.u16()?;
        match event {
            ABBREVIATED => return Ok(FlowUpdate::Own { xid: body.u32()? }),
            PAUSED => return Ok(FlowUpdate::Paused),
            RESUMED => return Ok(FlowUpdate::Resumed),
            INITIAL | ADDED | REMOVED | MODIFIED => {}
            other => {
                return Err(Error::BadValue {
                    what: "flow update event",
                    value: other.into(),
                });
            }
        }
        let table = body.u8()?;
        let reason = body.u8()?;
        let idle_timeout_s = body.u16()?;
        let hard_timeout_s = body.u16()?;
        let priority = body.u16()?;
        body.skip(4)?;
        let cookie = body.u64()?;
        let matching = Match::decode(&mut body)?;
        let instructions: Instructions = decode_instructions(&mut body)?;
        let flow = Flow {
            table,
            priority,
            matching,
            cookie,
            instructions,
            idle_timeout_s,
            hard_timeout_s,
            ..Flow::default()
        };
        Ok(match event {
            INITIAL => FlowUpdate::Initial(flow),
            ADDED => FlowUpdate::Added(flow),
            REMOVED => FlowUpdate::Removed { flow, reason },
            _ => FlowUpdate::Modified(flow),
        })
    }
}
