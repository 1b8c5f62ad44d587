//! What happens to the index within a transaction. Each function is one write: it either returns with everything done, or
//! fails and is undone.

use std::collections::{BTreeMap, HashSet};

use md5::{Digest, Md5};
use rusqlite::{Connection, OptionalExtension, params};

use super::super::error::{R2Error, Result};
use super::super::rules::LockRule;
use super::super::types::{
    CompleteOptions, Conditional, MAX_OBJECT_BYTES, Object, Part, PartTag, StorageClass, Upload,
};
use super::index::{Draft, Effects, Garbage};
use super::schema::{self, Meta, Place, Stored};

/// Where a new object's content is.
pub(super) enum Content {
    /// Here, to lie in the index.
    Bytes(Vec<u8>),
    /// In a file that is named like the version.
    File(Draft),
}

/// The object of a key.
pub(super) fn find(connection: &Connection, key: &str) -> Result<Option<Stored>> {
    let query = format!("SELECT {} FROM objects WHERE key = ?", schema::OBJECT);
    Ok(connection.prepare_cached(&query)?.query_row([key.as_bytes()], schema::object_of).optional()?)
}

/// Puts an object in the place of what is there.
pub(super) fn put(
    connection: &Connection,
    effects: &mut Effects,
    mut object: Object,
    content: Content,
    only_if: &Conditional,
    locks: &[LockRule],
) -> Result<Object> {
    replace(connection, effects, &mut object, only_if, locks)?;
    let place = match content {
        Content::Bytes(_) => Place::Index,
        Content::File(_) => Place::File,
    };
    let id = insert(connection, effects, &object, place)?;
    match content {
        Content::Bytes(bytes) => {
            connection
                .prepare_cached("INSERT INTO bodies (object, content) VALUES (?, ?)")?
                .execute(params![id, bytes])?;
        }
        Content::File(draft) => {
            settled(connection, draft.file())?;
            effects.drafts.push(draft);
        }
    }
    Ok(object)
}

/// Deletes the object of a key, if there is one.
pub(super) fn delete(
    connection: &Connection,
    effects: &mut Effects,
    key: &str,
    only_if: &Conditional,
    locks: &[LockRule],
) -> Result<()> {
    let present = find(connection, key)?;
    // A condition on what is not there is nothing to fail over: it is as deleted as can be.
    let Some(present) = present else { return Ok(()) };
    only_if.check(Some(&present.object), false)?;
    check_locks(&present.object, locks)?;
    remove(connection, effects, present)
}

/// Checks what is there and takes it away. The new object's time is never before the old one's.
fn replace(
    connection: &Connection,
    effects: &mut Effects,
    object: &mut Object,
    only_if: &Conditional,
    locks: &[LockRule],
) -> Result<()> {
    let present = find(connection, &object.key)?;
    only_if.check(present.as_ref().map(|present| &present.object), false)?;
    if let Some(present) = present {
        check_locks(&present.object, locks)?;
        object.uploaded = object.uploaded.max(present.object.uploaded);
        remove(connection, effects, present)?;
    }
    Ok(())
}

fn check_locks(object: &Object, locks: &[LockRule]) -> Result<()> {
    let now = schema::now();
    let locked = locks.iter().any(|rule| rule.covers(&object.key) && rule.holds(object.uploaded, now));
    if locked { Err(R2Error::ObjectLocked) } else { Ok(()) }
}

fn remove(connection: &Connection, effects: &mut Effects, present: Stored) -> Result<()> {
    let Stored { id, place, object } = present;
    connection.prepare_cached("DELETE FROM objects WHERE id = ?")?.execute([id])?;
    effects.changed.push(object.key);
    let files = match place {
        Place::Index => {
            connection.prepare_cached("DELETE FROM bodies WHERE object = ?")?.execute([id])?;
            Vec::new()
        }
        Place::File => vec![object.version.clone()],
        Place::Segments => connection
            .prepare_cached("DELETE FROM segments WHERE object = ? RETURNING file")?
            .query_map([id], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?,
    };
    if !files.is_empty() {
        effects.garbage.push(Garbage { version: object.version, files });
    }
    effects.totals[0] -= 1;
    effects.totals[1] -= schema::signed(object.size)?;
    Ok(())
}

fn insert(connection: &Connection, effects: &mut Effects, object: &Object, place: Place) -> Result<i64> {
    let meta = Meta {
        http: object.http.clone(),
        custom: object.custom.clone(),
        checksums: object.checksums.clone(),
        customer_key_md5: object.customer_key_md5.clone(),
        extra: object.extra.clone(),
        parts: object.parts,
    };
    connection
        .prepare_cached(
            "INSERT INTO objects (key, version, size, etag, uploaded, class, place, meta)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![
            object.key.as_bytes(),
            object.version,
            schema::signed(object.size)?,
            object.etag,
            object.uploaded.as_millisecond(),
            object.storage_class as i64,
            place as i64,
            schema::to_json(&meta)?,
        ])?;
    effects.changed.push(object.key.clone());
    effects.totals[0] += 1;
    effects.totals[1] += schema::signed(object.size)?;
    Ok(connection.last_insert_rowid())
}

