//! A real Open vSwitch of its own for each test, and an engine with its events. Owns the processes it
//! starts and ends them; touches no other Open vSwitch. Used by the tests and the example of this crate.
#![allow(dead_code, reason = "each test file uses a part")]

#[path = "../../../compiler/tests/common/mod.rs"]
pub mod instructions;

use prost::Message as _;
use std::fmt::Write as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use weft_engine::{Completed, Engine, Event, Options};
use weft_instructions::v1::EngineBatch;

/// Longest wait for anything.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// Looks every few milliseconds until `look` gives something.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// ovsdb-server and ovs-vswitchd with dummy devices and one bridge, `br-int`, in a folder of their own.
pub struct Ovs {
    pub dir: PathBuf,
    /// ovs-vswitchd is in a network namespace of its own, with the datapath that is used without dummies.
    isolated: bool,
    database: Child,
    switch: Option<Child>,
}

impl Ovs {
    pub fn start() -> Self {
        Self::start_in(false)
    }

    /// Needs root.
    pub fn isolated() -> Self {
        Self::start_in(true)
    }

    fn start_in(isolated: bool) -> Self {
        let dir = std::env::temp_dir().join(format!("weft-engine-{:08x}", fastrand::u32(..)));
        std::fs::create_dir_all(&dir).expect("a scratch folder");
        let conf = dir.join("conf.db");
        let schema = "/usr/share/openvswitch/vswitch.ovsschema";
        run(Command::new("ovsdb-tool")
            .arg("create")
            .arg(&conf)
            .arg(schema));
        let database = Command::new("ovsdb-server")
            .arg(&conf)
            .arg(format!("--remote=punix:{}", dir.join("db.sock").display()))
            .arg(format!("--unixctl={}", dir.join("db.ctl").display()))
            .env("OVS_RUNDIR", &dir)
            .stderr(Stdio::null())
            .spawn()
            .expect("ovsdb-server: install openvswitch-switch");
        let mut ovs = Self {
            dir,
            isolated,
            database,
            switch: None,
        };
        // Its socket is there a moment before it listens.
        until("the database", || {
            UnixStream::connect(ovs.dir.join("db.sock")).ok()
        });
        ovs.vsctl(&["--no-wait", "init"]);
        ovs.start_switch();
        ovs.add_bridge();
        ovs
    }

    pub fn add_bridge(&self) {
        let protocols = "protocols=OpenFlow10,OpenFlow13,OpenFlow14,OpenFlow15";
        let bridge = ["add-br", "br-int", "--", "set", "bridge", "br-int"];
        let settings = [self.datapath(), "fail_mode=secure", protocols];
        self.vsctl(&[&bridge[..], &settings[..]].concat());
    }

