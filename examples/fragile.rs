//! What if the code that I call crashes on some inputs?
//!
//! A parser in C reads through a bad pointer, or calls `abort`, when it is given
//! what it does not expect. Each such input costs its worker and nothing else.

use std::ffi::{CStr, CString, c_char, c_ulonglong};

use pool_runtime::{Error, Pool, pool_task};

#[link(name = "fragile", kind = "static")]
#[allow(unsafe_code)]
unsafe extern "C" {
    fn header_pixels(header: *const c_char) -> c_ulonglong;
}

#[pool_task]
fn parse(header: CString) -> u64 {
    #[allow(unsafe_code)]
    // SAFETY: it is given a C string. That it is not safe for every C string is
    // why it runs in another process.
    unsafe {
        header_pixels(header.as_ptr())
    }
}

const HEADERS: [&CStr; 8] =
    [c"640x480", c"1920x1080", c"800", c"x", c"3840x2160", c"1024x-768", c"", c"7680x4320"];

fn main() -> Result<(), Error> {
    let pool = Pool::new(2)?;
    let results = pool.imap(parse, HEADERS.map(CString::from));
    for ((index, header), result) in HEADERS.iter().enumerate().zip(results) {
        match result {
            Ok(pixels) => println!("item {index}: {header:?} has {pixels} pixels"),
            Err(error) => match error.signal() {
                Some(signal) => {
                    println!("item {index}: {header:?} killed the parser with signal {signal}");
                    eprintln!("{error}");
                }
                None => return Err(error),
            },
        }
    }
    Ok(())
}
