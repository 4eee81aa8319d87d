//! The end of what a process prints: enough to see what it said last, however much that was.

use std::collections::VecDeque;
use std::io::Read;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// How many lines are kept.
const LINES: usize = 10;
/// How many characters of a line are.
const WIDTH: usize = 200;
/// How many bytes are: more than all lines hold.
const BYTES: usize = 16 * 1024;
/// How long the end of what was printed may take to come, once the process has ended. What it started may still hold the
/// pipe open.
const PATIENCE: Duration = Duration::from_millis(500);

/// Keeps reading, and keeps the end.
pub(super) struct Tail {
    bytes: Arc<Mutex<VecDeque<u8>>>,
    ended: Receiver<()>,
}

impl Tail {
    /// Reads all that comes, on a thread of its own: who prints never waits.
    pub(super) fn of(mut pipe: impl Read + Send + 'static) -> Tail {
        let bytes = Arc::new(Mutex::new(VecDeque::new()));
        let (end, ended) = channel();
        let kept = Arc::clone(&bytes);
        thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(count @ 1..) = pipe.read(&mut chunk) {
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                kept.extend(&chunk[..count]);
                let surplus = kept.len().saturating_sub(BYTES);
                kept.drain(..surplus);
            }
            // Nobody may be waiting any more.
            end.send(()).ok();
        });
        Tail { bytes, ended }
    }

    /// The last lines.
    pub(super) fn lines(self) -> Vec<String> {
        // Whether it is the end or no more than what there is: it is told.
        self.ended.recv_timeout(PATIENCE).ok();
        let bytes: Vec<u8> = self.bytes.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect();
        last(&String::from_utf8_lossy(&bytes))
    }
}

/// The last lines of a text that say something, without what would move a cursor.
fn last(text: &str) -> Vec<String> {
    let plain = |line: &str| {
        let line: String = line.chars().filter(|c| !c.is_control() || *c == '\t').collect();
        match line.char_indices().nth(WIDTH) {
            Some((end, _)) => format!("{}...", &line[..end]),
            None => line,
        }
    };
    let lines: Vec<String> = text.lines().map(plain).filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(LINES)..].to_vec()
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    #[test]
    fn the_last_lines_are_kept_of_however_many() {
        let text: String = (0..100_000).map(|line| format!("line {line}\n")).collect();
        let lines = Tail::of(Cursor::new(text)).lines();
        assert_eq!((lines.len(), lines[0].as_str(), lines[9].as_str()), (10, "line 99990", "line 99999"));
    }

    #[test]
    fn a_long_line_is_cut_and_moves_no_cursor() {
        let lines = Tail::of(Cursor::new(format!("\x1b[31mred\n\n{}\n\u{fffd}", "x".repeat(1000)))).lines();
        assert_eq!(lines, ["[31mred".to_owned(), format!("{}...", "x".repeat(200)), "\u{fffd}".to_owned()]);
    }
}
