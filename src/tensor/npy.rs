//! `.npy`: a header that is a Python literal, then the elements of one tensor.

use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;

use ndarray_npy::npy::header::{Header, ParseHeaderError, ReadHeaderError};

use super::dtype::DType;
use super::file::{
    Content, EncodedTensor, Encoding, Fault, OpenFile, broken, check_declared, check_len, little_endian, readable,
};
use super::tensor::Tensor;
use crate::error::{Error, Result};
use crate::fs::{AtomicFile, Mode, parent_folder, write_atomic};

const MAGIC: &[u8; 6] = b"\x93NUMPY";

/// The length of magic and version.
const PREFIX_LEN: usize = MAGIC.len() + 2;

/// The maximum length of a header, the same as NumPy's.
const MAX_HEADER_LEN: usize = 10_000;

/// The maximum nesting of brackets in a header: a tuple in a dict. Only structured dtypes nest deeper, and the parser takes time
/// exponential in the depth.
const MAX_DEPTH: usize = 2;

/// NumPy reserves room in the header for the first extent to grow to this many digits.
const GROWTH_DIGITS: usize = 21;

/// NumPy pads the header so that the elements start at a multiple of this.
const ALIGNMENT: usize = 64;

/// Describes a literal that is not a header.
const NOT_A_HEADER: &str = "is not a dict of descr, fortran_order and shape";

/// Finds the tensor of an npy file.
pub(super) fn locate(file: &Arc<OpenFile>, declared: Option<DType>) -> Result<EncodedTensor, Fault> {
    locate_in(Content::new(file.range(0, file.len), None), Some(0), file.len, declared)
}

/// Reads and checks the header of an npy file of `len` bytes, which starts at `start` in the containing file. The bytes after the
/// header are exactly those that it declares.
pub(super) fn locate_in(
    mut content: Content,
    start: Option<u64>,
    len: u64,
    declared: Option<DType>,
) -> Result<EncodedTensor, Fault> {
    let Header { type_descriptor, layout, shape } = parse(&header_text(&mut content, len)?)?;
    let descr = type_descriptor.as_string().ok_or_else(structured)?;
    let (dtype, is_big_endian) = parse_dtype(descr, declared)?;
    let claim = shorten(&format!("{dtype} {shape:?}"));
    let encoding = Encoding { dtype, shape, is_big_endian, is_fortran: layout.is_fortran() }.checked();
    let encoding =
        encoding.ok_or_else(|| broken!("its header declares {claim}, too large for any machine; regenerate it"))?;
    check_len(len - content.position, encoding.byte_len(), &format!(" ({claim})"))?;
    let start = start.filter(|_| !encoding.is_fortran).map(|start| start + content.position);
    Ok(EncodedTensor { encoding, content, start })
}

/// Reads the text of the header, including its line break. Never allocates more than the file contains.
fn header_text(content: &mut Content, len: u64) -> Result<Vec<u8>, Fault> {
    let mut bytes = vec![0; len.min(PREFIX_LEN as u64) as usize];
    content.read_exact(&mut bytes)?;
    if !bytes.starts_with(&MAGIC[..MAGIC.len().min(bytes.len())]) {
        let hint = if bytes.starts_with(b"PK") { "it looks like a zip file: name it .npz" } else { "regenerate it" };
        return Err(broken!("not a valid .npy file: it does not start with \\x93NUMPY; {hint}"));
    }
    let length_bytes = match bytes[MAGIC.len().min(bytes.len())..] {
        [2 | 3, 0] => 4,
        [major, minor] if (major, minor) != (1, 0) => {
            return Err(broken!("has npy version {major}.{minor}; karat reads 1.0, 2.0 and 3.0"));
        }
        _ => 2,
    };
    let mut read = |end: usize, count: usize| {
        if end as u64 > len {
            return Err(broken!("is truncated: {len} bytes, but its header alone needs {end}; regenerate it"));
        }
        if end > MAX_HEADER_LEN {
            return Err(broken!("has a header of {end} bytes; karat reads at most {MAX_HEADER_LEN}"));
        }
        let mut bytes = vec![0; count];
        content.read_exact(&mut bytes)?;
        Ok(bytes)
    };
    let start = PREFIX_LEN + length_bytes;
    let length = read(start, length_bytes)?.iter().rev().fold(0, |length, &byte| length << 8 | usize::from(byte));
    read(length.saturating_add(start), length)
}

