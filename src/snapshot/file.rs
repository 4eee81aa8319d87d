//! Reads, records and accepts snapshot files. The only file that uses insta.

use std::fs;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use super::panic::catch_panic;
#[cfg(all(unix, feature = "harness"))]
use super::settings;
#[cfg(feature = "harness")]
use super::text::parse;
use super::text::{Fault, find_conflict};
use crate::error::{Error, Result};
use crate::fs::{Lookup, TEXT_LIMIT, read_regular};
#[cfg(feature = "harness")]
use crate::fs::{Mode, describe_link, write_atomic};

/// The content of a snapshot file.
pub(super) struct SnapshotFile {
    /// The text below the header.
    pub(super) text: String,
    /// The number of lines above the text.
    header_lines: usize,
}

impl SnapshotFile {
    /// Reads a snapshot, or returns `None` if it does not exist.
    pub(super) fn read(file: &Path) -> Result<Option<SnapshotFile>> {
        match read(file) {
            Ok(Some(raw)) => SnapshotFile::parse(&raw, file, file).map(Some),
            Ok(None) => check_folder(file).map(|()| None),
            Err(error) => check_folder(file).and(Err(error)),
        }
    }

    /// Parses the content of `file`. Errors name the file `shown`.
    fn parse(raw: &[u8], file: &Path, shown: &Path) -> Result<SnapshotFile> {
        let broken = |line, what: &str| broken(shown, line, what);
        let raw = std::str::from_utf8(raw).map_err(|_| broken(None, "it is not UTF-8"))?;
        if let Some(line) = find_conflict(raw) {
            return Err(broken(Some(line), "contains a merge conflict"));
        }
        if raw.lines().next().is_none_or(|line| line.trim_end() != "---") {
            return Err(broken(Some(1), "is not the \"---\" that a snapshot begins with"));
        }
        if !raw.ends_with('\n') {
            return Err(broken(None, "it does not end with a newline, so it is incomplete"));
        }
        if let Some(text) = text_below_plain_header(raw) {
            return Ok(SnapshotFile { text: text.to_owned(), header_lines: 3 });
        }
        // The header belongs to insta and may be outdated, but it must be valid, or `cargo insta review` fails.
        let snapshot = load(file, raw).map_err(|what| broken(None, &what))?;
        let text = snapshot.as_text().ok_or_else(|| broken(None, "it is a binary snapshot"))?.to_string();
        let header_lines = raw.lines().skip(1).position(|line| line.trim_end() == "---").map_or(0, |index| index + 2);
        Ok(SnapshotFile { text, header_lines })
    }

    /// Returns the error for a fault in the text.
    pub(super) fn error(&self, file: &Path, fault: Fault) -> Error {
        broken(file, fault.line.map(|line| line + self.header_lines), &fault.what)
    }
}

/// The target of a recording.
pub(super) struct Target<'a> {
    /// The folder that the header is relative to, and that contains insta's settings file.
    pub(super) workspace: &'a Path,
    /// The file that the header names, relative to the workspace.
    pub(super) source: &'a Path,
    /// The snapshot file.
    pub(super) snapshot: &'a Path,
}

