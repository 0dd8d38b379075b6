//! `Few`: a sorted set that is small as long as it has few members, as almost all of our indexes
//! have. It is a container and knows nothing else. Used by `tables` and `compiler`.

use std::collections::BTreeSet;

use smallvec::SmallVec;

/// Members beyond which a tree takes over.
const SMALL: usize = 16;

/// A sorted set.
#[derive(Debug, Clone)]
pub enum Few<T> {
    Small(SmallVec<[T; 1]>),
    Large(BTreeSet<T>),
}

impl<T> Default for Few<T> {
    fn default() -> Self {
        Few::Small(SmallVec::new())
    }
}

impl<T: Ord + Clone> Few<T> {
    pub fn insert(&mut self, member: &T) {
        match self {
            Few::Small(list) => {
                let Err(at) = list.binary_search(member) else {
                    return;
                };
                list.insert(at, member.clone());
                if list.len() > SMALL {
                    *self = Few::Large(list.drain(..).collect());
                }
            }
            Few::Large(tree) => {
                tree.insert(member.clone());
            }
        }
    }

    pub fn remove(&mut self, member: &T) {
        match self {
            Few::Small(list) => {
                if let Ok(at) = list.binary_search(member) {
                    list.remove(at);
                }
            }
            Few::Large(tree) => {
                tree.remove(member);
            }
        }
    }

    pub fn is_empty(&self) -> bool {
        match self {
            Few::Small(list) => list.is_empty(),
            Few::Large(tree) => tree.is_empty(),
        }
    }

    /// Ascending.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        let (list, tree) = match self {
            Few::Small(list) => (Some(list), None),
            Few::Large(tree) => (None, Some(tree)),
        };
        list.into_iter()
            .flatten()
            .chain(tree.into_iter().flat_map(|tree| tree.iter()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_sorted_set_of_any_size() {
        for size in [0u32, 1, 5, 16, 17, 100] {
            let mut few = Few::default();
            for member in (0..size).rev().chain(0..size) {
                few.insert(&member);
            }
            assert!(few.iter().copied().eq(0..size));
            for member in (0..size).filter(|member| member % 2 == 0) {
                few.remove(&member);
                few.remove(&member);
            }
            assert!(
                few.iter()
                    .copied()
                    .eq((0..size).filter(|member| member % 2 == 1))
            );
            assert_eq!(few.is_empty(), size < 2);
        }
    }
}
