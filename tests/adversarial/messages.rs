//! What travels: every message, every key, every signature.
