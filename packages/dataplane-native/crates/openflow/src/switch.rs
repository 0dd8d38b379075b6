//! The small messages about the switch and the connection: hello, errors, features, ports, tables,
//! roles, bundle control, asynchronous masks, the TLV table. Plain data with its wire form.
//! It keeps no connection state. Wire: OpenFlow 1.5.1 sections 7.3 to 7.5.

use crate::error::{Error, Result};
use crate::error_names::error_name;
use crate::wire::{Reader, Writer, saturate};

/// A hello: bitmap element (type 1) of 32-bit words, version 0..31 first.
pub(crate) fn encode_hello(out: &mut Vec<u8>, versions: u64) {
    let mut words = Vec::with_capacity(8);
    let [a, b, c, d, high @ ..] = versions.to_le_bytes();
    words.extend_from_slice(&[d, c, b, a]);
    if high != [0; 4] {
        words.extend(high.iter().rev());
    }
    out.put_property(1, &words);
}

/// Without a bitmap the peer speaks its header's version and every lower one (section 6.3.1).
pub(crate) fn decode_hello(version: u8, reader: &mut Reader<'_>) -> Result<u64> {
    while let Some((kind, mut body)) = reader.property("hello element")? {
        if kind == 1 && body.left() >= 4 {
            let low = u64::from(body.u32()?);
            let high = if body.left() >= 4 {
                u64::from(body.u32()?)
            } else {
                0
            };
            return Ok(high << 32 | low);
        }
    }
    let upto = u32::from(version).min(63);
    // Version 0 does not exist.
    Ok((u64::MAX >> (63 - upto)) & !1)
}

/// OFPT_ERROR.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ErrorMessage {
    /// OFPET_*; 0xffff: `experimenter` says whose `code` it is.
    pub kind: u16,
    pub code: u16,
    pub experimenter: Option<u32>,
    /// The start of the message that failed, at least 64 bytes of it if it was that long.
    pub data: Vec<u8>,
}

impl ErrorMessage {
    /// The name in OVS and in the OpenFlow specification, such as `OFPBAC_BAD_OUT_PORT`.
    pub fn name(&self) -> &'static str {
        error_name(self.kind, self.code, self.experimenter).unwrap_or("unknown error")
    }

    /// Type and transaction id of the failed message, when enough of it came back.
    pub fn failed(&self) -> Option<(u8, u32)> {
        let mut reader = Reader::new(&self.data, "failed message");
        reader.skip(1).ok()?;
        let kind = reader.u8().ok()?;
        reader.skip(2).ok()?;
        Some((kind, reader.u32().ok()?))
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.put_u16(self.kind);
        out.put_u16(self.code);
        if let Some(experimenter) = self.experimenter {
            out.put_u32(experimenter);
        }
        out.extend_from_slice(&self.data);
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self> {
        let kind = reader.u16()?;
        let code = reader.u16()?;
        let experimenter = if kind == 0xffff {
            Some(reader.u32()?)
        } else {
            None
        };
        Ok(Self {
            kind,
            code,
            experimenter,
            data: reader.rest().to_vec(),
        })
    }
}

impl std::fmt::Display for ErrorMessage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({}/{})", self.name(), self.kind, self.code)?;
        match self.failed() {
            Some((kind, xid)) => write!(f, " for message type {kind}, xid {xid:#x}"),
            None => Ok(()),
        }
    }
}

/// OFPT_FEATURES_REPLY.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Features {
    pub datapath_id: u64,
    pub buffers: u32,
    pub tables: u8,
    pub auxiliary_id: u8,
    /// OFPC_* bits.
    pub capabilities: u32,
}

impl Features {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.put_u64(self.datapath_id);
        out.put_u32(self.buffers);
        out.put_u8(self.tables);
        out.put_u8(self.auxiliary_id);
        out.put_u16(0);
        out.put_u32(self.capabilities);
        out.put_u32(0);
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self> {
        let (datapath_id, buffers) = (reader.u64()?, reader.u32()?);
        let (tables, auxiliary_id) = (reader.u8()?, reader.u8()?);
        reader.skip(2)?;
        Ok(Self {
            datapath_id,
            buffers,
            tables,
            auxiliary_id,
            capabilities: reader.u32()?,
        })
    }
}

