//! How often a port may make the engine work: a token bucket for each port and kind of work.
//! The port's meter in the switch comes first; this one holds whatever the switch lets through.
//! Called by `services` and `routing`.

use std::collections::HashMap;
use std::time::Instant;

/// Buckets that are kept; beyond, the one that was longest not asked goes.
const MAX_BUCKETS: usize = 32_768;

/// A kind of work. The number beside it is the port's: ofport or port key, whichever the kind knows; 0: not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Limit {
    /// Of an ofport: neighbour solicitations to answer.
    Answers,
    /// Of an ofport: addresses that are claimed.
    Claims,
    /// Of a port key: ICMP errors about its packets.
    Errors,
    /// Of a port key: packets to hosts that must be asked for.
    Questions,
}

impl Limit {
    /// So many in a second, and at once after a pause.
    const fn rate(self) -> f64 {
        match self {
            Limit::Answers => 200.0,
            Limit::Claims => 10.0,
            Limit::Errors | Limit::Questions => 20.0,
        }
    }
}

/// A token bucket.
#[derive(Debug)]
struct Bucket {
    tokens: f64,
    filled: Instant,
}

impl Bucket {
    /// Takes a token if there is one; `size` come in a second, and are kept at most.
    fn take(&mut self, size: f64, now: Instant) -> bool {
        let elapsed = now.saturating_duration_since(self.filled).as_secs_f64();
        self.tokens = (self.tokens + elapsed * size).min(size);
        self.filled = now;
        let granted = self.tokens >= 1.0;
        if granted {
            self.tokens -= 1.0;
        }
        granted
    }
}

/// The buckets of all ports that asked.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    buckets: HashMap<(Limit, u32), Bucket>,
}

impl Limits {
    /// Whether the port may have one more now.
    pub(crate) fn allow(&mut self, limit: Limit, port: u32, now: Instant) -> bool {
        let key = (limit, port);
        if self.buckets.len() >= MAX_BUCKETS && !self.buckets.contains_key(&key) {
            let oldest = self.buckets.iter().min_by_key(|(_, bucket)| bucket.filled);
            if let Some(oldest) = oldest.map(|(&key, _)| key) {
                self.buckets.remove(&oldest);
            }
        }
        let fresh = || Bucket {
            tokens: limit.rate(),
            filled: now,
        };
        let bucket = self.buckets.entry(key).or_insert_with(fresh);
        bucket.take(limit.rate(), now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_port_gets_its_burst_and_then_its_rate() {
        let mut limits = Limits::default();
        let start = Instant::now();
        let granted = |limits: &mut Limits, at| {
            (0..1000)
                .filter(|_| limits.allow(Limit::Claims, 3, at))
                .count()
        };
        assert_eq!(granted(&mut limits, start), 10);
        assert_eq!(granted(&mut limits, start + Duration::from_millis(500)), 5);
        assert!(
            limits.allow(Limit::Claims, 4, start),
            "another port has its own"
        );
        assert!(
            limits.allow(Limit::Errors, 3, start),
            "another kind has its own"
        );
    }

    #[test]
    fn the_table_is_bounded() {
        let mut limits = Limits::default();
        let start = Instant::now();
        let max = u32::try_from(MAX_BUCKETS).unwrap();
        for port in 0..max + 3 {
            let at = start + Duration::from_micros(u64::from(port));
            assert!(limits.allow(Limit::Answers, port, at));
        }
        assert_eq!(limits.buckets.len(), MAX_BUCKETS);
        assert!(
            !limits.buckets.contains_key(&(Limit::Answers, 0)),
            "the oldest goes"
        );
        assert!(limits.buckets.contains_key(&(Limit::Answers, max)));
    }
}
