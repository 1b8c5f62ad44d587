//! Calculations over events, in groups and over time. Pure.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::find::{Compare, field, number};
use super::scan::Found;

/// Calculations of one query.
const MAX_CALCULATIONS: usize = 20;

/// Fields that one query groups by.
const MAX_GROUP_BYS: usize = 5;

/// Values that one query keeps in memory for its calculations.
const MAX_VALUES: usize = 4_000_000;

/// What is calculated.
#[derive(Debug, Clone, PartialEq)]
struct Calculation {
    operator: Operator,
    /// The name as it was asked for.
    name: String,
    key: Option<String>,
    alias: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Operator {
    Count,
    Unique,
    Max,
    Min,
    Sum,
    Average,
    Deviation,
    Variance,
    /// The value below which this share lies.
    Quantile(f64),
}

impl Operator {
    fn read(text: &str) -> Option<Self> {
        Some(match text.to_ascii_lowercase().as_str() {
            "count" => Self::Count,
            "uniq" | "count_distinct" => Self::Unique,
            "max" => Self::Max,
            "min" => Self::Min,
            "sum" => Self::Sum,
            "avg" => Self::Average,
            "stddev" => Self::Deviation,
            "variance" => Self::Variance,
            "median" | "p50" => Self::Quantile(0.5),
            "p001" => Self::Quantile(0.001),
            "p01" => Self::Quantile(0.01),
            "p05" => Self::Quantile(0.05),
            "p10" => Self::Quantile(0.1),
            "p25" => Self::Quantile(0.25),
            "p75" => Self::Quantile(0.75),
            "p90" => Self::Quantile(0.9),
            "p95" => Self::Quantile(0.95),
            "p99" => Self::Quantile(0.99),
            "p999" => Self::Quantile(0.999),
            _ => return None,
        })
    }
}

/// A condition on what was calculated for a group.
struct Having {
    key: String,
    compare: Compare,
    value: f64,
}

/// What a query asks for of the events that it finds.
pub(super) struct Plan {
    calculations: Vec<Calculation>,
    group_bys: Vec<String>,
    havings: Vec<Having>,
    order: Option<(String, bool)>,
    limit: usize,
    skip: usize,
    buckets: Option<Buckets>,
}

/// The parts of the time span that a series has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Buckets {
    pub from_ms: i64,
    pub width_ms: i64,
}

impl Buckets {
    /// About so many parts of a span.
    pub(super) fn of(from_ms: i64, to_ms: i64, count: u64) -> Self {
        let count = i64::try_from(count.clamp(1, 1000)).unwrap_or(1);
        Self { from_ms, width_ms: ((to_ms - from_ms) / count).max(1) }
    }

    fn start(&self, at_ms: i64) -> i64 {
        self.from_ms + (at_ms - self.from_ms) / self.width_ms * self.width_ms
    }
}

/// The values of one group.
#[derive(Debug, Default, Clone)]
struct Tally {
    count: u64,
    weight: f64,
    /// For each calculation, what it is of.
    values: Vec<Vec<(f64, f64)>>,
    texts: Vec<std::collections::BTreeSet<String>>,
}

/// Groups by the JSON text of their values.
type Groups = BTreeMap<Vec<String>, Tally>;

/// What has been found so far.
pub(super) struct Totals {
    groups: Groups,
    series: BTreeMap<i64, Groups>,
    kept: usize,
}

impl Plan {
    /// Reads a query's parameters.
    ///
    /// # Errors
    /// What is wrong, for the caller.
    pub(super) fn read(
        parameters: &Value,
        limit: usize,
        skip: usize,
        buckets: Option<Buckets>,
    ) -> Result<Self, String> {
        let list = |key: &str| parameters[key].as_array().map(Vec::as_slice).unwrap_or_default();
        let mut calculations: Vec<Calculation> =
            list("calculations").iter().map(calculation).collect::<Result<_, _>>()?;
        if calculations.is_empty() {
            calculations.push(calculation(&json!({ "operator": "count" }))?);
        }
        let group_by = |group: &Value| {
            group["value"]
                .as_str()
                .map(str::to_owned)
                .ok_or_else(|| format!("The group {group} names no field."))
        };
        let group_bys: Vec<String> = list("groupBys").iter().map(group_by).collect::<Result<_, _>>()?;
        if calculations.len() > MAX_CALCULATIONS || group_bys.len() > MAX_GROUP_BYS {
            return Err(format!(
                "A query may have {MAX_CALCULATIONS} calculations and {MAX_GROUP_BYS} groups."
            ));
        }
        let havings = list("havings").iter().map(having).collect::<Result<_, _>>()?;
        let order = parameters["orderBy"]["value"]
            .as_str()
            .map(|value| (value.to_owned(), parameters["orderBy"]["order"] == "asc"));
        Ok(Self { calculations, group_bys, havings, order, limit, skip, buckets })
    }

