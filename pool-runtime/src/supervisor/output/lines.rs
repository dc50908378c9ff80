//! One stream of a worker, cut into lines that say where they are from.

use std::sync::Arc;

use super::Stream;
use super::relay::Mailbox;
use crate::limits::OUTPUT_LINE;
use crate::wire::output::Piece;

/// Cuts lines, and leaves them in the mailbox.
#[derive(Debug)]
pub(super) struct Lines {
    mailbox: Arc<Mailbox>,
    stream: Stream,
    /// "worker 2".
    who: String,
    /// What each line begins with.
    prefix: String,
    /// The line that has no end yet, with its prefix; empty if there is none.
    line: Vec<u8>,
    /// The next piece has a place, though the mailbox is full.
    has_place: bool,
}

impl Lines {
    pub(super) fn new(mailbox: &Arc<Mailbox>, who: &str, stream: Stream) -> Lines {
        Lines {
            mailbox: Arc::clone(mailbox),
            stream,
            who: who.to_owned(),
            prefix: format!("[{who}] "),
            line: Vec::new(),
            has_place: false,
        }
    }

    /// `false` if there is no place for it in the mailbox. Marks need none, so a worker
    /// that writes nothing is never held up by those that write much.
    pub(super) fn put(&mut self, piece: Piece<'_>) -> bool {
        match piece {
            Piece::Text(text) => {
                if !std::mem::take(&mut self.has_place) && self.mailbox.is_full() {
                    return false;
                }
                self.cut(text);
            }
            Piece::Begun(item) => {
                self.end();
                self.prefix = match item {
                    Some(item) => format!("[{} item {item}] ", self.who),
                    None => format!("[{}] ", self.who),
                };
            }
            Piece::Ended { .. } => {
                self.end();
                self.prefix = format!("[{}] ", self.who);
            }
        }
        true
    }

    pub(super) fn make_place(&mut self) {
        self.has_place = true;
    }

    /// No more will come of the line that is not at its end.
    pub(super) fn end(&mut self) {
        if !self.line.is_empty() {
            self.line.push(b'\n');
            self.mailbox.leave(self.stream, &self.line);
            self.line.clear();
        }
    }

    fn cut(&mut self, text: &[u8]) {
        for part in text.split_inclusive(|&byte| byte == b'\n') {
            let (mut part, is_whole) = match part.split_last() {
                Some((b'\n', line)) => (line, true),
                _ => (part, false),
            };
            loop {
                if self.line.is_empty() {
                    self.line.extend_from_slice(self.prefix.as_bytes());
                }
                let room = self.prefix.len() + OUTPUT_LINE - self.line.len();
                let (now, later) = part.split_at(part.len().min(room));
                self.line.extend_from_slice(now);
                part = later;
                if part.is_empty() {
                    break;
                }
                self.end();
            }
            if is_whole {
                self.end();
            }
        }
    }
}
