"""scenesearch: find every object of a photo in your catalogue.

Names are loaded when they are first used, so importing the package costs nothing; the stub beside
this file says where each one lives.
"""

import lazy_loader

__version__ = "0.1.0"
__getattr__, _, __all__ = lazy_loader.attach_stub(__name__, __file__)
__all__ += ["__version__"]
__all__.sort()


def __dir__() -> list[str]:
    return __all__
