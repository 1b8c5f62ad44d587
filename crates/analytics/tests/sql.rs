//! Queries of Cloudflare's documentation, and some that nobody should ask, against points that were written as a
//! binding writes them.

use axum::body::Body;
use hearth_analytics::{Analytics, Config, QueryError};
use hearth_model::AccountId;
use http::Request;
use serde_json::{Value, json};
use tempfile::TempDir;

struct Case {
    analytics: Analytics,
    account: AccountId,
    _folder: TempDir,
}

impl Case {
    /// Readings of four probes in the dataset `weather`.
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let analytics = Analytics::open(Config::new(folder.path().join("analytics"))).unwrap();
        let case = Self { analytics, account: AccountId::random(), _folder: folder };
        let points = json!([
            {"indexes": ["a"], "blobs": ["Berlin", "log_1"], "doubles": [10, 0.5]},
            {"indexes": ["a"], "blobs": ["Berlin", "LOG_2"], "doubles": [20, 0.25]},
            {"indexes": ["b"], "blobs": ["Oslo", "x: y"], "doubles": [-4, 1]},
            {"indexes": [null], "blobs": ["Zürich"], "doubles": [7.5]},
        ]);
        case.write(&case.account, "weather", points).await;
        case
    }

    async fn write(&self, account: &AccountId, dataset: &str, points: Value) {
        let request = Request::post("/").body(Body::from(points.to_string())).unwrap();
        assert_eq!(self.analytics.serve(account, dataset, request).await.status(), 204);
        self.analytics.settle().await;
    }

    async fn text(&self, sql: &str) -> Result<String, QueryError> {
        let answer = self.analytics.query(&self.account, sql.to_owned()).await?;
        Ok(String::from_utf8(answer.body().to_vec()).unwrap())
    }

    async fn ask(&self, sql: &str) -> Value {
        let text = self.text(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{sql}: {error}: {text}"))
    }

    /// The rows as arrays of their values.
    async fn rows(&self, sql: &str) -> Value {
        let answer = self.ask(sql).await;
        let columns = answer["meta"].as_array().unwrap();
        let rows = answer["data"].as_array().unwrap().iter();
        let name = |column: &Value| column["name"].as_str().unwrap().to_owned();
        rows.map(|row| columns.iter().map(|column| row[name(column)].clone()).collect::<Value>()).collect()
    }

    /// The one value of the one row.
    async fn value(&self, expression: &str) -> Value {
        self.rows(&format!("SELECT {expression} AS v")).await[0][0].clone()
    }

    async fn refusal(&self, sql: &str) -> String {
        match self.text(sql).await {
            Err(QueryError::Sql(error)) => error.to_string(),
            other => panic!("{sql}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn the_documentations_queries() {
    let case = Case::new().await;
    let hello = case.ask("SELECT 'Hello Workers Analytics Engine' AS message").await;
    assert_eq!(
        hello,
        json!({
            "meta": [{"name": "message", "type": "String"}],
            "data": [{"message": "Hello Workers Analytics Engine"}],
            "rows": 1, "rows_before_limit_at_least": 1,
        })
    );
    let tables = case.ask("SHOW TABLES").await;
    assert_eq!((&tables["data"], &tables["rows"]), (&json!([{"dataset": "weather"}]), &json!(1)));
    assert_eq!(case.text("show tables format TabSeparated").await.unwrap(), "weather\n");
    let zones = case.ask("SHOW TIMEZONES FORMAT JSON;").await;
    assert!(zones["rows"].as_u64().unwrap() > 300, "{}", zones["rows"]);
    assert_eq!(case.text("SHOW TIMEZONE FORMAT TabSeparated").await.unwrap(), "Etc/UTC\n");

    assert_eq!(case.text("SELECT 1 AS one FORMAT JSONEachRow;").await.unwrap(), "{\"one\":1}\n");

    let top = "SELECT blob1 AS city, SUM(_sample_interval * double2) / SUM(_sample_interval) AS avg_humidity
               FROM weather WHERE double1 > 0 GROUP BY city ORDER BY avg_humidity DESC LIMIT 10";
    assert_eq!(case.rows(top).await, json!([["Berlin", 0.375], ["Zürich", 0]]));

    let recent = "SELECT timestamp, blob1 AS location_id, double1 AS inside_temp, double2 AS outside_temp
                  FROM weather WHERE timestamp > NOW() - INTERVAL '1' DAY ORDER BY inside_temp";
    let answer = case.ask(recent).await;
    assert_eq!(answer["meta"][0], json!({"name": "timestamp", "type": "DateTime"}));
    assert_eq!((&answer["rows"], &answer["data"][0]["location_id"]), (&json!(4), &json!("Oslo")));
    assert_eq!(answer["data"][0]["timestamp"].as_str().unwrap().len(), 19);
    let old = case.rows("SELECT * FROM weather WHERE timestamp < NOW() - INTERVAL '1' MONTH").await;
    assert_eq!(old, json!([]));

    let readings = "SELECT index1 AS location_id, SUM(_sample_interval) AS n_readings FROM weather
                    WHERE timestamp > NOW() - INTERVAL '7' DAY GROUP BY index1 ORDER BY index1";
    assert_eq!(case.rows(readings).await, json!([["", "1"], ["a", "2"], ["b", "1"]]));

    let series = "SELECT intDiv(toUInt32(timestamp), 300) * 300 AS t, blob1 AS city,
                         SUM(_sample_interval * double2) / SUM(_sample_interval) AS avg_humidity
                  FROM weather WHERE timestamp >= NOW() - INTERVAL '1' DAY AND double1 > 0
                  GROUP BY t, city ORDER BY t, avg_humidity DESC";
    let answer = case.ask(series).await;
    assert_eq!(answer["meta"][0], json!({"name": "t", "type": "UInt64"}));
    let hourly =
        "SELECT toStartOfInterval(timestamp, INTERVAL '1' HOUR) AS hour, sum(_sample_interval) AS count
                  FROM weather GROUP BY hour ORDER BY hour ASC";
    assert!(case.rows(hourly).await[0][0].as_str().unwrap().ends_with(":00:00"));

    // An alias in WHERE, of the recipe for billing.
    let billing =
        "SELECT index1 AS customer_id, blob1 AS request_endpoint, sum(_sample_interval) AS usage_count
                   FROM weather WHERE customer_id = 'a' AND timestamp >= toDateTime('2023-03-01 00:00:00')
                   AND timestamp < toDateTime('2123-04-01 00:00:00') GROUP BY customer_id, request_endpoint";
    assert_eq!(case.rows(billing).await, json!([["a", "Berlin", "2"]]));

    let having = "SELECT blob1 AS city, avg(double1) AS avg_temp, count() AS readings FROM weather
                  GROUP BY city HAVING avg_temp > 5 AND readings >= 2";
    assert_eq!(case.rows(having).await, json!([["Berlin", 15, "2"]]));
    let nested = "SELECT max(num_readings) AS most, count() FROM
                  (SELECT blob1 AS probe_name, count() as num_readings FROM weather GROUP BY probe_name)";
    assert_eq!(case.rows(nested).await, json!([["2", "3"]]));
    assert_eq!(case.ask(nested).await["meta"][1], json!({"name": "count()", "type": "UInt64"}));
}

#[tokio::test]
async fn every_column_is_there_and_what_was_not_written_is_empty() {
    let case = Case::new().await;
    let answer = case.ask("SELECT * FROM weather WHERE blob1 = 'Zürich'").await;
    assert_eq!(answer["meta"].as_array().unwrap().len(), 44);
    let row = &answer["data"][0];
    for (column, expected) in [
        ("dataset", json!("weather")),
        ("_sample_interval", json!(1)),
        ("index1", json!("")),
        ("blob1", json!("Zürich")),
        ("blob20", json!("")),
        ("double1", json!(7.5)),
        ("double20", json!(0)),
    ] {
        assert_eq!(row[column], expected, "{column}");
    }
    let text =
        case.text("SELECT blob1, double1 FROM weather ORDER BY double1 LIMIT 2 FORMAT TabSeparated").await;
    assert_eq!(text.unwrap(), "Oslo\t-4\nZürich\t7.5\n");
    let text =
        case.text("SELECT blob1 AS b FROM weather ORDER BY 1 LIMIT 1 OFFSET 2 FORMAT JSONEachRow").await;
    assert_eq!(text.unwrap(), "{\"b\":\"Oslo\"}\n");
    assert_eq!(
        case.rows("SELECT DISTINCT blob1 FROM weather ORDER BY blob1 LIMIT 1, 1").await,
        json!([["Oslo"]])
    );
    assert_eq!(
        case.rows("SELECT w.blob1 FROM weather AS w ORDER BY w.double1 LIMIT ALL").await[0],
        json!(["Oslo"])
    );
}

#[tokio::test]
async fn aggregate_functions() {
    let case = Case::new().await;
    for (expression, expected) in [
        ("count()", json!("4")),
        ("count(*)", json!("4")),
        ("count(DISTINCT blob1)", json!("3")),
        ("sum(double1)", json!(33.5)),
        ("sum(DISTINCT _sample_interval)", json!("1")),
        ("avg(double1)", json!(8.375)),
        ("min(double1)", json!(-4)),
        ("max(blob1)", json!("Zürich")),
        ("countIf(double1 > 5)", json!("3")),
        ("sumIf(double1, blob1 = 'Berlin')", json!(30)),
        ("avgIf(double1, blob1 = 'Berlin')", json!(15)),
        ("quantileExactWeighted(0.5)(double1, _sample_interval)", json!(7.5)),
        ("quantileWeighted(0.75, double1, _sample_interval)", json!(10)),
        ("QUANTILEEXACTWEIGHTED(1)(_sample_interval, 1)", json!(1)),
        ("argMax(blob1, double1)", json!("Berlin")),
        ("argMin(blob1, double1)", json!("Oslo")),
        ("first_value(double1)", json!(10)),
        ("last_value(blob1)", json!("Zürich")),
        ("topK(1)(blob1)", json!(["Berlin"])),
        ("topKWeighted(2)(blob1, double1)", json!(["Berlin", "Zürich"])),
        ("topK(_sample_interval)", json!([1])),
        ("sum(double1) / count()", json!(8.375)),
        ("if(count() > 3, 'many', 'few')", json!("many")),
    ] {
        let rows = case.rows(&format!("SELECT {expression} FROM weather")).await;
        assert_eq!(rows, json!([[expected]]), "{expression}");
    }
    let empty = "SELECT count(), sum(double1), sum(_sample_interval), max(blob1), min(double1), topK(blob1),
                 quantileExactWeighted(0.5)(double1, 1) FROM weather WHERE blob1 = 'nowhere'";
    assert_eq!(case.rows(empty).await, json!([["0", 0, "0", "", 0, [], null]]));
}

#[tokio::test]
async fn functions_of_one_row() {
    let case = Case::new().await;
    for (expression, expected) in [
        ("if(1 < 2, 'x', 'y')", json!("x")),
        ("intDiv(7, 2)", json!(3)),
        ("7 / 2", json!(3.5)),
        ("7 % 4", json!(3)),
        ("7.5 % 2", json!(1.5)),
        ("1 + 2 * 3 - -4", json!("11")),
        ("3 BETWEEN 1 AND 3", json!(1)),
        ("3 NOT BETWEEN 1 AND 3", json!(0)),
        ("'a' IN ('a', 'b')", json!(1)),
        ("2 NOT IN (1, 2)", json!(0)),
        ("'Error: x' LIKE 'error%'", json!(0)),
        ("'Error: x' ILIKE 'error%'", json!(1)),
        ("'log12' NOT LIKE 'log__'", json!(0)),
        ("NOT true", json!(0)),
        ("true", json!(true)),
        ("1 = 1 AND (false OR 2 <> 3)", json!(1)),
        ("log(1)", json!(0)),
        ("pow(3, 2)", json!(9)),
        ("round(5.5)", json!(6)),
        ("round(3.14, 1)", json!(3.1)),
        ("floor(5.5)", json!(5)),
        ("floor(3.14, 1)", json!(3.1)),
        ("ceil(5.5)", json!(6)),
        ("ceil(3.14, 1)", json!(3.2)),
        ("length('a string')", json!("8")),
        ("empty('')", json!(1)),
        ("lower('ÄB')", json!("Äb")),
        ("lowerUTF8('ÄB')", json!("äb")),
        ("toUpper('äb')", json!("ÄB")),
        ("upper('äb')", json!("äB")),
        ("startsWith('prefix ...', 'prefix')", json!(1)),
        ("endsWith('prefix suffix', 'prefix')", json!(0)),
        ("position(':' IN 'hello: world')", json!("6")),
        ("substring('hello world', 7)", json!("world")),
        ("substring('hello: world', 1, position(':' IN 'hello: world')-1)", json!("hello")),
        ("format('a {} b {}', 1, 'x')", json!("a 1 b x")),
        ("extract(SECOND from toDateTime('2022-06-06 11:30:15'))", json!(15)),
        ("toDateTime(355924804)", json!("1981-04-12 12:00:04")),
        ("toDateTime('355924804')", json!("1981-04-12 12:00:04")),
        ("toDateTime('2022-12-01 16:17:00', 'America/New_York')", json!("2022-12-01 16:17:00")),
        ("toUnixTimestamp(toDateTime('2022-12-01 16:17:00', 'America/New_York'))", json!(1_669_929_420)),
        (
            "formatDateTime(toDateTime('2022-12-01 23:17:00', 'America/New_York'), '%Y-%m-%d')",
            json!("2022-12-01"),
        ),
        (
            "formatDateTime(toDateTime('2022-12-01 23:17:00', 'America/New_York'), '%Y-%m-%d', 'Etc/UTC')",
            json!("2022-12-02"),
        ),
        ("toYear(toDateTime('2025-10-27 09:11:13'))", json!(2025)),
        ("toMonth(toDateTime('2025-10-27 09:11:13'))", json!(10)),
        ("toDayOfWeek(toDateTime('2025-11-02 00:00:00'))", json!(7)),
        ("toDayOfMonth(toDateTime('2025-10-27 09:11:13'))", json!(27)),
        ("toHour(toDateTime('2025-10-27 09:11:13'))", json!(9)),
        ("toMinute(toDateTime('2025-10-27 09:11:13'))", json!(11)),
        ("toSecond(toDateTime('2025-10-27 09:11:13'))", json!(13)),
        ("toYYYYMM(toDateTime('2025-10-27 16:55:25'))", json!(202_510)),
        ("toStartOfYear(toDateTime('2025-10-27 00:00:00'))", json!("2025-01-01 00:00:00")),
        ("toStartOfMonth(toDateTime('2025-10-27 00:00:00'))", json!("2025-10-01 00:00:00")),
        ("toStartOfWeek(toDateTime('2025-10-29 00:00:00'))", json!("2025-10-27 00:00:00")),
        ("toStartOfDay(toDateTime('2025-10-29 01:00:00'))", json!("2025-10-29 00:00:00")),
        ("toStartOfHour(toDateTime('2025-10-27 16:55:25'))", json!("2025-10-27 16:00:00")),
        ("toStartOfFifteenMinutes(toDateTime('2025-10-27 16:55:25'))", json!("2025-10-27 16:45:00")),
        ("toStartOfTenMinutes(toDateTime('2025-10-27 16:55:25'))", json!("2025-10-27 16:50:00")),
        ("toStartOfFiveMinutes(toDateTime('2025-10-27 16:55:25'))", json!("2025-10-27 16:55:00")),
        ("toStartOfMinute(toDateTime('2025-10-27 16:55:25'))", json!("2025-10-27 16:55:00")),
        (
            "toStartOfInterval(toDateTime('2025-10-27 16:55:25'), INTERVAL '15' MINUTE)",
            json!("2025-10-27 16:45:00"),
        ),
        (
            "toStartOfInterval(toDateTime('2025-10-27 02:00:00'), INTERVAL '1' DAY, 'America/New_York')",
            json!("2025-10-26 00:00:00"),
        ),
        ("toDateTime('2025-03-31 00:00:00') - INTERVAL '1' MONTH", json!("2025-02-28 00:00:00")),
        ("now() - today() < 86400", json!(1)),
        ("toDateTime('2025-01-01 00:00:00') > '2024-12-31 00:00:00'", json!(1)),
        ("toUInt8(255)", json!(255)),
        ("toUInt32('12')", json!(12)),
        ("bitAnd(1, 3)", json!(1)),
        ("bitOr(1, 2)", json!(3)),
        ("bitXor(3, 3)", json!(0)),
        ("bitNot(1)", json!(254)),
        ("bitCount(toUInt32(7))", json!(3)),
        ("bitCount(1.0)", json!(10)),
        ("bitHammingDistance(3, 0)", json!(2)),
        ("bitRotateLeft(128, 1)", json!(1)),
        ("bitRotateRight(12, 2)", json!(3)),
        ("bitShiftLeft(128, 1)", json!(0)),
        ("bitShiftRight(12, 2)", json!(3)),
        ("bitTest(3, 1)", json!(1)),
        ("bin(1)", json!("00000001")),
        ("bin('a')", json!("01100001")),
        ("hex(1)", json!("01")),
        ("hex(256)", json!("0100")),
        ("hex('abc')", json!("616263")),
        ("1 / 0", json!(null)),
    ] {
        assert_eq!(case.value(expression).await, expected, "{expression}");
    }
}

#[tokio::test]
async fn what_is_not_known_is_refused_by_name() {
    let case = Case::new().await;
    for (sql, says) in [
        ("SELECT 1 UNION SELECT 2", "UNION"),
        ("SELECT * FROM weather JOIN weather AS b ON 1", "JOIN"),
        ("WITH x AS (SELECT 1) SELECT * FROM x", "WITH"),
        ("SELECT uniq(blob1) FROM weather", "unknown function: uniq"),
        ("SELECT load_extension('x')", "unknown function: load_extension"),
        ("SELECT ae_top(1, 1, 1)", "unknown function: ae_top"),
        ("SELECT hex(zeroblob(1000))", "unknown function: zeroblob"),
        ("SELECT * FROM file('/etc/passwd')", "a table function"),
        ("SELECT * FROM datasets", "unknown table: datasets"),
        ("SELECT * FROM points", "unknown table: points"),
        ("SELECT * FROM sqlite_master", "unknown table: sqlite_master"),
        ("SELECT * FROM other.weather", "unknown table: other.weather"),
        ("SELECT blob21 FROM weather", "unknown column: blob21"),
        ("SELECT rowid FROM weather", "unknown column: rowid"),
        ("SELECT blob1, count() FROM weather", "neither grouped by"),
        ("SELECT * FROM weather GROUP BY blob1", "neither grouped by"),
        ("SELECT blob1 FROM weather WHERE count() > 1", "cannot be used here"),
        ("SELECT sum(sum(double1)) FROM weather", "cannot be used here"),
        ("SELECT blob1 FROM weather WHERE blob1 > 3", "cannot be compared"),
        ("SELECT blob1 FROM weather WHERE blob1", "a condition is expected"),
        ("SELECT sum(blob1) FROM weather", "wants a number"),
        ("SELECT count() OVER () FROM weather", "OVER"),
        ("SELECT blob1 FROM weather WHERE blob1 IN (SELECT blob1 FROM weather)", "is not supported"),
        ("SELECT CASE WHEN 1 THEN 2 END", "is not supported"),
        ("SELECT CAST(1 AS TEXT)", "is not supported"),
        ("SELECT NULL", "NULL"),
        ("SELECT blob1 FROM weather FORMAT CSV", "FORMAT CSV"),
        ("SELECT 1; SELECT 2", "only one statement"),
        ("DROP TABLE weather", "only SELECT and SHOW"),
        ("INSERT INTO weather VALUES (1)", "only SELECT and SHOW"),
        ("ATTACH 'x' AS y", "only SELECT and SHOW"),
        ("PRAGMA user_version", "only SELECT and SHOW"),
        ("SHOW DATABASES", "SHOW"),
        ("", "empty"),
        ("SELEKT", "parse"),
        ("SELECT toDateTime('soon')", "is no time"),
        ("SELECT toDateTime(blob1) FROM weather", "cannot read"),
        ("SELECT toDateTime(0, 'Mars/Base')", "unknown time zone"),
        ("SELECT now() - INTERVAL 'x' DAY", "whole number"),
        ("SELECT INTERVAL '1' DAY", "an interval"),
        ("SELECT 1 ORDER BY 2", "no column 2"),
        ("SELECT blob1 FROM weather LIMIT -1", "LIMIT"),
        ("SELECT quantileExactWeighted(2)(double1, 1) FROM weather", "from 0 to 1"),
        ("SELECT length(blob1, 2) FROM weather", "wrong arguments for the function length"),
        ("SELECT formatDateTime(now(), '%K')", "%K"),
        ("SELECT blob1 FROM weather SETTINGS max_threads = 1", "SETTINGS"),
        ("SELECT blob1 LIKE '%' ESCAPE 'x' FROM weather", "is not supported"),
    ] {
        let error = case.refusal(sql).await;
        assert!(error.contains(says), "{sql}: {error}");
    }
}

#[tokio::test]
async fn an_account_reaches_its_own_points_only() {
    let case = Case::new().await;
    let other = AccountId::random();
    case.write(&other, "secret", json!([{"blobs": ["theirs"]}])).await;
    case.write(&other, "weather", json!([{"blobs": ["theirs"], "doubles": [99]}])).await;
    assert_eq!(case.rows("SELECT max(double1) FROM weather").await, json!([[20]]));
    assert!(case.refusal("SELECT * FROM secret").await.contains("unknown table"));
    for sql in
        ["SELECT * FROM \"secret\"", "SELECT * FROM `main.points`", "SELECT * FROM \"weather' OR '1'='1\""]
    {
        assert!(case.refusal(sql).await.contains("unknown table"), "{sql}");
    }
    let text = "SELECT 'x''; DROP TABLE points; --' AS \"a\"\"; DROP\" FROM weather LIMIT 1";
    assert_eq!(case.rows(text).await, json!([["x'; DROP TABLE points; --"]]));
    assert_eq!(case.rows("SELECT count() FROM weather").await, json!([["4"]]));
}

#[tokio::test]
async fn a_query_that_grows_is_stopped() {
    let case = Case::new().await;
    let doubling: Vec<String> = (1..30).map(|n| format!("a{} + a{} AS a{n}", n - 1, n - 1)).collect();
    let error = case.refusal(&format!("SELECT double1 AS a0, {} FROM weather", doubling.join(", "))).await;
    assert!(error.contains("too complex"), "{error}");
    let mut inner = "SELECT blob1 AS s FROM weather".to_owned();
    for _ in 0..8 {
        inner = format!(
            "SELECT format('{{}}{{}}{{}}{{}}{{}}{{}}{{}}{{}}', s, s, s, s, s, s, s, s) AS s FROM ({inner})"
        );
    }
    assert!(case.refusal(&inner).await.contains("too complex"));
    let mut inner = "SELECT blob1 AS s FROM weather GROUP BY blob1".to_owned();
    for _ in 0..7 {
        let all = ["s"; 10].join(", ");
        inner = format!("SELECT format('{}', {all}) AS s FROM ({inner})", "{}".repeat(10));
    }
    assert!(case.refusal(&inner).await.contains("too"));
    let deep = format!("SELECT {}1{}", "(".repeat(500), ")".repeat(500));
    assert!(!case.refusal(&deep).await.is_empty());
    let long = format!("SELECT 1{}", " + 1".repeat(1500));
    assert!(case.refusal(&long).await.contains("too complex"));
    assert!(case.refusal(&format!("SELECT '{}'", "x".repeat(40_000))).await.contains("at most"));
}

#[tokio::test]
async fn a_copy_is_opened_and_has_all_points() {
    let case = Case::new().await;
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy");
    case.analytics.snapshot(&copy).await.unwrap();
    let copied = Analytics::open(Config::new(copy)).unwrap();
    let answer =
        copied.query(&case.account, "SELECT count() FROM weather FORMAT TabSeparated".into()).await.unwrap();
    assert_eq!(answer.body(), b"4\n");
    case.analytics.stop().await;
    assert_eq!(case.analytics.counts().kept, 4);
}
