//! bcrypt in parts: one check takes from milliseconds to seconds of processor time, and a unit's quota is for the whole of it.

use super::super::{budget::Budget, quota};
use base64::{
    Engine,
    alphabet::BCRYPT,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use blowfish::Blowfish;
use std::{sync::OnceLock, time::Duration};

/// As hashes have it. The last bits of a hash are of no byte.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &BCRYPT,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(true),
);

/// Where the digest is in `$2b$10$` and 22 characters of salt.
const DIGEST_AT: usize = 29;

/// Bytes of a digest that are kept.
const KEPT: usize = 23;

/// Bytes of a password that count.
const COUNTED: usize = 72;

/// `OrpheanBeholderScryDoubt`
const TEXT: [u32; 6] = [0x4f72_7068, 0x6561_6e42, 0x6568_6f6c, 0x6465_7253, 0x6372_7944, 0x6f75_6274];

/// Rounds between two readings of the clock: about a millisecond.
const ROUNDS: u64 = 16;

/// How long one check may take, by the quota alone.
pub(super) const LONGEST: Duration = Duration::from_secs(5);

/// Whether `password` is the one of `hash`; takes its processor time from `budget`, and blocks this thread until there is
/// enough of it.
pub(super) fn verify(password: &[u8], hash: &str, budget: &Budget) -> bool {
    let Ok(parts) = hash.parse::<bcrypt::HashParts>() else { return false };
    let Some(digest) = hash.get(DIGEST_AT..).and_then(|digest| BASE64.decode(digest).ok()) else { return false };
    let mut work = Work::new(parts.get_cost(), parts.get_salt_raw(), password);
    budget.in_parts(|| work.goes_on());
    let found = work.digest();
    // In the same time, wherever they differ.
    digest.len() == KEPT && digest.iter().zip(found).fold(0, |differing, (one, other)| differing | (one ^ other)) == 0
}

/// One check that is under way.
struct Work {
    state: Blowfish,
    salt: [u8; 16],
    key: Vec<u8>,
    rounds: u64,
}

impl Work {
    fn new(cost: u32, salt: [u8; 16], password: &[u8]) -> Self {
        let mut key = password.to_vec();
        key.push(0);
        key.truncate(COUNTED);
        let mut state = Blowfish::bc_init_state();
        state.salted_expand_key(&salt, &key);
        Self { state, salt, key, rounds: 1_u64.checked_shl(cost).unwrap_or(0) }
    }

    /// A few rounds more; whether those were the last.
    fn goes_on(&mut self) -> bool {
        for _ in 0..ROUNDS.min(self.rounds) {
            self.state.bc_expand_key(&self.key);
            self.state.bc_expand_key(&self.salt);
        }
        self.rounds = self.rounds.saturating_sub(ROUNDS);
        self.rounds == 0
    }

    fn digest(&self) -> Vec<u8> {
        let mut text = TEXT;
        for pair in text.as_chunks_mut::<2>().0 {
            for _ in 0..64 {
                *pair = self.state.bc_encrypt(*pair);
            }
        }
        text.iter().flat_map(|word| word.to_be_bytes()).take(KEPT).collect()
    }
}

/// Why a check of this cost would take too long, if it would: at the quota of this process, on this machine.
pub(super) fn takes_too_long(cost: u32) -> Option<String> {
    too_long(cost, cheapest(), quota::processors())
}

fn too_long(cost: u32, cheapest: Duration, processors: f64) -> Option<String> {
    let takes = |cost: u32| cheapest.mul_f64(2_f64.powi(cost.saturating_sub(CHEAPEST).cast_signed()));
    let longest = LONGEST.mul_f64(processors);
    let highest = (CHEAPEST..=cost).take_while(|cost| takes(*cost) <= longest).last().unwrap_or(CHEAPEST);
    (takes(cost) > longest).then(|| {
        let (needs, percent) = (takes(cost).as_secs_f64(), processors * 100.0);
        format!(
            "a cost of {cost} takes {needs:.2} s of processor time for each password, and {percent:.0} % of a processor, which onnet has, \
             take {:.0} s for that; at most {} s are allowed: use a cost of {highest}",
            needs / processors,
            LONGEST.as_secs(),
        )
    })
}

/// The lowest cost there is.
const CHEAPEST: u32 = 4;

/// The processor time of a check of the lowest cost on this machine, measured once.
fn cheapest() -> Duration {
    static MEASURED: OnceLock<Duration> = OnceLock::new();
    *MEASURED.get_or_init(|| {
        let mut work = Work::new(CHEAPEST + DOUBLED, [0; 16], b"password");
        let began = super::super::budget::used();
        while !work.goes_on() {}
        super::super::budget::used().saturating_sub(began) / (1 << DOUBLED)
    })
}

/// A measurement is of so many times two: a few milliseconds.
const DOUBLED: u32 = 2;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn it_agrees_with_bcrypt() {
        let budget = Budget::new(1.0);
        let long = "x".repeat(100);
        for password in ["", "secret", "p\u{e4}ss w\u{f6}rd", &long[..71], &long[..72], &long] {
            for cost in [4, 5, 7] {
                let hash = bcrypt::hash(password, cost).unwrap();
                assert!(verify(password.as_bytes(), &hash, &budget), "{password}");
                assert!(bcrypt::verify(password, &hash).unwrap());
                let other = format!("{}y", password.get(..40).unwrap_or(password));
                assert!(!verify(other.as_bytes(), &hash, &budget), "{password}");
            }
        }
        // htpasswd and others write other versions of the same.
        let hash = "$2a$06$DCq7YPn5Rq63x1Lad4cll.TV4S6ytwfsfvkgY8jIucDrjc8deX1s.";
        assert!(verify(b"", hash, &budget) && verify(b"", &hash.replace("$2a", "$2y"), &budget));
        assert!(!verify(b"", "$2b$06$short", &budget) && !verify(b"", "", &budget));
    }

    #[test]
    fn a_cost_is_refused_with_the_figure() {
        let cheapest = Duration::from_millis(1);
        // 64 ms at 5 % take 1.3 s, 256 ms 5.1 s.
        assert_eq!(too_long(10, cheapest, 0.05), None);
        assert_eq!(too_long(11, cheapest, 0.05), None);
        let refused = too_long(12, cheapest, 0.05).unwrap();
        for part in ["a cost of 12 takes 0.26 s", "5 % of a processor", "take 5 s", "use a cost of 11"] {
            assert!(refused.contains(part), "{part}: {refused}");
        }
        assert_eq!(too_long(16, cheapest, 1.0), None);
    }
}
