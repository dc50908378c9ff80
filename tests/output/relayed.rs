//! Lines of workers in the program's own output.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead, BufReader, PipeReader, PipeWriter, Read};
use std::process::{Child, Command, Stdio};

use pool_tests::clean::clean;
use pool_tests::fault::send;
use pool_tests::temp::TempDir;
use pool_tests::wait;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::Signal;

/// A line: the worker, the item, and the text.
type Line = (usize, Option<u64>, String);

fn parse(line: &str) -> Line {
    let (from, text) =
        line.strip_prefix("[worker ").and_then(|line| line.split_once("] ")).expect(line);
    let (worker, item) = match from.split_once(" item ") {
        Some((worker, item)) => (worker, Some(item.parse().expect(line))),
        None => (from, None),
    };
    (worker.parse().expect(line), item, text.to_owned())
}

struct Printer {
    temp: TempDir,
    child: Child,
}

impl Printer {
    fn start(
        how: &str,
        number: u64,
        stdout: impl Into<Stdio>,
        stderr: impl Into<Stdio>,
    ) -> Printer {
        let temp = TempDir::new();
        let mut command = Command::new(env!("CARGO_BIN_EXE_printer"));
        command.arg(temp.path()).args([how, &number.to_string()]).stdin(Stdio::null());
        let child = command.stdout(stdout).stderr(stderr).spawn().unwrap();
        Printer { temp, child }
    }

    fn has_left(&self, name: &str) -> bool {
        self.temp.path().join(name).exists()
    }

    fn end(mut self) {
        let status = self.child.wait().unwrap();
        assert!(status.success() && self.has_left("gone"), "{status}");
    }

    /// Runs it; gives the lines of both streams.
    fn run(how: &str, number: u64) -> [Vec<Line>; 2] {
        let temp = TempDir::new();
        let file = |name| File::create(temp.file(name)).unwrap();
        Printer::start(how, number, file("stdout"), file("stderr")).end();
        ["stdout", "stderr"].map(|name| {
            let text = std::fs::read_to_string(temp.file(name)).unwrap();
            assert!(text.is_empty() || text.ends_with('\n'), "the last line is whole: {text}");
            text.lines().map(parse).collect()
        })
    }
}

