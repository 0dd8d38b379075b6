//! Wire form of actions and instructions, both ways.
//! It accepts every action list that Open vSwitch sends; what it does not know stays as `Action::Raw`.
//! Used by flows, groups and packet-outs. Wire: OpenFlow 1.5.1 section 7.2.8, ovs-actions(7).
//!
//! A Nicira action, most significant bit first:
//! ```text
//! | type 0xffff 16 | length 16 | vendor 0x00002320 32 | subtype 16 | body ... | padding to 8 |
//! ```

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::MAX_NESTING;
use crate::action::{
    Action, Controller, Ct, CtZone, Instructions, Nat, NatAddresses, NatKind, Subfield,
};
use crate::error::{Error, Result};
use crate::fields::Field;
use crate::match_::{encode_oxm, header, pull_entry, pull_header};
use crate::wire::{Reader, Writer, saturate};

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
fn check_bits(bits: Subfield, limit: u16) -> Result<u16> {
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

/// The inverse of [`check_bits`].
fn bit_range(field: Field, range: u16) -> Subfield {
    Subfield::new(field, range >> 6, (range & 0x3f) + 1)
}

/// Reads actions until the reader is empty.
pub(crate) fn decode_actions(reader: &mut Reader<'_>) -> Result<Vec<Action>> {
    decode_list(reader, 0)
}

fn decode_list(reader: &mut Reader<'_>, depth: usize) -> Result<Vec<Action>> {
    if depth > MAX_NESTING {
        return Err(Error::TooDeep {
            what: "action list",
            limit: MAX_NESTING,
        });
    }
    let mut actions = Vec::new();
    while !reader.is_empty() {
        let whole = reader.rest();
        let kind = reader.u16()?;
        let length = usize::from(reader.u16()?);
        if length < 8 || length % 8 != 0 {
            return Err(Error::BadLength {
                what: "action",
                length,
            });
        }
        let mut body = reader.body(length, 4, "action")?;
        let action = decode_action(kind, &mut body, depth)?;
        actions.push(action.unwrap_or_else(|| Action::Raw(whole[..length].into())));
    }
    Ok(actions)
}

/// `None`: not an action of ours, or a form of it that `Action` cannot hold.
fn decode_action(kind: u16, body: &mut Reader<'_>, depth: usize) -> Result<Option<Action>> {
    Ok(match kind {
        OUTPUT => {
            let (port, max_len) = (body.u32()?, body.u16()?);
            let usual = if port == crate::port::CONTROLLER {
                max_len == u16::MAX
            } else {
                true
            };
            usual.then_some(Action::Output { port })
        }
        GROUP => Some(Action::Group { id: body.u32()? }),
        METER => Some(Action::Meter { id: body.u32()? }),
        SET_QUEUE => Some(Action::SetQueue { id: body.u32()? }),
        PUSH_VLAN => Some(Action::PushVlan {
            ethertype: body.u16()?,
        }),
        POP_VLAN => Some(Action::PopVlan),
        DEC_TTL => Some(Action::DecTtl),
        SET_FIELD => pull_entry(body)?
            .map(|entry| Action::set_masked(entry.field, entry.value, entry.mask))
            .filter(|action| {
                !matches!(
                    action,
                    Action::SetField { mask: 0, .. }
                        | Action::SetField {
                            field: Field::InPort,
                            ..
                        }
                )
            }),
        COPY_FIELD => {
            let (n_bits, src_ofs, dst_ofs) = (body.u16()?, body.u16()?, body.u16()?);
            body.skip(2)?;
            let (src, dst) = (pull_header(body)?, pull_header(body)?);
            src.zip(dst).and_then(|(src, dst)| {
                let src = within(Subfield::new(src, src_ofs, n_bits))?;
                Some(Action::Move {
                    src,
                    dst: within(Subfield::new(dst, dst_ofs, n_bits))?,
                })
            })
        }
        EXPERIMENTER => {
            if body.u32()? != NICIRA {
                return Ok(None);
            }
            let subtype = body.u16()?;
            decode_nicira(subtype, body, depth)?
        }
        _ => None,
    })
}

fn decode_nicira(subtype: u16, body: &mut Reader<'_>, depth: usize) -> Result<Option<Action>> {
    Ok(match subtype {
        NX_RESUBMIT => Some(Action::Resubmit {
            in_port: body.u16()?,
            table: crate::TABLE_ALL,
            with_ct_orig: false,
        }),
        NX_RESUBMIT_TABLE | NX_RESUBMIT_TABLE_CT => Some(Action::Resubmit {
            in_port: body.u16()?,
            table: body.u8()?,
            with_ct_orig: subtype == NX_RESUBMIT_TABLE_CT,
        }),
        NX_OUTPUT_REG => {
            let range = body.u16()?;
            let src = pull_header(body)?;
            output_reg(src, range, body.u16()?)
        }
        NX_OUTPUT_REG2 => {
            let (range, max_len) = (body.u16()?, body.u16()?);
            output_reg(pull_header(body)?, range, max_len)
        }
        NX_CONTROLLER => {
            let (max_len, controller_id, reason) = (body.u16()?, body.u16()?, body.u8()?);
            Some(Action::controller(Controller {
                max_len,
                controller_id,
                reason,
                ..Controller::default()
            }))
        }
        NX_CONTROLLER2 => decode_controller(body)?,
        NX_CT => decode_ct(body, depth)?,
        NX_NAT => Some(decode_nat(body)?),
        NX_CT_CLEAR => Some(Action::CtClear),
        NX_POP_QUEUE => Some(Action::PopQueue),
        NX_EXIT => Some(Action::Exit),
        NX_CONJUNCTION => {
            let (clause, n_clauses) = (body.u8()?, body.u8()?);
            Some(Action::Conjunction {
                id: body.u32()?,
                clause,
                n_clauses,
            })
        }
        NX_CHECK_PKT_LARGER => {
            let (max_bytes, ofs) = (body.u16()?, body.u16()?);
            pull_header(body)?
                .and_then(|dst| within(Subfield::new(dst, ofs, 1)))
                .map(|bit| Action::CheckPktLarger {
                    max_bytes,
                    dst: bit.field,
                    ofs,
                })
        }
        NX_CLONE => {
            body.skip(6)?;
            Some(Action::Clone(decode_list(body, depth + 1)?))
        }
        NX_NOTE => Some(Action::Note(body.rest().to_vec())),
        NX_STACK_PUSH => decode_stack(body)?.map(Action::StackPush),
        NX_STACK_POP => decode_stack(body)?.map(Action::StackPop),
        _ => None,
    })
}

/// Bits that the field has; others keep the action raw, since it could not be encoded again.
fn within(bits: Subfield) -> Option<Subfield> {
    check_bits(bits, u16::MAX).ok().map(|_| bits)
}

fn output_reg(src: Option<Field>, range: u16, max_len: u16) -> Option<Action> {
    let src = within(bit_range(src?, range))?;
    Some(Action::OutputReg { src, max_len })
}

fn decode_stack(body: &mut Reader<'_>) -> Result<Option<Subfield>> {
    let ofs = body.u16()?;
    let field = pull_header(body)?;
    let n_bits = body.u16()?;
    Ok(field.and_then(|field| within(Subfield::new(field, ofs, n_bits))))
}

fn decode_controller(body: &mut Reader<'_>) -> Result<Option<Action>> {
    let mut controller = Controller::default();
    body.skip(6)?;
    while body.left() >= 8 {
        let Some((kind, mut value)) = body.property("controller property")? else {
            break;
        };
        match kind {
            CONTROLLER_MAX_LEN => controller.max_len = value.u16()?,
            CONTROLLER_ID => controller.controller_id = value.u16()?,
            CONTROLLER_REASON => controller.reason = value.u8()?,
            CONTROLLER_USERDATA => controller.userdata = value.rest().to_vec(),
            CONTROLLER_PAUSE => controller.pause = true,
            CONTROLLER_METER => controller.meter_id = Some(value.u32()?),
            _ => return Ok(None),
        }
    }
    Ok(Some(Action::controller(controller)))
}

fn decode_ct(body: &mut Reader<'_>, depth: usize) -> Result<Option<Action>> {
    let flags = body.u16()?;
    let zone_src = body.rest();
    let immediate = body.u32()? == 0;
    let zone = body.u16()?;
    let table = body.u8()?;
    body.skip(3)?;
    let alg = body.u16()?;
    let zone = if immediate {
        CtZone::Number(zone)
    } else {
        let field = pull_header(&mut Reader::new(zone_src, "ct zone"))?;
        match field.map(|field| bit_range(field, zone)).and_then(within) {
            Some(bits) if bits.n_bits <= 16 => CtZone::Bits(bits),
            _ => return Ok(None),
        }
    };
    if flags & !(CT_COMMIT | CT_FORCE) != 0 {
        return Ok(None);
    }
    Ok(Some(Action::ct(Ct {
        commit: flags & CT_COMMIT != 0,
        force: flags & CT_FORCE != 0,
        zone,
        table: (table != CT_NO_TABLE).then_some(table),
        alg,
        actions: decode_list(body, depth + 1)?,
    })))
}

fn decode_nat(body: &mut Reader<'_>) -> Result<Action> {
    body.skip(2)?;
    let flags = body.u16()?;
    let present = body.u16()?;
    let kind = match flags & (NAT_SRC | NAT_DST) {
        0 => NatKind::Existing,
        NAT_SRC => NatKind::Source,
        NAT_DST => NatKind::Destination,
        _ => {
            return Err(Error::BadValue {
                what: "nat flags",
                value: u64::from(flags),
            });
        }
    };
    let bad_range = || Error::BadValue {
        what: "nat range",
        value: u64::from(present),
    };
    let has = |bit: u16| present & bit != 0;
    let addresses = match (has(NAT_V4_MIN), has(NAT_V6_MIN)) {
        (true, true) => return Err(bad_range()),
        (true, false) => NatAddresses::V4 {
            min: Ipv4Addr::from(body.array::<4>()?),
            max: has(NAT_V4_MAX)
                .then(|| body.array::<4>())
                .transpose()?
                .map(Ipv4Addr::from),
        },
        (false, true) => NatAddresses::V6 {
            min: Ipv6Addr::from(body.array::<16>()?),
            max: has(NAT_V6_MAX)
                .then(|| body.array::<16>())
                .transpose()?
                .map(Ipv6Addr::from),
        },
        (false, false) => NatAddresses::None,
    };
    let stray = match addresses {
        NatAddresses::None => present != 0,
        NatAddresses::V4 { .. } => has(NAT_V6_MAX),
        NatAddresses::V6 { .. } => has(NAT_V4_MAX),
    };
    if stray || (has(NAT_PORT_MAX) && !has(NAT_PORT_MIN)) {
        return Err(bad_range());
    }
    let ports = if has(NAT_PORT_MIN) {
        let min = body.u16()?;
        Some((min, has(NAT_PORT_MAX).then(|| body.u16()).transpose()?))
    } else {
        None
    };
    Ok(Action::nat(Nat {
        kind,
        addresses,
        ports,
        persistent: flags & NAT_PERSISTENT != 0,
        hash: flags & NAT_HASH != 0,
        random: flags & NAT_RANDOM != 0,
    }))
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

/// Reads instructions until the reader is empty.
pub(crate) fn decode_instructions(reader: &mut Reader<'_>) -> Result<Instructions> {
    let mut set = Instructions::default();
    while !reader.is_empty() {
        let kind = reader.u16()?;
        let length = usize::from(reader.u16()?);
        let mut body = reader.body(length, 4, "instruction")?;
        match kind {
            GOTO_TABLE => set.goto_table = Some(body.u8()?),
            WRITE_METADATA => {
                body.skip(4)?;
                let (value, mask) = (body.u64()?, body.u64()?);
                set.write_metadata = Some((value & mask, mask));
            }
            WRITE_ACTIONS => {
                body.skip(4)?;
                set.write = decode_actions(&mut body)?;
            }
            APPLY_ACTIONS => {
                body.skip(4)?;
                set.apply = decode_actions(&mut body)?;
            }
            CLEAR_ACTIONS => set.clear_actions = true,
            _ => {
                return Err(Error::BadValue {
                    what: "instruction",
                    value: u64::from(kind),
                });
            }
        }
    }
    Ok(set)
}
