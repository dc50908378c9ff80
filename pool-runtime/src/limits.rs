//! Every bound in one place, with its reason.

use std::time::Duration;

/// The most workers that one pool may have. Each costs the program three
/// descriptors (its bell, its lifeline, its pidfd), and two pipes more where its output
/// is captured or relayed, so `ulimit -n` is met first on most machines.
pub(crate) const MAX_WORKERS: usize = 4096;

/// How deep pools may nest: a worker's own pool is depth 2, and so on. A
/// program that re-executes itself must not be able to fork without end.
pub(crate) const MAX_DEPTH: u32 = 10;

/// The longest body of a frame, in bytes. A length above it is taken for corruption.
pub(crate) const MAX_FRAME: u64 = 1 << 32;

/// The most workers of a pool whose callers look at the workers' rings themselves,
/// all of them at each look.
pub(crate) const LOOK_MOST: usize = 32;

/// The longest item, in bytes: a frame less room for the chunk's head and for
/// the items before it, which are fewer bytes than `CHUNK_BYTES`.
pub(crate) const MAX_ITEM: usize = (1 << 32) - (2 << 20);

/// A chunk is sent once its items reach this many bytes, whatever the chunk
/// size: large items gain nothing from travelling together.
pub(crate) const CHUNK_BYTES: usize = 1 << 20;

/// A chunk of so many bytes is one of the `DEPTH` that a worker may be sent ahead;
/// of larger ones fewer are. So 2 MiB at most wait for a worker.
pub(crate) const WEIGHT_BYTES: u64 = 32 << 10;

/// So is one that takes so long: two milliseconds of work wait in a worker, or one
/// chunk that takes longer. What another job sends comes behind that.
pub(crate) const WEIGHT_TIME: Duration = Duration::from_micros(32);

/// How long a chunk should keep a worker, where the user names no chunk size. Four of
/// them are ahead of a worker, and a caller that sleeps is woken when it begins the
/// last: that takes 20 to 50 µs of a core in a virtual machine, a hundredth or two of
/// the work in between.
pub(crate) const CHUNK_TIME: Duration = Duration::from_micros(500);

/// How long the items should keep a worker that are queued at a time, where the
/// user names a chunk size.
pub(crate) const BATCH_TIME: Duration = Duration::from_micros(100);

/// How long workers must have work for a caller to sleep that could take results: some
/// times what it takes to wake it.
pub(crate) const STOCK_TIME: Duration = Duration::from_micros(100);

/// The largest chunk that is chosen without the user's asking for it.
pub(crate) const MAX_AUTO_CHUNK: usize = 16384;

/// What a worker's share of a known rest is cut into, so that the last chunks
/// shrink and the workers end together.
pub(crate) const CHUNKS_OF_REST: usize = 4;

/// Batches in flight for each worker that the default window has room for: one
/// running, one on its way, and slack for a consumer that comes in bursts.
pub(crate) const WINDOW_BATCHES: usize = 4;

/// The least default window.
pub(crate) const MIN_WINDOW: usize = 16;

/// Items do not wait longer than this for others of their chunk to be pulled.
pub(crate) const FILL_TIME: Duration = Duration::from_micros(200);

/// Bytes of a panic's message and of its backtrace that are kept.
pub(crate) const MAX_PANIC_MESSAGE: usize = 64 << 10;
pub(crate) const MAX_BACKTRACE: usize = 256 << 10;

/// Bytes of what an item has written to a stream that its error has.
pub(crate) const OUTPUT_TAIL: usize = 8 << 10;

/// Bytes of a worker's line that are printed in one piece.
pub(crate) const OUTPUT_LINE: usize = 64 << 10;

/// Bytes of workers' lines that wait to be printed before workers are made to wait.
pub(crate) const OUTPUT_QUEUED: usize = 256 << 10;

/// Bytes of lines that wait to be printed at which even those of dead workers are
/// dropped, who cannot be made to wait.
pub(crate) const OUTPUT_DROPPED: usize = 64 << 20;
/// Bytes of memory that must be left in a worker whose memory is limited for a
/// backtrace to be put into words: the debug information of a program of moderate
/// size takes some 50 MiB, and is kept.
pub(crate) const BACKTRACE_ROOM: usize = 256 << 20;

/// Bytes of memory that a worker's control group may have beyond the worker's limit: its
/// channel, which is 16 MiB, and as much for what the kernel itself keeps for it.
pub(crate) const GROUP_ROOM: u64 = 32 << 20;

/// How long the end of what was killed in workers' control groups is waited for. Only the
/// kernel can keep it longer; then the group is left to the next pool.
pub(crate) const GROUP_END: Duration = Duration::from_secs(1);

