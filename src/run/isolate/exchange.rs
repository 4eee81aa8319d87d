//! Tensors by name in a folder: what goes from one process to the other besides an outcome.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::error::{Error, Result};
use crate::tensor::{DType, Tensor};
use crate::tensor::{read_tensor, write_npy};

/// The list of the tensors of a folder: each in a file named by its place there, since a name may be none for a file.
const LIST: &str = "tensors.json";

/// Writes tensors into a folder.
pub(super) fn write<'a>(folder: &Path, tensors: impl Iterator<Item = (&'a str, &'a Tensor)>) -> Result<()> {
    let mut list: Vec<(&str, &str)> = Vec::new();
    for (name, tensor) in tensors {
        write_npy(&folder.join(format!("{}.npy", list.len())), tensor)?;
        list.push((name, tensor.dtype().name()));
    }
    let path = folder.join(LIST);
    let text = serde_json::to_string(&list).expect("text is JSON");
    fs::write(&path, text).map_err(|error| Error::write(path, error))
}

/// Reads them back.
pub(super) fn read(folder: &Path) -> Result<BTreeMap<String, Tensor>> {
    let path = folder.join(LIST);
    let text = fs::read_to_string(&path).map_err(|error| Error::read(&path, error))?;
    let list: Vec<(String, String)> =
        serde_json::from_str(&text).map_err(|error| Error::Invalid(format!("{}: {error}", path.display())))?;
    let tensor = |(at, (name, dtype)): (usize, (String, String))| {
        // An npy file does not say of every dtype which it is.
        let tensor = read_tensor(&folder.join(format!("{at}.npy")), None, DType::from_name(&dtype))?;
        Ok((name, tensor))
    };
    list.into_iter().enumerate().map(tensor).collect()
}

#[cfg(test)]
mod tests {
    use half::bf16;

    use super::*;

    #[test]
    fn tensors_of_any_name_and_dtype_come_back() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let odd = Tensor::new(&[2], vec![bf16::from_f32(1.5), bf16::NAN]).expect("two elements");
        let empty = Tensor::new(&[0, 3], Vec::<i64>::new()).expect("no element");
        let mask = Tensor::new(&[1], vec![true]).expect("an element");
        let tensors = [("a/b: \"c\"", &odd), ("", &empty), ("mask", &mask)];
        write(folder.path(), tensors.into_iter()).expect("they are written");
        let read = read(folder.path()).expect("they are read");
        assert_eq!(read.len(), 3);
        for (name, tensor) in tensors {
            assert!(crate::run::examine::same_bits(tensor, &read[name]), "{name:?}");
        }
    }
}
