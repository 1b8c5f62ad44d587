//! Every sample of the seed guide that `docs/guide.md` lists, deployed by the real wrangler and driven by real clients. The
//! samples of KV, R2 and D1 alone are in `e2e_guide.rs`.
//!
//! What is asserted is Cloudflare's behaviour, not ours alone: `HEARTH_GUIDE_ON=wrangler-dev` runs the same tests on
//! Cloudflare's simulator.

mod commands;
mod events;
mod objects;
mod services;
mod site;
