//! Floating-point functions that the standard library has not, or not the same on every platform.

/// The integer to the nearest `f64`: by the machine's own instruction where 64 bits are enough.
#[inline]
pub(crate) fn nearest(x: i128) -> f64 {
    // Not inline: the compiler would convert both ways and then choose, and this one takes long.
    #[cold]
    #[inline(never)]
    fn beyond(x: i128) -> f64 {
        x as f64
    }
    i64::try_from(x).map_or_else(|_| beyond(x), |x| x as f64)
}

/// `sqrt(re^2 + im^2)`, without overflow between. The standard library's `hypot` is the platform's, and differs between
/// them in the last bit; a square root does not.
pub(crate) fn modulus(re: f64, im: f64) -> f64 {
    let largest = re.abs().max(im.abs());
    if is_tame(largest) {
        return (re * re + im * im).sqrt();
    }
    if re.is_infinite() || im.is_infinite() {
        return f64::INFINITY;
    }
    if re.is_nan() || im.is_nan() {
        return f64::NAN;
    }
    let exponent = exponent(largest);
    let (re, im) = (ldexp(re, -exponent), ldexp(im, -exponent));
    ldexp((re * re + im * im).sqrt(), exponent)
}

/// Whether squares of numbers up to that size can be summed as they are: 2^800 leaves room for 2^223 of them, and below
/// 2^-400 the smaller ones would lose digits that count.
#[inline]
pub(crate) fn is_tame(largest: f64) -> bool {
    const UPPER: f64 = f64::from_bits((1023 + 400) << 52);
    const LOWER: f64 = f64::from_bits((1023 - 400) << 52);
    (LOWER..=UPPER).contains(&largest) || largest == 0.0
}

/// The exponent of a finite number that is not 0: `2^exponent <= |x| < 2^(exponent + 1)`.
pub(crate) fn exponent(x: f64) -> i32 {
    const MANTISSA_BITS: u32 = f64::MANTISSA_DIGITS - 1;
    let magnitude = x.abs().to_bits();
    match (magnitude >> MANTISSA_BITS) as i32 {
        0 => -1074 + (63 - magnitude.leading_zeros() as i32),
        biased => biased - 1023,
    }
}

/// `x * 2^exponent`, rounded once; after musl's `scalbn`.
pub(crate) fn ldexp(mut x: f64, mut exponent: i32) -> f64 {
    const UP: f64 = f64::from_bits((1023 + 1023) << 52);
    // Not the smallest normal number, so that 53 bits are left for the one rounding at the end.
    const DOWN: f64 = f64::from_bits((1023 - 969) << 52);
    for _ in 0..2 {
        if exponent > 1023 {
            x *= UP;
            exponent -= 1023;
        } else if exponent < -1022 {
            x *= DOWN;
            exponent += 969;
        }
    }
    x * f64::from_bits(((1023 + exponent.clamp(-1022, 1023)) as u64) << 52)
}

/// The integer that orders floats as their values do: the magnitude bits, with the sign applied.
///
/// `bits` is the whole pattern, `sign` its sign bit, `infinity` the largest magnitude that is no NaN.
#[inline]
pub(crate) fn key(bits: u64, sign: u64, infinity: u64) -> Option<i64> {
    let magnitude = bits & (sign - 1);
    let distance = magnitude as i64; // below 2^63: the sign bit is gone
    (magnitude <= infinity).then_some(if bits & sign == 0 { distance } else { -distance })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TINY: f64 = f64::from_bits(1);

    #[test]
    fn ldexp_reaches_from_the_smallest_to_the_largest_double() {
        assert_eq!(ldexp(1.0, -1074), TINY);
        assert_eq!(ldexp(TINY, 1074), 1.0);
        assert_eq!(ldexp(TINY, 1074 + 1023), 2f64.powi(1023));
        assert_eq!(ldexp(2f64.powi(1023), -1023 - 1074), TINY);
        assert_eq!(ldexp(1.0, 1024), f64::INFINITY);
        assert_eq!(ldexp(1.0, -1076), 0.0);
        assert_eq!(ldexp(3.0, -5000), 0.0);
        assert_eq!(ldexp(-3.0, 5000), f64::NEG_INFINITY);
    }

    #[test]
    fn ldexp_rounds_once() {
        // 1.5 + 2^-52 units of the smallest double: above the tie, so 2 units; rounding twice would first make it 1.5.
        assert_eq!(ldexp(1.5 + f64::EPSILON, -1074), 2.0 * TINY);
        assert_eq!(ldexp(2.5, -1074), 2.0 * TINY);
        assert_eq!(ldexp(2.5 + 2.0 * f64::EPSILON, -1074), 3.0 * TINY);
    }

    #[test]
    fn the_exponent_is_that_of_the_leading_bit() {
        for (x, expected) in [(1.0, 0), (1.99, 0), (2.0, 1), (-0.5, -1), (TINY, -1074), (3.0 * TINY, -1073)] {
            assert_eq!(exponent(x), expected, "{x}");
        }
        assert_eq!(exponent(f64::MIN_POSITIVE), -1022);
        assert_eq!(exponent(f64::MAX), 1023);
    }

    #[test]
    fn the_modulus_neither_overflows_nor_vanishes() {
        assert_eq!(modulus(3.0, -4.0), 5.0);
        assert_eq!(modulus(3e300, 4e300), 5e300);
        assert_eq!(modulus(0.0, TINY), TINY);
        assert_eq!(modulus(3.0 * TINY, 4.0 * TINY), 5.0 * TINY);
        assert_eq!(modulus(f64::INFINITY, f64::NAN), f64::INFINITY);
        assert!(modulus(f64::NAN, 0.0).is_nan());
    }
}