/// A port of the switch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Port {
    pub number: u32,
    pub mac: [u8; 6],
    /// The interface's name, at most 15 bytes on the wire.
    pub name: String,
    /// OFPPC_*: 1 down by configuration.
    pub config: u32,
    /// OFPPS_*: 1 link down, 2 blocked, 4 live.
    pub state: u32,
    pub ethernet: Option<PortEthernet>,
}

/// Speeds and features of a port.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct PortEthernet {
    pub current: u32,
    pub advertised: u32,
    pub supported: u32,
    pub peer: u32,
    pub current_speed_kbps: u32,
    pub max_speed_kbps: u32,
}

const NAME_BYTES: usize = 16;
const ETHERNET: u16 = 0;

impl Port {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.put_u32(self.number);
        out.put_u32(0);
        out.extend_from_slice(&self.mac);
        out.put_u16(0);
        let name = self.name.as_bytes();
        let name = &name[..name.len().min(NAME_BYTES - 1)];
        out.extend_from_slice(name);
        out.put_zeros(NAME_BYTES - name.len());
        out.put_u32(self.config);
        out.put_u32(self.state);
        if let Some(ethernet) = &self.ethernet {
            let mut body = Vec::with_capacity(28);
            for value in [
                0,
                ethernet.current,
                ethernet.advertised,
                ethernet.supported,
                ethernet.peer,
                ethernet.current_speed_kbps,
                ethernet.max_speed_kbps,
            ] {
                body.put_u32(value);
            }
            out.put_property(ETHERNET, &body);
        }
        let length = saturate(out.len() - start);
        out.patch_u16(start + 4, length);
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self> {
        let number = reader.u32()?;
        let length = usize::from(reader.u16()?);
        let mut body = reader.body(length, 6, "port")?;
        body.skip(2)?;
        let mac = body.array()?;
        body.skip(2)?;
        let name = body.take(NAME_BYTES)?;
        let end = name
            .iter()
            .position(|byte| *byte == 0)
            .unwrap_or(NAME_BYTES);
        let name = String::from_utf8_lossy(&name[..end]).into_owned();
        let (config, state) = (body.u32()?, body.u32()?);
        let mut ethernet = None;
        while let Some((kind, mut value)) = body.property("port property")? {
            if kind == ETHERNET {
                value.skip(4)?;
                ethernet = Some(PortEthernet {
                    current: value.u32()?,
                    advertised: value.u32()?,
                    supported: value.u32()?,
                    peer: value.u32()?,
                    current_speed_kbps: value.u32()?,
                    max_speed_kbps: value.u32()?,
                });
            }
        }
        Ok(Self {
            number,
            mac,
            name,
            config,
            state,
            ethernet,
        })
    }
}

/// OFPT_PORT_STATUS.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PortStatus {
    /// 0 added, 1 deleted, 2 modified.
    pub reason: u8,
    pub port: Port,
}

impl PortStatus {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.put_u8(self.reason);
        out.put_zeros(7);
        self.port.encode(out);
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self> {
        let reason = reader.u8()?;
        reader.skip(7)?;
        Ok(Self {
            reason,
            port: Port::decode(reader)?,
        })
    }
}

/// A table's configuration; properties (eviction, vacancy) are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TableDesc {
    pub table: u8,
    /// OFPTC_* bits.
    pub config: u32,
}

impl TableDesc {
    pub(crate) fn encode(self, out: &mut Vec<u8>) {
        out.put_u16(8);
        out.put_u8(self.table);
        out.put_u8(0);
        out.put_u32(self.config);
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self> {
        let length = usize::from(reader.u16()?);
        let mut body = reader.body(length, 2, "table description")?;
        let table = body.u8()?;
        body.skip(1)?;
        Ok(Self {
            table,
            config: body.u32()?,
        })
    }
}

/// What a connection may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Role {
    NoChange = 0,
    Equal = 1,
    /// At most one; the others become secondary.
    Primary = 2,
    /// Reads only.
    Secondary = 3,
}

