//! Instructions as text, and flows as text: what the golden cases, the properties and the test
//! against Open vSwitch share. One instruction a line: its key, then `name=value` words; lists with
//! commas.
//!
//! `@A..B <line>` stands for a line each with `{i}`, `{hi}` and `{lo}` (its bytes) replaced.
#![allow(dead_code, reason = "each test file uses a part")]
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "test code outside of test functions"
)]

pub mod world;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::IpAddr;

use prost::Message as _;
use weft_compiler::Compiler;
use weft_instructions::v1::{
    self, EngineBatch, Instruction, InstructionBody, instruction_body::Body,
};

/// Every line of `text` as an upsert.
pub fn batch(text: &str) -> EngineBatch {
    let lines = text
        .lines()
        .map(str::trim)
        .filter(|l| !l.is_empty() && !l.starts_with('#'));
    let upserts = lines
        .flat_map(expand)
        .map(|line| instruction(&line))
        .collect();
    EngineBatch {
        upserts,
        ..EngineBatch::default()
    }
}

fn expand(line: &str) -> Vec<String> {
    let Some(rest) = line.strip_prefix('@') else {
        return vec![line.to_owned()];
    };
    let (range, line) = rest.split_once(' ').expect("a range");
    let (from, to) = range.split_once("..").expect("a range");
    let numbers = from.parse::<u32>().expect("a number")..=to.parse::<u32>().expect("a number");
    let replace = |i: u32| {
        let line = line.replace("{i}", &i.to_string());
        line.replace("{hi}", &(i >> 8).to_string())
            .replace("{lo}", &(i & 255).to_string())
    };
    numbers.map(replace).collect()
}

struct Words<'a>(BTreeMap<&'a str, &'a str>);

impl Words<'_> {
    fn text(&self, name: &str) -> String {
        self.0.get(name).copied().unwrap_or("").to_owned()
    }
    fn number(&self, name: &str) -> u32 {
        self.0
            .get(name)
            .map_or(0, |v| v.parse().unwrap_or_else(|_| panic!("{name}={v}")))
    }
    fn on(&self, name: &str, absent: bool) -> bool {
        self.0.get(name).map_or(absent, |v| *v == "on")
    }
    fn list(&self, name: &str) -> Vec<&str> {
        self.0
            .get(name)
            .map_or(Vec::new(), |v| v.split(',').collect())
    }
    fn ips(&self, name: &str) -> Vec<Vec<u8>> {
        self.list(name).into_iter().map(ip).collect()
    }
    fn ip(&self, name: &str) -> Vec<u8> {
        self.ips(name).into_iter().next().unwrap_or_default()
    }
    fn mac(&self, name: &str) -> Vec<u8> {
        self.0.get(name).map_or(Vec::new(), |v| mac(v))
    }
    fn encap(&self) -> i32 {
        encap(&self.text("encap"))
    }
}

fn encap(name: &str) -> i32 {
    let encap = match name {
        "geneve" => v1::EncapType::Geneve,
        "vxlan" => v1::EncapType::Vxlan,
        "gre" => v1::EncapType::Gre,
        "stt" => v1::EncapType::Stt,
        _ => v1::EncapType::Unspecified,
    };
    encap as i32
}

pub fn ip(text: &str) -> Vec<u8> {
    match text
        .parse::<IpAddr>()
        .unwrap_or_else(|_| panic!("an address: {text}"))
    {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    }
}

pub fn mac(text: &str) -> Vec<u8> {
    text.split(':')
        .map(|b| u8::from_str_radix(b, 16).expect("a MAC"))
        .collect()
}

fn pair(text: &str) -> v1::AddressPair {
    let (prefix, own) = text
        .split_once('@')
        .map_or((text, None), |(p, m)| (p, Some(mac(m))));
    let (address, length) = prefix
        .split_once('/')
        .map_or((prefix, None), |(a, l)| (a, Some(l)));
    let ip = ip(address);
    let full = u32::try_from(ip.len()).expect("short") * 8;
    let prefix_len = length.map_or(full, |l| l.parse().expect("a length"));
    v1::AddressPair {
        ip,
        prefix_len,
        mac: own,
    }
}

fn unhex(hex: &str) -> Vec<u8> {
    let bytes = (0..hex.len() / 2).map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16));
    bytes.map(|byte| byte.expect("hex")).collect()
}

/// `address/length`
fn interface_address(text: &str) -> v1::InterfaceAddress {
    let pair = pair(text);
    v1::InterfaceAddress {
        ip: pair.ip,
        prefix_len: pair.prefix_len,
    }
}

