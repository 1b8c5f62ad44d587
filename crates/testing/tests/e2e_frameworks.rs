//! The frameworks that people deploy, each built and deployed by the command of its own documentation and looked at in a
//! real browser. `make test-frameworks`; too heavy for every run.

use hearth_testing::{Hearth, Project, tests_folder};

/// An app of `tests/frameworks`, whose page says `title`.
async fn a_framework(name: &str, title: &str) {
    let hearth = Hearth::start().await;
    let project = with_rust(hearth.project(&tests_folder(&format!("frameworks/{name}"))));
    project.npm(&["install", "--no-save", "--loglevel=error"]).await.expect_ok();
    let deployed = project.npm(&["run", "deploy"]).await.expect_ok();
    let browser = hearth.project(&tests_folder("frameworks/browser"));
    let port = hearth.address().port().to_string();
    let host = format!("{name}.localhost");
    let looked = browser.node(&["look.mjs", &host, &port, title]).await;
    assert!(looked.ok, "{}\n{deployed}", looked.output);
}

/// What compiles a crate needs the machine's cargo, and keeps the tools that it builds.
fn with_rust(project: Project) -> Project {
    let home = std::env::home_dir().expect("somebody runs this");
    let kept = home.join(".cache/hearth/wasm-bindgen").display().to_string();
    let cargo_home =
        std::env::var("CARGO_HOME").unwrap_or_else(|_| home.join(".cargo").display().to_string());
    project
        .env("CARGO", std::env::var("CARGO").ok().as_deref())
        .env("CARGO_HOME", Some(&cargo_home))
        .env("WASM_BINDGEN", Some(&kept))
}

macro_rules! frameworks {
    ($($test:ident: $name:literal, $title:literal;)+) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            #[ignore = "make test-frameworks: builds a framework and starts a browser"]
            async fn $test() {
                a_framework($name, $title).await;
            }
        )+
    };
}

frameworks! {
    hono: "hono", "Hono";
    a_plain_vite_spa: "vite-spa", "Vite SPA";
    vite_with_cloudflares_plugin: "vite-plugin", "Vite plugin";
    astro: "astro", "Astro";
    sveltekit: "sveltekit", "SvelteKit";
    react_router: "react-router", "React Router";
    nuxt: "nuxt", "Nuxt";
    next_through_opennext: "next", "Next.js";
    workers_rs: "workers-rs", "workers-rs";
}
