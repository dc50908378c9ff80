//! Describes why the kernel does not execute a file.

use std::ffi::{CString, OsStr};
use std::io;
use std::os::unix::ffi::OsStrExt;

use rustix::param::page_size;
use rustix::process::{Resource, getegid, geteuid, getrlimit};

use super::exit_report::started_through;
use super::zygote::Template;
use crate::sys::spawn;

/// Pages that one string of an environment or of arguments may have: `MAX_ARG_STRLEN` of
/// the kernel.
const STRING_PAGES: usize = 32;

/// Bytes that all strings may have however small the stack is: `ARG_MAX` of the kernel.
const LEAST_ROOM: u64 = 128 << 10;

/// Bytes that they may have at most: three quarters of the kernel's default stack.
const MOST_ROOM: u64 = 6 << 20;

/// What has failed, and its cause as the end of a message.
pub(super) fn of(template: &Template, cause: &io::Error) -> (String, String) {
    let what = format!("{} {:?}", spawn::EXECUTE, template.executable.shown());
    let through = template.executable.starter().map_or_else(String::new, started_through);
    (what, hint(cause, template) + &through)
}

/// The cause, as the end of a message; empty if the kernel's own words suffice.
fn hint(cause: &io::Error, template: &Template) -> String {
    match cause.raw_os_error() {
        Some(libc::E2BIG) => {
            let stack = match template.stack {
                Some(bytes) => Stack::Chosen(bytes),
                None => Stack::Own(getrlimit(Resource::Stack).current),
            };
            too_long(&template.argv, &template.envp, stack)
        }
        Some(libc::EACCES | libc::EPERM) => {
            let (user, group) = (geteuid().as_raw(), getegid().as_raw());
            let user = named(user, "/etc/passwd");
            let group = named(group, "/etc/group");
            format!(
                " (the program runs as user {user} and group {group}, who must have the right to \
                 execute it, on a file system that is not mounted noexec)"
            )
        }
        _ => String::new(),
    }
}

/// The size of the stack, a part of which is for environment and arguments.
#[derive(Clone, Copy, Debug)]
enum Stack {
    /// Set by the pool's `stack_size`.
    Chosen(u64),
    /// The program's own limit; `None` is unlimited.
    Own(Option<u64>),
}

fn too_long(argv: &[CString], envp: &[CString], stack: Stack) -> String {
    let most = STRING_PAGES * page_size();
    let bytes = |string: &CString| string.as_bytes_with_nul().len();
    let too_long = |string: &&CString| bytes(string) > most;
    if let Some(variable) = envp.iter().find(too_long) {
        let name = variable.as_bytes().split(|&byte| byte == b'=').next().unwrap_or_default();
        return format!(
            " (the environment variable {:?} takes {} bytes, and one may take {most}: shorten it, \
             or set it anew for the workers, see `env`)",
            OsStr::from_bytes(name),
            bytes(variable)
        );
    }
    if let Some(place) = argv.iter().position(|arg| too_long(&arg)) {
        let length = bytes(&argv[place]);
        return format!(" (argument {place} takes {length} bytes, and one may take {most})");
    }
    let strings = || argv.iter().chain(envp);
    // Each with the pointer to it.
    let all: usize = strings().map(|string| bytes(string) + size_of::<usize>()).sum();
    let room = |stack: u64| (stack / 4).clamp(LEAST_ROOM, MOST_ROOM);
    let longest = envp.iter().max_by_key(|variable| bytes(variable));
    let longest = longest.map_or_else(String::new, |variable| {
        let name = variable.as_bytes().split(|&byte| byte == b'=').next().unwrap_or_default();
        format!("; the longest variable is {:?}", OsStr::from_bytes(name))
    });
    let (room, remedy) = match stack {
        Stack::Chosen(stack) => (
            room(stack),
            format!(
                "a quarter of the pool's stack_size of {stack} and {LEAST_ROOM} at least: raise that"
            ),
        ),
        Stack::Own(Some(stack)) => (
            room(stack),
            format!("a quarter of the limit of the stack, {stack}: see `ulimit -s`, RLIMIT_STACK"),
        ),
        Stack::Own(None) => (MOST_ROOM, "whatever the limit of the stack is".into()),
    };
    format!(
        " (environment and arguments take {all} bytes, and may take {room}, {remedy}, or unset \
         variables{longest})"
    )
}

/// The number of a user or group, and its name by a file.
fn named(number: u32, file: &str) -> String {
    let lines = std::fs::read_to_string(file).unwrap_or_default();
    let name = lines.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(number)).then_some(name)
    });
    name.map_or_else(|| number.to_string(), |name| format!("{name} ({number})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variable(name: &str, length: usize) -> CString {
        CString::new(format!("{name}={}", "x".repeat(length))).unwrap()
    }

    #[test]
    fn the_one_variable_or_argument_that_is_too_long_is_named() {
        let most = STRING_PAGES * page_size();
        let envp = [variable("SHORT", 10), variable("LONG", most), variable("OTHER", 10)];
        let told = too_long(&[], &envp, Stack::Own(Some(8 << 20)));
        assert!(told.contains("\"LONG\" takes"), "{told}");
        assert!(told.contains(&format!("{} bytes", most + "LONG=".len() + 1)), "{told}");
        let told = too_long(&envp, &[], Stack::Chosen(1));
        assert!(told.contains("argument 1 takes"), "{told}");
    }

    #[test]
    fn if_all_are_too_long_together_it_is_the_stack_that_is_named() {
        let envp: Vec<_> = (0..20).map(|n| variable(&format!("V{n}"), 10_000 + n)).collect();
        let chosen = too_long(&[], &envp, Stack::Chosen(256 << 10));
        assert!(chosen.contains("may take 131072"), "{chosen}");
        assert!(
            chosen.contains("stack_size of 262144 and 131072 at least: raise that"),
            "{chosen}"
        );
        assert!(chosen.contains("longest variable is \"V19\""), "{chosen}");
        let own = too_long(&[], &envp, Stack::Own(Some(256 << 10)));
        assert!(own.contains("`ulimit -s`") && !own.contains("stack_size"), "{own}");
        let all = too_long(&[], &envp, Stack::Own(None));
        assert!(all.contains("may take 6291456"), "{all}");
    }

    #[test]
    fn whoever_has_a_name_is_told_by_it() {
        assert_eq!(named(0, "/etc/passwd"), "root (0)");
        assert_eq!(named(4_000_000_000, "/etc/passwd"), "4000000000");
        assert_eq!(named(0, "/no/such/file"), "0");
    }
}
