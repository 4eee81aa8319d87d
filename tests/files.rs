//! Tensor files as NumPy, torch and safetensors write them, against the values that went in.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use karat::tensor::{Contents, contents, inspect, read_tensor, write_npy};
use karat::tensor::{F8E4M3, Value};
use karat::{DType, Tensor};
use num_complex::Complex;
use serde_json::Value as Json;

const SHAPE: [usize; 3] = [2, 3, 2];

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/files").join(name)
}

/// The values that every file of that dtype holds, in C order.
fn expected() -> BTreeMap<String, Vec<Json>> {
    serde_json::from_str(&fs::read_to_string(data("expected.json")).unwrap()).unwrap()
}

fn float(json: &Json) -> f64 {
    match json {
        Json::String(word) => word.parse().unwrap(),
        number => number.as_f64().unwrap(),
    }
}

/// Whether two floats are the same to the bit, or both NaN.
fn same(a: f64, b: f64) -> bool {
    a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
}

fn holds(value: Value, json: &Json) -> bool {
    match value {
        Value::Bool(x) => json == &Json::Bool(x),
        Value::Integer(x) => json.to_string().parse() == Ok(x),
        Value::Float32(x) => same(f64::from(x), float(json)),
        Value::Float64(x) => same(x, float(json)),
        Value::Complex(x) => same(x.re, float(&json[0])) && same(x.im, float(&json[1])),
        other => panic!("{other:?} is new to this test"),
    }
}

fn assert_holds(tensor: &Tensor, name: &str, expected: &[Json]) {
    assert_eq!(tensor.shape(), SHAPE, "{name}");
    assert_eq!(tensor.len(), expected.len(), "{name}");
    for (position, json) in expected.iter().enumerate() {
        let value = tensor.value(position);
        assert!(holds(value, json), "{name}: element {position} is {value}, not {json}");
    }
}

/// The dtype that has to be declared for it in npy and npz.
fn declared(dtype: DType) -> Option<DType> {
    matches!(dtype, DType::BF16 | DType::F8E4M3 | DType::F8E5M2).then_some(dtype)
}

/// The names `<dtype>-<byte order>-<axis order>` and the dtype of each.
fn variants() -> Vec<(String, DType)> {
    let mut variants = Vec::new();
    for dtype in DType::ALL {
        for byte_order in ["little", "big"] {
            if byte_order == "big" && (dtype.size() == 1 || dtype == DType::BF16) {
                continue;
            }
            for axis_order in ["c", "fortran"] {
                variants.push((format!("{dtype}-{byte_order}-{axis_order}"), dtype));
            }
        }
    }
    variants
}

#[test]
fn npy_is_read_in_every_dtype_byte_order_and_axis_order() {
    let expected = expected();
    assert_eq!(fs::read_dir(data("npy")).unwrap().count(), variants().len());
    for (name, dtype) in variants() {
        let path = data("npy").join(format!("{name}.npy"));
        let tensor = read_tensor(&path, None, declared(dtype)).unwrap();
        assert_eq!(tensor.dtype(), dtype, "{name}");
        assert_holds(&tensor, &name, &expected[dtype.name()]);
        let header = inspect(&path, None, declared(dtype)).unwrap();
        assert_eq!((header.dtype, &header.shape[..]), (dtype, &SHAPE[..]), "{name}");
    }
}

#[test]
fn npz_is_read_stored_and_deflated() {
    let expected = expected();
    let mut names: Vec<String> = variants().into_iter().map(|(name, _)| name).collect();
    names.sort();
    for file in ["stored.npz", "deflated.npz"] {
        assert_eq!(contents(&data(file)).unwrap(), Contents::Members(names.clone()));
        for (name, dtype) in variants() {
            let tensor = read_tensor(&data(file), Some(&name), declared(dtype)).unwrap();
            assert_eq!(tensor.dtype(), dtype, "{name}");
            assert_holds(&tensor, &name, &expected[dtype.name()]);
            let header = inspect(&data(file), Some(&name), declared(dtype)).unwrap();
            assert_eq!((header.dtype, &header.shape[..]), (dtype, &SHAPE[..]), "{name}");
        }
    }
}

