//! `${NAME}` in strings, taken from the environment that the caller hands in.
//!
//! Called by the reader for every string of the file. Pure. A failure names the variable and never the rest of
//! the string, which may be a secret.

/// Puts the environment's values into `raw`. `$${` stands for a literal `${`; values are not expanded again.
/// An error is the rest of a line: *found, allowed; what to do*.
pub(super) fn expand(
    raw: &str,
    env: &dyn Fn(&str) -> Option<String>,
    env_file: &str,
) -> Result<String, String> {
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    let mut last = None;
    while let Some(dollar) = rest.find('$') {
        out.push_str(&rest[..dollar]);
        rest = &rest[dollar..];
        if let Some(after) = rest.strip_prefix("$${") {
            out.push_str("${");
            rest = after;
        } else if let Some(after) = rest.strip_prefix("${") {
            let (name, after) = name_in(after)?;
            let value = env(name).ok_or_else(|| {
                format!("the variable {name} is not set; export it, or put {name}='…' into {env_file}")
            })?;
            out.push_str(&value);
            last = Some(name);
            rest = after;
        } else {
            out.push('$');
            rest = &rest[1..];
        }
    }
    out.push_str(rest);
    match last {
        // an .env that nobody filled in; later it would look like a camera that refuses its password
        Some(name) if out.is_empty() => Err(format!(
            "the variable {name} is set but empty; give it a value in the environment or in {env_file}, or leave the key out"
        )),
        _ => Ok(out),
    }
}

/// The variable's name and what follows its brace.
fn name_in(text: &str) -> Result<(&str, &str), String> {
    let Some((name, after)) = text.split_once('}') else {
        return Err("found ${ without its }; write ${NAME} for a variable, or $${ for a plain ${".into());
    };
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) || !name.chars().all(legal) {
        return Err(
            "found ${…} around something that is no variable's name, allowed are A-Z, a-z, 0-9 and _; write ${NAME} for a variable, or $${ for a plain ${"
                .into(),
        );
    }
    Ok((name, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(name: &str) -> Option<String> {
        match name {
            "A" => Some("one".into()),
            "B2_c" => Some("two".into()),
            "EMPTY" => Some(String::new()),
            "NESTED" => Some("${A}".into()),
            _ => None,
        }
    }

    #[test]
    fn variables_are_put_in_and_everything_else_stays() {
        for (raw, expanded) in [
            ("", ""),
            ("plain", "plain"),
            ("${A}", "one"),
            ("x${A}y${B2_c}z", "xoneytwoz"),
            ("$A costs 5$", "$A costs 5$"),
            ("$${A}", "${A}"),
            ("$$${A}", "$${A}"),
            ("ä${A}ö", "äoneö"),
            ("x${EMPTY}", "x"),
            ("${NESTED}", "${A}"),
            ("{{width}} {camera_name}", "{{width}} {camera_name}"),
        ] {
            assert_eq!(expand(raw, &env, ".env").as_deref(), Ok(expanded), "{raw}");
        }
    }

    #[test]
    fn a_variable_that_cannot_be_put_in_is_named_with_what_to_do() {
        for (raw, part) in [
            ("${NOPE}", "the variable NOPE is not set; export it, or put NOPE='…' into site/.env"),
            ("${EMPTY}", "the variable EMPTY is set but empty"),
            ("s3cret${A", "found ${ without its }"),
            ("s3cret${}", "no variable's name"),
            ("${s3cret!}", "no variable's name"),
            ("${1s3cret}", "no variable's name"),
        ] {
            let error = expand(raw, &env, "site/.env").unwrap_err();
            assert!(error.contains(part), "{raw}: {error}");
            assert!(!error.contains("s3cret"), "{raw}: {error}");
        }
    }
}
