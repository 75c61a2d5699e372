//! Values with commas, such as `type=volume,source=a,target=/b`: one CSV record, as docker reads them.

use anyhow::{bail, ensure};

/// The fields. A quoted field may contain commas; a quote in it is doubled.
pub(super) fn fields(text: &str) -> anyhow::Result<Vec<String>> {
    let mut fields = Vec::new();
    let mut rest = text;
    loop {
        let (field, after) = match rest.strip_prefix('"') {
            Some(quoted) => unquoted(quoted)?,
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                let (field, after) = rest.split_at(end);
                ensure!(!field.contains('"'), "the field {field} contains a quote: quote the whole field");
                (field.to_owned(), after)
            }
        };
        fields.push(field);
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None if after.is_empty() => return Ok(fields),
            None => bail!("a comma is missing before {after}"),
        }
    }
}

/// The text before the closing quote, and the rest.
fn unquoted(quoted: &str) -> anyhow::Result<(String, &str)> {
    let mut field = String::new();
    let mut rest = quoted;
    loop {
        let Some((part, after)) = rest.split_once('"') else { bail!("a quote is not closed") };
        field.push_str(part);
        match after.strip_prefix('"') {
            Some(next) => {
                field.push('"');
                rest = next;
            }
            None => return Ok((field, after)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_separated_by_commas_outside_of_quotes() {
        for (text, expected) in [
            ("a", vec!["a"]),
            ("a=1,b", vec!["a=1", "b"]),
            (r#""a=1,2",b"#, vec!["a=1,2", "b"]),
            (r#""a""b""#, vec![r#"a"b"#]),
            ("a,", vec!["a", ""]),
            ("", vec![""]),
        ] {
            assert_eq!(fields(text).unwrap(), expected, "{text}");
        }
        for text in [r#"a"b"#, r#""a"#, r#""a"b"#] {
            assert!(fields(text).is_err(), "{text}");
        }
    }
}
