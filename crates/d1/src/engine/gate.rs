//! What a tenant's SQL may name: SQLite's authorizer asks for each thing while it prepares a statement.
//!
//! The lists and the texts are those of D1, as workerd's `SqliteDatabase::isAuthorized` has them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::hooks::{AuthAction, AuthContext, Authorization};

/// What D1 says when a transaction is asked for by SQL.
pub const NO_TRANSACTIONS: &str = "To execute a transaction, please use the state.storage.transaction() or \
     state.storage.transactionSync() APIs instead of the SQL BEGIN TRANSACTION or SAVEPOINT statements. The JavaScript \
     API is safer because it will automatically roll back on exceptions, and because it interacts correctly with Durable \
     Objects' automatic atomic write coalescing.";

/// Functions that a tenant may call, in alphabetical order. What tells of SQLite's build is not among them;
/// `load_extension` is, and SQLite refuses it.
const FUNCTIONS: &[&str] = &[
    "->",
    "->>",
    "abs",
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "avg",
    "bm25",
    "ceil",
    "ceiling",
    "changes",
    "char",
    "coalesce",
    "concat",
    "concat_ws",
    "cos",
    "cosh",
    "count",
    "cume_dist",
    "current_date",
    "current_time",
    "current_timestamp",
    "date",
    "datetime",
    "degrees",
    "dense_rank",
    "exp",
    "first_value",
    "floor",
    "format",
    "glob",
    "group_concat",
    "hex",
    "highlight",
    "if",
    "ifnull",
    "iif",
    "instr",
    "json",
    "json_array",
    "json_array_length",
    "json_each",
    "json_error_position",
    "json_extract",
    "json_group_array",
    "json_group_object",
    "json_insert",
    "json_object",
    "json_patch",
    "json_pretty",
    "json_quote",
    "json_remove",
    "json_replace",
    "json_set",
    "json_tree",
    "json_type",
    "json_valid",
    "jsonb",
    "jsonb_array",
    "jsonb_extract",
    "jsonb_group_array",
    "jsonb_group_object",
    "jsonb_insert",
    "jsonb_object",
    "jsonb_patch",
    "jsonb_remove",
    "jsonb_replace",
    "jsonb_set",
    "julianday",
    "lag",
    "last_insert_rowid",
    "last_value",
    "lead",
    "length",
    "like",
    "likelihood",
    "likely",
    "ln",
    "load_extension",
    "log",
    "log10",
    "log2",
    "lower",
    "ltrim",
    "match",
    "max",
    "min",
    "mod",
    "nth_value",
    "ntile",
    "nullif",
    "octet_length",
    "percent_rank",
    "pi",
    "pow",
    "power",
    "printf",
    "quote",
    "radians",
    "random",
    "randomblob",
    "rank",
    "replace",
    "round",
    "row_number",
    "rtreecheck",
    "rtrim",
    "sign",
    "sin",
    "sinh",
    "snippet",
    "soundex",
    "sqlite_drop_column",
    "sqlite_rename_column",
    "sqlite_rename_quotefix",
    "sqlite_rename_table",
    "sqlite_rename_test",
    "sqrt",
    "strftime",
    "string_agg",
    "substr",
    "substring",
    "subtype",
    "sum",
    "tan",
    "tanh",
    "time",
    "timediff",
    "total",
    "total_changes",
    "trim",
    "trunc",
    "typeof",
    "unhex",
    "unicode",
    "unistr",
    "unistr_quote",
    "unixepoch",
    "unlikely",
    "upper",
    "zeroblob",
];

/// What a pragma's argument may be.
#[derive(Clone, Copy)]
enum Argument {
    None,
    Boolean,
    Name,
    OptionalName,
    OptionalNumber,
    OptionalNumberOrName,
}

fn pragma(name: &str) -> Option<Argument> {
    Some(match name.to_ascii_lowercase().as_str() {
        "data_version" | "page_size" | "table_list" => Argument::None,
        "case_sensitive_like"
        | "defer_foreign_keys"
        | "foreign_keys"
        | "ignore_check_constraints"
        | "legacy_alter_table"
        | "recursive_triggers"
        | "reverse_unordered_selects" => Argument::Boolean,
        "foreign_key_list" | "index_info" | "index_list" | "index_xinfo" | "table_info" | "table_xinfo" => {
            Argument::Name
        }
        "foreign_key_check" => Argument::OptionalName,
        "optimize" => Argument::OptionalNumber,
        "quick_check" => Argument::OptionalNumberOrName,
        _ => return None,
    })
}

/// Names that are the system's.
fn is_open(name: &str) -> bool {
    !name.get(..4).is_some_and(|prefix| prefix.eq_ignore_ascii_case("_cf_"))
        // SQLite's tables about itself that this build has and D1 lacks.
        && !name.eq_ignore_ascii_case("dbstat")
        && !name.eq_ignore_ascii_case("fts3tokenize")
}

