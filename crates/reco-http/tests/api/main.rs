//! Every route and every way it can refuse, through the router as a server would call it.

mod events;
mod lookup;
mod pages;
mod protocol;
mod robust;
mod world;
