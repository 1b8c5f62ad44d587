//! What workerd speaks to an R2 binding (workerd.md 1.2; `r2-api.capnp` and `r2-rpc.c++` of workerd): one JSON request in
//! a header or at the body's beginning, and JSON at the beginning of the answer.

mod body;
mod request;
mod response;

use axum::body::Body;
use hearth_model::AccountId;
use http::{HeaderMap, Method, Request, Response};
use serde_json::json;

use crate::store::{
    Bucket, ByteRange, CompleteOptions, Conditional, GetOptions, Incoming, PartOptions, PutOptions, R2,
    R2Error, Result, UploadOptions,
};
use body::Sent;
use request::Call;

impl R2 {
    /// Answers one request of a binding to an account's bucket.
    pub async fn serve(
        &self,
        account: &AccountId,
        bucket_name: &str,
        request: Request<Body>,
    ) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let sent = Sent::new(body);
        let served = match self.bucket(account, bucket_name) {
            Ok(bucket) => serve(&bucket, &parts.method, &parts.headers, &sent).await,
            Err(error) => Err(error),
        };
        match served {
            Ok(response) => response,
            Err(error) => {
                // workerd gives up a call whose body it cannot write to the end, and never sees the error.
                sent.hear_out().await;
                response::failure(&error)
            }
        }
    }
}

async fn serve(bucket: &Bucket, method: &Method, headers: &HeaderMap, sent: &Sent) -> Result<Response<Body>> {
    let reads = method == Method::GET;
    let call = if reads { request::of_header(headers)? } else { request::of_body(headers, sent).await? };
    match (reads, call.call.method.as_str()) {
        (true, "head") => {
            let object = bucket.head(call.key()).await?;
            let whole = ByteRange { offset: 0, length: object.size };
            Ok(response::json(&response::object(&object, Some(whole))))
        }
        (true, "get") => get(bucket, &call.call).await,
        (true, "list") => {
            let listing = bucket.list(call.call.list()).await?;
            Ok(response::json(&response::listing(&listing)))
        }
        (false, "put") => {
            let options = put_options(&call.call)?;
            let object = bucket.put(call.key(), options, call.value(sent)).await?;
            Ok(response::json(&response::object(&object, None)))
        }
        (false, "delete") => {
            bucket.delete(call.call.keys(), Conditional::default()).await?;
            Ok(Response::new(Body::empty()))
        }
        (false, "createMultipartUpload") => {
            let options = upload_options(&call.call)?;
            let upload = bucket.create_upload(call.key(), options).await?;
            let mut made = json!({"uploadId": upload.id});
            if let Some(md5) = upload.customer_key_md5 {
                made["ssec"] = response::ssec(&md5);
            }
            Ok(response::json(&made))
        }
        (false, "uploadPart") => {
            let options = PartOptions { customer_key: call.call.customer_key()?, ..PartOptions::default() };
            let (upload, number) = (call.call.upload(), call.call.part_number);
            let part = bucket.upload_part(call.key(), upload, number, options, call.value(sent)).await?;
            Ok(response::json(&json!({"etag": part.etag})))
        }
        (false, "completeMultipartUpload") => {
            let options = CompleteOptions { equal_sizes: true, ..CompleteOptions::default() };
            let (upload, tags) = (call.call.upload(), call.call.tags());
            let object = bucket.complete_upload(call.key(), upload, tags, options).await?;
            Ok(response::json(&response::object(&object, None)))
        }
        (false, "abortMultipartUpload") => {
            bucket.abort_upload(call.key(), call.call.upload()).await?;
            Ok(Response::new(Body::empty()))
        }
        (_, other) => Err(R2Error::InvalidArgument(format!("The method {other:?} is not known."))),
    }
}

async fn get(bucket: &Bucket, call: &Call) -> Result<Response<Body>> {
    let options =
        GetOptions { range: call.range(), only_if: call.only_if()?, customer_key: call.customer_key()? };
    let found = bucket.get(call.key(), options).await?;
    let head = response::object(&found.object, Some(found.range));
    Ok(response::with_body(&head, found.body))
}

fn put_options(call: &Call) -> Result<PutOptions> {
    Ok(PutOptions {
        only_if: call.only_if()?,
        http: call.http()?,
        custom: call.custom(),
        expected: call.expected()?,
        storage_class: call.storage_class()?,
        customer_key: call.customer_key()?,
        finish: None,
    })
}

fn upload_options(call: &Call) -> Result<UploadOptions> {
    Ok(UploadOptions {
        http: call.http()?,
        custom: call.custom(),
        storage_class: call.storage_class()?,
        customer_key: call.customer_key()?,
        ..UploadOptions::default()
    })
}

impl request::Asked {
    fn key(&self) -> &str {
        self.call.key()
    }

    /// The value behind the JSON.
    fn value(&self, sent: &Sent) -> Incoming {
        Incoming::stream(sent.stream(), self.value_length)
    }
}
