//! The table of OXM and NXM match fields: class, number, width, name as Open vSwitch prints it, maskability.
//! It holds no values and no wire code beyond headers. Used by `match_`, `action` and `text`.
//! Source: OpenFlow 1.5.1 section 7.2.3, ovs-fields(7).
//!
//! An OXM header on the wire, most significant bit first:
//! ```text
//! | class 16 | field 7 | has mask 1 | payload length 8 | [experimenter id 32 when class = 0xffff] |
//! ```
//! The payload length counts value, mask and, in class 0xffff, the experimenter id.

use crate::wire::ones;

const NXM_0: u16 = 0x0000;
const NXM_1: u16 = 0x0001;
const BASIC: u16 = 0x8000;
const REGS: u16 = 0x8001;
const ERICSSON: u16 = 0x1000;
/// Class 0xffff: the header is followed by an experimenter id. No field of the table has it.
pub(crate) const EXPERIMENTER: u16 = 0xffff;

/// Bytes of a `tun_metadata` value as [`Field`] carries it: Weft's one TLV is 12 bytes long.
/// Shorter ones are read with zeros in front, longer ones stay opaque (see [`crate::Match`]).
pub const TUN_METADATA_BYTES: usize = 12;

/// What the table says about one field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldInfo {
    /// Name as `ovs-ofctl` prints and reads it in `set_field`, `move` and the OXM-style match syntax.
    pub name: &'static str,
    /// OXM class.
    pub class: u16,
    /// Field number within the class.
    pub number: u8,
    /// Bytes of one value on the wire.
    pub bytes: usize,
    /// Bits of the value that mean something; the rest is zero.
    pub bits: u32,
    /// Whether a match may carry a mask.
    pub maskable: bool,
    /// How a value is written as text.
    pub format: Format,
}

/// How values of a field are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Decimal,
    Hex,
    Mac,
    Ipv4,
    Ipv6,
    Port,
    CtState,
    Fragment,
    TcpFlags,
    TunFlags,
}

