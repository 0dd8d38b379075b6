//! A real Open vSwitch for the tests of this crate: own directories, dummy datapath, ended on drop.
//! It needs no privileges and touches no other Open vSwitch. Used by `tests/ovs_vectors.rs`.
//! The connection is a blocking socket with a deadline; there is no engine here.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use weft_openflow::{Framer, Message, MultipartReply, MultipartRequest, encode};

const DEADLINE: Duration = Duration::from_secs(20);
const SCHEMA: &str = "/usr/share/openvswitch/vswitch.ovsschema";

/// A program of Open vSwitch, or a failure that names the package.
pub fn program(name: &str) -> PathBuf {
    ["/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin"]
        .iter()
        .map(|folder| Path::new(folder).join(name))
        .find(|path| path.exists())
        .unwrap_or_else(|| panic!("{name} is missing: apt-get install openvswitch-switch"))
}

/// Runs a program to its end and returns its standard output; failure shows what it said.
pub fn run(name: &str, rundir: &Path, arguments: &[&str]) -> String {
    let output = Command::new(program(name))
        .env("OVS_RUNDIR", rundir)
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("{name}: {error}"));
    assert!(
        output.status.success(),
        "{name} {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// One ovsdb-server and one ovs-vswitchd.
pub struct Switch {
    pub folder: PathBuf,
    children: Vec<Child>,
}

impl Switch {
    pub fn start(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("weft-of-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).expect("a folder for the switch");
        let database = folder.join("conf.db");
        let database = database.to_str().expect("a UTF-8 path");
        run("ovsdb-tool", &folder, &["create", database, SCHEMA]);
        let mut switch = Self {
            folder,
            children: Vec::new(),
        };
        let socket = switch.path("db.sock");
        let remote = format!("--remote=punix:{socket}");
        let control = format!("--unixctl={}", switch.path("ovsdb.ctl"));
        switch.spawn("ovsdb-server", &[database, &remote, &control]);
        switch.wait_for("db.sock");
        switch.vsctl(&["--no-wait", "init"]);
        let control = format!("--unixctl={}", switch.path("vs.ctl"));
        let database = format!("unix:{socket}");
        let dummy = [
            "--enable-dummy=system",
            "--disable-system",
            "--disable-system-route",
        ];
        switch.spawn(
            "ovs-vswitchd",
            &[&database, &control, dummy[0], dummy[1], dummy[2]],
        );
        switch
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).to_string_lossy().into_owned()
    }

    fn spawn(&mut self, name: &str, arguments: &[&str]) {
        let log = std::fs::File::create(self.folder.join(format!("{name}.log"))).expect("a log");
        let child = Command::new(program(name))
            .env("OVS_RUNDIR", &self.folder)
            .env("OVS_DBDIR", &self.folder)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        self.children.push(child);
    }

    fn wait_for(&self, name: &str) {
        let start = Instant::now();
        while UnixStream::connect(self.folder.join(name)).is_err() {
            assert!(
                start.elapsed() < DEADLINE,
                "{name} does not accept connections"
            );
            std::thread::yield_now();
        }
    }

    pub fn vsctl(&self, arguments: &[&str]) -> String {
        let database = format!("--db=unix:{}", self.path("db.sock"));
        let mut all = vec![database.as_str(), "--timeout=10"];
        all.extend(arguments);
        run("ovs-vsctl", &self.folder, &all)
    }

    /// `ovs-ofctl -O OpenFlow15 COMMAND unix:BRIDGE.mgmt ARGUMENTS`.
    pub fn ofctl(&self, bridge: &str, command: &str, arguments: &[&str]) -> String {
        let target = format!("unix:{}", self.path(&format!("{bridge}.mgmt")));
        let mut all = vec!["-O", "OpenFlow15", command, &target];
        all.extend(arguments);
        run("ovs-ofctl", &self.folder, &all)
    }

    /// A bridge with ports 1 to 3 and, at 10, a geneve tunnel port with flow-based addresses.
    pub fn add_bridge(&self, bridge: &str, prefix: &str) {
        let mut arguments = vec!["add-br", bridge, "--", "set", "bridge", bridge];
        arguments.extend([
            "datapath_type=dummy",
            "fail_mode=secure",
            "protocols=OpenFlow15",
        ]);
        let ports: Vec<_> = (1..=3)
            .map(|n| (format!("{prefix}{n}"), format!("ofport_request={n}")))
            .collect();
        for (name, number) in &ports {
            arguments.extend([
                "--",
                "add-port",
                bridge,
                name,
                "--",
                "set",
                "interface",
                name,
            ]);
            arguments.extend(["type=dummy", number]);
        }
        let tunnel = format!("{prefix}tun");
        arguments.extend([
            "--",
            "add-port",
            bridge,
            &tunnel,
            "--",
            "set",
            "interface",
            &tunnel,
        ]);
        arguments.extend(["type=geneve", "options:remote_ip=flow", "options:key=flow"]);
        let local = format!(
            "options:dst_port={}",
            6081 + u32::from(prefix.as_bytes()[0])
        );
        arguments.extend(["ofport_request=10", &local]);
        self.vsctl(&arguments);
    }

    pub fn connect(&self, bridge: &str) -> Connection {
        let socket = format!("{bridge}.mgmt");
        self.wait_for(&socket);
        let stream = UnixStream::connect(self.folder.join(socket)).expect("a connection");
        stream
            .set_read_timeout(Some(DEADLINE))
            .expect("a read timeout");
        let mut connection = Connection {
            stream,
            framer: Framer::default(),
            xid: 0,
            pending: Vec::new(),
        };
        connection.send(&Message::Hello { versions: 1 << 6 });
        match connection.receive() {
            (_, Message::Hello { versions }) if versions & (1 << 6) != 0 => connection,
            other => panic!("no OpenFlow 1.5 hello: {other:?}"),
        }
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        for child in self.children.iter_mut().rev() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if !std::thread::panicking() {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

/// One OpenFlow connection.
pub struct Connection {
    stream: UnixStream,
    framer: Framer,
    xid: u32,
    /// Asynchronous messages that came while waiting for replies.
    pub pending: Vec<Message>,
}

impl Connection {
    pub fn send(&mut self, message: &Message) -> u32 {
        self.xid += 1;
        let mut bytes = Vec::new();
        encode(&mut bytes, self.xid, message).expect("an encodable message");
        self.send_bytes(&bytes);
        self.xid
    }

    pub fn send_bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("a writable connection");
    }

    /// The next message; echo requests are answered.
    pub fn receive(&mut self) -> (u32, Message) {
        let mut chunk = vec![0; 65_536];
        loop {
            match self.framer.next_message().expect("a decodable message") {
                Some((xid, Message::EchoRequest(bytes))) => {
                    let mut reply = Vec::new();
                    encode(&mut reply, xid, &Message::EchoReply(bytes)).expect("an echo reply");
                    self.send_bytes(&reply);
                }
                Some(found) => return found,
                None => {
                    let n = self
                        .stream
                        .read(&mut chunk)
                        .expect("a message within the deadline");
                    assert!(n > 0, "the switch closed the connection");
                    assert_eq!(self.framer.feed(&chunk[..n]), n);
                }
            }
        }
    }

    /// Sends, then a barrier; returns everything that came with the message's transaction id.
    pub fn roundtrip(&mut self, message: &Message) -> Vec<Message> {
        let xid = self.send(message);
        let barrier = self.send(&Message::BarrierRequest);
        let mut replies = Vec::new();
        loop {
            match self.receive() {
                (got, Message::BarrierReply) if got == barrier => return replies,
                (got, reply) if got == xid => replies.push(reply),
                (_, other) => self.pending.push(other),
            }
        }
    }

    /// Sends and demands that nothing comes back.
    pub fn silently(&mut self, message: &Message) {
        let replies = self.roundtrip(message);
        assert!(replies.is_empty(), "{message:?}: {}", describe(&replies));
    }

    /// All parts of a multipart reply.
    pub fn ask(&mut self, body: MultipartRequest) -> Vec<MultipartReply> {
        let xid = self.send(&Message::MultipartRequest { more: false, body });
        let mut parts = Vec::new();
        loop {
            match self.receive() {
                (got, Message::MultipartReply { more, body }) if got == xid => {
                    parts.push(body);
                    if !more {
                        return parts;
                    }
                }
                (got, other) if got == xid => panic!("{}", describe(&[other])),
                (_, other) => self.pending.push(other),
            }
        }
    }

    /// The first asynchronous message that `pick` takes, waiting for it.
    pub fn wait<T>(&mut self, mut pick: impl FnMut(&Message) -> Option<T>) -> T {
        loop {
            if let Some(at) = self
                .pending
                .iter()
                .position(|message| pick(message).is_some())
            {
                let message = self.pending.remove(at);
                return pick(&message).expect("the same answer twice");
            }
            let (_, message) = self.receive();
            self.pending.push(message);
        }
    }
}

/// Errors by name.
pub fn describe(messages: &[Message]) -> String {
    let text = |message: &Message| match message {
        Message::Error(error) => error.to_string(),
        other => format!("{other:?}"),
    };
    messages.iter().map(text).collect::<Vec<_>>().join("; ")
}
