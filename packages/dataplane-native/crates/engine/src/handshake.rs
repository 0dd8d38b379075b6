//! The first messages of a connection: version, features, packet-in format, and the TLV map, which
//! must be there before any flow that reads it. Ends the connection when the switch cannot be used.
//! Called by the worker after each connect.

use crate::error::Lost;
use crate::worker::Worker;
use weft_compiler::fields::tlv;
use weft_openflow::{Message, TlvMap, TlvTableCommand, async_kinds};

/// Bit of version 1.5 (0x06) in a hello.
const VERSION_1_5: u64 = 1 << 6;
/// `NXPIF_NXT_PACKET_IN2`.
const PACKET_IN2: u32 = 2;
/// The Geneve option that carries ports and identities; its bits are drawn in ARCHITECTURE.md, "Pipeline".
const TLV: TlvMap = TlvMap {
    class: tlv::CLASS,
    kind: tlv::KIND,
    length: tlv::BYTES,
    index: 0,
};

impl Worker {
    /// Brings a fresh connection to where flows may be sent.
    pub(crate) fn handshake(&mut self) -> Result<(), Lost> {
        self.link.send(&Message::Hello {
            versions: VERSION_1_5,
        })?;
        match self.receive("hello")? {
            (_, Message::Hello { versions }) if versions & VERSION_1_5 != 0 => {}
            (_, Message::Hello { .. }) => {
                return Err(Lost::Unusable(
                    "the bridge does not speak OpenFlow 1.5: add OpenFlow15 to its protocols"
                        .to_owned(),
                ));
            }
            (_, Message::Error(error)) => {
                return Err(Lost::Refused {
                    what: "the hello",
                    error: error.to_string(),
                });
            }
            _ => {
                return Err(Lost::Protocol(
                    "another message before the hello".to_owned(),
                ));
            }
        }
        // A management socket is a service connection: it gets packet-ins only when it asks.
        self.link.send(&Message::SetConfig {
            flags: 0,
            miss_send_len: u16::MAX,
        })?;
        self.link.send(&Message::SetPacketInFormat(PACKET_IN2))?;
        self.link.send(&Message::SetAsync(vec![
            (async_kinds::PACKET_IN, 0b11_1111),
            (async_kinds::PORT_STATUS, 0),
            (async_kinds::FLOW_REMOVED, 0),
        ]))?;
        self.barrier("the connection's set-up")?;
        self.ensure_tlv_map()
    }

    /// Sends a barrier and waits for its answer; any error meanwhile is the answer to `what`.
    pub(crate) fn barrier(&mut self, what: &'static str) -> Result<(), Lost> {
        let barrier = self.link.send(&Message::BarrierRequest)?;
        loop {
            match self.receive(what)? {
                (xid, Message::BarrierReply) if xid == barrier => return Ok(()),
                (_, Message::Error(error)) => {
                    return Err(Lost::Refused {
                        what,
                        error: error.to_string(),
                    });
                }
                (xid, message) => self.unsolicited(xid, message),
            }
        }
    }

    fn ensure_tlv_map(&mut self) -> Result<(), Lost> {
        let maps = self.read_tlv_maps()?;
        if maps.contains(&TLV) {
            return Ok(());
        }
        if let Some(foreign) = maps
            .iter()
            .find(|map| map.index == TLV.index || (map.class, map.kind) == (TLV.class, TLV.kind))
        {
            return Err(Lost::Unusable(format!(
                "the bridge maps Geneve option class {:#06x} type {:#04x} length {} to tun_metadata{}, \
                 where Weft needs class {:#06x} type {:#04x} length {} at tun_metadata{}: \
                 remove it with `ovs-ofctl del-tlv-map` when nothing else uses it",
                foreign.class,
                foreign.kind,
                foreign.length,
                foreign.index,
                TLV.class,
                TLV.kind,
                TLV.length,
                TLV.index,
            )));
        }
        self.link.send(&Message::TlvTableMod {
            command: TlvTableCommand::Add,
            maps: vec![TLV],
        })?;
        self.barrier("the TLV map")
    }

    fn read_tlv_maps(&mut self) -> Result<Vec<TlvMap>, Lost> {
        let request = self.link.send(&Message::TlvTableRequest)?;
        loop {
            match self.receive("the TLV map")? {
                (xid, Message::TlvTableReply { maps, .. }) if xid == request => return Ok(maps),
                (xid, Message::Error(error)) if xid == request => {
                    return Err(Lost::Refused {
                        what: "the TLV map",
                        error: error.to_string(),
                    });
                }
                (xid, message) => self.unsolicited(xid, message),
            }
        }
    }
}
