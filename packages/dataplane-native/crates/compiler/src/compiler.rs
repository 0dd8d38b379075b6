//! `Compiler`: applies batches, runs the units that read what changed, and keeps what each of them
//! wants. It knows no networking; units and stages do. The engine owns one and calls it from its
//! thread.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use weft_instructions::v1::EngineBatch;
use weft_openflow::{Flow, Group, Meter};

use crate::diff::{self, Delta};
use crate::emit::Output;
use crate::few::Few;
use crate::flow_set::{Before, FlowSet};
use crate::key::Key;
use crate::model::{self, Body};
use crate::reader::Reader;
use crate::services::ServiceTable;
use crate::tables::{Dep, Row, Tables};
use crate::units;

/// What one instruction compiled to.
#[derive(Debug, Default)]
pub(crate) struct Unit {
    pub(crate) output: Output,
    deps: Vec<Dep>,
    /// Why it has no output.
    failure: Option<String>,
    /// Its flows are in the set: nobody with a lower key wants one of them.
    pub(crate) accepted: bool,
}

/// Instructions and everything that follows from them.
#[derive(Debug)]
pub struct Compiler {
    pub(crate) tables: Tables,
    pub(crate) units: HashMap<Key, Unit>,
    readers: HashMap<Dep, Few<Key>>,
    pub(crate) set: FlowSet,
    pub(crate) groups: BTreeMap<u32, Arc<Group>>,
    meters: BTreeMap<u32, Meter>,
    failures: BTreeMap<Key, String>,
}

/// Groups and meters that units lost and got during a batch.
#[derive(Default)]
struct Numbered {
    gone: Vec<Output>,
    come: BTreeSet<Key>,
}

impl Default for Compiler {
    fn default() -> Self {
        Self::new()
    }
}

impl Compiler {
    /// Without instructions: the flows of the pipeline alone.
    pub fn new() -> Self {
        let mut set = FlowSet::default();
        let output = units::pipeline();
        let mut before = Before::new();
        for flow in &output.flows {
            set.want(&Key::Pipeline, flow, &mut before);
        }
        set.accept(&Key::Pipeline, &output.flows, true, &mut before);
        let groups = output.groups.iter();
        let groups = groups.map(|group| (group.id, group.clone())).collect();
        let unit = Unit {
            output,
            accepted: true,
            ..Unit::default()
        };
        Self {
            tables: Tables::default(),
            units: HashMap::from([(Key::Pipeline, unit)]),
            readers: HashMap::new(),
            set,
            groups,
            meters: BTreeMap::new(),
            failures: BTreeMap::new(),
        }
    }

    /// Applies a batch as a whole: dropped scopes first, then deletes, then upserts; of several
    /// upserts of one key the last counts. What cannot be decoded or compiled fails alone and has
    /// no flow.
    pub fn apply(&mut self, batch: &EngineBatch) -> Delta {
        let mut changes: BTreeMap<Key, Option<Row>> = BTreeMap::new();
        if !batch.drop_scopes.is_empty() {
            let dropped = |key: &&Key| batch.drop_scopes.iter().any(|scope| key.in_scope(scope));
            changes.extend(
                self.tables
                    .keys()
                    .filter(dropped)
                    .map(|key| (key.clone(), None)),
            );
        }
        changes.extend(batch.deletes.iter().map(|name| (Key::parse(name), None)));
        for upsert in &batch.upserts {
            let key = Key::parse(&upsert.key);
            let body = model::decode(&key, &upsert.body);
            changes.insert(key, Some(Row::new(&upsert.key, body)));
        }
        let mut dirty = BTreeSet::new();
        let mut touched = Vec::new();
        for (key, row) in changes {
            let deps = self.tables.put(&key, row);
            if !deps.is_empty() {
                touched.extend(deps);
                dirty.insert(key);
            }
        }
        while let Some(dep) = touched.pop() {
            for reader in self.readers_of(&dep) {
                // It was refused for what it was compiled from, and that is another now.
                if self.tables.refused().contains(&reader) {
                    touched.extend(self.tables.refuse(&reader, None));
                }
                dirty.insert(reader);
            }
        }
        self.run(dirty)
    }

    /// The switch refused something that was compiled from this instruction: it fails with this
    /// reason as if it could not be compiled, and what reads it finds it failed. That ends when the
    /// instruction changes or goes, when something changes that it is compiled from, or by
    /// [`Compiler::retry`]. Nothing happens when there is no such instruction.
    pub fn refuse(&mut self, name: &str, reason: &str) -> Delta {
        let key = Key::parse(name);
        let touched = self.tables.refuse(&key, Some(reason.into()));
        self.rerun(BTreeSet::from([key]), &touched)
    }

