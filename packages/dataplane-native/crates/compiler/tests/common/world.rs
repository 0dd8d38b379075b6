//! One chassis with every kind of network, and random packets that come near its flows.
//! Shared by the test against Open vSwitch and by the properties.

use weft_compiler::interp::Packet;
use weft_openflow::Field;

/// Two routers joined by a link, with networks 11 and 12. Local ports 1..9, tunnel ports 100 (Geneve), 101 (VXLAN), 102 (GRE), patch ports 50 and 51.
pub const WORLD: &str = "
chassis/c1/config key=130
local/tunnel/1 ofport=100 ips=172.31.0.130,fd31::130
local/tunnel/2 ofport=101 ips=172.31.0.130
local/tunnel/3 ofport=102 ips=172.31.0.130
local/patch/phys1 ofport=50
local/patch/phys2 ofport=51
chassis/c1/fence/9 vteps=172.31.0.9,fd31::9
chassis/c1/fence/10 vteps=172.31.0.9,172.31.0.10

network/5/config id=blue encap=geneve gateways=10.0.0.1,fd00::1 gateway_mac=02:ff:00:00:00:01 unknown=on
chassis/c1/port/1 id=p1 network=5 mac=02:00:00:00:00:01 ips=10.0.0.2,fd00::2 pairs=10.0.0.9@00:00:5e:00:01:01,fd00::9@00:00:5e:00:01:01,10.9.0.0/16
local/vif/p1 ofport=1
chassis/c1/port/2 id=p2 network=5 mac=02:00:00:00:00:02 ips=10.0.0.3,fd00::3 security=off
local/vif/p2 ofport=2
network/5/location/3 mac=02:00:00:00:00:03 ips=10.0.0.4,fd00::4 chassis=2 vtep=172.31.0.2
network/5/location/4 mac=02:00:00:00:00:04 ips=10.0.0.5 chassis=3 vtep=fd31::3
network/5/address/0a000009 mac=00:00:5e:00:01:01 port=3 chassis=2 vtep=172.31.0.2
network/5/address/fd000000000000000000000000000009 mac=00:00:5e:00:01:01 port=1 chassis=130
flood/5/peer/2 vtep=172.31.0.2 unknown=on
flood/5/peer/3 vtep=fd31::3

network/6/config id=red encap=vxlan
chassis/c1/port/5 id=p5 network=6 mac=02:00:00:00:00:01 ips=10.0.0.2
local/vif/p5 ofport=3
network/6/location/6 mac=02:00:00:00:00:02 ips=10.0.0.3 chassis=2 vtep=172.31.0.2
flood/6/peer/2 vtep=172.31.0.2

network/7/config id=green encap=gre
chassis/c1/port/7 id=p7 network=7 mac=02:00:00:00:00:03 ips=10.0.0.4 up=off
local/vif/p7 ofport=4
flood/7/peer/2 vtep=172.31.0.2

network/8/config id=dmz physical=phys1 vlan=120
chassis/c1/port/8 id=p8 network=8 mac=02:00:00:00:00:01 ips=10.0.0.2
local/vif/p8 ofport=5
network/9/config id=lan physical=phys2 unknown=on
chassis/c1/port/9 id=p9 network=9 mac=02:00:00:00:00:02 ips=10.0.0.3 security=off
local/vif/p9 ofport=6
chassis/c1/address/9/c0000240 mac=00:00:5e:00:01:01 port=9 chassis=130

network/10/config id=huge encap=geneve relayed=on unknown=on
chassis/c1/port/10 id=p10 network=10 mac=02:00:00:00:00:05 ips=10.0.0.2
local/vif/p10 ofport=7
@126..134 flood/10/peer/{i} vtep=172.31.0.{lo} unknown=on
@256..258 flood/10/peer/{i} vtep=fd31::{i}
flood/10/peer/135 vtep=fd31::135

