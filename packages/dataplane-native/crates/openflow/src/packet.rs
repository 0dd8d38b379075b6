//! Packets between switch and controller: packet-in in both forms, its resumption, packet-out.
//! It looks into no packet. Used by the engine's packet services.
//! Wire: OpenFlow 1.5.1 sections 7.4.1 and 7.3.6; the property form is NXT_PACKET_IN2 of ovs-actions(7).

use crate::NO_BUFFER;
use crate::action::Action;
use crate::action_wire::{decode_actions, encode_actions};
use crate::error::{Error, Result};
use crate::match_::Match;
use crate::wire::{Reader, Writer, saturate};

const PACKET: u16 = 0;
const FULL_LEN: u16 = 1;
const BUFFER_ID: u16 = 2;
const TABLE_ID: u16 = 3;
const COOKIE: u16 = 4;
const REASON: u16 = 5;
const METADATA: u16 = 6;
const USERDATA: u16 = 7;
const CONTINUATION: u16 = 8;

/// A packet that the switch hands over.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct PacketIn {
    /// From the Ethernet header; perhaps not all of it.
    pub packet: Vec<u8>,
    /// Length of the whole packet when `packet` is cut short.
    pub full_len: Option<u32>,
    pub buffer_id: Option<u32>,
    pub table: u8,
    /// Of the flow that sent it; `None` when there was none, as with a pausing action below a packet-out.
    pub cookie: Option<u64>,
    /// 0 no match, 1 action, 2 invalid TTL, 3 action set, 4 group, 5 packet-out.
    pub reason: u8,
    /// in_port, tunnel fields, metadata, registers, conntrack state.
    pub metadata: Match,
    /// NXT_PACKET_IN2 only: what the controller action said.
    pub userdata: Vec<u8>,
    /// NXT_PACKET_IN2 of a pausing action only: hand it back unchanged in a resume.
    pub continuation: Option<Vec<u8>>,
}

impl PacketIn {
    pub(crate) fn encode_standard(&self, out: &mut Vec<u8>) -> Result<()> {
        if !self.userdata.is_empty() || self.continuation.is_some() {
            let reason = "OFPT_PACKET_IN has no userdata and no continuation: use NXT_PACKET_IN2";
            return Err(Error::Unsupported {
                what: "packet-in",
                reason,
            });
        }
        out.put_u32(self.buffer_id.unwrap_or(NO_BUFFER));
        let whole = usize::try_from(self.full_len.unwrap_or(0)).unwrap_or(usize::MAX);
        out.put_u16(saturate(if self.full_len.is_some() {
            whole
        } else {
            self.packet.len()
        }));
        out.put_u8(self.reason);
        out.put_u8(self.table);
        out.put_u64(self.cookie.unwrap_or(u64::MAX));
        self.metadata.encode(out);
        out.put_u16(0);
        out.extend_from_slice(&self.packet);
        Ok(())
    }

    pub(crate) fn decode_standard(reader: &mut Reader<'_>) -> Result<Self> {
        let buffer = reader.u32()?;
        let total = u32::from(reader.u16()?);
        let reason = reader.u8()?;
        let table = reader.u8()?;
        let cookie = reader.u64()?;
        let metadata = Match::decode(reader)?;
        reader.skip(2)?;
        let packet = reader.rest().to_vec();
        Ok(Self {
            full_len: (usize::try_from(total) != Ok(packet.len())).then_some(total),
            packet,
            buffer_id: (buffer != NO_BUFFER).then_some(buffer),
            table,
            cookie: (cookie != u64::MAX).then_some(cookie),
            reason,
            metadata,
            ..Self::default()
        })
    }

    pub(crate) fn encode_properties(&self, out: &mut Vec<u8>) {
        out.put_property(PACKET, &self.packet);
        if let Some(length) = self.full_len {
            out.put_property(FULL_LEN, &length.to_be_bytes());
        }
        if let Some(buffer) = self.buffer_id {
            out.put_property(BUFFER_ID, &buffer.to_be_bytes());
        }
        out.put_property(TABLE_ID, &[self.table]);
        if let Some(cookie) = self.cookie {
            // 64-bit values are aligned: four bytes of padding come first.
            let mut aligned = [0; 12];
            aligned[4..].copy_from_slice(&cookie.to_be_bytes());
            out.put_property(COOKIE, &aligned);
        }
        out.put_property(REASON, &[self.reason]);
        out.put_property(METADATA, self.metadata.as_oxm());
        if !self.userdata.is_empty() {
            out.put_property(USERDATA, &self.userdata);
        }
        if let Some(continuation) = &self.continuation {
            out.put_property(CONTINUATION, continuation);
        }
    }

    pub(crate) fn decode_properties(reader: &mut Reader<'_>) -> Result<Self> {
        let mut found = Self::default();
        while let Some((property, mut value)) = reader.property("packet-in property")? {
            match property {
                PACKET => found.packet = value.rest().to_vec(),
                FULL_LEN => found.full_len = Some(value.u32()?),
                BUFFER_ID => found.buffer_id = Some(value.u32()?),
                TABLE_ID => found.table = value.u8()?,
                COOKIE => {
                    value.skip(4)?;
                    found.cookie = Some(value.u64()?);
                }
                REASON => found.reason = value.u8()?,
                METADATA => found.metadata = Match::from_oxm(value.rest())?,
                USERDATA => found.userdata = value.rest().to_vec(),
                CONTINUATION => found.continuation = Some(value.rest().to_vec()),
                _ => {}
            }
        }
        Ok(found)
    }
}

/// OFPT_PACKET_OUT.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct PacketOut {
    /// in_port at least ([`crate::port::CONTROLLER`] when there is none), and other pipeline fields.
    pub metadata: Match,
    pub actions: Vec<Action>,
    /// From the Ethernet header.
    pub packet: Vec<u8>,
}

impl PacketOut {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) -> Result<()> {
        out.put_u32(NO_BUFFER);
        let length_at = out.len();
        out.put_u32(0);
        self.metadata.encode(out);
        let start = out.len();
        encode_actions(out, &self.actions)?;
        let length = saturate(out.len() - start);
        out.patch_u16(length_at, length);
        out.extend_from_slice(&self.packet);
        Ok(())
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self> {
        reader.skip(4)?;
        let actions_length = usize::from(reader.u16()?);
        reader.skip(2)?;
        let metadata = Match::decode(reader)?;
        let actions = decode_actions(&mut reader.sub(actions_length, "packet-out actions")?)?;
        Ok(Self {
            metadata,
            actions,
            packet: reader.rest().to_vec(),
        })
    }
}
