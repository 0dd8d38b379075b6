//! How much comes out and how long it takes: the figures that bound a chassis.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at what it did not expect"
)]

mod common;

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Instant;

use weft_compiler::Compiler;
use weft_openflow::{Group, GroupMod, GroupModCommand, Message};

fn head() -> &'static str {
    "chassis/c1/config key=1
local/tunnel/1 ofport=60000 ips=172.31.0.1
"
}

/// `networks` networks with `local` ports here and `remote` elsewhere, spread evenly.
fn world(networks: u32, local: u32, remote: u32) -> String {
    let mut text = head().to_owned();
    let line = |key: u32, network: u32| {
        let [_, a, b, c] = key.to_be_bytes();
        format!("mac=02:00:00:{a:02x}:{b:02x}:{c:02x} ips=10.{network}.{b}.{c}")
    };
    for network in 1..=networks {
        let _ = writeln!(
            text,
            "network/{network}/config id=n{network} encap=geneve gateways=10.{network}.255.254 gateway_mac=02:ff:00:00:00:01"
        );
        for chassis in 2..=(1 + (remote / networks).clamp(1, 100)) {
            let _ = writeln!(
                text,
                "flood/{network}/peer/{chassis} vtep=172.31.1.{chassis}"
            );
        }
    }
    for key in 1..=local {
        let network = 1 + key % networks;
        let _ = writeln!(
            text,
            "chassis/c1/port/{key} id=p{key} network={network} {}",
            line(key, network)
        );
        let _ = writeln!(text, "local/vif/p{key} ofport={key}");
    }
    for key in local + 1..=local + remote {
        let (network, chassis) = (1 + key % networks, 2 + key % 100);
        let _ = writeln!(
            text,
            "network/{network}/location/{key} chassis={chassis} vtep=172.31.1.{chassis} {}",
            line(key, network)
        );
    }
    text
}

#[test]
fn twenty_ports_and_two_hundred_peers_stay_below_1500_flows() {
    let mut compiler = Compiler::new();
    compiler.apply(&common::batch(&world(20, 20, 200)));
    assert!(compiler.failures().is_empty());
    let flows = compiler.flow_set().len();
    println!("20 local ports, 200 locations, 20 networks: {flows} flows");
    assert!(flows < 1500, "{flows}");
}

/// A change costs what it touches, not what there is.
#[test]
fn one_more_location_runs_in_far_less_than_the_whole() {
    let mut compiler = Compiler::new();
    let whole = common::batch(&world(20, 1000, 10_000));
    let start = Instant::now();
    compiler.apply(&whole);
    let cold = start.elapsed();
    let one = common::batch(
        "network/1/location/20000 mac=02:00:00:ff:00:01 ips=10.1.200.1 chassis=2 vtep=172.31.1.2",
    );
    let start = Instant::now();
    let delta = compiler.apply(&one);
    let warm = start.elapsed();
    assert_eq!(delta.flows.adds.len(), 2);
    println!(
        "1,000 ports and 10,000 locations: {} flows in {cold:?}; one more: {warm:?}",
        compiler.flow_set().len()
    );
    assert!(warm * 50 < cold, "{warm:?} of {cold:?}");
}

/// What only ports here need of a network comes with the first of them and goes with the last; in
/// between a port concerns nobody else.
#[test]
fn only_the_first_local_port_of_a_network_concerns_its_locations() {
    let mut compiler = Compiler::new();
    compiler.apply(&common::batch(&world(1, 0, 1000)));
    let bare = compiler.flow_set().len();
    let port =
        |key: u32| format!("chassis/c1/port/{key} id=p{key} network=1 mac=02:00:00:ff:00:0{key}");
    let first = compiler.apply(&common::batch(&port(1)));
    // An answer for each location, probes for the gateway, and broadcast.
    assert_eq!(first.flows.adds.len(), 1000 + 1 + 1);
    assert!(!first.groups.is_empty());
    let second = compiler.apply(&common::batch(&port(2)));
    assert!(second.is_empty());
    let deletes = vec![
        "chassis/c1/port/1".to_owned(),
        "chassis/c1/port/2".to_owned(),
    ];
    compiler.apply(&weft_instructions::v1::EngineBatch {
        deletes,
        ..weft_instructions::v1::EngineBatch::default()
    });
    assert_eq!(
        (compiler.flow_set().len(), own_groups(&compiler).count()),
        (bare, 0)
    );
}

/// Without those of the pipeline.
fn own_groups(compiler: &Compiler) -> impl Iterator<Item = &Arc<Group>> {
    let pipeline = Compiler::new();
    let groups = compiler.groups();
    groups.filter(move |group| pipeline.group(group.id).is_none())
}

