//! A tensor visited in its file, a range at a time, against the same tensor read whole: the same to the bit.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::fs;
use std::path::{Path, PathBuf};

use karat::compare::{Rules, measure};
use karat::tensor::{Access, Element, Slice, Source};
use karat::tensor::{Container, Contents, TensorFile, contents, read_tensor};
use karat::{DType, Tensor, Tolerance};
use made::{Packed, npy, safetensors, zip};

mod made;

/// The elements as little-endian bytes, which every bit of them is in.
fn bytes(elements: Slice<'_>) -> Vec<u8> {
    fn of<T: Element>(elements: &[T]) -> Vec<u8> {
        let mut bytes = Vec::new();
        elements.iter().for_each(|x| x.push_le(&mut bytes));
        bytes
    }
    match elements {
        Slice::Bool(x) => of(x),
        Slice::I8(x) => of(x),
        Slice::I16(x) => of(x),
        Slice::I32(x) => of(x),
        Slice::I64(x) => of(x),
        Slice::U8(x) => of(x),
        Slice::U16(x) => of(x),
        Slice::U32(x) => of(x),
        Slice::U64(x) => of(x),
        Slice::F8E4M3(x) => of(x),
        Slice::F8E5M2(x) => of(x),
        Slice::F16(x) => of(x),
        Slice::BF16(x) => of(x),
        Slice::F32(x) => of(x),
        Slice::F64(x) => of(x),
        Slice::C64(x) => of(x),
        Slice::C128(x) => of(x),
        other => panic!("{other:?} is new to this test"),
    }
}

/// Everything that a source holds, by ranges of that many elements.
fn visited(source: &dyn Source, step: usize) -> Vec<u8> {
    let len: usize = source.shape().iter().product();
    let mut all = Vec::new();
    for start in (0..len).step_by(step) {
        let mut calls = 0;
        source
            .visit(start..len.min(start + step), &mut |elements| {
                all.extend(bytes(elements));
                calls += 1;
            })
            .unwrap();
        assert_eq!(calls, 1);
    }
    source.finish().unwrap();
    all
}

/// Holds a file against what is read whole, by ranges of several sizes; of a tensor that may be visited anywhere, also
/// from its end to its begin.
#[track_caller]
fn assert_same(path: &Path, member: Option<&str>, declared: Option<DType>) {
    let whole: Tensor = read_tensor(path, member, declared).unwrap();
    let expected = visited(&whole, usize::MAX);
    let open = || TensorFile::open(path, member, declared).unwrap();
    for step in [17, 1001, usize::MAX] {
        let file = open();
        assert_eq!((file.dtype(), file.shape()), (whole.dtype(), whole.shape()));
        assert!(visited(&file, step) == expected, "{} {member:?} by {step}", path.display());
    }
    let file = open();
    if file.access() == Access::Any {
        let size = file.dtype().size();
        for start in (0..whole.len()).step_by(11).rev() {
            let range = start..whole.len().min(start + 11);
            let mut found = Vec::new();
            file.visit(range.clone(), &mut |elements| found = bytes(elements)).unwrap();
            assert!(found == expected[range.start * size..range.end * size], "{} {range:?}", path.display());
        }
        file.finish().unwrap();
    }
}

/// What has to be declared for a dtype that NumPy has no name for.
fn declared(dtype: DType) -> Option<DType> {
    matches!(dtype, DType::BF16 | DType::F8E4M3 | DType::F8E5M2).then_some(dtype)
}

/// NumPy's letters for a dtype.
fn code(dtype: DType) -> &'static str {
    match dtype {
        DType::Bool => "b1",
        DType::I8 => "i1",
        DType::I16 => "i2",
        DType::I32 => "i4",
        DType::I64 => "i8",
        DType::U8 => "u1",
        DType::U16 => "u2",
        DType::U32 => "u4",
        DType::U64 => "u8",
        DType::F8E4M3 | DType::F8E5M2 => "V1",
        DType::BF16 => "V2",
        DType::F16 => "f2",
        DType::F32 => "f4",
        DType::F64 => "f8",
        DType::C64 => "c8",
        DType::C128 => "c16",
        other => panic!("{other} is new to this test"),
    }
}

