//! `/pages/assets/*`: the files of a project, which its token uploads.
//!
//! A client's word for a content is made of the content and the path's extension, and the path comes only with the
//! deployment, so it cannot be checked here. It is the project's own word (`hearth_store::ProjectFile`): what lies in the
//! account's folder, where other projects and workers have theirs, is called by what it is.

use axum::body::Body;
use axum::extract::{Request, State};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hearth_api::{ApiError, Reply, read};
use hearth_assets::{ContentHash, Folder, MAX_FILES};
use hearth_model::Dialect;
use hearth_store::{Entity, ProjectFile, StoreError, Worker};
use http::{HeaderMap, header};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;
use std::borrow::Cow;
use std::collections::BTreeSet;

use super::Pages;
use crate::error::{invalid, upload_token};
use crate::token::Claims;

/// Largest list of words, in bytes.
const MAX_LIST: usize = 16 << 20;

/// Largest upload, in bytes: wrangler's 40 MiB as base64, and what stands around it.
const MAX_UPLOAD: usize = 72 << 20;

/// Longest word for a content, in bytes.
const MAX_WORD: usize = 64;

/// Longest type, in bytes.
const MAX_TYPE: usize = 255;

#[derive(Deserialize)]
struct Words {
    hashes: Vec<String>,
}

/// An uploaded content as it is sent.
#[derive(Deserialize)]
struct Sent<'a> {
    #[serde(borrow)]
    key: Cow<'a, str>,
    #[serde(borrow)]
    value: Cow<'a, str>,
    #[serde(default)]
    metadata: Metadata,
    #[serde(default)]
    base64: bool,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Metadata {
    content_type: Option<String>,
}

/// The same, without borrowing.
struct Entry {
    word: String,
    text: Bytes,
    base64: bool,
    media_type: Option<String>,
}

/// `POST check-missing` `{hashes}` → those that the project has not uploaded.
pub(super) async fn check_missing(
    State(pages): State<Pages>,
    headers: HeaderMap,
    body: Body,
) -> Result<Reply, ApiError> {
    let worker = pages.uploader(&headers).await?;
    let words = read_words(body).await?;
    let known = pages.api.store().use_project_files(worker.id, &words).await?;
    let mut seen = BTreeSet::new();
    let missing = words.iter().filter(|word| !known.contains_key(*word) && seen.insert(*word));
    Ok(Reply::new(missing.map(|word| json!(word)).collect()))
}

/// `POST upsert-hashes` `{hashes}`: a client is done with these.
pub(super) async fn upsert_hashes(
    State(pages): State<Pages>,
    headers: HeaderMap,
    body: Body,
) -> Result<Reply, ApiError> {
    let worker = pages.uploader(&headers).await?;
    let words = read_words(body).await?;
    pages.api.store().use_project_files(worker.id, &words).await?;
    Ok(Reply::null())
}

/// `POST upload` `[{key, value, metadata: {contentType}, base64}]`.
pub(super) async fn upload(State(pages): State<Pages>, request: Request) -> Result<Reply, ApiError> {
    let worker = pages.uploader(request.headers()).await?;
    // A body is held in memory as a whole: others wait on their connections.
    let _turn = pages.uploads.acquire().await.map_err(ApiError::internal)?;
    let body = read(request.into_body(), MAX_UPLOAD).await?;
    let entries =
        tokio::task::spawn_blocking(move || read_entries(&body)).await.map_err(ApiError::internal)??;
    let (contents, account) = (pages.contents.clone(), worker.account.clone());
    let folder = tokio::task::spawn_blocking(move || contents.folder(&account)).await;
    let folder = folder.map_err(ApiError::internal)?.map_err(ApiError::internal)?;
    // Until it is written down that the project has them, nobody else knows that they are needed.
    let _using = pages.contents.using().await;
    let mut stored = Vec::with_capacity(entries.len());
    let taken = take(&folder, entries, &mut stored).await;
    // What came before something that is refused is there: the next try need not send it again.
    pages.api.store().put_project_files(worker.id, &stored).await?;
    taken?;
    Ok(Reply::new(json!({"successful_key_count": stored.len(), "unsuccessful_keys": []})))
}

async fn take(folder: &Folder, entries: Vec<Entry>, stored: &mut Vec<ProjectFile>) -> Result<(), ApiError> {
    for Entry { word, text, base64, media_type } in entries {
        let decoded =
            tokio::task::spawn_blocking(move || if base64 { decode(&text) } else { Some(encode(text)) });
        let (content, name) = decoded
            .await
            .map_err(ApiError::internal)?
            .ok_or_else(|| invalid(format!("The value of {word:?} is not base64.")))?;
        let mut incoming = folder.receive().map_err(ApiError::internal)?;
        incoming.write(&content).await?;
        let size = incoming.finish(name, "").await?;
        stored.push(ProjectFile { hash: word, content: name.to_string(), size, media_type });
    }
    Ok(())
}

/// A content and its name, of its base64 text.
fn decode(text: &[u8]) -> Option<(Bytes, ContentHash)> {
    let content = STANDARD.decode(text).ok()?;
    Some((content.into(), name_of(text)?))
}

