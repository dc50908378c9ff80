//! Names what the engine waits on by numbers for the poller.

use super::super::output::Stream;
use crate::ids::Slot;

/// What of a slot's worker the engine waits on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    Bell(Slot),
    Exit(Slot),
    Output(Slot, Stream),
}

impl Token {
    pub(crate) fn number(self) -> u64 {
        let (slot, what) = match self {
            Token::Bell(slot) => (slot, 0),
            Token::Exit(slot) => (slot, 1),
            Token::Output(slot, Stream::Stdout) => (slot, 2),
            Token::Output(slot, Stream::Stderr) => (slot, 3),
        };
        slot.0 as u64 * 4 + what
    }

    /// The token of a number that [`Token::number`] gave.
    pub(crate) fn of(number: u64) -> Token {
        let slot = Slot(usize::try_from(number / 4).expect("numbers are made from slots"));
        match number % 4 {
            0 => Token::Bell(slot),
            1 => Token::Exit(slot),
            2 => Token::Output(slot, Stream::Stdout),
            _ => Token::Output(slot, Stream::Stderr),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_token_has_a_number_of_its_own() {
        let of = |slot| {
            let outputs = [Stream::Stdout, Stream::Stderr].map(|each| Token::Output(slot, each));
            [Token::Bell(slot), Token::Exit(slot)].into_iter().chain(outputs)
        };
        let tokens: Vec<Token> = (0..100).flat_map(|slot| of(Slot(slot))).collect();
        for (number, token) in tokens.into_iter().enumerate() {
            assert_eq!(token.number(), number as u64);
            assert_eq!(Token::of(number as u64), token);
        }
    }
}