network/11/config id=left encap=geneve
chassis/c1/port/11 id=p11 network=11 mac=02:00:00:00:00:11 ips=10.11.0.2,fd11::2
local/vif/p11 ofport=8
network/11/location/12 mac=02:00:00:00:00:12 ips=10.11.0.3,fd11::3 chassis=2 vtep=172.31.0.2
network/11/location/13 mac=02:00:00:00:00:13 ips=10.11.0.4,fd11::4 chassis=3 vtep=fd31::3
network/12/config id=right encap=geneve unknown=on
chassis/c1/port/21 id=p21 network=12 mac=02:00:00:00:00:21 ips=10.12.0.2,fd12::2 security=off
local/vif/p21 ofport=9
flood/12/peer/2 vtep=172.31.0.2 unknown=on
network/12/address/0a0c0009 mac=02:00:00:00:00:29 port=22 chassis=2 vtep=172.31.0.2

router/1/config id=r1
router/1/interface/11 key=1 mac=02:ff:00:00:00:11 ips=10.11.0.1/24,fd11::1/64
router/1/interface/20 key=20 mac=0a:00:5d:00:00:14 ips=172.20.0.1/30,fd20::1/64 link=on
router/1/route/1 to=10.12.0.0/16 via=172.20.0.2@20
router/1/route/2 to=fd12::/16 via=fd20::2@20
router/1/route/3 to=192.0.2.0/24 via=172.20.0.2@20
router/1/route/4 to=10.66.0.0/16
router/1/route/5 to=10.77.0.0/16 via=10.11.0.2@11,10.11.0.3@11,10.11.0.99@11
router/1/route/6 to=fd77::/16 via=fd11::2@11,fd11::3@11
router/1/policy/1 priority=20 do=drop src=10.11.0.0/24 dst=10.11.0.4/32
router/1/policy/2 priority=10 do=reroute proto=17 dport=5000-5003 dst=10.77.0.0/16 via=10.11.0.4@11
router/1/policy/3 priority=30 do=allow in=11 proto=17 sport=5002
router/1/leaked/3/13/0a0d0000/24 mac=02:ff:00:00:00:13 mtu=1300
router/1/neighbour/31 network=13 mac=02:00:00:00:00:31 ips=10.13.0.2 chassis=2 encap=geneve vtep=172.31.0.2
router/2/config id=r2
router/2/interface/12 key=2 mac=02:ff:00:00:00:12 ips=10.12.0.1/24,fd12::1/64 mtu=1400 table=1
router/2/interface/20 key=20 mac=0a:00:5c:00:00:14 ips=172.20.0.2/30,fd20::2/64 link=on
router/2/interface/8 key=3 mac=02:ff:00:00:00:08 ips=192.0.2.1/24
router/2/neighbour/30 network=8 mac=02:00:00:00:00:30 ips=192.0.2.30 chassis=2
router/2/route/7 to=10.11.0.0/24 table=1 via=172.20.0.1@20
router/2/route/8 to=fd11::/16 table=1 via=fd20::1@20
router/2/route/9 to=10.11.0.0/24 via=172.20.0.1@20
";

/// A small generator of numbers (xorshift), the same in every run.
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from((self.0 >> 11) % sides as u64).expect("small")
    }
    pub fn of<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.roll(list.len())]
    }
}

const MACS: &[u128] = &[
    0x0200_0000_0001,
    0x0200_0000_0002,
    0x0200_0000_0003,
    0x0200_0000_0004,
    0x0200_0000_0005,
    0x0000_5e00_0101,
    0x0200_0000_0099,
];
const IPV4: &[u128] = &[
    0x0a00_0001,
    0x0a00_0002,
    0x0a00_0003,
    0x0a00_0004,
    0x0a00_0005,
    0x0a00_0009,
    0x0a09_0101,
    0x0a00_0063,
    0,
];
const FD: u128 = 0xfd00 << 112;
const IPV6: &[u128] = &[
    FD | 1,
    FD | 2,
    FD | 3,
    FD | 4,
    FD | 9,
    FD | 0x99,
    LINK_LOCAL,
    0,
];
/// Of 02:00:00:00:00:01.
const LINK_LOCAL: u128 = 0xfe80 << 112 | 0x0000_00ff_fe00_0001;

