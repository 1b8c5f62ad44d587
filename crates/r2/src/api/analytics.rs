//! What a bucket holds, in the operation of Cloudflare's analytics that `wrangler r2 bucket info` calls
//! (wrangler-api.md 6).

use async_trait::async_trait;
use hearth_api::{Analytics, ApiError, Ask};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::store::{R2, R2Error};

#[async_trait]
impl Analytics for R2 {
    async fn groups(&self, node: &str, ask: &Ask) -> Option<Result<Vec<Value>, ApiError>> {
        (node == "r2StorageAdaptiveGroups").then_some(())?;
        Some(self.storage(ask).await)
    }
}

impl R2 {
    async fn storage(&self, ask: &Ask) -> Result<Vec<Value>, ApiError> {
        let name = ask.filter["bucketName"].as_str().unwrap_or_default();
        // wrangler puts a jurisdiction before the name: `eu_media`. No bucket's own name has an underscore.
        let name = name.split_once('_').map_or(name, |(_, name)| name);
        let groups = match self.bucket(&ask.account, name) {
            Ok(bucket) => {
                let usage = bucket.usage().await?;
                vec![json!({
                    "max": {"objectCount": usage.objects, "payloadSize": usage.bytes, "metadataSize": 0},
                    "dimensions": {"datetime": Timestamp::now().to_string(), "bucketName": ask.filter["bucketName"]},
                })]
            }
            Err(R2Error::NoSuchBucket) => Vec::new(),
            Err(error) => return Err(error.into()),
        };
        Ok(groups)
    }
}
