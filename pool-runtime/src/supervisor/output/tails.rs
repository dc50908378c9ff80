//! Keeps the last bytes that each item writes to one stream.

use crate::ids::Item;
use crate::limits::OUTPUT_TAIL;
use crate::wire::output::Piece;

/// See the module of `output` for why one failed item is enough.
#[derive(Debug, Default)]
pub(crate) struct Tails {
    /// The output of the item that began last, or what was written after its end.
    latest: Tail,
    /// The index of that item; a single call has none.
    item: Option<Item>,
    /// What `latest` was when this item began.
    before: Tail,
    /// The item has ended, and nothing was written after its end.
    ended: bool,
    /// The output of the item that failed, until it is claimed.
    failed: Option<Tail>,
}

impl Tails {
    /// `false` if there is no room for it, as the output of a failed item is unclaimed.
    pub(crate) fn put(&mut self, piece: Piece<'_>) -> bool {
        match piece {
            Piece::Text(text) => {
                if std::mem::take(&mut self.ended) {
                    self.latest = Tail::default();
                }
                self.latest.push(text);
            }
            Piece::Begun(item) => {
                self.before = std::mem::take(&mut self.latest);
                self.item = item;
                self.ended = false;
            }
            Piece::Ended { failed: true } if self.failed.is_some() => return false,
            Piece::Ended { failed: true } => {
                self.failed = Some(std::mem::take(&mut self.latest));
                self.ended = true;
            }
            Piece::Ended { failed: false } => self.ended = true,
        }
        true
    }

    pub(crate) fn claim(&mut self) -> Option<Tail> {
        self.failed.take()
    }

    /// The output of this item, which is overdue, so its worker is killed. The item may have
    /// ended by itself at the same moment, and the next may be marked. The next one will not
    /// begin, so nothing follows that mark.
    pub(crate) fn overdue(&mut self, item: Option<Item>) -> Option<Tail> {
        // Bytes follow that mark only if a task has closed the streams for marks.
        let is_behind = self.item != item && self.latest.bytes.is_empty() && !self.ended;
        match is_behind {
            true => Some(self.claim().unwrap_or(std::mem::take(&mut self.before))),
            false => self.last(true),
        }
    }

    /// The worker has died, within an item or not: the output of that item, or what was
    /// written after the last one.
    pub(crate) fn last(&mut self, in_item: bool) -> Option<Tail> {
        match self.ended {
            false => Some(std::mem::take(&mut self.latest)),
            // The item had ended, but the worker died before it sent the outcome.
            true if in_item => Some(self.claim().unwrap_or(std::mem::take(&mut self.latest))),
            true => None,
        }
    }
}

/// The last bytes of what was written.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    bytes: Vec<u8>,
    is_cut: bool,
}

impl Tail {
    fn push(&mut self, text: &[u8]) {
        let text = match text.len().checked_sub(OUTPUT_TAIL) {
            Some(before) => {
                self.is_cut |= before > 0 || !self.bytes.is_empty();
                self.bytes.clear();
                &text[before..]
            }
            None => text,
        };
        self.bytes.extend_from_slice(text);
        // Not at every piece, as it moves the bytes.
        if self.bytes.len() >= 2 * OUTPUT_TAIL {
            self.cut();
        }
    }

    fn cut(&mut self) {
        if let Some(before @ 1..) = self.bytes.len().checked_sub(OUTPUT_TAIL) {
            self.bytes.drain(..before);
            self.is_cut = true;
        }
    }

