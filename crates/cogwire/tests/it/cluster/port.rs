//! Ports that stay a process's own while it is down.

use std::net::TcpListener;

use cogwire::lifecycle::SystemEntropy;
use cogwire_core::time::Entropy;

/// Below what Linux gives to outgoing connections, one of which would otherwise take the port of a process that is being
/// restarted.
const PORTS: std::ops::Range<u16> = 10_000..32_000;

/// Different ports on which nothing listens.
pub(super) fn free_ports<const COUNT: usize>() -> [u16; COUNT] {
    // All are held until the last one is found.
    let held = [(); COUNT].map(|()| hold_one());
    held.map(|listener| listener.local_addr().expect("bound").port())
}

fn hold_one() -> TcpListener {
    loop {
        let place = u16::try_from(SystemEntropy.bits() % PORTS.len() as u128).expect("there are fewer ports");
        if let Ok(listener) = TcpListener::bind(("127.0.0.1", PORTS.start + place)) {
            return listener;
        }
    }
}
