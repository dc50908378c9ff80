use pool_runtime::Pool;

fn plain(n: u64) -> u64 {
    n
}

fn main() {
    let pool = Pool::new(1).unwrap();
    let _ = pool.apply(plain, 1_u64);
}