    /// `None` if nothing was written.
    pub(crate) fn text(mut self) -> Option<String> {
        self.cut();
        // The bytes of a character whose beginning was cut off.
        let is_rest = |byte: &&u8| (0x80..0xc0).contains(*byte);
        let rest = match self.is_cut {
            true => self.bytes.iter().take(3).take_while(is_rest).count(),
            false => 0,
        };
        (!self.bytes.is_empty()).then(|| String::from_utf8_lossy(&self.bytes[rest..]).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tail(pushed: &[&[u8]]) -> String {
        let mut tail = Tail::default();
        pushed.iter().for_each(|text| tail.push(text));
        assert!(tail.bytes.capacity() <= 4 * OUTPUT_TAIL, "memory is bounded");
        tail.text().unwrap()
    }

    #[test]
    fn exactly_the_last_bytes_are_kept_however_they_come() {
        let text: Vec<u8> = (0..40_000).map(|n: u32| b'a' + (n % 26) as u8).collect();
        for length in [1, OUTPUT_TAIL - 1, OUTPUT_TAIL, OUTPUT_TAIL + 1, 40_000] {
            let expected = &text[length.saturating_sub(OUTPUT_TAIL)..length];
            for part in [1, 7, 4096, OUTPUT_TAIL, 2 * OUTPUT_TAIL - 1, 40_000] {
                let parts: Vec<&[u8]> = text[..length].chunks(part).collect();
                assert_eq!(tail(&parts).as_bytes(), expected, "{length} bytes in parts of {part}");
            }
        }
        assert_eq!(Tail::default().text(), None);
    }

    #[test]
    fn a_character_is_not_cut_in_two_and_what_is_no_text_is_shown_as_such() {
        let euros = "€".repeat(OUTPUT_TAIL);
        assert_eq!(tail(&[euros.as_bytes()]), "€".repeat(OUTPUT_TAIL / 3));
        assert_eq!(tail(&[b"\xff\x80abc"]), "\u{fffd}\u{fffd}abc");
    }

    fn text(tail: Option<Tail>) -> Option<String> {
        tail.and_then(Tail::text)
    }

    #[test]
    fn what_was_written_is_its_items() {
        let mut tails = Tails::default();
        let put = |tails: &mut Tails, pieces: &[Piece<'_>]| {
            assert!(pieces.iter().all(|&piece| tails.put(piece)));
        };
        let (failed, done) = (Piece::Ended { failed: true }, Piece::Ended { failed: false });
        put(&mut tails, &[Piece::Text(b"boot"), Piece::Begun(Some(0)), Piece::Text(b"0"), done]);
        put(&mut tails, &[Piece::Begun(Some(1)), Piece::Text(b"1"), failed]);
        put(&mut tails, &[Piece::Begun(Some(2)), Piece::Text(b"2")]);
        assert!(!tails.put(failed), "item 1 is not claimed");
        assert_eq!(text(tails.claim()).as_deref(), Some("1"));
        assert!(tails.claim().is_none());
        assert!(tails.put(failed));
        assert_eq!(text(tails.claim()).as_deref(), Some("2"));
        put(&mut tails, &[Piece::Begun(None), failed]);
        assert_eq!(text(tails.claim()), None, "it wrote nothing");
    }

    #[test]
    fn a_dead_worker_has_last_words_of_its_item_or_of_nobody() {
        let (failed, done) = (Piece::Ended { failed: true }, Piece::Ended { failed: false });
        let begun = Piece::Begun(Some(0));
        let after = Piece::Text(b"after");
        for (pieces, in_item, of_nobody) in [
            (&[][..], None, None),
            (&[after][..], Some("after"), Some("after")),
            (&[begun, Piece::Text(b"item")][..], Some("item"), Some("item")),
            (&[begun, Piece::Text(b"item"), done][..], Some("item"), None),
            (&[begun, Piece::Text(b"item"), failed][..], Some("item"), None),
            (&[begun, Piece::Text(b"item"), done, after][..], Some("after"), Some("after")),
        ] {
            for (is_in_item, expected) in [(true, in_item), (false, of_nobody)] {
                let mut tails = Tails::default();
                assert!(pieces.iter().all(|&piece| tails.put(piece)));
                assert_eq!(text(tails.last(is_in_item)).as_deref(), expected, "{pieces:?}");
            }
        }
    }
}
