//! Expressions: what a column, an alias or an operator is in SQLite.

use sqlparser::ast::{CeilFloorKind, Expr, Ident};

use super::literal::{self, Constant};
use super::types::Type;
use super::{Result, SqlError, aggregate, check, function, operator};

/// Most parts that a translation may have, with aliases and the columns of subqueries written out: they may refer to each
/// other and would double each time, here or in SQLite, which puts a subquery's expressions in the place of its columns.
const MAX_PARTS: usize = 20_000;

/// Deepest nesting, aliases written out.
const MAX_DEPTH: usize = 200;

/// A translated expression.
#[derive(Debug, Clone, PartialEq)]
pub struct Typed {
    /// SQL of ours; empty for an interval.
    pub sql: String,
    /// Its type.
    pub ty: Type,
    /// What it is, when the query says so.
    pub constant: Option<Constant>,
    /// Whether it is of a group of rows and not of one.
    pub aggregate: bool,
}

impl Typed {
    /// An expression of a row.
    pub fn new(sql: impl Into<String>, ty: Type) -> Self {
        Self { sql: sql.into(), ty, constant: None, aggregate: false }
    }

    /// An expression made of others.
    pub fn of(sql: impl Into<String>, ty: Type, parts: &[&Self]) -> Self {
        Self { aggregate: parts.iter().any(|part| part.aggregate), ..Self::new(sql, ty) }
    }
}

/// A column that can be asked for.
#[derive(Debug, Clone)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What it is in SQLite.
    pub sql: String,
    /// Its type.
    pub ty: Type,
    /// Parts of what it stands for.
    pub parts: usize,
}

/// What names mean in one `SELECT`.
#[derive(Debug, Default)]
pub struct Scope<'a> {
    /// The columns of what is read.
    pub columns: Vec<Column>,
    /// The name by which they may be prefixed.
    pub table: Option<String>,
    /// The aliases of its expressions, which may be used everywhere in it.
    pub aliases: Vec<(&'a str, &'a Expr)>,
    /// What rows are grouped by; None: they are not grouped.
    pub groups: Option<Vec<String>>,
}

/// Where an expression stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Of a row: `WHERE`, `GROUP BY`, an argument of an aggregate function.
    Row,
    /// Of a result: `SELECT`, `HAVING`, `ORDER BY`.
    Result,
}

/// What a whole query shares.
#[derive(Debug)]
pub struct Translator {
    /// The time of the query, in seconds since 1970.
    pub now: i64,
    /// The strings of the query, in their order; equal ones are one.
    pub texts: Vec<String>,
    /// Parts that were translated so far.
    pub parts: usize,
    depth: usize,
    /// The aliases that are being written out.
    expanding: Vec<*const Expr>,
}

impl Translator {
    /// A translator for a query that is asked now.
    pub fn new(now: i64) -> Self {
        Self { now, texts: Vec::new(), parts: 0, depth: 0, expanding: Vec::new() }
    }

    /// A string as a parameter of the statement: no text of a tenant stands in it.
    pub fn text(&mut self, text: &str) -> String {
        let known = self.texts.iter().position(|known| known == text);
        let at = known.unwrap_or_else(|| {
            self.texts.push(text.to_owned());
            self.texts.len() - 1
        });
        format!("?{}", at + 1)
    }

    /// A value that stands in the query.
    pub fn constant(&mut self, constant: Constant) -> Typed {
        let sql = match &constant {
            // SQLite reads the least one, minus and digits, as a REAL.
            Constant::Int(number) if *number == i64::MIN => "(-9223372036854775807 - 1)".to_owned(),
            Constant::Int(number) => format!("({number})"),
            Constant::Float(number) => format!("({number:e})"),
            Constant::Text(text) => self.text(text),
            Constant::Bool(value) => u8::from(*value).to_string(),
        };
        Typed { ty: constant.type_of(), constant: Some(constant), ..Typed::new(sql, Type::Bool) }
    }

    /// Translates an expression.
    ///
    /// # Errors
    /// What is not known, by its name.
    pub fn expr(&mut self, expr: &Expr, scope: &Scope<'_>, place: Place) -> Result<Typed> {
        self.parts += 1;
        self.depth += 1;
        let done = if self.parts > MAX_PARTS || self.depth > MAX_DEPTH {
            Err(SqlError::new("the query is too complex"))
        } else {
            self.grouped(expr, scope, place)
        };
        self.depth -= 1;
        done
    }

