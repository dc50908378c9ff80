use std::hint::black_box;
use std::thread;

use super::*;

/// Calls itself until it may go no deeper; gives why, and how many bytes it went.
fn descend() -> (Shortage, usize) {
    #[inline(never)]
    fn deeper(headroom: &mut Headroom, start: usize) -> (Shortage, usize) {
        let frame = black_box([0_u8; 200]);
        let end = match headroom.check() {
            Ok(()) => deeper(headroom, start),
            Err(shortage) => (shortage, start - stack_pointer()),
        };
        black_box(frame);
        end
    }
    deeper(&mut Headroom::begin(), stack_pointer())
}

/// Runs it with so many bytes left of the calling thread's stack, or some fewer.
pub(crate) fn near_the_end<R>(left: usize, run: impl FnOnce() -> R) -> R {
    #[inline(never)]
    fn deeper<R>(end: usize, run: impl FnOnce() -> R) -> R {
        let frame = black_box([0_u8; 512]);
        let result = if stack_pointer() <= end { run() } else { deeper(end, run) };
        black_box(frame);
        result
    }
    deeper(given_stack().unwrap().low + left, run)
}

/// Runs it on a thread with a stack of this size in bytes.
pub(crate) fn on_a_thread<R: Send + 'static>(
    size: usize,
    run: impl FnOnce() -> R + Send + 'static,
) -> R {
    thread::Builder::new().stack_size(size).spawn(run).unwrap().join().unwrap()
}

#[test]
fn a_threads_stack_is_used_up_to_a_reserve() {
    for size in [64 << 10, 128 << 10, 1 << 20, 2 << 20, 64 << 20] {
        // Twice, as the second time all is known.
        for (shortage, used) in on_a_thread(size, || [descend(), descend()]) {
            let Shortage::OwnStack { size: told, left } = shortage else {
                panic!("{shortage:?} of {size}");
            };
            // The C library may reuse one that is larger, up to four times.
            assert!((size - (16 << 10)..=5 * size).contains(&told), "{told} of {size}");
            let reserve = (told / 16).max(LEAST_RESERVE).min(told / 4);
            assert!(left.abs_diff(reserve) <= 8 << 10, "{left} left of {told}");
            // All but what the thread itself has used.
            assert!(used + left > told - (16 << 10), "{used} used, {left} left of {told}");
        }
    }
}

/// Where the call is made from a recursion of the user's.
#[test]
fn a_recursion_that_begins_near_the_end_leaves_half_of_what_it_finds() {
    on_a_thread(2 << 20, || {
        for kibibytes in [8, 12, 16, 20, 24, 32, 64, 128, 250, 300, 400] {
            let begun = kibibytes << 10;
            // Twice, as the second time all is known.
            for (shortage, used) in near_the_end(begun, || [descend(), descend()]) {
                let Shortage::OwnStack { left, .. } = shortage else {
                    panic!("{shortage:?} with {kibibytes} KiB");
                };
                let reserve = LEAST_RESERVE.min(begun / 2);
                assert!(left.abs_diff(reserve) <= 3 << 10, "{left} left of {kibibytes} KiB");
                assert!((used + left).abs_diff(begun) <= 3 << 10, "{used} used");
            }
        }
    });
}

#[test]
fn what_is_not_deep_looks_nothing_up() {
    on_a_thread(1 << 20, || {
        let mut headroom = Headroom::begin();
        headroom.check().unwrap();
        assert!(KNOWN.get().is_none() && GIVEN.with(|given| given.get().is_none()));
    });
}

#[test]
fn the_main_threads_stack_reaches_down_to_its_limit() {
    let high = top_of_main_stack().unwrap();
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let line = maps.lines().find(|line| line.ends_with("[stack]")).unwrap();
    let (_, end) = line.split(' ').next().unwrap().split_once('-').unwrap();
    let end = usize::from_str_radix(end, 16).unwrap();
    assert!(end - high < 4096, "{high:x} is the top of {line}");

    let limit = getrlimit(Resource::Stack).current.unwrap() as usize;
    let here = high - (64 << 10);
    let room = Room::of_main(here).unwrap();
    assert_eq!(room.stack.size(), limit);
    // No further than a step at once.
    assert_eq!(room.found, here - STEP);
    let room = Room::of_main(high - limit + 8).unwrap();
    assert_eq!(room.found, room.stack.low);
    assert!(Room::of_main(high - limit - 8).is_none());
    assert!(Room::of_main(stack_pointer()).is_none(), "this is another thread's");
}

