//! The machine that the figures are from.

use std::fs;
use std::process::Command;
use std::time::Duration;

use rustix::process::{Resource, getrlimit, setrlimit};

/// What the machine, its software and the peers are, as Markdown list items.
pub(crate) fn describe() -> String {
    let cpu = field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown".into());
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory = field("/proc/meminfo", "MemTotal")
        .and_then(|kib| kib.trim_end_matches(" kB").parse::<f64>().ok())
        .map_or_else(|| "unknown".into(), |kib| format!("{:.0} GiB", kib / (1 << 20) as f64));
    let kernel = rustix::system::uname();
    let others = busy_share().map_or_else(
        || "it is not known how busy the machine was".into(),
        |share| format!("before the start others used {:.0} % of the processors", share * 100.0),
    );
    format!(
        "- processor: {cpu}, {cores} cores ({arch}); memory: {memory}\n\
         - kernel: Linux {}\n\
         - {}\n\
         - rayon {}, procspawn {}, {}\n\
         - {}; {others}\n",
        kernel.release().to_string_lossy(),
        said_by("rustc", &["--version"]).unwrap_or_else(|| "rustc unknown".into()),
        locked_version("rayon"),
        locked_version("procspawn"),
        said_by("python3", &["--version"]).unwrap_or_else(|| "no python3".into()),
        said_by("date", &["-u", "+%F"]).unwrap_or_else(|| "date unknown".into()),
        arch = std::env::consts::ARCH,
    )
}

/// Raises the limit of open files: a pool of 1,000 workers needs thousands.
pub(crate) fn allow_many_descriptors() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // If not, the row of large pools says so.
    let _ = setrlimit(Resource::Nofile, limit);
}

/// The most memory that a process has had resident at once, in bytes.
pub(crate) fn peak_memory(pid: u32) -> Option<f64> {
    let peak = field(&format!("/proc/{pid}/status"), "VmHWM")?;
    let kib: f64 = peak.trim_end_matches(" kB").parse().ok()?;
    Some(kib * 1024.0)
}

/// The processor time that a process's main thread has used, in seconds.
pub(crate) fn main_thread_time(pid: u32) -> Option<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/schedstat")).ok()?;
    let nanos: f64 = stat.split(' ').next()?.parse().ok()?;
    Some(nanos / 1e9)
}

/// The processor time that this process has used, in seconds.
pub(crate) fn own_time() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// The share of all processors' time that is used while this program sleeps:
/// above a few hundredths, a run is not one to compare with others.
fn busy_share() -> Option<f64> {
    let before = processor_times()?;
    std::thread::sleep(Duration::from_millis(500));
    let after = processor_times()?;
    let (busy, all) = (after.0 - before.0, after.1 - before.1);
    (all > 0.0).then(|| busy / all)
}

/// Ticks since the machine's start: those in use, and all.
fn processor_times() -> Option<(f64, f64)> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    let ticks: Vec<f64> =
        stat.lines().next()?.split_whitespace().skip(1).filter_map(|it| it.parse().ok()).collect();
    // user, nice, system, idle, iowait, irq, softirq, steal; the rest is in these.
    let all: f64 = ticks.iter().take(8).sum();
    Some((all - ticks.get(3)? - ticks.get(4)?, all))
}

/// The value of the first line `name: value`.
fn field(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn said_by(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let said = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| said.trim().to_owned())
}

fn locked_version(package: &str) -> &'static str {
    const LOCK: &str = include_str!("../../Cargo.lock");
    LOCK.split_once(&format!("name = \"{package}\"\nversion = \""))
        .and_then(|(_, rest)| rest.split('"').next())
        .unwrap_or("of unknown version")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_is_known() {
        let text = describe();
        assert!(text.contains("Linux") && text.contains("rayon 1."), "{text}");
        assert!((0.0..=1.0).contains(&busy_share().unwrap()));
        assert!(peak_memory(std::process::id()).unwrap() > 100_000.0);
        assert!(own_time() > 0.0);
    }
}
