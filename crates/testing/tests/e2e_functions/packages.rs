//! What functions declare to need is installed from the registries, and nothing else is reached meanwhile. The registries
//! are stand-ins of this test: each serves one small package.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_compression::tokio::write::GzipEncoder;
use base64::Engine as _;
use hearth_testing::{Hearth, Options};
use parking_lot::RwLock;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::{call_json, create, invoke, result};

/// A server of files, that counts what it is asked for.
struct Files {
    port: u16,
    asked: Arc<AtomicUsize>,
    all: Arc<RwLock<HashMap<String, Vec<u8>>>>,
}

impl Files {
    fn put(&self, path: &str, body: impl Into<Vec<u8>>) {
        self.all.write().insert(path.to_owned(), body.into());
    }
}

async fn files(listener: TcpListener, all: HashMap<String, Vec<u8>>) -> Files {
    let port = listener.local_addr().expect("an address").port();
    let (asked, all) = (Arc::new(AtomicUsize::new(0)), Arc::new(RwLock::new(all)));
    let (counted, served) = (Arc::clone(&asked), Arc::clone(&all));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (all, counted) = (Arc::clone(&served), Arc::clone(&counted));
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let Ok(byte) = stream.read_u8().await else { return };
                    head.push(byte);
                }
                counted.fetch_add(1, Ordering::Relaxed);
                let head = String::from_utf8_lossy(&head).into_owned();
                let path = head.split(' ').nth(1).unwrap_or_default();
                let path = path.split('?').next().unwrap_or_default();
                let found = all.read().get(path).cloned();
                let (status, kind, body) = match found {
                    Some(body) if path.ends_with('/') => ("200 OK", "text/html", body),
                    Some(body) if body.starts_with(b"{") => ("200 OK", "application/json", body),
                    Some(body) => ("200 OK", "application/octet-stream", body),
                    None => ("404 Not Found", "text/plain", b"not found".to_vec()),
                };
                let head = format!(
                    "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                    body.len()
                );
                let _ = stream.write_all(head.as_bytes()).await;
                let _ = stream.write_all(&body).await;
            });
        }
    });
    Files { port, asked, all }
}

/// A tar of some files, as npm packs them.
async fn tgz(files: &[(&str, &str)]) -> Vec<u8> {
    let mut tar = Vec::new();
    for (name, text) in files {
        let mut header = [0_u8; 512];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[100..107].copy_from_slice(b"0000644");
        header[124..135].copy_from_slice(format!("{:011o}", text.len()).as_bytes());
        header[136..147].copy_from_slice(b"00000000000");
        header[156] = b'0';
        header[257..263].copy_from_slice(b"ustar\0");
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        tar.extend_from_slice(&header);
        tar.extend_from_slice(text.as_bytes());
        tar.resize(tar.len().next_multiple_of(512), 0);
    }
    tar.extend_from_slice(&[0; 1024]);
    let mut encoder = GzipEncoder::new(Vec::new());
    encoder.write_all(&tar).await.unwrap();
    encoder.shutdown().await.unwrap();
    encoder.into_inner()
}

