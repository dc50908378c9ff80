//! The archive that a kernel unpacks into its first file system: `cpio`, in the format
//! "newc", of `Documentation/driver-api/early-userspace/buffer-format.rst` in Linux.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufWriter, Write};

const DIRECTORY: u32 = 0o040_755;
const FILE: u32 = 0o100_000;

pub(super) struct Archive {
    out: BufWriter<File>,
    /// What is in it, by its path without the slash at the beginning.
    entries: BTreeSet<String>,
}

impl Archive {
    pub(super) fn new(out: File) -> Archive {
        Archive { out: BufWriter::new(out), entries: BTreeSet::new() }
    }

    /// A directory and those that it is in, where they are not there yet.
    pub(super) fn directory(&mut self, path: &str) {
        if let Some((parent, _)) = path.rsplit_once('/') {
            self.directory(parent);
        }
        self.entry(path, DIRECTORY, &[]);
    }

    /// A file, where it is not there yet, and the directories that it is in.
    pub(super) fn file(&mut self, path: &str, mode: u32, bytes: &[u8]) {
        if let Some((parent, _)) = path.rsplit_once('/') {
            self.directory(parent);
        }
        self.entry(path, FILE | mode, bytes);
    }

    /// Without this the kernel refuses it.
    pub(super) fn end(mut self) {
        self.write("TRAILER!!!", 0, &[]);
        self.out.flush().unwrap();
    }

    fn entry(&mut self, path: &str, mode: u32, bytes: &[u8]) {
        if self.entries.insert(path.to_owned()) {
            self.write(path, mode, bytes);
        }
    }

    fn write(&mut self, path: &str, mode: u32, bytes: &[u8]) {
        let inode = u32::try_from(self.entries.len()).unwrap();
        let size = u32::try_from(bytes.len()).unwrap();
        // Inode, mode, user, group, links, time, size, device, its device, name, checksum.
        let name = u32::try_from(path.len() + 1).unwrap();
        let header = [inode, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, name, 0];
        self.out.write_all(b"070701").unwrap();
        for field in header {
            write!(self.out, "{field:08x}").unwrap();
        }
        write!(self.out, "{path}\0").unwrap();
        self.align(6 + 8 * header.len() + path.len() + 1);
        self.out.write_all(bytes).unwrap();
        self.align(bytes.len());
    }

    fn align(&mut self, written: usize) {
        self.out.write_all(&[0; 3][..written.next_multiple_of(4) - written]).unwrap();
    }
}
