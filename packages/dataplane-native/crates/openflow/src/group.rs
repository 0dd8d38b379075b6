//! Groups: buckets of actions, and the messages that change and describe them.
//! It does not choose bucket counts or split large groups; that is the compiler's.
//! Wire: OpenFlow 1.5.1 section 7.3.4.4; the selection method is Netronome's extension as OVS reads it.

use crate::action::Action;
use crate::action_wire::{decode_actions, encode_actions};
use crate::error::{Error, Result};
use crate::fields::Field;
use crate::match_::{encode_oxm, pull_entry};
use crate::wire::{Reader, Writer, saturate};

/// The largest number of a group.
pub const MAX: u32 = 0xffff_ff00;
/// Every group, in deletes and requests.
pub const ALL: u32 = 0xffff_fffc;
/// No restriction.
pub const ANY: u32 = 0xffff_ffff;
/// The largest number of a bucket.
pub const BUCKET_MAX: u32 = 0xffff_ff00;
/// Before the first bucket (insert), the first bucket (remove).
pub const BUCKET_FIRST: u32 = 0xffff_fffd;
/// After the last bucket (insert), the last bucket (remove).
pub const BUCKET_LAST: u32 = 0xffff_fffe;
/// Every bucket (remove); also the value where a command needs none.
pub const BUCKET_ALL: u32 = 0xffff_ffff;

const NETRONOME: u32 = 0x0000_154d;
const SELECTION_METHOD: u32 = 1;
const EXPERIMENTER: u16 = 0xffff;
const WEIGHT: u16 = 0;
const WATCH_PORT: u16 = 1;
const WATCH_GROUP: u16 = 2;
const METHOD_BYTES: usize = 16;

/// What a group does with its buckets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum GroupKind {
    /// A copy to each bucket.
    #[default]
    All = 0,
    /// To one bucket, by weight.
    Select = 1,
    /// To the one bucket.
    Indirect = 2,
    /// To the first live bucket.
    FastFailover = 3,
}

/// One bucket. `id` is unique in its group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Bucket {
    pub id: u32,
    /// Select groups: always `Some` (Open vSwitch reports a weight for each). Other groups: `None`.
    pub weight: Option<u16>,
    /// Live while this port is up.
    pub watch_port: Option<u32>,
    /// Live while this group has a live bucket.
    pub watch_group: Option<u32>,
    pub actions: Vec<Action>,
}

/// How a select group picks its bucket; without one OVS uses a hash of addresses and ports.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Selection {
    /// By these fields under these masks, sorted by field; empty: the default fields.
    Hash {
        param: u64,
        fields: Vec<(Field, u128)>,
    },
    /// By the datapath's hash, without an upcall for each connection.
    DpHash { param: u64 },
    /// Another method, as it came: name, parameter, OXM bytes.
    Other {
        method: String,
        param: u64,
        fields: Vec<u8>,
    },
}

impl Selection {
    /// Hash over whole fields.
    pub fn hash(fields: &[Field]) -> Self {
        let mut fields: Vec<_> = fields.iter().map(|f| (*f, f.all_ones())).collect();
        fields.sort_unstable();
        fields.dedup();
        Selection::Hash { param: 0, fields }
    }
}

/// One group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Group {
    pub id: u32,
    pub kind: GroupKind,
    pub buckets: Vec<Bucket>,
    /// Select groups only.
    pub selection: Option<Selection>,
}

/// What a group mod does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u16)]
pub enum GroupModCommand {
    /// Fails when the group is there.
    Add = 0,
    /// Fails when it is not.
    Modify = 1,
    /// No failure when it is not there; flows that use the group go with it.
    Delete = 2,
    InsertBucket = 3,
    RemoveBucket = 5,
    /// Nicira: whichever is right.
    AddOrModify = 0x8000,
}

/// OFPT_GROUP_MOD.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GroupMod {
    pub command: GroupModCommand,
    pub group: Group,
    /// Insert and remove: the bucket in question; otherwise [`BUCKET_ALL`].
    pub bucket_id: u32,
}

