//! What can happen to a phone: clones, lost replies, restores, fingers, damage, older stores, clocks, many threads.

mod copies;
mod disk;
mod lossy;
mod surroundings;
