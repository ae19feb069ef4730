//! How often a wrong password may be tried: a few times from one address, some more from all together.
//!
//! Only what was wrong counts, so that nobody who knows the password is ever slowed down by himself; but while
//! strangers fail by the dozen, everybody without a session waits with them.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use governor::clock::{Clock, DefaultClock};
use governor::state::keyed::HashMapStateStore;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

/// From one address: five at once, then one every twelve seconds.
const PER_ADDRESS: u32 = 5;
/// From everywhere: twenty a minute.
const ALTOGETHER: u32 = 20;
/// Addresses that are remembered before those that have calmed down are forgotten.
const REMEMBERED: usize = 1024;

pub struct Limits {
    addresses: RateLimiter<IpAddr, HashMapStateStore<IpAddr>, DefaultClock>,
    altogether: DefaultDirectRateLimiter,
    closed: Mutex<Closed>,
    clock: DefaultClock,
}

#[derive(Default)]
struct Closed {
    addresses: HashMap<IpAddr, Instant>,
    altogether: Option<Instant>,
}

impl Default for Limits {
    fn default() -> Self {
        let per_minute = |count| Quota::per_minute(NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN));
        Limits {
            addresses: RateLimiter::hashmap(per_minute(PER_ADDRESS)),
            altogether: RateLimiter::direct(per_minute(ALTOGETHER)),
            closed: Mutex::default(),
            clock: DefaultClock::default(),
        }
    }
}

impl Limits {
    /// How long this address must wait before it may try again; `None`: not at all.
    pub fn wait(&self, address: IpAddr) -> Option<Duration> {
        let closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        let until = closed.addresses.get(&neighbourhood(address)).copied().max(closed.altogether)?;
        Some(until.saturating_duration_since(Instant::now())).filter(|left| !left.is_zero())
    }

    /// Notes a wrong password.
    pub fn failed(&self, address: IpAddr) {
        let address = neighbourhood(address);
        let mut closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(until) = self.addresses.check_key(&address) {
            let until = Instant::now() + until.wait_time_from(self.clock.now());
            if closed.addresses.len() >= REMEMBERED {
                closed.addresses.retain(|_, until| *until > Instant::now());
                self.addresses.retain_recent();
            }
            closed.addresses.insert(address, until);
            return;
        }
        if self.addresses.len() >= REMEMBERED {
            self.addresses.retain_recent();
        }
        if let Err(until) = self.altogether.check() {
            closed.altogether = Some(Instant::now() + until.wait_time_from(self.clock.now()));
        }
    }
}

/// Whoever has one address of IPv6 has 2⁶⁴ of them.
fn neighbourhood(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_sixth_wrong_password_closes_the_door_for_that_address_only() {
        let limits = Limits::default();
        let (eve, ada) = (address("10.0.0.66"), address("10.0.0.1"));
        for _ in 0..PER_ADDRESS {
            assert_eq!(limits.wait(eve), None);
            limits.failed(eve);
        }
        assert_eq!(limits.wait(eve), None);
        limits.failed(eve);
        let wait = limits.wait(eve).unwrap();
        assert!(wait > Duration::from_secs(5) && wait <= Duration::from_secs(12), "{wait:?}");
        assert!(limits.wait(address("::ffff:10.0.0.66")).is_some());
        assert_eq!(limits.wait(ada), None);
    }

    #[test]
    fn many_addresses_close_it_for_all_and_are_not_remembered_for_ever() {
        let limits = Limits::default();
        for number in 0..=ALTOGETHER {
            limits.failed(address(&format!("10.0.{number}.1")));
        }
        assert!(limits.wait(address("10.9.9.9")).is_some());
        for number in 0..5000_u32 {
            limits.failed(Ipv6Addr::from_bits(u128::from(number) << 64).into());
        }
        assert!(limits.closed.lock().unwrap().addresses.len() <= REMEMBERED);
    }

    #[test]
    fn an_address_of_ipv6_is_one_of_its_network() {
        assert_eq!(neighbourhood(address("2001:db8::1")), neighbourhood(address("2001:db8::ffff:1")));
        assert_ne!(neighbourhood(address("2001:db8::1")), neighbourhood(address("2001:db8:0:1::1")));
        assert_eq!(neighbourhood(address("::ffff:10.0.0.1")), address("10.0.0.1"));
    }
}
