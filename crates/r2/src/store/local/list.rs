//! Lists, in the order of keys as bytes. What is folded behind a delimiter is jumped over, not read.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use rusqlite::{Connection, params};

use super::super::error::{R2Error, Result};
use super::super::types::{HttpMetadata, ListOptions, ListUploads, Listing, MAX_LIST_KEYS, Object, Upload};
use super::schema;

/// What JSON needs for an object beside its key and metadata, at most.
const OBJECT_BYTES: usize = 900;
/// Of a folded prefix.
const PREFIX_BYTES: usize = 8;

/// One page.
pub(super) fn page(connection: &Connection, options: &ListOptions) -> Result<Listing> {
    let prefix = options.prefix.as_bytes();
    let end = successor(prefix);
    let mut start = prefix.to_vec();
    if let Some(after) = &options.start_after {
        start = start.max(behind(after.as_bytes()));
    }
    if let Some(cursor) = &options.cursor {
        start = start.max(BASE64_URL_SAFE_NO_PAD.decode(cursor).map_err(|_| R2Error::InvalidCursor)?);
    }
    let delimiter = options.delimiter.as_deref().filter(|delimiter| !delimiter.is_empty());
    let limit = options.limit.unwrap_or(MAX_LIST_KEYS);
    let mut room = options.max_bytes.unwrap_or(usize::MAX);
    let query = format!(
        "SELECT {} FROM objects WHERE key >= ?1 AND (?2 IS NULL OR key < ?2) ORDER BY key",
        schema::OBJECT
    );
    let mut statement = connection.prepare_cached(&query)?;
    let mut listing = Listing::default();
    'seek: loop {
        let mut rows = statement.query(params![start, end])?;
        while let Some(row) = rows.next()? {
            let full = listing.objects.len() + listing.prefixes.len() == limit;
            let mut object = schema::object_of(row)?.object;
            let key = object.key.as_bytes();
            let folded = delimiter.and_then(|delimiter| {
                let position = object.key.get(prefix.len()..)?.find(delimiter)?;
                object.key.get(..prefix.len() + position + delimiter.len())
            });
            let needs = match folded {
                Some(folded) => PREFIX_BYTES + json_bytes(folded),
                None => {
                    if !options.include_http {
                        object.http = HttpMetadata::default();
                    }
                    if !options.include_custom {
                        object.custom = Vec::new();
                    }
                    json_size(&object)
                }
            };
            let first = listing.objects.is_empty() && listing.prefixes.is_empty();
            if full || (needs > room && !first) {
                listing.cursor = Some(BASE64_URL_SAFE_NO_PAD.encode(key));
                return Ok(listing);
            }
            room = room.saturating_sub(needs);
            match folded.map(str::to_owned) {
                Some(folded) => {
                    let next = successor(folded.as_bytes());
                    listing.prefixes.push(folded);
                    match next {
                        Some(next) => start = next,
                        None => break 'seek,
                    }
                    continue 'seek;
                }
                None => listing.objects.push(object),
            }
        }
        break;
    }
    Ok(listing)
}

/// Uploads under way, by key, then by id.
pub(super) fn uploads(connection: &Connection, options: &ListUploads) -> Result<Vec<Upload>> {
    let prefix = options.prefix.as_bytes();
    let (key, id) = match &options.after {
        Some((key, Some(id))) => (key.as_bytes().to_vec(), id.clone()),
        Some((key, None)) => (behind(key.as_bytes()), String::new()),
        None => (Vec::new(), String::new()),
    };
    let query = format!(
        "SELECT {} FROM uploads
         WHERE finished IS NULL AND key >= ?1 AND (?2 IS NULL OR key < ?2) AND (key, id) > (?3, ?4)
         ORDER BY key, id LIMIT ?5",
        schema::UPLOAD
    );
    let limit = schema::signed(options.limit as u64)?;
    let mut statement = connection.prepare_cached(&query)?;
    let found = statement.query_map(params![prefix, successor(prefix), key, id, limit], schema::upload_of)?;
    Ok(found.map(|row| row.map(|(upload, _)| upload)).collect::<rusqlite::Result<_>>()?)
}

/// The first text of bytes behind one.
fn behind(key: &[u8]) -> Vec<u8> {
    [key, &[0]].concat()
}

/// The first text of bytes behind all that begin with `prefix`; None where all do, or nothing is.
fn successor(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte < u8::MAX)?;
    let mut next = prefix.get(..=last)?.to_vec();
    if let Some(byte) = next.last_mut() {
        *byte += 1;
    }
    Some(next)
}

fn json_size(object: &Object) -> usize {
    let http = &object.http;
    let headers = [
        &http.content_type,
        &http.content_language,
        &http.content_disposition,
        &http.content_encoding,
        &http.cache_control,
    ];
    let headers: usize = headers.into_iter().flatten().map(|text| json_bytes(text)).sum();
    let custom: usize =
        object.custom.iter().map(|(name, value)| 16 + json_bytes(name) + json_bytes(value)).sum();
    OBJECT_BYTES + json_bytes(&object.key) + headers + custom
}

/// Bytes of a text in JSON, without its quotes.
fn json_bytes(text: &str) -> usize {
    let size = |byte: u8| match byte {
        0..0x20 => 6,
        b'"' | b'\\' => 2,
        _ => 1,
    };
    text.bytes().map(size).sum()
}
