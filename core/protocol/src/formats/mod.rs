//! What people scan, type and read: links, codes, digits, numbers.

pub mod activation_code;
mod base32;
pub mod block_code;
pub mod digits;
pub mod link;
pub mod offline_code;
pub mod qr_frame;
