//! Meters: rate limits with bands, and the messages that change and describe them.
//! It computes no rates or bursts; that is the compiler's.
//! Wire: OpenFlow 1.5.1 section 7.3.4.5.

use crate::error::{Error, Result};
use crate::wire::{Reader, Writer, saturate};

/// Every meter, in deletes and requests.
pub const ALL: u32 = 0xffff_ffff;
/// The largest number of a meter.
pub const MAX: u32 = 0xffff_0000;

/// Rates are in kbit/s. Exactly one of this and [`PACKETS`] is set.
pub const KBPS: u16 = 1 << 0;
/// Rates are in packets per second.
pub const PACKETS: u16 = 1 << 1;
/// The burst size of the bands counts.
pub const BURST: u16 = 1 << 2;
/// Collect statistics.
pub const STATS: u16 = 1 << 3;

const DROP: u16 = 1;
const DSCP_REMARK: u16 = 2;

/// What happens above a rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Band {
    /// `burst` in kbit or packets; 0 without [`BURST`].
    Drop { rate: u32, burst: u32 },
    DscpRemark {
        rate: u32,
        burst: u32,
        precedence_levels: u8,
    },
}

/// One meter.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Meter {
    /// 1 ..= [`MAX`].
    pub id: u32,
    /// [`KBPS`], [`PACKETS`], [`BURST`], [`STATS`].
    pub flags: u16,
    pub bands: Vec<Band>,
}

/// What a meter mod does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u16)]
pub enum MeterModCommand {
    /// Fails when the meter is there.
    Add = 0,
    /// Fails when it is not.
    Modify = 1,
    /// No failure when it is not there; flows that use the meter go with it.
    Delete = 2,
}

/// OFPT_METER_MOD. It cannot be part of a bundle: OVS answers OFPBFC_MSG_UNSUP.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MeterMod {
    pub command: MeterModCommand,
    pub meter: Meter,
}

impl MeterMod {
    /// Removes one meter, or with [`ALL`] all.
    pub fn delete(id: u32) -> Self {
        Self {
            command: MeterModCommand::Delete,
            meter: Meter {
                id,
                ..Meter::default()
            },
        }
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.put_u16(self.command as u16);
        self.meter.encode_body(out);
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self> {
        let command = match reader.u16()? {
            0 => MeterModCommand::Add,
            1 => MeterModCommand::Modify,
            2 => MeterModCommand::Delete,
            other => {
                return Err(Error::BadValue {
                    what: "meter command",
                    value: u64::from(other),
                });
            }
        };
        Ok(Self {
            command,
            meter: Meter::decode_body(reader)?,
        })
    }
}

impl Meter {
    fn encode_body(&self, out: &mut Vec<u8>) {
        out.put_u16(self.flags);
        out.put_u32(self.id);
        for band in &self.bands {
            let (kind, rate, burst, levels) = match *band {
                Band::Drop { rate, burst } => (DROP, rate, burst, 0),
                Band::DscpRemark {
                    rate,
                    burst,
                    precedence_levels,
                } => (DSCP_REMARK, rate, burst, precedence_levels),
            };
            out.put_u16(kind);
            out.put_u16(16);
            out.put_u32(rate);
            out.put_u32(burst);
            out.put_u8(levels);
            out.put_zeros(3);
        }
    }

    fn decode_body(reader: &mut Reader<'_>) -> Result<Self> {
        let flags = reader.u16()?;
        let id = reader.u32()?;
        let mut bands = Vec::new();
        while !reader.is_empty() {
            let kind = reader.u16()?;
            let length = usize::from(reader.u16()?);
            let mut body = reader.body(length, 4, "meter band")?;
            let (rate, burst) = (body.u32()?, body.u32()?);
            bands.push(match kind {
                DROP => Band::Drop { rate, burst },
                DSCP_REMARK => Band::DscpRemark {
                    rate,
                    burst,
                    precedence_levels: body.u8()?,
                },
                other => {
                    return Err(Error::BadValue {
                        what: "meter band",
                        value: other.into(),
                    });
                }
            });
        }
        Ok(Self { id, flags, bands })
    }

    /// One entry of a meter configuration reply.
    pub(crate) fn encode_config(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.put_u16(0);
        self.encode_body(out);
        let length = saturate(out.len() - start);
        out.patch_u16(start, length);
    }

    pub(crate) fn decode_config(reader: &mut Reader<'_>) -> Result<Self> {
        let length = usize::from(reader.u16()?);
        Meter::decode_body(&mut reader.body(length, 2, "meter configuration")?)
    }
}
