//! Whether this library was there when the program began, or was loaded later by `dlopen`.
//!
//! A program that loads it later has run code of its own by then, in `main` or before, and
//! would run that again if it were executed as a worker: it cannot be one. The loader does
//! not tell what it loaded when; but what a program begins with is what it names, directly or
//! not, as needed (`DT_NEEDED` of the System V ABI), and what its environment preloads.

use std::ffi::{CStr, OsStr, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// An object that the loader has put into memory.
#[derive(Debug, Default)]
struct Object {
    /// The path that it was loaded from; empty for the main program.
    path: Vec<u8>,
    /// What it calls itself.
    name: Option<Vec<u8>>,
    needed: Vec<Vec<u8>>,
    /// It holds this library.
    is_ours: bool,
}

/// Tags beside `DT_NEEDED` that name an object to be loaded: `DT_AUXILIARY`, `DT_FILTER`.
const FILTERS: [i64; 2] = [0x7fff_fffd, 0x7fff_ffff];
const NEEDED: i64 = 1;
const STRINGS: i64 = 5;
const NAME: i64 = 14;

/// An entry of an object's dynamic section.
#[repr(C)]
struct Entry {
    tag: i64,
    value: u64,
}

/// Whether it was there from the beginning, as far as can be told.
pub(crate) fn is_linked() -> bool {
    let mut objects: Vec<Object> = Vec::new();
    // SAFETY: `note` has the type that is asked for, and gets the pointer to `objects`, which
    // is borrowed by nobody else during the call.
    unsafe { libc::dl_iterate_phdr(Some(note), (&raw mut objects).cast()) };
    let mut preloaded = std::fs::read("/etc/ld.so.preload").unwrap_or_default();
    let environment = std::fs::read("/proc/self/environ").unwrap_or_default();
    for variable in environment.split(|&byte| byte == 0) {
        preloaded.push(b'\n');
        preloaded.extend(variable.strip_prefix(b"LD_PRELOAD=").unwrap_or_default());
    }
    let preloaded =
        preloaded.split(|byte| b" \t\n:".contains(byte)).filter(|name| !name.is_empty());
    begins_with_ours(&objects, preloaded.map(<[u8]>::to_vec))
}

/// Whether our object is among those that are reached from the first, the main program, and
/// from those that are preloaded.
fn begins_with_ours(objects: &[Object], preloaded: impl Iterator<Item = Vec<u8>>) -> bool {
    let Some(ours) = objects.iter().position(|object| object.is_ours) else {
        // The loader does not tell.
        return true;
    };
    let called = |name: &[u8]| objects.iter().position(|object| object.is_called(name));
    let mut reached: Vec<usize> = vec![0];
    reached.extend(preloaded.filter_map(|name| called(&name)));
    let mut next = 0;
    while let Some(&object) = reached.get(next) {
        if object == ours {
            return true;
        }
        for needed in objects[object].needed.iter().filter_map(|name| called(name)) {
            if !reached.contains(&needed) {
                reached.push(needed);
            }
        }
        next += 1;
    }
    false
}

impl Object {
    fn is_called(&self, name: &[u8]) -> bool {
        let base =
            |path: &[u8]| Path::new(OsStr::from_bytes(path)).file_name().map(ToOwned::to_owned);
        self.path == name
            || self.name.as_deref() == Some(name)
            || (!self.path.is_empty() && base(&self.path) == base(name))
    }
}

unsafe extern "C" fn note(
    info: *mut libc::dl_phdr_info,
    _size: usize,
    objects: *mut c_void,
) -> c_int {
    // SAFETY: `is_linked` gives a pointer to objects of its own, and the C library one to a
    // description that is valid during the call, as are the headers it points to.
    let (objects, info, headers) = unsafe {
        let info = &*info;
        let headers = std::slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into());
        (&mut *objects.cast::<Vec<Object>>(), info, headers)
    };
    let place = |number: u64| usize::try_from(number).expect("addresses are of 64 bits");
    let at = |number: u64| place(info.dlpi_addr).wrapping_add(place(number));
    let ours = (is_linked as fn() -> bool) as *const () as usize;
    let mut object = Object::default();
    if !info.dlpi_name.is_null() {
        // SAFETY: a name that is there is a C string, valid during the call.
        object.path = unsafe { CStr::from_ptr(info.dlpi_name) }.to_bytes().to_vec();
    }
    object.is_ours = headers.iter().filter(|header| header.p_type == libc::PT_LOAD).any(|header| {
        let start = at(header.p_vaddr);
        (start..start.wrapping_add(place(header.p_memsz))).contains(&ours)
    });
    if let Some(header) = headers.iter().find(|header| header.p_type == libc::PT_DYNAMIC) {
        // SAFETY: the header says that the section is there, in the memory of the object, which
        // stays loaded during the call: the loader holds its lock.
        unsafe { object.read_dynamic(at(header.p_vaddr), place(info.dlpi_addr)) };
    }
    objects.push(object);
    0
}

