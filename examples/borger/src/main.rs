//! The site's command line.

use std::process::ExitCode;

use godkend_borger::Borger;
use godkend_netbank::program::Program;

const PROGRAM: Program = Program {
    name: env!("CARGO_PKG_NAME"),
    about: "A small public body: a login at Low, and a step up to Substantial for a letter",
    client_id: "borger",
    port: 9081,
};

#[tokio::main]
async fn main() -> ExitCode {
    PROGRAM.run(|settings| Ok(Borger::new(settings)?.routes())).await
}
