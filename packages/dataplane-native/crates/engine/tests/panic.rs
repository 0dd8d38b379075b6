//! A panic on the engine's thread ends the process, with a message: half an engine must not go on.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::process::Command;
use support::Ovs;
use weft_engine::{Engine, Options};

const CHILD: &str = "WEFT_TEST_PANIC_SOCKET";

#[test]
fn a_panic_on_the_thread_ends_the_process_with_a_message() {
    if let Ok(socket) = std::env::var(CHILD) {
        let sink = Box::new(|_| panic!("a bug in a sink"));
        let _engine = Engine::open(Options::new(socket), sink).expect("a thread");
        std::thread::park_timeout(support::DEADLINE);
        std::process::exit(0);
    }
    let ovs = Ovs::start();
    let myself = std::env::current_exe().expect("this test");
    let name = "a_panic_on_the_thread_ends_the_process_with_a_message";
    let output = Command::new(myself)
        .args([name, "--exact", "--nocapture"])
        .env(CHILD, ovs.mgmt())
        .output()
        .expect("this test");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(
        errors.contains("a bug in a sink") && errors.contains("the process ends"),
        "{errors}"
    );
}
