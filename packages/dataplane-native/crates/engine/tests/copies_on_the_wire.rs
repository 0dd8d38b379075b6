//! What a broadcast costs on the underlay, counted in the tunnel packets that a real ovs-vswitchd sends:
//! everybody gets one copy and nobody two, with relays and without, up to the largest flood there is.
//! Open vSwitch drops copies beyond its limits without a word, so no other test would see it.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use support::{Ovs, Probe, until};

/// Of the underlay bridge of every chassis, and of the router behind which all the others are.
const OWN_MAC: [u8; 6] = [0xaa, 0x55, 0xaa, 0x55, 0, 1];
const ROUTER_MAC: [u8; 6] = [0xaa, 0x55, 0xaa, 0x55, 0, 2];
/// `netdev-dummy/receive` takes a frame as an argument, so it stays short.
const BROADCAST: &str = "ffffffffffff02000000000188b5c0ffee";
/// To the one port elsewhere. The switch takes frames in order: when it is out, the others are.
const LAST: &str = "02000000099902000000000188b5f00d";
const NETWORK: u32 = 7;
const PORT: u32 = 4242;
const FLOOD: u32 = 0xff_ffff;
const RELAY: u32 = 0xff_fffe;

/// The underlay's family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Underlay {
    V4,
    V6,
}
use Underlay::{V4, V6};

impl Underlay {
    fn vtep(self, chassis: u32) -> IpAddr {
        let [_, _, high, low] = chassis.to_be_bytes();
        match self {
            V4 => [172, 31, high, low].into(),
            V6 => IpAddr::V6((0xfd31u128 << 112 | u128::from(chassis)).into()),
        }
    }

    fn vteps(self, chassis: impl Iterator<Item = u32>) -> BTreeSet<IpAddr> {
        chassis.map(|chassis| self.vtep(chassis)).collect()
    }

    /// The prefix in which all VTEPs are, its length, and the router.
    fn route(self) -> (&'static str, &'static str) {
        match self {
            V4 => ("172.31.0.0/16", "172.31.255.254"),
            V6 => ("fd31::/64", "fd31::ffff:ffff"),
        }
    }
}

/// One tunnel packet.
#[derive(Debug, Clone)]
struct Tunnelled {
    frame: Vec<u8>,
    to: IpAddr,
    from: IpAddr,
    network: u32,
    /// 0 without the TLV.
    egress: u32,
    ingress: u32,
    inner: String,
}

fn number(bytes: &[u8]) -> u32 {
    bytes
        .iter()
        .fold(0, |sum, byte| sum << 8 | u32::from(*byte))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("memory");
        text
    })
}

impl Tunnelled {
    /// Ethernet, IPv4 without options or IPv6, UDP, then Geneve (RFC 8926 3.4) or VXLAN (RFC 7348 5).
    fn parse(frame: Vec<u8>) -> Self {
        let (from, to, udp) = match frame[12..15] {
            [8, 0, 0x45] => {
                let address = |at: usize| Ipv4Addr::from(number(&frame[at..at + 4])).into();
                (address(26), address(30), 34)
            }
            [0x86, 0xdd, _] => {
                let address = |at: usize| {
                    let bytes: [u8; 16] = frame[at..at + 16].try_into().expect("16 bytes");
                    Ipv6Addr::from(bytes).into()
                };
                (address(22), address(38), 54)
            }
            _ => panic!("{}", hex(&frame)),
        };
        let tunnel = &frame[udp + 8..];
        let (options, tlv) = match number(&frame[udp + 2..udp + 4]) {
            6081 => (usize::from(tunnel[0] & 0x3f) * 4, &tunnel[12..24]),
            4789 => (0, &[0; 12][..]),
            port => panic!("to UDP port {port}"),
        };
        Self {
            to,
            from,
            network: number(&tunnel[4..7]),
            ingress: number(&tlv[1..4]),
            egress: number(&tlv[4..7]),
            inner: hex(&tunnel[8 + options..]),
            frame,
        }
    }
}

/// A chassis with one port in a network that has the others as peers, and its underlay, whose packets are
/// recorded.
struct Chassis {
    underlay: Underlay,
    ovs: Ovs,
    probe: Probe,
}

