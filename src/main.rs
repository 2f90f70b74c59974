//! Arguments, one command, the error chain printed once, the exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    cu_agent::cli::main()
}
