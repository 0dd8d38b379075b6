//! The result depends on the instructions held and on nothing else: random histories, split,
//! squashed, reordered and with repetitions, end with what one batch of the last state gives; and
//! the deltas on the way, played into a model of a switch, give the same flows, groups and meters.
//! What the switch refuses on the way counts as held: the result is that of the same refusals made
//! at the end. `WEFT_PROPERTY_CASES` asks for more cases than usual.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at what it did not expect"
)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use common::world::{Dice, WORLD, packet};
use proptest::prelude::*;
use weft_compiler::interp::Switch;
use weft_compiler::{ById, Compiler, Delta};
use weft_instructions::v1::{EngineBatch, Instruction};
use weft_openflow::{Field, Flow, Group, Meter};

/// What each key may hold: the world's lines and others that conflict, move, break or come back.
fn states() -> Vec<Instruction> {
    let others = "
chassis/c1/config key=2
local/tunnel/1 ofport=103 ips=172.31.0.130
local/vif/p1 ofport=2
local/vif/p2 ofport=1
local/vif/p2 ofport=3
local/patch/phys1 ofport=51
network/5/config id=blue encap=vxlan
network/5/config id=blue encap=geneve relayed=on
network/8/config id=dmz physical=phys2
network/9/config id=lan physical=phys1 vlan=120 unknown=on
chassis/c1/port/1 id=p1 network=5 mac=02:00:00:00:00:02 ips=10.0.0.2
chassis/c1/port/1 id=p1 network=6 mac=02:00:00:00:00:01 ips=10.0.0.2
chassis/c1/port/2 id=p2 network=5 mac=02:00:00:00:00:01 ips=10.0.0.2 up=off
chassis/c1/port/2 id=p1 network=5 mac=02:00:00:00:00:02 ips=10.0.0.3
network/5/location/3 mac=02:00:00:00:00:01 ips=10.0.0.4,fd00::4 chassis=2 vtep=172.31.0.2
network/5/location/4 mac=02:00:00:00:00:03 ips=10.0.0.3 chassis=130
network/5/location/1 mac=02:00:00:00:00:01 ips=10.0.0.2 chassis=2 vtep=172.31.0.2
network/5/address/0a000009 mac=00:00:5e:00:01:01 port=1 chassis=130
network/5/address/0a000004 mac=00:00:5e:00:01:01 port=3 chassis=2 vtep=172.31.0.2
flood/5/peer/3 vtep=172.31.0.3 unknown=on
flood/10/peer/128 vtep=172.31.0.128
network/11/config id=left physical=phys1 vlan=9
network/11/location/12 mac=02:00:00:00:00:12 ips=10.11.0.99,fd11::3 chassis=2 vtep=172.31.0.2
chassis/c1/port/11 id=p11 network=12 mac=02:00:00:00:00:11 ips=10.12.0.9,fd12::2
router/1/interface/11 key=1 mac=02:ff:00:00:00:12 ips=10.11.0.3/24 table=2
router/1/interface/11 key=1 mac=02:ff:00:00:00:11 ips=10.12.0.1/24,fd11::1/64
router/2/interface/11 key=4 mac=02:ff:00:00:00:11 ips=10.11.0.1/24
router/1/route/1 to=10.12.0.0/16 via=172.20.0.2@20,10.11.0.2@11
router/1/route/5 to=10.77.0.0/16 via=10.11.0.2@11,10.11.0.4@11 table=1
router/1/route/5 to=10.0.0.0/8
router/1/route/6 to=10.77.0.0/16 via=10.11.0.2@11
router/1/policy/2 priority=20 do=reroute dst=10.11.0.0/16 via=10.11.0.2@11,10.11.0.3@11
router/1/leaked/2/13/0a0d0000/24 mac=02:ff:00:00:00:14 mtu=1200
router/1/leaked/3/13/0a0d0000/25 mac=02:ff:00:00:00:13 mtu=1300
router/1/interface/13 key=5 mac=02:ff:00:00:00:15 ips=10.13.0.1/24
router/2/neighbour/31 network=13 mac=02:00:00:00:00:31 ips=10.13.0.2,10.13.0.3 chassis=130
router/1/neighbour/12 network=11 mac=02:00:00:00:00:12 ips=10.11.0.3 chassis=2 encap=vxlan vtep=172.31.0.2
router/2/claimed/8/c0000240 mac=00:00:5e:00:01:02 port=30 chassis=2
router/2/claimed/8/c0000240 mac=00:00:5e:00:01:02 port=8 chassis=1
router/2/claimed/8/c0000241 mac=00:00:5e:00:01:02 port=8 chassis=1
router/1/claimed/8/c0000240 mac=00:00:5e:00:01:02 port=8 chassis=1
chassis/c1/port/8 id=p8 network=8 mac=00:00:5e:00:01:02 ips=10.0.0.2 up=off
chassis/c1/address/8/c0000240 mac=00:00:5e:00:01:02 port=8 chassis=130
chassis/c1/address/8/c0000240 mac=00:00:5e:00:01:03 port=8 chassis=130
chassis/c1/address/8/c0000241 mac=00:00:5e:00:01:02 port=8 chassis=130
chassis/c1/address/9/c0000240 mac=00:00:5e:00:01:01 port=8 chassis=2
chassis/c1/fence/9 vteps=fd31::9
chassis/c1/fence/10 vteps=172.31.0.9
network/5/config id=blue physical=phys1 vlan=120
network/5/config id=blue encap=gre unknown=on gateways=10.0.0.2 gateway_mac=02:00:00:00:00:02
network/10/config id=huge encap=geneve unknown=on
network/10/config id=huge encap=vxlan relayed=on
local/tunnel/1 ofport=100 ips=fd31::130
network/5/address/0a000063 mac=00:00:5e:00:01:01 port=2 chassis=130
network/5/address/0a000063 mac=02:ff:00:00:00:11 port=4 chassis=3 vtep=fd31::3
chassis/c1/port/9 id=p9 network=5 mac=00:00:5e:00:01:01 ips=10.0.0.3 security=off
chassis/c1/port/11 id=p11 network=11 mac=02:ff:00:00:00:11 ips=10.11.0.2,fd11::2
router/2/interface/5 key=7 mac=02:ff:00:00:00:05 ips=10.0.0.254/24 table=1
router/2/route/5 to=10.77.0.0/16 via=10.12.0.2@12,10.12.0.9@12
";
    let mut states = common::batch(WORLD).upserts;
    states.extend(common::batch(others).upserts);
    // Bodies that are broken, and one under another's key.
    let broken = |key: &str, body: Vec<u8>| Instruction {
        key: key.into(),
        body,
    };
    states.push(broken("chassis/c1/port/1", vec![0xff, 0xff]));
    states.push(broken("network/5/location/3", states[0].body.clone()));
    states.push(broken("nonsense", Vec::new()));
    states
}

