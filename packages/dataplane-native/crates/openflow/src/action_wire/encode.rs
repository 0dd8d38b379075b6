//! Actions and instructions to bytes.
//! It refuses what has no wire form; lengths are checked by the message around it.
//! Called through `action_wire` by flows, groups and packet-outs.

#[allow(
    clippy::wildcard_imports,
    reason = "the wire numbers are all that the parent holds"
)]
use super::*;
use crate::MAX_NESTING;
use crate::action::{
    Action, Controller, Ct, CtZone, Instructions, Nat, NatAddresses, NatKind, Subfield,
};
use crate::error::{Error, Result};
use crate::fields::Field;
use crate::match_::{encode_oxm, header};
use crate::wire::{Writer, saturate};

/// Appends a list of actions.
pub(crate) fn encode_actions(out: &mut Vec<u8>, actions: &[Action]) -> Result<()> {
    encode_list(out, actions, 0)
}

fn encode_list(out: &mut Vec<u8>, actions: &[Action], depth: usize) -> Result<()> {
    if depth > MAX_NESTING {
        return Err(Error::TooDeep {
            what: "action list",
            limit: MAX_NESTING,
        });
    }
    for action in actions {
        let start = out.len();
        encode_action(out, action, depth)?;
        out.pad8(start);
        if !matches!(action, Action::Raw(_)) {
            let length = saturate(out.len() - start);
            out.patch_u16(start + 2, length);
        }
    }
    Ok(())
}

/// Header of a standard action; the list patches the length.
fn standard(out: &mut Vec<u8>, kind: u16) {
    out.put_u16(kind);
    out.put_u16(0);
}

fn nicira(out: &mut Vec<u8>, subtype: u16) {
    standard(out, EXPERIMENTER);
    out.put_u32(NICIRA);
    out.put_u16(subtype);
}

fn encode_action(out: &mut Vec<u8>, action: &Action, depth: usize) -> Result<()> {
    match action {
        Action::Output { port } => {
            standard(out, OUTPUT);
            out.put_u32(*port);
            out.put_u16(if *port == crate::port::CONTROLLER {
                u16::MAX
            } else {
                0
            });
        }
        Action::Group { id } => {
            standard(out, GROUP);
            out.put_u32(*id);
        }
        Action::Meter { id } => {
            standard(out, METER);
            out.put_u32(*id);
        }
        Action::SetQueue { id } => {
            standard(out, SET_QUEUE);
            out.put_u32(*id);
        }
        Action::PushVlan { ethertype } => {
            standard(out, PUSH_VLAN);
            out.put_u16(*ethertype);
        }
        Action::PopVlan => {
            standard(out, POP_VLAN);
        }
        Action::DecTtl => {
            standard(out, DEC_TTL);
        }
        Action::SetField { field, value, mask } => {
            if *mask == 0 {
                return Err(Error::Field {
                    field: field.name(),
                    reason: "the mask sets no bit",
                });
            }
            if *field == Field::InPort {
                let reason = "an action may not set it: set Field::InPort16";
                return Err(Error::Field {
                    field: field.name(),
                    reason,
                });
            }
            standard(out, SET_FIELD);
            encode_oxm(
                out,
                *field,
                value & mask,
                (*mask != field.all_ones()).then_some(*mask),
            );
        }
        Action::Move { src, dst } => {
            check_bits(*src, u16::MAX)?;
            check_bits(*dst, u16::MAX)?;
            if src.n_bits != dst.n_bits {
                return Err(Error::Field {
                    field: dst.field.name(),
                    reason: "source and destination of a move differ in width",
                });
            }
            standard(out, COPY_FIELD);
            out.put_u16(src.n_bits);
            out.put_u16(src.ofs);
            out.put_u16(dst.ofs);
            out.put_u16(0);
            out.extend_from_slice(&header(src.field));
            out.extend_from_slice(&header(dst.field));
        }
        Action::Raw(bytes) => {
            if bytes.len() < 8 || bytes.len() % 8 != 0 {
                return Err(Error::BadLength {
                    what: "raw action",
                    length: bytes.len(),
                });
            }
            out.extend_from_slice(bytes);
        }
        _ => encode_nicira(out, action, depth)?,
    }
    Ok(())
}