impl Object {
    /// Reads what the dynamic section at an address tells of names.
    ///
    /// # Safety
    ///
    /// At the address is the dynamic section of an object that is loaded at `base`.
    unsafe fn read_dynamic(&mut self, address: usize, base: usize) {
        let first = std::ptr::with_exposed_provenance::<Entry>(address);
        let (mut names, mut needed, mut strings) = (None, Vec::new(), None);
        for index in 0.. {
            // SAFETY: the section ends by an entry of tag 0, beyond which this does not read.
            let Entry { tag, value } = unsafe { first.add(index).read() };
            match tag {
                0 => break,
                NEEDED => needed.push(value),
                NAME => names = Some(value),
                STRINGS => strings = Some(value),
                _ if FILTERS.contains(&tag) => needed.push(value),
                _ => {}
            }
        }
        let Some(strings) = strings.and_then(|strings| usize::try_from(strings).ok()) else {
            return;
        };
        // The loader of glibc has made an address of it, but in what the kernel provides; that
        // of musl has not.
        let strings = if strings < base { strings.wrapping_add(base) } else { strings };
        let text = |offset: u64| {
            let offset = usize::try_from(offset).expect("addresses are of 64 bits");
            let text = std::ptr::with_exposed_provenance(strings.wrapping_add(offset));
            // SAFETY: offsets of these entries lead to C strings of the object's table.
            unsafe { CStr::from_ptr(text) }.to_bytes().to_vec()
        };
        self.name = names.map(text);
        self.needed = needed.into_iter().map(text).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(path: &str, name: Option<&str>, needed: &[&str], is_ours: bool) -> Object {
        Object {
            path: path.into(),
            name: name.map(Into::into),
            needed: needed.iter().map(|&name| name.into()).collect(),
            is_ours,
        }
    }

    #[test]
    fn a_test_begins_with_this() {
        assert!(is_linked());
    }

    #[test]
    fn what_is_needed_is_found_by_its_name_or_its_file() {
        let main = || object("", None, &["libb.so.1"], false);
        let b = || object("/lib/libb.so.1.2", Some("libb.so.1"), &["/opt/a/liba.so"], false);
        let ours = |path: &str| object(path, None, &[], true);
        let none = || std::iter::empty();
        assert!(begins_with_ours(&[main(), b(), ours("/opt/a/liba.so")], none()));
        assert!(begins_with_ours(&[main(), b(), ours("/mnt/liba.so")], none()));
        let loaded = [main(), b(), object("/opt/a/liba.so", None, &[], false), ours("/x/libx.so")];
        assert!(!begins_with_ours(&loaded, none()));
        assert!(begins_with_ours(&loaded, std::iter::once(b"libx.so".to_vec())));
        assert!(begins_with_ours(&[object("", None, &[], true)], none()));
    }
}
