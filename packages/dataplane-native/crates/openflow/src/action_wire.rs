//! Wire form of actions and instructions: the numbers, and the two directions below it.
//! It accepts every action list that Open vSwitch sends; what it does not know stays as `Action::Raw`.
//! Used by flows, groups and packet-outs. Wire: OpenFlow 1.5.1 section 7.2.8, ovs-actions(7).
//!
//! A Nicira action, most significant bit first:
//! ```text
//! | type 0xffff 16 | length 16 | vendor 0x00002320 32 | subtype 16 | body ... | padding to 8 |
//! ```

mod decode;
mod encode;

pub(crate) use decode::{decode_actions, decode_instructions};
pub(crate) use encode::{encode_actions, encode_instructions};

pub(crate) const NICIRA: u32 = 0x0000_2320;

const OUTPUT: u16 = 0;
const PUSH_VLAN: u16 = 17;
const POP_VLAN: u16 = 18;
const SET_QUEUE: u16 = 21;
const GROUP: u16 = 22;
const DEC_TTL: u16 = 24;
const SET_FIELD: u16 = 25;
const COPY_FIELD: u16 = 28;
const METER: u16 = 29;
const EXPERIMENTER: u16 = 0xffff;

const NX_RESUBMIT: u16 = 1;
const NX_POP_QUEUE: u16 = 5;
const NX_NOTE: u16 = 8;
const NX_RESUBMIT_TABLE: u16 = 14;
const NX_OUTPUT_REG: u16 = 15;
const NX_EXIT: u16 = 17;
const NX_CONTROLLER: u16 = 20;
const NX_STACK_PUSH: u16 = 27;
const NX_STACK_POP: u16 = 28;
const NX_OUTPUT_REG2: u16 = 32;
const NX_CONJUNCTION: u16 = 34;
const NX_CT: u16 = 35;
const NX_NAT: u16 = 36;
const NX_CONTROLLER2: u16 = 37;
const NX_CLONE: u16 = 42;
const NX_CT_CLEAR: u16 = 43;
const NX_RESUBMIT_TABLE_CT: u16 = 44;
const NX_CHECK_PKT_LARGER: u16 = 49;

const CT_COMMIT: u16 = 1 << 0;
const CT_FORCE: u16 = 1 << 1;
const CT_NO_TABLE: u8 = 255;

const NAT_SRC: u16 = 1 << 0;
const NAT_DST: u16 = 1 << 1;
const NAT_PERSISTENT: u16 = 1 << 2;
const NAT_HASH: u16 = 1 << 3;
const NAT_RANDOM: u16 = 1 << 4;
const NAT_V4_MIN: u16 = 1 << 0;
const NAT_V4_MAX: u16 = 1 << 1;
const NAT_V6_MIN: u16 = 1 << 2;
const NAT_V6_MAX: u16 = 1 << 3;
const NAT_PORT_MIN: u16 = 1 << 4;
const NAT_PORT_MAX: u16 = 1 << 5;

const CONTROLLER_MAX_LEN: u16 = 0;
const CONTROLLER_ID: u16 = 1;
const CONTROLLER_REASON: u16 = 2;
const CONTROLLER_USERDATA: u16 = 3;
const CONTROLLER_PAUSE: u16 = 4;
const CONTROLLER_METER: u16 = 5;
const REASON_ACTION: u8 = 1;

const GOTO_TABLE: u16 = 1;
const WRITE_METADATA: u16 = 2;
const WRITE_ACTIONS: u16 = 3;
const APPLY_ACTIONS: u16 = 4;
const CLEAR_ACTIONS: u16 = 5;
