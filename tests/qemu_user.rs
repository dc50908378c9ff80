//! A program under the emulator of qemu that plays the kernel for one process.

use std::process::Command;

use pool_tests::started::assert_works;

#[cfg(target_arch = "x86_64")]
const EMULATOR: &str = "qemu-x86_64";
#[cfg(target_arch = "aarch64")]
const EMULATOR: &str = "qemu-aarch64";

#[test]
fn under_qemu_it_works_and_no_argument_is_executed() {
    assert_works(|| {
        let mut command = Command::new(EMULATOR);
        command.arg(env!("CARGO_BIN_EXE_started"));
        command
    });
}
