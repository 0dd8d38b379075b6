//! Text in the syntax of ovs-ofctl(8), ovs-fields(7) and ovs-actions(7), as `Display` of the values.
//! It renders only; nothing is parsed. Golden files, `weft flows` and error messages show it.
//! Order is canonical, so equal values give equal text and `ovs-ofctl -O OpenFlow15` reads it back
//! (except `oxm(..)` and `raw(..)`, which stand for bytes that this crate does not know).

mod match_text;

use std::fmt::{self, Display, Formatter};

use crate::action::{
    Action, Controller, Ct, CtZone, Instructions, Nat, NatAddresses, NatKind, Subfield,
};
use crate::fields::{Field, Format};
use crate::flow::{Flow, flow_flags};
use crate::group::{Bucket, Group, GroupKind, Selection};
use crate::match_::Entry;
use crate::meter::{self, Band, Meter};
use crate::port;
pub use match_text::render_ct_state;
use match_text::{Masked, one_value};

/// A port number or the name of a reserved one.
struct PortText(u32);

impl Display for PortText {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            port::IN_PORT => f.write_str("IN_PORT"),
            port::TABLE => f.write_str("TABLE"),
            port::NORMAL => f.write_str("NORMAL"),
            port::FLOOD => f.write_str("FLOOD"),
            port::ALL => f.write_str("ALL"),
            port::CONTROLLER => f.write_str("CONTROLLER"),
            port::LOCAL => f.write_str("LOCAL"),
            port::ANY => f.write_str("ANY"),
            number => write!(f, "{number}"),
        }
    }
}

struct Hex<'a>(&'a [u8], &'static str);

impl Display for Hex<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            write!(f, "{}{byte:02x}", if at == 0 { "" } else { self.1 })?;
        }
        Ok(())
    }
}

/// Items after one another with commas between.
struct Commas<'a, 'f> {
    f: &'a mut Formatter<'f>,
    first: bool,
}

impl<'a, 'f> Commas<'a, 'f> {
    fn new(f: &'a mut Formatter<'f>) -> Self {
        Self { f, first: true }
    }

    fn item(&mut self, item: fmt::Arguments<'_>) -> fmt::Result {
        if !self.first {
            self.f.write_str(",")?;
        }
        self.first = false;
        self.f.write_fmt(item)
    }
}

impl Display for Subfield {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let name = self.field.name();
        if self.ofs == 0 && u32::from(self.n_bits) == self.field.bits() {
            write!(f, "{name}[]")
        } else if self.n_bits == 1 {
            write!(f, "{name}[{}]", self.ofs)
        } else {
            let last = u32::from(self.ofs) + u32::from(self.n_bits).saturating_sub(1);
            write!(f, "{name}[{}..{last}]", self.ofs)
        }
    }
}

impl Display for Action {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Action::Output {
                port: port::CONTROLLER,
            } => f.write_str("CONTROLLER:65535"),
            Action::Output { port } if *port > port::MAX => write!(f, "{}", PortText(*port)),
            Action::Output { port } => write!(f, "output:{port}"),
            Action::OutputReg { src, .. } => write!(f, "output:{src}"),
            Action::Group { id } => write!(f, "group:{id}"),
            Action::SetField { field, value, mask } => set_field(f, *field, *value, *mask),
            Action::Move { src, dst } => write!(f, "move:{src}->{dst}"),
            Action::Resubmit {
                in_port,
                table,
                with_ct_orig,
            } => {
                f.write_str("resubmit(")?;
                if *in_port != port::IN_PORT_16 {
                    write!(f, "{in_port}")?;
                }
                f.write_str(",")?;
                if *table != crate::TABLE_ALL {
                    write!(f, "{table}")?;
                }
                f.write_str(if *with_ct_orig { ",ct)" } else { ")" })
            }
            Action::PushVlan { ethertype } => write!(f, "push_vlan:{ethertype:#06x}"),
            Action::PopVlan => f.write_str("pop_vlan"),
            Action::DecTtl => f.write_str("dec_ttl"),
            Action::Controller(controller) => controller.fmt(f),
            Action::Ct(ct) => ct.fmt(f),
            Action::Nat(nat) => nat.fmt(f),
            Action::CtClear => f.write_str("ct_clear"),
            Action::Meter { id } => write!(f, "meter:{id}"),
            Action::Conjunction {
                id,
                clause,
                n_clauses,
            } => {
                write!(
                    f,
                    "conjunction({id},{}/{n_clauses})",
                    u16::from(*clause) + 1
                )
            }
            Action::CheckPktLarger {
                max_bytes,
                dst,
                ofs,
            } => {
                write!(
                    f,
                    "check_pkt_larger({max_bytes})->{}",
                    Subfield::new(*dst, *ofs, 1)
                )
            }
            Action::Clone(actions) => {
                f.write_str("clone(")?;
                list(f, actions)?;
                f.write_str(")")
            }
            Action::Note(bytes) => write!(f, "note:{}", Hex(bytes, ".")),
            Action::SetQueue { id } => write!(f, "set_queue:{id}"),
            Action::PopQueue => f.write_str("pop_queue"),
            Action::StackPush(bits) => write!(f, "push:{bits}"),
            Action::StackPop(bits) => write!(f, "pop:{bits}"),
            Action::Exit => f.write_str("exit"),
            Action::Raw(bytes) => write!(f, "raw({})", Hex(bytes, "")),
        }
    }
}

