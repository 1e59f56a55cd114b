//! Kernels over bytes: all the unsafe code of the kernels.
//!
//! Integers have no rounding, so every instruction set gives the same answers. What is unsafe, and
//! why it is sound:
//!
//! * calling a function compiled for instructions that the machine may lack: [`ISA`] names a set
//!   only after the machine said that it has it, and [`Rows`] and [`ByteLayer`] call only the
//!   function of that set;
//! * loading and storing registers through pointers: every one is given a reference to an array of
//!   exactly the register's size or is masked to the length of a slice, and none has an alignment
//!   to respect;
//! * prefetching: a hint that reads nothing, on a pointer taken from a slice.
#![allow(unsafe_code, reason = "vector instructions for bytes and prefetches have no safe interface")]

mod layer;
mod rows;

pub(crate) use layer::{ByteLayer, GROUP, TILE};
pub(crate) use rows::{LONGEST_ROW, Rows};

use std::sync::LazyLock;

/// What this machine has, looked up once.
static ISA: LazyLock<Isa> = LazyLock::new(Isa::detect);

/// Instruction sets with a kernel of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Isa {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    AvxVnni,
    #[cfg(target_arch = "x86_64")]
    Avx512Vnni,
    #[cfg(target_arch = "aarch64")]
    Neon,
}

impl Isa {
    fn detect() -> Self {
        Self::all().last().copied().unwrap_or(Self::Portable)
    }

    /// What this machine has, the fastest last.
    fn all() -> Vec<Self> {
        let mut all = vec![Self::Portable];
        if cfg!(miri) {
            // It knows few of the vector instructions.
            return all;
        }
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") {
                all.push(Self::Avx2);
                if is_x86_feature_detected!("avxvnni") {
                    all.push(Self::AvxVnni);
                }
            }
            if is_x86_feature_detected!("avx512bw") && is_x86_feature_detected!("avx512vnni") {
                all.push(Self::Avx512Vnni);
            }
        }
        #[cfg(target_arch = "aarch64")]
        if std::arch::is_aarch64_feature_detected!("neon") {
            all.push(Self::Neon);
        }
        all
    }
}

/// Asks for the cache lines of `values`, which will be read soon.
#[inline]
pub(crate) fn prefetch<T>(values: &[T]) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    for line in (0..size_of_val(values)).step_by(64) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch only hints; the pointer stays within `values`.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(values.as_ptr().cast::<i8>().add(line)) };
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    let _ = values;
}
