//! TLS out of functions: each language's own client, with the authorities that the operator added, to hosts that the
//! policy opens.

use std::time::Duration;

use hearth_testing::{Authority, Hearth, Options, Origin};
use serde_json::json;

use super::{function, invoke, result};

const CLIENTS: [(&str, &str); 4] = [
    ("nodejs", "exports.handler = async ({ url }) => (await fetch(url)).text();"),
    (
        "nodejs",
        "const https = require('node:https');\n\
         exports.handler = ({ url }) => new Promise((done, failed) => {\n\
           https.get(url, (answer) => {\n\
             let text = '';\n\
             answer.on('data', (data) => { text += data; });\n\
             answer.on('end', () => done(text));\n\
           }).on('error', failed);\n\
         });",
    ),
    (
        "python",
        "import urllib.request\n\
         def handler(event, context):\n    \
             return urllib.request.urlopen(event['url'], timeout=10).read().decode()\n",
    ),
    (
        "go",
        "import (\n\"io\"\n\"net/http\"\n)\n\
         func handler(event map[string]interface{}, context map[string]string) (interface{}, error) {\n\
         answer, err := http.Get(event[\"url\"].(string))\n\
         if err != nil { return nil, err }\n\
         defer answer.Body.Close()\n\
         text, err := io.ReadAll(answer.Body)\n\
         return string(text), err\n}",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_function_trusts_whom_its_operator_trusts_and_nobody_else() {
    let answer = |path: &str, _| (200, format!("secure {path}"), Duration::ZERO);
    let (trusted, unknown) = (Authority::default(), Authority::default());
    let origin = Origin::start_tls(&trusted, &["api.corp.test"], answer).await;
    let impostor = Origin::start_tls(&unknown, &["impostor.corp.test"], answer).await;
    let folder = tempfile::Builder::new()
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .tempdir()
        .expect("a folder");
    let mut config = trusted.config(folder.path(), &origin, &["api.corp.test", "wrong.corp.test"]);
    config.push_str(&format!("\"impostor.corp.test\" = \"{}\"\n", impostor.address));
    let hearth = Hearth::start_with(Options { config, ..Options::default() }).await;
    for (index, (runtime, code)) in CLIENTS.into_iter().enumerate() {
        let id = function(&hearth, &format!("tls-{index}"), runtime, code).await;
        let good = json!({ "url": format!("https://api.corp.test/{index}") });
        assert_eq!(result(&hearth, &id, good).await, format!("secure /{index}"), "{runtime}");
        // A certificate of another name, one of nobody's, and an address that nobody opened.
        let address = format!("https://{}/x", origin.address);
        for url in ["https://wrong.corp.test/x", "https://impostor.corp.test/x", address.as_str()] {
            let answer = invoke(&hearth, &id, json!({ "url": url })).await;
            assert_eq!(answer["success"], false, "{runtime} {url}: {answer:#}");
            assert!(answer["error"]["message"].is_string(), "{answer:#}");
        }
    }
    assert!(
        origin.asked("/x").is_empty() && impostor.asked("/x").is_empty(),
        "nothing was said to a stranger"
    );
}
