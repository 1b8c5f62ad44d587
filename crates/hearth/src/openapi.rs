//! `hearth openapi`: what the API is, for programs.

use std::io::Write as _;

use anyhow::{Context as _, Result};

use crate::wiring::openapi::{VERSION, document};

const EXAMPLES: &str = "\
Examples:
  hearth openapi > openapi.json
  npx openapi-typescript openapi.json -o api.d.ts";

/// Print the OpenAPI document of this release's API. A server gives the same at /api/openapi.json, for a token.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {}

/// Prints it.
///
/// # Errors
/// When nobody reads.
pub fn run(_: &Args) -> Result<()> {
    let text = serde_json::to_string_pretty(&document().whole(VERSION))?;
    writeln!(std::io::stdout(), "{text}").context("the document cannot be written")
}
