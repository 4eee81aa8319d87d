//! A tensor read from its file a range at a time, against the same tensor read whole: the same to the bit.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::fs;
use std::path::{Path, PathBuf};

use karat::compare::{Rules, measure};
use karat::tensor::{Buffer, Container, Contents, Source, TensorFile, contents, read_tensor};
use karat::{DType, Tensor, Tolerance};
use made::{Packed, npy, safetensors, zip};

mod made;

/// Everything that a source holds, by ranges of that many elements.
fn all(source: &dyn Source, step: usize) -> Vec<u8> {
    let len: usize = source.shape().iter().product();
    let (mut all, mut buffer) = (Vec::new(), Buffer::default());
    for start in (0..len).step_by(step) {
        all.extend(source.read(start..len.min(start + step), &mut buffer).unwrap().bytes());
    }
    all
}

/// Holds a file against what is read whole, by ranges of several sizes, and from its end to its begin.
#[track_caller]
fn assert_same(path: &Path, member: Option<&str>, declared: Option<DType>) {
    let whole: Tensor = read_tensor(path, member, declared).unwrap();
    let expected = whole.data().bytes();
    let open = || TensorFile::open(path, member, declared).unwrap();
    for step in [17, 1001, usize::MAX] {
        let file = open();
        assert_eq!((file.dtype(), file.shape()), (whole.dtype(), whole.shape()));
        assert!(all(&file, step) == expected, "{} {member:?} by {step}", path.display());
    }
    let (file, mut buffer) = (open(), Buffer::default());
    let size = file.dtype().size();
    for start in (0..whole.len()).step_by(11).rev() {
        let range = start..whole.len().min(start + 11);
        let found = file.read(range.clone(), &mut buffer).unwrap().bytes();
        assert!(found == &expected[range.start * size..range.end * size], "{} {range:?}", path.display());
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
fn every_file_of_numpy_and_torch_is_the_same_by_parts_and_as_a_whole() {
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
fn every_dtype_byte_order_axis_order_and_container_is_the_same_by_parts_and_as_a_whole() {
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
fn a_tensor_of_many_pages_is_the_same_by_parts_and_as_a_whole() {
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
                let file = TensorFile::open(&path, None, None).unwrap();
                assert!(all(&file, 70_001) == whole.data().bytes(), "{descr} {shape} {fortran}");
            }
        }
    }
}

#[test]
fn several_threads_read_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let len = 1 << 20;
    for (descr, is_deflated) in [("<f4", false), (">f4", false), ("<f4", true)] {
        let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({len},), }}");
        let file = npy(&header, &noise(len * 4));
        let packed = if is_deflated { Packed::deflated("x.npy", &file) } else { Packed::stored("x.npy", &file) };
        let path = folder.path().join("x.npz");
        fs::write(&path, zip(&[packed])).unwrap();
        let whole = read_tensor(&path, None, None).unwrap();
        let file = TensorFile::open(&path, None, None).unwrap();
        std::thread::scope(|scope| {
            for part in 0..8 {
                let (file, whole) = (&file, &whole);
                scope.spawn(move || {
                    let mut buffer = Buffer::default();
                    for start in (part * len / 8..(part + 1) * len / 8).step_by(10_007) {
                        let range = start..((part + 1) * len / 8).min(start + 10_007);
                        let expected = whole.data().part(range.clone()).bytes();
                        assert!(file.read(range, &mut buffer).unwrap().bytes() == expected);
                    }
                });
            }
        });
    }
}

#[test]
fn a_file_that_became_shorter_is_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.npy");
    let whole = npy("{'descr': '<f4', 'fortran_order': False, 'shape': (300, 300), }", &noise(360_000));
    fs::write(&path, &whole).unwrap();
    let (file, mut buffer) = (TensorFile::open(&path, None, None).unwrap(), Buffer::default());
    file.read(0..100, &mut buffer).unwrap();
    fs::File::options().write(true).open(&path).unwrap().set_len(100_000).unwrap();
    let says = format!(
        "{}: had {} bytes when it was opened, and now has 100000; re-run when nothing is writing it",
        path.display(),
        whole.len()
    );
    assert_eq!(file.read(80_000..90_000, &mut buffer).unwrap_err().to_string(), says);
}

#[test]
fn one_file_may_be_both_sides() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.npz");
    let x = npy("{'descr': '<f4', 'fortran_order': False, 'shape': (4,), }", &[0; 16]);
    let y = npy("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 2), }", &[0; 16]);
    fs::write(&path, zip(&[Packed::deflated("x.npy", &x), Packed::stored("y.npy", &y)])).unwrap();
    for member in ["x", "y"] {
        let file = TensorFile::open(&path, Some(member), None).unwrap();
        let rules = Rules::new(Tolerance::new(0.0, 0.0).unwrap());
        let measured = measure(&file, &file, None, &rules, usize::MAX).unwrap();
        assert!(measured.comparison.unwrap().is_close(), "{member}");
    }
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
