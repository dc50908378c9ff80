//! Trees of files with odd names.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, OFlags, mkdirat, mknodat, openat};

/// A tree with everything that is odd about names, sizes and kinds.
pub(crate) struct Odd {
    /// Its regular files, in the order of a walk that sorts each directory.
    pub(crate) files: Vec<PathBuf>,
}

impl Odd {
    pub(crate) fn grow(root: &Path) -> Odd {
        let names: [&[u8]; 16] = [
            b"plain",
            b"with space",
            b" leading and trailing ",
            b"back\\slash",
            b"\\",
            b"new\nline",
            b"\n",
            b"\\n both \\\n",
            b"--help",
            b"-",
            b"*?[a-z]$(x)'\"",
            "gr\u{fc}\u{df}e".as_bytes(),
            b"not \xff utf-8 \xfe",
            b"tab\there",
            b".hidden",
            b"0",
        ];
        // `b-` sorts after what is in `b`, though `-` sorts before `/`.
        let dirs: [&[u8]; 7] =
            [b"", b"b", b"b-", b"b/deep/er/still", b"d\\ir", b"d\nir", b"d \xff ir"];
        let mut files = Vec::new();
        for dir in dirs.map(|dir| root.join(OsStr::from_bytes(dir))) {
            fs::create_dir_all(&dir).unwrap();
            for (n, name) in names.iter().enumerate() {
                let path = dir.join(OsStr::from_bytes(name));
                fs::write(&path, format!("{n} {}", path.display())).unwrap();
                files.push(path);
            }
        }
        // Nothing, and sizes about those of blocks; the last has a hole too.
        for size in [0, 1, 55, 56, 63, 64, 65, 65_535, 65_536, 65_537, 1_000_003] {
            let path = root.join(format!("size {size}"));
            fs::write(&path, (0..size).map(|n| (n % 251) as u8).collect::<Vec<u8>>()).unwrap();
            files.push(path);
        }
        let mut large = File::create(root.join("large")).unwrap();
        large.set_len(4 << 20).unwrap();
        large.write_all(b"a hole follows").unwrap();
        files.push(root.join("large"));

        // What `find -type f` leaves out.
        symlink("plain", root.join("link to a file")).unwrap();
        symlink("b", root.join("link to a directory")).unwrap();
        symlink(".", root.join("loop")).unwrap();
        symlink("nowhere", root.join("dangling")).unwrap();
        mknodat(CWD, root.join("pipe"), FileType::Fifo, Mode::RWXU, 0).unwrap();
        fs::create_dir(root.join("empty directory")).unwrap();
        // Paths compare as such a walk goes: one component after the other.
        files.sort();
        Odd { files }
    }
}

/// What cannot be read, whoever tries: paths longer than the kernel takes.
pub(crate) struct TooLong {
    /// It can be listed, but not opened.
    pub(crate) file: PathBuf,
    pub(crate) directory: PathBuf,
}

impl TooLong {
    pub(crate) fn grow(root: &Path) -> TooLong {
        const PATH_MAX: usize = 4096;
        let name = "n".repeat(250);
        let open = |at: &dyn std::os::fd::AsFd, path: &Path, flags| {
            openat(at.as_fd(), path, flags | OFlags::CLOEXEC, Mode::RWXU).unwrap()
        };
        let mut path = root.to_owned();
        let mut dir = open(&CWD, root, OFlags::DIRECTORY);
        while path.as_os_str().len() + name.len() < PATH_MAX - 1 {
            mkdirat(&dir, &name, Mode::RWXU).unwrap();
            dir = open(&dir, Path::new(&name), OFlags::DIRECTORY);
            path.push(&name);
        }
        let (file, directory) = ("f".repeat(250), "d".repeat(250));
        open(&dir, Path::new(&file), OFlags::CREATE | OFlags::WRONLY);
        mkdirat(&dir, &directory, Mode::RWXU).unwrap();
        TooLong { file: path.join(file), directory: path.join(directory) }
    }
}
