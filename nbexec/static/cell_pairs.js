/**
 * Which cells of two executions belong together: those with the same source, in their order, and between these what was
 * changed. Draws nothing.
 */
define(function () {
    "use strict";

    var LARGEST = 1e6;  // comparisons

    /** Pairs `[cell, cell]` of two lists of cells with `source` and `isInjected`; null where there is none. */
    var pairsOf = function (one, other) {
        var begin = 0, end = 0, shortest = Math.min(one.length, other.length);
        while (begin < shortest && isSame(one[begin], other[begin])) {
            begin += 1;
        }
        while (end < shortest - begin && isSame(one[one.length - 1 - end], other[other.length - 1 - end])) {
            end += 1;
        }
        var middle = between(one.slice(begin, one.length - end), other.slice(begin, other.length - end));
        return zipped(one.slice(0, begin), other.slice(0, begin)).concat(
            middle, zipped(one.slice(one.length - end), other.slice(other.length - end)));
    };

    /** Cells with values are about the same, whatever values; those with the same source are. */
    var isSame = function (one, other) {
        return one.isInjected || other.isInjected ? one.isInjected && other.isInjected : one.source === other.source;
    };

    /** The pairs of what is not the same at its begin and end: the longest common part, and what is between. */
    var between = function (one, other) {
        if (one.length * other.length > LARGEST) {
            return zipped(one, other);
        }
        var lengths = lengthsOf(one, other), pairs = [], i = 0, j = 0, fromI = 0, fromJ = 0;
        while (i < one.length && j < other.length) {
            if (isSame(one[i], other[j])) {
                pairs = pairs.concat(zipped(one.slice(fromI, i), other.slice(fromJ, j)), [[one[i], other[j]]]);
                fromI = i += 1;
                fromJ = j += 1;
            } else if (lengths[i + 1][j] >= lengths[i][j + 1]) {
                i += 1;
            } else {
                j += 1;
            }
        }
        return pairs.concat(zipped(one.slice(fromI), other.slice(fromJ)));
    };

    /** How many cells of the rests, from i and j on, are common. */
    var lengthsOf = function (one, other) {
        var lengths = one.concat(null).map(function () { return new Array(other.length + 1).fill(0); });
        for (var i = one.length - 1; i >= 0; i -= 1) {
            for (var j = other.length - 1; j >= 0; j -= 1) {
                lengths[i][j] = isSame(one[i], other[j]) ? lengths[i + 1][j + 1] + 1
                    : Math.max(lengths[i + 1][j], lengths[i][j + 1]);
            }
        }
        return lengths;
    };

    /** Pairs in their order; cells with values are never taken for others that were changed. */
    var zipped = function (one, other) {
        var pairs = [], i = 0, j = 0;
        while (i < one.length || j < other.length) {
            var left = one[i] || null, right = other[j] || null;
            if (left && right && Boolean(left.isInjected) !== Boolean(right.isInjected)) {
                left = left.isInjected ? left : null;
                right = left ? null : right;
            }
            pairs.push([left, right]);
            i += left ? 1 : 0;
            j += right ? 1 : 0;
        }
        return pairs;
    };

    return {pairsOf: pairsOf};
});
