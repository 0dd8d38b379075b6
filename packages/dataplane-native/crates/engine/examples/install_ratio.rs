//! How long the engine takes to install 100,000 flows of one network, against `ovs-ofctl --bundle` with
//! the same flows, and how long the switch's main thread (which forwards, without DPDK) stands still.
//!
//! `cargo run --release -p weft-engine --example install_ratio [flows] [flows a bundle]`
//!
//! Pairs are interleaved on one switch; the figures are medians. The engine's time runs from `submit` to
//! the completed ticket: decoding, compiling, sending and the barrier. The other's is that of the process.
#![allow(
    clippy::expect_used,
    clippy::cast_precision_loss,
    reason = "a measurement, run by hand"
)]

#[path = "../tests/support/mod.rs"]
#[allow(clippy::panic, reason = "shared with the tests")]
mod support;

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use support::instructions::batch;
use support::{Ovs, Probe};
use weft_compiler::Compiler;
use weft_engine::Options;
use weft_instructions::v1::EngineBatch;

const PAIRS: usize = 5;

fn main() {
    let argument = |at, default| {
        std::env::args()
            .nth(at)
            .and_then(|text| text.parse().ok())
            .unwrap_or(default)
    };
    let wanted: usize = argument(1, 100_000);
    let ovs = Ovs::start();
    let mut options = Options::new(ovs.mgmt());
    options.bundle_flows = argument(2, options.bundle_flows);

    let batch = network(wanted);
    let encoded = prost::Message::encode_to_vec(&batch);
    let mut compiler = Compiler::new();
    let started = Instant::now();
    compiler.apply(&batch);
    let compile = started.elapsed();
    let file = ovs.dir.join("flows.txt");
    write_flows(&compiler, &file);
    println!(
        "{} flows in bundles of {}, {:.1} MB of instructions, compiled in {compile:.2?}",
        compiler.flow_set().len(),
        options.bundle_flows,
        encoded.len() as f64 / 1e6,
    );

    let idle = Stall::watch(&ovs.dir.join("vs.ctl"));
    std::thread::sleep(Duration::from_secs(2));
    let idle = idle.end();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let (mut our_stall, mut their_stall) = (Duration::ZERO, Duration::ZERO);
    for pair in 0..PAIRS {
        let stall = Stall::watch(&ovs.dir.join("vs.ctl"));
        let mut probe = Probe::with(options.clone());
        probe.connected();
        let started = Instant::now();
        let ticket = probe.engine.submit(&encoded).expect("an empty queue");
        let done = probe.completed(ticket);
        let our = started.elapsed();
        assert_eq!(done.failures, []);
        let stood = stall.end();
        our_stall = our_stall.max(stood);
        let mut singles: Vec<Duration> = (0..50).map(|turn| single(&mut probe, turn)).collect();
        singles.sort_unstable();
        let sent = probe.engine.stats().messages_sent;
        assert!(
            sent >= (done.flows + singles.len()) as u64,
            "{sent} messages"
        );
        drop(probe);
        // It needs the TLV map, the groups and the meters, which the engine leaves.
        clear(&ovs);

        let stall = Stall::watch(&ovs.dir.join("vs.ctl"));
        let started = Instant::now();
        let path = file.display().to_string();
        let mut command = bundle_add(&ovs, &path);
        assert!(
            command
                .stderr(Stdio::inherit())
                .status()
                .expect("ovs-ofctl")
                .success()
        );
        let their = started.elapsed();
        their_stall = their_stall.max(stall.end());
        let count = ovs.ofctl("dump-aggregate", &[]);
        clear(&ovs);
        ovs.ofctl("del-groups", &[]);
        println!(
            "pair {pair}: engine {our:.2?} (stood {stood:.1?}; one more port: median {:.2?}, longest {:.2?}), ovs-ofctl {their:.2?} ({})",
            singles[25],
            singles[49],
            count.split_whitespace().last().unwrap_or_default()
        );
        ours.push(our);
        theirs.push(their);
    }
    let (our, their) = (median(ours), median(theirs));
    println!(
        "median: engine {our:.2?}, ovs-ofctl --bundle {their:.2?}, ratio {:.2}",
        our.as_secs_f64() / their.as_secs_f64(),
    );
    println!(
        "longest standstill of the main thread: engine {our_stall:.1?}, ovs-ofctl {their_stall:.1?}, idle {idle:.1?}"
    );
}

