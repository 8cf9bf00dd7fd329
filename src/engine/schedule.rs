//! When each source is collected. Pure: the moments and the chance come from outside, so the schedule is tested by table.

use super::{clock::Moment, keep::is_passing};
use crate::model::{BySource, Gap, MaxAge, PERIODS_KEPT, Seconds, Source};
use std::time::Duration;

/// How often each source is collected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Periods(pub BySource<Duration>);

impl Periods {
    /// How often `source` is collected.
    pub fn of(&self, source: Source) -> Duration {
        self.0[source]
    }

    /// How old a fact may be: three of its periods. A collection that may take longer than its period is made as often as it
    /// ends, which then is the period; otherwise what it brought could expire before the next one ended, and with it, say,
    /// the knowledge that a probe failed.
    pub fn max_age(&self, longest_look: Duration) -> MaxAge {
        let of = |source| Seconds::from(self.of(source).max(longest_look).saturating_mul(PERIODS_KEPT));
        MaxAge(BySource::from_fn(of))
    }
}

impl Default for Periods {
    fn default() -> Self {
        Self(BySource::from_fn(Source::period))
    }
}

/// Whether a source is due that was last collected then. One that never was is.
pub fn due(now: Moment, last: Option<Moment>, every: Duration) -> bool {
    last.is_none_or(|last| now.since(last) >= every)
}

/// The shortest time between two collections of a source that changes bring forward. It doubles with each such collection, up to the
/// period, and begins again once a whole period passed without one: a route that flaps does not flood the EC2 API.
const LEAST_GAP: Duration = Duration::from_secs(15);

/// The same where the collection costs no one anything.
const LEAST_LOCAL_GAP: Duration = Duration::from_secs(1);

/// How soon a source is asked again that has not answered yet. It doubles up to the period.
const FIRST_RETRY: Duration = Duration::from_secs(1);

/// What stands for the period of a throttled source that has never answered: until it does there is nothing to say.
const FIRST_PERIOD: Duration = Duration::from_secs(60);

/// For how many of its periods a throttled source is left alone at most.
const MOST_STRETCH: f64 = 9.0;

/// The most periods apart once the source answers again: collected facts do not expire in between.
const STEADY_STRETCH: f64 = 2.5;

/// What each answer leaves of the stretch. Little by little, or a fleet that is too large for the API would be back at once:
/// so it settles at what the API supports, and few requests are throttled, its own or others'.
const EASING: f64 = 0.98;

/// The plan for one source.
#[derive(Clone, Debug)]
struct Plan {
    every: Duration,
    /// The next regular collection; they are whole periods apart.
    regular: Option<Moment>,
    last: Option<Moment>,
    in_flight: bool,
    /// Something changed: collect again, though no sooner than this.
    wanted: Option<Moment>,
    /// How far apart the collections are that changes bring forward, for now.
    gap: Duration,
    brought_forward: Option<Moment>,
    /// Not before this, whatever happens.
    hold: Option<Moment>,
    /// Nothing was collected yet: try again then.
    retry: Option<Moment>,
    failures: u32,
    /// Whether it ever answered.
    answered: bool,
    /// How many periods the regular collections are apart: more than one after the source throttled.
    stretch: f64,
}

/// When each source is collected.
#[derive(Clone, Debug)]
pub struct Schedule {
    plans: BySource<Option<Plan>>,
    /// Where in its period this instance collects, between 0 and 1: chosen once, so that instances do not meet, and the
    /// same for all sources, so that those with equal periods stay together.
    phase: f64,
}

impl Schedule {
    /// `phase` and `splay` are chances between 0 and 1 and a time: the first collections of sources that a fleet shares wait up
    /// to `splay`.
    pub fn new(
        sources: impl IntoIterator<Item = Source>,
        periods: &Periods,
        now: Moment,
        phase: f64,
        splay: Duration,
    ) -> Self {
        let plan = |source| {
            let plan = Plan {
                every: periods.of(source),
                regular: None,
                last: None,
                in_flight: false,
                wanted: None,
                gap: least_gap(source, periods.of(source)),
                brought_forward: None,
                hold: source.is_shared().then(|| now + splay.mul_f64(phase)),
                retry: None,
                failures: 0,
                answered: false,
                stretch: 1.0,
            };
            (source, plan)
        };
        Self { plans: sources.into_iter().map(plan).collect(), phase }
    }

