//! Runs tests in separate processes, without any environment variables of karat or insta.

use std::process::Command;

/// Runs an ignored test of this program with those variables, and returns what it printed.
///
/// Its output of insta is off, and a folder for cargo's output is not set: karat would keep actual tensors there.
pub(crate) fn alone(test: &str, variables: &[(&str, String)]) -> String {
    let mut command = Command::new(std::env::current_exe().expect("a test is a program"));
    for (name, _) in std::env::vars_os() {
        let is_heard =
            |name: &str| name.starts_with("INSTA_") || ["CI", "TF_BUILD", "CARGO_TARGET_DIR"].contains(&name);
        if name.to_str().is_some_and(is_heard) {
            command.env_remove(name);
        }
    }
    command.args(["--exact", test, "--ignored", "--nocapture", "--test-threads=1"]).env("INSTA_OUTPUT", "none");
    let output = command.envs(variables.iter().map(|(name, value)| (name, value))).output().expect("a process");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("1 passed"), "there is no test {test}: {said}");
    said
}
