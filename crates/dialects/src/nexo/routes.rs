//! Which function has which route. Pure.

use std::collections::HashMap;

use hearth_api::ApiError;
use hearth_model::{AccountId, WorkerId};
use http::Method;

use super::view::Served;
use crate::fields::bad;

/// Methods that a function may name; without a list it takes all of them.
pub(super) const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// Longest route, in bytes.
const MAX_ROUTE: usize = 512;

/// Where a request goes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// To a function, of an account.
    To(WorkerId, AccountId),
    /// Nowhere: the function takes these methods only.
    Not(WorkerId, Vec<String>),
    /// Nowhere.
    Unknown,
}

/// Functions by their routes.
#[derive(Debug, Default)]
pub(super) struct Routes {
    by_route: HashMap<String, (WorkerId, Vec<String>)>,
    by_id: HashMap<WorkerId, (AccountId, String)>,
}

impl Routes {
    /// Sets a function's route, in place of the one that it had.
    pub fn set(&mut self, account: &AccountId, id: WorkerId, served: Served) {
        self.remove(id);
        self.by_id.insert(id, (account.clone(), served.route.clone()));
        self.by_route.insert(served.route, (id, served.methods));
    }

    /// Forgets a function.
    pub fn remove(&mut self, id: WorkerId) {
        if let Some((_, route)) = self.by_id.remove(&id) {
            self.by_route.remove(&route);
        }
    }

    /// Whose route it is.
    pub fn owner(&self, route: &str) -> Option<WorkerId> {
        self.by_route.get(route).map(|(id, _)| *id)
    }

    /// Whether a worker is one of an account's functions.
    pub fn has(&self, account: &AccountId, id: WorkerId) -> bool {
        self.by_id.get(&id).is_some_and(|(owner, _)| owner == account)
    }

    /// How many an account has.
    pub fn count(&self, account: &AccountId) -> usize {
        self.by_id.values().filter(|(owner, _)| owner == account).count()
    }

    /// Where a request goes, by the path behind `/fn`.
    pub fn find(&self, method: &Method, path: &str) -> Found {
        let Some((id, methods)) = self.by_route.get(trimmed(path)) else { return Found::Unknown };
        let Some((account, _)) = self.by_id.get(id) else { return Found::Unknown };
        let takes = |name: &str| methods.iter().any(|method| method == name);
        // Whoever answers GET answers HEAD.
        if takes(method.as_str()) || *method == Method::HEAD && takes("GET") {
            Found::To(*id, account.clone())
        } else {
            Found::Not(*id, methods.clone())
        }
    }
}

/// One spelling of a path.
fn trimmed(path: &str) -> &str {
    match path.strip_suffix('/') {
        Some(rest) if !rest.is_empty() => rest,
        _ => path,
    }
}

/// Checks a route and gives it one spelling.
pub(super) fn read_route(text: &str) -> Result<String, ApiError> {
    let legal = |b: u8| b.is_ascii_graphic() && !matches!(b, b'?' | b'#' | b'*' | b'\\');
    let route = trimmed(text);
    if !route.starts_with('/') || route.len() > MAX_ROUTE || !route.bytes().all(legal) || route.contains("//")
    {
        return Err(bad(format!(
            "`route` {text:?} is not a path: it begins with '/', is served below /fn, and holds no '//', '?', '#', '*' or \
             spaces."
        )));
    }
    Ok(route.to_owned())
}

/// Checks a list of methods.
pub(super) fn read_methods(value: &serde_json::Value) -> Result<Vec<String>, ApiError> {
    let refuse = || bad(format!("`methods` must be a list of some of {}.", METHODS.join(", ")));
    let list = value.as_array().filter(|list| !list.is_empty()).ok_or_else(refuse)?;
    let mut methods = Vec::new();
    for item in list {
        let name = item.as_str().map(str::to_ascii_uppercase).ok_or_else(refuse)?;
        if !METHODS.contains(&name.as_str()) {
            return Err(refuse());
        }
        if !methods.contains(&name) {
            methods.push(name);
        }
    }
    Ok(methods)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn served(route: &str, methods: &[&str]) -> Served {
        let methods = methods.iter().map(|method| (*method).to_owned()).collect();
        Served { route: route.to_owned(), methods }
    }

    #[test]
    fn a_function_is_found_by_route_and_method() {
        let mut routes = Routes::default();
        let (ours, theirs) = (AccountId::random(), AccountId::random());
        let id = WorkerId::random();
        routes.set(&ours, id, served("/api/hello", &["GET", "POST"]));
        assert_eq!(routes.find(&Method::GET, "/api/hello"), Found::To(id, ours.clone()));
        assert_eq!(routes.find(&Method::HEAD, "/api/hello/"), Found::To(id, ours.clone()));
        assert!(routes.has(&ours, id) && !routes.has(&theirs, id));
        assert_eq!((routes.count(&ours), routes.count(&theirs)), (1, 0));
        assert!(
            matches!(routes.find(&Method::PUT, "/api/hello"), Found::Not(_, allowed) if allowed == ["GET", "POST"])
        );
        for other in ["/api", "/api/hello/more", "/api/hello2", "/API/hello"] {
            assert_eq!(routes.find(&Method::GET, other), Found::Unknown, "{other}");
        }
        routes.set(&ours, id, served("/other", &["GET"]));
        assert_eq!((routes.find(&Method::GET, "/api/hello"), routes.count(&ours)), (Found::Unknown, 1));
        routes.remove(id);
        assert_eq!(routes.find(&Method::GET, "/other"), Found::Unknown);
    }

    #[test]
    fn routes_and_methods_have_one_spelling() {
        assert_eq!(read_route("/api/hello/").unwrap(), "/api/hello");
        assert_eq!(read_route("/").unwrap(), "/");
        for bad in ["", "api", "/a b", "/a?b", "/a//b", "/*"] {
            assert!(read_route(bad).unwrap_err().message().contains("`route`"), "{bad}");
        }
        assert_eq!(read_methods(&json!(["get", "GET", "Post"])).unwrap(), ["GET", "POST"]);
        for bad in [json!([]), json!("GET"), json!(["FETCH"]), json!([1])] {
            assert!(read_methods(&bad).is_err(), "{bad}");
        }
    }
}