fn list(f: &mut Formatter<'_>, actions: &[Action]) -> fmt::Result {
    let mut list = Commas::new(f);
    actions
        .iter()
        .try_for_each(|action| list.item(format_args!("{action}")))
}

/// Unlike a match, a mask of `set_field` is always written out.
fn set_field(f: &mut Formatter<'_>, field: Field, value: u128, mask: u128) -> fmt::Result {
    let format = field.info().format;
    let format = if format == Format::Decimal && mask != field.all_ones() {
        Format::Hex
    } else {
        format
    };
    f.write_str("set_field:")?;
    one_value(f, format, value)?;
    if mask != field.all_ones() {
        f.write_str("/")?;
        one_value(f, format, mask)?;
    }
    write!(f, "->{}", field.name())
}

impl Display for Controller {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("controller(")?;
        let mut list = Commas::new(f);
        match self.reason {
            1 => {}
            0 => list.item(format_args!("reason=no_match"))?,
            2 => list.item(format_args!("reason=invalid_ttl"))?,
            other => list.item(format_args!("reason={other}"))?,
        }
        if self.max_len != u16::MAX {
            list.item(format_args!("max_len={}", self.max_len))?;
        }
        if self.controller_id != 0 {
            list.item(format_args!("id={}", self.controller_id))?;
        }
        if !self.userdata.is_empty() {
            list.item(format_args!("userdata={}", Hex(&self.userdata, ".")))?;
        }
        if self.pause {
            list.item(format_args!("pause"))?;
        }
        if let Some(meter) = self.meter_id {
            list.item(format_args!("meter_id={meter}"))?;
        }
        f.write_str(")")
    }
}

impl Display for Ct {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("ct(")?;
        let mut list = Commas::new(f);
        if self.commit {
            list.item(format_args!("commit"))?;
        }
        if self.force {
            list.item(format_args!("force"))?;
        }
        if let Some(table) = self.table {
            list.item(format_args!("table={table}"))?;
        }
        match self.zone {
            CtZone::Number(0) => {}
            CtZone::Number(zone) => list.item(format_args!("zone={zone}"))?,
            CtZone::Bits(bits) => list.item(format_args!("zone={bits}"))?,
        }
        match self.alg {
            0 => {}
            21 => list.item(format_args!("alg=ftp"))?,
            69 => list.item(format_args!("alg=tftp"))?,
            other => list.item(format_args!("alg={other}"))?,
        }
        for action in &self.actions {
            if let Action::Nat(nat) = action {
                list.item(format_args!("{nat}"))?;
            } else {
                list.item(format_args!("exec({action})"))?;
            }
        }
        f.write_str(")")
    }
}

impl Display for Nat {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("nat")?;
        if *self == Nat::default() {
            return Ok(());
        }
        f.write_str("(")?;
        let side = match self.kind {
            NatKind::Existing => "",
            NatKind::Source => "src",
            NatKind::Destination => "dst",
        };
        let mut list = Commas::new(f);
        match self.addresses {
            NatAddresses::None => list.item(format_args!("{side}"))?,
            NatAddresses::V4 { min, max } => {
                list.item(format_args!("{side}={min}{}", Range(max, self.ports)))?;
            }
            NatAddresses::V6 { min, max } => match (max, self.ports) {
                (Some(max), Some(_)) => {
                    let ports = Range(None::<u8>, self.ports);
                    list.item(format_args!("{side}=[{min}]-[{max}]{ports}"))?;
                }
                (None, Some(_)) => {
                    list.item(format_args!("{side}=[{min}]{}", Range(max, self.ports)))?;
                }
                (_, None) => list.item(format_args!("{side}={min}{}", Range(max, None)))?,
            },
        }
        for (on, word) in [
            (self.persistent, "persistent"),
            (self.hash, "hash"),
            (self.random, "random"),
        ] {
            if on {
                list.item(format_args!("{word}"))?;
            }
        }
        f.write_str(")")
    }
}

/// The end of an address range and the ports behind it.
struct Range<T>(Option<T>, Option<(u16, Option<u16>)>);

impl<T: Display> Display for Range<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let Some(max) = &self.0 {
            write!(f, "-{max}")?;
        }
        match self.1 {
            Some((min, Some(max))) => write!(f, ":{min}-{max}"),
            Some((min, None)) => write!(f, ":{min}"),
            None => Ok(()),
        }
    }
}