#[test]
fn safetensors_is_read_in_every_dtype() {
    let expected = expected();
    let Contents::Members(names) = contents(&data("torch.safetensors")).unwrap() else { panic!("one tensor") };
    assert_eq!(names.len(), DType::ALL.len() - 1, "all but c128, which the format does not know");
    for name in names {
        let dtype = DType::from_name(&name).unwrap();
        for declared in [None, Some(dtype)] {
            let tensor = read_tensor(&data("torch.safetensors"), Some(&name), declared).unwrap();
            assert_eq!(tensor.dtype(), dtype);
            assert_holds(&tensor, &name, &expected[&name]);
        }
    }
    for dtype in ["bool", "i64", "u16", "u32", "u64", "f16", "f32", "f64"] {
        let tensor = read_tensor(&data("numpy.safetensors"), Some(dtype), None).unwrap();
        assert_holds(&tensor, dtype, &expected[dtype]);
    }
}

#[test]
fn scalars_and_empty_tensors_are_read() {
    let shapes = data("shapes");
    for (file, member) in [("shapes/scalar.npy", None), ("numpy.safetensors", Some("scalar"))] {
        let tensor = read_tensor(&data(file), member, None).unwrap();
        assert_eq!((tensor.shape(), tensor.as_slice::<f32>()), (&[][..], Some(&[7.0][..])));
    }
    for (file, member) in [("shapes/empty.npy", None), ("numpy.safetensors", Some("empty"))] {
        let tensor = read_tensor(&data(file), member, None).unwrap();
        assert_eq!((tensor.shape(), tensor.as_slice::<f32>()), (&[0, 3][..], Some(&[][..])));
    }
    let tensor = read_tensor(&shapes.join("one-axis.npy"), None, None).unwrap();
    assert_eq!(tensor.as_slice(), Some(&[0f32, 1.0, 2.0, 3.0, 4.0, 5.0][..]));
}

#[test]
fn npy_versions_2_and_3_are_read() {
    for file in ["shapes/version-2.npy", "shapes/version-3.npy"] {
        let tensor = read_tensor(&data(file), None, None).unwrap();
        assert_eq!(tensor.shape(), [2, 3]);
        assert_eq!(tensor.as_slice(), Some(&[0f32, 1.0, 2.0, 3.0, 4.0, 5.0][..]));
    }
}

#[test]
fn the_only_member_needs_no_name() {
    for file in ["shapes/one.npz", "shapes/zip64.npz", "shapes/one.safetensors"] {
        assert_eq!(contents(&data(file)).unwrap(), Contents::Members(vec!["x".to_owned()]));
        for member in [None, Some("x")] {
            let tensor = read_tensor(&data(file), member, None).unwrap();
            assert_eq!(tensor.as_slice(), Some(&[0f32, 1.0, 2.0, 3.0, 4.0, 5.0][..]), "{file}");
        }
    }
}

#[test]
fn an_extension_may_be_in_upper_case() {
    let folder = tempfile::tempdir().unwrap();
    for (from, to) in
        [("shapes/one-axis.npy", "A.NPY"), ("shapes/one.npz", "A.Npz"), ("shapes/one.safetensors", "A.SafeTensors")]
    {
        fs::copy(data(from), folder.path().join(to)).unwrap();
        assert_eq!(read_tensor(&folder.path().join(to), None, None).unwrap().len(), 6);
    }
    assert_eq!(contents(&folder.path().join("A.NPY")).unwrap(), Contents::Tensor);
}

#[cfg(unix)]
#[test]
fn links_are_followed() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("y.npy");
    std::os::unix::fs::symlink(data("shapes/one-axis.npy"), &link).unwrap();
    assert_eq!(read_tensor(&link, None, None).unwrap().len(), 6);
}

#[test]
fn a_tensor_is_read_whole_where_it_spans_many_chunks() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("long.npy");
    let elements: Vec<f64> = (0..70_001).map(f64::from).collect();
    write_npy(&path, &Tensor::new(&[70_001], elements.clone()).unwrap()).unwrap();
    assert_eq!(read_tensor(&path, None, None).unwrap().as_slice(), Some(&elements[..]));
}