/// `address@network`
fn hop(text: &str) -> v1::SegmentHop {
    let (address, network) = text.split_once('@').expect("address@network");
    v1::SegmentHop {
        ip: ip(address),
        network_key: network.parse().expect("a network key"),
    }
}

/// `port` or `first-last`
fn span(text: &str) -> v1::PortSpan {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    v1::PortSpan {
        first: first.parse().expect("a port"),
        last: last.parse().expect("a port"),
    }
}

fn number(text: &str) -> u32 {
    text.parse().expect("a number")
}

/// `router/<router key>/<kind>/...`
fn router(kind: &str, parts: &[&str], words: &Words<'_>) -> Body {
    let router = number(parts[1]);
    let last = parts.last().map_or(0, |last| last.parse().unwrap_or(0));
    let mtu = || words.0.get("mtu").map_or(1442, |_| words.number("mtu"));
    match kind {
        "config" => Body::Router(v1::RouterConfig {
            router_key: router,
            router_id: words.text("id"),
        }),
        "interface" => Body::RouterPort(v1::RouterPort {
            router_key: router,
            network_key: last,
            interface_key: words.number("key"),
            mac: words.mac("mac"),
            addresses: words
                .list("ips")
                .into_iter()
                .map(interface_address)
                .collect(),
            route_table: words.number("table"),
            mtu_bytes: mtu(),
            link: words.on("link", false),
        }),
        "route" => {
            let to = interface_address(&words.text("to"));
            Body::StaticRoute(v1::StaticRoute {
                router_key: router,
                route_key: last,
                table: words.number("table"),
                prefix: to.ip,
                prefix_len: to.prefix_len,
                next_hops: words.list("via").into_iter().map(hop).collect(),
            })
        }
        "policy" => {
            let side = |name: &str| match words.0.get(name) {
                Some(text) => interface_address(text),
                None => v1::InterfaceAddress::default(),
            };
            let (source, destination) = (side("src"), side("dst"));
            let verdict = match words.text("do").as_str() {
                "allow" => v1::PolicyVerdict::Allow,
                "drop" => v1::PolicyVerdict::Drop,
                "reroute" => v1::PolicyVerdict::Reroute,
                other => panic!("do={other}"),
            };
            Body::PolicyRule(v1::PolicyRule {
                router_key: router,
                policy_key: last,
                priority: words.number("priority"),
                source: source.ip,
                source_len: source.prefix_len,
                destination: destination.ip,
                destination_len: destination.prefix_len,
                protocol: words.number("proto"),
                source_ports: words.list("sport").into_iter().map(span).collect(),
                destination_ports: words.list("dport").into_iter().map(span).collect(),
                ingress_network_key: words.number("in"),
                verdict: verdict as i32,
                next_hops: words.list("via").into_iter().map(hop).collect(),
            })
        }
        "neighbour" => Body::RouterNeighbour(v1::RouterNeighbour {
            router_key: router,
            port_key: last,
            network_key: words.number("network"),
            mac: words.mac("mac"),
            ips: words.ips("ips"),
            chassis_key: words.number("chassis"),
            encap: words.encap(),
            vtep_ip: words.ip("vtep"),
        }),
        "claimed" => Body::RouterNeighbour(v1::RouterNeighbour {
            router_key: router,
            port_key: words.number("port"),
            network_key: number(parts[3]),
            mac: words.mac("mac"),
            ips: vec![unhex(parts[4])],
            chassis_key: words.number("chassis"),
            ..v1::RouterNeighbour::default()
        }),
        "leaked" => Body::LeakedRoute(v1::LeakedRoute {
            router_key: router,
            leak_key: number(parts[3]),
            network_key: number(parts[4]),
            prefix: unhex(parts[5]),
            prefix_len: last,
            mac: words.mac("mac"),
            mtu_bytes: mtu(),
        }),
        _ => panic!("what is router/{kind}"),
    }
}

