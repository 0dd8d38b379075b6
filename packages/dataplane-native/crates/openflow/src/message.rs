//! `Message`: every message Weft sends or reads, with its header; one encoder and one decoder for all.
//! It knows no connection state: version negotiation, transaction ids and replies belong to the engine. Nicira's own
//! messages are in `nicira`.
//! Wire: OpenFlow 1.5.1 section 7.1.
//!
//! ```text
//! | version 8 | type 8 | length 16 (header included) | xid 32 | body |
//! ```

mod nicira;

use crate::error::{Error, Result};
use crate::flow::{Flow, FlowMod, FlowModCommand, FlowRemoved, encode_flow_mod as put_flow_mod};
use crate::group::GroupMod;
use crate::meter::MeterMod;
use crate::multipart::{self, MultipartReply, MultipartRequest};
use crate::packet::{PacketIn, PacketOut};
use crate::switch::{
    BundleControl, ErrorMessage, Features, PortStatus, Role, TlvMap, TlvTableCommand, decode_hello,
    encode_hello,
};
use crate::wire::{Reader, Writer, saturate};
use crate::{MAX_MESSAGE_BYTES, VERSION, group, port};

/// Bytes of the header.
pub const HEADER_BYTES: usize = 8;

const HELLO: u8 = 0;
const ERROR: u8 = 1;
const ECHO_REQUEST: u8 = 2;
const ECHO_REPLY: u8 = 3;
const EXPERIMENTER: u8 = 4;
const FEATURES_REQUEST: u8 = 5;
const FEATURES_REPLY: u8 = 6;
const SET_CONFIG: u8 = 9;
const PACKET_IN: u8 = 10;
const FLOW_REMOVED: u8 = 11;
const PORT_STATUS: u8 = 12;
const PACKET_OUT: u8 = 13;
const FLOW_MOD: u8 = 14;
const GROUP_MOD: u8 = 15;
const MULTIPART_REQUEST: u8 = 18;
const MULTIPART_REPLY: u8 = 19;
const BARRIER_REQUEST: u8 = 20;
const BARRIER_REPLY: u8 = 21;
const ROLE_REQUEST: u8 = 24;
const ROLE_REPLY: u8 = 25;
const SET_ASYNC: u8 = 28;
const METER_MOD: u8 = 29;
const BUNDLE_CONTROL: u8 = 33;
const BUNDLE_ADD: u8 = 34;

/// One OpenFlow message, without its transaction id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Bit N set: version N is spoken. 1.5 is bit 6.
    Hello {
        versions: u64,
    },
    Error(ErrorMessage),
    EchoRequest(Vec<u8>),
    EchoReply(Vec<u8>),
    FeaturesRequest,
    FeaturesReply(Features),
    /// On `<bridge>.mgmt` a `miss_send_len` above 0 is what switches on asynchronous messages at all:
    /// packet-ins, port status, flow removed. It does not limit packet-ins of a controller action.
    SetConfig {
        flags: u16,
        miss_send_len: u16,
    },
    /// OFPT_PACKET_IN.
    PacketIn(Box<PacketIn>),
    /// NXT_PACKET_IN2: also userdata and continuation.
    PacketIn2(Box<PacketIn>),
    /// NXT_RESUME: a packet-in with continuation, changed or not, goes on where it stopped.
    Resume(Box<PacketIn>),
    PacketOut(Box<PacketOut>),
    FlowRemoved(Box<FlowRemoved>),
    PortStatus(Box<PortStatus>),
    FlowMod(Box<FlowMod>),
    GroupMod(Box<GroupMod>),
    MeterMod(Box<MeterMod>),
    /// `more`: further parts with the same transaction id follow.
    MultipartRequest {
        more: bool,
        body: MultipartRequest,
    },
    MultipartReply {
        more: bool,
        body: MultipartReply,
    },
    BarrierRequest,
    BarrierReply,
    RoleRequest {
        role: Role,
        generation: u64,
    },
    RoleReply {
        role: Role,
        generation: u64,
    },
    /// {one of [`crate::async_kinds`], bit per reason}.
    SetAsync(Vec<(u16, u32)>),
    BundleControl(BundleControl),
    /// `message` carries the outer transaction id.
    BundleAdd {
        bundle_id: u32,
        flags: u16,
        message: Box<Message>,
    },
    /// 2: NXT_PACKET_IN2.
    SetPacketInFormat(u32),
    /// Which controller id of `Controller::controller_id` this connection answers to.
    SetControllerId(u16),
    TlvTableMod {
        command: TlvTableCommand,
        maps: Vec<TlvMap>,
    },
    TlvTableRequest,
    TlvTableReply {
        max_option_bytes: u32,
        max_fields: u16,
        maps: Vec<TlvMap>,
    },
    /// Removes all connections of a conntrack zone.
    CtFlushZone(u16),
    /// Anything else, body uninterpreted.
    Unknown {
        kind: u8,
        body: Vec<u8>,
    },
}

