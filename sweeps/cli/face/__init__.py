"""What does this feature map see? Exact footprints of convolutional networks, and the formulas used instead.

::

    import rfscale as rf

    rf.profile("resnet50")              # what every layer sees
    rf.footprint("resnet50", "layer3")  # the input pixels of one entry

Every public name is here and is imported when it is first used, so that ``import rfscale`` takes no time. The source
of this package is the folder `sweeps/cli/face`; `rfscale.engine` and `rfscale.sweeps` are the folders of those names.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