impl Display for Instructions {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if *self == Instructions::default() {
            return f.write_str("drop");
        }
        let mut items = Commas::new(f);
        for action in &self.apply {
            items.item(format_args!("{action}"))?;
        }
        if self.clear_actions {
            items.item(format_args!("clear_actions"))?;
        }
        if !self.write.is_empty() {
            items.item(format_args!("write_actions("))?;
            list(items.f, &self.write)?;
            items.f.write_str(")")?;
        }
        if let Some((value, mask)) = self.write_metadata {
            items.item(format_args!("write_metadata:{value:#x}"))?;
            if mask != u64::MAX {
                write!(items.f, "/{mask:#x}")?;
            }
        }
        if let Some(table) = self.goto_table {
            items.item(format_args!("goto_table:{table}"))?;
        }
        Ok(())
    }
}

impl Display for Flow {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "cookie={:#x},table={},priority={}",
            self.cookie, self.table, self.priority
        )?;
        for (name, value) in [
            ("idle_timeout", self.idle_timeout_s),
            ("hard_timeout", self.hard_timeout_s),
            ("importance", self.importance),
        ] {
            if value != 0 {
                write!(f, ",{name}={value}")?;
            }
        }
        for (bit, name) in [
            (flow_flags::SEND_FLOW_REMOVED, "send_flow_rem"),
            (flow_flags::CHECK_OVERLAP, "check_overlap"),
            (flow_flags::RESET_COUNTS, "reset_counts"),
            (flow_flags::NO_PACKET_COUNTS, "no_packet_counts"),
            (flow_flags::NO_BYTE_COUNTS, "no_byte_counts"),
        ] {
            if self.flags & bit != 0 {
                write!(f, ",{name}")?;
            }
        }
        if !self.matching.is_empty() {
            write!(f, ",{}", self.matching)?;
        }
        write!(f, " actions={}", self.instructions)
    }
}

impl Display for Bucket {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "bucket=bucket_id:{}", self.id)?;
        if let Some(weight) = self.weight {
            write!(f, ",weight:{weight}")?;
        }
        if let Some(port) = self.watch_port {
            write!(f, ",watch_port:{}", PortText(port))?;
        }
        if let Some(group) = self.watch_group {
            write!(f, ",watch_group:{group}")?;
        }
        f.write_str(",actions=")?;
        if self.actions.is_empty() {
            return f.write_str("drop");
        }
        list(f, &self.actions)
    }
}

impl Display for Group {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            GroupKind::All => "all",
            GroupKind::Select => "select",
            GroupKind::Indirect => "indirect",
            GroupKind::FastFailover => "ff",
        };
        write!(f, "group_id={},type={kind}", self.id)?;
        match &self.selection {
            None => {}
            Some(Selection::Other {
                method,
                param,
                fields,
            }) => {
                let fields = Hex(fields, "");
                write!(
                    f,
                    ",selection_method={method},selection_method_param={param}"
                )?;
                write!(f, ",oxm({fields})")?;
            }
            Some(Selection::DpHash { param }) => {
                write!(f, ",selection_method=dp_hash")?;
                selection_param(f, *param)?;
            }
            Some(Selection::Hash { param, fields }) => {
                write!(f, ",selection_method=hash")?;
                selection_param(f, *param)?;
                if !fields.is_empty() {
                    f.write_str(",fields(")?;
                    let mut list = Commas::new(f);
                    for (field, mask) in fields {
                        if *mask == field.all_ones() {
                            list.item(format_args!("{}", field.name()))?;
                        } else {
                            let mask = Masked(Entry {
                                field: *field,
                                value: *mask,
                                mask: field.all_ones(),
                            });
                            list.item(format_args!("{}={mask}", field.name()))?;
                        }
                    }
                    f.write_str(")")?;
                }
            }
        }
        self.buckets
            .iter()
            .try_for_each(|bucket| write!(f, ",{bucket}"))
    }
}

fn selection_param(f: &mut Formatter<'_>, param: u64) -> fmt::Result {
    if param == 0 {
        Ok(())
    } else {
        write!(f, ",selection_method_param={param}")
    }
}

impl Display for Meter {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "meter={}", self.id)?;
        for (bit, name) in [
            (meter::KBPS, "kbps"),
            (meter::PACKETS, "pktps"),
            (meter::BURST, "burst"),
            (meter::STATS, "stats"),
        ] {
            if self.flags & bit != 0 {
                write!(f, ",{name}")?;
            }
        }
        for (at, band) in self.bands.iter().enumerate() {
            f.write_str(if at == 0 { ",bands=" } else { "," })?;
            let (kind, rate, burst) = match band {
                Band::Drop { rate, burst } => ("drop", rate, burst),
                Band::DscpRemark { rate, burst, .. } => ("dscp_remark", rate, burst),
            };
            write!(f, "type={kind},rate={rate}")?;
            if self.flags & meter::BURST != 0 {
                write!(f, ",burst_size={burst}")?;
            }
            if let Band::DscpRemark {
                precedence_levels, ..
            } = band
            {
                write!(f, ",prec_level={precedence_levels}")?;
            }
        }
        Ok(())
    }
}
