//! Casts that do nothing, between what generic code calls `T` and what it is.
//!
//! Type ids do not know lifetimes (`typeid`), so two types of one id may differ
//! in them. Each cast here is between types in which the only lifetime, if there
//! is one, is that of a borrow that the signature ties down.

use std::any::TypeId;
use std::mem::ManuallyDrop;
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

primitives!(u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize f32 f64 bool);

/// Whether `T` is this type.
#[inline]
pub(crate) fn is<E: Primitive, T>() -> bool {
    typeid::of::<T>() == TypeId::of::<E>()
}

/// Whether `T` is a vector of these.
#[inline]
pub(crate) fn is_vector<E: Primitive, T>() -> bool {
    typeid::of::<T>() == TypeId::of::<Vec<E>>()
}

/// What an iterator still has to give, if it is one over a slice of `E`.
#[inline]
pub(crate) fn rest_of<E: Primitive, I>(iterator: &I) -> Option<&[E]> {
    if typeid::of::<I>() != TypeId::of::<slice::Iter<'static, E>>() {
        return None;
    }
    // SAFETY: `I` is `slice::Iter<'a, E>` for some `'a`, which outlives the borrow
    // of it; a slice's iterator is covariant, so it may be seen as one over the
    // shorter lifetime, which is all that is given back.
    let iterator = unsafe { &*ptr::from_ref(iterator).cast::<slice::Iter<'_, E>>() };
    Some(iterator.as_slice())
}

/// The vector under the name that generic code has for its type.
///
/// # Panics
///
/// When `T` is another type, see [`is_vector`].
#[inline]
pub(crate) fn vector<E: Primitive, T>(vector: Vec<E>) -> T {
    assert!(is_vector::<E, T>(), "a vector cast to another type");
    let vector = ManuallyDrop::new(vector);
    // SAFETY: `T` has the id of `Vec<E>`, in which there is no lifetime, so it is
    // that type. The original is not dropped, so the vector has one owner.
    unsafe { ptr::from_ref(&vector).cast::<T>().read() }
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
        assert_eq!(rest_of::<u8, _>(&[1_u8, 2].iter()), Some(&[1, 2][..]));
        assert_eq!(rest_of::<u8, _>(&[1_i8, 2].iter()), None);
        assert_eq!(rest_of::<u8, _>(&vec![1_u8, 2].into_iter()), None);
        assert_eq!(rest_of::<f64, _>(&[1.0, 2.0].iter().rev()), None);

        assert!(is::<f64, f64>() && !is::<u64, f64>());
        assert!(is_vector::<f64, Vec<f64>>() && !is_vector::<u64, Vec<f64>>());
        assert_eq!(vector::<f64, Vec<f64>>(vec![1.5]), [1.5]);
        assert_eq!(slice::<f64, f64>(&[1.5]), [1.5]);
    }

    #[test]
    #[should_panic(expected = "another type")]
    fn a_vector_is_not_cast_to_one_of_the_same_shape() {
        vector::<u64, Vec<i64>>(vec![1]);
    }

    #[test]
    #[should_panic(expected = "another type")]
    fn a_slice_is_not_cast_to_one_of_the_same_shape() {
        slice::<u64, i64>(&[1]);
    }
}
