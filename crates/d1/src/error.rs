//! What can go wrong with a database.

/// Why an operation on a database failed. `Display` is the text for the caller, as D1 words it and without the
/// `D1_ERROR: ` that workerd's wrapper puts in front.
#[derive(Debug, thiserror::Error)]
pub enum D1Error {
    /// SQLite, a limit or the authorizer refused it. Nothing of the request took effect.
    #[error("{0}")]
    Sql(String),
    /// There is no such database.
    #[error("The database does not exist.")]
    NotFound,
    /// Too much waits for this database already.
    #[error("D1 DB is overloaded. Too many requests queued.")]
    TooManyQueued,
    /// Others took so long that this one did not come to its turn.
    #[error("D1 DB is overloaded. Requests queued for too long.")]
    QueuedTooLong,
    /// It ran for longer than a query may, and was stopped.
    #[error("D1 DB storage operation exceeded timeout which caused object to be reset.")]
    Timeout,
    /// It needed more memory than a database's process may have, and was stopped.
    #[error("D1 DB's isolate exceeded its memory limit and was reset.")]
    Memory,
    /// The database's process ended while it worked on the request: it may have been committed or not.
    #[error("Network connection lost. The database's process ended while it ran this request.")]
    Died,
    /// Every process that may run is busy with another database.
    #[error("D1 DB is overloaded. Too many databases are in use at once.")]
    TooManyActive,
    /// The caller is shown a general text; the operator's log has the cause.
    #[error("Internal error in D1 DB storage caused object to be reset.")]
    Internal(#[source] std::io::Error),
}

impl From<std::io::Error> for D1Error {
    fn from(error: std::io::Error) -> Self {
        Self::Internal(error)
    }
}
