//! The sha256 of tensors and text.

use sha2::{Digest, Sha256};

use crate::tensor::{Tensor, little_endian};

/// Returns the sha256, in hex, of a line with dtype and shape followed by the elements as little-endian bytes in C order.
///
/// The same tensor has the same digest in every file format, byte order and memory order. In Python:
/// `hashlib.sha256(f"f32 {list(x.shape)}\n".encode() + x.tobytes()).hexdigest()`.
///
/// ```
/// # use karat::{Tensor, case::sha256};
/// let x = Tensor::new(&[2], vec![1.0f32, -2.5])?;
/// assert_eq!(sha256(&x), "963399515abefa67efddc90ebe97a01d070cd0c8190e1064cf13c305e5af9686");
/// # Ok::<(), karat::Error>(())
/// ```
#[must_use]
pub fn sha256(tensor: &Tensor) -> String {
    let mut hasher = Sha256::new();
    hasher.update(format!("{} {:?}\n", tensor.dtype(), tensor.shape()));
    hasher.update(little_endian(tensor.data()));
    hex(hasher)
}

/// Returns the sha256 of a text, in hex.
pub(crate) fn sha256_of_text(text: &str) -> String {
    hex(Sha256::new_with_prefix(text))
}

/// Returns the sha256 of lines of text, in hex. Each line is followed by a line feed.
pub(crate) fn sha256_of_lines<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    let mut hasher = Sha256::new();
    for line in lines {
        hasher.update(line);
        hasher.update("\n");
    }
    hex(hasher)
}

fn hex(hasher: Sha256) -> String {
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
