//! What each item has been through, written down by the world itself.

use std::collections::{BTreeMap, BTreeSet};

use super::super::Terms;
use super::broken::{Broken, Rule, broken};
use super::record::{Place, Record, Track};
use crate::ids::{Item, Items, JobId, Moment};

/// The number of a process, counted over the whole life of the world. The
/// scheduler never sees it, so a muddle of incarnations cannot hide behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Serial(pub(super) u64);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Something may still be queued, run or settled.
    Live,
    /// Ended, and every item settled.
    Done,
    Dropped,
    Failed,
}

#[derive(Debug, Default)]
pub(super) struct Ledger {
    jobs: BTreeMap<JobId, Record>,
    /// Jobs that were dropped, have failed or expired in this step.
    unsealed: BTreeSet<JobId>,
}

impl Ledger {
    pub(super) fn is_live(&self, job: JobId) -> bool {
        self.fate(job) == Some(Fate::Live)
    }

    pub(super) fn has_expired(&self, job: JobId) -> bool {
        self.jobs[&job].expired
    }

    pub(super) fn fate(&self, job: JobId) -> Option<Fate> {
        self.jobs.get(&job).map(|record| record.fate)
    }

    pub(super) fn has_ended(&self, job: JobId) -> bool {
        self.jobs[&job].ended
    }

    pub(super) fn terms(&self, job: JobId) -> Terms {
        self.jobs[&job].terms
    }

