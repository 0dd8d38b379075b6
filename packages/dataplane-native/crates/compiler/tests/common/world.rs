//! One chassis with every kind of network, and random packets that come near its flows.
//! Shared by the test against Open vSwitch and by the properties.

use weft_compiler::interp::Packet;
use weft_openflow::Field;

/// Local ports 1..6, tunnel ports 100 (Geneve), 101 (VXLAN), 102 (GRE), patch ports 50 and 51.
pub const WORLD: &str = "
chassis/c1/config key=130
local/tunnel/1 ofport=100 ips=172.31.0.130,fd31::130
local/tunnel/2 ofport=101 ips=172.31.0.130
local/tunnel/3 ofport=102 ips=172.31.0.130
local/patch/phys1 ofport=50
local/patch/phys2 ofport=51
chassis/c1/fence/9 vteps=172.31.0.9,fd31::9

network/5/config id=blue encap=geneve gateways=10.0.0.1,fd00::1 gateway_mac=02:ff:00:00:00:01 unknown=on
chassis/c1/port/1 id=p1 network=5 mac=02:00:00:00:00:01 ips=10.0.0.2,fd00::2 pairs=10.0.0.9@00:00:5e:00:01:01,fd00::9@00:00:5e:00:01:01,10.9.0.0/16
local/vif/p1 ofport=1
chassis/c1/port/2 id=p2 network=5 mac=02:00:00:00:00:02 ips=10.0.0.3,fd00::3 security=off
local/vif/p2 ofport=2
network/5/location/3 mac=02:00:00:00:00:03 ips=10.0.0.4,fd00::4 chassis=2 vtep=172.31.0.2
network/5/location/4 mac=02:00:00:00:00:04 ips=10.0.0.5 chassis=3 vtep=fd31::3
network/5/address/0a000009 mac=00:00:5e:00:01:01 port=3 chassis=2 vtep=172.31.0.2
network/5/address/fd000000000000000000000000000009 mac=00:00:5e:00:01:01 port=1 chassis=130
network/5/flood/2 vtep=172.31.0.2 unknown=on
network/5/flood/3 vtep=fd31::3

network/6/config id=red encap=vxlan
chassis/c1/port/5 id=p5 network=6 mac=02:00:00:00:00:01 ips=10.0.0.2
local/vif/p5 ofport=3
network/6/location/6 mac=02:00:00:00:00:02 ips=10.0.0.3 chassis=2 vtep=172.31.0.2
network/6/flood/2 vtep=172.31.0.2

network/7/config id=green encap=gre
chassis/c1/port/7 id=p7 network=7 mac=02:00:00:00:00:03 ips=10.0.0.4 up=off
local/vif/p7 ofport=4
network/7/flood/2 vtep=172.31.0.2

network/8/config id=dmz physical=phys1 vlan=120
chassis/c1/port/8 id=p8 network=8 mac=02:00:00:00:00:01 ips=10.0.0.2
local/vif/p8 ofport=5
network/9/config id=lan physical=phys2 unknown=on
chassis/c1/port/9 id=p9 network=9 mac=02:00:00:00:00:02 ips=10.0.0.3 security=off
local/vif/p9 ofport=6

network/10/config id=huge encap=geneve relayed=on unknown=on
chassis/c1/port/10 id=p10 network=10 mac=02:00:00:00:00:05 ips=10.0.0.2
local/vif/p10 ofport=7
@126..134 network/10/flood/{i} vtep=172.31.0.{lo} unknown=on
@256..258 network/10/flood/{i} vtep=fd31::{i}
network/10/flood/135 vtep=fd31::135
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

/// A packet near the flows of [`WORLD`]: addresses from small pools, so that most conditions are
/// met at times.
pub fn packet(dice: &mut Dice) -> Packet {
    let in_port = dice.of(&[
        1u128, 1, 1, 2, 2, 3, 4, 5, 6, 7, 100, 100, 100, 101, 102, 50, 51,
    ]);
    let mut packet = Packet::default().with(Field::InPort, in_port);
    let network = dice.of(&[5u128, 5, 6, 7, 10, 10, 77]);
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
            1u128, 2, 5, 10, 99, 0xff_ffff, 0xff_fffe, 0xff_fffd, 0xff_fffc, 0xff_fffc,
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
