//! `cargo run --example lab`: the tutorial, step by step.

fn main() {}
