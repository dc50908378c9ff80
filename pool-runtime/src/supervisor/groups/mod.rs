//! Control groups. They limit memory that the limit of a process does not count: memory that a
//! worker shares, files of a `tmpfs` that it writes, and all processes that it starts.
//!
//! ```text
//!  a directory that was handed to this program (`place`)
//!  ├── the program's own group
//!  └── pool-runtime-4711-9f3c…   a pool's, locked while the program lives
//!      ├── 1                     a worker's: memory.max, one for each start
//!      └── 2
//! ```
//!
//! A group is a directory, which stays until it is removed. A worker's group is removed when the
//! worker is reaped, with the groups that its tasks have made in it. All processes in it are
//! killed first, as in a process group, but here none can have left by `setsid`. The pool's
//! group is removed with the pool. If the program ends without dropping the pool, as when it is
//! killed, the groups stay behind, and in them processes that left by `setsid`, until the owner
//! of the directory removes it (as systemd does when a unit has ended) or until the next pool
//! beside them is made, which removes groups that have this form of name and no lock. A forked
//! copy of the program has the lock too. So groups are made only if memory is limited.
//!
//! A group is an improvement, not a requirement: if none can be made or joined, since their
//! number is exhausted or the directory is gone, a worker has the limit of a process as
//! everywhere.

mod place;

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Seek};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FlockOperation, flock};

use crate::limits::{GROUP_END, GROUP_ROOM};
use crate::sys::random;
use crate::sys::shm::AREA;

/// How the names of pools' groups begin. The program's pid and a random number follow, so that
/// no foreign group is taken for one.
const PREFIX: &str = "pool-runtime-";

/// How often another name is tried, if another pool takes a group for one that was left behind
/// before it is locked.
const TRIES: usize = 3;

/// A pool's group, which has its workers' groups as children.
#[derive(Debug)]
pub(crate) struct Groups {
    path: PathBuf,
    /// The directory, locked, which tells other pools that it is in use.
    _lock: File,
    /// Bytes that a worker may have.
    limit: u64,
    made: AtomicU64,
    /// Groups that could not be removed yet, as their processes take a moment to end.
    leaving: Mutex<Vec<PathBuf>>,
}

impl Groups {
    /// A group for a pool; `None` if this program may not make groups that count memory. Then
    /// each process has its own limit alone.
    pub(crate) fn open(limit: u64) -> Option<Arc<Groups>> {
        let place = place::find()?;
        sweep(&place);
        let (path, lock) = (0..TRIES).find_map(|_| create(&place))?;
        let (made, leaving) = (AtomicU64::new(0), Mutex::default());
        // From here on it is removed when this is dropped.
        let groups = Groups { path, _lock: lock, limit, made, leaving };
        place::count_memory(&groups.path).then(|| Arc::new(groups))
    }

    /// A group for one worker; `None` if no more can be made.
    pub(crate) fn make(self: &Arc<Groups>) -> Option<Group> {
        self.remove_left();
        let number = self.made.fetch_add(1, Ordering::Relaxed) + 1;
        let path = self.path.join(number.to_string());
        fs::create_dir(&path).ok()?;
        let mut group = Group { groups: self.clone(), path, room: 0 };
        // Kill the group as a whole: a process that lost its neighbour would not know why. And
        // allow no more in the swap, if that is counted. Older kernels know neither.
        for (file, value) in [("memory.oom.group", "1"), ("memory.swap.max", "0")] {
            let _ = fs::write(group.path.join(file), value);
        }
        group.set_room(GROUP_ROOM).ok()?;
        Some(group)
    }

    /// Removes a worker's group now or later.
    fn leave(&self, path: PathBuf) {
        if !clear(&path) {
            self.left().push(path);
        }
    }

    fn remove_left(&self) {
        self.left().retain(|path| !clear(path));
    }

    fn left(&self) -> MutexGuard<'_, Vec<PathBuf>> {
        self.leaving.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Groups {
    /// Never runs in a forked copy of the program, where the core is never dropped: it belongs to
    /// the engine's thread, which the copy lacks.
    fn drop(&mut self) {
        let until = Instant::now() + GROUP_END;
        for path in std::mem::take(&mut *self.left()) {
            if !clear(&path) {
                wait_until_empty(&path, until);
                clear(&path);
            }
        }
        // A group stays if a process in it cannot be killed. The next pool removes it.
        let _ = fs::remove_dir(&self.path);
    }
}

/// A worker's group. Dropping it kills the processes in it and removes it.
#[derive(Debug)]
pub(crate) struct Group {
    groups: Arc<Groups>,
    path: PathBuf,
    /// Bytes beyond the limit.
    room: u64,
}

impl Group {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The worker is sent a frame of this many bytes. It assembles a frame that is longer than
    /// its ring in memory of its own, which must not count as its task's. The limit stays
    /// raised, as nothing tells when the worker frees that memory, and too low a limit would
    /// kill the worker.
    pub(crate) fn make_room(&mut self, frame: usize) {
        let room = GROUP_ROOM + frame as u64;
        if frame > AREA && room > self.room {
            let _ = self.set_room(room);
        }
    }

    fn set_room(&mut self, room: u64) -> io::Result<()> {
        let bytes = self.groups.limit.saturating_add(room);
        fs::write(self.path.join("memory.max"), bytes.to_string())?;
        self.room = room;
        Ok(())
    }

