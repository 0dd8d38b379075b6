//! Nicira's messages: an experimenter message with Nicira's number, a subtype, and a body. Which there are is the
//! parent's `Message`; how TLV maps and packet-ins look is `switch`'s and `packet`'s. Called by the parent alone.
//! Wire: `openflow/nicira-ext.h` of Open vSwitch.
//!
//! ```text
//! | vendor 0x00002320 32 | subtype 32 | body |
//! ```

use super::Message;
use crate::action_wire::NICIRA;
use crate::error::{Error, Result};
use crate::packet::PacketIn;
use crate::switch::{TlvTableCommand, decode_tlv_maps, encode_tlv_maps};
use crate::wire::{Reader, Writer};

const NX_SET_PACKET_IN_FORMAT: u32 = 16;
const NX_SET_CONTROLLER_ID: u32 = 20;
const NX_TLV_TABLE_MOD: u32 = 24;
const NX_TLV_TABLE_REQUEST: u32 = 25;
const NX_TLV_TABLE_REPLY: u32 = 26;
const NX_RESUME: u32 = 28;
const NX_CT_FLUSH_ZONE: u32 = 29;
const NX_PACKET_IN2: u32 = 30;

/// The body of a message of Nicira's; an error for any other.
pub(super) fn encode(out: &mut Vec<u8>, message: &Message) -> Result<()> {
    out.put_u32(NICIRA);
    match message {
        Message::PacketIn2(packet) => {
            out.put_u32(NX_PACKET_IN2);
            packet.encode_properties(out);
        }
        Message::Resume(packet) => {
            out.put_u32(NX_RESUME);
            packet.encode_properties(out);
        }
        Message::SetPacketInFormat(format) => {
            out.put_u32(NX_SET_PACKET_IN_FORMAT);
            out.put_u32(*format);
        }
        Message::SetControllerId(id) => {
            out.put_u32(NX_SET_CONTROLLER_ID);
            out.put_zeros(6);
            out.put_u16(*id);
        }
        Message::TlvTableMod { command, maps } => {
            out.put_u32(NX_TLV_TABLE_MOD);
            out.put_u16(*command as u16);
            out.put_zeros(6);
            encode_tlv_maps(out, maps);
        }
        Message::TlvTableRequest => out.put_u32(NX_TLV_TABLE_REQUEST),
        Message::TlvTableReply {
            max_option_bytes,
            max_fields,
            maps,
        } => {
            out.put_u32(NX_TLV_TABLE_REPLY);
            out.put_u32(*max_option_bytes);
            out.put_u16(*max_fields);
            out.put_zeros(10);
            encode_tlv_maps(out, maps);
        }
        Message::CtFlushZone(zone) => {
            out.put_u32(NX_CT_FLUSH_ZONE);
            out.put_zeros(6);
            out.put_u16(*zone);
        }
        _ => {
            return Err(Error::Unsupported {
                what: "message",
                reason: "it has no wire form",
            });
        }
    }
    Ok(())
}

/// Reads the body of an experimenter message; `None`: it is not one that Weft knows.
pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Option<Message>> {
    if reader.u32()? != NICIRA {
        return Ok(None);
    }
    Ok(Some(match reader.u32()? {
        NX_PACKET_IN2 => Message::PacketIn2(Box::new(PacketIn::decode_properties(reader)?)),
        NX_RESUME => Message::Resume(Box::new(PacketIn::decode_properties(reader)?)),
        NX_SET_PACKET_IN_FORMAT => Message::SetPacketInFormat(reader.u32()?),
        NX_SET_CONTROLLER_ID => {
            reader.skip(6)?;
            Message::SetControllerId(reader.u16()?)
        }
        NX_TLV_TABLE_MOD => {
            let command = TlvTableCommand::decode(reader.u16()?)?;
            reader.skip(6)?;
            Message::TlvTableMod {
                command,
                maps: decode_tlv_maps(reader)?,
            }
        }
        NX_TLV_TABLE_REQUEST => Message::TlvTableRequest,
        NX_TLV_TABLE_REPLY => {
            let (max_option_bytes, max_fields) = (reader.u32()?, reader.u16()?);
            reader.skip(10)?;
            Message::TlvTableReply {
                max_option_bytes,
                max_fields,
                maps: decode_tlv_maps(reader)?,
            }
        }
        NX_CT_FLUSH_ZONE => {
            reader.skip(6)?;
            Message::CtFlushZone(reader.u16()?)
        }
        _ => return Ok(None),
    }))
}
