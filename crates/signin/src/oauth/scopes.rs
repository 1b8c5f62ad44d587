//! What programs ask for, in wrangler's words, and which rights that is. Pure.

use hearth_model::{Area, Policy, Right, Target};

/// What renews access; it is no right.
pub const OFFLINE: &str = "offline_access";

/// A scope.
pub struct Scope {
    pub name: &'static str,
    /// What people read before they agree; nothing where it gives nothing here.
    pub says: &'static str,
    /// Areas to be read.
    reads: &'static [Area],
    /// Areas to be written.
    writes: &'static [Area],
}

const fn scope(
    name: &'static str,
    says: &'static str,
    reads: &'static [Area],
    writes: &'static [Area],
) -> Scope {
    Scope { name, says, reads, writes }
}

/// The scopes that wrangler knows (`wrangler login --scopes-list`), and the one of `hearth login`. Those that give nothing
/// here are granted by name: wrangler complains of what is missing.
const SCOPES: [Scope; 30] = [
    scope("all", "Do what you may do in your accounts", &[], &Area::ALL),
    scope("account:read", "See your accounts", &[Area::AccountSettings, Area::Analytics], &[]),
    scope("user:read", "See who you are, and your memberships", &[Area::UserDetails, Area::Memberships], &[]),
    scope(
        "workers:write",
        "Change Workers with all that they have: KV, R2, routes, logs",
        &[Area::WorkersTail, Area::Observability],
        &[Area::Workers, Area::Kv, Area::R2Storage, Area::R2Items, Area::WorkersRoutes],
    ),
    scope("workers_kv:write", "Change KV", &[], &[Area::Kv]),
    scope("workers_routes:write", "Change routes", &[], &[Area::WorkersRoutes]),
    scope("workers_scripts:write", "Change Workers", &[], &[Area::Workers]),
    scope("workers_tail:read", "See what Workers log", &[Area::WorkersTail, Area::Observability], &[]),
    scope("d1:write", "Change D1 databases", &[], &[Area::D1]),
    scope("pages:write", "Change Pages projects", &[], &[Area::Pages]),
    scope("zone:read", "See zones", &[Area::Zones], &[]),
    scope("queues:write", "Change queues", &[], &[Area::Queues]),
    scope("k2.read", "", &[], &[]),
    scope("k2.write", "", &[], &[]),
    scope("ssl_certs:write", "", &[], &[]),
    scope("ai:write", "", &[], &[]),
    scope("ai-search:write", "", &[], &[]),
    scope("ai-search:run", "", &[], &[]),
    scope("agent-memory:write", "", &[], &[]),
    scope("pipelines:write", "", &[], &[]),
    scope("secrets_store:write", "", &[], &[]),
    scope("artifacts:write", "", &[], &[]),
    scope("flagship:write", "", &[], &[]),
    scope("containers:write", "", &[], &[]),
    scope("cloudchamber:write", "", &[], &[]),
    scope("connectivity:admin", "", &[], &[]),
    scope("email_routing:write", "", &[], &[]),
    scope("email_sending:write", "", &[], &[]),
    scope("browser:write", "", &[], &[]),
    scope("challenge-widgets.write", "", &[], &[]),
];

/// The scopes of a request that there are, each once, and whether it asks to renew.
pub fn read(text: &str) -> (Vec<&'static Scope>, bool) {
    let asked: Vec<&str> = text.split_ascii_whitespace().collect();
    let granted = SCOPES.iter().filter(|scope| asked.contains(&scope.name)).collect();
    (granted, asked.contains(&OFFLINE))
}

/// The rights of scopes: in every account that the person may touch, and on themselves.
pub fn policies(scopes: &[&Scope], user: &str) -> Vec<Policy> {
    let mut rights: Vec<Right> = Vec::new();
    for scope in scopes {
        rights.extend(scope.reads.iter().map(|area| area.read()));
        rights.extend(scope.writes.iter().map(|area| area.write()));
    }
    [Target::Accounts, Target::Zones, Target::User(user.to_owned())]
        .into_iter()
        .map(|target| {
            let permissions = rights.iter().copied().filter(|right| target.has(right.area)).collect();
            Policy { id: uuid::Uuid::new_v4().simple().to_string(), resources: vec![target], permissions }
        })
        .filter(|policy: &Policy| !policy.permissions.is_empty())
        .collect()
}
