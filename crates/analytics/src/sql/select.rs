//! A whole `SELECT`: where its rows come from, how they are grouped, ordered and cut.

use sqlparser::ast::{
    Distinct, Expr, GroupByExpr, LimitClause, OrderByKind, Query, Select, SelectItem,
    WildcardAdditionalOptions,
};

use super::check::{self, From};
use super::expr::{Column, Place, Scope, Translator, Typed};
use super::literal::{self, Constant};
use super::operator::condition;
use super::types::Type;
use super::{Result, SqlError, aggregate};
use crate::files;

/// Deepest query in a query.
const MAX_QUERIES: usize = 8;

/// A column of the answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: Type,
    /// Parts of the expression that it is.
    pub parts: usize,
}

/// A statement for SQLite.
#[derive(Debug)]
pub struct Asked {
    /// SQL of ours.
    pub sql: String,
    /// Its parameters, numbered from 1.
    pub texts: Vec<String>,
    /// What its columns are.
    pub columns: Vec<Output>,
    /// Rows that it skips.
    pub offset: u64,
}

/// Translates a query that is asked at `now`, in seconds since 1970. `dataset` gives a dataset's id.
///
/// # Errors
/// What is not known, by its name.
pub fn translate(query: &Query, now: i64, dataset: &dyn Fn(&str) -> Option<i64>) -> Result<Asked> {
    let mut translator = Translator::new(now);
    let Selected { sql, columns, offset } = whole(&mut translator, query, dataset, 0)?;
    Ok(Asked { sql, texts: translator.texts, columns, offset })
}

struct Selected {
    sql: String,
    columns: Vec<Output>,
    offset: u64,
}

fn whole(
    t: &mut Translator,
    query: &Query,
    dataset: &dyn Fn(&str) -> Option<i64>,
    depth: usize,
) -> Result<Selected> {
    if depth > MAX_QUERIES {
        return Err(SqlError::new("the query is too complex"));
    }
    let select = check::query(query)?;
    let (from, mut scope) = source(t, select, dataset, depth)?;
    scope.aliases = aliases(select)?;
    let mut row_condition = from.condition;
    if let Some(selection) = &select.selection {
        let wanted = condition(t.expr(selection, &scope, Place::Row)?)?;
        row_condition = Some(match row_condition {
            Some(own) => format!("{own} AND {}", wanted.sql),
            None => wanted.sql,
        });
    }
    let grouping = group_by(t, select, &scope)?;
    let grouped = grouping.is_some() || has_aggregate(select, query);
    scope.groups = grouped.then(|| grouping.clone().unwrap_or_default());

    let (columns, values) = projection(t, select, &scope)?;
    let having =
        select.having.as_ref().map(|having| condition(t.expr(having, &scope, Place::Result)?)).transpose()?;
    if having.is_some() && !grouped {
        return Err(SqlError::new("HAVING needs GROUP BY or an aggregate function"));
    }
    let order = order_by(t, query, &scope, columns.len())?;
    let (limit, offset) = limit(query)?;

    let distinct = match &select.distinct {
        None | Some(Distinct::All) => "",
        Some(Distinct::Distinct) => "DISTINCT ",
        Some(Distinct::On(_)) => return Err(SqlError::unsupported("DISTINCT ON")),
    };
    let mut sql = format!("SELECT {distinct}{}", values.join(", "));
    let clause = |sql: &mut String, word: &str, what: Option<String>| {
        if let Some(what) = what.filter(|what| !what.is_empty()) {
            sql.push_str(&format!(" {word} {what}"));
        }
    };
    clause(&mut sql, "FROM", from.sql);
    clause(&mut sql, "WHERE", row_condition);
    clause(&mut sql, "GROUP BY", grouping.map(|groups| groups.join(", ")));
    clause(&mut sql, "HAVING", having.map(|having| having.sql));
    clause(&mut sql, "ORDER BY", Some(order.join(", ")));
    if limit.is_some() || offset > 0 {
        let most = limit.map_or(-1, |limit| i64::try_from(limit).unwrap_or(i64::MAX));
        sql.push_str(&format!(" LIMIT {most} OFFSET {offset}"));
    }
    Ok(Selected { sql, columns, offset })
}

struct Source {
    sql: Option<String>,
    condition: Option<String>,
}