    /// The sources it is for.
    pub fn sources(&self) -> impl Iterator<Item = Source> + '_ {
        self.plans.present().map(|(source, _)| source)
    }

    /// How often `source` is collected; `None` if it is not.
    pub fn every(&self, source: Source) -> Option<Duration> {
        self.plans[source].as_ref().map(|plan| plan.every)
    }

    /// Whether `source` is to be collected now.
    pub fn is_due(&self, now: Moment, source: Source) -> bool {
        self.plans[source].as_ref().is_some_and(|plan| !plan.in_flight && plan.due_at(now) <= now)
    }

    /// Since when `source` has been due; the moment may lie ahead. `None` while a collection is under way.
    pub fn due_at(&self, now: Moment, source: Source) -> Option<Moment> {
        self.plans[source].as_ref().filter(|plan| !plan.in_flight).map(|plan| plan.due_at(now))
    }

    /// Whether a collection of `source` is under way.
    pub fn is_in_flight(&self, source: Source) -> bool {
        self.plans[source].as_ref().is_some_and(|plan| plan.in_flight)
    }

    /// Whether any collection is under way.
    pub fn is_busy(&self) -> bool {
        self.plans.present().any(|(_, plan)| plan.in_flight)
    }

    /// Until when a throttled source is left alone.
    pub fn backing_off_until(&self, now: Moment, source: Source) -> Option<Moment> {
        let plan = self.plans[source].as_ref().filter(|plan| plan.stretch > 1.0)?;
        plan.hold.filter(|until| *until > now)
    }

    /// A collection of `source` begins. It never overlaps another one at the same source.
    pub fn begin(&mut self, now: Moment, source: Source) {
        let phase = self.phase;
        let Some(plan) = self.plans[source].as_mut() else { return };
        if plan.wanted.take().is_some() {
            plan.brought_forward = Some(now);
            plan.gap = plan.gap.saturating_mul(2).min(plan.every.max(least_gap(source, plan.every)));
        } else if due(now, plan.brought_forward, plan.every) {
            plan.gap = least_gap(source, plan.every);
        }
        plan.regular = Some(match plan.regular {
            // The second collection comes after a part of the period only.
            None => now + plan.every.mul_f64(1.0 - phase),
            Some(_) if plan.stretch > 1.0 => now + plan.every.mul_f64(plan.stretch),
            Some(regular) => first_on_grid_after(now, regular, plan.every),
        });
        plan.last = Some(now);
        plan.in_flight = true;
        plan.retry = None;
    }

    /// The collection of `source` ended, and lacks facts for these reasons. `chance` is between 0 and 1.
    pub fn ended(&mut self, now: Moment, source: Source, gaps: &[Gap], chance: f64) {
        if gaps.iter().any(|gap| matches!(gap, Gap::Throttled { .. })) {
            self.throttled(now, source, chance);
        } else if gaps.iter().any(is_passing) {
            self.failed(now, source, chance);
        } else {
            self.answered(source);
        }
    }

    /// The collection of `source` ended with an answer, or with a refusal that asking again would not change.
    pub fn answered(&mut self, source: Source) {
        let Some(plan) = self.plans[source].as_mut() else { return };
        plan.in_flight = false;
        (plan.failures, plan.hold) = (0, None);
        let first = !std::mem::replace(&mut plan.answered, true);
        if plan.stretch > 1.0 {
            // A crowd at the start says nothing of what the API supports later.
            plan.stretch = if first { 1.0 } else { (plan.stretch.min(STEADY_STRETCH) * EASING).max(1.0) };
            plan.regular = plan.last.map(|last| last + plan.every.mul_f64(plan.stretch));
        }
    }

    /// The collection of `source` failed, and nothing is known of it: it is tried again, at first soon.
    pub fn failed(&mut self, now: Moment, source: Source, chance: f64) {
        if let Some(plan) = self.plans[source].as_mut() {
            plan.in_flight = false;
            plan.hold = None;
            let wait = FIRST_RETRY.saturating_mul(1 << plan.failures.min(16)).min(plan.every);
            plan.retry = Some(now + jittered(wait, chance));
            plan.failures = plan.failures.saturating_add(1);
        }
    }

    /// The source asked us to come back later: after its period at the soonest, whatever changes meanwhile, and up to twice
    /// as many periods as before. Full jitter, because other throttled clients come back too.
    pub fn throttled(&mut self, now: Moment, source: Source, chance: f64) {
        if let Some(plan) = self.plans[source].as_mut() {
            plan.in_flight = false;
            plan.stretch = (plan.stretch * 2.0).min(MOST_STRETCH);
            let period = if plan.answered { plan.every } else { plan.every.min(FIRST_PERIOD) };
            let until = now + period.mul_f64(1.0 + (plan.stretch - 1.0) * chance);
            (plan.regular, plan.hold) = (Some(until), Some(until));
        }
    }

    /// Something changed that `source` may know more of: it is collected as soon as its last such collection is long enough ago.
    pub fn bring_forward(&mut self, now: Moment, source: Source) {
        if let Some(plan) = self.plans[source].as_mut() {
            let soonest = plan.last.map_or(now, |last| last + plan.gap);
            plan.wanted = Some(plan.wanted.map_or(soonest, |wanted| wanted.min(soonest)).max(now));
        }
    }

    /// What the last collection of `source` was for is not what there is now: it is collected again at once.
    pub fn at_once(&mut self, now: Moment, source: Source) {
        if let Some(plan) = self.plans[source].as_mut() {
            plan.wanted = Some(now);
        }
    }
}

