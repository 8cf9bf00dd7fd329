//! Commands for people to paste.

use std::borrow::Cow;

/// A word of a command, quoted for a POSIX shell where it must be.
pub fn shell_word(text: &str) -> Cow<'_, str> {
    // Nothing but NUL cannot be quoted. No argument of a command can have one: what is printed then fits nothing.
    shlex::try_quote(text).unwrap_or(Cow::Borrowed("''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_shell_would_take_apart_is_quoted() {
        for plain in ["rtb-0a1b", "vpc/a.json", "arn:aws:ec2:us-east-1:1:subnet/subnet-1", "10.0.0.0/16"] {
            assert_eq!(shell_word(plain), plain);
        }
        for (text, quoted) in [
            ("my vpc/it's.json", "\"my vpc/it's.json\""),
            ("rtb-1;x", "'rtb-1;x'"),
            ("a&b", "'a&b'"),
            ("$(x)", "'$(x)'"),
            ("~/x", "'~/x'"),
            ("*", "'*'"),
            ("\"", "'\"'"),
            ("", "''"),
        ] {
            assert_eq!(shell_word(text), quoted);
        }
    }
}
