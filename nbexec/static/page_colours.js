/**
 * Tells the style sheets what they cannot find out: the background of the page, which a theme may have changed.
 */
define(['jquery'], function ($) {
    "use strict";

    /** The parts of a colour as browsers compute it: red, green, blue and, if it is not opaque, alpha. */
    var partsOf = function (color) {
        return (color.match(/[\d.]+/g) || []).map(Number);
    };

    var isOpaque = function (color) {
        var parts = partsOf(color);
        return parts.length === 3 || parts[3] === 1;
    };

    var isDark = function (color) {
        var parts = partsOf(color);
        return 0.299 * parts[0] + 0.587 * parts[1] + 0.114 * parts[2] < 128;
    };

    /** Take the background of the first of the elements that has one; whatever the theme, the page's own counts. */
    var take = function (selectors) {
        var found = selectors.map(function (selector) {
            return $(selector).css('background-color') || '';
        }).filter(function (color) { return color && isOpaque(color); })[0];
        if (found) {
            document.documentElement.style.setProperty('--nbexec-page', found);
            $(document.documentElement).toggleClass('nbexec-dark', isDark(found));
        }
    };

    return {take: take};
});