/// Where rows come from, and which columns they have.
fn source<'a>(
    t: &mut Translator,
    select: &Select,
    dataset: &dyn Fn(&str) -> Option<i64>,
    depth: usize,
) -> Result<(Source, Scope<'a>)> {
    let Some(from) = select.from.first() else {
        return Ok((Source { sql: None, condition: None }, Scope::default()));
    };
    let (from, alias) = check::table(&from.relation)?;
    let table = alias.map(str::to_owned);
    match from {
        From::Table(name) => {
            let id = dataset(name).ok_or_else(|| SqlError::new(format!("unknown table: {name}")))?;
            let scope = Scope { columns: point_columns(t, name), table, ..Scope::default() };
            let condition = Some(format!("points.dataset = {id}"));
            Ok((Source { sql: Some("points".to_owned()), condition }, scope))
        }
        From::Query(query) => {
            let inner = whole(t, query, dataset, depth + 1)?;
            let columns = inner.columns.iter().enumerate().map(|(index, output)| Column {
                name: output.name.clone(),
                sql: format!("inner{depth}.c{index}"),
                ty: output.ty.clone(),
                parts: output.parts,
            });
            let scope = Scope { columns: columns.collect(), table, ..Scope::default() };
            Ok((Source { sql: Some(format!("({}) AS inner{depth}", inner.sql)), condition: None }, scope))
        }
    }
}

/// The columns of every dataset (Cloudflare's page on the SQL API).
fn point_columns(t: &mut Translator, dataset: &str) -> Vec<Column> {
    let column = |name: &str, sql: String, ty| Column { name: name.to_owned(), sql, ty, parts: 0 };
    let values = files::value_columns().map(|name| match name.starts_with("blob") {
        true => column(&name, format!("ifnull(points.{name}, '')"), Type::Text),
        false => column(&name, format!("ifnull(points.{name}, 0.0)"), Type::Float),
    });
    let head = [
        column("dataset", t.text(dataset), Type::Text),
        column("timestamp", "points.timestamp".to_owned(), Type::Time(None)),
        column("_sample_interval", "points.sample_interval".to_owned(), Type::U32),
        column("index1", "points.index1".to_owned(), Type::Text),
    ];
    head.into_iter().chain(values).collect()
}

fn aliases(select: &Select) -> Result<Vec<(&str, &Expr)>> {
    let mut aliases = Vec::new();
    for item in &select.projection {
        match item {
            SelectItem::ExprWithAlias { expr, alias } => aliases.push((alias.value.as_str(), expr)),
            SelectItem::UnnamedExpr(_) => {}
            SelectItem::Wildcard(WildcardAdditionalOptions {
                wildcard_token: _,
                opt_ilike: None,
                opt_exclude: None,
                opt_except: None,
                opt_replace: None,
                opt_rename: None,
                opt_alias: None,
            }) => {}
            _ => return Err(SqlError::unsupported(format!("{item} in SELECT"))),
        }
    }
    Ok(aliases)
}

/// What rows are grouped by; None without `GROUP BY`.
fn group_by(t: &mut Translator, select: &Select, scope: &Scope<'_>) -> Result<Option<Vec<String>>> {
    let GroupByExpr::Expressions(list, _) = &select.group_by else { return Ok(None) };
    if list.is_empty() {
        return Ok(None);
    }
    let mut groups = Vec::new();
    for expr in list {
        let position = position(expr, select.projection.len())?;
        let expr = match position.map(|at| &select.projection[at]) {
            Some(SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) => expr,
            Some(_) => return Err(SqlError::unsupported("GROUP BY a column of *")),
            None => expr,
        };
        let typed = value(t.expr(expr, scope, Place::Row)?)?;
        // A number there would be a position to SQLite.
        groups.push(if typed.constant.is_some() { format!("+{}", typed.sql) } else { typed.sql });
    }
    Ok(Some(groups))
}

fn has_aggregate(select: &Select, query: &Query) -> bool {
    let of_item = |item: &SelectItem| match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => aggregate::is_in(expr),
        _ => false,
    };
    let of_order = query.order_by.as_ref().is_some_and(|order| match &order.kind {
        OrderByKind::Expressions(list) => list.iter().any(|order| aggregate::is_in(&order.expr)),
        OrderByKind::All(_) => false,
    });
    select.projection.iter().any(of_item) || select.having.as_ref().is_some_and(aggregate::is_in) || of_order
}