const ROUTED_V4: &[u128] = &[
    0x0a0b_0001,
    0x0a0b_0002,
    0x0a0b_0003,
    0x0a0b_0004,
    0x0a0b_0063,
    0x0a0b_00ff,
    0x0a0c_0001,
    0x0a0c_0002,
    0x0a0c_0009,
    0x0a0c_0063,
    0x0a0d_0002,
    0x0a0d_0003,
    0x0a42_0001,
    0x0a4d_0001,
    0xac14_0001,
    0xac14_0002,
    0xc000_021e,
    0xc000_0201,
    0x0808_0808,
    0xe000_0001,
    0x7f00_0001,
    0xa9fe_0001,
];
const fn routed_v6(network: u128, host: u128) -> u128 {
    network << 112 | host
}
const ROUTED_V6: &[u128] = &[
    routed_v6(0xfd11, 1),
    routed_v6(0xfd11, 2),
    routed_v6(0xfd11, 3),
    routed_v6(0xfd11, 0x99),
    routed_v6(0xfd12, 1),
    routed_v6(0xfd12, 2),
    routed_v6(0xfd12, 0x99),
    routed_v6(0xfd20, 1),
    routed_v6(0xfd20, 2),
    routed_v6(0xfd77, 2),
    routed_v6(0xfe80, 0x0000_00ff_fe00_0011),
    routed_v6(0xfe80, 0x0000_00ff_fe00_0021),
    // Of the interfaces' MACs.
    routed_v6(0xfe80, 0x0000_ffff_fe00_0011),
    routed_v6(0xfe80, 0x0000_ffff_fe00_0012),
    routed_v6(0xff02, 1),
    1,
];

/// A packet of ports 11 or 21 to their router.
pub fn routed(dice: &mut Dice) -> Packet {
    let (in_port, from, to, v4, v6) = dice.of(&[
        (8u128, 0x0200_0000_0011, 0x02ff_0000_0011, 1, 1),
        (9, 0x0200_0000_0021, 0x02ff_0000_0012, 7, 5),
    ]);
    // With a hash already there, Open vSwitch goes on without recirculation.
    let hash = 1 + u32::try_from(dice.roll(255)).expect("small");
    let mut packet = Packet::default();
    packet.hash = hash;
    let packet = packet
        .with(Field::DpHash, hash.into())
        .with(Field::InPort, in_port)
        .with(Field::EthSrc, from)
        .with(Field::EthDst, to);
    let ttl = dice.of(&[0u128, 1, 2, 3, 64, 64, 64, 255]);
    let fragment = dice.of(&[0u128, 0, 0, 0, 1, 3]);
    let open = in_port == 9 && dice.roll(3) == 0;
    let packet = match dice.roll(12) {
        0 => {
            let packet = packet
                .with(Field::EthType, 0x0806)
                .with(Field::ArpSha, from);
            return packet
                .with(Field::ArpOp, dice.of(&[1u128, 2]))
                .with(Field::ArpSpa, dice.of(&ROUTED_V4[1..10]))
                .with(Field::ArpTpa, dice.of(ROUTED_V4));
        }
        1..6 => {
            let source = if open {
                dice.of(ROUTED_V4)
            } else {
                ROUTED_V4[v4]
            };
            let packet = packet.with(Field::EthType, 0x0800).with(Field::IpTtl, ttl);
            packet
                .with(Field::Ipv4Src, source)
                .with(Field::Ipv4Dst, dice.of(ROUTED_V4))
                .with(Field::IpProto, dice.of(&[1u128, 6, 17]))
        }
        _ => {
            let source = if open {
                dice.of(ROUTED_V6)
            } else {
                dice.of(&[ROUTED_V6[v6], ROUTED_V6[v6], ROUTED_V6[9 + v6.div_ceil(4)]])
            };
            let packet = packet.with(Field::EthType, 0x86dd).with(Field::IpTtl, ttl);
            packet
                .with(Field::Ipv6Src, source)
                .with(Field::Ipv6Dst, dice.of(ROUTED_V6))
                .with(Field::IpProto, dice.of(&[58u128, 6, 17]))
        }
    };
    // To lookups of Open vSwitch fragments have no ports and types.
    if fragment != 0 {
        return packet.with(Field::IpFrag, fragment);
    }
    match packet.get(Field::IpProto) {
        1 => packet.with(Field::Icmpv4Type, dice.of(&[8u128, 8, 0, 3])),
        58 => packet.with(Field::Icmpv6Type, dice.of(&[128u128, 128, 129, 1])),
        17 => packet
            .with(Field::UdpSrc, dice.of(&[5000u128, 5002]))
            .with(Field::UdpDst, dice.of(&[5000u128, 5003, 5004])),
        _ => packet
            .with(Field::TcpSrc, 4321)
            .with(Field::TcpDst, dice.of(&[80u128, 5000])),
    }
}

