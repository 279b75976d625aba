//! What people scan, type and read: links, codes, digits, numbers, amounts.

pub mod activation_code;
pub mod amount;
mod base32;
pub mod block_code;
pub mod digits;
pub mod link;
pub mod offline_code;
pub mod qr_frame;
