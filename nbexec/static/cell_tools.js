/**
 * Draws what helps to find a cell among many: a search, an order, the way to the failed one, and following the running one.
 */
define(['jquery', 'base/js/i18n', './texts', './parts'], function ($, i18n, texts, parts) {
    "use strict";

    /**
     * @constructor
     * @param {jQuery} element - where it is drawn
     * @param {Object} options
     * @param {function()} options.onChange - called when other cells are searched for, or another order
     * @param {function()} options.onFailed - called when the failed cell is asked for
     * @param {function()} options.onFollow - called when the running cell is to be followed
     */
    var CellTools = function (element, options) {
        this._search = $('<input>').attr({type: 'search', 'aria-label': i18n.msg._("Search source and output"),
                                          placeholder: i18n.msg._("Search source and output")})
            .addClass('form-control input-sm').on('input', options.onChange);
        this._found = $('<span>').addClass('nbexec-note').attr('role', 'status');
        this._slowest = toggle(i18n.msg._("Slowest first"), options.onChange);
        this._follow = toggle(i18n.msg._("Follow"), function () {
            if (isPressed(this._follow)) {
                options.onFollow();
            }
        }.bind(this), true);
        this._failed = parts.button('btn-default btn-xs', i18n.msg._("Go to the failed cell"), options.onFailed);
        this._element = $('<div>').addClass('nbexec-toolbar nbexec-cell-tools').hide().append(
            this._search, this._slowest, this._follow, this._failed, this._found).appendTo(element);
    };

    CellTools.prototype.draw = function (cells, isFinal) {
        var last = cells[cells.length - 1];
        this._element.toggle(cells.length > 1);
        this._follow.toggle(!isFinal);
        this._failed.toggle(Boolean(last) && last.state === 'failed');
    };

    CellTools.prototype.isFollowing = function () {
        return isPressed(this._follow);
    };

    CellTools.prototype.isFiltered = function () {
        return isPressed(this._slowest) || this._search.val().trim() !== '';
    };

    /** The cells in the order that is asked for; counts those that are searched for. */
    CellTools.prototype.sorted = function (cells) {
        var sorted = cells.slice();
        this._found.text(this._search.val().trim() ? i18n.msg.sprintf(
            i18n.msg._("%d of %d cells"), cells.filter(this.matches, this).length, cells.length) : '');
        if (isPressed(this._slowest)) {
            sorted.sort(function (one, other) { return durationOf(other) - durationOf(one) || one.number - other.number; });
        }
        return sorted;
    };

    CellTools.prototype.matches = function (cell) {
        var text = this._search.val().trim().toLowerCase();
        return !text || cell.source.toLowerCase().indexOf(text) !== -1 || (cell.outputs || []).some(function (output) {
            return texts.ofOutput(output).toLowerCase().indexOf(text) !== -1;
        });
    };

    /** Of a cell that runs more than of any other. */
    var durationOf = function (cell) {
        return cell.end === null ? Number.MAX_VALUE : cell.end - cell.begin;
    };

    var toggle = function (label, onChange, isOn) {
        var button = parts.button('btn-default btn-xs', label, function () {
            button.attr('aria-pressed', String(!isPressed(button)));
            onChange();
        });
        return button.attr('aria-pressed', String(Boolean(isOn)));
    };

    var isPressed = function (button) {
        return button.attr('aria-pressed') === 'true';
    };

    return {CellTools: CellTools};
});
