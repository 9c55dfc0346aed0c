/**
 * The mark in the notebook at the cell that an execution is running, or that has failed in it.
 */
define(['jquery', 'base/js/i18n', './texts', './parts'], function ($, i18n, texts, parts) {
    "use strict";

    /**
     * @constructor
     * @param {Notebook} notebook - of the page
     */
    var CellMark = function (notebook) {
        this._notebook = notebook;
        this._marked = null;  // `{cell, name}`
    };

    /** Mark the cell that is running, or that has failed. */
    CellMark.prototype.show = function (run) {
        var failed = run.error !== null && run.error.ename !== undefined;
        if (failed) {
            this._mark(this.cellOf(run), 'nbexec-failed', i18n.msg._("This cell failed in the execution"));
        } else {
            this._mark(run.isCellRunning && !run.isOver ? this.cellOf(run) : null, 'nbexec-running',
                      i18n.msg._("This cell is running in the execution"));
        }
    };

    CellMark.prototype._mark = function (cell, name, text) {
        if (this._marked && this._marked.cell === cell && this._marked.name === name) {
            return;
        }
        if (this._marked) {
            this._marked.cell.element.removeClass(this._marked.name).find('.nbexec-mark').remove();
        }
        this._marked = cell ? {cell: cell, name: name} : null;
        if (cell) {
            var icon = name === 'nbexec-failed' ? 'fa-times' : 'fa-cog fa-spin';
            cell.element.addClass(name).append($('<div>').addClass('nbexec-mark').attr('title', text).append(
                parts.icon(icon),
                $('<span>').addClass('sr-only').text(text)));
        }
    };

    /**
     * The cell of the notebook that is run, if it is still there: the one with its source that is nearest to where it
     * was. Ids of cells would say it too, but only newer notebooks have them.
     */
    CellMark.prototype.cellOf = function (run) {
        if (!run.cell) {
            return null;
        }
        var cells = this._notebook.get_cells(), place = run.number - 1;
        var atInjected = cells[run.injected - 1];
        if (run.injected && run.number > run.injected
                && !(atInjected && (atInjected.metadata.tags || []).indexOf('injected-parameters') !== -1)) {
            place -= 1;
        }
        var source = texts.joined(run.cell.source);
        var distance = function (cell) { return Math.abs(cells.indexOf(cell) - place); };
        return cells.filter(function (cell) {
            return cell.cell_type === 'code' && cell.get_text() === source;
        }).sort(function (a, b) { return distance(a) - distance(b); })[0] || null;
    };

    CellMark.prototype.clear = function () {
        this._mark(null);
    };

    /** Scroll to the cell of a run and select it; returns whether it is there. */
    CellMark.prototype.goTo = function (run) {
        var cell = this.cellOf(run);
        if (cell) {
            this._notebook.select(this._notebook.find_cell_index(cell));
            cell.element[0].scrollIntoView({block: 'center'});
            this._notebook.focus_cell();
        }
        return cell !== null;
    };

    return {CellMark: CellMark};
});
