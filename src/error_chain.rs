//! An error with its causes, for a log line or for `status`.

use std::error::Error;

/// `what we did: why not: why that`. A cause that its error already quotes is not repeated.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot open the file")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn causes_follow_each_other_once() {
        let error = Outer(std::io::Error::other("no such file"));
        assert_eq!(chain(&error), "cannot open the file: no such file");
        assert_eq!(chain(&std::io::Error::other("alone")), "alone");
    }
}