/// A packet near the flows of [`WORLD`]: addresses from small pools, so that most conditions are
/// met at times.
pub fn packet(dice: &mut Dice) -> Packet {
    if dice.roll(3) == 0 {
        return routed(dice);
    }
    let in_port = dice.of(&[
        1u128, 1, 1, 2, 2, 3, 4, 5, 6, 7, 100, 100, 100, 101, 102, 50, 51,
    ]);
    let mut packet = Packet::default().with(Field::InPort, in_port);
    let network = dice.of(&[5u128, 5, 6, 7, 10, 10, 11, 12, 77]);
    if in_port >= 100 {
        let key = if in_port == 102 {
            network << 8 | 3
        } else {
            network
        };
        packet = packet.with(Field::TunId, key);
        packet = if in_port == 100 && dice.roll(4) == 0 {
            let src = 0xfd31 << 112 | dice.of(&[2u128, 9]);
            packet
                .with(Field::TunIpv6Src, src)
                .with(Field::TunIpv6Dst, 0xfd31 << 112 | 0x130)
        } else {
            let src = dice.of(&[0xac1f_0002u128, 0xac1f_0003, 0xac1f_0009]);
            packet
                .with(Field::TunSrc, src)
                .with(Field::TunDst, 0xac1f_0082)
        };
    }
    if in_port == 100 {
        let version = dice.of(&[1u128, 1, 1, 1, 1, 2]);
        let egress = dice.of(&[
            1u128, 2, 5, 10, 11, 21, 99, 0xff_ffff, 0xff_fffe, 0xff_fffd, 0xff_fffc, 0xff_fffc,
        ]);
        let tlv = version << 92 | 33 << 64 | egress << 40 | 44 << 16;
        packet = packet.with(Field::TunMetadata0, tlv);
    }
    if in_port == 50 || dice.roll(12) == 0 {
        packet = packet.with(Field::VlanVid, 0x1000 | dice.of(&[120u128, 121]));
    }
    // Mostly the MAC of the port itself, or little would pass.
    let own = match in_port {
        2 | 6 => MACS[1],
        7 => MACS[4],
        _ => MACS[0],
    };
    let source = if dice.roll(4) == 0 {
        dice.of(MACS)
    } else {
        own
    };
    let group = [0xffff_ffff_ffff, 0x3333_0000_0001, 0x0100_5e00_0001];
    let to = if dice.roll(3) == 0 {
        dice.of(&group)
    } else {
        dice.of(MACS)
    };
    packet = packet.with(Field::EthSrc, source).with(Field::EthDst, to);
    match dice.roll(8) {
        0 | 1 => arp(dice, packet, source),
        2 | 3 => neighbour(dice, packet, source),
        4 => icmp6(dice, packet),
        5 => udp6(dice, packet),
        6 => ipv4(dice, packet),
        _ => packet.with(Field::EthType, dice.of(&[0x88b5u128, 0x8035])),
    }
}

fn arp(dice: &mut Dice, packet: Packet, source: u128) -> Packet {
    let sender = if dice.roll(6) == 0 {
        dice.of(MACS)
    } else {
        source
    };
    let packet = packet
        .with(Field::EthType, 0x0806)
        .with(Field::ArpOp, dice.of(&[1u128, 1, 1, 2]));
    packet
        .with(Field::ArpSha, sender)
        .with(Field::ArpSpa, dice.of(IPV4))
        .with(Field::ArpTpa, dice.of(IPV4))
}

