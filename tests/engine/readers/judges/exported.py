"""Modules as torch.export sees them, with notes of what each module returns: the judge of the reader that runs them."""

from __future__ import annotations

from contextlib import contextmanager, suppress

from rfscale.engine.readers.torch.program.module_outputs import NOTES, Note
from rfscale.engine.readers.torch.trace.module_calls import tensors


def exported(module, shape):
    """The exported program of a module in evaluation mode, on an image of a shape; shapes only."""
    import torch

    device = next((p.device for p in (*module.parameters(), *module.buffers())), torch.device("cpu"))
    module.eval()
    with noted(module):
        image = torch.empty(*shape, device=device)
        try:
            return torch.export.export(module, (image,), strict=False)
        except Exception:
            if device.type != "meta":
                raise
        with device:  # a forward that makes tensors, such as coordinates, makes them on the CPU otherwise
            return torch.export.export(module, (image,), strict=False)


@contextmanager
def noted(module):
    """Note at the nodes that torch.export writes which modules return them; the module is left as it was."""
    paths = {}
    for path, part in module.named_modules(remove_duplicate=False):
        paths.setdefault(id(part), (part, []))[1].append(path)
    handles = []
    for part, names in paths.values():
        with suppress(Exception):  # compiled modules take no hooks
            handles.append(part.register_forward_hook(_Hook(names)))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


class _Hook:
    """Notes what a module returns. It changes nothing, and never fails: names are not worth a model."""

    def __init__(self, paths):
        self.paths = paths
        self.calls = 0

    def __call__(self, module, args, output):
        call, self.calls = self.calls, self.calls + 1
        with suppress(Exception):
            from torch.fx.experimental.proxy_tensor import get_proxy_mode, get_proxy_slot

            mode = get_proxy_mode()
            for key, tensor in tensors(output):
                with suppress(Exception):  # a constant has no node
                    node = get_proxy_slot(tensor, mode.tracer).proxy.node
                    node.meta.setdefault(NOTES, []).extend(Note(path, call, key) for path in self.paths)
