//! What becomes of an instruction of which the switch refused something: it and what reads it fail
//! closed with a true reason, nothing else does, and it comes back when there is a reason to try.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at what it did not expect"
)]

mod common;

use common::{batch, render};
use weft_compiler::Compiler;
use weft_instructions::v1::EngineBatch;

const LAN: &str = "
    chassis/c1/config key=1
    local/patch/phys1 ofport=50
    network/8/config id=dmz physical=phys1 vlan=120
    chassis/c1/port/8 id=p8 network=8 mac=02:00:00:00:00:01 ips=10.0.0.2
    local/vif/p8 ofport=5
    network/9/config id=lan physical=phys1
    chassis/c1/port/9 id=p9 network=9 mac=02:00:00:00:00:02 ips=10.0.0.3
    local/vif/p9 ofport=6
";
const REASON: &str = "Open vSwitch refuses group 7: OFPGMFC_OUT_OF_GROUPS (6/3)";

fn lan() -> Compiler {
    let mut compiler = Compiler::new();
    compiler.apply(&batch(LAN));
    assert!(compiler.failures().is_empty());
    compiler
}

/// Key and reason of everything that fails.
fn failures(compiler: &Compiler) -> Vec<(&str, &str)> {
    compiler.failures().into_iter().collect()
}

#[test]
fn what_reads_a_refused_instruction_fails_with_it_and_nothing_else_does() {
    let mut compiler = lan();
    let delta = compiler.refuse("network/8/config", REASON);
    assert!(delta.failures_changed && !delta.flows.dels.is_empty());
    assert!(delta.flows.adds.is_empty() && delta.flows.mods.is_empty());
    assert_eq!(
        failures(&compiler),
        [
            (
                "chassis/c1/port/8",
                "network/8/config fails here: see its own failure"
            ),
            ("network/8/config", REASON),
        ]
    );
    let mut alone = Compiler::new();
    let others = LAN
        .lines()
        .filter(|line| !line.contains("dmz") && !line.contains("p8"));
    alone.apply(&batch(&others.collect::<Vec<_>>().join("\n")));
    let flows = |text: String| {
        let flows = text.lines().filter(|line| !line.starts_with("failure"));
        flows.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(flows(render(&compiler, true)), flows(render(&alone, true)));
}

#[test]
fn the_same_again_stays_refused_and_other_contents_are_tried() {
    let mut compiler = lan();
    compiler.refuse("chassis/c1/port/8", REASON);
    assert!(compiler.apply(&batch(LAN)).is_empty());
    assert_eq!(failures(&compiler), [("chassis/c1/port/8", REASON)]);
    let delta = compiler.apply(&batch(
        "chassis/c1/port/8 id=p8 network=8 mac=02:00:00:00:00:01 ips=10.0.0.9",
    ));
    assert!(delta.failures_changed && !delta.flows.adds.is_empty());
    assert!(failures(&compiler).is_empty() && compiler.refused().is_empty());
}

#[test]
fn it_is_tried_again_when_what_it_was_compiled_from_changes() {
    let mut compiler = lan();
    compiler.refuse("network/8/config", REASON);
    compiler.refuse("network/9/config", REASON);
    // Of another network: no reason to try.
    compiler.apply(&batch("network/7/config id=n7 encap=geneve"));
    assert_eq!(compiler.refused().len(), 2);
    // It was the patch port's fault.
    compiler.apply(&batch("local/patch/phys1 ofport=51"));
    let mut fresh = lan();
    fresh.apply(&batch(
        "network/7/config id=n7 encap=geneve\nlocal/patch/phys1 ofport=51",
    ));
    assert_eq!(render(&compiler, true), render(&fresh, true));
}

#[test]
fn deleting_ends_it() {
    let mut compiler = lan();
    compiler.refuse("chassis/c1/port/9", REASON);
    let deletes = vec!["chassis/c1/port/9".to_owned()];
    let delta = compiler.apply(&EngineBatch {
        deletes,
        ..EngineBatch::default()
    });
    assert!(delta.failures_changed && delta.is_empty());
    compiler.apply(&batch(LAN));
    assert_eq!(render(&compiler, true), render(&lan(), true));
}

#[test]
fn nobody_can_refuse_what_is_not_there() {
    let mut compiler = lan();
    for name in ["network/77/config", "nonsense", ""] {
        let delta = compiler.refuse(name, REASON);
        assert!(delta.is_empty() && !delta.failures_changed);
    }
    assert_eq!(render(&compiler, true), render(&lan(), true));
}

/// Two want one flow: the one that gets it after a refusal is not refused with it.
#[test]
fn a_rival_gets_what_was_refused_to_another() {
    let rivals = "
        chassis/c1/config key=1
        local/tunnel/1 ofport=10 ips=172.31.0.1
        network/5/config id=blue encap=geneve
        network/5/location/3 mac=02:00:00:00:00:03 chassis=2 vtep=172.31.0.2
        network/5/location/4 mac=02:00:00:00:00:03 chassis=3 vtep=172.31.0.3
    ";
    let mut compiler = Compiler::new();
    compiler.apply(&batch(rivals));
    let keys: Vec<&str> = compiler.failures().into_keys().collect();
    assert_eq!(keys, ["network/5/location/4"]);
    compiler.refuse("network/5/location/3", REASON);
    assert_eq!(failures(&compiler), [("network/5/location/3", REASON)]);
    compiler.retry();
    let keys: Vec<&str> = compiler.failures().into_keys().collect();
    assert_eq!(keys, ["network/5/location/4"]);
}
