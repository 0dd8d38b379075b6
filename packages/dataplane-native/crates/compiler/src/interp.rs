//! A flow interpreter: runs a packet, as a set of fields, through our own flows and groups.
//! It is an oracle for tests and for what-if questions, not a switch: meters let everything pass,
//! conntrack is not there, packets are fields, not bytes, and the packet says which bucket a group
//! chooses. The tests compare it with `ofproto/trace`.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use weft_openflow::{Action, Bucket, Field, Flow, Group, GroupKind, Instructions, Subfield, port};

/// Nested lookups, as in OVS (`MAX_DEPTH`).
const DEPTH: usize = 64;
/// Lookups of one packet, as in OVS (`MAX_RESUBMITS`).
const LOOKUPS: usize = 4096;

/// A packet with its metadata. A field that is not there is zero.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Packet {
    fields: BTreeMap<Field, u128>,
    /// `vlan_vid` values under the outermost tag, innermost first.
    inner_tags: Vec<u128>,
    /// Bytes from the Ethernet header on; `None`: both ways are gone where it matters, the longer
    /// first, as `ofproto/trace` does.
    pub length: Option<u32>,
    /// The hash by which groups choose: bucket `hash` modulo their number.
    pub hash: u32,
}

impl Packet {
    /// With `field` set; wide registers go to their parts.
    #[must_use]
    pub fn with(mut self, field: Field, value: u128) -> Self {
        self.set(field, value, field.all_ones());
        self
    }

    /// The value of a field.
    pub fn get(&self, field: Field) -> u128 {
        if let Some(parts) = quarters(field) {
            return parts
                .into_iter()
                .fold(0, |bits, part| bits << 32 | self.get(part));
        }
        if let Some((high, low)) = halves(field) {
            return self.get(high) << 32 | self.get(low);
        }
        self.fields.get(&field).copied().unwrap_or(0)
    }

    /// Fields that are not zero.
    pub fn fields(&self) -> impl Iterator<Item = (Field, u128)> + '_ {
        self.fields.iter().map(|(field, value)| (*field, *value))
    }

    fn set(&mut self, field: Field, value: u128, mask: u128) {
        if let Some(parts) = quarters(field) {
            for (shift, part) in [96, 64, 32, 0].into_iter().zip(parts) {
                let low = |bits: u128| bits >> shift & 0xffff_ffff;
                self.set(part, low(value), low(mask));
            }
            return;
        }
        if field == Field::InPort16 {
            self.set(Field::InPort, value, Field::InPort.all_ones());
            return;
        }
        if let Some((high, low)) = halves(field) {
            self.set(high, value >> 32, mask >> 32);
            self.set(low, value & 0xffff_ffff, mask & 0xffff_ffff);
            return;
        }
        let value = self.get(field) & !mask | value & mask;
        if value == 0 {
            self.fields.remove(&field);
        } else {
            self.fields.insert(field, value);
        }
    }

    fn read(&self, bits: Subfield) -> u128 {
        (self.get(bits.field) & bits.mask()) >> bits.ofs
    }

    fn matches(&self, flow: &Flow) -> bool {
        flow.matching
            .entries()
            .all(|entry| self.get(entry.field) & entry.mask == entry.value)
    }
}

/// The two registers of an `xreg`.
fn halves(field: Field) -> Option<(Field, Field)> {
    let number = (field as u8)
        .checked_sub(Field::Xreg0 as u8)
        .filter(|number| *number < 8)?;
    Some((Field::reg(2 * number)?, Field::reg(2 * number + 1)?))
}

/// The four registers of an `xxreg`.
fn quarters(field: Field) -> Option<[Field; 4]> {
    let number = (field as u8)
        .checked_sub(Field::Xxreg0 as u8)
        .filter(|number| *number < 4)?;
    let part = |part| Field::reg(4 * number + part);
    Some([part(0)?, part(1)?, part(2)?, part(3)?])
}

/// One lookup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    pub table: u8,
    /// Priority and cookie of the flow; `None`: no flow matched.
    pub flow: Option<(u16, u64)>,
}

