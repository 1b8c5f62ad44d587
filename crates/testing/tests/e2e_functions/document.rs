//! Every call of the document (`seeds/003`), word for word but for host, port and the made-up id, with its samples in all
//! three languages.

use hearth_testing::Hearth;
use serde_json::{Value, json};

use super::{call, call_json, create, invoke, result};

const MAKE: &str = r#"{
  "name": "hello-world",
  "runtime": "go",
  "handler": "handler",
  "code": "func handler(event interface{}, context map[string]string) interface{} {\n    return map[string]interface{}{\n        \"message\": \"Hello World!\"\n    }\n}",
  "timeout": 30,
  "memory": 128,
  "environment": {
    "KEY": "value"
  }
}"#;

const MAKE_BY_HAND: &str = r#"{
    "name": "test-hello",
    "runtime": "go",
    "handler": "handler",
    "code": "func handler(event interface{}, context map[string]string) interface{} {\n    return map[string]interface{}{\n        \"message\": \"Hello World!\",\n        \"event\": event\n    }\n}"
  }"#;

const SUM: &str = r#"
func processData(event interface{}, context map[string]string) interface{} {
    eventMap := event.(map[string]interface{})
    data := eventMap["data"].([]interface{})
    
    sum := 0.0
    for _, v := range data {
        sum += v.(float64)
    }
    
    return map[string]interface{}{
        "sum": sum,
        "count": len(data),
        "average": sum / float64(len(data)),
    }
}"#;

const UNDEFINED: &str = r#"func handler(event interface{}, context map[string]string) interface{} {
    // 你的业务逻辑
    return result
}"#;

