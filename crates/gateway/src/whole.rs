//! Requests to functions. A process of a function takes one at a time, so no client's pace may hold it up: what a client
//! sends is there before a process is asked for, and the process is free again before the client has what it answered.

use bytes::Bytes;
use hearth_supervisor::{RequestBody, ResponseBody};
use http::{HeaderMap, Request, Response, header};
use http_body_util::{BodyExt, Full, Limited};

use crate::failure::Failure;
use crate::gateway::accept_of;

/// Most bytes of a request or a response, as many as a call of the API may have.
const MOST: usize = 6 << 20;

/// The request with all of its body.
pub(crate) async fn request(
    request: Request<RequestBody>,
) -> Result<Request<RequestBody>, (Failure, HeaderMap)> {
    let (mut parts, body) = request.into_parts();
    if matches!(body, RequestBody::Empty) {
        return Ok(Request::from_parts(parts, body));
    }
    let bytes = match Limited::new(body, MOST).collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => {
            let failure = Failure::Malformed("the request's body cannot be read, or is larger than 6 MiB");
            return Err((failure, accept_of(&parts.headers)));
        }
    };
    // The body says how long it is.
    parts.headers.remove(header::TRANSFER_ENCODING);
    parts.headers.remove(header::CONTENT_LENGTH);
    let body = Full::new(bytes).map_err(|never| match never {}).boxed_unsync();
    Ok(Request::from_parts(parts, RequestBody::Boxed(body)))
}

/// The response with all of its body.
pub(crate) async fn response(response: Response<ResponseBody>) -> Result<Response<Full<Bytes>>, Failure> {
    let (parts, body) = response.into_parts();
    match Limited::new(body, MOST).collect().await {
        Ok(body) => Ok(Response::from_parts(parts, Full::new(body.to_bytes()))),
        Err(_) => Err(Failure::NoResponse),
    }
}
