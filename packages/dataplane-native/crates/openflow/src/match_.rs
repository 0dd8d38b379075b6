//! `Match`: which packets a flow takes, kept as the canonical OXM bytes that go on the wire.
//! It keeps fields sorted, masks applied and duplicates out; it does not judge whether a match is useful.
//! Built by the compiler, read by the engine's comparison and by `text`.
//!
//! Equality, order and hash are those of the bytes, so two matches are equal exactly when Open vSwitch
//! would call the flows identical. To make that hold, [`Match::put`] stores one form only:
//! - value bits outside the mask are zero; a full mask is left out; an empty mask removes the field;
//! - `xreg` and `xxreg` become their 32-bit registers (OVS stores those, and prints them);
//! - `vlan_tci` becomes `vlan_vid` and `vlan_pcp` (OVS sends those in OpenFlow 1.5);
//! - the 16-bit `in_port` becomes the 32-bit one;
//! - `packet_type` 0 (Ethernet) is implied and left out.
//!
//! Fields that the table does not know (other experimenters, `tun_metadata` longer than
//! [`TUN_METADATA_BYTES`](crate::TUN_METADATA_BYTES)) stay as opaque bytes after the known ones.

use smallvec::SmallVec;
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::error::{Error, Result};
use crate::fields::{EXPERIMENTER, Field};
use crate::wire::{Reader, Writer};

/// A field's value or mask: an unsigned integer whose low `Field::bits` bits count.
pub trait FieldValue {
    /// The value as an integer, first wire byte most significant.
    fn to_bits(&self) -> u128;
}

macro_rules! integer_values {
    ($($t:ty)*) => { $(impl FieldValue for $t {
        fn to_bits(&self) -> u128 { u128::from(*self) }
    })* };
}
integer_values!(bool u8 u16 u32 u64 u128);

impl FieldValue for Ipv4Addr {
    fn to_bits(&self) -> u128 {
        u128::from(Ipv4Addr::to_bits(*self))
    }
}

impl FieldValue for Ipv6Addr {
    fn to_bits(&self) -> u128 {
        Ipv6Addr::to_bits(*self)
    }
}

/// Bytes in wire order, at most 16: a MAC address, a TLV.
impl<const N: usize> FieldValue for [u8; N] {
    fn to_bits(&self) -> u128 {
        const { assert!(N <= 16, "a field value has at most 16 bytes") };
        from_bytes(self)
    }
}

impl<T: FieldValue + ?Sized> FieldValue for &T {
    fn to_bits(&self) -> u128 {
        (**self).to_bits()
    }
}

/// A canonical match. Empty: every packet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Match {
    oxm: SmallVec<[u8; 48]>,
}

/// One field of a match. `mask` is all ones for an exact match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Entry {
    pub field: Field,
    pub value: u128,
    pub mask: u128,
}

/// One OXM as it stands in bytes.
struct RawEntry<'a> {
    class: u16,
    number: u8,
    has_mask: bool,
    payload: &'a [u8],
    /// Header and payload.
    bytes: &'a [u8],
}

impl RawEntry<'_> {
    /// Bytes of the value, and of the mask if there is one.
    fn width(&self) -> usize {
        if self.has_mask {
            self.payload.len() / 2
        } else {
            self.payload.len()
        }
    }

    /// The table's field, when the length too is what the table says.
    /// OVS leaves leading zero bytes out of a `tun_metadata` value in an action.
    fn field(&self) -> Option<Field> {
        let field = Field::lookup(self.class, self.number)?;
        let shorter = field.is_tun_metadata() && self.width() < field.bytes();
        (self.width() == field.bytes() || shorter).then_some(field)
    }

    fn entry(&self) -> Option<Entry> {
        let field = self.field()?;
        let (value, mask) = self.payload.split_at_checked(self.width())?;
        let mask = if self.has_mask {
            from_bytes(mask)
        } else {
            field.all_ones()
        };
        Some(Entry {
            field,
            value: from_bytes(value),
            mask,
        })
    }

    /// Known fields in the order of `Field`, then unknown ones by header.
    fn rank(&self) -> (u8, u16, u8) {
        match self.field() {
            Some(field) => (field as u8, 0, 0),
            None => (u8::MAX, self.class, self.number),
        }
    }
}