/// The same of a text that is none.
fn encode(text: Bytes) -> (Bytes, ContentHash) {
    let name = name_of(STANDARD.encode(&text).as_bytes());
    (text, name.expect("a digest has the digits of a name"))
}

/// What a content without an extension is called: digits of the digest of its base64 text.
fn name_of(base64: &[u8]) -> Option<ContentHash> {
    blake3::hash(base64).to_hex().as_str()[..32].parse().ok()
}

fn read_entries(body: &Bytes) -> Result<Vec<Entry>, ApiError> {
    let sent: Vec<Sent<'_>> = serde_json::from_slice(body)
        .map_err(|error| invalid(format!("The upload is not a JSON list of contents: {error}")))?;
    sent.into_iter().map(|sent| read_entry(body, sent)).collect()
}

fn read_entry(body: &Bytes, sent: Sent<'_>) -> Result<Entry, ApiError> {
    let word = sent.key.into_owned();
    check_word(&word)?;
    let media_type = sent.metadata.content_type.filter(|text| !text.is_empty());
    let printable =
        |text: &String| text.len() <= MAX_TYPE && text.bytes().all(|b| (b' '..=b'~').contains(&b));
    if !media_type.as_ref().is_none_or(printable) {
        return Err(invalid(format!("The type of {word:?} cannot be one.")));
    }
    let text = match sent.value {
        Cow::Borrowed(text) => body.slice_ref(text.as_bytes()),
        Cow::Owned(text) => text.into(),
    };
    Ok(Entry { word, text, base64: sent.base64, media_type: media_type.map(with_charset) })
}

/// Texts are UTF-8, as Pages says of them.
fn with_charset(media_type: String) -> String {
    let is_text = media_type.starts_with("text/") && !media_type.contains("charset");
    if is_text { media_type + "; charset=utf-8" } else { media_type }
}

fn check_word(word: &str) -> Result<(), ApiError> {
    let fits = (1..=MAX_WORD).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_alphanumeric());
    if fits { Ok(()) } else { Err(invalid(format!("{word:?} is no hash of a file."))) }
}

async fn read_words(body: Body) -> Result<Vec<String>, ApiError> {
    let body = read(body, MAX_LIST).await?;
    let Words { hashes } = serde_json::from_slice(&body)
        .map_err(|error| invalid(format!("The body is not an object with `hashes`: {error}")))?;
    if hashes.len() > MAX_FILES {
        return Err(invalid(format!(
            "There are {} hashes; a deployment may have {MAX_FILES} files.",
            hashes.len()
        )));
    }
    hashes.iter().try_for_each(|word| check_word(word))?;
    Ok(hashes)
}

impl Pages {
    /// The project whose token a call shows.
    async fn uploader(&self, headers: &HeaderMap) -> Result<Worker, ApiError> {
        let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = authorization.and_then(|text| text.split_once(' ')).map(|(_, token)| token.trim());
        let key = self.api.store().assets_key();
        let claimed = token.and_then(|token| Claims::verify(token, &key, Timestamp::now()));
        let (account, id) = claimed.ok_or_else(upload_token)?;
        match self.api.store().worker(id).await {
            Ok(worker) if worker.dialect == Dialect::Pages && worker.account.as_str() == account => {
                Ok(worker)
            }
            Ok(_) | Err(StoreError::NotFound { what: Entity::Worker, .. }) => Err(upload_token()),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn entries(value: &Value) -> Result<Vec<Entry>, ApiError> {
        read_entries(&Bytes::from(value.to_string()))
    }

    #[test]
    fn contents_are_named_by_what_they_are() {
        let sent = json!([
            {"key": "a1", "value": "aGVsbG8=", "metadata": {"contentType": "text/html"}, "base64": true},
            {"key": "b2", "value": "hello", "metadata": {"contentType": "image/png"}},
            {"key": "c3", "value": "", "base64": true},
        ]);
        let read = entries(&sent).unwrap();
        assert_eq!(read[0].media_type.as_deref(), Some("text/html; charset=utf-8"));
        assert_eq!((read[1].media_type.as_deref(), read[2].media_type.as_deref()), (Some("image/png"), None));
        let (content, name) = decode(&read[0].text).unwrap();
        assert_eq!((&content[..], name), (&b"hello"[..], encode(read[1].text.clone()).1));
        assert!(decode(b"").unwrap().0.is_empty());
        for bad in ["a", "a b=", "aGVsbG8", "aGVsbG9="] {
            assert!(decode(bad.as_bytes()).is_none(), "{bad}");
        }
    }

    #[test]
    fn what_is_no_upload_is_named() {
        for (sent, says) in [
            (json!({}), "list"),
            (json!([{"key": "a"}]), "list"),
            (json!([{"key": "../a", "value": ""}]), "no hash"),
            (json!([{"key": "", "value": ""}]), "no hash"),
            (json!([{"key": "a".repeat(65), "value": ""}]), "no hash"),
            (json!([{"key": "a", "value": "", "metadata": {"contentType": "a\nb"}}]), "type"),
            (json!([{"key": "a", "value": "", "metadata": {"contentType": "a".repeat(256)}}]), "type"),
        ] {
            let error = entries(&sent).err().unwrap();
            assert!(error.message().contains(says), "{sent}: {}", error.message());
        }
    }
}
