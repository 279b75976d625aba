//! The site's command line.

use std::process::ExitCode;

use godkend_netbank::program::Program;
use godkend_self_service::Site;

const PROGRAM: Program = Program {
    name: env!("CARGO_PKG_NAME"),
    about: "The citizen's own site; its client is registered with self_service = true",
    client_id: "self-service",
    port: 9082,
};

#[tokio::main]
async fn main() -> ExitCode {
    PROGRAM.run(|settings| Ok(Site::new(settings)?.routes())).await
}
