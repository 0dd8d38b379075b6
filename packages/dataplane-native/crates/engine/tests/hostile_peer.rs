//! The engine against peers that do not speak OpenFlow, or not well: it reconnects, never crashes, keeps
//! its memory, and does its work as soon as a sound switch is there.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use support::instructions::batch;
use support::{Ovs, Probe, WORLD, until};

/// Connections that each hostile peer takes.
const CONNECTIONS: usize = 60;
/// A peer that says nothing for this long is done.
const IDLE: Duration = Duration::from_millis(60);

/// Accepts connections one after the other and does something to each, until it is dropped.
struct Peer {
    served: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Peer {
    fn start(path: &Path, mut serve: impl FnMut(UnixStream, usize) + Send + 'static) -> Self {
        let listener = UnixListener::bind(path).expect("a socket");
        listener.set_nonblocking(true).expect("a socket");
        let (served, stop) = (
            Arc::new(AtomicUsize::new(0)),
            Arc::new(AtomicBool::new(false)),
        );
        let (counter, stopped) = (served.clone(), stop.clone());
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                let Ok((stream, _)) = listener.accept() else {
                    std::thread::sleep(Duration::from_millis(2));
                    continue;
                };
                stream.set_nonblocking(false).expect("a socket");
                serve(stream, counter.load(Ordering::Relaxed));
                counter.fetch_add(1, Ordering::Relaxed);
            }
        });
        Self {
            served,
            stop,
            thread: Some(thread),
        }
    }

    fn wait_served(&self, count: usize) {
        until("connections to the hostile peer", || {
            (self.served.load(Ordering::Relaxed) >= count).then_some(())
        });
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the peer itself is sound");
        }
    }
}

/// A path that leads to one socket now and to another later.
struct Switchover(PathBuf);

impl Switchover {
    fn new(dir: &Path, to: &Path) -> Self {
        let link = Self(dir.join("switchover.mgmt"));
        link.lead(to);
        link
    }

    fn lead(&self, to: &Path) {
        let next = self.0.with_extension("next");
        std::os::unix::fs::symlink(to, &next).expect("a link");
        std::fs::rename(&next, &self.0).expect("a link");
    }
}

/// In the end everything must be as if there had been no such peer.
fn recovers(ovs: &Ovs, probe: &mut Probe, ticket: u64) {
    let done = probe.completed(ticket);
    assert_eq!(done.failures, []);
    until("the right flows", || {
        (ovs.marked_flows().len() == done.flows).then_some(())
    });
    assert_eq!(ovs.groups().len(), done.groups);
}

#[test]
fn garbage_costs_a_reconnect_and_nothing_else() {
    let ovs = Ovs::start();
    let garbage = ovs.dir.join("garbage.sock");
    let seed = fastrand::u64(..);
    eprintln!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let peer = Peer::start(&garbage, move |mut stream, turn| {
        let mut bytes = Vec::new();
        if turn % 2 == 1 {
            // A sound hello, so that what follows is read as an answer.
            bytes.extend([6, 0, 0, 8, 0, 0, 0, 1]);
        }
        for _ in 0..random.usize(1..40) {
            let start = bytes.len();
            bytes.extend((0..random.usize(8..300)).map(|_| random.u8(..)));
            if turn % 3 != 0 {
                // A sound header, so that the body is looked at.
                let length = u16::try_from(bytes.len() - start)
                    .expect("short")
                    .to_be_bytes();
                bytes[start..start + 4].copy_from_slice(&[
                    6,
                    random.u8(0..36),
                    length[0],
                    length[1],
                ]);
            }
        }
        // The engine may close at any byte.
        let _ = stream.write_all(&bytes);
        let _ = stream.set_read_timeout(Some(IDLE));
        let mut sink = [0; 4096];
        while matches!(stream.read(&mut sink), Ok(count) if count > 0) {}
    });
    let path = Switchover::new(&ovs.dir, &garbage);
    let mut probe = Probe::open(&path.0);
    let ticket = probe.submit(&batch(WORLD));
    peer.wait_served(CONNECTIONS);
    assert!(!probe.engine.stats().connected);
    path.lead(&ovs.mgmt());
    drop(peer);
    recovers(&ovs, &mut probe, ticket);
}