fn encode_nicira(out: &mut Vec<u8>, action: &Action, depth: usize) -> Result<()> {
    match action {
        Action::OutputReg { src, max_len } => {
            nicira(out, NX_OUTPUT_REG2);
            out.put_u16(check_bits(*src, 64)?);
            out.put_u16(*max_len);
            out.extend_from_slice(&header(src.field));
            out.put_zeros(6);
        }
        Action::Resubmit {
            in_port,
            table,
            with_ct_orig,
        } => {
            nicira(
                out,
                if *with_ct_orig {
                    NX_RESUBMIT_TABLE_CT
                } else {
                    NX_RESUBMIT_TABLE
                },
            );
            out.put_u16(*in_port);
            out.put_u8(*table);
        }
        Action::Controller(controller) => encode_controller(out, controller),
        Action::Ct(ct) => encode_ct(out, ct, depth)?,
        Action::Nat(nat) => encode_nat(out, nat)?,
        Action::CtClear => empty(out, NX_CT_CLEAR),
        Action::PopQueue => empty(out, NX_POP_QUEUE),
        Action::Exit => empty(out, NX_EXIT),
        Action::Conjunction {
            id,
            clause,
            n_clauses,
        } => {
            nicira(out, NX_CONJUNCTION);
            out.put_u8(*clause);
            out.put_u8(*n_clauses);
            out.put_u32(*id);
        }
        Action::CheckPktLarger {
            max_bytes,
            dst,
            ofs,
        } => {
            check_bits(Subfield::new(*dst, *ofs, 1), 1)?;
            nicira(out, NX_CHECK_PKT_LARGER);
            out.put_u16(*max_bytes);
            out.put_u16(*ofs);
            out.extend_from_slice(&header(*dst));
            out.put_zeros(6);
        }
        Action::Clone(actions) => {
            nicira(out, NX_CLONE);
            out.put_zeros(6);
            encode_list(out, actions, depth + 1)?;
        }
        Action::Note(bytes) => {
            nicira(out, NX_NOTE);
            out.extend_from_slice(bytes);
            if bytes.len() < 6 {
                out.put_zeros(6 - bytes.len());
            }
        }
        Action::StackPush(bits) => encode_stack(out, NX_STACK_PUSH, *bits)?,
        Action::StackPop(bits) => encode_stack(out, NX_STACK_POP, *bits)?,
        _ => {
            return Err(Error::Unsupported {
                what: "action",
                reason: "it has no wire form",
            });
        }
    }
    Ok(())
}

/// A Nicira action without body: 16 bytes.
fn empty(out: &mut Vec<u8>, subtype: u16) {
    nicira(out, subtype);
    out.put_zeros(6);
}

fn encode_stack(out: &mut Vec<u8>, subtype: u16, bits: Subfield) -> Result<()> {
    check_bits(bits, u16::MAX)?;
    nicira(out, subtype);
    out.put_u16(bits.ofs);
    out.extend_from_slice(&header(bits.field));
    out.put_u16(bits.n_bits);
    out.put_zeros(6);
    Ok(())
}

fn encode_controller(out: &mut Vec<u8>, controller: &Controller) {
    nicira(out, NX_CONTROLLER2);
    out.put_zeros(6);
    if controller.max_len != u16::MAX {
        out.put_property(CONTROLLER_MAX_LEN, &controller.max_len.to_be_bytes());
    }
    if controller.controller_id != 0 {
        out.put_property(CONTROLLER_ID, &controller.controller_id.to_be_bytes());
    }
    if controller.reason != REASON_ACTION {
        out.put_property(CONTROLLER_REASON, &[controller.reason]);
    }
    if !controller.userdata.is_empty() {
        out.put_property(CONTROLLER_USERDATA, &controller.userdata);
    }
    if controller.pause {
        out.put_property(CONTROLLER_PAUSE, &[]);
    }
    if let Some(meter) = controller.meter_id {
        out.put_property(CONTROLLER_METER, &meter.to_be_bytes());
    }
}

