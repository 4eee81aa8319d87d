//! One tensor in NumPy's own format: a header that is a Python literal, then the elements.

use std::cmp::Ordering;
use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;

use ndarray_npy::npy::header::{Header, Layout, ParseHeaderError, ReadHeaderError};

use super::dtype::DType;
use super::encoding::{ByteOrder, Encoding, check_declared, little_endian, readable};
use super::file::{Located, OpenFile};
use super::place::Place;
use super::tensor::Tensor;
use crate::error::{Error, Result};
use crate::fs::{AtomicFile, Mode, write_atomic};

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
pub(super) fn locate(file: &Arc<OpenFile>, declared: Option<DType>, place: Place<'_>) -> Result<Located> {
    let mut reader = file.range(0, file.len);
    let encoding = read_header(&mut reader, file.len, declared, place)?;
    Ok(Located { encoding, offset: Some(reader.position()), content: Box::new(reader) })
}

/// Reads the header, up to the first element. What it promises is exactly what the file, of `len` bytes, has after it.
pub(super) fn read_header(
    reader: &mut dyn Read,
    len: u64,
    declared: Option<DType>,
    place: Place<'_>,
) -> Result<Encoding> {
    let bytes = header_bytes(reader, len, place)?;
    let Header { type_descriptor, layout, shape } = parse(text(&bytes), place)?;
    let descr = type_descriptor.as_string().ok_or_else(|| records(place))?;
    let (dtype, byte_order) = number(descr, declared, place)?;
    let Some(encoding) = Encoding::new(dtype, shape.clone(), byte_order, layout.is_fortran()) else {
        let claim = claim(dtype, &shape);
        return Err(place.broken(format!("its header claims {claim}, which no machine can hold; make it again")));
    };
    check_len(len - bytes.len() as u64, &encoding, place)?;
    Ok(encoding)
}

/// What a header claims, in words.
fn claim(dtype: DType, shape: &[usize]) -> String {
    shorten(&format!("{dtype} {shape:?}"))
}

/// The text of a header, behind its length.
fn text(bytes: &[u8]) -> &[u8] {
    let length_bytes = if bytes[MAGIC.len()] == 1 { 2 } else { 4 };
    &bytes[PREFIX_LEN + length_bytes..]
}

/// The bytes of the header, from the magic to the line break. Nothing is reserved that the file does not have.
fn header_bytes(reader: &mut dyn Read, len: u64, place: Place<'_>) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut fill = |bytes: &mut Vec<u8>, end: usize| {
        let start = bytes.len();
        bytes.resize(end, 0);
        reader.read_exact(&mut bytes[start..]).map_err(|source| place.unreadable(source))
    };
    let truncated = |end: usize| {
        place.broken(format!("is truncated: {len} bytes are there, and its header alone takes {end}; make it again"))
    };
    fill(&mut bytes, usize::try_from(len).unwrap_or(PREFIX_LEN).min(PREFIX_LEN))?;
    if !bytes.starts_with(&MAGIC[..MAGIC.len().min(bytes.len())]) {
        let hint = if bytes.starts_with(b"PK") { "; it begins as a zip does: name it .npz" } else { "" };
        return Err(place.broken(format!("is no npy file: it does not begin with \\x93NUMPY{hint}")));
    }
    let start = match bytes[MAGIC.len().min(bytes.len())..] {
        [1, 0] => PREFIX_LEN + 2,
        [2 | 3, 0] => PREFIX_LEN + 4,
        [major, minor] => {
            return Err(place.broken(format!("is npy version {major}.{minor}; karat reads 1.0, 2.0 and 3.0")));
        }
        _ => return Err(truncated(PREFIX_LEN + 2)),
    };
    if start as u64 > len {
        return Err(truncated(start));
    }
    fill(&mut bytes, start)?;
    let length = bytes[PREFIX_LEN..].iter().rev().fold(0usize, |length, &byte| length << 8 | usize::from(byte));
    let end = length.saturating_add(start);
    if end as u64 > len {
        return Err(truncated(end));
    }
    if end > MAX_HEADER_LEN {
        return Err(place.broken(format!("has a header of {end} bytes; karat reads at most {MAX_HEADER_LEN}")));
    }
    fill(&mut bytes, end)?;
    Ok(bytes)
}

/// What the text of a header says. Guarded against what its parser does not survive.
fn parse(text: &[u8], place: Place<'_>) -> Result<Header> {
    if depth(text) > MAX_DEPTH {
        return Err(nested(text, place));
    }
    let plain = plain(text);
    let mut bytes = MAGIC.to_vec();
    bytes.extend([3, 0]);
    bytes.extend((plain.len() as u32).to_le_bytes());
    bytes.extend(plain);
    Header::from_reader(&mut bytes.as_slice()).map_err(|error| no_dict(text, &fault(&error), place))
}

fn no_dict(text: &[u8], fault: &str, place: Place<'_>) -> Error {
    let text = String::from_utf8_lossy(text);
    let text = shorten(text.trim());
    place.broken(format!("its header is no dict of descr, fortran_order and shape: {text:?}, {fault}; make it again"))
}

