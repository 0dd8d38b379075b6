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
use std::net::Ipv4Addr;
use support::{Ovs, Probe, run, until};

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

fn vtep(chassis: u32) -> Ipv4Addr {
    let [_, _, high, low] = chassis.to_be_bytes();
    [172, 31, high, low].into()
}

/// One tunnel packet.
#[derive(Debug, Clone)]
struct Copy {
    frame: Vec<u8>,
    to: Ipv4Addr,
    from: Ipv4Addr,
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

impl Copy {
    /// Ethernet, IPv4 without options, UDP, then Geneve (RFC 8926 3.4) or VXLAN (RFC 7348 5).
    fn parse(frame: Vec<u8>) -> Self {
        let address = |at: usize| Ipv4Addr::from(number(&frame[at..at + 4]));
        assert_eq!(frame[12..15], [8, 0, 0x45], "{}", hex(&frame));
        let (options, tlv) = match number(&frame[36..38]) {
            6081 => (usize::from(frame[42] & 0x3f) * 4, Some(54..66)),
            4789 => (0, None),
            port => panic!("to UDP port {port}"),
        };
        let tlv = tlv.map_or(&[0; 12][..], |range| &frame[range]);
        Self {
            to: address(30),
            from: address(26),
            network: number(&frame[46..49]),
            ingress: number(&tlv[1..4]),
            egress: number(&tlv[4..7]),
            inner: hex(&frame[50 + options..]),
            frame,
        }
    }
}

/// A chassis with one port in a network that has the others as peers, and its underlay, whose packets are
/// recorded.
struct Chassis {
    ovs: Ovs,
    probe: Probe,
}

impl Chassis {
    /// `network`: the rest of its configuration.
    fn start(own: u32, network: &str, others: impl Iterator<Item = u32>) -> Self {
        let geneve = network.contains("encap=geneve");
        let (name, kind) = if geneve { ("geneve", 1) } else { ("vxlan", 2) };
        let chassis = Self::wire(own, name);
        let vtep_of = vtep(own);
        let mut text = format!(
            "chassis/c{own}/config key={own}
            local/tunnel/{kind} ofport=10 ips={vtep_of}
            network/{NETWORK}/config id=n {network}
            chassis/c{own}/port/{PORT} id=p network={NETWORK} mac=02:00:00:00:00:01 ips=10.0.0.1
            local/vif/p ofport=21
            network/{NETWORK}/location/9 mac=02:00:00:00:09:99 chassis=65000 vtep={}\n",
            vtep(65_000)
        );
        for other in others.filter(|other| *other != own) {
            let line = format!("network/{NETWORK}/flood/{other} vtep={}", vtep(other));
            writeln!(text, "{line}").expect("memory");
        }
        let Self { ovs, mut probe } = chassis;
        assert_eq!(probe.apply(&text).failures, []);
        Self { ovs, probe }
    }

    fn wire(own: u32, encap: &str) -> Self {
        let ovs = Ovs::start();
        let phy = "add-br br-phy -- set bridge br-phy datapath_type=dummy";
        let mac = format!("other_config:hwaddr=\"{}\"", colons(OWN_MAC));
        let record = format!("options:tx_pcap={}", ovs.dir.join("wire.pcap").display());
        let wire = format!("-- add-port br-phy wire -- set interface wire type=dummy {record}");
        let local = format!("options:local_ip={} options:key=flow", vtep(own));
        let tunnel = format!(
            "-- add-port br-int tun -- set interface tun type={encap} ofport_request=10 {local} \
             options:remote_ip=flow"
        );
        let port = "-- add-port br-int vm -- set interface vm type=dummy ofport_request=21";
        let all = [phy, &mac, &wire, &tunnel, port].join(" ");
        ovs.vsctl(&all.split_whitespace().collect::<Vec<_>>());
        let probe = Probe::open(&ovs.mgmt());
        let chassis = Self { ovs, probe };
        let network = format!("{}/16", vtep(own));
        chassis.appctl(&["netdev-dummy/ip4addr", "br-phy", &network]);
        chassis.appctl(&["ovs/route/add", "172.31.0.0/16", "br-phy", "172.31.255.254"]);
        let router = colons(ROUTER_MAC);
        chassis.appctl(&["tnl/neigh/set", "br-phy", "172.31.255.254", &router]);
        chassis
    }

