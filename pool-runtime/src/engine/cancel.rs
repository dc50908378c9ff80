//! Tokens that cancel many jobs at once.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::shared::Shared;
use crate::ids::JobId;

/// Cancels every call that holds the token, from any thread.
///
/// Clones are the same token. Each job that has it, by
/// [`Job::cancel_token`](crate::Job::cancel_token), ends with an error of kind
/// [`Cancelled`](crate::ErrorKind::Cancelled): queued items never run, and a running item is
/// killed with its worker, or left to finish if the job says so
/// ([`Job::cancel_running`](crate::Job::cancel_running)). Jobs that are done stay as they
/// are; jobs that begin later fail at once.
///
/// ```
/// use pool_runtime::{CancelToken, ErrorKind, Pool, pool_task};
///
/// #[pool_task]
/// fn wait_for_ever() {
///     loop {
///         std::thread::sleep(std::time::Duration::from_secs(1));
///     }
/// }
///
/// let pool = Pool::new(1)?;
/// let token = CancelToken::new();
/// let result = pool.job(wait_for_ever).cancel_token(&token).apply_async(())?;
/// token.cancel();
/// assert_eq!(result.get().unwrap_err().kind(), ErrorKind::Cancelled);
/// # Ok::<(), pool_runtime::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct CancelToken(Arc<Mutex<Holders>>);

#[derive(Debug, Default)]
struct Holders {
    cancelled: bool,
    jobs: Vec<Weak<Ticket>>,
    /// How many tickets may be kept before those of removed jobs are dropped: twice as many as
    /// were valid the last time.
    most: usize,
}

/// Stands for one job, which holds it.
#[derive(Debug)]
pub(super) struct Ticket {
    shared: Weak<Shared>,
    id: JobId,
}

impl CancelToken {
    /// A token that no job has yet.
    pub fn new() -> CancelToken {
        CancelToken::default()
    }

    /// Cancels every job that has the token.
    pub fn cancel(&self) {
        let jobs = {
            let mut holders = self.lock();
            holders.cancelled = true;
            std::mem::take(&mut holders.jobs)
        };
        // Outside the lock, as a waker that this wakes may use the token.
        let mut tickets: Vec<_> = jobs.iter().filter_map(Weak::upgrade).collect();
        tickets.sort_by_key(|ticket| ticket.shared.as_ptr());
        // The jobs of one pool in one step. Otherwise a worker that is freed would get an item
        // of the next one.
        for of_pool in tickets.chunk_by(|one, other| one.shared.ptr_eq(&other.shared)) {
            if let Some(shared) = of_pool[0].shared.upgrade() {
                shared.cancel(of_pool.iter().map(|ticket| ticket.id));
            }
        }
    }

    /// Whether [`CancelToken::cancel`] was called.
    pub fn is_cancelled(&self) -> bool {
        self.lock().cancelled
    }

    /// Adds a job to the token; `None` if the token is cancelled already.
    pub(super) fn hand_out(&self, shared: &Arc<Shared>, id: JobId) -> Option<Arc<Ticket>> {
        let mut holders = self.lock();
        if holders.cancelled {
            return None;
        }
        if holders.jobs.len() >= holders.most {
            holders.jobs.retain(|ticket| ticket.strong_count() > 0);
            holders.most = (holders.jobs.len() * 2).max(16);
        }
        let ticket = Arc::new(Ticket { shared: Arc::downgrade(shared), id });
        holders.jobs.push(Arc::downgrade(&ticket));
        Some(ticket)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Holders> {
        // A panic leaves it consistent, as each change is one step.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
