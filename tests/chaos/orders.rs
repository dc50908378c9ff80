//! The items of one call: drawn as the library pulls them, and settled once each.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use pool_runtime::{Error, ErrorKind};
use pool_tests::rng::Rng;

use crate::Scene;
use crate::account::Column;
use crate::conditions::Conditions;
use crate::deeds::{self, Answer, Deed, Mood, Order};
use crate::judge::{Cause, Known};
use crate::pools::Shared;
use crate::report::Report;
use crate::terms::Terms;

/// How often an item may have begun, by what is known of it in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fate {
    pub(crate) least: u32,
    pub(crate) most: u32,
}

/// The longest argument and answer: longer than a ring.
const LARGEST: usize = 12 << 20;

/// How a call's items are drawn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Nature {
    pub(crate) count: usize,
    pub(crate) mood: Mood,
    /// How many items may be pulled and not taken, if it is bounded.
    pub(crate) window: Option<usize>,
    /// One in so many items stays until it is killed.
    pub(crate) stays: Option<usize>,
}

/// An item that the library has pulled.
#[derive(Clone, Copy, Debug)]
struct Sent {
    id: u64,
    deed: Deed,
    bytes: usize,
    reply: usize,
    /// Of an item that has an outcome.
    fate: Option<Fate>,
}

/// See the module.
pub(crate) struct Orders<'a> {
    scene: &'a Scene<'a>,
    pub(crate) nature: Nature,
    pub(crate) terms: Terms,
    /// What its workers live under.
    conditions: Conditions,
    /// What the call is called, in what is counted and said.
    pub(crate) name: &'static str,
    since: Instant,
    pool: Option<&'a Shared>,
    first: u64,
    rng: RefCell<Rng>,
    sent: RefCell<Vec<Sent>>,
    taken: Cell<usize>,
    taken_back: Cell<bool>,
}

impl<'a> Orders<'a> {
    /// The items of a call on a pool, or on workers of its own, whose ids begin here.
    pub(crate) fn new(
        scene: &'a Scene<'a>,
        name: &'static str,
        pool: Option<&'a Shared>,
        (nature, terms, conditions): (Nature, Terms, Conditions),
        first: u64,
        seed: u64,
    ) -> Self {
        Orders {
            scene,
            nature,
            terms,
            conditions,
            name,
            since: Instant::now(),
            pool,
            first,
            rng: RefCell::new(Rng::new(seed)),
            sent: RefCell::default(),
            taken: Cell::new(0),
            taken_back: Cell::new(false),
        }
    }

    /// All of them, each drawn when it is asked for.
    pub(crate) fn all(&self) -> impl ExactSizeIterator<Item = Order> {
        (0..self.nature.count).map(|_| self.draw())
    }

    /// The next.
    pub(crate) fn draw(&self) -> Order {
        let mut rng = self.rng.borrow_mut();
        let deed = match self.nature.stays {
            Some(of) if rng.below(of) == 0 => Deed::Stays,
            _ => self.nature.mood.draw(&mut rng, &self.conditions),
        };
        let (bytes, reply) = match self.nature.mood {
            Mood::Brisk => (rng.below(64), rng.below(64)),
            Mood::Tame | Mood::Wild => (length(&mut rng), length(&mut rng)),
        };
        if rng.below(100) == 0 {
            // A source that is slow now and then.
            std::thread::sleep(Duration::from_micros(rng.below(3000) as u64));
        }
        let mut sent = self.sent.borrow_mut();
        let id = self.first + sent.len() as u64;
        sent.push(Sent { id, deed, bytes, reply, fate: None });
        let ahead = sent.len() - self.taken.get();
        assert!(
            self.nature.window.is_none_or(|window| ahead <= window),
            "{}: {ahead} items are pulled and not taken",
            self.show()
        );
        deeds::order(id, deed, self.scene.dir, bytes, reply)
    }

    /// The caller is about to cancel the call.
    pub(crate) fn take_back(&self) {
        self.taken_back.set(true);
    }

    /// An item has its outcome, of which the caller knows the index.
    pub(crate) fn settle(&self, item: usize, outcome: Result<Answer, Error>) {
        self.settle_named(item, Some(item), outcome);
    }

    /// As [`Orders::settle`], of the only item of a call, which errors do not name.
    pub(crate) fn settle_only(&self, outcome: Result<Answer, Error>) {
        match outcome {
            Err(error) if !is_of_an_item(&error) => self.fail(&error),
            outcome => self.settle_named(0, None, outcome),
        }
    }

    fn settle_named(&self, item: usize, named: Option<usize>, outcome: Result<Answer, Error>) {
        self.taken.set(self.taken.get() + 1);
        let mut all = self.sent.borrow_mut();
        assert!(item < all.len(), "{}: an outcome of item {item}", self.show());
        let sent = &mut all[item];
        assert_eq!(sent.fate, None, "{}: item {item} has two outcomes", self.show());
        let tries = self.terms.tries(sent.deed);
        sent.fate = Some(match outcome {
            Ok(answer) => {
                let right = deeds::is_right(&answer, sent.id, sent.bytes, sent.reply);
                assert!(right, "{}: the answer to item {item}, {sent:?}", self.show());
                self.hear(answer.2.as_ref(), sent.deed);
                self.count("right");
                Fate { least: 1, most: tries }
            }
            Err(error) => {
                let cause = self.cause(&error, Some(sent.deed), named);
                self.count("failed");
                let what = match (cause, sent.deed) {
                    (Cause::Item, Deed::Errs(fault)) => format!("items by {fault:?}"),
                    (Cause::Item, Deed::Offends(offence)) => format!("items by {offence:?}"),
                    (cause, _) => format!("items by {cause:?}"),
                };
                self.scene.tally.count(Column::Failures, what);
                self.fate(&error, cause, tries)
            }
        });
    }

