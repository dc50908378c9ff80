//! The line of a worker's last output that is worth quoting.

/// The last line that says something: not empty, and no remark of Rust's on how it shows
/// a panic, which comes after the panic itself.
pub(super) fn last_line(text: &str) -> Option<&str> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !is_remark(line));
    let lines: Vec<&str> = lines.collect();
    // A stack counts only where it is announced: others may print numbered lines too.
    let stack = lines.iter().rposition(|line| *line == "stack backtrace:");
    let end = stack.filter(|&at| lines[at + 1..].iter().all(|line| is_of_stack(line)));
    lines[..end.unwrap_or(lines.len())].last().copied()
}

/// What `std` prints behind the message of a panic.
fn is_remark(line: &str) -> bool {
    const REMARKS: [&str; 3] = [
        "note: run with `RUST_BACKTRACE=",
        "note: Some details are omitted, run with `RUST_BACKTRACE=",
        "skipping backtrace printing to avoid potential deadlock",
    ];
    REMARKS.iter().any(|remark| line.starts_with(remark))
}

/// `12: app::render`, `at src/render.rs:3:4`, or how many of these were left out.
fn is_of_stack(line: &str) -> bool {
    let rest = line.trim_start_matches(|c: char| c.is_ascii_digit());
    let is_frame = rest.len() < line.len() && rest.starts_with(": ");
    is_frame || line.starts_with("at ") || line.starts_with("[... omitted ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_panic_said_is_quoted_and_not_how_it_is_shown() {
        let panic = "thread 'x' (7) panicked at src/lib.rs:1:2:\nno header\n";
        for shown in [
            "note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace\n",
            "stack backtrace:\n   0: __rustc::rust_begin_unwind\n             at /rustc/1/std.rs:6:5\n\
             \x20 11: app::render\n      [... omitted 3 frames ...]\n\
             note: Some details are omitted, run with `RUST_BACKTRACE=full` for a verbose backtrace.\n",
            "stack backtrace:\nskipping backtrace printing to avoid potential deadlock\n",
            " \n",
        ] {
            assert_eq!(last_line(&format!("{panic}{shown}")), Some("no header"), "{shown}");
        }
        let fatal = "stack backtrace:\n   0: a\nfatal runtime error: stack overflow, aborting\n";
        assert_eq!(last_line(fatal), Some("fatal runtime error: stack overflow, aborting"));
    }

    #[test]
    fn what_only_looks_like_that_is_quoted() {
        for line in ["note: the file has no header", "12: bad line", "at line 3"] {
            assert_eq!(last_line(&format!("first\n{line}\n")), Some(line));
        }
        assert_eq!(last_line("\n note: run with `RUST_BACKTRACE=full` or so\n"), None);
        assert_eq!(last_line(""), None);
    }
}