/// A zip of some files, none compressed.
fn zip(files: &[(&str, &str)]) -> Vec<u8> {
    let crc = |bytes: &[u8]| {
        !bytes.iter().fold(!0_u32, |crc, byte| {
            (0..8)
                .fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
        })
    };
    let (mut zip, mut directory) = (Vec::new(), Vec::new());
    for (name, text) in files {
        let (size, sum) = (text.len() as u32, crc(text.as_bytes()));
        let mut common = Vec::new();
        for word in [20_u16, 0, 0, 0, 0x21] {
            common.extend(word.to_le_bytes());
        }
        for long in [sum, size, size] {
            common.extend(long.to_le_bytes());
        }
        common.extend((name.len() as u16).to_le_bytes());
        common.extend(0_u16.to_le_bytes());
        let at = zip.len() as u32;
        zip.extend(b"PK\x03\x04");
        zip.extend(&common);
        zip.extend(name.as_bytes());
        zip.extend(text.as_bytes());
        directory.extend(b"PK\x01\x02");
        directory.extend(20_u16.to_le_bytes());
        directory.extend(&common);
        directory.extend([0; 6]);
        directory.extend([0; 4]);
        directory.extend(at.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let (at, count) = (zip.len() as u32, files.len() as u16);
    zip.extend(&directory);
    zip.extend(b"PK\x05\x06\0\0\0\0");
    zip.extend(count.to_le_bytes());
    zip.extend(count.to_le_bytes());
    zip.extend((directory.len() as u32).to_le_bytes());
    zip.extend(at.to_le_bytes());
    zip.extend([0; 2]);
    zip
}

/// A version of the npm package, and what the registry says of it.
async fn npm(version: &str, text: &str) -> (String, Vec<u8>, Value) {
    let package = json!({
        "name": "tiny", "version": version, "main": "tiny.js",
        "scripts": { "install": "touch /data/dependencies/ran" },
    });
    let code = format!("exports.tiny = () => '{text}';");
    let tarball = tgz(&[("package/package.json", &package.to_string()), ("package/tiny.js", &code)]).await;
    let integrity = base64::engine::general_purpose::STANDARD.encode(sha2::Sha512::digest(&tarball));
    let path = format!("/npm/tiny/-/tiny-{version}.tgz");
    let said = json!({
        "name": "tiny", "version": version, "main": "tiny.js", "hasInstallScript": true,
        "dist": {
            "tarball": format!("http://packages.corp.test{path}"),
            "integrity": format!("sha512-{integrity}"),
        },
    });
    (path, tarball, said)
}

/// A version of the Python package: its file's name and content, and what the index says of it.
fn wheel(version: &str, text: &str) -> (String, Vec<u8>, String) {
    let wheel = zip(&[
        ("tiny/__init__.py", &format!("def tiny():\n    return '{text}'\n")),
        (
            &format!("tiny-{version}.dist-info/METADATA"),
            &format!("Metadata-Version: 2.1\nName: tiny\nVersion: {version}\n"),
        ),
        (
            &format!("tiny-{version}.dist-info/WHEEL"),
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        ),
        (
            &format!("tiny-{version}.dist-info/RECORD"),
            &["tiny/__init__.py,,", "METADATA,,", "WHEEL,,", "RECORD,,"]
                .join(&format!("\ntiny-{version}.dist-info/")),
        ),
    ]);
    let name = format!("tiny-{version}-py3-none-any.whl");
    let sum = hex::encode(Sha256::digest(&wheel));
    let link = format!("<a href=\"/pip/files/{name}#sha256={sum}\">{name}</a>");
    (name, wheel, link)
}

/// The three registries on one listener: each finds its own by the path.
async fn registries() -> Files {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let (tarball_path, tarball, said) = npm("1.2.3", "tiny of npm").await;
    let metadata =
        json!({ "name": "tiny", "dist-tags": { "latest": "1.2.3" }, "versions": { "1.2.3": said } });
    let (name, wheel, link) = wheel("1.2.3", "tiny of pip");
    let wheel_path = format!("/pip/files/{name}");
    let module = zip(&[
        ("corp.test/tiny@v1.2.3/go.mod", "module corp.test/tiny\n"),
        ("corp.test/tiny@v1.2.3/tiny.go", "package tiny\n\nfunc Tiny() string { return \"tiny of go\" }\n"),
    ]);
    let all = [
        ("/npm/tiny", metadata.to_string().into_bytes()),
        (tarball_path.as_str(), tarball),
        ("/pip/tiny/", link.into_bytes()),
        (wheel_path.as_str(), wheel),
        ("/go/corp.test/tiny/@v/list", b"v1.2.3\n".to_vec()),
        (
            "/go/corp.test/tiny/@v/v1.2.3.info",
            br#"{"Version":"v1.2.3","Time":"2026-01-01T00:00:00Z"}"#.to_vec(),
        ),
        ("/go/corp.test/tiny/@v/v1.2.3.mod", b"module corp.test/tiny\n".to_vec()),
        ("/go/corp.test/tiny/@v/v1.2.3.zip", module),
    ];
    files(listener, all.into_iter().map(|(path, body)| (path.to_owned(), body)).collect()).await
}

/// A server that takes packages from these registries.
async fn start(registry: &Files) -> Hearth {
    let config = format!(
        "[egress]\nhosts = {{ 'packages.corp.test' = '127.0.0.1:{}' }}\n\
         [functions]\nnpm-registry = 'http://packages.corp.test/npm/'\n\
         pip-index = 'http://packages.corp.test/pip/'\ngo-proxy = 'http://packages.corp.test/go'\n",
        registry.port
    );
    Hearth::start_with(Options { config, ..Options::default() }).await
}

const NODE: &str = "const { tiny } = require('tiny');\nexports.handler = () => tiny();";
const PYTHON: &str = "import tiny\ndef handler(e, c):\n    return tiny.tiny()";

#[tokio::test(flavor = "multi_thread")]
async fn what_was_installed_is_named_by_its_lock_and_comes_again_as_it_was() {
    let registry = registries().await;
    let mut hearth = start(&registry).await;
    let node = |name: &str, range: &str| {
        json!({
            "name": name, "runtime": "nodejs", "handler": "handler", "code": NODE,
            "dependencies": { "tiny": range },
        })
    };
    let python = |name: &str| {
        json!({
            "name": name, "runtime": "python", "handler": "handler", "code": PYTHON,
            "requirements.txt": "tiny>=1.0\n",
        })
    };
    let caret = create(&hearth, node("caret", "^1.0.0")).await;
    let least = create(&hearth, python("least")).await;
    let installed = || std::fs::read_dir(hearth.data().join("functions/packages")).expect("a folder").count();
    assert_eq!(installed(), 2);
    // It is declared in other words, and comes to the same.
    let x = create(&hearth, node("x", "1.x")).await;
    assert_eq!((installed(), result(&hearth, &x, json!(null)).await), (2, json!("tiny of npm")));

    // The registries move on, and what was installed is gone: a version is still made of what it was made of.
    let (path, tarball, said) = npm("1.9.0", "a later tiny").await;
    registry.put(&path, tarball);
    let (_, _, before) = npm("1.2.3", "tiny of npm").await;
    let metadata = json!({
        "name": "tiny", "dist-tags": { "latest": "1.9.0" }, "versions": { "1.2.3": before, "1.9.0": said },
    });
    registry.put("/npm/tiny", metadata.to_string());
    let (name, later, link) = wheel("1.9.0", "a later tiny");
    registry.put(&format!("/pip/files/{name}"), later);
    registry.put("/pip/tiny/", format!("{}{link}", wheel("1.2.3", "tiny of pip").2));
    hearth.stop().await;
    for kept in ["packages", "locks"] {
        std::fs::remove_dir_all(hearth.data().join("functions").join(kept)).expect("it is there");
    }
    hearth.start_again().await;
    assert_eq!(result(&hearth, &caret, json!(null)).await, "tiny of npm");
    assert_eq!(result(&hearth, &least, json!(null)).await, "tiny of pip");
    // Other code does not change them either; what is declared anew is looked for anew.
    let path = format!("/api/v1/functions/{least}");
    assert_eq!(call_json(&hearth, "PUT", &path, json!({ "code": format!("{PYTHON}\n") })).await.0, 200);
    assert_eq!(result(&hearth, &least, json!(null)).await, "tiny of pip");
    for fields in [node("new", "^1.0.0"), python("new-too")] {
        let id = create(&hearth, fields).await;
        assert_eq!(result(&hearth, &id, json!(null)).await, "a later tiny");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_is_sent_is_what_is_installed() {
    let registry = registries().await;
    let hearth = start(&registry).await;
    let integrity = npm("1.2.3", "tiny of npm").await.2["dist"]["integrity"].clone();
    let lock = |integrity: &Value| {
        json!({
            "name": "function", "lockfileVersion": 3, "requires": true,
            "packages": {
                "": { "dependencies": { "tiny": "^1.0.0" } },
                "node_modules/tiny": {
                    "version": "1.2.3", "integrity": integrity, "hasInstallScript": true,
                    "resolved": "http://packages.corp.test/npm/tiny/-/tiny-1.2.3.tgz",
                },
            },
        })
    };
    let sum = hex::encode(Sha256::digest(wheel("1.2.3", "tiny of pip").1));
    let hashed = |sum: &str| format!("tiny==1.2.3 \\\n    --hash=sha256:{sum}\n");
    let wrong = json!(format!("sha512-{}", base64::engine::general_purpose::STANDARD.encode([0; 64])));
    let go = "import \"corp.test/tiny\"\nfunc handler(event interface{}) interface{} { return tiny.Tiny() }";
    let none = format!("h1:{}", base64::engine::general_purpose::STANDARD.encode([0; 32]));
    let sums = format!("corp.test/tiny v1.2.3 {none}\ncorp.test/tiny v1.2.3/go.mod {none}\n");
    let of = |runtime: &str, code: &str| json!({ "runtime": runtime, "handler": "handler", "code": code });
    let with = |mut fields: Value, more: Value| {
        for (field, value) in more.as_object().expect("fields") {
            fields[field] = value.clone();
        }
        fields
    };
    let named = json!({ "tiny": "^1.0.0" });
    for (name, fields) in [
        (
            "npm",
            with(of("nodejs", NODE), json!({ "dependencies": named, "package-lock.json": lock(&integrity) })),
        ),
        ("pip", with(of("python", PYTHON), json!({ "requirements.txt": hashed(&sum) }))),
    ] {
        let id = create(&hearth, with(fields, json!({ "name": name }))).await;
        assert_eq!(result(&hearth, &id, json!(null)).await, format!("tiny of {name}"));
    }
    for (name, fields) in [
        (
            "npm",
            with(of("nodejs", NODE), json!({ "dependencies": named, "package-lock.json": lock(&wrong) })),
        ),
        ("pip", with(of("python", PYTHON), json!({ "requirements.txt": hashed(&"0".repeat(64)) }))),
        ("go", with(of("go", go), json!({ "dependencies": { "corp.test/tiny": "v1.2.3" }, "go.sum": sums }))),
    ] {
        let fields = with(fields, json!({ "name": format!("{name}-wrong") }));
        let (status, refused) = call_json(&hearth, "POST", "/api/v1/functions", fields).await;
        assert_eq!((status, &refused["field"]), (400, &json!("dependencies")), "{name}: {refused:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_declared_is_installed_and_kept() {
    let registry = registries().await;
    let hearth = start(&registry).await;
    let go = "import \"corp.test/tiny\"\nfunc handler(event interface{}) interface{} { return tiny.Tiny() }";
    let fields = [
        json!({
            "name": "npm", "runtime": "nodejs", "dependencies": { "tiny": "^1.0.0" },
            "code": "const { tiny } = require('tiny');\nexports.handler = () => tiny();",
        }),
        json!({
            "name": "npm-esm", "runtime": "nodejs", "package.json": { "dependencies": { "tiny": "^1.0.0" } },
            "code": "import { tiny } from 'tiny';\nexport const handler = () => tiny();",
        }),
        json!({
            "name": "pip", "runtime": "python", "requirements.txt": "tiny==1.2.3\n",
            "code": "import tiny\ndef handler(e, c):\n    return tiny.tiny()",
        }),
        json!({ "name": "go", "runtime": "go", "dependencies": { "corp.test/tiny": "v1.2.3" }, "code": go }),
    ];
    for mut fields in fields {
        fields["handler"] = "handler".into();
        let name = fields["name"].as_str().unwrap().split('-').next().unwrap().to_owned();
        let id = create(&hearth, fields.clone()).await;
        assert_eq!(result(&hearth, &id, json!(null)).await, format!("tiny of {name}"));
        // Whoever declares the same has it at once, though nobody answers any more.
        let before = registry.asked.load(Ordering::Relaxed);
        fields["name"] = format!("{}-again", fields["name"].as_str().unwrap()).into();
        let again = create(&hearth, fields).await;
        assert_eq!(result(&hearth, &again, json!(null)).await, format!("tiny of {name}"));
        assert_eq!(registry.asked.load(Ordering::Relaxed), before, "{name} was fetched twice");
    }
    // No script of a package ran.
    let look = "exports.handler = () => require('fs').existsSync('/data/dependencies/ran');";
    let fields = json!({
        "name": "look", "runtime": "nodejs", "handler": "handler", "code": look, "dependencies": { "tiny": "^1.0.0" },
    });
    let id = create(&hearth, fields).await;
    assert_eq!(result(&hearth, &id, json!(null)).await, false);

    // What is not there is said, with its name.
    for (runtime, code) in
        [("nodejs", "exports.handler = () => 1"), ("python", "def handler(e, c):\n    return 1"), ("go", go)]
    {
        let fields = json!({
            "name": "missing", "runtime": runtime, "handler": "handler", "code": code,
            "dependencies": { "no-such.test/thing": "v9.9.9" },
        });
        let (status, refused) = call_json(&hearth, "POST", "/api/v1/functions", fields).await;
        assert_eq!((status, &refused["field"]), (400, &json!("dependencies")), "{runtime}: {refused:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn types_are_taken_off() {
    let hearth = Hearth::start().await;
    let code = "interface Asked { numbers: number[] }\n\
        enum Kind { Sum = 'sum' }\n\
        export async function handler(event: Asked, context: Record<string, unknown>): Promise<unknown> {\n\
          if (!event) throw new Error('nothing');\n\
          const sum = event.numbers.reduce((a: number, b: number) => a + b, 0) as number;\n\
          return { [Kind.Sum]: sum, of: context.function_name };\n\
        }";
    let plain = "function handler(event: { a: number }): number {\n  return event.a satisfies number;\n}";
    for (name, fields) in [
        ("said", json!({ "language": "typescript", "code": code })),
        ("named", json!({ "runtime": "typescript", "code": code })),
        ("found", json!({ "code": code })),
    ] {
        let mut whole = json!({ "name": name, "runtime": "nodejs", "handler": "handler" });
        for (field, value) in fields.as_object().unwrap() {
            whole[field] = value.clone();
        }
        let id = create(&hearth, whole).await;
        let answer = result(&hearth, &id, json!({ "numbers": [1, 2, 3] })).await;
        assert_eq!(answer, json!({ "sum": 6, "of": name }));
        assert_eq!(invoke(&hearth, &id, json!(null)).await["error"]["message"], "nothing");
        // Another handler of the same code is made of the types again.
        let path = format!("/api/v1/functions/{id}");
        let (status, changed) = call_json(&hearth, "PUT", &path, json!({ "timeout": 5 })).await;
        assert_eq!(status, 200, "{changed:#}");
        assert_eq!(result(&hearth, &id, json!({ "numbers": [] })).await["sum"], 0);
    }
    let id =
        create(&hearth, json!({ "name": "plain", "runtime": "nodejs", "handler": "handler", "code": plain }))
            .await;
    assert_eq!(result(&hearth, &id, json!({ "a": 1 })).await, 1);
    let fields = json!({
        "name": "wrong", "runtime": "nodejs", "handler": "handler", "language": "typescript",
        "code": "const a: number = 1;\nfunction handler(event: ) { return a }",
    });
    let (status, refused) = call_json(&hearth, "POST", "/api/v1/functions", fields).await;
    assert_eq!((status, &refused["field"]), (400, &json!("code")), "{refused:#}");
    assert!(refused["error"].as_str().unwrap().contains("function.ts, line 2"), "{refused:#}");
}
