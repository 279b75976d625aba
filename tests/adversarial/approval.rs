//! Requests and answers: replays, swaps, texts, bindings, races.
