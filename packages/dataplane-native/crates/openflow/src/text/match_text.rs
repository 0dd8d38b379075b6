//! Text of match fields, values and masks, in the syntax of ovs-fields(7).
//! It renders only. Used by `text` for matches, and for the values in actions and groups.

use std::fmt::{self, Display, Formatter};
use std::net::{Ipv4Addr, Ipv6Addr};

use super::{Commas, Hex, PortText};
use crate::fields::{Field, Format};
use crate::match_::{Entry, Match};

const CT_STATES: [(u32, &str); 8] = [
    (0x01, "new"),
    (0x02, "est"),
    (0x04, "rel"),
    (0x08, "rpl"),
    (0x10, "inv"),
    (0x20, "trk"),
    (0x40, "snat"),
    (0x80, "dnat"),
];

/// `+new-est+trk` for the bits of `mask`; `value/mask` in hexadecimal when a bit has no name.
pub fn render_ct_state(value: u32, mask: u32) -> String {
    let named = CT_STATES.iter().fold(0, |all, (bit, _)| all | bit);
    if mask & !named != 0 || mask == 0 {
        return format!("{value:#x}/{mask:#x}");
    }
    let mut text = String::new();
    for (bit, name) in CT_STATES.iter().filter(|(bit, _)| mask & bit != 0) {
        text.push(if value & bit != 0 { '+' } else { '-' });
        text.push_str(name);
    }
    text
}

/// The low 32 bits, which is all that an IPv4 address or conntrack state has.
fn low32(value: u128) -> u32 {
    let [.., a, b, c, d] = value.to_be_bytes();
    u32::from_be_bytes([a, b, c, d])
}

pub(super) fn one_value(f: &mut Formatter<'_>, format: Format, value: u128) -> fmt::Result {
    match format {
        Format::Decimal => write!(f, "{value}"),
        Format::Mac => write!(f, "{}", Hex(&value.to_be_bytes()[10..], ":")),
        Format::Ipv4 => write!(f, "{}", Ipv4Addr::from_bits(low32(value))),
        Format::Ipv6 => write!(f, "{}", Ipv6Addr::from_bits(value)),
        Format::Port => write!(f, "{}", PortText(low32(value))),
        Format::Hex | Format::CtState | Format::Fragment | Format::TcpFlags | Format::TunFlags => {
            write!(f, "{value:#x}")
        }
    }
}

/// The number of leading ones when the mask is nothing else.
fn prefix_length(mask: u128, bits: u32) -> Option<u32> {
    let free = mask.trailing_zeros().min(bits);
    let all = crate::wire::ones(bits);
    (mask == (all >> free) << free).then_some(bits - free)
}

/// `value`, `value/mask` or the field's own notation.
pub(super) struct Masked(pub(super) Entry);

impl Display for Masked {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Entry { field, value, mask } = self.0;
        let format = field.info().format;
        if format == Format::CtState {
            return f.write_str(&render_ct_state(low32(value), low32(mask)));
        }
        if format == Format::TunFlags {
            return f.write_str(if value & 1 == 1 { "+oam" } else { "-oam" });
        }
        if format == Format::Fragment {
            let name = match (value, mask) {
                (0, 3) => "no",
                (1, 1) => "yes",
                (1, 3) => "first",
                (3, 3) => "later",
                (0, 2) => "not_later",
                _ => return write!(f, "{value:#x}/{mask:#x}"),
            };
            return f.write_str(name);
        }
        let address = matches!(format, Format::Ipv4 | Format::Ipv6);
        if mask == field.all_ones() {
            one_value(f, format, value)
        } else if let (true, Some(length)) = (address, prefix_length(mask, field.bits())) {
            one_value(f, format, value)?;
            write!(f, "/{length}")
        } else {
            let format = if format == Format::Decimal {
                Format::Hex
            } else {
                format
            };
            one_value(f, format, value)?;
            f.write_str("/")?;
            one_value(f, format, mask)
        }
    }
}

/// The keyword that stands for an Ethernet type and, where it is one of these, an IP protocol:
/// {keyword, whether it covers the protocol}.
fn protocol_keyword(matching: &Match) -> Option<(&'static str, bool)> {
    let eth = matching.exact(Field::EthType)?;
    let proto = matching.exact(Field::IpProto);
    Some(match (eth, proto) {
        (0x0800, Some(1)) => ("icmp", true),
        (0x0800, Some(6)) => ("tcp", true),
        (0x0800, Some(17)) => ("udp", true),
        (0x0800, Some(132)) => ("sctp", true),
        (0x0800, _) => ("ip", false),
        (0x86dd, Some(58)) => ("icmp6", true),
        (0x86dd, Some(6)) => ("tcp6", true),
        (0x86dd, Some(17)) => ("udp6", true),
        (0x86dd, Some(132)) => ("sctp6", true),
        (0x86dd, _) => ("ipv6", false),
        (0x0806, _) => ("arp", false),
        (0x8035, _) => ("rarp", false),
        _ => return None,
    })
}

impl Display for Match {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let keyword = protocol_keyword(self);
        let mut list = Commas::new(f);
        for entry in self.entries() {
            match (entry.field, keyword) {
                (Field::EthType, Some((word, _))) => list.item(format_args!("{word}"))?,
                (Field::IpProto, Some((_, true))) => {}
                (Field::InPort, _) => list.item(format_args!("in_port={}", Masked(entry)))?,
                (field, _) => list.item(format_args!("{}={}", field.name(), Masked(entry)))?,
            }
        }
        for bytes in self.unknown() {
            list.item(format_args!("oxm({})", Hex(bytes, "")))?;
        }
        Ok(())
    }
}
