//! The PIN: its tries, what a thief can test without them, and what is left of it after a kill.

mod hand;
mod offline;
mod swapped;
mod tries;