    fn appctl(&self, args: &[&str]) {
        let control = format!("--target={}", self.ovs.dir.join("vs.ctl").display());
        run(std::process::Command::new("ovs-appctl")
            .arg(control)
            .args(args));
    }

    fn receive(&self, device: &str, frame: &str) {
        self.appctl(&["netdev-dummy/receive", device, frame]);
    }

    /// All that a frame makes it send into tunnels.
    fn copies_of(&self, device: &str, frame: &str) -> Vec<Copy> {
        self.receive(device, frame);
        self.receive("vm", LAST);
        until("the last frame on the wire", || {
            let mut sent = self.sent();
            let last = sent.pop().filter(|last| last.inner == LAST)?;
            assert_eq!(last.to, vtep(65_000));
            Some(sent)
        })
    }

    /// What is recorded: a header of 24 bytes, then 16 before each frame, of which 8..12 are its length.
    fn sent(&self) -> Vec<Copy> {
        let bytes = std::fs::read(self.ovs.dir.join("wire.pcap")).expect("a record");
        let mut rest = bytes.get(24..).unwrap_or_default();
        let mut sent = Vec::new();
        while let Some((head, more)) = rest.split_at_checked(16) {
            let length = head[8..12].try_into().expect("4 bytes");
            let Some((frame, more)) = more.split_at_checked(u32::from_le_bytes(length) as usize)
            else {
                break;
            };
            // Neighbour discovery of the bridge itself, if any, is no tunnel packet.
            if frame[12..14] == [8, 0] {
                sent.push(Copy::parse(frame.to_vec()));
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
fn once(copies: &[Copy]) -> BTreeSet<Ipv4Addr> {
    let mut counts: BTreeMap<Ipv4Addr, usize> = BTreeMap::new();
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
    let sender = Chassis::start(SENDER, network, 1..=LAST_CHASSIS);
    let copies = sender.copies_of("vm", BROADCAST);
    drop(sender);
    let asked: Vec<u32> = (1..=LAST_CHASSIS / 128).map(|block| block * 128).collect();
    let own_block = (1..128).filter(|chassis| *chassis != SENDER);
    let expected: BTreeSet<_> = own_block.chain(asked.clone()).map(vtep).collect();
    assert_eq!(once(&copies), expected);
    assert_eq!((copies.len(), asked.len()), (126 + 7, 7));
    let mut reached = expected;
    for copy in &copies {
        let relay = asked.iter().any(|relay| vtep(*relay) == copy.to);
        let egress = if relay { RELAY } else { FLOOD };
        assert_eq!(
            (copy.egress, copy.ingress, copy.from),
            (egress, PORT, vtep(SENDER))
        );
    }

    // What each relay makes of the very packet that was sent to it.
    for relay in asked {
        let mut packet = copies
            .iter()
            .find(|copy| copy.to == vtep(relay))
            .expect("asked")
            .clone();
        packet.frame[..6].copy_from_slice(&OWN_MAC);
        packet.frame[6..12].copy_from_slice(&ROUTER_MAC);
        let chassis = Chassis::start(relay, network, 1..=LAST_CHASSIS);
        let relayed = chassis.copies_of("wire", &hex(&packet.frame));
        let block = (relay + 1..relay + 128).filter(|chassis| *chassis <= LAST_CHASSIS);
        assert_eq!(once(&relayed), block.map(vtep).collect());
        for copy in relayed {
            assert_eq!(
                (copy.egress, copy.ingress, copy.from),
                (FLOOD, PORT, vtep(relay))
            );
            assert!(reached.insert(copy.to), "{} got it from two", copy.to);
        }
    }
    assert_eq!(reached.len(), 1000);
}

/// As many as the compiler allows: more than two groups.
#[test]
fn the_largest_flood_loses_no_copy() {
    for network in ["encap=geneve", "encap=vxlan"] {
        let chassis = Chassis::start(1, network, 2..=641);
        let copies = chassis.copies_of("vm", BROADCAST);
        assert_eq!(once(&copies), (2..=641).map(vtep).collect(), "{network}");
        assert_eq!(copies.len(), 640);
        assert!(
            chassis.probe.engine.stats().groups >= 4,
            "local and three chunks"
        );
    }
}
