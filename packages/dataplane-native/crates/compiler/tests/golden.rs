//! Golden cases: instructions in, flows out, as text. `WEFT_UPDATE_GOLDEN=1` writes what is now; a
//! review reads the difference as behaviour. A file is the instructions, a line `---`, and the
//! result.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at what it did not expect"
)]

mod common;

use std::path::{Path, PathBuf};

use weft_compiler::Compiler;
use weft_openflow::{FlowMod, GroupMod, GroupModCommand, Message, MeterMod, MeterModCommand};

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let entries = std::fs::read_dir(folder).expect("the folder of golden cases");
    let mut files: Vec<_> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    files
}

fn check(file: &Path) -> Result<(), String> {
    let text = std::fs::read_to_string(file).expect("a golden case");
    let (instructions, expected) = text.split_once("---\n").unwrap_or((&text, ""));
    let mut compiler = Compiler::new();
    compiler.apply(&common::batch(instructions));
    let pipeline = file.file_stem().is_some_and(|name| name == "pipeline");
    let found = common::render(&compiler, pipeline);
    if std::env::var_os("WEFT_UPDATE_GOLDEN").is_some() {
        std::fs::write(file, format!("{instructions}---\n{found}")).expect("written");
        return Ok(());
    }
    let differs = found
        .lines()
        .zip(expected.lines())
        .find(|(found, expected)| found != expected);
    match differs {
        Some((found, expected)) => Err(format!(
            "{}\n expected {expected}\n found    {found}",
            file.display()
        )),
        None if found != expected => Err(format!("{}: one is longer", file.display())),
        None => Ok(()),
    }
}

#[test]
fn instructions_compile_to_the_flows_on_file() {
    let cases = cases();
    assert!(cases.len() >= 12, "{} cases", cases.len());
    let wrong: Vec<String> = cases.iter().filter_map(|file| check(file).err()).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What the wire refuses (too long, a missing prerequisite) would never reach the switch.
#[test]
fn every_flow_group_and_meter_on_file_fits_the_wire() {
    for file in cases() {
        let text = std::fs::read_to_string(&file).expect("a golden case");
        let mut compiler = Compiler::new();
        compiler.apply(&common::batch(text.split("---\n").next().unwrap_or("")));
        let mut messages: Vec<Message> = Vec::new();
        for flow in compiler.flow_set().iter() {
            flow.matching
                .check()
                .unwrap_or_else(|error| panic!("{file:?}: {flow}: {error}"));
            messages.push(Message::FlowMod(Box::new(FlowMod::add((**flow).clone()))));
        }
        let groups = compiler.groups();
        messages.extend(groups.map(|group| {
            Message::GroupMod(Box::new(GroupMod::new(
                GroupModCommand::Add,
                (**group).clone(),
            )))
        }));
        let meters = compiler.meters().cloned();
        messages.extend(meters.map(|meter| {
            Message::MeterMod(Box::new(MeterMod {
                command: MeterModCommand::Add,
                meter,
            }))
        }));
        for message in messages {
            let mut bytes = Vec::new();
            weft_openflow::encode(&mut bytes, 1, &message)
                .unwrap_or_else(|error| panic!("{file:?}: {error}"));
        }
    }
}
