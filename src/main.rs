//! The `franking` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    franking::app::main()
}
