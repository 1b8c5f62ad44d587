//! Carries out a query: what is read from the segments becomes one of the views.

use std::collections::{BTreeMap, BinaryHeap, HashMap, HashSet};
use std::path::Path;

use serde_json::{Map, Value, json};

use super::calculate::{Buckets, Plan, time_text};
use super::find::{Filter, Needle, field};
use super::record::DATASET;
use super::scan::{Effort, Found, ScanError, Span, scan};
use super::segment::read_id;

/// Events or invocations in one answer where the query names no number.
const DEFAULT_LIMIT: usize = 50;

/// Most of them.
const MAX_LIMIT: usize = 2000;

/// Parts of a time series where the query names no number.
const DEFAULT_GRANULARITY: u64 = 60;

/// Events that are looked at to learn which fields there are.
const FIELD_SAMPLE: u64 = 5000;

/// What a query is answered with.
#[derive(Debug, Clone, Copy, PartialEq)]
enum View {
    Events,
    Invocations,
    Calculations,
}

/// A query that has been read.
pub(super) struct Query {
    span: Span,
    view: View,
    limit: usize,
    /// Events older, or newer, than this one.
    after: Option<(i64, bool)>,
    plan: Plan,
    buckets: Buckets,
    with_series: bool,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum QueryError {
    /// The query cannot be understood; the text is for the caller.
    #[error("{0}")]
    Invalid(String),
    /// It cannot be answered.
    #[error(transparent)]
    Scan(#[from] ScanError),
}

impl From<String> for QueryError {
    fn from(text: String) -> Self {
        Self::Invalid(text)
    }
}

impl Query {
    /// Reads the body of `telemetry/query`.
    ///
    /// # Errors
    /// What is wrong, for the caller.
    pub(super) fn read(body: &Value) -> Result<Self, String> {
        let parameters = match body.get("parameters") {
            Some(parameters) if parameters.is_object() => parameters,
            _ => return Err("Queries cannot be saved here: `parameters` must be given.".to_owned()),
        };
        let (from_ms, to_ms) = timeframe(&body["timeframe"])?;
        let view = match body["view"].as_str() {
            Some("events") => View::Events,
            Some("invocations" | "requests") => View::Invocations,
            Some("calculations") => View::Calculations,
            Some(other @ ("traces" | "agents")) => return Err(format!("The view {other:?} is not there.")),
            Some(other) => return Err(format!("There is no view {other:?}.")),
            None if parameters["calculations"].is_array() => View::Calculations,
            None => View::Events,
        };
        let after = match body["offset"].as_str() {
            None | Some("") => None,
            Some(text) => {
                let id = read_id(text).ok_or_else(|| format!("The offset {text:?} is no event's id."))?;
                Some((id, body["offsetDirection"] == "prev"))
            }
        };
        let whole = |value: &Value| value.as_u64().and_then(|number| usize::try_from(number).ok());
        let limit = whole(&body["limit"]).or(whole(&parameters["limit"])).unwrap_or(DEFAULT_LIMIT);
        let limit = limit.clamp(1, MAX_LIMIT);
        let granularity = body["granularity"].as_u64().unwrap_or(DEFAULT_GRANULARITY);
        let buckets = Buckets::of(from_ms, to_ms, granularity);
        let with_series =
            body["ignoreSeries"] != true && body["chart"] != false && body["chartType"] != "aggregate";
        let skip = whole(&body["offsetBy"]).unwrap_or(0);
        let plan = Plan::read(parameters, limit, skip, with_series.then_some(buckets))?;
        let span = span(parameters, parameters.get("filterCombination"), from_ms, to_ms)?;
        Ok(Self { span, view, limit, after, plan, buckets, with_series })
    }

    /// Reads the segments. The answer is the part of the result that depends on the view.
    pub(super) fn run(&self, folder: &Path, effort: &mut Effort) -> Result<Map<String, Value>, QueryError> {
        let (key, value) = match self.view {
            View::Events => ("events", self.events(folder, effort)?),
            View::Invocations => ("invocations", self.invocations(folder, effort)?),
            View::Calculations => ("calculations", self.calculations(folder, effort)?),
        };
        Ok(Map::from_iter([(key.to_owned(), value)]))
    }

    fn is_on_page(&self, id: i64) -> bool {
        self.after.is_none_or(|(after, newer)| if newer { id > after } else { id < after })
    }

    fn events(&self, folder: &Path, effort: &mut Effort) -> Result<Value, QueryError> {
        let mut newest: BinaryHeap<ByAge> = BinaryHeap::new();
        let (mut count, mut bins) = (0.0, BTreeMap::<i64, (u64, f64, u64)>::new());
        let oldest_first = self.after.is_some_and(|(_, newer)| newer);
        scan(folder, &self.span, effort, |found| {
            count += found.weight;
            let width = self.buckets.width_ms;
            let start = self.buckets.from_ms + (found.timestamp_ms() - self.buckets.from_ms) / width * width;
            let bin = bins.entry(start).or_default();
            bin.0 += 1;
            bin.1 += found.weight;
            bin.2 += u64::from(found.event["$metadata"]["level"] == "error");
            if self.is_on_page(found.id) {
                newest.push(ByAge { found, oldest_first });
                if newest.len() > self.limit {
                    newest.pop();
                }
            }
            true
        })?;
        let mut page: Vec<Found> = newest.into_iter().map(|one| one.found).collect();
        page.sort_by_key(|found| std::cmp::Reverse(found.id));
        let fields = fields(page.iter().map(|found| (found.timestamp_ms(), &found.event)));
        let fields: Vec<_> =
            fields.into_iter().map(|(key, field)| json!({ "key": key, "type": field.kind })).collect();
        let events: Vec<_> = page.into_iter().map(Found::into_event).collect();
        let mut answer = json!({ "count": count.round() as i64, "events": events, "fields": fields });
        if self.with_series {
            let bin = |(start, (count, weight, errors)): (i64, (u64, f64, u64))| {
                let interval = weight / count as f64;
                let data = json!({
                    "aggregates": { "_count": weight, "_interval": interval },
                    "count": weight, "interval": interval, "sampleInterval": interval, "errors": errors,
                });
                json!({ "time": time_text(start), "data": [data] })
            };
            answer["series"] = bins.into_iter().map(bin).collect();
        }
        Ok(answer)
    }

    /// The newest invocations that hold an event which is meant, each with all its events.
    fn invocations(&self, folder: &Path, effort: &mut Effort) -> Result<Value, QueryError> {
        let mut latest: HashMap<String, i64> = HashMap::new();
        scan(folder, &self.span, effort, |found| {
            if self.is_on_page(found.id) {
                let id = latest.entry(found.request).or_insert(found.id);
                *id = (*id).max(found.id);
            }
            true
        })?;
        let mut requests: Vec<_> = latest.into_iter().collect();
        requests.sort_by_key(|(_, id)| std::cmp::Reverse(*id));
        requests.truncate(self.limit);
        let wanted: HashSet<String> = requests.into_iter().map(|(request, _)| request).collect();
        let whole = Span {
            from_ms: self.span.from_ms,
            to_ms: self.span.to_ms,
            filter: Filter::All(Vec::new()),
            needle: None,
        };
        let mut invocations: BTreeMap<String, Vec<Found>> = BTreeMap::new();
        scan(folder, &whole, effort, |found| {
            if wanted.contains(&found.request) {
                invocations.entry(found.request.clone()).or_default().push(found);
            }
            true
        })?;
        let in_order = |(request, mut events): (String, Vec<Found>)| {
            events.sort_by_key(|found| found.id);
            (request, events.into_iter().map(Found::into_event).collect())
        };
        Ok(Value::Object(invocations.into_iter().map(in_order).collect()))
    }

    fn calculations(&self, folder: &Path, effort: &mut Effort) -> Result<Value, QueryError> {
        let mut totals = self.plan.begin();
        let mut fits = true;
        scan(folder, &self.span, effort, |found| {
            fits = self.plan.add(&mut totals, &found);
            fits
        })?;
        if !fits {
            return Err(QueryError::Invalid(
                "The calculation needs more memory than a query may have: narrow its timeframe, or group by fewer values."
                    .to_owned(),
            ));
        }
        Ok(Value::Array(self.plan.finish(totals)))
    }

    /// Milliseconds since 1970, both ends.
    pub(super) fn timeframe(&self) -> (i64, i64) {
        (self.span.from_ms, self.span.to_ms)
    }
}

/// Found events by age: the one that a page leaves out first is the greatest.
struct ByAge {
    found: Found,
    oldest_first: bool,
}

impl Ord for ByAge {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let order = other.found.id.cmp(&self.found.id);
        if self.oldest_first { order.reverse() } else { order }
    }
}

impl PartialOrd for ByAge {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for ByAge {
    fn eq(&self, other: &Self) -> bool {
        self.found.id == other.found.id
    }
}

impl Eq for ByAge {}

/// The answer of `telemetry/keys`: which fields the events of a time have.
pub(super) fn keys(body: &Value, folder: &Path) -> Result<Value, QueryError> {
    let now = jiff::Timestamp::now().as_millisecond();
    let from_ms = body["from"].as_i64().unwrap_or(now - 24 * 3600 * 1000);
    let span = span(body, None, from_ms, body["to"].as_i64().unwrap_or(now))?;
    let wanted = Needle::read(body.get("keyNeedle"))?;
    let limit = body["limit"].as_u64().and_then(|limit| usize::try_from(limit).ok()).unwrap_or(100);
    let (mut all, mut seen) = (BTreeMap::<String, Field>::new(), 0);
    scan(folder, &span, &mut Effort::default(), |found| {
        for (key, field) in fields(std::iter::once((found.timestamp_ms(), &found.event))) {
            let known = all.entry(key).or_insert_with(|| field.clone());
            known.last_ms = known.last_ms.max(field.last_ms);
        }
        seen += 1;
        seen < FIELD_SAMPLE
    })?;
    let shown = all.into_iter().filter(|(key, _)| wanted.as_ref().is_none_or(|needle| needle.is_in(key)));
    let view = |(key, Field { kind, last_ms })| json!({ "key": key, "type": kind, "lastSeenAt": last_ms });
    Ok(shown.take(limit.min(MAX_LIMIT)).map(view).collect())
}

/// The answer of `telemetry/values`: which values a field has, the most frequent first.
pub(super) fn values(body: &Value, folder: &Path) -> Result<Value, QueryError> {
    let (from_ms, to_ms) = timeframe(&body["timeframe"])?;
    let span = span(body, None, from_ms, to_ms)?;
    let key = body["key"].as_str().ok_or_else(|| "`key` must name a field.".to_owned())?;
    let kind = body["type"].as_str().unwrap_or("string");
    let limit = body["limit"].as_u64().and_then(|limit| usize::try_from(limit).ok()).unwrap_or(DEFAULT_LIMIT);
    let mut counts: HashMap<String, u64> = HashMap::new();
    scan(folder, &span, &mut Effort::default(), |found| {
        if let Some(value) = field(&found.event, key).filter(|value| kind_of(value) == Some(kind)) {
            *counts.entry(value.to_string()).or_default() += 1;
        }
        counts.len() < 100_000
    })?;
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by(|(a, m), (b, n)| n.cmp(m).then_with(|| a.cmp(b)));
    let view = |(text, _): (String, u64)| {
        let value: Value = serde_json::from_str(&text).unwrap_or_default();
        json!({ "dataset": DATASET, "key": key, "type": kind, "value": value })
    };
    Ok(counts.into_iter().take(limit.min(MAX_LIMIT)).map(view).collect())
}

/// `filters` and `needle` of an object.
fn span(object: &Value, combination: Option<&Value>, from_ms: i64, to_ms: i64) -> Result<Span, String> {
    let filter = Filter::read(object.get("filters"), combination)?;
    Ok(Span { from_ms, to_ms, filter, needle: Needle::read(object.get("needle"))? })
}

fn timeframe(timeframe: &Value) -> Result<(i64, i64), String> {
    let milliseconds = |key: &str| timeframe[key].as_i64().or(timeframe[key].as_f64().map(|ms| ms as i64));
    match (milliseconds("from"), milliseconds("to")) {
        (Some(from), Some(to)) if from <= to => Ok((from, to)),
        (Some(_), Some(_)) => Err("`timeframe.from` must be earlier than `timeframe.to`.".to_owned()),
        _ => Err("`timeframe` must have `from` and `to`, in milliseconds since 1970.".to_owned()),
    }
}

/// What is known of a field.
#[derive(Debug, Clone)]
struct Field {
    kind: &'static str,
    last_ms: i64,
}

/// The fields of events, by their paths.
fn fields<'a>(events: impl Iterator<Item = (i64, &'a Value)>) -> BTreeMap<String, Field> {
    let mut found = BTreeMap::new();
    for (at_ms, event) in events {
        flatten(event, String::new(), &mut |path, kind| {
            let field = found.entry(path).or_insert(Field { kind, last_ms: at_ms });
            field.last_ms = field.last_ms.max(at_ms);
        });
    }
    found
}

fn flatten(value: &Value, path: String, each: &mut impl FnMut(String, &'static str)) {
    match value {
        Value::Object(object) => {
            for (name, inner) in object {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                flatten(inner, path, each);
            }
        }
        other => {
            if let Some(kind) = kind_of(other) {
                each(path, kind);
            }
        }
    }
}

fn kind_of(value: &Value) -> Option<&'static str> {
    Some(match value {
        Value::String(_) => "string",
        Value::Number(_) => "number",
        Value::Bool(_) => "boolean",
        Value::Null | Value::Array(_) | Value::Object(_) => return None,
    })
}
