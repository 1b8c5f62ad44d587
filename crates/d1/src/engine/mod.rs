//! What runs in the jailed process.