macro_rules! fields {
    ($($(#[$doc:meta])* $variant:ident $name:literal ($class:expr, $number:expr) $bytes:literal $bits:literal $mask:ident $format:ident;)*) => {
        /// A match field. The order of the variants is the canonical order of a [`crate::Match`]:
        /// a field comes after all of its prerequisites, as the wire demands.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Field { $($(#[$doc])* $variant,)* }

        /// The table, indexed by `Field as usize`.
        const TABLE: &[FieldInfo] = &[$(FieldInfo {
            name: $name, class: $class, number: $number,
            bytes: $bytes, bits: $bits, maskable: fields!(@$mask), format: Format::$format,
        },)*];

        impl Field {
            /// Every field, in canonical order.
            pub const ALL: &'static [Field] = &[$(Field::$variant,)*];
        }
    };
    (@yes) => { true };
    (@no) => { false };
}

fields! {
    /// Match on what kind of packet it is; 0 (Ethernet) is implied and never stored.
    PacketType "packet_type" (BASIC, 44) 4 32 no Hex;
    DpHash "dp_hash" (NXM_1, 35) 4 32 yes Hex;
    RecircId "recirc_id" (NXM_1, 36) 4 32 no Decimal;
    ConjId "conj_id" (NXM_1, 37) 4 32 no Decimal;
    /// The OpenFlow port the packet came in by, 32 bits. Actions may read but not set it.
    InPort "in_port_oxm" (BASIC, 0) 4 32 no Port;
    /// The same in 16-bit numbering, which actions may set: 0 lets a packet go out by its own port.
    /// A match stores [`Field::InPort`].
    InPort16 "in_port" (NXM_0, 0) 2 16 no Decimal;
    ActsetOutput "actset_output" (BASIC, 43) 4 32 no Port;
    TunId "tun_id" (BASIC, 38) 8 64 yes Hex;
    TunSrc "tun_src" (NXM_1, 31) 4 32 yes Ipv4;
    TunDst "tun_dst" (NXM_1, 32) 4 32 yes Ipv4;
    TunIpv6Src "tun_ipv6_src" (NXM_1, 109) 16 128 yes Ipv6;
    TunIpv6Dst "tun_ipv6_dst" (NXM_1, 110) 16 128 yes Ipv6;
    /// Bit 0: OAM.
    TunFlags "tun_flags" (NXM_1, 104) 2 1 yes TunFlags;
    TunGbpId "tun_gbp_id" (NXM_1, 38) 2 16 yes Decimal;
    TunGbpFlags "tun_gbp_flags" (NXM_1, 39) 1 8 yes Hex;
    TunMetadata0 "tun_metadata0" (NXM_1, 40) 12 96 yes Hex;
    TunMetadata1 "tun_metadata1" (NXM_1, 41) 12 96 yes Hex;
    TunMetadata2 "tun_metadata2" (NXM_1, 42) 12 96 yes Hex;
    TunMetadata3 "tun_metadata3" (NXM_1, 43) 12 96 yes Hex;
    TunMetadata4 "tun_metadata4" (NXM_1, 44) 12 96 yes Hex;
    TunMetadata5 "tun_metadata5" (NXM_1, 45) 12 96 yes Hex;
    TunMetadata6 "tun_metadata6" (NXM_1, 46) 12 96 yes Hex;
    TunMetadata7 "tun_metadata7" (NXM_1, 47) 12 96 yes Hex;
    Metadata "metadata" (BASIC, 2) 8 64 yes Hex;
    PktMark "pkt_mark" (NXM_1, 33) 4 32 yes Hex;
    Reg0 "reg0" (NXM_1, 0) 4 32 yes Hex;
    Reg1 "reg1" (NXM_1, 1) 4 32 yes Hex;
    Reg2 "reg2" (NXM_1, 2) 4 32 yes Hex;
    Reg3 "reg3" (NXM_1, 3) 4 32 yes Hex;
    Reg4 "reg4" (NXM_1, 4) 4 32 yes Hex;
    Reg5 "reg5" (NXM_1, 5) 4 32 yes Hex;
    Reg6 "reg6" (NXM_1, 6) 4 32 yes Hex;
    Reg7 "reg7" (NXM_1, 7) 4 32 yes Hex;
    Reg8 "reg8" (NXM_1, 8) 4 32 yes Hex;
    Reg9 "reg9" (NXM_1, 9) 4 32 yes Hex;
    Reg10 "reg10" (NXM_1, 10) 4 32 yes Hex;
    Reg11 "reg11" (NXM_1, 11) 4 32 yes Hex;
    Reg12 "reg12" (NXM_1, 12) 4 32 yes Hex;
    Reg13 "reg13" (NXM_1, 13) 4 32 yes Hex;
    Reg14 "reg14" (NXM_1, 14) 4 32 yes Hex;
    Reg15 "reg15" (NXM_1, 15) 4 32 yes Hex;
    /// `xregN` is `reg(2N)` (high half) and `reg(2N+1)`; a match stores the halves.
    Xreg0 "xreg0" (REGS, 0) 8 64 yes Hex;
    Xreg1 "xreg1" (REGS, 1) 8 64 yes Hex;
    Xreg2 "xreg2" (REGS, 2) 8 64 yes Hex;
    Xreg3 "xreg3" (REGS, 3) 8 64 yes Hex;
    Xreg4 "xreg4" (REGS, 4) 8 64 yes Hex;
    Xreg5 "xreg5" (REGS, 5) 8 64 yes Hex;
    Xreg6 "xreg6" (REGS, 6) 8 64 yes Hex;
    Xreg7 "xreg7" (REGS, 7) 8 64 yes Hex;
    /// `xxregN` is `reg(4N)` (highest quarter) to `reg(4N+3)`; a match stores the quarters.
    Xxreg0 "xxreg0" (NXM_1, 111) 16 128 yes Hex;
    Xxreg1 "xxreg1" (NXM_1, 112) 16 128 yes Hex;
    Xxreg2 "xxreg2" (NXM_1, 113) 16 128 yes Hex;
    Xxreg3 "xxreg3" (NXM_1, 114) 16 128 yes Hex;
    CtState "ct_state" (NXM_1, 105) 4 32 yes CtState;
    CtZone "ct_zone" (NXM_1, 106) 2 16 no Hex;
    CtMark "ct_mark" (NXM_1, 107) 4 32 yes Hex;
    CtLabel "ct_label" (NXM_1, 108) 16 128 yes Hex;
    EthSrc "eth_src" (BASIC, 4) 6 48 yes Mac;
    EthDst "eth_dst" (BASIC, 3) 6 48 yes Mac;
    EthType "eth_type" (BASIC, 5) 2 16 no Hex;
    /// `0x1000 | vid`: the 0x1000 bit says that a tag is there; 0 exactly means "no tag".
    VlanVid "vlan_vid" (BASIC, 6) 2 13 yes Hex;
    VlanPcp "vlan_pcp" (BASIC, 7) 1 3 no Decimal;
    /// The whole 802.1Q TCI: PCP 3, "tag is there" 1, VID 12. A match stores vlan_vid and vlan_pcp.
    VlanTci "vlan_tci" (NXM_0, 4) 2 16 yes Hex;
    MplsLabel "mpls_label" (BASIC, 34) 4 20 no Decimal;
    MplsTc "mpls_tc" (BASIC, 35) 1 3 no Decimal;
    MplsBos "mpls_bos" (BASIC, 36) 1 1 no Decimal;
    MplsTtl "mpls_ttl" (NXM_1, 30) 1 8 no Decimal;
    IpProto "nw_proto" (BASIC, 10) 1 8 no Decimal;
    /// The six bits of the DSCP, right-aligned.
    IpDscp "ip_dscp" (BASIC, 8) 1 6 no Decimal;
    IpEcn "nw_ecn" (BASIC, 9) 1 2 no Decimal;
    IpTtl "nw_ttl" (NXM_1, 29) 1 8 no Decimal;
    /// Bit 0: a fragment; bit 1: not the first one.
    IpFrag "ip_frag" (NXM_1, 26) 1 2 yes Fragment;
    Ipv4Src "ip_src" (BASIC, 11) 4 32 yes Ipv4;
    Ipv4Dst "ip_dst" (BASIC, 12) 4 32 yes Ipv4;
    Ipv6Src "ipv6_src" (BASIC, 26) 16 128 yes Ipv6;
    Ipv6Dst "ipv6_dst" (BASIC, 27) 16 128 yes Ipv6;
    Ipv6Flabel "ipv6_label" (BASIC, 28) 4 20 yes Hex;
    TcpSrc "tcp_src" (BASIC, 13) 2 16 yes Decimal;
    TcpDst "tcp_dst" (BASIC, 14) 2 16 yes Decimal;
    TcpFlags "tcp_flags" (BASIC, 42) 2 12 yes TcpFlags;
    UdpSrc "udp_src" (BASIC, 15) 2 16 yes Decimal;
    UdpDst "udp_dst" (BASIC, 16) 2 16 yes Decimal;
    SctpSrc "sctp_src" (BASIC, 17) 2 16 yes Decimal;
    SctpDst "sctp_dst" (BASIC, 18) 2 16 yes Decimal;
    Icmpv4Type "icmp_type" (BASIC, 19) 1 8 no Decimal;
    Icmpv4Code "icmp_code" (BASIC, 20) 1 8 no Decimal;
    Icmpv6Type "icmpv6_type" (BASIC, 29) 1 8 no Decimal;
    Icmpv6Code "icmpv6_code" (BASIC, 30) 1 8 no Decimal;
    NdReserved "nd_reserved" (ERICSSON, 1) 4 32 no Decimal;
    NdTarget "nd_target" (BASIC, 31) 16 128 yes Ipv6;
    NdOptionsType "nd_options_type" (ERICSSON, 2) 1 8 no Decimal;
    NdSll "nd_sll" (BASIC, 32) 6 48 yes Mac;
    NdTll "nd_tll" (BASIC, 33) 6 48 yes Mac;
    ArpOp "arp_op" (BASIC, 21) 2 16 no Decimal;
    ArpSpa "arp_spa" (BASIC, 22) 4 32 yes Ipv4;
    ArpTpa "arp_tpa" (BASIC, 23) 4 32 yes Ipv4;
    ArpSha "arp_sha" (BASIC, 24) 6 48 yes Mac;
    ArpTha "arp_tha" (BASIC, 25) 6 48 yes Mac;
    CtNwProto "ct_nw_proto" (NXM_1, 119) 1 8 no Decimal;
    CtNwSrc "ct_nw_src" (NXM_1, 120) 4 32 yes Ipv4;
    CtNwDst "ct_nw_dst" (NXM_1, 121) 4 32 yes Ipv4;
    CtIpv6Src "ct_ipv6_src" (NXM_1, 122) 16 128 yes Ipv6;
    CtIpv6Dst "ct_ipv6_dst" (NXM_1, 123) 16 128 yes Ipv6;
    CtTpSrc "ct_tp_src" (NXM_1, 124) 2 16 yes Decimal;
    CtTpDst "ct_tp_dst" (NXM_1, 125) 2 16 yes Decimal;
}

impl Field {
    /// The table row of this field.
    pub fn info(self) -> &'static FieldInfo {
        &TABLE[self as usize]
    }

    /// Bytes of one value on the wire.
    pub fn bytes(self) -> usize {
        self.info().bytes
    }

    /// Meaningful bits of a value.
    pub fn bits(self) -> u32 {
        self.info().bits
    }

    /// All meaningful bits set: the mask of an exact match.
    pub fn all_ones(self) -> u128 {
        ones(self.info().bits)
    }

    /// The name as Open vSwitch prints it.
    pub fn name(self) -> &'static str {
        self.info().name
    }

    /// `regN`, for N in 0..=15.
    pub fn reg(n: u8) -> Option<Field> {
        nth(Field::Reg0, n, 16)
    }

    /// `xregN`, for N in 0..=7.
    pub fn xreg(n: u8) -> Option<Field> {
        nth(Field::Xreg0, n, 8)
    }

    /// `xxregN`, for N in 0..=3.
    pub fn xxreg(n: u8) -> Option<Field> {
        nth(Field::Xxreg0, n, 4)
    }

    /// `tun_metadataN`, for N in 0..=7.
    pub fn tun_metadata(n: u8) -> Option<Field> {
        nth(Field::TunMetadata0, n, 8)
    }

    /// Whether this is one of the `tun_metadata` fields, whose length the TLV map decides.
    pub fn is_tun_metadata(self) -> bool {
        (Field::TunMetadata0..=Field::TunMetadata7).contains(&self)
    }

    /// The field of a header without its length, if the table has it.
    pub(crate) fn lookup(class: u16, number: u8) -> Option<Field> {
        let row = class_row(class)?;
        let rank = *INDEX[row].get(usize::from(number))?;
        Field::ALL.get(usize::from(rank)).copied()
    }
}