/// Parses the text of a header. Input that the parser cannot handle is refused first.
fn parse(text: &[u8]) -> Result<Header, Fault> {
    if depth(text) > MAX_DEPTH {
        return Err(too_nested(text));
    }
    let text_for_parser = normalize(text);
    let mut bytes = MAGIC.to_vec();
    bytes.extend([3, 0]);
    bytes.extend((text_for_parser.len() as u32).to_le_bytes());
    bytes.extend(text_for_parser);
    Header::from_reader(&mut bytes.as_slice()).map_err(|error| invalid_header(text, &describe(&error)))
}

fn invalid_header(text: &[u8], problem: &str) -> Fault {
    let text = String::from_utf8_lossy(text);
    let text = shorten(text.trim());
    broken!("not a valid .npy file: its header {text:?} {problem}; regenerate it")
}

/// Describes a header whose brackets are nested too deeply to be parsed, by its descr if it can be found.
fn too_nested(text: &[u8]) -> Fault {
    let whole = String::from_utf8_lossy(text);
    let descr = ["'descr'", "\"descr\""].iter().find_map(|key| whole.split_once(key));
    let descr = descr.and_then(|(_, rest)| rest.trim_start().strip_prefix(':')).unwrap_or_default().trim_start();
    let word = descr.starts_with(['\'', '"']).then(|| descr[1..].split(['\'', '"']).next()).flatten();
    match word {
        Some(word) if word.contains(['[', '(', '{']) => unsupported(word, ""),
        None if descr.starts_with(['[', '(']) => structured(),
        _ => invalid_header(text, "has brackets that are nested too deeply"),
    }
}

/// Converts the text of a header to what the parser accepts. NumPy also accepts line breaks, extents such as `8L` as written by
/// Python 2, and text without a final line feed.
fn normalize(text: &[u8]) -> Vec<u8> {
    let (mut normal, mut quote) = (Vec::with_capacity(text.len() + 1), None);
    let mut bytes = text.iter().copied();
    while let Some(byte) = bytes.next() {
        match (quote, byte) {
            (Some(_), b'\\') => {
                normal.push(byte);
                normal.extend(bytes.next());
                continue;
            }
            (Some(open), _) if byte == open => quote = None,
            (None, b'\'' | b'"') => quote = Some(byte),
            (None, b'L') if normal.last().is_some_and(u8::is_ascii_digit) => continue,
            (None, b'\n' | b'\r') => {
                normal.push(b' ');
                continue;
            }
            _ => {}
        }
        normal.push(byte);
    }
    normal.push(b'\n');
    normal
}

/// Describes what is wrong with a header. The parser's own messages span several lines.
fn describe(error: &ReadHeaderError) -> String {
    use ParseHeaderError::{DictParse, IllegalValue, MissingKey, UnknownKey, Utf8Parse};
    let ReadHeaderError::Parse(error) = error else { return NOT_A_HEADER.to_owned() };
    match error {
        // ndarray-npy 0.10.0 misspells `shape`.
        MissingKey(key) => format!("has no {}", if key == "shaper" { "shape" } else { key }),
        UnknownKey(key) => format!("has an unknown key, {}", shorten(&key.to_string())),
        IllegalValue { key, value } => {
            let valid = if key == "shape" { "a tuple of sizes, such as (2, 3) or (2,)" } else { "True or False" };
            format!("has {key} {} instead of {valid}", shorten(&value.to_string()))
        }
        DictParse(error) => {
            // The position of the error, as in ` --> 1:36`.
            let text = error.to_string();
            let place = text.split_once("--> 1:").and_then(|(_, rest)| rest.split_whitespace().next());
            let place = place.map(|place| format!(" (error at character {place})")).unwrap_or_default();
            format!("is not a Python literal{place}")
        }
        Utf8Parse(_) => "is not UTF-8".to_owned(),
        _ => NOT_A_HEADER.to_owned(),
    }
}

