//! The pauses between attempts to connect: doubling, capped, jittered. Owns no timer and no socket.
//! Used by the worker.

use crate::config::RECONNECT_MIN;
use std::time::Duration;

/// The sequence of pauses since the last success.
#[derive(Debug)]
pub(crate) struct Backoff {
    max: Duration,
    next: Duration,
}

impl Backoff {
    pub(crate) fn new(max: Duration) -> Self {
        Self {
            max,
            next: RECONNECT_MIN,
        }
    }

    /// A connection was usable: the next pause is the shortest again.
    pub(crate) fn reset(&mut self) {
        self.next = RECONNECT_MIN;
    }

    /// The next pause. `jitter` in 0..1 takes up to a quarter off it.
    pub(crate) fn pause(&mut self, jitter: f64) -> Duration {
        let full = self.next.min(self.max);
        self.next = (full * 2).min(self.max);
        full.mul_f64(1.0 - 0.25 * jitter.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_to_the_cap_and_start_anew_after_a_success() {
        let mut backoff = Backoff::new(Duration::from_millis(300));
        let millis: Vec<u128> = (0..5).map(|_| backoff.pause(0.0).as_millis()).collect();
        assert_eq!(millis, [50, 100, 200, 300, 300]);
        backoff.reset();
        assert_eq!(backoff.pause(0.0).as_millis(), 50);
    }

    #[test]
    fn jitter_shortens_by_a_quarter_at_most() {
        let pause = |jitter| {
            Backoff::new(Duration::from_secs(1))
                .pause(jitter)
                .as_micros()
        };
        assert_eq!(pause(1.0), 37_500);
        assert!(pause(0.5) < 50_000 && pause(0.5) > 37_500);
    }
}
