//! A snapshot file: read, recorded and accepted through insta. The only file that knows insta.

use std::fs;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use super::catch::catch;
#[cfg(all(unix, feature = "harness"))]
use super::settings;
#[cfg(feature = "harness")]
use super::text::parse;
use super::text::{Fault, conflict};
use crate::error::{Error, Result};
use crate::fs::{Lookup, TEXT_LIMIT, read_regular};
#[cfg(feature = "harness")]
use crate::fs::{Mode, describe_link, write_atomic};

/// A snapshot file as it is on disk.
pub(super) struct Stored {
    /// Its content, without the header.
    pub(super) text: String,
    /// How many lines are above the content.
    header_lines: usize,
}

impl Stored {
    /// Reads a snapshot; `None` where there is none.
    pub(super) fn read(file: &Path) -> Result<Option<Stored>> {
        let raw = match read_regular(file, TEXT_LIMIT) {
            Ok(Lookup::File(raw)) => raw,
            Ok(Lookup::Unusable(what)) => return Err(broken(file, None, &format!("it {what}"))),
            Ok(Lookup::Missing) => return blocked(file).map(|()| None),
            Err(error) => return blocked(file).and(Err(Error::read(file, error))),
        };
        Stored::of(&raw, file, file).map(Some)
    }

    /// The snapshot with that content, which is also in `file`; what is wrong with it is said about the file `named`.
    fn of(raw: &[u8], file: &Path, named: &Path) -> Result<Stored> {
        let broken = |line, what: &str| broken(named, line, what);
        let raw = std::str::from_utf8(raw).map_err(|_| broken(None, "it is not UTF-8"))?;
        if let Some(line) = conflict(raw) {
            return Err(broken(Some(line), "holds a merge conflict"));
        }
        if raw.lines().next().is_none_or(|line| line.trim_end() != "---") {
            return Err(broken(Some(1), "is not the \"---\" that a snapshot begins with"));
        }
        if !raw.ends_with('\n') {
            return Err(broken(None, "it does not end with a newline, so it was cut short"));
        }
        if let Some(text) = below_plain_header(raw) {
            return Ok(Stored { text: text.to_owned(), header_lines: 3 });
        }
        // The header is insta's business, and may be stale; but it must be one, or `cargo insta review` stops at it.
        let snapshot = load(file, raw).map_err(|what| broken(None, &what))?;
        let text = snapshot.as_text().ok_or_else(|| broken(None, "it is a binary snapshot"))?.to_string();
        let header_lines = raw.lines().skip(1).position(|line| line.trim_end() == "---").map_or(0, |index| index + 2);
        Ok(Stored { text, header_lines })
    }

    /// The error of a fault in the content.
    pub(super) fn broken(&self, file: &Path, fault: Fault) -> Error {
        broken(file, fault.line.map(|line| line + self.header_lines), &fault.what)
    }
}

/// Where insta is to record a snapshot.
pub(super) struct Target<'a> {
    /// The folder that the header is relative to, and that insta's own file is in.
    pub(super) workspace: &'a Path,
    /// The file that the header names, relative to the workspace.
    pub(super) source: &'a Path,
    /// The snapshot file.
    pub(super) snapshot: &'a Path,
}

