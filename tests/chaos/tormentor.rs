//! Who kills and stops processes, takes all descriptors, and lets pipes fill.
//!
//! It touches neither pools nor their locks: somebody may hold one while they wait
//! for a process that only the tormentor continues.

use std::fs::File;
use std::ops::Range;
use std::time::{Duration, Instant};

use pool_tests::rng::Rng;
use rustix::process::Signal;

use crate::Scene;
use crate::account::Column;
use crate::targets::Target;

/// What is done to the program and its children.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// SIGKILL for a worker, whatever it does: it may be starting or idle too.
    KillWorker,
    /// SIGTERM for a worker, which a task has not arranged to ignore.
    TermWorker,
    /// SIGSTOP for a worker, and later SIGCONT.
    StopWorker,
    /// SIGSTOP for a worker, and later SIGKILL.
    StopAndKillWorker,
    /// SIGCONT for a worker that was not stopped.
    ContinueWorker,
    /// SIGKILL for the zygote.
    KillZygote,
    /// SIGSTOP for the zygote, and later SIGCONT.
    StopZygote,
    /// Nobody reads what the workers print, so the pipe fills, and those that
    /// print wait.
    FillPipe,
    /// The program has no descriptors left.
    TakeDescriptors,
    /// All workers are killed, and there are no descriptors for longer than pools wait for
    /// others: they give up.
    Famine,
}

pub(crate) const FAULTS: &[(usize, Fault)] = &[
    (24, Fault::KillWorker),
    (4, Fault::TermWorker),
    (12, Fault::StopWorker),
    (4, Fault::StopAndKillWorker),
    (2, Fault::ContinueWorker),
    (8, Fault::KillZygote),
    (4, Fault::StopZygote),
    (2, Fault::FillPipe),
    (3, Fault::TakeDescriptors),
    // Once in a round at most: see `torment`.
    (0, Fault::Famine),
];

/// The longest time between two faults, in microseconds.
const PAUSE: usize = 30_000;

/// The longest time that something is stopped, full or lacking, in milliseconds.
const SPELL: usize = 400;

/// How long there are no descriptors in a famine, in milliseconds. Pools give up after 2.3 s.
const FAMINE: Range<u64> = 2700..3400;

/// When a famine begins, in milliseconds: so that the pools are in use again before the
/// round is over.
const FAMINE_BEGINS: usize = 1000;

/// What must be undone, and how.
#[derive(Debug)]
enum Spell {
    Stopped(Target),
    Doomed(Target),
    PipeFull,
    Scarcity,
}

struct Tormentor<'a> {
    scene: &'a Scene<'a>,
    rng: Rng,
    spells: Vec<(Instant, Spell)>,
    /// Those that were there when it could last be seen: without descriptors nobody
    /// can look.
    targets: Vec<Target>,
    /// All the descriptors that there were.
    taken: Vec<File>,
}

/// Injects fault after fault until the round is over, and undoes what must be undone.
pub(crate) fn torment(scene: &Scene<'_>, mut rng: Rng) {
    let famine = Duration::from_millis(rng.below(FAMINE_BEGINS) as u64);
    let mut famine = scene.has_famine.then(|| Instant::now() + famine);
    let (spells, targets, taken) = (Vec::new(), Vec::new(), Vec::new());
    let mut tormentor = Tormentor { scene, rng, spells, targets, taken };
    while !scene.is_over() {
        let pause = tormentor.rng.below(PAUSE) as u64;
        std::thread::sleep(Duration::from_micros(pause));
        tormentor.undo(Instant::now());
        let is_due = famine.is_some_and(|begins| begins <= Instant::now());
        let fault = match is_due && tormentor.taken.is_empty() {
            true => Fault::Famine,
            false => crate::draw(FAULTS, &mut tormentor.rng),
        };
        if tormentor.inject(fault) {
            famine.take_if(|_| fault == Fault::Famine);
            scene.tally.count(Column::Faults, format!("{fault:?}"));
        }
    }
    let all = Instant::now() + Duration::from_millis(FAMINE.end);
    tormentor.undo(all);
}

impl Tormentor<'_> {
    /// Does it, if it can be done now.
    fn inject(&mut self, fault: Fault) -> bool {
        if self.taken.is_empty() {
            self.targets = Target::all();
        } else {
            self.take_descriptors();
        }
        let of_zygote = matches!(fault, Fault::KillZygote | Fault::StopZygote);
        let fitting: Vec<usize> =
            (0..self.targets.len()).filter(|&at| self.targets[at].is_zygote == of_zygote).collect();
        let target = match fitting.len() {
            0 => None,
            count => Some(fitting[self.rng.below(count)]),
        };
        match fault {
            Fault::FillPipe => self.scene.printed.fill() && self.later(Spell::PipeFull),
            Fault::TakeDescriptors | Fault::Famine => {
                if !self.taken.is_empty() {
                    return false;
                }
                self.scene.account.scarcity_begins();
                self.take_descriptors();
                match fault {
                    Fault::Famine => {
                        for worker in self.targets.iter().filter(|target| !target.is_zygote) {
                            self.end(worker, Signal::KILL);
                        }
                        let more = self.rng.below((FAMINE.end - FAMINE.start) as usize) as u64;
                        self.for_long(Spell::Scarcity, FAMINE.start + more)
                    }
                    _ => self.later(Spell::Scarcity),
                }
            }
            _ => {
                let Some(target) = target.map(|at| self.targets.swap_remove(at)) else {
                    return false;
                };
                match fault {
                    Fault::KillWorker | Fault::KillZygote => self.end(&target, Signal::KILL),
                    Fault::TermWorker => self.end(&target, Signal::TERM),
                    Fault::ContinueWorker => target.send(Signal::CONT),
                    Fault::StopAndKillWorker => {
                        self.stop(&target) && self.later(Spell::Doomed(target))
                    }
                    _ => self.stop(&target) && self.later(Spell::Stopped(target)),
                }
            }
        }
    }

    /// Ends a process, and keeps the books.
    fn end(&self, target: &Target, signal: Signal) -> bool {
        // Before, since it may be missed at once.
        self.scene.account.will_end(target.pid, signal.as_raw());
        let sent = target.send(signal);
        if !sent {
            self.scene.account.did_not_end(target.pid);
        }
        sent
    }

    fn stop(&self, target: &Target) -> bool {
        self.scene.account.will_stop(target.pid);
        target.send(Signal::STOP)
    }

    fn later(&mut self, spell: Spell) -> bool {
        let long = self.rng.below(SPELL) as u64;
        self.for_long(spell, long)
    }

    fn for_long(&mut self, spell: Spell, millis: u64) -> bool {
        self.spells.push((Instant::now() + Duration::from_millis(millis), spell));
        true
    }

    /// Ends every spell that is to end by now.
    fn undo(&mut self, now: Instant) {
        for (_, spell) in self.spells.extract_if(.., |(until, _)| *until <= now).collect::<Vec<_>>()
        {
            match spell {
                Spell::Stopped(target) => drop(target.send(Signal::CONT)),
                Spell::Doomed(target) => drop(self.end(&target, Signal::KILL)),
                Spell::PipeFull => self.scene.printed.drain(),
                Spell::Scarcity => {
                    self.taken.clear();
                    self.scene.account.scarcity_ends();
                }
            }
        }
    }

    /// Until there are none.
    fn take_descriptors(&mut self) {
        self.taken.extend(std::iter::from_fn(|| File::open("/dev/null").ok()));
    }
}
