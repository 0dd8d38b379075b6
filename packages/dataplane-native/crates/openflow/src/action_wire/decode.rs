//! Bytes to actions and instructions.
//! It judges lengths, not meaning: whether a switch would accept the list is not checked.
//! Called through `action_wire` by flows, groups and packet-ins.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::encode::check_bits;
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
use crate::match_::{pull_entry, pull_header};
use crate::wire::Reader;

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

/// The inverse of [`check_bits`].
fn bit_range(field: Field, range: u16) -> Subfield {
    Subfield::new(field, range >> 6, (range & 0x3f) + 1)
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
