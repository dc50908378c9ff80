//! The simulator on trial: each planted mistake must be found, and soon.

use super::super::Mutation;
use super::broken::Rule;
use super::{complaint, live};

/// How many lives may pass before a mistake is found.
const PATIENCE: u64 = 3000;

/// Finds a seed at which the mistake breaks the promise that it is to break;
/// what else it breaks before depends on the seeds. The scheduler without it
/// must pass all of them, or the finding proves nothing.
fn assert_found(mutation: Mutation, rule: Rule) {
    let mut first = None;
    for seed in 0..PATIENCE {
        if let (_, Err(broken)) = live(seed, None, false) {
            panic!("without {mutation:?} planted, {}", complaint(seed, &broken));
        }
        if let (_, Err(broken)) = live(seed, Some(mutation), false) {
            let (first_seed, first_rule) = *first.get_or_insert((seed, broken.rule));
            if broken.rule == rule {
                let earlier = format!("first as {first_rule:?} by seed {first_seed}");
                println!("{mutation:?} was found as {rule:?} by seed {seed}, {earlier}");
                return;
            }
        }
    }
    panic!("{mutation:?} was not found as {rule:?} in {PATIENCE} lives, but as {first:?}");
}

/// A test for each mistake, named for it, with the promise that it breaks. The
/// match has no other arm, so that none can be left out.
macro_rules! trials {
    ($($test:ident: $mutation:ident breaks $rule:ident;)+) => {
        fn broken_by(mutation: Mutation) -> Rule {
            match mutation {
                $(Mutation::$mutation => Rule::$rule,)+
            }
        }

        $(
            #[test]
            fn $test() {
                let mutation = Mutation::$mutation;
                assert_found(mutation, broken_by(mutation));
            }
        )+
    };
}

