//! What a bucket holds, in the operation of Cloudflare's analytics that `wrangler r2 bucket info` calls
//! (wrangler-api.md 6).

use async_trait::async_trait;
use hearth_api::{Analytics, ApiError, Ask, Groups};
use jiff::Timestamp;
use serde_json::json;

use crate::store::{R2, R2Error};

#[async_trait]
impl Analytics for R2 {
    async fn groups(&self, operation: &str, ask: &Ask) -> Option<Result<Groups, ApiError>> {
        (operation == "getR2StorageMetrics").then_some(())?;
        Some(self.storage(ask).await)
    }
}

impl R2 {
    async fn storage(&self, ask: &Ask) -> Result<Groups, ApiError> {
        let name = ask.filter["bucketName"].as_str().unwrap_or_default();
        // wrangler puts a jurisdiction before the name: `eu_media`. No bucket's own name has an underscore.
        let name = name.split_once('_').map_or(name, |(_, name)| name);
        let groups = match self.bucket(&ask.account, name) {
            Ok(bucket) => {
                let usage = bucket.usage().await?;
                vec![json!({
                    "max": {"objectCount": usage.objects, "payloadSize": usage.bytes, "metadataSize": 0},
                    "dimensions": {"datetime": Timestamp::now().to_string()},
                })]
            }
            Err(R2Error::NoSuchBucket) => Vec::new(),
            Err(error) => return Err(error.into()),
        };
        Ok(("r2StorageAdaptiveGroups", groups))
    }
}