impl Match {
    /// The match of every packet.
    pub fn new() -> Self {
        Self::default()
    }

    /// With `field` exactly `value`. Replaces an earlier condition on the field.
    #[must_use]
    pub fn set(mut self, field: Field, value: impl FieldValue) -> Self {
        self.put(field, value.to_bits(), field.all_ones());
        self
    }

    /// With the bits of `mask` in `field` equal to those in `value`. An empty mask removes the field.
    #[must_use]
    pub fn masked(mut self, field: Field, value: impl FieldValue, mask: impl FieldValue) -> Self {
        self.put(field, value.to_bits(), mask.to_bits());
        self
    }

    /// With the first `length` bits of `field` (an address) equal to those of `value`.
    #[must_use]
    pub fn prefix(mut self, field: Field, value: impl FieldValue, length: u32) -> Self {
        let free = field.bits().saturating_sub(length);
        let mask = if free >= 128 {
            0
        } else {
            field.all_ones() >> free << free
        };
        self.put(field, value.to_bits(), mask);
        self
    }

    /// Sets or replaces one field; `mask` 0 removes it. Bits beyond the field's width are ignored.
    /// A mask on an unmaskable field is kept as given and refused by [`Match::check`].
    pub fn put(&mut self, field: Field, value: u128, mask: u128) {
        let mask = mask & field.all_ones();
        let value = value & mask;
        if let (Some((first, count)), 0) = (register_parts(field), mask) {
            for reg in (first..first + count).filter_map(Field::reg) {
                self.store(reg, 0, 0);
            }
        } else if let Some((first, count)) = register_parts(field) {
            self.put_registers(first, count, value, mask);
        } else if field == Field::VlanTci {
            self.put(Field::VlanVid, value & 0x1fff, mask & 0x1fff);
            // "No tag" is one condition to Open vSwitch: it sends no PCP with it.
            let untagged = mask & 0x1000 != 0 && value & 0x1000 == 0;
            self.put(
                Field::VlanPcp,
                value >> 13,
                if untagged { 0 } else { mask >> 13 },
            );
        } else if field == Field::InPort16 {
            let reserved = if value >= 0xff00 { 0xffff_0000 } else { 0 };
            let high = if mask == 0xffff { 0xffff_0000 } else { 0 };
            self.store(Field::InPort, value | reserved & high, mask | high);
        } else if field == Field::PacketType && value == 0 {
            self.store(field, 0, 0);
        } else {
            self.store(field, value, mask);
        }
    }

    /// A wide register as its 32-bit ones, the first being the most significant.
    /// A part without mask bits leaves an earlier condition on that part alone.
    fn put_registers(&mut self, first: u8, count: u8, value: u128, mask: u128) {
        for part in 0..count {
            let shift = 32 * u32::from(count - 1 - part);
            let mask = (mask >> shift) & 0xffff_ffff;
            if let (Some(reg), true) = (Field::reg(first + part), mask != 0) {
                self.store(reg, (value >> shift) & 0xffff_ffff, mask);
            }
        }
    }

    fn store(&mut self, field: Field, value: u128, mask: u128) {
        let partial = (mask != field.all_ones()).then_some(mask);
        let (encoded, length) = oxm_bytes(field, value, partial);
        let length = if mask == 0 { 0 } else { length };
        self.splice((field as u8, 0, 0), &encoded[..length]);
    }

