//! Parts of long lists.

/// Which part of a list is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// How many items to skip.
    pub offset: u64,
    /// How many items to return at most.
    pub limit: u64,
}

impl Page {
    /// The whole list.
    pub const ALL: Self = Self { offset: 0, limit: i64::MAX as u64 };

    /// Page `number` (from 1; 0 counts as 1) of pages of `size` items.
    pub fn numbered(number: u64, size: u64) -> Self {
        Self { offset: number.max(1).saturating_sub(1).saturating_mul(size), limit: size }
    }

    pub(crate) fn bounds(self) -> (i64, i64) {
        let clamp = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        (clamp(self.limit), clamp(self.offset))
    }
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Listing<T> {
    /// The part; empty past the end.
    pub items: Vec<T>,
    /// How many items the whole list has.
    pub total: u64,
}
