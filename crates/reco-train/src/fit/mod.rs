//! Fitting models.