    /// Replaces the entry of this rank by `encoded`, which may be empty.
    fn splice(&mut self, rank: (u8, u16, u8), encoded: &[u8]) {
        let (mut at, mut end) = (self.oxm.len(), self.oxm.len());
        let mut offset = 0;
        for raw in RawEntries(Reader::new(&self.oxm, "match")) {
            let next = offset + raw.bytes.len();
            if raw.rank() >= rank {
                at = offset;
                end = if raw.rank() == rank { next } else { offset };
                break;
            }
            offset = next;
        }
        if at == self.oxm.len() {
            self.oxm.extend_from_slice(encoded);
        } else if end - at == encoded.len() {
            self.oxm[at..end].copy_from_slice(encoded);
        } else {
            self.oxm.drain(at..end);
            self.oxm.insert_many(at, encoded.iter().copied());
        }
    }

    /// Removes the condition on `field`.
    pub fn remove(&mut self, field: Field) {
        self.put(field, 0, 0);
    }

    /// The condition on `field`, `None` when there is none. Wide registers are put together from their parts.
    pub fn get(&self, field: Field) -> Option<Entry> {
        if let Some((first, count)) = register_parts(field) {
            let mut found = Entry {
                field,
                value: 0,
                mask: 0,
            };
            for part in 0..count {
                let entry = Field::reg(first + part).and_then(|reg| self.get(reg));
                let (value, mask) = entry.map_or((0, 0), |e| (e.value, e.mask));
                found.value = found.value << 32 | value;
                found.mask = found.mask << 32 | mask;
            }
            return (found.mask != 0).then_some(found);
        }
        self.entries().find(|entry| entry.field == field)
    }

    /// The value of `field` where it is matched exactly.
    pub fn exact(&self, field: Field) -> Option<u128> {
        self.get(field)
            .filter(|entry| entry.mask == field.all_ones())
            .map(|entry| entry.value)
    }

    /// All conditions on known fields, in canonical order.
    pub fn entries(&self) -> impl Iterator<Item = Entry> + '_ {
        RawEntries(Reader::new(&self.oxm, "match")).filter_map(|raw| raw.entry())
    }

    /// The OXM bytes of fields that the table does not know, one slice each.
    pub fn unknown(&self) -> impl Iterator<Item = &[u8]> {
        RawEntries(Reader::new(&self.oxm, "match"))
            .filter(|raw| raw.field().is_none())
            .map(|raw| raw.bytes)
    }

    /// Whether every packet matches.
    pub fn is_empty(&self) -> bool {
        self.oxm.is_empty()
    }

    /// The canonical OXM bytes, without the `ofp_match` header and padding.
    pub fn as_oxm(&self) -> &[u8] {
        &self.oxm
    }

    /// Reads bare OXM bytes (no `ofp_match` header), in any order, into canonical form.
    pub fn from_oxm(bytes: &[u8]) -> Result<Self> {
        let mut found = Match::new();
        let mut reader = Reader::new(bytes, "match");
        while !reader.is_empty() {
            let raw = pull_oxm(&mut reader)?;
            match raw.entry() {
                Some(entry) => found.put(entry.field, entry.value, entry.mask),
                None => found.splice(raw.rank(), raw.bytes),
            }
        }
        Ok(found)
    }

    /// Appends `ofp_match`: type 1, length, OXM bytes, padding to 8.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.put_u16(1);
        out.put_u16(crate::wire::saturate(self.oxm.len() + 4));
        out.extend_from_slice(&self.oxm);
        out.pad8(start);
    }

    /// Reads `ofp_match` with its padding.
    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self> {
        let kind = reader.u16()?;
        if kind != 1 {
            return Err(Error::BadValue {
                what: "match type",
                value: u64::from(kind),
            });
        }
        let length = usize::from(reader.u16()?);
        let body = reader.body(length, 4, "match")?;
        reader.skip(length.next_multiple_of(8) - length)?;
        Match::from_oxm(body.rest())
    }
}

