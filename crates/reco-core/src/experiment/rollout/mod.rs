//! Rolling a new version of the model out: to few users first, to more as it proves sound, back at once where it does not.
//!
//! The version on trial is the challenger of a [registry](crate::registry), served to a share of the users as the variant of
//! an [experiment](Trial::experiment). A [`Controller`] looks at what is served every so often: where a [guard](Guards) breaks it
//! takes the version away from everybody, and where none does it goes on to the next [step](RolloutStep) once this one has lasted
//! long enough. Every change is a compare-and-swap in the registry and is on record there with its reason, so that a controller
//! that is started anew goes on where the last one ended, and two of them cannot both change the same state.

mod config;
mod controller;
mod guards;
#[cfg(test)]
mod tests;
mod trial;

pub use config::{RolloutConfig, RolloutStep};
pub use controller::{Controller, Outcome};
pub use guards::Guards;
pub use trial::Trial;
