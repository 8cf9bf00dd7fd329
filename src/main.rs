//! The `onnet` command.

fn main() {}
