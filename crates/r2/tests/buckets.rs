//! Buckets as the protocols see them: names, settings, lifecycle rules by a clock of the test's, copies.

use std::time::Duration;

use hearth_model::AccountId;
use hearth_r2::store::{
    Bucket, BucketSettings, Conditional, CopyOptions, CustomerKey, GetOptions, HttpMetadata, Incoming,
    ListUploads, PutOptions, R2Error, StorageClass, UploadOptions,
};
use hearth_r2::{Config, R2};
use hearth_store::Store;
use jiff::Timestamp;
use serde_json::json;
use tempfile::TempDir;

struct Installation {
    folder: TempDir,
    store: Store,
    account: AccountId,
    r2: R2,
}

impl Installation {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).await.unwrap();
        let account = store.create_account("a").await.unwrap().id;
        let r2 = R2::open(store.clone(), &Config::new(folder.path().join("r2"))).await.unwrap();
        Self { folder, store, account, r2 }
    }

    async fn bucket(&self, name: &str, settings: BucketSettings) -> std::sync::Arc<Bucket> {
        self.r2.create_bucket(&self.account, name, settings).await.unwrap()
    }
}

async fn put(bucket: &Bucket, key: &str) {
    bucket.put(key, PutOptions::default(), Incoming::bytes("x")).await.unwrap();
}

async fn keys(bucket: &Bucket) -> Vec<String> {
    let page = bucket.list(Default::default()).await.unwrap();
    page.objects.into_iter().map(|object| object.key).collect()
}

