"""Types what README.md says to type, in order, in a folder of its own, and fails where a command does not end as the README says.

    python3 tests/readme.py TOOLS

A `sh` block is typed line by line in one bash that starts inside a fresh clone; `# exits N` behind a command is its exit status, 0 where
nothing is said. A `toml` block is appended to the file that the line above it names in backquotes, a `rust` block written to it.
`cargo insta review` gets a terminal, and the answer that accepts. TOOLS is the folder whose `bin` has cargo-insta. What is built
goes to CARGO_TARGET_DIR, as everywhere. The two commands of "Install" take minutes and are run elsewhere in `.ci/run`: they are left out by name.
"""

import os
import pathlib
import pty
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
RUN_ELSEWHERE = ["cargo run --release -- run", "cargo test"]
EXITS = re.compile(r"\s+# exits (\d+)$")
HERE_DOCUMENT = re.compile(r"<<'(\w+)'")


def blocks(text):
    """Yields (section, line above, language, lines) of each fenced block."""
    section, above, block = "", "", None
    for line in text.splitlines():
        if block is not None:
            if line == "```":
                yield (section, above, *block)
                block = None
            else:
                block[1].append(line)
        elif line.startswith("```"):
            block = (line[3:].split(",")[0], [])
        elif line.startswith("#"):
            section = line.lstrip("# ")
        elif line:
            above = line
    assert block is None, f"the last block does not end: {block}"


def commands(lines):
    """Yields (command, exit status) for each command; a here-document belongs to the line that opens it."""
    lines = iter(lines)
    for line in lines:
        exits = EXITS.search(line)
        command = EXITS.sub("", line)
        if document := HERE_DOCUMENT.search(command):
            for more in lines:
                command += "\n" + more
                if more == document[1]:
                    break
        yield command, int(exits[1]) if exits else 0


def script(readme):
    """The whole README as one bash script."""
    typed = ["cargo() { if [ \"$1 $2\" = 'insta review' ]; then python3 \"$REVIEW\" --review; else command cargo \"$@\"; fi; }"]
    for section, above, language, lines in blocks(readme):
        if language in ("toml", "rust"):
            file = re.search(r"`([\w/.]+\.(?:toml|rs))`", above)
            assert file, f"the block below {above!r} names no file"
            write = ">>" if language == "toml" else ">"
            body = "\n".join(lines)
            typed.append(f"mkdir -p \"$(dirname {file[1]})\"; cat {write} {file[1]} <<'END_OF_BLOCK'\n{body}\nEND_OF_BLOCK")
        elif language == "sh":
            for command, status in commands(lines):
                if section == "Install" and command in RUN_ELSEWHERE:
                    continue
                shown = command.splitlines()[0].replace("'", "'\\''")
                typed.append(f"printf '\\n$ %s\\n' '{shown}'\n{command}\ngot=$?\n[ $got = {status} ] || {{ echo \"README.md: exit status $got, not {status}\"; exit 1; }}")
    return "\n".join(typed)


def review():
    """Answers `cargo insta review` in a terminal: accepts what is shown."""
    answered = False

    def read(terminal):
        nonlocal answered
        shown = os.read(terminal, 4096)
        if not answered and b"accept" in shown:
            answered = True
            os.write(terminal, b"a")
        return shown

    status = pty.spawn(["cargo", "insta", "review"], read)
    sys.exit(os.waitstatus_to_exitcode(status) if answered else "cargo insta review asked nothing")


def main():
    if sys.argv[1:] == ["--review"]:
        review()
    (tools,) = sys.argv[1:]
    tools = pathlib.Path(tools).resolve()
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        subprocess.run(["git", "clone", "--quiet", "--", str(ROOT), str(folder / "karat")], check=True)
        environment = dict(os.environ)
        for name in ("CI", "INSTA_UPDATE", "CARGO_TARGET_DIR"):
            environment.pop(name, None)
        environment |= {
            "REVIEW": str(pathlib.Path(__file__).resolve()),
            "CARGO_INSTALL_ROOT": str(folder / "installed"),
            # One target folder for the clone and for the crate that the README makes: what both depend on is built once.
            "CARGO_TARGET_DIR": os.environ.get("CARGO_TARGET_DIR", str(ROOT / "target")),
            "PATH": os.pathsep.join([str(folder / "installed/bin"), str(tools / "bin"), os.environ["PATH"]]),
        }
        typed = subprocess.run(["bash", "-c", script(readme)], cwd=folder / "karat", env=environment, stdin=subprocess.DEVNULL, check=False)
    sys.exit(typed.returncode)


if __name__ == "__main__":
    main()