/// Appends `message` with its header to `out`.
///
/// On error `out` is as it was. Fails when the message is longer than [`MAX_MESSAGE_BYTES`].
pub fn encode(out: &mut Vec<u8>, xid: u32, message: &Message) -> Result<()> {
    framed(out, xid, kind(message), |out| {
        encode_body(out, xid, message)
    })
}

/// [`encode`] of a flow mod from a borrowed flow: add, modify or strict delete without copying it.
pub fn encode_flow_mod(
    out: &mut Vec<u8>,
    xid: u32,
    command: FlowModCommand,
    flow: &Flow,
) -> Result<()> {
    framed(out, xid, FLOW_MOD, |out| {
        put_flow_mod(out, command, flow, 0, (port::ANY, group::ANY))
    })
}

/// [`encode_flow_mod`] inside a BUNDLE_ADD_MESSAGE.
pub fn encode_bundled_flow_mod(
    out: &mut Vec<u8>,
    xid: u32,
    bundle: (u32, u16),
    command: FlowModCommand,
    flow: &Flow,
) -> Result<()> {
    framed(out, xid, BUNDLE_ADD, |out| {
        bundle_head(out, bundle.0, bundle.1);
        encode_flow_mod(out, xid, command, flow)
    })
}

fn bundle_head(out: &mut Vec<u8>, bundle_id: u32, flags: u16) {
    out.put_u32(bundle_id);
    out.put_u16(0);
    out.put_u16(flags);
}

/// Header, body, length; undone on error.
fn framed(
    out: &mut Vec<u8>,
    xid: u32,
    kind: u8,
    body: impl FnOnce(&mut Vec<u8>) -> Result<()>,
) -> Result<()> {
    let start = out.len();
    out.put_u8(VERSION);
    out.put_u8(kind);
    out.put_u16(0);
    out.put_u32(xid);
    let result = body(out).and_then(|()| {
        let length = out.len() - start;
        if length > MAX_MESSAGE_BYTES {
            let what = kind_name(kind);
            return Err(Error::TooLong {
                what,
                length,
                limit: MAX_MESSAGE_BYTES,
            });
        }
        out.patch_u16(start + 2, saturate(length));
        Ok(())
    });
    if result.is_err() {
        out.truncate(start);
    }
    result
}

