"""conv2d: out <- x * weights, the convolution of neural networks: images NCHW, stride 1, as large as their inputs.

x: (images, channels, height, width), weights: (filters, channels, kernel, kernel), out: (images, filters, height,
width); float32 or float64, C-contiguous. Padding is what networks call *same*: (kernel - 1) // 2 zeros in front of the
first row and column and the rest behind the last, so that out is as large as x. 2 FLOP for each pixel of out, filter,
channel and tap inside the image, 98 % of all for 64x64 pixels and 3x3 taps. Bytes: x and weights are read and out is
written, each once. Bound: arithmetic from a few channels on, of the definition's products: Winograd's and Fourier's
algorithms, which need fewer and are less exact, are not in the space.

Three algorithms around one micro-kernel, which keeps a tile of out in registers while it walks channels and taps; the
weights are first copied into panels. *pixels*: a tile has rows of filters and vectors of pixels; x is read from a band,
a copy of a few rows with zeros at both ends. *filters*: a tile has rows of pixels and vectors of filters, and is
transposed when it is done; pixels are read one by one, so that images of any width fill it. *im2col*: what each pixel
needs is copied into patches, and a matrix product remains.
Sources: Georganas et al., Anatomy of High-Performance Deep Learning Convolutions on SIMD Architectures, 2018 (direct);
Chellapilla et al., High Performance Convolutional Neural Networks for Document Processing, 2006 (im2col).

Threads share the images; of a single image they share the filters: rows of weights, and the second axis of out.

Genes, and what they do to the machine:
- ``variant``: the three algorithms above.
- ``rows vectors lanes``: the register tile; a larger one needs fewer loads a product.
- ``steps``: updates in one turn of the inner loop, as many as a row of taps has, or of *im2col* any number.
- ``by_column``: vectors outermost within an update: the numbers of the tile's rows stay in registers, not the vectors.
- ``rows_outer``: the micro-kernel walks rows of taps, channels, taps in a row; not channels, rows of taps, taps.
- ``by_rows``: a band holds the rows of all its channels beside each other, in one stream, not a plane for each.
- ``cb``: channels of a block, so that its pixels and weights stay in a cache; each further block adds to out.
- ``hb``: rows of out that share a band, or patches.
- ``filters_inside``: a tile's pixels stay in L1 while panels of weights come and go, not the other way round.
- ``channels_inside``: blocks of channels follow each other at once, so that out stays in a cache, not the weights.
- ``ahead``: updates ahead to fetch weights into L1; 0 leaves it to the hardware.
- ``stores``: *streaming* goes past the caches, where rows are aligned: spares reading what is overwritten.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kernels.contract import Inputs, Kernel, Rival, Size, Work, installed, item_bytes
from kernels.language import Schedule, Space, choice, flag, integer, power_of_two, static, template
from kernels.language.simd import (
    add_to,
    fence,
    load,
    masked_load,
    masked_store,
    prefetch,
    rank1,
    store,
    tile_add_to_part,
    tile_load,
    tile_load_part,
    tile_store,
    tile_store_part,
    tile_stream,
    tile_transpose,
    tile_zeros,
)

if TYPE_CHECKING:
    from kernels.language import Template

_DIRECT = {"variant": ("pixels", "filters")}
_IN_ROWS = {"variant": ("pixels", "im2col")}
_LINE_BYTES = 64

SPACE = Space(
    [
        choice("variant", ("pixels", "filters", "im2col"), "algorithm"),
        integer("rows", range(1, 17), "rows of the register tile", default=6),
        integer("vectors", range(1, 7), "vectors in a row of the register tile"),
        power_of_two("lanes", 2, 16, "numbers in a vector", default=16),
        integer("steps", (1, 2, 3, 4, 5, 6, 8), "updates in one turn of the inner loop", default=3),
        flag("by_column", "vectors outermost within an update"),
        flag("rows_outer", "rows of taps are walked outermost, not channels", when=_DIRECT),
        flag("by_rows", "a band holds rows of channels, not planes", default=True, when=_DIRECT),
        integer("cb", (4, 8, 16, 32, 64, 128, 256), "channels of a block", default=64),
        integer("hb", (1, 2, 4, 8, 16, 32, 64), "rows of out that share a band", default=8),
        flag("filters_inside", "panels of weights innermost, not tiles of pixels", default=True),
        flag("channels_inside", "blocks of channels innermost, not bands", default=True),
        integer("ahead", (0, 4, 8, 16, 32), "updates ahead to fetch weights"),
        choice("stores", ("ordinary", "streaming"), "through the caches or past them", when=_IN_ROWS),
    ],
    # 32 registers of AVX-512, or 16 pairs of narrower ones; the vectors of an update need room beside the tile
    [(lambda rows, vectors: rows * vectors + vectors <= 31, "the tile has more vectors than any register file")],
)

_SMALL_TILE = {"rows": (2, 4, 6, 8, 12), "vectors": (1, 2, 3), "lanes": (8, 16), "steps": (1, 3)}
_SMALL_BLOCKS = {"cb": (16, 64), "hb": (4, 16), "rows_outer": (False,), "by_rows": (True,), "channels_inside": (True,)}


def rounded_up(count: int, unit: int) -> int:
    """The next multiple of ``unit``."""
    return -(-count // unit) * unit


@template("void(T[:, :, :, ::1], T[:, :, :, ::1], T[:, :, :, ::1])")
def baseline(p, x, weights, out):
    """The loops of the definition, as anybody would write them."""
    images, channels, height, width = x.shape
    kernel = weights.shape[2]
    before = (kernel - 1) // 2
    for n in range(images):
        for k in range(weights.shape[0]):
            for i in range(height):
                for j in range(width):
                    total = p.dtype(0)
                    for c in range(channels):
                        for r in range(max(0, before - i), min(kernel, height + before - i)):
                            for s in range(max(0, before - j), min(kernel, width + before - j)):
                                total += x[n, c, i + r - before, j + s - before] * weights[k, c, r, s]
                    out[n, k, i, j] = total


@template(
    "void(intp, intp, intp, intp, intp, intp, intp, T[::1], intp, T[::1], intp,"
    "T[:, :, :, ::1], intp, intp, intp, intp, intp)"
)
def micro(
    p, outer, middle, inner, outer_step, middle_step, w_outer, w_middle, panels, panel, image, start,
    out, at, plane, some, run, c,
):  # fmt: skip
    """One tile of out, at ``at``, cut to ``some`` filters and ``run`` pixels, of the channels from ``c`` on."""
    is_turned = p.variant == "filters"
    width = p.vectors * p.lanes
    group = width if is_turned else p.rows
    item = item_bytes(p.dtype)
    left, right = (image, panels) if is_turned else (panels, image)
    tile = tile_zeros(p.dtype(0), p.rows, p.vectors, p.lanes)
    for i in range(outer):
        for j in range(middle):
            w, e = panel + i * w_outer + j * w_middle, start + i * outer_step + j * middle_step
            u, v = (e, w) if is_turned else (w, e)
            for _ in range(inner // p.steps):
                if p.ahead:
                    for q in static(0, group * p.steps, _LINE_BYTES // item):
                        prefetch(panels, (v if is_turned else u) + p.ahead * group + q, 3, 0)
                for _step in static(p.steps):
                    tile = rank1(tile, left, u, right, v, int(p.by_column), 1)
                    u += 1 if is_turned else group
                    v += 1 if p.variant == "pixels" else width
            if p.steps > 1:
                for _ in range(inner % p.steps):
                    tile = rank1(tile, left, u, right, v, int(p.by_column), 1)
                    u += 1 if is_turned else group
                    v += 1 if p.variant == "pixels" else width
    if is_turned:
        # through the corner in front of the band: in registers, only squares of vectors are transposed
        tile_store(tile, image, 0, width)
        for k in static(0, width, p.lanes):
            square = tile_transpose(tile_load(image, k, width, rounded_up(p.rows, p.lanes), 1, p.lanes))
            if c:
                tile_add_to_part(square, out, at + k * plane, plane, some - k, min(run, p.rows))
            else:
                tile_store_part(square, out, at + k * plane, plane, some - k, min(run, p.rows))
    elif some < p.rows or run < width:
        if c:
            tile_add_to_part(tile, out, at, plane, some, run)
        else:
            tile_store_part(tile, out, at, plane, some, run)
    elif c:
        add_to(tile, out, at, plane)
    elif p.stores == "streaming" and (out.ctypes.data | (at | plane) * item) % (p.lanes * item) == 0:
        tile_stream(tile, out, at, plane)
    else:
        tile_store(tile, out, at, plane)


@template("void(T[:, :, :, ::1], intp, intp, intp, T[::1], intp)")
def copy_weights(p, weights, c, deep, group, panels, at):
    """Panels of ``group`` filters, the last filled up with zeros, of the channels from ``c`` on: transposed squares."""
    filters, channels, kernel, _ = weights.shape
    row, depth = channels * kernel * kernel, deep * kernel * kernel
    zero = tile_zeros(p.dtype(0), p.lanes, 1, p.lanes)
    for k in range(0, filters, group):
        for g in range(0, group, p.lanes):
            for d in range(0, depth, p.lanes):
                source = (k + g) * row + c * kernel * kernel + d
                square = tile_load_part(zero, weights, source, row, min(group, filters - k) - g, depth - d)
                target = at + k * depth + d * group + g
                tile_store_part(tile_transpose(square), panels, target, group, depth - d, group - g)


@template("void(T[:, :, :, ::1], intp, intp, intp, intp, intp, intp, T[::1], intp, intp, intp, intp, intp, intp)")
def copy_pixels(p, x, n, c, deep, y, lines, kernel, image, run, at, row_step, c_step, pitch, front):
    """What ``lines`` rows of out from ``y`` on need of some channels: their rows, or patches for each ``run`` pixels.

    A row stands between ``front`` zeros; patches have a row for each channel and tap.
    """
    _, channels, height, width = x.shape
    before = (kernel - 1) // 2
    if p.variant != "im2col":
        zero = masked_load(x, 0, p.lanes, 0)
        for i in range(max(0, y - before), min(height, y + lines + kernel - 1 - before)):
            for d in range(deep):
                source = ((n * channels + c + d) * height + i) * width
                target = at + (i - y + before) * row_step + d * c_step + front
                for j in range(0, front, p.lanes):
                    store(image, target - front + j, zero)
                    store(image, target - front + pitch + j, zero)
                for j in range(0, width - p.lanes + 1, p.lanes):
                    store(image, target + j, load(x, source + j, p.lanes))
                for j in range(width // p.lanes * p.lanes, pitch - front, p.lanes):
                    store(image, target + j, masked_load(x, source + j, p.lanes, width - j))
    else:
        done, end = 0, -(-lines * width // run) * run
        while done < end:
            # a stretch of pixels of one row and panel, or behind the image, where anything does
            place, i, j = done % run, y + done // width, done % width
            count = min(run - place, width - j)
            for r in range(kernel):
                for s in range(kernel):
                    low = min(count, max(0, before - s - j)) if 0 <= i + r - before < height else count
                    high = max(low, min(count, width + before - s - j))
                    for d in range(deep):
                        source = ((n * channels + c + d) * height + i + r - before) * width + j + s - before
                        target = ((done - place) * deep + d * run) * kernel**2 + (r * kernel + s) * run + place
                        for e in range(low):
                            image[target + e] = p.dtype(0)
                        for e in range(low, high - p.lanes + 1, p.lanes):
                            store(image, target + e, load(x, source + e, p.lanes))
                        for e in range(low + (high - low) // p.lanes * p.lanes, count, p.lanes):
                            few = masked_load(x, source + e, p.lanes, high - e)
                            masked_store(image, target + e, few, count - e)
            done += count


@template(
    "void(T[:, :, :, ::1], T[:, :, :, ::1], T[:, :, :, ::1], T[::1], T[::1])",
    runtime=("rows", "vectors", "lanes", "cb", "hb", "by_rows", "rows_outer", "filters_inside", "channels_inside"),
    pointers=("micro", "copy_weights", "copy_pixels"),
)
def convolve(p, x, weights, out, panels, image):
    """A band of rows and a block of channels after the other; of each, every tile of pixels by every panel."""
    images, channels, height, width = x.shape
    filters, kernel = weights.shape[0], weights.shape[2]
    taps, before = kernel * kernel, (kernel - 1) // 2
    group = p.vectors * p.lanes if p.variant == "filters" else p.rows
    run = p.rows if p.variant == "filters" else p.vectors * p.lanes
    corner = -(-p.rows // p.lanes) * p.lanes * group if p.variant == "filters" else 0
    tiles, groups = -(-width // run), -(-filters // group)
    front = -(-(kernel // 2) // p.lanes) * p.lanes
    pitch = front + -(-tiles * run // p.lanes) * p.lanes
    bands, blocks = -(-height // p.hb), -(-channels // p.cb)
    for c in range(0, channels, p.cb):
        copy_weights(p, weights, c, min(p.cb, channels - c), group, panels, c * taps * groups * group)
    for turn in range(images * bands * blocks):
        n, rest = turn // (bands * blocks), turn % (bands * blocks)
        c = (rest % blocks if p.channels_inside else rest // bands) * p.cb
        y = (rest // blocks if p.channels_inside else rest % bands) * p.hb
        deep, lines = min(p.cb, channels - c), min(p.hb, height - y)
        row_step, c_step = (deep * pitch, pitch) if p.by_rows else (pitch, (lines + kernel - 1) * pitch)
        copy_pixels(p, x, n, c, deep, y, lines, kernel, image, run, corner, row_step, c_step, pitch, front)
        count = -(-lines * width // run) if p.variant == "im2col" else lines * tiles
        for a in range(count if p.filters_inside else groups):
            for b in range(groups if p.filters_inside else count):
                k, t = (b, a) if p.filters_inside else (a, b)
                i, j = (y, t * run) if p.variant == "im2col" else (y + t // tiles, t % tiles * run)
                # rows of taps that lie above the image or below it are left out
                r, end = max(0, before - i), min(kernel, height + before - i)
                w, some = (c * groups + k * deep) * taps * group, filters - k * group
                if p.variant == "im2col":
                    down = along = (1, 0, 0)
                    inner, start, left = deep * taps, j * deep * taps, lines * width - j
                else:
                    down, along = (end - r, row_step, kernel * group), (deep, c_step, taps * group)
                    inner, start, left = kernel, corner + (i - y + r) * row_step + front + j - before, width - j
                    w += r * kernel * group
                o, m = (down, along) if p.rows_outer else (along, down)
                at = ((n * filters + k * group) * height + i) * width + j
                micro(
                    p, o[0], m[0], inner, o[1], m[1], o[2], m[2],
                    panels, w, image, start, out, at, height * width, some, left, c,
                )  # fmt: skip
    # always, lest there be twice as many nests to compile; it takes less than a tile
    fence()


def problem(size: Size, dtype: str, rng: np.random.Generator) -> Inputs:
    """Random images and filters."""
    images, channels, filters, height, width, kernel = size
    shapes = (images, channels, height, width), (filters, channels, kernel, kernel)
    return tuple(rng.uniform(0.5, 2, shape).astype(dtype) for shape in shapes)


def windows(x: np.ndarray, kernel: int) -> np.ndarray:
    """What each pixel needs: a view, (images, channels, height, width, kernel, kernel), of the padded images."""
    around = ((kernel - 1) // 2, kernel // 2)
    padded = np.pad(x, ((0, 0), (0, 0), around, around))
    return np.lib.stride_tricks.sliding_window_view(padded, (kernel, kernel), (2, 3))


def reference(x: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The truth in float64."""
    needed = windows(x.astype(np.float64), weights.shape[2])
    return np.tensordot(weights.astype(np.float64), needed, ((1, 2, 3), (1, 4, 5))).swapaxes(0, 1)


