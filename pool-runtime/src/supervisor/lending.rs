//! Whether a pool lends its workers what is long, or sends it.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::launch::Wishes;
use crate::sys::arena::Arena;
use crate::wire::settings::{Resource, Settings};

/// Where workers read long items. None where it would cost more than it spares: for a
/// process, which gets one; or where it would do harm: in a sandbox a worker must not see
/// what others are given, and where its size or its addresses are limited, all that it can
/// read would count. Nor where it cannot be had: then all is sent.
pub(super) fn arena(wishes: &Wishes) -> Option<(Arc<Arena>, OwnedFd)> {
    let counts = |resource| matches!(resource, Resource::AddressSpace | Resource::LockedMemory);
    let Settings { sandbox, limits, .. } = &wishes.settings;
    let is_watched =
        wishes.lifespan.memory.is_some() || limits.iter().any(|(resource, _)| counts(*resource));
    let lends = !wishes.one_shot && sandbox.is_none() && !is_watched;
    let (arena, file) = lends.then(Arena::create)?.ok()?;
    Some((Arc::new(arena), file))
}
