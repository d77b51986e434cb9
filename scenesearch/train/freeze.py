"""Which parameters of a tower are trained: everything after the first stages, or but some names."""

from __future__ import annotations

from typing import Any

from scenesearch.core.errors import ConfigError


def trainable(module: Any, freeze: int | tuple[str, ...]) -> dict[str, Any]:
    """Freeze a part of a tower, and say what is left.

    Args:
        module: ``pixels_to_vectors`` of a tower.
        freeze: how many stages from the input stay as they are, or prefixes of names of
            parameters (of the tower's file: ``conv_stem``, ``blocks.0``).

    Returns:
        The parameters that are trained, by name.

    Raises:
        ConfigError: nothing is left, a prefix names nothing, or this tower has no stages.
    """
    named = dict(module.named_parameters())
    frozen = _first_stages(module, freeze) if isinstance(freeze, int) else _named(named, freeze)
    for name, parameter in named.items():
        parameter.requires_grad_(name not in frozen)
    left = {name: parameter for name, parameter in named.items() if name not in frozen}
    if not left:
        raise ConfigError(
            f"freeze {freeze!r} leaves nothing to train of {len(named)} parameters; freeze less"
        )
    return left


def _named(named: dict[str, Any], prefixes: tuple[str, ...]) -> set[str]:
    frozen: set[str] = set()
    for prefix in prefixes:
        # the file's names lie under the attribute that holds the model
        found = {
            name
            for name in named
            if f"{name}.".startswith(f"{prefix}.")
            or f"{name.partition('.')[2]}.".startswith(f"{prefix}.")
        }
        if not found:
            first = ", ".join(dict.fromkeys(".".join(name.split(".")[1:3]) for name in named))
            raise ConfigError(
                f"freeze {prefix!r}: no parameter has that prefix; there are: {first}"
            )
        frozen |= found
    return frozen


def _first_stages(module: Any, count: int) -> set[str]:
    if count == 0:
        return set()
    stages = _stages(module)
    if count < 0 or count >= len(stages):
        raise ConfigError(
            f"freeze {count}: this tower has {len(stages)} stages, expected 0 to {len(stages) - 1}"
        )
    return {name for stage in stages[:count] for name in stage}


def _stages(module: Any) -> list[list[str]]:
    """Names of parameters by stage, from the input on.

    timm architectures say what their stages are; a transformer of open_clip has its layers.
    """
    from timm.models import group_parameters

    for start, model in (
        ("backbone.", getattr(module, "backbone", None)),
        ("visual.trunk.", getattr(getattr(module, "visual", None), "trunk", None)),
    ):
        matcher = getattr(model, "group_matcher", None)
        if matcher is not None:
            stages = group_parameters(model, matcher(coarse=True))
            return [[start + name for name in names] for _, names in sorted(stages.items())]
    layers = getattr(getattr(getattr(module, "visual", None), "transformer", None), "resblocks", ())
    if not len(layers):
        raise ConfigError(
            "freeze: this tower does not say what its stages are; give prefixes of names instead"
        )
    names = [name for name, _ in module.named_parameters()]
    start = "visual.transformer.resblocks."
    of_layers = [[n for n in names if n.startswith(f"{start}{i}.")] for i in range(len(layers))]
    before = ("conv1", "class_embedding", "positional_embedding", "ln_pre", "patch")
    stem = [n for n in names if n.removeprefix("visual.").startswith(before)]
    rest = set(names) - set(stem) - {name for layer in of_layers for name in layer}
    return [stem, *of_layers, sorted(rest)]
