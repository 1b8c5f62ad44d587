//! Hostile functions in each language hurt themselves only: they are stopped, the call says why, and neither a neighbour
//! nor the next call notices.

use std::time::{Duration, Instant};

use hearth_testing::Hearth;
use serde_json::{Value, json};

use super::{create, function, invoke, result};

const NODE: &str = "const fs = require('node:fs'), net = require('node:net'), cp = require('node:child_process');\n\
    const cluster = require('node:worker_threads');\n\
    const tried = (what) => { try { return what() ?? 'done' } catch (error) { return `failed: ${error.code ?? error.message}` } };\n\
    const attacks = {\n\
      loop: () => { for (;;) {} },\n\
      fork: () => tried(() => cp.spawnSync('/runtime/bin/node', ['-e', '1']).error?.code),\n\
      threads: () => { for (;;) new cluster.Worker('for(;;){}', { eval: true }); },\n\
      memory: () => { const all = []; for (;;) all.push(Buffer.alloc(1 << 20, 1)); },\n\
      disk: () => tried(() => { for (let i = 0; ; i++) fs.writeFileSync(`/tmp/${i}`, Buffer.alloc(1 << 20)); }),\n\
      write: () => tried(() => fs.writeFileSync('/runtime/x', 'x')),\n\
      read: ({ path }) => tried(() => { try { return fs.readdirSync(path).join(' ') } catch { return fs.readFileSync(path, 'utf8') } }),\n\
      raw: () => 'failed: Node.js has none',\n\
      listen: async () => await new Promise((done) => net.createServer().listen(0, '0.0.0.0', function () { done(`listens ${this.address().port}`) }).on('error', (e) => done(`failed: ${e.code}`))),\n\
      print: () => { for (;;) { try { fs.writeSync(1, 'x'.repeat(65536) + '\\n') } catch {} } },\n\
      console: () => { for (let i = 0; i < 100000; i++) console.log('y'.repeat(100)); return 'printed'; },\n\
      kill: () => tried(() => { process.kill(process.ppid, 'SIGKILL'); process.kill(-1, 'SIGKILL'); }),\n\
    };\n\
    exports.handler = (event) => event.attack ? attacks[event.attack](event) : 'well';";

const PYTHON: &str = "import os, signal, socket, threading\n\
def tried(what):\n    \
    try: return what() or 'done'\n    \
    except Exception as error: return f'failed: {error}'\n\
def forever():\n    \
    while True: pass\n\
def threads():\n    \
    while True: threading.Thread(target=forever, daemon=True).start()\n\
def memory():\n    \
    everything = []\n    \
    while True: everything.append(b'1' * (1 << 20))\n\
def disk():\n    \
    for i in range(10**9):\n        \
        with open(f'/tmp/{i}', 'wb') as f: f.write(bytes(1 << 20))\n\
def read(path):\n    \
    return ' '.join(os.listdir(path)) if os.path.isdir(path) else open(path).read()\n\
def listen():\n    \
    s = socket.socket()\n    \
    s.bind(('0.0.0.0', 0))\n    \
    s.listen()\n    \
    return f'listens {s.getsockname()[1]}'\n\
def out():\n    \
    while True: os.write(1, b'x' * 65536 + b'\\n')\n\
def console():\n    \
    for _ in range(100000): print('y' * 100)\n    \
    return 'printed'\n\
def kill():\n    \
    os.kill(os.getppid() or 0, signal.SIGKILL)\n    \
    os.kill(-1, signal.SIGKILL)\n\
def handler(event, context):\n    \
    attack = event.get('attack')\n    \
    if attack == 'loop': forever()\n    \
    if attack == 'fork': return tried(os.fork)\n    \
    if attack == 'threads': return tried(threads)\n    \
    if attack == 'memory': memory()\n    \
    if attack == 'disk': return tried(disk)\n    \
    if attack == 'write': return tried(lambda: open('/runtime/x', 'w'))\n    \
    if attack == 'read': return tried(lambda: read(event['path']))\n    \
    if attack == 'raw': return tried(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1))\n    \
    if attack == 'listen': return tried(listen)\n    \
    if attack == 'print': out()\n    \
    if attack == 'console': return console()\n    \
    if attack == 'kill': return tried(kill)\n    \
    return 'well'\n";

