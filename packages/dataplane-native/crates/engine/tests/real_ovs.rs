//! The engine against a real ovs-vswitchd: installing, changing, restarting, drift, faults.
//! Every test has its own switch. They judge by what the switch reports, not by the engine's word.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::time::{Duration, Instant};
use support::instructions::batch;
use support::{Ovs, Probe, WORLD, until};
use weft_engine::Options;
use weft_instructions::v1::EngineBatch;

const FOREIGN: &str = "cookie=0x1234,table=0,priority=9,ip,nw_src=192.0.2.1,actions=drop";

#[test]
fn what_is_submitted_is_in_the_switch_when_the_ticket_completes() {
    let ovs = Ovs::start();
    let mut probe = Probe::open(&ovs.mgmt());
    let done = probe.apply(WORLD);
    assert_eq!(done.failures, []);
    assert_eq!(ovs.marked_flows().len(), done.flows);
    assert_eq!(ovs.groups().len(), done.groups);
    assert_eq!(ovs.meters().matches("meter=").count(), done.meters);
    assert!(
        done.flows > 40 && done.groups >= 2 && done.meters >= 2,
        "{done:?}"
    );
    let tlv = ovs.ofctl("dump-tlv-map", &[]);
    assert!(
        tlv.contains("0xff57") && tlv.contains("0x81") && tlv.contains("tun_metadata0"),
        "{tlv}"
    );

    // Changed: another MAC, another peer. Nothing of the old ones is left.
    let before = done.flows;
    let done = probe.apply(
        "chassis/c1/port/102 id=p102 network=7 mac=02:00:00:00:00:0f ips=10.0.0.2,fd00::2
         network/7/location/201 mac=02:00:00:00:01:01 ips=10.0.0.101 chassis=3 vtep=172.31.0.3",
    );
    let flows = ovs.marked_flows();
    assert_eq!((flows.len(), done.flows), (before, before));
    assert!(!flows.iter().any(|flow| flow.contains("02:00:00:00:00:02")));
    assert!(flows.iter().any(|flow| flow.contains("02:00:00:00:00:0f")));

    // Deleted, in one batch, before anything may be pruned: these are this life's own.
    let done = probe.apply_batch(&EngineBatch {
        deletes: vec!["chassis/c1/port/101".into(), "local/vif/p101".into()],
        drop_scopes: vec!["network/7".into()],
        ..EngineBatch::default()
    });
    assert_eq!(ovs.marked_flows().len(), done.flows);
    assert_eq!(ovs.groups().len(), done.groups);
    assert_eq!(ovs.meters().matches("meter=").count(), done.meters);
    assert!(done.flows < before);
}

#[test]
fn a_restart_of_the_agent_changes_nothing_in_the_switch() {
    let ovs = Ovs::start();
    let mut probe = Probe::open(&ovs.mgmt());
    let world = batch(WORLD);
    let first = probe.apply_batch(&world);
    drop(probe);

    let (flows, groups, meters) = (ovs.flows(), ovs.groups(), ovs.meters());
    let monitor = ovs.monitor();
    until("the monitor", || {
        ovs.ofctl("add-flow", &[FOREIGN]);
        (monitor.events() > 0).then_some(())
    });
    let mut probe = Probe::open(&ovs.mgmt());
    probe.connected();
    assert_eq!(
        probe.engine.stats().leftovers,
        first.flows + first.groups + first.meters - pipeline()
    );
    let second = probe.apply_batch(&world);
    probe.engine.allow_prune();
    // An own empty change behind the prune proves that it has been looked at.
    probe.apply_batch(&EngineBatch::default());
    assert_eq!(
        second,
        weft_engine::Completed {
            ticket: second.ticket,
            ..first
        }
    );
    assert_eq!(probe.engine.stats().messages_sent, 0);
    assert!(
        !monitor.text().contains("cookie=0x57"),
        "{}",
        monitor.text()
    );
    ovs.ofctl("del-flows", &["cookie=0x1234/-1"]);
    assert_eq!(
        (ovs.flows(), ovs.groups(), ovs.meters()),
        (flows, groups, meters)
    );
}

/// Flows that are there without any instruction.
fn pipeline() -> usize {
    let compiler = weft_compiler::Compiler::new();
    compiler.flow_set().len() + compiler.groups().len()
}

