//! Prints how long it takes to encode, decode and compare 100,000 flow mods of a typical shape.
//! A measurement, not a test: run with `cargo run --release -p weft-openflow --example speed`.
//! The target is well under 0.2 s for encoding.

use std::time::Instant;

use weft_openflow::{
    Action, Ct, CtZone, Field, Flow, FlowModCommand, Framer, Instructions, Match, Message,
    Subfield, encode_bundled_flow_mod,
};

const FLOWS: u32 = 100_000;

fn flow(n: u32) -> Flow {
    let matching = Match::new()
        .set(Field::EthType, 0x0800_u16)
        .set(Field::Metadata, u64::from(n % 1000))
        .set(Field::IpProto, 6_u8)
        .masked(Field::CtState, 0x22_u8, 0x2a_u8)
        .set(Field::Ipv4Dst, n)
        .set(Field::TcpDst, 443_u16);
    let actions = vec![
        Action::set(Field::Reg0, n),
        Action::load(Subfield::new(Field::Reg5, 8, 16), 7_u16),
        Action::ct(Ct {
            commit: true,
            zone: CtZone::Number(9),
            ..Ct::default()
        }),
        Action::resubmit(40),
    ];
    Flow {
        table: 20,
        priority: 1000,
        cookie: u64::from(n) << 32,
        matching,
        instructions: Instructions::apply(actions),
        ..Flow::default()
    }
}

fn main() {
    let start = Instant::now();
    let flows: Vec<_> = (0..FLOWS).map(flow).collect();
    println!(
        "build   {FLOWS} flows: {:?}, {} bytes each plus heap",
        start.elapsed(),
        size_of::<Flow>()
    );

    let start = Instant::now();
    let mut bytes = Vec::new();
    for (xid, flow) in (1..).zip(&flows) {
        let add = FlowModCommand::Add;
        if let Err(error) = encode_bundled_flow_mod(&mut bytes, xid, (1, 3), add, flow) {
            println!("encode: {error}");
            return;
        }
    }
    println!(
        "encode  {FLOWS} flow mods: {:?}, {} MiB",
        start.elapsed(),
        bytes.len() >> 20
    );

    let start = Instant::now();
    let mut framer = Framer::default();
    let mut rest = bytes.as_slice();
    let mut equal = 0;
    let mut expected = flows.iter();
    loop {
        let accepted = framer.feed(&rest[..rest.len().min(65_536)]);
        rest = &rest[accepted..];
        while let Ok(Some((_, Message::BundleAdd { message, .. }))) = framer.next_message() {
            if let (Message::FlowMod(found), Some(flow)) = (*message, expected.next()) {
                equal += usize::from(found.flow == *flow);
            }
        }
        if rest.is_empty() {
            break;
        }
    }
    println!("decode and compare: {:?}, {equal} equal", start.elapsed());
}
