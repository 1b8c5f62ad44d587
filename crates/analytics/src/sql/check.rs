//! Refuses what the parser understands and this language does not have.

use sqlparser::ast::{
    Function, FunctionArg, FunctionArgExpr, FunctionArguments, GroupByExpr, LimitClause, Query, Select,
    SelectFlavor, SetExpr, TableFactor,
};

use super::{Result, SqlError};

macro_rules! refuse {
    ($($set:expr => $name:literal),* $(,)?) => {
        $(if $set { return Err(SqlError::unsupported($name)); })*
    };
}

/// A query, and the `SELECT` in it.
///
/// # Errors
/// The clause that is not supported, by its name.
pub fn query(query: &Query) -> Result<&Select> {
    // Every field is named: one that a newer parser adds must be decided on here.
    let Query {
        with,
        body,
        order_by: _,
        limit_clause,
        fetch,
        locks,
        for_clause,
        settings,
        format_clause,
        pipe_operators,
    } = query;
    refuse! {
        with.is_some() => "WITH",
        fetch.is_some() => "FETCH",
        !locks.is_empty() => "FOR UPDATE",
        for_clause.is_some() => "FOR",
        settings.is_some() => "SETTINGS",
        format_clause.is_some() => "FORMAT in a subquery",
        !pipe_operators.is_empty() => "the pipe syntax",
        matches!(limit_clause, Some(LimitClause::LimitOffset { limit_by, .. }) if !limit_by.is_empty()) => "LIMIT BY",
    }
    match &**body {
        SetExpr::Select(select) => self::select(select).map(|()| &**select),
        SetExpr::SetOperation { .. } => Err(SqlError::unsupported("UNION")),
        SetExpr::Query(_) => Err(SqlError::unsupported("a query in parentheses")),
        _ => Err(SqlError::unsupported("this statement")),
    }
}

fn select(select: &Select) -> Result<()> {
    let Select {
        select_token: _,
        optimizer_hints: _,
        distinct: _,
        select_modifiers,
        top,
        top_before_distinct: _,
        projection: _,
        exclude,
        into,
        from,
        lateral_views,
        prewhere,
        selection: _,
        connect_by,
        group_by,
        cluster_by,
        distribute_by,
        sort_by,
        having: _,
        named_window,
        qualify,
        window_before_qualify: _,
        value_table_mode,
        flavor,
    } = select;
    refuse! {
        select_modifiers.is_some() => "a modifier of SELECT",
        top.is_some() => "TOP",
        exclude.is_some() => "EXCLUDE",
        into.is_some() => "INTO",
        !lateral_views.is_empty() => "LATERAL VIEW",
        prewhere.is_some() => "PREWHERE",
        !connect_by.is_empty() => "CONNECT BY",
        !cluster_by.is_empty() => "CLUSTER BY",
        !distribute_by.is_empty() => "DISTRIBUTE BY",
        !sort_by.is_empty() => "SORT BY",
        !named_window.is_empty() => "WINDOW",
        qualify.is_some() => "QUALIFY",
        value_table_mode.is_some() => "SELECT AS",
        !matches!(flavor, SelectFlavor::Standard) => "a FROM before its SELECT",
        from.len() > 1 => "more than one table",
        from.iter().any(|table| !table.joins.is_empty()) => "JOIN",
        matches!(group_by, GroupByExpr::All(_)) => "GROUP BY ALL",
        matches!(group_by, GroupByExpr::Expressions(_, modifiers) if !modifiers.is_empty()) => "a modifier of GROUP BY",
    }
    Ok(())
}