/// A switch that does what a delta says and refuses what does not fit.
#[derive(Default)]
struct Model {
    flows: BTreeMap<(u8, u16, Vec<u8>), Arc<Flow>>,
    groups: BTreeMap<u32, Arc<Group>>,
    meters: BTreeMap<u32, Meter>,
}

fn identity(flow: &Flow) -> (u8, u16, Vec<u8>) {
    (flow.table, flow.priority, flow.matching.as_oxm().to_vec())
}

impl Model {
    fn of(compiler: &Compiler) -> Self {
        let flows = compiler
            .flow_set()
            .iter()
            .map(|flow| (identity(flow), flow.clone()));
        let groups = compiler.groups().map(|group| (group.id, group.clone()));
        let meters = compiler.meters().map(|meter| (meter.id, meter.clone()));
        Model {
            flows: flows.collect(),
            groups: groups.collect(),
            meters: meters.collect(),
        }
    }

    fn play(&mut self, delta: &Delta) {
        for flow in &delta.flows.adds {
            assert!(
                self.flows.insert(identity(flow), flow.clone()).is_none(),
                "twice: {flow}"
            );
        }
        for flow in &delta.flows.mods {
            assert!(
                self.flows.insert(identity(flow), flow.clone()).is_some(),
                "not there: {flow}"
            );
        }
        for flow in &delta.flows.dels {
            assert!(
                self.flows.remove(&identity(flow)).is_some(),
                "not there: {flow}"
            );
        }
        for group in &delta.groups.adds {
            assert!(self.groups.insert(group.id, group.clone()).is_none());
        }
        for group in &delta.groups.mods {
            assert!(self.groups.insert(group.id, group.clone()).is_some());
        }
        for group in &delta.groups.dels {
            assert!(self.groups.remove(&group.id).is_some());
        }
        for meter in delta.meters.adds.iter().chain(&delta.meters.mods) {
            self.meters.insert(meter.id, meter.clone());
        }
        for meter in &delta.meters.dels {
            assert!(self.meters.remove(&meter.id).is_some());
        }
    }

