//! Strangers who know every public identifier, and what they cannot do with it.
