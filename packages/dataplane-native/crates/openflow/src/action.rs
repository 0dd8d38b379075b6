//! `Action` and `Instructions`: what a flow, bucket or packet-out does to a packet, as plain data.
//! It holds no bytes and no text: `action_wire` encodes and decodes, `text` renders.
//! Built by the compiler; decoded ones are read by the engine's comparison and the flow interpreter.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::fields::Field;
use crate::match_::FieldValue;
use crate::wire::ones;

/// `n_bits` bits of a field from bit `ofs` up (bit 0 is the least significant).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Subfield {
    pub field: Field,
    pub ofs: u16,
    pub n_bits: u16,
}

impl Subfield {
    /// Bits `ofs .. ofs + n_bits` of `field`.
    pub const fn new(field: Field, ofs: u16, n_bits: u16) -> Self {
        Self { field, ofs, n_bits }
    }

    /// The whole of `field`.
    pub fn whole(field: Field) -> Self {
        Self {
            field,
            ofs: 0,
            n_bits: whole_bits(field),
        }
    }

    /// The mask of these bits within the field.
    pub fn mask(self) -> u128 {
        let bits = ones(u32::from(self.n_bits));
        if self.ofs >= 128 {
            0
        } else {
            (bits << self.ofs) & self.field.all_ones()
        }
    }
}

impl From<Field> for Subfield {
    fn from(field: Field) -> Self {
        Self::whole(field)
    }
}

fn whole_bits(field: Field) -> u16 {
    u16::try_from(field.bits()).unwrap_or(u16::MAX)
}

/// One OpenFlow action.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Action {
    /// To a port, whole packet. A packet never goes out by the port it came in by, except to
    /// [`crate::port::IN_PORT`].
    Output {
        port: u32,
    },
    /// To the port whose number the bits hold.
    OutputReg {
        src: Subfield,
        max_len: u16,
    },
    /// Through a group.
    Group {
        id: u32,
    },
    /// `field = field & !mask | value`. Value bits outside `mask` are zero.
    /// Use [`Action::set`], [`Action::load`] or [`Action::set_masked`], which see to that.
    SetField {
        field: Field,
        value: u128,
        mask: u128,
    },
    /// Copies `n_bits` bits (`dst.n_bits` of them; both sides have the same number).
    Move {
        src: Subfield,
        dst: Subfield,
    },
    /// Continues the lookup in `table` and comes back after it. `table` 255 is the current one;
    /// `in_port` [`crate::port::IN_PORT_16`] leaves the input port; `with_ct_orig` looks up the
    /// original direction's addresses of the connection in place of the packet's.
    Resubmit {
        in_port: u16,
        table: u8,
        with_ct_orig: bool,
    },
    /// Adds an outer tag of this Ethernet type (0x8100, 0x88a8).
    PushVlan {
        ethertype: u16,
    },
    PopVlan,
    /// Decrements the TTL or hop limit; a packet whose TTL runs out goes to the controller with id 0
    /// as far as that one asked for it, and its processing ends.
    DecTtl,
    /// To the controller, with NXAST_CONTROLLER2. Build it with [`Action::controller`].
    Controller(Box<Controller>),
    /// Through conntrack.
    Ct(Box<Ct>),
    /// Inside [`Ct::actions`] only.
    Nat(Box<Nat>),
    /// Forgets the packet's conntrack state.
    CtClear,
    /// Ends processing of packets above the meter's rate (OpenFlow 1.5 action).
    Meter {
        id: u32,
    },
    /// This flow is clause `clause` (from 0) of `n_clauses` of the conjunctive match `id`.
    Conjunction {
        id: u32,
        clause: u8,
        n_clauses: u8,
    },
    /// Sets bit `dst.ofs` of `dst.field` when the packet is longer than `max_bytes` (L2 header included).
    CheckPktLarger {
        max_bytes: u16,
        dst: Field,
        ofs: u16,
    },
    /// Runs the actions and then undoes their changes to the packet.
    Clone(Vec<Action>),
    /// Does nothing. The wire pads with zeros to 6, 14, 22 ... bytes, and so does decoding.
    Note(Vec<u8>),
    SetQueue {
        id: u32,
    },
    PopQueue,
    StackPush(Subfield),
    StackPop(Subfield),
    /// Ends the action list.
    Exit,
    /// Any other action, header included, 8-byte aligned: kept so that comparison and re-encoding work.
    Raw(Box<[u8]>),
}

/// NXAST_CONTROLLER2: how a packet goes to the controller.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Controller {
    /// Bytes of the packet to send; 0xffff: all. OVS buffers no packets and sends all anyway.
    pub max_len: u16,
    /// Which controller connection (NXT_SET_CONTROLLER_ID); 0: those that never set one.
    pub controller_id: u16,
    /// OFPR_*: 0 no match, 1 action, 2 invalid TTL. Default 1.
    pub reason: u8,
    /// Handed back in the packet-in, uninterpreted.
    pub userdata: Vec<u8>,
    /// Stop here and hand out a continuation that NXT_RESUME takes up.
    pub pause: bool,
    /// Meter that limits the packet-ins; `None`: the connection's own.
    pub meter_id: Option<u32>,
}

