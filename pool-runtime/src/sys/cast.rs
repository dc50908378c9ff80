//! Casts that do nothing, between what generic code calls `T` and what it is.
//!
//! Type ids do not know lifetimes (`typeid`), so two types of one id may differ
//! in them. Each cast here is between types in which the only lifetime, if there
//! is one, is that of a borrow that the signature ties down.

use std::any::TypeId;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ptr;
use std::slice;

/// A type that is never written with a lifetime.
///
/// # Safety
///
/// There is no lifetime in it, so that a type of the same id is this type.
pub(crate) unsafe trait Primitive: Copy + 'static {}

macro_rules! primitives {
    ($($primitive:ty)*) => {$(
        // SAFETY: there is no lifetime in it.
        unsafe impl Primitive for $primitive {}
    )*};
}

primitives!(() u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize f32 f64 bool);

/// Whether `T` is this type.
#[inline]
pub(crate) fn is<E: Primitive, T>() -> bool {
    typeid::of::<T>() == TypeId::of::<E>()
}

/// A borrow of what only its id tells the type of. Code that takes this is not
/// generic, so it is compiled once and not for each type.
#[derive(Clone, Copy)]
pub(crate) struct AnyRef<'a> {
    id: TypeId,
    to: *const (),
    life: PhantomData<&'a ()>,
}

impl<'a> AnyRef<'a> {
    #[inline]
    pub(crate) fn new<T>(value: &'a T) -> Self {
        AnyRef { id: typeid::of::<T>(), to: ptr::from_ref(value).cast(), life: PhantomData }
    }

    /// What an iterator still has to give, if this is one over a slice of `E`.
    #[inline]
    pub(crate) fn rest_of<E: Primitive>(self) -> Option<&'a [E]> {
        if self.id != TypeId::of::<slice::Iter<'static, E>>() {
            return None;
        }
        // SAFETY: `to` was made of a `&'a slice::Iter<'b, E>`, so `'b` outlives
        // `'a`; a slice's iterator is covariant, so it may be seen as one over the
        // shorter lifetime, which is all that is given back.
        let iterator = unsafe { &*self.to.cast::<slice::Iter<'a, E>>() };
        Some(iterator.as_slice())
    }
}

/// A vector of primitives under no type, to be taken out under the name that
/// generic code has for it. Nothing is freed if it is not taken out.
pub(crate) struct Vector {
    id: TypeId,
    vector: MaybeUninit<Vec<u8>>,
}

impl Vector {
    #[inline]
    pub(crate) fn new<E: Primitive>(from: Vec<E>) -> Self {
        const {
            assert!(size_of::<Vec<E>>() == size_of::<Vec<u8>>());
            assert!(align_of::<Vec<E>>() == align_of::<Vec<u8>>());
        }
        let mut vector = MaybeUninit::<Vec<u8>>::uninit();
        // SAFETY: the place has the size and alignment of what is written.
        unsafe { vector.as_mut_ptr().cast::<Vec<E>>().write(from) };
        Vector { id: TypeId::of::<Vec<E>>(), vector }
    }

    /// # Panics
    ///
    /// When `T` is another type than that of the vector.
    #[inline]
    pub(crate) fn take<T>(self) -> T {
        assert!(typeid::of::<T>() == self.id, "a vector cast to another type");
        // SAFETY: a `Vec<E>` was written here, and `T` has its id; there is no
        // lifetime in it, so `T` is that type. `self` is gone after this and frees
        // nothing, so the vector has one owner.
        unsafe { self.vector.as_ptr().cast::<T>().read() }
    }
}

/// The slice under the name that generic code has for its element type.
///
/// # Panics
///
/// When `T` is another type, see [`is`].
#[inline]
pub(crate) fn slice<E: Primitive, T>(slice: &[E]) -> &[T] {
    assert!(is::<E, T>(), "a slice cast to another type");
    // SAFETY: `T` has the id of `E`, in which there is no lifetime, so it is that
    // type; address, length and lifetime are the slice's.
    unsafe { slice::from_raw_parts(slice.as_ptr().cast::<T>(), slice.len()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_very_type_is_cast() {
        assert_eq!(AnyRef::new(&[1_u8, 2].iter()).rest_of::<u8>(), Some(&[1, 2][..]));
        assert_eq!(AnyRef::new(&[1_i8, 2].iter()).rest_of::<u8>(), None);
        assert_eq!(AnyRef::new(&vec![1_u8, 2].into_iter()).rest_of::<u8>(), None);
        assert_eq!(AnyRef::new(&[1.0, 2.0].iter().rev()).rest_of::<f64>(), None);

        assert!(is::<f64, f64>() && !is::<u64, f64>());
        assert_eq!(Vector::new(vec![1.5]).take::<Vec<f64>>(), [1.5]);
        assert_eq!(slice::<f64, f64>(&[1.5]), [1.5]);
    }

    #[test]
    #[should_panic(expected = "another type")]
    fn a_vector_is_not_cast_to_one_of_the_same_shape() {
        Vector::new(Vec::<u64>::new()).take::<Vec<i64>>();
    }

    #[test]
    #[should_panic(expected = "another type")]
    fn a_slice_is_not_cast_to_one_of_the_same_shape() {
        slice::<u64, i64>(&[1]);
    }
}
