//! The client against the real server: in the same process under a clock that stands still, and over connections that break.

mod ends;
mod events;
mod example;
mod faults;
mod sockets;
#[cfg(feature = "https")]
mod tls;
mod world;
