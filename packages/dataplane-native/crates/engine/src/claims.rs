//! Claims that central was told of, until it answers. They say which claim is news: one of a port that is not
//! the last known to have claimed the address. It decides no owner; central does. Used by `services`; `worker`
//! brings the answers.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};
use weft_compiler::Key;
use weft_compiler::fields::Mac;
use weft_instructions::v1::EngineBatch;

/// Addresses that are remembered. When all are in use, claims of further ones wait: guests repeat themselves.
const MAX_TOLD: usize = 8_192;
/// So long central's answer is awaited; then the claim is told again.
const REPEAT: Duration = Duration::from_secs(1);

/// An address in the network with this key.
type Address = (u32, IpAddr);

/// Who speaks for an address: the key of the port, and the MAC.
pub(crate) type Claimer = (u32, Mac);

/// Of each address the last claim that central was told of and has not answered. Bounded.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    told: HashMap<Address, (Claimer, Instant)>,
}

impl Claims {
    /// Whether central is to be told now; `owner` is whom it names. What comes after an answer, or after another
    /// port's claim, is news however soon it comes: the last claim has the address.
    pub(crate) fn is_news(
        &mut self,
        address: Address,
        claimer: Claimer,
        owner: Option<Claimer>,
        now: Instant,
    ) -> bool {
        let is_recent = |at: Instant| now.saturating_duration_since(at) < REPEAT;
        let told = self.told.get(&address);
        let is_owner = owner == Some(claimer);
        let is_known = match told {
            Some(&(last, at)) if last == claimer => is_owner || is_recent(at),
            Some(_) => false,
            None => is_owner,
        };
        if is_known {
            return false;
        }
        if told.is_none() && self.told.len() >= MAX_TOLD {
            self.told.retain(|_, told| is_recent(told.1));
            if self.told.len() >= MAX_TOLD {
                return false;
            }
        }
        self.told.insert(address, (claimer, now));
        true
    }

    /// Forgets what the batch answers: whoever it names for an address, or nobody, spoke later.
    pub(crate) fn heard(&mut self, batch: &EngineBatch) {
        if self.told.is_empty() {
            return;
        }
        let upserts = batch.upserts.iter().map(|upsert| &upsert.key);
        for key in upserts.chain(&batch.deletes) {
            if let Key::Address(network, ip) | Key::WiredAddress(network, ip) = Key::parse(key) {
                self.told.remove(&(network, ip));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: Address = (7, IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 50)));
    const A: Claimer = (101, [2, 0, 0, 0, 0, 1]);
    const B: Claimer = (102, [2, 0, 0, 0, 0, 2]);

    /// {milliseconds, who claims, whom central names, whether it said so since the claim before, news}.
    type Step = (u64, Claimer, Option<Claimer>, bool, bool);

    /// Central names somebody, or takes a name back.
    fn answer() -> EngineBatch {
        EngineBatch {
            deletes: vec![
                "network/7/location/9".into(),
                "network/7/address/0a000032".into(),
            ],
            ..EngineBatch::default()
        }
    }

    #[test]
    fn only_the_claim_of_who_claimed_last_is_no_news() {
        let cases: [&[Step]; 6] = [
            // Repeated, and repeated again when no answer came.
            &[
                (0, A, None, false, true),
                (500, A, None, false, false),
                (1000, A, None, false, true),
            ],
            // Back and forth within a second, before central answers anything.
            &[
                (0, A, None, false, true),
                (100, B, None, false, true),
                (200, A, None, false, true),
                (300, A, None, false, false),
            ],
            // The owner's claim after another one that central has not yet judged.
            &[
                (0, A, Some(A), false, false),
                (100, B, Some(A), false, true),
                (200, A, Some(A), false, true),
            ],
            // The same after long, and central's answers left all as it was: once is enough.
            &[
                (0, B, Some(A), false, true),
                (1500, A, Some(A), false, true),
                (3000, A, Some(A), false, false),
            ],
            // Another chassis' port took it meanwhile.
            &[
                (0, A, Some(B), false, true),
                (100, A, Some(A), true, false),
                (200, A, Some(B), true, true),
            ],
            // An answer that is older than the claim only makes it be told once more.
            &[(0, A, None, false, true), (100, A, Some(B), true, true)],
        ];
        for case in cases {
            let (mut claims, start) = (Claims::default(), Instant::now());
            for &(ms, claimer, owner, answered, news) in case {
                if answered {
                    claims.heard(&answer());
                }
                let now = start + Duration::from_millis(ms);
                let found = claims.is_news(ADDRESS, claimer, owner, now);
                assert_eq!(found, news, "after {ms} ms in {case:?}");
            }
        }
    }

    #[test]
    fn answers_come_for_overlays_and_for_what_ports_here_claimed_on_the_wire() {
        // {key, whether a claim within the second after it is news again}
        let cases = [
            ("network/7/address/0a000032", true),
            ("chassis/c1/address/7/0a000032", true),
            ("network/8/address/0a000032", false),
            ("chassis/c1/address/7/0a000033", false),
            ("router/4/claimed/7/0a000032", false),
        ];
        for (key, news) in cases {
            let (mut claims, now) = (Claims::default(), Instant::now());
            assert!(claims.is_news(ADDRESS, A, None, now));
            claims.heard(&EngineBatch {
                deletes: vec![key.into()],
                ..EngineBatch::default()
            });
            assert_eq!(claims.is_news(ADDRESS, A, None, now), news, "{key}");
        }
    }

    #[test]
    fn another_mac_of_a_port_and_another_network_are_news() {
        let (mut claims, now) = (Claims::default(), Instant::now());
        assert!(claims.is_news(ADDRESS, A, None, now));
        assert!(claims.is_news((8, ADDRESS.1), A, None, now));
        assert!(claims.is_news(ADDRESS, (A.0, B.1), None, now));
        assert!(!claims.is_news((8, ADDRESS.1), A, None, now));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (mut claims, now) = (Claims::default(), Instant::now());
        let address = |n: u32| (7, IpAddr::from(n.to_be_bytes()));
        let most = u32::try_from(MAX_TOLD).expect("small");
        let news = (0..2 * most).filter(|&n| claims.is_news(address(n), A, None, now));
        assert_eq!(news.count(), MAX_TOLD);
        assert!(
            claims.is_news(address(0), B, None, now),
            "an address that is there needs no room"
        );
        assert!(
            claims.is_news(address(most), A, None, now + REPEAT),
            "old ones make room"
        );
        assert_eq!(claims.told.len(), 1);
    }
}