fn encode_ct(out: &mut Vec<u8>, ct: &Ct, depth: usize) -> Result<()> {
    nicira(out, NX_CT);
    out.put_u16(if ct.commit { CT_COMMIT } else { 0 } | if ct.force { CT_FORCE } else { 0 });
    match ct.zone {
        CtZone::Number(zone) => {
            out.put_u32(0);
            out.put_u16(zone);
        }
        CtZone::Bits(bits) => {
            let range = check_bits(bits, 16)?;
            out.extend_from_slice(&header(bits.field));
            out.put_u16(range);
        }
    }
    out.put_u8(ct.table.unwrap_or(CT_NO_TABLE));
    out.put_zeros(3);
    out.put_u16(ct.alg);
    encode_list(out, &ct.actions, depth + 1)
}

fn encode_nat(out: &mut Vec<u8>, nat: &Nat) -> Result<()> {
    nicira(out, NX_NAT);
    out.put_u16(0);
    let mut flags = match nat.kind {
        NatKind::Existing => 0,
        NatKind::Source => NAT_SRC,
        NatKind::Destination => NAT_DST,
    };
    for (on, bit) in [
        (nat.persistent, NAT_PERSISTENT),
        (nat.hash, NAT_HASH),
        (nat.random, NAT_RANDOM),
    ] {
        flags |= if on { bit } else { 0 };
    }
    out.put_u16(flags);
    let present_at = out.len();
    out.put_u16(0);
    let mut present = 0;
    match nat.addresses {
        NatAddresses::None if nat.ports.is_some() => {
            return Err(Error::Unsupported {
                what: "nat",
                reason: "ports need an address",
            });
        }
        NatAddresses::None => {}
        NatAddresses::V4 { min, max } => {
            present |= NAT_V4_MIN;
            out.extend_from_slice(&min.octets());
            if let Some(max) = max {
                present |= NAT_V4_MAX;
                out.extend_from_slice(&max.octets());
            }
        }
        NatAddresses::V6 { min, max } => {
            present |= NAT_V6_MIN;
            out.extend_from_slice(&min.octets());
            if let Some(max) = max {
                present |= NAT_V6_MAX;
                out.extend_from_slice(&max.octets());
            }
        }
    }
    if let Some((min, max)) = nat.ports {
        present |= NAT_PORT_MIN;
        out.put_u16(min);
        if let Some(max) = max {
            present |= NAT_PORT_MAX;
            out.put_u16(max);
        }
    }
    out.patch_u16(present_at, present);
    Ok(())
}

/// Checks that the bits are inside the field and at most `limit`; returns `ofs << 6 | (n_bits - 1)`.
pub(super) fn check_bits(bits: Subfield, limit: u16) -> Result<u16> {
    let end = u32::from(bits.ofs) + u32::from(bits.n_bits);
    if bits.n_bits == 0 || bits.n_bits > limit || end > bits.field.bits() {
        let reason = "no bits, too many bits, or bits outside the field";
        return Err(Error::Field {
            field: bits.field.name(),
            reason,
        });
    }
    Ok(bits.ofs << 6 | ((bits.n_bits - 1) & 0x3f))
}

/// Appends the instructions of a flow.
pub(crate) fn encode_instructions(out: &mut Vec<u8>, set: &Instructions) -> Result<()> {
    if !set.apply.is_empty() {
        encode_action_instruction(out, APPLY_ACTIONS, &set.apply)?;
    }
    if set.clear_actions {
        out.put_u16(CLEAR_ACTIONS);
        out.put_u16(8);
        out.put_u32(0);
    }
    if !set.write.is_empty() {
        encode_action_instruction(out, WRITE_ACTIONS, &set.write)?;
    }
    if let Some((value, mask)) = set.write_metadata {
        out.put_u16(WRITE_METADATA);
        out.put_u16(24);
        out.put_u32(0);
        out.put_u64(value & mask);
        out.put_u64(mask);
    }
    if let Some(table) = set.goto_table {
        out.put_u16(GOTO_TABLE);
        out.put_u16(8);
        out.put_u8(table);
        out.put_zeros(3);
    }
    Ok(())
}

fn encode_action_instruction(out: &mut Vec<u8>, kind: u16, actions: &[Action]) -> Result<()> {
    let start = out.len();
    out.put_u16(kind);
    out.put_u16(0);
    out.put_u32(0);
    encode_actions(out, actions)?;
    let length = saturate(out.len() - start);
    out.patch_u16(start + 2, length);
    Ok(())
}
