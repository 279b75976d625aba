//! Where a request comes from, and how much one source may do.
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};

use axum::http::HeaderMap;

/// A source: an IPv4 address or an IPv6 /64, which one person holds in full. Request extension of every request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Source(pub IpAddr);

impl Source {
    /// The source that an address belongs to.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(v6) => Self(IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64)))),
            v4 @ IpAddr::V4(_) => Self(v4),
        }
    }
}

/// The citizen's address: the connection's, or, behind `trusted` proxies, the last address in `X-Forwarded-For` that
/// is not one of them. What stands further left was written by the client and is not believed.
#[must_use]
pub fn client_address(peer: SocketAddr, headers: &HeaderMap, trusted: &[IpAddr]) -> IpAddr {
    let is_trusted = |ip: &IpAddr| trusted.iter().any(|t| t.to_canonical() == ip.to_canonical());
    let mut address = peer.ip().to_canonical();
    if !is_trusted(&address) {
        return address;
    }
    let values: Vec<&str> = headers.get_all("x-forwarded-for").iter().filter_map(|v| v.to_str().ok()).collect();
    for hop in values.iter().flat_map(|v| v.split(',')).rev() {
        let Ok(ip) = hop.trim().parse::<IpAddr>() else {
            break;
        };
        address = ip.to_canonical();
        if !is_trusted(&address) {
            break;
        }
    }
    address
}

/// A limit per source and minute: each source has a bucket that holds a minute's worth and refills evenly.
#[derive(Debug)]
pub struct Rate {
    per_minute: u64,
    buckets: Mutex<HashMap<Source, Bucket>>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    /// In units of one request times 60,000, so that a millisecond refills `per_minute` of them.
    level: u64,
    at_ms: u64,
}

const ONE: u64 = 60_000;
/// Sources remembered at once; beyond it those with full buckets are forgotten, and if none is full, the fullest half.
const MOST_SOURCES: usize = 100_000;

impl Rate {
    /// Allows `per_minute` requests, all at once or spread.
    #[must_use]
    pub fn new(per_minute: u32) -> Self {
        Self { per_minute: u64::from(per_minute), buckets: Mutex::new(HashMap::new()) }
    }

    /// Takes one request of `source` at `now_ms` (milliseconds on a clock that does not go back).
    ///
    /// # Errors
    /// The seconds after which to try again, for `Retry-After`.
    pub fn take(&self, source: Source, now_ms: u64) -> Result<(), u64> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= MOST_SOURCES && !buckets.contains_key(&source) {
            self.forget(&mut buckets, now_ms);
        }
        let full = Bucket { level: self.per_minute * ONE, at_ms: now_ms };
        let bucket = buckets.entry(source).or_insert(full);
        *bucket = self.refilled(*bucket, now_ms);
        if bucket.level >= ONE {
            bucket.level -= ONE;
            return Ok(());
        }
        let wait_ms = (ONE - bucket.level).div_ceil(self.per_minute.max(1));
        Err(wait_ms.div_ceil(1000).max(1))
    }

    fn refilled(&self, bucket: Bucket, now_ms: u64) -> Bucket {
        let gained = now_ms.saturating_sub(bucket.at_ms).saturating_mul(self.per_minute);
        let level = bucket.level.saturating_add(gained).min(self.per_minute * ONE);
        Bucket { level, at_ms: now_ms.max(bucket.at_ms) }
    }

    fn forget(&self, buckets: &mut HashMap<Source, Bucket>, now_ms: u64) {
        let full = self.per_minute * ONE;
        buckets.retain(|_, bucket| self.refilled(*bucket, now_ms).level < full);
        // Room for many at once, or every new source would pay for a whole pass.
        if buckets.len() > MOST_SOURCES / 4 * 3 {
            let mut levels: Vec<u64> = buckets.values().map(|b| b.level).collect();
            let middle = levels.len() / 2;
            let (_, median, _) = levels.select_nth_unstable(middle);
            let median = *median;
            let mut left = MOST_SOURCES / 2;
            buckets.retain(|_, bucket| {
                let keep = bucket.level <= median && left > 0;
                left -= usize::from(keep);
                keep
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(last: u32) -> Source {
        Source::of(IpAddr::from(last.to_be_bytes()))
    }

    #[test]
    fn an_ipv6_network_and_a_mapped_address_are_one_source() {
        let of = |text: &str| Source::of(text.parse().unwrap());
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), of("2001:db8:1:2::1"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:10.0.0.1"), of("10.0.0.1"));
    }

    #[test]
    fn forwarded_addresses_are_believed_from_proxies_alone() {
        let proxy: IpAddr = "10.0.0.1".parse().unwrap();
        let mut headers = HeaderMap::new();
        headers.append("x-forwarded-for", "6.6.6.6, 7.7.7.7".parse().unwrap());
        headers.append("x-forwarded-for", "8.8.8.8, 10.0.0.1".parse().unwrap());
        let from =
            |peer: &str, headers: &HeaderMap| client_address(peer.parse().unwrap(), headers, &[proxy]).to_string();
        assert_eq!(from("9.9.9.9:1", &headers), "9.9.9.9");
        assert_eq!(from("10.0.0.1:1", &headers), "8.8.8.8");
        assert_eq!(from("[::ffff:10.0.0.1]:1", &headers), "8.8.8.8");
        assert_eq!(from("10.0.0.1:1", &HeaderMap::new()), "10.0.0.1");
    }

    #[test]
    fn a_source_gets_its_minute_and_no_more() {
        let rate = Rate::new(5);
        for _ in 0..5 {
            rate.take(source(1), 1000).unwrap();
        }
        assert_eq!(rate.take(source(1), 1000), Err(12));
        rate.take(source(2), 1000).unwrap();
        assert_eq!(rate.take(source(1), 12_999), Err(1));
        rate.take(source(1), 13_000).unwrap();
        assert_eq!(rate.take(source(1), 0), Err(12));
    }

    #[test]
    fn memory_is_bounded_and_the_spent_are_remembered() {
        let rate = Rate::new(1);
        for number in 0..u32::try_from(MOST_SOURCES).unwrap() + 10 {
            rate.take(source(number), 0).unwrap();
        }
        assert!(rate.buckets.lock().unwrap().len() <= MOST_SOURCES);
        let last = u32::try_from(MOST_SOURCES).unwrap() + 9;
        assert!(rate.take(source(last), 0).is_err());
    }
}