impl GroupMod {
    /// A command on a whole group.
    pub fn new(command: GroupModCommand, group: Group) -> Self {
        Self {
            command,
            group,
            bucket_id: BUCKET_ALL,
        }
    }

    /// Removes one group, or with [`ALL`] all.
    pub fn delete(id: u32) -> Self {
        Self::new(
            GroupModCommand::Delete,
            Group {
                id,
                ..Group::default()
            },
        )
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) -> Result<()> {
        out.put_u16(self.command as u16);
        out.put_u8(self.group.kind as u8);
        out.put_u8(0);
        out.put_u32(self.group.id);
        let length_at = out.len();
        out.put_u32(0);
        out.put_u32(self.bucket_id);
        self.group.encode_body(out, length_at)
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self> {
        let command = match reader.u16()? {
            0 => GroupModCommand::Add,
            1 => GroupModCommand::Modify,
            2 => GroupModCommand::Delete,
            3 => GroupModCommand::InsertBucket,
            5 => GroupModCommand::RemoveBucket,
            0x8000 => GroupModCommand::AddOrModify,
            other => {
                return Err(Error::BadValue {
                    what: "group command",
                    value: u64::from(other),
                });
            }
        };
        let kind = decode_kind(reader)?;
        let id = reader.u32()?;
        let buckets_length = usize::from(reader.u16()?);
        reader.skip(2)?;
        let bucket_id = reader.u32()?;
        let group = Group::decode_body(reader, id, kind, buckets_length)?;
        Ok(Self {
            command,
            group,
            bucket_id,
        })
    }
}

impl Group {
    /// Buckets and properties; the length of the buckets goes to `length_at`.
    fn encode_body(&self, out: &mut Vec<u8>, length_at: usize) -> Result<()> {
        let start = out.len();
        for bucket in &self.buckets {
            bucket.encode(out)?;
        }
        let length = saturate(out.len() - start);
        out.patch_u16(length_at, length);
        match &self.selection {
            Some(selection) => selection.encode(out),
            None => Ok(()),
        }
    }

    fn decode_body(
        reader: &mut Reader<'_>,
        id: u32,
        kind: GroupKind,
        buckets_length: usize,
    ) -> Result<Self> {
        let mut list = reader.sub(buckets_length, "group buckets")?;
        let mut buckets = Vec::new();
        while !list.is_empty() {
            buckets.push(Bucket::decode(&mut list)?);
        }
        let mut selection = None;
        while let Some((property, mut body)) = reader.property("group property")? {
            if property == EXPERIMENTER
                && body.u32()? == NETRONOME
                && body.u32()? == SELECTION_METHOD
            {
                selection = Some(Selection::decode(&mut body)?);
            }
        }
        Ok(Self {
            id,
            kind,
            buckets,
            selection,
        })
    }

    /// One entry of a group description reply.
    pub(crate) fn encode_desc(&self, out: &mut Vec<u8>) -> Result<()> {
        let start = out.len();
        out.put_u16(0);
        out.put_u8(self.kind as u8);
        out.put_u8(0);
        out.put_u32(self.id);
        let length_at = out.len();
        out.put_u64(0);
        self.encode_body(out, length_at)?;
        let length = saturate(out.len() - start);
        out.patch_u16(start, length);
        Ok(())
    }

