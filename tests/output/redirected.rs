//! Tasks that do what they like with their standard streams.

use std::fs::File;
use std::io::Write;

use pool_runtime::pool_task;
use pool_tests::clean::clean;
use pool_tests::fault::Fault;
use pool_tests::temp::TempDir;
use rustix::fs::OFlags;

use super::captured::capturing;

#[pool_task]
fn redirect_to(file: &str) {
    let file = File::create(file).unwrap();
    rustix::stdio::dup2_stdout(&file).unwrap();
    rustix::stdio::dup2_stderr(&file).unwrap();
}

#[pool_task]
fn say_and_fail(item: u64) {
    eprintln!("item {item}");
    Fault::Panic.commit().unwrap();
}

#[test]
fn a_file_that_a_task_put_in_place_of_a_stream_has_what_tasks_write_and_no_mark() {
    let _clean = clean();
    let temp = TempDir::new();
    let file = temp.file("redirected");
    let pool = capturing(1).build().unwrap();
    let before = pool.apply(say_and_fail, 1).unwrap_err();
    assert_eq!(before.stderr(), Some("item 1\n"));
    pool.apply(redirect_to, file.clone()).unwrap();
    for error in pool.imap(say_and_fail, 2..5).map(Result::unwrap_err) {
        assert_eq!(error.stderr(), None, "it went elsewhere");
    }
    pool.close();
    pool.join().unwrap();
    assert_eq!(std::fs::read_to_string(file).unwrap(), "item 2\nitem 3\nitem 4\n");
}

/// Closes both, and has a file in the place of one.
#[pool_task]
fn close_and_open(file: &str) {
    // SAFETY: nothing of this process's holds these descriptors for its own.
    unsafe {
        libc::close(1);
        libc::close(2);
    }
    let mut file = File::create(file).unwrap();
    assert_eq!(std::os::fd::AsRawFd::as_raw_fd(&file), 1);
    writeln!(file, "written").unwrap();
    std::mem::forget(file);
}

#[test]
fn tasks_may_close_their_streams() {
    let _clean = clean();
    let temp = TempDir::new();
    let file = temp.file("opened");
    let pool = capturing(1).build().unwrap();
    pool.apply(close_and_open, file.clone()).unwrap();
    let errors = pool.imap(say_and_fail, 0..3).map(|result| result.unwrap_err().item());
    assert_eq!(Vec::from_iter(errors), [Some(0), Some(1), Some(2)]);
    assert_eq!(std::fs::read_to_string(file).unwrap(), "written\n");
}

/// Gives the number of the worker's duplicate of a pipe to a file.
#[pool_task]
fn take_the_number(file: &str) {
    let pipe = std::fs::read_link("/proc/self/fd/2").unwrap();
    let is_pipe =
        |fd: &i32| std::fs::read_link(format!("/proc/self/fd/{fd}")).ok().as_ref() == Some(&pipe);
    let duplicate = (3..200).find(is_pipe).expect("the worker holds the pipe too");
    let file = File::create(file).unwrap();
    // SAFETY: the worker knows its duplicate by number only.
    assert_eq!(unsafe { libc::dup2(std::os::fd::AsRawFd::as_raw_fd(&file), duplicate) }, duplicate);
}

#[test]
fn no_mark_is_written_to_what_took_the_number_of_a_pipe() {
    let _clean = clean();
    let temp = TempDir::new();
    let file = temp.file("taken");
    let pool = capturing(1).build().unwrap();
    pool.apply(take_the_number, file.clone()).unwrap();
    for error in pool.imap(say_and_fail, 0..3).map(Result::unwrap_err) {
        // Whose it is is not known any more.
        assert!(error.stderr().is_none_or(|text| text.starts_with("item ")), "{error:?}");
    }
    assert_eq!(std::fs::read(file).unwrap(), b"");
}

/// Has writes to a full pipe fail, and goes on until one does.
#[pool_task]
fn fill_without_waiting(lines: usize) -> usize {
    let stderr = rustix::stdio::stderr();
    rustix::fs::fcntl_setfl(stderr, OFlags::NONBLOCK).unwrap();
    (0..lines).filter(|_| rustix::io::write(stderr, &[b'x'; 4096]).is_ok()).count()
}

#[test]
fn marks_are_whole_in_a_stream_that_does_not_wait() {
    let _clean = clean();
    let pool = capturing(2).build().unwrap();
    for item in 0..20 {
        assert!(pool.apply(fill_without_waiting, 200).unwrap() > 0);
        let error = pool.apply(say_and_fail, item).unwrap_err();
        assert_eq!(error.stderr(), Some(&*format!("item {item}\n")));
    }
}