def size_of(x: np.ndarray, weights: np.ndarray) -> Size:
    """Images, channels, filters, height, width, kernel.

    Raises:
        ValueError: the shapes are not those of images and square filters of as many channels.
    """
    images, filters = x.shape, weights.shape
    if len(images) != 4 or len(filters) != 4 or images[1] != filters[1] or filters[2] != filters[3]:
        wanted = "(images, channels, height, width) and (filters, channels, kernel, kernel)"
        raise ValueError(f"conv2d takes shapes {wanted}, not {images} and {filters}")
    return (*images[:2], filters[0], *images[2:], filters[2])


def out_shape(size: Size) -> tuple[int, ...]:
    """``(images, filters, height, width)``."""
    return size[0], size[2], *size[3:5]


def taps_inside(extent: int, kernel: int) -> int:
    """Pairs of a place along an axis of out and a tap that finds an element of x there."""
    return sum(max(0, extent - abs(r - (kernel - 1) // 2)) for r in range(kernel))


def work(size: Size, dtype: str) -> Work:
    """One fma for each tap inside the image."""
    images, channels, filters, height, width, kernel = size
    fma = images * channels * filters * taps_inside(height, kernel) * taps_inside(width, kernel)
    read = channels * (images * height * width + filters * kernel**2) * item_bytes(dtype)
    return Work({"fma": fma}, read, images * filters * height * width * item_bytes(dtype))


def workspace(schedule: Schedule, size: Size) -> tuple[int, ...]:
    """Elements of all panels of weights, and of a band with its corner, or of a block of patches."""
    _, channels, filters, height, width, kernel = size
    vector, rows, deep = schedule.vectors * schedule.lanes, schedule.rows, min(schedule.cb, channels)
    lines = min(schedule.hb, height)
    group, run = (vector, rows) if schedule.variant == "filters" else (rows, vector)
    panels = rounded_up(filters, group) * channels * kernel**2
    if schedule.variant == "im2col":
        return panels, rounded_up(lines * width, run) * deep * kernel**2
    corner = rounded_up(rows, schedule.lanes) * group if schedule.variant == "filters" else 0
    front = rounded_up(kernel // 2, schedule.lanes)
    pitch = front + rounded_up(rounded_up(width, run), schedule.lanes)
    return panels, corner + (lines + kernel - 1) * deep * pitch + front


def tolerance(size: Size, dtype: str) -> float:
    """Of a sum of k positive products in any order: k eps at worst (Higham, Accuracy and Stability, 3.1)."""
    return max(4, size[1] * size[5] ** 2) * float(np.finfo(dtype).eps)


def numpy_im2col() -> Rival:
    """``numpy.tensordot`` of windows: NumPy copies them and calls BLAS."""

    def call(x: np.ndarray, weights: np.ndarray, out: np.ndarray) -> None:
        product = np.tensordot(weights, windows(x, weights.shape[2]), ((1, 2, 3), (1, 4, 5)))
        out[:] = product.swapaxes(0, 1)

    return call


def torch_conv2d() -> Rival:
    """``torch.nn.functional.conv2d``: oneDNN or MKL."""
    torch = installed("torch")

    def call(x: np.ndarray, weights: np.ndarray, out: np.ndarray) -> None:
        made = torch.nn.functional.conv2d(torch.from_numpy(x), torch.from_numpy(weights), padding="same")
        torch.from_numpy(out).copy_(made)

    return call


def entry(_schedule: Schedule) -> Template:
    """One for all variants."""
    return convolve


KERNEL = Kernel(
    name="conv2d",
    doc=__doc__,
    dims=("images", "channels", "filters", "height", "width", "kernel"),
    dtypes=("float32", "float64"),
    space=SPACE,
    template=entry,
    problem=problem,
    reference=reference,
    size_of=size_of,
    out_shape=out_shape,
    work=work,
    workspace=workspace,
    baseline=baseline,
    rivals={"numpy": numpy_im2col, "torch": torch_conv2d},
    default_size=(1, 32, 64, 64, 64, 3),
    verify_sizes=((1, 1, 1, 2, 2, 1), (2, 3, 5, 7, 9, 3), (1, 9, 17, 6, 35, 3), (3, 2, 9, 5, 4, 3), (1, 5, 3, 4, 6, 5)),
    tolerance=tolerance,
    split=("rows/whole", "whole/rows", "rows/second"),
    small={**_SMALL_TILE, **_SMALL_BLOCKS, "ahead": (0,), "stores": ("ordinary",)},
    left="nothing where rows fill vectors: 230 GFLOP/s, as fused multiply-adds alone; at 66 pixels 161.",
)