/// `Field as u8` by class row and number; 255 where the table has no field.
static INDEX: [[u8; 128]; 5] = index();

const fn index() -> [[u8; 128]; 5] {
    let mut index = [[u8::MAX; 128]; 5];
    let mut rank = 0;
    while rank < TABLE.len() {
        if let Some(row) = class_row(TABLE[rank].class) {
            index[row][TABLE[rank].number as usize] = Field::ALL[rank] as u8;
        }
        rank += 1;
    }
    index
}

const fn class_row(class: u16) -> Option<usize> {
    match class {
        NXM_0 => Some(0),
        NXM_1 => Some(1),
        BASIC => Some(2),
        REGS => Some(3),
        ERICSSON => Some(4),
        _ => None,
    }
}

fn nth(first: Field, n: u8, count: u8) -> Option<Field> {
    if n < count {
        Field::ALL.get(first as usize + usize::from(n)).copied()
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_found_by_its_header_and_named_once() {
        let mut names = std::collections::BTreeSet::new();
        for &field in Field::ALL {
            let info = field.info();
            assert_eq!(Field::lookup(info.class, info.number), Some(field));
            assert!(names.insert(info.name), "{} twice", info.name);
            assert!(info.bits as usize <= info.bytes * 8);
        }
        assert_eq!(Field::lookup(BASIC, 127), None);
        assert_eq!(Field::reg(15), Some(Field::Reg15));
        assert_eq!(Field::reg(16), None);
        assert_eq!(Field::xxreg(3), Some(Field::Xxreg3));
    }
}