/// How long a pool that goes waits for the end of what was killed with its workers and has
/// become the program's own. Only the kernel can keep it longer; then it is reaped when it
/// ends.
pub(crate) const ORPHANS_END: Duration = Duration::from_secs(1);

/// How long a worker waits, after an item or before it sleeps, for a lock of an output
/// stream that a thread of the task may hold. Whoever prints holds it for microseconds.
pub(crate) const FLUSH_WAIT: Duration = Duration::from_millis(50);

/// Bytes of the stack of the thread that waits for such a lock.
pub(crate) const ASIDE_STACK: usize = 64 << 10;

/// Up to so many items of a chunk, each takes long enough (see `CHUNK_TIME`: 2 µs) that 20 ns
/// for writing out an unfinished line are no more than a hundredth of it.
pub(crate) const FEW_ITEMS: u64 = 256;

/// How often an unfinished line is written out between many items that have a time limit, in
/// nanoseconds. It takes 20 ns, so a fiftieth of the time.
pub(crate) const FLUSH_EVERY: u64 = 1_000;

/// How long a worker may take to report in, unless the builder says otherwise.
pub(crate) const START_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a worker that was told goodbye may run its exit handlers.
pub(crate) const STOP_GRACE: Duration = Duration::from_secs(5);

/// How long a worker that was asked to end may take before it is killed, unless the
/// builder says otherwise.
pub(crate) const KILL_GRACE: Duration = Duration::from_secs(1);

/// How long the end of a worker is waited for that has hung up. The kernel has little left
/// to do then, and does it in microseconds; the rest is for machines that are busy. A guess
/// that was wrong costs nothing but where the worker was being killed by somebody else.
pub(crate) const HANG_UP_GRACE: Duration = Duration::from_secs(1);

/// How long a worker that has crashed may be kept by its core dump. A dump of a gigabyte
/// takes about one second where it goes to a disk; what it goes to may also be stuck.
pub(crate) const DUMP_TIME: Duration = Duration::from_secs(3);

/// How long a worker may begin nothing of what it was sent, where items have a time
/// limit, or that limit if it is longer. On a busy machine a worker may not be run for
/// a while, but not for so long: it was stopped.
pub(crate) const UNRESPONSIVE: Duration = Duration::from_secs(5);

/// How long a zygote may take until it is ready: its exec, and the static constructors that
/// stand before the hook. One that takes longer is given up, and workers are executed. Only
/// the building of a pool waits for it; a pool at work executes its workers meanwhile. An exec
/// takes 2 ms; the rest is for constructors, and for machines that are busy.
pub(crate) const ZYGOTE_BOOT: Duration = Duration::from_secs(1);

/// How long a zygote that is ready may take to answer. The callers of the pool that wants the
/// worker wait meanwhile. It forks in 0.2 ms and does nothing else, so one that takes this long
/// has been stopped.
pub(crate) const ZYGOTE_REPLY: Duration = Duration::from_millis(200);

/// How long a zygote lives without forking.
pub(crate) const ZYGOTE_IDLE: Duration = Duration::from_secs(10);

/// For how long no other is tried after one that did not come up, in the same
/// surroundings: what was in its way may pass, but not at once.
pub(crate) const ZYGOTE_RETRY: Duration = Duration::from_secs(10);

/// How long the end of a killed zygote is waited for. Only the kernel can keep it
/// longer (a file system that does not answer); then it is reaped when it ends.
pub(crate) const ZYGOTE_END: Duration = Duration::from_secs(1);

/// The least stack of a worker, in bytes. It starts with half of it, if the environment is
/// small (measured in a debug build, with pages of 4 KiB); with less the kernel ends it
/// before anything of it has run.
pub(crate) const LEAST_STACK: u64 = 64 << 10;

/// The least age at which workers may be replaced: one takes longer to start, and
/// an idle pool would do nothing but start others.
pub(crate) const LEAST_AGE: Duration = Duration::from_micros(100);

/// The longest head of `text` that is whole characters and at most `most` bytes.
pub(crate) fn head(text: &str, most: usize) -> &str {
    let fits = |&end: &usize| text.is_char_boundary(end);
    match text.len() <= most {
        true => text,
        false => &text[..(0..=most).rev().find(fits).expect("0 is a boundary")],
    }
}

#[cfg(test)]
mod tests {
    use super::head;

    #[test]
    fn a_head_ends_before_the_character_that_does_not_fit() {
        assert_eq!(head("aé", 3), "aé");
        assert_eq!(head("aé", 2), "a");
        assert_eq!(head("é", 1), "");
        assert_eq!(head("", 0), "");
    }
}