    pub(super) fn begin(&self) -> Totals {
        Totals { groups: Groups::new(), series: BTreeMap::new(), kept: 0 }
    }

    /// Takes an event in. False: there is more than may be kept in memory.
    pub(super) fn add(&self, totals: &mut Totals, found: &Found) -> bool {
        let key: Vec<String> = self
            .group_bys
            .iter()
            .map(|key| field(&found.event, key).map_or_else(|| "null".to_owned(), Value::to_string))
            .collect();
        if let Some(buckets) = &self.buckets {
            let bucket = totals.series.entry(buckets.start(found.timestamp_ms())).or_default();
            totals.kept += self.tally(bucket.entry(key.clone()).or_default(), found);
        }
        totals.kept += self.tally(totals.groups.entry(key).or_default(), found);
        totals.kept <= MAX_VALUES
    }

    /// Values that were added.
    fn tally(&self, tally: &mut Tally, found: &Found) -> usize {
        tally.values.resize(self.calculations.len(), Vec::new());
        tally.texts.resize(self.calculations.len(), Default::default());
        tally.count += 1;
        tally.weight += found.weight;
        let mut kept = 1;
        for (index, calculation) in self.calculations.iter().enumerate() {
            let Some(value) = calculation.key.as_ref().and_then(|key| field(&found.event, key)) else {
                continue;
            };
            kept += 1;
            match calculation.operator {
                Operator::Count => {}
                Operator::Unique => drop(tally.texts[index].insert(value.to_string())),
                _ => tally.values[index].extend(number(value).map(|number| (number, found.weight))),
            }
        }
        kept
    }

    /// The answer's `calculations`.
    pub(super) fn finish(&self, totals: Totals) -> Vec<Value> {
        let mut groups: Vec<(Vec<String>, Tally)> =
            totals.groups.into_iter().filter(|(_, tally)| self.passes(tally)).collect();
        let sort_by = match &self.order {
            Some((name, _)) => self.index_of(name).unwrap_or(0),
            None => 0,
        };
        let ascending = self.order.as_ref().is_some_and(|(_, ascending)| *ascending);
        let value = |tally: &Tally| self.value(sort_by, tally).unwrap_or(f64::NEG_INFINITY);
        groups.sort_by(|(_, a), (_, b)| match ascending {
            true => value(a).total_cmp(&value(b)),
            false => value(b).total_cmp(&value(a)),
        });
        let groups: Vec<_> = groups.into_iter().skip(self.skip).take(self.limit).collect();
        let shown: Vec<&Vec<String>> = groups.iter().map(|(key, _)| key).collect();
        let answer = |(index, calculation): (usize, &Calculation)| {
            let aggregates: Vec<_> =
                groups.iter().filter_map(|(key, tally)| self.aggregate(index, key, tally)).collect();
            let of_bucket = |(start, bucket): (&i64, &Groups)| {
                let here = shown.iter().filter_map(|key| bucket.get(*key).map(|tally| (*key, tally)));
                let data: Vec<_> =
                    here.filter_map(|(key, tally)| self.aggregate(index, key, tally)).collect();
                json!({ "time": time_text(*start), "data": data })
            };
            let series: Vec<_> = totals.series.iter().map(of_bucket).collect();
            let mut answer =
                json!({ "calculation": calculation.name, "aggregates": aggregates, "series": series });
            if let Some(alias) = &calculation.alias {
                answer["alias"] = json!(alias);
            }
            answer
        };
        self.calculations.iter().enumerate().map(answer).collect()
    }

    fn aggregate(&self, index: usize, key: &[String], tally: &Tally) -> Option<Value> {
        let interval = tally.weight / tally.count as f64;
        let mut aggregate = json!({
            "value": plain(self.value(index, tally)?),
            "count": plain(tally.weight),
            "interval": plain(interval),
            "sampleInterval": plain(interval),
        });
        if !self.group_bys.is_empty() {
            let group = |(name, text): (&String, &String)| {
                let value: Value = serde_json::from_str(text).unwrap_or_default();
                json!({ "key": name, "value": value })
            };
            aggregate["groups"] = self.group_bys.iter().zip(key).map(group).collect();
        }
        Some(aggregate)
    }