    /// What rows are grouped by may be used as it is.
    fn grouped(&mut self, expr: &Expr, scope: &Scope<'_>, place: Place) -> Result<Typed> {
        if place == Place::Result
            && let Some(groups) = &scope.groups
            && !groups.is_empty()
            && let Ok(typed) = self.any(expr, scope, Place::Row)
            && groups.contains(&typed.sql)
        {
            return Ok(typed);
        }
        self.any(expr, scope, place)
    }

    fn any(&mut self, expr: &Expr, scope: &Scope<'_>, place: Place) -> Result<Typed> {
        if let Some(constant) = literal::read(expr)? {
            return Ok(self.constant(constant));
        }
        match expr {
            Expr::Nested(inner) => self.expr(inner, scope, place),
            Expr::Identifier(name) => self.name(name, scope, place),
            Expr::CompoundIdentifier(parts) => match parts.as_slice() {
                [table, column] if scope.table.as_deref() == Some(&*table.value) => {
                    self.column(column, scope, place)
                }
                _ => Err(unknown(&expr.to_string())),
            },
            Expr::Interval(interval) => Ok(Typed::new("", literal::interval(interval)?)),
            Expr::Function(call) => {
                let call = check::call(call)?;
                match aggregate::is_known(&call.name) {
                    true if place == Place::Row => Err(SqlError::new(format!(
                        "the aggregate function {} cannot be used here",
                        call.name
                    ))),
                    true => aggregate::translate(self, &call, scope),
                    false => function::translate(self, &call, scope, place),
                }
            }
            Expr::Position { expr, r#in } => self.named("position", &[r#in, expr], scope, place),
            Expr::Extract { field, expr, .. } => {
                let of = self.expr(expr, scope, place)?;
                function::extract(self, field, &of)
            }
            Expr::Substring { expr, substring_from: Some(from), substring_for, .. } => {
                let mut arguments = vec![&**expr, &**from];
                arguments.extend(substring_for.as_deref());
                self.named("substring", &arguments, scope, place)
            }
            Expr::Floor { expr, field } => self.rounded("floor", expr, field, scope, place),
            Expr::Ceil { expr, field } => self.rounded("ceil", expr, field, scope, place),
            _ => operator::translate(self, expr, scope, place),
        }
    }

    /// A function that the parser has a syntax of its own for.
    fn named(&mut self, name: &str, arguments: &[&Expr], scope: &Scope<'_>, place: Place) -> Result<Typed> {
        let call = check::Call {
            name: name.to_owned(),
            parameters: Vec::new(),
            arguments: arguments.to_vec(),
            distinct: false,
        };
        function::translate(self, &call, scope, place)
    }

    fn rounded(
        &mut self,
        name: &str,
        expr: &Expr,
        field: &CeilFloorKind,
        scope: &Scope<'_>,
        place: Place,
    ) -> Result<Typed> {
        match field {
            CeilFloorKind::DateTimeField(sqlparser::ast::DateTimeField::NoDateTime) => {
                self.named(name, &[expr], scope, place)
            }
            CeilFloorKind::Scale(scale) => {
                let scale = Expr::Value(scale.clone());
                self.named(name, &[expr, &scale], scope, place)
            }
            CeilFloorKind::DateTimeField(field) => Err(SqlError::unsupported(format!("{name} to {field}"))),
        }
    }

    /// A name: of an alias, as long as that is not being written out, else of a column.
    fn name(&mut self, name: &Ident, scope: &Scope<'_>, place: Place) -> Result<Typed> {
        let alias = scope.aliases.iter().find(|(alias, _)| *alias == name.value).map(|(_, expr)| *expr);
        match alias.filter(|expr| !self.expanding.contains(&std::ptr::from_ref(*expr))) {
            Some(expr) => {
                self.expanding.push(expr);
                let done = self.expr(expr, scope, place);
                self.expanding.pop();
                done
            }
            None => self.column(name, scope, place),
        }
    }

    fn column(&mut self, name: &Ident, scope: &Scope<'_>, place: Place) -> Result<Typed> {
        let column = scope.columns.iter().find(|column| column.name == name.value);
        let column = column.ok_or_else(|| unknown(&name.value))?;
        self.parts += column.parts;
        let free = place == Place::Result
            && scope.groups.as_ref().is_some_and(|groups| !groups.contains(&column.sql));
        if free {
            let text = format!("column {} is neither grouped by nor in an aggregate function", name.value);
            return Err(SqlError::new(text));
        }
        Ok(Typed::new(column.sql.clone(), column.ty.clone()))
    }
}

fn unknown(name: &str) -> SqlError {
    SqlError::new(format!("unknown column: {name}"))
}
