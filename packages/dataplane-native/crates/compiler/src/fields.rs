//! Registers, egress keys and the Geneve TLV, bit by bit: declared here and nowhere else.
//! It holds no flows. Used by every stage, by the interpreter and by what explains flows to people.
//!
//! ```text
//! reg0 [0] from a tunnel  [1] from a provider network  [2] unknown unicast  (the rest is zero)
//! reg1 [23:0] network key          [31:24] zero
//! reg2 [23:0] ingress port key     [31:24] zero; 0 = not known (VXLAN, GRE, provider network)
//! reg3 [23:0] egress key           [31:24] zero
//! reg4 [23:0] sender's identity    [31:24] zero
//! reg5 [31:0] the address that an ARP request asks for, while two change places; table 22
//! xreg3 (reg6, reg7) [47:0] MAC address that answers ARP or ND; tables 20 to 23
//! ```

use weft_openflow::{Field, Subfield};

/// A MAC address in wire order.
pub type Mac = [u8; 6];

/// Network keys, port keys and identities are numbers of 24 bits.
pub const KEY_BITS: u16 = 24;
/// The largest key of a port; what lies above are the special egress keys.
pub const PORT_KEY_MAX: u32 = 0x00ff_efff;
/// The largest key of a network.
pub const NETWORK_KEY_MAX: u32 = 0x00ff_ffff;

pub const FLAGS: Field = Field::Reg0;
pub const NETWORK: Field = Field::Reg1;
pub const INGRESS: Field = Field::Reg2;
pub const EGRESS: Field = Field::Reg3;
pub const IDENTITY: Field = Field::Reg4;
/// Where the MAC of an answer waits for its second step.
pub const ANSWER_MAC: Subfield = Subfield::new(Field::Xreg3, 0, 48);

pub const FLAG_TUNNEL: u32 = 1 << 0;
pub const FLAG_PROVIDER: u32 = 1 << 1;
pub const FLAG_UNKNOWN: u32 = 1 << 2;

/// Broadcast and multicast: local replication.
pub const EGRESS_FLOOD: u32 = 0x00ff_ffff;
/// Relay: local replication and copies to the other chassis of the relay's block.
pub const EGRESS_RELAY: u32 = 0x00ff_fffe;
/// Unknown unicast: to the local ports with port security off.
pub const EGRESS_UNKNOWN: u32 = 0x00ff_fffd;
/// Relay of unknown unicast.
pub const EGRESS_RELAY_UNKNOWN: u32 = 0x00ff_fffc;

/// Where an IPv4 address waits while two change places.
pub const SWAP: Field = Field::Reg5;

/// The key bits of a register.
pub const fn key_of(register: Field) -> Subfield {
    Subfield::new(register, 0, KEY_BITS)
}

/// The Geneve TLV as `tun_metadata0`: class 0xff57, type 0x81 (critical), 12 bytes.
///
/// ```text
/// 95..92 version=1 | 91..88 flags | 87..64 ingress key | 63..40 egress key
/// 39..16 sender's identity | 15..0 reserved
/// ```
pub mod tlv {
    use super::{Field, KEY_BITS, Subfield};

    pub const CLASS: u16 = 0xff57;
    pub const KIND: u8 = 0x81;
    pub const BYTES: u8 = 12;
    pub const VERSION: u128 = 1;
    pub const VERSION_SHIFT: u32 = 92;
    pub const EGRESS_SHIFT: u32 = 40;

    pub const FIELD: Field = Field::TunMetadata0;
    pub const INGRESS: Subfield = Subfield::new(FIELD, 64, KEY_BITS);
    pub const EGRESS: Subfield = Subfield::new(FIELD, 40, KEY_BITS);
    pub const IDENTITY: Subfield = Subfield::new(FIELD, 16, KEY_BITS);

    /// The TLV with this egress key, the other keys being zero.
    pub const fn value(egress: u32) -> u128 {
        VERSION << VERSION_SHIFT | (egress as u128) << EGRESS_SHIFT
    }
}

/// Ids of groups.
///
/// ```text
/// 31..28 kind | 27..24 chunk | 23..0 network key
/// ```
pub mod group_id {
    pub const LOCAL_FLOOD: u32 = 1;
    pub const REMOTE_FLOOD: u32 = 2;
    pub const LOCAL_UNKNOWN: u32 = 3;
    pub const REMOTE_UNKNOWN: u32 = 4;
    pub const RELAY_FLOOD: u32 = 5;
    pub const RELAY_UNKNOWN: u32 = 6;
    /// Chunks a kind may have.
    pub const CHUNKS: usize = 16;

    pub const fn of(kind: u32, chunk: u32, network_key: u32) -> u32 {
        kind << 28 | chunk << 24 | network_key
    }

    /// The network that a group belongs to.
    pub const fn network_key(id: u32) -> u32 {
        id & 0x00ff_ffff
    }
}

/// Ids of meters. Open vSwitch gives ports numbers below 0xff00, so both kinds fit below its limit
/// on meter ids.
///
/// ```text
/// 16 claims (1) or neighbour solicitations (0) | 15..0 ofport
/// ```
pub mod meter_id {
    /// The largest ofport that has meters.
    pub const OFPORT_MAX: u32 = 0xfeff;
    /// Neighbour solicitations of a port: each is an upcall, whether flows or the engine answer it.
    pub const fn solicitations(ofport: u32) -> u32 {
        ofport
    }
    /// Address claims of a port.
    pub const fn claims(ofport: u32) -> u32 {
        1 << 16 | ofport
    }
    /// The port whose packets a meter counts.
    pub const fn ofport(id: u32) -> u32 {
        id & 0xffff
    }
    /// Packets a second, and burst in packets.
    pub const SOLICITATIONS: (u32, u32) = (100, 100);
    pub const CLAIMS: (u32, u32) = (5, 10);
}
