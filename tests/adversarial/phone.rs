//! What can happen to a phone: clones, restores, damage, clocks, fingers.
