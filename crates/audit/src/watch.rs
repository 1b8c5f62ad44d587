//! What is kept of which operation. Pure: methods and paths as the tables of operations write them.

use http::Method;

/// What is kept of an operation beside that it was called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Watch {
    /// Nothing: it is about people's data, or answers with a secret and nothing else.
    Call,
    /// What another operation shows before and after.
    Shown {
        /// Its path, with the same variable segments.
        path: &'static str,
        /// Where in its result that stands, as a JSON pointer.
        at: &'static str,
    },
    /// What the operation of the same path shows before and after, where it has one, else what is answered.
    Same,
    /// A member of what is answered.
    Answer(&'static str),
}

/// What stands of a worker's deployments in front: its versions and their shares.
const DEPLOYED: Watch = Watch::Shown {
    path: "/client/v4/accounts/{account}/workers/scripts/{worker}/deployments",
    at: "/deployments/0/versions",
};

/// What is kept of an operation; None: it changes nothing, or is the traffic of functions.
pub(crate) fn watch(method: &Method, path: &str) -> Option<Watch> {
    if *method == Method::GET && path == "/api/session/oidc/{provider}/callback" {
        return Some(Watch::Call);
    }
    if method.is_safe() || is_read(path) {
        return None;
    }
    if is_data(path) {
        return Some(Watch::Call);
    }
    const SCRIPT: &str = "/client/v4/accounts/{account}/workers/scripts/{worker}";
    let of_script = path.strip_prefix(SCRIPT);
    Some(match (method, of_script) {
        (_, Some("" | "/content" | "/deployments")) => DEPLOYED,
        (&Method::POST, Some("/versions")) => Watch::Answer("/id"),
        (_, None) if path.ends_with("/workers/services/{worker}") => DEPLOYED,
        (&Method::POST, None) if path.ends_with("/workers/workers/{worker}/versions") => Watch::Answer("/id"),
        _ => Watch::Same,
    })
}

/// Calls that read though they are sent with a body, and calls of functions.
fn is_read(path: &str) -> bool {
    const ENDS: [&str; 10] = [
        "/graphql",
        "/analytics_engine/sql",
        "/bulk/get",
        "/messages/peek",
        "/messages/preview",
        "/domains/changeset",
        "/check-missing",
        "/export",
        "/invoke",
        "/edge-preview",
    ];
    path == "/api/invitation"
        || ENDS.iter().any(|end| path.ends_with(end))
        || path.contains("/observability/telemetry/")
}

/// What is written there is data, or an upload that a deploy speaks of later; or what is answered is a secret.
fn is_data(path: &str) -> bool {
    const PARTS: [&str; 14] = [
        "/storage/kv/namespaces/{namespace}/",
        "/r2/buckets/{bucket}/objects",
        "/d1/database/{database}/",
        "/queues/{queue}/messages",
        "/workflows/{workflow}/instances",
        "/assets/",
        "/assets-upload-session",
        "/signed/",
        "/tails",
        "/hearth/scheduled",
        "/hearth/inspector",
        "/hearth/request",
        "/invitation",
        "/reset",
    ];
    PARTS.iter().any(|part| path.contains(part))
        || path.ends_with("/value")
        || path.starts_with("/api/session")
        || path.starts_with("/api/account/")
        || path.starts_with("/oauth2/")
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "/client/v4/accounts/{account}";

    fn of(method: Method, below: &str) -> Option<Watch> {
        watch(&method, &format!("{A}{below}"))
    }

    #[test]
    fn what_reads_is_not_kept() {
        assert_eq!(of(Method::GET, "/workers/scripts/{worker}/settings"), None);
        assert_eq!(of(Method::HEAD, "/storage/kv/namespaces/{namespace}/values/{*key}"), None);
        for path in [
            "/storage/kv/namespaces/{namespace}/bulk/get",
            "/workers/observability/telemetry/query",
            "/d1/database/{database}/export",
        ] {
            assert_eq!(of(Method::POST, path), None, "{path}");
        }
        assert_eq!(watch(&Method::POST, "/api/v1/functions/{id}/invoke"), None);
        assert_eq!(watch(&Method::POST, "/api/invitation"), None);
    }

    #[test]
    fn of_data_only_the_call_is_kept() {
        for (method, path) in [
            (Method::PUT, "/storage/kv/namespaces/{namespace}/values/{*key}"),
            (Method::PUT, "/storage/kv/namespaces/{namespace}/bulk"),
            (Method::PUT, "/r2/buckets/{bucket}/objects/{*key}"),
            (Method::POST, "/d1/database/{database}/query"),
            (Method::POST, "/queues/{queue}/messages/batch"),
            (Method::POST, "/queues/{queue}/messages/pull"),
            (Method::POST, "/workflows/{workflow}/instances"),
            (Method::POST, "/workers/scripts/{worker}/hearth/request"),
            (Method::PUT, "/tokens/{token}/value"),
        ] {
            assert_eq!(of(method, path), Some(Watch::Call), "{path}");
        }
    }

    #[test]
    fn of_signing_in_only_the_call_is_kept() {
        for (method, path) in [
            (Method::POST, "/api/session"),
            (Method::GET, "/api/session/oidc/{provider}/callback"),
            (Method::POST, "/oauth2/token"),
            (Method::DELETE, "/api/sessions/{session}"),
            (Method::PUT, "/api/account/totp"),
            (Method::POST, "/api/invitation/accept"),
            (Method::POST, "/api/users/{user}/invitation"),
            (Method::POST, "/api/users/{user}/reset"),
        ] {
            assert_eq!(watch(&method, path), Some(Watch::Call), "{path}");
        }
        assert_eq!(watch(&Method::GET, "/api/session/oidc/{provider}"), None);
        assert_eq!(watch(&Method::PATCH, "/api/users/{user}"), Some(Watch::Same));
    }

    #[test]
    fn settings_are_looked_at_and_deploys_are_versions() {
        assert_eq!(of(Method::PUT, "/storage/kv/namespaces/{namespace}"), Some(Watch::Same));
        assert_eq!(of(Method::DELETE, "/d1/database/{database}"), Some(Watch::Same));
        assert_eq!(of(Method::PUT, "/workers/scripts/{worker}/schedules"), Some(Watch::Same));
        assert_eq!(of(Method::PUT, "/workers/scripts/{worker}/secrets"), Some(Watch::Same));
        assert_eq!(of(Method::PUT, "/workers/scripts/{worker}"), Some(DEPLOYED));
        assert_eq!(of(Method::DELETE, "/workers/services/{worker}"), Some(DEPLOYED));
        assert_eq!(of(Method::POST, "/workers/scripts/{worker}/versions"), Some(Watch::Answer("/id")));
    }
}
