//! The right that each operation takes. It follows from its method and its path as the tables write it, in this one place;
//! an operation that is not in it is for who answers for the installation, and a test says that there is none.
//!
//! Where Cloudflare's reference names the permission that an operation accepts, it is that one. A `POST` that only looks is
//! a read where Cloudflare accepts a read permission for it: KV's `bulk/get`, telemetry, tails, analytics. D1's `query` is
//! none: it takes any SQL, and Cloudflare asks for *D1 Write*; nor is a queue's `pull`, which takes messages away.

use hearth_model::{Area, Right, ThingKind};
use http::Method;

/// What has to hold of a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Nothing: the operation asks for something of its own, such as a signature, or for nothing.
    Open,
    /// Somebody is known. What he may see, the handler looks up.
    Known,
    /// Something is given to him in the account of the path.
    Within,
    /// A right in the account of the path, or on the thing there that the path names.
    Account(Right),
    /// A right on all zones of the account of the path.
    Zones(Right),
    /// A right on the zone of the path.
    Zone(Right),
    /// A right on himself: he is a person, or answers for the installation.
    Own(Right),
    /// A right in the account that a dialect's call acts in.
    Dialect(Right),
    /// He answers for the installation.
    Installation,
}

/// Operations whose need does not follow from their method and [`AREAS`].
const EXCEPTIONS: [(&str, &str, Need); 34] = [
    ("GET", "/accounts/{account}", Need::Account(Area::AccountSettings.read())),
    ("PUT", "/accounts/{account}", Need::Account(Area::AccountSettings.write())),
    ("DELETE", "/accounts/{account}", Need::Account(Area::Ownership.write())),
    ("GET", "/accounts/{account}/tokens/verify", Need::Within),
    ("GET", "/accounts/{account}/tokens/permission_groups", Need::Within),
    // What is opened there is the operator's own network, and what is limited is his machine.
    ("PUT", "/accounts/{account}/hearth/egress", Need::Installation),
    ("PUT", "/accounts/{account}/hearth/quotas", Need::Installation),
    ("PUT", "/accounts/{account}/workers/scripts/{worker}/hearth/egress", Need::Installation),
    // One set of keys signs for all accounts.
    ("PUT", "/accounts/{account}/access/keys", Need::Installation),
    ("POST", "/accounts/{account}/access/keys/rotate", Need::Installation),
    ("POST", "/accounts/{account}/workers/scripts/{worker}/tails", TAIL),
    ("DELETE", "/accounts/{account}/workers/scripts/{worker}/tails/{tail}", TAIL),
    ("POST", "/accounts/{account}/workers/observability/telemetry/query", TELEMETRY),
    ("POST", "/accounts/{account}/workers/observability/telemetry/keys", TELEMETRY),
    ("POST", "/accounts/{account}/workers/observability/telemetry/values", TELEMETRY),
    (
        "POST",
        "/accounts/{account}/storage/kv/namespaces/{namespace}/bulk/get",
        Need::Account(Area::Kv.read()),
    ),
    ("POST", "/accounts/{account}/queues/{queue}/messages/peek", QUEUE),
    ("POST", "/accounts/{account}/queues/{queue}/messages/preview", QUEUE),
    ("POST", "/accounts/{account}/analytics_engine/sql", Need::Account(Area::Analytics.read())),
    // Whoever has that token uploads files.
    ("GET", "/accounts/{account}/pages/projects/{project}/upload-token", Need::Account(Area::Pages.write())),
    ("POST", "/accounts/{account}/pages/projects/{project}/deployments/{deployment}/tails", PAGES_TAIL),
    (
        "DELETE",
        "/accounts/{account}/pages/projects/{project}/deployments/{deployment}/tails/{tail}",
        PAGES_TAIL,
    ),
    ("GET", "/accounts", Need::Known),
    ("POST", "/accounts", Need::Installation),
    ("GET", "/zones", Need::Known),
    ("POST", "/zones", Need::Known),
    ("POST", "/graphql", Need::Known),
    ("GET", "/user", Need::Known),
    ("GET", "/user/tokens/verify", Need::Known),
    ("GET", "/user/tokens/permission_groups", Need::Known),
    ("GET", "/memberships", Need::Known),
    ("GET", "/memberships/{membership}", Need::Known),
    ("GET", "/api/openapi.json", Need::Known),
    ("GET", "/metrics", Need::Installation),
];