#[test]
fn a_switch_whose_bytes_are_damaged_on_the_way_is_repaired_in_the_end() {
    let ovs = Ovs::start();
    ovs.ofctl(
        "add-flow",
        &["cookie=0x1234,table=0,priority=9,ip,nw_src=192.0.2.1,actions=drop"],
    );
    let damaged = ovs.dir.join("damaged.sock");
    let seed = fastrand::u64(..);
    eprintln!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let mgmt = ovs.mgmt();
    let peer = Peer::start(&damaged, move |engine, turn| {
        let switch = UnixStream::connect(&mgmt).expect("the switch");
        let mut from_engine = engine.try_clone().expect("a socket");
        let mut to_switch = switch.try_clone().expect("a socket");
        let forward = std::thread::spawn(move || {
            let _ = std::io::copy(&mut from_engine, &mut to_switch);
            let _ = to_switch.shutdown(std::net::Shutdown::Both);
        });
        let (mut switch, mut engine) = (switch, engine);
        switch.set_read_timeout(Some(IDLE)).expect("a socket");
        // Later connections are damaged later, so that every step of the conversation gets its share.
        let mut until_damage = random.usize(0..40 << (turn % 10));
        let mut buffer = [0; 8192];
        while let Ok(count) = switch.read(&mut buffer) {
            let Some(bytes) = buffer.get_mut(..count).filter(|bytes| !bytes.is_empty()) else {
                break;
            };
            while let Some(byte) = bytes.get_mut(until_damage) {
                *byte ^= 1 << random.u8(0..8);
                until_damage += random.usize(1..2000);
            }
            until_damage -= count;
            if engine.write_all(bytes).is_err() {
                break;
            }
        }
        let _ = engine.shutdown(std::net::Shutdown::Both);
        forward.join().expect("no panic");
    });
    let path = Switchover::new(&ovs.dir, &damaged);
    let mut probe = Probe::open(&path.0);
    probe.submit(&batch(WORLD));
    peer.wait_served(CONNECTIONS);
    path.lead(&ovs.mgmt());
    drop(peer);
    probe.engine.allow_prune();
    until("a sound connection", || {
        probe.engine.stats().connected.then_some(())
    });
    let ticket = probe.submit(&batch(WORLD));
    recovers(&ovs, &mut probe, ticket);
    assert!(
        ovs.flows()
            .iter()
            .any(|flow| flow.contains("cookie=0x1234")),
        "a foreign flow is gone"
    );
}

#[test]
fn a_peer_that_asks_and_never_reads_costs_bounded_memory() {
    let ovs = Ovs::start();
    let greedy = ovs.dir.join("greedy.sock");
    let peer = Peer::start(&greedy, |mut stream, _| {
        let _ = stream.set_write_timeout(Some(IDLE));
        let _ = stream.write_all(&[6, 0, 0, 8, 0, 0, 0, 1]);
        // 64 MiB of echo requests of 64 kB.
        let mut echo = vec![0; 65_528];
        echo[..4].copy_from_slice(&[6, 2, 0xff, 0xf8]);
        for _ in 0..1024 {
            if stream.write_all(&echo).is_err() {
                break;
            }
        }
    });
    let path = Switchover::new(&ovs.dir, &greedy);
    let before = resident_kib();
    let mut probe = Probe::open(&path.0);
    let ticket = probe.submit(&batch(WORLD));
    peer.wait_served(2);
    let grown = resident_kib().saturating_sub(before);
    assert!(grown < 16 * 1024, "grew by {grown} KiB");
    path.lead(&ovs.mgmt());
    drop(peer);
    recovers(&ovs, &mut probe, ticket);
}

/// The largest resident size of this process so far.
fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .expect("VmHWM");
    line.split_whitespace()
        .nth(1)
        .and_then(|kib| kib.parse().ok())
        .expect("a number")
}