impl Role {
    pub(crate) fn decode(value: u32) -> Result<Self> {
        match value {
            0 => Ok(Role::NoChange),
            1 => Ok(Role::Equal),
            2 => Ok(Role::Primary),
            3 => Ok(Role::Secondary),
            other => Err(Error::BadValue {
                what: "role",
                value: u64::from(other),
            }),
        }
    }
}

/// Kinds of masks of [`crate::Message::SetAsync`]; each has the secondary role's twin one below.
pub mod async_kinds {
    pub const PACKET_IN: u16 = 1;
    pub const PORT_STATUS: u16 = 3;
    pub const FLOW_REMOVED: u16 = 5;
    pub const ROLE_STATUS: u16 = 7;
    pub const TABLE_STATUS: u16 = 9;
    pub const REQUESTFORWARD: u16 = 11;
}

/// Flags of a bundle. OVS demands the same flags in every message of one bundle.
pub mod bundle_flags {
    /// All or nothing.
    pub const ATOMIC: u16 = 1 << 0;
    /// In the order of adding.
    pub const ORDERED: u16 = 1 << 1;
}

/// The steps of a bundle's life; requests from us, replies from the switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum BundleStep {
    OpenRequest = 0,
    OpenReply = 1,
    CloseRequest = 2,
    CloseReply = 3,
    /// Closes too, when that was not asked for.
    CommitRequest = 4,
    CommitReply = 5,
    DiscardRequest = 6,
    DiscardReply = 7,
}

/// OFPT_BUNDLE_CONTROL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BundleControl {
    pub bundle_id: u32,
    pub step: BundleStep,
    /// [`bundle_flags`].
    pub flags: u16,
}

impl BundleControl {
    pub(crate) fn encode(self, out: &mut Vec<u8>) {
        out.put_u32(self.bundle_id);
        out.put_u16(self.step as u16);
        out.put_u16(self.flags);
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self> {
        use BundleStep as S;
        const STEPS: [BundleStep; 8] = [
            S::OpenRequest,
            S::OpenReply,
            S::CloseRequest,
            S::CloseReply,
            S::CommitRequest,
            S::CommitReply,
            S::DiscardRequest,
            S::DiscardReply,
        ];
        let bundle_id = reader.u32()?;
        let step = reader.u16()?;
        let flags = reader.u16()?;
        let step = STEPS
            .get(usize::from(step))
            .copied()
            .ok_or(Error::BadValue {
                what: "bundle step",
                value: u64::from(step),
            })?;
        Ok(Self {
            bundle_id,
            step,
            flags,
        })
    }
}

/// Which tunnel option is which `tun_metadata` field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TlvMap {
    pub class: u16,
    /// Bit 0x80: critical.
    pub kind: u8,
    /// Bytes of the option's data, a multiple of 4, at most 124.
    pub length: u8,
    /// N of `tun_metadataN`.
    pub index: u16,
}

/// What a TLV table mod does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum TlvTableCommand {
    /// Fails for an option or index that is taken.
    Add = 0,
    Delete = 1,
    /// Removes all.
    Clear = 2,
}

impl TlvTableCommand {
    pub(crate) fn decode(value: u16) -> Result<Self> {
        match value {
            0 => Ok(TlvTableCommand::Add),
            1 => Ok(TlvTableCommand::Delete),
            2 => Ok(TlvTableCommand::Clear),
            other => Err(Error::BadValue {
                what: "TLV table command",
                value: u64::from(other),
            }),
        }
    }
}

pub(crate) fn encode_tlv_maps(out: &mut Vec<u8>, maps: &[TlvMap]) {
    for map in maps {
        out.put_u16(map.class);
        out.put_u8(map.kind);
        out.put_u8(map.length);
        out.put_u16(map.index);
        out.put_u16(0);
    }
}

pub(crate) fn decode_tlv_maps(reader: &mut Reader<'_>) -> Result<Vec<TlvMap>> {
    let mut maps = Vec::new();
    while !reader.is_empty() {
        let map = TlvMap {
            class: reader.u16()?,
            kind: reader.u8()?,
            length: reader.u8()?,
            index: reader.u16()?,
        };
        reader.skip(2)?;
        maps.push(map);
    }
    Ok(maps)
}
