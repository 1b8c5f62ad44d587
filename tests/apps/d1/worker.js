// Every method of D1 and every kind of error. `/` runs all cases in their order and answers `{name: outcome}`: the same
// worker runs on `wrangler dev`, and the two are compared. `/<name>` runs one.

const HOSTILE = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";

// What two servers cannot agree on: times and names.
function plain(value) {
  return JSON.parse(
    JSON.stringify(value, (key, inner) =>
      ["duration", "timings", "served_by", "served_by_region", "served_by_colo", "total_attempts"].includes(key) ? typeof inner : inner,
    ) ?? "null",
  );
}

const cases = {
  // exec
  "exec creates": (db) => db.exec("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT UNIQUE, age INTEGER)"),
  "exec several lines": (db) =>
    db.exec("CREATE TABLE posts (id INTEGER PRIMARY KEY, author INTEGER REFERENCES users(id), body TEXT)\nCREATE INDEX posts_author ON posts (author)"),
  "exec several on a line": (db) => db.exec("INSERT INTO users VALUES (90, 'x', 1); INSERT INTO users VALUES (91, 'y', 2)"),
  "exec fails": (db) => db.exec("SELECT 1\nSELEC 2"),
  "exec empty": (db) => db.exec(""),
  "exec comment": (db) => db.exec("-- nothing"),
  // run and meta
  "run insert": (db) => db.prepare("INSERT INTO users (name, age) VALUES (?, ?)").bind("Ada", 36).run(),
  "run insert again": (db) => db.prepare("INSERT INTO users (name, age) VALUES (?1, ?2)").bind("Grace", 45).run(),
  "run update": (db) => db.prepare("UPDATE users SET age = age + 1 WHERE name = ?").bind("Ada").run(),
  "run update of an indexed column": (db) => db.prepare("UPDATE users SET name = ? WHERE name = ?").bind("Ada L", "Ada").run(),
  "run update of nothing": (db) => db.prepare("UPDATE users SET age = 1 WHERE id = 12345").run(),
  "run delete": (db) => db.prepare("DELETE FROM users WHERE id IN (90, 91)").run(),
  "run select": (db) => db.prepare("SELECT 1 AS one").run(),
  "run insert returning": (db) => db.prepare("INSERT INTO posts (author, body) VALUES (92, 'hello') RETURNING id, body").run(),
  "run insert select": (db) =>
    db.prepare("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50) INSERT INTO posts (author, body) SELECT 92, 'body ' || i FROM n").run(),
  "run create table": (db) => db.prepare("CREATE TABLE plain (a, b)").run(),
  "run create index": (db) => db.prepare("CREATE INDEX plain_a ON plain (a)").run(),
  "run drop table": (db) => db.prepare("DROP TABLE plain").run(),
  // reads
  "all": (db) => db.prepare("SELECT * FROM users ORDER BY id").all(),
  "all by key": (db) => db.prepare("SELECT * FROM users WHERE id = ?").bind(92).all(),
  "all by index": (db) => db.prepare("SELECT * FROM posts WHERE author = ? LIMIT 2").bind(92).all(),
  "all of an index": (db) => db.prepare("SELECT count(*) AS n FROM posts WHERE author = ?").bind(92).all(),
  "all by scan": (db) => db.prepare("SELECT id FROM posts WHERE body = 'body 7'").all(),
  "all joined": (db) => db.prepare("SELECT u.name, p.body FROM posts p JOIN users u ON u.id = p.author WHERE p.id < 4").all(),
  "all sorted": (db) => db.prepare("SELECT id, body FROM posts ORDER BY body LIMIT 3").all(),
  "all without rows": (db) => db.prepare("SELECT * FROM users WHERE id = 0").all(),
  "all names a column twice": (db) => db.prepare("SELECT 1 AS a, 2 AS a").all(),
  "first": (db) => db.prepare("SELECT * FROM users WHERE name = ?").bind("Grace").first(),
  "first column": (db) => db.prepare("SELECT * FROM users WHERE name = ?").bind("Grace").first("age"),
  "first missing column": (db) => db.prepare("SELECT id FROM users").first("nope"),
  "first of nothing": (db) => db.prepare("SELECT id FROM users WHERE id = 0").first(),
  "first column of nothing": (db) => db.prepare("SELECT id FROM users WHERE id = 0").first("id"),
  "raw": (db) => db.prepare("SELECT id, name FROM users ORDER BY id").raw(),
  "raw with names": (db) => db.prepare("SELECT id, name FROM users ORDER BY id").raw({ columnNames: true }),
  "raw names without rows": (db) => db.prepare("SELECT id, name FROM users WHERE id = 0").raw({ columnNames: true }),
  // binding
  "bind kinds": (db) => db.prepare("SELECT ? AS a, ? AS b, ? AS c, ? AS d, ? AS e").bind(1, 1.5, "ü€😀", null, true).first(),
  "bind types": (db) =>
    db.prepare("SELECT typeof(?) AS a, typeof(?) AS b, typeof(?) AS c, typeof(?) AS d, typeof(?) AS e, typeof(?) AS f")
      .bind(1, 1.5, "x", null, false, new Uint8Array([1])).first(),
  "bind whole float": (db) => db.prepare("SELECT typeof(?) AS t, ? AS v").bind(3.0, 3.0).first(),
  "bind blob": (db) => db.prepare("SELECT ? AS b, length(?) AS n").bind(new Uint8Array([0, 1, 255]).buffer, new Uint8Array([1, 2])).first(),
  "bind empty blob": (db) => db.prepare("SELECT ? AS b, typeof(?) AS t").bind(new Uint8Array(0), new Uint8Array(0)).first(),
  "bind big": (db) => db.prepare("SELECT ? AS a, typeof(?) AS t, ? AS c").bind(Number.MAX_SAFE_INTEGER, 2 ** 60, 1e300).first(),
  "bind not finite": (db) => db.prepare("SELECT ? AS a").bind(Infinity).first(),
  "bind undefined": (db) => db.prepare("SELECT ? AS a").bind(undefined).first(),
  "bind object": (db) => db.prepare("SELECT ? AS a").bind({}).first(),
  "bind bigint": (db) => db.prepare("SELECT ? AS a").bind(1n).first(),
  "bind too few": (db) => db.prepare("SELECT ? AS a, ? AS b").bind(1).first(),
  "bind too many": (db) => db.prepare("SELECT ? AS a").bind(1, 2).first(),
  "bind numbered": (db) => db.prepare("SELECT ?2 AS a, ?1 AS b").bind("one", "two").first(),
  "bind named": (db) => db.prepare("SELECT :a AS a").bind(1).first(),
  "bind a nul": (db) => db.prepare("SELECT length(?) AS n, ? AS s").bind("a\0b", "a\0b").first(),
  "bind hundred": (db) => db.prepare(`SELECT ${Array(100).fill("?").join("+")} AS n`).bind(...Array(100).fill(1)).first(),
  "bind hundred and one": (db) => db.prepare(`SELECT max(${Array(101).fill("?").join(",")}) AS n`).bind(...Array(101).fill(1)).first(),
  // values
  "big integer": (db) => db.prepare("SELECT 9223372036854775807 AS max, -9223372036854775808 AS min, 9007199254740993 AS odd").first(),
  "real": (db) => db.prepare("SELECT 0.1 AS a, 1e100 AS b, -0.0 AS c, 1.0 AS d, 1e-7 AS e, 123456789012345680.0 AS f").first(),
  "infinity": (db) => db.prepare("SELECT 9e999 AS a, -9e999 AS b").first(),
  "blob": (db) => db.prepare("SELECT x'00ff10' AS b, zeroblob(3) AS z, x'' AS e").first(),
  "text": (db) => db.prepare("SELECT char(34, 92, 10, 9, 8232) AS a, '\u{1F600}' AS b").first(),
  "text with a nul": (db) => db.prepare("SELECT 'a' || char(0) || 'b' AS a").first(),
  "text that is not UTF-8": (db) => db.prepare("SELECT CAST(x'61ff62' AS TEXT) AS a").first(),
  // batch
  "batch": (db) =>
    db.batch([
      db.prepare("INSERT INTO users (name, age) VALUES ('Alan', 41)"),
      db.prepare("SELECT name FROM users ORDER BY id"),
      db.prepare("DELETE FROM users WHERE name = ?").bind("Alan"),
    ]),
  "batch rolls back": async (db) => {
    const before = await db.prepare("SELECT count(*) AS n FROM users").first("n");
    const error = await db
      .batch([db.prepare("INSERT INTO users (name) VALUES ('lost')"), db.prepare("INSERT INTO users (name) VALUES ('Grace')")])
      .catch((e) => e.message);
    return { error, same: before === (await db.prepare("SELECT count(*) AS n FROM users").first("n")) };
  },
  "batch of nothing": (db) => db.batch([]),
  // several statements in one
  "several statements": (db) => db.prepare("SELECT 1 AS a; SELECT 2 AS b").all(),
  "several with parameters": (db) => db.prepare("SELECT 1 AS a; SELECT ? AS b").bind(5).all(),
  "several with early parameters": (db) => db.prepare("SELECT ? AS a; SELECT 2 AS b").bind(5).all(),
  "trailing semicolon": (db) => db.prepare("SELECT 1 AS a;").all(),
  "trailing comment": (db) => db.prepare("SELECT 1 AS a; -- done").all(),
  "only a comment": (db) => db.prepare("-- nothing").all(),
  "empty": (db) => db.prepare("").all(),
  // errors
  "syntax error": (db) => db.prepare("SELEC 1").all(),
  "syntax error in the middle": (db) => db.prepare("SELECT * FROM users WHERE").all(),
  "no such table": (db) => db.prepare("SELECT * FROM nope").all(),
  "no such column": (db) => db.prepare("SELECT nope FROM users").all(),
  "no such function": (db) => db.prepare("SELECT nope(1)").all(),
  "unique": (db) => db.prepare("INSERT INTO users (name) VALUES ('Grace')").run(),
  "primary key": (db) => db.prepare("INSERT INTO users (id) VALUES (92)").run(),
  "foreign key": (db) => db.prepare("INSERT INTO posts (author) VALUES (777)").run(),
  "not null": (db) => db.batch([db.prepare("CREATE TABLE nn (a NOT NULL, b CHECK (b > 0))"), db.prepare("INSERT INTO nn VALUES (NULL, 1)")]),
  "check": (db) => db.batch([db.prepare("CREATE TABLE nn (a NOT NULL, b CHECK (b > 0))"), db.prepare("INSERT INTO nn VALUES (1, 0)")]),
  "datatype": (db) => db.prepare("INSERT INTO users (id) VALUES ('text')").run(),
  "table exists": (db) => db.prepare("CREATE TABLE users (id)").run(),
  "raise": (db) =>
    db.batch([
      db.prepare("CREATE TABLE guarded (a)"),
      db.prepare("CREATE TRIGGER guard BEFORE INSERT ON guarded BEGIN SELECT RAISE(ABORT, 'not this one'); END"),
      db.prepare("INSERT INTO guarded VALUES (1)"),
    ]),
  "abs overflow": (db) => db.prepare("SELECT abs(-9223372036854775808)").all(),
  "bad JSON": (db) => db.prepare("SELECT json('{')").all(),
  "begin": (db) => db.prepare("BEGIN").run(),
  "commit": (db) => db.prepare("COMMIT").run(),
  "savepoint": (db) => db.prepare("SAVEPOINT a").run(),
  "attach": (db) => db.prepare("ATTACH DATABASE '/tmp/other.db' AS other").run(),
  "attach memory": (db) => db.prepare("ATTACH ':memory:' AS other").run(),
  "detach": (db) => db.prepare("DETACH main").run(),
  "vacuum": (db) => db.prepare("VACUUM").run(),
  "vacuum into": (db) => db.prepare("VACUUM INTO '/tmp/copy.db'").run(),
  "load_extension": (db) => db.prepare("SELECT load_extension('/tmp/x.so')").all(),
  "readfile": (db) => db.prepare("SELECT readfile('/etc/passwd')").all(),
  "fts3_tokenizer": (db) => db.prepare("SELECT fts3_tokenizer('simple')").all(),
  "sqlite_version": (db) => db.prepare("SELECT sqlite_version()").all(),
  "sqlite_compileoption_used": (db) => db.prepare("SELECT sqlite_compileoption_used('X')").all(),
  "temporary table": (db) => db.prepare("CREATE TEMP TABLE t (a)").run(),
  "virtual table of another kind": (db) => db.prepare("CREATE VIRTUAL TABLE v USING dbstat").run(),
  "fts4": (db) => db.prepare("CREATE VIRTUAL TABLE v USING fts4(a)").run(),
  "reserved name": (db) => db.prepare("CREATE TABLE _cf_mine (a)").run(),
  "write to the schema": (db) => db.prepare("INSERT INTO sqlite_schema VALUES (1, 2, 3, 4, 5)").run(),
  "dbstat": (db) => db.prepare("SELECT * FROM dbstat").all(),
  // pragmas
  "pragma table_info": (db) => db.prepare("PRAGMA table_info(users)").all(),
  "pragma table_list": async (db) => (await db.prepare("PRAGMA table_list").all()).results.map((r) => r.name).filter((n) => !n.startsWith("_cf")).sort(),
  "pragma index_list": (db) => db.prepare("PRAGMA index_list('users')").raw(),
  "pragma foreign_key_list": (db) => db.prepare("PRAGMA foreign_key_list(posts)").raw(),
  "pragma foreign_keys": (db) => db.prepare("PRAGMA foreign_keys").first(),
  "pragma foreign_keys off": async (db) => {
    await db.prepare("PRAGMA foreign_keys = OFF").run();
    return db.prepare("PRAGMA foreign_keys").first();
  },
  "pragma defer_foreign_keys": (db) =>
    db.batch([db.prepare("PRAGMA defer_foreign_keys = on"), db.prepare("INSERT INTO posts (id, author) VALUES (500, 500)"), db.prepare("DELETE FROM posts WHERE id = 500")]).then((r) => r.length),
  "pragma quick_check": (db) => db.prepare("PRAGMA quick_check").raw(),
  "pragma integrity_check": (db) => db.prepare("PRAGMA integrity_check").raw(),
  "pragma journal_mode": (db) => db.prepare("PRAGMA journal_mode").raw(),
  "pragma journal_mode off": (db) => db.prepare("PRAGMA journal_mode = OFF").raw(),
  "pragma synchronous": (db) => db.prepare("PRAGMA synchronous = OFF").raw(),
  "pragma page_size": (db) => db.prepare("PRAGMA page_size").raw(),
  "pragma page_count": (db) => db.prepare("PRAGMA page_count").raw(),
  "pragma cache_size": (db) => db.prepare("PRAGMA cache_size = 1000000").raw(),
  "pragma writable_schema": (db) => db.prepare("PRAGMA writable_schema = ON").raw(),
  "pragma temp_store_directory": (db) => db.prepare("PRAGMA temp_store_directory = '/tmp'").raw(),
  "pragma database_list": (db) => db.prepare("PRAGMA database_list").raw(),
  "pragma optimize": (db) => db.prepare("PRAGMA optimize").raw(),
  "pragma function": (db) => db.prepare("SELECT name FROM pragma_table_info('users')").raw(),
  "pragma page_count function": (db) => db.prepare("SELECT * FROM pragma_page_count").raw(),
  // functions
  "json": (db) => db.prepare("SELECT json_extract('{\"a\":[1,2,{\"b\":3}]}', '$.a[2].b') AS a, '{\"x\":5}' ->> 'x' AS b, json_group_array(value) AS c FROM json_each('[1,2]')").first(),
  "fts5": async (db) => {
    await db.exec("CREATE VIRTUAL TABLE docs USING fts5(title, body)");
    await db.batch(["one fish", "two fish", "red bird"].map((body, i) => db.prepare("INSERT INTO docs VALUES (?, ?)").bind(`t${i}`, body)));
    return db.prepare("SELECT title, highlight(docs, 1, '[', ']') AS h FROM docs WHERE docs MATCH 'fish' ORDER BY bm25(docs), title").raw();
  },
  "rtree": async (db) => {
    await db.exec("CREATE VIRTUAL TABLE boxes USING rtree(id, x0, x1)");
    await db.exec("INSERT INTO boxes VALUES (1, 0, 10), (2, 20, 30)");
    return db.prepare("SELECT id FROM boxes WHERE x1 >= 5 AND x0 <= 6").raw();
  },
  "mathematics": (db) => db.prepare("SELECT pow(2, 10) AS a, sqrt(16) AS b, floor(1.5) AS c, ln(1) AS d, pi() > 3 AS e, mod(7, 4) AS f").first(),
  "dates": (db) => db.prepare("SELECT strftime('%Y', 0, 'unixepoch') AS a, date('2024-02-28', '+1 day') AS b").first(),
  "windows": (db) => db.prepare("SELECT row_number() OVER (ORDER BY id) AS n FROM users").raw(),
  "like": (db) => db.prepare("SELECT 'abc' LIKE 'A%' AS a, 'abc' GLOB 'a*' AS b, 'a' REGEXP 'a' AS c").first(),
  "generated columns": (db) => db.exec("CREATE TABLE gen (a INTEGER, b INTEGER GENERATED ALWAYS AS (a * 2) STORED)"),
  "without rowid": (db) => db.batch([db.prepare("CREATE TABLE wr (a PRIMARY KEY, b) WITHOUT ROWID"), db.prepare("INSERT INTO wr VALUES (1, 2)"), db.prepare("SELECT * FROM wr")]),
  "strict": (db) => db.batch([db.prepare("CREATE TABLE st (a INTEGER) STRICT"), db.prepare("INSERT INTO st VALUES ('x')")]),
  "upsert": (db) => db.prepare("INSERT INTO users (id, name, age) VALUES (92, 'z', 1) ON CONFLICT (id) DO UPDATE SET age = 99 RETURNING age").all(),
  "explain": async (db) => (await db.prepare("EXPLAIN QUERY PLAN SELECT * FROM users WHERE id = 1").all()).results.length,
  "view and trigger": async (db) => {
    await db.exec("CREATE VIEW adults AS SELECT * FROM users WHERE age > 18");
    await db.prepare("CREATE TRIGGER grow AFTER INSERT ON users BEGIN UPDATE users SET age = 77 WHERE id = NEW.id; END").run();
    const run = await db.prepare("INSERT INTO users (name) VALUES ('Triggered')").run();
    const row = await db.prepare("SELECT name, age FROM adults WHERE name = 'Triggered'").first();
    await db.prepare("DROP TRIGGER grow").run();
    return { run, row };
  },
  "alter table": (db) => db.batch([db.prepare("ALTER TABLE users ADD COLUMN mail TEXT"), db.prepare("ALTER TABLE users RENAME COLUMN mail TO email"), db.prepare("ALTER TABLE users DROP COLUMN email")]),
  "double quoted string": (db) => db.prepare('SELECT "nope" AS a').all(),
  // limits
  "long statement": (db) => db.prepare(`SELECT '${"x".repeat(99_000)}' AS a`).first().then((row) => row.a.length),
  "too long statement": (db) => db.prepare(`SELECT '${"x".repeat(100_000)}' AS a`).first(),
  "a hundred columns": (db) => db.prepare(`CREATE TABLE wide (${Array.from({ length: 100 }, (_, i) => `c${i}`).join(", ")})`).run().then((r) => r.success),
  "too many columns": (db) => db.prepare(`CREATE TABLE wider (${Array.from({ length: 101 }, (_, i) => `c${i}`).join(", ")})`).run(),
  "too deep": (db) => db.prepare(`SELECT ${"(".repeat(101)}1${")".repeat(101)}`).all(),
  "too deep an expression": (db) => db.prepare(`SELECT ${Array(120).fill("1").join("+")}`).all(),
  "too many compounds": (db) => db.prepare(Array(6).fill("SELECT 1").join(" UNION ALL ")).all(),
  "too many arguments": (db) => db.prepare(`SELECT max(${Array(128).fill("1").join(",")})`).all(),
  "long pattern": (db) => db.prepare(`SELECT 'a' LIKE '${"%a".repeat(26)}'`).all(),
  "two million bytes": (db) => db.prepare("SELECT length(randomblob(1900000)) AS n").first(),
  "too big a blob": (db) => db.prepare("SELECT length(randomblob(5000000)) AS n").first(),
  "hostile zeroblob": (db) => db.prepare("SELECT hex(zeroblob(450000000))").all(),
  // sessions
  "session": async (db) => {
    const session = db.withSession("first-primary");
    const before = session.getBookmark();
    await session.prepare("INSERT INTO posts (author, body) VALUES (92, 'in a session')").run();
    const after = session.getBookmark();
    await session.prepare("INSERT INTO posts (author, body) VALUES (92, 'in a session')").run();
    const later = session.getBookmark();
    const next = db.withSession(later);
    const found = await next.prepare("SELECT count(*) AS n FROM posts WHERE body = 'in a session'").first("n");
    return { before, form: /^[0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{32}$/.test(after), grows: after.localeCompare(later) < 0, found, kept: next.getBookmark().localeCompare(later) >= 0 };
  },
  "session batch": async (db) => {
    const session = db.withSession();
    const results = await session.batch([session.prepare("SELECT 1 AS a")]);
    return { results: results[0].results, bookmark: typeof session.getBookmark() };
  },
  "session with a bad bookmark": (db) => db.withSession("nonsense").prepare("SELECT 1 AS a").first(),
  // dump
  "dump": async (db) => (await db.dump()).byteLength > 0,
};

const hostile = {
  "/endless": HOSTILE,
  "/zeroblob": "SELECT hex(zeroblob(450000000))",
  "/result": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) SELECT hex(randomblob(100000)) AS x FROM n",
  "/sort": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT zeroblob(500000) AS x FROM n ORDER BY i % 7",
};

