use std::time::Duration;

use super::*;
use crate::sys::shm::AREA;

const LONG: Duration = Duration::from_secs(20);

/// Waits on the waiter as a caller of a job does; gives whether it was woken.
fn wait(waiter: DirectWaiter) -> std::thread::JoinHandle<bool> {
    let (begins, begun) = std::sync::mpsc::channel();
    let waiter = std::thread::spawn(move || {
        begins.send(rustix::thread::gettid()).unwrap();
        let start = std::time::Instant::now();
        DirectWaiter::wait([&waiter].into_iter(), Some(LONG));
        start.elapsed() < LONG
    });
    let stat = format!("/proc/self/task/{}/stat", begun.recv().unwrap());
    let sleeps = || std::fs::read_to_string(&stat).is_ok_and(|stat| stat.contains(") S "));
    while !waiter.is_finished() && !sleeps() {
        std::thread::yield_now();
    }
    waiter
}

#[test]
fn a_caller_that_is_woken_before_it_sleeps_does_not_sleep_for_another_has_come() {
    let (mut end, _lifeline) = ParentEnd::open(b"boot", &[]).unwrap();
    let early = end.arm_direct(WakePolicy::Eager);
    early.wake();
    let _other = end.arm_direct(WakePolicy::Eager);
    assert!(wait(early).join().unwrap());
}

#[test]
fn whoever_came_first_a_caller_is_woken() {
    let (mut end, _lifeline) = ParentEnd::open(b"boot", &[]).unwrap();
    let first = wait(end.arm_direct(WakePolicy::Eager));
    let waiter = end.arm_direct(WakePolicy::Eager);
    let second = wait(waiter.clone());
    waiter.wake();
    assert!(second.join().unwrap());
    // For no reason, and it looks again.
    assert!(first.join().unwrap());
}

/// A worker that has read all there was of a long frame sleeps until there is more.
#[test]
fn a_recall_wakes_a_worker_that_it_sends_the_rest_of_a_frame() {
    let (mut end, lifeline) = ParentEnd::open(b"boot", &[]).unwrap();
    let (_, fds) = fds::receive_with(lifeline.as_fd()).unwrap();
    let memory = Memory::new(Shm::open(fds[1].as_fd()).unwrap());
    let mut requests = Consumer::new(memory.requests());
    let mut bytes = ItemBytes::Sent(Bytes::Own(vec![0; AREA + 1000]));
    let body = Body { range: 0..bytes.len(), bytes: &mut bytes };
    end.send_chunk(request::CHUNK, &[], body).unwrap();
    while requests.take(AREA as u64, &mut Vec::new()).unwrap() > 0 {}
    Sleep(memory.idleness()).prepare();
    end.recall().unwrap();
    assert!(requests.has_unread());
    let word = memory.idleness().load(Ordering::Relaxed);
    assert_eq!(word, Sleep::<AtomicU32>::AWAKE, "it sleeps on");
}
