"""scenesearch: find every object of a photo in your catalogue.

Names are loaded when they are first used, so importing the package costs nothing; the stub beside
this file says where each one lives.
"""

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    # not at import: reading the stub takes longer than all else until Ctrl-C is one line
    import lazy_loader

    load, _, names = lazy_loader.attach_stub(__name__, __file__)
    known = globals()
    known.update(__getattr__=load, __all__=sorted([*names, "__version__"]))
    return known["__all__"] if name == "__all__" else load(name)


def __dir__() -> list[str]:
    from scenesearch import __all__

    return __all__
