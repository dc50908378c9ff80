//! What each item has been through, written down by the world itself.

use std::collections::BTreeMap;

use super::broken::{Broken, Rule, broken};
use crate::ids::{Item, Items, JobId};

/// The number of a process, counted over the whole life of the world. The
/// scheduler never sees it, so a muddle of incarnations cannot hide behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Waiting,
    With(Serial),
    Finished,
    Failed,
}

#[derive(Debug)]
struct Track {
    place: Place,
    /// Where it really began, whether or not anybody has heard of it.
    began_in: Option<Serial>,
}

#[derive(Debug)]
struct Record {
    fate: Fate,
    ended: bool,
    /// Chunks that no process has: from the first to past the last item, and what
    /// they weigh.
    waiting: BTreeMap<Item, (Item, u32)>,
    items: Vec<Track>,
    unsettled: usize,
    /// The jobs that were sent a chunk while this one waited.
    overtaken_by: Vec<JobId>,
}

#[derive(Debug, Default)]
pub(super) struct Ledger {
    jobs: BTreeMap<JobId, Record>,
}

impl Ledger {
    pub(super) fn is_live(&self, job: JobId) -> bool {
        self.fate(job) == Some(Fate::Live)
    }

    pub(super) fn fate(&self, job: JobId) -> Option<Fate> {
        self.jobs.get(&job).map(|record| record.fate)
    }

    pub(super) fn has_ended(&self, job: JobId) -> bool {
        self.jobs[&job].ended
    }

    /// The jobs that the scheduler owes something.
    pub(super) fn live(&self) -> impl Iterator<Item = JobId> + '_ {
        let live = self.jobs.iter().filter(|(_, record)| record.fate == Fate::Live);
        live.map(|(&job, _)| job)
    }

    pub(super) fn is_anything_waiting(&self) -> bool {
        let mut live = self.jobs.values().filter(|record| record.fate == Fate::Live);
        live.any(|record| !record.waiting.is_empty())
    }

    /// The items that were queued and are neither finished nor failed.
    pub(super) fn unsettled(&self, job: JobId) -> u64 {
        self.jobs[&job].unsettled as u64
    }

    pub(super) fn open(&mut self, job: JobId) {
        let record = Record {
            fate: Fate::Live,
            ended: false,
            waiting: BTreeMap::new(),
            items: Vec::new(),
            unsettled: 0,
            overtaken_by: Vec::new(),
        };
        let before = self.jobs.insert(job, record);
        assert!(before.is_none(), "the world opened {job:?} twice");
    }

    pub(super) fn queue(&mut self, job: JobId, items: &Items, weight: u32) {
        let record = self.record(job);
        assert_eq!(record.items.len() as u64, items.start, "the world queued {job:?} with a gap");
        for _ in items.clone() {
            record.items.push(Track { place: Place::Waiting, began_in: None });
        }
        record.unsettled += (items.end - items.start) as usize;
        record.wait_for(items, weight);
    }

    pub(super) fn end(&mut self, job: JobId) {
        let record = self.record(job);
        record.ended = true;
        record.close_if_done();
    }

    pub(super) fn leave(&mut self, job: JobId, fate: Fate) {
        self.record(job).fate = fate;
    }

    /// A chunk was sent: the first that waits, whole, and in its turn. Tells what it
    /// weighs.
    ///
    /// The rotation serves each waiting job once before it serves any of them
    /// again, and a job that begins to wait goes last. So while one job waits,
    /// no other is sent more than one chunk.
    pub(super) fn sent(&mut self, job: JobId, items: &Items, to: Serial) -> Result<u32, Broken> {
        if !self.is_live(job) {
            return broken(Rule::GoneJobsAreLeftAlone, format!("{items:?} of {job:?} was sent"));
        }
        let record = self.record(job);
        let known = record.items.get(items.start as usize..items.end as usize);
        if known.is_some_and(|items| items.iter().any(|track| track.began_in.is_some())) {
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
    pub(super) fn begins(&mut self, job: JobId, item: Item, in_: Serial) -> Result<(), Broken> {
        let track = &mut self.record(job).items[item as usize];
        if track.place != Place::With(in_) {
            let detail = format!("item {item} of {job:?} began in {in_:?}, but is {track:?}");
            return broken(Rule::BeginsOnce, detail);
        }
        if let Some(before) = track.began_in.replace(in_) {
            let detail = format!("item {item} of {job:?} began in {before:?} and in {in_:?}");
            return broken(Rule::BeginsOnce, detail);
        }
        Ok(())
    }

    pub(super) fn finished(&mut self, job: JobId, item: Item, in_: Serial) -> Result<(), Broken> {
        self.settle(job, item, in_, Place::Finished)
    }

    pub(super) fn failed(&mut self, job: JobId, item: Item, in_: Serial) -> Result<(), Broken> {
        self.settle(job, item, in_, Place::Failed)
    }

    fn settle(&mut self, job: JobId, item: Item, in_: Serial, to: Place) -> Result<(), Broken> {
        let record = self.record(job);
        let track = &mut record.items[item as usize];
        if track.place != Place::With(in_) || track.began_in != Some(in_) {
            let detail = format!("item {item} of {job:?} became {to:?} by {in_:?}, was {track:?}");
            return broken(Rule::SettledOnce, detail);
        }
        track.place = to;
        record.unsettled -= 1;
        record.close_if_done();
        Ok(())
    }

    /// Items that had not begun when their process ended or was asked for them wait
    /// again, before all that comes after them in the input.
    pub(super) fn come_back(&mut self, job: JobId, items: &Items, weight: u32) {
        if items.is_empty() || !self.is_live(job) {
            return;
        }
        let record = self.record(job);
        for item in items.clone() {
            record.items[item as usize].place = Place::Waiting;
        }
        record.wait_for(items, weight);
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

impl Record {
    fn wait_for(&mut self, items: &Items, weight: u32) {
        if self.waiting.is_empty() {
            self.overtaken_by.clear();
        }
        self.waiting.insert(items.start, (items.end, weight));
    }

    fn close_if_done(&mut self) {
        if self.fate == Fate::Live && self.ended && self.unsettled == 0 {
            self.fate = Fate::Done;
        }
    }
}
