//! Two real processes, real shared memory, real sleeps; and a process that is
//! killed in the middle of it.
//!
//! The other process is this test program once more, which runs
//! [`the_other_process`] only. It finds the memory on its standard input.

use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use super::super::super::memory::{Memory, SharedLane};
use super::*;
use crate::sys::futex;
use crate::sys::shm::{AREA, Shm};

/// What tells the other process that it is that, and how many frames to send.
const FRAMES: &str = "POOL_TEST_FRAMES";

/// Longer than any of it takes, on slow and busy machines too.
const WATCH: Duration = Duration::from_secs(600);

/// The words after all that the channel itself uses.
const FLAGS: usize = 24;

/// Bytes that tell where in them one is.
struct Pattern(Vec<u8>);

impl Pattern {
    fn new() -> Pattern {
        let mut rng = Rng(1);
        Pattern((0..1 << 17).flat_map(|_| rng.next().to_ne_bytes()).collect())
    }

    /// The body of frame `number` of a direction.
    fn body(&self, direction: usize, number: u64) -> Vec<u8> {
        let mut rng = Rng(number << 1 | direction as u64);
        let length = match rng.below(1000) {
            0..700 => rng.below(200),
            700..930 => rng.below(64 << 10),
            930..994 => rng.below(1 << 20),
            994..997 => AREA - 16 + rng.below(16),
            _ => AREA + rng.below(AREA),
        };
        let start = rng.below(1 << 16);
        let mut body = self.0[start..][..length.min(self.0.len() - start)].to_vec();
        while body.len() < length {
            body.extend_from_slice(&self.0[..self.0.len().min(length - body.len())]);
        }
        body
    }
}

/// One process's view of one direction.
struct End {
    direction: usize,
    flags: Shm,
    gone: Arc<AtomicBool>,
    pattern: Pattern,
    rng: Rng,
}

impl End {
    fn word(&self, which: usize) -> &std::sync::atomic::AtomicU32 {
        self.flags.half_word(FLAGS + 2 * self.direction + which)
    }

    fn wake(&self, which: usize) {
        if Sleep(self.word(which)).must_wake() {
            futex::wake(self.word(which));
        }
    }

    fn is_alone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }

    /// Sleeps on a flag that is up.
    fn doze(&self, which: usize, ready: impl Fn() -> bool) {
        let asleep = Sleep::<std::sync::atomic::AtomicU32>::ASLEEP;
        let word = self.word(which);
        while word.load(Ordering::Relaxed) == asleep && !ready() && !self.is_alone() {
            futex::wait(word, asleep, None).unwrap();
        }
        Sleep(word).end();
    }

    fn pause(&mut self) {
        if self.rng.below(8) == 0 {
            for _ in 0..self.rng.below(3000) {
                std::hint::spin_loop();
            }
        }
    }

    fn send(mut self, mut producer: Producer<SharedLane>, frames: u64) {
        for number in 0..frames {
            let body = self.pattern.body(self.direction, number);
            let (first, second) = body.split_at(body.len() / 3);
            let message = Message::new(number as u8 | 1, [first, second]);
            let mut sent = 0;
            while !producer.send(message, &mut sent).unwrap() {
                self.wake(NEWS);
                Sleep(self.word(ROOM)).prepare();
                let before = sent;
                let whole = producer.send(message, &mut sent).unwrap();
                self.doze(ROOM, || sent > before);
                if whole {
                    break;
                }
                if self.is_alone() {
                    return;
                }
            }
            self.wake(NEWS);
            self.pause();
        }
    }

    /// Gives how many frames came, and says so all the while. All but those that were killed
    /// on their way are whole.
    fn receive(
        mut self,
        consumer: Consumer<SharedLane>,
        frames: u64,
        by_peek: bool,
        came: &AtomicU64,
    ) -> u64 {
        let mut receiver = Receiver { consumer, bytes: Vec::new() };
        let mut number = 0;
        while number < frames {
            let was_alone = self.is_alone();
            let frame = if by_peek {
                receiver.peek()
            } else {
                receiver.take(receiver.missing().unwrap_or(64 << 10));
                receiver.parse()
            };
            self.wake(ROOM);
            if let Some(frame) = frame {
                assert_eq!(frame.tag, number as u8 | 1);
                assert!(frame.body == self.pattern.body(self.direction, number), "frame {number}");
                number += 1;
                came.store(number, Ordering::Relaxed);
                self.pause();
            } else if !receiver.consumer.has_unread() {
                if was_alone {
                    // Of what was begun, only a frame in pieces can be there in part.
                    let begun = receiver.bytes.first_chunk().map(|word| u64::from_ne_bytes(*word));
                    let length =
                        begun.map_or(u64::MAX, |word| Header::decode(word).unwrap().length);
                    assert!(length > AREA as u64 - 8, "{length} bytes that were sent at once");
                    return number;
                }
                Sleep(self.word(NEWS)).prepare();
                let consumer = &receiver.consumer;
                self.doze(NEWS, || consumer.has_unread());
            }
        }
        number
    }
}

