//! The memory that `karat diff` takes: it does not grow with files in C order that are not deflated.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use flate2::Crc;

use crate::bytes::{npy, safetensors, zip};
use crate::project::{KARAT, Project};

/// The bytes of a side of a pair: more than karat may take, so that not even one fits.
const LEN: usize = 72 << 20;

/// The most memory of karat's own, in KiB.
const OWN: u64 = 64 << 10;

/// The most memory with what the system has of the files, in KiB.
const ALL: u64 = 128 << 10;

/// A header of that dtype and shape.
fn header(descr: &str, shape: &str) -> Vec<u8> {
    npy(&format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}"), &[])
}

/// The checksum of those bytes and as many zeros as a side has.
fn crc(start: &[u8]) -> u32 {
    let (mut all, mut zeros) = (Crc::new(), Crc::new());
    all.update(start);
    zeros.update(&[0; 1 << 20]);
    (0..LEN >> 20).for_each(|_| all.combine(&zeros));
    all.sum()
}

/// A zip with that npy file, stored, up to its zeros; and what comes behind them.
fn stored(start: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let len = u32::try_from(start.len() + LEN).expect("small");
    let mut file = zip("x.npy", &[], len);
    let (local, directory) = (30 + "x.npy".len(), file.len() - 22 - 46 - "x.npy".len());
    let crc = crc(start).to_le_bytes();
    for at in [0, directory + 2] {
        file[at + 8..at + 10].fill(0);
        file[at + 14..at + 18].copy_from_slice(&crc);
        file[at + 18..at + 22].copy_from_slice(&len.to_le_bytes());
    }
    let end = file.len() - 6;
    file[end..end + 4].copy_from_slice(&(u32::try_from(local).expect("small") + len).to_le_bytes());
    let behind = file.split_off(local);
    file.extend(start);
    (file, behind)
}

/// Writes a file that begins and ends so, with zeros between that take no room on the disk.
fn write(project: &Project, name: &str, start: &[u8], end: &[u8]) {
    project.write(name, start);
    let mut file = fs::File::options().append(true).open(project.path(name)).expect("it was written");
    file.set_len((start.len() + LEN) as u64).expect("a file may have holes");
    file.write_all(end).expect("there is room");
}

/// Runs karat and answers with its exit code, and the most memory that it had of its own and altogether, in KiB.
fn watch(project: &Project, arguments: &[&str]) -> (Option<i32>, u64, u64) {
    let mut command = project.command(KARAT);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::inherit());
    let mut child = command.spawn().expect("the program starts");
    let status = format!("/proc/{}/status", child.id());
    let (mut own, mut all) = (0, 0);
    loop {
        // One that has just ended has none of these lines.
        let text = fs::read_to_string(&status).unwrap_or_default();
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
        };
        own = own.max(field("RssAnon:"));
        all = all.max(field("VmHWM:"));
        if let Some(status) = child.try_wait().expect("it is a child") {
            return (status.code(), own, all);
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}

#[test]
fn the_memory_of_a_diff_does_not_grow_with_the_files() {
    let project = Project::empty();
    let line = format!("({},)", LEN / 4);
    write(&project, "native.npy", &header("<f4", &line), &[]);
    write(&project, "big.npy", &header(">f4", &line), &[]);
    write(&project, "booleans.npy", &header("|b1", &format!("({LEN},)")), &[]);
    let (start, end) = stored(&header("<f4", &line));
    write(&project, "stored.npz", &start, &end);
    let odd = format!(r#"{{"x":{{"dtype":"F32","shape":[{}],"data_offsets":[0,{LEN}]}}}} "#, LEN / 4);
    write(&project, "odd.safetensors", &safetensors(&odd, &[]), &[]);
    let pairs = [
        ["native.npy", "native.npy"],
        ["big.npy", "big.npy"],
        ["booleans.npy", "booleans.npy"],
        ["stored.npz", "odd.safetensors"],
        // Neither shape nor dtype is that of the other, and each side is measured by itself.
        ["native.npy", "booleans.npy"],
    ];
    for [actual, reference] in pairs {
        let (code, own, all) = watch(&project, &["diff", actual, reference]);
        let expected = if [actual, reference] == ["native.npy", "booleans.npy"] { 1 } else { 0 };
        assert_eq!(code, Some(expected), "{actual} {reference}");
        assert!(own > 0 && own < OWN && all < ALL, "{actual} {reference}: {own} KiB, {all} KiB altogether");
    }
}
