//! What a worker may have of the machine, and how it meets signals.

use super::PoolBuilder;
#[cfg(feature = "sandbox")]
use crate::api::sandbox::Sandbox;
use crate::wire::settings::{NO_DUMP, OomScore, Resource};

impl PoolBuilder {
    /// The cores that the workers run on: the worker in slot `s` on the core
    /// `cores[s % n]` of the `n` that are given, and on no other. None at all, or one that
    /// the kernel does not let the worker have (there is no such core, or a cpuset excludes
    /// it), is an error of `build`. Where the calling thread runs makes no difference: a
    /// library may have pinned it.
    ///
    /// ```
    /// # use pool_runtime::Pool;
    /// let pool = Pool::builder().workers(2).pin([0]).build()?;
    /// # Ok::<(), pool_runtime::Error>(())
    /// ```
    pub fn pin(mut self, cores: impl IntoIterator<Item = usize>) -> Self {
        self.options.cores = Some(cores.into_iter().collect());
        self
    }

    /// The niceness of the workers, from -20 to 19: a nicer process gets less processor time when
    /// that is scarce. Another number is an error of `build`, and so is less than the program's own
    /// niceness without the right to that (`RLIMIT_NICE`).
    pub fn nice(mut self, niceness: i32) -> Self {
        self.options.settings.nice = Some(niceness);
        self
    }

    /// How much sooner than the program the kernel kills a worker when the machine's memory runs
    /// out: an amount that is added to the program's own `oom_score_adj`, which is from -1000
    /// (never) to 1000; the sum stays in that range. Unless set, 100 if that can be set, as a
    /// worker can be replaced.
    ///
    /// A point stands for a thousandth of the machine's memory. Workers of a pool that a worker
    /// makes get the amount on top of that worker's own. An amount that cannot be set is an error
    /// of `build`: a negative one takes a privilege (`CAP_SYS_RESOURCE`), and `/proc` must not be
    /// read-only. With 0 workers have the program's score.
    ///
    /// ```
    /// # use pool_runtime::Pool;
    /// let pool = Pool::builder().oom_score_adj(500).build()?;
    /// # Ok::<(), pool_runtime::Error>(())
    /// ```
    pub fn oom_score_adj(mut self, added: i32) -> Self {
        self.options.settings.oom = OomScore { amount: added, asked: true };
        self
    }

    /// Whether workers survive a SIGTERM that the pool has not sent; unless set, it ends them, as it
    /// ends any process.
    ///
    /// For a service that finishes its running work when it is told to stop: service managers send
    /// SIGTERM to every process of a service (systemd, unless `KillMode=mixed` is set), and each
    /// worker that it ends costs an item. With `true` the signal interrupts a worker, which goes
    /// on. Workers that the pool itself ends (time limits, deadlines, cancelled calls) end as
    /// before, and so does a task that handles SIGTERM in its own way.
    ///
    /// Programs that a task starts are not protected: they have the default action.
    ///
    /// ```
    /// # use pool_runtime::Pool;
    /// let pool = Pool::builder().ignore_sigterm(true).build()?;
    /// # Ok::<(), pool_runtime::Error>(())
    /// ```
    pub fn ignore_sigterm(mut self, ignore: bool) -> Self {
        self.options.settings.ignore_sigterm = ignore;
        self
    }

    /// Limits a resource of each worker: both the soft and the hard limit are set. Of
    /// two limits of the same resource the later one counts. More than the program's
    /// own hard limit (`ulimit -H`), where it has no right to that, is an error of
    /// `build`.
    ///
    /// ```
    /// # use pool_runtime::{Pool, Resource};
    /// let pool = Pool::builder().rlimit(Resource::OpenFiles, 256).build()?;
    /// # Ok::<(), pool_runtime::Error>(())
    /// ```
    pub fn rlimit(mut self, resource: Resource, limit: u64) -> Self {
        self.options.settings.limit(resource, limit);
        self
    }

    /// Whether workers that crash leave core dumps, as the program would; unless set, they
    /// do.
    ///
    /// A dump keeps the worker for as long as it is written, and with it the error of its
    /// item; after 3 s it is cut short. With `false` there is none, also where
    /// `/proc/sys/kernel/core_pattern` names a program, which a limit of 0 bytes
    /// (`ulimit -c 0`) does not keep from being started. Where the program's own hard limit
    /// is 0 (`ulimit -Hc`), the workers' limit stays 0, and such a program is started. This
    /// sets the limit of [`Resource::Core`]; of the two settings the later counts.
    ///
    /// ```
    /// # use pool_runtime::Pool;
    /// let pool = Pool::builder().core_dumps(false).build()?;
    /// # Ok::<(), pool_runtime::Error>(())
    /// ```
    pub fn core_dumps(mut self, wanted: bool) -> Self {
        match wanted {
            true => self.options.settings.unlimit(Resource::Core),
            false => self.options.settings.limit(Resource::Core, NO_DUMP),
        }
        self
    }

    /// Puts each worker into a sandbox, which tasks cannot leave: see [`Sandbox`].
    /// With the feature `sandbox`.
    ///
    /// A kernel without the means for it is an error of `build`, and so is a path that does not
    /// exist.
    ///
    /// In other pools a long item lies in memory that the program shares with all workers.
    /// A worker that an attacker has taken over could read other workers' items there. So in
    /// a pool with a sandbox each worker is sent a copy of its own items instead.
    #[cfg(feature = "sandbox")]
    pub fn sandbox(mut self, sandbox: Sandbox) -> Self {
        self.options.settings.sandbox = Some(sandbox.into_rules());
        self
    }
}
