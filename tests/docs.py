"""Types what README.md and the pages of docs/ say to type, in order, and fails where a command does not end as they say.

    python3 tests/docs.py TOOLS [CLONE]

README.md comes first, since it installs karat; then each page. Each is typed in a bash that starts in CLONE, a clean clone in a folder of
its own, which this makes where none is given. A `sh` block is typed line by line; `# exits N` behind a command is its exit status, 0 where
nothing is said. A `toml` block is appended to the file that the line above it names in backquotes, a `rust` block is written to it.
`cargo insta review` gets a terminal, and the answer that accepts. TOOLS is the folder whose `bin` has cargo-insta. What is built
goes to CARGO_TARGET_DIR, as everywhere. What takes many minutes or needs the model hub is not typed: the two commands of "Install",
which `.ci/run` runs first, and blocks marked `console`.
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


def script(document):
    """A whole document as one bash script."""
    typed = ["cargo() { if [ \"$1 $2\" = 'insta review' ]; then python3 \"$REVIEW\" --review; else command cargo \"$@\"; fi; }"]
    for section, above, language, lines in blocks((ROOT / document).read_text(encoding="utf-8")):
        if document == "README.md" and language in ("toml", "rust"):
            file = re.search(r"`([\w/.]+\.(?:toml|rs))`", above)
            assert file, f"{document}: the block below {above!r} names no file"
            write = ">>" if language == "toml" else ">"
            body = "\n".join(lines)
            typed.append(f"mkdir -p \"$(dirname {file[1]})\"; cat {write} {file[1]} <<'END_OF_BLOCK'\n{body}\nEND_OF_BLOCK")
        elif language == "sh":
            for command, status in commands(lines):
                if section == "Install" and command in RUN_ELSEWHERE:
                    continue
                shown = command.splitlines()[0].replace("'", "'\\''")
                typed.append(
                    f"printf '\\n$ %s\\n' '{shown}'\n{command}\ngot=$?\n"
                    f'[ $got = {status} ] || {{ echo "{document}: exit status $got, not {status}"; exit 1; }}'
                )
    return "\n".join(typed) if len(typed) > 1 else None


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
    tools, *given = map(pathlib.Path, sys.argv[1:])
    with tempfile.TemporaryDirectory() as folder:
        clone = given[0] if given else pathlib.Path(folder) / "karat"
        if not given:
            subprocess.run(["git", "clone", "--quiet", "--", str(ROOT), str(clone)], check=True)
        installed = pathlib.Path(folder) / "installed"
        environment = {name: value for name, value in os.environ.items() if name not in ("CI", "INSTA_UPDATE")}
        environment |= {
            "REVIEW": str(pathlib.Path(__file__).resolve()),
            "CARGO_INSTALL_ROOT": str(installed),
            # One target folder for the clone and for the crate that the README makes: what both depend on is built once.
            "CARGO_TARGET_DIR": os.environ.get("CARGO_TARGET_DIR", str(ROOT / "target")),
            "PATH": os.pathsep.join([str(installed / "bin"), str(tools.resolve() / "bin"), os.environ["PATH"]]),
        }
        for document in ["README.md", *(f"docs/{page.name}" for page in sorted((ROOT / "docs").glob("*.md")))]:
            if typed := script(document):
                print(f"\n-- {document}", flush=True)
                subprocess.run(["bash", "-c", typed], cwd=clone, env=environment, stdin=subprocess.DEVNULL, check=True)


if __name__ == "__main__":
    main()