/// What the authorizer knows; shared with it.
#[derive(Debug, Default)]
pub struct Gate {
    trusted: AtomicBool,
    transaction: AtomicBool,
}

impl Gate {
    /// The authorizer of a connection.
    pub fn authorizer(
        self: Arc<Self>,
    ) -> impl for<'c> FnMut(AuthContext<'c>) -> Authorization + Send + 'static {
        move |context| match self.allows(&context) {
            true => Authorization::Allow,
            false => Authorization::Deny,
        }
    }

    /// Does something of our own, which may do anything.
    pub fn trusted<T>(&self, own: impl FnOnce() -> T) -> T {
        self.trusted.store(true, Ordering::Relaxed);
        let done = own();
        self.trusted.store(false, Ordering::Relaxed);
        done
    }

    /// Whether a transaction was asked for since this was last called.
    pub fn refused_transaction(&self) -> bool {
        self.transaction.swap(false, Ordering::Relaxed)
    }

    fn allows(&self, context: &AuthContext<'_>) -> bool {
        use AuthAction as A;
        if self.trusted.load(Ordering::Relaxed) {
            return true;
        }
        // For these two SQLite gives the database's name in another place, and neither leaves the database.
        let database = match context.action {
            A::AlterTable { database_name, .. } => Some(database_name),
            _ => context.database_name,
        };
        match (database, context.action) {
            (Some("main") | None, _) => {}
            (Some("temp"), A::Read { table_name, .. } | A::Update { table_name, .. }) => {
                return is_open(table_name);
            }
            (Some(_), _) => return false,
        }
        match context.action {
            A::Select | A::Recursive | A::Analyze { .. } => true,
            A::CreateTable { table_name: name }
            | A::Delete { table_name: name }
            | A::DropTable { table_name: name }
            | A::Insert { table_name: name }
            | A::CreateView { view_name: name }
            | A::DropView { view_name: name }
            | A::Reindex { index_name: name }
            | A::AlterTable { table_name: name, .. }
            | A::Read { table_name: name, .. }
            | A::Update { table_name: name, .. } => is_open(name),
            A::CreateIndex { index_name: name, table_name }
            | A::DropIndex { index_name: name, table_name }
            | A::CreateTrigger { trigger_name: name, table_name }
            | A::DropTrigger { trigger_name: name, table_name } => is_open(name) && is_open(table_name),
            A::CreateVtable { table_name, module_name } | A::DropVtable { table_name, module_name } => {
                let known = ["fts5", "fts5vocab", "rtree", "rtree_i32"];
                known.iter().any(|module| module.eq_ignore_ascii_case(module_name)) && is_open(table_name)
            }
            A::Function { function_name } => {
                FUNCTIONS.binary_search(&function_name.to_ascii_lowercase().as_str()).is_ok()
            }
            A::Pragma { pragma_name, pragma_value } => allows_pragma(pragma_name, pragma_value),
            A::Transaction { .. } | A::Savepoint { .. } => {
                self.transaction.store(true, Ordering::Relaxed);
                false
            }
            // Other files, temporary tables (a file of their own too), and what a later SQLite may bring.
            _ => false,
        }
    }
}

fn allows_pragma(name: &str, value: Option<&str>) -> bool {
    let Some(argument) = pragma(name) else { return false };
    match (argument, value) {
        (
            Argument::None
            | Argument::Boolean
            | Argument::OptionalName
            | Argument::OptionalNumber
            | Argument::OptionalNumberOrName,
            None,
        ) => true,
        (Argument::None, Some(_)) | (Argument::Name, None) => false,
        (Argument::Boolean, Some(value)) => {
            let value = value.trim_matches(['\'', '"']).to_ascii_lowercase();
            ["true", "false", "yes", "no", "on", "off", "1", "0"].contains(&value.as_str())
        }
        (Argument::Name | Argument::OptionalName, Some(value)) => is_open(value),
        (Argument::OptionalNumber, Some(value)) => value.parse::<i32>().is_ok(),
        (Argument::OptionalNumberOrName, Some(value)) => value.parse::<u32>().is_ok() || is_open(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_functions_are_in_order() {
        assert!(FUNCTIONS.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn a_pragma_takes_what_it_takes() {
        for (name, value, allowed) in [
            ("table_list", None, true),
            ("TABLE_INFO", Some("users"), true),
            ("table_info", Some("_CF_KV"), false),
            ("foreign_keys", Some("'ON'"), true),
            ("foreign_keys", Some("2"), false),
            ("page_size", Some("512"), false),
            ("quick_check", Some("5"), true),
            ("journal_mode", None, false),
            ("optimize", Some("x"), false),
        ] {
            assert_eq!(allows_pragma(name, value), allowed, "{name} {value:?}");
        }
    }
}