impl Chassis {
    /// `network`: the rest of its configuration.
    fn start(
        underlay: Underlay,
        own: u32,
        network: &str,
        others: impl Iterator<Item = u32>,
    ) -> Self {
        let geneve = network.contains("encap=geneve");
        let (name, kind) = if geneve { ("geneve", 1) } else { ("vxlan", 2) };
        let mut chassis = Self::wire(underlay, own, name);
        let own_vtep = underlay.vtep(own);
        let mut text = format!(
            "chassis/c{own}/config key={own}
            local/tunnel/{kind} ofport=10 ips={own_vtep}
            network/{NETWORK}/config id=n {network}
            chassis/c{own}/port/{PORT} id=p network={NETWORK} mac=02:00:00:00:00:01 ips=10.0.0.1
            local/vif/p ofport=21
            network/{NETWORK}/location/9 mac=02:00:00:00:09:99 chassis=65000 vtep={}\n",
            underlay.vtep(65_000)
        );
        for other in others.filter(|other| *other != own) {
            let line = format!("flood/{NETWORK}/peer/{other} vtep={}", underlay.vtep(other));
            writeln!(text, "{line}").expect("memory");
        }
        assert_eq!(chassis.probe.apply(&text).failures, []);
        chassis
    }

    fn wire(underlay: Underlay, own: u32, encap: &str) -> Self {
        let ovs = Ovs::isolated();
        let phy = format!("add-br br-phy -- set bridge br-phy {}", ovs.datapath());
        let mac = format!("other_config:hwaddr=\"{}\"", colons(OWN_MAC));
        let record = format!("options:tx_pcap={}", ovs.dir.join("wire.pcap").display());
        let wire = format!("-- add-port br-phy wire -- set interface wire type=dummy {record}");
        let own = underlay.vtep(own);
        let local = format!("options:local_ip=\"{own}\" options:key=flow");
        let tunnel = format!(
            "-- add-port br-int tun -- set interface tun type={encap} ofport_request=10 {local} \
             options:remote_ip=flow"
        );
        let port = "-- add-port br-int vm -- set interface vm type=dummy ofport_request=21";
        let all = [&phy, &mac, &wire, &tunnel, port].join(" ");
        ovs.vsctl(&all.split_whitespace().collect::<Vec<_>>());
        let (network, router) = underlay.route();
        let (_, length) = network.split_once('/').expect("a prefix");
        let address = format!("{own}/{length}");
        ovs.ip(&["address", "add", &address, "dev", "br-phy", "nodad"]);
        ovs.ip(&["link", "set", "br-phy", "up"]);
        until("the address of the tunnel", || {
            let known = ovs.appctl(&["ovs/route/show"]);
            let local = |line: &str| line.contains(&own.to_string()) && line.ends_with(" local");
            known.lines().any(local).then_some(())
        });
        ovs.appctl(&["ovs/route/add", network, "br-phy", router]);
        ovs.appctl(&["tnl/neigh/set", "br-phy", router, &colons(ROUTER_MAC)]);
        let probe = Probe::open(&ovs.mgmt());
        Self {
            underlay,
            ovs,
            probe,
        }
    }

    fn receive(&self, device: &str, frame: &str) {
        self.ovs.appctl(&["netdev-dummy/receive", device, frame]);
    }

    /// All that a frame makes it send into tunnels.
    fn copies_of(&self, device: &str, frame: &str) -> Vec<Tunnelled> {
        self.receive(device, frame);
        self.receive("vm", LAST);
        until("the last frame on the wire", || {
            let mut sent = self.sent();
            let last = sent.pop().filter(|last| last.inner == LAST)?;
            assert_eq!(last.to, self.underlay.vtep(65_000));
            Some(sent)
        })
    }

