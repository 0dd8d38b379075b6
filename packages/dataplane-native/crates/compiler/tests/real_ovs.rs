//! Open vSwitch itself judges our flows: it takes them all, and on random packets its
//! `ofproto/trace` looks up the same flows, sends to the same ports and ends with the same packet
//! as our interpreter. Runs its own ovsdb-server and ovs-vswitchd with dummy ports in a folder of
//! its own.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at what it did not expect"
)]

mod common;

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::world::{Dice, WORLD, packet};
use weft_compiler::Compiler;
use weft_compiler::interp::{Packet, Step, Switch, Trace};
use weft_openflow::{Field, Match};

struct Ovs {
    folder: PathBuf,
    daemons: Vec<Child>,
}

impl Drop for Ovs {
    fn drop(&mut self) {
        for daemon in &mut self.daemons {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Ovs {
    fn start(name: &str) -> Self {
        let folder =
            std::env::temp_dir().join(format!("weft-compiler-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let mut ovs = Ovs {
            folder,
            daemons: Vec::new(),
        };
        let db = ovs.path("conf.db");
        ovs.run(
            "ovsdb-tool",
            &["create", &db, "/usr/share/openvswitch/vswitch.ovsschema"],
        );
        let socket = format!("punix:{}", ovs.path("db.sock"));
        ovs.daemon("ovsdb-server", &[&db, "--remote", &socket]);
        ovs.vsctl(&["--no-wait", "init"]);
        let socket = format!("unix:{}", ovs.path("db.sock"));
        ovs.daemon(
            "ovs-vswitchd",
            &[&socket, "--enable-dummy=system", "--disable-system"],
        );
        ovs.vsctl(&[
            "add-br",
            "br0",
            "--",
            "set",
            "bridge",
            "br0",
            "datapath_type=dummy",
        ]);
        ovs.vsctl(&[
            "set",
            "bridge",
            "br0",
            "fail_mode=secure",
            "protocols=OpenFlow15",
        ]);
        for ofport in [1, 2, 3, 4, 5, 6, 7, 50, 51] {
            let sent = format!("options:tx_pcap={}", ovs.path(&format!("d{ofport}.pcap")));
            ovs.port(ofport, &["type=dummy", &sent]);
        }
        for (ofport, kind) in [(100, "geneve"), (101, "vxlan"), (102, "gre")] {
            let kind = format!("type={kind}");
            let flow = [
                "options:remote_ip=flow",
                "options:local_ip=flow",
                "options:key=flow",
            ];
            ovs.port(ofport, &[&kind, flow[0], flow[1], flow[2]]);
        }
        ovs.ofctl(
            "add-tlv-map",
            &["{class=0xff57,type=0x81,len=12}->tun_metadata0"],
        );
        ovs
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        for variable in ["OVS_RUNDIR", "OVS_DBDIR", "OVS_LOGDIR"] {
            command.env(variable, &self.folder);
        }
        command
    }

    fn daemon(&mut self, program: &str, args: &[&str]) {
        let control = format!("--unixctl={}", self.path(&format!("{program}.ctl")));
        let quiet = ["--no-chdir", "-vconsole:off", "-vsyslog:off", &control];
        let mut command = self.command(program);
        let command = command
            .args(args)
            .args(quiet)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let daemon = command.spawn().unwrap_or_else(|error| {
            panic!("{program}: {error}: install it with `apt-get install openvswitch-switch`")
        });
        self.daemons.push(daemon);
    }

    fn run(&self, program: &str, args: &[&str]) -> String {
        let output = self
            .command(program)
            .args(args)
            .output()
            .unwrap_or_else(|error| {
                panic!("{program}: {error}: install it with `apt-get install openvswitch-switch`")
            });
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program} {args:?}: {errors}");
        String::from_utf8(output.stdout).expect("text")
    }

    fn vsctl(&self, args: &[&str]) {
        let db = format!("--db=unix:{}", self.path("db.sock"));
        self.run(
            "ovs-vsctl",
            &[&["--timeout=20", "--retry", &db], args].concat(),
        );
    }

    fn port(&self, ofport: u32, settings: &[&str]) {
        let name = format!("d{ofport}");
        let request = format!("ofport_request={ofport}");
        let set = ["--", "set", "interface", &name, &request];
        self.vsctl(&[&["add-port", "br0", &name], set.as_slice(), settings].concat());
    }

    fn ofctl(&self, verb: &str, args: &[&str]) -> String {
        let bridge = format!("unix:{}", self.path("br0.mgmt"));
        self.run(
            "ovs-ofctl",
            &[&["-O", "OpenFlow15", verb, &bridge], args].concat(),
        )
    }

    fn install(&self, compiler: &Compiler) {
        for meter in compiler.meters() {
            self.ofctl("add-meter", &[&meter.to_string()]);
        }
        let groups = compiler
            .groups()
            .map(|group| format!("group add {group}\n"));
        let flows = compiler
            .flow_set()
            .iter()
            .map(|flow| format!("flow add {flow}\n"));
        let file = self.path("bundle");
        std::fs::write(&file, groups.chain(flows).collect::<String>()).expect("written");
        self.ofctl("bundle", &[&file]);
    }

    fn trace(&self, packet: &Packet) -> String {
        let mut flow = Match::new();
        for (field, value) in packet.fields() {
            flow.put(field, value, field.all_ones());
        }
        let control = self.path("ovs-vswitchd.ctl");
        self.run(
            "ovs-appctl",
            &["-t", &control, "ofproto/trace", "br0", &flow.to_string()],
        )
    }
}

/// What `ofproto/trace` says, in the interpreter's terms: lookups, outputs, packet-ins, the final
/// flow.
fn read(text: &str) -> (Vec<Step>, Vec<u32>, usize, String) {
    let (mut steps, mut outputs, mut controller) = (Vec::new(), Vec::new(), 0);
    let (mut first, mut last) = ("", "");
    let mut in_port = 0;
    for line in text.lines() {
        let line = line.trim();
        if let Some(flow) = line.strip_prefix("Flow: ") {
            in_port = value(flow, "in_port").parse().expect("a port");
            first = flow;
        } else if let Some(flow) = line.strip_prefix("Final flow: ") {
            last = if flow == "unchanged" { first } else { flow };
        } else if let Some((before, cookie)) = line.split_once(", cookie 0x") {
            let (table, matched) = before.split_once(". ").expect("a table");
            let priority = matched.rsplit_once("priority ").expect("a priority").1;
            steps.push(Step {
                table: table.parse().expect("a table"),
                flow: Some((
                    priority.parse().expect("a priority"),
                    u64::from_str_radix(cookie, 16).expect("a cookie"),
                )),
            });
        } else if let Some(port) = line.strip_prefix("output:") {
            outputs.push(port.parse().expect("a port"));
        } else if line == "IN_PORT" {
            outputs.push(in_port);
        } else if line == ">> skipping output to input port" {
            outputs.pop();
        } else if line.starts_with("controller(") {
            controller += 1;
        }
    }
    (steps, outputs, controller, last.to_owned())
}

fn value<'a>(flow: &'a str, name: &str) -> &'a str {
    let found = flow
        .split(',')
        .find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
    found.unwrap_or("")
}

/// Fields whose values at the end are compared, as OVS names them.
const COMPARED: &[(Field, &str)] = &[
    (Field::Reg0, "reg0"),
    (Field::Reg1, "reg1"),
    (Field::Reg2, "reg2"),
    (Field::Reg3, "reg3"),
    (Field::Reg4, "reg4"),
    (Field::Reg6, "reg6"),
    (Field::Reg7, "reg7"),
    (Field::TunMetadata0, "tun_metadata0"),
    (Field::EthSrc, "dl_src"),
    (Field::EthDst, "dl_dst"),
    (Field::VlanVid, "dl_vlan"),
    (Field::ArpOp, "arp_op"),
    (Field::ArpSpa, "arp_spa"),
    (Field::ArpTpa, "arp_tpa"),
    (Field::ArpSha, "arp_sha"),
    (Field::ArpTha, "arp_tha"),
    (Field::Ipv6Src, "ipv6_src"),
    (Field::Ipv6Dst, "ipv6_dst"),
    (Field::Icmpv6Type, "icmp_type"),
    (Field::NdTarget, "nd_target"),
];

fn number(text: &str) -> u128 {
    if text.matches(':').count() == 5 && !text.contains("::") {
        return u128::from_str_radix(&text.replace(':', ""), 16).expect("a MAC");
    }
    match text.parse::<std::net::IpAddr>() {
        Ok(std::net::IpAddr::V4(ip)) => return u128::from(ip.to_bits()),
        Ok(std::net::IpAddr::V6(ip)) => return ip.to_bits(),
        Err(_) => {}
    }
    match text.strip_prefix("0x") {
        Some(hex) => u128::from_str_radix(hex, 16).expect("a number"),
        None => text.parse().unwrap_or(0),
    }
}

fn check_last(ours: &Trace, theirs: &str, context: &str) {
    for (field, name) in COMPARED {
        let mut expected = number(value(theirs, name));
        // OVS prints the VID alone.
        if *field == Field::VlanVid && expected != 0 {
            expected |= 0x1000;
        }
        let found = ours.last.get(*field);
        // ICMPv6 and ARP fields are printed for packets that have them.
        let printed = !value(theirs, name).is_empty();
        let must = matches!(name.get(..3), Some("reg" | "dl_"));
        if printed || must {
            assert_eq!(found, expected, "{name}\n{context}");
        }
    }
}

#[test]
fn the_interpreter_agrees_with_open_vswitch() {
    let ovs = Ovs::start("trace");
    let mut compiler = Compiler::new();
    compiler.apply(&common::batch(WORLD));
    assert_eq!(compiler.failures().len(), 0, "{:?}", compiler.failures());
    ovs.install(&compiler);
    let dumped = ovs.ofctl("dump-flows", &["--no-stats"]);
    let dumped = dumped
        .lines()
        .filter(|line| line.contains("cookie=0x57"))
        .count();
    assert_eq!(
        dumped,
        compiler.flow_set().len(),
        "Open vSwitch holds other flows"
    );

    let switch = Switch::new(compiler.flow_set().iter(), compiler.groups());
    let mut dice = Dice(0x5745_4654);
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..1200 {
        let packet = packet(&mut dice);
        let ours = switch.run(packet.clone());
        let text = ovs.trace(&packet);
        let (steps, outputs, controller, last) = read(&text);
        let context = format!("{text}\nours: {:?} {:?}", ours.steps, ours.outputs);
        assert_eq!(ours.aborted, None, "{context}");
        assert_eq!(ours.steps, steps, "{context}");
        let sent: Vec<u32> = ours.outputs.iter().map(|(port, _)| *port).collect();
        assert_eq!(sent, outputs, "{context}");
        assert_eq!(ours.controller.len(), controller, "{context}");
        check_last(&ours, &last, &context);
        seen.extend(
            ours.steps
                .iter()
                .filter_map(|step| step.flow.map(|(_, cookie)| cookie)),
        );
    }
    // One megaflow for all connections of a pair of ports, here and to another chassis.
    for to in [0x0200_0000_0002u128, 0x0200_0000_0003] {
        let tcp = Packet::default()
            .with(Field::InPort, 1)
            .with(Field::EthType, 0x0800);
        let tcp = tcp
            .with(Field::EthSrc, 0x0200_0000_0001)
            .with(Field::EthDst, to);
        let tcp = tcp
            .with(Field::Ipv4Src, 0x0a00_0002)
            .with(Field::Ipv4Dst, 0x0a00_0004);
        let tcp = tcp
            .with(Field::IpProto, 6)
            .with(Field::TcpSrc, 4321)
            .with(Field::TcpDst, 80);
        let text = ovs.trace(&tcp);
        let megaflow = text
            .lines()
            .find(|line| line.starts_with("Megaflow: "))
            .expect("one");
        assert!(
            !megaflow.contains("tp_") && !megaflow.contains("nw_dst=10.0.0.4"),
            "{megaflow}"
        );
    }

    // The packets reach most of the rules, or the comparison would say little.
    let all: std::collections::BTreeSet<u64> =
        compiler.flow_set().iter().map(|flow| flow.cookie).collect();
    let missed: Vec<_> = all
        .difference(&seen)
        .filter_map(|c| compiler.explain(*c))
        .collect();
    assert!(
        missed.len() * 4 < all.len(),
        "of {} never met: {missed:#?}",
        all.len()
    );
}

/// The frames that a dummy port sent, once there are any: bytes after the pcap headers (24, then 16
/// a frame).
fn sent(ovs: &Ovs, ofport: u32) -> Vec<Vec<u8>> {
    let file = ovs.path(&format!("d{ofport}.pcap"));
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let bytes = std::fs::read(&file).unwrap_or_default();
        let mut frames = Vec::new();
        let mut rest = bytes.get(24..).unwrap_or_default();
        while let Some(length) = rest.get(8..12) {
            let length = u32::from_ne_bytes(length.try_into().expect("four bytes")) as usize;
            let Some(frame) = rest.get(16..16 + length) else {
                break;
            };
            frames.push(frame.to_vec());
            rest = &rest[16 + length..];
        }
        if !frames.is_empty() {
            return frames;
        }
        assert!(
            Instant::now() < deadline,
            "nothing came out of port {ofport}"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The checksum of ICMP for IPv6 over a whole frame: 0 when the one inside is right.
fn checksum(frame: &[u8]) -> u16 {
    let words = frame[22..]
        .chunks(2)
        .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])));
    let mut sum = words.sum::<u32>() + u32::from(frame[19]) + 58;
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).expect("folded")
}