#[test]
fn leftovers_go_only_when_pruning_is_allowed_and_foreign_flows_never() {
    let ovs = Ovs::start();
    let mut probe = Probe::open(&ovs.mgmt());
    probe.apply(WORLD);
    drop(probe);
    let stale = "cookie=0x5700000000000042,table=30,priority=1,reg1=0x9,actions=drop";
    ovs.ofctl("add-flow", &[stale]);
    ovs.ofctl("add-flow", &[FOREIGN]);
    ovs.ofctl(
        "add-group",
        &["group_id=0x10000099,type=all,bucket=bucket_id:0,actions=drop"],
    );
    ovs.ofctl(
        "add-group",
        &["group_id=5,type=all,bucket=bucket_id:0,actions=drop"],
    );
    ovs.ofctl("add-meter", &["meter=77,pktps,band=type=drop,rate=1"]);
    let full = ovs.marked_flows().len();

    let mut probe = Probe::open(&ovs.mgmt());
    let less: String = WORLD
        .lines()
        .filter(|l| !l.contains("p102"))
        .collect::<Vec<_>>()
        .join("\n");
    let done = probe.apply(&less);
    assert!(done.flows < full);
    let kept = ovs.marked_flows().len();
    assert!(kept > done.flows, "the leftovers stay: {kept} of {full}");
    // Somebody puts a flow in the place of a leftover.
    let instead = stale.replace("0x5700000000000042", "0x1234");
    ovs.ofctl("add-flow", &[&instead]);

    probe.engine.allow_prune();
    let done = probe.apply_batch(&EngineBatch::default());
    assert_eq!(ovs.marked_flows().len(), done.flows);
    let groups = ovs.groups();
    assert_eq!(groups.len(), done.groups + 1, "{groups:?}");
    assert!(groups.iter().any(|group| group.contains("group_id=5,")));
    let meters = ovs.meters();
    assert_eq!(
        meters.matches("meter=").count(),
        done.meters + 1,
        "{meters}"
    );
    assert!(meters.contains("meter=77"));
    let flows = ovs.flows().into_iter();
    let foreign = flows.filter(|flow| flow.contains("cookie=0x1234"));
    assert_eq!(foreign.count(), 2);
}

#[test]
fn a_leftover_that_somebody_replaced_is_none() {
    let ovs = Ovs::start();
    let mut probe = Probe::open(&ovs.mgmt());
    probe.apply(WORLD);
    let flows = ovs.flows();
    drop(probe);
    let mut probe = Probe::open(&ovs.mgmt());
    let less = WORLD.lines().filter(|line| !line.contains("p102"));
    probe.apply(&less.collect::<Vec<_>>().join("\n"));
    let deliver = "cookie=0x1234,table=70,priority=100,reg1=0x7,reg3=0x66,actions=drop";
    ovs.ofctl("add-flow", &[deliver]);
    assert_ne!(ovs.flows(), flows);
    probe.apply(WORLD);
    until("the port's flow", || (ovs.flows() == flows).then_some(()));
}

#[test]
fn drift_is_repaired() {
    let ovs = Ovs::start();
    let mut probe = Probe::open(&ovs.mgmt());
    probe.apply(WORLD);
    probe.engine.allow_prune();
    probe.apply_batch(&EngineBatch::default());
    let (flows, groups, meters) = (ovs.flows(), ovs.groups(), ovs.meters());
    let same =
        || (ovs.flows() == flows && ovs.groups() == groups && ovs.meters() == meters).then_some(());

    ovs.ofctl("del-flows", &["table=10"]);
    assert!(probe.drift() > 5);
    until("the flows of table 10", same);

    ovs.ofctl("mod-flows", &["table=70,actions=drop"]);
    assert!(probe.drift() > 0);
    until("the actions of table 70", same);

    ovs.ofctl(
        "add-flow",
        &["cookie=0x5700000000000001,table=70,priority=3,actions=drop"],
    );
    probe.drift();
    until("a flow under our mark to go", same);

    ovs.ofctl("del-groups", &[]);
    probe.drift();
    until("groups and the flows that use them", same);

    ovs.ofctl(
        "mod-group",
        &["group_id=0x10000007,type=all,bucket=bucket_id:0,actions=output:99"],
    );
    probe.drift();
    until("the buckets of a group", same);

    ovs.ofctl("del-meters", &[]);
    probe.drift();
    until("meters and the flows that use them", same);

    ovs.ofctl("del-flows", &[]);
    probe.drift();
    until("everything", same);
    assert!(probe.engine.stats().drift_repaired > 100);
}

#[test]
fn what_others_took_away_makes_no_batch_fail() {
    let ovs = Ovs::start();
    let mut probe = Probe::with(Options::new(ovs.mgmt()));
    assert_eq!(probe.apply(WORLD).failures, []);
    let groups = ovs.groups();
    // Who fights over the same objects is answered ever more slowly: the last time a batch comes before.
    for _ in 0..5 {
        ovs.ofctl("del-groups", &[]);
        until("the groups", || (ovs.groups() == groups).then_some(()));
    }
    ovs.ofctl("del-groups", &[]);
    // A new flow of a group that the batch leaves as it was.
    let done = probe.apply("network/7/config id=n7 encap=geneve relayed=on");
    assert_eq!(done.failures, []);
    until("all flows", || {
        (ovs.marked_flows().len() == done.flows).then_some(())
    });
    assert_eq!(ovs.groups().len(), done.groups);
}

