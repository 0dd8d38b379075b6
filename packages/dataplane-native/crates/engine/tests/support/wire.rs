//! What goes into dummy ports and what comes out: exchanges, floods, and what these cost the datapath.
//! It judges nothing. Used by tests that include `packets` and `support`.
#![allow(dead_code, reason = "each test file uses a part")]

use crate::packets::{Icmp, frames, read_icmp};
use crate::support::{Ovs, hex, until};

/// Sends a frame into a port and waits for the next ICMP message out of another.
pub fn exchange(ovs: &Ovs, (into, out): (&str, &str), frame: &[u8]) -> Icmp {
    let before = frames(&ovs.sent(out)).len();
    ovs.receive(into, frame);
    until("a packet", || {
        since(ovs, out, before)
            .iter()
            .find_map(|frame| read_icmp(frame))
    })
}

/// The frames that went out of a port since there were `before`.
pub fn since(ovs: &Ovs, port: &str, before: usize) -> Vec<Vec<u8>> {
    frames(&ovs.sent(port)).split_off(before)
}

/// Sends frames into a port at once: a dummy port keeps 100, and forgets what is more.
pub fn burst(ovs: &Ovs, port: &str, frames: &[Vec<u8>]) {
    assert!(frames.len() < 100, "{} frames", frames.len());
    let frames: Vec<String> = frames.iter().map(|frame| hex(frame)).collect();
    let frames: Vec<&str> = frames.iter().map(String::as_str).collect();
    ovs.appctl(&[&["netdev-dummy/receive", port], &frames[..]].concat());
}

/// The flows of the datapath that have all of these words.
pub fn datapath_flows(ovs: &Ovs, words: &[&str]) -> Vec<String> {
    let dump = ovs.appctl(&["dpctl/dump-flows"]);
    let flows = dump.lines().filter(|line| line.contains("actions:"));
    let chosen = flows.filter(|flow| words.iter().all(|word| flow.contains(word)));
    chosen.map(str::to_owned).collect()
}

/// The number behind a word.
fn number(text: &str, word: &str) -> u64 {
    let (_, rest) = text.split_once(word).expect("the word");
    let mut words = rest.trim_start().split(|c: char| !c.is_ascii_digit());
    let digits = words.next().expect("digits");
    digits.parse().expect("a number")
}

/// Packets that the datapath counted in its flows with all of these words.
pub fn datapath_packets(ovs: &Ovs, words: &[&str]) -> u64 {
    let flows = datapath_flows(ovs, words);
    flows.iter().map(|flow| number(flow, "packets:")).sum()
}

/// Packets that ovs-vswitchd had to handle itself: those that no flow of the datapath took, and those whose flow is
/// slow. Flows that expired meanwhile are left out.
pub fn upcalls(ovs: &Ovs) -> u64 {
    let stats = ovs.appctl(&["dpif-netdev/pmd-stats-show"]);
    let missed = stats.lines().filter(|line| line.contains("miss with"));
    let missed: u64 = missed.map(|line| number(line, "upcall:")).sum();
    missed + datapath_packets(ovs, &["slow_path"])
}
