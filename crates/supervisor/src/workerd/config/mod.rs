//! Builds the configuration that a parked process reads from its stdin.
//!
//! Nothing compiled is stored and nothing is quoted: code, names and secrets are values of a Cap'n Proto message, so
//! no text of a user can end early and become configuration.

use std::path::Path;

use capnp::message::{Builder, HeapAllocator};
use capnp::serialize;
use hearth_model::{BindingKind, Format, Launch, LaunchModule, ModuleKind};

use super::workerd_capnp::{config, external_server, http_options, service, worker};

mod bindings;
mod extensions;
mod links;
mod objects;
mod workflows;

pub use bindings::binding_key;
use bindings::{fill_bindings, outside, outside_service};
pub use links::{OBJECTS_ENTRYPOINT, OBJECTS_SERVICE};
pub(crate) use workflows::STORAGE_FOLDER;
pub use workflows::{BINDING_ENTRYPOINT, ENGINE_SERVICE, WORKFLOWS_KEY, binding_props, instances_folder};

/// The sockets that every configuration declares. workerd refuses a `-S` name that the configuration lacks, and the
/// other way round (workerd.md 9), and a spare is started before anybody knows what it will run.
pub(crate) const SOCKETS: [&str; 3] = ["http", "events", "hb"];

/// The name of the worker's own service, as `WorkerdDebugPort.getEntrypoint` wants it.
pub const MAIN_SERVICE: &str = "main";

/// The header that carries `request.cf` as JSON; workerd parses and removes it.
pub(crate) const CF_HEADER: &str = "X-Hearth-CF";
/// The header by which a request on `bindings.sock` says on which binding it is made: a [`binding_key`], or
/// [`CACHE_KEY`], or [`WORKFLOWS_KEY`].
pub const BINDING_HEADER: &str = "X-Hearth-Binding";
/// What [`BINDING_HEADER`] says of the Cache API, which every worker has without a binding.
pub const CACHE_KEY: &str = "cache";
const CACHE_SERVICE: &str = "cache";
const TAIL_SERVICE: &str = "tail";
const PROTO_HEADER: &str = "X-Forwarded-Proto";

/// Where the process sees Hearth's sockets.
pub(crate) struct Paths<'a> {
    /// The folder with `bindings.sock`, `egress.sock`, `rpc.sock` and `tail.sock`.
    pub hearth: &'a Path,
    /// Parent of the folders of namespaces, and of the one for the instances of workflows.
    pub data: &'a Path,
}

/// A module that is put beside the worker's own and replaces its entry, for the probe.
pub(crate) struct Entry<'a> {
    pub name: &'a str,
    pub source: &'a str,
}

/// Calls the handlers of events (`runtime/events/`).
const DISPATCHER: &str = include_str!("../../../../../runtime/events/dispatch.js");
const DISPATCH_SERVICE: &str = "dispatch";
/// Gives a service binding the methods `scheduled` and `queue`. Experimental, so the process needs `--experimental`;
/// the worker itself does not get the flag (workerd.md 2.1).
const DISPATCH_FLAG: &str = "service_binding_extra_handlers";
const DISPATCH_DATE: &str = "2026-11-01";

/// What is built.
pub(crate) enum Purpose<'a> {
    /// A worker that serves. `tails`: it sends its traces to `tail.sock`.
    Serve { tails: bool, objects: Objects },
    /// A worker that is only looked at: no way out, no bindings to others, and with an entry of ours.
    Probe(Entry<'a>),
}

/// Where a worker's Durable Objects are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Objects {
    /// In the process, on their storage.
    Here,
    /// In another process.
    Elsewhere,
    /// In the process, and others than the worker's: their storage ends with it.
    InMemory,
}

