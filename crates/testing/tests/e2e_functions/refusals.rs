//! What cannot be: each with a clear error that names the field.

use bytes::Bytes;
use hearth_testing::{Hearth, Options};
use http::{Request, header};
use serde_json::{Value, json};

use super::{call, call_json, function, invoke};

fn fields(changes: Value) -> Value {
    let mut fields = json!({
        "name": "f", "runtime": "python", "handler": "handler", "code": "def handler(e, c):\n    return 1",
    });
    for (name, value) in changes.as_object().expect("changes are an object") {
        match value {
            Value::Null => drop(fields.as_object_mut().unwrap().remove(name)),
            value => fields[name] = value.clone(),
        }
    }
    fields
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_is_refused_with_the_fields_name() {
    let hearth = Hearth::start().await;
    for (changes, field, says) in [
        (json!({ "name": null }), "name", "missing"),
        (json!({ "runtime": null }), "runtime", "missing"),
        (json!({ "handler": null }), "handler", "missing"),
        (json!({ "code": null }), "code", "missing"),
        (json!({ "runtime": "ruby" }), "runtime", "go, nodejs, python"),
        (json!({ "timeout": "soon" }), "timeout", "a string"),
        (json!({ "memory": 1 }), "memory", "16"),
        (json!({ "environment": { "A": 1 } }), "environment", "a number"),
        (json!({ "handler": "other" }), "handler", "no function named other"),
        (json!({ "code": "def handler(e, c):\n    return (1" }), "code", "line 2"),
        (json!({ "code": "import nothing_like_it\ndef handler(e, c): pass" }), "code", "`dependencies`"),
        (json!({ "code": "raise ValueError('at once')" }), "code", "ValueError: at once"),
        (json!({ "runtime": "nodejs", "code": "function handler( { return 1 }" }), "code", "line 1"),
        (json!({ "runtime": "nodejs", "code": "let x = 1" }), "handler", "no function named handler"),
        (
            json!({ "runtime": "nodejs", "code": "import a from 'axios'\nexport const handler = a" }),
            "code",
            "`dependencies`",
        ),
        (
            json!({ "runtime": "go", "code": "func handler(e interface{}) { return }\nvar x = y" }),
            "code",
            "line 2: undefined: y",
        ),
        (
            json!({ "runtime": "go", "handler": "nope", "code": "func handler(e interface{}) {}" }),
            "handler",
            "no function named nope",
        ),
        (
            json!({ "runtime": "go", "code": "import \"example.test/x\"\nfunc handler(e interface{}) {}" }),
            "code",
            "`dependencies`",
        ),
    ] {
        let (status, refused) =
            call_json(&hearth, "POST", "/api/v1/functions", fields(changes.clone())).await;
        assert_eq!((status, &refused["field"]), (400, &json!(field)), "{changes}: {refused:#}");
        assert!(refused["error"].as_str().unwrap().contains(says), "{changes}: {refused:#}");
    }
    let list = call(&hearth, "GET", "/api/v1/functions", "").await.json();
    assert_eq!(list, json!({ "functions": [], "total": 0 }), "what was refused left nothing");

    let id = function(&hearth, "f", "python", "def handler(e, c):\n    return 1").await;
    let (status, taken) = call_json(&hearth, "POST", "/api/v1/functions", fields(json!({}))).await;
    assert_eq!((status, &taken["field"]), (409, &json!("name")), "{taken:#}");
    for unknown in ["nothing", "00000000000000000000000000000000"] {
        for (method, path) in
            [("GET", ""), ("PUT", ""), ("DELETE", ""), ("POST", "/invoke"), ("GET", "/stats")]
        {
            let path = format!("/api/v1/functions/{unknown}{path}");
            let answer = call(&hearth, method, &path, "{}").await;
            assert_eq!((answer.status, &answer.json()["field"]), (404, &json!("id")), "{method} {path}");
        }
    }
    let path = format!("/api/v1/functions/{id}/invoke");
    for (body, status) in [("[1]", 400), ("{", 400), (r#"{"context": 1}"#, 400)] {
        assert_eq!(call(&hearth, "POST", &path, body).await.status, status, "{body}");
    }
    let large = format!("{{\"event\": \"{}\"}}", "x".repeat(6 << 20));
    let refused = call(&hearth, "POST", &path, large).await;
    assert_eq!((refused.status, &refused.json()["field"]), (413, &json!("event")));
    // Nobody without a token.
    for path in ["/api/v1/functions".to_owned(), path] {
        let request = Request::post(path.as_str())
            .header(header::HOST, format!("localhost:{}", hearth.address().port()))
            .body(Bytes::from_static(b"{}"))
            .unwrap();
        assert_eq!(hearth.send(request).await.unwrap().status, 401, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn results_that_are_not_json_are_errors_that_say_so() {
    let hearth = Hearth::start().await;
    let go = "import \"math\"\n\
        func handler(event interface{}, context map[string]string) interface{} {\n\
        switch event {\n\
        case \"nan\": return map[string]interface{}{\"a\": math.NaN()}\n\
        case \"cycle\": m := map[string]interface{}{}; m[\"m\"] = m; return m\n\
        case \"bytes\": return map[string]interface{}{\"x\": []byte(\"a\")}\n\
        }\n\
        return make(chan int)\n}";
    let node = "const handler = (event) => {\n\
        if (event === 'nan') return { a: NaN };\n\
        if (event === 'cycle') { const m = {}; m.m = m; return m; }\n\
        if (event === 'bytes') return { x: Buffer.from('a') };\n\
        };";
    let python = "def handler(event, context):\n    \
        if event == 'nan': return {'a': float('nan')}\n    \
        if event == 'bytes': return {'x': b'a'}\n    \
        m = {}\n    \
        m['m'] = m\n    \
        return m if event == 'cycle' else {1, 2}\n";
    for (runtime, code) in [("go", go), ("nodejs", node), ("python", python)] {
        let id = function(&hearth, runtime, runtime, code).await;
        for (event, says) in [("nan", "nan"), ("cycle", "cycle"), ("bytes", "bytes"), ("other", "")] {
            let answer = invoke(&hearth, &id, json!(event)).await;
            assert_eq!(answer["error"]["type"], "ResultNotJson", "{runtime} {event}: {answer:#}");
            let message = answer["error"]["message"].as_str().unwrap().to_lowercase();
            assert!(message.contains(says) && message.contains("result") || event == "other", "{message}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runtime_that_is_not_there_says_how_to_get_it() {
    let config = "[functions]\ngo = '/nowhere/go'\n".to_owned();
    let hearth = Hearth::start_with(Options { config, ..Options::default() }).await;
    let code = "func handler(event interface{}) interface{} { return 1 }";
    let (status, refused) =
        call_json(&hearth, "POST", "/api/v1/functions", fields(json!({ "runtime": "go", "code": code })))
            .await;
    assert_eq!((status, &refused["field"]), (400, &json!("runtime")), "{refused:#}");
    assert!(refused["error"].as_str().unwrap().contains("/nowhere/go"), "{refused:#}");
    function(&hearth, "other", "python", "def handler(e, c):\n    return 1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_are_refused_where_they_cannot_be_jailed() {
    let options = Options { args: vec!["--isolation".into(), "reduced".into()], ..Options::default() };
    let hearth = Hearth::start_with(options).await;
    let (status, refused) = call_json(&hearth, "POST", "/api/v1/functions", fields(json!({}))).await;
    assert_eq!(status, 501, "{refused:#}");
    assert!(refused["error"].as_str().unwrap().contains("full"), "{refused:#}");
}
