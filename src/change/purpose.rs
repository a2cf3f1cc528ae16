//! What becomes of the differences that a reading finds.

/// Why the directory is compared with the mirror, and so who hears of the differences.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To miss nothing: they are told as any change, through the bulk guard.
    Tell,
    /// To take the directory as it is as known: they are recorded with cause `accepted` and tell nobody.
    Accept,
    /// To see what a directory that went back in time took back: all are held until an operator looks.
    BackInTime,
}

impl Purpose {
    const ALL: [Self; 3] = [Self::Tell, Self::Accept, Self::BackInTime];

    /// The word of the state file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tell => "tell",
            Self::Accept => "accept",
            Self::BackInTime => "back-in-time",
        }
    }

    /// The inverse of [`Purpose::as_str`].
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.as_str() == word)
    }
}