/// Asserts a text that differs from the stored one, which makes insta record it as its settings say. What insta thinks of
/// it is no verdict.
pub(super) fn assert(target: &Target<'_>, text: &str) -> Result<()> {
    let Target { workspace, source, snapshot } = *target;
    // The trailing dot makes it no path of an existing file, which insta would resolve: where the goldens are links, to a
    // path of this machine. As it is, insta takes the text below the workspace, in which a dot at the end means nothing.
    let source = workspace.join(source).join(".");
    let name = snapshot.file_stem().unwrap_or_default().to_string_lossy();
    let mut settings = insta::Settings::new();
    settings.set_snapshot_path(snapshot.parent().expect("a snapshot is in a folder"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    // The function behind insta's macro. The macro itself would take workspace and source from karat's own build.
    let call = || {
        let value = (&*name, text).into();
        insta::_macro_support::assert_snapshot(value, workspace, "karat", "karat", &source.to_string_lossy(), 1, "")
    };
    let _lock = lock(workspace);
    serially(|| settings.bind(call).map_err(|error| error.to_string())).map_err(|what| Error::Snapshot {
        path: snapshot.to_path_buf(),
        what: format!("insta cannot record it: {what}"),
    })
}

/// Runs one call of insta at a time, and turns its panic into nothing where it only says that the snapshot differs, which
/// karat knows, and into an error where it says anything else.
fn serially(call: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    /// What insta said about its own configuration; after that panic its lock is poisoned, and it says nothing useful.
    static INSTA: Mutex<Option<String>> = Mutex::new(None);
    let mut misconfigured = INSTA.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(why) = &*misconfigured {
        return Err(why.clone());
    }
    let said = match catch(call) {
        Ok(answer) => return answer,
        Err(panic) => panic.message,
    };
    if said.starts_with("snapshot assertion for ") {
        return Ok(());
    }
    if said.starts_with("Error building config") {
        *misconfigured = Some(said.clone());
    }
    Err(said)
}

/// Locks a folder until the file that is returned is closed, also where the process is killed: insta writes in place, so that
/// two processes must not record at once.
///
/// Where the file system knows no locks, or another process does not give this one up within ten seconds, work goes on
/// without: what is half written is found when it is read.
#[cfg(unix)]
fn lock(folder: &Path) -> Option<fs::File> {
    use std::time::{Duration, Instant};

    use rustix::fs::{FlockOperation, flock};
    use rustix::io::Errno;

    const PATIENCE: Duration = Duration::from_secs(10);
    let started = Instant::now();
    let folder = fs::File::open(folder).ok()?;
    loop {
        match flock(&folder, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Some(folder),
            Err(Errno::WOULDBLOCK | Errno::INTR) if started.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(1));
            }
            Err(_) => return None,
        }
    }
}

/// Locks nothing, here.
#[cfg(not(unix))]
fn lock(_: &Path) -> Option<fs::File> {
    None
}

/// Starts this program again, with the same arguments, where insta would print: it prints what differs to stdout, from any
/// thread, and takes the setting from the environment, which no running process can change safely.
///
/// Returns where insta is silent already, where `INSTA_OUTPUT` is none of insta's values
/// ([`Recorder::check_settings`](super::Recorder::check_settings) refuses it), and where the system cannot replace a process: then
/// insta prints, and nothing else changes.
#[cfg(feature = "harness")]
pub(crate) fn silence() {
    #[cfg(unix)]
    if settings::would_print(&settings::process)
        && let Ok(program) = std::env::current_exe()
    {
        use std::os::unix::process::CommandExt as _;
        let mut arguments = std::env::args_os();
        let mut again = std::process::Command::new(program);
        if let Some(name) = arguments.next() {
            again.arg0(name);
        }
        // It returns only where it failed.
        let _ = again.args(arguments).env("INSTA_OUTPUT", "none").exec();
    }
}

/// Whether a path means the same to YAML with and without quotes.
fn is_plain(source: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    // What begins with a letter and has a slash is text, and neither a number nor another word of YAML's.
    source.starts_with(|c: char| c.is_ascii_alphabetic()) && source.contains('/') && source.chars().all(is_plain)
}

/// The snapshot of a file with that text, as insta reads it: an error in words also where insta would panic.
fn load(file: &Path, raw: &str) -> Result<insta::Snapshot, String> {
    check_header(raw)?;
    match catch(|| insta::Snapshot::from_file(file).map_err(|error| error.to_string())) {
        Ok(read) => read,
        Err(panic) => Err(format!("its header cannot be read: insta stops at it ({})", panic.message)),
    }
}

/// Refuses a header that could cost insta's YAML parser its stack or all memory, neither of which can be caught: it recurses
/// into what is nested, and copies what an alias stands for.
fn check_header(raw: &str) -> Result<(), String> {
    const LONGEST: usize = 64 << 10;
    const DEEPEST: usize = 256;
    const ALIASES: usize = 8;
    let lines = raw.split_inclusive('\n').enumerate();
    let lines = lines.take_while(|(number, line)| *number == 0 || line.trim_end() != "---");
    let header = &raw[..lines.map(|(_, line)| line.len()).sum()];
    if header.len() > LONGEST {
        return Err(format!("its header is {} bytes long, and may be {LONGEST}", header.len()));
    }
    if header.matches(['[', '{', '?', ':', '-']).count() > DEEPEST || header.matches('*').count() > ALIASES {
        return Err("its header is no list of a few fields".to_owned());
    }
    Ok(())
}

/// What insta reads below a header of the form that nearly all have, in which nothing can be wrong: the path of a `case.json`
/// as the `source`, and nothing else.
fn below_plain_header(raw: &str) -> Option<&str> {
    let (source, content) = raw.strip_prefix("---\nsource: ")?.split_once("\n---\n")?;
    // insta drops the first of two characters that end a line, and what is blank at the end.
    let is_read_so = is_plain(source) && source.ends_with("/case.json") && !content.contains('\r');
    is_read_so.then(|| content.trim_end())
}

