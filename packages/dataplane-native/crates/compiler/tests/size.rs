//! How much comes out and how long it takes: the figures that bound a chassis.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at what it did not expect"
)]

mod common;

use std::fmt::Write as _;
use std::time::Instant;

use weft_compiler::Compiler;
use weft_openflow::{GroupMod, GroupModCommand, Message};

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
                "network/{network}/flood/{chassis} vtep=172.31.1.{chassis}"
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

fn groups_of(network: &str, peers: &str) -> Compiler {
    let mut compiler = Compiler::new();
    let text = format!("{}local/vif/p1 ofport=1\n{network}\n{peers}", head());
    compiler.apply(&common::batch(&text));
    compiler
}

/// The largest flood there is: our whole block over IPv6 and the relays of all others.
#[test]
fn the_largest_flood_fits_its_messages() {
    let peers = "@1..127 network/5/flood/{i} vtep=fd31::{i}\n";
    let relays: Vec<String> = (1..512)
        .map(|block| {
            format!(
                "network/5/flood/{} vtep=fd31::{block:x}:1 relay=on",
                block * 128
            )
        })
        .collect();
    let network = "network/5/config id=huge encap=geneve relayed=on";
    let compiler = groups_of(network, &(peers.to_owned() + &relays.join("\n")));
    assert!(compiler.failures().is_empty(), "{:?}", compiler.failures());
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
    // 127 chassis keys of block 0 but our own, and 511 relays.
    assert_eq!(copies, 126 + 511);
}

#[test]
fn more_copies_than_open_vswitch_makes_are_refused() {
    let network = "network/5/config id=huge encap=geneve";
    let compiler = groups_of(
        network,
        "@2..1000 network/5/flood/{i} vtep=172.31.{hi}.{lo}",
    );
    let failures = compiler.failures();
    let reason = failures.get("network/5/config").expect("refused");
    assert!(reason.contains("999 tunnel copies"), "{reason}");
    let network = "network/5/config id=huge encap=vxlan relayed=on";
    let compiler = groups_of(network, "@2..9 network/5/flood/{i} vtep=172.31.{hi}.{lo}");
    assert!(compiler.failures()["network/5/config"].contains("only Geneve"));
}