/// One more port elsewhere, to the barrier.
fn single(probe: &mut Probe, turn: usize) -> Duration {
    let line = format!(
        "network/7/location/{} mac=02:00:ff:00:00:{turn:02x} ips=10.200.0.{turn} chassis=2 vtep=172.31.1.2",
        900_000 + turn,
    );
    let started = Instant::now();
    let done = probe.apply(&line);
    let time = started.elapsed();
    assert!(
        done.failures.is_empty() && done.flows == probe.engine.stats().flows,
        "{done:?}"
    );
    time
}

fn bundle_add(ovs: &Ovs, file: &str) -> Command {
    let mut command = Command::new("ovs-ofctl");
    command.args(["-O", "OpenFlow15", "--bundle", "add-flows"]);
    command
        .arg(format!("unix:{}", ovs.mgmt().display()))
        .arg(file)
        .env("OVS_RUNDIR", &ovs.dir);
    command
}

/// A network with so many ports elsewhere that there are about `wanted` flows.
fn network(wanted: usize) -> EngineBatch {
    let text = |ports: usize| {
        let mut text = "chassis/c1/config key=1\nlocal/tunnel/1 ofport=10 ips=172.31.0.1\n\
            network/7/config id=n7 encap=geneve\n\
            chassis/c1/port/800000 id=p network=7 mac=02:00:ff:01:00:00 ips=10.201.0.1\n\
            local/vif/p ofport=21\n"
            .to_owned();
        for port in 1..=ports {
            let (a, b, c) = (port >> 16, (port >> 8) & 255, port & 255);
            let chassis = port % 200 + 2;
            let line = writeln!(
                text,
                "network/7/location/{port} mac=02:00:00:{a:02x}:{b:02x}:{c:02x} ips=10.{a}.{b}.{c} \
                 chassis={chassis} vtep=172.31.1.{chassis}",
            );
            line.expect("memory");
        }
        text
    };
    let flows = |ports| {
        let mut compiler = Compiler::new();
        compiler.apply(&batch(&text(ports)));
        compiler.flow_set().len()
    };
    let (none, some) = (flows(0), flows(100));
    batch(&text((wanted - none) * 100 / (some - none)))
}

fn write_flows(compiler: &Compiler, file: &Path) {
    let lines = (compiler.flow_set().iter())
        .fold(String::new(), |text, flow| text + &flow.to_string() + "\n");
    std::fs::write(file, lines).expect("a file");
}

fn clear(ovs: &Ovs) {
    ovs.ofctl("del-flows", &[]);
    // Open vSwitch frees what it removed later, on the same thread: that is not what is measured.
    std::thread::sleep(Duration::from_secs(1));
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// Asks the switch's main thread something small again and again; the longest answer is its standstill.
struct Stall {
    stop: Arc<AtomicBool>,
    longest_us: Arc<AtomicU64>,
    thread: std::thread::JoinHandle<()>,
}

impl Stall {
    fn watch(control: &Path) -> Self {
        let mut socket = UnixStream::connect(control).expect("the control socket");
        let (stop, longest_us) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicU64::new(0)),
        );
        let (stopped, longest) = (stop.clone(), longest_us.clone());
        let thread = std::thread::spawn(move || {
            let mut answer = [0; 4096];
            while !stopped.load(Ordering::Relaxed) {
                let asked = Instant::now();
                let question = br#"{"id":0,"method":"version","params":[]}"#;
                socket.write_all(question).expect("the control socket");
                let count = socket.read(&mut answer).expect("an answer");
                assert!(count > 0, "the switch ended");
                let us = u64::try_from(asked.elapsed().as_micros()).unwrap_or(u64::MAX);
                longest.fetch_max(us, Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        Self {
            stop,
            longest_us,
            thread,
        }
    }

    fn end(self) -> Duration {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("no panic");
        Duration::from_micros(self.longest_us.load(Ordering::Relaxed))
    }
}
