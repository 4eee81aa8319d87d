//! One tensor in NumPy's own format: a header that is a Python literal, then the elements.

use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;

use ndarray_npy::npy::header::{Header, ParseHeaderError, ReadHeaderError};

use super::dtype::DType;
use super::file::{
    Content, Encoding, Fault, Located, OpenFile, broken, check_declared, check_len, little_endian, readable,
};
use super::tensor::Tensor;
use crate::error::{Error, Result};
use crate::fs::{AtomicFile, Mode, folder, write_atomic};

const MAGIC: &[u8; 6] = b"\x93NUMPY";

/// Magic and version.
const PREFIX_LEN: usize = MAGIC.len() + 2;

/// The longest header that is read; NumPy itself stops there too.
const MAX_HEADER_LEN: usize = 10_000;

/// How deep brackets may nest in a header: a tuple in a dict. Only that of records nests deeper, and the parser takes
/// time exponential in the depth.
const MAX_DEPTH: usize = 2;

/// NumPy leaves room in the header for the first extent to grow to this many digits.
const GROWTH_DIGITS: usize = 21;

/// NumPy pads the header so that the elements begin at a multiple of this.
const ALIGNMENT: usize = 64;

/// Finds the tensor of a file.
pub(super) fn locate(file: &Arc<OpenFile>, declared: Option<DType>) -> Result<Located, Fault> {
    locate_in(Content::new(file.range(0, file.len), None), Some(0), file.len, declared)
}

/// Reads the header, up to the first element, of a file of `len` bytes that begins at `start` in what may be another one. What
/// it promises is exactly what the file has after it.
pub(super) fn locate_in(
    mut content: Content,
    start: Option<u64>,
    len: u64,
    declared: Option<DType>,
) -> Result<Located, Fault> {
    let Header { type_descriptor, layout, shape } = parse(&header_text(&mut content, len)?)?;
    let descr = type_descriptor.as_string().ok_or_else(records)?;
    let (dtype, is_big_endian) = number(descr, declared)?;
    let claim = shorten(&format!("{dtype} {shape:?}"));
    let encoding = Encoding { dtype, shape, is_big_endian, is_fortran: layout.is_fortran() }.checked();
    let encoding =
        encoding.ok_or_else(|| broken!("its header claims {claim}, which no machine can hold; make it again"))?;
    check_len(len - content.position, encoding.byte_len(), &format!(" ({claim})"))?;
    let start = start.filter(|_| !encoding.is_fortran).map(|start| start + content.position);
    Ok(Located { encoding, content, start })
}

