//! The main program of this process: where in memory it is, and in which file.
//!
//! As a rule that is the file which the kernel executed and `/proc/self/exe` leads to. It
//! is not where that file is a program which loads others: the dynamic loader, started by
//! its own name; valgrind; an emulator such as `qemu-x86_64`; a launcher in a bundle.
//!
//! The two are told apart by addresses: the kernel notes where the code begins that it
//! has executed, and the loader knows where the main program is. Device and inode would
//! not tell, since on some file systems (overlayfs, btrfs) those of a mapping are not
//! those that `stat` gives for its file.

use std::ffi::{OsStr, c_int, c_void};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::ptr;

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// Which field of `/proc/self/stat`, counted from the one after the name, is the address
/// at which the executed code begins.
const START_CODE: usize = 23;

/// The main program in memory.
#[derive(Debug, Default)]
struct Image {
    /// Where its program headers are, which are read from its file.
    headers: usize,
    segments: Vec<Range<usize>>,
}

/// A file that holds the main program, opened and compared with what is in memory.
#[derive(Debug)]
pub(crate) struct ImageFile {
    pub(crate) path: PathBuf,
    pub(crate) file: OwnedFd,
}

/// Whether the kernel has executed the main program itself.
pub(crate) fn is_executed() -> io::Result<bool> {
    let stat = std::fs::read("/proc/self/stat")?;
    // An emulator that answers in the kernel's place may say 0, which is nobody's code.
    let code = start_code(&stat).unwrap_or(0);
    Ok(Image::take().segments.iter().any(|segment| segment.contains(&code)))
}

/// The file of the main program, if it is still where it was.
pub(crate) fn file() -> io::Result<ImageFile> {
    let unknown = |why: &str| io::Error::new(io::ErrorKind::NotFound, why.to_owned());
    let headers = Image::take().headers;
    let loaded = Mapping::of(headers)?;
    let Some(path) = loaded.path else {
        return Err(unknown("it was loaded into memory that no file stands behind"));
    };
    let file = File::open(&path)?;
    // The opened file is mapped too, since the kernel's word on a mapping can be compared only
    // with its word on another mapping (see above).
    if Mapping::of_file(&file)?.file != loaded.file {
        return Err(unknown("another file has its name now"));
    }
    Ok(ImageFile { path, file: file.into() })
}

fn start_code(stat: &[u8]) -> Option<usize> {
    // The name, in parentheses, may hold anything.
    let after = stat.iter().rposition(|&byte| byte == b')')? + 1;
    let fields = str::from_utf8(&stat[after..]).ok()?;
    fields.split_whitespace().nth(START_CODE)?.parse().ok()
}

impl Image {
    fn take() -> Image {
        let mut image = Image::default();
        // SAFETY: `note_first` has the type that is asked for, and gets the pointer to
        // `image`, which is borrowed by nobody else during the call.
        unsafe { libc::dl_iterate_phdr(Some(note_first), (&raw mut image).cast()) };
        image
    }
}

/// Notes what comes first, which is the main program, and ends the walk. The loader that
/// is started by its own name says so too: it has put the program in its own place.
unsafe extern "C" fn note_first(
    info: *mut libc::dl_phdr_info,
    _size: usize,
    image: *mut c_void,
) -> c_int {
    // SAFETY: `Image::take` gives a pointer to an image of its own, and the C library one
    // to a description that is valid during the call, as are the headers it points to.
    let (image, info, headers) = unsafe {
        let info = &*info;
        let headers = std::slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into());
        (&mut *image.cast::<Image>(), info, headers)
    };
    image.headers = info.dlpi_phdr.addr();
    let loaded = headers.iter().filter(|header| header.p_type == libc::PT_LOAD);
    let place = |number: u64| usize::try_from(number).expect("addresses are of 64 bits");
    image.segments.extend(loaded.map(|header| {
        let start = place(info.dlpi_addr).wrapping_add(place(header.p_vaddr));
        start..start.wrapping_add(place(header.p_memsz))
    }));
    1
}

/// What the kernel says of a mapping.
#[derive(Debug, PartialEq, Eq)]
struct Mapping {
    /// Device and inode, as text; all zero without a file.
    file: Vec<u8>,
    path: Option<PathBuf>,
}

