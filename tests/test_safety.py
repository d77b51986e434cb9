"""Nothing in the package runs what it reads: checked on the syntax tree."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import scenesearch

PACKAGE = Path(scenesearch.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))

MODULES = frozenset(
    {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
)
"""Formats that are programs when they are read."""
CALLS = frozenset(
    {
        *("eval", "exec", "compile", "__import__", "os.system", "os.popen", "os.execv"),
        *("yaml.load", "yaml.unsafe_load", "yaml.full_load", "yaml.load_all"),
        *("subprocess.getoutput", "subprocess.getstatusoutput", "pty.spawn", "builtins.eval"),
    }
)


def dotted(node: ast.expr) -> str:
    """``a.b.c`` of a chain of names; ``?`` for a link that is no name."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return "?"


def keyword(call: ast.Call, name: str) -> object:
    """The constant given for a keyword; ``...`` where it is no constant, None where missing."""
    for given in call.keywords:
        if given.arg == name:
            return given.value.value if isinstance(given.value, ast.Constant) else ...
    return None


def dangers(source: str) -> list[str]:
    """What a file does that must not be done, each with its line."""
    found = []
    for node in ast.walk(ast.parse(source)):
        line = getattr(node, "lineno", 0)
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            if all(alias.name.endswith("Error") for alias in node.names):
                continue  # to catch what a library raises is not to use it
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            if name.split(".")[0] in MODULES:
                found.append(f"{line}: imports {name}")
            if name in CALLS:
                found.append(f"{line}: imports {name}")
        if not isinstance(node, ast.Call):
            continue
        name = dotted(node.func)
        if name in CALLS:
            found.append(f"{line}: calls {name}")
        numpy_load = name in ("np.load", "numpy.load")
        if numpy_load and keyword(node, "allow_pickle") is not False:
            found.append(f"{line}: {name} without allow_pickle=False")
        if name in ("torch.load", "torch.jit.load") and keyword(node, "weights_only") is not True:
            found.append(f"{line}: {name} without weights_only=True")
        if keyword(node, "allow_pickle") not in (None, False):
            found.append(f"{line}: allow_pickle")
        if keyword(node, "shell") not in (None, False):
            found.append(f"{line}: shell")
        if keyword(node, "trust_remote_code") not in (None, False):
            found.append(f"{line}: trust_remote_code")
        if name.startswith("tempfile.mktemp"):
            found.append(f"{line}: tempfile.mktemp")
    return found


def test_no_file_runs_what_it_reads() -> None:
    found = [
        f"{path.relative_to(PACKAGE)}: {danger}"
        for path in FILES
        for danger in dangers(path.read_text(encoding="utf-8"))
    ]

    assert found == []


@pytest.mark.parametrize(
    "planted",
    [
        "import pickle",
        "from pickle import loads",
        "def f():\n    import dill.source",
        "import joblib",
        "from yaml import load\n",
        "from os import system",
        "eval('1')",
        "exec(text)",
        "import os\nos.system('ls')",
        "import yaml\nyaml.load(text)",
        "import yaml\nyaml.load(text, Loader=yaml.SafeLoader)",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "np.load(path, allow_pickle=flag)",
        "numpy.load(file=path)",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "torch.load(path, weights_only=flag)",
        "subprocess.run('ls', shell=True)",
        "subprocess.Popen(command, shell=flag)",
        "model = hub.load(name, trust_remote_code=True)",
        "tempfile.mktemp()",
    ],
)
def test_the_check_itself_sees_what_is_planted(planted: str) -> None:
    assert dangers(planted)


@pytest.mark.parametrize(
    "harmless",
    [
        "import json\njson.load(file)",
        "np.load(path, allow_pickle=False)",
        "torch.load(path, weights_only=True, map_location='cpu')",
        "yaml.safe_load(text)",
        "self.eval()",
        "model.eval()",
        "subprocess.run(['ls'], check=True)",
        "re.compile('a')",
        "from pickle import PickleError",
        "Model().eval()",
    ],
)
def test_the_check_lets_harmless_code_be(harmless: str) -> None:
    assert dangers(harmless) == []


def test_there_are_files_to_check() -> None:
    assert len(FILES) > 80
