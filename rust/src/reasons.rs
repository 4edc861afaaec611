//! Fixed sets of reasons for which a part of a body is refused: an enum, the words by which logs, metrics and
//! senders know them, and how often each was met.

/// Makes an enum of the variants, each with its word. The words are labels of a metric: few, fixed, and never
/// made from input.
macro_rules! reasons {
    ($(#[$about:meta])* $set:ident; $($(#[$doc:meta])* $name:ident = $word:literal,)*) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $set { $($(#[$doc])* $name,)* }

        impl $set {
            /// Every reason there is.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The word by which logs, metrics and senders know the reason.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// A count of nothing, for [`Self::met`].
            pub(crate) fn no_counts() -> Vec<usize> {
                vec![0; Self::ALL.len()]
            }

            /// Those that were met, with their counts, which stand at their numbers (`reason as usize`).
            pub(crate) fn met(counts: Vec<usize>) -> Vec<(Self, usize)> {
                let counted = Self::ALL.iter().copied().zip(counts);
                counted.filter(|&(_, count)| count > 0).collect()
            }
        }
    };
}

pub(crate) use reasons;
