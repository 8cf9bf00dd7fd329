//! Numbers, of 38 digits as DynamoDB's are.

use std::cmp::Ordering;

/// `digits` times ten to the power of `exponent`, without zeros at the end of `digits`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Number {
    digits: i128,
    exponent: i32,
}

const MOST_DIGITS: u32 = 38;

impl Number {
    /// `None`: not a number, or not one that DynamoDB stores.
    pub fn parse(text: &str) -> Option<Self> {
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse().ok()?),
            None => (text, 0_i32),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = format!("{whole}{fraction}");
        let exponent = exponent.checked_sub(i32::try_from(fraction.len()).ok()?)?;
        let is_signed = digits.starts_with(['-', '+']);
        let only_digits = digits[usize::from(is_signed)..].bytes().all(|byte| byte.is_ascii_digit());
        if !only_digits { None } else { Self::normal(digits.parse().ok()?, exponent) }
    }

    fn normal(mut digits: i128, mut exponent: i32) -> Option<Self> {
        if digits == 0 {
            return Some(Self { digits, exponent: 0 });
        }
        while digits % 10 == 0 {
            (digits, exponent) = (digits / 10, exponent + 1);
        }
        let size = i32::try_from(digits.unsigned_abs().ilog10()).ok()? + exponent;
        let is_stored = digits.unsigned_abs().ilog10() < MOST_DIGITS && (-130..126).contains(&size);
        is_stored.then_some(Self { digits, exponent })
    }

    /// `None`: the sum has too many digits.
    pub fn plus(self, other: Self) -> Option<Self> {
        let exponent = self.exponent.min(other.exponent);
        Self::normal(self.with_exponent(exponent)?.checked_add(other.with_exponent(exponent)?)?, exponent)
    }

    pub fn negative(self) -> Self {
        Self { digits: -self.digits, ..self }
    }

    /// The digits with this exponent, which is not above its own.
    fn with_exponent(self, exponent: i32) -> Option<i128> {
        let more = u32::try_from(self.exponent - exponent).ok()?;
        if self.digits == 0 { Some(0) } else { self.digits.checked_mul(10_i128.checked_pow(more)?) }
    }

    pub fn compare(self, other: Self) -> Ordering {
        // Where the difference has too many digits, the larger exponent decides.
        match self.plus(other.negative()) {
            Some(difference) => difference.digits.cmp(&0),
            None if self.exponent > other.exponent => self.digits.cmp(&0),
            None => 0.cmp(&other.digits),
        }
    }

    /// As DynamoDB gives it back: without zeros that say nothing.
    pub fn text(self) -> String {
        let sign = if self.digits < 0 { "-" } else { "" };
        let digits = self.digits.unsigned_abs().to_string();
        let zeros = usize::try_from(self.exponent.unsigned_abs()).unwrap_or(usize::MAX);
        if self.exponent >= 0 {
            return format!("{sign}{digits}{}", "0".repeat(zeros));
        }
        let digits = format!("{digits:0>width$}", width = zeros + 1);
        let (whole, fraction) = digits.split_at(digits.len() - zeros);
        format!("{sign}{whole}.{fraction}")
    }
}
