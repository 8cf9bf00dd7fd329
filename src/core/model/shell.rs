//! Commands for people to paste.

/// A word as a POSIX shell takes it: quoted where it would take it apart.
pub fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
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
            ("my vpc/it's.json", r"'my vpc/it'\''s.json'"),
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
