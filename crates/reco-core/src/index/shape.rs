//! What wrappers of vectors or of other indexes say of themselves.

/// All of [`VectorIndex`](super::VectorIndex) but searching, as `$of` has it.
macro_rules! shape_of {
    ($self:ident => $of:expr) => {
        fn dim(&$self) -> usize {
            $of.dim()
        }

        fn len(&$self) -> usize {
            $of.len()
        }

        fn is_empty(&$self) -> bool {
            $of.len() == 0
        }

        fn metric(&$self) -> Metric {
            $of.metric()
        }
    };
}

pub(super) use shape_of;
