//! Mistakes planted on purpose, to show that the simulator finds mistakes.

/// A planted mistake, compiled only into the tests: the simulator must find
/// each of them (see `sim/mutations.rs`).
macro_rules! planted {
    ($scheduler:expr, $name:ident) => {{
        #[cfg(test)]
        {
            $scheduler.mutation == Some($crate::scheduler::planted::Mutation::$name)
        }
        #[cfg(not(test))]
        {
            false
        }
    }};
}

/// The mistakes that can be planted.
#[cfg(test)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutation {
    /// A dead worker's begun item goes back to the queue.
    BegunItemRunsAgain,
    /// A dead worker's unbegun items are forgotten.
    UnbegunItemsLost,
    /// Items come back behind the others of their job.
    RequeuedAtTheBack,
    /// An exit of an earlier incarnation is taken for the present one's.
    StaleExitCounts,
    /// A result that the worker has reported before is taken again.
    RepeatedResultCounts,
    /// A worker that dies in idleness is never replaced.
    IdleDeathUnnoticed,
    /// A dropped job keeps its running workers.
    DroppedJobKeepsWorkers,
    /// A dropped job's queue is served to the end.
    DroppedJobStillServed,
    /// The first job in the rotation is always served first.
    UnfairRotation,
    /// Workers that cannot start are started again without end.
    StartsForEver,
    /// A job is not told that no worker is left for it.
    StrandedJob,
    /// A worker that never reports in is waited for without end.
    NoStartDeadline,
    /// A deadline that was acted on stays.
    DeadlineStays,
    /// Closing stops workers while items are queued.
    CloseDropsQueue,
    /// A terminated pool starts a worker in place of a killed one.
    TerminatedPoolRestarts,
    /// Items come back before all others of their job, also before earlier ones.
    RequeuedAtTheHead,
    /// A begun item of a dead worker is heard of no more.
    BegunItemForgotten,
    /// A death counts as fruitless although an item had begun in that life.
    EveryDeathIsFruitless,
    /// A worker that was too slow to report in may be so again without end.
    TimeoutsAreForgiven,
    /// A slot that was given up stays so when another job is opened.
    GivenUpForGood,
    /// An earlier incarnation's report counts for the present one.
    StaleReadyCounts,
    /// An earlier incarnation's result counts for the present one.
    StaleResultCounts,
    /// A result counts for the item that runs, whatever job it is of.
    OtherJobsResultCounts,
    /// Nothing is taken back from a worker for another that is idle.
    NothingIsRecalled,
    /// What was taken back is forgotten.
    RecalledChunksLost,
    /// A chunk that a worker has begun is taken back with the others.
    BegunChunkIsRecalled,
    /// A chunk that a worker has not begun stays with it.
    UnbegunChunkIsKept,
    /// A worker is killed for a chunk of a dropped job that it had not begun.
    UnbegunChunkKills,
    /// A dropped job's chunks stay where they are behind those of other jobs.
    DroppedStockStays,
    /// Chunks are sent while a recall is unanswered.
    SendsDuringRecall,
    /// A worker is asked for a stock although it may have begun all that it has.
    LoneChunksAreRecalled,
    /// A worker is asked for its stock before another has answered.
    RecallsInHaste,
    /// A worker that is asked and has not answered is asked again.
    RecallsTwice,
    /// An answer counts that nobody asked for.
    UnaskedRecallCounts,
    /// A recall stays unanswered after the worker's exit.
    ExitLeavesRecall,
    /// The worker that has the most is sent the next chunk.
    MostLoadedFirst,
    /// Every chunk is taken for a light one.
    WeightIgnored,
    /// The pool is hungry although chunks are queued, as they may be during a recall.
    HungryBesideQueue,
    /// The weight of a finished chunk is not given back.
    FinishedChunkWeighsOn,
    /// The weight of recalled chunks is not given back.
    RecalledChunkWeighsOn,
    /// A result counts although one before it is missing.
    SkippingResultCounts,
    /// A result counts that is longer than what is left of the chunk.
    OverlongResultCounts,
    /// A result of no item counts.
    EmptyResultCounts,
    /// A death fails an item also if none had begun.
    EveryExitFailsAnItem,
    /// That an item had begun is not held in favour of the life that it ended.
    BegunExitIsFruitless,
    /// A deadline is acted on only when it has passed, not when it has come.
    DeadlineActedOnLate,
    /// A job that workers are busy with is not put into the rotation again.
    RunningJobNotInRotation,
    /// A closed pool does not replace the workers that its jobs still need.
    ClosedPoolGivesUp,
    /// A job that ended and has nothing left is kept.
    DoneJobStays,
    /// Termination kills the workers and leaves the jobs waiting.
    TerminatedJobsWait,
    /// Items with a time limit are not watched.
    LimitsAreForgotten,
    /// A worker that was found at an overdue item goes on.
    CondemnedGoesOn,
    /// What is behind an overdue item in its chunk is forgotten.
    NeighboursAreLost,
    /// A worker that refuses to end is not killed.
    AskedIsNeverKilled,
    /// A worker that begins nothing of what has a time limit is kept.
    UnresponsiveIsKept,
    /// An expired job queues items.
    ExpiredJobTakesItems,
    /// An expired job queues what comes back.
    ExpiredJobTakesItemsBack,
    /// An expired job's queue is served to the end.
    ExpiredQueueIsServed,
    /// What an expired job would have tried again is forgotten.
    ExpiredJobForgetsDelayed,
    /// An expired job keeps its running workers.
    ExpiredJobRunsOn,
    /// A job that is gone still has a timer.
    TimerOutlivesJob,
    /// A job is done although a failed item is not judged.
    HeldItemForgotten,
    /// What is to be tried again is not.
    RetriesAreLost,
    /// What is to be tried again is tried at once.
    RetriesInHaste,
    /// A worker is killed although its job spares what runs.
    SparedIsKilled,
    /// A worker goes on with the chunk of a dropped job that spares what runs.
    SparedRunsOn,
    /// The chunks of a worker that retires go with it.
    RetiredTakesItsChunksAlong,
    /// Only the first chunk of a worker is watched, though it may be at the next.
    OnlyFirstChunkIsWatched,
    /// A watched worker is accused though nobody has looked.
    UnseenAreAccused,
    /// A worker that has done something meanwhile is taken for one that begins nothing.
    PatienceIsNotRenewed,
    /// A worker that was thought to begin nothing has its item fail, though it has just
    /// begun it.
    SuspectTimesOut,
    /// A worker that was thought to begin nothing goes on with its chunk, of which it
    /// will begin nothing more.
    SuspectKeepsItsChunk,
    /// A worker that begins nothing is not held against its slot.
    UnresponsiveIsForgiven,
    /// A worker that will begin nothing any more is sent chunks.
    CondemnedServesOn,
    /// A worker that was asked to end is not killed with the pool.
    TerminationSparesAsked,
    /// A worker that has nothing to do is killed with the pool.
    TerminationSparesNobody,
    /// A worker that is leaving when the pool is terminated has as long as before.
    TerminationWaitsForLeavers,
    /// An item's limit counts from when somebody has looked.
    LimitsCountFromLooks,
    /// An item that is left to finish may take for ever.
    SparedForgetsLimit,
    /// What is said of an item counts although that was judged, or has not failed.
    JudgedTwice,
    /// An item of an expired job is tried again.
    ExpiredJobTriesAgain,
    /// A worker that leaves by itself counts as dead.
    RetiredCountAsDead,
    /// Deaths of workers that were to end count for the breaker.
    AskedDeathsCount,
    /// The breaker trips one death too early.
    BreakerTripsEarly,
    /// Workers go on with jobs that the breaker has failed.
    TrippedJobsGoOn,
    /// Deaths before the breaker was reset count afterwards.
    DeathsOutliveReset,
    /// Workers are started after the breaker has tripped.
    TrippedPoolRestarts,
    /// Deaths of long ago count for the breaker.
    OldDeathsCount,
    /// The breaker never trips.
    BreakerNeverTrips,
    /// A job that has left the rotation still counts as one that waits.
    LeaversStillCount,
    /// Where the turn comes to a job that has left, nobody else is served.
    LeaverEndsTurn,
    /// With those that have left, one that waits is swept out of the rotation.
    SweepTakesAnotherToo,
    /// What is short is asked for again at once.
    ShortageIsNotWaitedOut,
    /// All workers are tried again at once when something was short.
    ShortageProbesAll,
    /// What is short is asked for without end.
    ShortageIsTriedForEver,
    /// What is short for long costs a pool its slots though others of its workers live.
    ShortageForgetsTheLiving,
    /// Something was short and is not, but workers wait as if it were.
    ShortageOutlivesStart,
    /// Starts that failed because something was short count for the breaker.
    ShortageCountsAsDeath,
    /// Starts that failed because something was short are held against their slot.
    ShortageIsFruitless,
    /// The time of a pause has come, and nobody is started.
    PauseStays,
    /// A failure counts although another has since the worker was started.
    ShortageCountsTwice,
    /// A join waits for callers that may never come.
    JoinWaitsForCallers,
    /// Workers leave for a join though chunks, or failed items, wait for them.
    JoinForgetsWhatWaits,
    /// Workers leave whenever there is nothing to do, also after the join.
    JoinGoesOn,
    /// A worker is started for callers that may never come.
    RestingPoolRestarts,
    /// Workers that have left for a join do not come back for a caller that does come.
    GoneForGood,
}