/// What a user reads about a snapshot that is not one of karat's, and what to do with it.
fn broken(file: &Path, line: Option<usize>, what: &str) -> Error {
    let place = line.map(|line| format!("line {line} ")).unwrap_or_default();
    let is_pending = file.extension().is_some_and(|extension| extension == "new");
    let remedy = match what.contains("conflict") {
        _ if is_pending => "delete it and run again",
        true => "resolve it by hand, or delete the file, run again and accept the new one",
        false => "restore it from version control, or delete it, run again and accept the new one",
    };
    Error::Snapshot { path: file.to_path_buf(), what: format!("{place}{what}; {remedy}") }
}

/// Finds a file where a folder of snapshots should be: everything below it fails in ways that do not name it.
fn blocked(file: &Path) -> Result<()> {
    match file.ancestors().skip(1).find(|above| above.exists()) {
        Some(above) if !above.is_dir() => Err(in_place_of_folder(above)),
        _ => Ok(()),
    }
}

/// The error of a file that is where snapshots should be.
pub(super) fn in_place_of_folder(path: &Path) -> Error {
    let what = "it is a file, where karat keeps a folder of snapshots; move it away".to_owned();
    Error::Snapshot { path: path.to_path_buf(), what }
}

/// Accepts a pending file: writes what `cargo insta accept` writes, whole or not at all and also where the power fails, and
/// removes the pending one. One that was cut short is removed alone.
#[cfg(feature = "harness")]
pub(super) fn promote(pending: &Path, snapshot: &Path) -> Result<()> {
    let wrong = |what: &str| Error::Snapshot { path: pending.to_path_buf(), what: what.to_owned() };
    if snapshot.is_symlink() {
        return Err(Error::Snapshot { path: snapshot.to_path_buf(), what: describe_link(snapshot) });
    }
    // It is read once: what is checked is what is accepted, whoever writes to it meanwhile.
    let gone = || wrong("it is gone: another process accepted or dropped it");
    let raw = content(pending)?.ok_or_else(gone)?;
    match accepted(&raw, pending) {
        Ok(text) => write(snapshot, &text)?,
        Err(_) if is_cut_short(&raw) => {
            // What cannot be removed is overwritten by the next run, as what can.
            fs::remove_file(pending).ok();
            return Err(wrong("it was cut short, as by a run that was killed, and is dropped; run again"));
        }
        Err(error) => return Err(error),
    }
    // It is accepted, whatever becomes of the pending file; the next run drops that. One that was written since is another.
    if content(pending).is_ok_and(|now| now.is_some_and(|now| now == raw)) {
        fs::remove_file(pending).ok();
    }
    Ok(())
}

/// What insta writes where it accepts a pending file with that content.
#[cfg(feature = "harness")]
fn accepted(raw: &[u8], pending: &Path) -> Result<Vec<u8>> {
    // insta reads and writes files alone.
    let copy = tempfile::NamedTempFile::new().map_err(|error| Error::write(std::env::temp_dir(), error))?;
    let copied = |error| Error::write(copy.path(), error);
    fs::write(copy.path(), raw).map_err(copied)?;
    let new = Stored::of(raw, copy.path(), pending)?;
    parse(&new.text).map_err(|fault| new.broken(pending, fault))?;
    let wrong = |what: String| Error::Snapshot { path: pending.to_path_buf(), what };
    let new = load(copy.path(), &String::from_utf8_lossy(raw)).map_err(wrong)?;
    new.save(copy.path()).map_err(|error| wrong(error.to_string()))?;
    fs::read(copy.path()).map_err(copied)
}

/// Writes a snapshot, whole or not at all.
#[cfg(feature = "harness")]
fn write(file: &Path, content: &[u8]) -> Result<()> {
    let folder = file.parent().expect("a snapshot is in a folder");
    fs::create_dir_all(folder).map_err(|error| Error::write(folder, error))?;
    write_atomic(file, Mode::ReplaceDurably, |out| std::io::Write::write_all(out, content))
        .map_err(|error| Error::write(file, error))
}

/// The bytes of a file; `None` where there is none.
#[cfg(feature = "harness")]
fn content(file: &Path) -> Result<Option<Vec<u8>>> {
    match read_regular(file, TEXT_LIMIT) {
        Ok(Lookup::File(raw)) => Ok(Some(raw)),
        Ok(Lookup::Unusable(what)) => Err(broken(file, None, &format!("it {what}"))),
        Ok(Lookup::Missing) => Ok(None),
        Err(error) => Err(Error::read(file, error)),
    }
}

