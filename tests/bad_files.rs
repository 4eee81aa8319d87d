//! Tensor files that are not what they claim: each is refused in words that say what, where and what to do, at once and
//! without the memory it asks for.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};

use karat::tensor::{Buffer, Container, Contents, Source, TensorFile, contents, inspect, read_tensor};
use karat::{DType, Error};
use tempfile::TempDir;

use made::{Packed, npy, safetensors, zip};

mod made;

/// The system's allocator, remembering the largest request of each thread.
struct Watched;

thread_local! {
    static LARGEST: Cell<usize> = const { Cell::new(0) };
}

#[global_allocator]
static ALLOCATOR: Watched = Watched;

// SAFETY: every call is handed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Watched {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LARGEST.set(LARGEST.get().max(layout.size()));
        // SAFETY: the caller's promises are those that the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// More than reading any of the small files here takes, and less than any of them lies about.
const ENOUGH: usize = 1 << 20;

/// A folder of its own for each test, and how its files are refused.
struct Folder(TempDir);

impl Folder {
    fn new() -> Folder {
        Folder(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> &Self {
        // A new file: some systems flush one that is overwritten, which takes longer than all else here.
        let _ = fs::remove_file(self.path(name));
        fs::write(self.path(name), bytes).unwrap();
        self
    }

    fn refusal(&self, name: &str, member: Option<&str>, declared: Option<DType>) -> Error {
        LARGEST.set(0);
        let error = read_tensor(&self.path(name), member, declared).unwrap_err();
        let visited = visit(&self.path(name), member, declared).unwrap_err();
        assert!(LARGEST.get() <= ENOUGH, "{} bytes at once for {error}", LARGEST.get());
        assert_eq!((visited.to_string(), visited.is_missing()), (error.to_string(), error.is_missing()));
        error
    }

    /// The refusal of a file that is there, with the folder cut off.
    #[track_caller]
    fn assert_broken(&self, name: &str, message: &str) {
        let error = self.refusal(name, None, None);
        assert!(!error.is_missing(), "{error}");
        self.assert_says(&error, message);
    }

    /// The refusal of a tensor that is not there, with the folder cut off.
    #[track_caller]
    fn assert_missing(&self, name: &str, member: Option<&str>, message: &str) {
        let error = self.refusal(name, member, None);
        assert!(error.is_missing(), "{error}");
        self.assert_says(&error, message);
    }

    #[track_caller]
    fn assert_says(&self, error: &Error, message: &str) {
        let folder = format!("{}{}", self.0.path().display(), std::path::MAIN_SEPARATOR);
        assert_eq!(error.to_string().replace(&folder, ""), message);
        assert!(!error.to_string().contains('\n'));
    }
}

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/files").join(name)
}

fn bytes(name: &str) -> Vec<u8> {
    fs::read(data(name)).unwrap()
}

fn npy_of(descr: &str, shape: &str, elements: &[u8]) -> Vec<u8> {
    npy(&format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}"), elements)
}

#[test]
fn a_truncated_npy_says_what_is_there_and_what_was_promised() {
    let folder = Folder::new();
    let whole = bytes("npy/f32-little-c.npy");
    folder.write("y.npy", &whole[..whole.len() - 8]).assert_broken(
        "y.npy",
        "y.npy: is truncated: it has 40 bytes of elements, but its header declares 48 (f32 [2, 3, 2]); regenerate it",
    );
    for (len, needed) in [(1, 10), (6, 10), (8, 10), (9, 10), (10, 128), (127, 128)] {
        let message = format!("y.npy: is truncated: {len} bytes, but its header alone needs {needed}; regenerate it");
        folder.write("y.npy", &whole[..len]).assert_broken("y.npy", &message);
    }
}

#[test]
fn trailing_bytes_are_refused() {
    let folder = Folder::new();
    let mut long = bytes("npy/i16-big-fortran.npy");
    long.extend([0; 3]);
    folder.write("y.npy", long).assert_broken(
        "y.npy",
        "y.npy: has 3 trailing bytes after the 24 bytes of elements that its header declares (i16 [2, 3, 2]); regenerate it",
    );
}

#[test]
fn a_header_that_claims_too_much_is_refused_before_memory_is_reserved() {
    let folder = Folder::new();
    folder.write("y.npy", npy_of("<f4", "(1152921504606846976,)", &[0; 4])).assert_broken(
        "y.npy",
        "y.npy: is truncated: it has 4 bytes of elements, but its header declares 4611686018427387904 \
         (f32 [1152921504606846976]); regenerate it",
    );
    folder.write("y.npy", npy_of("<f8", "(4294967296, 4294967296)", &[0; 8])).assert_broken(
        "y.npy",
        "y.npy: its header declares f64 [4294967296, 4294967296], too large for any machine; regenerate it",
    );
    // No element, yet nothing could hold the shape.
    folder.write("y.npy", npy_of("<f8", "(4294967296, 4294967296, 0)", &[])).assert_broken(
        "y.npy",
        "y.npy: its header declares f64 [4294967296, 4294967296, 0], too large for any machine; regenerate it",
    );
    folder.write("y.npy", npy_of("<f4", "(18446744073709551616,)", &[])).assert_broken(
        "y.npy",
        "y.npy: not a valid .npy file: its header \"{'descr': '<f4', 'fortran_order': False, \
         'shape': (18446744073709551616,), }\" has shape (18446744073709551616,) instead of a tuple of sizes, such as \
         (2, 3) or (2,); regenerate it",
    );
    let mut long = b"\x93NUMPY\x02\x00\xff\xff\xff\xff".to_vec();
    folder
        .write("y.npy", &long)
        .assert_broken("y.npy", "y.npy: is truncated: 12 bytes, but its header alone needs 4294967307; regenerate it");
    long[8..].copy_from_slice(&20_000u32.to_le_bytes());
    long.resize(20_012, b' ');
    folder
        .write("y.npy", &long)
        .assert_broken("y.npy", "y.npy: has a header of 20012 bytes; karat reads at most 10000");
}

#[test]
fn an_invalid_header_is_shown() {
    let folder = Folder::new();
    folder.write("y.npy", npy("{'descr': '<f4', 'shape': (2,)}", &[0; 8])).assert_broken(
        "y.npy",
        "y.npy: not a valid .npy file: its header \"{'descr': '<f4', 'shape': (2,)}\" has no fortran_order; regenerate it",
    );
    let error = folder.write("y.npy", npy(&"!".repeat(5000), &[])).refusal("y.npy", None, None);
    assert!(error.to_string().len() < 400, "{error}");
}

#[test]
fn nested_headers_are_refused_at_once() {
    let folder = Folder::new();
    let header = |descr: &str, shape: &str| format!("{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}");
    let records = "y.npy: has a structured dtype; karat reads only plain numbers, so save each field to its own file";
    let deep = "has brackets that are nested too deeply; regenerate it";
    for (descr, shape, said) in [
        ("[('a', '<f4', (2, 3))]", "(2,)", records),
        ("('<f4', (2,))", "(2,)", records),
        ("'<f4\u{1b}[2J'", "(2,)", "y.npy: has dtype <f4\\u{1b}[2J; karat reads "),
        ("'<f4'", "(((2,),),)", deep),
    ] {
        let error = folder.write("y.npy", npy(&header(descr, shape), &[0; 8])).refusal("y.npy", None, None).to_string();
        assert!(error.contains(said), "{error}");
    }
    for (open, close) in [("[", "]"), ("{", "}"), ("(", ",)")] {
        let nested = format!("{}1{}", open.repeat(2000), close.repeat(2000));
        let error = folder.write("y.npy", npy(&nested, &[])).refusal("y.npy", None, None).to_string();
        assert!(error.ends_with(deep), "{error}");
        // As deep as the parser may go, and as long.
        let wide = format!("{}{}{}", open.repeat(2), "1, ".repeat(3000), close.repeat(2));
        assert!(read_tensor(&folder.write("y.npy", npy(&wide, &[])).path("y.npy"), None, None).is_err());
    }
}

#[test]
fn dtypes_that_karat_does_not_read_are_refused_by_name() {
    let readable =
        "karat reads bool, i8, i16, i32, i64, u8, u16, u32, u64, f8_e4m3, f8_e5m2, f16, bf16, f32, f64, c64, c128";
    let refusal = |name: &str| {
        let error = read_tensor(&data("refused").join(name), None, None).unwrap_err().to_string();
        error.rsplit_once(": ").filter(|(path, _)| path.ends_with(name)).unwrap().1.to_owned()
    };
    assert_eq!(
        refusal("object.npy"),
        "contains pickled Python objects (dtype |O), which karat never loads; save plain numbers"
    );
    assert_eq!(
        refusal("records.npy"),
        "has a structured dtype; karat reads only plain numbers, so save each field to its own file"
    );
    assert_eq!(refusal("text.npy"), format!("has dtype <U2 (text); {readable}"));
    assert_eq!(refusal("bytes.npy"), format!("has dtype |S2 (byte strings); {readable}"));
    assert_eq!(refusal("dates.npy"), format!("has dtype <M8[D] (dates); {readable}"));
    assert_eq!(refusal("longdouble.npy"), format!("has dtype <f16 (another float width); {readable}"));
    assert_eq!(refusal("raw.npy"), format!("has dtype |V3 (raw bytes); {readable}"));
    assert_eq!(
        read_tensor(&data("refused/e8m0.safetensors"), Some("x"), None).unwrap_err().to_string(),
        format!("{}#x: has dtype F8_E8M0; {readable}", data("refused/e8m0.safetensors").display())
    );
    let folder = Folder::new();
    folder
        .write("y.npy", npy_of("f4", "(1,)", &[0; 4]))
        .assert_broken("y.npy", "y.npy: has dtype f4 without a byte order; regenerate it");
    folder.write("y.npy", npy_of("", "()", &[])).assert_broken("y.npy", &format!("y.npy: has dtype ; {readable}"));
}

#[test]
fn a_dtype_without_a_name_is_read_only_where_it_is_declared() {
    let folder = Folder::new();
    folder.write("y.npy", npy_of("|V2", "(1,)", &[0x80, 0x3f]));
    folder.assert_broken(
        "y.npy",
        "y.npy: has dtype |V2, which numpy writes for a dtype it cannot name; \
         declare \"dtype\": \"bf16\" if that is the dtype",
    );
    let error = folder.refusal("y.npy", None, Some(DType::F16));
    folder.assert_says(&error, "y.npy: has dtype |V2, which cannot be f16; declare \"dtype\": \"bf16\"");
    assert_eq!(read_tensor(&folder.path("y.npy"), None, Some(DType::BF16)).unwrap().value(0).to_f64(), 1.0);

    folder.write("y.npy", npy_of("|V1", "(1,)", &[0x3c]));
    folder.assert_broken(
        "y.npy",
        "y.npy: has dtype |V1, which numpy writes for a dtype it cannot name; \
         declare \"dtype\": \"f8_e4m3\" or \"dtype\": \"f8_e5m2\" if that is the dtype",
    );
    assert_eq!(read_tensor(&folder.path("y.npy"), None, Some(DType::F8E4M3)).unwrap().value(0).to_f64(), 1.5);
    assert_eq!(read_tensor(&folder.path("y.npy"), None, Some(DType::F8E5M2)).unwrap().value(0).to_f64(), 1.0);
}

#[test]
fn a_declared_dtype_that_is_not_the_files_is_refused() {
    let says = "has dtype u16 but is declared as bf16; correct one of them";
    let stored =
        [("npy/u16-little-c.npy", None), ("stored.npz", Some("u16-big-c")), ("torch.safetensors", Some("u16"))];
    for (file, member) in stored {
        assert_eq!(read_tensor(&data(file), member, None).unwrap().dtype(), DType::U16);
        assert_eq!(read_tensor(&data(file), member, Some(DType::U16)).unwrap().dtype(), DType::U16);
        for error in [
            read_tensor(&data(file), member, Some(DType::BF16)).unwrap_err(),
            inspect(&data(file), member, Some(DType::BF16)).unwrap_err(),
        ] {
            assert!(error.to_string().ends_with(says), "{error}");
        }
    }
}

#[test]
fn a_file_that_is_not_npy_is_refused() {
    let folder = Folder::new();
    folder
        .write("y.npy", "some text")
        .assert_broken("y.npy", "y.npy: not a valid .npy file: it does not start with \\x93NUMPY; regenerate it");
    folder
        .write("y.npy", "x")
        .assert_broken("y.npy", "y.npy: not a valid .npy file: it does not start with \\x93NUMPY; regenerate it");
    folder.write("y.npy", bytes("stored.npz")).assert_broken(
        "y.npy",
        "y.npy: not a valid .npy file: it does not start with \\x93NUMPY; it looks like a zip file: name it .npz",
    );
    folder
        .write("y.npy", b"\x93NUMPY\x04\x00\x00\x00")
        .assert_broken("y.npy", "y.npy: has npy version 4.0; karat reads 1.0, 2.0 and 3.0");
    folder.write("y.bin", "some text").assert_broken(
        "y.bin",
        "y.bin: does not have the extension of a tensor file; karat reads .npy, .npz and .safetensors",
    );
}

#[test]
fn an_empty_file_is_refused() {
    let folder = Folder::new();
    for name in ["y.npy", "y.npz", "y.safetensors"] {
        folder.write(name, "").assert_broken(name, &format!("{name}: is empty; regenerate it"));
    }
}

#[test]
fn safetensors_offsets_must_cover_all_bytes_once() {
    let folder = Folder::new();
    let tensor = |name: &str, dtype: &str, shape: &str, start: u64, end: u64| {
        format!("\"{name}\":{{\"dtype\":\"{dtype}\",\"shape\":{shape},\"data_offsets\":[{start},{end}]}}")
    };
    let check = |tensors: &[String], message: &str| {
        let file = safetensors(&format!("{{{}}}", tensors.join(",")), &[0; 8]);
        folder.write("w.safetensors", file);
        folder.assert_broken("w.safetensors", &format!("w.safetensors: {message}; regenerate it"));
        assert!(contents(&folder.path("w.safetensors")).is_err());
    };
    check(
        &[tensor("b", "F32", "[1]", 2, 6), tensor("a", "F32", "[1]", 0, 4)],
        "not a valid .safetensors file: b starts at offset 2, inside the previous tensor, which ends at 4",
    );
    check(
        &[tensor("a", "U8", "[2]", 0, 2), tensor("b", "F32", "[1]", 4, 8)],
        "not a valid .safetensors file: b starts at offset 4, which leaves a gap from 2",
    );
    check(&[tensor("a", "F32", "[3]", 0, 12)], "is truncated: it has 8 bytes of elements, but its header declares 12");
    check(
        &[tensor("a", "F32", "[1]", 0, 4)],
        "has 4 trailing bytes after the 4 bytes of elements that its header declares",
    );
    check(
        &[tensor("a", "F32", "[1]", 4, 0)],
        "not a valid .safetensors file: a ends at offset 0, before it starts at 4",
    );
    check(
        &[tensor("a", "F32", "[3]", 0, 8)],
        "not a valid .safetensors file: a is F32 [3], 12 bytes, but its offsets span 8",
    );
    check(
        &[tensor("a", "F32", "[1152921504606846976]", 0, 4611686018427387904)],
        "not a valid .safetensors file: a declares F32 [1152921504606846976], too large for any machine",
    );
    check(
        &[tensor("a", "U8", "[1152921504606846976]", 0, 1152921504606846976)],
        "is truncated: it has 8 bytes of elements, but its header declares 1152921504606846976",
    );
    check(
        &[tensor("a", "F32", "[2]", 0, 8), tensor("a", "I32", "[2]", 0, 8)],
        "not a valid .safetensors file: header: \"a\" is listed twice at line 1 column 57",
    );
}

#[test]
fn a_safetensors_header_must_be_one() {
    let folder = Folder::new();
    folder
        .write("w.safetensors", "1234567")
        .assert_broken("w.safetensors", "w.safetensors: not a valid .safetensors file: only 7 bytes; regenerate it");
    folder.write("w.safetensors", safetensors("", &[]).iter().map(|_| 255).collect::<Vec<u8>>()).assert_broken(
        "w.safetensors",
        "w.safetensors: not a valid .safetensors file, or truncated: 8 bytes, but the declared header length is \
         18446744073709551615; regenerate it",
    );
    folder.write("w.safetensors", 100_000_001u64.to_le_bytes());
    fs::File::options().append(true).open(folder.path("w.safetensors")).unwrap().set_len(200_000_000).unwrap();
    folder.assert_broken(
        "w.safetensors",
        "w.safetensors: has a header of 100000001 bytes; karat reads at most 100000000",
    );
    let whole = bytes("torch.safetensors");
    folder.write("w.safetensors", &whole[..600]);
    let error = folder.refusal("w.safetensors", Some("f32"), None);
    assert!(error.to_string().contains("not a valid .safetensors file, or truncated: 600 bytes, but"), "{error}");
    folder.write("w.safetensors", safetensors("{\"a\":", &[])).assert_broken(
        "w.safetensors",
        "w.safetensors: not a valid .safetensors file: header: EOF while parsing a value at line 1 column 5; regenerate it",
    );
    let unknown = "{\"a\":{\"dtype\":\"F7\",\"shape\":[],\"data_offsets\":[0,1]}}";
    let error = folder.write("w.safetensors", safetensors(unknown, &[0])).refusal("w.safetensors", None, None);
    assert!(error.to_string().contains("unknown variant `F7`"), "{error}");
    let nothing = "{\"a\":{\"dtype\":\"U8\",\"shape\":[0,9223372036854775808],\"data_offsets\":[0,0]}}";
    folder.write("w.safetensors", safetensors(nothing, &[])).assert_broken(
        "w.safetensors",
        "w.safetensors#a: declares u8 [0, 9223372036854775808], too large for any machine; regenerate the file",
    );
}

#[test]
fn a_file_that_is_not_a_zip_is_refused() {
    let folder = Folder::new();
    let message = "w.npz: not a valid .npz file, or truncated: no zip directory at its end; regenerate it";
    folder.write("w.npz", "some text").assert_broken("w.npz", message);
    folder.write("w.npz", bytes("npy/f32-little-c.npy")).assert_broken("w.npz", message);
    let whole = bytes("stored.npz");
    folder.write("w.npz", &whole[..whole.len() - 30]).assert_broken("w.npz", message);
}

#[test]
fn an_npz_that_inflates_beyond_what_it_declares_is_refused_in_bounded_memory() {
    let folder = Folder::new();
    let mut honest = npy_of("|u1", "(100,)", &[7; 100]);
    let (size, crc) = (honest.len() as u32, Packed::stored("", &honest).crc);
    honest.resize(2 * ENOUGH, 7);
    let bomb = Packed { size, crc, ..Packed::deflated("x.npy", &honest) };
    folder.write("w.npz", zip(&[bomb])).assert_broken(
        "w.npz",
        &format!("w.npz#x: decompresses to more than the {size} bytes it declares; regenerate the file"),
    );
    // The header inside and the directory agree on far more than the file can hold.
    let claim = npy_of("|u1", "(4000000000,)", &[7; 100]);
    let size = (claim.len() - 100 + 4_000_000_000) as u32;
    let bomb = Packed { size, ..Packed::deflated("x.npy", &claim) };
    let packed = bomb.bytes.len();
    folder.write("w.npz", zip(&[bomb])).assert_broken(
        "w.npz",
        &format!("w.npz#x: declares {size} bytes, too many for its {packed} bytes in the file; regenerate the file"),
    );
}

#[test]
fn an_npz_member_that_inflates_to_less_than_it_declares_is_refused() {
    let folder = Folder::new();
    let whole = npy_of("|u1", "(100,)", &[7; 100]);
    let short = Packed { size: whole.len() as u32, ..Packed::deflated("x.npy", &whole[..whole.len() - 1]) };
    folder.write("w.npz", zip(&[short])).assert_broken("w.npz", "w.npz#x: ends before its last element; regenerate it");
}

#[test]
fn an_npz_member_that_ends_beyond_the_file_is_refused() {
    let folder = Folder::new();
    let x = npy_of("|u1", "(4000000000,)", &[7; 100]);
    let size = (x.len() - 100 + 4_000_000_000) as u32;
    let file = zip(&[Packed { size, packed: size, ..Packed::stored("x.npy", &x) }]);
    let (start, len) = (30 + "x.npy".len(), file.len());
    let end = start as u64 + u64::from(size);
    folder.write("w.npz", file).assert_broken(
        "w.npz",
        &format!("w.npz#x: is truncated: it ends at byte {end}, but the file has {len}; regenerate the file"),
    );
}

#[test]
fn an_npz_member_with_another_checksum_is_refused() {
    let folder = Folder::new();
    for pack in [Packed::stored, Packed::deflated] {
        let sound = npy_of("|u1", "(4,)", &[1, 2, 3, 4]);
        let changed = Packed { crc: 1, ..pack("x.npy", &sound) };
        folder
            .write("w.npz", zip(&[changed]))
            .assert_broken("w.npz", "w.npz#x: is damaged: its checksum is wrong; regenerate the file");
        folder.write("w.npz", zip(&[pack("x.npy", &sound)]));
        assert_eq!(read_tensor(&folder.path("w.npz"), None, None).unwrap().as_slice(), Some(&[1u8, 2, 3, 4][..]));
    }
}

#[test]
fn npz_members_are_refused_where_they_are_double_encrypted_or_packed_another_way() {
    let folder = Folder::new();
    let x = npy_of("|u1", "(1,)", &[1]);
    folder
        .write("w.npz", zip(&[Packed::stored("x.npy", &x), Packed::deflated("x.npy", &x)]))
        .assert_broken("w.npz", "w.npz#x: occurs more than once; regenerate the file");
    assert!(contents(&folder.path("w.npz")).is_err());
    folder
        .write("w.npz", zip(&[Packed { flags: 1, ..Packed::stored("x.npy", &x) }]))
        .assert_broken("w.npz", "w.npz#x: is encrypted; save it without a password");
    folder.write("w.npz", bytes("refused/bzip2.npz")).assert_broken(
        "w.npz",
        "w.npz#x: uses compression method 12 (BZIP2); karat reads stored and deflated files: \
         use numpy.savez or numpy.savez_compressed",
    );
}

#[test]
fn an_npz_directory_must_hold_as_many_files_as_it_promises() {
    let folder = Folder::new();
    let x = npy_of("|u1", "(1,)", &[1]);
    let mut file = zip(&[Packed::stored("x.npy", &x)]);
    let end = file.len() - 22;
    file[end + 8..end + 12].copy_from_slice(&[3, 0, 3, 0]);
    folder.write("w.npz", file).assert_broken("w.npz", "w.npz: lists 1 of the 3 files that it declares; regenerate it");
}

#[test]
fn every_file_in_an_npz_is_a_member() {
    let folder = Folder::new();
    let x = npy_of("|u1", "(1,)", &[1]);
    let names = |names: &[&str]| Contents::Members(names.iter().map(|name| (*name).to_owned()).collect());
    let packed = ["x.npy", "y", "z.NPY", "below/w.npy"].map(|name| Packed::stored(name, &x));
    folder.write("w.npz", zip(&packed));
    assert_eq!(contents(&folder.path("w.npz")).unwrap(), names(&["below/w", "x", "y", "z.NPY"]));
    for name in ["x", "y", "z.NPY", "below/w"] {
        assert_eq!(read_tensor(&folder.path("w.npz"), Some(name), None).unwrap().as_slice(), Some(&[1u8][..]));
    }
    folder.write("w.npz", zip(&[Packed::stored("y", &x)]));
    assert_eq!(read_tensor(&folder.path("w.npz"), None, None).unwrap().as_slice(), Some(&[1u8][..]));
    folder
        .write("w.npz", zip(&[Packed::stored("x", &x), Packed::stored("x.npy", &x)]))
        .assert_broken("w.npz", "w.npz#x: occurs more than once; regenerate the file");
    // A folder holds nothing; anything else does, and is no tensor.
    folder.write("w.npz", zip(&[Packed::stored("below/", b""), Packed::stored("below/x.npy", &x)]));
    assert_eq!(contents(&folder.path("w.npz")).unwrap(), names(&["below/x"]));
    folder.write("w.npz", zip(&[Packed::stored("readme.txt", b"hello"), Packed::stored("x.npy", &x)]));
    assert_eq!(contents(&folder.path("w.npz")).unwrap(), names(&["readme.txt", "x"]));
    let error = folder.refusal("w.npz", Some("readme.txt"), None);
    folder.assert_says(
        &error,
        "w.npz#readme.txt: not a valid .npy file: it does not start with \\x93NUMPY; regenerate it",
    );
    folder.write("w.npz", zip(&[])).assert_broken("w.npz", "w.npz: contains no tensors");
    folder.assert_missing("w.npz", Some("x"), "w.npz#x: no such tensor: the file contains none");
}

#[test]
fn a_tensor_cannot_have_the_name_of_what_safetensors_keeps_beside_tensors() {
    let folder = Folder::new();
    let header = r#"{"__metadata__":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}"#;
    let error = folder.write("w.safetensors", safetensors(header, &[])).refusal("w.safetensors", None, None);
    assert!(error.to_string().contains("expected a string"), "{error}");
}

#[test]
fn a_container_that_changes_while_it_is_open_is_refused() {
    let folder = Folder::new();
    let x = npy_of("|u1", "(1,)", &[1]);
    folder.write("w.npz", zip(&[Packed::stored("x.npy", &x)]));
    let container = Container::open(&folder.path("w.npz")).unwrap();
    for _ in 0..2 {
        assert_eq!(container.read(Some("x"), None).unwrap().as_slice(), Some(&[1u8][..]));
    }
    let len = fs::read(folder.path("w.npz")).unwrap().len();
    fs::write(folder.path("w.npz"), "x").unwrap();
    let error = container.read(None, None).unwrap_err();
    let message =
        format!("w.npz: had {len} bytes when it was opened, and now has 1; re-run when nothing is writing it");
    folder.assert_says(&error, &message);
}

#[test]
fn a_folder_is_not_opened() {
    let folder = Folder::new();
    fs::create_dir(folder.path("y.npy")).unwrap();
    folder.assert_broken("y.npy", "y.npy: is a folder, not a file");
}

#[cfg(unix)]
#[test]
fn a_pipe_a_socket_and_a_device_are_not_opened() {
    let folder = Folder::new();
    for name in ["y.npy", "y.npz", "y.safetensors"] {
        assert!(std::process::Command::new("mkfifo").arg(folder.path(name)).status().unwrap().success());
        folder.assert_broken(name, &format!("{name}: is a named pipe, not a file"));
    }
    let _socket = std::os::unix::net::UnixListener::bind(folder.path("socket.npy")).unwrap();
    folder.assert_broken("socket.npy", "socket.npy: is a socket, not a file");
    std::os::unix::fs::symlink("/dev/zero", folder.path("zero.npy")).unwrap();
    folder.assert_broken("zero.npy", "zero.npy: is a device, not a file");
}

#[cfg(unix)]
#[test]
fn errors_of_the_system_are_reported() {
    let folder = Folder::new();
    std::os::unix::fs::symlink(folder.path("y.npy"), folder.path("y.npy")).unwrap();
    let error = folder.refusal("y.npy", None, None);
    assert!(matches!(error, Error::Read { .. }), "{error}");
}

#[test]
fn a_pointer_in_place_of_a_tensor_is_missing() {
    let folder = Folder::new();
    let lfs = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n";
    let annex = "/annex/objects/SHA256E-s152--4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393.npy\n";
    for name in ["y.npy", "y.npz", "y.safetensors"] {
        let message = format!("{name}: is a Git LFS pointer in place of the tensor; run `git lfs pull`");
        folder.write(name, lfs).assert_missing(name, None, &message);
        let message = format!("{name}: is a git-annex pointer in place of the tensor; run `git annex get .`");
        folder.write(name, annex).assert_missing(name, None, &message);
        #[cfg(unix)]
        {
            fs::remove_file(folder.path(name)).unwrap();
            let target = "../../.git/annex/objects/XX/yy/SHA256E-s152--4d7a/SHA256E-s152--4d7a";
            std::os::unix::fs::symlink(target, folder.path(name)).unwrap();
            folder.assert_missing(name, None, &message);
        }
    }
}

#[test]
fn a_file_that_is_not_there_is_missing() {
    let folder = Folder::new();
    folder.assert_missing("y.npy", None, "y.npy: no such file");
    folder.assert_missing("below/y.npy", None, "below/y.npy: no such file or folder");
    folder.write("weights.npy", "").assert_missing(
        "wieghts.npy",
        None,
        "wieghts.npy: no such file; did you mean weights.npy?",
    );
    folder.assert_missing("weights.npy/y.npy", None, "weights.npy/y.npy: no such file or folder");
}

#[cfg(target_os = "linux")]
#[test]
fn a_missing_file_with_a_namesake_in_another_case_says_so() {
    let folder = Folder::new();
    folder.write("Y.npy", bytes("npy/f32-little-c.npy")).assert_missing(
        "y.npy",
        None,
        "y.npy: no such file; there is Y.npy, which differs in case",
    );
}

#[cfg(unix)]
#[test]
fn a_link_to_nothing_is_missing() {
    let folder = Folder::new();
    std::os::unix::fs::symlink("gone.npy", folder.path("y.npy")).unwrap();
    folder.assert_missing(
        "y.npy",
        None,
        "y.npy: is a link to gone.npy, which does not exist; restore it, or remove the link",
    );
}

#[test]
fn a_member_that_is_not_there_is_answered_with_those_that_are() {
    let folder = Folder::new();
    fs::copy(data("torch.safetensors"), folder.path("w.safetensors")).unwrap();
    folder.assert_missing(
        "w.safetensors",
        Some("f8_e4m2"),
        "w.safetensors#f8_e4m2: no such tensor (did you mean f8_e4m3?); \
         the file contains bf16, bool, c64, f16, f32, f64, f8_e4m3, f8_e5m2 and 8 more",
    );
    fs::copy(data("shapes/one.npz"), folder.path("w.npz")).unwrap();
    folder.assert_missing("w.npz", Some("weight"), "w.npz#weight: no such tensor; the file contains x");
    folder.assert_missing("w.npz", Some("a\nb"), "w.npz#a\\nb: no such tensor; the file contains x");
}

#[test]
fn a_member_must_be_named_if_there_are_several_and_not_if_names_do_not_exist() {
    let folder = Folder::new();
    let x = npy_of("|u1", "(1,)", &[1]);
    folder
        .write("w.npz", zip(&[Packed::stored("b.npy", &x), Packed::stored("a.npy", &x)]))
        .assert_broken("w.npz", "w.npz: contains 2 tensors; append the name of one, as in #a; it contains a, b");
    fs::copy(data("shapes/one-axis.npy"), folder.path("y.npy")).unwrap();
    let error = folder.refusal("y.npy", Some("x"), None);
    folder.assert_says(&error, "y.npy#x: an .npy file contains one unnamed tensor; remove the # and the name after it");
}

/// Opens the tensor as a source and reads all of it, a few elements at a time.
fn visit(path: &Path, member: Option<&str>, declared: Option<DType>) -> karat::Result<()> {
    let file = TensorFile::open(path, member, declared)?;
    let len: usize = file.shape().iter().product();
    let mut buffer = Buffer::default();
    file.read(0..0, &mut buffer)?;
    for start in (0..len).step_by(5) {
        file.read(start..len.min(start + 5), &mut buffer)?;
    }
    Ok(())
}

/// Reads everything in the file, and answers whether all of it could be read: without a panic, and in little memory.
fn survives(path: &Path, declared: Option<DType>) -> bool {
    LARGEST.set(0);
    let sound = match contents(path) {
        Ok(Contents::Members(names)) => names.iter().all(|name| is_sound(path, Some(name), declared)),
        Ok(_) => is_sound(path, None, declared),
        Err(_) => false,
    };
    assert!(LARGEST.get() <= ENOUGH, "{} bytes at once", LARGEST.get());
    sound
}

/// Whether the tensor can be read, and visited too.
fn is_sound(path: &Path, member: Option<&str>, declared: Option<DType>) -> bool {
    let (read, visited) = (read_tensor(path, member, declared), visit(path, member, declared));
    assert_eq!(visited.err().map(|error| error.to_string()), read.as_ref().err().map(Error::to_string));
    read.is_ok()
}

const SOUND: [(&str, Option<DType>); 7] = [
    ("npy/f32-little-c.npy", None),
    ("npy/c128-big-fortran.npy", None),
    ("npy/bf16-little-c.npy", Some(DType::BF16)),
    ("shapes/version-3.npy", None),
    ("shapes/one.npz", None),
    ("shapes/zip64.npz", None),
    ("shapes/one.safetensors", None),
];

#[test]
fn a_sound_file_cut_anywhere_is_refused() {
    let folder = Folder::new();
    for (file, declared) in SOUND {
        let (whole, name) = (bytes(file), file.rsplit('/').next().unwrap());
        assert!(survives(&data(file), declared));
        for len in 0..whole.len() {
            folder.write(name, &whole[..len]);
            assert!(!survives(&folder.path(name), declared), "{file} cut to {len}");
        }
    }
}

#[test]
fn a_sound_file_with_any_byte_changed_is_survived() {
    let folder = Folder::new();
    for (file, declared) in SOUND {
        let (whole, name) = (bytes(file), file.rsplit('/').next().unwrap());
        for at in 0..whole.len() {
            for flip in [1, 16, 128] {
                let mut changed = whole.clone();
                changed[at] ^= flip;
                survives(&folder.write(name, changed).path(name), declared);
            }
        }
    }
}
