"""What a block of drawn chains is kept in: rows of numbers, a lane each, in one array of each type.

Rows of one array, at distances that the compiler knows, need no test whether they overlap: it makes vectors of loops
over `i < n` that read and write any of them.
"""

from __future__ import annotations

from rfscale.engine.kernels.jit import source_version

VERSION = source_version(__file__, globals())

LANES = 512  # so few that all rows are in a core's second cache
# From a row to the next: not a multiple of 4096 bytes, at which all rows have the same lines of the cache, and a
# processor takes one for another. Where lanes are copied, 4 times as fast
ROW = LANES + 72

RESIDUES = 1024  # by which a set of words may be divided

# rows of whole numbers, each the first place of a row. The exact set is that of `sets`, by ends (FORM 0) or words (1):
#   EXTENT, JUMP      of the set and its map, in pixels
#   LENGTH, SPACING   entries of Y, and pixels between them; SPACING is 0 where Y is one pixel
#   ONES, TWOS, THREES    how many copies of Y there are, of Y ⊕ {0, 1} and of Y ⊕ {0, 1, 2}
#   AT, ROOM          where its words begin, and how many there is room for
#   SLOW              whether a step cannot be taken by ends
#   PIXELS, SHARED    how many there are; how many the next entry has as well
#   FLAGS, LIVE, NODE flags of the formulas; live value; where the chain was drawn from
#   LINE              the line that was drawn of the stage
#   MORE_TAPS, STRIDE, DILATION, ARTICLE    of the layer of this step: its taps but the first; the article's formula
#   STEP, TERMS       how far the set is moved for each tap; how many taps are united so far
#   BIN, CELL         bin of the overlap that a stage reads; place of the counts of a map
#   COLUMN            of the errors of four measures
(
    EXTENT, JUMP, LENGTH, SPACING, ONES, TWOS, THREES, FORM, AT, ROOM, SLOW, PIXELS, SHARED, FLAGS, LIVE, NODE, LINE,
    MORE_TAPS, STRIDE, DILATION, ARTICLE, STEP, TERMS, BIN, CELL, COLUMN,
) = (ROW * row for row in range(26))  # fmt: skip
WHOLE_ROWS = 29

# rows of floating-point numbers: the formulas' w, u, S, P; errors of four measures
W, UNSHARED, AREA, OVERLAP, ERROR = (ROW * row for row in range(5))
FLOAT_ROWS = 8
