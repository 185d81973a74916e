//! Places in documents for what was measured: between `<!-- measured: NAME -->` and `<!-- end of measured -->`.

const END: &str = "<!-- end of measured -->";

/// The document with `block` at the place called `name`; `path` is for the error.
///
/// # Errors
/// When there is no such place.
pub fn replace(path: &str, document: &str, name: &str, block: &str) -> Result<String, String> {
    let missing = || format!("{path} has no place for '{name}'");
    let begin = format!("<!-- measured: {name} -->\n");
    let (before, rest) = document.split_once(&begin).ok_or_else(missing)?;
    let (_, after) = rest.split_once(END).ok_or_else(missing)?;
    Ok(format!("{before}{begin}\n{block}\n{END}{after}"))
}
