//! The promises that the simulator watches, and the news that one is broken.

/// What must hold in every run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// Every item of a job that was neither dropped nor failed is settled
    /// exactly once.
    SettledOnce,
    /// An item begins in at most one process, and in one more each time that it is said
    /// to be tried again.
    BeginsOnce,
    /// A death fails exactly the item that had begun and was not settled.
    DeathCostsOneItem,
    /// Items are sent in input order, those that came back before later ones.
    InputOrder,
    /// A worker is sent a chunk only while it is ready and has room; of those the
    /// one that has the least.
    RoomIsKept,
    /// A worker is asked for what it has not begun when another is idle and nothing
    /// waits, or when a job of its chunks is over; and only then, once.
    StockIsShared,
    /// Nothing is sent while a recall is unanswered.
    NothingCrossesRecall,
    /// Deciding twice is deciding once.
    DecidesOnce,
    /// A slot never has two processes, and no name is given twice.
    OneProcessPerSlot,
    /// No command names a worker that is not there.
    CommandsMeetTheirWorker,
    /// Every run ends.
    Progress,
    /// `next_deadline` is the first that `expire` acts on, and it does.
    Deadlines,
    /// A slot in which nothing ever begins is given up.
    BoundedStarts,
    /// While a job waits, no other is sent more than one chunk.
    Fairness,
    /// A job that was dropped loses its chunks in the same step, and with them
    /// exactly the workers that had begun one.
    DropFreesWorkers,
    /// An item fails for its time limit once that has passed since it began, and no
    /// other item does. The process must go, and so must one that begins nothing for too
    /// long; nobody looks too late.
    LimitsAreKept,
    /// When the deadline of a job has come, whatever is not done of it fails, at once or
    /// as it comes back.
    ExpiredJobsEnd,
    /// Nothing begins of a job that is over, or that has expired, save in a process
    /// that is to end for it or finishes the last item that it has of it.
    OverIsOver,
    /// The breaker trips when too many have died of late, and then only; no job goes on.
    BreakerTrips,
    /// No process is started after the breaker has tripped, until somebody resets it.
    TrippedPoolRests,
    /// While something is short of which processes are made, none is started before the
    /// end of a pause, and then one.
    ShortagesAreWaitedOut,
    /// Of a job that is gone nothing is sent, failed or finished.
    GoneJobsAreLeftAlone,
    /// A slot without a process gets one as long as there may be work for it.
    Replacement,
    /// A job fails as a whole when no worker can come for it, and only then.
    StrandedJobsFail,
    /// Termination fails every job at once, kills every worker that is at work, and tells
    /// the others goodbye.
    TerminationIsComplete,
    /// Workers are told goodbye when a closed pool has no job left, or none but lazy ones
    /// of which nothing is left while somebody joins; and only then.
    CloseLosesNothing,
    /// What is stale or repeated is ignored and changes nothing; what is news
    /// is accepted.
    OnlyNewsCounts,
    /// No worker has room while items wait; the pool is hungry exactly when one is
    /// idle and none waits.
    WorkConservation,
    /// The caller gets every outcome once, in order, within its window.
    CallerIsServed,
    /// What is said of workers and jobs to the outside is so.
    LivesAreTrue,
    /// The scheduler's own assertions.
    Assertion,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Broken {
    pub(super) rule: Rule,
    pub(super) detail: String,
}

pub(super) fn broken<T>(rule: Rule, detail: impl Into<String>) -> Result<T, Broken> {
    let detail = detail.into();
    Err(Broken { rule, detail })
}
