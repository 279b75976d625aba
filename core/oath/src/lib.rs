//! One-time codes of code displays: HOTP (RFC 4226), TOTP (RFC 6238), and the containers that their seeds are delivered
//! in (PSKC, RFC 6030). No I/O, no clock: the time is an argument.
//!
//! ```
//! use godkend_oath::{Digits, Hash, Moving, Position, Seed, Token, Windows};
//!
//! let token = Token {
//!     seed: Seed::new(b"12345678901234567890").unwrap(),
//!     hash: Hash::Sha1,
//!     digits: Digits::SIX,
//!     moving: Moving::Counter,
//! };
//! let accepted = token.accept(&Position::default(), 0, &Windows::default(), "287082").unwrap();
//! assert_eq!(accepted.next, 2); // the second code, of counter 1
//! assert!(token.accept(&accepted, 0, &Windows::default(), "287082").is_none());
//! ```

mod code;
pub mod pskc;
mod token;

pub use code::{Code, Digits, Hash, Seed, hotp};
pub use token::{Moving, Position, Token, Windows};