/// The flag of the one that reads, and of the one that writes.
const NEWS: usize = 0;
const ROOM: usize = 1;

/// Sends and receives side by side; gives how many frames came.
fn exchange(
    file: &impl AsFd,
    sends: usize,
    frames: u64,
    gone: &Arc<AtomicBool>,
    came: &Arc<AtomicU64>,
) -> thread::JoinHandle<u64> {
    let memory = Memory::new(Shm::open(file.as_fd()).unwrap());
    let end = |direction| End {
        direction,
        flags: Shm::open(file.as_fd()).unwrap(),
        gone: Arc::clone(gone),
        pattern: Pattern::new(),
        rng: Rng(direction as u64),
    };
    let (out, back) = (end(sends), end(1 - sends));
    let lanes = [memory.requests(), memory.responses()];
    let [first, second] = lanes;
    let (lane_out, lane_back) = if sends == 0 { (first, second) } else { (second, first) };
    let came = Arc::clone(came);
    thread::spawn(move || {
        let sender = thread::spawn(move || out.send(Producer::new(lane_out), frames));
        let received = back.receive(Consumer::new(lane_back), frames, sends == 1, &came);
        sender.join().unwrap();
        received
    })
}

/// The other process; gone when this is.
struct Peer(Child);

impl Peer {
    fn start(file: OwnedFd, frames: u64) -> Peer {
        let path = module_path!().split_once("::").unwrap().1;
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", &format!("{path}::the_other_process"), "--nocapture"]);
        command.env(FRAMES, frames.to_string()).stdin(file).stdout(Stdio::null());
        Peer(command.spawn().unwrap())
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_other_process() {
    let Ok(frames) = std::env::var(FRAMES) else {
        return;
    };
    thread::spawn(|| {
        thread::sleep(WATCH);
        std::process::exit(2);
    });
    let frames = frames.parse().unwrap();
    let received = exchange(&std::io::stdin(), 1, frames, &Arc::default(), &Arc::default()).join();
    std::process::exit(if received.is_ok_and(|received| received == frames) { 0 } else { 1 });
}

/// Fails, rather than hangs, where something is slept through.
fn watched(test: impl FnOnce() + Send + 'static) {
    let (done, when) = mpsc::channel();
    let running = thread::spawn(move || {
        let _done: mpsc::Sender<()> = done;
        test();
    });
    assert_ne!(when.recv_timeout(WATCH), Err(mpsc::RecvTimeoutError::Timeout), "it hangs");
    if let Err(panic) = running.join() {
        std::panic::resume_unwind(panic);
    }
}

#[test]
fn two_processes_exchange_frames_of_every_size() {
    watched(|| {
        const COUNT: u64 = 2500;
        let (_shm, file) = Shm::create().unwrap();
        let mut peer = Peer::start(file.try_clone().unwrap(), COUNT);
        let received = exchange(&file, 0, COUNT, &Arc::default(), &Arc::default());
        assert_eq!(received.join().unwrap(), COUNT);
        assert!(peer.0.wait().unwrap().success(), "the other process found something wrong");
    });
}

#[test]
fn what_a_killed_process_has_published_is_whole() {
    watched(|| {
        let mut rng = Rng(u64::from(std::process::id()));
        for life in 0..25 {
            let (shm, file) = Shm::create().unwrap();
            let mut peer = Peer::start(file.try_clone().unwrap(), u64::MAX);
            let (gone, came) = (Arc::default(), Arc::default());
            let exchange = exchange(&file, 0, u64::MAX, &gone, &came);
            // Some before it sends anything, and some after so many frames that the ring
            // has gone round; each at any moment of what comes next.
            let frames = if life % 5 == 0 { 0 } else { rng.below(100) as u64 };
            while came.load(Ordering::Relaxed) < frames && !exchange.is_finished() {
                thread::yield_now();
            }
            (0..rng.below(50_000)).for_each(|_| std::hint::spin_loop());
            peer.0.kill().unwrap();
            peer.0.wait().unwrap();
            gone.store(true, Ordering::Release);
            // What its hanging up does in the channel.
            while !exchange.is_finished() {
                (FLAGS..FLAGS + 4).for_each(|flag| futex::wake(shm.half_word(flag)));
                thread::sleep(Duration::from_millis(1));
            }
            assert!(exchange.join().unwrap() >= frames);
        }
    });
}
