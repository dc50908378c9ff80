//! What this program does when it runs itself: the far end of a floor, or a
//! measurement that needs a program of its own.

use std::process::{Command, Stdio};

use crate::peers::{futex, socket};
use crate::rows::{memory, start};

/// The first argument of a program that plays a role.
pub(crate) const FLAG: &str = "--role";

type Player = fn(&mut dyn Iterator<Item = String>) -> Result<(), String>;

const ROLES: &[(&str, Player)] = &[
    ("socket", |_| socket::answer()),
    ("futex", futex::answer),
    ("start", |_| start::first_of_ours()),
    ("start-procspawn", |_| start::first_of_procspawn()),
    ("memory", memory::consume),
];

/// Plays the role that the arguments name.
pub(crate) fn play(arguments: &mut dyn Iterator<Item = String>) -> Result<(), String> {
    let name = arguments.next().ok_or("a role has a name")?;
    let (_, player) = ROLES
        .iter()
        .find(|(role, _)| *role == name)
        .ok_or_else(|| format!("there is no role {name}"))?;
    player(arguments)
}

/// This program in a role, to be started.
pub(crate) fn command(role: &str) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.args([FLAG, role]).stdin(Stdio::null());
    command
}

/// Runs a role to its end; gives the numbers that it printed.
pub(crate) fn numbers_from(command: &mut Command) -> Result<Vec<f64>, String> {
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("it could not be started: {error}"))?;
    if !output.status.success() {
        return Err(format!("it ended with {}", output.status));
    }
    numbers(&String::from_utf8_lossy(&output.stdout))
}

/// Numbers with spaces between them.
pub(crate) fn numbers(text: &str) -> Result<Vec<f64>, String> {
    let number = |word: &str| word.parse().map_err(|_| format!("it said {text:?}"));
    text.split_whitespace().map(number).collect()
}