/// What happened to a packet, for who shows its way to people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A lookup inside so many resubmits and buckets; `None`: no flow matched.
    Lookup {
        table: u8,
        depth: usize,
        flow: Option<Arc<Flow>>,
    },
    /// A copy left: its place in [`Trace::outputs`].
    Output(usize),
    /// A copy was not sent back to the port that it came in by.
    Withheld,
    /// Its place in [`Trace::controller`].
    Controller(usize),
    /// A group chose this bucket.
    Bucket { group: u32, bucket: usize },
}

/// What became of a packet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trace {
    /// Lookups, in order.
    pub steps: Vec<Step>,
    /// Copies that left, with the port.
    pub outputs: Vec<(u32, Packet)>,
    /// Copies for the controller, with their userdata.
    pub controller: Vec<(Vec<u8>, Packet)>,
    /// The packet after everything.
    pub last: Packet,
    /// All of it in order, bounded as the lookups are.
    pub events: Vec<Event>,
    /// Why the result cannot be trusted; `None` when it can.
    pub aborted: Option<String>,
}

/// Flows and groups to run packets through.
#[derive(Debug, Default)]
pub struct Switch {
    /// Highest priority first.
    tables: BTreeMap<u8, Vec<Arc<Flow>>>,
    groups: HashMap<u32, Arc<Group>>,
}

