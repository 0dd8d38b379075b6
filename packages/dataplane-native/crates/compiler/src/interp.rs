//! A flow interpreter: runs a packet, as a set of fields, through our own flows and groups.
//! It is an oracle for tests and for what-if questions, not a switch: meters let everything pass,
//! conntrack is not there, and packets are fields, not bytes. The tests compare it with
//! `ofproto/trace`.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use weft_openflow::{Action, Field, Flow, Group, GroupKind, Instructions, Subfield, port};

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

/// One lookup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    pub table: u8,
    /// Priority and cookie of the flow; `None`: no flow matched.
    pub flow: Option<(u16, u64)>,
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

    fn lookup(&self, table: u8, packet: &mut Packet, trace: &mut Trace, depth: usize) {
        let mut next = Some(table);
        while let Some(table) = next {
            if depth > DEPTH || trace.steps.len() > LOOKUPS {
                trace.aborted = Some("too many lookups".into());
                return;
            }
            let flows = self.tables.get(&table).into_iter().flatten();
            let flow = flows.into_iter().find(|flow| packet.matches(flow));
            let found = flow.map(|flow| (flow.priority, flow.cookie));
            trace.steps.push(Step { table, flow: found });
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
            self.apply(apply, packet, trace, depth);
            next = *goto_table;
        }
    }

    fn apply(&self, actions: &[Action], packet: &mut Packet, trace: &mut Trace, depth: usize) {
        for action in actions {
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
                    trace.controller.push((to.userdata.clone(), packet.clone()));
                }
                Action::Clone(actions) => {
                    self.apply(actions, &mut packet.clone(), trace, depth + 1);
                }
                Action::Meter { .. } | Action::Note(_) => {}
                other => trace.aborted = Some(format!("{other} is not interpreted")),
            }
        }
    }

    /// Each bucket works on a copy of its own.
    fn group(&self, id: u32, packet: &Packet, trace: &mut Trace, depth: usize) {
        match self.groups.get(&id) {
            Some(group) if group.kind == GroupKind::All => {
                for bucket in &group.buckets {
                    self.apply(&bucket.actions, &mut packet.clone(), trace, depth + 1);
                }
            }
            _ => trace.aborted = Some(format!("group {id} is not there or not of type all")),
        }
    }
}

fn output(to: u32, packet: &Packet, trace: &mut Trace) {
    let in_port = u32::try_from(packet.get(Field::InPort)).unwrap_or(port::ANY);
    if to == port::IN_PORT {
        trace.outputs.push((in_port, packet.clone()));
    } else if to != in_port {
        trace.outputs.push((to, packet.clone()));
    }
}