#[test]
fn written_files_equal_those_of_numpy_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    let mut files: Vec<(PathBuf, Option<DType>)> = DType::ALL
        .into_iter()
        .filter(|dtype| *dtype != DType::F8E5M2)
        .map(|dtype| (data("npy").join(format!("{dtype}-little-c.npy")), declared(dtype)))
        .collect();
    files.extend(["scalar", "empty", "one-axis"].map(|name| (data("shapes").join(format!("{name}.npy")), None)));
    for (original, declared) in files {
        let written = folder.path().join("written.npy");
        write_npy(&written, &read_tensor(&original, None, declared).unwrap()).unwrap();
        assert!(fs::read(&written).unwrap() == fs::read(&original).unwrap(), "{}", original.display());
    }
}

#[test]
fn a_written_header_is_padded_as_numpy_pads_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("y.npy");
    let headers: Vec<(Vec<usize>, String)> =
        serde_json::from_str(&fs::read_to_string(data("headers.json")).unwrap()).unwrap();
    assert_eq!(headers.len(), 72);
    for (shape, header) in headers {
        let elements = vec![0u8; shape.iter().product()];
        write_npy(&path, &Tensor::new(&shape, elements.clone()).unwrap()).unwrap();
        let mut expected = b"\x93NUMPY\x01\x00".to_vec();
        expected.extend(u16::try_from(header.len()).unwrap().to_le_bytes());
        expected.extend(header.as_bytes());
        expected.extend(elements);
        assert!(fs::read(&path).unwrap() == expected, "{shape:?}");
        assert_eq!(read_tensor(&path, None, None).unwrap().shape(), shape);
    }
}

#[test]
fn written_tensors_are_read_back_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    for (name, dtype) in variants() {
        let tensor = read_tensor(&data("stored.npz"), Some(&name), declared(dtype)).unwrap();
        let (once, twice) = (folder.path().join("once.npy"), folder.path().join("twice.npy"));
        write_npy(&once, &tensor).unwrap();
        let back = read_tensor(&once, None, declared(dtype)).unwrap();
        write_npy(&twice, &back).unwrap();
        assert_eq!((back.dtype(), back.shape()), (tensor.dtype(), tensor.shape()));
        assert!(fs::read(&once).unwrap() == fs::read(&twice).unwrap(), "{name}");
        assert_holds(&back, &name, &expected()[dtype.name()]);
    }
}

#[test]
fn the_payload_of_a_nan_survives() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nan.npy");
    let payload = f32::from_bits(0x7fa0_1234);
    write_npy(&path, &Tensor::new(&[1], vec![Complex::new(payload, -payload)]).unwrap()).unwrap();
    let back = read_tensor(&path, None, None).unwrap();
    let back = back.as_slice::<Complex<f32>>().unwrap()[0];
    assert_eq!((back.re.to_bits(), back.im.to_bits()), (0x7fa0_1234, 0xffa0_1234));
}

#[test]
fn writing_creates_folders_replaces_the_file_and_leaves_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a/b/y.npy");
    for x in [1, 2] {
        write_npy(&path, &Tensor::new(&[1], vec![F8E4M3(x)]).unwrap()).unwrap();
        let back = read_tensor(&path, None, Some(DType::F8E4M3)).unwrap();
        assert_eq!(back.as_slice(), Some(&[F8E4M3(x)][..]));
    }
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
}

#[cfg(unix)]
#[test]
fn a_written_file_is_readable_like_any_other_new_file() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let (plain, written) = (folder.path().join("plain"), folder.path().join("y.npy"));
    fs::write(&plain, "").unwrap();
    write_npy(&written, &Tensor::new(&[1], vec![1u8]).unwrap()).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(&written), mode(&plain));
}

#[test]
fn a_file_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let blocked = folder.path().join("file/y.npy");
    fs::write(folder.path().join("file"), "").unwrap();
    let error = write_npy(&blocked, &Tensor::new(&[1], vec![1u8]).unwrap()).unwrap_err();
    assert!(
        error.to_string().starts_with(&format!("cannot write {}", folder.path().join("file").display())),
        "{error}"
    );
    let taken = folder.path().join("taken.npy");
    fs::create_dir(&taken).unwrap();
    let error = write_npy(&taken, &Tensor::new(&[1], vec![1u8]).unwrap()).unwrap_err();
    assert!(error.to_string().starts_with(&format!("cannot write {}", taken.display())), "{error}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "the temporary file is gone");
}
