//! Every route and every way it can refuse, through the router as a server would call it.

mod events;
mod experiments;
mod items;
mod lookup;
mod metrics;
mod onboarding;
mod pages;
mod protocol;
mod robust;
mod world;
