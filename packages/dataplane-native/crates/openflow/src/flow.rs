//! `Flow`, `FlowMod` and the flow-shaped bodies of multipart messages, with their wire form.
//! It decides nothing about which flows there should be. Used by compiler, engine and `message`.
//! Wire: OpenFlow 1.5.1 sections 7.3.4.3 (flow mod), 7.3.5.2 (flow description), 7.2.6.2 (OXS).

use crate::action::Instructions;
use crate::error::{Error, Result};
use crate::match_::Match;
use crate::wire::{Reader, Writer};
use crate::{NO_BUFFER, action_wire, group, port};

/// Flow flags, as bits of [`Flow::flags`].
pub mod flow_flags {
    /// Send FLOW_REMOVED when the flow goes.
    pub const SEND_FLOW_REMOVED: u16 = 1 << 0;
    /// Refuse an add that overlaps another flow of the same priority. Never part of an installed flow.
    pub const CHECK_OVERLAP: u16 = 1 << 1;
    /// Reset counters of a replaced flow. Never part of an installed flow.
    pub const RESET_COUNTS: u16 = 1 << 2;
    pub const NO_PACKET_COUNTS: u16 = 1 << 3;
    pub const NO_BYTE_COUNTS: u16 = 1 << 4;
}

/// One flow. {table, priority, matching} is its identity in the switch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Flow {
    /// 0..=254.
    pub table: u8,
    /// Higher wins.
    pub priority: u16,
    pub matching: Match,
    /// Opaque to the switch.
    pub cookie: u64,
    pub instructions: Instructions,
    /// Bits of [`flow_flags`].
    pub flags: u16,
    /// Evicted later the higher it is.
    pub importance: u16,
    /// Seconds without a packet; 0: never.
    pub idle_timeout_s: u16,
    /// Seconds; 0: never.
    pub hard_timeout_s: u16,
}

/// What a flow mod does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum FlowModCommand {
    /// Adds, or replaces the flow with the same identity (its counters start anew).
    Add = 0,
    /// Changes instructions of all flows that the match covers. Does not add.
    Modify = 1,
    /// Changes instructions of the flow with this identity. Does not add.
    ModifyStrict = 2,
    /// Removes all flows that the match covers, in `table` or (255) in all tables.
    Delete = 3,
    /// Removes the flow with this identity.
    DeleteStrict = 4,
}

/// OFPT_FLOW_MOD.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FlowMod {
    pub command: FlowModCommand,
    pub flow: Flow,
    /// Modify and delete only: touch flows whose cookie equals `flow.cookie` in these bits.
    pub cookie_mask: u64,
    /// Delete only: touch flows that output to this port; [`port::ANY`]: all.
    pub out_port: u32,
    /// Delete only: touch flows that output to this group; [`group::ANY`]: all.
    pub out_group: u32,
}

impl FlowMod {
    /// Adds or replaces `flow`.
    pub fn add(flow: Flow) -> Self {
        Self::new(FlowModCommand::Add, flow)
    }

    /// Any command, with no restriction by cookie, port or group.
    pub fn new(command: FlowModCommand, flow: Flow) -> Self {
        Self {
            command,
            flow,
            cookie_mask: 0,
            out_port: port::ANY,
            out_group: group::ANY,
        }
    }

    /// Removes the flow of this identity.
    pub fn delete_strict(table: u8, priority: u16, matching: Match) -> Self {
        let flow = Flow {
            table,
            priority,
            matching,
            ..Flow::default()
        };
        Self::new(FlowModCommand::DeleteStrict, flow)
    }

    /// Removes every flow of `table` ([`crate::TABLE_ALL`]: of all) whose cookie has `cookie` in the bits of `mask`.
    pub fn delete_by_cookie(table: u8, cookie: u64, mask: u64) -> Self {
        let flow = Flow {
            table,
            cookie,
            ..Flow::default()
        };
        Self {
            cookie_mask: mask,
            ..Self::new(FlowModCommand::Delete, flow)
        }
    }
}

