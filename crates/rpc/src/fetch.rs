//! Plain `fetch` on a service binding.

use http::{Request, Response, StatusCode};
use hyper::body::Incoming;

use crate::BoxError;
use crate::router::Body;
use crate::serve::{BINDING_HEADER, Shared, plain};

pub(crate) async fn answer(
    mut request: Request<Incoming>,
    shared: Shared,
) -> Result<Response<Body>, BoxError> {
    let Some(binding) = request.headers_mut().remove(BINDING_HEADER) else {
        return Ok(plain(
            StatusCode::BAD_REQUEST,
            "This socket takes calls through service bindings only.\n",
        ));
    };
    let _ = (binding, shared);
    Ok(plain(StatusCode::NOT_IMPLEMENTED, ""))
}
