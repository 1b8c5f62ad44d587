//! A query's text, as a tree of what is asked. Pure.

use async_graphql_parser::types::{
    DocumentOperations, Field as Parsed, OperationDefinition, OperationType, Selection, SelectionSet,
};
use async_graphql_parser::{Positioned, parse_query};
use async_graphql_value::ConstValue;
use serde_json::{Map, Value};

use super::shape::{Field, Order};

/// Longest query, in bytes.
const MAX_TEXT: usize = 32 << 10;

/// Most nodes of a query.
const MAX_NODES: usize = 30;

/// What is asked of one account.
#[derive(Debug, PartialEq)]
pub struct Account {
    /// The name in the answer.
    pub alias: String,
    /// The account's id, as the caller wrote it.
    pub tag: String,
    /// What is asked of it.
    pub nodes: Vec<Node>,
}

/// A list of groups.
#[derive(Debug, PartialEq)]
pub struct Node {
    /// The name in the answer.
    pub alias: String,
    /// Its name.
    pub name: String,
    /// Its `filter`.
    pub filter: Value,
    /// Its `limit`.
    pub limit: Option<usize>,
    /// Its `orderBy`.
    pub order: Vec<Order>,
    /// What is selected of each group.
    pub fields: Vec<Field>,
}

impl Node {
    /// The fields of `dimensions` that matter.
    pub fn dimensions(&self) -> Vec<String> {
        let selected = self.fields.iter().filter(|field| field.name == "dimensions");
        let mut names: Vec<String> =
            selected.flat_map(|field| field.fields.iter().map(|field| field.name.clone())).collect();
        names.extend(self.order.iter().filter_map(Order::dimension));
        names.dedup();
        names
    }
}

/// Reads a query. `operation` chooses one of several, `variables` are put in.
///
/// # Errors
/// What is wrong or not known, for the caller.
pub fn query(
    text: &str,
    operation: Option<&str>,
    variables: &Map<String, Value>,
) -> Result<Vec<Account>, String> {
    if text.len() > MAX_TEXT {
        return Err(format!("a query may have at most {MAX_TEXT} bytes"));
    }
    let document = parse_query(text).map_err(|error| format!("cannot parse the query: {error}"))?;
    let definition = definition(&document.operations, operation)?;
    if definition.ty != OperationType::Query {
        return Err("only queries are supported".to_owned());
    }
    let mut accounts = Vec::new();
    for viewer in fields(&definition.selection_set)? {
        if viewer.name.node.as_str() != "viewer" {
            return Err(format!("unknown field \"{}\"", viewer.name.node));
        }
        for account in fields(&viewer.selection_set)? {
            accounts.push(self::account(account, variables)?);
        }
    }
    if accounts.iter().map(|account| account.nodes.len()).sum::<usize>() > MAX_NODES {
        return Err(format!("a query may ask for at most {MAX_NODES} nodes"));
    }
    Ok(accounts)
}

fn definition<'a>(
    operations: &'a DocumentOperations,
    wanted: Option<&str>,
) -> Result<&'a OperationDefinition, String> {
    let mut all = operations.iter();
    let found = match wanted {
        Some(wanted) => all.find(|(name, _)| name.is_none_or(|name| name.as_str() == wanted)),
        None => all.next().filter(|_| all.next().is_none()),
    };
    found.map(|(_, definition)| &definition.node).ok_or_else(|| "which operation is meant?".to_owned())
}

fn fields(set: &Positioned<SelectionSet>) -> Result<Vec<&Parsed>, String> {
    let field = |selection: &'_ Positioned<Selection>| match &selection.node {
        Selection::Field(_) => Ok(()),
        _ => Err("fragments are not supported".to_owned()),
    };
    set.node.items.iter().try_for_each(field)?;
    Ok(set
        .node
        .items
        .iter()
        .filter_map(|selection| match &selection.node {
            Selection::Field(field) => Some(&field.node),
            _ => None,
        })
        .collect())
}

fn account(field: &Parsed, variables: &Map<String, Value>) -> Result<Account, String> {
    if field.name.node.as_str() != "accounts" {
        return Err(format!("unknown field \"{}\"", field.name.node));
    }
    let filter = argument(field, "filter", variables)?;
    let tag = filter["accountTag"].as_str().ok_or("accounts wants a filter with an accountTag")?.to_owned();
    let nodes = fields(&field.selection_set)?.into_iter().map(|field| node(field, variables));
    Ok(Account { alias: alias(field), tag, nodes: nodes.collect::<Result<_, _>>()? })
}

