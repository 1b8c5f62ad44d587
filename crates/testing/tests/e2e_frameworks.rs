//! The frameworks that people deploy, each built and deployed by the command of its own documentation and looked at in a
//! real browser. `make test-frameworks`; too heavy for every run.

use hearth_testing::{Hearth, tests_folder};

/// An app of `tests/frameworks`, whose page says `title`.
async fn a_framework(name: &str, title: &str) {
    let hearth = Hearth::start().await;
    let project = hearth.project(&tests_folder(&format!("frameworks/{name}")));
    project.npm(&["install", "--no-save", "--loglevel=error"]).await.expect_ok();
    let deployed = project.npm(&["run", "deploy"]).await.expect_ok();
    let browser = hearth.project(&tests_folder("frameworks/browser"));
    let port = hearth.address().port().to_string();
    let looked = browser.node(&["look.mjs", &hearth.host(name), &port, title]).await;
    assert!(looked.ok, "{}\n{deployed}", looked.output);
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
}
