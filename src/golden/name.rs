//! What may be called what.

/// Refuses the name of an input or output that cannot be a file name everywhere.
pub(crate) fn check_name(name: &str) -> Result<(), String> {
    let forbidden = |c: char| c.is_control() || "/\\:#*?\"<>|".contains(c);
    if name.is_empty() || name.starts_with('.') || name.len() > 200 || name.contains(forbidden) {
        return Err(format!("`{name}` cannot be a name; it must be usable as a file name on every system"));
    }
    Ok(())
}
