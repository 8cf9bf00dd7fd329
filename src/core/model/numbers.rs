//! Counting addresses, and numbers as people read them.

use ipnet::IpNet;

/// How many addresses the ranges hold, `u64::MAX` at most: an IPv6 range may hold more.
pub fn addresses_in<'a>(ranges: impl IntoIterator<Item = &'a IpNet>) -> u64 {
    ranges.into_iter().fold(0, |sum, net| {
        let bits = u32::from(net.max_prefix_len() - net.prefix_len());
        sum.saturating_add(1_u64.checked_shl(bits).unwrap_or(u64::MAX))
    })
}

/// A number with thousands separators: `6,144`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_separated() {
        let numbers = [0, 999, 1_000, 6_144, 1_234_567].map(grouped);
        assert_eq!(numbers, ["0", "999", "1,000", "6,144", "1,234,567"]);
    }
}
