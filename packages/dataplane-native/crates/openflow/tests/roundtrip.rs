//! Properties of the codec: decode(encode(x)) = x for every message, and no input makes a decoder panic
//! or produce more than a small multiple of its size.
//! Needs nothing but the crate; `tests/ovs_vectors.rs` holds what needs Open vSwitch.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::too_many_lines,
    reason = "a test fails by panicking; lists of strategies are long"
)]

#[path = "support"]
mod support {
    pub mod message_strategies;
    pub mod value_strategies;
}

use proptest::collection::vec;
use proptest::prelude::*;
use support::message_strategies::message;
use support::value_strategies::field;
use weft_openflow::{
    Action, Error, Field, Flow, FlowMod, Framer, Instructions, MAX_MESSAGE_BYTES, Match, Message,
    decode, encode,
};

/// `None` when the message is over the limit.
fn bytes_of(xid: u32, message: &Message) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    match encode(&mut bytes, xid, message) {
        Ok(()) => Some(bytes),
        Err(Error::TooLong { .. }) => None,
        Err(error) => panic!("{error}: {message:?}"),
    }
}

/// Text of what was decoded, as a measure of its size: it must not grow out of proportion.
fn check_bounded(bytes: &[u8]) {
    if let Ok((xid, message)) = decode(bytes) {
        // Flows are compared, so whatever bytes they came from, they have one form.
        let mut again = Vec::new();
        let flow = matches!(message, Message::FlowMod(_));
        if flow && encode(&mut again, xid, &message).is_ok() {
            assert_eq!(
                decode(&again),
                Ok((xid, message.clone())),
                "a second form of one value"
            );
        }
        let size = format!("{message:?}").len();
        assert!(
            size < 4096 + 200 * bytes.len(),
            "{} bytes became {size}",
            bytes.len()
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn decoding_undoes_encoding(xid: u32, message in message()) {
        let Some(bytes) = bytes_of(xid, &message) else { return Ok(()) };
        prop_assert!(bytes.len() <= MAX_MESSAGE_BYTES);
        prop_assert_eq!(decode(&bytes), Ok((xid, message)));
    }

    #[test]
    fn a_match_does_not_depend_on_order(
        conditions in vec((field(), any::<u128>(), any::<u128>()), 0..8),
    ) {
        // Fields that share storage (wide registers, VLAN, ports) overwrite each other, so keep one kind.
        let separate = |field: &Field| {
            !(Field::Xreg0..=Field::Xxreg3).contains(field)
                && !matches!(field, Field::VlanTci | Field::InPort16)
        };
        let mut conditions = conditions;
        conditions.retain(|(field, ..)| separate(field));
        conditions.sort_by_key(|(field, ..)| *field);
        conditions.dedup_by_key(|(field, ..)| *field);
        let build = |list: &[(Field, u128, u128)]| {
            list.iter().fold(Match::new(), |m, (f, v, k)| m.masked(*f, *v, *k))
        };
        let forward = build(&conditions);
        conditions.reverse();
        prop_assert_eq!(&forward, &build(&conditions));
        prop_assert_eq!(Match::from_oxm(forward.as_oxm()), Ok(forward));
    }

    #[test]
    fn random_bytes_do_not_panic(mut bytes in vec(any::<u8>(), 0..300), kind in 0..40_u8) {
        check_bounded(&bytes);
        if bytes.len() >= 8 {
            let [high, low] = u16::try_from(bytes.len()).unwrap().to_be_bytes();
            bytes[..4].copy_from_slice(&[6, kind, high, low]);
            check_bounded(&bytes);
        }
        let mut framer = Framer::default();
        framer.feed(&bytes);
        while let Ok(Some(_)) = framer.next_message() {}
    }

    #[test]
    fn damaged_messages_do_not_panic(
        message in message(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut: prop::sample::Index,
    ) {
        let Some(mut bytes) = bytes_of(1, &message) else { return Ok(()) };
        for (at, byte) in damage {
            // The header stays, or most inputs would go no further than it.
            let at = 8 + at.index(bytes.len());
            if let Some(slot) = bytes.get_mut(at) {
                *slot = byte;
            }
        }
        check_bounded(&bytes);
        bytes.truncate(8 + cut.index(bytes.len()));
        let [high, low] = u16::try_from(bytes.len()).unwrap().to_be_bytes();
        bytes[2..4].copy_from_slice(&[high, low]);
        check_bounded(&bytes);
    }
}

#[test]
fn what_is_decoded_from_damage_can_be_encoded_again() {
    // A raw action keeps what the type cannot hold; here a move with bits outside the field.
    let action = Action::copy(Field::Reg0, Field::Reg1);
    let flow = Flow {
        instructions: Instructions::apply(vec![action]),
        ..Flow::default()
    };
    let message = Message::FlowMod(Box::new(FlowMod::add(flow)));
    let mut bytes = bytes_of(1, &message).unwrap();
    let at = bytes.len() - 24 + 4;
    bytes[at..at + 2].copy_from_slice(&99_u16.to_be_bytes());
    let (xid, decoded) = decode(&bytes).unwrap();
    assert_eq!(bytes_of(xid, &decoded), Some(bytes));
}

#[test]
fn a_long_message_is_refused_by_name_and_leaves_nothing() {
    let flow = Flow {
        instructions: Instructions::apply(vec![Action::output(1); 3000]),
        ..Flow::default()
    };
    let mut bytes = vec![1, 2, 3];
    let error = encode(
        &mut bytes,
        1,
        &Message::FlowMod(Box::new(FlowMod::add(flow))),
    )
    .unwrap_err();
    assert!(
        matches!(
            error,
            Error::TooLong {
                what: "flow mod",
                length: 48_064,
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(bytes, [1, 2, 3]);
}

#[test]
fn nesting_is_limited_both_ways() {
    let mut action = Action::output(1);
    for _ in 0..9 {
        action = Action::Clone(vec![action]);
    }
    let flow = Flow {
        instructions: Instructions::apply(vec![action]),
        ..Flow::default()
    };
    let message = Message::FlowMod(Box::new(FlowMod::add(flow)));
    assert!(matches!(
        encode(&mut Vec::new(), 1, &message),
        Err(Error::TooDeep { .. })
    ));
}
