//! The operations. Those that stand here are the ones R2 has; `s3s` answers the others with `NotImplemented`.

mod bucket;
mod copy;
mod delete;
mod list;
mod multipart;
mod read;
mod uploads;
mod write;

use std::sync::Arc;

use hearth_r2::store::{Bucket, R2};
use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, CompleteMultipartUploadInput,
    CompleteMultipartUploadOutput, CopyObjectInput, CopyObjectOutput, CreateBucketInput, CreateBucketOutput,
    CreateMultipartUploadInput, CreateMultipartUploadOutput, DeleteBucketCorsInput, DeleteBucketCorsOutput,
    DeleteBucketInput, DeleteBucketLifecycleInput, DeleteBucketLifecycleOutput, DeleteBucketOutput,
    DeleteObjectInput, DeleteObjectOutput, DeleteObjectsInput, DeleteObjectsOutput, GetBucketCorsInput,
    GetBucketCorsOutput, GetBucketLifecycleConfigurationInput, GetBucketLifecycleConfigurationOutput,
    GetBucketLocationInput, GetBucketLocationOutput, GetObjectInput, GetObjectOutput, HeadBucketInput,
    HeadBucketOutput, HeadObjectInput, HeadObjectOutput, ListBucketsInput, ListBucketsOutput,
    ListMultipartUploadsInput, ListMultipartUploadsOutput, ListObjectsInput, ListObjectsOutput,
    ListObjectsV2Input, ListObjectsV2Output, ListPartsInput, ListPartsOutput, PutBucketCorsInput,
    PutBucketCorsOutput, PutBucketLifecycleConfigurationInput, PutBucketLifecycleConfigurationOutput,
    PutObjectInput, PutObjectOutput, UploadPartCopyInput, UploadPartCopyOutput, UploadPartInput,
    UploadPartOutput,
};
use s3s::{S3, S3Request, S3Response, S3Result};

use crate::access;
use crate::error;

/// The operations over the buckets.
pub(crate) struct Operations {
    pub(crate) r2: R2,
}

impl Operations {
    /// The bucket of a request, which its caller may use as the operation needs: that was checked before.
    fn bucket<T>(&self, request: &S3Request<T>, name: &str) -> S3Result<Arc<Bucket>> {
        let caller = access::caller(request)?;
        self.r2.bucket(&caller.account, name).map_err(error::of)
    }
}

/// Each operation of the trait, and the function that does it.
macro_rules! operations {
    ($($name:ident: $input:ident => $output:ident, $function:path;)*) => {
        #[async_trait::async_trait]
        impl S3 for Operations {
            $(
                async fn $name(&self, request: S3Request<$input>) -> S3Result<S3Response<$output>> {
                    $function(self, request).await
                }
            )*
        }
    };
}

operations! {
    list_buckets: ListBucketsInput => ListBucketsOutput, bucket::list;
    create_bucket: CreateBucketInput => CreateBucketOutput, bucket::create;
    delete_bucket: DeleteBucketInput => DeleteBucketOutput, bucket::delete;
    head_bucket: HeadBucketInput => HeadBucketOutput, bucket::head;
    get_bucket_location: GetBucketLocationInput => GetBucketLocationOutput, bucket::location;
    get_bucket_cors: GetBucketCorsInput => GetBucketCorsOutput, bucket::get_cors;
    put_bucket_cors: PutBucketCorsInput => PutBucketCorsOutput, bucket::put_cors;
    delete_bucket_cors: DeleteBucketCorsInput => DeleteBucketCorsOutput, bucket::delete_cors;
    get_bucket_lifecycle_configuration:
        GetBucketLifecycleConfigurationInput => GetBucketLifecycleConfigurationOutput, bucket::get_lifecycle;
    put_bucket_lifecycle_configuration:
        PutBucketLifecycleConfigurationInput => PutBucketLifecycleConfigurationOutput, bucket::put_lifecycle;
    delete_bucket_lifecycle:
        DeleteBucketLifecycleInput => DeleteBucketLifecycleOutput, bucket::delete_lifecycle;
    get_object: GetObjectInput => GetObjectOutput, read::get;
    head_object: HeadObjectInput => HeadObjectOutput, read::head;
    put_object: PutObjectInput => PutObjectOutput, write::put;
    copy_object: CopyObjectInput => CopyObjectOutput, copy::object;
    delete_object: DeleteObjectInput => DeleteObjectOutput, delete::one;
    delete_objects: DeleteObjectsInput => DeleteObjectsOutput, delete::many;
    list_objects: ListObjectsInput => ListObjectsOutput, list::first;
    list_objects_v2: ListObjectsV2Input => ListObjectsV2Output, list::second;
    create_multipart_upload: CreateMultipartUploadInput => CreateMultipartUploadOutput, multipart::create;
    upload_part: UploadPartInput => UploadPartOutput, multipart::upload;
    upload_part_copy: UploadPartCopyInput => UploadPartCopyOutput, copy::part;
    complete_multipart_upload:
        CompleteMultipartUploadInput => CompleteMultipartUploadOutput, multipart::complete;
    abort_multipart_upload: AbortMultipartUploadInput => AbortMultipartUploadOutput, multipart::abort;
    list_parts: ListPartsInput => ListPartsOutput, uploads::parts;
    list_multipart_uploads: ListMultipartUploadsInput => ListMultipartUploadsOutput, uploads::uploads;
}
