//! Numbers that are owned or lie in a file.

use super::file::Bytes;
use bytemuck::Pod;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, Range};
use std::sync::Arc;

/// A slice of numbers. To deref one that is lent costs a few comparisons: take the slice out of loops.
#[derive(Clone)]
pub(super) enum Array<T> {
    /// In memory of its own.
    Owned(Vec<T>),
    /// Part of a file.
    Lent(Arc<Bytes>, Range<usize>, PhantomData<T>),
}

impl<T: Pod> Array<T> {
    /// The numbers in a range of `bytes`; None where the range is out of bounds, or does not begin or end
    /// where a number does.
    pub(super) fn lent(bytes: &Arc<Bytes>, range: Range<usize>) -> Option<Self> {
        bytemuck::try_cast_slice::<u8, T>(bytes.get(range.clone())?).ok()?;
        Some(Self::Lent(Arc::clone(bytes), range, PhantomData))
    }

    /// The numbers, to write; those of a file are copied first.
    pub(super) fn make_mut(&mut self) -> &mut [T] {
        if let Self::Lent(..) = self {
            *self = Self::Owned(self.to_vec());
        }
        match self {
            Self::Owned(values) => values,
            Self::Lent(..) => &mut [],
        }
    }

    /// Bytes of memory or of the file.
    pub(super) fn memory(&self) -> usize {
        match self {
            Self::Owned(values) => values.capacity() * size_of::<T>(),
            Self::Lent(_, range, _) => range.len(),
        }
    }
}

impl<T: Pod> Deref for Array<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        match self {
            Self::Owned(values) => values,
            Self::Lent(bytes, range, _) => bytemuck::cast_slice(&bytes[range.clone()]),
        }
    }
}

impl<T> From<Vec<T>> for Array<T> {
    fn from(values: Vec<T>) -> Self {
        Self::Owned(values)
    }
}

impl<T: Pod + PartialEq> PartialEq for Array<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: Pod> fmt::Debug for Array<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} numbers", self.len())
    }
}
