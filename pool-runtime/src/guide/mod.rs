//! One page for each question that users ask.
//!
//! | question | page |
//! |---|---|
//! | I know Python's pools. What is different here? | [`coming_from_multiprocessing`] |
//! | I use rayon. When are processes worth it? | [`coming_from_rayon`] |
//! | Which functions can be tasks, and which items do they take? | [`what_a_task_may_be`] |
//! | The code crashes, panics or aborts. | [`work_that_crashes`] |
//! | The code hangs or must be stopped. | [`work_that_hangs`] |
//! | How much memory does it take, and how do I bound it? | [`memory`] |
//! | What does a worker know of my program? | [`what_a_worker_inherits`] |
//! | It runs in a container, under a service manager, or in an async program. | [`containers_and_services`] |
//! | How do I test and debug tasks? | [`testing_and_debugging`] |
//! | What does a call cost, and why? | [`what_a_call_costs`] |

#[doc = include_str!("coming_from_multiprocessing.md")]
pub mod coming_from_multiprocessing {}

#[doc = include_str!("coming_from_rayon.md")]
pub mod coming_from_rayon {}

#[doc = include_str!("what_a_task_may_be.md")]
pub mod what_a_task_may_be {}

#[doc = include_str!("work_that_crashes.md")]
pub mod work_that_crashes {}

#[doc = include_str!("work_that_hangs.md")]
pub mod work_that_hangs {}

#[doc = include_str!("memory.md")]
pub mod memory {}

#[doc = include_str!("what_a_worker_inherits.md")]
pub mod what_a_worker_inherits {}

#[doc = include_str!("containers_and_services.md")]
pub mod containers_and_services {}

#[doc = include_str!("testing_and_debugging.md")]
pub mod testing_and_debugging {}

#[doc = include_str!("what_a_call_costs.md")]
pub mod what_a_call_costs {}
