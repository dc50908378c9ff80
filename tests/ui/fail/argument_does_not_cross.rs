use pool_runtime::pool_task;

struct Local(u8);

struct Other;

#[pool_task]
fn one(local: Local) -> u8 {
    local.0
}

#[pool_task]
fn several(n: u8, locals: &[Local], other: Option<&Other>) -> u8 {
    n + locals[0].0 + u8::from(other.is_some())
}

fn main() {
    // Its uses give no errors of their own.
    let _ = one(Local(1));
    let _ = one.pmap([Local(1)], 1);
    let _ = several.pmap([(1, vec![Local(1)], Some(Other))], 1);
}
