//! From an activation to a phone: codes, races, swapped keys, attestation.
