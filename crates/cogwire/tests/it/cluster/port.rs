//! Ports that stay a process's own while it is down.

use std::net::TcpListener;

use cogwire::lifecycle::SystemEntropy;
use cogwire_core::time::Entropy;

/// Below what Linux gives to outgoing connections, one of which would otherwise take the port of a process that is being
/// restarted.
const PORTS: std::ops::Range<u16> = 10_000..32_000;

/// A port on which nothing listens.
pub(super) fn free_port() -> u16 {
    loop {
        let place = u16::try_from(SystemEntropy.bits() % PORTS.len() as u128).expect("there are fewer ports");
        let port = PORTS.start + place;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