fn node(field: &Parsed, variables: &Map<String, Value>) -> Result<Node, String> {
    for (name, _) in &field.arguments {
        if !matches!(name.node.as_str(), "filter" | "limit" | "orderBy") {
            return Err(format!("unknown argument \"{}\"", name.node));
        }
    }
    let limit = argument(field, "limit", variables)?;
    let limit = match limit {
        Value::Null => None,
        other => Some(other.as_u64().ok_or("limit wants a number")?),
    };
    let order = match argument(field, "orderBy", variables)? {
        Value::Null => Vec::new(),
        Value::Array(list) => list.iter().map(Order::read).collect::<Result<_, _>>()?,
        one => vec![Order::read(&one)?],
    };
    Ok(Node {
        alias: alias(field),
        name: field.name.node.to_string(),
        filter: argument(field, "filter", variables)?,
        limit: limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX)),
        order,
        fields: fields(&field.selection_set)?.into_iter().map(selected).collect::<Result<_, _>>()?,
    })
}

fn selected(field: &Parsed) -> Result<Field, String> {
    if let Some((name, _)) = field.arguments.first() {
        return Err(format!("unknown argument \"{}\"", name.node));
    }
    Ok(Field {
        alias: alias(field),
        name: field.name.node.to_string(),
        fields: fields(&field.selection_set)?.into_iter().map(selected).collect::<Result<_, _>>()?,
    })
}

fn alias(field: &Parsed) -> String {
    field.alias.as_ref().unwrap_or(&field.name).node.to_string()
}

/// An argument with its variables put in; null where it is not there.
fn argument(field: &Parsed, name: &str, variables: &Map<String, Value>) -> Result<Value, String> {
    let Some((_, value)) = field.arguments.iter().find(|(known, _)| known.node.as_str() == name) else {
        return Ok(Value::Null);
    };
    let with_variables = value.node.clone().into_const_with(|variable| {
        let value = variables.get(variable.as_str()).cloned().unwrap_or_default();
        ConstValue::from_json(value).map_err(|error| format!("the variable {variable}: {error}"))
    });
    with_variables?.into_json().map_err(|error| format!("{name} cannot be read: {error}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(text: &str, variables: Value) -> Result<Vec<Account>, String> {
        query(text, None, variables.as_object().unwrap())
    }

    #[test]
    fn wranglers_query_is_understood() {
        let text = "query q($accountTag: string, $filter: ZoneWorkersRequestsFilter_InputObject) {
            viewer { accounts(filter: {accountTag: $accountTag}) {
              mine: d1QueriesAdaptiveGroups(limit: 5, filter: $filter, orderBy: [sum_rowsRead_DESC, datetimeHour_ASC]) {
                count sum { rowsRead } dimensions { query }
              } } } }";
        let accounts =
            read(text, json!({"accountTag": "a", "filter": {"AND": [{"databaseId": "d"}]}})).unwrap();
        let node = &accounts[0].nodes[0];
        assert_eq!((accounts[0].alias.as_str(), accounts[0].tag.as_str()), ("accounts", "a"));
        assert_eq!((node.alias.as_str(), node.name.as_str()), ("mine", "d1QueriesAdaptiveGroups"));
        assert_eq!((node.limit, &node.filter), (Some(5), &json!({"AND": [{"databaseId": "d"}]})));
        assert_eq!(node.dimensions(), ["query", "datetimeHour"]);
    }

    #[test]
    fn what_is_not_known_is_named() {
        for (text, says) in [
            ("", "parse"),
            ("{ viewer { zones { a } } }", "zones"),
            ("{ accounts { a } }", "accounts"),
            ("mutation { viewer { accounts { a } } }", "only queries"),
            ("{ viewer { accounts { a } } }", "accountTag"),
            ("{ viewer { accounts(filter: {accountTag: $none}) { a } } }", "accountTag"),
            (
                "{ viewer { accounts(filter: {accountTag: \"a\"}) { ...F } } } fragment F on A { b }",
                "fragments",
            ),
            ("{ viewer { accounts(filter: {accountTag: \"a\"}) { n(first: 1) { b } } } }", "first"),
            ("{ viewer { accounts(filter: {accountTag: \"a\"}) { n(limit: x) { b } } } }", "limit"),
            ("{ viewer { accounts(filter: {accountTag: \"a\"}) { n(orderBy: [x]) { b } } } }", "orderBy"),
            ("query a { b } query c { d }", "which operation"),
        ] {
            let error = read(text, json!({})).unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
        let deep = format!(
            "{{ viewer {{ accounts(filter: {{accountTag: \"a\"}}) {} {} }} }}",
            "{ a".repeat(3000),
            "}".repeat(3000)
        );
        assert!(read(&deep, json!({})).is_err());
    }
}