    fn check(&self, compiler: &Compiler) {
        let now = Model::of(compiler);
        assert_eq!(self.flows, now.flows);
        assert_eq!(self.groups, now.groups);
        assert_eq!(self.meters, now.meters);
        assert_eq!(compiler.flow_set().len(), now.flows.len());
    }
}

/// The switch refuses these, in whatever order.
fn refuse<'a>(compiler: &mut Compiler, refusals: impl Iterator<Item = (&'a str, &'a str)>) {
    for (key, reason) in refusals {
        compiler.refuse(key, reason);
    }
}

/// Nothing in the switch is of a refused instruction, and each says why.
fn check_refused(compiler: &Compiler) {
    let refused = compiler.refused();
    for flow in compiler.flow_set().iter() {
        let owner = compiler.owner_of_flow(&ById(flow.clone()));
        assert!(
            owner.is_none_or(|owner| !refused.contains_key(owner)),
            "{flow}"
        );
    }
    let pipeline = Compiler::new();
    let groups = compiler
        .groups()
        .filter(|group| pipeline.group(group.id).is_none())
        .map(|group| compiler.owner_of_group(group.id));
    let meters = compiler
        .meters()
        .map(|meter| compiler.owner_of_meter(meter.id));
    for owner in groups.chain(meters) {
        assert!(!refused.contains_key(owner.expect("an instruction")));
    }
    let failures = compiler.failures();
    for (key, reason) in refused {
        assert_eq!(failures.get(key), Some(&reason));
    }
}

fn cases() -> u32 {
    let asked = std::env::var("WEFT_PROPERTY_CASES").ok();
    asked.map_or(150, |cases| {
        cases.parse().expect("WEFT_PROPERTY_CASES is a number")
    })
}