const TAIL: Need = Need::Account(Area::WorkersTail.read());
const TELEMETRY: Need = Need::Account(Area::Observability.read());
const QUEUE: Need = Need::Account(Area::Queues.read());
const PAGES_TAIL: Need = Need::Account(Area::Pages.read());

/// The need of a right: on what it has to be had.
type On = fn(Right) -> Need;

/// Where areas begin; the first that a path lies within counts.
const AREAS: [(&str, On, Area); 37] = [
    ("/accounts/{account}/tokens", Need::Account, Area::AccountTokens),
    ("/accounts/{account}/members", Need::Account, Area::Members),
    ("/accounts/{account}/roles", Need::Account, Area::Members),
    ("/accounts/{account}/audit_logs", Need::Account, Area::AuditLogs),
    ("/accounts/{account}/logs/audit", Need::Account, Area::AuditLogs),
    ("/accounts/{account}/access", Need::Account, Area::Access),
    ("/accounts/{account}/hearth/egress", Need::Account, Area::AccountSettings),
    ("/accounts/{account}/hearth/quotas", Need::Account, Area::AccountSettings),
    ("/accounts/{account}/hearth/status", Need::Account, Area::Workers),
    ("/accounts/{account}/workers/scripts/{worker}/tails", Need::Account, Area::WorkersTail),
    ("/accounts/{account}/workers/tails", Need::Account, Area::WorkersTail),
    ("/accounts/{account}/workers/observability", Need::Account, Area::Observability),
    ("/accounts/{account}/workers/scripts/{worker}/routes", Need::Zones, Area::WorkersRoutes),
    ("/accounts/{account}/workers", Need::Account, Area::Workers),
    ("/accounts/{account}/workflows", Need::Account, Area::Workers),
    ("/accounts/{account}/storage/kv", Need::Account, Area::Kv),
    ("/accounts/{account}/r2/buckets/{bucket}/objects", Need::Account, Area::R2Items),
    ("/accounts/{account}/r2", Need::Account, Area::R2Storage),
    ("/accounts/{account}/event_notifications/r2", Need::Account, Area::R2Storage),
    ("/accounts/{account}/d1", Need::Account, Area::D1),
    ("/accounts/{account}/queues", Need::Account, Area::Queues),
    ("/accounts/{account}/event_subscriptions", Need::Account, Area::Queues),
    ("/accounts/{account}/analytics_engine", Need::Account, Area::Analytics),
    ("/accounts/{account}/pages", Need::Account, Area::Pages),
    ("/zones/{zone}/workers/routes", Need::Zone, Area::WorkersRoutes),
    ("/zones/{zone}/purge_cache", Need::Zone, Area::CachePurge),
    ("/zones/{zone}", Need::Zone, Area::Zones),
    ("/user/tokens", Need::Own, Area::UserTokens),
    ("/user", Need::Own, Area::UserDetails),
    ("/memberships", Need::Own, Area::Memberships),
    ("/api/deploy", Need::Dialect, Area::Workers),
    ("/api/rollback", Need::Dialect, Area::Workers),
    ("/api/stop", Need::Dialect, Area::Workers),
    ("/api/functions", Need::Dialect, Area::Workers),
    ("/stats", Need::Dialect, Area::Workers),
    ("/api/v1/functions", Need::Dialect, Area::Workers),
    ("/api/templates", Need::Dialect, Area::Workers),
];

/// The things that paths name, and the name of the segment.
const THINGS: [(&str, ThingKind, &str); 9] = [
    ("/accounts/{account}/workers/scripts/{worker}", ThingKind::Worker, "worker"),
    ("/accounts/{account}/workers/services/{worker}", ThingKind::Worker, "worker"),
    ("/accounts/{account}/workers/workers/{worker}", ThingKind::Worker, "worker"),
    ("/accounts/{account}/storage/kv/namespaces/{namespace}", ThingKind::Namespace, "namespace"),
    ("/accounts/{account}/r2/buckets/{bucket}", ThingKind::Bucket, "bucket"),
    ("/accounts/{account}/event_notifications/r2/{bucket}", ThingKind::Bucket, "bucket"),
    ("/accounts/{account}/d1/database/{database}", ThingKind::Database, "database"),
    ("/accounts/{account}/queues/{queue}", ThingKind::Queue, "queue"),
    ("/accounts/{account}/pages/projects/{project}", ThingKind::Project, "project"),
];