    /// For a bridge of this switch.
    pub fn datapath(&self) -> &'static str {
        if self.isolated {
            "datapath_type=netdev"
        } else {
            "datapath_type=dummy"
        }
    }

    /// Runs ip(8) where an isolated switch is.
    pub fn ip(&self, args: &[&str]) {
        let switch = self.switch.as_ref().expect("it runs").id().to_string();
        let nsenter = ["--target", &switch, "--net", "ip"];
        run(Command::new("nsenter").args(nsenter).args(args));
    }

    /// Asks ovs-vswitchd by its control socket.
    pub fn appctl(&self, args: &[&str]) -> String {
        let control = format!("--target={}", self.dir.join("vs.ctl").display());
        run(Command::new("ovs-appctl").arg(control).args(args))
    }

    pub fn start_switch(&mut self) {
        let log = std::fs::File::create(self.dir.join("vswitchd.err")).expect("a log file");
        // unshare(1) becomes the program that it starts.
        let (program, first, dummies) = if self.isolated {
            ("unshare", &["--net", "ovs-vswitchd"][..], "--enable-dummy")
        } else {
            ("ovs-vswitchd", &[][..], "--enable-dummy=system")
        };
        let child = Command::new(program)
            .args(first)
            .arg(format!("unix:{}", self.dir.join("db.sock").display()))
            .arg(format!("--unixctl={}", self.dir.join("vs.ctl").display()))
            .args([dummies, "--disable-system"])
            .env("OVS_RUNDIR", &self.dir)
            .env("OVS_DBDIR", &self.dir)
            .stderr(log)
            .spawn()
            .expect("ovs-vswitchd: install openvswitch-switch");
        self.switch = Some(child);
    }

    /// What ovs-vswitchd logged since its start.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.join("vswitchd.err")).expect("a log file")
    }

    /// kill -9.
    pub fn kill_switch(&mut self) {
        if let Some(mut switch) = self.switch.take() {
            switch.kill().expect("it runs");
            switch.wait().expect("it ends");
        }
    }

    pub fn mgmt(&self) -> PathBuf {
        self.dir.join("br-int.mgmt")
    }

    pub fn vsctl(&self, args: &[&str]) -> String {
        let db = format!("--db=unix:{}", self.dir.join("db.sock").display());
        run(Command::new("ovs-vsctl")
            .arg("--timeout=10")
            .arg(db)
            .args(args))
    }

    pub fn ofctl(&self, command: &str, args: &[&str]) -> String {
        run(&mut self.ofctl_command(command, args))
    }

    pub fn ofctl_command(&self, command: &str, args: &[&str]) -> Command {
        let mut ofctl = Command::new("ovs-ofctl");
        ofctl.args(["-O", "OpenFlow15", command]);
        ofctl
            .arg(format!("unix:{}", self.mgmt().display()))
            .args(args);
        ofctl.env("OVS_RUNDIR", &self.dir);
        ofctl
    }

    /// Every flow, one a line, without counters and times, sorted.
    pub fn flows(&self) -> Vec<String> {
        let dump = self.ofctl("dump-flows", &["--no-stats"]);
        let mut flows: Vec<String> = dump
            .lines()
            .filter(|l| l.contains("actions="))
            .map(|l| l.trim().to_owned())
            .collect();
        flows.sort();
        flows
    }

    /// Flows with Weft's mark.
    pub fn marked_flows(&self) -> Vec<String> {
        self.flows()
            .into_iter()
            .filter(|flow| flow.contains("cookie=0x57"))
            .collect()
    }

    pub fn groups(&self) -> Vec<String> {
        let dump = self.ofctl("dump-groups", &[]);
        let mut groups: Vec<String> = dump
            .lines()
            .filter(|l| l.contains("group_id="))
            .map(|l| l.trim().to_owned())
            .collect();
        groups.sort();
        groups
    }

    pub fn meters(&self) -> String {
        let dump = self.ofctl("dump-meters", &[]);
        // What comes before the first carries a transaction id.
        let mut meters: Vec<&str> = dump.split("meter=").skip(1).map(str::trim).collect();
        meters.sort_unstable();
        meters
            .iter()
            .fold(String::new(), |text, meter| text + "meter=" + meter + "\n")
    }

    /// A port on which frames come in by `receive`, and go out to be read by `sent`.
    pub fn add_dummy(&self, name: &str, ofport: u32) {
        let pcap = format!("options:tx_pcap={}", self.dir.join(name).display());
        let request = format!("ofport_request={ofport}");
        let add = ["add-port", "br-int", name, "--", "set", "interface", name];
        self.vsctl(&[&add[..], &["type=dummy", &pcap, &request]].concat());
    }

    /// Waits until the datapath follows the flows as they are now: Open vSwitch gets to it after the barrier.
    pub fn settle(&self) {
        self.appctl(&["revalidator/wait"]);
    }

    /// Lets a frame come in by a dummy port.
    pub fn receive(&self, port: &str, frame: &[u8]) {
        self.appctl(&["netdev-dummy/receive", port, &hex(frame)]);
    }

    /// A pcap file of all frames that went out by a dummy port.
    pub fn sent(&self, port: &str) -> Vec<u8> {
        std::fs::read(self.dir.join(port)).unwrap_or_default()
    }

    /// Reports of every change to flows from now on, as text.
    pub fn monitor(&self) -> Monitor {
        let path = self.dir.join(format!("monitor-{:08x}", fastrand::u32(..)));
        let out = std::fs::File::create(&path).expect("a file");
        let child = self
            .ofctl_command("monitor", &["watch:!initial"])
            .stderr(out)
            .stdout(Stdio::null())
            .spawn()
            .expect("ovs-ofctl");
        Monitor { child, path }
    }
}

impl Drop for Ovs {
    fn drop(&mut self) {
        self.kill_switch();
        let _ = self.database.kill();
        let _ = self.database.wait();
        if !std::thread::panicking() {
            let _ = std::fs::remove_dir_all(&self.dir);
        }
    }
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        write!(text, "{byte:02x}").expect("memory");
    }
    text
}

/// A running `ovs-ofctl monitor`.
pub struct Monitor {
    child: Child,
    path: PathBuf,
}

impl Monitor {
    pub fn text(&self) -> String {
        std::fs::read_to_string(&self.path).unwrap_or_default()
    }