impl FlowMod {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) -> Result<()> {
        encode_flow_mod(
            out,
            self.command,
            &self.flow,
            self.cookie_mask,
            (self.out_port, self.out_group),
        )
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self> {
        let cookie = reader.u64()?;
        let cookie_mask = reader.u64()?;
        let table = reader.u8()?;
        let command = match reader.u8()? {
            0 => FlowModCommand::Add,
            1 => FlowModCommand::Modify,
            2 => FlowModCommand::ModifyStrict,
            3 => FlowModCommand::Delete,
            4 => FlowModCommand::DeleteStrict,
            other => {
                return Err(Error::BadValue {
                    what: "flow mod command",
                    value: u64::from(other),
                });
            }
        };
        let idle_timeout_s = reader.u16()?;
        let hard_timeout_s = reader.u16()?;
        let priority = reader.u16()?;
        reader.skip(4)?;
        let out_port = reader.u32()?;
        let out_group = reader.u32()?;
        let flags = reader.u16()?;
        let importance = reader.u16()?;
        let matching = Match::decode(reader)?;
        let instructions = action_wire::decode_instructions(reader)?;
        let flow = Flow {
            table,
            priority,
            matching,
            cookie,
            instructions,
            flags,
            importance,
            idle_timeout_s,
            hard_timeout_s,
        };
        Ok(Self {
            command,
            flow,
            cookie_mask,
            out_port,
            out_group,
        })
    }
}

/// The body of a flow mod from a borrowed flow. `only` is the output port and group of a delete.
pub(crate) fn encode_flow_mod(
    out: &mut Vec<u8>,
    command: FlowModCommand,
    flow: &Flow,
    cookie_mask: u64,
    only: (u32, u32),
) -> Result<()> {
    out.put_u64(flow.cookie);
    out.put_u64(cookie_mask);
    out.put_u8(flow.table);
    out.put_u8(command as u8);
    out.put_u16(flow.idle_timeout_s);
    out.put_u16(flow.hard_timeout_s);
    out.put_u16(flow.priority);
    out.put_u32(NO_BUFFER);
    out.put_u32(only.0);
    out.put_u32(only.1);
    out.put_u16(flow.flags);
    out.put_u16(flow.importance);
    flow.matching.encode(out);
    action_wire::encode_instructions(out, &flow.instructions)
}

/// What the switch counts for a flow or a set of flows; absent statistics are `None`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct FlowStats {
    /// Whole nanoseconds since the flow was added.
    pub duration_ns: Option<u64>,
    /// Whole nanoseconds since the last packet.
    pub idle_ns: Option<u64>,
    pub flow_count: Option<u32>,
    pub packets: Option<u64>,
    pub bytes: Option<u64>,
}

const OXS_CLASS: u16 = 0x8002;
const NANOS: u64 = 1_000_000_000;

impl FlowStats {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.put_u32(0);
        let time = |ns: u64| (ns / NANOS) << 32 | (ns % NANOS);
        let wide = [
            (0, self.duration_ns.map(time)),
            (1, self.idle_ns.map(time)),
            (4, self.packets),
            (5, self.bytes),
        ];
        for (number, value) in wide {
            if let Some(value) = value {
                out.put_u16(OXS_CLASS);
                out.put_u8(number << 1);
                out.put_u8(8);
                out.put_u64(value);
            }
        }
        if let Some(count) = self.flow_count {
            out.put_u16(OXS_CLASS);
            out.put_u8(3 << 1);
            out.put_u8(4);
            out.put_u32(count);
        }
        let length = crate::wire::saturate(out.len() - start);
        out.patch_u16(start + 2, length);
        out.pad8(start);
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self> {
        reader.skip(2)?;
        let length = usize::from(reader.u16()?);
        let mut body = reader.body(length, 4, "flow statistics")?;
        reader.skip(length.next_multiple_of(8) - length)?;
        let mut stats = Self::default();
        while !body.is_empty() {
            let class = body.u16()?;
            let number = body.u8()? >> 1;
            let size = usize::from(body.u8()?);
            let mut value = body.sub(size, "flow statistic")?;
            if class != OXS_CLASS {
                continue;
            }
            match number {
                0 => stats.duration_ns = Some(duration(&mut value)?),
                1 => stats.idle_ns = Some(duration(&mut value)?),
                3 => stats.flow_count = Some(value.u32()?),
                4 => stats.packets = Some(value.u64()?),
                5 => stats.bytes = Some(value.u64()?),
                _ => {}
            }
        }
        Ok(stats)
    }
}