fn in_days(days: u64) -> Timestamp {
    Timestamp::now().checked_add(Duration::from_secs(days * 86_400 + 60)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_buckets_name_is_its_accounts_and_its_data_its_own() {
    let at = Installation::new().await;
    let other = at.store.create_account("b").await.unwrap().id;
    for bad in ["ab", "Abc", "a_b", "-abc", "abc-", &"a".repeat(64), "../x"] {
        let refused = at.r2.create_bucket(&at.account, bad, BucketSettings::default()).await;
        assert!(matches!(refused, Err(R2Error::InvalidBucketName)), "{bad}");
    }
    let mine = at.bucket("photos", BucketSettings::default()).await;
    let again = at.r2.create_bucket(&at.account, "photos", BucketSettings::default()).await;
    assert!(matches!(again, Err(R2Error::BucketExists)));
    let theirs = at.r2.create_bucket(&other, "photos", BucketSettings::default()).await.unwrap();
    put(&mine, "k").await;
    assert!(keys(&theirs).await.is_empty());
    assert!(matches!(at.r2.bucket(&other, "absent"), Err(R2Error::NoSuchBucket)));
    assert!(matches!(at.r2.delete_bucket(&at.account, "photos").await, Err(R2Error::BucketNotEmpty)));
    put(&mine, "k").await;
    at.r2.delete_bucket(&other, "photos").await.unwrap();
    assert!(matches!(theirs.head("k").await, Err(R2Error::NoSuchBucket)));
    // A name can be used again, and brings nothing back.
    mine.delete(vec!["k".to_owned()], Conditional::default()).await.unwrap();
    at.r2.delete_bucket(&at.account, "photos").await.unwrap();
    let again = at.bucket("photos", BucketSettings::default()).await;
    assert!(again.id() != mine.id() && keys(&again).await.is_empty());
    let folders = std::fs::read_dir(at.folder.path().join("r2")).unwrap().count();
    assert_eq!(folders, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_knows_the_buckets_and_their_settings() {
    let at = Installation::new().await;
    let settings =
        BucketSettings { storage_class: StorageClass::InfrequentAccess, ..BucketSettings::default() };
    let bucket = at.bucket("cold", settings).await;
    put(&bucket, "k").await;
    at.r2
        .change_settings::<R2Error>(&at.account, "cold", |settings| {
            settings.managed_domain = true;
            Ok(())
        })
        .await
        .unwrap();
    let r2 = R2::open(at.store.clone(), &Config::new(at.folder.path().join("r2"))).await.unwrap();
    let found = r2.bucket(&at.account, "cold").unwrap();
    assert!(found.settings().managed_domain);
    assert_eq!(found.head("k").await.unwrap().storage_class, StorageClass::InfrequentAccess);
    assert_eq!(r2.buckets(&at.account).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn lifecycle_rules_do_what_they_say_when_it_is_time() {
    let at = Installation::new().await;
    let age = |days: u64| json!({"condition": {"type": "Age", "maxAge": days * 86_400}});
    let class = json!([{"condition": {"type": "Age", "maxAge": 86_400}, "storageClass": "InfrequentAccess"}]);
    let rules = vec![
        json!({"id": "1", "enabled": true, "conditions": {"prefix": "logs/"}, "deleteObjectsTransition": age(3)}),
        json!({"id": "2", "enabled": false, "conditions": {"prefix": "off/"}, "deleteObjectsTransition": age(1)}),
        json!({"id": "3", "enabled": true, "conditions": {"prefix": "keep/"}, "storageClassTransitions": class}),
        json!({"id": "4", "enabled": true, "conditions": {"prefix": "up/"}, "abortMultipartUploadsTransition": age(1)}),
        json!({"id": "5", "enabled": true, "conditions": {"prefix": "date/"},
            "deleteObjectsTransition": {"condition": {"type": "Date", "date": in_days(5)}}}),
    ];
    let bucket =
        at.bucket("ruled", BucketSettings { lifecycle: Some(rules), ..BucketSettings::default() }).await;
    for key in ["logs/1", "logs/2", "off/1", "keep/1", "date/1", "other"] {
        put(&bucket, key).await;
    }
    for key in ["up/1", "elsewhere"] {
        bucket.create_upload(key, UploadOptions::default()).await.unwrap();
    }
    let uploads = || async {
        let all = bucket.list_uploads(ListUploads { limit: 10, ..ListUploads::default() }).await.unwrap();
        all.into_iter().map(|upload| upload.key).collect::<Vec<_>>()
    };
    let all = ["date/1", "keep/1", "logs/1", "logs/2", "off/1", "other"];
    at.r2.sweep(Timestamp::now()).await;
    assert_eq!((keys(&bucket).await, uploads().await.len()), (all.map(str::to_owned).to_vec(), 2));
    assert_eq!(bucket.head("keep/1").await.unwrap().storage_class, StorageClass::Standard);
    at.r2.sweep(in_days(1)).await;
    assert_eq!(keys(&bucket).await, all);
    assert_eq!(bucket.head("keep/1").await.unwrap().storage_class, StorageClass::InfrequentAccess);
    assert_eq!(uploads().await, ["elsewhere"]);
    at.r2.sweep(in_days(3)).await;
    assert_eq!(keys(&bucket).await, ["date/1", "keep/1", "off/1", "other"]);
    at.r2.sweep(in_days(6)).await;
    assert_eq!(keys(&bucket).await, ["keep/1", "off/1", "other"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_bucket_gives_up_uploads_after_a_week() {
    let at = Installation::new().await;
    let bucket = at.bucket("fresh", BucketSettings::default()).await;
    bucket.create_upload("k", UploadOptions::default()).await.unwrap();
    at.r2.sweep(in_days(6)).await;
    assert_eq!(bucket.usage().await.unwrap().uploads, 1);
    at.r2.sweep(in_days(7)).await;
    assert_eq!(bucket.usage().await.unwrap().uploads, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_carry_or_replace_metadata_and_change_keys() {
    let at = Installation::new().await;
    let from = at.bucket("from", BucketSettings::default()).await;
    let to = at.bucket("to-b", BucketSettings::default()).await;
    let http = HttpMetadata { content_type: Some("a/b".to_owned()), ..HttpMetadata::default() };
    let key = CustomerKey([3; 32]);
    let content = vec![9_u8; 300_000];
    let options = PutOptions {
        http: http.clone(),
        custom: vec![("a".to_owned(), "1".to_owned())],
        customer_key: Some(key.clone()),
        ..PutOptions::default()
    };
    from.put("k", options, Incoming::bytes(content.clone())).await.unwrap();
    let without = to.copy_from("k", &from, "k", CopyOptions::default()).await;
    assert!(matches!(without, Err(R2Error::WrongCustomerKey)));
    let options = CopyOptions { source_customer_key: Some(key), ..CopyOptions::default() };
    let copied = to.copy_from("k", &from, "k", options).await.unwrap();
    assert_eq!((copied.http, copied.custom.len(), copied.customer_key_md5), (http, 1, None));
    let replaced = CopyOptions {
        replace_metadata: Some((HttpMetadata::default(), Vec::new())),
        ..CopyOptions::default()
    };
    let onto_itself = to.copy_from("k", &to, "k", replaced).await.unwrap();
    assert!(onto_itself.custom.is_empty() && onto_itself.version != copied.version);
    let found = to.get("k", GetOptions::default()).await.unwrap();
    assert!(found.body.collect().await.unwrap() == content);
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_are_the_protocols_alike() {
    let at = Installation::new().await;
    let bucket = at.bucket("limits", BucketSettings::default()).await;
    let large = Incoming { length: Some(6 << 30), ..Incoming::bytes("x") };
    assert!(matches!(bucket.put("k", PutOptions::default(), large).await, Err(R2Error::EntityTooLarge)));
    let long = "k".repeat(1025);
    assert!(matches!(bucket.head(&long).await, Err(R2Error::InvalidObjectName)));
    let many = vec!["k".to_owned(); 1001];
    assert!(matches!(bucket.delete(many, Conditional::default()).await, Err(R2Error::InvalidArgument(_))));
    let custom = vec![("a".to_owned(), "v".repeat(8192))];
    let options = PutOptions { custom, ..PutOptions::default() };
    assert!(matches!(bucket.put("k", options, Incoming::bytes("x")).await, Err(R2Error::MetadataTooLarge)));
}