fn frame(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

#[test]
fn answers_are_right_on_the_wire() {
    let ovs = Ovs::start("wire");
    let mut compiler = Compiler::new();
    compiler.apply(&common::batch(WORLD));
    ovs.install(&compiler);
    let receive = |ofport: u32, packet: &[u8]| {
        let mut hex = String::new();
        for byte in packet {
            let _ = write!(hex, "{byte:02x}");
        }
        let control = ovs.path("ovs-vswitchd.ctl");
        let port = format!("d{ofport}");
        ovs.run(
            "ovs-appctl",
            &["-t", &control, "netdev-dummy/receive", &port, &hex],
        );
    };
    let (own, peer) = (
        common::mac("02:00:00:00:00:01"),
        common::mac("02:00:00:00:00:03"),
    );
    let (ip, target) = (common::ip("10.0.0.2"), common::ip("10.0.0.4"));

    let head = [8, 6, 0, 1, 8, 0, 6, 4, 0];
    receive(
        1,
        &frame(&[&[0xff; 6], &own, &head, &[1], &own, &ip, &[0; 6], &target]),
    );
    let answer = frame(&[&own, &peer, &head, &[2], &peer, &target, &own, &ip]);
    let answers = sent(&ovs, 1);
    assert_eq!(answers[0][..42], answer);

    let (ip, target) = (common::ip("fd00::2"), common::ip("fd00::4"));
    let group = common::ip("ff02::1:ff00:4");
    let ipv6 = [0x86, 0xdd, 0x60, 0, 0, 0, 0, 32, 58, 255];
    let mut asks = frame(&[&[0x33, 0x33, 0xff, 0, 0, 4], &own, &ipv6, &ip, &group]);
    asks.extend(frame(&[
        &[135, 0, 0, 0, 0, 0, 0, 0],
        &target,
        &[1, 1],
        &own,
    ]));
    let sum = checksum(&asks).to_be_bytes();
    asks[56..58].copy_from_slice(&sum);
    std::fs::remove_file(ovs.path("d1.pcap")).expect("the frames so far");
    let port = ["set", "interface", "d1"];
    let fresh = format!("options:tx_pcap={}", ovs.path("d1.pcap"));
    ovs.vsctl(&[port.as_slice(), &["options:tx_pcap=/dev/null"]].concat());
    ovs.vsctl(&[port.as_slice(), &[fresh.as_str()]].concat());
    receive(1, &asks);
    let answers = sent(&ovs, 1);
    let says = &answers[0];
    assert_eq!(checksum(says), 0, "the checksum adds up");
    let expected = frame(&[&own, &peer, &ipv6, &target, &ip]);
    assert_eq!(says[..54], expected);
    assert_eq!(says[54], 136);
    assert_eq!(
        says[58..86],
        frame(&[&[0x60, 0, 0, 0], &target, &[2, 1], &peer])
    );
}
