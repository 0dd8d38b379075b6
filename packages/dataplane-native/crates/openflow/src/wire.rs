//! Big-endian reading and writing over byte slices: bounds are checked here and nowhere else.
//! It knows no OpenFlow structure beyond padding and the type-length property list.
//! Used by every encoder and decoder of the crate.

use crate::error::{Error, Result};

/// A cursor over borrowed bytes that never reads past the end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    what: &'static str,
}

impl<'a> Reader<'a> {
    /// Reads `bytes`; `what` names the structure in errors.
    pub(crate) fn new(bytes: &'a [u8], what: &'static str) -> Self {
        Self { bytes, what }
    }

    pub(crate) fn left(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.bytes
    }

    pub(crate) fn take(&mut self, n: usize) -> Result<&'a [u8]> {
        match self.bytes.split_at_checked(n) {
            Some((head, tail)) => {
                self.bytes = tail;
                Ok(head)
            }
            None => Err(Error::Truncated {
                what: self.what,
                needed: n - self.bytes.len(),
                available: self.bytes.len(),
            }),
        }
    }

    pub(crate) fn skip(&mut self, n: usize) -> Result<()> {
        self.take(n).map(|_| ())
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N)?);
        Ok(out)
    }

    pub(crate) fn u8(&mut self) -> Result<u8> {
        Ok(self.array::<1>()?[0])
    }

    pub(crate) fn u16(&mut self) -> Result<u16> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    pub(crate) fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    pub(crate) fn u64(&mut self) -> Result<u64> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    /// A sub-reader over the next `length` bytes.
    pub(crate) fn sub(&mut self, length: usize, what: &'static str) -> Result<Reader<'a>> {
        Ok(Reader::new(self.take(length)?, what))
    }

    /// A sub-reader over the body of a structure whose total length (header included) is `total`,
    /// of which `consumed` bytes are already read.
    pub(crate) fn body(
        &mut self,
        total: usize,
        consumed: usize,
        what: &'static str,
    ) -> Result<Reader<'a>> {
        let length = total.checked_sub(consumed).ok_or(Error::BadLength {
            what,
            length: total,
        })?;
        self.sub(length, what)
    }

    /// The next property of a list {type u16, length u16, body, padding to 8}; `None` at the end.
    pub(crate) fn property(&mut self, what: &'static str) -> Result<Option<(u16, Reader<'a>)>> {
        if self.is_empty() {
            return Ok(None);
        }
        let kind = self.u16()?;
        let length = usize::from(self.u16()?);
        let body = self.body(length, 4, what)?;
        let padding = length.next_multiple_of(8) - length;
        self.skip(padding.min(self.left()))?;
        Ok(Some((kind, body)))
    }
}

/// Appending of big-endian integers and patching of length fields.
pub(crate) trait Writer {
    fn put_u8(&mut self, v: u8);
    fn put_u16(&mut self, v: u16);
    fn put_u32(&mut self, v: u32);
    fn put_u64(&mut self, v: u64);
    fn put_zeros(&mut self, n: usize);
    /// Zeros up to the next multiple of 8 counted from `start`.
    fn pad8(&mut self, start: usize);
    /// Overwrites the u16 at `at`; positions come from the writer itself.
    fn patch_u16(&mut self, at: usize, v: u16);
    /// One property with its padding.
    fn put_property(&mut self, kind: u16, body: &[u8]);
}

impl Writer for Vec<u8> {
    fn put_u8(&mut self, v: u8) {
        self.push(v);
    }
    fn put_u16(&mut self, v: u16) {
        self.extend_from_slice(&v.to_be_bytes());
    }
    fn put_u32(&mut self, v: u32) {
        self.extend_from_slice(&v.to_be_bytes());
    }
    fn put_u64(&mut self, v: u64) {
        self.extend_from_slice(&v.to_be_bytes());
    }
    fn put_zeros(&mut self, n: usize) {
        self.resize(self.len() + n, 0);
    }
    fn pad8(&mut self, start: usize) {
        let used = self.len() - start;
        self.put_zeros(used.next_multiple_of(8) - used);
    }
    fn patch_u16(&mut self, at: usize, v: u16) {
        if let Some(slot) = self.get_mut(at..at + 2) {
            slot.copy_from_slice(&v.to_be_bytes());
        }
    }
    fn put_property(&mut self, kind: u16, body: &[u8]) {
        let start = self.len();
        self.put_u16(kind);
        self.put_u16(saturate(body.len() + 4));
        self.extend_from_slice(body);
        self.pad8(start);
    }
}

/// A length as a u16 wire field. What exceeds it is longer than any message, so that the final
/// length check of the message refuses it; the saturated value never reaches a socket.
pub(crate) fn saturate(length: usize) -> u16 {
    u16::try_from(length).unwrap_or(u16::MAX)
}

/// The low `bits` bits set.
pub(crate) fn ones(bits: u32) -> u128 {
    if bits >= 128 {
        u128::MAX
    } else {
        (1 << bits) - 1
    }
}
