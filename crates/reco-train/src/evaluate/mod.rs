//! Evaluation: splits, metrics, intervals.