/// The name of a dtype in safetensors, if it has one.
fn name(dtype: DType) -> Option<String> {
    match dtype {
        DType::C128 => None,
        DType::F8E4M3 => Some("F8_E4M3".to_owned()),
        DType::F8E5M2 => Some("F8_E5M2".to_owned()),
        other => Some(other.name().to_uppercase()),
    }
}

/// That many bytes without a pattern: every one of them is a `bool`, and many floats are NaN.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 1u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..len).map(|_| next()).collect()
}

#[test]
fn every_file_of_numpy_and_torch_is_the_same_visited_and_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/files");
    let mut files = 0;
    for file in walkdir::WalkDir::new(folder).into_iter().map(Result::unwrap) {
        let path = file.path();
        if !karat::tensor::is_tensor_file(path) || path.to_string_lossy().contains("refused") {
            continue;
        }
        let members: Vec<Option<String>> = match contents(path).unwrap() {
            Contents::Members(names) => names.into_iter().map(Some).collect(),
            _ => vec![None],
        };
        for member in members {
            let name = member.as_deref().unwrap_or(path.file_name().unwrap().to_str().unwrap());
            let dtype = DType::from_name(name.split('-').next().unwrap()).and_then(declared);
            assert_same(path, member.as_deref(), dtype);
            files += 1;
        }
    }
    assert!(files > 150, "{files}");
}

#[test]
fn every_dtype_byte_order_axis_order_and_container_is_the_same_visited_and_read() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: Vec<u8>| -> PathBuf {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    for dtype in DType::ALL {
        for (shape, len) in
            [("(7, 11, 13)", 1001), ("(3, 1, 40, 2, 5)", 1200), ("(1500,)", 1500), ("()", 1), ("(0, 3)", 0)]
        {
            let elements = noise(len * dtype.size());
            for order in ["<", ">"] {
                if order == ">" && (dtype.size() == 1 || dtype == DType::BF16) {
                    continue;
                }
                for fortran in ["True", "False"] {
                    let (descr, declared) = (format!("{order}{}", code(dtype)), declared(dtype));
                    let header = format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}");
                    // The header is of any length, so that elements begin at odd places.
                    let file = npy(&header, &elements);
                    let packed = zip(&[Packed::deflated("deflated.npy", &file), Packed::stored("stored.npy", &file)]);
                    assert_same(&write("x.npy", file), None, declared);
                    let path = write("x.npz", packed);
                    assert_same(&path, Some("stored"), declared);
                    assert_same(&path, Some("deflated"), declared);
                }
            }
            for odd in 0..2 {
                let Some(name) = name(dtype) else { continue };
                let shape = shape.replace('(', "[").replace(",)", "]").replace(')', "]");
                let header = format!(
                    r#"{{"a":{{"dtype":"U8","shape":[{odd}],"data_offsets":[0,{odd}]}},"x":{{"dtype":"{name}","shape":{shape},"data_offsets":[{odd},{}]}}}}"#,
                    odd + elements.len()
                );
                let path = write("x.safetensors", safetensors(&header, &[&noise(odd)[..], &elements].concat()));
                assert_same(&path, Some("x"), None);
            }
        }
    }
}

#[test]
fn a_tensor_of_many_pages_is_the_same_visited_and_read() {
    let folder = tempfile::tempdir().unwrap();
    for (shape, len) in [("(9, 333, 67)", 200_799), ("(2, 100003)", 200_006), ("(100003, 2)", 200_006)] {
        for fortran in ["True", "False"] {
            for descr in ["<f4", ">f8", "|b1", ">c16"] {
                let size = [1, 4, 8, 16].into_iter().find(|size| descr.ends_with(&size.to_string())).unwrap();
                let size = if descr == ">c16" { 16 } else { size };
                let header = format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}");
                let path = folder.path().join("x.npy");
                fs::write(&path, npy(&header, &noise(len * size))).unwrap();
                let whole = read_tensor(&path, None, None).unwrap();
                let expected = visited(&whole, usize::MAX);
                let file = TensorFile::open(&path, None, None).unwrap();
                assert!(visited(&file, 70_001) == expected, "{descr} {shape} {fortran}");
            }
        }
    }
}