/// The configuration of a process, in Cap'n Proto's stream encoding.
pub(crate) fn build(launch: &Launch, purpose: &Purpose<'_>, paths: &Paths<'_>) -> Vec<u8> {
    let words = size_hint(launch);
    let mut message = Builder::new(HeapAllocator::new().first_segment_words(words));
    fill(message.init_root::<config::Builder<'_>>(), launch, purpose, paths);
    serialize::write_message_to_words(&message)
}

/// Words that surely hold the message: `serve -b` wants a single segment (workerd.md 6.1).
fn size_hint(launch: &Launch) -> u32 {
    // Ours, where they are needed.
    let own = 64 << 10;
    let modules: usize = launch.modules.iter().map(|m| m.content.len() + m.name.len() + 64).sum();
    let bindings: usize =
        launch.bindings.iter().map(|b| serde_json::to_string(b).map_or(0, |json| json.len()) * 2 + 512).sum();
    let objects: usize = launch.objects.iter().map(|namespace| 2 * namespace.class.len() + 512).sum();
    u32::try_from((own + modules + bindings + objects) / 8).unwrap_or(u32::MAX / 4)
}

fn fill(mut root: config::Builder<'_>, launch: &Launch, purpose: &Purpose<'_>, paths: &Paths<'_>) {
    let heap = format!("--max-heap-size={}", launch.limits.memory_mb());
    root.reborrow().init_v8_flags(1).set(0, heap);
    root.reborrow().init_logging().set_structured_logging(true);

    let dispatches = needs_experimental(launch, purpose);
    let events = if dispatches { DISPATCH_SERVICE } else { "beat" };
    let mut sockets = root.reborrow().init_sockets(SOCKETS.len() as u32);
    for (index, (name, target)) in SOCKETS.iter().zip([MAIN_SERVICE, events, "beat"]).enumerate() {
        let mut socket = sockets.reborrow().get(index as u32);
        socket.set_name(name);
        let mut http = socket.reborrow().init_http();
        if *name == "http" {
            http.set_forwarded_proto_header(PROTO_HEADER);
            http.set_cf_blob_header(CF_HEADER);
        }
        socket.init_service().set_name(target);
    }

    extensions::fill(root.reborrow(), launch);
    let parts = parts(launch, purpose);
    let mut services = root.init_services(parts.len() as u32);
    for (index, part) in parts.into_iter().enumerate() {
        let mut service = services.reborrow().get(index as u32);
        match part {
            Part::Internet => fill_internet(service, paths),
            Part::Beat => fill_beat(service, paths),
            Part::Main => {
                service.set_name(MAIN_SERVICE);
                fill_worker(service.init_worker(), launch, purpose);
            }
            Part::Storage => objects::fill_storage(service, paths),
            Part::Forward => links::fill_forward(service, launch, purpose),
            Part::Enter => links::fill_enter(service, launch),
            Part::Cache => fill_cache(service, paths),
            Part::Tail => fill_tail(service, paths),
            Part::Dispatcher => fill_dispatcher(service, launch),
            Part::WorkflowEngine => workflows::fill_engine(service, launch),
            Part::WorkflowStorage => workflows::fill_storage(service, paths.data),
            Part::WorkflowReports => workflows::fill_reports(service, paths),
            Part::Call(position) => fill_call(service, position, paths),
            Part::Capability(position) => fill_capability(service, position, paths),
        }
    }
}

/// A service of the configuration.
enum Part {
    Internet,
    Beat,
    Main,
    Storage,
    /// The classes that stand for objects of other processes.
    Forward,
    /// The way to this process's objects for others.
    Enter,
    Cache,
    Tail,
    Dispatcher,
    WorkflowEngine,
    WorkflowStorage,
    /// Where the engine says that it is busy.
    WorkflowReports,
    /// Another worker, for the binding at this position.
    Call(usize),
    /// KV, R2, D1, …, for the binding at this position.
    Capability(usize),
}

/// What the process needs. A probe's worker has no way to data.
fn parts(launch: &Launch, purpose: &Purpose<'_>) -> Vec<Part> {
    let mut parts = vec![Part::Internet, Part::Beat, Part::Main];
    if links::has_foreign(launch, purpose) {
        parts.push(Part::Forward);
    }
    let Purpose::Serve { tails, objects } = purpose else { return parts };
    parts.push(Part::Cache);
    if *objects == Objects::Here && !launch.objects.is_empty() {
        parts.extend([Part::Storage, Part::Enter]);
    }
    if *tails {
        parts.push(Part::Tail);
    }
    if needs_experimental(launch, purpose) {
        parts.push(Part::Dispatcher);
    }
    if !launch.workflows.is_empty() {
        parts.extend([Part::WorkflowEngine, Part::WorkflowStorage, Part::WorkflowReports]);
    }
    parts.extend(outside(launch, purpose).map(|(position, kind)| match kind {
        BindingKind::Service { .. }
        | BindingKind::DurableObjectNamespace { .. }
        | BindingKind::Workflow { .. } => Part::Call(position),
        _ => Part::Capability(position),
    }));
    parts
}

/// The way out. It must always be named: workerd's own would load CA files that the jail lacks (workerd.md 1.8).
fn fill_internet(mut service: service::Builder<'_>, paths: &Paths<'_>) {
    service.set_name("internet");
    let mut external = service.init_external();
    set_socket(external.reborrow(), paths, "egress.sock");
    let mut http = external.init_http();
    http.set_style(http_options::Style::Proxy);
    http.set_cf_blob_header(CF_HEADER);
}

/// The Cache API: HTTP to Rust (workerd.md 1.7). Proxy style keeps the scheme; `cf` carries the cache key.
fn fill_cache(mut service: service::Builder<'_>, paths: &Paths<'_>) {
    service.set_name(CACHE_SERVICE);
    let mut external = service.init_external();
    set_socket(external.reborrow(), paths, "bindings.sock");
    let mut http = external.init_http();
    http.set_style(http_options::Style::Proxy);
    http.set_cf_blob_header(CF_HEADER);
    set_binding(http, CACHE_KEY);
}

/// Whether a process must have been started with `--experimental` to run this.
pub(crate) fn needs_experimental(launch: &Launch, purpose: &Purpose<'_>) -> bool {
    matches!(purpose, Purpose::Serve { .. })
        && (launch.exports.takes_events() || !launch.workflows.is_empty())
}

/// The worker of ours that calls the handlers of events.
fn fill_dispatcher(mut service: service::Builder<'_>, launch: &Launch) {
    service.set_name(DISPATCH_SERVICE);
    let mut worker = service.init_worker();
    worker.set_compatibility_date(DISPATCH_DATE);
    worker.reborrow().init_compatibility_flags(1).set(0, DISPATCH_FLAG);
    let engine = !launch.workflows.is_empty();
    let mut bindings = worker.reborrow().init_bindings(1 + u32::from(engine));
    let mut user = bindings.reborrow().get(0);
    user.set_name("USER");
    user.init_service().set_name(MAIN_SERVICE);
    if engine {
        let mut workflows = bindings.get(1);
        workflows.set_name("WORKFLOWS");
        workflows.init_service().set_name(ENGINE_SERVICE);
    }
    set_module(worker.init_modules(1).get(0), "dispatch.js", DISPATCHER);
}

fn set_module(mut module: worker::module::Builder<'_>, name: &str, source: &str) {
    module.set_name(name);
    module.set_es_module(source);
}

/// Who is told of every invocation.
fn fill_tail(mut service: service::Builder<'_>, paths: &Paths<'_>) {
    service.set_name(TAIL_SERVICE);
    let mut external = service.init_external();
    set_socket(external.reborrow(), paths, "tail.sock");
    external.init_http().set_capnp_connect_host(TAIL_SERVICE);
}

/// A native service that answers in 0.1 ms as long as the event loop turns: the heartbeat. What it would serve is the
/// folder of sockets, of which it reads nothing.
fn fill_beat(mut service: service::Builder<'_>, paths: &Paths<'_>) {
    service.set_name("beat");
    service.init_disk().set_path(paths.hearth.to_string_lossy());
}

/// A call to another worker goes to Rust, which chooses version and process for each event.
fn fill_call(mut service: service::Builder<'_>, position: usize, paths: &Paths<'_>) {
    let key = binding_key(position);
    service.set_name(outside_service(position));
    let mut external = service.init_external();
    set_socket(external.reborrow(), paths, "rpc.sock");
    let mut http = external.init_http();
    http.set_capnp_connect_host(&key);
    http.set_cf_blob_header(CF_HEADER);
    http.set_forwarded_proto_header(PROTO_HEADER);
    set_binding(http, &key);
}

/// KV, R2, D1, …: HTTP to Rust, with a header that says on which binding. workerd replaces one of that name that user
/// code sends (workerd.md 1).
/// For assets the scheme of what is fetched goes along: redirects are made of it.
fn fill_capability(mut service: service::Builder<'_>, position: usize, paths: &Paths<'_>) {
    service.set_name(outside_service(position));
    let mut external = service.init_external();
    set_socket(external.reborrow(), paths, "bindings.sock");
    let mut http = external.init_http();
    http.set_forwarded_proto_header(PROTO_HEADER);
    set_binding(http, &binding_key(position));
}

fn set_binding(http: http_options::Builder<'_>, key: &str) {
    let mut header = http.init_inject_request_headers(1).get(0);
    header.set_name(BINDING_HEADER);
    header.set_value(key);
}

fn set_socket(mut external: external_server::Builder<'_>, paths: &Paths<'_>, name: &str) {
    external.set_address(format!("unix:{}", paths.hearth.join(name).display()));
}

fn fill_worker(mut worker: worker::Builder<'_>, launch: &Launch, purpose: &Purpose<'_>) {
    worker.set_compatibility_date(&launch.compatibility.date);
    let flags = &launch.compatibility.flags;
    let mut list = worker.reborrow().init_compatibility_flags(flags.len() as u32);
    for (index, flag) in flags.iter().enumerate() {
        list.set(index as u32, flag);
    }
    fill_bindings(worker.reborrow(), launch, purpose);
    objects::fill_namespaces(worker.reborrow(), launch, purpose);
    if matches!(purpose, Purpose::Serve { .. }) {
        worker.reborrow().init_cache_api_outbound().set_name(CACHE_SERVICE);
        if !launch.workflows.is_empty() {
            workflows::fill_worker(worker.reborrow(), launch);
        }
    }
    if matches!(purpose, Purpose::Serve { tails: true, .. }) {
        worker.reborrow().init_tails(1).get(0).set_name(TAIL_SERVICE);
    }
    match &launch.format {
        Format::Modules { main } => fill_modules(worker, launch, main, purpose),
        Format::ServiceWorker { body } => {
            let script = launch.modules.iter().find(|m| m.name == *body);
            let source = script.map(|m| String::from_utf8_lossy(&m.content)).unwrap_or_default();
            match purpose {
                Purpose::Serve { .. } => worker.set_service_worker_script(&*source),
                Purpose::Probe(entry) => {
                    worker.set_service_worker_script(entry.source.replace("/*worker*/", &source));
                }
            }
        }
        // No workerd is started for one.
        Format::Function(_) | Format::Assets => {}
    }
}

/// workerd takes the first module as the main one.
fn fill_modules(worker: worker::Builder<'_>, launch: &Launch, main: &str, purpose: &Purpose<'_>) {
    let entry = match purpose {
        Purpose::Probe(entry) => Some(entry),
        Purpose::Serve { .. } => None,
    };
    let first = launch.modules.iter().filter(|m| m.name == main);
    let rest = launch.modules.iter().filter(|m| m.name != main);
    let offset = u32::from(entry.is_some());
    let mut modules = worker.init_modules(launch.modules.len() as u32 + offset);
    if let Some(entry) = entry {
        let mut module = modules.reborrow().get(0);
        module.set_name(entry.name);
        module.set_es_module(entry.source);
    }
    for (index, module) in first.chain(rest).enumerate() {
        fill_module(modules.reborrow().get(index as u32 + offset), module);
    }
}

fn fill_module(mut to: worker::module::Builder<'_>, module: &LaunchModule) {
    to.set_name(&module.name);
    let text = || String::from_utf8_lossy(&module.content);
    match module.kind {
        ModuleKind::EsModule => to.set_es_module(&*text()),
        ModuleKind::CommonJs => to.set_common_js_module(&*text()),
        ModuleKind::Text | ModuleKind::SourceMap => to.set_text(&*text()),
        ModuleKind::Data => to.set_data(&module.content),
        ModuleKind::Json => to.set_json(&*text()),
        ModuleKind::Wasm => to.set_wasm(&module.content),
    }
}