/// What is wrong with a header in which brackets nest too deep to be parsed: by its descr, if it can be found.
fn nested(text: &[u8], place: Place<'_>) -> Error {
    let whole = String::from_utf8_lossy(text);
    let descr = ["'descr'", "\"descr\""].iter().find_map(|key| whole.split_once(key));
    let descr = descr.and_then(|(_, rest)| rest.trim_start().strip_prefix(':')).unwrap_or_default().trim_start();
    let word = descr.starts_with(['\'', '"']).then(|| descr[1..].split(['\'', '"']).next()).flatten();
    match word {
        Some(word) if word.contains(['[', '(', '{']) => refused(word, "", place),
        None if descr.starts_with(['[', '(']) => records(place),
        _ => no_dict(text, "whose brackets nest deeper than in any header of numbers", place),
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

fn records(place: Place<'_>) -> Error {
    place.broken("holds records (a structured dtype), and karat reads plain numbers; save each field to its own file")
}

/// The dtype and byte order that NumPy's text, such as `<f4`, stands for.
fn number(descr: &str, declared: Option<DType>, place: Place<'_>) -> Result<(DType, ByteOrder)> {
    let (byte_order, code) = match descr.as_bytes().first() {
        Some(b'<') => (Some(ByteOrder::Little), &descr[1..]),
        Some(b'>') => (Some(ByteOrder::Big), &descr[1..]),
        Some(b'|') => (None, &descr[1..]),
        _ => (None, descr),
    };
    let dtype = match code {
        "V2" => nameless(descr, &[DType::BF16], declared, place)?,
        // ml_dtypes writes f8_e5m2 as f1, which NumPy alone does not know.
        "V1" | "f1" => nameless(descr, &[DType::F8E4M3, DType::F8E5M2], declared, place)?,
        _ => {
            let dtype = DType::ALL.into_iter().find(|dtype| dtype.numpy_code() == code);
            let dtype = dtype.ok_or_else(|| refused(descr, code, place))?;
            check_declared(dtype, declared, place)?;
            dtype
        }
    };
    match byte_order {
        Some(byte_order) => Ok((dtype, byte_order)),
        None if dtype.size() == 1 || dtype == DType::BF16 => Ok((dtype, ByteOrder::Little)),
        None => Err(place.broken(format!("has dtype {descr}, which leaves the byte order open; make it again"))),
    }
}

/// The dtype declared for elements whose dtype NumPy could not name.
fn nameless(descr: &str, candidates: &[DType], declared: Option<DType>, place: Place<'_>) -> Result<DType> {
    let names: Vec<String> = candidates.iter().map(|dtype| format!("\"dtype\": \"{dtype}\"")).collect();
    let names = names.join(" or ");
    match declared {
        Some(dtype) if candidates.contains(&dtype) => Ok(dtype),
        Some(dtype) => Err(place.broken(format!("has dtype {descr}, which cannot be {dtype}; declare {names}"))),
        None => Err(place.broken(format!(
            "has dtype {descr}, which is all that numpy keeps of a dtype it does not know; \
             declare {names} if it is that"
        ))),
    }
}

/// The refusal of a dtype, by its name.
fn refused(descr: &str, code: &str, place: Place<'_>) -> Error {
    let kind = match code.as_bytes().first() {
        Some(b'O') => {
            return place.broken(format!(
                "holds pickled Python objects (dtype {descr}), which karat never loads; save plain numbers"
            ));
        }
        Some(b'U') => " (text)",
        Some(b'S' | b'a') => " (byte strings)",
        Some(b'M') => " (dates)",
        Some(b'm') => " (durations)",
        Some(b'V') => " (raw bytes)",
        Some(b'f' | b'c') => " (another float width)",
        _ => "",
    };
    let descr = shorten(&descr.escape_debug().to_string());
    place.broken(format!("has dtype {descr}{kind}; karat reads {}", readable()))
}

fn check_len(there: u64, encoding: &Encoding, place: Place<'_>) -> Result<()> {
    let promised = encoding.byte_len();
    let claim = || claim(encoding.dtype, &encoding.shape);
    match there.cmp(&promised) {
        Ordering::Equal => Ok(()),
        Ordering::Less => Err(place.broken(format!(
            "is truncated: {there} bytes of elements are there, and its header promises {promised} ({}); \
             make it again",
            claim()
        ))),
        Ordering::Greater => Err(place.broken(format!(
            "has {} trailing bytes after the {promised} of elements that its header promises ({}); make it again",
            there - promised,
            claim()
        ))),
    }
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
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    fs::create_dir_all(folder).map_err(|source| Error::write(folder, source))?;
    let write = |out: &mut AtomicFile| {
        out.write_all(&header(tensor)?)?;
        out.write_all(&little_endian(tensor.data()))
    };
    write_atomic(path, Mode::Replace, write).map_err(|source| Error::write(path, source))
}

/// The header of npy version 1.0, to the last space as NumPy writes it: ndarray-npy leaves the first extent no room to grow.
fn header(tensor: &Tensor) -> io::Result<Vec<u8>> {
    let type_descriptor = descr(tensor.dtype()).parse().expect("a string as Python writes it");
    let header = Header { type_descriptor, layout: Layout::Standard, shape: tensor.shape().to_vec() };
    let mut text = header.to_string();
    let end = text.pop();
    text.push_str(", ");
    text.extend(end);
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

/// NumPy's text for a dtype, as Python writes a string.
fn descr(dtype: DType) -> String {
    let code = dtype.numpy_code();
    let has_order = dtype.size() > 1 || code.starts_with('V');
    format!("'{}{code}'", if has_order { '<' } else { '|' })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &[u8]) -> Result<(String, bool, Vec<usize>), String> {
        let header = parse(text, Place::file(Path::new("y.npy"))).map_err(|error| error.to_string())?;
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