#[tokio::test(flavor = "multi_thread")]
async fn the_documents_calls_answer_as_it_says() {
    let hearth = Hearth::start().await;
    let health = call(&hearth, "GET", "/api/health", "").await;
    assert_eq!((health.status, &health.json()["status"]), (200, &json!("ok")));
    assert_eq!(health.json()["services"]["cloudfunction"], "running");

    // 1. Create. Its Go lacks a comma.
    let made = call(&hearth, "POST", "/api/v1/functions", MAKE).await;
    let shown = made.json();
    assert_eq!(made.status, 201, "{shown:#}");
    let id = shown["id"].as_str().expect("an id").to_owned();
    for (field, value) in [
        ("name", json!("hello-world")),
        ("runtime", json!("go")),
        ("handler", json!("handler")),
        ("timeout", json!(30)),
        ("memory", json!(128)),
        ("environment", json!({ "KEY": "value" })),
        ("status", json!("active")),
        ("version", json!(1)),
    ] {
        assert_eq!(shown[field], value, "{field}");
    }
    assert!(shown["created_at"].is_string() && shown["updated_at"].is_string());
    let warning = shown["warnings"][0].as_str().expect("a warning of the comma");
    assert!(warning.contains("comma") && warning.contains("line 3"), "{warning}");

    // 2. and 3. List, one.
    let (_, list) = call_json(&hearth, "GET", "/api/v1/functions", Value::Null).await;
    assert_eq!((&list["total"], &list["functions"][0]["id"]), (&json!(1), &json!(id)));
    let path = format!("/api/v1/functions/{id}");
    let (status, one) = call_json(&hearth, "GET", &path, Value::Null).await;
    assert_eq!((status, &one), (200, &shown));

    // 6. Invoke, with the document's event and context.
    let body = r#"{
  "event": {
    "message": "Hello World",
    "data": [1, 2, 3]
  },
  "context": {
    "user_id": "123",
    "request_id": "req_456"
  }
}"#;
    let answer = call(&hearth, "POST", &format!("{path}/invoke"), body).await;
    let said = answer.json();
    assert_eq!((answer.status, &said["success"]), (200, &json!(true)), "{said:#}");
    assert_eq!(said["result"], json!({ "message": "Hello World!" }));
    assert_eq!((&said["request_id"], &said["error"]), (&json!("req_456"), &Value::Null));
    assert_eq!((&said["cold_start"], &said["logs"]), (&json!(true), &json!([])));
    assert!(
        said["duration_ms"].is_number() && said["billed_ms"].is_number() && said["memory_mb"].is_number()
    );

    // 4. Update: what is not sent stays.
    let (status, changed) =
        call_json(&hearth, "PUT", &path, json!({ "name": "updated-hello", "timeout": 60 })).await;
    assert_eq!(status, 200, "{changed:#}");
    assert_eq!((&changed["name"], &changed["timeout"]), (&json!("updated-hello"), &json!(60)));
    assert_eq!((&changed["memory"], &changed["environment"]), (&json!(128), &json!({ "KEY": "value" })));
    assert_eq!(result(&hearth, &id, json!(1)).await, json!({ "message": "Hello World!" }));

    // By hand.
    let made = call(&hearth, "POST", "/api/v1/functions", MAKE_BY_HAND).await.json();
    let by_hand = made["id"].as_str().expect("an id");
    let said = call(
        &hearth,
        "POST",
        &format!("/api/v1/functions/{by_hand}/invoke"),
        r#"{
    "event": {"test": "data"},
    "context": {"user": "test"}
  }"#,
    )
    .await
    .json();
    assert_eq!(said["result"], json!({ "message": "Hello World!", "event": { "test": "data" } }));

    // 5. Delete.
    let (status, _) = call_json(&hearth, "DELETE", &path, Value::Null).await;
    assert_eq!(status, 200);
    assert_eq!(call(&hearth, "GET", &path, "").await.status, 404);
    assert_eq!(call(&hearth, "POST", &format!("{path}/invoke"), "{}").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documents_functions_run() {
    let hearth = Hearth::start().await;
    let make = |name: &str, runtime: &str, handler: &str, code: &str| json!({ "name": name, "runtime": runtime, "handler": handler, "code": code });
    let sum = create(&hearth, make("sum", "go", "processData", SUM)).await;
    let answer = result(&hearth, &sum, json!({ "data": [1, 2, 3] })).await;
    assert_eq!(answer, json!({ "sum": 6, "count": 3, "average": 2 }));
    // What does not fit panics, with its line.
    let failed = invoke(&hearth, &sum, json!("text")).await;
    assert_eq!((&failed["success"], &failed["result"]), (&json!(false), &Value::Null));
    assert!(failed["error"]["message"].as_str().unwrap().contains("interface conversion"), "{failed:#}");
    assert!(failed["error"]["stack"].as_str().unwrap().contains("function.go:3"), "{failed:#}");

    // The first sample returns a name that it does not have.
    let (status, refused) =
        call_json(&hearth, "POST", "/api/v1/functions", make("basic", "go", "handler", UNDEFINED)).await;
    assert_eq!((status, &refused["field"]), (400, &json!("code")), "{refused:#}");
    assert!(refused["error"].as_str().unwrap().contains("line 3: undefined: result"), "{refused:#}");

    let node = "// 同步函数\nfunction handler(event, context) {\n    return {\n        message: \"Hello from Node.js\",\n        event: event\n    };\n}";
    let node = create(&hearth, make("node", "nodejs", "handler", node)).await;
    let answer = result(&hearth, &node, json!({ "a": "ü" })).await;
    assert_eq!(answer, json!({ "message": "Hello from Node.js", "event": { "a": "ü" } }));

    let python = "# 基本函数\ndef handler(event, context):\n    return {\n        'message': 'Hello from Python',\n        'event': event\n    }\n\n# 数据分析函数\ndef analyze_data(event, context):\n    import statistics\n    \n    data = event.get('data', [])\n    \n    if not data:\n        return {'error': 'No data provided'}\n    \n    return {\n        'mean': statistics.mean(data),\n        'median': statistics.median(data),\n        'mode': statistics.mode(data),\n        'stdev': statistics.stdev(data)\n    }\n";
    let hello = create(&hearth, make("python", "python", "handler", python)).await;
    let answer = result(&hearth, &hello, json!([1])).await;
    assert_eq!(answer, json!({ "message": "Hello from Python", "event": [1] }));
    let analyze = create(&hearth, make("analyze", "python", "analyze_data", python)).await;
    let answer = result(&hearth, &analyze, json!({ "data": [1, 2, 2, 3] })).await;
    assert_eq!((&answer["mean"], &answer["mode"]), (&json!(2), &json!(2)));
    let answer = result(&hearth, &analyze, json!({})).await;
    assert_eq!(answer, json!({ "error": "No data provided" }));
}
