//! `FlowSet`: every flow that any unit wants, who wants it, and which unit has it.
//! It knows no instructions beyond their keys' order. Used by `Compiler::apply`, iterated by the
//! engine's resync.
//!
//! Two units may want the same (table, priority, match). A unit is *accepted* when none of its
//! identities is wanted by an accepted unit with a lower key; only accepted units have flows.
//! Acceptance looks only at lower keys, so it does not depend on history, and one pass in key order
//! settles any change.

use std::collections::{BTreeSet, HashMap};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use smallvec::SmallVec;
use weft_openflow::Flow;

use crate::key::Key;

/// A flow under its identity in the switch: table, priority, match.
#[derive(Debug, Clone)]
pub struct ById(pub Arc<Flow>);

impl PartialEq for ById {
    fn eq(&self, other: &Self) -> bool {
        let (a, b) = (&*self.0, &*other.0);
        a.table == b.table && a.priority == b.priority && a.matching == b.matching
    }
}

impl Eq for ById {}

impl Hash for ById {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.0.table, self.0.priority).hash(state);
        self.0.matching.hash(state);
    }
}

/// One unit's wish for an identity. `has`: it is in the switch.
#[derive(Debug)]
struct Claim {
    unit: Key,
    flow: Arc<Flow>,
    has: bool,
}

/// The flows that are wanted and who has them.
#[derive(Debug, Default)]
pub struct FlowSet {
    /// The key's flow is any claimant's: only its identity counts. Claims are in key order.
    claims: HashMap<ById, SmallVec<[Claim; 1]>>,
    /// Number of identities that somebody has.
    installed: usize,
}

/// What the installed flow of an identity was before a batch.
pub type Before = HashMap<ById, Option<Arc<Flow>>>;

impl FlowSet {
    /// Number of flows that belong in the switch.
    pub fn len(&self) -> usize {
        self.installed
    }

    pub fn is_empty(&self) -> bool {
        self.installed == 0
    }

    /// The flows that belong in the switch, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Flow>> {
        self.claims.values().filter_map(|claims| has(claims))
    }

    /// The flow of an identity.
    pub fn get(&self, identity: &ById) -> Option<&Arc<Flow>> {
        self.claims.get(identity).and_then(|claims| has(claims))
    }

    /// Whose flow it is.
    pub(crate) fn owner(&self, identity: &ById) -> Option<&Key> {
        let claims = self.claims.get(identity)?;
        let owner = claims.iter().find(|claim| claim.has)?;
        Some(&owner.unit)
    }

    /// Adds a unit's wish, without the flow itself.
    pub(crate) fn want(&mut self, unit: &Key, flow: &Arc<Flow>, before: &mut Before) {
        let identity = ById(flow.clone());
        let claims = self.claims.entry(identity).or_default();
        remember(flow, claims, before);
        let at = claims.partition_point(|claim| claim.unit < *unit);
        claims.insert(
            at,
            Claim {
                unit: unit.clone(),
                flow: flow.clone(),
                has: false,
            },
        );
    }

    /// Removes a unit's wish.
    pub(crate) fn unwant(&mut self, unit: &Key, flow: &Arc<Flow>, before: &mut Before) {
        let identity = ById(flow.clone());
        let Some(claims) = self.claims.get_mut(&identity) else {
            return;
        };
        remember(flow, claims, before);
        claims.retain(|claim| {
            let gone = claim.unit == *unit;
            self.installed -= usize::from(gone && claim.has);
            !gone
        });
        if claims.is_empty() {
            self.claims.remove(&identity);
        }
    }

    /// Whether an accepted unit with a lower key has one of these identities: its key and the flow.
    pub(crate) fn beaten_by(&self, unit: &Key, flows: &[Arc<Flow>]) -> Option<(&Key, &Arc<Flow>)> {
        flows.iter().find_map(|flow| {
            let claims = self.claims.get(&ById(flow.clone()))?;
            let winner = claims
                .iter()
                .find(|claim| claim.has && claim.unit < *unit)?;
            Some((&winner.unit, &winner.flow))
        })
    }

    /// Gives the unit its flows or takes them; answers the units with higher keys that want one of
    /// them.
    pub(crate) fn accept(
        &mut self,
        unit: &Key,
        flows: &[Arc<Flow>],
        accepted: bool,
        before: &mut Before,
    ) -> BTreeSet<Key> {
        let mut rivals = BTreeSet::new();
        for flow in flows {
            let Some(claims) = self.claims.get_mut(&ById(flow.clone())) else {
                continue;
            };
            remember(flow, claims, before);
            for claim in claims.iter_mut() {
                if claim.unit == *unit && claim.has != accepted {
                    claim.has = accepted;
                    if accepted {
                        self.installed += 1;
                    } else {
                        self.installed -= 1;
                    }
                } else if claim.unit > *unit {
                    rivals.insert(claim.unit.clone());
                }
            }
        }
        rivals
    }

    /// The units with higher keys that want one of these flows.
    pub(crate) fn rivals(&self, unit: &Key, flows: &[Arc<Flow>]) -> BTreeSet<Key> {
        let claims = flows
            .iter()
            .filter_map(|flow| self.claims.get(&ById(flow.clone())));
        claims
            .flatten()
            .filter(|claim| claim.unit > *unit)
            .map(|c| c.unit.clone())
            .collect()
    }
}

/// At the end of a batch one unit at most has an identity; in between the one with the lowest key
/// counts.
fn has(claims: &SmallVec<[Claim; 1]>) -> Option<&Arc<Flow>> {
    claims
        .iter()
        .find(|claim| claim.has)
        .map(|claim| &claim.flow)
}

fn remember(flow: &Arc<Flow>, claims: &SmallVec<[Claim; 1]>, before: &mut Before) {
    before
        .entry(ById(flow.clone()))
        .or_insert_with(|| has(claims).cloned());
}