/// Writes a file down as one that no object has yet.
pub(super) fn pend(connection: &Connection, file: &str) -> Result<()> {
    connection.prepare_cached("INSERT OR IGNORE INTO pending (file) VALUES (?)")?.execute([file])?;
    Ok(())
}

/// Crosses a file out: an object or a part has it now.
fn settled(connection: &Connection, file: &str) -> Result<()> {
    connection.prepare_cached("DELETE FROM pending WHERE file = ?")?.execute([file])?;
    Ok(())
}

/// Begins an upload.
pub(super) fn create_upload(
    connection: &Connection,
    effects: &mut Effects,
    upload: &Upload,
    meta: &Meta,
) -> Result<()> {
    connection
        .prepare_cached("INSERT INTO uploads (id, key, initiated, class, meta) VALUES (?, ?, ?, ?, ?)")?
        .execute(params![
            upload.id,
            upload.key.as_bytes(),
            upload.initiated.as_millisecond(),
            upload.storage_class as i64,
            schema::to_json(meta)?,
        ])?;
    effects.totals[2] += 1;
    Ok(())
}

/// An upload of a key, and whether it is still under way.
fn upload(connection: &Connection, key: &str, id: &str) -> Result<(Upload, Meta, bool)> {
    let query = format!("SELECT {}, finished FROM uploads WHERE id = ? AND key = ?", schema::UPLOAD);
    let found = connection
        .prepare_cached(&query)?
        .query_row(params![id, key.as_bytes()], |row| {
            let (upload, meta) = schema::upload_of(row)?;
            Ok((upload, meta, row.get::<_, Option<i64>>(5)?.is_none()))
        })
        .optional()?;
    found.ok_or(R2Error::NoSuchUpload)
}

/// An upload of a key that is under way, and what its object will have.
pub(super) fn open_upload(connection: &Connection, key: &str, id: &str) -> Result<(Upload, Meta)> {
    match upload(connection, key, id)? {
        (upload, meta, true) => Ok((upload, meta)),
        _ => Err(R2Error::NoSuchUpload),
    }
}

/// Parts of an upload with numbers over `after`, each with its file.
pub(super) fn parts(
    connection: &Connection,
    upload: &str,
    after: u32,
    limit: usize,
) -> Result<Vec<PartFile>> {
    let query =
        format!("SELECT {} FROM parts WHERE upload = ? AND number > ? ORDER BY number LIMIT ?", schema::PART);
    let limit = schema::signed(limit as u64)?;
    let mut statement = connection.prepare_cached(&query)?;
    let found = statement.query_map(params![upload, after, limit], schema::part_of)?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}

/// Adds a part; one of the same number goes.
pub(super) fn put_part(
    connection: &Connection,
    effects: &mut Effects,
    key: &str,
    upload: &str,
    part: &Part,
    draft: Draft,
) -> Result<()> {
    open_upload(connection, key, upload)?;
    let replaced: Option<(String, i64)> = connection
        .prepare_cached("DELETE FROM parts WHERE upload = ? AND number = ? RETURNING file, size")?
        .query_row(params![upload, part.number], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    if let Some((file, size)) = replaced {
        effects.totals[3] -= size;
        effects.garbage.push(Garbage { version: file.clone(), files: vec![file] });
    }
    connection
        .prepare_cached(
            "INSERT INTO parts (upload, number, file, size, etag, uploaded, extra) VALUES (?, ?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![
            upload,
            part.number,
            draft.file(),
            schema::signed(part.size)?,
            part.etag,
            part.uploaded.as_millisecond(),
            schema::to_json(&part.extra)?,
        ])?;
    effects.totals[3] += schema::signed(part.size)?;
    settled(connection, draft.file())?;
    effects.drafts.push(draft);
    Ok(())
}

/// What completing needs to know beside the upload itself.
pub(super) struct Completion {
    pub(super) key: String,
    pub(super) upload: String,
    pub(super) version: String,
    pub(super) named: Vec<PartTag>,
    pub(super) options: CompleteOptions,
    pub(super) locks: Vec<LockRule>,
    /// Smallest part but the last, in bytes.
    pub(super) min_part: u64,
}