/// Whether a pending file is only the beginning of one: insta does not write them all at once.
#[cfg(feature = "harness")]
fn is_cut_short(raw: &[u8]) -> bool {
    // A character may be cut too.
    let text = String::from_utf8_lossy(raw);
    if conflict(&text).is_some() {
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
    fn no_header_ends_the_process_that_reads_it() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("y.snap");
        let read = |header: &str| {
            fs::write(&file, format!("---\n{header}\n---\nkarat: 1\n")).expect("a file");
            Stored::read(&file).map(drop).map_err(|error| error.to_string())
        };
        for header in ["x: .nan", "x: .inf", "x: -.inf", "x: [.NAN]", "? .inf", "x: !!float .nan"] {
            let said = read(header).expect_err(header);
            assert!(said.contains("insta stops at it") && said.contains("restore it from version control"), "{said}");
        }
        let nested = ["[", "{", "- ", "? ", "a: [", "{a: "].map(|open| format!("x: {}", open.repeat(100_000)));
        let doubled: String =
            (1..40).map(|at| format!("a{at}: &a{at} [*a{}, *a{}]\n", at - 1, at - 1)).collect::<String>();
        let aliases = format!("a0: &a0 [x, x]\n{doubled}");
        let long = format!("description: {}", "x".repeat(100_000));
        for header in nested.iter().chain([&aliases, &long]) {
            let said = read(header).expect_err("it is refused");
            assert!(said.contains("its header is ") && said.len() < 300, "{said}");
        }
        // As deep as may be, on a thread as small as karat's.
        let deep = format!("x: {}", "[".repeat(250));
        std::thread::scope(|scope| scope.spawn(|| read(&deep).expect_err("it has no end")).join().map(drop))
            .expect("done");
    }

    proptest::proptest! {
        #[test]
        fn whatever_a_header_is_it_is_read_or_refused(
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
            // It returns.
            let _ = Stored::read(&file);
        }
    }

    #[test]
    fn below_a_plain_header_is_what_insta_reads_there() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("y.snap");
        let read = |header: &str, content: &str| {
            let raw = format!("---\n{header}\n---\n{content}");
            fs::write(&file, &raw).expect("a file");
            let insta =
                insta::Snapshot::from_file(&file).ok().and_then(|snapshot| Some(snapshot.as_text()?.to_string()));
            let plain = below_plain_header(&raw).map(str::to_owned);
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
    fn a_pending_file_that_was_cut_short_anywhere_is_dropped_and_never_accepted() {
        let odd = sample().with(|sample| sample.checkpoint = "na\u{ef}ve: \"quoted\"".to_owned());
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (pending, snapshot) = (folder.path().join("y.snap.new"), folder.path().join("y.snap"));
        for sample in [sample(), odd] {
            // As insta writes one.
            let whole = format!(
                "---\nsource: goldens/a/case.json\nassertion_line: 1\nexpression: \"\"\n---\n{}",
                sample.text()
            );
            for end in 0..whole.len() {
                fs::write(&pending, &whole.as_bytes()[..end]).expect("a file");
                let error = promote(&pending, &snapshot).expect_err("it is not whole").to_string();
                assert!(error.contains("it was cut short") && error.contains("run again"), "{end}: {error}");
                assert!(!pending.exists() && !snapshot.exists(), "{end}");
            }
            fs::write(&pending, &whole).expect("a file");
            promote(&pending, &snapshot).expect("it is whole");
            assert!(fs::read_to_string(&snapshot).expect("a snapshot").ends_with(&sample.text()));
            assert!(!pending.exists());
            fs::remove_file(&snapshot).expect("it is there");
        }
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0, "nothing is left beside");
    }

    #[cfg(feature = "harness")]
    #[test]
    fn a_pending_file_that_was_damaged_otherwise_is_left_to_be_looked_at() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (pending, snapshot) = (folder.path().join("y.snap.new"), folder.path().join("y.snap"));
        let whole = format!("---\nsource: goldens/a/case.json\n---\n{}", sample().text());
        for (from, to) in
            [("mean: 0", "mean: zero"), ("mean: 0", "<<<<<<< HEAD\nmean: 0"), ("dtype: f32", "dtype: f32\ndtype: f64")]
        {
            fs::write(&pending, whole.replacen(from, to, 1)).expect("a file");
            promote(&pending, &snapshot).expect_err("it is damaged");
            assert!(pending.exists() && !snapshot.exists(), "{to}");
        }
    }
}