fn groups_of(network: &str, peers: &str) -> Compiler {
    let mut compiler = Compiler::new();
    let text = format!("{}local/vif/p1 ofport=1\n{network}\n{peers}", head());
    compiler.apply(&common::batch(&text));
    compiler
}

/// Of the groups that send what comes from here: what it leads to, and how often.
fn copies(compiler: &Compiler) -> usize {
    let mut copies = 0;
    for group in compiler.groups() {
        assert!(group.buckets.len() <= 256);
        if group.id >> 28 == 2 {
            copies += group.buckets.len();
        }
        let add = GroupMod::new(GroupModCommand::Add, (**group).clone());
        let mut bytes = Vec::new();
        weft_openflow::encode(&mut bytes, 1, &Message::GroupMod(Box::new(add))).expect("fits");
    }
    copies
}

/// 16,384 chassis: our whole block over IPv6 and the relays of all others.
#[test]
fn the_largest_network_fits_its_messages() {
    let peers = "@1..127 flood/5/peer/{i} vtep=fd31::{i}\n";
    let relays: Vec<String> = (1..128)
        .map(|block| {
            format!(
                "flood/5/peer/{} vtep=fd31::{block:x}:1 relay=on",
                block * 128
            )
        })
        .collect();
    let network = "network/5/config id=huge encap=geneve relayed=on
        chassis/c1/port/1 id=p1 network=5 mac=02:00:00:00:00:01";
    let compiler = groups_of(network, &(peers.to_owned() + &relays.join("\n")));
    assert!(compiler.failures().is_empty(), "{:?}", compiler.failures());
    // 127 chassis keys of block 0 but our own, and 127 relays.
    assert_eq!(copies(&compiler), 126 + 127);
}

/// A chassis of many small guests on one network.
#[test]
fn many_ports_here_fit_their_messages_and_too_many_are_refused() {
    for (count, fits) in [(1, true), (257, true), (2_000, true), (2_001, false)] {
        let port = |key: u32| {
            let [_, _, high, low] = key.to_be_bytes();
            format!(
                "chassis/c1/port/{key} id=p{key} network=5 mac=02:00:00:00:{high:02x}:{low:02x}
                 local/vif/p{key} ofport={key}"
            )
        };
        let ports: Vec<String> = (1..=count).map(port).collect();
        let network = "network/5/config id=full encap=geneve";
        let compiler = groups_of(network, &ports.join("\n"));
        let failures = compiler.failures();
        assert_eq!(failures.is_empty(), fits, "{count}: {failures:?}");
        copies(&compiler);
        let local = own_groups(&compiler).filter(|group| group.id >> 28 == 1);
        let local: usize = local.map(|group| group.buckets.len()).sum();
        assert_eq!(local, if fits { count as usize } else { 0 });
    }
}

/// With a port here, up to what `tests/copies_on_the_wire.rs` of the engine sees arrive, and no more.
#[test]
fn more_copies_than_open_vswitch_makes_are_refused() {
    let port = "chassis/c1/port/1 id=p1 network=5 mac=02:00:00:00:00:01";
    for (vtep, most) in [("172.31.{hi}.{lo}", 584), ("fd31::{i}", 496)] {
        for encap in ["geneve", "vxlan", "gre"] {
            let peers = |count: u32| {
                let last = count + 1;
                let network = format!("network/5/config id=huge encap={encap}\n{port}");
                let tunnels = "local/tunnel/2 ofport=60001\nlocal/tunnel/3 ofport=60002";
                let peers = format!("{tunnels}\n@2..{last} flood/5/peer/{{i}} vtep={vtep}");
                groups_of(&network, &peers)
            };
            let compiler = peers(most);
            assert!(compiler.failures().is_empty(), "{:?}", compiler.failures());
            assert_eq!(copies(&compiler), most as usize);
            let compiler = peers(most + 1);
            let failures = compiler.failures();
            let reason = failures.get("network/5/config").expect("refused");
            let needed = format!("{} tunnel copies and 1 here", most + 1);
            assert!(reason.contains(&needed), "{reason}");
            assert_eq!((copies(&compiler), failures.len()), (0, 1));
        }
    }
}