    /// Forgets all refusals: for a switch that may take what it, or another one, refused before.
    pub fn retry(&mut self) -> Delta {
        let keys = self.tables.refused().clone();
        let touched = keys.iter().flat_map(|key| self.tables.refuse(key, None));
        let touched: Vec<Dep> = touched.collect();
        self.rerun(keys, &touched)
    }

    /// The instructions that the switch refused: key and reason.
    pub fn refused(&self) -> BTreeMap<&str, &str> {
        let rows = (self.tables.refused().iter()).filter_map(|key| self.tables.get(key));
        rows.filter_map(|row| Some((&*row.name, row.refused.as_deref()?)))
            .collect()
    }

    /// Runs `keys` and the readers of what was touched.
    fn rerun(&mut self, mut keys: BTreeSet<Key>, touched: &[Dep]) -> Delta {
        keys.extend(touched.iter().flat_map(|dep| self.readers_of(dep)));
        self.run(keys)
    }

    fn readers_of(&self, dep: &Dep) -> Vec<Key> {
        let readers = self.readers.get(dep).into_iter().flat_map(Few::iter);
        readers.cloned().collect()
    }

    /// Runs units again and settles who has which flow.
    fn run(&mut self, dirty: BTreeSet<Key>) -> Delta {
        let mut before = Before::new();
        let mut numbered = Numbered::default();
        let mut unsettled = BTreeSet::new();
        let mut failures_changed = false;
        for key in dirty {
            if self.recompile(&key, &mut before, &mut numbered, &mut unsettled) {
                unsettled.insert(key);
            }
        }
        // Lowest key first; settling one can only unsettle higher ones.
        while let Some(key) = unsettled.pop_first() {
            let (rivals, changed) = self.settle(&key, &mut before, &mut numbered);
            unsettled.extend(rivals);
            failures_changed |= changed;
        }
        let (groups, meters) = self.renumber(numbered);
        Delta {
            flows: diff::flows(before, &self.set),
            groups,
            meters,
            failures_changed,
        }
    }

    /// Compiles one key anew; true when anything of its unit differs.
    fn recompile(
        &mut self,
        key: &Key,
        before: &mut Before,
        numbered: &mut Numbered,
        unsettled: &mut BTreeSet<Key>,
    ) -> bool {
        let fresh = self.compile(key);
        let old = self.units.remove(key).unwrap_or_default();
        self.register(key, &old.deps, &fresh.deps);
        if old.output == fresh.output && old.failure == fresh.failure && old.accepted {
            self.units.insert(
                key.clone(),
                Unit {
                    deps: fresh.deps,
                    ..old
                },
            );
            return false;
        }
        unsettled.extend(self.set.rivals(key, &old.output.flows));
        for flow in &old.output.flows {
            self.set.unwant(key, flow, before);
        }
        if old.accepted {
            numbered.gone.push(old.output);
        }
        for flow in &fresh.output.flows {
            self.set.want(key, flow, before);
        }
        if self.tables.get(key).is_some() {
            self.units.insert(key.clone(), fresh);
        }
        true
    }

    /// Runs the unit of a key; a key without instruction gives an empty one.
    fn compile(&self, key: &Key) -> Unit {
        let reader = Reader::new(&self.tables);
        let row = self.tables.get(key);
        let result = match row.map(|row| &row.body) {
            Some(Ok(body)) => units::compile(key, body, &reader),
            Some(Err(reason)) => Err(reason.clone()),
            None => Ok(Output::default()),
        };
        // Compiled all the same, for what it reads: a change of that ends the refusal.
        let result = match row.and_then(|row| row.refused.clone()) {
            Some(reason) => Err(reason),
            None => result,
        };
        let deps = reader.into_deps();
        match result {
            Ok(output) => Unit {
                output,
                deps,
                ..Unit::default()
            },
            Err(reason) => Unit {
                deps,
                failure: Some(reason),
                ..Unit::default()
            },
        }
    }

    fn register(&mut self, key: &Key, old: &[Dep], new: &[Dep]) {
        if old == new {
            return;
        }
        for dep in old {
            if let Some(readers) = self.readers.get_mut(dep) {
                readers.remove(key);
                if readers.is_empty() {
                    self.readers.remove(dep);
                }
            }
        }
        for dep in new {
            self.readers.entry(dep.clone()).or_default().insert(key);
        }
    }