/// A stack that the C library knows nothing of.
#[cfg(target_env = "gnu")]
#[test]
fn a_stack_that_is_not_the_threads_is_used_up_to_a_fixed_bound() {
    thread_local! {
        static FOUND: Cell<Option<(Shortage, usize)>> = const { Cell::new(None) };
    }
    extern "C" fn routine() {
        FOUND.set(Some(descend()));
    }
    let mut stack = vec![0_u8; 1 << 20];
    for _ in 0..2 {
        let mut back = MaybeUninit::<libc::ucontext_t>::uninit();
        let mut there = MaybeUninit::<libc::ucontext_t>::uninit();
        // SAFETY: `getcontext` fills in what `makecontext` changes; the stack is as long
        // as it says and outlives the routine, which takes nothing, does not unwind, and
        // at its end goes back to where `swapcontext` has saved this.
        unsafe {
            assert_eq!(libc::getcontext(there.as_mut_ptr()), 0);
            let context = &mut *there.as_mut_ptr();
            context.uc_stack.ss_sp = stack.as_mut_ptr().cast();
            context.uc_stack.ss_size = stack.len();
            context.uc_link = back.as_mut_ptr();
            libc::makecontext(context, routine, 0);
            assert_eq!(libc::swapcontext(back.as_mut_ptr(), context), 0);
        }
        let (shortage, used) = FOUND.take().unwrap();
        let Shortage::OtherStack { used: told } = shortage else {
            panic!("{shortage:?}");
        };
        let bound = ELSEWHERE.unsigned_abs();
        assert!((bound..bound + 2048).contains(&told), "{told}");
        assert!(used.abs_diff(told) < 2048, "{used}, {told}");
    }
    // Back on its own, the thread has all of it.
    assert!(matches!(descend().0, Shortage::OwnStack { .. }));
}

/// One that the program has given to a thread is that thread's own.
#[test]
fn a_stack_of_the_programs_is_the_threads_that_was_given_it() {
    extern "C" fn run(found: *mut c_void) -> *mut c_void {
        // SAFETY: the place that was passed, which outlives the thread and which nobody
        // else uses until then.
        unsafe { *found.cast::<Option<(Shortage, usize)>>() = Some(descend()) };
        ptr::null_mut()
    }
    use std::ffi::c_void;
    const SIZE: usize = 1 << 20;
    let mut stack = vec![0_u128; SIZE / 16];
    let mut found = None::<(Shortage, usize)>;
    let mut attributes = MaybeUninit::<libc::pthread_attr_t>::uninit();
    let mut thread = MaybeUninit::uninit();
    // SAFETY: the stack is aligned and as long as it says; it and the place outlive the
    // thread, which is joined before anything else is done.
    unsafe {
        let attributes = attributes.as_mut_ptr();
        assert_eq!(libc::pthread_attr_init(attributes), 0);
        assert_eq!(libc::pthread_attr_setstack(attributes, stack.as_mut_ptr().cast(), SIZE), 0);
        let place = (&raw mut found).cast();
        assert_eq!(libc::pthread_create(thread.as_mut_ptr(), attributes, run, place), 0);
        assert_eq!(libc::pthread_join(thread.assume_init(), ptr::null_mut()), 0);
        libc::pthread_attr_destroy(attributes);
    }
    let (shortage, _) = found.unwrap();
    let Shortage::OwnStack { size, left } = shortage else {
        panic!("{shortage:?}");
    };
    assert!(size <= SIZE && SIZE - size <= 8192, "{size}");
    assert!(left.abs_diff(LEAST_RESERVE) <= 8192, "{left}");
}
