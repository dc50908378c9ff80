//! How often each thing happened, so that the simulator cannot cease to try
//! something without a test failing.

macro_rules! happenings {
    ($($name:ident),+ $(,)?) => {
        /// What can go wrong, or cross, or come at a bad moment.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Happening { $($name),+ }

        pub(super) const ALL: &[Happening] = &[$(Happening::$name),+];
    };
}

happenings! {
    // Faults of processes.
    StartFailed,
    StartFailedScarce,
    ShortageEnded,
    ShortageWasTooLong,
    DiedStarting,
    DiedIdle,
    DiedBeforeClaiming,
    DiedBeforeBegan,
    DiedInItem,
    DiedMidResult,
    DiedBetweenItems,
    DiedStopping,
    DiedDying,
    NeverReportedIn,
    NeverLeft,
    Halted,
    WentOn,
    FinishedOverdue,
    // Processes that retire.
    RetiredAfterItems,
    RetiredAtRandom,
    RetiredCondemned,
    RetirementGaveBack,
    GoodbyeCrossedRetirement,
    ChunkCrossedRetirement,
    NeverLeftAfterRetiring,
    // Messages that cross.
    ChunkCrossedDeath,
    KillCrossedNews,
    NewsAfterKill,
    // Chunks that are ahead of a worker, and their return.
    ChunkWentBehind,
    RecallBroughtNothing,
    RecallFoundChunkBegun,
    RecallCrossedResult,
    RecallFoundNoneBegun,
    RecallFoundDeath,
    RecallBroughtNews,
    ExitBeforeAnswer,
    DropSparedWorker,
    KillGaveOthersBack,
    KilledForDroppedJob,
    // Limits of items.
    LookedInTime,
    LookedBetweenItems,
    LookedOverdue,
    OverdueOnTheDot,
    LookedAsUnheard,
    FoundUnresponsive,
    TimedOut,
    NeighboursWentElsewhere,
    CondemnationFoundChunk,
    CondemnationFoundNothing,
    CondemnationFoundDeath,
    CondemnationFoundJobGone,
    CondemnationFoundJobExpired,
    SuspectHadBegun,
    SparedItem,
    SparedBetweenItems,
    SparedLastItem,
    SparedOverran,
    EndedUnresponsive,
    EndedAfterExpiry,
    AskedInVain,
    KilledAfterGrace,
    // Deadlines of jobs.
    Expired,
    ExpiredWithQueue,
    ExpiredWithItemsRunning,
    ExpiredWithUnjudged,
    ExpiredWithDelayed,
    QueuedAfterExpiry,
    DroppedAfterExpiry,
    // Items that are tried again.
    HeldForJudgement,
    JudgedAtOnce,
    JudgedLater,
    JudgedSettled,
    AgainAtOnce,
    AgainLater,
    AgainAfterExpiry,
    JudgedForGoneJob,
    JudgedWhileClosing,
    TriedOnceMore,
    // What is no news.
    RepeatedNews,
    StaleLook,
    StaleRetirement,
    StaleHeld,
    UnaskedLook,
    RepeatedRetirement,
    RepeatedJudgement,
    RepeatedReset,
    StaleReady,
    StaleAnswer,
    UnaskedAnswer,
    TroubleBeforeAnswer,
    StaleFinished,
    StaleExit,
    NonsenseOfPresentWorker,
    NewsForGoneJob,
    RepeatedJobEnd,
    RepeatedClose,
    RepeatedTerminate,
    RepeatedJoin,
    // Callers.
    CallerLeft,
    CallerLeftWithItemRunning,
    CallerLeftAfterEnd,
    CallerLeftAtFailure,
    OverByAnOutcome,
    CallerEnded,
    EndlessCaller,
    EmptyJob,
    WindowWasFull,
    OpenedAfterGivingUp,
    // The pool.
    ClosedWithWork,
    ClosedIdle,
    TerminatedOpen,
    TerminatedClosing,
    JoinedAtWork,
    JoinedAtRest,
    LeftForJoin,
    CameBackAfterJoin,
    NoWorkersLeft,
    BreakerTripped,
    BreakerTrippedAtWork,
    Reset,
    RefusedWhileTripped,
    SingleLifePool,
    SingleLifePoolDied,
    // Time.
    ExpiredOnTheDot,
    ExpiredLate,
    ExpiredForNothing,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tally {
    counts: [u64; ALL.len()],
    pub(super) lives: u64,
    pub(super) events: u64,
    pub(super) commands: u64,
}

impl Tally {
    pub(super) fn new() -> Self {
        Tally { counts: [0; ALL.len()], lives: 0, events: 0, commands: 0 }
    }

    pub(super) fn count(&mut self, happening: Happening) {
        self.counts[happening as usize] += 1;
    }

    pub(super) fn of(&self, happening: Happening) -> u64 {
        self.counts[happening as usize]
    }

    pub(super) fn add(&mut self, other: &Tally) {
        for (mine, others) in self.counts.iter_mut().zip(other.counts) {
            *mine += others;
        }
        self.lives += other.lives;
        self.events += other.events;
        self.commands += other.commands;
    }
}
