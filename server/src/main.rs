//! The Godkend identity server: one binary that serves, creates environments and speaks to a running server's desk
//! interface.

use std::process::ExitCode;

fn main() -> ExitCode {
    godkend_server::cli::main()
}
