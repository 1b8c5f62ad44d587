//! Requests for the process of an inspector session: they name the session in their host, `inspect-<id>.<host>`, or in a
//! header, and are otherwise as they would be without. Where the host behind is the control host, the session's address
//! for debuggers is meant.

use std::sync::Arc;

use hearth_model::{VersionId, WorkerId};
use hearth_supervisor::{Instance, Lease};
use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, Uri};

use crate::failure::Failure;
use crate::host::HostName;
use crate::table::Match;

/// Names the session; it does not go on to the worker.
pub(crate) const SESSION: HeaderName = HeaderName::from_static("hearth-inspector");

/// How the label of a host begins that names the session.
const LABEL: &str = "inspect-";

/// Where debuggers attach on the control host. The path holds a key, so whoever comes need show nothing else.
pub const INSPECTOR_PATH: &str = "/inspector/";

/// The sessions that there are.
pub trait Inspections: Send + Sync + 'static {
    /// The process of the session that requests call so.
    fn find(&self, id: &str) -> Option<Inspected>;
}

/// A process for a debugger.
#[derive(Debug, Clone)]
pub struct Inspected(pub Arc<Instance>);

impl Inspected {
    pub(crate) fn worker(&self) -> WorkerId {
        self.0.key.worker
    }

    fn version(&self) -> VersionId {
        self.0.key.version
    }

    /// A place in it.
    pub(crate) fn lease(&self) -> Result<Lease, Failure> {
        Lease::take(Arc::clone(&self.0)).ok_or(Failure::NoSession)
    }

    /// What was found for the host and path, with the session's version.
    pub(crate) fn instead_of(&self, found: Match) -> Result<Match, Failure> {
        match found.worker.worker.id == self.worker() {
            true => Ok(Match { version: Some(self.version()), ..found }),
            false => Err(Failure::NoSession),
        }
    }
}

/// Which session a request is for. Gives the host that is meant besides.
pub(crate) fn named<'a>(
    sessions: Option<&dyn Inspections>,
    host: HostName<'a>,
    header: Option<&HeaderValue>,
) -> Result<(HostName<'a>, Option<Inspected>), Failure> {
    let find = |id: &str| sessions.and_then(|sessions| sessions.find(id));
    if let Some(header) = header {
        let found = header.to_str().ok().and_then(find).ok_or(Failure::NoSession)?;
        return Ok((host, Some(found)));
    }
    let Some(found) = label(&host).and_then(find) else { return Ok((host, None)) };
    Ok((host.without_label(), Some(found)))
}

/// The address for debuggers that `inspect-<key>.<control host>` stands for: that host, and the path below it.
pub(crate) fn attaching<'a>(host: &HostName<'a>, uri: &Uri) -> Option<(HostName<'a>, Uri)> {
    let path = uri.path_and_query().map_or("/", PathAndQuery::as_str);
    let target = format!("{INSPECTOR_PATH}{}{path}", label(host)?).parse().ok()?;
    Some((host.clone().without_label(), target))
}

fn label<'a>(host: &'a HostName<'_>) -> Option<&'a str> {
    let (label, _) = host.as_str().split_once('.')?;
    label.strip_prefix(LABEL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_in_the_host_becomes_the_path() {
        let host = |text| HostName::parse(text).unwrap();
        let (rest, uri) =
            attaching(&host("Inspect-AB.localhost:8787"), &"/json/list?x".parse().unwrap()).unwrap();
        assert_eq!((rest.as_str(), uri.to_string().as_str()), ("localhost", "/inspector/ab/json/list?x"));
        for none in ["localhost", "inspect.localhost", "hello.localhost", "inspect-ab"] {
            assert!(attaching(&host(none), &"/".parse().unwrap()).is_none(), "{none}");
        }
    }
}