/// The text of the header, to its line break. Nothing is reserved that the file does not have.
fn header_text(content: &mut Content, len: u64) -> Result<Vec<u8>, Fault> {
    let mut bytes = vec![0; len.min(PREFIX_LEN as u64) as usize];
    content.read_exact(&mut bytes)?;
    if !bytes.starts_with(&MAGIC[..MAGIC.len().min(bytes.len())]) {
        let hint = if bytes.starts_with(b"PK") { "; it begins as a zip does: name it .npz" } else { "" };
        return Err(broken!("is no npy file: it does not begin with \\x93NUMPY{hint}"));
    }
    let length_bytes = match bytes[MAGIC.len().min(bytes.len())..] {
        [2 | 3, 0] => 4,
        [major, minor] if (major, minor) != (1, 0) => {
            return Err(broken!("is npy version {major}.{minor}; karat reads 1.0, 2.0 and 3.0"));
        }
        _ => 2,
    };
    let mut read = |end: usize, count: usize| {
        if end as u64 > len {
            return Err(broken!(
                "is truncated: {len} bytes are there, and its header alone takes {end}; make it again"
            ));
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

/// What the text of a header says. Guarded against what its parser does not survive.
fn parse(text: &[u8]) -> Result<Header, Fault> {
    if depth(text) > MAX_DEPTH {
        return Err(nested(text));
    }
    let plain = plain(text);
    let mut bytes = MAGIC.to_vec();
    bytes.extend([3, 0]);
    bytes.extend((plain.len() as u32).to_le_bytes());
    bytes.extend(plain);
    Header::from_reader(&mut bytes.as_slice()).map_err(|error| no_dict(text, &fault(&error)))
}

fn no_dict(text: &[u8], fault: &str) -> Fault {
    let text = String::from_utf8_lossy(text);
    let text = shorten(text.trim());
    broken!("its header is no dict of descr, fortran_order and shape: {text:?}, {fault}; make it again")
}

/// What is wrong with a header in which brackets nest too deep to be parsed: by its descr, if it can be found.
fn nested(text: &[u8]) -> Fault {
    let whole = String::from_utf8_lossy(text);
    let descr = ["'descr'", "\"descr\""].iter().find_map(|key| whole.split_once(key));
    let descr = descr.and_then(|(_, rest)| rest.trim_start().strip_prefix(':')).unwrap_or_default().trim_start();
    let word = descr.starts_with(['\'', '"']).then(|| descr[1..].split(['\'', '"']).next()).flatten();
    match word {
        Some(word) if word.contains(['[', '(', '{']) => refused(word, ""),
        None if descr.starts_with(['[', '(']) => records(),
        _ => no_dict(text, "whose brackets nest deeper than in any header of numbers"),
    }
}

/// The text of a header as the parser takes it. NumPy reads more: line breaks, extents such as `8L` as Python 2 wrote them,
/// and a text without a line feed at its end.
fn plain(text: &[u8]) -> Vec<u8> {
    let (mut plain, mut quote) = (Vec::with_capacity(text.len() + 1), None);
    let mut bytes = text.iter().copied();
    while let Some(byte) = bytes.next() {
        match (quote, byte) {
            (Some(_), b'\\') => {
                plain.push(byte);
                plain.extend(bytes.next());
                continue;
            }
            (Some(open), _) if byte == open => quote = None,
            (None, b'\'' | b'"') => quote = Some(byte),
            (None, b'L') if plain.last().is_some_and(u8::is_ascii_digit) => continue,
            (None, b'\n' | b'\r') => {
                plain.push(b' ');
                continue;
            }
            _ => {}
        }
        plain.push(byte);
    }
    plain.push(b'\n');
    plain
}

/// What is wrong with a header, in words. The parser's own span several lines.
fn fault(error: &ReadHeaderError) -> String {
    match error {
        ReadHeaderError::Parse(ParseHeaderError::MissingKey(key)) => {
            // ndarray-npy 0.10.0 misspells the shape.
            format!("which has no {}", if key == "shaper" { "shape" } else { key })
        }
        ReadHeaderError::Parse(ParseHeaderError::UnknownKey(key)) => {
            format!("which has another key, {}", shorten(&key.to_string()))
        }
        ReadHeaderError::Parse(ParseHeaderError::IllegalValue { key, value }) => {
            let right = if key == "shape" { "a tuple of sizes, such as (2, 3) or (2,)" } else { "True or False" };
            format!("whose {key} is {} and not {right}", shorten(&value.to_string()))
        }
        ReadHeaderError::Parse(ParseHeaderError::DictParse(error)) => {
            // Where the parser stopped, as in ` --> 1:36`.
            let text = error.to_string();
            let place = text.split_once("--> 1:").and_then(|(_, rest)| rest.split_whitespace().next());
            match place {
                Some(place) => format!("which is no Python literal at character {place}"),
                None => "which is no Python literal".to_owned(),
            }
        }
        ReadHeaderError::Parse(ParseHeaderError::Utf8Parse(_)) => "which is not UTF-8".to_owned(),
        _ => "which is no dict".to_owned(),
    }
}

/// How deep brackets nest.
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

fn records() -> Fault {
    broken!("holds records (a structured dtype), and karat reads plain numbers; save each field to its own file")
}

/// The dtype that NumPy's text, such as `<f4`, stands for, and whether the most significant byte comes first.
fn number(descr: &str, declared: Option<DType>) -> Result<(DType, bool), Fault> {
    let code = descr.strip_prefix(['<', '>', '|']).unwrap_or(descr);
    let dtype = match code {
        "V2" => nameless(descr, &[DType::BF16], declared)?,
        // ml_dtypes writes f8_e5m2 as f1, which NumPy alone does not know.
        "V1" | "f1" => nameless(descr, &[DType::F8E4M3, DType::F8E5M2], declared)?,
        _ => {
            let dtype = DType::ALL.into_iter().find(|dtype| dtype.numpy_code() == code);
            let dtype = dtype.ok_or_else(|| refused(descr, code))?;
            check_declared(dtype, declared)?;
            dtype
        }
    };
    if dtype.size() > 1 && dtype != DType::BF16 && !descr.starts_with(['<', '>']) {
        return Err(broken!("has dtype {descr}, which leaves the byte order open; make it again"));
    }
    Ok((dtype, descr.starts_with('>')))
}

/// The dtype declared for elements whose dtype NumPy could not name.
fn nameless(descr: &str, candidates: &[DType], declared: Option<DType>) -> Result<DType, Fault> {
    let names: Vec<String> = candidates.iter().map(|dtype| format!("\"dtype\": \"{dtype}\"")).collect();
    let names = names.join(" or ");
    match declared {
        Some(dtype) if candidates.contains(&dtype) => Ok(dtype),
        Some(dtype) => Err(broken!("has dtype {descr}, which cannot be {dtype}; declare {names}")),
        None => Err(broken!(
            "has dtype {descr}, which is all that numpy keeps of a dtype it does not know; \
             declare {names} if it is that"
        )),
    }
}

/// The refusal of a dtype, by its name.
fn refused(descr: &str, code: &str) -> Fault {
    let kind = match code.as_bytes().first() {
        Some(b'O') => {
            return broken!(
                "holds pickled Python objects (dtype {descr}), which karat never loads; save plain numbers"
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

/// The text, cut where it would drown a message.
fn shorten(text: &str) -> String {
    const LIMIT: usize = 120;
    match text.char_indices().nth(LIMIT) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

/// Writes a tensor as `numpy.save` does: the same bytes, little-endian, in C order.
///
/// NumPy has no name for three dtypes. As with its companion `ml_dtypes`, bf16 is written as `<V2` and the 8-bit floats
/// as `<V1`: [`read_tensor`](super::read_tensor) takes them back where the dtype is declared.
///
/// The file appears whole or not at all: it is written beside its place and renamed. Folders are created as needed, and
/// a file that was there is replaced.
///
/// # Errors
///
/// [`Error::Write`] where the file or a folder above it cannot be written.
pub fn write_npy(path: &Path, tensor: &Tensor) -> Result<()> {
    let folder = folder(path);
    fs::create_dir_all(folder).map_err(|source| Error::write(folder, source))?;
    let write = |out: &mut AtomicFile| {
        out.write_all(&header(tensor)?)?;
        out.write_all(&little_endian(tensor.data()))
    };
    write_atomic(path, Mode::Replace, write).map_err(|source| Error::write(path, source))
}

/// The header of npy version 1.0, to the last space as NumPy writes it: ndarray-npy leaves the first extent no room to grow.
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
    // As NumPy does it: one whole line of padding where none is needed.
    text.push_str(&" ".repeat(ALIGNMENT - unpadded % ALIGNMENT));
    text.push('\n');
    let len = u16::try_from(text.len())
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "more axes than an npy header has room for"))?;
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
    fn what_numpy_reads_is_read() {
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
    fn a_header_that_is_nearly_right_says_what_is_wrong() {
        let with =
            |shape: &str, order: &str| format!("{{'descr': '<f4', 'fortran_order': {order}, 'shape': {shape}}}\n");
        let sizes = "and not a tuple of sizes, such as (2, 3) or (2,)";
        for (text, fault) in [
            (with("(8)", "False"), "which is no Python literal at character 53".to_owned()),
            (with("8", "False"), format!("whose shape is 8 {sizes}")),
            (with("[8, 2]", "False"), format!("whose shape is [8, 2] {sizes}")),
            (with("(-1,)", "False"), format!("whose shape is (-1,) {sizes}")),
            (with("(8.,)", "False"), format!("whose shape is (8e0,) {sizes}")),
            (with("(8,)", "0"), "whose fortran_order is 0 and not True or False".to_owned()),
            (with("(8,)", "false"), "which is no Python literal at character 35".to_owned()),
            (with("(8,), 'more': 1", "False"), "which has another key, 'more'".to_owned()),
            ("{'fortran_order': False, 'shape': (8,)}\n".to_owned(), "which has no descr".to_owned()),
            ("{'descr': '<f4', 'shape': (8,)}\n".to_owned(), "which has no fortran_order".to_owned()),
            ("{'descr': '<f4', 'fortran_order': False}\n".to_owned(), "which has no shape".to_owned()),
            ("['<f4', False]\n".to_owned(), "which is no dict".to_owned()),
            (String::new(), "which is no Python literal at character 1".to_owned()),
        ] {
            let error = read(text.as_bytes()).expect_err(&text);
            assert!(error.ends_with(&format!(", {fault}; make it again")), "{error}");
        }
        let error = read(b"{'descr': '<f4\xff', 'fortran_order': False, 'shape': (8,)}\n").expect_err("not UTF-8");
        assert!(error.ends_with(", which is not UTF-8; make it again"), "{error}");
    }

    proptest! {
        #[test]
        fn any_tokens_are_survived(
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
