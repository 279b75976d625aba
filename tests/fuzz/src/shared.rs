#[path = "../../../core/protocol/tests/shared/generate.rs"]
pub mod generate;
#[path = "../../../core/protocol/tests/shared/messages.rs"]
pub mod messages;
#[path = "../../../core/protocol/tests/shared/random.rs"]
pub mod random;