/// The 32-bit registers behind a wide one: the first and how many.
fn register_parts(field: Field) -> Option<(u8, u8)> {
    if (Field::Xreg0..=Field::Xreg7).contains(&field) {
        Some((2 * (field as u8 - Field::Xreg0 as u8), 2))
    } else if (Field::Xxreg0..=Field::Xxreg3).contains(&field) {
        Some((4 * (field as u8 - Field::Xxreg0 as u8), 4))
    } else {
        None
    }
}

/// Iterates over bytes that are known to be whole entries; stops at the first that is not.
struct RawEntries<'a>(Reader<'a>);

impl<'a> Iterator for RawEntries<'a> {
    type Item = RawEntry<'a>;
    fn next(&mut self) -> Option<RawEntry<'a>> {
        pull_oxm(&mut self.0).ok()
    }
}

/// One OXM with header and payload.
fn pull_oxm<'a>(reader: &mut Reader<'a>) -> Result<RawEntry<'a>> {
    let whole = reader.rest();
    let class = reader.u16()?;
    let field_and_mask = reader.u8()?;
    let length = usize::from(reader.u8()?);
    let payload = reader.take(length)?;
    let has_mask = field_and_mask & 1 != 0;
    let value_bytes = if class == EXPERIMENTER {
        length.wrapping_sub(4)
    } else {
        length
    };
    if value_bytes == 0 || value_bytes > length || (has_mask && value_bytes % 2 != 0) {
        return Err(Error::BadLength {
            what: "match field",
            length,
        });
    }
    Ok(RawEntry {
        class,
        number: field_and_mask >> 1,
        has_mask,
        payload,
        bytes: &whole[..4 + length],
    })
}

/// Reads one OXM that must be a known field, as an action carries it.
/// `None` when the field is not in the table.
pub(crate) fn pull_entry(reader: &mut Reader<'_>) -> Result<Option<Entry>> {
    Ok(pull_oxm(reader)?.entry())
}

/// Reads an OXM header without payload, as `move` and `push` carry it.
pub(crate) fn pull_header(reader: &mut Reader<'_>) -> Result<Option<Field>> {
    let class = reader.u16()?;
    let number = reader.u8()? >> 1;
    let length = usize::from(reader.u8()?);
    if class == EXPERIMENTER {
        reader.skip(4)?;
        return Ok(None);
    }
    Ok(Field::lookup(class, number).filter(|field| field.bytes() == length))
}

/// The header of `field` for a payload without mask.
pub(crate) fn header(field: Field) -> [u8; 4] {
    let info = field.info();
    let [high, low] = info.class.to_be_bytes();
    [high, low, info.number << 1, low_byte(info.bytes)]
}

/// Appends one OXM. `mask` is `None` for an exact match.
pub(crate) fn encode_oxm(out: &mut Vec<u8>, field: Field, value: u128, mask: Option<u128>) {
    let (bytes, length) = oxm_bytes(field, value, mask);
    out.extend_from_slice(&bytes[..length]);
}

/// One OXM in a buffer that holds the longest of the table's, and its length.
fn oxm_bytes(field: Field, value: u128, mask: Option<u128>) -> ([u8; 36], usize) {
    let width = field.bytes();
    let mut out = [0; 36];
    out[..4].copy_from_slice(&header(field));
    out[4..4 + width].copy_from_slice(&value.to_be_bytes()[16 - width..]);
    let Some(mask) = mask else {
        return (out, 4 + width);
    };
    out[2] |= 1;
    out[3] = low_byte(2 * width);
    out[4 + width..4 + 2 * width].copy_from_slice(&mask.to_be_bytes()[16 - width..]);
    (out, 4 + 2 * width)
}

/// Table widths are at most 16 bytes, so that even two of them fit.
fn low_byte(n: usize) -> u8 {
    n.to_le_bytes()[0]
}

fn from_bytes(bytes: &[u8]) -> u128 {
    bytes
        .iter()
        .fold(0, |acc, byte| acc << 8 | u128::from(*byte))
}