    fn index_of(&self, name: &str) -> Option<usize> {
        let by_alias = self.calculations.iter().position(|one| one.alias.as_deref() == Some(name));
        by_alias.or_else(|| self.calculations.iter().position(|one| one.name.eq_ignore_ascii_case(name)))
    }

    fn passes(&self, tally: &Tally) -> bool {
        self.havings.iter().all(|having| {
            let value = self.index_of(&having.key).and_then(|index| self.value(index, tally));
            value.is_some_and(|value| having.compare.holds(value, having.value))
        })
    }

    /// None where no event of the group has the field.
    fn value(&self, index: usize, tally: &Tally) -> Option<f64> {
        let values = &tally.values[index];
        let total: f64 = values.iter().map(|(_, weight)| weight).sum();
        let mean = || values.iter().map(|(value, weight)| value * weight).sum::<f64>() / total;
        let variance = || {
            let mean = mean();
            values.iter().map(|(value, weight)| (value - mean).powi(2) * weight).sum::<f64>() / total
        };
        match self.calculations[index].operator {
            Operator::Count => return Some(tally.weight),
            Operator::Unique => return Some(tally.texts[index].len() as f64),
            _ if values.is_empty() => return None,
            _ => {}
        }
        let numbers = values.iter().map(|(value, _)| *value);
        Some(match self.calculations[index].operator {
            Operator::Count | Operator::Unique => return None,
            Operator::Max => numbers.fold(f64::NEG_INFINITY, f64::max),
            Operator::Min => numbers.fold(f64::INFINITY, f64::min),
            Operator::Sum => values.iter().map(|(value, weight)| value * weight).sum(),
            Operator::Average => mean(),
            Operator::Variance => variance(),
            Operator::Deviation => variance().sqrt(),
            Operator::Quantile(share) => quantile(numbers.collect(), share),
        })
    }
}

fn calculation(value: &Value) -> Result<Calculation, String> {
    let name = value["operator"].as_str().ok_or("A calculation has no operator.")?;
    let operator = Operator::read(name).ok_or_else(|| format!("There is no calculation {name:?}."))?;
    let text = |key: &str| value[key].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let key = text("key");
    if key.is_none() && operator != Operator::Count {
        return Err(format!("The calculation {name:?} needs a key."));
    }
    Ok(Calculation { operator, name: name.to_owned(), key, alias: text("alias") })
}

fn having(value: &Value) -> Result<Having, String> {
    let wrong = || format!("The condition {value} is not {{key, operation, value}}.");
    Ok(Having {
        key: value["key"].as_str().ok_or_else(wrong)?.to_owned(),
        compare: value["operation"].as_str().and_then(Compare::read).ok_or_else(wrong)?,
        value: number(&value["value"]).ok_or_else(wrong)?,
    })
}

/// Between the two nearest values, by how near they are.
fn quantile(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let place = share * (values.len() - 1) as f64;
    let (below, above) = (values[place.floor() as usize], values[place.ceil() as usize]);
    below + (above - below) * place.fract()
}

/// Whole numbers without a fraction, as JavaScript writes them.
fn plain(number: f64) -> Value {
    if number.fract() == 0.0 && number.abs() < 9e15 { json!(number as i64) } else { json!(number) }
}