trials! {
    finds_begun_items_that_run_again: BegunItemRunsAgain breaks DeathCostsOneItem;
    finds_lost_unbegun_items: UnbegunItemsLost breaks WorkConservation;
    finds_items_requeued_at_the_back: RequeuedAtTheBack breaks InputOrder;
    finds_items_requeued_at_the_head: RequeuedAtTheHead breaks InputOrder;
    finds_forgotten_begun_items: BegunItemForgotten breaks DeathCostsOneItem;
    finds_stale_exits_that_count: StaleExitCounts breaks OnlyNewsCounts;
    finds_stale_readiness_that_counts: StaleReadyCounts breaks OnlyNewsCounts;
    finds_stale_results_that_count: StaleResultCounts breaks OnlyNewsCounts;
    finds_repeated_results_that_count: RepeatedResultCounts breaks OnlyNewsCounts;
    finds_results_of_other_jobs_that_count: OtherJobsResultCounts breaks OnlyNewsCounts;
    finds_results_that_skip_one: SkippingResultCounts breaks OnlyNewsCounts;
    finds_results_beyond_the_chunk: OverlongResultCounts breaks OnlyNewsCounts;
    finds_results_of_nothing: EmptyResultCounts breaks OnlyNewsCounts;
    finds_unasked_answers_that_count: UnaskedRecallCounts breaks OnlyNewsCounts;
    finds_recalls_that_outlive_the_worker: ExitLeavesRecall breaks OnlyNewsCounts;
    finds_stocks_that_are_not_shared: NothingIsRecalled breaks StockIsShared;
    finds_lone_chunks_that_are_recalled: LoneChunksAreRecalled breaks StockIsShared;
    finds_workers_that_are_asked_in_haste: RecallsInHaste breaks StockIsShared;
    finds_workers_that_are_asked_twice: RecallsTwice breaks StockIsShared;
    finds_lost_recalled_chunks: RecalledChunksLost breaks WorkConservation;
    finds_begun_chunks_that_are_recalled: BegunChunkIsRecalled breaks BeginsOnce;
    finds_unbegun_chunks_that_are_kept: UnbegunChunkIsKept breaks DropFreesWorkers;
    finds_sends_that_cross_a_recall: SendsDuringRecall breaks NothingCrossesRecall;
    finds_the_most_loaded_served_first: MostLoadedFirst breaks RoomIsKept;
    finds_ignored_weights: WeightIgnored breaks RoomIsKept;
    finds_hunger_beside_a_queue: HungryBesideQueue breaks WorkConservation;
    finds_finished_chunks_that_weigh_on: FinishedChunkWeighsOn breaks WorkConservation;
    finds_recalled_chunks_that_weigh_on: RecalledChunkWeighsOn breaks WorkConservation;
    finds_deaths_that_fail_unbegun_items: EveryExitFailsAnItem breaks DeathCostsOneItem;
    finds_begun_items_held_against_a_slot: BegunExitIsFruitless breaks Replacement;
    finds_kills_for_unbegun_chunks: UnbegunChunkKills breaks DropFreesWorkers;
    finds_dropped_stocks_that_stay: DroppedStockStays breaks DropFreesWorkers;
    finds_unnoticed_idle_deaths: IdleDeathUnnoticed breaks Replacement;
    finds_closed_pools_without_replacement: ClosedPoolGivesUp breaks Replacement;
    finds_slots_given_up_for_good: GivenUpForGood breaks Replacement;
    finds_fruitful_lives_held_against_a_slot: EveryDeathIsFruitless breaks Replacement;
    finds_starts_for_ever: StartsForEver breaks BoundedStarts;
    finds_forgiven_timeouts: TimeoutsAreForgiven breaks BoundedStarts;
    finds_stranded_jobs: StrandedJob breaks StrandedJobsFail;
    finds_dropped_jobs_that_keep_workers: DroppedJobKeepsWorkers breaks DropFreesWorkers;
    finds_dropped_jobs_still_served: DroppedJobStillServed breaks DropFreesWorkers;
    finds_unfair_rotation: UnfairRotation breaks Fairness;
    finds_running_jobs_missing_in_the_rotation: RunningJobNotInRotation breaks WorkConservation;
    finds_missing_start_deadlines: NoStartDeadline breaks Deadlines;
    finds_deadlines_that_stay: DeadlineStays breaks Deadlines;
    finds_deadlines_acted_on_late: DeadlineActedOnLate breaks Deadlines;
    finds_queues_dropped_at_close: CloseDropsQueue breaks CloseLosesNothing;
    finds_done_jobs_that_stay: DoneJobStays breaks Progress;
    finds_terminated_pools_that_restart: TerminatedPoolRestarts breaks Replacement;
    finds_terminated_jobs_that_wait: TerminatedJobsWait breaks TerminationIsComplete;
    finds_forgotten_limits: LimitsAreForgotten breaks Deadlines;
    finds_limits_that_count_from_looks: LimitsCountFromLooks breaks LimitsAreKept;
    finds_watches_over_the_first_chunk_only: OnlyFirstChunkIsWatched breaks LimitsAreKept;
    finds_accusations_of_the_unseen: UnseenAreAccused breaks LimitsAreKept;
    finds_condemned_workers_that_go_on: CondemnedGoesOn breaks LimitsAreKept;
    finds_lost_neighbours: NeighboursAreLost breaks WorkConservation;
    finds_asked_workers_that_are_never_killed: AskedIsNeverKilled breaks Deadlines;
    finds_unresponsive_workers_that_are_kept: UnresponsiveIsKept breaks LimitsAreKept;
    finds_patience_that_is_not_renewed: PatienceIsNotRenewed breaks LimitsAreKept;
    finds_suspects_that_time_out: SuspectTimesOut breaks LimitsAreKept;
    finds_suspects_that_keep_their_chunk: SuspectKeepsItsChunk breaks LivesAreTrue;
    finds_forgiven_unresponsiveness: UnresponsiveIsForgiven breaks BoundedStarts;
    finds_condemned_workers_that_serve_on: CondemnedServesOn breaks LivesAreTrue;
    finds_termination_that_spares_the_asked: TerminationSparesAsked breaks TerminationIsComplete;
    finds_termination_that_kills_the_idle: TerminationSparesNobody breaks TerminationIsComplete;
    finds_termination_that_waits_for_leavers: TerminationWaitsForLeavers breaks Deadlines;
    finds_expired_jobs_that_take_items: ExpiredJobTakesItems breaks ExpiredJobsEnd;
    finds_expired_jobs_that_take_items_back: ExpiredJobTakesItemsBack breaks ExpiredJobsEnd;
    finds_expired_jobs_that_are_served: ExpiredQueueIsServed breaks ExpiredJobsEnd;
    finds_expired_jobs_that_forget_the_delayed: ExpiredJobForgetsDelayed breaks ExpiredJobsEnd;
    finds_expired_jobs_that_run_on: ExpiredJobRunsOn breaks DropFreesWorkers;
    finds_expired_jobs_that_try_again: ExpiredJobTriesAgain breaks ExpiredJobsEnd;
    finds_timers_that_outlive_their_job: TimerOutlivesJob breaks Deadlines;
    finds_held_items_that_are_forgotten: HeldItemForgotten breaks OnlyNewsCounts;
    finds_lost_retries: RetriesAreLost breaks WorkConservation;
    finds_retries_in_haste: RetriesInHaste breaks InputOrder;
    finds_items_that_are_judged_twice: JudgedTwice breaks OnlyNewsCounts;
    finds_spared_items_that_are_killed: SparedIsKilled breaks DropFreesWorkers;
    finds_spared_chunks_that_run_on: SparedRunsOn breaks LimitsAreKept;
    finds_spared_items_without_limit: SparedForgetsLimit breaks Deadlines;
    finds_retired_workers_that_take_chunks_along: RetiredTakesItsChunksAlong breaks WorkConservation;
    finds_tripped_pools_that_restart: TrippedPoolRestarts breaks TrippedPoolRests;
    finds_tripped_jobs_that_go_on: TrippedJobsGoOn breaks DropFreesWorkers;
    finds_old_deaths_that_count: OldDeathsCount breaks BreakerTrips;
    finds_deaths_that_outlive_a_reset: DeathsOutliveReset breaks BreakerTrips;
    finds_retirements_that_count_as_deaths: RetiredCountAsDead breaks BreakerTrips;
    finds_asked_deaths_that_count: AskedDeathsCount breaks BreakerTrips;
    finds_breakers_that_trip_early: BreakerTripsEarly breaks BreakerTrips;
    finds_leavers_that_still_count: LeaversStillCount breaks WorkConservation;
    finds_turns_that_end_at_leavers: LeaverEndsTurn breaks DecidesOnce;
    finds_sweeps_that_take_another_too: SweepTakesAnotherToo breaks WorkConservation;
    finds_shortages_that_are_not_waited_out: ShortageIsNotWaitedOut breaks ShortagesAreWaitedOut;
    finds_probes_that_are_not_alone: ShortageProbesAll breaks ShortagesAreWaitedOut;
    finds_shortages_tried_for_ever: ShortageIsTriedForEver breaks StrandedJobsFail;
    finds_shortages_that_forget_the_living: ShortageForgetsTheLiving breaks Deadlines;
    finds_shortages_that_outlive_a_start: ShortageOutlivesStart breaks Replacement;
    finds_shortages_that_count_as_deaths: ShortageCountsAsDeath breaks BreakerTrips;
    finds_shortages_held_against_a_slot: ShortageIsFruitless breaks Replacement;
    finds_pauses_that_stay: PauseStays breaks Deadlines;
    finds_shortages_that_count_twice: ShortageCountsTwice breaks Deadlines;
    finds_breakers_that_never_trip: BreakerNeverTrips breaks BreakerTrips;
    finds_joins_that_wait_for_callers: JoinWaitsForCallers breaks Progress;
    finds_joins_that_forget_what_waits: JoinForgetsWhatWaits breaks CloseLosesNothing;
    finds_joins_that_go_on: JoinGoesOn breaks CloseLosesNothing;
    finds_resting_pools_that_restart: RestingPoolRestarts breaks Replacement;
    finds_workers_that_are_gone_for_good: GoneForGood breaks Replacement;
}
