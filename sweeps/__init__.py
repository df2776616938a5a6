"""Many networks: spaces of architectures, their exact figures, and exact answers about all of them.

Every public name is imported when it is first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
