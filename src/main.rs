//! The `franking` program: hands the command line to `app`.

fn main() {}
