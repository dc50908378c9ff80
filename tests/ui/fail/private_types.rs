mod inner {
    #[derive(serde::Serialize, serde::Deserialize)]
    struct Hidden;

    #[pool_runtime::pool_task]
    pub fn face(_: Hidden) {}
}

fn main() {
    let _ = inner::face;
}
