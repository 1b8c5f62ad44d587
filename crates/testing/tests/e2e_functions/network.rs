//! The way out of functions: whatever speaks TCP works unchanged, under the policy of workers.

use hearth_testing::{Hearth, Options};
use http::{Request, header};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::{call_json, function, invoke, result};

/// A server that says back what it is sent, as HTTP or, when it does not begin like that, as it is.
async fn server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut sent = vec![0; 65_536];
                loop {
                    let Ok(read @ 1..) = stream.read(&mut sent).await else { return };
                    let text = String::from_utf8_lossy(&sent[..read]).into_owned();
                    if !text.starts_with("GET ") {
                        if stream.write_all(&sent[..read]).await.is_err() {
                            return;
                        }
                        continue;
                    }
                    let path = text.split(' ').nth(1).unwrap_or_default();
                    let size = path.trim_start_matches('/').parse().unwrap_or(0_usize);
                    let body = "x".repeat(size) + "intranet";
                    let answer = format!(
                        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                        body.len()
                    );
                    let _ = stream.write_all(answer.as_bytes()).await;
                    return;
                }
            });
        }
    });
    port
}

const NODE: &str = "const net = require('node:net');\n\
    exports.handler = async ({ url, tcp, size }) => {\n\
      if (tcp) {\n\
        return await new Promise((done, failed) => {\n\
          const socket = net.connect(tcp.port, tcp.host, () => socket.write('ping ' + tcp.host));\n\
          socket.on('data', (data) => { done(String(data)); socket.end(); });\n\
          socket.on('error', failed);\n\
        });\n\
      }\n\
      const answer = await fetch(url);\n\
      const text = await answer.text();\n\
      return size ? text.length : text;\n\
    };";

const PYTHON: &str = "import socket, urllib.request\n\
def handler(event, context):\n    \
    if 'tcp' in event:\n        \
        with socket.create_connection((event['tcp']['host'], event['tcp']['port']), 5) as s:\n            \
            s.sendall(('ping ' + event['tcp']['host']).encode())\n            \
            return s.recv(100).decode()\n    \
    text = urllib.request.urlopen(event['url'], timeout=10).read().decode()\n    \
    return len(text) if event.get('size') else text\n";

const GO: &str = "import (\n\"fmt\"\n\"io\"\n\"net\"\n\"net/http\"\n)\n\
func handler(event map[string]interface{}, context map[string]string) (interface{}, error) {\n\
if tcp, ok := event[\"tcp\"].(map[string]interface{}); ok {\n\
  conn, err := net.Dial(\"tcp\", net.JoinHostPort(tcp[\"host\"].(string), fmt.Sprint(tcp[\"port\"])))\n\
  if err != nil { return nil, err }\n\
  defer conn.Close()\n\
  fmt.Fprintf(conn, \"ping %s\", tcp[\"host\"])\n\
  buffer := make([]byte, 100)\n\
  n, err := conn.Read(buffer)\n\
  return string(buffer[:n]), err\n\
}\n\
answer, err := http.Get(event[\"url\"].(string))\n\
if err != nil { return nil, err }\n\
defer answer.Body.Close()\n\
text, err := io.ReadAll(answer.Body)\n\
if event[\"size\"] != nil { return len(text), err }\n\
return string(text), err\n}";

#[tokio::test(flavor = "multi_thread")]
async fn what_speaks_tcp_goes_out_under_the_policy_of_workers() {
    let port = server().await;
    let config = format!(
        "[egress]\nhosts = {{ 'db.corp.test' = '127.0.0.1:{port}', 'web.corp.test' = '127.0.0.1:{port}' }}\n"
    );
    let hearth = Hearth::start_with(Options { config, ..Options::default() }).await;
    for (runtime, code) in [("nodejs", NODE), ("python", PYTHON), ("go", GO)] {
        let id = function(&hearth, runtime, runtime, code).await;
        let web = json!({ "url": "http://web.corp.test/" });
        assert_eq!(result(&hearth, &id, web).await, "intranet", "{runtime}");
        let large = json!({ "url": "http://web.corp.test/3000000", "size": true });
        assert_eq!(result(&hearth, &id, large).await, 3_000_008, "{runtime}");
        // A database's driver speaks what it wants, to the port that it knows.
        let db = json!({ "tcp": { "host": "db.corp.test", "port": 5432 } });
        assert_eq!(result(&hearth, &id, db).await, "ping db.corp.test", "{runtime}");

        // Nobody opened these: the machine itself, and what has no name.
        for host in ["127.0.0.1", "10.1.2.3", "169.254.169.254", "::1", "fd00::1"] {
            let answer = invoke(&hearth, &id, json!({ "tcp": { "host": host, "port": port } })).await;
            assert_eq!(answer["success"], false, "{runtime} {host}: {answer:#}");
        }
        let unknown = json!({ "tcp": { "host": "nothing.invalid", "port": 80 } });
        let answer = invoke(&hearth, &id, unknown).await;
        assert_eq!(answer["success"], false, "{runtime}: {answer:#}");
        let own = json!({ "tcp": { "host": "127.0.0.1", "port": hearth.address().port() } });
        assert_eq!(invoke(&hearth, &id, own).await["success"], false, "{runtime}");

        // Opened while it runs, and closed again.
        let _ = hearth.operator(&["egress", "allow", &format!("late.corp.test=127.0.0.1:{port}")]);
        let late = json!({ "tcp": { "host": "late.corp.test", "port": 1 } });
        assert_eq!(result(&hearth, &id, late.clone()).await, "ping late.corp.test", "{runtime}");
        let _ = hearth.operator(&["egress", "remove", "late.corp.test"]);
        assert_eq!(invoke(&hearth, &id, late).await["success"], false, "{runtime}");
    }
}

