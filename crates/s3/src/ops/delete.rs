//! Deleting objects.

use hearth_r2::store::{Bucket, Conditional, R2Error};
use s3s::dto::{
    self, DeleteObjectInput, DeleteObjectOutput, DeleteObjectsInput, DeleteObjectsOutput, DeletedObject,
};
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::Operations;
use super::read::no_version;
use crate::conditions;
use crate::error;

pub(super) async fn one(
    this: &Operations,
    request: S3Request<DeleteObjectInput>,
) -> S3Result<S3Response<DeleteObjectOutput>> {
    let bucket = this.bucket(&request, &request.input.bucket)?;
    let only_if = conditions::from_headers(&request.headers, "").map_err(error::of)?;
    let input = request.input;
    no_version(input.version_id.as_deref())?;
    if input.if_match_last_modified_time.is_some() || input.if_match_size.is_some() {
        return Err(s3_error!(
            NotImplemented,
            "Conditions on size or time of what is deleted are not implemented."
        ));
    }
    bucket.delete(vec![input.key], only_if).await.map_err(error::of_change)?;
    Ok(S3Response::new(DeleteObjectOutput::default()))
}

pub(super) async fn many(
    this: &Operations,
    request: S3Request<DeleteObjectsInput>,
) -> S3Result<S3Response<DeleteObjectsOutput>> {
    let bucket = this.bucket(&request, &request.input.bucket)?;
    let wanted = request.input.delete;
    let mut keys = Vec::with_capacity(wanted.objects.len());
    for object in wanted.objects {
        no_version(object.version_id.as_deref())?;
        if object.e_tag.is_some() || object.size.is_some() || object.last_modified_time.is_some() {
            return Err(s3_error!(NotImplemented, "Conditions on what is deleted are not implemented here."));
        }
        keys.push(object.key);
    }
    let (deleted, errors) = match bucket.delete(keys.clone(), Conditional::default()).await {
        Ok(()) => (keys, Vec::new()),
        // One that is locked does not keep the others.
        Err(R2Error::ObjectLocked) => each(&bucket, keys).await,
        Err(other) => return Err(error::of(other)),
    };
    let quiet = wanted.quiet.unwrap_or_default();
    let deleted = deleted.into_iter().map(|key| DeletedObject { key: Some(key), ..DeletedObject::default() });
    let output = DeleteObjectsOutput {
        deleted: (!quiet).then(|| deleted.collect()),
        errors: (!errors.is_empty()).then_some(errors),
        ..DeleteObjectsOutput::default()
    };
    Ok(S3Response::new(output))
}

async fn each(bucket: &Bucket, keys: Vec<String>) -> (Vec<String>, Vec<dto::Error>) {
    let (mut deleted, mut errors) = (Vec::new(), Vec::new());
    for key in keys {
        match bucket.delete(vec![key.clone()], Conditional::default()).await {
            Ok(()) => deleted.push(key),
            Err(failed) => {
                let failed = error::of(failed);
                errors.push(dto::Error {
                    code: Some(failed.code().as_str().to_owned()),
                    key: Some(key),
                    message: failed.message().map(str::to_owned),
                    version_id: None,
                });
            }
        }
    }
    (deleted, errors)
}