impl Default for Controller {
    fn default() -> Self {
        Self {
            max_len: u16::MAX,
            controller_id: 0,
            reason: 1,
            userdata: Vec::new(),
            pause: false,
            meter_id: None,
        }
    }
}

/// Where a conntrack zone number comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CtZone {
    Number(u16),
    /// At most 16 bits of a register.
    Bits(Subfield),
}

/// NXAST_CT.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ct {
    pub commit: bool,
    /// Replace a connection of the other direction; needs `commit`.
    pub force: bool,
    pub zone: CtZone,
    /// Table to go on in with conntrack state; `None`: the packet goes on without it.
    pub table: Option<u8>,
    /// Well-known port of the application layer helper; 0: none (21 ftp, 69 tftp).
    pub alg: u16,
    /// `Nat`, and with `commit` also `SetField` on ct_mark or ct_label.
    pub actions: Vec<Action>,
}

impl Default for Ct {
    fn default() -> Self {
        Self {
            commit: false,
            force: false,
            zone: CtZone::Number(0),
            table: None,
            alg: 0,
            actions: Vec::new(),
        }
    }
}

/// Which address is translated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NatKind {
    /// Translate as the connection says; needs no commit.
    #[default]
    Existing,
    Source,
    Destination,
}

/// Addresses to translate to; a lone address has `max` `None`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NatAddresses {
    #[default]
    None,
    V4 {
        min: Ipv4Addr,
        max: Option<Ipv4Addr>,
    },
    V6 {
        min: Ipv6Addr,
        max: Option<Ipv6Addr>,
    },
}

/// NXAST_NAT.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Nat {
    pub kind: NatKind,
    pub addresses: NatAddresses,
    /// First and last port; only with addresses.
    pub ports: Option<(u16, Option<u16>)>,
    pub persistent: bool,
    /// Port choice by hash of the flow; excludes `random`.
    pub hash: bool,
    pub random: bool,
}

impl Action {
    /// Output to `port`, an OpenFlow port number (32 bits).
    pub const fn output(port: u32) -> Self {
        Action::Output { port }
    }

    /// Sets the whole of `field`.
    pub fn set(field: Field, value: impl FieldValue) -> Self {
        Self::set_masked(field, value.to_bits(), field.all_ones())
    }

    /// Sets the bits of `mask`.
    pub fn set_masked(field: Field, value: impl FieldValue, mask: impl FieldValue) -> Self {
        let mask = mask.to_bits() & field.all_ones();
        Action::SetField {
            field,
            value: value.to_bits() & mask,
            mask,
        }
    }

    /// Sets the bits of `dst` to `value`, which is right-aligned (`load:` of ovs-actions(7)).
    pub fn load(dst: impl Into<Subfield>, value: impl FieldValue) -> Self {
        let dst = dst.into();
        let value = if dst.ofs >= 128 {
            0
        } else {
            value.to_bits() << dst.ofs
        };
        Self::set_masked(dst.field, value, dst.mask())
    }

    /// Copies `src` to `dst`; they must have the same width.
    pub fn copy(src: impl Into<Subfield>, dst: impl Into<Subfield>) -> Self {
        Action::Move {
            src: src.into(),
            dst: dst.into(),
        }
    }

    /// Resubmits to `table` with the same input port.
    pub const fn resubmit(table: u8) -> Self {
        Action::Resubmit {
            in_port: crate::port::IN_PORT_16,
            table,
            with_ct_orig: false,
        }
    }

    /// Through conntrack.
    pub fn ct(ct: Ct) -> Self {
        Action::Ct(Box::new(ct))
    }

    /// NAT inside conntrack.
    pub fn nat(nat: Nat) -> Self {
        Action::Nat(Box::new(nat))
    }

    /// To the controller. With nothing but defaults it is a plain output to the controller port, which
    /// is how OVS reads it; decoding gives that form too.
    pub fn controller(controller: Controller) -> Self {
        if controller == Controller::default() {
            return Action::output(crate::port::CONTROLLER);
        }
        Action::Controller(Box::new(controller))
    }
}

/// The instructions of a flow. All absent: the packet is dropped.
/// Open vSwitch keeps this set, not an order, so there is one form only.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Instructions {
    /// Run at once, in order. Empty and absent are the same.
    pub apply: Vec<Action>,
    /// Empties the action set, before `write`.
    pub clear_actions: bool,
    /// Added to the action set, which runs when no goto_table follows.
    pub write: Vec<Action>,
    /// Value and mask: `metadata = metadata & !mask | value`. Value bits outside the mask are zero.
    pub write_metadata: Option<(u64, u64)>,
    /// The next table, larger than the flow's own.
    pub goto_table: Option<u8>,
}

impl Instructions {
    /// No instruction: drop.
    pub fn drop() -> Self {
        Self::default()
    }

    /// Just these actions.
    pub fn apply(actions: Vec<Action>) -> Self {
        Self {
            apply: actions,
            ..Self::default()
        }
    }

    /// And then table `table`.
    #[must_use]
    pub fn goto(mut self, table: u8) -> Self {
        self.goto_table = Some(table);
        self
    }
}
