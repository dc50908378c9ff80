use user::square;

fn main() -> Result<(), pool_runtime::Error> {
    println!("squares: {:?}", square.pmap(0..5, 2)?);
    Ok(())
}
