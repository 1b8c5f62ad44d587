// Every method of an R2 binding and every error of it, as a list of named cases. `/all` runs them and answers what each
// came to; `/<name>` runs one, `/` none. What differs from run to run (times, versions, ids) is replaced by its type.

const MIB = 1024 * 1024;

const bytes = (length, seed = 0) => {
  const filled = new Uint8Array(length);
  for (let i = 0; i < length; i++) filled[i] = (i * 31 + seed) % 251;
  return filled;
};

const hex = (buffer) => [...new Uint8Array(buffer)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
const sha256 = async (buffer) => hex(await crypto.subtle.digest("SHA-256", buffer));

function head(object) {
  if (object === null) return null;
  return {
    key: object.key,
    size: object.size,
    etag: object.etag,
    httpEtag: object.httpEtag,
    version: typeof object.version === "string" && object.version.length === 32,
    uploaded: Math.abs(Date.now() - object.uploaded.getTime()) < 600_000,
    httpMetadata: object.httpMetadata,
    customMetadata: object.customMetadata,
    range: object.range,
    checksums: object.checksums.toJSON(),
    storageClass: object.storageClass,
    ssecKeyMd5: object.ssecKeyMd5,
  };
}

async function whole(object) {
  if (object === null) return null;
  if (!("body" in object)) return { ...head(object), body: "none" };
  return { ...head(object), text: await object.text() };
}

const listed = (page) => ({
  keys: page.objects.map((object) => object.key),
  prefixes: page.delimitedPrefixes,
  truncated: page.truncated,
  cursor: typeof page.cursor,
});

async function failure(promise) {
  try {
    const value = await promise;
    return { resolved: value?.uploaded ? head(value) : typeof value };
  } catch (error) {
    return `${error.name}: ${error.message}`;
  }
}

const key = () => "f".repeat(64);

const cases = {
  async put_get_head(r2) {
    const put = await r2.put("k", "hello", {
      httpMetadata: {
        contentType: "text/plain; charset=utf-8",
        contentLanguage: "de",
        contentDisposition: "inline",
        contentEncoding: "identity",
        cacheControl: "max-age=60",
        cacheExpiry: new Date(1_900_000_000_000),
      },
      customMetadata: { a: "1", umlaut: "ü", empty: "" },
    });
    const headers = new Headers();
    const got = await r2.get("k");
    got.writeHttpMetadata(headers);
    return { put: head(put), head: head(await r2.head("k")), get: await whole(got), headers: [...headers] };
  },

  async values_of_every_kind(r2) {
    const stream = new FixedLengthStream(6);
    const writer = stream.writable.getWriter();
    const written = writer.write(new TextEncoder().encode("stream")).then(() => writer.close());
    const results = [
      await r2.put("string", "ü"),
      await r2.put("buffer", bytes(3).buffer),
      await r2.put("view", bytes(10).subarray(2, 5)),
      await r2.put("null", null),
      await r2.put("blob", new Blob(["blob"], { type: "text/x" })),
      await r2.put("stream", stream.readable),
      await r2.put("response", new Response("response").body),
    ];
    await written;
    const sizes = results.map((object) => [object.key, object.size, object.etag]);
    const blob = await r2.get("blob");
    return { sizes, arrayBuffer: hex(await (await r2.get("view")).arrayBuffer()), blobType: (await blob.blob()).type };
  },

  async a_header_becomes_http_metadata(r2) {
    const httpMetadata = new Headers({ "content-type": "image/png", "cache-control": "no-store", "x-other": "1" });
    return head(await r2.put("k", "x", { httpMetadata }));
  },

  async what_is_not_there(r2) {
    return { head: await r2.head("absent"), get: await r2.get("absent"), delete: (await r2.delete("absent")) ?? "undefined" };
  },

  async strange_keys(r2) {
    const keys = ["a b", "ä/ö", "a//b", "/", "..", "../x", "a?b#c%2F", "🚀", "\u0001", '"\\', "\u0000x", "k".repeat(1024)];
    const out = {};
    for (const name of keys) {
      await r2.put(name, name);
      const got = await r2.get(name);
      out[JSON.stringify(name).slice(0, 30)] = got !== null && got.key === name && (await got.text()) === name;
    }
    const all = await r2.list();
    out.listed = all.objects.map((object) => object.key).filter((name) => keys.includes(name)).length;
    out.order = all.objects.map((object) => object.key.slice(0, 10));
    return out;
  },

  async ranges(r2) {
    await r2.put("k", "0123456789");
    const out = {};
    for (const range of [
      { offset: 2 }, { offset: 2, length: 3 }, { length: 4 }, { suffix: 3 }, { suffix: 100 }, { offset: 8, length: 100 }, {},
    ]) {
      const got = await r2.get("k", { range });
      out[JSON.stringify(range)] = [got.range, got.size, await got.text()];
    }
    for (const header of ["bytes=2-4", "bytes=7-", "bytes=-2", "bytes=0-0,2-3", "bytes=x", "bytes=5-99"]) {
      const got = await r2.get("k", { range: new Headers({ range: header }) });
      out[header] = [got.range, await got.text()];
    }
    return out;
  },

  async bad_ranges(r2) {
    await r2.put("k", "0123456789");
    const out = {};
    for (const range of [{ offset: 10 }, { offset: 11 }, { offset: 2, length: 0 }, { suffix: 0 }, { offset: -1 }, { suffix: 1, offset: 1 }]) {
      out[JSON.stringify(range)] = await failure(r2.get("k", { range }));
    }
    return out;
  },

  async an_unsatisfiable_range_header(r2) {
    await r2.put("k", "0123456789");
    return failure(r2.get("k", { range: new Headers({ range: "bytes=10-12" }) }));
  },

  async conditional_get(r2) {
    const { etag, uploaded } = await r2.put("k", "x");
    const before = new Date(uploaded.getTime() - 60_000);
    const after = new Date(uploaded.getTime() + 60_000);
    const out = {};
    for (const [name, onlyIf] of Object.entries({
      matches: { etagMatches: etag },
      matches_not: { etagMatches: "other" },
      wildcard: { etagMatches: "*" },
      differs: { etagDoesNotMatch: "other" },
      differs_not: { etagDoesNotMatch: etag },
      before: { uploadedBefore: after },
      before_not: { uploadedBefore: before },
      after: { uploadedAfter: before },
      after_not: { uploadedAfter: after },
      both: { etagMatches: etag, uploadedBefore: before },
      if_match: new Headers({ "if-match": `"${etag}"` }),
      if_none_match: new Headers({ "if-none-match": `"x", W/"${etag}"` }),
      if_modified_since: new Headers({ "if-modified-since": after.toUTCString() }),
      if_unmodified_since: new Headers({ "if-unmodified-since": before.toUTCString() }),
    })) {
      const got = await r2.get("k", { onlyIf });
      out[name] = "body" in got ? await got.text() : ["no body", got.key, got.etag === etag];
    }
    out.absent = await r2.get("absent", { onlyIf: { etagMatches: "x" } });
    return out;
  },

  async conditional_put(r2) {
    const first = await r2.put("k", "first", { onlyIf: { etagDoesNotMatch: "*" } });
    const again = await r2.put("k", "again", { onlyIf: { etagDoesNotMatch: "*" } });
    const wrong = await r2.put("k", "wrong", { onlyIf: { etagMatches: "other" } });
    const right = await r2.put("k", "right", { onlyIf: { etagMatches: first.etag } });
    const absent = await r2.put("absent", "x", { onlyIf: { etagMatches: "*" } });
    const header = await r2.put("k", "x", { onlyIf: new Headers({ "if-none-match": "*" }) });
    return { first: head(first).key, again, wrong, right: head(right).key, absent, header, now: await (await r2.get("k")).text() };
  },

  async one_of_many_creates_a_key(r2) {
    const puts = Array.from({ length: 40 }, (_, number) => r2.put("race", `${number}`, { onlyIf: { etagDoesNotMatch: "*" } }));
    const won = (await Promise.all(puts)).filter((object) => object !== null).length;
    return { won };
  },

  async checksums(r2) {
    const value = "The quick brown fox jumps over the lazy dog";
    const data = new TextEncoder().encode(value);
    const out = {};
    const md5 = await crypto.subtle.digest("MD5", data);
    out.md5 = head(await r2.put("k", value, { md5 })).checksums;
    out.md5hex = head(await r2.put("k", value, { md5: hex(md5) })).checksums;
    for (const [name, algorithm] of [["sha1", "SHA-1"], ["sha256", "SHA-256"], ["sha384", "SHA-384"], ["sha512", "SHA-512"]]) {
      const digest = await crypto.subtle.digest(algorithm, data);
      out[name] = head(await r2.put("k", value, { [name]: digest })).checksums;
    }
    out.got = head(await r2.head("k")).checksums;
    return out;
  },

  async wrong_checksums(r2) {
    await r2.put("k", "before");
    const out = {};
    for (const [name, length] of [["md5", 16], ["sha1", 20], ["sha256", 32], ["sha384", 48], ["sha512", 64]]) {
      out[name] = await failure(r2.put("k", "value", { [name]: new Uint8Array(length) }));
    }
    out.large = await failure(r2.put("k", bytes(2 * MIB), { md5: new Uint8Array(16) }));
    out.malformed = await failure(r2.put("k", "value", { md5: "00" }));
    out.two = await failure(r2.put("k", "value", { md5: new Uint8Array(16), sha1: new Uint8Array(20) }));
    out.now = await (await r2.get("k")).text();
    return out;
  },

  async limits(r2) {
    const long = "k".repeat(1025);
    const multibyte = "ü".repeat(513);
    const out = { head: await failure(r2.head(long)), get: await failure(r2.get(long)), put: await failure(r2.put(long, "x")) };
    out.multibyte = await failure(r2.put(multibyte, "x"));
    out.delete = await failure(r2.delete([long]));
    out.create = await failure(r2.createMultipartUpload(long));
    out.metadata = await failure(r2.put("k", "x", { customMetadata: { a: "v".repeat(8192) } }));
    out.metadata_wide = await failure(r2.put("k", "x", { customMetadata: { a: "中".repeat(4096) } }));
    out.metadata_most = (await r2.put("k", "x", { customMetadata: { a: "v".repeat(8191) } })).customMetadata.a.length;
    out.large_and_refused = await failure(r2.put(long, bytes(3 * MIB)));
    out.limit_0 = await failure(r2.list({ limit: 0 }));
    out.limit_1001 = await failure(r2.list({ limit: 1001 }));
    out.unknown_length = await failure(r2.put("k", new ReadableStream({ start: (it) => it.close() })));
    return out;
  },

  async an_empty_key(r2) {
    return { put: await failure(r2.put("", "x")), get: await failure(r2.get("")) };
  },

  async a_bad_cursor(r2) {
    return failure(r2.list({ cursor: "next-cursor!" }));
  },

  async delete_one_and_many(r2) {
    for (const name of ["a", "b", "c", "d"]) await r2.put(name, name);
    await r2.delete("a");
    await r2.delete(["b", "c", "absent"]);
    const left = (await r2.list()).objects.map((object) => object.key);
    await r2.delete([]);
    return { left };
  },

  async lists(r2) {
    for (const name of ["a", "a/1", "a/2", "a/b/1", "a/b/2", "b", "b/1", "c", "ä", "é/1", "中"]) {
      await r2.put(name, name, { customMetadata: { name }, httpMetadata: { contentType: "x/y" } });
    }
    const out = {};
    for (const options of [
      {}, { prefix: "a" }, { prefix: "a/" }, { delimiter: "/" }, { prefix: "a/", delimiter: "/" }, { startAfter: "a/2" },
      { startAfter: "a/2", prefix: "b" }, { limit: 3 }, { limit: 2, delimiter: "/" }, { prefix: "zzz" }, { delimiter: "b/" },
      { delimiter: "" }, { prefix: "é" },
    ]) {
      out[JSON.stringify(options)] = listed(await r2.list(options));
    }
    const pages = [];
    let cursor;
    do {
      const page = await r2.list({ limit: 2, delimiter: "/", cursor });
      pages.push([page.objects.map((object) => object.key), page.delimitedPrefixes]);
      cursor = page.truncated ? page.cursor : undefined;
    } while (cursor);
    out.pages = pages;
    return out;
  },

  async list_includes(r2) {
    await r2.put("k", "x", { customMetadata: { a: "b" }, httpMetadata: { contentType: "x/y" } });
    const out = {};
    for (const include of [undefined, [], ["httpMetadata"], ["customMetadata"], ["httpMetadata", "customMetadata"]]) {
      const [object] = (await r2.list({ include })).objects;
      out[JSON.stringify(include) ?? "none"] = [object.httpMetadata ?? "none", object.customMetadata ?? "none", object.range ?? "none"];
    }
    return out;
  },

  async a_page_ends_at_what_fits(r2) {
    const metadata = { a: "v".repeat(8000) };
    for (let i = 0; i < 160; i++) await r2.put(`k${String(i).padStart(3, "0")}`, "", { customMetadata: metadata });
    let [count, pages, cursor] = [0, 0, undefined];
    do {
      const page = await r2.list({ include: ["customMetadata"], cursor });
      count += page.objects.length;
      pages += 1;
      cursor = page.truncated ? page.cursor : undefined;
    } while (cursor);
    return { count, several: pages > 1 };
  },

  async multipart(r2) {
    const upload = await r2.createMultipartUpload("mp", { customMetadata: { a: "b" }, httpMetadata: { contentType: "x/y" } });
    const sizes = [5 * MIB, 5 * MIB, 1000];
    const parts = [];
    for (const number of [2, 1, 3]) parts.push(await upload.uploadPart(number, bytes(sizes[number - 1], number)));
    const replaced = await r2.resumeMultipartUpload("mp", upload.uploadId).uploadPart(3, bytes(1000, 9));
    const completed = await upload.complete([parts[1], parts[0], replaced]);
    const got = await r2.get("mp");
    const expected = new Uint8Array(10 * MIB + 1000);
    expected.set(bytes(5 * MIB, 1), 0);
    expected.set(bytes(5 * MIB, 2), 5 * MIB);
    expected.set(bytes(1000, 9), 10 * MIB);
    const same = (await sha256(await got.arrayBuffer())) === (await sha256(expected));
    const across = await r2.get("mp", { range: { offset: 5 * MIB - 2, length: 4 } });
    return {
      key: upload.key, id: typeof upload.uploadId, parts: parts.map((part) => part.partNumber), completed: head(completed), same,
      across: hex(await across.arrayBuffer()) === hex(expected.slice(5 * MIB - 2, 5 * MIB + 2)), head: head(await r2.head("mp")),
    };
  },

  async multipart_errors(r2) {
    const out = {};
    const upload = await r2.createMultipartUpload("k");
    const small = await upload.uploadPart(1, bytes(1000));
    const large = await upload.uploadPart(2, bytes(5 * MIB));
    const larger = await upload.uploadPart(3, bytes(5 * MIB + 1));
    const last = await upload.uploadPart(4, bytes(10));
    out.too_small = await failure(upload.complete([small, last]));
    out.unequal = await failure(upload.complete([large, larger, last]));
    out.last_larger = await failure(upload.complete([large, larger]));
    out.wrong_etag = await failure(upload.complete([{ partNumber: 2, etag: "0".repeat(32) }]));
    out.unknown_part = await failure(upload.complete([{ partNumber: 9, etag: large.etag }]));
    out.not_visible = await r2.head("k");
    const completed = await upload.complete([large, last]);
    out.completed = completed.size;
    out.part_after = await failure(upload.uploadPart(1, "x"));
    out.complete_after = await failure(upload.complete([large, last]));
    out.abort_after = await failure(upload.abort());
    const aborted = await r2.createMultipartUpload("aborted");
    await aborted.uploadPart(1, "x");
    await aborted.abort();
    out.part_aborted = await failure(aborted.uploadPart(1, "x"));
    out.part_unknown = await failure(r2.resumeMultipartUpload("k", "unknown").uploadPart(1, "x"));
    return out;
  },

  async multipart_numbers(r2) {
    const upload = await r2.createMultipartUpload("k");
    return { zero: await failure(upload.uploadPart(0, "x")), most: (await upload.uploadPart(10000, "x")).partNumber, over: await failure(upload.uploadPart(10001, "x")) };
  },

  async multipart_bad_completions(r2) {
    const upload = await r2.createMultipartUpload("k");
    const part = await upload.uploadPart(1, bytes(5 * MIB));
    const empty = await r2.createMultipartUpload("k");
    const unknown = r2.resumeMultipartUpload("k", "unknown");
    return {
      none: await failure(empty.complete([])),
      twice: await failure(upload.complete([part, part])),
      complete_unknown: await failure(unknown.complete([part])),
      abort_unknown: await failure(unknown.abort()),
    };
  },

  async a_stream_of_48_mib(r2) {
    const total = 48 * MIB;
    const piece = bytes(256 * 1024);
    const { readable, writable } = new FixedLengthStream(total);
    const digest = new crypto.DigestStream("MD5");
    const digester = digest.getWriter();
    const pump = (async () => {
      const writer = writable.getWriter();
      for (let sent = 0; sent < total; sent += piece.length) {
        await writer.write(piece);
        await digester.write(piece);
      }
      await writer.close();
      await digester.close();
    })();
    const put = await r2.put("large", readable);
    await pump;
    let [size, reader] = [0, (await r2.get("large")).body.getReader()];
    for (let { done, value } = await reader.read(); !done; { done, value } = await reader.read()) size += value.length;
    return { put: put.size, etag: put.etag === hex(await digest.digest), size };
  },

  async a_body_that_nobody_reads(r2) {
    await r2.put("large", bytes(8 * MIB));
    const got = await r2.get("large");
    await got.body.cancel();
    await r2.put("large", "new");
    return (await r2.get("large")).text();
  },

  async storage_classes(r2) {
    const put = await r2.put("k", "x", { storageClass: "InfrequentAccess" });
    const wrong = await failure(r2.put("k", "x", { storageClass: "Glacier" }));
    const default_ = await r2.put("d", "x");
    const upload = await r2.createMultipartUpload("m", { storageClass: "InfrequentAccess" });
    const completed = await upload.complete([await upload.uploadPart(1, "x")]);
    return { put: put.storageClass, wrong, default: default_.storageClass, completed: completed.storageClass };
  },

  async ssec(r2) {
    const ssecKey = key();
    const put = await r2.put("k", "a secret", { ssecKey });
    const upload = await r2.createMultipartUpload("m", { ssecKey });
    const part = await upload.uploadPart(1, bytes(100_000), { ssecKey });
    const without = await failure(upload.uploadPart(2, "x"));
    await upload.complete([part]);
    return {
      put: typeof put.ssecKeyMd5,
      head: typeof (await r2.head("k")).ssecKeyMd5,
      get: await (await r2.get("k", { ssecKey })).text(),
      range: await (await r2.get("k", { ssecKey, range: { offset: 2, length: 3 } })).text(),
      multipart: (await (await r2.get("m", { ssecKey })).arrayBuffer()).byteLength,
      none: await failure(r2.get("k")),
      wrong: await failure(r2.get("k", { ssecKey: "0".repeat(64) })),
      malformed: await failure(r2.put("k", "x", { ssecKey: "00" })),
      part_without: without,
    };
  },
};

async function clear(r2) {
  for (;;) {
    const page = await r2.list();
    if (page.objects.length === 0) return;
    await r2.delete(page.objects.map((object) => object.key));
  }
}

export default {
  async fetch(request, env) {
    const name = new URL(request.url).pathname.slice(1);
    const out = {};
    for (const [title, run] of Object.entries(cases)) {
      if (name !== "all" && name !== title) continue;
      await clear(env.BUCKET);
      try {
        out[title] = await run(env.BUCKET);
      } catch (error) {
        out[title] = `threw ${error.name}: ${error.message}`;
      }
    }
    await clear(env.BUCKET);
    return Response.json(out);
  },
};