fn kind(message: &Message) -> u8 {
    match message {
        Message::Hello { .. } => HELLO,
        Message::Error(_) => ERROR,
        Message::EchoRequest(_) => ECHO_REQUEST,
        Message::EchoReply(_) => ECHO_REPLY,
        Message::FeaturesRequest => FEATURES_REQUEST,
        Message::FeaturesReply(_) => FEATURES_REPLY,
        Message::SetConfig { .. } => SET_CONFIG,
        Message::PacketIn(_) => PACKET_IN,
        Message::PacketOut(_) => PACKET_OUT,
        Message::FlowRemoved(_) => FLOW_REMOVED,
        Message::PortStatus(_) => PORT_STATUS,
        Message::FlowMod(_) => FLOW_MOD,
        Message::GroupMod(_) => GROUP_MOD,
        Message::MeterMod(_) => METER_MOD,
        Message::MultipartRequest { .. } => MULTIPART_REQUEST,
        Message::MultipartReply { .. } => MULTIPART_REPLY,
        Message::BarrierRequest => BARRIER_REQUEST,
        Message::BarrierReply => BARRIER_REPLY,
        Message::RoleRequest { .. } => ROLE_REQUEST,
        Message::RoleReply { .. } => ROLE_REPLY,
        Message::SetAsync(_) => SET_ASYNC,
        Message::BundleControl(_) => BUNDLE_CONTROL,
        Message::BundleAdd { .. } => BUNDLE_ADD,
        Message::PacketIn2(_)
        | Message::Resume(_)
        | Message::SetPacketInFormat(_)
        | Message::SetControllerId(_)
        | Message::TlvTableMod { .. }
        | Message::TlvTableRequest
        | Message::TlvTableReply { .. }
        | Message::CtFlushZone(_) => EXPERIMENTER,
        Message::Unknown { kind, .. } => *kind,
    }
}

fn kind_name(kind: u8) -> &'static str {
    match kind {
        FLOW_MOD => "flow mod",
        GROUP_MOD => "group mod",
        METER_MOD => "meter mod",
        PACKET_OUT => "packet out",
        BUNDLE_ADD => "bundle add message",
        MULTIPART_REQUEST => "multipart request",
        EXPERIMENTER => "experimenter message",
        _ => "message",
    }
}

fn encode_body(out: &mut Vec<u8>, xid: u32, message: &Message) -> Result<()> {
    match message {
        Message::Hello { versions } => encode_hello(out, *versions),
        Message::Error(error) => error.encode(out),
        Message::EchoRequest(bytes) | Message::EchoReply(bytes) => out.extend_from_slice(bytes),
        Message::FeaturesRequest | Message::BarrierRequest | Message::BarrierReply => {}
        Message::FeaturesReply(features) => features.encode(out),
        Message::SetConfig {
            flags,
            miss_send_len,
        } => {
            out.put_u16(*flags);
            out.put_u16(*miss_send_len);
        }
        Message::PacketIn(packet) => packet.encode_standard(out)?,
        Message::PacketOut(packet) => packet.encode(out)?,
        Message::FlowRemoved(removed) => removed.encode(out),
        Message::PortStatus(status) => status.encode(out),
        Message::FlowMod(flow_mod) => flow_mod.encode(out)?,
        Message::GroupMod(group_mod) => group_mod.encode(out)?,
        Message::MeterMod(meter_mod) => meter_mod.encode(out),
        Message::MultipartRequest { more, body } => multipart::encode_request(out, *more, body),
        Message::MultipartReply { more, body } => multipart::encode_reply(out, *more, body)?,
        Message::RoleRequest { role, generation } | Message::RoleReply { role, generation } => {
            out.put_u32(*role as u32);
            out.put_u32(0);
            out.put_u64(*generation);
        }
        Message::SetAsync(masks) => {
            for (kind, reasons) in masks {
                out.put_property(*kind, &reasons.to_be_bytes());
            }
        }
        Message::BundleControl(control) => control.encode(out),
        Message::BundleAdd {
            bundle_id,
            flags,
            message,
        } => {
            if matches!(**message, Message::BundleAdd { .. }) {
                return Err(Error::TooDeep {
                    what: "bundle",
                    limit: 1,
                });
            }
            bundle_head(out, *bundle_id, *flags);
            encode(out, xid, message)?;
        }
        Message::Unknown { body, .. } => out.extend_from_slice(body),
        _ => nicira::encode(out, message)?,
    }
    Ok(())
}

/// Reads one whole message (exactly as many bytes as its header says): {xid, message}.
///
/// A version other than 1.5 is an error, except in Hello and Error, which come before there is one.
pub fn decode(bytes: &[u8]) -> Result<(u32, Message)> {
    decode_nested(bytes, true)
}