impl Plan {
    fn due_at(&self, now: Moment) -> Moment {
        let regular = self.regular.unwrap_or(now);
        let soonest = [self.wanted, self.retry].into_iter().flatten().fold(regular, Moment::min);
        self.hold.map_or(soonest, |hold| soonest.max(hold))
    }
}

/// The first moment after `now` that is a whole number of periods after `regular`, which may itself be.
fn first_on_grid_after(now: Moment, regular: Moment, every: Duration) -> Moment {
    if regular > now {
        return regular;
    }
    let periods = now.since(regular).as_nanos() / every.as_nanos().max(1) + 1;
    // More periods than this since the machine started is no case.
    regular + every.saturating_mul(u32::try_from(periods).unwrap_or(u32::MAX))
}

fn least_gap(source: Source, every: Duration) -> Duration {
    let least = if source.is_shared() { LEAST_GAP } else { LEAST_LOCAL_GAP };
    least.min(every / 4)
}

/// Between half and all of `wait`.
fn jittered(wait: Duration, chance: f64) -> Duration {
    wait.mul_f64(0.5 + chance / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    fn at(seconds: u64) -> Moment {
        Moment::after_boot(Duration::from_secs(10_000 + seconds))
    }

    /// When `source` is begun within the next `seconds`, each collection taking no time.
    fn looks(schedule: &mut Schedule, source: Source, from: u64, seconds: u64) -> Vec<u64> {
        let mut begun = Vec::new();
        for second in from..=from + seconds {
            if schedule.is_due(at(second), source) {
                schedule.begin(at(second), source);
                schedule.answered(source);
                begun.push(second);
            }
        }
        begun
    }

    fn schedule(phase: f64, splay: Duration) -> Schedule {
        Schedule::new(Source::ALL.iter().copied(), &Periods::default(), at(0), phase, splay)
    }

    #[test]
    fn a_source_is_due_after_its_period() {
        let cases = [
            (at(0), None, true),
            (at(14), Some(at(0)), false),
            (at(15), Some(at(0)), true),
            (at(900), Some(at(0)), true),
            // A moment that was not yet: a clock that went back would be a defect of the kernel, and no reason to hurry.
            (at(0), Some(at(5)), false),
        ];
        for (now, last, expected) in cases {
            assert_eq!(due(now, last, 15 * S), expected, "{now:?} {last:?}");
        }
    }

    #[test]
    fn the_first_look_is_at_once_and_the_second_at_this_instances_own_phase() {
        assert_eq!(looks(&mut schedule(0.0, Duration::ZERO), Source::Dns, 0, 40), [0, 15, 30]);
        assert_eq!(looks(&mut schedule(0.8, Duration::ZERO), Source::Dns, 0, 40), [0, 3, 18, 33]);
        assert_eq!(looks(&mut schedule(0.8, Duration::ZERO), Source::Ec2, 0, 700), [0, 60, 360, 660]);
    }

    #[test]
    fn instances_that_have_only_just_booted_have_a_phase_of_their_own_too() {
        let boot = Moment::after_boot(S);
        for (phase, second) in [(0.25, 226), (0.5, 151), (0.75, 76)] {
            let mut schedule =
                Schedule::new(Source::ALL.iter().copied(), &Periods::default(), boot, phase, Duration::ZERO);
            schedule.begin(boot, Source::Ec2);
            schedule.answered(Source::Ec2);
            let due = schedule.due_at(boot, Source::Ec2);
            assert_eq!(due, Some(Moment::after_boot(second * S)), "phase {phase}");
        }
    }

    #[test]
    fn instances_that_boot_together_do_not_meet_at_what_they_share() {
        let minute = 60 * S;
        assert_eq!(looks(&mut schedule(0.5, minute), Source::Ec2, 0, 200), [30, 180]);
        assert_eq!(looks(&mut schedule(0.25, minute), Source::ListTables, 0, 100), [15, 60]);
        assert_eq!(looks(&mut schedule(0.5, minute), Source::Kernel, 0, 20), [0, 8], "what is local does not wait");
    }

    #[test]
    fn looks_at_one_source_never_overlap_and_a_slow_one_delays_no_other() {
        let mut schedule = schedule(0.0, Duration::ZERO);
        schedule.begin(at(0), Source::Dns);
        assert!(!schedule.is_due(at(100), Source::Dns));
        assert!(schedule.is_due(at(100), Source::Kernel));
        schedule.answered(Source::Dns);
        assert!(schedule.is_due(at(100), Source::Dns));
        schedule.begin(at(100), Source::Dns);
        schedule.answered(Source::Dns);
        assert_eq!(looks(&mut schedule, Source::Dns, 101, 30), [105, 120], "what was missed is not made up for");
    }

    #[test]
    fn changes_bring_a_look_forward_at_once_and_less_and_less_while_they_go_on() {
        let mut schedule = schedule(0.0, Duration::ZERO);
        assert_eq!(looks(&mut schedule, Source::Ec2, 0, 50), [0]);
        let mut begun = Vec::new();
        for second in 50..650 {
            if second % 3 == 0 {
                schedule.bring_forward(at(second), Source::Ec2);
            }
            begun.extend(looks(&mut schedule, Source::Ec2, second, 0));
        }
        assert_eq!(begun, [51, 81, 141, 261, 300, 600], "gaps of 30, 60 and 120 s, then only the regular looks");
        // A quiet period later the next change counts at once again.
        assert_eq!(looks(&mut schedule, Source::Ec2, 650, 550), [900, 1200]);
        schedule.bring_forward(at(1250), Source::Ec2);
        assert_eq!(looks(&mut schedule, Source::Ec2, 1250, 20), [1250]);
        schedule.bring_forward(at(1271), Source::Ec2);
        assert_eq!(looks(&mut schedule, Source::Ec2, 1271, 20), [1280], "no sooner than 30 s after");
    }

    #[test]
    fn a_change_during_a_look_is_not_lost() {
        let mut schedule = schedule(0.0, Duration::ZERO);
        schedule.begin(at(0), Source::Ec2);
        schedule.bring_forward(at(1), Source::Ec2);
        assert!(!schedule.is_due(at(20), Source::Ec2), "it is still under way");
        schedule.answered(Source::Ec2);
        assert_eq!(looks(&mut schedule, Source::Ec2, 2, 30), [15]);
    }

    /// One whose collection from EC2 at second 0 was answered.
    fn answered_schedule() -> Schedule {
        let mut schedule = schedule(0.0, Duration::ZERO);
        assert_eq!(looks(&mut schedule, Source::Ec2, 0, 0), [0]);
        schedule
    }

    /// When EC2 is collected within so many seconds, if it throttles each time and everything changes all the time.
    fn throttled_looks(schedule: &mut Schedule, chance: f64, seconds: u64) -> Vec<u64> {
        let mut begun = Vec::new();
        for second in 1..=seconds {
            if schedule.is_due(at(second), Source::Ec2) {
                schedule.begin(at(second), Source::Ec2);
                schedule.throttled(at(second), Source::Ec2, chance);
                begun.push(second);
            }
            if !begun.is_empty() {
                schedule.bring_forward(at(second), Source::Ec2);
            }
        }
        begun
    }

    #[test]
    fn a_throttled_source_is_left_alone_longer_each_time_whatever_changes() {
        let cases = [(0.0, [300, 600, 900, 1200]), (0.5, [300, 750, 1500, 2850]), (1.0, [300, 900, 2100, 4500])];
        for (chance, expected) in cases {
            let mut schedule = answered_schedule();
            assert_eq!(throttled_looks(&mut schedule, chance, 4500)[..4], expected, "chance {chance}");
            assert!(schedule.backing_off_until(at(4501), Source::Ec2).is_some());
        }
    }

    #[test]
    fn what_throttled_from_the_start_is_tried_again_within_minutes_and_then_at_its_period() {
        let mut schedule = schedule(0.0, Duration::ZERO);
        assert_eq!(throttled_looks(&mut schedule, 1.0, 1500), [1, 121, 361, 841, 1381], "9 minutes apart at most");
        assert_eq!(looks(&mut schedule, Source::Ec2, 1501, 1100), [1921, 2221, 2521]);
        assert_eq!(schedule.backing_off_until(at(2601), Source::Ec2), None);
    }

    #[test]
    fn what_was_throttled_comes_back_to_its_period_little_by_little_and_its_evidence_does_not_expire() {
        let mut schedule = answered_schedule();
        assert_eq!(throttled_looks(&mut schedule, 1.0, 4500), [300, 900, 2100, 4500]);
        let begun = looks(&mut schedule, Source::Ec2, 4501, 40_000);
        let gaps: Vec<u64> = begun.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert_eq!(begun[0], 7200, "nine periods after the last");
        assert_eq!(gaps[..4], [735, 721, 706, 692]);
        assert!(gaps.windows(2).all(|pair| pair[1] <= pair[0]) && gaps.ends_with(&[300, 300]), "{gaps:?}");
        assert_eq!(schedule.backing_off_until(at(44_501), Source::Ec2), None);
    }

    #[test]
    fn a_change_is_looked_at_again_as_soon_as_the_source_answers() {
        let mut schedule = answered_schedule();
        assert_eq!(throttled_looks(&mut schedule, 0.0, 300), [300]);
        assert_eq!(looks(&mut schedule, Source::Ec2, 301, 400), [600]);
        assert_eq!(schedule.backing_off_until(at(601), Source::Ec2), None);
        assert_eq!(schedule.due_at(at(601), Source::Ec2), Some(at(1188)), "less often for a while");
        schedule.bring_forward(at(701), Source::Ec2);
        assert_eq!(looks(&mut schedule, Source::Ec2, 701, 10), [701]);
    }

    #[test]
    fn what_has_not_answered_yet_is_tried_again_soon_and_then_ever_later() {
        let mut schedule = schedule(0.0, Duration::ZERO);
        let mut begun = Vec::new();
        for second in 0..400 {
            if schedule.is_due(at(second), Source::Imds) {
                schedule.begin(at(second), Source::Imds);
                schedule.failed(at(second), Source::Imds, 1.0);
                begun.push(second);
            }
        }
        // 1, 2, 4, 8, 16 and 32 s apart, with the regular collections between, and at last only these.
        assert_eq!(begun, [0, 1, 3, 7, 15, 31, 60, 120, 180, 240, 300, 360]);
    }

    #[test]
    fn it_is_known_when_a_source_is_due() {
        let mut schedule = schedule(0.0, Duration::ZERO);
        assert_eq!(schedule.due_at(at(0), Source::Imds), Some(at(0)));
        schedule.begin(at(0), Source::Imds);
        assert!(schedule.is_busy());
        assert_eq!(schedule.due_at(at(1), Source::Imds), None);
        schedule.answered(Source::Imds);
        assert!(!schedule.is_busy());
        assert_eq!(schedule.due_at(at(1), Source::Imds), Some(at(60)));
    }

    #[test]
    fn a_fact_counts_for_three_periods() {
        let ten = Duration::from_secs(10);
        assert_eq!(Periods::default().max_age(ten), MaxAge::default());
        let minute = Duration::from_secs(60);
        assert_eq!(
            Periods::default().max_age(minute).of(Source::Health).as_duration(),
            3 * minute,
            "if a collection may take a minute"
        );
    }
}
