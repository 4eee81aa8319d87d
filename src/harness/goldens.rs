//! The macro that is a whole test target, and what it says where libtest is in the way.

use std::path::Path;

/// A test target of goldens: its `main`, and a test that fails where Cargo.toml does not say `harness = false`.
///
/// The braces hold an expression of the type [`Harness`](crate::Harness); statements may come before it.
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
/// With these lines in Cargo.toml the target is its own test program:
///
/// ```toml
/// [[test]]
/// name = "goldens"
/// harness = false
/// ```
///
/// Without them cargo would put libtest in its place, which calls no `main` and runs no case. The test that this macro adds
/// fails then, and names the lines.
#[macro_export]
macro_rules! goldens {
    ($($harness:tt)+) => {
        fn main() -> ::std::process::ExitCode {
            $crate::Harness::main({ $($harness)+ })
        }

        // libtest runs the tests whose names contain what is typed: this one, whatever verb that is.
        #[test]
        fn harness_is_false_run_matrix_report_merge_list_show_diff_explain_add_accept_doctor_schema() {
            ::core::panic!("{}", $crate::harness::with_libtest(::core::file!(), ::core::module_path!()));
        }
    };
}

/// What is wrong where libtest runs in place of a harness, and the lines that mend it.
#[must_use]
pub fn with_libtest(file: &str, module: &str) -> String {
    let name = target(file, module);
    format!(
        "libtest runs here in place of karat's harness, and no case was tested; to Cargo.toml add\n\n\
         [[test]]\nname = {name:?}\nharness = false\n\n\
         or only the last line, where a [[test]] of that name is there already"
    )
}

/// The name of the target whose main file and module these are.
fn target<'a>(file: &'a str, module: &'a str) -> &'a str {
    let path = Path::new(file);
    let named = if path.ends_with("main.rs") { path.parent().and_then(Path::file_name) } else { path.file_stem() };
    // Only the file has the dashes of a name.
    let module = module.split("::").next().unwrap_or(module);
    named.and_then(|name| name.to_str()).filter(|name| name.replace('-', "_") == module).unwrap_or(module)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_is_named_as_cargo_knows_it() {
        for (file, module, expected) in [
            ("tests/goldens.rs", "goldens", "goldens"),
            ("tests/my-goldens.rs", "my_goldens", "my-goldens"),
            ("crates/port/tests/my-port/main.rs", "my_port", "my-port"),
            ("checks/all.rs", "port", "port"),
            ("tests/goldens.rs", "goldens::inner", "goldens"),
        ] {
            assert_eq!(target(file, module), expected, "{file}");
        }
    }
}