impl Switch {
    pub fn new<'a>(
        flows: impl IntoIterator<Item = &'a Arc<Flow>>,
        groups: impl IntoIterator<Item = &'a Arc<Group>>,
    ) -> Self {
        let mut tables: BTreeMap<u8, Vec<Arc<Flow>>> = BTreeMap::new();
        for flow in flows {
            tables.entry(flow.table).or_default().push(flow.clone());
        }
        for flows in tables.values_mut() {
            flows.sort_by(|a, b| {
                b.priority
                    .cmp(&a.priority)
                    .then_with(|| a.matching.cmp(&b.matching))
            });
        }
        let groups = groups
            .into_iter()
            .map(|group| (group.id, group.clone()))
            .collect();
        Self { tables, groups }
    }

    /// Runs a packet from table 0.
    pub fn run(&self, mut packet: Packet) -> Trace {
        let mut trace = Trace::default();
        self.lookup(0, &mut packet, &mut trace, 0);
        trace.last = packet;
        trace
    }

    /// Runs the actions of a packet-out.
    pub fn act(&self, mut packet: Packet, actions: &[Action]) -> Trace {
        let mut trace = Trace::default();
        self.apply((actions, None), &mut packet, &mut trace, 0);
        trace.last = packet;
        trace
    }

    fn lookup(&self, table: u8, packet: &mut Packet, trace: &mut Trace, depth: usize) {
        if depth > DEPTH || trace.steps.len() > LOOKUPS {
            trace.aborted = Some("too many lookups".into());
            return;
        }
        let flows = self.tables.get(&table).into_iter().flatten();
        let flow = flows.into_iter().find(|flow| packet.matches(flow));
        let found = flow.map(|flow| (flow.priority, flow.cookie));
        trace.steps.push(Step { table, flow: found });
        trace.events.push(Event::Lookup {
            table,
            depth,
            flow: flow.cloned(),
        });
        let Some(flow) = flow else { return };
        let Instructions {
            apply,
            clear_actions,
            write,
            write_metadata,
            goto_table,
        } = &flow.instructions;
        if *clear_actions || !write.is_empty() || write_metadata.is_some() {
            trace.aborted = Some("the flow has instructions that are not interpreted".into());
        }
        self.apply((apply, *goto_table), packet, trace, depth);
    }

    /// Runs actions, then the table that follows them.
    fn apply(
        &self,
        (actions, next): (&[Action], Option<u8>),
        packet: &mut Packet,
        trace: &mut Trace,
        depth: usize,
    ) {
        for (at, action) in actions.iter().enumerate() {
            match action {
                Action::Output { port } => output(*port, packet, trace),
                Action::OutputReg { src, .. } => {
                    let port = u32::try_from(packet.read(*src)).unwrap_or(port::ANY);
                    output(port, packet, trace);
                }
                Action::Group { id } => self.group(*id, packet, trace, depth),
                Action::SetField { field, value, mask } => packet.set(*field, *value, *mask),
                Action::Move { src, dst } => {
                    let value = packet.read(*src) << dst.ofs;
                    packet.set(dst.field, value, dst.mask());
                }
                Action::Resubmit { table, .. } => self.lookup(*table, packet, trace, depth + 1),
                Action::Ct(ct) if !ct.commit && ct.actions.is_empty() => {
                    // A copy of the packet goes on in a pass of its own.
                    if let Some(table) = ct.table {
                        self.lookup(table, &mut packet.clone(), trace, depth + 1);
                    }
                }
                Action::PushVlan { .. } => {
                    let outer = packet.get(Field::VlanVid);
                    if outer != 0 {
                        packet.inner_tags.push(outer);
                    }
                    packet.set(Field::VlanVid, 0x1000, Field::VlanVid.all_ones());
                }
                Action::PopVlan => {
                    let inner = packet.inner_tags.pop().unwrap_or(0);
                    packet.set(Field::VlanVid, inner, Field::VlanVid.all_ones());
                }
                Action::Controller(to) => {
                    let place = trace.controller.len();
                    trace.events.push(Event::Controller(place));
                    trace.controller.push((to.userdata.clone(), packet.clone()));
                }
                Action::Clone(actions) => {
                    self.apply((actions, None), &mut packet.clone(), trace, depth + 1);
                }
                Action::DecTtl => {
                    let ttl = packet.get(Field::IpTtl);
                    if ttl <= 1 {
                        return;
                    }
                    packet.set(Field::IpTtl, ttl - 1, Field::IpTtl.all_ones());
                }
                Action::CheckPktLarger {
                    max_bytes,
                    dst,
                    ofs,
                } => {
                    let mark = |packet: &mut Packet, larger: bool| {
                        packet.set(*dst, u128::from(larger) << ofs, 1 << ofs);
                    };
                    if let Some(length) = packet.length {
                        mark(packet, length > u32::from(*max_bytes));
                        continue;
                    }
                    let mut larger = packet.clone();
                    mark(&mut larger, true);
                    let rest = actions.get(at + 1..).unwrap_or_default();
                    self.apply((rest, next), &mut larger, trace, depth);
                    mark(packet, false);
                }
                Action::Meter { .. } | Action::Note(_) => {}
                other => trace.aborted = Some(format!("{other} is not interpreted")),
            }
        }
        if let Some(next) = next {
            self.lookup(next, packet, trace, depth);
        }
    }

    /// Each bucket works on a copy of its own.
    fn group(&self, id: u32, packet: &Packet, trace: &mut Trace, depth: usize) {
        let Some(group) = self.groups.get(&id) else {
            trace.aborted = Some(format!("group {id} is not there"));
            return;
        };
        let run = |bucket: &Bucket, trace: &mut Trace| {
            let actions = (bucket.actions.as_slice(), None);
            self.apply(actions, &mut packet.clone(), trace, depth + 1);
        };
        match group.kind {
            GroupKind::All => group.buckets.iter().for_each(|bucket| run(bucket, trace)),
            GroupKind::Select => {
                let hash = usize::try_from(packet.hash).unwrap_or(0);
                let chosen = hash.checked_rem(group.buckets.len());
                let of = |bucket| Some((bucket, group.buckets.get(bucket)?));
                if let Some((bucket, actions)) = chosen.and_then(of) {
                    trace.events.push(Event::Bucket { group: id, bucket });
                    run(actions, trace);
                }
            }
            _ => trace.aborted = Some(format!("group {id} is of a type not interpreted")),
        }
    }
}

fn output(to: u32, packet: &Packet, trace: &mut Trace) {
    let in_port = u32::try_from(packet.get(Field::InPort)).unwrap_or(port::ANY);
    if to == in_port {
        trace.events.push(Event::Withheld);
        return;
    }
    let to = if to == port::IN_PORT { in_port } else { to };
    trace.events.push(Event::Output(trace.outputs.len()));
    trace.outputs.push((to, packet.clone()));
}
