//! The macro for a whole test target, and its message if Cargo.toml does not turn libtest off.

use std::path::Path;

/// Defines a test target: its `main`, and a test that fails unless Cargo.toml sets `harness = false`.
///
/// The braces contain an expression of type [`Harness`](crate::Harness), after any statements.
///
/// ```no_run
/// // tests/goldens.rs
/// use karat::{Harness, outputs};
///
/// karat::goldens! {
///     Harness::new("goldens").checkpoint("double", |case| {
///         let x = case.input::<f32>("x")?;
///         Ok(outputs! { "y" => x * 2.0 })
///     })
/// }
/// ```
///
/// The target needs these lines in Cargo.toml:
///
/// ```toml
/// [[test]]
/// name = "goldens"
/// harness = false
/// ```
///
/// Without them cargo uses libtest, which does not call `main` and runs no case. Then the test that this macro adds fails with
/// these lines.
#[macro_export]
macro_rules! goldens {
    ($($harness:tt)+) => {
        fn main() -> ::std::process::ExitCode {
            $crate::Harness::main({ $($harness)+ })
        }

        // libtest runs the tests whose names contain the filter, so this name contains every verb.
        #[test]
        fn harness_is_false_run_matrix_report_merge_list_show_diff_explain_add_accept_doctor_schema() {
            ::core::panic!("{}", $crate::harness::libtest_message(::core::file!(), ::core::module_path!()));
        }
    };
}

/// Returns the message if libtest runs instead of a harness, with the lines for Cargo.toml.
#[must_use]
pub fn libtest_message(file: &str, module: &str) -> String {
    let name = target_name(file, module);
    format!(
        "libtest ran instead of karat's harness, so no case was tested; add to Cargo.toml\n\n\
         [[test]]\nname = {name:?}\nharness = false\n\n\
         or only the last line if there is already a [[test]] with that name"
    )
}

/// Returns the name of a target from its main file and module.
fn target_name<'a>(file: &'a str, module: &'a str) -> &'a str {
    let path = Path::new(file);
    let named = if path.ends_with("main.rs") { path.parent().and_then(Path::file_name) } else { path.file_stem() };
    // The file name can contain dashes, which the module name cannot.
    let module = module.split("::").next().unwrap_or(module);
    named.and_then(|name| name.to_str()).filter(|name| name.replace('-', "_") == module).unwrap_or(module)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_has_the_name_that_cargo_uses() {
        for (file, module, expected) in [
            ("tests/goldens.rs", "goldens", "goldens"),
            ("tests/my-goldens.rs", "my_goldens", "my-goldens"),
            ("crates/port/tests/my-port/main.rs", "my_port", "my-port"),
            ("checks/all.rs", "port", "port"),
            ("tests/goldens.rs", "goldens::inner", "goldens"),
        ] {
            assert_eq!(target_name(file, module), expected, "{file}");
        }
    }
}