fn neighbour(dice: &mut Dice, packet: Packet, source: u128) -> Packet {
    let kind = dice.of(&[135u128, 135, 136]);
    let option = if kind == 135 {
        Field::NdSll
    } else {
        Field::NdTll
    };
    let packet = packet.with(Field::EthType, 0x86dd).with(Field::IpProto, 58);
    packet
        .with(Field::Icmpv6Type, kind)
        .with(Field::IpTtl, 255)
        .with(Field::Ipv6Src, dice.of(IPV6))
        .with(Field::Ipv6Dst, dice.of(IPV6))
        .with(Field::NdTarget, dice.of(IPV6))
        .with(option, dice.of(&[source, source, 0, MACS[6]]))
}

fn icmp6(dice: &mut Dice, packet: Packet) -> Packet {
    let packet = packet.with(Field::EthType, 0x86dd).with(Field::IpProto, 58);
    packet
        .with(
            Field::Icmpv6Type,
            dice.of(&[128u128, 131, 133, 134, 137, 143]),
        )
        .with(Field::Ipv6Src, dice.of(IPV6))
        .with(Field::Ipv6Dst, dice.of(IPV6))
}

fn udp6(dice: &mut Dice, packet: Packet) -> Packet {
    let packet = packet.with(Field::EthType, 0x86dd).with(Field::IpProto, 17);
    packet
        .with(Field::Ipv6Src, dice.of(IPV6))
        .with(Field::Ipv6Dst, dice.of(IPV6))
        .with(Field::UdpSrc, dice.of(&[546u128, 547, 5000]))
        .with(Field::UdpDst, dice.of(&[546u128, 547]))
}

fn ipv4(dice: &mut Dice, packet: Packet) -> Packet {
    let packet = packet.with(Field::EthType, 0x0800).with(Field::IpProto, 17);
    packet
        .with(Field::Ipv4Src, dice.of(IPV4))
        .with(Field::Ipv4Dst, dice.of(&[IPV4[1], IPV4[3], 0xffff_ffff]))
        .with(Field::UdpSrc, dice.of(&[67u128, 68, 5000]))
        .with(Field::UdpDst, dice.of(&[67u128, 68]))
}

/// A packet as `name=value` words; addresses and MACs as usual.
pub fn words(text: &str) -> Packet {
    let value = |value: &str| -> u128 {
        let bytes = if value.matches(':').count() == 5 && !value.contains("::") {
            super::mac(value)
        } else if value.contains(['.', ':']) {
            super::ip(value)
        } else if let Some(hex) = value.strip_prefix("0x") {
            return u128::from_str_radix(hex, 16).expect("a number");
        } else {
            return value.parse().expect("a number");
        };
        bytes
            .into_iter()
            .fold(0, |sum, byte| sum << 8 | u128::from(byte))
    };
    let field = |name: &str| match name {
        "in" => Field::InPort,
        "tun" => Field::TunId,
        "tlv" => Field::TunMetadata0,
        "tun_src" => Field::TunSrc,
        "tun_src6" => Field::TunIpv6Src,
        "vlan" => Field::VlanVid,
        "from" => Field::EthSrc,
        "to" => Field::EthDst,
        "type" => Field::EthType,
        "op" => Field::ArpOp,
        "sha" => Field::ArpSha,
        "spa" => Field::ArpSpa,
        "tpa" => Field::ArpTpa,
        "src" => Field::Ipv4Src,
        "dst" => Field::Ipv4Dst,
        "src6" => Field::Ipv6Src,
        "dst6" => Field::Ipv6Dst,
        "proto" => Field::IpProto,
        "sport" => Field::UdpSrc,
        "dport" => Field::UdpDst,
        "icmp6" => Field::Icmpv6Type,
        "target" => Field::NdTarget,
        "sll" => Field::NdSll,
        "tll" => Field::NdTll,
        "ttl" => Field::IpTtl,
        "frag" => Field::IpFrag,
        "icmp" => Field::Icmpv4Type,
        other => panic!("field {other}"),
    };
    let words = text
        .split_whitespace()
        .map(|word| word.split_once('=').expect("name=value"));
    let words = words.filter(|(name, _)| *name != "bytes");
    words.fold(Packet::default(), |packet, (name, text)| {
        packet.with(field(name), value(text))
    })
}