    pub fn events(&self) -> usize {
        self.text().matches("event=").count()
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a command to its end; its output, or a panic with its complaint.
pub fn run(command: &mut Command) -> String {
    let output = command.output().expect("the program is installed");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{command:?}: {errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// An engine and the events it has not yet been asked for.
pub struct Probe {
    pub engine: Engine,
    events: Receiver<Event>,
    kept: Vec<Event>,
}

impl Probe {
    pub fn open(mgmt: &Path) -> Self {
        let mut options = Options::new(mgmt);
        options.check_interval = Duration::from_millis(300);
        options.reconnect_max = Duration::from_millis(200);
        Self::with(options)
    }

    pub fn with(options: Options) -> Self {
        let (sender, events) = channel();
        let sink = Box::new(move |event| sender.send(event).is_ok());
        let engine = Engine::open(options, sink).expect("a thread");
        Self {
            engine,
            events,
            kept: Vec::new(),
        }
    }

    /// The first event of which `pick` makes something; the others are kept for later calls.
    pub fn wait<T>(&mut self, what: &str, mut pick: impl FnMut(&Event) -> Option<T>) -> T {
        for at in 0..self.kept.len() {
            if let Some(found) = pick(&self.kept[at]) {
                self.kept.remove(at);
                return found;
            }
        }
        let deadline = Instant::now() + DEADLINE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let event = self.events.recv_timeout(left).unwrap_or_else(|_| {
                panic!(
                    "waited in vain for {what}; there were {:?}; {:?}",
                    self.kept,
                    self.engine.stats()
                )
            });
            if let Some(found) = pick(&event) {
                return found;
            }
            self.kept.push(event);
        }
    }

    /// As `wait`, of what is there already.
    pub fn pending<T>(&mut self, pick: impl FnMut(&Event) -> Option<T>) -> Option<T> {
        self.kept.extend(self.events.try_iter());
        self.kept.iter().find_map(pick)
    }

    pub fn connected(&mut self) {
        self.wait("the connection", |event| {
            matches!(
                event,
                Event::Connection {
                    connected: true,
                    ..
                }
            )
            .then_some(())
        });
    }

    pub fn lost(&mut self) -> String {
        self.wait("the loss of the connection", |event| match event {
            Event::Connection {
                connected: false,
                reason,
            } => Some(reason.clone()),
            _ => None,
        })
    }

    pub fn drift(&mut self) -> usize {
        self.wait("drift", |event| match event {
            Event::Drift { repaired } => Some(*repaired),
            _ => None,
        })
    }

    pub fn submit(&self, batch: &EngineBatch) -> u64 {
        self.engine
            .submit(&batch.encode_to_vec())
            .expect("not busy")
    }

    pub fn completed(&mut self, ticket: u64) -> Completed {
        self.wait("the completion of a ticket", |event| match event {
            Event::Completed(completed) if completed.ticket == ticket => Some(completed.clone()),
            _ => None,
        })
    }

    /// Submits the lines as upserts and waits for the barrier.
    pub fn apply(&mut self, lines: &str) -> Completed {
        self.apply_batch(&instructions::batch(lines))
    }

    pub fn apply_batch(&mut self, batch: &EngineBatch) -> Completed {
        let ticket = self.submit(batch);
        self.completed(ticket)
    }

    /// Deletes these keys.
    pub fn delete(&mut self, keys: &[&str]) -> Completed {
        let deletes = keys.iter().map(|&key| key.to_owned()).collect();
        self.apply_batch(&EngineBatch {
            deletes,
            ..EngineBatch::default()
        })
    }
}

/// A chassis with two ports of a Geneve network, and two ports elsewhere.
pub const WORLD: &str = "
    chassis/c1/config key=1
    local/tunnel/1 ofport=10 ips=172.31.0.1
    network/7/config id=n7 encap=geneve
    chassis/c1/port/101 id=p101 network=7 mac=02:00:00:00:00:01 ips=10.0.0.1,fd00::1
    chassis/c1/port/102 id=p102 network=7 mac=02:00:00:00:00:02 ips=10.0.0.2,fd00::2
    local/vif/p101 ofport=21
    local/vif/p102 ofport=22
    network/7/location/201 mac=02:00:00:00:01:01 ips=10.0.0.101 chassis=2 vtep=172.31.0.2
    network/7/location/202 mac=02:00:00:00:01:02 ips=10.0.0.102 chassis=3 vtep=172.31.0.3
    flood/7/peer/2 vtep=172.31.0.2
    flood/7/peer/3 vtep=172.31.0.3
";
