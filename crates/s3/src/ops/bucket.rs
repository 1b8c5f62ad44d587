//! Buckets and their settings.

use hearth_r2::store::{BucketSettings, R2Error, StorageClass};
use s3s::dto::{
    self, BucketLocationConstraint, CreateBucketInput, CreateBucketOutput, DeleteBucketCorsInput,
    DeleteBucketCorsOutput, DeleteBucketInput, DeleteBucketLifecycleInput, DeleteBucketLifecycleOutput,
    DeleteBucketOutput, GetBucketCorsInput, GetBucketCorsOutput, GetBucketLifecycleConfigurationInput,
    GetBucketLifecycleConfigurationOutput, GetBucketLocationInput, GetBucketLocationOutput, HeadBucketInput,
    HeadBucketOutput, ListBucketsInput, ListBucketsOutput, Owner, PutBucketCorsInput, PutBucketCorsOutput,
    PutBucketLifecycleConfigurationInput, PutBucketLifecycleConfigurationOutput,
};
use s3s::{S3Error, S3Request, S3Response, S3Result, s3_error};

use super::Operations;
use crate::{access, convert, cors, error, lifecycle};

/// What stands for no particular place (<https://developers.cloudflare.com/r2/api/s3/api/#bucket-region>).
const AUTO: &str = "auto";
/// Spellings of it: some clients must name a region.
const AUTO_TOO: [&str; 3] = [AUTO, "", "us-east-1"];
/// R2's location hints (<https://developers.cloudflare.com/r2/reference/data-location/>).
const HINTS: [&str; 6] = ["wnam", "enam", "weur", "eeur", "apac", "oc"];
/// Most buckets of one page of a list.
const MAX_BUCKETS: i32 = 10_000;

pub(super) async fn list(
    this: &Operations,
    request: S3Request<ListBucketsInput>,
) -> S3Result<S3Response<ListBucketsOutput>> {
    let caller = access::caller(&request)?;
    let input = request.input;
    let prefix = input.prefix.as_deref().unwrap_or_default();
    let limit = usize::try_from(input.max_buckets.unwrap_or(MAX_BUCKETS).clamp(1, MAX_BUCKETS)).unwrap_or(1);
    let mut found = this.r2.buckets(&caller.account);
    found.retain(|bucket| {
        let behind = input.continuation_token.as_deref().is_none_or(|token| bucket.name() > token);
        behind && bucket.name().starts_with(prefix)
    });
    let more = found.len() > limit;
    found.truncate(limit);
    let output = ListBucketsOutput {
        continuation_token: found.last().filter(|_| more).map(|last| last.name().to_owned()),
        buckets: Some(
            found
                .iter()
                .map(|bucket| dto::Bucket {
                    name: Some(bucket.name().to_owned()),
                    creation_date: Some(convert::stamp(bucket.created_on())),
                    bucket_region: None,
                })
                .collect(),
        ),
        owner: Some(Owner {
            id: Some(caller.account.to_string()),
            display_name: Some(caller.account.to_string()),
        }),
        prefix: input.prefix,
    };
    Ok(S3Response::new(output))
}

pub(super) async fn create(
    this: &Operations,
    request: S3Request<CreateBucketInput>,
) -> S3Result<S3Response<CreateBucketOutput>> {
    let caller = access::caller(&request)?;
    let header = |name: &str| request.headers.get(name).and_then(|value| value.to_str().ok());
    // R2's own header (developers.cloudflare.com/r2/api/s3/extensions).
    let storage_class = convert::storage_class(header("cf-create-bucket-storage-class"))?;
    let storage_class: StorageClass = storage_class.unwrap_or_default();
    let input = request.input;
    let place = input.create_bucket_configuration.and_then(|configuration| configuration.location_constraint);
    let location = place.as_ref().map(|place| location_of(place.as_str())).transpose()?.flatten();
    let settings = BucketSettings { storage_class, location, ..BucketSettings::default() };
    this.r2.create_bucket(&caller.account, &input.bucket, settings).await.map_err(error::of)?;
    let location = Some(format!("/{}", input.bucket));
    Ok(S3Response::new(CreateBucketOutput { location }))
}

fn location_of(place: &str) -> S3Result<Option<String>> {
    let place = place.to_ascii_lowercase();
    if AUTO_TOO.contains(&place.as_str()) {
        return Ok(None);
    }
    if HINTS.contains(&place.as_str()) {
        return Ok(Some(place));
    }
    Err(s3_error!(InvalidLocationConstraint, "The specified location constraint is not valid."))
}

pub(super) async fn delete(
    this: &Operations,
    request: S3Request<DeleteBucketInput>,
) -> S3Result<S3Response<DeleteBucketOutput>> {
    let caller = access::caller(&request)?;
    this.r2.delete_bucket(&caller.account, &request.input.bucket).await.map_err(error::of)?;
    Ok(S3Response::new(DeleteBucketOutput::default()))
}

