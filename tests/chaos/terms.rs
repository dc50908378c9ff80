//! The settings of a call: limits of time, tries, and how it is taken back.

use std::time::Duration;

use pool_runtime::{CancelToken, Error, ErrorKind, Job, Task};
use pool_tests::fault::Fault;
use pool_tests::rng::Rng;

use crate::deeds::Deed;

/// What a call asks for; without any, nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Terms {
    /// How long an item may run.
    pub(crate) timeout: Option<Duration>,
    /// How long the call may take.
    pub(crate) deadline: Option<Duration>,
    /// How often an item is tried again, unless the rule says no.
    retries: u32,
    rule: Option<Rule>,
    backoff: bool,
    /// What takes back all calls that have it.
    token: Option<CancelToken>,
    /// What runs when the call is taken back may finish.
    pub(crate) spares_running: bool,
}

/// Which failures are tried again, where it is not the library that says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    All,
    None,
    Panics,
    /// The rule itself panics.
    Fails,
}

const RULES: [Rule; 4] = [Rule::All, Rule::None, Rule::Panics, Rule::Fails];

impl Rule {
    /// Whether what failed with this error is tried again.
    fn allows(self, error: &Error) -> bool {
        match self {
            Rule::All => true,
            Rule::None | Rule::Fails => false,
            Rule::Panics => error.kind() == ErrorKind::Panicked,
        }
    }
}

impl Terms {
    /// Some or none of them. The token is the one that all calls of the moment share.
    pub(crate) fn draw(rng: &mut Rng, token: &CancelToken) -> Terms {
        let mut one_in = |n| rng.below(n) == 0;
        let (timed, due, tried, backoff) = (one_in(5), one_in(8), one_in(3), one_in(2));
        let (token, spares_running) = (one_in(5).then(|| token.clone()), one_in(6));
        let ruled = one_in(2);
        let rule = rng.pick(&RULES);
        let mut millis =
            |least, most| Duration::from_millis((least + rng.below(most - least)) as u64);
        Terms {
            // Longer than what ends by itself takes on a machine that is busy.
            timeout: timed.then(|| millis(1000, 2000)),
            deadline: due.then(|| millis(20, 600)),
            retries: if tried { 1 + u32::try_from(rng.below(3)).unwrap() } else { 0 },
            rule: ruled.then_some(rule),
            backoff,
            token,
            spares_running,
        }
    }

    /// How often an item that does this may be tried.
    pub(crate) fn tries(&self, deed: Deed) -> u32 {
        match self.rule {
            Some(Rule::None | Rule::Fails) => 1,
            Some(Rule::Panics) if deed != Deed::Errs(Fault::Panic) => 1,
            _ => 1 + self.retries,
        }
    }

    /// Whether an item that failed with this error is tried again, if it may be.
    pub(crate) fn tries_again(&self, error: &Error) -> bool {
        match self.rule {
            Some(rule) => rule.allows(error),
            None => matches!(error.kind(), ErrorKind::Died | ErrorKind::TimedOut),
        }
    }

    /// Whether something ends items that would not end by themselves.
    pub(crate) fn ends_items(&self) -> bool {
        !self.spares_running && (self.timeout.is_some() || self.deadline.is_some())
    }

    /// Whether somebody else has taken the call back.
    pub(crate) fn is_taken_back(&self) -> bool {
        self.token.as_ref().is_some_and(CancelToken::is_cancelled)
    }

    pub(crate) fn set_on<'pool, T: Task>(&self, mut job: Job<'pool, T>) -> Job<'pool, T> {
        if let Some(timeout) = self.timeout {
            job = job.timeout(timeout);
        }
        if let Some(deadline) = self.deadline {
            job = job.deadline(deadline);
        }
        if self.retries > 0 {
            job = job.retries(self.retries);
        }
        if let Some(rule) = self.rule {
            job = job.retry_if(move |error| match rule {
                // Without a word: panics are printed else.
                Rule::Fails => std::panic::resume_unwind(Box::new(())),
                rule => rule.allows(error),
            });
        }
        if self.backoff {
            job = job.backoff(Duration::from_millis(1), Duration::from_millis(10));
        }
        if let Some(token) = &self.token {
            job = job.cancel_token(token);
        }
        if self.spares_running {
            job = job.cancel_running(false);
        }
        job
    }
}
