//! Calls in which a fault happens at a chosen moment.

use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::fault::Fault;

/// What a call is at when the fault happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// Its argument is decoded.
    Decode,
    /// The task runs.
    Body,
    /// Its result is encoded.
    Encode,
}

/// What happens to an item, if anything does.
pub type Trouble = Option<(Phase, Fault)>;

/// An argument that can fail to be decoded.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Order {
    /// What is squared.
    pub number: u64,
    /// What goes wrong.
    pub trouble: Trouble,
}

impl<'de> Deserialize<'de> for Order {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Order, D::Error> {
        let (number, trouble) = Deserialize::deserialize(deserializer)?;
        let order = Order { number, trouble };
        order.reach(Phase::Decode).map_err(D::Error::custom)?;
        Ok(order)
    }
}

impl Order {
    /// What a task does with it.
    ///
    /// # Panics
    ///
    /// When it is told to.
    #[must_use]
    pub fn answer(self) -> Answer {
        self.reach(Phase::Body).expect("a body has no error to return here");
        let squared = self.number * self.number;
        Answer { squared, pid: std::process::id(), order: Some(self) }
    }

    fn reach(&self, phase: Phase) -> Result<(), &'static str> {
        match self.trouble {
            Some((when, fault)) if when == phase => fault.commit(),
            _ => Ok(()),
        }
    }
}

/// A result that can fail to be encoded.
#[derive(Debug, Deserialize)]
pub struct Answer {
    /// The number of the order, squared.
    pub squared: u64,
    /// The worker that it is from.
    pub pid: u32,
    #[serde(skip)]
    order: Option<Order>,
}

impl Serialize for Answer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let order = self.order.expect("an answer is encoded where it was made");
        order.reach(Phase::Encode).map_err(S::Error::custom)?;
        (self.squared, self.pid).serialize(serializer)
    }
}