const GO: &str = "import (\"fmt\"; \"net\"; \"os\"; \"runtime\"; \"strings\"; \"syscall\"; \"time\")\n\
func tried(what func() (string, error)) string {\n\
  text, err := what()\n\
  if err != nil { return \"failed: \" + err.Error() }\n\
  return text\n\
}\n\
func handler(event map[string]interface{}, context map[string]string) interface{} {\n\
  switch event[\"attack\"] {\n\
  case \"loop\": for { }\n\
  case \"fork\": return tried(func() (string, error) { _, err := os.StartProcess(\"/data/app/function\", []string{\"x\"}, &os.ProcAttr{}); return \"done\", err })\n\
  case \"threads\": for { go func() { runtime.LockOSThread(); time.Sleep(time.Hour) }() }\n\
  case \"memory\": var all [][]byte; for { block := make([]byte, 1<<20); for i := range block { block[i] = 1 }; all = append(all, block); _ = all }\n\
  case \"disk\": return tried(func() (string, error) { for i := 0; ; i++ { if err := os.WriteFile(fmt.Sprintf(\"/tmp/%d\", i), make([]byte, 1<<20), 0o600); err != nil { return \"\", err } } })\n\
  case \"write\": return tried(func() (string, error) { return \"done\", os.WriteFile(\"/runtime/x\", nil, 0o600) })\n\
  case \"read\": return tried(func() (string, error) {\n\
    entries, err := os.ReadDir(event[\"path\"].(string))\n\
    if err != nil { text, err := os.ReadFile(event[\"path\"].(string)); return string(text), err }\n\
    var names []string\n\
    for _, entry := range entries { names = append(names, entry.Name()) }\n\
    return strings.Join(names, \" \"), nil\n\
  })\n\
  case \"raw\": return tried(func() (string, error) { _, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_RAW, 1); return \"done\", err })\n\
  case \"listen\": return tried(func() (string, error) { l, err := net.Listen(\"tcp\", \"0.0.0.0:0\"); if err != nil { return \"\", err }; return fmt.Sprint(\"listens \", l.Addr().(*net.TCPAddr).Port), nil })\n\
  case \"print\": text := []byte(strings.Repeat(\"x\", 65536)+\"\\n\"); for { syscall.Write(1, text) }\n\
  case \"console\": for i := 0; i < 100000; i++ { fmt.Println(strings.Repeat(\"y\", 100)) }; return \"printed\"\n\
  case \"kill\": return tried(func() (string, error) { syscall.Kill(syscall.Getppid(), syscall.SIGKILL); return \"done\", syscall.Kill(-1, syscall.SIGKILL) })\n\
  }\n\
  return \"well\"\n}";

/// What an attack says, or the kind of its error.
fn said(answer: &Value) -> String {
    match answer["success"].as_bool() {
        Some(true) => answer["result"].as_str().unwrap_or_default().to_owned(),
        _ => answer["error"]["type"].as_str().unwrap_or_default().to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_functions_hurt_themselves_only() {
    let hearth = Hearth::start().await;
    let neighbour = function(&hearth, "neighbour", "python", "def handler(e, c):\n    return 'well'").await;
    assert_eq!(result(&hearth, &neighbour, json!(null)).await, "well");
    let data = hearth.data().display().to_string();
    for (runtime, code) in [("nodejs", NODE), ("python", PYTHON), ("go", GO)] {
        let id = create(
            &hearth,
            json!({
                "name": runtime, "runtime": runtime, "handler": "handler", "code": code, "timeout": 2, "memory": 96,
            }),
        )
        .await;
        for (attack, wanted) in [
            ("loop", &["Timeout"][..]),
            ("fork", &["failed", "EPERM"]),
            ("threads", &["Timeout", "OutOfMemory", "Crashed", "failed", "Error"]),
            ("memory", &["OutOfMemory"]),
            ("disk", &["failed", "OutOfMemory"]),
            ("write", &["failed"]),
            ("raw", &["failed"]),
            ("listen", &["listens"]),
            ("print", &["Timeout"]),
            ("console", &["printed"]),
            ("kill", &["done", "failed"]),
        ] {
            let began = Instant::now();
            let answer = invoke(&hearth, &id, json!({ "attack": attack })).await;
            let text = said(&answer);
            println!("{runtime} {attack}: {text} in {:?}", began.elapsed());
            assert!(wanted.iter().any(|wanted| text.contains(wanted)), "{runtime} {attack}: {answer:#}");
            // Its own next call, and somebody else's. Threads that it left behind may still be filling its memory, which the
            // next call in that process pays for; the one after has another process.
            if attack == "threads" {
                let next = said(&invoke(&hearth, &id, json!({})).await);
                assert!(["well", "OutOfMemory"].contains(&next.as_str()), "{runtime} after {attack}: {next}");
            }
            assert_eq!(result(&hearth, &id, json!({})).await, "well", "{runtime} after {attack}");
            assert_eq!(result(&hearth, &neighbour, json!(null)).await, "well", "beside {runtime} {attack}");
            if attack == "listen" {
                let port: u16 = text.rsplit(' ').next().unwrap().parse().unwrap();
                let outside = tokio::net::TcpStream::connect(("127.0.0.1", port));
                let outside = tokio::time::timeout(Duration::from_secs(2), outside).await;
                assert!(!matches!(outside, Ok(Ok(_))), "{runtime} listens for everybody");
            }
            if attack == "console" {
                let logs: usize =
                    answer["logs"].as_array().unwrap().iter().map(|line| line.as_str().unwrap().len()).sum();
                assert!(logs < 400_000, "{runtime}: {logs} bytes of logs are kept");
            }
        }
        for path in [data.as_str(), "/root", "/home", "/proc/1/environ", "/etc/shadow", "/run", "/sys/kernel"]
        {
            let answer = said(&invoke(&hearth, &id, json!({ "attack": "read", "path": path })).await);
            // The run folder and /root may be there as empty parents of what is shown.
            let harmless =
                answer.starts_with("failed") || answer.is_empty() || answer == ".pyenv" || answer == "done";
            assert!(harmless, "{runtime} reads {path}: {answer}");
        }
        for secret in ["hearth.db", "secrets.key", "admin-token"] {
            let path = format!("{data}/{secret}");
            let answer = said(&invoke(&hearth, &id, json!({ "attack": "read", "path": path })).await);
            assert!(answer.starts_with("failed"), "{runtime} reads {path}: {answer}");
        }
    }
}
