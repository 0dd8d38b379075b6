//! An Open vSwitch of its own for a test: ovsdb-server and ovs-vswitchd with dummy ports, in a folder
//! of their own. It ends what it starts and touches no other.
#![allow(dead_code, reason = "each test file uses a part")]
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "test code outside of test functions"
)]

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use weft_compiler::Compiler;
use weft_compiler::interp::Packet;
use weft_openflow::Match;

pub struct Ovs {
    pub folder: PathBuf,
    pub daemons: Vec<Child>,
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
    pub fn start(name: &str) -> Self {
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
        for ofport in [1, 2, 3, 4, 5, 6, 7, 8, 9, 50, 51] {
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

    pub fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        for variable in ["OVS_RUNDIR", "OVS_DBDIR", "OVS_LOGDIR"] {
            command.env(variable, &self.folder);
        }
        command
    }

    pub fn daemon(&mut self, program: &str, args: &[&str]) {
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

    pub fn run(&self, program: &str, args: &[&str]) -> String {
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

    pub fn vsctl(&self, args: &[&str]) {
        let db = format!("--db=unix:{}", self.path("db.sock"));
        self.run(
            "ovs-vsctl",
            &[&["--timeout=20", "--retry", &db], args].concat(),
        );
    }

    pub fn port(&self, ofport: u32, settings: &[&str]) {
        let name = format!("d{ofport}");
        let request = format!("ofport_request={ofport}");
        let set = ["--", "set", "interface", &name, &request];
        self.vsctl(&[&["add-port", "br0", &name], set.as_slice(), settings].concat());
    }

    pub fn ofctl(&self, verb: &str, args: &[&str]) -> String {
        let bridge = format!("unix:{}", self.path("br0.mgmt"));
        self.run(
            "ovs-ofctl",
            &[&["-O", "OpenFlow15", verb, &bridge], args].concat(),
        )
    }

    pub fn install(&self, compiler: &Compiler) {
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

    /// A packet comes in by a dummy port.
    pub fn receive(&self, ofport: u32, packet: &[u8]) {
        let mut hex = String::new();
        for byte in packet {
            let _ = write!(hex, "{byte:02x}");
        }
        let control = self.path("ovs-vswitchd.ctl");
        let port = format!("d{ofport}");
        let verb = ["-t", &control, "netdev-dummy/receive", &port, &hex];
        self.run("ovs-appctl", &verb);
    }

    pub fn trace(&self, packet: &Packet) -> String {
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

/// The frames that a dummy port sent, once there are any: bytes after the pcap headers (24, then 16
/// a frame).
pub fn sent(ovs: &Ovs, ofport: u32) -> Vec<Vec<u8>> {
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
pub fn checksum(frame: &[u8]) -> u16 {
    let words = frame[22..]
        .chunks(2)
        .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])));
    let mut sum = words.sum::<u32>() + u32::from(frame[19]) + 58;
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).expect("folded")
}

pub fn frame(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}