/// The columns of the answer, and what they are in SQLite.
fn projection(t: &mut Translator, select: &Select, scope: &Scope<'_>) -> Result<(Vec<Output>, Vec<String>)> {
    let mut columns = Vec::new();
    let mut values = Vec::new();
    let mut add = |t: &mut Translator, name: String, expr: &Expr, scope: &Scope<'_>| {
        let before = t.parts;
        let typed = value(t.expr(expr, scope, Place::Result)?)?;
        values.push(format!("{} AS c{}", typed.sql, columns.len()));
        columns.push(Output { name, ty: typed.ty, parts: t.parts - before });
        Ok(())
    };
    for item in &select.projection {
        match item {
            SelectItem::UnnamedExpr(expr) => add(t, name_of(expr), expr, scope)?,
            SelectItem::ExprWithAlias { expr, alias } => add(t, alias.value.clone(), expr, scope)?,
            _ if scope.columns.is_empty() => return Err(SqlError::new("* needs a table")),
            _ => {
                for column in &scope.columns {
                    let name = Expr::Identifier(sqlparser::ast::Ident::new(&column.name));
                    // By its name, so that a column which is not grouped by is refused here too.
                    let groups = scope.groups.clone();
                    let plain = Scope { columns: vec![column.clone()], groups, ..Scope::default() };
                    add(t, column.name.clone(), &name, &plain)?;
                }
            }
        }
    }
    Ok((columns, values))
}

/// The name of a column that was given none: its text, as ClickHouse does it.
fn name_of(expr: &Expr) -> String {
    match expr {
        Expr::Identifier(name) => name.value.clone(),
        Expr::CompoundIdentifier(parts) => parts.last().map(|part| part.value.clone()).unwrap_or_default(),
        Expr::Nested(inner) => name_of(inner),
        other => other.to_string(),
    }
}

fn order_by(t: &mut Translator, query: &Query, scope: &Scope<'_>, columns: usize) -> Result<Vec<String>> {
    let Some(order) = &query.order_by else { return Ok(Vec::new()) };
    if order.interpolate.is_some() {
        return Err(SqlError::unsupported("INTERPOLATE"));
    }
    let OrderByKind::Expressions(list) = &order.kind else {
        return Err(SqlError::unsupported("ORDER BY ALL"));
    };
    let mut terms = Vec::new();
    for by in list {
        if by.with_fill.is_some() {
            return Err(SqlError::unsupported("WITH FILL"));
        }
        let direction = match (&by.options.sort, by.options.nulls_first) {
            (None | Some(sqlparser::ast::OrderBySort::Asc), None) => "ASC",
            (Some(sqlparser::ast::OrderBySort::Desc), None) => "DESC",
            (Some(sqlparser::ast::OrderBySort::Using(_)), _) => return Err(SqlError::unsupported("USING")),
            (_, Some(_)) => return Err(SqlError::unsupported("NULLS FIRST and NULLS LAST")),
        };
        let what = match position(&by.expr, columns)? {
            Some(at) => format!("c{at}"),
            None => {
                let typed = value(t.expr(&by.expr, scope, Place::Result)?)?;
                if typed.constant.is_some() { format!("+{}", typed.sql) } else { typed.sql }
            }
        };
        terms.push(format!("{what} {direction}"));
    }
    Ok(terms)
}

/// `GROUP BY 1` and `ORDER BY 1` mean a column of the answer. None: the expression is no number.
fn position(expr: &Expr, columns: usize) -> Result<Option<usize>> {
    match literal::read(expr)? {
        Some(Constant::Int(number)) => match usize::try_from(number) {
            Ok(number) if (1..=columns).contains(&number) => Ok(Some(number - 1)),
            _ => Err(SqlError::new(format!("there is no column {number}"))),
        },
        _ => Ok(None),
    }
}

fn limit(query: &Query) -> Result<(Option<u64>, u64)> {
    let rows = |expr: &Expr| match literal::read(expr)? {
        Some(Constant::Int(number)) => {
            u64::try_from(number).map_err(|_| SqlError::new("LIMIT and OFFSET cannot be negative"))
        }
        _ => Err(SqlError::new("LIMIT and OFFSET want a whole number")),
    };
    Ok(match &query.limit_clause {
        None => (None, 0),
        Some(LimitClause::LimitOffset { limit, offset, .. }) => (
            limit.as_ref().map(rows).transpose()?,
            offset.as_ref().map(|offset| rows(&offset.value)).transpose()?.unwrap_or(0),
        ),
        Some(LimitClause::OffsetCommaLimit { offset, limit }) => (Some(rows(limit)?), rows(offset)?),
    })
}

/// Refuses an interval where a value is wanted.
fn value(typed: Typed) -> Result<Typed> {
    match typed.ty {
        Type::Interval(..) => Err(SqlError::new("an interval can only be added to a time or taken from one")),
        _ => Ok(typed),
    }
}