fn from_scratch(held: &BTreeMap<String, Instruction>) -> Compiler {
    let mut compiler = Compiler::new();
    let upserts = held.values().cloned().collect();
    compiler.apply(&EngineBatch {
        upserts,
        ..EngineBatch::default()
    });
    compiler
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn incremental_is_from_scratch(
        history in prop::collection::vec(
            (
                prop::collection::vec((any::<u16>(), 0u8..4), 1..40),
                prop::collection::vec(any::<u16>(), 0..4),
            ),
            1..12,
        ),
    ) {
        let states = states();
        let mut held: BTreeMap<String, Instruction> = BTreeMap::new();
        let mut compiler = Compiler::new();
        let mut model = Model::of(&compiler);
        for (steps, refusals) in history {
            let mut batch = EngineBatch::default();
            let mut dropped = BTreeSet::new();
            for (pick, verb) in steps {
                let state = states[usize::from(pick) % states.len()].clone();
                if verb == 0 {
                    batch.deletes.push(state.key);
                } else if verb == 1 && pick % 16 == 0 {
                    dropped.insert(["network/5", "flood/5", "router/1"][usize::from(pick / 16) % 3].to_owned());
                } else {
                    batch.upserts.push(state.clone());
                    batch.upserts.push(state);
                }
            }
            batch.drop_scopes = dropped.into_iter().collect();
            let (before, was_refused) = (held.clone(), compiler.refused().len());
            let scoped = |key: &str, scope: &String| {
                key.strip_prefix(scope.as_str()).is_some_and(|rest| rest.starts_with('/'))
            };
            held.retain(|key, _| !batch.drop_scopes.iter().any(|scope| scoped(key, scope)));
            held.retain(|key, _| !batch.deletes.contains(key));
            held.extend(batch.upserts.iter().map(|state| (state.key.clone(), state.clone())));
            let failures = format!("{:?}", compiler.failures());
            let delta = compiler.apply(&batch);
            prop_assert_eq!(delta.failures_changed, failures != format!("{:?}", compiler.failures()));
            model.play(&delta);
            model.check(&compiler);
            let twice = compiler.apply(&EngineBatch { drop_scopes: Vec::new(), deletes: Vec::new(), ..batch });
            prop_assert!(twice.is_empty() && !twice.failures_changed);
            prop_assert!(compiler.refused().len() <= was_refused);
            for key in compiler.refused().keys() {
                prop_assert_eq!(before.get(*key), held.get(*key), "{} is not what was refused", key);
            }
            for pick in refusals {
                let key = &states[usize::from(pick) % states.len()].key;
                let failures = format!("{:?}", compiler.failures());
                let delta = compiler.refuse(key, "Open vSwitch refuses it");
                prop_assert_eq!(delta.failures_changed, failures != format!("{:?}", compiler.failures()));
                model.play(&delta);
                model.check(&compiler);
            }
            check_refused(&compiler);
        }
        let mut scratch = from_scratch(&held);
        refuse(&mut scratch, compiler.refused().into_iter());
        prop_assert_eq!(common::render(&compiler, true), common::render(&scratch, true));
        // And in another order, one by one.
        let mut reversed = Compiler::new();
        for state in held.values().rev() {
            let upserts = vec![state.clone()];
            reversed.apply(&EngineBatch { upserts, ..EngineBatch::default() });
        }
        refuse(&mut reversed, compiler.refused().into_iter().rev());
        prop_assert_eq!(common::render(&reversed, true), common::render(&scratch, true));
        // Forgiven, nothing of the refusals is left.
        model.play(&compiler.retry());
        model.check(&compiler);
        let forgiven = from_scratch(&held);
        prop_assert_eq!(common::render(&compiler, true), common::render(&forgiven, true));
        refuse(&mut compiler, scratch.refused().into_iter());
        let keys: Vec<String> = held.keys().cloned().collect();
        compiler.apply(&EngineBatch { deletes: keys, ..EngineBatch::default() });
        prop_assert_eq!(common::render(&compiler, true), common::render(&Compiler::new(), true));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    /// Damaged bodies fail or mean something else; put right, nothing of them is left.
    #[test]
    fn damaged_bodies_do_no_harm_that_lasts(
        damage in prop::collection::vec((any::<u16>(), any::<prop::sample::Index>(), any::<u8>(), any::<bool>()), 1..30),
    ) {
        let world = common::batch(WORLD);
        let mut compiler = Compiler::new();
        compiler.apply(&world);
        let whole = common::render(&compiler, true);
        let mut model = Model::of(&compiler);
        for (pick, at, byte, cut) in damage {
            let mut broken = world.upserts[usize::from(pick) % world.upserts.len()].clone();
            let at = at.index(broken.body.len());
            broken.body[at] = byte;
            if cut {
                broken.body.truncate(at);
            }
            let upserts = vec![broken];
            model.play(&compiler.apply(&EngineBatch { upserts, ..EngineBatch::default() }));
            model.check(&compiler);
        }
        model.play(&compiler.apply(&world));
        model.check(&compiler);
        prop_assert_eq!(common::render(&compiler, true), whole);
    }

    /// What a guest sends is never more than refused.
    #[test]
    fn packet_services_survive_any_packet(
        mut packet in prop::collection::vec(any::<u8>(), 0..160),
        shape in prop::collection::vec(
            prop::sample::select(vec![(12usize, 0x86u8), (13, 0xdd), (12, 8), (13, 6), (14, 0x60), (20, 58), (21, 255), (54, 135), (54, 136), (19, 32)]),
            0..9,
        ),
    ) {
        for (at, byte) in shape {
            if let Some(there) = packet.get_mut(at) {
                *there = byte;
            }
        }
        let mut compiler = Compiler::new();
        compiler.apply(&common::batch(WORLD));
        let table = compiler.service_table();
        let asks = table.port_at(1).expect("a port");
        if let Some(reply) = weft_compiler::services::answer_nd(&packet, &asks, table) {
            prop_assert_eq!(&reply[..6], &packet[6..12]);
        }
        if let Some(claim) = weft_compiler::services::read_claim(&packet, &asks) {
            prop_assert!(!asks.ips.contains(&claim.ip));
        }
    }
}

/// No packet goes back to its sender, none from a tunnel into a tunnel but a relay's copies, and
/// none reaches a port of another network.
#[test]
fn packets_stay_where_they_belong() {
    let mut compiler = Compiler::new();
    compiler.apply(&common::batch(WORLD));
    let switch = Switch::new(compiler.flow_set().iter(), compiler.groups());
    let mut dice = Dice(7);
    let (mut delivered, mut relayed, mut routed) = (0, 0, 0);
    for _ in 0..20_000 {
        let packet = packet(&mut dice);
        let in_port = packet.get(Field::InPort);
        let trace = switch.run(packet.clone());
        assert_eq!(trace.aborted, None);
        for (port, sent) in &trace.outputs {
            let physical = matches!(*port, 50 | 51);
            assert!(
                !physical || sent.get(Field::EthSrc) >> 32 != 0x02ff,
                "the MAC of an interface left: {packet:?}"
            );
            if physical && sent.get(Field::Reg8) != 0 {
                assert_eq!(sent.get(Field::EthSrc), 0x0e57_0000_0082);
                routed += 1;
            }
            if *port >= 100 && in_port >= 100 {
                let asked = (packet.get(Field::TunMetadata0) >> 40) & 0xff_ffff;
                assert!(
                    matches!(asked, 0xff_fffe | 0xff_fffc),
                    "{packet:?} to {port}"
                );
                assert_eq!(sent.get(Field::Reg1), 10, "only network 10 has relays");
                let now = (sent.get(Field::TunMetadata0) >> 40) & 0xff_ffff;
                assert!(
                    matches!(now, 0xff_ffff | 0xff_fffd),
                    "a relay's copy is relayed again"
                );
                assert_eq!(
                    sent.get(Field::TunMetadata0) >> 64 & 0xff_ffff,
                    33,
                    "its sender is lost"
                );
                assert_eq!(sent.get(Field::TunMetadata0) >> 16 & 0xff_ffff, 44);
                relayed += 1;
            } else if *port < 50 {
                let answer = u128::from(*port) == in_port;
                let facts = compiler.service_table().port_at(*port).expect("a port");
                assert_eq!(sent.get(Field::Reg1), u128::from(facts.network_key));
                if answer {
                    let said = (sent.get(Field::ArpOp), sent.get(Field::Icmpv6Type));
                    let routed = sent.get(Field::Reg8) != 0;
                    assert!(
                        routed || matches!(said, (2, 0) | (0, 136)),
                        "a packet came back: {packet:?}"
                    );
                }
                delivered += 1;
            }
        }
    }
    assert!(
        delivered > 1000 && relayed > 100 && routed > 10,
        "{delivered} {relayed} {routed}"
    );
}

#[test]
fn a_cookie_leads_back_to_its_instruction() {
    let mut compiler = Compiler::new();
    compiler.apply(&common::batch(WORLD));
    for flow in compiler.flow_set().iter() {
        let explained = compiler.explain(flow.cookie).expect("one of ours");
        assert_eq!(explained.table, flow.table);
        let pipeline = matches!(explained.object, weft_compiler::cookie::Object::Pipeline);
        assert_eq!(explained.keys.is_empty(), pipeline, "{flow}");
    }
    let flows = compiler.flows_of_port(1);
    assert!(
        flows.len() > 20
            && flows
                .iter()
                .all(|f| compiler.flow_set().get(&ById(f.clone())).is_some())
    );
    assert_eq!(compiler.explain(0x1234), None);
}
