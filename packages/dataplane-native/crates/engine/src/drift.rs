//! What others changed: flows by the switch's reports, groups and meters by looking now and then. Owns
//! the suspicions and the pace of repairs; what is wrong goes to `dirty` and is installed as usual.
//! Called by the worker.

use crate::config::MAX_READ_FLOWS;
use crate::error::Lost;
use crate::event::Event;
use crate::program::is_marked;
use crate::work::Item;
use crate::worker::Worker;
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};
use weft_compiler::ById;
use weft_openflow::{Flow, FlowUpdate, MultipartReply};

/// Pause after a repair; doubles while there is always something to repair.
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// Reasons for which the switch removes flows because of another object (OpenFlow 1.5.1 section 7.4.2).
const GROUP_DELETED: u8 = 3;
const METER_DELETED: u8 = 4;

/// Suspicions since the last repair.
#[derive(Debug, Default)]
pub(crate) struct Drift {
    /// Wanted flows that were changed or removed, and unwanted ones under our mark.
    flows: HashSet<ById>,
    /// Groups or meters were touched too.
    objects: bool,
    /// Reports were lost: everything has to be compared.
    everything: bool,
    /// No repair before this.
    not_before: Option<Instant>,
    pause: Duration,
}

impl Drift {
    /// When to repair, if there is something.
    pub(crate) fn due(&self, now: Instant) -> Option<Instant> {
        let pending = !self.flows.is_empty() || self.objects || self.everything;
        pending.then(|| self.not_before.map_or(now, |at| at.max(now)))
    }

    /// A repair was done: two that fight over a flow do so ever more slowly.
    fn repaired(&mut self, now: Instant) {
        let calm = self
            .not_before
            .is_none_or(|before| now >= before + self.pause);
        self.pause = if calm {
            PAUSE_MIN
        } else {
            (self.pause * 2).min(PAUSE_MAX)
        };
        self.not_before = Some(now + self.pause);
    }
}

impl Worker {
    /// Takes the reports of the flow monitor.
    pub(crate) fn flow_updates(&mut self, reply: MultipartReply) {
        let MultipartReply::FlowMonitor(updates) = reply else {
            return;
        };
        for update in updates {
            match update {
                FlowUpdate::Added(flow) | FlowUpdate::Modified(flow) => self.flow_came(flow),
                FlowUpdate::Removed { flow, reason } => self.flow_went(flow, reason),
                FlowUpdate::Resumed => self.drift.everything = true,
                FlowUpdate::Own { .. } | FlowUpdate::Initial(_) | FlowUpdate::Paused => {}
            }
        }
    }

    fn flow_came(&mut self, flow: Flow) {
        let marked = is_marked(&flow);
        let id = ById(Arc::new(flow));
        match self.program.flow(&id) {
            Some(wanted) => {
                // Flags and importance are not reported.
                let same =
                    (wanted.cookie, &wanted.instructions) == (id.0.cookie, &id.0.instructions);
                if !same {
                    self.drift.flows.insert(id);
                }
            }
            // Too many to remember: reading all of them back says no.
            None if self.drift.flows.len() + self.leftovers.flows.len() > MAX_READ_FLOWS => {
                self.drift.everything = true;
            }
            None if marked && self.prune_allowed => {
                self.drift.flows.insert(id);
            }
            None if marked => {
                let flow = Flow::clone(&id.0);
                self.leftovers.flows.insert(id, flow);
            }
            // What somebody put in the place of a leftover is not ours.
            None => {
                self.leftovers.flows.remove(&id);
            }
        }
    }

    fn flow_went(&mut self, flow: Flow, reason: u8) {
        let id = ById(Arc::new(flow));
        if self.program.flow(&id).is_some() {
            self.drift.flows.insert(id);
            self.drift.objects |= matches!(reason, GROUP_DELETED | METER_DELETED);
        } else {
            self.leftovers.flows.remove(&id);
        }
    }

    /// Puts right what is suspected, unless the last repair is too recent. Nothing is dirty before.
    pub(crate) fn repair(&mut self) -> Result<(), Lost> {
        let now = Instant::now();
        if self.drift.due(now).is_none_or(|due| due > now) {
            return Ok(());
        }
        let flows = std::mem::take(&mut self.drift.flows);
        let objects = std::mem::take(&mut self.drift.objects);
        let everything = std::mem::take(&mut self.drift.everything);
        self.drift.repaired(now);
        if everything {
            self.audit()?;
        } else {
            if objects {
                self.compare_objects(&BTreeSet::new())?;
            }
            self.dirty.extend(flows.into_iter().map(Item::Flow));
        }
        self.install_repairs()
    }

    /// Reads groups and meters back, and puts them right.
    pub(crate) fn check_objects(&mut self) -> Result<(), Lost> {
        self.compare_objects(&BTreeSet::new())?;
        if self.prune_allowed {
            self.prune();
        }
        self.next_check = Instant::now() + self.options.check_interval;
        self.install_repairs()
    }

    fn install_repairs(&mut self) -> Result<(), Lost> {
        let repaired = self.dirty.len();
        if repaired == 0 {
            return Ok(());
        }
        self.install()?;
        self.stats.drift_repaired += repaired as u64;
        self.emit(Event::Drift { repaired });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fights_slow_down_and_calm_forgets() {
        let mut drift = Drift::default();
        let mut now = Instant::now();
        let mut pauses = Vec::new();
        for _ in 0..4 {
            drift.repaired(now);
            pauses.push(drift.pause.as_millis());
            now += drift.pause;
        }
        assert_eq!(pauses, [50, 100, 200, 400]);
        drift.repaired(now + Duration::from_secs(5));
        assert_eq!(drift.pause, PAUSE_MIN);
    }

    #[test]
    fn nothing_is_due_without_a_suspicion() {
        let mut drift = Drift::default();
        let now = Instant::now();
        assert_eq!(drift.due(now), None);
        drift.objects = true;
        assert_eq!(drift.due(now), Some(now));
        drift.repaired(now);
        assert_eq!(drift.due(now), Some(now + PAUSE_MIN));
    }
}
