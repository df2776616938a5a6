"""One network: what it is, its exact footprints, the formulas used instead, and analyses of both.

Every public name is imported when it is first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