    /// Decides whether a unit has its flows; answers who has to be looked at again because of it,
    /// and whether a failure came, went or changed.
    fn settle(
        &mut self,
        key: &Key,
        before: &mut Before,
        numbered: &mut Numbered,
    ) -> (BTreeSet<Key>, bool) {
        let Some(unit) = self.units.get_mut(key) else {
            return (BTreeSet::new(), self.failures.remove(key).is_some());
        };
        let beaten = self.set.beaten_by(key, &unit.output.flows);
        let conflict = beaten.map(|(winner, flow)| conflict(&self.tables, winner, flow));
        let failure = unit.failure.clone().or(conflict);
        let accepted = failure.is_none();
        let rivals = if accepted == unit.accepted {
            BTreeSet::new()
        } else {
            unit.accepted = accepted;
            if accepted {
                numbered.come.insert(key.clone());
            } else {
                numbered.come.remove(key);
                numbered.gone.push(unit.output.clone());
            }
            self.set.accept(key, &unit.output.flows, accepted, before)
        };
        let changed = match failure {
            Some(reason) => self.failures.insert(key.clone(), reason.clone()) != Some(reason),
            None => self.failures.remove(key).is_some(),
        };
        (rivals, changed)
    }

    /// Brings groups and meters up to date: what went first, since a number may go from unit to
    /// unit.
    fn renumber(
        &mut self,
        numbered: Numbered,
    ) -> (diff::Changes<Arc<Group>>, diff::Changes<Meter>) {
        let mut groups = BTreeMap::new();
        let mut meters = BTreeMap::new();
        for output in numbered.gone {
            for group in output.groups {
                let old = self.groups.remove(&group.id);
                groups.entry(group.id).or_insert(old);
            }
            for meter in output.meters {
                let old = self.meters.remove(&meter.id);
                meters.entry(meter.id).or_insert(old);
            }
        }
        let come = numbered.come.iter().filter_map(|key| self.units.get(key));
        for output in come.map(|unit| &unit.output) {
            for group in &output.groups {
                let old = self.groups.insert(group.id, group.clone());
                groups.entry(group.id).or_insert(old);
            }
            for meter in &output.meters {
                let old = self.meters.insert(meter.id, meter.clone());
                meters.entry(meter.id).or_insert(old);
            }
        }
        (
            diff::numbered(groups, &self.groups),
            diff::numbered(meters, &self.meters),
        )
    }

    /// All instructions that fail now: key and reason.
    pub fn failures(&self) -> BTreeMap<&str, &str> {
        let named = |(key, reason)| Some((name_of(&self.tables, key)?, String::as_str(reason)));
        self.failures.iter().filter_map(named).collect()
    }

    /// All flows that belong in the switch.
    pub fn flow_set(&self) -> &FlowSet {
        &self.set
    }

    /// A group that belongs in the switch.
    pub fn group(&self, id: u32) -> Option<&Arc<Group>> {
        self.groups.get(&id)
    }

    /// A meter that belongs in the switch.
    pub fn meter(&self, id: u32) -> Option<&Meter> {
        self.meters.get(&id)
    }

    /// All groups that belong in the switch, by number.
    pub fn groups(&self) -> impl ExactSizeIterator<Item = &Arc<Group>> {
        self.groups.values()
    }

    /// All meters that belong in the switch, by number.
    pub fn meters(&self) -> impl ExactSizeIterator<Item = &Meter> {
        self.meters.values()
    }

    /// What packet services need to know of ports and addresses.
    pub fn service_table(&self) -> ServiceTable<'_> {
        ServiceTable::new(&self.tables)
    }

    /// Our own chassis key, once central has told.
    pub fn chassis_key(&self) -> Option<u32> {
        match self.tables.get(&Key::Config).map(|row| &row.body) {
            Some(Ok(Body::Config { chassis_key })) => Some(*chassis_key),
            _ => None,
        }
    }
}

pub(crate) fn name_of<'a>(tables: &'a Tables, key: &Key) -> Option<&'a str> {
    tables.get(key).map(|row| &*row.name)
}

fn conflict(tables: &Tables, winner: &Key, flow: &Flow) -> String {
    format!(
        "{} already has the flow table={},priority={},{}: \
         change the MAC, address, destination or port of one of them",
        name_of(tables, winner).unwrap_or("the pipeline"),
        flow.table,
        flow.priority,
        flow.matching
    )
}