/// What an operation takes, by its path below [`PREFIX`](crate::PREFIX) or its whole one; None when no table says.
pub fn needed(method: &Method, path: &str) -> Option<Need> {
    let exception = EXCEPTIONS.iter().find(|(name, own, _)| *name == method.as_str() && *own == path);
    if let Some((_, _, need)) = exception {
        return Some(*need);
    }
    if ["/api/session", "/api/sessions", "/api/account"].iter().any(|prefix| within(path, prefix)) {
        // How a person signs in: they ask for a session, which is more than a token, or begin one.
        return Some(Need::Open);
    }
    if ["/installation", "/api/users", "/api/signin"].iter().any(|prefix| within(path, prefix)) {
        return Some(Need::Installation);
    }
    let (_, of, area) = AREAS.iter().find(|(prefix, ..)| within(path, prefix))?;
    Some(of(if method.is_safe() { area.read() } else { area.write() }))
}

/// The kind of thing that an operation's path names, and the segment that does.
pub(crate) fn thing(method: &Method, path: &str) -> Option<(ThingKind, &'static str)> {
    let (prefix, kind, segment) = THINGS.iter().find(|(prefix, ..)| within(path, prefix))?;
    // Deleting a bucket is the account's affair, as making one is.
    let ends = *kind == ThingKind::Bucket && *method == Method::DELETE && path == *prefix;
    (!ends).then_some((*kind, *segment))
}

/// Whether a path is another one or lies below it.
fn within(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_need_what_they_do() {
        let account = |right| Some(Need::Account(right));
        let cases = [
            ("GET", "r2/buckets", account(Area::R2Storage.read())),
            ("POST", "r2/buckets", account(Area::R2Storage.write())),
            ("PUT", "r2/buckets/{bucket}/cors", account(Area::R2Storage.write())),
            ("GET", "r2/buckets/{bucket}/objects/{*key}", account(Area::R2Items.read())),
            ("PUT", "r2/buckets/{bucket}/objects/{*key}", account(Area::R2Items.write())),
            ("GET", "event_notifications/r2/{bucket}/configuration", account(Area::R2Storage.read())),
            ("GET", "r2x/buckets", None),
            ("GET", "workers/scripts/{worker}", account(Area::Workers.read())),
            ("GET", "workers/scripts/{worker}/tails", account(Area::WorkersTail.read())),
            ("POST", "workers/scripts/{worker}/tails", account(Area::WorkersTail.read())),
            ("PUT", "workers/scripts/{worker}/routes", Some(Need::Zones(Area::WorkersRoutes.write()))),
            ("PUT", "workers/scripts/{worker}/hearth/egress", Some(Need::Installation)),
            ("GET", "workers/scripts/{worker}/hearth/egress", account(Area::Workers.read())),
            ("POST", "d1/database/{database}/query", account(Area::D1.write())),
            ("POST", "tokens", account(Area::AccountTokens.write())),
            ("GET", "nothing", None),
        ];
        for (method, path, expected) in cases {
            let path = format!("/accounts/{{account}}/{path}");
            assert_eq!(needed(&method.parse().unwrap(), &path), expected, "{method} {path}");
        }
        assert_eq!(needed(&Method::GET, "/installation/backup"), Some(Need::Installation));
        assert_eq!(needed(&Method::PATCH, "/user"), Some(Need::Own(Area::UserDetails.write())));
        assert_eq!(needed(&Method::GET, "/statistics"), None);
    }

    #[test]
    fn things_are_named_by_segments() {
        const BUCKET: &str = "/accounts/{account}/r2/buckets/{bucket}";
        assert_eq!(thing(&Method::PATCH, BUCKET), Some((ThingKind::Bucket, "bucket")));
        assert_eq!(thing(&Method::DELETE, BUCKET), None);
        let objects = format!("{BUCKET}/objects");
        assert_eq!(thing(&Method::DELETE, &objects), Some((ThingKind::Bucket, "bucket")));
        assert_eq!(thing(&Method::GET, "/accounts/{account}/workers/scripts"), None);
        let objects = "/accounts/{account}/workers/durable_objects/namespaces/{namespace}/objects";
        assert_eq!(thing(&Method::GET, objects), None);
    }

    /// An entry that nothing can reach would say something that does not hold.
    #[test]
    fn no_entry_is_hidden_by_another() {
        for (index, (path, ..)) in AREAS.iter().enumerate() {
            let first = AREAS.iter().position(|(prefix, ..)| within(path, prefix));
            assert_eq!(first, Some(index), "{path}");
        }
    }
}