/// Returns the maximum nesting depth of brackets.
fn depth(text: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0usize, 0);
    for byte in text {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

fn structured() -> Fault {
    broken!("has a structured dtype; karat reads only plain numbers, so save each field to its own file")
}

/// Parses a dtype of NumPy, such as `<f4`, and returns whether it is big-endian.
fn parse_dtype(descr: &str, declared: Option<DType>) -> Result<(DType, bool), Fault> {
    let code = descr.strip_prefix(['<', '>', '|']).unwrap_or(descr);
    let dtype = match code {
        "V2" => resolve_unnamed(descr, &[DType::BF16], declared)?,
        // ml_dtypes writes f8_e5m2 as f1, which NumPy without it does not know.
        "V1" | "f1" => resolve_unnamed(descr, &[DType::F8E4M3, DType::F8E5M2], declared)?,
        _ => {
            let dtype = DType::ALL.into_iter().find(|dtype| dtype.numpy_code() == code);
            let dtype = dtype.ok_or_else(|| unsupported(descr, code))?;
            check_declared(dtype, declared)?;
            dtype
        }
    };
    if dtype.size() > 1 && dtype != DType::BF16 && !descr.starts_with(['<', '>']) {
        return Err(broken!("has dtype {descr} without a byte order; regenerate it"));
    }
    Ok((dtype, descr.starts_with('>')))
}

/// Returns the declared dtype of elements whose dtype NumPy cannot name.
fn resolve_unnamed(descr: &str, candidates: &[DType], declared: Option<DType>) -> Result<DType, Fault> {
    let names: Vec<String> = candidates.iter().map(|dtype| format!("\"dtype\": \"{dtype}\"")).collect();
    let names = names.join(" or ");
    match declared {
        Some(dtype) if candidates.contains(&dtype) => Ok(dtype),
        Some(dtype) => Err(broken!("has dtype {descr}, which cannot be {dtype}; declare {names}")),
        None => Err(broken!(
            "has dtype {descr}, which numpy writes for a dtype it cannot name; declare {names} if that is the dtype"
        )),
    }
}

/// Describes a dtype that karat does not support.
fn unsupported(descr: &str, code: &str) -> Fault {
    let kind = match code.as_bytes().first() {
        Some(b'O') => {
            return broken!(
                "contains pickled Python objects (dtype {descr}), which karat never loads; save plain numbers"
            );
        }
        Some(b'U') => " (text)",
        Some(b'S' | b'a') => " (byte strings)",
        Some(b'M') => " (dates)",
        Some(b'm') => " (durations)",
        Some(b'V') => " (raw bytes)",
        Some(b'f' | b'c') => " (another float width)",
        _ => "",
    };
    broken!("has dtype {}{kind}; karat reads {}", shorten(&descr.escape_debug().to_string()), readable())
}

/// Truncates a text that is too long for a message.
fn shorten(text: &str) -> String {
    const LIMIT: usize = 120;
    match text.char_indices().nth(LIMIT) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

/// Writes a tensor with the same bytes as `numpy.save`, little-endian and in C order.
///
/// NumPy has no name for three dtypes. Like the `ml_dtypes` package, karat writes bf16 as `<V2` and the 8-bit floats as `<V1`;
/// [`read_tensor`](super::read_tensor) reads them if the dtype is declared.
///
/// The file is written atomically: to a temporary file that is then renamed. Folders are created as needed, and an existing file is
/// replaced.
///
/// # Errors
///
/// [`Error::Write`] if the file or a folder above it cannot be written.
pub fn write_npy(path: &Path, tensor: &Tensor) -> Result<()> {
    let folder = parent_folder(path);
    fs::create_dir_all(folder).map_err(|source| Error::write(folder, source))?;
    let write = |out: &mut AtomicFile| {
        out.write_all(&header(tensor)?)?;
        out.write_all(&little_endian(tensor.data()))
    };
    write_atomic(path, Mode::Replace, write).map_err(|source| Error::write(path, source))
}

/// Returns a header of npy version 1.0, byte for byte as NumPy writes it. ndarray-npy does not reserve room for the first extent to
/// grow.
fn header(tensor: &Tensor) -> io::Result<Vec<u8>> {
    let code = tensor.dtype().numpy_code();
    let order = if tensor.dtype().size() > 1 || code.starts_with('V') { '<' } else { '|' };
    let extents: String = tensor.shape().iter().map(|extent| format!("{extent}, ")).collect();
    // A tuple of one ends in a comma.
    let extents = extents.strip_suffix(if tensor.shape().len() == 1 { " " } else { ", " }).unwrap_or_default();
    let mut text = format!("{{'descr': '{order}{code}', 'fortran_order': False, 'shape': ({extents}), }}");
    if let Some(first) = tensor.shape().first() {
        text.push_str(&" ".repeat(GROWTH_DIGITS - first.to_string().len()));
    }
    let unpadded = PREFIX_LEN + 2 + text.len() + 1;
    // Like NumPy, this adds a full block of padding if none is needed.
    text.push_str(&" ".repeat(ALIGNMENT - unpadded % ALIGNMENT));
    text.push('\n');
    let len = u16::try_from(text.len())
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "too many axes for an npy header"))?;
    let mut bytes = MAGIC.to_vec();
    bytes.extend([1, 0]);
    bytes.extend(len.to_le_bytes());
    bytes.extend(text.as_bytes());
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &[u8]) -> Result<(String, bool, Vec<usize>), String> {
        let header = parse(text).map_err(|fault| fault.at(Path::new("y.npy"), None).to_string())?;
        let descr = header.type_descriptor.as_string().cloned().unwrap_or_default();
        Ok((descr, header.layout.is_fortran(), header.shape))
    }

    #[test]
    fn headers_that_numpy_accepts_are_accepted() {
        for text in [
            "{'descr': '<f4', 'fortran_order': False, 'shape': (8, 64), }    \n",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (8, 64), }",
            "{'descr':'<f4','fortran_order':False,'shape':(8,64)}\n",
            "{\"shape\": (8, 64,), \"descr\": \"<f4\", \"fortran_order\": False}\n",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (8L, 64L), }\n",
            " { 'shape' :\t( 8\n,64\r\n) ,\x0c'fortran_order' : False , 'descr' : '<f4' }\n\n",
            "{'descr': '\\x3cf4', 'fortran_order': False, 'shape': (8, 64)}\n",
            "{'shape': (), 'descr': '', 'descr': '<f4', 'fortran_order': True, 'fortran_order': False, 'shape': (8, 64)}\n",
        ] {
            assert_eq!(read(text.as_bytes()), Ok(("<f4".to_owned(), false, vec![8, 64])), "{text}");
        }
        let scalar = b"{'descr': '|b1', 'fortran_order': True, 'shape': (), }\n";
        assert_eq!(read(scalar), Ok(("|b1".to_owned(), true, vec![])));
    }

    #[test]
    fn the_error_describes_what_is_wrong_with_a_header() {
        let with =
            |shape: &str, order: &str| format!("{{'descr': '<f4', 'fortran_order': {order}, 'shape': {shape}}}\n");
        let sizes = "instead of a tuple of sizes, such as (2, 3) or (2,)";
        for (text, fault) in [
            (with("(8)", "False"), "is not a Python literal (error at character 53)".to_owned()),
            (with("8", "False"), format!("has shape 8 {sizes}")),
            (with("[8, 2]", "False"), format!("has shape [8, 2] {sizes}")),
            (with("(-1,)", "False"), format!("has shape (-1,) {sizes}")),
            (with("(8.,)", "False"), format!("has shape (8e0,) {sizes}")),
            (with("(8,)", "0"), "has fortran_order 0 instead of True or False".to_owned()),
            (with("(8,)", "false"), "is not a Python literal (error at character 35)".to_owned()),
            (with("(8,), 'more': 1", "False"), "has an unknown key, 'more'".to_owned()),
            ("{'fortran_order': False, 'shape': (8,)}\n".to_owned(), "has no descr".to_owned()),
            ("{'descr': '<f4', 'shape': (8,)}\n".to_owned(), "has no fortran_order".to_owned()),
            ("{'descr': '<f4', 'fortran_order': False}\n".to_owned(), "has no shape".to_owned()),
            ("['<f4', False]\n".to_owned(), "is not a dict of descr, fortran_order and shape".to_owned()),
            (String::new(), "is not a Python literal (error at character 1)".to_owned()),
        ] {
            let error = read(text.as_bytes()).expect_err(&text);
            assert!(error.ends_with(&format!("\" {fault}; regenerate it")), "{error}");
        }
        let error = read(b"{'descr': '<f4\xff', 'fortran_order': False, 'shape': (8,)}\n").expect_err("not UTF-8");
        assert!(error.ends_with(" is not UTF-8; regenerate it"), "{error}");
    }

    proptest! {
        #[test]
        fn arbitrary_tokens_do_not_panic(
            tokens in prop::collection::vec(
                prop::sample::select(&["{", "}", "(", ")", "[", "'", "\"", "'descr'", "'<f4'", "'fortran_order'", "'shape'",
                    ":", ",", "False", "8", "L", "\\", "\\x", "é", " ", "\n"][..]),
                0..20,
            ),
        ) {
            let _ = read(format!("{{{}\n", tokens.concat()).as_bytes());
        }
    }
}