fn decode_nested(bytes: &[u8], bundles: bool) -> Result<(u32, Message)> {
    let mut reader = Reader::new(bytes, "message");
    let version = reader.u8()?;
    let kind = reader.u8()?;
    let length = usize::from(reader.u16()?);
    let xid = reader.u32()?;
    if length != bytes.len() {
        return Err(Error::BadLength {
            what: "message",
            length,
        });
    }
    if version != VERSION && kind != HELLO && kind != ERROR {
        return Err(Error::Version(version));
    }
    let message = match kind {
        HELLO => Message::Hello {
            versions: decode_hello(version, &mut reader)?,
        },
        ERROR => Message::Error(ErrorMessage::decode(&mut reader)?),
        ECHO_REQUEST => Message::EchoRequest(reader.rest().to_vec()),
        ECHO_REPLY => Message::EchoReply(reader.rest().to_vec()),
        EXPERIMENTER => {
            let body = reader.rest();
            nicira::decode(&mut reader)?.unwrap_or_else(|| Message::Unknown {
                kind,
                body: body.to_vec(),
            })
        }
        FEATURES_REQUEST => Message::FeaturesRequest,
        FEATURES_REPLY => Message::FeaturesReply(Features::decode(&mut reader)?),
        SET_CONFIG => Message::SetConfig {
            flags: reader.u16()?,
            miss_send_len: reader.u16()?,
        },
        PACKET_IN => Message::PacketIn(Box::new(PacketIn::decode_standard(&mut reader)?)),
        FLOW_REMOVED => Message::FlowRemoved(Box::new(FlowRemoved::decode(&mut reader)?)),
        PORT_STATUS => Message::PortStatus(Box::new(PortStatus::decode(&mut reader)?)),
        PACKET_OUT => Message::PacketOut(Box::new(PacketOut::decode(&mut reader)?)),
        FLOW_MOD => Message::FlowMod(Box::new(FlowMod::decode(&mut reader)?)),
        GROUP_MOD => Message::GroupMod(Box::new(GroupMod::decode(&mut reader)?)),
        METER_MOD => Message::MeterMod(Box::new(MeterMod::decode(&mut reader)?)),
        MULTIPART_REQUEST => {
            let (more, body) = multipart::decode_request(&mut reader)?;
            Message::MultipartRequest { more, body }
        }
        MULTIPART_REPLY => {
            let (more, body) = multipart::decode_reply(&mut reader)?;
            Message::MultipartReply { more, body }
        }
        BARRIER_REQUEST => Message::BarrierRequest,
        BARRIER_REPLY => Message::BarrierReply,
        ROLE_REQUEST | ROLE_REPLY => {
            let role = Role::decode(reader.u32()?)?;
            reader.skip(4)?;
            let generation = reader.u64()?;
            if kind == ROLE_REQUEST {
                Message::RoleRequest { role, generation }
            } else {
                Message::RoleReply { role, generation }
            }
        }
        SET_ASYNC => {
            let mut masks = Vec::new();
            while let Some((kind, mut value)) = reader.property("async property")? {
                masks.push((kind, value.u32()?));
            }
            Message::SetAsync(masks)
        }
        BUNDLE_CONTROL => Message::BundleControl(BundleControl::decode(&mut reader)?),
        BUNDLE_ADD if bundles => {
            let bundle_id = reader.u32()?;
            reader.skip(2)?;
            let flags = reader.u16()?;
            let inner = reader.rest();
            let mut head = reader;
            head.skip(2)?;
            let length = usize::from(head.u16()?);
            let inner = inner.get(..length).ok_or(Error::BadLength {
                what: "bundle",
                length,
            })?;
            let (_, message) = decode_nested(inner, false)?;
            Message::BundleAdd {
                bundle_id,
                flags,
                message: Box::new(message),
            }
        }
        kind => Message::Unknown {
            kind,
            body: reader.rest().to_vec(),
        },
    };
    Ok((xid, message))
}