    /// What is recorded: a header of 24 bytes, then 16 before each frame, of which 8..12 are its length.
    fn sent(&self) -> Vec<Tunnelled> {
        let bytes = std::fs::read(self.ovs.dir.join("wire.pcap")).expect("a record");
        let mut rest = bytes.get(24..).unwrap_or_default();
        let mut sent = Vec::new();
        while let Some((head, more)) = rest.split_at_checked(16) {
            let length = head[8..12].try_into().expect("4 bytes");
            let Some((frame, more)) = more.split_at_checked(u32::from_le_bytes(length) as usize)
            else {
                break;
            };
            // What the bridge says for itself, such as neighbour discovery, is no tunnel packet.
            if frame[..6] == ROUTER_MAC {
                sent.push(Tunnelled::parse(frame.to_vec()));
            }
            rest = more;
        }
        sent
    }
}

fn colons(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

/// The addressees; fails when one gets two.
fn once(copies: &[Tunnelled]) -> BTreeSet<IpAddr> {
    let mut counts: BTreeMap<IpAddr, usize> = BTreeMap::new();
    for copy in copies {
        assert_eq!((copy.network, &*copy.inner), (NETWORK, BROADCAST));
        *counts.entry(copy.to).or_default() += 1;
    }
    let twice: Vec<_> = counts.iter().filter(|(_, count)| **count > 1).collect();
    assert!(twice.is_empty(), "more than one copy: {twice:?}");
    counts.into_keys().collect()
}

/// 1,001 chassis in 8 blocks of 128 keys. The sender is in the first, whose keys start at 1.
#[test]
fn a_thousand_peers_get_one_copy_each_by_way_of_relays() {
    const LAST_CHASSIS: u32 = 1001;
    const SENDER: u32 = 5;
    let network = "encap=geneve relayed=on";
    let sender = Chassis::start(V4, SENDER, network, 1..=LAST_CHASSIS);
    let copies = sender.copies_of("vm", BROADCAST);
    drop(sender);
    let asked: Vec<u32> = (1..=LAST_CHASSIS / 128).map(|block| block * 128).collect();
    let own_block = (1..128).filter(|chassis| *chassis != SENDER);
    let mut reached = V4.vteps(own_block.chain(asked.clone()));
    assert_eq!(once(&copies), reached);
    assert_eq!((copies.len(), asked.len()), (126 + 7, 7));
    let relays = V4.vteps(asked.iter().copied());
    for copy in &copies {
        let egress = if relays.contains(&copy.to) {
            RELAY
        } else {
            FLOOD
        };
        let keys = (copy.egress, copy.ingress, copy.from);
        assert_eq!(keys, (egress, PORT, V4.vtep(SENDER)));
    }

    // What each relay makes of the very packet that was sent to it.
    for relay in asked {
        let sent = copies.iter().find(|copy| copy.to == V4.vtep(relay));
        let mut packet = sent.expect("asked").frame.clone();
        packet[..6].copy_from_slice(&OWN_MAC);
        packet[6..12].copy_from_slice(&ROUTER_MAC);
        let chassis = Chassis::start(V4, relay, network, 1..=LAST_CHASSIS);
        let relayed = chassis.copies_of("wire", &hex(&packet));
        let block = (relay + 1..relay + 128).filter(|chassis| *chassis <= LAST_CHASSIS);
        assert_eq!(once(&relayed), V4.vteps(block));
        for copy in relayed {
            let keys = (copy.egress, copy.ingress, copy.from);
            assert_eq!(keys, (FLOOD, PORT, V4.vtep(relay)));
            assert!(reached.insert(copy.to), "{} got it from two", copy.to);
        }
    }
    assert_eq!(reached.len(), 1000);
}

/// As many copies as the compiler allows, in several groups.
#[test]
fn the_largest_flood_loses_no_copy() {
    for (underlay, encap) in [(V4, "geneve"), (V4, "vxlan"), (V6, "geneve"), (V6, "vxlan")] {
        let most = if underlay == V4 { 584 } else { 496 };
        let chassis = Chassis::start(underlay, 1, &format!("encap={encap}"), 2..=most + 1);
        let copies = chassis.copies_of("vm", BROADCAST);
        let reached = once(&copies);
        let expected = underlay.vteps(2..=most + 1);
        assert_eq!(reached.len(), expected.len(), "{encap} over {underlay:?}");
        assert_eq!(reached, expected);
    }
}