/// A time as it stands in a series.
pub(super) fn time_text(milliseconds: i64) -> String {
    jiff::Timestamp::from_millisecond(milliseconds).map(|time| format!("{time:.3}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::segment::first_id;
    use super::*;

    fn found(at_ms: i64, weight: f64, event: Value) -> Found {
        Found { id: first_id(at_ms), request: String::new(), weight, event }
    }

    fn run(parameters: Value, buckets: Option<Buckets>, events: Vec<Found>) -> Vec<Value> {
        let plan = Plan::read(&parameters, 10, 0, buckets).unwrap();
        let mut totals = plan.begin();
        assert!(events.iter().all(|event| plan.add(&mut totals, event)));
        plan.finish(totals)
    }

    fn hundred() -> Vec<Found> {
        (1..=100)
            .map(|n| found(n, 1.0, json!({"source": {"ms": n, "kind": if n % 4 == 0 { "a" } else { "b" }}})))
            .collect()
    }

    #[test]
    fn every_calculation_over_one_to_a_hundred() {
        for (operator, expected) in [
            ("count", 100.0),
            ("COUNT_DISTINCT", 100.0),
            ("uniq", 100.0),
            ("min", 1.0),
            ("MAX", 100.0),
            ("sum", 5050.0),
            ("avg", 50.5),
            ("median", 50.5),
            ("p25", 25.75),
            ("p75", 75.25),
            ("p90", 90.1),
            ("p95", 95.05),
            ("p99", 99.01),
            ("variance", 833.25),
            ("stddev", 833.25_f64.sqrt()),
        ] {
            let answer =
                run(json!({"calculations": [{"operator": operator, "key": "source.ms"}]}), None, hundred());
            let value = answer[0]["aggregates"][0]["value"].as_f64().unwrap();
            assert!((value - expected).abs() < 1e-9, "{operator}: {value}");
            assert_eq!(answer[0]["aggregates"][0]["count"], 100);
        }
    }

    #[test]
    fn groups_are_ordered_limited_and_filtered() {
        let parameters = json!({
            "calculations": [{"operator": "count", "alias": "n"}, {"operator": "max", "key": "ms"}],
            "groupBys": [{"type": "string", "value": "source.kind"}],
        });
        let answer = run(parameters.clone(), None, hundred());
        let groups = |answer: &Value| -> Vec<(Value, Value)> {
            let all = answer["aggregates"].as_array().unwrap().iter();
            all.map(|one| (one["groups"][0]["value"].clone(), one["value"].clone())).collect()
        };
        assert_eq!(answer[0]["alias"], "n");
        assert_eq!(groups(&answer[0]), [(json!("b"), json!(75)), (json!("a"), json!(25))]);
        assert_eq!(groups(&answer[1]), [(json!("b"), json!(99)), (json!("a"), json!(100))]);
        let mut ordered = parameters.clone();
        ordered["orderBy"] = json!({"value": "n", "order": "asc"});
        assert_eq!(groups(&run(ordered, None, hundred())[0])[0].0, "a");
        let mut few = parameters;
        few["havings"] = json!([{"key": "n", "operation": "gt", "value": 30}]);
        assert_eq!(groups(&run(few, None, hundred())[0]).len(), 1);
    }

    #[test]
    fn a_sample_stands_for_what_was_left_out() {
        let events = vec![found(1, 4.0, json!({"ms": 10})), found(2, 4.0, json!({"ms": 20}))];
        let parameters = json!({"calculations": [{"operator": "count"}, {"operator": "sum", "key": "ms"}, {"operator": "avg", "key": "ms"}]});
        let answer = run(parameters, None, events);
        let first = |index: usize| answer[index]["aggregates"][0].clone();
        assert_eq!((&first(0)["value"], &first(0)["sampleInterval"]), (&json!(8), &json!(4)));
        assert_eq!((&first(1)["value"], &first(2)["value"]), (&json!(120), &json!(15)));
    }

    #[test]
    fn a_series_has_the_parts_of_the_span() {
        let answer = run(json!({}), Some(Buckets::of(0, 100, 4)), hundred());
        let series = answer[0]["series"].as_array().unwrap();
        let counts: Vec<_> = series.iter().map(|one| one["data"][0]["value"].as_i64().unwrap()).collect();
        assert_eq!(counts.iter().sum::<i64>(), 100);
        assert_eq!(counts[..4], [24, 25, 25, 25]);
        assert_eq!(series[0]["time"], "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn what_cannot_be_calculated_is_said() {
        for (parameters, word) in [
            (json!({"calculations": [{"operator": "mode", "key": "a"}]}), "mode"),
            (json!({"calculations": [{"operator": "max"}]}), "needs a key"),
            (json!({"groupBys": [{}]}), "names no field"),
            (json!({"havings": [{"key": "a"}]}), "condition"),
        ] {
            let error = Plan::read(&parameters, 10, 0, None).map(drop).unwrap_err();
            assert!(error.contains(word), "{error}");
        }
        let empty = run(json!({"calculations": [{"operator": "max", "key": "none"}]}), None, hundred());
        assert_eq!(empty[0]["aggregates"], json!([]), "no event has the field");
    }
}