/// Central ends such networks at 200 chassis. What it marks as relayed all the same has no flood at
/// all, and says so: a relay would have to be asked by a key that these headers lack. What has a
/// destination still arrives.
#[test]
fn networks_without_egress_keys_have_no_relays() {
    for (encap, kind) in [("vxlan", 2), ("gre", 3)] {
        let network = format!(
            "network/5/config id=huge encap={encap} relayed=on
             local/tunnel/{kind} ofport=60001
             chassis/c1/port/1 id=p1 network=5 mac=02:00:00:00:00:01
             network/5/location/9 mac=02:00:00:00:00:09 chassis=9 vtep=172.31.0.9"
        );
        let peers = "@2..202 flood/5/peer/{i} vtep=172.31.{hi}.{lo}";
        let compiler = groups_of(&network, peers);
        let failures = compiler.failures();
        assert_eq!(failures.len(), 1, "{failures:?}");
        assert!(failures["network/5/config"].contains("only Geneve"));
        assert_eq!(own_groups(&compiler).count(), 0);
        let of = |key: u32| compiler.flows_of_port(key).len();
        assert!(of(1) > 3 && of(9) > 0);
    }
}

/// The first interface on a network concerns its locations, a second one does not; nor does a change
/// of the first.
#[test]
fn only_the_first_interface_of_a_network_concerns_its_locations() {
    let mut compiler = Compiler::new();
    compiler.apply(&common::batch(&world(1, 0, 1000)));
    let bare = compiler.flow_set().len();
    let interface = |router: u32, words: &str| {
        let line = format!(
            "router/{router}/interface/1 key={router} mac=02:ff:00:00:00:0{router} ips=10.1.255.{router}/16 {words}"
        );
        common::batch(&line)
    };
    let first = compiler.apply(&interface(1, "")).flows.adds.len();
    let second = compiler.apply(&interface(2, "")).flows.adds.len();
    println!("an interface: {second} flows, and one for each address of its network");
    assert!(second < 15 && first == second + 1000, "{first} {second}");
    let changed = compiler.apply(&interface(1, "table=3"));
    assert_eq!((changed.flows.adds.len(), changed.flows.mods.len()), (0, 1));
    let drop_scopes = vec!["router/1".to_owned(), "router/2".to_owned()];
    compiler.apply(&weft_instructions::v1::EngineBatch {
        drop_scopes,
        ..weft_instructions::v1::EngineBatch::default()
    });
    assert_eq!(compiler.flow_set().len(), bare);
}

/// What one packet may lead to has to fit one message; so has each group.
#[test]
fn the_widest_routes_fit_their_messages() {
    let mut text = format!(
        "{}network/5/config id=n5 encap=geneve
router/4/interface/5 key=1 mac=02:ff:00:00:00:05 ips=10.0.0.1/16,fd00::1/64
@10..25 network/5/location/{{i}} mac=02:00:00:00:00:{{i}} ips=10.0.1.{{i}},fd00::{{i}} chassis=2 vtep=172.31.0.2
",
        head()
    );
    let via = |family: &str| {
        let hops: Vec<String> = (10..26).map(|i| format!("{family}{i}@5")).collect();
        hops.join(",")
    };
    let (v4, v6) = (via("10.0.1."), via("fd00::"));
    let spans: Vec<String> = (0..8)
        .map(|i| format!("{}-{}", i * 9000, i * 9000 + 8))
        .collect();
    let _ = writeln!(text, "router/4/route/1 to=0.0.0.0/0 via={v4}");
    let _ = writeln!(text, "router/4/route/2 to=::/0 via={v6}");
    let _ = writeln!(
        text,
        "router/4/policy/1 priority=32767 do=reroute dst=fd00::/16 proto=6 dport={} sport={} via={v6}",
        spans.join(","),
        spans.join(",")
    );
    let spread: Vec<String> = (0..16)
        .map(|i| format!("{}-{}", i * 4000 + 1, i * 4000 + 3998))
        .collect();
    let _ = writeln!(
        text,
        "router/4/policy/2 priority=1 do=drop proto=6 dport={} sport={}",
        spread.join(","),
        spread.join(",")
    );
    let mut compiler = Compiler::new();
    compiler.apply(&common::batch(&text));
    let failures: Vec<_> = compiler.failures().into_iter().collect();
    assert_eq!(failures.len(), 1, "{failures:?}");
    assert!(
        failures[0].1.contains("fewer or wider port ranges"),
        "{failures:?}"
    );
    let groups: Vec<usize> = own_groups(&compiler)
        .map(|group| group.buckets.len())
        .collect();
    assert_eq!(groups, [256, 256, 16, 16, 256, 16]);
    for group in compiler.groups() {
        let add = GroupMod::new(GroupModCommand::Add, (**group).clone());
        let mut bytes = Vec::new();
        weft_openflow::encode(&mut bytes, 1, &Message::GroupMod(Box::new(add))).expect("fits");
    }
    for flow in compiler.flow_set().iter() {
        let add = weft_openflow::FlowMod::add((**flow).clone());
        let mut bytes = Vec::new();
        weft_openflow::encode(&mut bytes, 1, &Message::FlowMod(Box::new(add))).expect("fits");
        assert!(bytes.len() < 512, "{flow}");
    }
}