#[test]
fn several_threads_visit_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let len = 1 << 20;
    for (descr, size) in [("<f4", 4), (">f4", 4)] {
        let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({len},), }}");
        let file = npy(&header, &noise(len * size));
        let path = folder.path().join("x.npz");
        fs::write(&path, zip(&[Packed::stored("x.npy", &file)])).unwrap();
        let whole = read_tensor(&path, None, None).unwrap();
        let file = TensorFile::open(&path, None, None).unwrap();
        std::thread::scope(|scope| {
            for part in 0..8 {
                let (file, whole) = (&file, &whole);
                scope.spawn(move || {
                    for start in (part * len / 8..(part + 1) * len / 8).step_by(10_007) {
                        let range = start..((part + 1) * len / 8).min(start + 10_007);
                        let mut expected = Vec::new();
                        whole.visit(range.clone(), &mut |elements| expected = bytes(elements)).unwrap();
                        file.visit(range, &mut |elements| assert!(bytes(elements) == expected)).unwrap();
                    }
                });
            }
        });
        file.finish().unwrap();
    }
}

#[test]
fn a_file_that_became_shorter_is_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    for fortran in ["True", "False"] {
        let path = folder.path().join("x.npy");
        let header = format!("{{'descr': '<f4', 'fortran_order': {fortran}, 'shape': (300, 300), }}");
        let whole = npy(&header, &noise(360_000));
        fs::write(&path, &whole).unwrap();
        let file = TensorFile::open(&path, None, None).unwrap();
        fs::File::options().write(true).open(&path).unwrap().set_len(100_000).unwrap();
        // Whether it is seen at once is the system's; at the end it is always.
        let visited = if cfg!(target_os = "linux") { file.visit(0..90_000, &mut |_| {}) } else { file.finish() };
        for error in [visited.unwrap_err(), file.finish().unwrap_err()] {
            let says = format!(
                "{}: became shorter while it was read, 100000 bytes of {}; do it again when nothing writes it",
                path.display(),
                whole.len()
            );
            assert_eq!(error.to_string(), says);
        }
    }
}

#[test]
fn what_comes_in_turn_and_is_read_twice_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.npz");
    let y = npy("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 2), }", &[0; 16]);
    fs::write(&path, zip(&[Packed::deflated("x.npy", &npy_of_zeros()), Packed::stored("y.npy", &y)])).unwrap();
    for member in ["x", "y"] {
        let file = TensorFile::open(&path, Some(member), None).unwrap();
        assert_eq!(file.access(), Access::InTurn);
        let rules = Rules::new(Tolerance::new(0.0, 0.0).unwrap());
        let error = measure(&file, &file, None, &rules, usize::MAX).unwrap_err().to_string();
        assert!(
            error.contains(&format!("w.npz#{member}: is read from its first element to its last, once")),
            "{error}"
        );
    }
}

fn npy_of_zeros() -> Vec<u8> {
    npy("{'descr': '<f4', 'fortran_order': False, 'shape': (4,), }", &[0; 16])
}

#[test]
fn containers_of_many_members_are_read_once_for_all() {
    let folder = tempfile::tempdir().unwrap();
    let time = |count: usize| {
        let path = folder.path().join(format!("{count}.safetensors"));
        let entries: Vec<String> = (0..count)
            .map(|at| {
                let (start, end) = (4 * at, 4 * at + 4);
                format!("\"layer.{at}\":{{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[{start},{end}]}}")
            })
            .collect();
        fs::write(&path, safetensors(&format!("{{{}}}", entries.join(",")), &vec![0; 4 * count])).unwrap();
        let started = std::time::Instant::now();
        let container = Container::open(&path).unwrap();
        let Contents::Members(names) = container.contents() else { panic!("many tensors") };
        assert_eq!(names.len(), count);
        for name in &names {
            assert_eq!(container.read(Some(name), None).unwrap().shape(), [1]);
        }
        started.elapsed()
    };
    let (few, many) = (time(500), time(8000));
    // Sixteen times as many take 256 times as long where each one reads the header again.
    assert!(many < 64 * few, "{few:?} {many:?}");
}