/// Asserts a text that differs from the stored one, so that insta records it according to its settings. Whether insta accepts the
/// assertion does not matter.
pub(super) fn assert(target: &Target<'_>, text: &str) -> Result<()> {
    let Target { workspace, source, snapshot } = *target;
    // insta would resolve the path of an existing file, and links would become paths of this machine. With a trailing dot it is not
    // the path of a file, and insta uses its text below the workspace, without the dot.
    let source = workspace.join(source).join(".");
    let name = snapshot.file_stem().unwrap_or_default().to_string_lossy();
    let mut settings = insta::Settings::new();
    settings.set_snapshot_path(snapshot.parent().expect("a snapshot is in a folder"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    // The function behind insta's macro. The macro itself would use the workspace and source of karat's own build.
    let call = || {
        let value = (&*name, text).into();
        insta::_macro_support::assert_snapshot(value, workspace, "karat", "karat", &source.to_string_lossy(), 1, "")
    };
    let _lock = lock(workspace);
    call_insta(|| settings.bind(call).map_err(|error| error.to_string())).map_err(|what| Error::Snapshot {
        path: snapshot.to_path_buf(),
        what: format!("insta cannot record it: {what}"),
    })
}

/// Runs one call of insta at a time. A panic because the snapshot differs is expected and ignored; any other panic becomes an error.
fn call_insta(call: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    /// insta's message about its configuration. After that panic insta's own lock is poisoned, and later messages are useless.
    static CONFIG_ERROR: Mutex<Option<String>> = Mutex::new(None);
    let mut config_error = CONFIG_ERROR.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(error) = &*config_error {
        return Err(error.clone());
    }
    match catch_panic(call) {
        Ok(result) => result,
        Err(panic) if panic.message.starts_with("snapshot assertion for ") => Ok(()),
        Err(panic) => {
            if panic.message.starts_with("Error building config") {
                *config_error = Some(panic.message.clone());
            }
            Err(panic.message)
        }
    }
}

/// Locks a folder until the returned file is closed, which also happens if the process is killed. insta writes in place, so that two
/// processes must not record at the same time.
///
/// If the file system does not support locks, or another process keeps the lock for ten seconds, work continues without it, because
/// incomplete files are detected when they are read.
#[cfg(unix)]
fn lock(folder: &Path) -> Option<fs::File> {
    use std::time::{Duration, Instant};

    use rustix::fs::{FlockOperation, flock};
    use rustix::io::Errno;

    const TIMEOUT: Duration = Duration::from_secs(10);
    let started = Instant::now();
    let folder = fs::File::open(folder).ok()?;
    loop {
        match flock(&folder, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Some(folder),
            Err(Errno::WOULDBLOCK | Errno::INTR) if started.elapsed() < TIMEOUT => {
                std::thread::sleep(Duration::from_millis(1));
            }
            Err(_) => return None,
        }
    }
}

/// Does nothing on this platform.
#[cfg(not(unix))]
fn lock(_: &Path) -> Option<fs::File> {
    None
}

/// Re-runs this program with `INSTA_OUTPUT=none` and the same arguments, if insta would print. insta prints differences to stdout from
/// any thread, and a running process cannot change its environment safely.
///
/// Returns if insta is silent already, if `INSTA_OUTPUT` is invalid (which
/// [`Recorder::check_settings`](super::Recorder::check_settings) rejects), and if the system cannot replace a process; then insta
/// prints, and nothing else changes.
#[cfg(feature = "harness")]
pub(crate) fn silence_insta() {
    #[cfg(unix)]
    if settings::insta_prints(&settings::env_var)
        && let Ok(program) = std::env::current_exe()
    {
        use std::os::unix::process::CommandExt as _;
        let mut arguments = std::env::args_os();
        let mut command = std::process::Command::new(program);
        if let Some(name) = arguments.next() {
            command.arg0(name);
        }
        // Returns only if it fails.
        let _ = command.args(arguments).env("INSTA_OUTPUT", "none").exec();
    }
}

/// Whether a path does not need quotes in YAML.
fn is_plain(source: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    // Text that begins with a letter and contains a slash is neither a number nor a keyword.
    source.starts_with(|c: char| c.is_ascii_alphabetic()) && source.contains('/') && source.chars().all(is_plain)
}

/// Loads a snapshot with this content through insta. A panic of insta becomes an error.
fn load(file: &Path, raw: &str) -> Result<insta::Snapshot, String> {
    check_header(raw)?;
    catch_panic(|| insta::Snapshot::from_file(file).map_err(|error| error.to_string()))
        .unwrap_or_else(|panic| Err(format!("its header cannot be read: insta panics at it ({})", panic.message)))
}

/// Rejects a header that could exhaust the stack or the memory in insta's YAML parser, neither of which can be caught: the parser
/// recurses into nested values, and copies the values of aliases.
fn check_header(raw: &str) -> Result<(), String> {
    const MAX_LENGTH: usize = 64 << 10;
    const MAX_DEPTH: usize = 256;
    const MAX_ALIASES: usize = 8;
    let lines = raw.split_inclusive('\n').enumerate();
    let lines = lines.take_while(|(number, line)| *number == 0 || line.trim_end() != "---");
    let header = &raw[..lines.map(|(_, line)| line.len()).sum()];
    if header.len() > MAX_LENGTH {
        return Err(format!("its header is too long ({} bytes, at most {MAX_LENGTH})", header.len()));
    }
    if header.matches(['[', '{', '?', ':', '-']).count() > MAX_DEPTH || header.matches('*').count() > MAX_ALIASES {
        return Err("its header is not a short list of fields".to_owned());
    }
    Ok(())
}

/// Returns the text that insta would read below a header of the usual form: the path of a `case.json` as the `source`, and nothing
/// else. Nothing can be wrong with such a header.
fn text_below_plain_header(raw: &str) -> Option<&str> {
    let (source, content) = raw.strip_prefix("---\nsource: ")?.split_once("\n---\n")?;
    // insta removes the CR of CRLF, and white space at the end.
    let is_unchanged = is_plain(source) && source.ends_with("/case.json") && !content.contains('\r');
    is_unchanged.then(|| content.trim_end())
}

/// Returns the error for a damaged snapshot, with a remedy.
fn broken(file: &Path, line: Option<usize>, what: &str) -> Error {
    let place = line.map(|line| format!("line {line} ")).unwrap_or_default();
    let is_pending = file.extension().is_some_and(|extension| extension == "new");
    let remedy = match what.contains("conflict") {
        _ if is_pending => "delete it and run again",
        true => "resolve it by hand, or delete the file, run again and accept the new snapshot",
        false => "restore it from version control, or delete it, run again and accept the new snapshot",
    };
    Error::Snapshot { path: file.to_path_buf(), what: format!("{place}{what}; {remedy}") }
}

/// Checks that no file is in the place of a folder of snapshots, because errors below it would not name it.
fn check_folder(file: &Path) -> Result<()> {
    match file.ancestors().skip(1).find(|above| above.exists()) {
        Some(above) if !above.is_dir() => Err(not_a_folder(above)),
        _ => Ok(()),
    }
}

/// Returns the error for a file in the place of a folder of snapshots.
pub(super) fn not_a_folder(path: &Path) -> Error {
    let what = "it is a file, but must be a folder of snapshots; move the file elsewhere".to_owned();
    Error::Snapshot { path: path.to_path_buf(), what }
}

/// Accepts a pending file: writes the same as `cargo insta accept`, atomically and durably, and removes the pending file. An
/// incomplete pending file is only removed.
#[cfg(feature = "harness")]
pub(super) fn promote(pending: &Path, snapshot: &Path) -> Result<()> {
    let error = |what: &str| Error::Snapshot { path: pending.to_path_buf(), what: what.to_owned() };
    if snapshot.is_symlink() {
        return Err(Error::Snapshot { path: snapshot.to_path_buf(), what: describe_link(snapshot) });
    }
    // It is read once, so that the accepted content is what was checked, even if another process writes to the file.
    let missing = || error("it no longer exists: another process accepted or deleted it");
    let raw = read(pending)?.ok_or_else(missing)?;
    match accepted_content(&raw, pending) {
        Ok(text) => write(snapshot, &text)?,
        Err(_) if is_incomplete(&raw) => {
            // If it cannot be removed, the next run overwrites it.
            fs::remove_file(pending).ok();
            return Err(error("it was incomplete, as after a killed run, and has been deleted; run again"));
        }
        Err(error) => return Err(error),
    }
    // If it cannot be removed, the next run removes it. If it has changed, it is a new pending snapshot.
    if read(pending).is_ok_and(|now| now.is_some_and(|now| now == raw)) {
        fs::remove_file(pending).ok();
    }
    Ok(())
}

/// Returns what insta writes when it accepts a pending file with this content.
#[cfg(feature = "harness")]
fn accepted_content(raw: &[u8], pending: &Path) -> Result<Vec<u8>> {
    // insta reads and writes only files.
    let copy = tempfile::NamedTempFile::new().map_err(|error| Error::write(std::env::temp_dir(), error))?;
    let copy_error = |error| Error::write(copy.path(), error);
    fs::write(copy.path(), raw).map_err(copy_error)?;
    let new = SnapshotFile::parse(raw, copy.path(), pending)?;
    parse(&new.text).map_err(|fault| new.error(pending, fault))?;
    let error = |what: String| Error::Snapshot { path: pending.to_path_buf(), what };
    let new = load(copy.path(), &String::from_utf8_lossy(raw)).map_err(error)?;
    new.save(copy.path()).map_err(|insta| error(insta.to_string()))?;
    fs::read(copy.path()).map_err(copy_error)
}

/// Writes a snapshot atomically.
#[cfg(feature = "harness")]
fn write(file: &Path, content: &[u8]) -> Result<()> {
    let folder = file.parent().expect("a snapshot is in a folder");
    fs::create_dir_all(folder).map_err(|error| Error::write(folder, error))?;
    write_atomic(file, Mode::ReplaceDurably, |out| std::io::Write::write_all(out, content))
        .map_err(|error| Error::write(file, error))
}

/// Reads a file, or returns `None` if it does not exist.
fn read(file: &Path) -> Result<Option<Vec<u8>>> {
    match read_regular(file, TEXT_LIMIT) {
        Ok(Lookup::File(raw)) => Ok(Some(raw)),
        Ok(Lookup::Unusable(what)) => Err(broken(file, None, &format!("it {what}"))),
        Ok(Lookup::Missing) => Ok(None),
        Err(error) => Err(Error::read(file, error)),
    }
}

/// Whether this is only the beginning of a pending file, which insta does not write atomically.
#[cfg(feature = "harness")]
fn is_incomplete(raw: &[u8]) -> bool {
    // The last character may be incomplete.
    let text = String::from_utf8_lossy(raw);
    if find_conflict(&text).is_some() {
        return false;
    }
    let mut marks = text.match_indices("---\n").filter(|(at, _)| *at == 0 || text[..*at].ends_with('\n'));
    let content = match (marks.next(), marks.next()) {
        (Some((0, _)), Some((at, mark))) => &text[at + mark.len()..],
        (Some((0, _)), None) => return true,
        (_, _) => return "---\n".starts_with(&*text),
    };
    !text.ends_with('\n') || content.is_empty() || parse(content).is_err_and(|fault| fault.line.is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(feature = "harness")]
    use crate::snapshot::text::sample::sample;

    #[test]
    fn no_header_crashes_the_process() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("y.snap");
        let read = |header: &str| {
            fs::write(&file, format!("---\n{header}\n---\nkarat: 1\n")).expect("a file");
            SnapshotFile::read(&file).map(drop).map_err(|error| error.to_string())
        };
        for header in ["x: .nan", "x: .inf", "x: -.inf", "x: [.NAN]", "? .inf", "x: !!float .nan"] {
            let error = read(header).expect_err(header);
            assert!(
                error.contains("insta panics at it") && error.contains("restore it from version control"),
                "{error}"
            );
        }
        let nested = ["[", "{", "- ", "? ", "a: [", "{a: "].map(|open| format!("x: {}", open.repeat(100_000)));
        let doubled: String =
            (1..40).map(|at| format!("a{at}: &a{at} [*a{}, *a{}]\n", at - 1, at - 1)).collect::<String>();
        let aliases = format!("a0: &a0 [x, x]\n{doubled}");
        let long = format!("description: {}", "x".repeat(100_000));
        for header in nested.iter().chain([&aliases, &long]) {
            let error = read(header).expect_err("it is rejected");
            assert!(error.contains("its header is ") && error.len() < 300, "{error}");
        }
        // The deepest header that is allowed, on a thread with a stack as small as that of karat's threads.
        let deep = format!("x: {}", "[".repeat(250));
        std::thread::scope(|scope| scope.spawn(|| read(&deep).expect_err("it is never closed")).join().map(drop))
            .expect("done");
    }

    proptest::proptest! {
        #[test]
        fn any_header_is_read_or_rejected(
            parts in proptest::collection::vec(
                proptest::sample::select(vec![
                    "source: ", "x", ": ", "\n", "- ", "  ", "[", "]", "{", "}", ",", "&a ", "*a", "!!float ", "!!int ",
                    ".nan", ".inf", "1e999", "0x", "0o9", "~", "null", "|", ">", "\"", "'", "#", "%YAML 1.2\n", "...",
                    "? ", "@", "`", "\t", "\u{feff}", "\u{85}", "9223372036854775808", "\\x0", "info", "snapshot_kind: binary",
                ]),
                0..24,
            )
        ) {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let file = folder.path().join("y.snap");
            fs::write(&file, format!("---\n{}\n---\nkarat: 1\n", parts.concat())).expect("a file");
            // It must not panic.
            let _ = SnapshotFile::read(&file);
        }
    }

    #[test]
    fn the_text_below_a_plain_header_is_read_as_insta_reads_it() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("y.snap");
        let read = |header: &str, content: &str| {
            let raw = format!("---\n{header}\n---\n{content}");
            fs::write(&file, &raw).expect("a file");
            let insta =
                insta::Snapshot::from_file(&file).ok().and_then(|snapshot| Some(snapshot.as_text()?.to_string()));
            let plain = text_below_plain_header(&raw).map(str::to_owned);
            assert!(plain.is_none() || plain == insta, "{raw:?}: {plain:?} is not {insta:?}");
            plain.is_some()
        };
        let source = "source: goldens/a-b/c_d.2/case.json";
        for content in
            ["karat: 1\n", "karat: 1\n\n \n", "\n\nkarat: 1\n", "", "---\nsource: x\n---\n", "\u{a0}x\u{a0}\n"]
        {
            assert!(read(source, content), "{content:?}");
        }
        assert!(!read(source, "karat: 1\r\n"));
        for header in [
            "source: x\nsnapshot_kind: binary\nextension: bin",
            "source: goldens/a/case.json ",
            "source:  goldens/a/case.json",
            "source: \"goldens/a/case.json\"",
            "source: goldens/a: b/case.json",
            "source: goldens/a #/case.json",
            "source: *goldens/case.json",
            "source: goldens/a/case.json\nexpression: y",
            "source: goldens/a/case.json\n<<<<<<< HEAD",
            "source: {goldens/case.json",
            "source: 1/case.json",
            "Source: goldens/a/case.json",
            "",
        ] {
            assert!(!read(header, "karat: 1\n"), "{header:?}");
        }
    }

    #[cfg(feature = "harness")]
    #[test]
    fn an_incomplete_pending_file_is_deleted_and_never_accepted() {
        let odd = sample().with(|sample| sample.checkpoint = "na\u{ef}ve: \"quoted\"".to_owned());
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (pending, snapshot) = (folder.path().join("y.snap.new"), folder.path().join("y.snap"));
        for sample in [sample(), odd] {
            // As written by insta.
            let complete = format!(
                "---\nsource: goldens/a/case.json\nassertion_line: 1\nexpression: \"\"\n---\n{}",
                sample.text()
            );
            for end in 0..complete.len() {
                fs::write(&pending, &complete.as_bytes()[..end]).expect("a file");
                let error = promote(&pending, &snapshot).expect_err("it is incomplete").to_string();
                assert!(error.contains("it was incomplete") && error.contains("run again"), "{end}: {error}");
                assert!(!pending.exists() && !snapshot.exists(), "{end}");
            }
            fs::write(&pending, &complete).expect("a file");
            promote(&pending, &snapshot).expect("it is complete");
            assert!(fs::read_to_string(&snapshot).expect("a snapshot").ends_with(&sample.text()));
            assert!(!pending.exists());
            fs::remove_file(&snapshot).expect("it exists");
        }
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0, "no other files are left");
    }

    #[cfg(feature = "harness")]
    #[test]
    fn a_damaged_pending_file_is_not_deleted() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (pending, snapshot) = (folder.path().join("y.snap.new"), folder.path().join("y.snap"));
        let complete = format!("---\nsource: goldens/a/case.json\n---\n{}", sample().text());
        for (from, to) in
            [("mean: 0", "mean: zero"), ("mean: 0", "<<<<<<< HEAD\nmean: 0"), ("dtype: f32", "dtype: f32\ndtype: f64")]
        {
            fs::write(&pending, complete.replacen(from, to, 1)).expect("a file");
            promote(&pending, &snapshot).expect_err("it is damaged");
            assert!(pending.exists() && !snapshot.exists(), "{to}");
        }
    }
}