    /// A worker that was to report is as it was told to be.
    fn hear(&self, report: Option<&Report>, deed: Deed) {
        assert_eq!(report.is_some(), deed == Deed::Reports, "{}: {deed:?}", self.show());
        if let Some(report) = report {
            let expected = self.conditions.expected(&self.scene.own, &report.name);
            assert_eq!(*report, expected, "{}", self.show());
            self.scene.tally.count(Column::Items, "reported");
        }
    }

    /// Of an item that has failed.
    fn fate(&self, error: &Error, cause: Cause, allowed: u32) -> Fate {
        let tries = error.tries().unwrap_or(1);
        // It was tried as often as it may, or as the rule says.
        let all = cause == Cause::Deadline || tries == allowed || !self.terms.tries_again(error);
        assert!(all && tries <= allowed, "{}: {tries} tries, {error:?}", self.show());
        match cause {
            Cause::Deadline => Fate { least: 0, most: allowed },
            // Unless the test was before it.
            Cause::Item if error.signal() != Some(libc::SIGKILL) => Fate { least: 1, most: tries },
            _ => Fate { least: 0, most: tries },
        }
    }

    /// The call as a whole has all of its results.
    pub(crate) fn settle_all(&self, outcome: Result<Vec<Answer>, Error>) {
        match outcome {
            Ok(answers) => {
                assert_eq!(answers.len(), self.nature.count, "{}", self.show());
                answers.into_iter().enumerate().for_each(|(item, it)| self.settle(item, Ok(it)));
            }
            Err(error) => match error.item() {
                Some(item) => self.settle(item, Err(error)),
                None => self.fail(&error),
            },
        }
    }

    /// The call has failed as a whole.
    pub(crate) fn fail(&self, error: &Error) {
        let cause = self.cause(error, None, None);
        self.scene.tally.count(Column::Failures, format!("calls by {cause:?}"));
        match (cause, self.pool) {
            // There will be another.
            (Cause::PoolEnded, _) => std::thread::sleep(Duration::from_millis(1)),
            (Cause::Refusal | Cause::Famine, Some(shared)) => shared.pool.reset(),
            _ => {}
        }
    }

    /// The call has come to its end, and every item that was pulled has an outcome.
    pub(crate) fn complete(&self) {
        let sent = self.sent.borrow();
        assert_eq!(sent.len(), self.nature.count, "{}", self.show());
        let open = sent.iter().position(|sent| sent.fate.is_none());
        assert_eq!(open, None, "{}: an item without an outcome", self.show());
    }

    /// What became of the items, in order.
    pub(crate) fn into_fates(self) -> Vec<Fate> {
        let sent = self.sent.into_inner();
        let open = sent.iter().filter(|sent| sent.fate.is_none()).count() as u64;
        self.scene.tally.add(Column::Items, format!("{} left", self.name), open);
        let unknown = |sent: &Sent| Fate { least: 0, most: self.terms.tries(sent.deed) };
        sent.iter().map(|sent| sent.fate.unwrap_or_else(|| unknown(sent))).collect()
    }

    fn cause(&self, error: &Error, deed: Option<Deed>, item: Option<usize>) -> Cause {
        let known = Known {
            account: &self.scene.account,
            dir: self.scene.dir,
            conditions: &self.conditions,
            since: self.since,
            deed,
            item,
            pool_ended: self.pool.is_some_and(Shared::is_ended),
            taken_back: self.taken_back.get() || self.terms.is_taken_back(),
            deadline: self.terms.deadline,
            timeout: self.terms.timeout,
        };
        known.explain(error).unwrap_or_else(|why| panic!("{}: {why}", self.show()))
    }

    fn count(&self, what: &str) {
        self.scene.tally.count(Column::Items, format!("{} {what}", self.name));
    }

    fn show(&self) -> String {
        let Orders { name, nature, terms, conditions, first, .. } = self;
        format!("{name} of {nature:?} with {terms:?} under {conditions:?} from id {first:x}")
    }
}

/// Whether an error is of an item that has begun, and not of its call.
fn is_of_an_item(error: &Error) -> bool {
    match error.kind() {
        ErrorKind::Panicked | ErrorKind::TimedOut => true,
        ErrorKind::Died | ErrorKind::MemoryLimit => error.to_string().contains("while running"),
        _ => false,
    }
}

/// Most are small, some are large, and a few longer than a ring.
fn length(rng: &mut Rng) -> usize {
    match rng.below(400) {
        0 => rng.below(LARGEST),
        1..10 => rng.below(256 << 10),
        10..150 => 0,
        _ => rng.below(512),
    }
}