    /// The jobs that the scheduler owes something.
    pub(super) fn live(&self) -> impl Iterator<Item = JobId> + '_ {
        let live = self.jobs.iter().filter(|(_, record)| record.fate == Fate::Live);
        live.map(|(&job, _)| job)
    }

    /// Whether every item that was queued is settled, and whatever is not ended is lazy.
    pub(super) fn rests(&self) -> bool {
        let mut live = self.jobs.values().filter(|record| record.fate == Fate::Live);
        live.all(|record| record.terms.lazy && !record.ended && record.unsettled == 0)
    }

    pub(super) fn is_anything_waiting(&self) -> bool {
        let mut live = self.jobs.values().filter(|record| record.fate == Fate::Live);
        live.any(|record| !record.waiting.is_empty())
    }

    /// The live jobs, and how many chunks of each no process has.
    pub(super) fn waiting(&self) -> impl Iterator<Item = (JobId, usize)> + '_ {
        self.live().map(|job| (job, self.jobs[&job].waiting.len()))
    }

    /// The items that were queued and have no last outcome.
    pub(super) fn unsettled(&self, job: JobId) -> u64 {
        self.jobs[&job].unsettled as u64
    }

    /// When time will change something for a job.
    pub(super) fn next_moment(&self) -> Option<Moment> {
        let live = self.jobs.values().filter(|record| record.fate == Fate::Live);
        live.filter_map(Record::next_moment).min()
    }

    pub(super) fn open(&mut self, job: JobId, terms: Terms) {
        let before = self.jobs.insert(job, Record::new(terms));
        assert!(before.is_none(), "the world opened {job:?} twice");
    }

    pub(super) fn queue(&mut self, job: JobId, items: &Items) {
        let record = self.record(job);
        assert_eq!(record.items.len() as u64, items.start, "the world queued {job:?} with a gap");
        record.items.extend(items.clone().map(|_| Track::default()));
        record.unsettled += (items.end - items.start) as usize;
    }

    pub(super) fn end(&mut self, job: JobId) {
        let record = self.record(job);
        record.ended = true;
        record.close_if_done();
    }

    pub(super) fn leave(&mut self, job: JobId, fate: Fate) {
        self.record(job).fate = fate;
        self.unsealed.insert(job);
    }

    /// The jobs whose deadline has come and was not acted on.
    pub(super) fn expiring(&self, now: Moment) -> Vec<JobId> {
        let due = |record: &Record| {
            let has_come = record.terms.deadline.is_some_and(|deadline| deadline <= now);
            record.fate == Fate::Live && !record.expired && has_come
        };
        self.jobs.iter().filter(|(_, record)| due(record)).map(|(&job, _)| job).collect()
    }

    /// Whether the job has chunks that wait, items that are not judged, and some that
    /// wait for their moment.
    pub(super) fn left_of(&self, job: JobId) -> [bool; 3] {
        let record = &self.jobs[&job];
        let is_unjudged = |track: &Track| track.place == Place::Unjudged;
        [
            !record.waiting.is_empty(),
            record.items.iter().any(is_unjudged),
            !record.delayed.is_empty(),
        ]
    }

    /// The deadlines up to now are acted on: the jobs that they were of are expired from
    /// now on.
    pub(super) fn expire(&mut self, now: Moment) -> Vec<JobId> {
        let jobs = self.expiring(now);
        for &job in &jobs {
            self.record(job).expired = true;
            self.unsealed.insert(job);
        }
        jobs
    }

    /// What nobody has any more of a job that has expired: chunks that wait, and items
    /// that were to be tried again.
    pub(super) fn strand(&mut self, job: JobId) -> Vec<Items> {
        let record = self.record(job);
        let waiting = std::mem::take(&mut record.waiting).into_iter();
        let waiting = waiting.map(|(start, (end, _))| start..end);
        let delayed = std::mem::take(&mut record.delayed).into_iter();
        delayed.map(|(_, item, _)| item..item + 1).chain(waiting).collect()
    }

    /// Items that are tried again wait from now on, if their time has come.
    pub(super) fn wake(&mut self, now: Moment) {
        for record in self.jobs.values_mut().filter(|record| record.fate == Fate::Live) {
            while let Some(&(moment, item, weight)) = record.delayed.first()
                && moment <= now
            {
                record.delayed.pop_first();
                record.wait_for(&(item..item + 1), weight);
            }
        }
    }

    /// A chunk was sent: the first that waits, whole, and in its turn. Tells what it
    /// weighs.
    ///
    /// The rotation serves each waiting job once before it serves any of them
    /// again, and a job that begins to wait goes last. So while one job waits,
    /// no other is sent more than one chunk.
    pub(super) fn sent(&mut self, job: JobId, items: &Items, to: Serial) -> Result<u32, Broken> {
        if !self.is_live(job) || self.has_expired(job) {
            return broken(Rule::GoneJobsAreLeftAlone, format!("{items:?} of {job:?} was sent"));
        }
        let record = self.record(job);
        let known = record.items.get(items.start as usize..items.end as usize);
        if known.is_some_and(|items| items.iter().any(|track| track.began.is_some())) {
            return broken(Rule::BeginsOnce, format!("{items:?} of {job:?} was sent again"));
        }
        let first = record.waiting.pop_first();
        let first = first.map(|(start, (end, weight))| (start..end, weight));
        let Some((_, weight)) = first.as_ref().filter(|(first, _)| first == items) else {
            let detail = format!("{items:?} of {job:?} was sent when {first:?} was next");
            return broken(Rule::InputOrder, detail);
        };
        record.overtaken_by.clear();
        for item in items.clone() {
            record.items[item as usize].place = Place::With(to);
        }
        for (&other, record) in &mut self.jobs {
            if other == job || record.fate != Fate::Live || record.waiting.is_empty() {
                continue;
            }
            if record.overtaken_by.contains(&job) {
                let detail = format!("{job:?} was sent two chunks while {other:?} waited");
                return broken(Rule::Fairness, detail);
            }
            record.overtaken_by.push(job);
        }
        Ok(*weight)
    }

    /// A process really begins an item, which must be with it and no other.
    ///
    /// A process that is told to end for its job may go on with its chunk until it
    /// does: nobody else runs it, and nobody waits for it.
    pub(super) fn begins(
        &mut self,
        job: JobId,
        item: Item,
        in_: Serial,
        now: Moment,
    ) -> Result<(), Broken> {
        let record = self.record(job);
        let is_wanted = record.fate == Fate::Live && !record.expired;
        let is_left = record.left_with.contains(&in_);
        if record.sealed && !is_left {
            let detail = format!("item {item} of {job:?}, which is over, began in {in_:?}");
            return broken(Rule::OverIsOver, detail);
        }
        let track = &mut record.items[item as usize];
        if track.place != Place::With(in_) {
            if is_left && !is_wanted {
                return Ok(());
            }
            let detail = format!("item {item} of {job:?} began in {in_:?}, but is {track:?}");
            return broken(Rule::BeginsOnce, detail);
        }
        if let Some((before, _)) = track.began.replace((in_, now)) {
            let detail = format!("item {item} of {job:?} began in {before:?} and in {in_:?}");
            return broken(Rule::BeginsOnce, detail);
        }
        track.begun += 1;
        if track.begun > 1 + track.again {
            let detail = format!("item {item} of {job:?} began too often: {track:?}");
            return broken(Rule::BeginsOnce, detail);
        }
        Ok(())
    }

    /// The last outcome of an item that its process has finished.
    pub(super) fn finished(&mut self, job: JobId, item: Item, in_: Serial) -> Result<(), Broken> {
        self.part(job, item, in_, Place::Finished)
    }

    /// An item has failed in its process, or with it. If its job has retries, it is not
    /// judged yet.
    pub(super) fn failed(&mut self, job: JobId, item: Item, in_: Serial) -> Result<(), Broken> {
        let retries = self.jobs[&job].terms.retries;
        self.part(job, item, in_, if retries { Place::Unjudged } else { Place::Failed })
    }

    /// An item may fail for its time limit only if that has passed since it began.
    pub(super) fn overran(
        &mut self,
        job: JobId,
        item: Item,
        in_: Serial,
        now: Moment,
    ) -> Result<(), Broken> {
        let record = &self.jobs[&job];
        let (limit, began) = (record.terms.timeout, record.items[item as usize].began);
        let deadline = limit.zip(began).map(|(limit, (_, began))| began.saturating_add(limit));
        if deadline.is_none_or(|deadline| deadline > now) {
            let detail = format!("item {item} of {job:?} began {began:?}, its limit is {limit:?}");
            return broken(Rule::LimitsAreKept, detail);
        }
        self.failed(job, item, in_)
    }

    /// The items have failed with their job, in which nothing is done any more.
    pub(super) fn failed_late(&mut self, job: JobId, items: &Items) -> Result<(), Broken> {
        for item in items.clone() {
            let record = self.record(job);
            let track = &mut record.items[item as usize];
            if !record.expired || matches!(track.place, Place::Finished | Place::Failed) {
                let detail = format!("item {item} of {job:?} failed late, was {track:?}");
                return broken(Rule::SettledOnce, detail);
            }
            track.place = Place::Failed;
            record.settle_one();
        }
        Ok(())
    }

    fn part(&mut self, job: JobId, item: Item, in_: Serial, to: Place) -> Result<(), Broken> {
        let record = self.record(job);
        let track = &mut record.items[item as usize];
        if track.place != Place::With(in_) || track.began.is_none_or(|(serial, _)| serial != in_) {
            let detail = format!("item {item} of {job:?} became {to:?} by {in_:?}, was {track:?}");
            return broken(Rule::SettledOnce, detail);
        }
        track.place = to;
        if to != Place::Unjudged {
            record.settle_one();
        }
        Ok(())
    }

    pub(super) fn is_unjudged(&self, job: JobId, item: Item) -> bool {
        let record = self.jobs.get(&job).filter(|record| record.fate == Fate::Live);
        let track = record.and_then(|record| record.items.get(item as usize));
        track.is_some_and(|track| track.place == Place::Unjudged)
    }

    /// How often an item was tried again.
    pub(super) fn tried_again(&self, job: JobId, item: Item) -> u32 {
        self.jobs[&job].items[item as usize].again
    }

    /// An item that has failed has had its last outcome.
    pub(super) fn settled(&mut self, job: JobId, item: Item) {
        let record = self.record(job);
        record.items[item as usize].place = Place::Failed;
        record.settle_one();
    }

    /// An item that has failed is tried again.
    pub(super) fn again(&mut self, job: JobId, item: Item, not_before: Moment, weight: u32) {
        let record = self.record(job);
        let track = &mut record.items[item as usize];
        track.place = Place::Waiting;
        track.began = None;
        track.again += 1;
        if not_before == Moment::ZERO {
            record.wait_for(&(item..item + 1), weight);
        } else {
            record.delayed.insert((not_before, item, weight));
        }
    }

    /// Items of a live job that had not begun when their process ended or was asked for
    /// them wait again, before all that comes after them in the input.
    pub(super) fn come_back(&mut self, job: JobId, items: &Items, weight: u32) {
        let record = self.record(job);
        for item in items.clone() {
            record.items[item as usize].place = Place::Waiting;
        }
        record.wait_for(items, weight);
    }

    /// The process may go on with a chunk of a job that is over.
    pub(super) fn leave_with(&mut self, job: JobId, serial: Serial) {
        self.record(job).left_with.push(serial);
    }

    /// All that was to be done for jobs that are over is done.
    pub(super) fn seal(&mut self) {
        for job in std::mem::take(&mut self.unsealed) {
            self.record(job).sealed = true;
        }
    }

    /// At the end of everything: whether each item of a job that was done is
    /// finished or failed, and every other job was dropped or failed.
    pub(super) fn audit(&self) -> Result<(), Broken> {
        for (job, record) in &self.jobs {
            let settled = |track: &Track| matches!(track.place, Place::Finished | Place::Failed);
            let complete = record.items.iter().all(settled);
            if record.fate == Fate::Live || (record.fate == Fate::Done && !complete) {
                return broken(Rule::SettledOnce, format!("{job:?} was left behind: {record:?}"));
            }
        }
        Ok(())
    }

    fn record(&mut self, job: JobId) -> &mut Record {
        self.jobs.get_mut(&job).expect("the world opened the job")
    }
}
