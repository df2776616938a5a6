"""An independent judge for readers: autograd through the exported graph itself, made positive.

The graph that torch.export makes is run node by node on an image of ones, with these changes, none of which removes or
adds a path: weights are ones; what is not linear is left out; products and sums of maps are sums; a matrix product
reads ones in the place of values; maxima, norms and standard deviations are means; a softmax adds the mean of what it
sees. The gradient of each node is replaced by where it is not zero on the way back: nothing under- or overflows.
Entries are judged with all their channels, because readers do not tell channels apart.

With ``global_ops="skip"`` a mean over all pixels of a map, and all that reads it alone, is a constant.
"""

from __future__ import annotations

import math
import operator

import torch
import torch.nn.functional as F

from tests.oracles.autograd import _pool

NOTHING = 1e-9
AS_IT_IS = set(
    """
flatten unflatten squeeze unsqueeze permute transpose t repeat slice select narrow
unbind split split_with_sizes chunk cat stack roll pixel_shuffle pixel_unshuffle flip movedim repeat_interleave
upsample_nearest2d upsample_bilinear2d upsample_nearest1d upsample_linear1d index_select swapaxes
""".split()
)
POINTWISE = set(
    """
relu relu_ relu6 relu6_ gelu silu silu_ hardswish hardswish_ hardsigmoid hardsigmoid_ hardtanh hardtanh_ sigmoid
sigmoid_ tanh leaky_relu leaky_relu_ elu elu_ mish softplus dropout dropout_ batch_norm clone contiguous alias to detach
_to_copy exp sqrt rsqrt square pow abs neg clamp clamp_min clamp_max masked_fill log normal prelu threshold hardshrink
detach_ feature_dropout feature_dropout_ clip rsqrt_ log1p celu selu log2 erf lift_fresh_copy lift_fresh
_assert_tensor_metadata
""".split()
)
SUMS = set("addcmul add add_ sub sub_ mul mul_ div div_ rsub where maximum minimum lerp".split())