/// What a query reads from.
pub enum From<'a> {
    /// A dataset.
    Table(&'a str),
    /// A query in parentheses.
    Query(&'a Query),
}

/// What a table of `FROM` is, and the name by which columns may be prefixed.
///
/// # Errors
/// What is no table.
pub fn table(table: &TableFactor) -> Result<(From<'_>, Option<&str>)> {
    match table {
        TableFactor::Table {
            name,
            alias,
            args,
            with_hints,
            version,
            with_ordinality,
            partitions,
            json_path,
            sample,
            index_hints,
        } => {
            refuse! {
                args.is_some() => "a table function",
                !with_hints.is_empty() => "a table hint",
                version.is_some() => "a version of a table",
                *with_ordinality => "WITH ORDINALITY",
                !partitions.is_empty() => "PARTITION",
                json_path.is_some() => "a path into a table",
                sample.is_some() => "SAMPLE",
                !index_hints.is_empty() => "an index hint",
                alias.as_ref().is_some_and(|alias| !alias.columns.is_empty() || alias.at.is_some()) =>
                    "an alias with columns",
            }
            let [part] = name.0.as_slice() else {
                return Err(SqlError::new(format!("unknown table: {name}")));
            };
            let name = &part.as_ident().ok_or_else(|| SqlError::unsupported("a table function"))?.value;
            let alias = alias.as_ref().map_or(name.as_str(), |alias| alias.name.value.as_str());
            Ok((From::Table(name), Some(alias)))
        }
        TableFactor::Derived { lateral, subquery, alias, sample } => {
            refuse! {
                *lateral => "LATERAL",
                sample.is_some() => "SAMPLE",
                alias.as_ref().is_some_and(|alias| !alias.columns.is_empty() || alias.at.is_some()) =>
                    "an alias with columns",
            }
            Ok((From::Query(subquery), alias.as_ref().map(|alias| alias.name.value.as_str())))
        }
        _ => Err(SqlError::unsupported("this kind of table")),
    }
}

/// A call of a function, taken apart.
pub struct Call<'a> {
    /// Its name in lower case.
    pub name: String,
    /// What stands in the first of two pairs of parentheses.
    pub parameters: Vec<&'a sqlparser::ast::Expr>,
    /// The arguments; none for `count(*)`.
    pub arguments: Vec<&'a sqlparser::ast::Expr>,
    /// Whether `DISTINCT` stands before them.
    pub distinct: bool,
}

/// Takes a call apart.
///
/// # Errors
/// What no function here has, by its name.
pub fn call(function: &Function) -> Result<Call<'_>> {
    let Function { name, uses_odbc_syntax, parameters, args, within_group, filter, null_treatment, over } =
        function;
    refuse! {
        *uses_odbc_syntax => "this syntax of a call",
        !within_group.is_empty() => "WITHIN GROUP",
        filter.is_some() => "FILTER",
        null_treatment.is_some() => "RESPECT or IGNORE NULLS",
        over.is_some() => "OVER",
    }
    let name = match name.0.as_slice() {
        [part] => part.as_ident().map(|ident| ident.value.to_ascii_lowercase()),
        _ => None,
    };
    let name = name.ok_or_else(|| SqlError::new(format!("unknown function: {}", function.name)))?;
    let (parameters, none) = list(parameters)?;
    let (arguments, distinct) = list(args)?;
    refuse! { none => "DISTINCT there" }
    Ok(Call { name, parameters, arguments, distinct })
}

fn list(arguments: &FunctionArguments) -> Result<(Vec<&sqlparser::ast::Expr>, bool)> {
    let list = match arguments {
        FunctionArguments::None => return Ok((Vec::new(), false)),
        FunctionArguments::Subquery(_) => return Err(SqlError::unsupported("a subquery as an argument")),
        FunctionArguments::List(list) => list,
    };
    refuse! { !list.clauses.is_empty() => "a clause among the arguments" }
    let mut found = Vec::new();
    for argument in &list.args {
        match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => found.push(expr),
            FunctionArg::Unnamed(FunctionArgExpr::Wildcard) => {}
            _ => return Err(SqlError::unsupported("a named argument")),
        }
    }
    let distinct = matches!(list.duplicate_treatment, Some(sqlparser::ast::DuplicateTreatment::Distinct));
    Ok((found, distinct))
}
