//! The bank's command line.

use std::process::ExitCode;

use godkend_netbank::Bank;
use godkend_netbank::program::Program;

const PROGRAM: Program = Program {
    name: env!("CARGO_PKG_NAME"),
    about: "A small bank that signs people in and has payments approved through OpenID Connect",
    client_id: "netbank",
    port: 9080,
};

#[tokio::main]
async fn main() -> ExitCode {
    PROGRAM.run(|settings| Ok(Bank::new(settings)?.routes())).await
}