class Judge:
    """Runs an exported program; `values` holds what each node made."""

    def __init__(self, program, global_ops="include"):
        self.program = program
        self.skip = global_ops == "skip"
        self.attends = False  # there was a product of two maps: where that is global, `skip` does not drop it here
        self.values = {}
        graph = program.graph_module.graph
        image = program.graph_signature.user_inputs[0]
        for node in graph.nodes:
            if node.op == "placeholder" and node.name == image:
                shape = tuple(node.meta["val"].shape)
                self.image = torch.ones(shape, dtype=torch.float64, requires_grad=True)
                self.values[node] = self.image
            elif node.op == "call_function":
                self.values[node] = self._node(node)
            elif node.op != "output":
                self.values[node] = self._constant(node)

    def footprint(self, node, index):
        """Pixels with a gradient from the sum of some entries of a node; `index` is one index per dim, or slices."""
        chosen = self.values[node][index].sum()
        if not chosen.requires_grad:
            return set()
        (gradient,) = torch.autograd.grad(chosen, self.image, retain_graph=True, allow_unused=True)
        if gradient is None:
            return set()
        return {tuple(p) for p in (gradient.abs().sum(dim=(0, 1)) > 0).nonzero().tolist()}

    def _constant(self, node):
        value = node.meta.get("val")
        if isinstance(value, list | tuple):
            return [torch.ones(tuple(v.shape), dtype=torch.float64) for v in value if hasattr(v, "shape")]
        return torch.ones(tuple(value.shape), dtype=torch.float64) if hasattr(value, "shape") else value

    def _resolve(self, arg):
        if isinstance(arg, torch.fx.Node):
            return self.values[arg]
        if isinstance(arg, list | tuple):
            return [self._resolve(a) for a in arg]
        return arg

    def _node(self, node):
        args = [self._resolve(a) for a in node.args]
        kwargs = {key: self._resolve(a) for key, a in node.kwargs.items()}
        if not any(v.requires_grad for v in _tensors([args, list(kwargs.values())])):
            return self._constant(node)
        if node.target is operator.getitem:
            return args[0][args[1]]
        name = node.target.__name__.split(".")[0]
        out = self._result(node, name, args, kwargs)
        if name in ("add_", "sub_", "mul_", "div_"):
            out = self._flat(out)
            self.values[node.args[0]] = out
            return out
        if name in AS_IT_IS and name not in ("cat", "stack") and not name.startswith("upsample"):
            return out
        return [self._flat(o) for o in out] if isinstance(out, list | tuple) else self._flat(out)

    def _flat(self, x):
        """The same paths with values of one, and gradients of one or none."""
        if not x.requires_grad:
            return torch.ones_like(x)
        x = x - x.detach() + 1
        x.register_hook(lambda gradient: (gradient.abs() > NOTHING).to(gradient.dtype))
        return x

    def _result(self, node, name, args, kwargs):
        x = args[0]
        if name in ("view", "_unsafe_view", "reshape", "reshape_as", "view_as"):
            return x.reshape(tuple(node.meta["val"].shape))
        if name in ("expand", "expand_as"):
            return x.expand(tuple(node.meta["val"].shape))
        if name.startswith("new_") or name.endswith("_like"):
            return self._constant(node)
        if name in AS_IT_IS:
            return node.target(*args, **kwargs)
        if name in POINTWISE:
            return x
        if name in SUMS:
            shape = tuple(node.meta["val"].shape)
            terms = [v for v in args if isinstance(v, torch.Tensor) and v.requires_grad]
            return sum(t.expand(shape) for t in terms)
        handler = getattr(self, "_" + name, None)
        if handler is None:
            raise NotImplementedError(f"the judge does not know {node.target}")
        return handler(*args, **kwargs) if name != "index" else x

    def _means(self, x, dims, keepdim):
        """Mean over dims; over all pixels of a map and with global_ops skipped, a constant."""
        dims = [d % x.dim() for d in (range(x.dim()) if dims is None or dims == [] else dims)]
        out = x.mean(dim=dims, keepdim=keepdim)
        sizes = math.prod(x.shape[d] for d in dims)
        return out.detach() if self.skip and sizes >= self.everything(x) else out

    def everything(self, x):
        """Entries that make a mean global: the pixels of a map laid out as (N, C, …) or (N, …, C)."""
        return min(math.prod(x.shape[2:]), math.prod(x.shape[1:-1])) if x.dim() == 4 else math.inf

    # operators ------------------------------------------------------------------------------------------------------

    def _conv2d(self, x, w, b=None, stride=1, padding=0, dilation=1, groups=1):
        weights = torch.ones_like(w) / w[0].numel()
        return F.conv2d(x, weights, None, stride, padding, dilation, groups)

    def _conv1d(self, x, w, b=None, stride=1, padding=0, dilation=1, groups=1):
        return F.conv1d(x, torch.ones_like(w) / w[0].numel(), None, stride, padding, dilation, groups)

    def _conv_transpose2d(self, x, w, b=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
        return F.conv_transpose2d(x, torch.ones_like(w), None, stride, padding, output_padding, groups, dilation)

    def _conv3d(self, x, w, b=None, stride=1, padding=0, dilation=1, groups=1):
        return F.conv3d(x, torch.ones_like(w) / w[0].numel(), None, stride, padding, dilation, groups)

    def _im2col(self, x, *args):
        return F.unfold(x, *args)

    def _col2im(self, x, *args):
        return F.fold(x, *args)

    def _lstm(self, x, states, weights, _bias, _count, _dropout, _train, both_ways, batch_first):
        assert both_ways
        mixed = x.mean(dim=-1, keepdim=True) + x.mean(dim=(1 if batch_first else 0, -1), keepdim=True)
        return [mixed.expand(*x.shape[:-1], 2 * weights[1].shape[1])] * 3  # the last states are not read by models here

    def _linear(self, x, w, b=None):
        return F.linear(x, torch.ones_like(w) / w.shape[1])

    def _max_pool2d(self, x, kernel, stride=None, padding=(0,), dilation=(1,), ceil_mode=False):
        return self._pooled(x, kernel, stride, padding, dilation, ceil_mode)

    def _avg_pool2d(self, x, kernel, stride=None, padding=(0,), ceil_mode=False, *_):
        return self._pooled(x, kernel, stride, padding, (1,), ceil_mode)

    def _pooled(self, x, kernel, stride, padding, dilation, ceil_mode):
        def two(v):
            v = [v] if isinstance(v, int) else list(v)
            return tuple(v * 2 if len(v) == 1 else v)

        params = {"kernel": two(kernel), "stride": two(stride or kernel), "dilation": two(dilation)}
        params |= {"padding": two(padding) * 2, "ceil_mode": bool(ceil_mode)}
        flat = x.reshape(-1, 1, *x.shape[-2:])
        out = _pool(flat, params)
        return out.reshape(*x.shape[:-2], *out.shape[-2:])

    def _adaptive_avg_pool2d(self, x, size):
        out = F.adaptive_avg_pool2d(x, size)
        return out.detach() if self.skip and math.prod(out.shape[-2:]) == 1 else out

    def _adaptive_max_pool2d(self, x, size):
        return [self._adaptive_avg_pool2d(x, size)] * 2

    def _mean(self, x, dims=None, keepdim=False, **_):
        return self._means(x, dims, keepdim)

    _sum = _amax = _mean

    def _max(self, x, *rest, **named):
        if not rest:
            return self._means(x, None, False)
        return [self._means(x, [rest[0]], False)] * 2

    def _linalg_vector_norm(self, x, order=2, dims=None, keepdim=False, **_):
        return self._means(x, dims, keepdim)

    def _var(self, x, dims=None, correction=None, keepdim=False, **_):
        return self._means(x, dims, keepdim)

    _std = _var

    def _pad(self, x, sides, mode="constant", value=None):
        return F.pad(x, sides, mode=mode)

    def _layer_norm(self, x, shape, *_):
        return x + self._means(x, list(range(-len(shape), 0)), True)

    _rms_norm = _layer_norm

    def _group_norm(self, x, *_):
        return x if self.skip else x + x.mean(dim=tuple(range(1, x.dim())), keepdim=True)

    def _instance_norm(self, x, *_):
        return x if self.skip else x + x.mean(dim=tuple(range(2, x.dim())), keepdim=True)

    def _softmax(self, x, dim, *_):
        return x + x.mean(dim=dim, keepdim=True)

    _log_softmax = _softmax

    def _matmul(self, a, b):
        self.attends |= a.requires_grad and b.requires_grad
        return torch.matmul(_ones(a), _ones(b))

    _bmm = _matmul

    def _einsum(self, equation, values, **_):
        self.attends |= sum(v.requires_grad for v in values) > 1
        return torch.einsum(equation, *map(_ones, values))

    def _scaled_dot_product_attention(self, q, k, v, *_, **__):
        self.attends = True
        scores = torch.matmul(_ones(q), _ones(k).transpose(-1, -2))
        return torch.matmul(_ones(self._softmax(scores, -1)), _ones(v))


def _ones(x):
    """Values of one with the gradient of x."""
    return x - x.detach() + 1


def _tensors(values):
    if isinstance(values, torch.Tensor):
        return [values]
    if isinstance(values, list | tuple):
        return [t for v in values for t in _tensors(v)]
    return []
