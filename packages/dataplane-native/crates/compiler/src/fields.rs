//! Registers, egress keys and the Geneve TLV, bit by bit: declared here and nowhere else.
//! It holds no flows. Used by every stage, by the interpreter and by what explains flows to people.
//!
//! ```text
//! reg0 [0] from a tunnel  [1] from a provider network  [2] unknown unicast  (the rest is zero)
//! reg1 [23:0] network key          [31:24] zero
//! reg2 [23:0] ingress port key     [31:24] zero; 0 = not known (VXLAN, GRE, provider network)
//! reg3 [23:0] egress key           [31:24] zero
//! reg4 [23:0] sender's identity    [31:24] zero
//! reg5 scratch of one stage:
//!      [31:0] the address that an ARP request asks for, while two change places; table 22
//!      [31]   who answers a neighbour solicitation is a router; tables 21, 22
//!      [0]    longer than the MTU of the network that a router sends it to; tables 35, 36
//!      [31:0] why a router hands it to the engine (`router_services::Reason`); tables 38, 39
//! xreg3 (reg6, reg7) [47:0] MAC address that answers ARP or ND; tables 20 to 23
//! reg8 [23:0] router that has it   [24] routed at least once   [31:25] zero
//! reg9 [7:0] routers that it left: one more bit from the right for each
//!      [8] the router itself made it: its TTL is not taken from; tables 31 to 36
//!      [31:16] number of the ECMP member, 1..16; it means something beside a set in reg10 alone
//! reg10 [31:0] table of routes; after an ECMP choice the set that the member is of
//!      (`set_id`); tables 30 to 34
//! reg11 [23:0] network or link by which it came to the router
//! xxreg3 (reg12..15) next hop: an IPv6 address, or reg15 an IPv4 address
//! ```
//!
//! What a router hands to the engine shows in registers: reg1 the network that it was to go to,
//! reg2, reg8, reg11, and the next hop. `router_services` reads and writes them for the engine.

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

pub const ROUTER: Field = Field::Reg8;
pub const HOPS: Field = Field::Reg9;
/// "The router itself made it".
pub const OWN: Subfield = Subfield::new(Field::Reg9, 8, 1);
/// The number of an ECMP member.
pub const MEMBER: Subfield = Subfield::new(Field::Reg9, 16, 16);
pub const ROUTE_TABLE: Field = Field::Reg10;
pub const INGRESS_NETWORK: Field = Field::Reg11;
pub const NEXT_HOP_V4: Field = Field::Reg15;
pub const NEXT_HOP_V6: Field = Field::Xxreg3;
/// Whether a packet is too long, and then why a router gives it up.
pub const TOO_BIG: u32 = 1 << 0;
pub const REASON: Field = Field::Reg5;
/// Set for neighbour solicitations that a router answers.
pub const IS_ROUTER: Subfield = Subfield::new(Field::Reg5, 31, 1);

/// "Routed" in the router register.
pub const ROUTED: u32 = 1 << 24;
/// Routers that a packet passes at most in one pass.
pub const HOPS_MAX: u16 = 8;

/// The router register of a packet that a router has.
pub const fn routed(router: u32) -> u32 {
    ROUTED | router
}

/// Who chooses among several next hops: the value of the route table register from then on, which
/// no table of routes has.
///
/// ```text
/// 31 one | 24 policy route (1) or route (0) | 23..0 its key
/// ```
pub const fn set_id(policy: bool, key: u32) -> u32 {
    1 << 31 | (policy as u32) << 24 | key
}
/// The largest number of a table of routes.
pub const ROUTE_TABLE_MAX: u32 = 0x7fff_ffff;

/// The source MAC of what a chassis routes into a physical network: 0e:57, zeros and its key, so
/// that no MAC is ever seen on two ports there.
pub const fn chassis_mac(chassis_key: u32) -> Mac {
    let [_, _, high, low] = chassis_key.to_be_bytes();
    [0x0e, 0x57, 0, 0, high, low]
}

/// The conntrack zone of packets that end a pass to begin another: nothing is ever committed there.
pub const PASS_ZONE: u16 = 0xffff;

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
/// 31..28 kind | 27..24 chunk | 23..0 network key; of kinds 7 to 10 key of the route or policy
/// ```
pub mod group_id {
    use std::ops::RangeInclusive;

    pub const LOCAL_FLOOD: u32 = 1;
    pub const REMOTE_FLOOD: u32 = 2;
    pub const LOCAL_UNKNOWN: u32 = 3;
    pub const REMOTE_UNKNOWN: u32 = 4;
    pub const RELAY_FLOOD: u32 = 5;
    pub const RELAY_UNKNOWN: u32 = 6;
    /// One of several next hops of a route; the same for fragments, which have no ports.
    pub const ROUTE: u32 = 7;
    pub const ROUTE_FRAGMENTS: u32 = 8;
    /// Of a policy route.
    pub const POLICY: u32 = 9;
    pub const POLICY_FRAGMENTS: u32 = 10;
    /// All kinds: what has another is not ours.
    pub const KINDS: RangeInclusive<u32> = LOCAL_FLOOD..=POLICY_FRAGMENTS;
    /// Chunks a kind may have.
    pub const CHUNKS: usize = 16;

    pub const fn of(kind: u32, chunk: u32, network_key: u32) -> u32 {
        kind << 28 | chunk << 24 | network_key
    }

    /// The kind of a group.
    pub const fn kind(id: u32) -> u32 {
        id >> 28
    }

    /// The key of what a group belongs to: a network, a route or a policy route.
    pub const fn key(id: u32) -> u32 {
        id & 0x00ff_ffff
    }
}

/// Ids of meters. Open vSwitch gives ports numbers below 0xff00, so all kinds fit below its limit
/// on meter ids.
///
/// ```text
/// 17..16 neighbour solicitations (0), claims (1), what routers give up (2) or echo requests to
///        routers (3) | 15..0 ofport
/// ```
pub mod meter_id {
    /// The largest ofport that has meters.
    pub const OFPORT_MAX: u32 = 0xfeff;
    /// Neighbour solicitations of a port: each that is answered is an upcall, by flows or the engine.
    pub const fn solicitations(ofport: u32) -> u32 {
        ofport
    }
    /// Address claims of a port.
    pub const fn claims(ofport: u32) -> u32 {
        1 << 16 | ofport
    }
    /// Packets of a port that routers hand to the engine.
    pub const fn punts(ofport: u32) -> u32 {
        2 << 16 | ofport
    }
    /// Echo requests of a port to routers: each that is answered is an upcall.
    pub const fn echoes(ofport: u32) -> u32 {
        3 << 16 | ofport
    }
    /// The port whose packets a meter counts.
    pub const fn ofport(id: u32) -> u32 {
        id & 0xffff
    }
    /// Packets a second, and burst in packets.
    pub const SOLICITATIONS: (u32, u32) = (100, 100);
    pub const CLAIMS: (u32, u32) = (5, 10);
    pub const PUNTS: (u32, u32) = (10, 20);
    pub const ECHOES: (u32, u32) = (100, 100);
}