pub(super) async fn head(
    this: &Operations,
    request: S3Request<HeadBucketInput>,
) -> S3Result<S3Response<HeadBucketOutput>> {
    this.bucket(&request, &request.input.bucket)?;
    let output = HeadBucketOutput { bucket_region: Some(AUTO.to_owned()), ..HeadBucketOutput::default() };
    Ok(S3Response::new(output))
}

pub(super) async fn location(
    this: &Operations,
    request: S3Request<GetBucketLocationInput>,
) -> S3Result<S3Response<GetBucketLocationOutput>> {
    let bucket = this.bucket(&request, &request.input.bucket)?;
    let place = bucket.settings().location.clone().unwrap_or_else(|| AUTO.to_owned());
    let location_constraint = Some(BucketLocationConstraint::from(place));
    Ok(S3Response::new(GetBucketLocationOutput { location_constraint }))
}

pub(super) async fn get_cors(
    this: &Operations,
    request: S3Request<GetBucketCorsInput>,
) -> S3Result<S3Response<GetBucketCorsOutput>> {
    let bucket = this.bucket(&request, &request.input.bucket)?;
    let rules = cors::rules(bucket.settings().cors.as_deref());
    if rules.is_empty() {
        return Err(s3_error!(NoSuchCORSConfiguration, "The CORS configuration does not exist."));
    }
    Ok(S3Response::new(GetBucketCorsOutput { cors_rules: Some(cors::to_s3(rules)) }))
}

pub(super) async fn put_cors(
    this: &Operations,
    request: S3Request<PutBucketCorsInput>,
) -> S3Result<S3Response<PutBucketCorsOutput>> {
    let caller = access::caller(&request)?;
    let input = request.input;
    let rules =
        cors::from_s3(input.cors_configuration).map_err(|reason| s3_error!(InvalidRequest, "{reason}"))?;
    change(this, &caller, &input.bucket, |settings| settings.cors = Some(rules)).await?;
    Ok(S3Response::new(PutBucketCorsOutput::default()))
}

pub(super) async fn delete_cors(
    this: &Operations,
    request: S3Request<DeleteBucketCorsInput>,
) -> S3Result<S3Response<DeleteBucketCorsOutput>> {
    let caller = access::caller(&request)?;
    change(this, &caller, &request.input.bucket, |settings| settings.cors = None).await?;
    Ok(S3Response::new(DeleteBucketCorsOutput::default()))
}

pub(super) async fn get_lifecycle(
    this: &Operations,
    request: S3Request<GetBucketLifecycleConfigurationInput>,
) -> S3Result<S3Response<GetBucketLifecycleConfigurationOutput>> {
    let bucket = this.bucket(&request, &request.input.bucket)?;
    let rules = lifecycle::to_s3(bucket.settings().lifecycle.as_deref().unwrap_or_default());
    if rules.is_empty() {
        return Err(s3_error!(NoSuchLifecycleConfiguration, "The lifecycle configuration does not exist."));
    }
    let output = GetBucketLifecycleConfigurationOutput {
        rules: Some(rules),
        ..GetBucketLifecycleConfigurationOutput::default()
    };
    Ok(S3Response::new(output))
}

pub(super) async fn put_lifecycle(
    this: &Operations,
    request: S3Request<PutBucketLifecycleConfigurationInput>,
) -> S3Result<S3Response<PutBucketLifecycleConfigurationOutput>> {
    let caller = access::caller(&request)?;
    let input = request.input;
    let rules = input.lifecycle_configuration.map(|configuration| configuration.rules).unwrap_or_default();
    let rules = lifecycle::from_s3(rules).map_err(|reason| s3_error!(InvalidArgument, "{reason}"))?;
    change(this, &caller, &input.bucket, |settings| settings.lifecycle = Some(rules)).await?;
    this.r2.sweep_soon();
    Ok(S3Response::new(PutBucketLifecycleConfigurationOutput::default()))
}

pub(super) async fn delete_lifecycle(
    this: &Operations,
    request: S3Request<DeleteBucketLifecycleInput>,
) -> S3Result<S3Response<DeleteBucketLifecycleOutput>> {
    let caller = access::caller(&request)?;
    change(this, &caller, &request.input.bucket, |settings| settings.lifecycle = None).await?;
    Ok(S3Response::new(DeleteBucketLifecycleOutput::default()))
}

async fn change(
    this: &Operations,
    caller: &access::Caller,
    bucket: &str,
    change: impl FnOnce(&mut BucketSettings) + Send,
) -> Result<(), S3Error> {
    let changed = this.r2.change_settings(&caller.account, bucket, |settings| {
        change(settings);
        Ok::<_, R2Error>(())
    });
    changed.await.map(drop).map_err(error::of)
}