    pub(crate) fn decode_desc(reader: &mut Reader<'_>) -> Result<Self> {
        let length = usize::from(reader.u16()?);
        let mut body = reader.body(length, 2, "group description")?;
        let kind = decode_kind(&mut body)?;
        let id = body.u32()?;
        let buckets_length = usize::from(body.u16()?);
        body.skip(6)?;
        Group::decode_body(&mut body, id, kind, buckets_length)
    }
}

fn decode_kind(reader: &mut Reader<'_>) -> Result<GroupKind> {
    let kind = match reader.u8()? {
        0 => GroupKind::All,
        1 => GroupKind::Select,
        2 => GroupKind::Indirect,
        3 => GroupKind::FastFailover,
        other => {
            return Err(Error::BadValue {
                what: "group type",
                value: u64::from(other),
            });
        }
    };
    reader.skip(1)?;
    Ok(kind)
}

impl Bucket {
    fn encode(&self, out: &mut Vec<u8>) -> Result<()> {
        let start = out.len();
        out.put_u32(0);
        out.put_u32(self.id);
        encode_actions(out, &self.actions)?;
        let actions = saturate(out.len() - start - 8);
        out.patch_u16(start + 2, actions);
        if let Some(weight) = self.weight {
            out.put_property(WEIGHT, &weight.to_be_bytes());
        }
        if let Some(port) = self.watch_port {
            out.put_property(WATCH_PORT, &port.to_be_bytes());
        }
        if let Some(group) = self.watch_group {
            out.put_property(WATCH_GROUP, &group.to_be_bytes());
        }
        let length = saturate(out.len() - start);
        out.patch_u16(start, length);
        Ok(())
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self> {
        let length = usize::from(reader.u16()?);
        let mut body = reader.body(length, 2, "bucket")?;
        let actions_length = usize::from(body.u16()?);
        let id = body.u32()?;
        let actions = decode_actions(&mut body.sub(actions_length, "bucket actions")?)?;
        let mut bucket = Bucket {
            id,
            actions,
            ..Bucket::default()
        };
        while let Some((property, mut value)) = body.property("bucket property")? {
            match property {
                WEIGHT => bucket.weight = Some(value.u16()?),
                WATCH_PORT => bucket.watch_port = Some(value.u32()?),
                WATCH_GROUP => bucket.watch_group = Some(value.u32()?),
                _ => {}
            }
        }
        Ok(bucket)
    }
}

impl Selection {
    fn encode(&self, out: &mut Vec<u8>) -> Result<()> {
        let mut body = Vec::new();
        body.put_u32(NETRONOME);
        body.put_u32(SELECTION_METHOD);
        body.put_u32(0);
        let (method, param) = match self {
            Selection::Hash { param, .. } => ("hash", *param),
            Selection::DpHash { param } => ("dp_hash", *param),
            Selection::Other { method, param, .. } => (method.as_str(), *param),
        };
        if method.len() >= METHOD_BYTES {
            let what = "selection method";
            return Err(Error::Unsupported {
                what,
                reason: "its name has more than 15 bytes",
            });
        }
        body.extend_from_slice(method.as_bytes());
        body.put_zeros(METHOD_BYTES - method.len());
        body.put_u64(param);
        match self {
            Selection::Hash { fields, .. } => {
                for (field, mask) in fields {
                    encode_oxm(&mut body, *field, *mask, None);
                }
            }
            Selection::DpHash { .. } => {}
            Selection::Other { fields, .. } => body.extend_from_slice(fields),
        }
        out.put_property(EXPERIMENTER, &body);
        Ok(())
    }

    fn decode(body: &mut Reader<'_>) -> Result<Self> {
        body.skip(4)?;
        let name = body.take(METHOD_BYTES)?;
        let end = name
            .iter()
            .position(|byte| *byte == 0)
            .unwrap_or(METHOD_BYTES);
        let method = String::from_utf8_lossy(&name[..end]).into_owned();
        let param = body.u64()?;
        let raw = body.rest();
        if method == "dp_hash" && raw.is_empty() {
            return Ok(Selection::DpHash { param });
        }
        let mut fields = Vec::new();
        while method == "hash" && !body.is_empty() {
            match pull_entry(body)? {
                Some(entry) => fields.push((entry.field, entry.value)),
                None => {
                    return Ok(Selection::Other {
                        method,
                        param,
                        fields: raw.to_vec(),
                    });
                }
            }
        }
        if method != "hash" {
            return Ok(Selection::Other {
                method,
                param,
                fields: raw.to_vec(),
            });
        }
        fields.sort_unstable();
        Ok(Selection::Hash { param, fields })
    }
}