/// Makes an object of an upload's parts.
pub(super) fn complete(
    connection: &Connection,
    effects: &mut Effects,
    completion: Completion,
) -> Result<Object> {
    let Completion { key, upload, version, named, options, locks, min_part } = completion;
    let (begun, meta) = open_upload(connection, &key, &upload)?;
    let uploaded: BTreeMap<u32, PartFile> = parts(connection, &upload, 0, usize::MAX >> 1)?
        .into_iter()
        .map(|found| (found.0.number, found))
        .collect();
    let (chosen, rest) = choose(uploaded, &named, options.equal_sizes, min_part)?;
    let size = chosen.iter().map(|(part, _)| part.size).sum::<u64>();
    if size > MAX_OBJECT_BYTES {
        return Err(R2Error::EntityTooLarge);
    }
    let mut extra = meta.extra;
    extra.extend(options.extra);
    let mut object = Object {
        key,
        version,
        size,
        etag: etag(&chosen),
        uploaded: schema::now(),
        http: meta.http,
        custom: meta.custom,
        checksums: meta.checksums,
        storage_class: begun.storage_class,
        customer_key_md5: meta.customer_key_md5,
        extra,
        parts: u32::try_from(chosen.len()).ok(),
    };
    replace(connection, effects, &mut object, &options.only_if, &locks)?;
    let id = insert(connection, effects, &object, Place::Segments)?;
    let mut start = 0;
    let mut segment = connection.prepare_cached(
        "INSERT INTO segments (object, position, file, start, size) VALUES (?, ?, ?, ?, ?)",
    )?;
    for (position, (part, file)) in chosen.iter().enumerate() {
        let position = schema::signed(position as u64)?;
        segment.execute(params![id, position, file, schema::signed(start)?, schema::signed(part.size)?])?;
        start += part.size;
    }
    drop(segment);
    finish_upload(connection, effects, &upload)?;
    effects.garbage.extend(rest.into_iter().map(|file| Garbage { version: file.clone(), files: vec![file] }));
    Ok(object)
}

/// Drops an upload and its parts.
pub(super) fn abort(connection: &Connection, effects: &mut Effects, key: &str, id: &str) -> Result<()> {
    let (_, _, under_way) = upload(connection, key, id)?;
    if under_way {
        let files: Vec<String> =
            parts(connection, id, 0, usize::MAX >> 1)?.into_iter().map(|(_, file)| file).collect();
        finish_upload(connection, effects, id)?;
        effects
            .garbage
            .extend(files.into_iter().map(|file| Garbage { version: file.clone(), files: vec![file] }));
    }
    Ok(())
}

/// Ends an upload and forgets its parts, though not their files.
fn finish_upload(connection: &Connection, effects: &mut Effects, id: &str) -> Result<()> {
    let bytes: i64 = connection
        .prepare_cached("SELECT coalesce(sum(size), 0) FROM parts WHERE upload = ?")?
        .query_row([id], |row| row.get(0))?;
    connection.prepare_cached("DELETE FROM parts WHERE upload = ?")?.execute([id])?;
    connection
        .prepare_cached("UPDATE uploads SET finished = ?, meta = '{}' WHERE id = ?")?
        .execute(params![schema::now().as_millisecond(), id])?;
    effects.totals[2] -= 1;
    effects.totals[3] -= bytes;
    Ok(())
}

/// Forgets uploads that ended before a time, in milliseconds.
pub(super) fn forget_uploads(connection: &Connection, before: i64) -> Result<()> {
    connection.prepare_cached("DELETE FROM uploads WHERE finished < ?")?.execute([before])?;
    Ok(())
}

/// A part, and its file.
type PartFile = (Part, String);

/// The parts that are named, by number, and the files of those that are not.
fn choose(
    mut uploaded: BTreeMap<u32, PartFile>,
    named: &[PartTag],
    equal_sizes: bool,
    min_part: u64,
) -> Result<(Vec<PartFile>, Vec<String>)> {
    let mut numbers = HashSet::new();
    if named.is_empty() || !named.iter().all(|tag| numbers.insert(tag.number)) {
        return Err(R2Error::BadUpload);
    }
    let mut chosen = Vec::with_capacity(named.len());
    for tag in named {
        match uploaded.remove(&tag.number) {
            Some(found) if found.0.etag == tag.etag => chosen.push(found),
            _ => return Err(R2Error::InvalidPart),
        }
    }
    chosen.sort_by_key(|(part, _)| part.number);
    let Some(((last, _), others)) = chosen.split_last() else { return Err(R2Error::BadUpload) };
    if others.iter().any(|(part, _)| part.size < min_part) {
        return Err(R2Error::EntityTooSmall);
    }
    if let (true, Some((first, _))) = (equal_sizes, others.first()) {
        let differs = others.iter().any(|(part, _)| part.size != first.size);
        if differs || last.size > first.size {
            return Err(R2Error::BadUpload);
        }
    }
    Ok((chosen, uploaded.into_values().map(|(_, file)| file).collect()))
}

/// The etag of an object made of parts: the MD5 of their MD5s, and how many they are.
fn etag(parts: &[PartFile]) -> String {
    let mut digest = Md5::new();
    for (part, _) in parts {
        digest.update(hex::decode(&part.etag).unwrap_or_default());
    }
    format!("{}-{}", hex::encode(digest.finalize()), parts.len())
}

/// Moves an object that still is `version` to another class.
pub(super) fn set_class(
    connection: &Connection,
    effects: &mut Effects,
    key: &str,
    version: &str,
    class: StorageClass,
) -> Result<()> {
    connection
        .prepare_cached("UPDATE objects SET class = ? WHERE key = ? AND version = ?")?
        .execute(params![class as i64, key.as_bytes(), version])?;
    effects.changed.push(key.to_owned());
    Ok(())
}
