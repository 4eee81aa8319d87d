//! A file that becomes shorter while it is mapped: the system raises `SIGBUS` where what is gone is read.

use crate::error::Result;

/// Ends the process from now on where that happens, with status 2 and one line that says so.
///
/// Only for verbs that run no checkpoint: there the signal is a crash of the checkpoint, and is told as one.
///
/// # Errors
///
/// [`Error::Usage`](crate::Error::Usage) where the system does not allow it.
#[cfg(unix)]
pub(super) fn listen() -> Result<()> {
    use crate::error::Error;

    const MESSAGE: &[u8] = b"karat: a file became shorter while it was read, or its disk failed; \
        do it again when nothing writes it\n";
    let say = || {
        // SAFETY: both may be called wherever a signal comes; the bytes are there as long as the process.
        unsafe {
            libc::write(libc::STDERR_FILENO, MESSAGE.as_ptr().cast(), MESSAGE.len());
            libc::_exit(2)
        }
    };
    // SAFETY: `write` and `_exit` are all that it does, which is allowed wherever a signal comes.
    let registered = unsafe { signal_hook::low_level::register(libc::SIGBUS, say) };
    registered.map(|_| ()).map_err(|error| Error::Usage(format!("signals cannot be listened to: {error}")))
}

/// Other systems do not let a file become shorter that is mapped.
#[cfg(not(unix))]
pub(super) fn listen() -> Result<()> {
    Ok(())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::env;
    use std::fs::{self, File};
    use std::path::PathBuf;
    use std::process::Command;

    use super::*;
    use crate::tensor::{Slice, Source, Tensor};
    use crate::tensor::{TensorFile, write_npy};

    /// Names the file to the process below.
    const PATH: &str = "KARAT_TEST_SHRUNK";

    #[test]
    fn a_file_that_becomes_shorter_as_it_is_read_ends_the_process_in_words() {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let path = folder.path().join("y.npy");
        write_npy(&path, &Tensor::new(&[1 << 16], vec![1.0f64; 1 << 16]).expect("the shape fits")).expect("is written");
        let ended = Command::new(env::current_exe().expect("this test"))
            .args(["--exact", "cli::shrunk::tests::reads_what_is_gone", "--nocapture"])
            .env(PATH, &path)
            .output()
            .expect("this test starts");
        let said = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(2), "{said}");
        assert!(said.contains("karat: a file became shorter while it was read"), "{said}");
    }

    #[test]
    fn reads_what_is_gone() {
        // It ends the process, and runs only where the test above starts it.
        let Some(path) = env::var_os(PATH).map(PathBuf::from) else { return };
        listen().expect("the system allows it");
        let file = TensorFile::open(&path, None, None).expect("the file is sound");
        let visited = file.visit(0..1 << 16, &mut |elements| {
            // After the first look and before the last one, which is as late as it gets.
            File::options().write(true).open(&path).and_then(|file| file.set_len(4096)).expect("is cut");
            let Slice::F64(elements) = elements else { panic!("another dtype") };
            assert_eq!(elements[elements.len() - 1], 1.0, "what is gone was read");
        });
        panic!("{visited:?}, of {} bytes", fs::metadata(&path).expect("is there").len());
    }
}