#[test]
fn a_killed_switch_gets_everything_back_and_held_tickets_complete() {
    let mut ovs = Ovs::start();
    let mut probe = Probe::open(&ovs.mgmt());
    probe.apply(WORLD);
    let flows = ovs.flows();
    ovs.kill_switch();
    let reason = probe.lost();
    assert!(
        reason.contains("closed") || reason.contains("reset"),
        "{reason}"
    );

    let world = batch(WORLD);
    let tickets: Vec<u64> = (0..3).map(|_| probe.submit(&world)).collect();
    let ask = probe.submit(&batch("local/vif/p102 ofport=23"));
    ovs.start_switch();
    let last = probe.completed(ask);
    for ticket in tickets {
        assert_eq!(probe.completed(ticket).flows, last.flows);
    }
    assert_eq!(ovs.flows().len(), flows.len());
    assert!(ovs.flows().iter().any(|flow| flow.contains("output:23")));
    assert!(ovs.ofctl("dump-tlv-map", &[]).contains("tun_metadata0"));
    assert_eq!(probe.engine.stats().connects, 2);
}

#[test]
fn a_bridge_deleted_by_hand_and_made_again_gets_everything_back() {
    let ovs = Ovs::start();
    let mut probe = Probe::open(&ovs.mgmt());
    probe.apply(WORLD);
    probe.connected();
    let (flows, groups) = (ovs.flows(), ovs.groups());
    ovs.vsctl(&["del-br", "br-int"]);
    probe.lost();
    ovs.add_bridge();
    probe.connected();
    assert_eq!((ovs.flows(), ovs.groups()), (flows, groups));
}

#[test]
fn an_object_that_the_switch_refuses_takes_no_other_one_down() {
    let ovs = Ovs::start();
    let mut probe = Probe::open(&ovs.mgmt());
    let good = probe.apply(WORLD);
    // Port numbers of OpenFlow 1.5 have 32 bits, those of Open vSwitch 16.
    let bad = "
        local/patch/outer ofport=70000
        network/9/config id=n9 physical=outer vlan=5
        chassis/c1/port/103 id=p103 network=9 mac=02:00:00:00:00:03 ips=10.9.0.3
        local/vif/p103 ofport=23
        chassis/c1/port/104 id=p104 network=7 mac=02:00:00:00:00:04 ips=10.0.0.4
        local/vif/p104 ofport=24
    ";
    let done = probe.apply(bad);
    let keys: Vec<&str> = done.failures.iter().map(|failure| &*failure.key).collect();
    assert_eq!(
        keys,
        ["chassis/c1/port/103", "network/9/config"],
        "{:?}",
        done.failures
    );
    let reason = &done.failures[0].reason;
    assert!(reason.contains("network/9/config fails here"), "{reason}");
    let reason = &done.failures[1].reason;
    assert!(
        reason.contains("Open vSwitch refuses") && reason.contains("OFPB"),
        "{reason}"
    );
    let flows = ovs.marked_flows();
    assert_eq!(flows.len(), done.flows);
    assert!(flows.len() > good.flows);
    assert!(
        flows.iter().any(|flow| flow.contains("02:00:00:00:00:04")),
        "the good port is in"
    );

    // The same again is not even sent, and fails still.
    let sent = probe.engine.stats().messages_sent;
    assert_eq!(probe.apply(bad).failures, done.failures);
    assert_eq!(probe.engine.stats().messages_sent, sent);

    // Put right, it comes back.
    let done = probe.apply("local/patch/outer ofport=70");
    assert_eq!(done.failures, []);
    assert_eq!(ovs.marked_flows().len(), done.flows);
    assert_eq!(ovs.groups().len(), done.groups);
}

#[test]
fn what_was_refused_is_tried_once_on_a_new_connection() {
    let mut ovs = Ovs::start();
    let mut probe = Probe::open(&ovs.mgmt());
    let bad = "
        local/patch/outer ofport=70000
        network/9/config id=n9 physical=outer vlan=5
        chassis/c1/port/103 id=p103 network=9 mac=02:00:00:00:00:03 ips=10.9.0.3
        local/vif/p103 ofport=23
    ";
    let world = format!("{WORLD}{bad}");
    let done = probe.apply(&world);
    assert!(!done.failures.is_empty());
    let refusals = || ovs.log().matches("sending OFPB").count();
    // The message and the commit of its bundle, or the message alone.
    let first = until("the switch's log", || {
        Some(refusals()).filter(|count| *count > 0)
    });
    probe.connected();
    ovs.kill_switch();
    probe.lost();
    ovs.start_switch();
    probe.connected();
    let again = probe.apply_batch(&EngineBatch::default());
    assert_eq!(again.failures, done.failures);
    assert_eq!(ovs.marked_flows().len(), done.flows);
    assert_eq!(ovs.log().matches("sending OFPB").count(), first);
}

