//! Cuts one stream of a worker into lines, and prefixes each with its worker and item.

use std::sync::Arc;

use super::Stream;
use super::relay::Mailbox;
use crate::limits::OUTPUT_LINE;
use crate::wire::output::Piece;

/// Cuts lines and queues them in the mailbox.
#[derive(Debug)]
pub(super) struct Lines {
    mailbox: Arc<Mailbox>,
    stream: Stream,
    /// "worker 2".
    who: String,
    /// What each line begins with.
    prefix: String,
    /// The unfinished line with its prefix; empty if there is none.
    line: Vec<u8>,
    /// The next piece is taken even if the mailbox is full.
    has_room: bool,
}

impl Lines {
    pub(super) fn new(mailbox: &Arc<Mailbox>, who: &str, stream: Stream) -> Lines {
        Lines {
            mailbox: Arc::clone(mailbox),
            stream,
            who: who.to_owned(),
            prefix: format!("[{who}] "),
            line: Vec::new(),
            has_room: false,
        }
    }

    /// `false` if the mailbox has no room for it. Marks need none, so a worker that writes
    /// nothing is never blocked by those that write much.
    pub(super) fn put(&mut self, piece: Piece<'_>) -> bool {
        match piece {
            Piece::Text(text) => {
                if !std::mem::take(&mut self.has_room) && self.mailbox.is_full() {
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

    pub(super) fn make_room(&mut self) {
        self.has_room = true;
    }

    /// Ends the unfinished line.
    pub(super) fn end(&mut self) {
        if !self.line.is_empty() {
            self.line.push(b'\n');
            self.mailbox.push(self.stream, &self.line);
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