/// One line.
pub fn instruction(line: &str) -> Instruction {
    let mut words = line.split_whitespace();
    let key = words.next().expect("a key");
    let words = Words(
        words
            .map(|w| w.split_once('=').expect("name=value"))
            .collect(),
    );
    let parts: Vec<&str> = key.split('/').collect();
    let last = parts[parts.len() - 1];
    let number = || last.parse::<u32>().expect("a key");
    let network = || parts[1].parse::<u32>().expect("a network key");
    let body = match (parts[0], parts.get(2).copied().unwrap_or(""), parts[1]) {
        ("chassis", "config", _) => Body::ChassisConfig(v1::ChassisConfig {
            chassis_key: words.number("key"),
        }),
        ("chassis", "port", _) => Body::LocalPort(v1::LocalPort {
            port_id: words.text("id"),
            port_key: number(),
            network_key: words.number("network"),
            mac: words.mac("mac"),
            ips: words.ips("ips"),
            allowed_pairs: words.list("pairs").into_iter().map(pair).collect(),
            admin_up: words.on("up", true),
            port_security: words.on("security", true),
            generation: 1,
            mtu_bytes: 1442,
        }),
        ("chassis", "fence", _) => Body::FencedPeer(v1::FencedPeer {
            chassis_key: number(),
            vtep_ips: words.ips("vteps"),
        }),
        ("network", "config", _) => Body::Network(v1::NetworkConfig {
            network_key: network(),
            network_id: words.text("id"),
            encap: words.encap(),
            physical_network: words.text("physical"),
            vlan: words.number("vlan"),
            mtu_bytes: 1442,
            gateway_ips: words.ips("gateways"),
            gateway_mac: words.mac("gateway_mac"),
            relayed: words.on("relayed", false),
            unknown_unicast: words.on("unknown", false),
        }),
        ("network", "location", _) => Body::Location(v1::PortLocation {
            port_key: number(),
            network_key: network(),
            mac: words.mac("mac"),
            ips: words.ips("ips"),
            chassis_key: words.number("chassis"),
            vtep_ip: words.ip("vtep"),
            port_security: words.on("security", true),
        }),
        ("flood", "peer", _) => Body::FloodPeer(v1::FloodPeer {
            network_key: network(),
            chassis_key: number(),
            vtep_ip: words.ip("vtep"),
            block: number() / 128,
            relay: words.on("relay", number().is_multiple_of(128) || number() == 1),
            unknown_unicast: words.on("unknown", false),
        }),
        ("network", "address", _) => Body::AddressOwner(v1::AddressOwner {
            network_key: network(),
            ip: unhex(last),
            mac: words.mac("mac"),
            port_key: words.number("port"),
            chassis_key: words.number("chassis"),
            vtep_ip: words.ip("vtep"),
        }),
        ("chassis", "address", _) => Body::AddressOwner(v1::AddressOwner {
            network_key: parts[3].parse().expect("a network key"),
            ip: unhex(last),
            mac: words.mac("mac"),
            port_key: words.number("port"),
            chassis_key: words.number("chassis"),
            ..v1::AddressOwner::default()
        }),
        ("router", kind, _) => router(kind, &parts, &words),
        ("local", _, "vif") => Body::LocalVif(v1::LocalVif {
            port_id: last.into(),
            ofport: words.number("ofport"),
        }),
        ("local", _, "tunnel") => Body::LocalTunnel(v1::LocalTunnel {
            encap: i32::try_from(number()).expect("small"),
            ofport: words.number("ofport"),
            local_ips: words.ips("ips"),
        }),
        ("local", _, "patch") => Body::LocalPatch(v1::LocalPatch {
            physical_network: last.into(),
            ofport: words.number("ofport"),
        }),
        _ => panic!("what is {line}"),
    };
    Instruction {
        key: key.into(),
        body: InstructionBody { body: Some(body) }.encode_to_vec(),
    }
}

/// Flows, groups, meters and failures as text, in a fixed order; the pipeline's own flows and groups
/// on demand.
pub fn render(compiler: &Compiler, pipeline: bool) -> String {
    let fixed = Compiler::new();
    let mut flows: Vec<_> = compiler.flow_set().iter().collect();
    flows.sort_by(|a, b| {
        let order = a.table.cmp(&b.table).then(b.priority.cmp(&a.priority));
        order.then_with(|| a.matching.cmp(&b.matching))
    });
    let mut text = String::new();
    for flow in flows {
        if pipeline
            || fixed
                .flow_set()
                .get(&weft_compiler::ById(flow.clone()))
                .is_none()
        {
            writeln!(text, "flow {flow}").expect("memory");
        }
    }
    let own = |id| !pipeline && fixed.group(id).is_some();
    for group in compiler.groups().filter(|group| !own(group.id)) {
        let line = group.to_string().replace(",bucket=", "\n  bucket=");
        writeln!(text, "group {line}").expect("memory");
    }
    for meter in compiler.meters() {
        writeln!(text, "meter {meter}").expect("memory");
    }
    for (key, reason) in compiler.failures() {
        writeln!(text, "failure {key}: {reason}").expect("memory");
    }
    text
}