#[test]
fn a_foreign_tlv_map_is_named_and_the_engine_waits_for_its_end() {
    let ovs = Ovs::start();
    ovs.ofctl(
        "add-tlv-map",
        &["{class=0x0102,type=0x80,len=4}->tun_metadata0"],
    );
    let mut probe = Probe::open(&ovs.mgmt());
    let ticket = probe.submit(&batch(WORLD));
    let reason = probe.lost();
    assert!(
        reason.contains("0x0102") && reason.contains("del-tlv-map"),
        "{reason}"
    );
    assert_eq!(ovs.marked_flows(), Vec::<String>::new());
    ovs.ofctl("del-tlv-map", &[]);
    assert_eq!(probe.completed(ticket).failures, []);
}

#[test]
fn a_bridge_without_openflow_1_5_is_named() {
    let ovs = Ovs::start();
    ovs.vsctl(&["set", "bridge", "br-int", "protocols=OpenFlow13"]);
    let mut probe = Probe::open(&ovs.mgmt());
    let reason = probe.lost();
    assert!(
        reason.contains("OpenFlow 1.5") || reason.contains("OpenFlow15"),
        "{reason}"
    );
}

#[test]
fn a_full_queue_is_busy_and_loses_nothing() {
    let mut ovs = Ovs::start();
    ovs.kill_switch();
    let mut options = Options::new(ovs.mgmt());
    options.max_tickets = 4;
    options.reconnect_max = Duration::from_millis(100);
    let mut probe = Probe::with(options);
    probe.lost();
    let batch = prost::Message::encode_to_vec(&batch(WORLD));
    let tickets: Vec<_> = (0..6).map(|_| probe.engine.submit(&batch)).collect();
    assert_eq!(tickets, [Some(1), Some(2), Some(3), Some(4), None, None]);
    ovs.start_switch();
    for ticket in 1..=4 {
        assert_eq!(probe.completed(ticket).failures, []);
    }
    until("room", || probe.engine.submit(&batch));
    assert_eq!(probe.completed(5).failures, []);
}

#[test]
fn a_batch_that_comes_while_another_is_installed_waits_for_nothing_else() {
    let ovs = Ovs::start();
    let mut options = Options::new(ovs.mgmt());
    // Nothing but the batch itself wakes the engine.
    options.check_interval = Duration::from_secs(3600);
    let mut probe = Probe::with(options);
    probe.apply(WORLD);
    let location = |mac: u8| {
        let line = format!(
            "network/7/location/201 mac=02:00:00:00:01:{mac:02x} chassis=3 vtep=172.31.0.3"
        );
        batch(&line)
    };
    // The second one at every moment of the first one's install.
    for step in 0..100 {
        let first = probe.submit(&location(0x21));
        let at = Instant::now() + Duration::from_micros(20 * step);
        while Instant::now() < at {
            std::hint::spin_loop();
        }
        let second = probe.submit(&location(0x22));
        assert_eq!(probe.completed(first).failures, []);
        assert_eq!(probe.completed(second).failures, []);
    }
}

#[test]
fn an_undecodable_batch_completes_with_a_failure() {
    let ovs = Ovs::start();
    let mut probe = Probe::open(&ovs.mgmt());
    let ticket = probe.engine.submit(&[0xff; 40]).expect("room");
    let done = probe.completed(ticket);
    assert!(
        done.failures[0].reason.contains("no EngineBatch"),
        "{:?}",
        done.failures
    );
    assert_eq!(probe.apply(WORLD).failures, [], "it is told once");
}

#[test]
fn flows_of_a_port_are_told_with_their_instruction() {
    let ovs = Ovs::start();
    let mut probe = Probe::open(&ovs.mgmt());
    probe.apply(WORLD);
    let (sender, receiver) = std::sync::mpsc::channel();
    probe
        .engine
        .port_flows(101, move |reply| sender.send(reply).expect("awaited"));
    let flows = receiver
        .recv_timeout(support::DEADLINE)
        .expect("an answer")
        .expect("flows");
    assert!(flows.len() > 10);
    assert!(
        flows.iter().all(|flow| flow.key == "chassis/c1/port/101"),
        "{flows:?}"
    );
    assert!(
        flows.iter().any(|flow| flow.text.contains("in_port=21")),
        "{flows:?}"
    );
}