async function outcome(run, db) {
  try {
    return plain(await run(db));
  } catch (error) {
    return { error: error.message, cause: error.cause?.message };
  }
}

export default {
  async fetch(request, env) {
    const path = decodeURIComponent(new URL(request.url).pathname);
    if (hostile[path]) {
      return Response.json(await outcome((db) => db.prepare(hostile[path]).all(), env.DB));
    }
    if (path === "/prepare") {
      await env.DB.exec("CREATE TABLE IF NOT EXISTS points (id INTEGER PRIMARY KEY, value INTEGER)");
      return Response.json(await outcome((db) => db.prepare("INSERT OR IGNORE INTO points WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) SELECT i, 0 FROM n").run(), env.DB));
    }
    if (path === "/read") {
      return Response.json(await outcome((db) => db.prepare("SELECT value FROM points WHERE id = ?").bind(7).first("value"), env.DB));
    }
    if (path === "/count") {
      const query = new URL(request.url).searchParams;
      return Response.json(
        await outcome((db) => db.prepare("UPDATE points SET value = value + 1 WHERE id = ? RETURNING value").bind(Number(query.get("id"))).first("value"), env.DB),
      );
    }
    const answers = {};
    for (const [name, run] of Object.entries(cases)) {
      if (path === "/" || path === `/${name}`) {
        answers[name] = await outcome(run, env.DB);
      }
    }
    return Response.json(answers);
  },
};