fn duration(value: &mut Reader<'_>) -> Result<u64> {
    let seconds = u64::from(value.u32()?);
    Ok(seconds * NANOS + u64::from(value.u32()?))
}

/// One flow of a dump.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FlowDesc {
    pub flow: Flow,
    pub stats: FlowStats,
}

impl FlowDesc {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) -> Result<()> {
        let start = out.len();
        let flow = &self.flow;
        out.put_u32(0);
        out.put_u8(flow.table);
        out.put_u8(0);
        out.put_u16(flow.priority);
        out.put_u16(flow.idle_timeout_s);
        out.put_u16(flow.hard_timeout_s);
        out.put_u16(flow.flags);
        out.put_u16(flow.importance);
        out.put_u64(flow.cookie);
        flow.matching.encode(out);
        self.stats.encode(out);
        action_wire::encode_instructions(out, &flow.instructions)?;
        let length = crate::wire::saturate(out.len() - start);
        out.patch_u16(start, length);
        Ok(())
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self> {
        let length = usize::from(reader.u16()?);
        let mut body = reader.body(length, 2, "flow description")?;
        body.skip(2)?;
        let table = body.u8()?;
        body.skip(1)?;
        let priority = body.u16()?;
        let idle_timeout_s = body.u16()?;
        let hard_timeout_s = body.u16()?;
        let flags = body.u16()?;
        let importance = body.u16()?;
        let cookie = body.u64()?;
        let matching = Match::decode(&mut body)?;
        let stats = FlowStats::decode(&mut body)?;
        let instructions = action_wire::decode_instructions(&mut body)?;
        let flow = Flow {
            table,
            priority,
            matching,
            cookie,
            instructions,
            flags,
            importance,
            idle_timeout_s,
            hard_timeout_s,
        };
        Ok(Self { flow, stats })
    }
}

/// Which flows a dump or an aggregate is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FlowRequest {
    /// [`crate::TABLE_ALL`]: all.
    pub table: u8,
    pub out_port: u32,
    pub out_group: u32,
    /// Flows whose cookie equals this in the bits of `cookie_mask`.
    pub cookie: u64,
    pub cookie_mask: u64,
    /// Flows at least as specific as this.
    pub matching: Match,
}

impl Default for FlowRequest {
    /// Every flow.
    fn default() -> Self {
        Self {
            table: crate::TABLE_ALL,
            out_port: port::ANY,
            out_group: group::ANY,
            cookie: 0,
            cookie_mask: 0,
            matching: Match::new(),
        }
    }
}

impl FlowRequest {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.put_u8(self.table);
        out.put_zeros(3);
        out.put_u32(self.out_port);
        out.put_u32(self.out_group);
        out.put_zeros(4);
        out.put_u64(self.cookie);
        out.put_u64(self.cookie_mask);
        self.matching.encode(out);
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self> {
        let table = reader.u8()?;
        reader.skip(3)?;
        let out_port = reader.u32()?;
        let out_group = reader.u32()?;
        reader.skip(4)?;
        let cookie = reader.u64()?;
        let cookie_mask = reader.u64()?;
        let matching = Match::decode(reader)?;
        Ok(Self {
            table,
            out_port,
            out_group,
            cookie,
            cookie_mask,
            matching,
        })
    }
}

/// OFPT_FLOW_REMOVED.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FlowRemoved {
    pub table: u8,
    /// 0 idle timeout, 1 hard timeout, 2 delete, 3 group delete, 4 meter delete, 5 eviction.
    pub reason: u8,
    pub priority: u16,
    pub idle_timeout_s: u16,
    pub hard_timeout_s: u16,
    pub cookie: u64,
    pub matching: Match,
    pub stats: FlowStats,
}

impl FlowRemoved {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.put_u8(self.table);
        out.put_u8(self.reason);
        out.put_u16(self.priority);
        out.put_u16(self.idle_timeout_s);
        out.put_u16(self.hard_timeout_s);
        out.put_u64(self.cookie);
        self.matching.encode(out);
        self.stats.encode(out);
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self> {
        Ok(Self {
            table: reader.u8()?,
            reason: reader.u8()?,
            priority: reader.u16()?,
            idle_timeout_s: reader.u16()?,
            hard_timeout_s: reader.u16()?,
            cookie: reader.u64()?,
            matching: Match::decode(reader)?,
            stats: FlowStats::decode(reader)?,
        })
    }
}
