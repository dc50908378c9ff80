//! The directory in which this program may make control groups, if there is one.
//!
//! A group with processes in it cannot have children that count memory, so this is the parent of
//! the program's own group. It must be delegated to the program: by systemd, which marks such a
//! directory (`Delegate=`), or by giving the program's user a directory that is not within
//! another one of that user. In any other directory that the user may write, as in the groups of
//! a desktop, another program of the user manages the groups. This library does so in a pool's
//! group: a worker's group counts all that the worker starts, even pools. If systemd itself runs
//! in a child, the directory is delegated to systemd.
//! (Kernel: `Documentation/admin-guide/cgroup-v2.rst`, "Delegation"; systemd: "Control
//! Group APIs and Delegation".)

use std::fs;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access, getxattr};

/// The marks of systemd: for any user, and for root only (before version 251).
const MARKS: [&str; 2] = ["user.delegate", "trusted.delegate"];

/// The directory, in which memory is counted for each child.
pub(super) fn find() -> Option<PathBuf> {
    let own = own_group(
        &fs::read_to_string("/proc/self/cgroup").ok()?,
        &fs::read_to_string("/proc/self/mountinfo").ok()?,
    )?;
    let place = own.parent()?;
    (is_handed_out(place) && count_memory(place)).then(|| place.to_owned())
}

/// Makes a group count the memory of each of its children. Tells whether it does.
pub(super) fn count_memory(group: &Path) -> bool {
    let control = group.join("cgroup.subtree_control");
    let counts = || fs::read_to_string(&control).is_ok_and(|names| has_memory(&names));
    counts() || (fs::write(&control, "+memory").is_ok() && counts())
}

fn has_memory(controllers: &str) -> bool {
    controllers.split_whitespace().any(|name| name == "memory")
}

fn is_handed_out(place: &Path) -> bool {
    let is_marked = MARKS.iter().any(|mark| {
        let mut value = [0_u8; 2];
        getxattr(place, *mark, &mut value).is_ok_and(|length| value[..length] == *b"1")
    });
    let is_managed = place.join("init.scope").exists();
    let is_outermost = !place.parent().is_some_and(may_write);
    may_rule(place) && !is_managed && (is_marked || is_outermost)
}

/// Whether the program may make children there and move processes between them.
fn may_rule(group: &Path) -> bool {
    let files = ["cgroup.procs", "cgroup.subtree_control"];
    may_write(group) && files.iter().all(|file| may_write(&group.join(file)))
}

fn may_write(path: &Path) -> bool {
    access(path, Access::WRITE_OK).is_ok()
}

/// The directory of this process's group in the one hierarchy of version 2, from
/// `/proc/self/cgroup` and `/proc/self/mountinfo`.
fn own_group(cgroup: &str, mounts: &str) -> Option<PathBuf> {
    let path = Path::new(cgroup.lines().find_map(|line| line.strip_prefix("0::"))?);
    mounts.lines().find_map(|line| {
        // The fourth and the fifth field are the mounted directory and the mount point. After a
        // lone dash comes the kind of file system.
        let (fields, kind) = line.split_once(" - ")?;
        kind.starts_with("cgroup2 ").then_some(())?;
        let mut fields = fields.split(' ').skip(3);
        let (root, mounted) = (fields.next()?, fields.next()?);
        // Relative to the mounted directory; one above it cannot be reached. A name with a space
        // would be escaped, which is not handled, as no such name is in use there.
        let below = path.strip_prefix(root).ok()?;
        (!mounted.contains('\\')).then(|| Path::new(mounted).join(below))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
24 1 0:22 / /proc rw,nosuid - proc proc rw
29 23 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
30 23 0:27 / /sys/fs/cgroup/unified rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate
";

    fn own(cgroup: &str, mounts: &str) -> Option<String> {
        own_group(cgroup, mounts).map(|path| path.into_os_string().into_string().unwrap())
    }

    #[test]
    fn the_group_is_found_where_it_is_mounted() {
        let cgroup = "9:name=systemd:/a\n4:memory:/b\n0::/user.slice/run-1.service/program\n";
        let found = "/sys/fs/cgroup/unified/user.slice/run-1.service/program";
        assert_eq!(own(cgroup, MOUNTS).as_deref(), Some(found));
        let part = MOUNTS.replace("0:27 / ", "0:27 /user.slice ");
        let found = "/sys/fs/cgroup/unified/run-1.service/program";
        assert_eq!(own(cgroup, &part).as_deref(), Some(found));
    }

    #[test]
    fn a_group_that_cannot_be_seen_is_none() {
        let cgroup = "0::/a/b\n";
        assert_eq!(own(cgroup, &MOUNTS.replace("0:27 / ", "0:27 /other ")), None);
        assert_eq!(own(cgroup, &MOUNTS.replace("cgroup2 ", "tmpfs ")), None);
        assert_eq!(own("4:memory:/b\n", MOUNTS), None);
        assert_eq!(own(cgroup, "nonsense\n"), None);
        assert_eq!(own(cgroup, &MOUNTS.replace("unified", r"uni\040fied")), None);
    }

    #[test]
    fn memory_is_a_whole_word() {
        assert!(has_memory("cpu memory pids\n"));
        assert!(!has_memory("cpu memory_more pids\n"));
        assert!(!has_memory(""));
    }

    #[test]
    fn a_directory_is_handed_out_whose_parent_is_not() {
        let temp = std::env::temp_dir().join(format!("place-{}", std::process::id()));
        let inner = temp.join("inner");
        fs::create_dir_all(&inner).unwrap();
        for file in ["cgroup.procs", "cgroup.subtree_control"] {
            assert!(!is_handed_out(&inner), "without {file}");
            fs::write(inner.join(file), "").unwrap();
        }
        // The user may write in the parent too.
        assert!(!is_handed_out(&inner));
        fs::remove_dir_all(&temp).unwrap();
    }
}