impl Mapping {
    /// Of the mapping that holds an address.
    fn of(address: usize) -> io::Result<Mapping> {
        let maps = std::fs::read("/proc/self/maps")?;
        let mut lines = maps.split(|&byte| byte == b'\n');
        lines.find_map(|line| Mapping::parse(line, address)).ok_or_else(|| {
            io::Error::new(io::ErrorKind::NotFound, "/proc/self/maps does not tell of it")
        })
    }

    fn of_file(file: &File) -> io::Result<Mapping> {
        // SAFETY: a new mapping, at a place that the kernel chooses; nobody reads there.
        let place = unsafe {
            mmap(ptr::null_mut(), 1, ProtFlags::READ, MapFlags::PRIVATE, file.as_fd(), 0)?
        };
        let mapping = Mapping::of(place.addr());
        // SAFETY: the mapping is the one made above, to which there is no reference.
        unsafe { munmap(place, 1)? };
        mapping
    }

    /// Reads a line of `maps`, if it is that of the address:
    /// `start-end rights offset device inode   path`.
    fn parse(line: &[u8], address: usize) -> Option<Mapping> {
        let mut fields = line.splitn(6, |&byte| byte == b' ');
        let mut next = || fields.next();
        let number = |text: &[u8]| usize::from_str_radix(str::from_utf8(text).ok()?, 16).ok();
        let range = next()?;
        let dash = range.iter().position(|&byte| byte == b'-')?;
        if !(number(&range[..dash])?..number(&range[dash + 1..])?).contains(&address) {
            return None;
        }
        let [_rights, _offset, device, inode] = [next()?, next()?, next()?, next()?];
        let path = next().unwrap_or_default().trim_ascii_start();
        Some(Mapping {
            file: [device, inode].join(&b' '),
            // Others are names in brackets, or of memory that is shared without a file.
            path: path.starts_with(b"/").then(|| Path::new(OsStr::from_bytes(path)).into()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_is_executed_by_the_kernel_and_in_its_own_file() {
        assert!(is_executed().unwrap());
        let ImageFile { path, file } = file().unwrap();
        assert_eq!(path, std::env::current_exe().unwrap());
        assert!(File::from(file).metadata().unwrap().is_file());
    }

    #[test]
    fn code_elsewhere_is_not_the_main_programs() {
        let image = Image::take();
        let inside = |address: usize| image.segments.iter().any(|part| part.contains(&address));
        assert!(inside((start_code as fn(_) -> _) as *const () as usize));
        assert!(!inside(libc::getpid as *const () as usize) || cfg!(target_feature = "crt-static"));
        assert!(!inside(0));
    }

    #[test]
    fn the_code_begins_where_the_kernel_says_whatever_the_name_is() {
        let rest = (3..=25).map(|n| n.to_string()).collect::<Vec<_>>().join(" ");
        let stat = format!("7 (a) b) (c) {rest} 4711 27 28\n");
        assert_eq!(start_code(stat.as_bytes()), Some(4711));
        assert_eq!(start_code(b"7 (a) R 1"), None);
        assert_eq!(start_code(b""), None);
    }

    #[test]
    fn a_mapping_is_known_by_its_line() {
        let line = b"1000-2000 r--p 00000000 fe:00 42                      /a b (deleted)";
        let mapping = Mapping::parse(line, 0x1fff).unwrap();
        assert_eq!(mapping.file, b"fe:00 42");
        assert_eq!(mapping.path.unwrap(), Path::new("/a b (deleted)"));
        assert_eq!(Mapping::parse(line, 0x2000), None);
        let stack = b"1000-2000 rw-p 00000000 00:00 0                          [stack]";
        assert_eq!(Mapping::parse(stack, 0x1000).unwrap().path, None);
        let none = Mapping::parse(b"1000-2000 rw-p 00000000 00:00 0 ", 0x1000).unwrap();
        assert_eq!((none.file, none.path), (b"00:00 0".to_vec(), None));
        assert_eq!(Mapping::parse(b"", 0), None);
    }
}