    /// Whether a process in it was killed because this group ran out of memory, and not the
    /// machine or a group within.
    pub(crate) fn ran_out(&self) -> bool {
        let read = |file| fs::read_to_string(self.path.join(file));
        // Before Linux 5.2 groups within count as well.
        let events = read("memory.events.local").or_else(|_| read("memory.events"));
        let events = events.unwrap_or_default();
        ["oom", "oom_kill"].iter().all(|name| count(&events, name) > 0)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.groups.leave(std::mem::take(&mut self.path));
    }
}

/// A number in a file of lines `name number`; 0 if it is not there.
fn count(lines: &str, name: &str) -> u64 {
    let mut fields = lines.lines().filter_map(|line| line.split_once(' '));
    fields.find(|(other, _)| *other == name).and_then(|(_, value)| value.parse().ok()).unwrap_or(0)
}

/// A new, locked group. `None` if none can be made, or if another pool has removed it as one
/// left behind in the moment before it was locked.
fn create(place: &Path) -> Option<(PathBuf, File)> {
    let path = place.join(format!("{PREFIX}{}-{:016x}", std::process::id(), random::number()));
    fs::create_dir(&path).ok()?;
    match lock(&path) {
        Some(lock) => Some((path, lock)),
        None => {
            let _ = fs::remove_dir(&path);
            None
        }
    }
}

/// Locks a directory, if it has no lock and is still the one of that name.
fn lock(path: &Path) -> Option<File> {
    let dir = File::open(path).ok()?;
    flock(dir.as_fd(), FlockOperation::NonBlockingLockExclusive).ok()?;
    let here = fs::metadata(path).ok()?;
    (here.ino() == dir.metadata().ok()?.ino()).then_some(dir)
}

/// Removes the groups of pools whose program has ended.
fn sweep(place: &Path) {
    for (path, name) in children(place) {
        let Some(_lock) = is_of_pool(&name).then(|| lock(&path)).flatten() else { continue };
        // The next pool removes a group whose processes have not ended by then.
        children(&path).filter(|(_, name)| is_number(name, 10)).for_each(|(worker, _)| {
            clear(&worker);
        });
        let _ = fs::remove_dir(path);
    }
}

/// Whether a group has a name that `create` gives.
fn is_of_pool(name: &str) -> bool {
    let parts = name.strip_prefix(PREFIX).and_then(|rest| rest.split_once('-'));
    parts
        .is_some_and(|(pid, drawn)| is_number(pid, 10) && drawn.len() == 16 && is_number(drawn, 16))
}

fn is_number(text: &str, radix: u32) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_digit(radix))
}

/// Kills all processes in a group and in those within, and removes the groups. Tells whether
/// they are gone: killed processes take a moment to end.
fn clear(group: &Path) -> bool {
    // Linux before 5.14 has no such file. Then the group can be removed after its last process.
    let _ = fs::write(group.join("cgroup.kill"), "1");
    remove(group)
}

fn remove(group: &Path) -> bool {
    if fs::remove_dir(group).is_ok() {
        return true;
    }
    for (within, _) in children(group) {
        remove(&within);
    }
    fs::remove_dir(group).map_or_else(|cause| cause.kind() == ErrorKind::NotFound, |()| true)
}

/// The directories in a directory, with their names.
fn children(dir: &Path) -> impl Iterator<Item = (PathBuf, String)> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let dirs = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    dirs.filter_map(|entry| Some((entry.path(), entry.file_name().into_string().ok()?)))
}

/// Waits until the killed processes of a group have ended, but not for ever: one may be in an
/// uninterruptible sleep.
fn wait_until_empty(path: &Path, until: Instant) {
    let Ok(mut events) = File::open(path.join("cgroup.events")) else { return };
    loop {
        // The kernel reports changes since this descriptor was last read.
        let mut lines = String::new();
        let read = events.rewind().and_then(|()| events.read_to_string(&mut lines));
        let left = until.saturating_duration_since(Instant::now());
        if read.is_err() || count(&lines, "populated") == 0 || left.is_zero() {
            return;
        }
        let left = Timespec::try_from(left).expect("a second or less");
        let _ = poll(&mut [PollFd::new(&events, PollFlags::PRI)], Some(&left));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_other_group_is_taken_for_one_of_a_pool() {
        assert!(is_of_pool("pool-runtime-4711-0123456789abcdef"));
        let others = [
            "pool-web",
            "pool-runtime",
            "pool-runtime-4711",
            "pool-runtime-4711-0123456789abcde",
            "pool-runtime-4711-0123456789abcdefg",
            "pool-runtime-web-0123456789abcdef",
            "pool-runtime--0123456789abcdef",
            "my-pool-runtime-4711-0123456789abcdef",
        ];
        assert_eq!(others.map(is_of_pool), [false; 8]);
    }

    #[test]
    fn counts_are_read_by_their_whole_name() {
        let events = "low 0\nhigh 0\nmax 12\noom 3\noom_kill 1\noom_group_kill x\n";
        assert_eq!(count(events, "oom"), 3);
        assert_eq!(count(events, "oom_kill"), 1);
        assert_eq!(count(events, "oom_group_kill"), 0);
        assert_eq!(count(events, "kill"), 0);
    }
}