impl Drop for Printer {
    fn drop(&mut self) {
        // Where a test has failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The lines of each item, which are in one piece among those of their worker.
fn by_item(lines: &[Line]) -> BTreeMap<Option<u64>, Vec<&str>> {
    let mut items: BTreeMap<_, Vec<&str>> = BTreeMap::new();
    let workers = lines.iter().map(|(worker, ..)| *worker).collect::<BTreeSet<_>>();
    for worker in workers {
        let own: Vec<&Line> = lines.iter().filter(|line| line.0 == worker).collect();
        for part in own.chunk_by(|a, b| a.1 == b.1) {
            let texts = part.iter().map(|(.., text)| &**text).collect();
            let before = items.insert(part[0].1, texts);
            assert!(before.is_none(), "item {:?} in two pieces: {lines:?}", part[0].1);
        }
    }
    items
}

#[test]
fn lines_are_whole_in_order_and_have_the_number_of_their_item() {
    let _clean = clean();
    for chunk in [1, 50] {
        let [stdout, stderr] = Printer::run("map", chunk);
        let (stdout, stderr) = (by_item(&stdout), by_item(&stderr));
        assert_eq!(stdout.len(), 100, "chunks of {chunk}");
        for item in 0..100 {
            let lines = ["rust", "c", "child", "rest"];
            let lines =
                lines.map(|text| if text == "c" { text.into() } else { format!("{text} {item}") });
            assert_eq!(stdout[&Some(item)], lines, "chunks of {chunk}");
            let lines = [format!("half and half {item}"), "error's rest".into()];
            assert_eq!(stderr[&Some(item)], lines, "chunks of {chunk}");
        }
    }
}

#[test]
fn a_single_call_has_no_item() {
    let _clean = clean();
    let [stdout, stderr] = Printer::run("single", 7);
    assert_eq!(
        by_item(&stdout),
        BTreeMap::from([(None, vec!["rust 7", "c", "child 7", "rest 7"])])
    );
    let lines = vec!["half and half 7", "error's rest"];
    assert_eq!(by_item(&stderr), BTreeMap::from([(None, lines)]));
}

#[test]
fn workers_that_die_leave_their_last_lines_and_their_successors_print_too() {
    let _clean = clean();
    let [stdout, _] = Printer::run("die", 40);
    let items = by_item(&stdout);
    assert_eq!(items.len(), 40);
    for item in 0..40 {
        assert_eq!(items[&Some(item)], [format!("line {item}"), format!("rest {item}")]);
    }
}

/// Asserts that this is what the workers that count have printed.
fn assert_counted(lines: impl Iterator<Item = String>, count: u64) {
    let mut next = 0;
    for line in lines {
        assert_eq!(parse(&line).2, format!("line {next}"));
        next += 1;
    }
    assert_eq!(next, count);
}

fn lines(reader: PipeReader) -> impl Iterator<Item = String> {
    BufReader::new(reader).lines().map(Result::unwrap)
}

#[test]
fn a_slow_reader_gets_every_line() {
    let _clean = clean();
    let (reader, writer) = std::io::pipe().unwrap();
    let printer = Printer::start("count", 100_000, writer, Stdio::inherit());
    // By and by: pieces that are shorter than lines, with rests between them.
    let (mut reader, mut text, mut piece) = (reader, Vec::new(), [0; 13]);
    for rest in 0.. {
        match reader.read(&mut piece).unwrap() {
            0 => break,
            read => text.extend_from_slice(&piece[..read]),
        }
        if rest % 1000 == 0 {
            std::thread::yield_now();
        }
    }
    assert_counted(text.lines().map(Result::unwrap), 100_000);
    printer.end();
}

#[test]
fn while_nobody_reads_workers_that_print_wait_and_all_else_goes_on() {
    let _clean = clean();
    let (reader, writer) = std::io::pipe().unwrap();
    let count = 200_000;
    let printer = Printer::start("stuck", count, writer, Stdio::inherit());
    wait::until("the work that prints nothing to be done", || printer.has_left("doubled"));
    assert!(!printer.has_left("done"));
    assert_counted(lines(reader), count);
    printer.end();
}

#[test]
fn a_reader_that_leaves_ends_nothing() {
    let _clean = clean();
    let (reader, writer) = std::io::pipe().unwrap();
    let printer = Printer::start("broken", 100_000, writer, Stdio::inherit());
    drop(reader);
    std::fs::write(printer.temp.file("go"), "").unwrap();
    printer.end();
}

#[test]
fn closed_streams_of_the_program_are_no_trouble() {
    let _clean = clean();
    for (closed, how) in [("1>&-", "count"), ("2>&-", "map"), ("1>&- 2>&-", "map"), ("2>&-", "die")]
    {
        let temp = TempDir::new();
        let program = format!("exec \"$0\" \"$@\" {closed}");
        let mut command = Command::new("sh");
        command.args(["-c", &program, env!("CARGO_BIN_EXE_printer")]);
        command.arg(temp.path()).args([how, "10"]).stdin(Stdio::null());
        let output = command.output().unwrap();
        assert!(output.status.success(), "{how} {closed}: {}", output.status);
        assert!(temp.path().join("gone").exists(), "{how} {closed}");
        if how == "map" && closed == "2>&-" {
            let lines = String::from_utf8(output.stdout).unwrap();
            assert_eq!(lines.lines().map(parse).count(), 400);
        }
    }
}

#[test]
fn a_caller_may_hold_the_lock_of_standard_output() {
    let _clean = clean();
    let (reader, writer) = std::io::pipe().unwrap();
    let printer = Printer::start("locked", 100_000, writer, Stdio::inherit());
    let (own, workers): (Vec<_>, Vec<_>) = lines(reader).partition(|line| line == "unlocked");
    assert_eq!(own.len(), 1);
    assert_counted(workers.into_iter(), 100_000);
    printer.end();
}

/// Whether writing to it would not have to wait.
fn has_room(pipe: &PipeWriter) -> bool {
    let mut polled = [PollFd::new(pipe, PollFlags::OUT)];
    rustix::event::poll(&mut polled, Some(&Timespec::default())).unwrap() == 1
}

#[test]
fn an_output_that_does_not_wait_loses_no_line() {
    let _clean = clean();
    let (reader, writer) = std::io::pipe().unwrap();
    rustix::fs::fcntl_setfl(&writer, rustix::fs::OFlags::NONBLOCK).unwrap();
    let own = writer.try_clone().unwrap();
    let printer = Printer::start("count", 50_000, writer, Stdio::inherit());
    // Its bytes do not say so: what was written at once begins a page of its own, unless
    // it fits behind what was there, so a full pipe may hold a good deal less than 64 KiB.
    wait::until("the pipe to be full", || !has_room(&own));
    drop(own);
    assert_counted(lines(reader), 50_000);
    printer.end();
}

#[test]
fn a_worker_whose_output_is_full_and_does_not_wait_loses_no_mark() {
    let _clean = clean();
    let (reader, writer) = std::io::pipe().unwrap();
    let printer = Printer::start("fill", 0, writer, Stdio::inherit());
    wait::until("the worker's output to be full", || printer.has_left("filled"));
    let (last, others) = {
        let mut lines: Vec<Line> = lines(reader).map(|line| parse(&line)).collect();
        (lines.pop().unwrap(), lines)
    };
    assert_eq!((last.1, &*last.2), (Some(1), "after that"));
    assert!(others.iter().all(|line| (line.1, &*line.2) == (Some(0), "x")));
    printer.end();
}

#[test]
fn a_process_that_holds_a_workers_output_does_not_hold_up_the_end() {
    let _clean = clean();
    let [stdout, _] = Printer::run("leave", 0);
    let [(_, None, text)] = &stdout[..] else {
        panic!("one line: {stdout:?}");
    };
    let left = text.strip_prefix("left ").unwrap().parse().unwrap();
    assert!(wait::is_running(left), "the process outlives the program");
    send(left, Signal::KILL);
}
