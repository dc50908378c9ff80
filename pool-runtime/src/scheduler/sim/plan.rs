//! What one life of a pool will be like, drawn before it begins.

use super::super::Config;
use super::caller::Caller;
use super::rng::Rng;
use super::terms::Limits;
use crate::ids::{JobId, Moment};

/// The misfortunes that a world may meet while faults are on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    Death,
    Departure,
    Repeat,
    StaleName,
    Nonsense,
    GoneJob,
    Again,
    /// A process stops, or goes on.
    Halt,
    /// A process is found too old, or too large.
    Age,
}

const TROUBLES: [Trouble; 9] = [
    Trouble::Death,
    Trouble::Departure,
    Trouble::Repeat,
    Trouble::StaleName,
    Trouble::Nonsense,
    Trouble::GoneJob,
    Trouble::Again,
    Trouble::Halt,
    Trouble::Age,
];

#[derive(Debug)]
pub(super) struct Plan {
    pub(super) config: Config,
    /// The step from which there are no faults and no iterator without end.
    pub(super) calm_at: u64,
    pub(super) close_at: Option<u64>,
    pub(super) terminate_at: Option<u64>,
    /// Whether closing takes the owner too long, so that termination follows.
    pub(super) impatient: bool,
    /// How many steps of a thousand are misfortunes.
    pub(super) trouble: u64,
    /// The misfortunes of this world; some worlds have only one kind, so that
    /// no kind hides another.
    pub(super) kinds: Vec<Trouble>,
    /// In percent: processes that cannot be made, never report in, never leave.
    pub(super) stillborn: u64,
    /// Of those that cannot be made: for lack of something.
    pub(super) exhausted: u64,
    pub(super) mute: u64,
    pub(super) clingy: u64,
    /// In percent: processes that do not end when asked; items of jobs with retries
    /// that fail; items that take longer than they may.
    pub(super) stubborn: u64,
    pub(super) flaky: u64,
    pub(super) slow: u64,
    /// How many items a process runs before it retires.
    pub(super) lifespan: Option<u64>,
    /// In percent: how often failed items are judged in the same moment.
    pub(super) prompt: u64,
    /// In percent: how often processes go before callers.
    pub(super) haste: u64,
    /// In percent: how often time passes by more than a moment.
    pub(super) clock: u64,
}

impl Plan {
    pub(super) fn draw(rng: &mut Rng) -> (Self, Vec<Caller>) {
        let single = rng.percent(10);
        let limits = rng.pick(&[Limits::None, Limits::Short, Limits::Short, Limits::Long]);
        let callers = match single {
            true => vec![Caller::single(JobId(0), limits, rng)],
            false => (0..rng.below(6)).map(|job| Caller::draw(JobId(job), limits, rng)).collect(),
        };
        let calm_at = rng.between(20, 400);
        let faulty = rng.percent(90);
        let mut rate = |rates: &[u64]| if faulty { rng.pick(rates) } else { 0 };
        let trouble = rate(&[10, 50, 100, 300]);
        let stillborn = rate(&[0, 0, 0, 0, 5, 5, 20, 60, 100]);
        let exhausted = rate(&[0, 50, 100]);
        let mute = rate(&[0, 0, 0, 0, 5, 20, 60]);
        let clingy = rate(&[0, 0, 0, 0, 5, 20, 60]);
        let stubborn = rate(&[0, 0, 20, 60]);
        let slow = if limits == Limits::None { 0 } else { rate(&[0, 2, 10, 30]) };
        let mut kinds = TROUBLES.to_vec();
        // Who stops for long is waited for: with short limits that takes many looks.
        kinds.retain(|&kind| kind != Trouble::Halt || limits == Limits::Long);
        while kinds.len() > 1 && rng.percent(40) {
            kinds.swap_remove(rng.index(kinds.len()));
        }
        // No timeout at all is fit only for workers that do report in.
        let patient = mute == 0 && rng.percent(10);
        let start_timeout = Moment::from_millis(rng.between(5, 300));
        let config = Config {
            workers: if single { 1 } else { rng.between(1, 8) as usize },
            start_timeout: if patient { Moment::MAX } else { start_timeout },
            stop_grace: Moment::from_millis(rng.between(5, 300)),
            kill_grace: Moment::from_millis(rng.pick(&[0, 0, 1, 30])),
            restart_limit: rng.percent(40).then(|| {
                (rng.below(5) as u32, Moment::from_micros(rng.pick(&[300, 5000, 1 << 20])))
            }),
            replace: !single,
        };
        let moment = |rng: &mut Rng, chance| rng.percent(chance).then(|| rng.below(calm_at));
        let plan = Plan {
            config,
            calm_at,
            close_at: moment(rng, 30),
            terminate_at: moment(rng, 15),
            impatient: rng.percent(20),
            trouble,
            kinds,
            stillborn,
            exhausted,
            mute,
            clingy,
            stubborn,
            flaky: rng.pick(&[0, 20, 60]),
            slow,
            lifespan: rng.percent(15).then(|| rng.between(1, 8)),
            prompt: rng.pick(&[0, 50, 100]),
            haste: rng.between(20, 90),
            clock: rng.pick(&[0, 1, 3, 15]),
        };
        (plan, callers)
    }
}