const ANSWERS: [(&str, &str); 3] = [
    (
        "nodejs",
        "exports.handler = (event) => {\n\
           if (event.path === '/throw') throw new Error('secret');\n\
           if (event.path === '/plain') return { just: 'json' };\n\
           return { statusCode: 201, headers: { 'x-of': event.method }, body: `${event.query.a} ${event.body}` };\n\
         };",
    ),
    (
        "python",
        "def handler(event, context):\n    \
             if event['path'] == '/throw': raise ValueError('secret')\n    \
             if event['path'] == '/plain': return {'just': 'json'}\n    \
             return {'statusCode': 201, 'headers': {'x-of': event['method']}, 'body': event['query'].get('a', '') + ' ' + event['body']}\n",
    ),
    (
        "go",
        "func handler(event map[string]interface{}, context map[string]string) interface{} {\n\
         if event[\"path\"] == \"/throw\" { panic(\"secret\") }\n\
         if event[\"path\"] == \"/plain\" { return map[string]string{\"just\": \"json\"} }\n\
         a, _ := event[\"query\"].(map[string]interface{})[\"a\"].(string)\n\
         return map[string]interface{}{\"statusCode\": 201, \"headers\": map[string]string{\"x-of\": event[\"method\"].(string)}, \"body\": a + \" \" + event[\"body\"].(string)}\n}",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_function_with_a_host_or_a_route_answers_requests() {
    let hearth = Hearth::start().await;
    for (runtime, code) in ANSWERS {
        let host = format!("{runtime}.functions.test");
        let fields = json!({
            "name": runtime, "runtime": runtime, "handler": "handler", "code": code, "host": host,
            "route": format!("routes.test/{runtime}/*"),
        });
        let (status, made) = call_json(&hearth, "POST", "/api/v1/functions", fields).await;
        assert_eq!(status, 201, "{made:#}");
        let request = Request::post("/some/path?a=b").header(header::HOST, &host).body("c".into()).unwrap();
        let answer = hearth.send(request).await.unwrap();
        assert_eq!((answer.status, answer.text().as_str()), (201, "b c"), "{runtime}");
        assert_eq!(answer.header("x-of"), "POST");
        let plain = hearth.get(&host, "/plain").await;
        assert_eq!((plain.status, plain.json()), (200, json!({ "just": "json" })), "{runtime}");
        let routed = hearth.get("routes.test", &format!("/{runtime}/x?a=r")).await;
        assert_eq!((routed.status, routed.text().as_str()), (201, "r "), "{runtime}");
        let thrown = hearth.get(&host, "/throw").await;
        assert_eq!(thrown.status, 500, "{runtime}");
        assert!(!thrown.text().contains("secret"), "{runtime}: {}", thrown.text());
        // Its own header makes no visitor a caller of the API.
        let request = Request::post("/plain")
            .header(header::HOST, &host)
            .header("x-hearth-invoke", "1")
            .body("{}".into())
            .unwrap();
        assert_eq!(hearth.send(request).await.unwrap().json(), json!({ "just": "json" }), "{runtime}");
        let id = made["id"].as_str().unwrap();
        let records = records(&hearth, id, 5).await;
        assert!(records.iter().all(|record| record["via"] == "http"), "{records:#?}");
        let failed = records.iter().find(|record| record["success"] == false).expect("the one that threw");
        assert!(failed["error"]["message"].as_str().unwrap().contains("secret"), "{failed:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_visitor_holds_no_process() {
    let hearth = Hearth::start().await;
    let code = "import os\ndef handler(e, c):\n    return {'pid': os.getpid(), 'size': len(e['body']), 'large': 'x' * (e['body'] == 'large') * 4000000}";
    let fields = json!({
        "name": "slow", "runtime": "python", "handler": "handler", "code": code, "timeout": 1, "host": "slow.test",
    });
    let (status, made) = call_json(&hearth, "POST", "/api/v1/functions", fields).await;
    assert_eq!(status, 201, "{made:#}");
    let id = made["id"].as_str().unwrap();
    result(&hearth, id, json!({ "body": "" })).await;

    // It sends its body after more than the function's timeout.
    let mut slow = tokio::net::TcpStream::connect(hearth.address()).await.unwrap();
    slow.write_all(b"POST / HTTP/1.1\r\nHost: slow.test\r\nContent-Length: 5\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(2500)).await;
    slow.write_all(b"large").await.unwrap();
    // It reads after another such while: what it does not read is more than sockets hold.
    tokio::time::sleep(std::time::Duration::from_millis(2500)).await;
    let mut answer = String::new();
    slow.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.len() > 4_000_000, "{:.300}", answer);
    let records = records(&hearth, id, 2).await;
    assert!(records.iter().all(|record| record["success"] == true), "{records:#?}");
    let cold = records.iter().filter(|record| record["cold_start"] == true).count();
    assert_eq!(cold, 1, "its process was ended: {records:#?}");
    let after = invoke(&hearth, id, json!({ "body": "" })).await;
    assert_eq!(after["cold_start"], false, "{after:#}");
}

/// The records of a function, once there are so many.
async fn records(hearth: &Hearth, id: &str, count: usize) -> Vec<Value> {
    for _ in 0..200 {
        let path = format!("/api/v1/functions/{id}/invocations");
        let (_, answer) = call_json(hearth, "GET", &path, Value::Null).await;
        let records = answer["invocations"].as_array().cloned().unwrap_or_default();
        if records.len() >= count {
            return records;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the calls are not remembered");
}
