"""Compare the three header lines of every source file with the real imports; `--write` makes them true.

Each file under src/ginkgo_data opens with::

    # Upstream: who imports this module (inside the package); optional free text
    # Downstream: which of our modules it imports, then which third-party packages; optional free text
    # Role: one line, written by a person

Imports inside functions and under TYPE_CHECKING count, and so does `import_module("a literal")`. Names go
without the package's prefix, several modules of one package as `domain.model.{bars, fetch}`, more than four
importers of one package as that package, and whatever would not fit into 120 characters as its package too.
Nothing at all is `none`. Text after a semicolon is kept as it is.

Exit status: 0 when every header is true, 1 when one is not (each is printed), 2 for a wrong call.
"""

from __future__ import annotations

import argparse
import ast
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1] / "src" / "ginkgo_data"
UPSTREAM, DOWNSTREAM, ROLE = "# Upstream:", "# Downstream:", "# Role:"
WIDTH = 120
MOST_NAMED_IMPORTERS = 4


def main(arguments: list[str] | None = None) -> int:
    """Check or write the headers of the paths given (all of the package without any); return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("paths", nargs="*", type=Path, help="files or folders of the package; all of it if none")
    parser.add_argument("--write", action="store_true", help="rewrite Upstream and Downstream where they are wrong")
    parser.add_argument("--source", type=Path, default=SOURCE, help="folder of the package (default: this project's)")
    asked = parser.parse_args(arguments)
    source = asked.source.resolve()
    files = sorted(source.rglob("*.py"))
    chosen = [f for f in files if not asked.paths or any(f.is_relative_to(p.resolve()) for p in asked.paths)]
    for path in asked.paths:
        if not any(f.is_relative_to(path.resolve()) for f in files):
            parser.error(f"{path} holds no source file of {source}")
    if not files:
        parser.error(f"{source} holds no source file")
    faults = check(source, files, chosen, write=asked.write)
    for fault in faults:
        print(fault)
    if faults:
        print(f"\nfaults: {len(faults)}, files: {len(chosen)}; `python scripts/check_headers.py --write` mends imports")
    return 1 if faults else 0


def check(source: Path, files: Iterable[Path], chosen: Iterable[Path], *, write: bool) -> list[str]:
    """Return what is wrong with the headers of `chosen`; with `write`, what is still wrong after rewriting."""
    faults: list[str] = []
    modules = {module_name(source, file): file for file in files}
    imports: dict[str, set[str]] = {}
    for module, file in modules.items():
        try:
            tree = ast.parse(file.read_text("utf-8"), str(file))
        except (SyntaxError, UnicodeDecodeError) as error:
            faults.append(f"{file}: cannot be parsed: {error}")
            continue
        package = module if file.name == "__init__.py" else module.rpartition(".")[0]
        imports[module] = set(imported(tree, package, modules)) - {module}
    importers: dict[str, set[str]] = {module: set() for module in modules}
    for module, names in imports.items():
        for name in names & modules.keys():
            importers[name].add(module)
    wanted = set(chosen)
    for module in sorted(imports):
        if modules[module] in wanted:
            faults += header_faults(source.name, modules[module], importers[module], imports[module], write=write)
    return faults


def module_name(source: Path, file: Path) -> str:
    """Return the dotted name of `file`, the package's own name included."""
    parts = file.relative_to(source.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(tree: ast.AST, package: str, modules: Iterable[str]) -> Iterator[str]:
    """Yield what `tree`, a module of `package`, imports: our modules in full, others by their top-level name.

    The standard library is left out. Of ours, a name that is no module stands for the module that holds it.
    """
    known = set(modules)
    for name in named(tree, package):
        top = name.partition(".")[0]
        if top == package.partition(".")[0]:
            while name and name not in known:
                name = name.rpartition(".")[0]
            if name:
                yield name
        elif top not in sys.stdlib_module_names:
            yield top


def named(tree: ast.AST, package: str) -> Iterator[str]:
    """Yield every imported name in full: `from a import b` is `a.b`, whatever `b` is."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")
                above = parents[: len(parents) - node.level + 1]
                base = ".".join([*above, base] if base else above)
            yield from (f"{base}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called == "import_module" and isinstance(node.args[0].value, str):
                yield node.args[0].value


def header_faults(package: str, file: Path, importers: set[str], imports: set[str], *, write: bool) -> list[str]:
    """Return what is wrong with the header of `file`; with `write`, mend what the imports alone decide."""
    lines = file.read_bytes().decode("utf-8").splitlines(keepends=True)
    found = [line.rstrip("\r\n") for line in lines[:3]]
    if len(found) < 3 or not all(map(str.startswith, found, (UPSTREAM, DOWNSTREAM, ROLE))):
        return [f"{file}: the first three lines must be {UPSTREAM} …, {DOWNSTREAM} … and {ROLE} …"]
    ours = {name for name in imports if name.partition(".")[0] == package}
    expected = [
        header_line(UPSTREAM, package, importers, [], free_text(found[0]), MOST_NAMED_IMPORTERS),
        header_line(DOWNSTREAM, package, ours, sorted(imports - ours), free_text(found[1]), None),
    ]
    faults = [f"{file}: {ROLE} is empty"] if not found[2].removeprefix(ROLE).strip() else []
    faults += [f"{file}: longer than {WIDTH} characters: {line}" for line in (*expected, found[2]) if len(line) > WIDTH]
    if found[:2] == expected:
        return faults
    if write:
        ends = [line[len(line.rstrip("\r\n")) :] for line in lines[:2]]
        lines[:2] = [line + end for line, end in zip(expected, ends, strict=True)]
        file.write_bytes("".join(lines).encode("utf-8"))
        return faults
    pairs = zip(found, expected, strict=False)
    return faults + [f"{file}:\n  found    {was}\n  expected {true}" for was, true in pairs if was != true]


def free_text(line: str) -> str:
    """Return the text after the first semicolon, as it stands."""
    return line.partition(";")[2].strip()


def header_line(label: str, package: str, ours: set[str], others: list[str], text: str, most: int | None) -> str:
    """Return the true line: as few modules as needed folded into their package to fit, then `others` and `text`.

    With `most`, a package of which more modules than that are named is folded in any case.
    """
    names = {name.removeprefix(f"{package}.") for name in ours}
    if most is not None:
        crowded = [parent for parent, leaves in by_parent(names).items() if parent and len(leaves) > most]
        names = fold(names, crowded)
    while True:
        listed = ", ".join([*spelled(names), *others]) or "none"
        line = f"{label} {listed}" + (f"; {text}" if text else "")
        parent = next_to_fold(names)
        if len(line) <= WIDTH or parent is None:
            return line
        names = fold(names, [parent])


def by_parent(names: Iterable[str]) -> dict[str, list[str]]:
    """Return the last parts of `names` by what stands before them, both in order."""
    groups: dict[str, list[str]] = {}
    for name in sorted(names):
        parent, _, leaf = name.rpartition(".")
        groups.setdefault(parent, []).append(leaf)
    return dict(sorted(groups.items()))


def spelled(names: set[str]) -> list[str]:
    """Return `names` as they are written: a lone module in full, several of one package in braces."""
    written = []
    for parent, leaves in by_parent(names).items():
        if not parent:
            written += leaves
        else:
            written.append(f"{parent}.{leaves[0]}" if len(leaves) == 1 else f"{parent}.{{{', '.join(leaves)}}}")
    return sorted(written)


def fold(names: Iterable[str], packages: Iterable[str]) -> set[str]:
    """Return `names` with everything inside one of `packages` replaced by that package."""
    chosen = list(packages)
    return {next((p for p in chosen if name.startswith(f"{p}.")), name) for name in names}


def next_to_fold(names: set[str]) -> str | None:
    """Return the package whose folding costs least: the deepest, and of those the one with most modules named."""
    groups = {parent: leaves for parent, leaves in by_parent(names).items() if parent}
    return max(groups, key=lambda parent: (parent.count("."), len(groups[parent]), parent), default=None)


if __name__ == "__main__":
    sys.exit(main())
